package fake

import (
	"sort"
	"strconv"
	"strings"
)

// treeRows are the rows of a process (§11): what it did, and the children it
// started, oldest first.
func (s *Server) treeRows(node int, guid string) map[string][]Columns {
	by := map[string][]Columns{}
	m := &matcher{text: "tree:" + guid, test: func(c Columns) bool {
		act, _ := c.Get("action")
		own, _ := c.Get("process_guid")
		parent, _ := c.Get("parent_process_guid")
		return own == guid && act != "PROC_CREATE" || parent == guid && act == "PROC_CREATE"
	}}
	x := s.find(question{node: node, cond: m, removed: true})
	for k := range x.len() {
		res := s.data.Results.At(x.at(k))
		if act, found := res.Columns.Get("action"); found && strings.HasPrefix(res.Name, "win") {
			by[act] = append(by[act], res.Columns)
		}
	}
	for _, rows := range by {
		sort.SliceStable(rows, func(i, j int) bool { return cellTime(rows[i]) < cellTime(rows[j]) })
	}
	return by
}

func cellTime(c Columns) int64 {
	v, _ := c.Get("time")
	n, _ := strconv.ParseInt(v, 10, 64)
	return n
}

func (s *Server) hasEvents(node int, guid string) bool { return len(s.treeRows(node, guid)) > 0 }

// child is a row of 97; has_child is only where it is true.
func (s *Server) child(node int, c Columns) object {
	o := object{{"color", "red"}, {"name", "child"}, {"data", c}}
	if act, _ := c.Get("action"); act == "PROC_CREATE" {
		if guid, _ := c.Get("process_guid"); s.hasEvents(node, guid) {
			o = append(o, member{"has_child", true})
		}
	}
	return o
}

const treePage = 20

func treeRoot(s *Server, r *request) reply {
	guid, node := r.str("process_guid"), r.num("node_id", 0)
	by := s.treeRows(node, guid)
	a := s.alertByID(r.str("alert_id"))
	name, path := guid, guid
	var entry Columns
	isRoot := false
	if a != nil {
		entry = a.Entry
		own, _ := entry.Get("process_guid")
		parent, _ := entry.Get("parent_process_guid")
		switch guid {
		case parent:
			isRoot = true
			if p, found := entry.Get("parent_path"); found {
				path = p
			}
		case own:
			isRoot = true
			if p, found := entry.Get("path"); found {
				path = p
			} else if p, found := entry.Get("process_name"); found {
				path = p
			}
		}
		name = path[strings.LastIndexAny(path, `\/`)+1:]
	}
	groups := []any{}
	for _, act := range sortedNames(by) {
		g := object{{"action", act}, {"count", len(by[act])}, {"color", "blue"}, {"node_type", "action"}}
		if want, _ := entry.Get("action"); a != nil && want == act {
			kids := []any{}
			last := ""
			for _, c := range by[act][:min(len(by[act]), treePage)] {
				kids = append(kids, s.child(node, c))
				last, _ = c.Get("time")
			}
			g = append(g, object{{"children", kids}, {"last_time", last}, {"all_children", kids}, {"name", act}, {"fetched", true}, {"process_guid", guid}}...)
		} else {
			g = append(g, object{{"name", act}, {"process_guid", guid}}...)
		}
		groups = append(groups, g)
	}
	data := object{{"name", name}, {"path", path}, {"all_children", groups}}
	if isRoot {
		data = append(data, member{"node_type", "root"})
	}
	if entry != nil {
		data = append(data, member{"data", entry})
	} else {
		data = append(data, member{"data", object{{"process_guid", guid}, {"path", path}}})
	}
	return ok("Data is fetched successfully", data)
}

func treeChildren(s *Server, r *request) reply {
	node := r.num("node_id", 0)
	rows := s.treeRows(node, r.str("process_guid"))[r.str("action")]
	var last any
	if v, sent := r.args["last_time"]; sent && string(v) != "null" {
		last = v
		from, _ := strconv.ParseInt(r.str("last_time"), 10, 64)
		// The bound is inclusive: the last row of the page before comes again.
		rows = rows[sort.Search(len(rows), func(i int) bool { return cellTime(rows[i]) >= from }):]
	}
	kids := []any{}
	for _, c := range rows[:min(len(rows), treePage)] {
		kids = append(kids, s.child(node, c))
		t, _ := c.Get("time")
		last = t
	}
	return ok("Successfully get the data", object{{"child_data", kids}, {"last_time", last}})
}
