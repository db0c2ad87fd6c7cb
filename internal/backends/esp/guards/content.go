package guards

import (
	"context"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/reply"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/lazyregexp"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/shellquote"
)

var queryMembers = []string{"name", "query", "interval", "platform", "version", "description", "value", "snapshot", "tags", "packs"}

// isSelect is as much as can be checked here of SQL the server takes.
var isSelect = lazyregexp.New(`(?is)^\s*(select|with)\s`)

// asQuery takes the words of answers for those of requests.
func (g *Call) asQuery() error {
	g.drop("id", "shard")
	g.rename("sql", "query")
	for _, name := range []string{"tags", "packs"} {
		if g.has(name) {
			g.args[name] = strings.Join(csvList(g.text(name)), ",")
		}
	}
	if g.has("query") && !isSelect.MatchString(g.text("query")) {
		return g.invalid("query: %s is not SQL the server takes: it begins with select", oneLine(g.text("query")))
	}
	if g.has("interval") {
		if n, err := strconv.ParseInt(g.text("interval"), 10, 64); err != nil || n <= 0 {
			return g.invalid("interval: seconds, above zero")
		}
	}
	return nil
}

type namedRow struct {
	ID   string
	Name string
	Row  map[string]any
}

// namedIn finds the record of an exact name in a list that looks for parts of
// names; nil when there is none.
func (g *Call) namedIn(ctx context.Context, op, name string) (*namedRow, error) {
	var found *namedRow
	err := g.list(ctx, op, map[string]any{"searchterm": name}, func(v []byte) error {
		m, err := wire.Members(v)
		if err != nil {
			return reply.Malformed(g.What, err)
		}
		if backends.Text(m["name"]) == name {
			found = &namedRow{backends.Text(m["id"]), name, m}
		}
		return nil
	})
	return found, err
}

func guardQueryAdd(ctx context.Context, g *Call) error {
	for _, need := range []string{"name", "query", "interval"} {
		if g.text(need) == "" && !(need == "query" && g.extra["sql"] != nil) {
			return g.invalid("%s is missing", need)
		}
	}
	if err := g.asQuery(); err != nil {
		return err
	}
	name := g.text("name")
	old, err := g.namedIn(ctx, "queries.list", name)
	if err != nil {
		return err
	}
	if old != nil {
		e := g.invalid("query %s is called %q already", old.ID, name)
		e.Hint = shellquote.Join("edrctl queries update", old.ID) + " changes it"
		return e
	}
	g.Preview.Summary = "schedules the query " + oneLine(name) + " every " + g.text("interval") + " s"
	g.Done = func(ctx context.Context) (bool, error) {
		now, err := g.namedIn(ctx, "queries.list", name)
		return now != nil, err
	}
	return nil
}

// queryNow reads a query as the call would have to be written to keep it.
func (g *Call) queryNow(ctx context.Context) (now map[string]any, basis string, err error) {
	a, err := g.read(ctx, "queries.get", map[string]any{"query_id": g.args["query_id"]})
	if err != nil {
		return nil, "", err
	}
	row, err := wire.Members(a.Data)
	if err != nil {
		return nil, "", reply.Malformed(g.What, err)
	}
	now = map[string]any{}
	for _, name := range queryMembers {
		v := row[name]
		switch name {
		case "query":
			v = row["sql"]
		case "snapshot":
			if v != nil {
				v = backends.Text(v) // a word in the request
			}
		case "tags", "packs":
			text, err := csvText(v)
			if err != nil {
				return nil, "", g.invalid("%s: %v", name, err)
			}
			v = text
		}
		if v != nil {
			now[name] = v
		}
	}
	return now, canonical(row), nil
}

func guardQuerySet(ctx context.Context, g *Call) error {
	if !g.has("query_id") {
		return g.invalid("query_id is missing")
	}
	if err := g.asQuery(); err != nil {
		return err
	}
	now, found, err := g.queryNow(ctx)
	if err != nil {
		return err
	}
	given := 0
	for _, name := range queryMembers {
		if g.has(name) {
			given++
			continue
		}
		if v, is := now[name]; is {
			g.args[name] = v
		}
	}
	if given == 0 {
		return g.invalid("it changes nothing: no member of the query is given")
	}
	differ := func(now map[string]any) []string {
		now = mapsClone(now)
		for _, n := range []string{"tags", "packs"} {
			if sameSet(backends.Text(now[n]), g.text(n)) {
				now[n] = g.text(n)
			}
		}
		now["interval"], now["snapshot"] = backends.Text(now["interval"]), backends.Text(now["snapshot"])
		want := mapsClone(g.args)
		want["interval"], want["snapshot"] = g.text("interval"), g.text("snapshot")
		return changes(queryMembers, now, want)
	}
	list := differ(now)
	if len(list) == 0 {
		g.Preview.Nothing = "the query is so already"
	}
	for _, p := range wire.SplitCSV(backends.Text(now["packs"])) {
		if !slices.Contains(wire.SplitCSV(g.text("packs")), p) {
			g.warn("the query leaves the pack %s", p)
		}
	}
	g.Preview.Summary = "changes query " + g.text("query_id") + " " + oneLine(now["name"]) + ": " + strings.Join(list, "; ")
	g.Basis, g.Found = func(ctx context.Context) (string, error) {
		_, b, err := g.queryNow(ctx)
		return b, err
	}, found
	g.warn("%s", between)
	g.Done = func(ctx context.Context) (bool, error) {
		now, _, err := g.queryNow(ctx)
		return err == nil && len(differ(now)) == 0, err
	}
	return nil
}

// refIn finds a query or pack by number or exact name among all.
func (g *Call) refIn(ctx context.Context, op, ref string) (*namedRow, error) {
	var byID, byName *namedRow
	err := g.list(ctx, op, nil, func(v []byte) error {
		m, err := wire.Members(v)
		if err != nil {
			return reply.Malformed(g.What, err)
		}
		r := &namedRow{backends.Text(m["id"]), backends.Text(m["name"]), m}
		switch ref {
		case r.ID:
			byID = r
		case r.Name:
			byName = r
		}
		return nil
	})
	if byID != nil {
		return byID, err
	}
	return byName, err
}

func guardQueryDelete(ctx context.Context, g *Call) error {
	ref := g.text("query")
	q, err := g.refIn(ctx, "queries.list", ref)
	if err != nil {
		return err
	}
	if q == nil {
		return backends.NotFound("query", ref)
	}
	g.Preview.Summary = "deletes query " + q.ID + " " + oneLine(q.Name) + " and ends its schedule"
	if packs, err := csvText(q.Row["packs"]); err == nil && packs != "" {
		g.warn("it is in the packs %s", packs)
	}
	g.args["query"] = q.ID
	g.Done = func(ctx context.Context) (bool, error) {
		q, err := g.refIn(ctx, "queries.list", q.ID)
		return q == nil, err
	}
	return nil
}

// packQueries refuses what a pack would drop in silence, and warns of doubles.
func (g *Call) packQueries(ctx context.Context, queries map[string]any) ([]string, error) {
	if len(queries) == 0 {
		return nil, g.invalid("queries: a pack needs at least one")
	}
	sql := map[string][]string{}
	err := g.list(ctx, "queries.list", nil, func(v []byte) error {
		m, err := wire.Members(v)
		if err != nil {
			return reply.Malformed(g.What, err)
		}
		name := backends.Text(m["name"])
		sql[name] = append(sql[name], backends.Text(m["sql"]))
		return nil
	})
	if err != nil {
		return nil, err
	}
	names := keysOf(queries)
	for _, name := range names {
		q, ok := queries[name].(map[string]any)
		if !ok {
			return nil, g.invalid("queries: %s is not an object with query and interval", oneLine(name))
		}
		text, _ := q["query"].(string)
		if !isSelect.MatchString(text) {
			return nil, g.invalid("queries: the SQL of %s begins not with select: the server would leave it out in silence", oneLine(name))
		}
		if n, err := strconv.ParseInt(backends.Text(q["interval"]), 10, 64); q["interval"] != nil && (err != nil || n <= 0) {
			return nil, g.invalid("queries: the interval of %s is not a number of seconds above zero", oneLine(name))
		}
		if old := sql[name]; len(old) > 0 && !slices.Contains(old, text) {
			g.warn("a query %s with other SQL is there: the server makes a second one of the name", oneLine(name))
		}
	}
	return names, nil
}

func (g *Call) packState(ctx context.Context, name string) (string, *namedRow, error) {
	p, err := g.namedIn(ctx, "packs.list", name)
	if err != nil || p == nil {
		return "none", nil, err
	}
	return canonical(p.Row), p, nil
}

// onPack tells what an addition to a pack of the name meets.
func (g *Call) onPack(ctx context.Context, name string, queries []string) (*namedRow, error) {
	found, old, err := g.packState(ctx, name)
	if err != nil {
		return nil, err
	}
	g.Basis, g.Found = func(ctx context.Context) (string, error) {
		s, _, err := g.packState(ctx, name)
		return s, err
	}, found
	g.Preview.Summary = "adds the pack " + oneLine(name) + " with " + model.Amount(len(queries), "query", "queries") + ": " + ShortList(queries)
	if old != nil {
		g.Preview.Summary = "adds " + model.Amount(len(queries), "query", "queries") + " to the pack " + oneLine(name) + ": " + ShortList(queries)
		g.warn("the pack %s is there, with %s: %s; nothing of it is removed", old.ID, model.Amount(len(namesIn(old.Row["queries"])), "query", "queries"), ShortList(namesIn(old.Row["queries"])))
	}
	g.Missing = func(ctx context.Context) ([]string, error) {
		_, now, err := g.packState(ctx, name)
		if err != nil || now == nil {
			return nil, err
		}
		have := namesIn(now.Row["queries"])
		return slices.DeleteFunc(slices.Clone(queries), func(q string) bool { return slices.Contains(have, q) }), nil
	}
	g.Done = func(ctx context.Context) (bool, error) {
		_, now, err := g.packState(ctx, name)
		if err != nil || now == nil {
			return false, err
		}
		lost, err := g.Missing(ctx)
		return err == nil && len(lost) == 0, err
	}
	return old, nil
}

// namesIn reads the names of queries: objects or texts.
func namesIn(v any) []string {
	var out []string
	list, _ := v.([]any)
	for _, e := range list {
		if m, ok := e.(map[string]any); ok {
			e = m["name"]
		}
		out = append(out, backends.Text(e))
	}
	return out
}

func guardPackAdd(ctx context.Context, g *Call) error {
	g.drop("id")
	name := g.text("name")
	if strings.TrimSpace(name) == "" {
		return g.invalid("name is missing")
	}
	queries, err := g.packQueries(ctx, g.mapArg("queries"))
	if err != nil {
		return err
	}
	old, err := g.onPack(ctx, name, queries)
	if err != nil {
		return err
	}
	switch {
	case old == nil && !g.has("tags"):
		g.args["tags"] = "" // leaving it out is a 500 in 3.5.1
	case old != nil:
		now, err := csvText(old.Row["tags"])
		if err != nil {
			return g.invalid("tags: %v", err)
		}
		if !g.has("tags") {
			g.args["tags"] = now // the call replaces them
		} else if !sameSet(now, g.text("tags")) {
			g.warn("its tags are replaced: %s → %s", oneLine(now), oneLine(g.text("tags")))
		}
	}
	g.args["tags"] = strings.Join(csvList(g.text("tags")), ",")
	return nil
}

func guardPackUpload(ctx context.Context, g *Call) error {
	f, ok := g.args["file"].(backends.File)
	if !ok {
		return g.invalid("file is missing")
	}
	base := path.Base(strings.ReplaceAll(f.Name, `\`, "/"))
	if ext := strings.ToLower(path.Ext(base)); ext != ".json" && ext != ".conf" {
		return g.invalid("the server takes packs in .json and .conf files only, not %s", oneLine(base))
	}
	m, err := wire.Members(f.Content)
	if err != nil {
		return g.invalid("%s is not a JSON object", oneLine(base))
	}
	in, _ := m["queries"].(map[string]any)
	queries, err := g.packQueries(ctx, in)
	if err != nil {
		return err
	}
	name, _, _ := strings.Cut(strings.ToLower(base), ".")
	old, err := g.onPack(ctx, name, queries)
	if err != nil {
		return err
	}
	if old != nil {
		if tags, err := csvText(old.Row["tags"]); err != nil || tags != "" {
			g.warn("the pack's tags are lost by the upload: %s", oneLine(old.Row["tags"]))
		}
	}
	f.Name = base
	g.args["file"] = f
	return nil
}

func guardPackDelete(ctx context.Context, g *Call) error {
	ref := g.text("pack")
	p, err := g.refIn(ctx, "packs.list", ref)
	if err != nil {
		return err
	}
	if p == nil {
		return backends.NotFound("pack", ref)
	}
	names := namesIn(p.Row["queries"])
	g.Preview.Summary = "deletes pack " + p.ID + " " + oneLine(p.Name) + " with its " + model.Amount(len(names), "query", "queries") + ": " + ShortList(names)
	g.args["pack"] = p.ID
	g.Done = func(ctx context.Context) (bool, error) {
		p, err := g.refIn(ctx, "packs.list", p.ID)
		return p == nil, err
	}
	return nil
}
