package fake

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// carveNow gives the carves as of now: one being collected moves on with
// time, a quarter every 5 s.
func (s *Server) carvesNow() []Carve {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	out := make([]Carve, 0, len(s.st.Carves))
	for i := len(s.st.Carves) - 1; i >= 0; i-- {
		c := s.st.Carves[i]
		if c.Created.After(now) {
			continue
		}
		if c.Status == "" {
			switch age := now.Sub(c.Created).Seconds(); {
			case age < 1:
				c.Status = "IN PROGRESS"
			case age < 2:
				c.Status = "BUILDING"
			default:
				c.Status = "COMPLETED"
			}
		}
		out = append(out, c)
	}
	return out
}

func (s *Server) carveRow(c *Carve, list bool) object {
	var archive any
	if c.Status == "COMPLETED" {
		archive = c.SessionID + c.GUID + ".tar"
	}
	size := c.size()
	block := c.BlockSize
	if block == 0 {
		block = 300000
	}
	o := object{{"id", c.ID}, {"node_id", c.NodeID}, {"session_id", c.SessionID}, {"carve_guid", c.GUID}, {"carve_size", size},
		{"block_size", block}, {"block_count", (size + int64(block) - 1) / int64(block)}, {"archive", archive}, {"status", c.Status}, {"created_at", isoTime(c.Created)}}
	if list {
		name := ""
		if h := s.host(c.NodeID); h != nil {
			name = h.Name
		}
		o = append(o, member{"hostname", name})
	}
	return o
}

func (c *Carve) size() int64 {
	if c.Content != nil {
		return int64(len(c.Content))
	}
	return c.Size
}

func carvesList(s *Server, r *request) reply {
	node := 0
	if ident := r.str("host_identifier"); ident != "" {
		h := s.hostByIdentifier(ident)
		if h == nil {
			return failNull("Node with this identifier does not exists")
		}
		node = h.ID
	}
	term := strings.ToLower(r.str("searchterm"))
	var match []Carve
	total := 0
	for _, c := range s.carvesNow() {
		if node != 0 && c.NodeID != node {
			continue
		}
		total++
		h := s.host(c.NodeID)
		if term != "" && !containsFold(c.SessionID+" "+c.Status+" "+c.GUID, term) && (h == nil || !containsFold(h.Name, term)) {
			continue
		}
		match = append(match, c)
	}
	from, to := r.slice(len(match), 10, false)
	rows := []any{}
	for i := range match[from:to] {
		rows = append(rows, s.carveRow(&match[from+i], true))
	}
	return ok("Successfully fetched the Carves data", object{{"count", len(match)}, {"results", rows}, {"total_count", total}})
}

func (s *Server) carveBySession(id string) *Carve {
	for _, c := range s.carvesNow() {
		if c.SessionID == id {
			return &c
		}
	}
	return nil
}

func carveDownload(s *Server, r *request) reply {
	c := s.carveBySession(r.path["session_id"])
	switch {
	case c == nil:
		return fail("This session id does not exist")
	case c.Status != "COMPLETED":
		return crash()
	}
	return reply{stream: func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/octet-stream")
		var content io.ReadSeeker = bytes.NewReader(c.Content)
		if c.Content == nil && c.Size > 0 {
			content = io.NewSectionReader(madeUp{}, 0, c.Size) // too large to hold
		}
		http.ServeContent(w, r.Request, "", c.Created, content)
	}}
}

// madeUp is content of any length: each byte follows from where it is.
type madeUp struct{}

func (madeUp) ReadAt(p []byte, at int64) (int, error) {
	for i := range p {
		n := at + int64(i)
		p[i] = byte(n ^ n>>8 ^ n>>16)
	}
	return len(p), nil
}

func carveQuery(s *Server, r *request) reply {
	id, err := strconv.Atoi(r.str("query_id"))
	if err != nil {
		return failNull("Query id provided is invalid!")
	}
	s.mu.Lock()
	_, known := s.live[id]
	s.mu.Unlock()
	h := s.hostByIdentifier(r.str("host_identifier"))
	for _, c := range s.carvesNow() {
		if c.QueryID == id && h != nil && c.NodeID == h.ID {
			return ok("Successfully fetched the Carve", s.carveRow(&c, false))
		}
	}
	if !known {
		return failNull("Query id provided is invalid!")
	}
	return failNull("Carve not started")
}

func carveDelete(s *Server, r *request) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, c := range s.st.Carves {
		if c.SessionID == r.str("session_id") {
			s.st.Carves = append(s.st.Carves[:i:i], s.st.Carves[i+1:]...)
			return reply{json: object{{"status", "success"}, {"message", "Carve is deleted successfully"}, {"data", nil}}}
		}
	}
	return failNull("No Carve is found for the session id provided!")
}
