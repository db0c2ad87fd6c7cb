package fake

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/faults"
)

func (s *Server) host(id int) *Host {
	// Ids are dense in practice; look there first.
	if i := id - 1; i >= 0 && i < len(s.data.Hosts) && s.data.Hosts[i].ID == id {
		return &s.data.Hosts[i]
	}
	for i := range s.data.Hosts {
		if s.data.Hosts[i].ID == id {
			return &s.data.Hosts[i]
		}
	}
	return nil
}

// live gives a host that was not deleted.
func (s *Server) alive(h *Host) *Host {
	if h == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.st.Hosts[h.ID].Deleted {
		return nil
	}
	return h
}

func (s *Server) hostByIdentifier(ident string) *Host {
	for i := range s.data.Hosts {
		if s.data.Hosts[i].Identifier == ident {
			return s.alive(&s.data.Hosts[i])
		}
	}
	return nil
}

// hostRef finds the host of a path segment: all digits is a node id (§4).
func (s *Server) hostRef(seg string) *Host {
	if n, err := strconv.Atoi(seg); err == nil {
		return s.alive(s.host(n))
	}
	return s.hostByIdentifier(seg)
}

// hostArg finds the host of the arguments host_identifier or node_id.
func (s *Server) hostArg(r *request) *Host {
	if ident := r.str("host_identifier"); ident != "" {
		return s.hostByIdentifier(ident)
	}
	if r.has("node_id") {
		return s.alive(s.host(r.num("node_id", 0)))
	}
	return nil
}

func (s *Server) lastCheckin(h *Host) time.Time {
	if h.Online {
		return s.now().Add(-20 * time.Second)
	}
	return h.LastCheckin
}

func (s *Server) isActive(h *Host) bool { return s.now().Sub(s.lastCheckin(h)) < 300*time.Second }

// family is the platform a host counts to.
func family(platform string) string {
	switch platform {
	case "windows", "darwin":
		return platform
	}
	return "linux"
}

func (s *Server) osInfo(h *Host) object {
	major, rest, _ := strings.Cut(h.OSVer, ".")
	minor, _, _ := strings.Cut(rest, ".")
	return object{{"name", h.OSName}, {"build", ""}, {"major", major}, {"minor", minor}, {"patch", ""}, {"version", h.OSVer},
		{"codename", ""}, {"platform", h.Platform}, {"platform_like", family(h.Platform)}}
}

func (s *Server) hostTags(id int) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.st.Hosts[id].Tags; t != nil {
		return slices.Clone(t)
	}
	return []string{}
}

func (s *Server) hostRow(h *Host, alerts bool) object {
	o := object{{"id", h.ID}, {"display_name", h.Name}, {"host_identifier", h.Identifier}, {"os_info", s.osInfo(h)},
		{"tags", s.hostTags(h.ID)}, {"last_ip", h.LastIP}, {"is_active", s.isActive(h)}}
	if alerts {
		o = append(o, member{"alerts_count", s.alertCount(func(a *Alert) bool { return a.NodeID == h.ID })})
	}
	return o
}

func containsFold(s, lower string) bool { return strings.Contains(strings.ToLower(s), lower) }

// eachHost gives the hosts that are enabled, or removed, newest id first.
func (s *Server) enabledHosts(enabled bool) []*Host {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*Host
	for i := range s.data.Hosts {
		h := &s.data.Hosts[i]
		now := s.st.Hosts[h.ID]
		if !now.Deleted && now.Removed != enabled {
			out = append(out, h)
		}
	}
	return out
}

func hostsList(s *Server, r *request) reply {
	platform, term := r.str("platform"), strings.ToLower(r.str("searchterm"))
	var match []*Host
	total := 0
	for _, h := range s.enabledHosts(r.boolean("enabled", true)) {
		if platform != "" && family(h.Platform) != platform {
			continue
		}
		// status goes through truthiness: any non-empty string is true.
		if v, sent := r.args["status"]; sent && string(v) != "null" {
			want := string(v) != "false" && string(v) != `""` && string(v) != "0"
			if s.isActive(h) != want {
				continue
			}
		}
		total++
		if term != "" && !containsFold(h.Name, term) && !containsFold(h.OSName, term) && !containsFold(h.LastIP, term) {
			continue
		}
		match = append(match, h)
	}
	from, to := r.slice(len(match), len(match), true)
	rows := []any{}
	for _, h := range match[from:to] {
		rows = append(rows, s.hostRow(h, r.boolean("alerts_count", true)))
	}
	count := len(match)
	if len(rows) == 0 && !r.moves.Moves(faults.PagesNone) {
		count = 0
	}
	return ok("Successfully fetched the hosts details", object{{"results", rows}, {"count", count}, {"total_count", total}})
}

func noHost() reply {
	return fail("There is no host exists with this host identifier or node id given!")
}

func hostGet(s *Server, r *request) reply {
	h := s.hostRef(r.path["host"])
	if h == nil {
		return noHost()
	}
	return ok("Node details are fetched successfully", s.hostDetail(h))
}

func (s *Server) hostDetail(h *Host) object {
	last := s.lastCheckin(h)
	var network any = object{}
	if h.IP != "" {
		network = []any{object{{"mac", h.MAC}, {"mask", "255.255.255.0"}, {"address", h.IP}, {"enabled", ""}, {"description", ""},
			{"manufacturer", ""}, {"connection_id", ""}, {"connection_status", ""}}}
	}
	key := h.NodeKey
	if key == "" {
		key = fmt.Sprintf("7ffa006c-6fb9-4273-a0c2-%012d", h.ID)
	}
	o := object{{"id", h.ID}, {"host_identifier", h.Identifier}, {"node_key", key}, {"last_ip", h.LastIP}}
	if s.opt.Edition == CE3 || s.opt.Edition == CE4 {
		o = append(o, member{"platform", h.Platform})
	}
	o = append(o, object{{"os_info", s.osInfo(h)},
		{"node_info", object{{"computer_name", h.Name}, {"hardware_model", "HVM domU"}, {"hardware_serial", strings.ToLower(h.Identifier)},
			{"hardware_vendor", "Xen"}, {"physical_memory", "8362713088"}, {"cpu_physical_cores", "2"}}},
		{"network_info", network}}...)
	if s.opt.Edition == CE3 || s.opt.Edition == CE4 {
		o = append(o, member{"host_details", object{{"osquery_info", object{{"version", h.OsqueryVersion}}}, {"osquery_version", h.OsqueryVersion}}})
	}
	return append(o, object{{"last_checkin", isoTime(last)}, {"enrolled_on", isoTime(h.Enrolled)}, {"last_status", isoTime(last)},
		{"last_result", isoTime(last)}, {"last_config", isoTime(last)}, {"last_query_read", isoTime(last)}, {"last_query_write", nil}}...)
}

func hostCount(s *Server, _ *request) reply {
	type pair struct {
		Online  int `json:"online"`
		Offline int `json:"offline"`
	}
	n := map[string]*pair{"windows": {}, "linux": {}, "darwin": {}}
	for _, h := range s.enabledHosts(true) {
		if s.isActive(h) {
			n[family(h.Platform)].Online++
		} else {
			n[family(h.Platform)].Offline++
		}
	}
	return ok("Successfully fetched the nodes status count", object{{"windows", n["windows"]}, {"linux", n["linux"]}, {"darwin", n["darwin"]}})
}

func statusLogs(s *Server, r *request) reply {
	if !r.has("host_identifier") && !r.has("node_id") {
		return fail("Please pass one of node id or host identifier!")
	}
	h := s.hostArg(r)
	if h == nil {
		return fail("Please pass correct host identifier or node id to get the results")
	}
	term := strings.ToLower(r.str("searchterm"))
	var match []StatusLog
	total := 0
	for _, l := range s.data.Logs {
		if l.NodeID != h.ID {
			continue
		}
		total++
		if term == "" || containsFold(l.Message+" "+l.Filename+" "+l.Version, term) {
			match = append(match, l)
		}
	}
	from, to := r.slice(len(match), len(match), true)
	rows := []any{}
	for _, l := range match[from:to] {
		rows = append(rows, object{{"line", l.Line}, {"message", l.Message}, {"severity", l.Severity}, {"filename", l.Filename},
			{"created", isoTime(l.Created)}, {"version", l.Version}})
	}
	return ok("Successfully fetched the host's status logs", object{{"results", rows}, {"count", len(match)}, {"total_count", total}})
}

func hostExtra(s *Server, r *request) reply {
	h := s.hostArg(r)
	if h == nil {
		return fail("Please pass one of node id or host identifier!")
	}
	return ok("Successfully fetched additional config of the node for the host identifier passed",
		object{{"queries", []any{}}, {"packs", []any{}}, {"tags", s.hostTags(h.ID)}})
}

func hostConfig(s *Server, r *request) reply {
	h := s.hostArg(r)
	if h == nil {
		return fail("Please pass one of node id or host identifier!")
	}
	schedule := object{}
	s.mu.Lock()
	for _, q := range s.st.Queries {
		if q.Platform == "" || q.Platform == "all" || q.Platform == family(h.Platform) {
			schedule = append(schedule, member{q.Name, object{{"id", q.ID}, {"query", q.SQL}, {"interval", q.Interval}, {"description", q.Description}, {"status", true}}})
		}
	}
	s.mu.Unlock()
	data := object{{"options", object{{"disable_watchdog", true}, {"host_identifier", "uuid"}, {"custom_plgx_enable_respserver", "true"}}},
		{"file_paths", object{}}, {"schedule", schedule}, {"packs", []any{}}, {"filters", object{}}}
	rep := object{{"status", "success"}, {"message", "Successfully fetched full config of the node for the host identifier passed"}, {"data", data}}
	if s.opt.Edition == CE3 || s.opt.Edition == CE4 {
		rep = append(rep, member{"config", object{{"id", 1}, {"name", "default"}}})
	}
	return reply{json: rep}
}

// changeHost edits what is known of a host now.
func (s *Server) changeHost(id int, f func(*hostNow)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.st.Hosts[id]
	f(&h)
	s.st.Hosts[id] = h
}

func hostTagsList(s *Server, r *request) reply {
	h := s.hostRef(r.path["host"])
	if h == nil {
		return noHost()
	}
	return ok("Successfully fetched the tags of host", s.hostTags(h.ID))
}

func hostTagsAdd(s *Server, r *request) reply {
	h := s.hostRef(r.path["host"])
	if h == nil {
		return noHost()
	}
	tag := r.str("tag")
	s.changeHost(h.ID, func(n *hostNow) {
		if !slices.Contains(n.Tags, tag) {
			n.Tags = append(n.Tags, tag)
		}
		s.st.addTag(tag)
	})
	return ok("Successfully created tags to host", nil)
}

func hostTagsRemove(s *Server, r *request) reply {
	h := s.hostRef(r.path["host"])
	if h == nil {
		return noHost()
	}
	tag, had := r.str("tag"), false
	s.changeHost(h.ID, func(n *hostNow) {
		if i := slices.Index(n.Tags, tag); i >= 0 {
			had = true
			n.Tags = slices.Delete(slices.Clone(n.Tags), i, i+1)
		}
	})
	if !had {
		return fail("Tag provided is not in host's tag list, Please check tag once again")
	}
	return ok("Successfully removed tags from host", nil)
}

func noNode() reply { return fail("Node is not present with this node id or host identifier") }

func hostDelete(s *Server, r *request) reply {
	h := s.hostRef(r.path["host"])
	if h == nil {
		return noNode()
	}
	s.changeHost(h.ID, func(n *hostNow) { n.Deleted = true })
	return okCapital("Successfully deleted the host")
}

func hostRemove(s *Server, r *request) reply {
	h := s.hostRef(r.path["host"])
	if h == nil {
		return noNode()
	}
	s.changeHost(h.ID, func(n *hostNow) { n.Removed = true })
	rep := okCapital("Successfully removed the host")
	if s.opt.Edition == CE3 || s.opt.Edition == CE4 {
		rep.json = envelope{"Success", "Successfully removed the host", s.hostDetail(h)}
	}
	return rep
}

func hostEnable(s *Server, r *request) reply {
	h := s.hostRef(r.path["host"])
	was := false
	if h != nil {
		s.changeHost(h.ID, func(n *hostNow) { was, n.Removed = n.Removed, false })
	}
	if !was {
		return noNode()
	}
	return okCapital("Successfully enabled the host")
}
