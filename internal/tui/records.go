package tui

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/shellquote"
	"github.com/edrctl/edrctl/internal/tui/keys"
	"github.com/edrctl/edrctl/internal/tui/theme"
	"github.com/edrctl/edrctl/internal/tui/ui"
)

// eventSpan is how far around a record its events are looked for.
const eventSpan = 15 * time.Minute

func textColumn[T model.Record](id, title string, width, least, prio int, get func(T) string, st func(*theme.Theme, T) theme.Style) ui.Column[T] {
	return ui.Column[T]{
		ID: id, Title: title, Width: width, Min: least, Prio: prio,
		Cell: func(t *theme.Theme, r T, _ int) (theme.Style, safetext.Display) {
			var look theme.Style
			if st != nil {
				look = st(t, r)
			}
			return look, ui.Text(get(r))
		},
		Compare: func(a, b T) int { return cmp.Compare(strings.ToLower(get(a)), strings.ToLower(get(b))) },
	}
}

func timeColumn[T model.Record](s *shell, id, title string, get func(T) model.Time) ui.Column[T] {
	return ui.Column[T]{
		ID: id, Title: title, Width: 8, Min: 5, Prio: 90, Down: true,
		Cell: func(t *theme.Theme, r T, w int) (theme.Style, safetext.Display) {
			return t.Dim, s.clock(get(r), w)
		},
		Compare: func(a, b T) int { return get(a).Compare(get(b).Time) },
	}
}

func dim[T any](t *theme.Theme, _ T) theme.Style { return t.Dim }

func backendColumn[T model.Record](s *shell) ui.Column[T] {
	return textColumn("backend", "BACKEND", 7, 6, 20, func(r T) string {
		o := r.GetOrigin()
		for _, p := range s.svc.Profiles() {
			if p.Name == o.Profile {
				return s.app.profileLabel(p)
			}
		}
		return cmp.Or(o.Backend, o.Profile)
	}, dim[T])
}

func eventColumns(s *shell) []ui.Column[*model.Event] {
	what := textColumn("what", "WHAT", 40, 14, 100, func(e *model.Event) string { return string(eventSummary(e)) }, nil)
	what.Flex = true
	return []ui.Column[*model.Event]{
		timeColumn(s, "time", "TIME", func(e *model.Event) model.Time { return e.Time }),
		textColumn("kind", "KIND", 15, 9, 80, func(e *model.Event) string { return string(e.Kind) }, func(t *theme.Theme, e *model.Event) theme.Style {
			if e.Detection != nil {
				return t.Warn
			}
			return t.Accent
		}),
		backendColumn[*model.Event](s),
		textColumn("host", "HOST", 14, 9, 60, func(e *model.Event) string { return hostName(e.Host) }, nil),
		textColumn("user", "USER", 11, 8, 15, func(e *model.Event) string {
			if e.User != nil {
				return e.User.Name
			}
			if e.Process != nil {
				return userName(e.Process.User)
			}
			return ""
		}, dim[*model.Event]),
		what,
		textColumn("rule", "RULE", 18, 12, 10, func(e *model.Event) string {
			if e.Detection == nil {
				return ""
			}
			return strings.Join(e.Detection.Rules, ", ")
		}, func(t *theme.Theme, _ *model.Event) theme.Style { return t.Warn }),
	}
}

// newEvents is the events of a window and filter.
func newEvents(s *shell, label, line string, since, until time.Time) *listView[*model.Event] {
	v := newList("events"+label, "events", "event", eventColumns(s))
	e, err := s.parseFilter(line)
	if err != nil {
		s.fail("filter", err)
	}
	v.since, v.until = since, until
	v.cmd = func(*shell) string {
		return strings.TrimSpace("edrctl events list " + e.Filter.String() + " --since " + since.UTC().Format(time.RFC3339) + untilFlag(until))
	}
	v.read = func(ctx context.Context, s *shell, each func(*model.Event) bool) ([]ops.Outcome, error) {
		var req ops.Request
		req.Since, req.Until = since, until
		req.Filter = e.Filter
		return s.svc.Events(ctx, req, each), nil
	}
	return v
}

// untilFlag writes the end of a window as a flag; an open one has none.
func untilFlag(until time.Time) string {
	if until.IsZero() {
		return ""
	}
	return " --until " + until.UTC().Format(time.RFC3339)
}

// eventsFor is the events around a record: of its host, at its time.
func eventsFor(s *shell, r model.Record) view {
	if p, ok := r.(*model.Process); ok {
		return eventsOfProcess(s, p, [2]time.Time{p.Started.Add(-time.Hour), p.Started.Add(time.Hour)})
	}
	h := hostOf(r)
	if h == nil || hostName(h) == "" {
		return nil
	}
	at := model.TimeOf(r).Time
	if _, isHost := r.(*model.Host); isHost || at.IsZero() {
		return newEvents(s, " on "+hostName(h), `host="`+quoteInner(hostName(h))+`"`, s.app.recent(), time.Time{})
	}
	v := newEvents(s, " around "+at.In(s.zone).Format("15:04")+" on "+hostName(h), `host="`+quoteInner(hostName(h))+`"`, at.Add(-eventSpan), at.Add(eventSpan))
	return v
}

func quoteInner(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s)
}

// eventsOfProcess is what one process did; twins are the same process as other
// profiles know it, whose events name it by other ids.
func eventsOfProcess(s *shell, p *model.Process, span [2]time.Time, twins ...model.Record) view {
	same := []*model.Process{p}
	for _, x := range twins {
		same = append(same, processOf(x))
	}
	if p.Started.IsZero() && span[1].Before(s.now().Add(-20*365*24*time.Hour)) {
		span = [2]time.Time{s.now().Add(-s.app.opt.Window), {}}
	}
	line := ""
	if h := hostName(p.Host); h != "" {
		line = `host="` + quoteInner(h) + `"`
	}
	if n := processName(p); n != "" {
		line += ` process="` + quoteInner(n) + `"`
	}
	v := newEvents(s, " of "+processName(p), line, span[0], span[1])
	inner := v.read
	v.read = func(ctx context.Context, s *shell, each func(*model.Event) bool) ([]ops.Outcome, error) {
		return inner(ctx, s, func(e *model.Event) bool {
			if !slices.ContainsFunc(same, func(p *model.Process) bool { return concerns(e.Process, p) || concerns(e.Target, p) }) {
				return true
			}
			return each(e)
		})
	}
	return v
}

// concerns tells whether q is the process p: the same id, or without ids on
// both sides the same pid.
func concerns(q, p *model.Process) bool {
	if q == nil {
		return false
	}
	if p.UID != "" && q.UID != "" {
		return p.UID == q.UID
	}
	return p.PID == 0 || q.PID == 0 || p.PID == q.PID
}

func yesNo(b *bool, yes, no string) string {
	switch {
	case b == nil:
		return ""
	case *b:
		return yes
	}
	return no
}

func hostColumns(s *shell) []ui.Column[*model.Host] {
	name := textColumn("name", "HOST", 18, 12, 100, func(h *model.Host) string { return hostName(h) }, nil)
	name.Flex = true
	return []ui.Column[*model.Host]{
		name,
		textColumn("online", "STATE", 8, 7, 90, func(h *model.Host) string {
			if h.Isolated != nil && *h.Isolated {
				return "isolated"
			}
			return yesNo(h.Online, "online", "offline")
		}, func(t *theme.Theme, h *model.Host) theme.Style {
			switch {
			case h.Isolated != nil && *h.Isolated:
				return t.Err
			case h.Online != nil && *h.Online:
				return t.OK
			}
			return t.Dim
		}),
		{ID: "alerts", Title: "ALERTS", Width: 6, Right: true, Prio: 80, Down: true,
			Cell: func(t *theme.Theme, h *model.Host, _ int) (theme.Style, safetext.Display) {
				n, worst := s.alertsOn(h)
				if n == 0 {
					return t.Dim, "0"
				}
				return t.Severity(worst), safetext.Sprintf("%d", n)
			},
			Compare: func(a, b *model.Host) int {
				x, _ := s.alertsOn(a)
				y, _ := s.alertsOn(b)
				return cmp.Compare(x, y)
			}},
		backendColumn[*model.Host](s),
		textColumn("os", "OS", 22, 12, 50, func(h *model.Host) string {
			if h.OS == nil {
				return ""
			}
			return h.OS.Name
		}, dim[*model.Host]),
		textColumn("ip", "ADDRESS", 15, 11, 40, func(h *model.Host) string { return strings.Join(h.IP, ", ") }, dim[*model.Host]),
		textColumn("user", "USER", 14, 10, 30, func(h *model.Host) string { return h.User }, dim[*model.Host]),
		{ID: "score", Title: "REPORT", Width: 6, Right: true, Prio: 15, Down: true,
			Cell: func(t *theme.Theme, h *model.Host, _ int) (theme.Style, safetext.Display) {
				if h.ReportScore == nil {
					return "", ""
				}
				return t.Dim, safetext.Sprintf("%.0f", *h.ReportScore)
			},
			Compare: func(a, b *model.Host) int { return cmp.Compare(deref(a.ReportScore), deref(b.ReportScore)) }},
		timeColumn(s, "seen", "SEEN", func(h *model.Host) model.Time { return h.LastSeen }),
		textColumn("agent", "AGENT", 10, 6, 5, func(h *model.Host) string { return h.AgentVersion }, dim[*model.Host]),
	}
}

func deref(p *float64) float64 {
	if p == nil {
		return -1
	}
	return *p
}

// alertsOn counts the alerts held of a host.
func (s *shell) alertsOn(h *model.Host) (n int, worst model.Severity) {
	return s.store.hosts[keyOfHost(h.Profile, hostName(h))].of()
}

func newHosts(s *shell) *listView[*model.Host] {
	v := newList("hosts", "hosts", "host", hostColumns(s))
	v.sort = "name"
	v.cmd = func(*shell) string { return "edrctl hosts list" }
	v.read = func(ctx context.Context, s *shell, each func(*model.Host) bool) ([]ops.Outcome, error) {
		return s.svc.Hosts(ctx, ops.Request{}, each), nil
	}
	v.head = func(s *shell, w int, all []*model.Host) string {
		online, isolated, offline := 0, 0, 0
		for _, h := range all {
			switch {
			case h.Isolated != nil && *h.Isolated:
				isolated++
			case h.Online != nil && *h.Online:
				online++
			case h.Online != nil:
				offline++
			}
		}
		t := s.theme
		return ui.NewLine(t, w, "").Space(1).Put(t.OK, safetext.Sprintf("online %d", online)).
			Put(t.Dim, safetext.Sprintf("  offline %d", offline)).Put(t.Err, safetext.Sprintf("  isolated %d", isolated)).String()
	}
	v.enter = func(s *shell, h *model.Host) tea.Cmd { return s.push(newHost(h, h.Profile)) }
	return v
}

func processColumns(s *shell) []ui.Column[*model.Process] {
	command := textColumn("command", "COMMAND LINE", 40, 14, 95, func(p *model.Process) string { return cmp.Or(p.CommandLine, p.Path) }, dim[*model.Process])
	command.Flex = true
	return []ui.Column[*model.Process]{
		timeColumn(s, "started", "STARTED", func(p *model.Process) model.Time { return p.Started }),
		textColumn("name", "PROCESS", 18, 12, 100, func(p *model.Process) string { return processName(p) }, nil),
		{ID: "pid", Title: "PID", Width: 6, Right: true, Prio: 70,
			Cell: func(t *theme.Theme, p *model.Process, _ int) (theme.Style, safetext.Display) {
				return t.Dim, safetext.Sprintf("%d", p.PID)
			},
			Compare: func(a, b *model.Process) int { return cmp.Compare(a.PID, b.PID) }},
		textColumn("user", "USER", 12, 8, 40, func(p *model.Process) string { return userName(p.User) }, dim[*model.Process]),
		textColumn("host", "HOST", 14, 9, 30, func(p *model.Process) string { return hostName(p.Host) }, nil),
		command,
		backendColumn[*model.Process](s),
	}
}

// newProcesses is the processes of a host, or of all.
func newProcesses(s *shell, host string) *listView[*model.Process] {
	label := "processes"
	if host != "" {
		label += " on " + host
	}
	v := newList(label, "processes", "process", processColumns(s))
	v.cmd = func(*shell) string {
		if host == "" {
			return "edrctl processes list"
		}
		return "edrctl processes list " + shellquote.Flag("host", "="+host)
	}
	v.note = "no processes: not every backend keeps a list of them"
	v.read = func(ctx context.Context, s *shell, each func(*model.Process) bool) ([]ops.Outcome, error) {
		var req ops.Request
		req.Since = s.now().Add(-s.app.opt.Window)
		if host != "" {
			if err := req.Filter.Add(filter.Host, "="+host); err != nil {
				return nil, err
			}
		}
		return s.svc.Processes(ctx, req, each), nil
	}
	return v
}

// newCarves is the files collected on the servers, and how those that are
// brought here do.
func newCarves(s *shell) *listView[*model.Carve] {
	path := textColumn("path", "PATH", 40, 14, 100, func(c *model.Carve) string { return c.Path }, nil)
	path.Flex = true
	v := newList("carves", "carves", "carve", []ui.Column[*model.Carve]{
		timeColumn(s, "created", "CREATED", func(c *model.Carve) model.Time { return c.Created }),
		textColumn("state", "STATE", 9, 8, 90, func(c *model.Carve) string { return string(c.State) }, func(t *theme.Theme, c *model.Carve) theme.Style {
			switch c.State {
			case model.CarveComplete:
				return t.OK
			case model.CarveFailed:
				return t.Err
			}
			return t.Accent
		}),
		{ID: "progress", Title: "PROGRESS", Width: 14, Min: 5, Prio: 70,
			Cell: func(t *theme.Theme, c *model.Carve, w int) (theme.Style, safetext.Display) {
				share, what := s.carveProgress(c)
				switch {
				case what != "":
					st := t.OK
					if what != "verified" && what != "saved" {
						st = t.Err
					}
					return st, what
				case share < 0:
					return "", ""
				case w < 14:
					return t.Accent, safetext.Sprintf("%3.0f%%", share*100)
				}
				return t.Accent, safetext.Sprintf("%s %3.0f%%", meter(t, share, 9), share*100)
			}},
		textColumn("host", "HOST", 14, 9, 80, func(c *model.Carve) string { return hostName(c.Host) }, nil),
		path,
		{ID: "size", Title: "SIZE", Width: 9, Right: true, Prio: 60, Down: true,
			Cell: func(t *theme.Theme, c *model.Carve, _ int) (theme.Style, safetext.Display) {
				return t.Dim, bytesOf(c.Size)
			},
			Compare: func(a, b *model.Carve) int { return cmp.Compare(a.Size, b.Size) }},
		backendColumn[*model.Carve](s),
		textColumn("sha256", "SHA256", 16, 12, 10, func(c *model.Carve) string {
			if got := s.app.work.saved[c.Ref]; got != nil {
				return got.Saved.Hashes.SHA256
			}
			return c.SHA256
		}, dim[*model.Carve]),
	})
	v.poll = func(all []*model.Carve) bool {
		return slices.ContainsFunc(all, func(c *model.Carve) bool {
			return c.State == model.CarveRequested || c.State == model.CarveRunning
		})
	}
	v.note = "nothing has been carved yet; x on a host, process or alert gets a file"
	v.tips = []hint{{action: keys.Open}, {action: keys.Act, short: "download, verify"}, {action: keys.Host}, {action: keys.Mark}, {action: keys.Refresh}, {action: keys.Back}}
	v.cmd = func(*shell) string { return "edrctl carve list" }
	v.read = func(ctx context.Context, s *shell, each func(*model.Carve) bool) ([]ops.Outcome, error) {
		var req ops.Request
		req.Since, req.Until = s.now().Add(-30*24*time.Hour), s.now().Add(time.Minute)
		return s.svc.Carves(ctx, req, each), nil
	}
	return v
}

// carveProgress is how far a file is: collected on its host, then brought
// here. share is negative when nothing is under way.
func (s *shell) carveProgress(c *model.Carve) (share float64, what safetext.Display) {
	for _, d := range slices.Backward(s.app.work.downloads) {
		for _, x := range d.files {
			if x.ref != c.Ref {
				continue
			}
			switch {
			case x.checked != nil && x.checked.OK && x.err == nil:
				return 1, "verified"
			case x.err != nil || x.checked != nil:
				return 0, "failed"
			case x.total > 0:
				return float64(x.done) / float64(x.total), ""
			case !d.over:
				return x.share, ""
			}
		}
	}
	if c.Progress == nil {
		return -1, ""
	}
	return *c.Progress, ""
}

// meter is a bar of a share.
func meter(t *theme.Theme, share float64, w int) string {
	n := int(min(max(share, 0), 1)*float64(w) + 0.5)
	return strings.Repeat(t.Glyphs.Full, n) + strings.Repeat(t.Glyphs.Empty, w-n)
}

func bytesOf(n int64) safetext.Display {
	switch {
	case n >= 1<<30:
		return safetext.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return safetext.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return safetext.Sprintf("%.1f KiB", float64(n)/(1<<10))
	case n == 0:
		return ""
	}
	return safetext.Sprintf("%d B", n)
}

// newHash is who knows a hash: verdicts, names, hosts; Enter hunts it.
func newHash(hash string) *listView[*model.HashInfo] {
	s := hash
	if len(s) > 12 {
		s = s[:12] + "…"
	}
	names := textColumn("names", "NAMES", 30, 12, 90, func(h *model.HashInfo) string { return strings.Join(h.Names, ", ") }, nil)
	names.Flex = true
	hosts := textColumn("hosts", "SEEN ON", 30, 12, 80, func(h *model.HashInfo) string {
		var out []string
		for _, x := range h.Hosts {
			if n := hostName(x); !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
		return strings.Join(out, ", ")
	}, nil)
	hosts.Flex = true
	v := newList("hash "+s, "hash", "answer", []ui.Column[*model.HashInfo]{
		textColumn("backend", "PROFILE", 16, 8, 100, func(h *model.HashInfo) string { return h.Profile }, nil),
		textColumn("verdict", "VERDICT", 10, 9, 95, func(h *model.HashInfo) string { return cmp.Or(h.Verdict, h.Native, "unknown") }, func(t *theme.Theme, h *model.HashInfo) theme.Style {
			switch h.Verdict {
			case "malicious":
				return t.Err
			case "safe":
				return t.OK
			}
			return t.Dim
		}),
		names, hosts,
	})
	v.table.Key = func(h *model.HashInfo) string { return h.Profile + h.ID }
	v.note = "no profile knows this hash"
	v.cmd = func(*shell) string { return shellquote.Join("edrctl hunt hash", hash) }
	v.read = func(ctx context.Context, s *shell, each func(*model.HashInfo) bool) ([]ops.Outcome, error) {
		return s.svc.HashInfo(ctx, hash, each), nil
	}
	v.enter = func(s *shell, _ *model.HashInfo) tea.Cmd { return s.push(newHunt(hash, "the hash "+hash)) }
	return v
}
