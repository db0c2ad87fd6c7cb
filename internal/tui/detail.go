package tui

import (
	"cmp"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/tui/attack"
	"github.com/edrctl/edrctl/internal/tui/theme"
	"github.com/edrctl/edrctl/internal/tui/ui"
)

// techniqueName is id and name; the name from the table, and the backend's for
// what the table does not know.
func techniqueName(a model.Attack) string {
	known, ok := attack.Find(a.Technique.ID)
	name := known.Name
	if name == "" {
		name = a.Technique.Name
	}
	out := strings.TrimSpace(a.Technique.ID + " " + name)
	if ok && known.Revoked {
		out += " (revoked)"
	}
	return out
}

// tacticsOf are the tactics a technique serves here: the one the backend says
// if the technique can serve it, else all it can.
func tacticsOf(a model.Attack) []string {
	said := strings.ToLower(strings.ReplaceAll(a.Tactic, " ", "-"))
	known, ok := attack.Find(a.Technique.ID)
	if said != "" && (!ok || len(known.Tactics) == 0 || slices.Contains(known.Tactics, said)) {
		return []string{said}
	}
	return known.Tactics
}

// detailWriter builds the lines of a detail view: "label value", wrapped to a width.
type detailWriter struct {
	s     *shell
	w     int
	lines []para
}

func (c *detailWriter) blank() {
	if n := len(c.lines); n > 0 && len(c.lines[n-1]) > 0 {
		c.lines = append(c.lines, nil)
	}
}

func (c *detailWriter) section(d safetext.Display) {
	c.blank()
	c.lines = append(c.lines, text(c.s.theme.Head, d))
}

const labelWidth = 10

func (c *detailWriter) field(label, value safetext.Display, st theme.Style) {
	if value == "" {
		return
	}
	t := c.s.theme
	lw := labelWidth
	if c.w < 36 {
		lw = 0
		c.lines = append(c.lines, text(t.Dim, label))
	}
	for i, part := range ui.Wrap(value, max(8, c.w-lw)) {
		lead := label
		if i > 0 || lw == 0 {
			lead = ""
		}
		c.lines = append(c.lines, para{{t.Dim, pad(lead, lw)}, {st, part}})
	}
}

func pad(d safetext.Display, w int) safetext.Display {
	if n := w - ui.Width(d); n > 0 {
		return d + safetext.Display(strings.Repeat(" ", n))
	}
	return d
}

func (c *detailWriter) wrap(st theme.Style, d safetext.Display) {
	for _, part := range ui.Wrap(d, c.w) {
		c.lines = append(c.lines, text(st, part))
	}
}

// alertHead writes what every detail view of an alert begins with.
func (c *detailWriter) alertHead(a *model.Alert) {
	t := c.s.theme
	c.wrap(t.Bold, ui.Text(a.Title))
	score := safetext.Display("no score")
	if a.Score != nil {
		score = safetext.Sprintf("%.3g/10", *a.Score)
	}
	p := para{{t.Severity(a.Severity), score + " " + ui.Text(string(a.Severity))}}
	if a.Status != "" && a.Status != model.StatusUnknown {
		p = append(p, span{t.Dim, " · "}, span{statusStyle(t, a.Status), ui.Text(string(a.Status))})
	}
	if a.Verdict != "" && a.Verdict != model.VerdictUnknown {
		p = append(p, span{t.Dim, " · " + ui.Text(strings.ReplaceAll(string(a.Verdict), "_", " "))})
	}
	c.lines = append(c.lines, p)
	c.blank()
	c.field("when", c.s.moment(a.Time), "")
	c.field("where", hostLine(a.Host), "")
	if a.User != nil {
		c.field("who", ui.Text(fullUser(a.User)), "")
	}
	if a.Rule != nil {
		rule := a.Rule.Name
		if rule == "" || rule == a.Title {
			rule = cmp.Or(a.Rule.ID, rule)
		}
		if rule != a.Title {
			c.field("rule", ui.Text(rule), "")
		}
	}
	for i, x := range a.Attack {
		label := safetext.Display("technique")
		if i > 0 {
			label = ""
		}
		d := ui.Text(techniqueName(x))
		if ts := tacticsOf(x); len(ts) > 0 {
			d += ui.Text(" · " + strings.Join(ts, ", "))
		}
		c.field(label, d, t.Accent)
	}
	c.field("backend", safetext.Sprintf("%s (%s)", a.Backend, a.Profile), t.Dim)
	c.field("id", ui.Text(a.Ref), t.Dim)
	if a.Description != "" && a.Description != a.Title {
		c.blank()
		c.wrap("", ui.Text(a.Description))
	}
}

// chain draws the processes of an alert as a little tree.
func (c *detailWriter) chain(a *model.Alert) {
	t := c.s.theme
	if a.Process == nil && len(a.Ancestors) == 0 {
		return
	}
	c.blank()
	depth := 0
	put := func(st theme.Style, p *model.Process, tail safetext.Display) {
		if p == nil {
			return
		}
		lead := safetext.Display("")
		if depth > 0 {
			lead = safetext.Display(strings.Repeat("   ", min(depth-1, 8)) + t.Glyphs.End + " ")
		}
		name := ui.Text(cmp.Or(processName(p), "(unknown)"))
		line := para{{t.Border, lead}, {st, name}}
		if p.PID > 0 {
			line = append(line, span{t.Dim, safetext.Sprintf(" (%d)", p.PID)})
		}
		if p.CommandLine != "" {
			line = append(line, span{t.Dim, "  " + ui.Text(shortCommand(p.CommandLine))})
		}
		if tail != "" {
			line = append(line, span{t.Warn, tail})
		}
		c.lines = append(c.lines, line)
		depth++
	}
	up := a.Ancestors
	if len(up) == 0 && a.Process != nil && a.Process.Parent != nil {
		q := a.Process.Parent
		if q.Name != "" || q.Path != "" {
			up = []*model.Process{{PID: q.PID, Name: q.Name, Path: q.Path, CommandLine: q.CommandLine}}
		}
	}
	for _, p := range up {
		put("", p, "")
	}
	put(t.Severity(a.Severity), a.Process, safetext.Display("  "+t.Glyphs.Left))
	if a.Target != nil {
		put(t.Warn, a.Target, "")
	}
}

// shortCommand is a command line without the path of its program.
func shortCommand(s string) string {
	s = strings.TrimSpace(s)
	var prog, rest string
	if strings.HasPrefix(s, `"`) {
		if i := strings.IndexByte(s[1:], '"'); i >= 0 {
			prog, rest = s[1:i+1], s[i+2:]
		}
	} else {
		prog, rest, _ = strings.Cut(s, " ")
	}
	if strings.ContainsAny(prog, `\/`) || strings.HasSuffix(strings.ToLower(prog), ".exe") {
		return strings.TrimSpace(rest)
	}
	return s
}

func hostLine(h *model.Host) safetext.Display {
	if h == nil {
		return ""
	}
	var more []string
	more = append(more, h.IP[:min(len(h.IP), 2)]...)
	if h.OS != nil && h.OS.Name != "" {
		more = append(more, h.OS.Name)
	}
	out := hostName(h)
	if len(more) > 0 {
		out += " (" + strings.Join(more, ", ") + ")"
	}
	return ui.Text(out)
}

func fullUser(u *model.User) string {
	if u.Domain != "" {
		return u.Domain + `\` + u.Name
	}
	return u.Name
}

// process writes all that is known of a process.
func (c *detailWriter) process(p *model.Process) {
	if p == nil {
		return
	}
	t := c.s.theme
	c.field("process", safetext.Sprintf("%s (%d)", cmp.Or(processName(p), "unknown"), p.PID), t.Bold)
	c.field("image", ui.Text(p.Path), "")
	c.field("command", ui.Text(p.CommandLine), "")
	c.field("directory", ui.Text(p.WorkingDirectory), "")
	c.field("started", c.s.moment(p.Started), "")
	c.field("ended", c.s.moment(p.Ended), "")
	if p.User != nil {
		c.field("user", ui.Text(fullUser(p.User)), "")
	}
	c.field("integrity", ui.Text(strings.TrimSpace(p.Integrity+" "+p.Elevation)), "")
	if p.Signed != nil {
		if *p.Signed {
			c.field("signed", "yes", "")
		} else {
			c.field("signed", "no", t.Warn)
		}
	}
	if r := p.Reputation; r != nil {
		st := theme.Style("")
		if r.Verdict == "malicious" {
			st = t.Err
		}
		c.field("verdict", ui.Text(cmp.Or(r.Verdict, r.Native)), st)
	}
	c.hash(p.Hash)
}

func (c *detailWriter) hash(h *model.Hash) {
	if h == nil {
		return
	}
	c.field("md5", ui.Text(h.MD5), "")
	c.field("sha1", ui.Text(h.SHA1), "")
	c.field("sha256", ui.Text(h.SHA256), "")
	c.field("sha512", ui.Text(h.SHA512), "")
	c.field("imphash", ui.Text(h.Imphash), "")
}

// alertPreview is the preview of an alert.
func alertPreview(s *shell, a *model.Alert, w int) []string {
	c := &detailWriter{s: s, w: w}
	c.alertHead(a)
	c.chain(a)
	if a.Process != nil && a.Process.CommandLine != "" {
		c.blank()
		c.wrap(s.theme.Dim, ui.Text(a.Process.CommandLine))
	}
	out := make([]string, len(c.lines))
	for i, p := range c.lines {
		out[i] = p.fit(s.theme, w, "")
	}
	return out
}

// hostOf is the host of a record, a host itself included.
func hostOf(r model.Record) *model.Host {
	if h, ok := r.(*model.Host); ok {
		return h
	}
	return model.HostOf(r)
}

// processOf is the process a record is about.
func processOf(r model.Record) *model.Process {
	switch v := r.(type) {
	case *model.Alert:
		return v.Process
	case *model.Event:
		return v.Process
	case *model.Process:
		return v
	case *model.Hit:
		return v.Process
	}
	return nil
}

// hashOf is the best hash of a record: the longest of its process or file.
func hashOf(r model.Record) string {
	best := func(h *model.Hash) string {
		if h == nil {
			return ""
		}
		return cmp.Or(h.SHA256, h.SHA1, h.MD5, h.SHA512)
	}
	switch v := r.(type) {
	case *model.Event:
		if v.File != nil && best(v.File.Hash) != "" {
			return best(v.File.Hash)
		}
		if v.Module != nil && best(v.Module.Hash) != "" {
			return best(v.Module.Hash)
		}
	case *model.Carve:
		return v.SHA256
	case *model.Hit:
		if slices.Contains([]string{"md5", "sha1", "sha256"}, v.Indicator.Type) {
			return v.Indicator.Value
		}
		if v.File != nil && best(v.File.Hash) != "" {
			return best(v.File.Hash)
		}
	case *model.Alert:
		if v.Process == nil || best(v.Process.Hash) == "" {
			for _, i := range v.Indicators {
				if slices.Contains([]string{"sha256", "sha1", "md5"}, i.Type) {
					return i.Value
				}
			}
		}
	}
	if p := processOf(r); p != nil {
		return best(p.Hash)
	}
	return ""
}
