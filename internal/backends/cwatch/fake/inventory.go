package fake

import (
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

func (s *Server) processes(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	pid, byPID, ok := integer(v, "pid")
	for _, name := range []string{"process_hash", "file_hash"} {
		ok = ok && (!v.Has(name) || isSHA1(v.Get(name)))
	}
	if v.Has("destination_ip") {
		a, err := netip.ParseAddr(v.Get("destination_ip"))
		ok = ok && err == nil && a.Is4()
	}
	if !ok {
		bad(w)
		return
	}
	equal := func(name, value string) bool { return !v.Has(name) || strings.EqualFold(v.Get(name), value) }
	among := func(name string, values []string) bool {
		return !v.Has(name) || slices.ContainsFunc(values, func(x string) bool { return strings.EqualFold(x, v.Get(name)) })
	}
	st := startStream(w, "[", "]")
	defer st.end()
	for i := range s.data.Processes {
		p := &s.data.Processes[i]
		if (!v.Has("process_hash") || v.Get("process_hash") == p.Hash) && equal("process_user", p.User) && equal("process_name", p.Name) &&
			equal("device_name", p.Device) && (!byPID || pid == p.PID) && among("file_hash", p.FileHashes) &&
			among("file_name", p.FileNames) && among("destination_ip", p.DestinationIPs) {
			st.put(p)
		}
	}
}

func (s *Server) endpoints(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	status := v.Get("status")
	if v.Has("status") && !slices.Contains([]string{"online", "offline", "disconnected"}, status) {
		bad(w)
		return
	}
	wanted, ok := s.endpointIDs(v["endpointIDs"])
	if !ok {
		bad(w)
		return
	}
	st := startStream(w, `{"endpoints":[`, "]}")
	defer st.end()
	for i := range s.data.Endpoints {
		e := &s.data.Endpoints[i]
		if v.Has("endpointIDs") && !wanted[e.ID] || v.Has("device_name") && !strings.EqualFold(v.Get("device_name"), e.Name) ||
			v.Has("status") && status != e.Status {
			continue
		}
		row := map[string]any{
			"endpointID": strconv.FormatInt(e.ID, 10), "device_name": e.Name, "version": e.Version,
			"operating_system": e.OS, "logged_on_user": e.LoggedOn, "status": e.Status,
		}
		if s.opt.IntEndpointID {
			row["endpointID"] = e.ID
		}
		st.put(row)
	}
}

func (s *Server) endpointIDs(values []string) (map[int64]bool, bool) {
	ids := map[int64]bool{}
	for _, v := range values {
		parts := []string{v}
		if !s.opt.RepeatedIDs {
			parts = strings.Split(v, ",")
		}
		for _, p := range parts {
			n, err := strconv.ParseInt(strings.TrimSpace(p), 10, 64)
			if err != nil {
				return nil, false
			}
			ids[n] = true
		}
	}
	return ids, true
}

// hash reads the required SHA-1; false when it answered 400.
func (s *Server) hash(w http.ResponseWriter, r *http.Request) (string, File, bool) {
	h := strings.ToLower(r.URL.Query().Get("hash"))
	if !isSHA1(h) {
		bad(w)
		return "", File{}, false
	}
	return h, s.data.Files[h], true
}

func (s *Server) hashVerdict(w http.ResponseWriter, r *http.Request) {
	if h, f, ok := s.hash(w, r); ok {
		writeJSON(w, map[string]any{"hash": h, "verdict": f.Verdict})
	}
}

func (s *Server) hashNames(w http.ResponseWriter, r *http.Request) {
	if _, f, ok := s.hash(w, r); ok {
		writeJSON(w, append([]string{}, f.Names...))
	}
}

func (s *Server) hashSeenOn(w http.ResponseWriter, r *http.Request) {
	if _, f, ok := s.hash(w, r); ok {
		writeJSON(w, append([]int64{}, f.Endpoints...))
	}
}
