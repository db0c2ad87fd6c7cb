package fake

import (
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/faults"
)

func (s *Server) listDevices(w http.ResponseWriter, r *http.Request) {
	q, err := s.parse(r, deviceParams, 20, 5000, nil, 0)
	if err != nil {
		s.fail(w, http.StatusBadRequest, err.Error())
		return
	}
	var found []*Device
	for i := range s.data.Devices {
		if d := &s.data.Devices[i]; onDevice(d, q.q, false) {
			found = append(found, d)
		}
	}
	if s.opt.Conduct.Moves(faults.PagesOrder) {
		s.mu.Lock()
		s.answers++
		order := rand.New(rand.NewPCG(s.answers, 1))
		s.mu.Unlock()
		order.Shuffle(len(found), func(a, b int) { found[a], found[b] = found[b], found[a] })
	}
	s.list(w, q, len(found), func(j *js, i int) { s.device(j, "", found[i], true) })
}

func (s *Server) lookup(id string) *Device {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return nil
	}
	return s.deviceAt[n]
}

func (s *Server) oneDevice(w http.ResponseWriter, id string) {
	d := s.lookup(id)
	if d == nil {
		s.fail(w, http.StatusNotFound, "Object Not Found")
		return
	}
	reply200(w, func(j *js) { s.device(j, "deviceInfo", d, false) })
}

// moveDevice is PATCH /device/{id}, by policy id or name (§8.2).
func (s *Server) moveDevice(w http.ResponseWriter, r *http.Request, id string) {
	d := s.lookup(id)
	if d == nil {
		s.fail(w, http.StatusNotFound, "Object Not Found")
		return
	}
	var body struct {
		PolicyID   *int64 `json:"policyId"`
		PolicyName string `json:"policyName"`
	}
	if !s.read(w, r, &body) {
		return
	}
	s.mu.Lock()
	var target *Policy
	for _, p := range s.state.Policies {
		if body.PolicyID != nil && p.ID == *body.PolicyID || body.PolicyID == nil && body.PolicyName != "" && p.Name == body.PolicyName {
			target = &p
			break
		}
	}
	if target != nil {
		s.state.DevicePolicy[d.ID] = target.ID
		s.audit("Moved device " + d.Name + " to policy " + target.Name)
	}
	s.mu.Unlock()
	if target == nil {
		s.fail(w, http.StatusBadRequest, "Policy not found")
		return
	}
	reply200(w, func(j *js) { s.device(j, "deviceInfo", d, false) })
}

// read decodes a JSON body, refusing what is none.
func (s *Server) read(w http.ResponseWriter, r *http.Request, into any) bool {
	b, err := io.ReadAll(io.LimitReader(r.Body, 64<<20))
	if err != nil {
		return false
	}
	if err := json.Unmarshal(b, into); err != nil {
		s.fail(w, http.StatusBadRequest, "Invalid request body")
		return false
	}
	return true
}

func (s *Server) policyOf(d *Device) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id, ok := s.state.DevicePolicy[d.ID]; ok {
		return id
	}
	return d.PolicyID
}

func (s *Server) policy(id int64) Policy {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.Policies[id]
}

func (s *Server) policyName(id int64) string { return s.policy(id).Name }

func (s *Server) quarantined(d *Device) bool {
	return d.Quarantined || s.policy(s.policyOf(d)).Quarantine
}

func (s *Server) liveOn(d *Device) bool {
	return d.LiveResponse && s.policy(s.policyOf(d)).LiveResponse
}

// lastContact of a device that is in touch moves with the clock.
func (s *Server) lastContact(d *Device) int64 {
	now := s.now().UnixMilli()
	if d.LastContact > now {
		return now
	}
	return d.LastContact
}

// policies is /policy and below (§8.3).
func (s *Server) policies(w http.ResponseWriter, r *http.Request, parts []string) {
	if len(parts) == 0 {
		switch r.Method {
		case http.MethodGet:
			s.listPolicies(w)
		case http.MethodPost:
			s.putPolicy(w, r, 0)
		default:
			s.fail(w, http.StatusMethodNotAllowed, "Method not allowed")
		}
		return
	}
	id, err := strconv.ParseInt(parts[0], 10, 64)
	if p := s.policy(id); err != nil || p.ID == 0 {
		s.fail(w, http.StatusNotFound, "Object Not Found")
		return
	}
	switch {
	case len(parts) == 1 && r.Method == http.MethodGet:
		p := s.policy(id)
		reply200(w, func(j *js) { writePolicy(j, "policyInfo", &p) })
	case len(parts) == 1 && r.Method == http.MethodPut:
		s.putPolicy(w, r, id)
	case len(parts) == 1 && r.Method == http.MethodDelete:
		s.deletePolicy(w, id)
	case len(parts) >= 2 && parts[1] == "rule":
		s.rules(w, r, id, parts[2:])
	default:
		s.fail(w, http.StatusNotFound, "Object Not Found")
	}
}

func (s *Server) listPolicies(w http.ResponseWriter) {
	s.mu.Lock()
	var all []Policy
	for _, p := range s.state.Policies {
		all = append(all, p)
	}
	s.mu.Unlock()
	slices.SortFunc(all, func(a, b Policy) int { return int(a.ID - b.ID) })
	s.list(w, search{start: 1, rows: len(all)}, len(all), func(j *js, i int) { writePolicy(j, "", &all[i]) })
}

func truth(v bool) string {
	if v {
		return "true"
	}
	return "false"
}

func writePolicy(j *js, k string, p *Policy) {
	j.open(k)
	j.num("id", p.ID)
	j.str("name", p.Name)
	j.str("description", p.Description)
	j.text("priorityLevel", or(p.Priority, "MEDIUM"))
	j.bool("systemPolicy", p.System)
	j.num("version", 2)
	j.num("latestRevision", p.Revision)
	j.open("policy")
	j.num("id", -1)
	j.key("rules")
	rules, _ := json.Marshal(append([]Rule{}, p.Rules...))
	j.b = append(j.b, rules...)
	j.key("sensorSettings")
	j.b = append(j.b, '[')
	j.more = false
	for _, setting := range [][2]string{
		{"QUARANTINE_DEVICE", truth(p.Quarantine)},
		{"QUARANTINE_DEVICE_MESSAGE", "Your device has been quarantined. Please contact your administrator."},
		{"CB_LIVE_RESPONSE", truth(p.LiveResponse)},
	} {
		j.open("")
		j.text("name", setting[0])
		j.text("value", setting[1])
		j.close()
	}
	j.b = append(j.b, ']')
	j.more = true
	j.null("knownBadHashAutoDeleteDelayMs")
	j.key("directoryActionRules")
	j.b = append(j.b, "[]"...)
	j.close()
	j.close()
}

func (s *Server) putPolicy(w http.ResponseWriter, r *http.Request, id int64) {
	var body struct {
		PolicyInfo *struct {
			ID            int64  `json:"id"`
			Name          string `json:"name"`
			Description   string `json:"description"`
			PriorityLevel string `json:"priorityLevel"`
			Version       int    `json:"version"`
			Policy        *struct {
				Rules          []Rule `json:"rules"`
				SensorSettings []struct{ Name, Value string }
			} `json:"policy"`
		} `json:"policyInfo"`
	}
	if !s.read(w, r, &body) {
		return
	}
	in := body.PolicyInfo
	if in == nil || in.Name == "" || in.Version != 2 || in.Policy == nil || id != in.ID {
		s.fail(w, http.StatusBadRequest, "Invalid policy")
		return
	}
	p := Policy{ID: id, Name: in.Name, Description: in.Description, Priority: in.PriorityLevel, Rules: in.Policy.Rules, Revision: s.now().UnixMilli()}
	for _, set := range in.Policy.SensorSettings {
		on := strings.EqualFold(set.Value, "true")
		switch set.Name {
		case "QUARANTINE_DEVICE":
			p.Quarantine = on
		case "CB_LIVE_RESPONSE":
			p.LiveResponse = on
		}
	}
	s.mu.Lock()
	if id == 0 {
		for have := range s.state.Policies {
			p.ID = max(p.ID, have)
		}
		p.ID++
	}
	s.state.Policies[p.ID] = p
	s.audit("Saved policy " + p.Name)
	s.mu.Unlock()
	reply200(w, func(j *js) {
		if id == 0 {
			j.num("policyId", p.ID)
		}
	})
}

func (s *Server) deletePolicy(w http.ResponseWriter, id int64) {
	inUse := s.policy(id).System
	for i := range s.data.Devices {
		inUse = inUse || s.policyOf(&s.data.Devices[i]) == id
	}
	if inUse {
		s.fail(w, http.StatusBadRequest, "Policy is in use")
		return
	}
	s.mu.Lock()
	delete(s.state.Policies, id)
	s.mu.Unlock()
	reply200(w, func(*js) {})
}

func (s *Server) rules(w http.ResponseWriter, r *http.Request, id int64, parts []string) {
	var body struct {
		RuleInfo *Rule `json:"ruleInfo"`
	}
	if r.Method != http.MethodDelete {
		if !s.read(w, r, &body) {
			return
		}
		if body.RuleInfo == nil || body.RuleInfo.Action == "" || body.RuleInfo.Operation == "" {
			s.fail(w, http.StatusBadRequest, "Invalid rule")
			return
		}
	}
	s.mu.Lock()
	p := s.state.Policies[id]
	p.Rules = slices.Clone(p.Rules)
	at := -1
	if len(parts) == 1 {
		at = slices.IndexFunc(p.Rules, func(x Rule) bool { return strconv.FormatInt(x.ID, 10) == parts[0] })
	}
	ok := true
	var added int64
	switch {
	case r.Method == http.MethodPost && len(parts) == 0:
		for _, x := range p.Rules {
			added = max(added, x.ID)
		}
		added++
		body.RuleInfo.ID = added
		p.Rules = append(p.Rules, *body.RuleInfo)
	case r.Method == http.MethodPut && at >= 0:
		body.RuleInfo.ID = p.Rules[at].ID
		p.Rules[at] = *body.RuleInfo
	case r.Method == http.MethodDelete && at >= 0:
		p.Rules = slices.Delete(p.Rules, at, at+1)
	default:
		ok = false
	}
	if ok {
		s.state.Policies[id] = p
	}
	s.mu.Unlock()
	if !ok {
		s.fail(w, http.StatusNotFound, "Object Not Found")
		return
	}
	reply200(w, func(j *js) {
		if added > 0 {
			j.num("ruleId", added)
		}
	})
}
