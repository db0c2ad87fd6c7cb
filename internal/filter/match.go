package filter

import (
	"net/netip"
	"slices"
	"strconv"

	"github.com/edrctl/edrctl/internal/model"
)

// Match evaluates f over a record: *model.Alert, *model.Event, *model.Process,
// *model.Host, *model.Rule, *model.Report or *model.Carve. A term whose field the record
// has no value for does not match.
func (f Filter) Match(record any) bool {
	if f.AlertBounds() && !f.matchBounds(record) {
		return false
	}
	for _, t := range f.Terms {
		if !t.match(record) {
			return false
		}
	}
	for _, c := range f.Where {
		if !c.match(record) {
			return false
		}
	}
	return true
}

// matchBounds compares what only alerts and rules have; no other record has
// a value for it.
func (f Filter) matchBounds(record any) bool {
	if f.ScoreMin != nil || f.ScoreMax != nil {
		score, ok := scoreOf(record)
		switch {
		case !ok:
			return false
		case score == nil:
			if f.ScoreMin != nil && *f.ScoreMin > 0 && !f.IncludeUnscored {
				return false
			}
		case f.ScoreMin != nil && *score < *f.ScoreMin, f.ScoreMax != nil && *score > *f.ScoreMax:
			return false
		}
	}
	if len(f.Severity) > 0 || f.SeverityMin != "" {
		s, ok := severityOf(record)
		if !ok || len(f.Severity) > 0 && !contains(f.Severity, s) || f.SeverityMin != "" && s.Rank() < f.SeverityMin.Rank() {
			return false
		}
	}
	if len(f.Status) > 0 {
		a, ok := record.(*model.Alert)
		return ok && contains(f.Status, a.Status)
	}
	return true
}

func severityOf(r any) (model.Severity, bool) {
	switch v := r.(type) {
	case *model.Alert:
		return v.Severity, true
	case *model.Rule:
		return v.Severity, true
	case *model.SigmaHit:
		return v.Rule.Level, true
	}
	return "", false
}

// scoreOf gives a score, nil when the record could have one and has none.
func scoreOf(r any) (*float64, bool) {
	switch v := r.(type) {
	case *model.Alert:
		return v.Score, true
	case *model.Rule:
		return v.Score, true
	case *model.SigmaHit:
		return v.Score, true
	}
	return nil, false
}

func contains[T comparable](list []T, v T) bool {
	for _, x := range list {
		if x == v {
			return true
		}
	}
	return false
}

func (t Term) match(record any) bool {
	found := false
	c := collector{field: t.Field, yield: func(v string) bool {
		for i := range t.Any {
			if t.Any[i].Match(t.Field, v) {
				found = true
				return false
			}
		}
		return true
	}}
	if t.Field == Host {
		c.onHost = func(h *model.Host) bool {
			for i := range t.Any {
				if t.Any[i].matchHost(h) {
					found = true
					return true
				}
			}
			return false
		}
	}
	c.record(record)
	return found
}

// Values yields every non-empty value a field has in a record, until yield
// returns false. It is the definition of what each filter looks at.
func Values(f Field, record any, yield func(string) bool) {
	c := collector{field: f, yield: yield}
	c.record(record)
}

func (c *collector) record(record any) {
	if c.field != Search && slices.Contains(exprOnly, c.field) {
		exprValues(c.field, record, func(v string) { c.put(c.field, v) })
		return
	}
	switch r := record.(type) {
	case *model.Alert:
		c.alert(r)
	case *model.Event:
		c.event(r)
	case *model.Process:
		c.process(r)
		c.host(r.Host)
	case *model.Host:
		c.host(r)
		c.user(&model.User{Name: r.User})
	case *model.Rule:
		c.rule(r)
	case *model.SigmaHit:
		c.sigmaHit(r)
	case *model.Report:
		c.host(r.Host)
		for _, s := range r.Signatures {
			c.put(Rule, s.Value)
		}
	case *model.Carve:
		c.host(r.Host)
		c.put(File, r.Path)
		c.put(File, r.Name)
		c.put(Hash, r.SHA256)
	}
}

func (c *collector) sigmaHit(h *model.SigmaHit) {
	c.put(Rule, h.Rule.ID)
	c.put(Rule, h.Rule.Title)
	c.put(Search, h.Rule.Author)
	for _, list := range [][]string{h.Rule.Tags, h.Matched} {
		for _, v := range list {
			c.put(Search, v)
		}
	}
	for _, g := range h.Group {
		c.put(Search, g.Value)
	}
	c.attack(h.Attack)
	c.host(h.Host)
}

type collector struct {
	field  Field
	yield  func(string) bool
	onHost func(*model.Host) bool // compares a host as one instead of its values; true ends it
	done   bool
}

// put offers v under field f; the search field sees everything.
func (c *collector) put(f Field, v string) {
	if v == "" || c.done || (c.field != f && c.field != Search) {
		return
	}
	c.done = !c.yield(v)
}

func (c *collector) alert(a *model.Alert) {
	c.put(Search, a.ID)
	c.put(Search, a.Title)
	c.put(Search, a.Description)
	c.put(Search, a.Category)
	c.put(Search, a.Source)
	c.named(Rule, a.Rule)
	c.named(Search, a.Policy)
	c.attack(a.Attack)
	for _, i := range a.Indicators {
		switch i.Type {
		case "md5", "sha1", "sha256", "sha512", "imphash":
			c.put(Hash, i.Value)
		case "ip", "ipv4", "ipv6", "address":
			c.put(IP, i.Value)
		case "domain", "hostname":
			c.put(Domain, i.Value)
		case "file", "path":
			c.put(File, i.Value)
		case "rule", "signature":
			c.put(Rule, i.Value)
		default:
			c.put(Search, i.Value)
		}
		c.put(Search, i.Name)
	}
	c.host(a.Host)
	c.user(a.User)
	c.process(a.Process)
	c.process(a.Target)
	for _, e := range a.Events {
		c.event(e)
	}
}

func (c *collector) event(e *model.Event) {
	c.put(KindOf, string(e.Kind))
	c.put(Search, e.ID)
	c.put(Search, e.Action)
	c.put(Search, e.Summary)
	c.host(e.Host)
	c.user(e.User)
	c.process(e.Process)
	c.process(e.Target)
	if f := e.File; f != nil {
		c.put(File, f.Path)
		c.put(File, f.OldPath)
		c.put(File, f.Name)
		c.hash(f.Hash)
	}
	if n := e.Network; n != nil {
		c.endpoint(n.Source)
		c.endpoint(n.Destination)
		c.put(Search, n.Transport)
	}
	if e.DNS != nil {
		c.put(Domain, e.DNS.Question.Name)
		for _, a := range e.DNS.Answers {
			c.answer(a)
		}
	}
	if r := e.Registry; r != nil {
		c.put(Registry, r.Path)
		c.put(Registry, r.Value)
		c.put(Registry, r.Data)
	}
	if m := e.Module; m != nil {
		c.put(File, m.Path)
		c.hash(m.Hash)
		c.put(Search, m.Signature)
	}
	if p := e.Pipe; p != nil {
		c.put(File, p.Name)
	}
	if a := e.Access; a != nil {
		c.put(Search, a.Granted)
		c.put(Search, a.CallTrace)
	}
	if l := e.Logon; l != nil {
		c.user(l.TargetUser)
		c.put(Search, l.Type)
		c.put(Search, l.Package)
		c.put(Search, l.Failure)
	}
	if s := e.Script; s != nil {
		c.put(CommandLine, s.Text)
	}
	if o := e.Object; o != nil {
		if o.Type == "user" || o.Type == "computer" {
			c.user(model.SplitUser(o.Name))
		}
		c.put(Search, o.Name)
	}
	c.put(Search, e.URL)
	for _, t := range e.Tags {
		c.put(Search, t)
	}
	if d := e.Detection; d != nil {
		for _, r := range d.Rules {
			c.put(Rule, r)
		}
		c.attack(d.Attack)
	}
	c.put(Search, e.AlertID)
}

func (c *collector) process(p *model.Process) {
	if p == nil {
		return
	}
	c.put(Process, p.Name)
	c.put(Path, p.Path)
	c.put(CommandLine, p.CommandLine)
	c.put(Search, p.WorkingDirectory)
	c.put(Search, p.OriginalFileName)
	c.put(Search, p.Description)
	c.put(Search, p.Product)
	c.put(Search, p.Company)
	c.put(ProcessUID, p.UID)
	if p.PID > 0 && c.field == Search {
		c.put(Search, strconv.FormatInt(p.PID, 10))
	}
	c.user(p.User)
	c.hash(p.Hash)
	if q := p.Parent; q != nil {
		c.put(Search, q.Name)
		c.put(Search, q.Path)
		c.put(Search, q.CommandLine)
	}
}

func (c *collector) host(h *model.Host) {
	if h == nil {
		return
	}
	if c.onHost != nil {
		c.done = c.done || c.onHost(h)
		return
	}
	c.put(Host, h.Name)
	c.put(Host, h.ID)
	c.put(Search, h.Domain)
	for _, ip := range h.IP {
		c.put(IP, ip)
	}
	for _, t := range h.Tags {
		c.put(Search, t)
	}
	if h.OS != nil {
		c.put(Search, h.OS.Name)
	}
	c.named(Search, h.Policy)
}

func (c *collector) user(u *model.User) {
	if u == nil {
		return
	}
	c.put(User, u.Name)
	c.put(User, u.ID) // osquery names a user by number alone
	if u.Domain != "" && u.Name != "" && (c.field == User || c.field == Search) {
		c.put(User, u.Domain+`\`+u.Name)
	}
}

func (c *collector) hash(h *model.Hash) {
	if h == nil {
		return
	}
	c.put(Hash, h.MD5)
	c.put(Hash, h.SHA1)
	c.put(Hash, h.SHA256)
	c.put(Hash, h.SHA512)
	c.put(Hash, h.Imphash)
}

func (c *collector) endpoint(e *model.Endpoint) {
	if e == nil {
		return
	}
	c.put(IP, e.IP)
	c.put(Domain, e.Domain)
	if e.Port > 0 && (c.field == Port || c.field == Search) {
		c.put(Port, strconv.Itoa(e.Port))
	}
}

// answer: an address is looked for as one, anything else as a name.
func (c *collector) answer(a model.DNSAnswer) {
	if _, err := netip.ParseAddr(a.Data); err == nil {
		c.put(IP, a.Data)
	} else {
		c.put(Domain, a.Data)
	}
}

func (c *collector) rule(r *model.Rule) {
	c.put(Rule, r.ID)
	c.put(Rule, r.Name)
	c.put(Search, r.Description)
	c.put(Search, r.Condition)
	c.attack(r.Attack)
	for _, t := range r.Tags {
		c.put(Search, t)
	}
}

func (c *collector) attack(list []model.Attack) {
	for _, a := range list {
		c.put(Search, a.Technique.ID)
		c.put(Search, a.Technique.Name)
		c.put(Search, a.Tactic)
	}
}

func (c *collector) named(f Field, n *model.Named) {
	if n == nil {
		return
	}
	c.put(f, n.ID)
	c.put(f, n.Name)
}
