package esp

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
)

// Alerts lists the alerts of all sources (89), open and resolved ones merged.
func (d *Driver) Alerts(ctx context.Context, q backends.Query) (backends.Listing[*model.Alert], error) {
	if q.Native != "" {
		return backends.Listing[*model.Alert]{}, backends.Unsupported("ESP", "cannot list alerts with --query", "use the filters; events list takes --query")
	}
	s := d.alertSearch(q)
	l := backends.Listing[*model.Alert]{Plan: s.plan()}
	l.Seq = s.run(ctx)
	return l, nil
}

type alertSearch struct {
	d            *Driver
	what         string
	q            backends.Query
	since, until time.Time
	resolved     []bool // which of the two lists
	term         string
	windows      []window
	residual     filter.Filter
}

func (d *Driver) alertSearch(q backends.Query) *alertSearch {
	s := &alertSearch{d: d, what: "cannot list alerts", q: q, since: q.Since, until: q.Until, residual: q.Filter}
	wants := func(list ...model.Status) bool {
		return len(q.Filter.Status) == 0 || slices.ContainsFunc(list, func(v model.Status) bool { return slices.Contains(q.Filter.Status, v) })
	}
	// The list of open alerts holds all that is not resolved.
	if wants(model.StatusOpen, model.StatusUnknown) {
		s.resolved = append(s.resolved, false)
	}
	if wants(model.StatusClosed) {
		s.resolved = append(s.resolved, true)
		if len(s.resolved) == 1 {
			s.residual.Status = nil // "closed" and "resolved" are the same
		}
	}
	s.term = alertTerm(q.Filter)
	until := s.until
	if until.IsZero() {
		until = d.o.Clock().Add(time.Nanosecond)
	}
	s.windows = d.withAhead(s.until, windows(s.since, until, true))
	return s
}

// alertTerm is the searchterm a filter allows. 89 looks for a substring in
// severity and host names, and in the rule name when source "rule" is sent
// too, which leaves out nothing: other alerts have no rule. --rule also
// matches the rule's number, so only a text that cannot be one is pushed.
func alertTerm(f filter.Filter) string {
	for _, t := range f.Get(filter.Rule) {
		if s, ok := ruleText(t); ok {
			return s
		}
	}
	return ""
}

func ruleText(t filter.Term) (string, bool) {
	if len(t.Any) != 1 || t.Any[0].Mode == filter.Glob || !strings.ContainsFunc(t.Any[0].Text, func(r rune) bool { return r < '0' || r > '9' }) {
		return "", false
	}
	return likeText(t.Any[0])
}

func (s *alertSearch) request(resolved bool, w window) alertsRequest {
	r := alertsRequest{Resolved: resolved, Limit: alertPage}
	if s.term != "" {
		r.Source, r.SearchTerm = sourceRule, s.term
	}
	if s.q.Limit > 0 && s.q.Limit < alertPage && s.residual.Empty() {
		r.Limit = max(s.q.Limit, 10)
	}
	if !w.open && !resolved { // the server ignores the window of resolved alerts
		r.Date, r.Duration, r.Type = w.date, w.duration, 2
	}
	return r
}

func (s *alertSearch) plan() backends.Plan {
	p := backends.Plan{Residual: s.residual}
	named := len(s.q.Filter.Get(filter.Host)) > 0
	for _, resolved := range s.resolved {
		for _, w := range s.windows {
			req := s.request(resolved, w)
			if named {
				req.HostIdentifier = "…"
			}
			p.Requests = append(p.Requests, s.d.describe(http.MethodPost, "/alerts", req)+" …")
			if resolved {
				break // one list, newest first, read until it is too old
			}
		}
	}
	if named {
		p.Notes = append(p.Notes, "host_identifier is sent when exactly one host matches --host")
	}
	if len(s.resolved) > 0 {
		limit := listPage
		p.Requests = append(p.Requests, s.d.describe(http.MethodPost, "/hosts", listRequest{Start: new(int), Limit: &limit})+" …",
			s.d.describe(http.MethodPost, "/rules", listRequest{Start: new(int), Limit: &limit, AlertsCount: model.Ptr(true)})+" …")
	} else {
		p.Notes = append(p.Notes, "an alert of ESP is open or resolved: no request is needed")
	}
	if s.q.Filter.ScoreMin != nil || s.q.Filter.ScoreMax != nil || len(s.q.Filter.Severity) > 0 || s.q.Filter.SeverityMin != "" {
		p.Notes = append(p.Notes, "ESP has no severity parameter: INFO 1, LOW 3, WARNING 5, HIGH 8, CRITICAL 9 are compared here")
	}
	return p
}

func (s *alertSearch) run(ctx context.Context) iter.Seq2[*model.Alert, error] {
	return func(yield func(*model.Alert, error) bool) {
		if len(s.resolved) == 0 {
			return
		}
		host := ""
		if hosts, named, err := s.d.matchHosts(ctx, s.what, s.q.Filter); err != nil {
			yield(nil, err)
			return
		} else if named && len(hosts) == 0 {
			return
		} else if named && len(hosts) == 1 {
			host = hosts[0].ID
		}
		// Hosts and rules complete each alert; they are read beside the first page.
		ctx, cancel := context.WithCancel(ctx)
		var failed error
		read := make(chan struct{})
		go func() {
			defer close(read)
			failed = s.d.loadSides(ctx, s.what)
		}()
		defer func() {
			cancel()
			<-read
		}()
		ready := func() error {
			<-read
			return failed
		}
		var lists []iter.Seq2[*model.Alert, error]
		seen := map[string]bool{}
		for _, resolved := range s.resolved {
			lists = append(lists, s.list(ctx, resolved, host, ready, seen))
		}
		merge(lists, func(a *model.Alert) time.Time { return a.Time.Time })(yield)
	}
}

// loadSides reads what alerts refer to by number: hosts and rules.
func (d *Driver) loadSides(ctx context.Context, what string) error {
	if err := d.loadHosts(ctx, what, false); err != nil {
		return err
	}
	return d.loadRules(ctx, what)
}

// list yields one of the two lists. seen is shared: an alert resolved while
// both are read stands in both.
func (s *alertSearch) list(ctx context.Context, resolved bool, host string, ready func() error, seen map[string]bool) iter.Seq2[*model.Alert, error] {
	return func(yield func(*model.Alert, error) bool) {
		for _, w := range s.windows {
			req := s.request(resolved, w)
			req.HostIdentifier = host
			stopped, old, inPage := false, 0, 0
			err := offsetPages(ctx, s.what, req.Limit, func(ctx context.Context, start, limit int) (*page, error) {
				if start > 0 && old == inPage {
					return nil, errEnough // newest first, and the whole last page was too old
				}
				old, inPage = 0, 0
				r := req
				r.Start, r.Limit = start, limit
				p, err := s.d.askPage(ctx, s.what, "/alerts", r)
				if err == nil {
					err = ready()
				}
				return p, err
			}, func(v []byte) (bool, error) {
				inPage++
				a, err := s.d.alert(ctx, s.what, v, "", s.q.Raw)
				if err != nil {
					return false, err
				}
				if a.Time.Before(s.since) {
					old++
					return true, nil
				}
				if !s.until.IsZero() && !a.Time.Before(s.until) || seen[a.ID] {
					return true, nil
				}
				seen[a.ID] = true
				stopped = !yield(a, nil)
				return !stopped, nil
			})
			if stopped {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if resolved {
				return
			}
		}
	}
}

// Alert reads one alert, with its rule: 91 tells whether it is there and in
// which list, the list (89) has its verdict and how many events it stands for.
func (d *Driver) Alert(ctx context.Context, id string, raw bool) (*model.Alert, error) {
	if !isNumber(id) {
		return nil, &backends.Error{Kind: backends.KindNotFound, What: "no alert " + id, Why: "alert ids of ESP are numbers"}
	}
	what := "cannot read alert " + id
	a, err := d.ask(ctx, what, "/alerts/"+id, client.Call{})
	if err != nil {
		return nil, err
	}
	if kindOf(a.Data) != '{' {
		return nil, backends.Malformed(what, "the answer carries no alert")
	}
	row, err := d.alertRow(ctx, what, id, a.Data)
	if err != nil {
		return nil, err
	}
	if err := d.loadSides(ctx, what); err != nil {
		return nil, err
	}
	return d.alert(ctx, what, row, id, raw)
}

// alertRow gives an alert as the list shows it, or detail when the list does
// not have it.
func (d *Driver) alertRow(ctx context.Context, what, id string, detail []byte) ([]byte, error) {
	var w wireAlert
	if err := json.Unmarshal(detail, &w); err != nil {
		return nil, malformed(what, err)
	}
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return detail, nil
	}
	req := alertsRequest{Resolved: strings.EqualFold(string(w.Status), "RESOLVED"), Limit: 10, EventIDs: []int64{n}}
	p, err := d.askPage(ctx, what, "/alerts", req)
	if err != nil {
		return nil, err
	}
	for _, v := range p.Rows {
		var row wireAlert
		if json.Unmarshal(v, &row) == nil && string(row.ID) == id {
			return v, nil
		}
	}
	return detail, nil
}

// alert is the normalised alert of 89 or, with its id given, of 91.
func (d *Driver) alert(ctx context.Context, what string, v []byte, id string, raw bool) (*model.Alert, error) {
	var w wireAlert
	if err := json.Unmarshal(v, &w); err != nil {
		return nil, malformed(what, err)
	}
	a := &model.Alert{}
	a.ID = firstOf(string(w.ID), id)
	if a.ID == "" {
		return nil, backends.Malformed(what, "an alert without an id")
	}
	a.Time = parseTime(string(w.CreatedAt))
	a.Category, a.Source = string(w.Type), string(w.Source)
	severity(w.Severity).Apply(a)
	a.StatusNative = string(w.Status)
	switch strings.ToUpper(a.StatusNative) {
	case "OPEN":
		a.Status = model.StatusOpen
	case "RESOLVED":
		a.Status = model.StatusClosed
	default:
		a.Status = model.StatusUnknown
	}
	switch strings.ToUpper(strings.ReplaceAll(string(w.Verdict), "_", " ")) {
	case "TRUE POSITIVE":
		a.Verdict = model.VerdictTruePositive
	case "FALSE POSITIVE":
		a.Verdict = model.VerdictFalsePositive
	default:
		a.Verdict = model.VerdictUnknown
	}
	a.EventCount = int(max(w.AggregatedN, 0))

	host, err := d.hostOf(ctx, what, string(w.NodeID), string(w.Hostname))
	if err != nil {
		return nil, err
	}
	a.Host = host
	d.fillRule(a, &w)
	entry, err := fillEntry(a, &w)
	if err != nil {
		return nil, malformed(what, err)
	}
	if a.Title == "" {
		a.Title = sourceTitle(a)
		if strings.EqualFold(a.Source, sourceIOC) && entry != nil {
			d.nameIndicator(ctx, a, &entry.cells)
		}
	}
	if raw {
		a.Raw = append(json.RawMessage(nil), v...)
	}
	return a, nil
}

// severity reads the label; a JSON null is "NULL", which counts as WARNING,
// an absent one is unscored (docs/formats.md §8).
func severity(v json.RawMessage) model.Scored {
	if kindOf(v) == 'n' {
		return model.ScoreLabel("NULL")
	}
	return model.ScoreLabel(scalar(v))
}

// fillRule names the rule and, from the rules known, what it stands for.
func (d *Driver) fillRule(a *model.Alert, w *wireAlert) {
	var ref wireRuleRef
	if kindOf(w.Rule) == '{' && json.Unmarshal(w.Rule, &ref) != nil {
		ref = wireRuleRef{}
	}
	id := firstOf(string(ref.ID), string(w.RuleID))
	known := d.ruleByID(id)
	if id == "" && ref.Name == "" {
		return
	}
	a.Rule = &model.Named{ID: id, Name: string(ref.Name)}
	a.Description = string(ref.Description)
	if known != nil {
		a.Rule.Name = firstOf(a.Rule.Name, known.Name)
		a.Description = firstOf(a.Description, known.Description)
		a.Attack = known.Attack
	}
	a.Title = a.Rule.Name
}

// fillEntry reads the alerted row: alerted_entry in the list, message in the
// detail.
func fillEntry(a *model.Alert, w *wireAlert) (*row, error) {
	entry := w.AlertedEntry
	if kindOf(entry) != '{' {
		entry = w.Message
	}
	if kindOf(entry) != '{' {
		return nil, nil
	}
	r := &row{table: string(w.QueryName)}
	if a.Host != nil {
		r.hostID, r.hostname = a.Host.ID, a.Host.Name
	}
	if err := new(rowReader).readCells(entry, r); err != nil {
		return nil, err
	}
	e := r.event(false)
	a.User, a.Process, a.Target = e.User, e.Process, e.Target
	if r.cells.eid != "" {
		a.EventIDs = []string{r.cells.eid}
	}
	if a.Process != nil && a.Process.Parent != nil {
		pp := a.Process.Parent
		parent := &model.Process{UID: pp.UID, PID: pp.PID, Path: pp.Path, Name: pp.Name}
		parent.ID = pp.UID
		a.Ancestors = []*model.Process{parent}
	}
	a.Indicators = indicators(e)
	return r, nil
}

// indicators are the values of the alerted row that identify something.
func indicators(e *model.Event) []model.Indicator {
	var out []model.Indicator
	add := func(name, value, kind string) {
		if value != "" {
			out = append(out, model.Indicator{Name: name, Value: value, Type: kind})
		}
	}
	hash := func(h *model.Hash) {
		if h != nil {
			add("md5", h.MD5, "md5")
			add("sha1", h.SHA1, "sha1")
			add("sha256", h.SHA256, "sha256")
		}
	}
	if e.File != nil {
		add("target_path", e.File.Path, "file")
		hash(e.File.Hash)
	}
	if e.Module != nil {
		add("image_path", e.Module.Path, "file")
		hash(e.Module.Hash)
	}
	if e.DNS != nil {
		add("domain_name", e.DNS.Question.Name, "domain")
	}
	if n := e.Network; n != nil {
		far := n.Destination
		if n.Direction == "ingress" {
			far = n.Source
		}
		if far != nil {
			add("domain_name", far.Domain, "domain")
			add("remote_address", far.IP, "ip")
		}
	}
	if e.Registry != nil {
		add("target_name", e.Registry.Path, "registry")
	}
	return out
}

// sourceRule is the source of alerts that a rule raised.
const sourceRule = "rule"

// sourceTitle names an alert without a rule by where it comes from.
func sourceTitle(a *model.Alert) string {
	what := map[string]string{
		"ioc": "Indicator match", "virustotal": "VirusTotal match", "ibmxforce": "IBM X-Force match", "alienvault": "AlienVault OTX match",
	}[strings.ToLower(a.Source)]
	if what == "" {
		return firstOf(a.Source, a.Category, "alert")
	}
	if len(a.Indicators) > 0 {
		return what + ": " + a.Indicators[0].Value
	}
	return what
}

// AlertCounts gives the open alerts of each source (88).
func (d *Driver) AlertCounts(ctx context.Context) (map[string]int, error) {
	const what = "cannot count alerts"
	a, err := d.ask(ctx, what, "/alerts/count_by_source", client.Call{Query: map[string][]string{"resolved": {"false"}}})
	if err != nil {
		return nil, err
	}
	var data struct {
		Sources []wireQueryCount `json:"alert_source"`
	}
	if kindOf(a.Data) != '{' || json.Unmarshal(a.Data, &data) != nil {
		return nil, backends.Malformed(what, "the answer carries no counts")
	}
	out := map[string]int{}
	for _, s := range data.Sources {
		out[string(s.Name)] = int(s.Count)
	}
	return out, nil
}
