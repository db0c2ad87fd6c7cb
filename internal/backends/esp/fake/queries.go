package fake

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/lazyregexp"
)

func queryRow(q Query) object {
	return object{{"id", q.ID}, {"name", q.Name}, {"sql", q.SQL}, {"interval", q.Interval}, {"platform", orNull(q.Platform)}, {"version", orNull(q.Version)},
		{"description", q.Description}, {"value", orNull(q.Value)}, {"snapshot", q.Snapshot}, {"shard", nil}, {"tags", list(q.Tags)}, {"packs", list(q.Packs)}}
}

func (s *Server) queries(r *request, keep func(Query) bool, message string) reply {
	s.mu.Lock()
	all := slices.Clone(s.st.Queries)
	s.mu.Unlock()
	slices.SortStableFunc(all, func(a, b Query) int { return strings.Compare(a.Name, b.Name) })
	total := 0
	var match []Query
	for _, q := range all {
		if !keep(q) {
			continue
		}
		total++
		if t := strings.ToLower(r.str("searchterm")); t == "" || containsFold(q.Name, t) {
			match = append(match, q)
		}
	}
	from, to := r.slice(len(match), len(match), true)
	rows := []any{}
	for _, q := range match[from:to] {
		rows = append(rows, queryRow(q))
	}
	return ok(message, object{{"count", len(match)}, {"total_count", total}, {"results", rows}})
}

func queriesList(s *Server, r *request) reply {
	return s.queries(r, func(Query) bool { return true }, "Successfully fetched the queries info!")
}

func queriesPacked(s *Server, r *request) reply {
	return s.queries(r, func(q Query) bool { return len(q.Packs) > 0 }, "Successfully fetched the packed queries info")
}

// editQuery finds a query by id or name and lets f change it; f may be nil.
func (s *Server) editQuery(ref string, byName bool, f func(*Query)) (Query, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := request{path: map[string]string{"q": ref}}
	for i := range s.st.Queries {
		q := &s.st.Queries[i]
		if q.ID == r.intPath("q") || byName && q.Name == ref {
			if f != nil {
				f(q)
			}
			return *q, true
		}
	}
	return Query{}, false
}

func noQuery() reply { return fail("Query with this id does not exist") }

func queryGet(s *Server, r *request) reply {
	q, found := s.editQuery(r.path["query_id"], false, nil)
	if !found {
		return noQuery()
	}
	return ok("Successfully fetched the query info for the given id", queryRow(q))
}

var selectStart = lazyregexp.New(`(?is)^\s*(select|with)\s`)

func queryFrom(r *request) (Query, string) {
	q := Query{Name: r.str("name"), SQL: r.str("query"), Interval: r.num("interval", 0), Platform: r.str("platform"), Version: r.str("version"),
		Description: r.str("description"), Value: r.str("value"), Snapshot: r.boolean("snapshot", true), Tags: trimmed(r.str("tags")), Packs: trimmed(r.str("packs"))}
	switch {
	case !selectStart.MatchString(q.SQL):
		return q, `Invalid osquery query: "` + q.SQL + `"`
	case q.Interval <= 0:
		return q, "Interval provided is not valid! Please provide an interval greater than 0"
	}
	return q, ""
}

func queryAdd(s *Server, r *request) reply {
	if s.hasQuery(r.str("name")) {
		return fail("Query with this name already exists")
	}
	q, why := queryFrom(r)
	if why != "" {
		return fail(why)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	top := 0
	for _, x := range s.st.Queries {
		top = max(top, x.ID)
	}
	q.ID = s.st.next("scheduled", top)
	for _, t := range q.Tags {
		s.st.addTag(t)
	}
	s.st.Queries = append(s.st.Queries, q)
	s.st.repack(q)
	return reply{json: object{{"status", "success"}, {"message", "Successfully added the query for the data given"}, {"query_id", q.ID}}}
}

func querySet(s *Server, r *request) reply {
	if _, found := s.editQuery(r.path["query_id"], false, nil); !found {
		return noQuery()
	}
	q, why := queryFrom(r)
	if why != "" {
		return fail(why)
	}
	clash := false
	q, _ = s.editQuery(r.path["query_id"], false, func(old *Query) {
		if clash = slices.ContainsFunc(s.st.Queries, func(x Query) bool { return x.Name == q.Name && x.ID != old.ID }); clash {
			return
		}
		q.ID = old.ID
		for i := range s.st.Packs { // by its old name
			s.st.Packs[i].Queries = drop(s.st.Packs[i].Queries, old.Name)
		}
		*old = q
		for _, t := range q.Tags {
			s.st.addTag(t)
		}
		s.st.repack(q)
	})
	if clash {
		return fail("Query with this name already exists")
	}
	return ok("Successfully edited the query info for the given id", queryRow(q))
}

// repack makes the packs hold a query as its own list says: a query that is
// written without packs leaves them.
func (st *state) repack(q Query) {
	for i := range st.Packs {
		p := &st.Packs[i]
		switch in := slices.Contains(p.Queries, q.Name); {
		case slices.Contains(q.Packs, p.Name) && !in:
			p.Queries = append(slices.Clone(p.Queries), q.Name)
		case !slices.Contains(q.Packs, p.Name) && in:
			p.Queries = drop(p.Queries, q.Name)
		}
	}
}

func queryTags(s *Server, r *request) reply {
	q, found := s.editQuery(r.path["query_id"], false, nil)
	if !found {
		return noQuery()
	}
	return ok("Successfully fetched the tags of query", list(q.Tags))
}

func queryTagAdd(s *Server, r *request) reply {
	_, found := s.editQuery(r.path["query_id"], false, func(q *Query) {
		if !slices.Contains(q.Tags, r.str("tag")) {
			q.Tags = append(slices.Clone(q.Tags), r.str("tag"))
		}
		s.st.addTag(r.str("tag"))
	})
	if !found {
		return noQuery()
	}
	return ok("Successfully created the tag(s) to queries", nil)
}

func queryTagRemove(s *Server, r *request) reply {
	_, found := s.editQuery(r.path["query_id"], false, func(q *Query) { q.Tags = drop(q.Tags, r.str("tag")) })
	if !found {
		return noQuery()
	}
	return ok("Successfully removed tags from query", nil)
}

func queryDelete(s *Server, r *request) reply {
	q, found := s.editQuery(r.path["query"], true, nil)
	if !found {
		return fail("Query is not available with this query_name or query_id")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.st.Queries = slices.DeleteFunc(s.st.Queries, func(x Query) bool { return x.ID == q.ID })
	q.Packs = nil
	s.st.repack(q)
	return okCapital("Successfully deleted the query")
}

// packRow shows queries as objects in the list, as names in the detail of 3.5.
func (s *Server) packRow(p Pack, names bool) object {
	s.mu.Lock()
	defer s.mu.Unlock()
	var queries any = list(p.Queries)
	if !names {
		rows := []any{}
		for _, q := range s.st.Queries {
			if slices.Contains(p.Queries, q.Name) {
				rows = append(rows, queryRow(q))
			}
		}
		queries = rows
	}
	category := p.Category
	if category == "" {
		category = "General"
	}
	return object{{"id", p.ID}, {"name", p.Name}, {"platform", nil}, {"version", nil}, {"description", nil}, {"shard", nil}, {"category", category}, {"tags", list(p.Tags)}, {"queries", queries}}
}

func packsList(s *Server, r *request) reply {
	s.mu.Lock()
	all := slices.Clone(s.st.Packs)
	s.mu.Unlock()
	var match []Pack
	for _, p := range all {
		if t := strings.ToLower(r.str("searchterm")); t == "" || containsFold(p.Name, t) {
			match = append(match, p)
		}
	}
	from, to := r.slice(len(match), len(match), true)
	rows := []any{}
	for _, p := range match[from:to] {
		rows = append(rows, s.packRow(p, false))
	}
	return ok("successfully fetched the packs info", object{{"count", len(match)}, {"total_count", len(all)}, {"results", rows}})
}

func (s *Server) editPack(ref string, byName bool, f func(*Pack)) (Pack, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := request{path: map[string]string{"p": ref}}
	for i := range s.st.Packs {
		p := &s.st.Packs[i]
		if p.ID == r.intPath("p") || byName && p.Name == ref {
			if f != nil {
				f(p)
			}
			return *p, true
		}
	}
	return Pack{}, false
}

func packGet(s *Server, r *request) reply {
	p, found := s.editPack(r.path["pack_id"], false, nil)
	if !found {
		return fail("Pack info with this pack id does not exist")
	}
	return ok("successfully fetched the packs info", s.packRow(p, s.opt.Edition == CE3 || s.opt.Edition == CE4))
}

func interval(v json.RawMessage) int {
	if n, err := strconv.Atoi(argText(v)); err == nil && n > 0 {
		return n
	}
	return 3600
}

// addPack adds queries to a pack, which is made when it is new.
func (s *Server) addPack(name, category string, tags []string, queries json.RawMessage, message string) reply {
	var in map[string]struct {
		Query                                 string
		Interval                              json.RawMessage
		Platform, Version, Description, Value string
	}
	if json.Unmarshal(queries, &in) != nil || in == nil {
		return fail("Queries are compulsory!")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.st.Packs, func(p Pack) bool { return p.Name == name })
	if i < 0 {
		top := 0
		for _, p := range s.st.Packs {
			top = max(top, p.ID)
		}
		s.st.Packs = append(s.st.Packs, Pack{ID: s.st.next("pack", top), Name: name, Category: category})
		i = len(s.st.Packs) - 1
	}
	p := &s.st.Packs[i]
	p.Tags = tags
	for _, n := range sortedNames(in) {
		if !parses(in[n].Query) {
			continue // skipped silently
		}
		if !slices.ContainsFunc(s.st.Queries, func(q Query) bool { return q.Name == n && q.SQL == in[n].Query }) {
			top := 0
			for _, q := range s.st.Queries {
				top = max(top, q.ID)
			}
			s.st.Queries = append(s.st.Queries, Query{ID: s.st.next("scheduled", top), Name: n, SQL: in[n].Query, Interval: interval(in[n].Interval),
				Platform: in[n].Platform, Version: in[n].Version, Description: in[n].Description, Value: in[n].Value, Packs: []string{name}})
		}
		if !slices.Contains(p.Queries, n) {
			p.Queries = append(slices.Clone(p.Queries), n)
		}
		for j := range s.st.Queries {
			if q := &s.st.Queries[j]; q.Name == n && q.SQL == in[n].Query && !slices.Contains(q.Packs, name) {
				q.Packs = append(slices.Clone(q.Packs), name)
			}
		}
	}
	return reply{json: object{{"status", "success"}, {"message", message}, {"pack_id", p.ID}}}
}

// parses is as much of SQL as the fake reads: a select with balanced
// parentheses and quotes.
func parses(sql string) bool {
	return selectStart.MatchString(sql) && strings.Count(sql, "(") == strings.Count(sql, ")") && strings.Count(sql, "'")%2 == 0
}

func packAdd(s *Server, r *request) reply {
	if !r.has("tags") && s.opt.Edition == CE3 {
		return crash()
	}
	return s.addPack(r.str("name"), r.str("category"), trimmed(r.str("tags")), r.args["queries"], "Imported query pack and pack is added successfully")
}

func packUpload(s *Server, r *request) reply {
	f := r.files["file"]
	var in struct{ Queries json.RawMessage }
	if !strings.HasSuffix(f.name, ".json") && !strings.HasSuffix(f.name, ".conf") || json.Unmarshal(f.body, &in) != nil {
		return fail("Please upload only readable(.json/.conf) formatted files with well json!")
	}
	if in.Queries == nil {
		return fail("Queries are compulsory!")
	}
	name, _, _ := strings.Cut(strings.ToLower(f.name), ".")
	return s.addPack(name, r.str("category"), nil, in.Queries, "pack uploaded successfully")
}

func noPack() reply { return fail("Pack is not available with this pack name or pack id") }

func packTags(s *Server, r *request) reply {
	p, found := s.editPack(r.path["pack"], true, nil)
	if !found {
		return noPack()
	}
	return ok("Successfully fetched the tags of pack", list(p.Tags))
}

func packTagAdd(s *Server, r *request) reply {
	_, found := s.editPack(r.path["pack"], true, func(p *Pack) {
		if !slices.Contains(p.Tags, r.str("tag")) {
			p.Tags = append(slices.Clone(p.Tags), r.str("tag"))
		}
		s.st.addTag(r.str("tag"))
	})
	if !found {
		return noPack()
	}
	return ok("Successfully created the tag(s) to packs", nil)
}

func packTagRemove(s *Server, r *request) reply {
	_, found := s.editPack(r.path["pack"], true, func(p *Pack) { p.Tags = drop(p.Tags, r.str("tag")) })
	if !found {
		return noPack()
	}
	return ok("Successfully removed tags from pack", nil)
}

func packDelete(s *Server, r *request) reply {
	p, found := s.editPack(r.path["pack"], true, nil)
	if !found {
		return noPack()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.st.Packs = slices.DeleteFunc(s.st.Packs, func(x Pack) bool { return x.ID == p.ID })
	for i := range s.st.Queries {
		s.st.Queries[i].Packs = drop(s.st.Queries[i].Packs, p.Name)
	}
	return okCapital("Successfully deleted the pack")
}

func configRow(c Config, full bool) object {
	o := object{}
	if full {
		o = append(o, object{{"id", c.ID}, {"is_default", c.Default}}...)
	} else {
		o = append(o, member{"name", c.Name})
	}
	return append(o, object{{"queries", rawJSON(c.Queries, "{}")}, {"filters", rawJSON(c.Filters, "{}")}, {"conditions", rawJSON(c.Conditions, "{}")}, {"description", c.Description}}...)
}

func configsList(s *Server, _ *request) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	data := object{}
	for _, p := range []string{"linux", "windows", "darwin"} {
		one := object{}
		for _, c := range s.st.Configs {
			if c.Platform == p && (c.Default || hasQueries(c)) { // others are hidden
				one = append(one, member{c.Name, configRow(c, true)})
			}
		}
		data = append(data, member{p, one})
	}
	return ok("Successfully fetched the config data", data)
}

func (s *Server) editConfig(r *request, f func(*Config)) (Config, *reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.st.Configs {
		if s.st.Configs[i].ID == r.intPath("config_id") {
			if f != nil {
				f(&s.st.Configs[i])
			}
			return s.st.Configs[i], nil
		}
	}
	rep := status(http.StatusNotFound, "Config id is not valid!. You have requested this URI ["+r.URL.Path+"] but did you mean /services/api/v1/configs/<int:config_id> or /services/api/v1/configs/<int:config_id>/assign or /services/api/v1/configs ?")
	return Config{}, &rep
}

func configGet(s *Server, r *request) reply {
	c, bad := s.editConfig(r, nil)
	if bad != nil {
		return *bad
	}
	return ok("Successfully fetched the config data", configRow(c, false))
}

func configAdd(s *Server, r *request) reply {
	if !r.has("conditions") {
		return fail("Conditions are not valid!")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	top, made := 0, 0
	for _, c := range s.st.Configs {
		top = max(top, c.ID)
		if c.Platform == r.str("platform") && !c.Default {
			made++
		}
	}
	if made >= maxConfigs {
		return fail("Configs limit is reached for the platform!")
	}
	// Only queries of the platform's default configuration are kept.
	known := map[string]json.RawMessage{}
	for _, x := range s.st.Configs {
		if x.Platform == r.str("platform") && x.Default {
			_ = json.Unmarshal([]byte(x.Queries), &known)
		}
	}
	var queries map[string]json.RawMessage
	_ = json.Unmarshal(r.args["queries"], &queries)
	for n := range queries {
		if _, is := known[n]; !is {
			delete(queries, n)
		}
	}
	broken := false
	for n := range queries {
		var q struct{ Query string }
		broken = broken || json.Unmarshal(queries[n], &q) != nil || q.Query == ""
	}
	if broken {
		queries = nil // the configuration is stored before its queries fail
	}
	kept, _ := json.Marshal(queries)
	r.args["queries"] = kept
	c := Config{ID: s.st.next("config", top), Name: r.str("name"), Platform: r.str("platform"), Description: r.str("description"),
		Queries: string(r.args["queries"]), Filters: string(r.args["filters"]), Conditions: string(r.args["conditions"])}
	s.st.Configs = append(s.st.Configs, c)
	if broken {
		return crash()
	}
	return ok("Config is added successfully", c.ID)
}

// maxConfigs is how many configurations a platform may have besides its
// default; the text of the refusal is not recorded.
const maxConfigs = 5

func hasQueries(c Config) bool {
	var m map[string]json.RawMessage
	return json.Unmarshal([]byte(c.Queries), &m) == nil && len(m) > 0
}

func configSet(s *Server, r *request) reply {
	if _, bad := s.editConfig(r, nil); bad != nil {
		return *bad
	}
	if !r.has("conditions") {
		return fail("Conditions are not valid!")
	}
	var given map[string]map[string]json.RawMessage
	if r.has("queries") && json.Unmarshal(r.args["queries"], &given) != nil {
		return crash()
	}
	for _, q := range given {
		if q["interval"] == nil || q["status"] == nil {
			return fail("Please provide both interval and status for all queries!")
		}
	}
	taken := false
	s.editConfig(r, func(c *Config) {
		taken = !c.Default && r.has("name") && slices.ContainsFunc(s.st.Configs, func(x Config) bool {
			return x.ID != c.ID && x.Platform == c.Platform && x.Name == r.str("name")
		})
		if taken {
			return
		}
		if f := string(r.args["filters"]); f != "" && f != "{}" && f != "null" {
			c.Filters = f
		}
		var have map[string]map[string]json.RawMessage
		if json.Unmarshal([]byte(c.Queries), &have) == nil && len(given) > 0 {
			for n, q := range given {
				if old := have[n]; old != nil { // others are not added, and nothing else is taken
					old["interval"], old["status"] = q["interval"], q["status"]
				}
			}
			if b, err := json.Marshal(have); err == nil {
				c.Queries = string(b)
			}
		}
		if !c.Default {
			if r.has("name") {
				c.Name = r.str("name")
			}
			if r.has("description") {
				c.Description = r.str("description")
			}
			c.Conditions = string(r.args["conditions"])
		}
	})
	if taken {
		return status(http.StatusBadRequest, "Config with this name already exists for the platform")
	}
	return ok("Config is updated successfully for the platform given", nil)
}

func configDelete(s *Server, r *request) reply {
	c, bad := s.editConfig(r, nil)
	if bad != nil {
		return *bad
	}
	if c.Default {
		return fail("Default configs cannot be deleted!")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.st.Configs = slices.DeleteFunc(s.st.Configs, func(x Config) bool { return x.ID == c.ID })
	return ok("Config is deleted successfully", nil)
}

func configAssign(s *Server, r *request) reply {
	if _, bad := s.editConfig(r, nil); bad != nil {
		return *bad
	}
	idents, tags := parts(r.str("host_identifiers")), parts(r.str("tags"))
	if len(idents)+len(tags) == 0 {
		return status(http.StatusBadRequest, "Host Identifiers or Tags are required!")
	}
	for _, h := range s.enabledHosts(true) {
		if slices.Contains(idents, h.Identifier) || slices.ContainsFunc(s.hostTags(h.ID), func(t string) bool { return slices.Contains(tags, t) }) {
			s.changeHost(h.ID, func(n *hostNow) { n.Config = r.intPath("config_id") })
		}
	}
	return ok("Config is assigned to the hosts successfully", nil)
}

func configHosts(s *Server, r *request) reply {
	c, bad := s.editConfig(r, nil)
	if bad != nil {
		return *bad
	}
	rows := []any{}
	for _, h := range s.enabledHosts(true) {
		s.mu.Lock()
		now := s.st.Hosts[h.ID].Config
		s.mu.Unlock()
		if now == c.ID || now == 0 && c.Default && c.Platform == family(h.Platform) {
			rows = append(rows, s.hostRow(h, false))
		}
	}
	return ok("Hosts are retrieved for the config", rows)
}
