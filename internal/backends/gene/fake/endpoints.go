package fake

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/edrctl/edrctl/internal/faults"
)

// machine is an endpoint as the manager keeps it.
type machine struct {
	Source      int       `json:"source"` // in Data.Endpoints; -1 for one made by PUT
	UUID        string    `json:"uuid"`   // "" for a phantom
	Asked       string    `json:"asked"`  // the UUID a phantom is kept under
	Key         string    `json:"key"`
	Group       string    `json:"group"`
	Status      string    `json:"status"`
	Criticality int       `json:"criticality"`
	Isolated    bool      `json:"isolated"`
	Seen        time.Time `json:"seen"`
}

// view is the machine as one version shows it.
func (s *Server) view(m *machine, showKey, withCommand bool) json.RawMessage {
	o := object{}
	var ep Endpoint
	if m.Source >= 0 && m.UUID != "" {
		ep = s.data.Endpoints[m.Source]
	}
	o.put("uuid", m.UUID)
	o.put("hostname", ep.Hostname)
	o.put("ip", ep.IP)
	if s.etw() {
		o.put("group", m.Group)
	}
	if s.criticality() {
		o.put("criticality", m.Criticality)
	}
	if showKey || s.ver <= 1 {
		if m.Key != "" || s.ver <= 1 {
			o.put("key", m.Key)
		}
	}
	if withCommand {
		if cmd := s.st.Commands[key(m)]; cmd != nil {
			o.put("command", s.commandView(cmd))
		}
	}
	if s.etw() {
		o.put("score", s.bounded(m))
		o.put("status", m.Status)
	}
	if s.is(Head) && ep.OSProduct != "" {
		o.put("system-info", json.RawMessage(systemInfo(ep)))
	}
	if s.is(Head) {
		o.put("last-event", s.lastOf(s.byEndpoint, m))
	}
	if s.etw() {
		o.put("last-detection", s.lastOf(s.detections, m))
	}
	last := ep.LastSeen
	if ep.Online {
		last = s.opt.Now().Add(-2 * time.Second)
	}
	o.put("last-connection", last.UTC())
	return o.done()
}

func key(m *machine) string {
	if m.UUID == "" {
		return m.Asked
	}
	return m.UUID
}

func systemInfo(ep Endpoint) []byte {
	o := object{}
	o.put("edr", map[string]string{"version": "1.8.0", "commit": "44a57e6"})
	o.put("system", json.RawMessage(`{"manufacturer":"Dell Inc.","name":"Latitude 7420","virtual":false}`))
	o.put("bios", json.RawMessage(`{"version":"1.21.0","date":"05/11/2022"}`))
	os := object{}
	os.put("name", "windows")
	os.put("build", "19045")
	os.put("version", ep.OSVersion)
	os.put("product", ep.OSProduct)
	os.put("edition", "Enterprise")
	o.put("os", os.done())
	o.put("cpu", json.RawMessage(`{"name":"Intel(R) Core(TM) i7-1185G7","count":8}`))
	o.put("sysmon", json.RawMessage(`{"version":"v14.0","service":{"name":"Sysmon64","image":"C:\\Windows\\Sysmon64.exe","sha256":""},"driver":{"name":"SysmonDrv","image":"C:\\Windows\\SysmonDrv.sys","sha256":""},"config":{"version":{"schema":"4.82","binary":"14.0"},"hash":""}}`))
	o.put("error", "")
	return o.done()
}

// object writes members in order.
type object struct{ b []byte }

func (o *object) put(name string, v any) {
	if len(o.b) == 0 {
		o.b = append(o.b, '{')
	} else {
		o.b = append(o.b, ',')
	}
	o.b = append(appendString(o.b, name), ':')
	j, _ := json.Marshal(v)
	o.b = append(o.b, j...)
}

func (o *object) done() json.RawMessage {
	if len(o.b) == 0 {
		return json.RawMessage(`{}`)
	}
	return append(o.b, '}')
}

func (s *Server) lastOf(of [][]int32, m *machine) time.Time {
	if m.Source < 0 || m.UUID == "" {
		return time.Time{}
	}
	list := of[m.Source]
	if len(list) == 0 {
		return time.Time{}
	}
	if list = s.arrived(list); len(list) == 0 {
		return time.Time{}
	}
	return s.data.Log.Meta(int(list[len(list)-1])).Time.UTC()
}

// bounded is the score 0-100 of the endpoint object.
func (s *Server) bounded(m *machine) float64 {
	r := s.report(m)
	if r == nil {
		return 0
	}
	return math.Min(100, math.Round(float64(r.Score)/5*10)/10)
}

func (c *call) listEndpoints() {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []json.RawMessage{}
	crit, _ := strconv.Atoi(c.get("criticality"))
	for _, m := range s.st.Endpoints {
		if s.etw() {
			if g := c.get("group"); g != "" && g != m.Group {
				continue
			}
			if st := c.get("status"); st != "" && st != m.Status {
				continue
			}
		}
		if s.is(Head) && m.Criticality < crit {
			continue
		}
		out = append(out, s.view(m, c.flag("showkey"), false))
	}
	if s.is(Head) {
		// No order: the newest first is as good as any.
		slices.Reverse(out)
	}
	if s.opt.Conduct.Moves(faults.PagesOrder) {
		s.answers++
		order := rand.New(rand.NewPCG(s.answers, 1))
		order.Shuffle(len(out), func(a, b int) { out[a], out[b] = out[b], out[a] })
	}
	c.ok(out)
}

func (c *call) putEndpoint() {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	m := &machine{Source: -1, UUID: newUUID(), Key: newKey()}
	s.st.Index[m.UUID] = len(s.st.Endpoints)
	s.st.Endpoints = append(s.st.Endpoints, m)
	c.ok(s.view(m, true, false))
}

// find is the lookup by UUID, as wrong as the version's own. nil: an error
// has been sent.
func (c *call) find(lower bool) *machine {
	s := c.s
	unknown := "Unknown endpoint: " + c.uuid
	if lower && s.is(Head) {
		unknown = "unknown endpoint: " + c.uuid
	}
	if !s.is(Head) {
		i, ok := s.st.Index[c.uuid]
		switch {
		case !ok:
			c.fail(unknown)
			return nil
		case i >= len(s.st.Endpoints):
			panic(http.ErrAbortHandler) // trap 1: index out of range
		}
		return s.st.Endpoints[i]
	}
	for _, m := range s.st.Endpoints {
		if m.UUID == c.uuid && m.UUID != "" || m.UUID == "" && m.Asked == c.uuid {
			return m
		}
	}
	if s.st.Unknown[c.uuid] {
		return &machine{Source: -1, Asked: c.uuid} // trap 2
	}
	s.st.Unknown[c.uuid] = true
	c.fail(unknown)
	return nil
}

func (c *call) getEndpoint() {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	m := c.find(false)
	if m == nil {
		return
	}
	show := c.flag("showkey")
	if s.is(Beta2) && !s.next && !show {
		m.Key = "" // trap 3: permanently
	}
	c.ok(s.view(m, show, !s.is(Head)))
}

func (c *call) postEndpoint() {
	s := c.s
	body, ok := c.body()
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m := c.find(false)
	if m == nil {
		return
	}
	var doc struct {
		Status      string
		Group       string
		Criticality *int
	}
	if len(body) > 0 {
		if err := json.Unmarshal(body, &doc); err != nil {
			if _, isType := err.(*json.UnmarshalTypeError); !isType || s.is(Head) {
				c.fail(err.Error())
				return
			}
		}
	}
	if doc.Criticality != nil && s.criticality() {
		if n := *doc.Criticality; n < 0 || n > 10 {
			c.fail("api.Endpoint object is not valid: criticality field must be in [0;10]")
			return
		}
		m.Criticality = *doc.Criticality
	}
	if doc.Status != "" {
		m.Status = doc.Status
	}
	if doc.Group != "" {
		m.Group = doc.Group
	}
	if c.flag("newkey") {
		m.Key = newKey()
	}
	c.ok(s.view(m, c.flag("showkey"), false))
}

func (c *call) deleteEndpoint() {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	m := c.find(false)
	if m == nil {
		return
	}
	if i := slices.Index(s.st.Endpoints, m); i >= 0 {
		s.st.Endpoints = slices.Delete(s.st.Endpoints, i, i+1)
	}
	delete(s.st.Index, c.uuid) // the others keep their old places (trap 1)
	delete(s.st.Commands, key(m))
	if s.is(Head) {
		s.st.Unknown[c.uuid] = true
	}
	c.ok(s.view(m, c.flag("showkey"), !s.is(Head)))
}
