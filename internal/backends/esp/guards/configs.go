package guards

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/reply"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/shellquote"
)

// configRow is a configuration as 82 lists it.
type configRow struct {
	ID, Name, Platform string
	Default            bool
	Row                map[string]any
}

func (g *Call) configs(ctx context.Context) ([]configRow, error) {
	var out []configRow
	err := g.list(ctx, "configs.list", nil, func(v []byte) error {
		m, err := wire.Members(v)
		if err != nil {
			return reply.Malformed(g.What, err)
		}
		out = append(out, configRow{backends.Text(m["id"]), backends.Text(m["name"]), backends.Text(m["platform"]), m["is_default"] == true, m})
		return nil
	})
	return out, err
}

func (g *Call) config(ctx context.Context) (*configRow, error) {
	all, err := g.configs(ctx)
	if err != nil {
		return nil, err
	}
	id := g.text("config_id")
	for i := range all {
		if all[i].ID == id {
			return &all[i], nil
		}
	}
	// The list hides configurations without queries, which this shows.
	a, err := g.read(ctx, "configs.get", map[string]any{"config_id": id})
	if err != nil {
		return nil, backends.NotFound("configuration", id)
	}
	row, err := wire.Members(a.Data)
	if err != nil {
		return nil, reply.Malformed(g.What, err)
	}
	return &configRow{ID: id, Name: backends.Text(row["name"]), Row: row}, nil
}

// configHosts names the hosts that run a configuration (87).
func (g *Call) configHosts(ctx context.Context, id string) ([]string, error) {
	var names []string
	err := g.list(ctx, "configs.hosts", map[string]any{"config_id": id}, func(v []byte) error {
		var w wire.Host
		if err := json.Unmarshal(v, &w); err != nil {
			return reply.Malformed(g.What, err)
		}
		names = append(names, w.Name())
		return nil
	})
	return names, err
}

// conditionsOf checks the names a configuration is matched with.
func (g *Call) checkConfigConditions() error {
	for name, v := range g.mapArg("conditions") {
		m, ok := v.(map[string]any)
		text, isText := m["value"].(string)
		if !slices.Contains([]string{"hostname", "os_name"}, name) || !ok || !isText || text == "" {
			e := g.invalid("conditions: %s is none the server knows", oneLine(name))
			e.Hint = `for example {"hostname":{"value":"*web*"},"os_name":{"value":"*Ubuntu*"}}, or {}`
			return e
		}
	}
	return nil
}

func guardConfigAdd(ctx context.Context, g *Call) error {
	g.drop("config_id", "id", "is_default") // the vendor's own example carries them; the server ignores them
	name, platform := g.text("name"), g.text("platform")
	if strings.TrimSpace(name) == "" || platform == "" {
		return g.invalid("a configuration needs a name and a platform")
	}
	if !g.has("conditions") {
		g.args["conditions"] = map[string]any{} // 3.5.1 refuses it without
	}
	if err := g.checkConfigConditions(); err != nil {
		return err
	}
	all, err := g.configs(ctx)
	if err != nil {
		return err
	}
	known, highest := map[string]any{}, int64(0)
	for _, c := range all {
		if n, err := strconv.ParseInt(c.ID, 10, 64); err == nil {
			highest = max(highest, n)
		}
		if c.Platform == platform && c.Name == name {
			e := g.invalid("configuration %s of %s is called %q already", c.ID, platform, name)
			e.Hint = shellquote.Join("edrctl configs update", c.ID) + " changes it"
			return e
		}
		if c.Platform == platform && c.Default {
			known, _ = c.Row["queries"].(map[string]any)
		}
	}
	if err := g.checkConfigQueries(known); err != nil {
		return err
	}
	g.Preview.Summary = "adds the configuration " + oneLine(name) + " for " + platform
	g.Done = func(ctx context.Context) (bool, error) {
		all, err := g.configs(ctx)
		if err != nil || slices.ContainsFunc(all, func(c configRow) bool { return c.Platform == platform && c.Name == name }) {
			return err == nil, err
		}
		return false, g.halfMade(ctx, name, highest)
	}
	return nil
}

// checkConfigQueries wants the SQL of every query: without it the server
// answers 500 and keeps a configuration without queries. What the platform's
// default configuration has is filled in.
func (g *Call) checkConfigQueries(known map[string]any) error {
	queries := g.mapArg("queries")
	var lost []string
	for _, name := range keysOf(queries) {
		q, ok := queries[name].(map[string]any)
		if !ok {
			return g.invalid("queries: %s is not an object with query, interval and status", oneLine(name))
		}
		now, is := known[name].(map[string]any)
		if !is {
			lost = append(lost, name)
		}
		if backends.Text(q["query"]) == "" && now != nil && backends.Text(now["query"]) != "" {
			q = mapsClone(q)
			q["query"] = now["query"]
			queries[name] = q
		}
		if backends.Text(q["query"]) == "" {
			e := g.invalid("queries: %s has no SQL, and without it the server keeps half a configuration", oneLine(name))
			e.Hint = `for example {"process_events":{"query":"select * from process_events;","interval":10,"status":true}}`
			return e
		}
	}
	switch {
	case len(queries) == 0:
		e := g.invalid("queries are missing: the server does not list a configuration without any")
		e.Hint = `for example --queries '{"process_events":{"query":"select * from process_events;","interval":10,"status":true}}'`
		return e
	case len(lost) == len(queries):
		return g.invalid("queries: none of them is in the default configuration of the platform, and the server keeps no other: %s", ShortList(lost))
	case len(lost) > 0:
		g.warn("the server keeps only queries of the platform's default configuration; it leaves out: %s", ShortList(lost))
	}
	g.args["queries"] = queries
	return nil
}

// maxConfigGap is how many ids above those listed are looked at for a
// configuration that the list hides.
const maxConfigGap = 20

// halfMade looks, by id, for a configuration that was made without queries.
// It counts against the five that the server keeps for a platform.
func (g *Call) halfMade(ctx context.Context, name string, above int64) error {
	for n := above + 1; n <= above+maxConfigGap; n++ {
		id := strconv.FormatInt(n, 10)
		a, err := g.read(ctx, "configs.get", map[string]any{"config_id": id})
		if k := backends.KindOf(err); k == backends.KindNotFound || k == backends.KindUnsupported {
			continue
		} else if err != nil {
			return err
		}
		if row, err := wire.Members(a.Data); err == nil && backends.Text(row["name"]) == name {
			return &backends.Error{
				Kind: backends.KindOther, What: g.What, Why: "the server keeps configuration " + id + " without its queries",
				Hint: "edrctl -p " + g.server.Profile() + " configs delete " + id + " removes it; it counts against the five of its platform",
			}
		}
	}
	return nil
}

func guardConfigSet(ctx context.Context, g *Call) error {
	g.drop("id", "is_default", "platform")
	c, err := g.config(ctx)
	if err != nil {
		return err
	}
	a, err := g.read(ctx, "configs.get", map[string]any{"config_id": c.ID})
	if err != nil {
		return err
	}
	now, err := wire.Members(a.Data)
	if err != nil {
		return reply.Malformed(g.What, err)
	}
	given := []string{}
	for _, n := range []string{"name", "description", "conditions", "queries", "filters"} {
		if g.has(n) {
			given = append(given, n)
		}
	}
	if len(given) == 0 {
		return g.invalid("it changes nothing: no member of the configuration is given")
	}
	if c.Default {
		for _, n := range []string{"name", "description", "conditions"} {
			if g.has(n) && canonical(g.args[n]) != canonical(now[n]) {
				return g.invalid("%s is the default configuration of %s: the server ignores a new %s", oneLine(c.Name), c.Platform, n)
			}
		}
	}
	if err := g.checkConfigConditions(); err != nil {
		return err
	}
	if !g.has("conditions") { // required, even when they stay
		if g.args["conditions"] = now["conditions"]; g.args["conditions"] == nil {
			g.args["conditions"] = map[string]any{}
		}
	}
	if f, is := g.args["filters"].(map[string]any); is && len(f) == 0 && !blank(now["filters"]) {
		e := g.invalid("filters: the server ignores an empty object, so the filters would stay")
		e.Hint = "replace them by others"
		return e
	}
	queries := g.mapArg("queries")
	if err := g.completeConfigQueries(queries, now); err != nil {
		return err
	}
	list := configChanges(given, now, g.args, queries)
	if len(list) == 0 {
		g.Preview.Nothing = "the configuration is so already"
	}
	g.Preview.Summary = "changes configuration " + c.ID + " " + oneLine(c.Name) + ": " + strings.Join(list, "; ")
	hosts, err := g.configHosts(ctx, c.ID)
	if err != nil {
		return err
	}
	if len(hosts) > 0 {
		g.warn("it changes what the agents of %s record: %s", model.Amount(len(hosts), "host", "hosts"), ShortList(hosts))
	}
	basis := func(ctx context.Context) (string, error) {
		a, err := g.read(ctx, "configs.get", map[string]any{"config_id": c.ID})
		if err != nil {
			return "", err
		}
		return canonical(a.Data), nil
	}
	g.Basis, g.Found = basis, canonical(a.Data)
	g.warn("%s", between)
	want := mapsClone(g.args)
	g.Done = func(ctx context.Context) (bool, error) {
		a, err := g.read(ctx, "configs.get", map[string]any{"config_id": c.ID})
		if err != nil {
			return false, err
		}
		now, err := wire.Members(a.Data)
		if err != nil {
			return false, reply.Malformed(g.What, err)
		}
		return len(configChanges(given, now, want, queries)) == 0, nil
	}
	return nil
}

// completeConfigQueries checks the queries given for a configuration and takes
// over what they leave out: the server wants interval and status, or neither.
func (g *Call) completeConfigQueries(queries, now map[string]any) error {
	have, _ := now["queries"].(map[string]any)
	for _, name := range keysOf(queries) {
		old, is := have[name].(map[string]any)
		if !is {
			return g.invalid("queries: %s is not in the configuration, and the server adds none", oneLine(name))
		}
		q, ok := queries[name].(map[string]any)
		if !ok {
			return g.invalid("queries: %s is not an object with interval and status", oneLine(name))
		}
		q = mapsClone(q)
		for _, n := range []string{"interval", "status"} {
			if q[n] == nil {
				q[n] = old[n]
			}
		}
		queries[name] = q
		for _, n := range []string{"query", "platform", "snapshot"} {
			if q[n] != nil && canonical(q[n]) != canonical(old[n]) {
				g.warn("queries: of %s only interval and status are taken, not %s", oneLine(name), n)
			}
		}
	}
	return nil
}

// configChanges lists how a configuration differs from what is wanted of it.
func configChanges(given []string, now, want, queries map[string]any) []string {
	list := changes(without(given, "queries"), now, want)
	have, _ := now["queries"].(map[string]any)
	for _, name := range keysOf(queries) {
		old, _ := have[name].(map[string]any)
		q, _ := queries[name].(map[string]any)
		for _, ch := range changes([]string{"interval", "status"}, old, q) {
			list = append(list, name+" "+ch)
		}
	}
	return list
}

func guardConfigDelete(ctx context.Context, g *Call) error {
	c, err := g.config(ctx)
	if err != nil {
		return err
	}
	if c.Default {
		return g.invalid("%s is the default configuration of %s, which cannot be deleted", oneLine(c.Name), c.Platform)
	}
	hosts, err := g.configHosts(ctx, c.ID)
	if err != nil {
		return err
	}
	g.Preview.Summary = "deletes configuration " + c.ID + " " + oneLine(c.Name)
	if c.Platform != "" {
		g.Preview.Summary += " of " + c.Platform
	}
	if len(hosts) > 0 {
		g.warn("%s back to the default: %s", model.Amount(len(hosts), "host falls", "hosts fall"), ShortList(hosts))
	}
	g.Done = func(ctx context.Context) (bool, error) {
		_, err := g.config(ctx)
		if backends.KindOf(err) == backends.KindNotFound {
			return true, nil
		}
		return false, err
	}
	return nil
}

func guardConfigAssign(ctx context.Context, g *Call) error {
	c, err := g.config(ctx)
	if err != nil {
		return err
	}
	idents, tags := csvList(g.text("host_identifiers")), csvList(g.text("tags"))
	if len(idents)+len(tags) == 0 {
		return g.invalid("it names neither hosts nor tags")
	}
	for _, n := range []string{"host_identifiers", "tags"} {
		if g.has(n) {
			g.args[n] = strings.Join(csvList(g.text(n)), ",")
		}
	}
	hosts, err := g.directory(ctx)
	if err != nil {
		return err
	}
	var on, other []string
	seen := map[string]bool{}
	for _, h := range hosts {
		named := slices.Contains(idents, h.ID)
		if !named && !slices.ContainsFunc(h.Tags, func(t string) bool { return slices.Contains(tags, t) }) {
			continue
		}
		seen[h.ID] = true
		on = append(on, h.Name)
		if h.OS != nil && h.OS.Platform != "" && h.OS.Platform != map[string]string{"darwin": "macos"}[c.Platform] && h.OS.Platform != c.Platform {
			other = append(other, h.Name)
		}
	}
	for _, id := range idents {
		if !seen[id] {
			return backends.NotFound("host", id)
		}
	}
	g.Preview.Summary = "gives configuration " + c.ID + " " + oneLine(c.Name) + " to " + model.Amount(len(on), "host", "hosts") + ": " + ShortList(on)
	if len(on) == 0 {
		g.Preview.Nothing = "no host carries the tags"
	} else {
		g.warn("it changes what the agents of these hosts record")
	}
	if len(other) > 0 {
		g.warn("it is a configuration for %s, and these hosts are not, which the server does not check: %s", c.Platform, ShortList(other))
	}
	want := on
	g.Done = func(ctx context.Context) (bool, error) {
		have, err := g.configHosts(ctx, c.ID)
		return !slices.ContainsFunc(want, func(h string) bool { return !slices.Contains(have, h) }), err
	}
	return nil
}

var errNoHost = errors.New("it names no host")
