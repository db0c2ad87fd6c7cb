package fake

import (
	"encoding/json"
	"path"
	"slices"
	"strings"
)

func (s *Server) tagRow(tag string) object {
	s.mu.Lock()
	defer s.mu.Unlock()
	nodes, packs, queries := []string{}, []string{}, []string{}
	for _, h := range s.data.Hosts {
		if n := s.st.Hosts[h.ID]; !n.Deleted && slices.Contains(n.Tags, tag) {
			nodes = append(nodes, h.Identifier)
		}
	}
	for _, p := range s.st.Packs {
		if slices.Contains(p.Tags, tag) {
			packs = append(packs, p.Name)
		}
	}
	for _, q := range s.st.Queries {
		if slices.Contains(q.Tags, tag) {
			queries = append(queries, q.Name)
		}
	}
	return object{{"value", tag}, {"nodes", nodes}, {"packs", packs}, {"queries", queries}, {"file_paths", []string{}}}
}

func tagsList(s *Server, r *request) reply {
	term := strings.ToLower(r.str("searchterm"))
	s.mu.Lock()
	all := slices.Clone(s.st.Tags)
	s.mu.Unlock()
	var match []string
	for _, t := range all {
		if term == "" || containsFold(t, term) {
			match = append(match, t)
		}
	}
	from, to := r.slice(len(match), len(match), false)
	rows := []any{}
	for _, t := range match[from:to] {
		rows = append(rows, s.tagRow(t))
	}
	return ok("Successfully fetched the tags info", object{{"count", len(match)}, {"total_count", len(all)}, {"results", rows}})
}

func tagsAdd(s *Server, r *request) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.st.addTag(r.str("tag")) {
		return fail("Tag is already present!")
	}
	return ok("Tag added successfully", nil)
}

func drop(list []string, v string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(x string) bool { return x == v })
}

func tagsDelete(s *Server, r *request) reply {
	tag := r.str("tag")
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.st.Tags, tag) {
		return ok("Tag does not exists!", nil)
	}
	s.st.Tags = drop(s.st.Tags, tag)
	for id, h := range s.st.Hosts {
		h.Tags = drop(h.Tags, tag)
		s.st.Hosts[id] = h
	}
	for i := range s.st.Packs {
		s.st.Packs[i].Tags = drop(s.st.Packs[i].Tags, tag)
	}
	for i := range s.st.Queries {
		s.st.Queries[i].Tags = drop(s.st.Queries[i].Tags, tag)
	}
	return ok("Tag is deleted successfully", nil)
}

func tagsTagged(s *Server, r *request) reply {
	tags := parts(r.str("tags"))
	s.mu.Lock()
	known := slices.ContainsFunc(tags, func(t string) bool { return slices.Contains(s.st.Tags, t) })
	queries, packs := slices.Clone(s.st.Queries), slices.Clone(s.st.Packs)
	s.mu.Unlock()
	if !known {
		return fail("Tag(s) doesn't exists for the value(s) provided")
	}
	carries := func(list []string) bool {
		return slices.ContainsFunc(list, func(t string) bool { return slices.Contains(tags, t) })
	}
	hosts, ps, qs := []any{}, []any{}, []any{}
	for _, h := range s.enabledHosts(true) {
		if carries(s.hostTags(h.ID)) {
			hosts = append(hosts, s.hostRow(h, false))
		}
	}
	for _, p := range packs {
		if carries(p.Tags) {
			ps = append(ps, s.packRow(p, false))
		}
	}
	for _, q := range queries {
		if carries(q.Tags) {
			qs = append(qs, queryRow(q))
		}
	}
	return ok("All hosts, queries, packs for the tag provided!", object{{"hosts", hosts}, {"packs", ps}, {"queries", qs}})
}

func yaraList(s *Server, _ *request) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opt.Edition == CE2 || s.opt.Edition == Enterprise {
		names := sortedNames(s.st.Yara)
		if names == nil {
			names = []string{}
		}
		return ok("Successfully fetched the yara files ", names)
	}
	data := object{}
	for _, p := range []string{"windows", "linux", "darwin"} {
		list := []string{}
		for _, n := range sortedNames(s.st.Yara) {
			if slices.Contains(s.st.YaraOn[n], p) {
				list = append(list, n)
			}
		}
		data = append(data, member{p, list})
	}
	return ok("Successfully fetched the yara files", data)
}

func yaraAdd(s *Server, r *request) reply {
	f := r.files["file"]
	name := strings.ToLower(path.Base(strings.ReplaceAll(f.name, `\`, "/")))
	if ext := path.Ext(name); ext != ".yara" && ext != ".yar" {
		return fail("Please upload yara(.yara/.yar) files only!")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, dup := s.st.Yara[name]; dup {
		return fail("This file already exists")
	}
	s.st.Yara[name], s.st.YaraOn[name] = string(f.body), parts(r.str("platform"))
	return ok("Successfully uploaded the file", nil)
}

func yaraView(s *Server, r *request) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, known := s.st.Yara[strings.ToLower(r.str("file_name"))]
	if !known {
		return reply{json: object{{"status", "failure"}}}
	}
	return ok("Successfully fetched the yara file content!", text)
}

func yaraDelete(s *Server, r *request) reply {
	name := strings.ToLower(r.str("file_name"))
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.st.Yara[name]; !known {
		return fail("File with the given file name does not exists")
	}
	s.st.YaraOn[name] = drop(s.st.YaraOn[name], r.str("platform"))
	if len(s.st.YaraOn[name]) == 0 {
		delete(s.st.Yara, name)
		delete(s.st.YaraOn, name)
	}
	return ok("File with the given file name is deleted successfully", nil)
}

// demoIOCs are what an empty database shows.
var demoIOCs = []IOC{
	{"test-intel_ipv4", "remote_address", "WARNING", "3.30.1.15,3.30.1.16"},
	{"test-intel_domain_name", "domain_name", "WARNING", "unknown.com,slackabc.com"},
	{"test-intel_md5", "md5", "INFO", "3h8dk0sksm0,9sd772ndd80"},
}

func iocsList(s *Server, _ *request) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.st.IOCs
	real := len(list) > 0
	if !real {
		list = demoIOCs
	}
	data := object{}
	for _, i := range list {
		o := object{{"type", i.Type}, {"values", i.Values}, {"severity", i.Severity}}
		if real {
			o = append(o, member{"intel_type", "self"})
		}
		data = append(data, member{i.Name, o})
	}
	return ok("Successfully fetched the IOCs", data)
}

func iocsAdd(s *Server, r *request) reply {
	var in map[string]struct {
		Type, Severity string
		Values         any
	}
	if json.Unmarshal(r.args["data"], &in) != nil {
		return crash()
	}
	var list []IOC
	for _, n := range sortedNames(in) {
		if v, text := in[n].Values.(string); text { // others are skipped silently
			list = append(list, IOC{n, in[n].Type, in[n].Severity, v})
		}
	}
	if len(list) > 0 {
		s.mu.Lock()
		s.st.IOCs = list
		s.mu.Unlock()
	}
	return ok("Successfully updated the intel data", nil)
}

func createStatement(t *Table) string {
	cols := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		cols[i] = c.Name + " " + c.Type
	}
	return "CREATE TABLE " + t.Name + " (" + strings.Join(cols, ", ") + ")"
}

func schemaList(s *Server, r *request) reply {
	if r.str("export_type") != "json" {
		data := object{}
		for i := range s.data.Tables {
			data = append(data, member{s.data.Tables[i].Name, createStatement(&s.data.Tables[i])})
		}
		return ok("PolyLogyx agent schema is fetched successfully", data)
	}
	list := []any{}
	for _, t := range s.data.Tables {
		cols := object{}
		for _, c := range t.Columns {
			cols = append(cols, member{c.Name, object{{"type", c.Type}, {"description", c.Description}, {"is_required", c.Required}}})
		}
		list = append(list, object{{"name", t.Name}, {"description", t.Description}, {"platform", t.Platforms}, {"schema", cols}})
	}
	return ok("PolyLogyx agent schema is fetched successfully", list)
}

func schemaGet(s *Server, r *request) reply {
	t := s.table(r.path["table"])
	if t == nil {
		return fail("Table with this name does not exist")
	}
	return ok("Successfully fetched the table schema", createStatement(t))
}
