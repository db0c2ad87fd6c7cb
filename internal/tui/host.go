package tui

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/shellquote"
	"github.com/edrctl/edrctl/internal/tui/keys"
	"github.com/edrctl/edrctl/internal/tui/theme"
	"github.com/edrctl/edrctl/internal/tui/ui"
)

// hostView is one host on all profiles that watch it, and the ways on: its
// alerts, processes and events.
type hostView struct {
	viewCore
	page
	h          *model.Host
	profile    string
	twins      []*model.Host // of the same name on other profiles, this one first
	done       bool
	failed     []ops.Outcome
	actions    []*model.Action // on it, newest first
	carves     []*model.Carve  // from it
	more       bool            // actions and carves were read
	madeFor    int
	madeAt     int64 // the second: it tells how long ago things were
	theme      *theme.Theme
	hostAlerts []*row // its alerts in the store
	counted    bool
}

func newHost(h *model.Host, profile string) *hostView {
	return &hostView{h: h, profile: profile, page: page{at: -1}}
}

func (v *hostView) title() string                  { return hostName(v.h) }
func (v *hostView) scopes() []keys.Scope           { return []keys.Scope{keys.Alert, keys.Views} }
func (v *hostView) status(*shell) safetext.Display { return v.page.status() }
func (v *hostView) selection() []model.Record {
	h := *v.h
	if h.Profile == "" {
		h.Profile = v.profile
	}
	return []model.Record{&h}
}

// others are the host on the other profiles that watch it.
func (v *hostView) others() []model.Record {
	var out []model.Record
	own := v.selection()[0].GetOrigin().Profile
	for _, h := range v.twins {
		if h.Profile != own {
			out = append(out, h)
		}
	}
	return out
}

func (v *hostView) command(*shell) string {
	return shellquote.Join("edrctl hosts get", firstOf(v.h.Ref, hostName(v.h)))
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

type hostsRead struct {
	list     []*model.Host
	outcomes []ops.Outcome
}

func (v *hostView) open(s *shell) tea.Cmd {
	name := hostName(v.h)
	v.done, v.more = false, false
	return tea.Batch(s.do(v, "reading what was done to the host", func(ctx context.Context) any { return actionsOn(ctx, s, name) }), s.do(v, "reading the host", func(ctx context.Context) any {
		var out hostsRead
		out.outcomes = s.svc.Hosts(ctx, ops.Request{}, func(h *model.Host) bool {
			if strings.EqualFold(hostName(h), name) {
				out.list = append(out.list, h)
			}
			return true
		})
		return out
	}))
}

// hostActivity is what was done to a host, and what was collected from it.
type hostActivity struct {
	actions []*model.Action
	carves  []*model.Carve
}

// maxActivity is how many actions and files of a host are shown.
const maxActivity = 8

func actionsOn(ctx context.Context, s *shell, name string) hostActivity {
	var out hostActivity
	// An actor that cannot tell leaves the list empty: :actions says why.
	_, _ = readActions(ctx, s, func(a *model.Action) bool {
		if a.Host != nil && strings.EqualFold(hostName(a.Host), name) {
			out.actions = append(out.actions, a)
		}
		return len(out.actions) < maxActivity
	})
	var req ops.Request
	req.Since, req.Until = s.now().Add(-30*24*time.Hour), s.now().Add(time.Minute)
	s.svc.Carves(ctx, req, func(c *model.Carve) bool {
		if strings.EqualFold(hostName(c.Host), name) {
			out.carves = append(out.carves, c)
		}
		return len(out.carves) < maxActivity
	})
	return out
}

func (v *hostView) update(s *shell, msg any) tea.Cmd {
	switch m := msg.(type) {
	case hostActivity:
		v.actions, v.carves, v.more, v.madeFor = m.actions, m.carves, true, 0
	case hostsRead:
		v.done, v.madeFor = true, 0
		v.failed = nil
		for _, o := range m.outcomes {
			if o.Err != nil && !ops.Unable(o.Err) {
				v.failed = append(v.failed, o)
			}
		}
		v.twins = nil
		for _, h := range m.list {
			if h.Profile == v.profile {
				v.h = h
				v.twins = append([]*model.Host{h}, v.twins...)
			} else {
				v.twins = append(v.twins, h)
			}
		}
	case failed:
		s.fail(m.what, m.err)
	}
	return nil
}

// arrived takes in what came of this host: with many alerts held, looking
// through all of them for every batch would hold the keys up.
func (v *hostView) arrived(s *shell, added []*row, changed bool) tea.Cmd {
	if v.counted && changed {
		for i, r := range v.hostAlerts {
			for n := s.store.renewed[r]; n != nil; n = s.store.renewed[n] {
				v.hostAlerts[i] = n
			}
		}
		v.hostAlerts = slices.DeleteFunc(v.hostAlerts, func(r *row) bool { return s.store.byRef[r.key()] != r })
	}
	if v.counted {
		for _, r := range added {
			if v.isHostAlert(r.a) {
				v.hostAlerts = append(v.hostAlerts, r)
			}
		}
	}
	v.madeFor = 0
	return nil
}

func (v *hostView) isHostAlert(a *model.Alert) bool {
	return strings.EqualFold(hostName(a.Host), hostName(v.h))
}

// count finds the alerts of the host among those held.
func (v *hostView) count(s *shell) {
	if v.counted {
		return
	}
	v.counted, v.hostAlerts = true, v.hostAlerts[:0]
	for _, r := range s.store.all {
		if v.isHostAlert(r.a) {
			v.hostAlerts = append(v.hostAlerts, r)
		}
	}
}

// worstRows are the n of the highest risk, the latest of equal ones first.
func worstRows(rows []*row, n int) []*row {
	worse := func(a, b *row) int { return cmp.Or(riskOf(b.a)-riskOf(a.a), b.mark().compare(a.mark())) }
	var out []*row
	for _, r := range rows {
		if len(out) == n && worse(r, out[n-1]) >= 0 {
			continue
		}
		if len(out) == n {
			out = out[:n-1]
		}
		i, _ := slices.BinarySearchFunc(out, r, worse)
		out = slices.Insert(out, i, r)
	}
	return out
}

func (v *hostView) make(s *shell, w int) {
	at := s.now().Unix()
	if v.madeFor == w && v.theme == s.theme && v.madeAt == at {
		return
	}
	v.madeFor, v.theme, v.madeAt = w, s.theme, at
	t := s.theme
	c := &detailWriter{s: s, w: w}
	c.wrap(t.Bold, ui.Text(hostName(v.h)))
	list := v.twins
	if len(list) == 0 {
		list = []*model.Host{v.h}
	}
	for _, h := range list {
		if h.Profile != "" {
			c.section(ui.Text(h.Profile))
		} else {
			c.blank()
		}
		state := yesNo(h.Online, "online", "offline")
		st := t.Dim
		if h.Online != nil && *h.Online {
			st = t.OK
		}
		if h.State != "" && !strings.EqualFold(h.State, state) {
			state = strings.TrimSpace(state + " (" + h.State + ")")
		}
		c.field("state", ui.Text(state), st)
		if h.Isolated != nil {
			if *h.Isolated {
				c.field("network", "isolated", t.Err)
			} else {
				c.field("network", "not isolated", "")
			}
		}
		if h.OS != nil {
			c.field("system", ui.Text(strings.TrimSpace(h.OS.Name+" "+h.OS.Version)), "")
		}
		c.field("address", ui.Text(strings.Join(h.IP, ", ")), "")
		c.field("mac", ui.Text(strings.Join(h.MAC, ", ")), "")
		c.field("user", ui.Text(h.User), "")
		c.field("agent", ui.Text(h.AgentVersion), "")
		c.field("seen", s.moment(h.LastSeen), "")
		if h.Policy != nil {
			c.field("policy", ui.Text(firstOf(h.Policy.Name, h.Policy.ID)), "")
		}
		c.field("tags", ui.Text(strings.Join(h.Tags, ", ")), "")
		if h.ReportScore != nil {
			c.field("report", safetext.Sprintf("%.0f (relative to the other hosts of this server)", *h.ReportScore), "")
		}
		c.field("id", ui.Text(firstOf(h.Ref, h.ID)), t.Dim)
	}
	if !v.done {
		c.blank()
		c.wrap(t.Dim, "asking all profiles…")
	}
	for _, o := range v.failed {
		c.wrap(t.Err, safetext.Sprintf("%s: %s", o.Profile, o.Err))
	}
	v.count(s)
	c.section(safetext.Sprintf("%s in %s  (enter lists them)", count(len(v.hostAlerts), "alert"), s.app.reach()))
	for _, r := range worstRows(v.hostAlerts, 12) {
		_, score := scoreCell(t, r.a, 2)
		c.lines = append(c.lines, para{
			{t.Dim, s.clock(r.a.Time, 8) + "  "}, {t.Severity(r.a.Severity), score + " " + pad(safetext.Display(alertLetters(r.a)), 5)}, {"", r.text().title},
		})
	}
	if v.more {
		c.section(safetext.Display(count(len(v.actions), "action") + ", the latest first  (:actions lists all)"))
		for _, a := range v.actions {
			c.lines = append(c.lines, triageLine(s, a))
		}
		c.section(safetext.Display(count(len(v.carves), "carve") + "  (x gets a file, :carves downloads)"))
		for _, x := range v.carves {
			c.lines = append(c.lines, para{{t.Dim, s.clock(x.Created, 11) + "  "}, {t.Accent, pad(safetext.Text(string(x.State)), 9) + " "}, {"", ui.Text(firstOf(x.Path, x.Name))}, {t.Dim, "  " + bytesOf(x.Size)}})
		}
	}
	v.lines = c.lines
}

func (v *hostView) key(s *shell, a keys.Action, _ string) (tea.Cmd, bool) {
	if v.page.key(s, a) {
		return nil, true
	}
	name := hostName(v.h)
	switch a {
	case keys.Open:
		return s.push(newAlertsOf(s, scope{title: name, match: v.isHostAlert, flags: shellquote.Flag("host", "="+name)})), true
	case keys.Tree:
		return s.push(newProcesses(s, name)), true
	case keys.Events:
		return s.push(newEvents(s, " on "+name, `host="`+quoteInner(name)+`"`, s.app.recent(), time.Time{})), true
	case keys.Host:
		return nil, true
	}
	return nil, false
}

func (v *hostView) mouse(_ *shell, m mouse) tea.Cmd {
	v.wheel(m)
	return nil
}

func (v *hostView) hints(*shell) []hint {
	return []hint{
		{action: keys.Open, short: "alerts"}, {action: keys.Tree, short: "processes"}, {action: keys.Events}, {action: keys.Act}, {action: keys.Back},
	}
}

func (v *hostView) draw(s *shell, w, h int) []string {
	v.make(s, w-4)
	lines := v.page.draw(s.theme, w-4, h)
	for i := range lines {
		lines[i] = "  " + lines[i] + "  "
	}
	return lines
}

func alertLetters(a *model.Alert) string { return theme.Letters(a.Severity) }
