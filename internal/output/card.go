package output

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/edrctl/edrctl/internal/iostreams"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/shellquote"
)

// Card renders one record for a person: a title line, the facts in two
// columns, and for an alert the chain of processes and what to do next. The
// result ends in a newline and may be written to ios.Out as it is.
func Card(ios *iostreams.Streams, opt Options, rec any) string {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.TZ == nil {
		opt.TZ = time.Local
	}
	if v := addressable(rec); !v.IsValid() {
		return ""
	}
	c := &card{ios: ios, pal: ios.OutPalette(), opt: opt, width: max(ios.OutWidth(), 20)}
	switch r := rec.(type) {
	case *model.Alert:
		c.alert(r)
	case model.Alert:
		c.alert(&r)
	case *model.Event:
		c.event(r)
	case model.Event:
		c.event(&r)
	default:
		c.fields(rec)
	}
	return c.b.String()
}

type card struct {
	ios   *iostreams.Streams
	pal   iostreams.Palette
	opt   Options
	width int
	b     strings.Builder
	facts []fact
}

type fact struct {
	label safetext.Display
	text  safetext.Display
	sgr   string
}

// fact adds a fact, nothing when it has no text.
func (c *card) fact(label safetext.Display, text string) {
	if text != "" {
		c.facts = append(c.facts, fact{label: label, text: safetext.Text(text)})
	}
}

func (c *card) show(d safetext.Display) string { return string(displayFor(c.ios, d)) }

// title writes the headline with a status at the right edge.
func (c *card) title(title, status safetext.Display, sgr string) {
	t, s := c.show(title), c.show(status)
	line := c.pal.Bold(cutEnd(t, c.width, c.ios.Unicode()))
	if s == "" {
		c.b.WriteString(line + "\n")
		return
	}
	room := c.width - width(t) - width(s)
	if room < 2 {
		c.b.WriteString(line + "\n" + c.pal.SGR(sgr, s) + "\n")
		return
	}
	c.b.WriteString(line + strings.Repeat(" ", min(room, max(64-width(t), 2))) + c.pal.SGR(sgr, s) + "\n")
}

// table writes the gathered facts, two in a row where they fit.
func (c *card) table() {
	const labelWidth = 10
	half := (c.width - 4) / 2
	if c.width < 90 {
		half = c.width - 2
	}
	half = min(half, 56)
	for i := 0; i < len(c.facts); i++ {
		cellText, w := c.pair(c.facts[i], labelWidth)
		c.b.WriteString("  " + cellText)
		if i+1 < len(c.facts) && w+2 <= half && c.width >= 90 {
			next, nw := c.pair(c.facts[i+1], labelWidth)
			if half+nw+4 <= c.width {
				c.b.WriteString(strings.Repeat(" ", half-w) + next)
				i++
			}
		}
		c.b.WriteByte('\n')
	}
	c.facts = nil
}

func (c *card) pair(f fact, labelWidth int) (string, int) {
	label, text := c.show(f.label), c.show(f.text)
	text = cutMiddle(text, max(c.width-labelWidth-3, 8), c.ios.Unicode())
	pad := max(labelWidth-width(label), 1)
	return c.pal.Dim(label) + strings.Repeat(" ", pad) + c.pal.SGR(f.sgr, text), width(label) + pad + width(text)
}

func (c *card) when(t model.Time) string {
	if t.IsZero() {
		return ""
	}
	in := t.In(c.opt.TZ)
	return fmt.Sprintf("%s (%s)", in.Format("2006-01-02 15:04:05 MST"), Ago(t.Time, c.opt.Now(), c.opt.TZ))
}

func (c *card) alert(a *model.Alert) {
	status := string(a.Severity)
	if a.Score != nil {
		status = string(appendFloat(nil, *a.Score)) + "/10 " + status
	}
	if a.Status != "" && a.Status != model.StatusUnknown {
		status += " · " + string(a.Status)
	}
	if a.Verdict != "" && a.Verdict != model.VerdictUnknown {
		status += " · " + strings.ReplaceAll(string(a.Verdict), "_", " ")
	}
	c.title(safetext.Text(first(a.Title, a.ID)), safetext.Text(strings.TrimSpace(c.dot(status))), severityLooks[a.Severity].sgr)
	c.fact("when", c.when(a.Time))
	c.fact("where", hostLine(a.Host))
	c.fact("who", userText(a.User))
	for _, t := range a.Attack {
		c.fact("technique", c.dot(attackLine(t)))
	}
	if a.Rule != nil {
		c.fact("rule", first(a.Rule.Name, a.Rule.ID))
	}
	if a.Policy != nil {
		c.fact("policy", first(a.Policy.Name, a.Policy.ID))
	}
	c.fact("id", first(a.Ref, a.ID))
	c.fact("source", a.Source)
	c.fact("category", a.Category)
	if a.Risk != nil {
		c.fact("risk", fmt.Sprintf("%d/100", *a.Risk))
	}
	if n := a.EventCount; n > 0 {
		c.fact("events", fmt.Sprint(n))
	}
	for _, i := range a.Indicators {
		c.fact("indicator", strings.TrimSpace(i.Type+" "+first(i.Value, i.Name)))
	}
	c.fact("link", a.URL)
	c.table()
	if a.Description != "" && a.Description != a.Title {
		c.b.WriteByte('\n')
		c.paragraph(a.Description)
	}
	c.chain(a.Ancestors, a.Process, a.Target, "")
	if len(a.Events) > 0 {
		c.b.WriteByte('\n')
		for _, e := range a.Events {
			if e == nil {
				continue
			}
			lead := c.show(safetext.Sprintf("%s  %-15s  ", e.Time.In(c.opt.TZ).Format("15:04:05"), e.Kind))
			text, room := c.show(safetext.Text(Summary(e))), max(c.width-2-width(lead), 0)
			if prose(text) {
				text = cutEnd(text, room, c.ios.Unicode())
			} else {
				text = cutMiddle(text, room, c.ios.Unicode())
			}
			c.b.WriteString("  " + lead + text + "\n")
		}
	}
	if a.Ref != "" {
		c.next(a)
	}
}

// paragraph wraps a text at words; a very long one is cut.
func (c *card) paragraph(text string) {
	const most = 12
	wrapped := ansi.Wrap(c.show(safetext.Lines(strings.TrimSpace(text))), max(c.width-2, 10), "")
	n := 0
	for line := range strings.SplitSeq(wrapped, "\n") {
		if n++; n > most {
			c.b.WriteString("  " + ellipsis(c.ios.Unicode()) + "\n")
			return
		}
		c.b.WriteString(strings.TrimRight("  "+cutEnd(line, c.width-2, c.ios.Unicode()), " ") + "\n")
	}
}

// next names what an analyst may do after reading an alert, ready to be run:
// references are whole, and quoted where a shell asks for it.
func (c *card) next(a *model.Alert) {
	commands := c.opt.Next
	if commands == nil {
		if len(a.Events) == 0 {
			commands = append(commands, shellquote.Join("edrctl alerts get", a.Ref)+" --events")
		}
		if a.Host != nil && a.Host.Name != "" && a.Profile != "" {
			commands = append(commands, "edrctl events list -p "+shellquote.Arg(a.Profile)+" "+shellquote.Flag("host", "="+a.Host.Name)+around(a.Time))
		}
	}
	lead := "next:  "
	for i, line := range commands {
		if i == 0 {
			c.b.WriteByte('\n')
		}
		c.b.WriteString("  " + c.pal.Dim(lead) + c.show(safetext.Text(line)) + "\n")
		lead = "       "
	}
}

func around(t model.Time) string {
	if t.IsZero() {
		return ""
	}
	return " --around " + t.String()
}

func (c *card) event(e *model.Event) {
	c.title(safetext.Text(first(Summary(e), string(e.Kind))), safetext.Text(string(e.Kind)), "")
	c.fact("when", c.when(e.Time))
	c.fact("where", hostLine(e.Host))
	c.fact("who", userText(e.User))
	c.fact("action", e.Action)
	c.fact("id", first(e.Ref, e.ID))
	c.fact("alert", e.AlertID)
	if f := e.File; f != nil {
		c.fact("file", first(f.Path, f.Name))
		c.fact("from", f.OldPath)
		if f.Size > 0 {
			c.fact("size", string(Size(f.Size)))
		}
		c.hashes(f.Hash)
	}
	if n := e.Network; n != nil {
		c.fact("network", strings.TrimSpace(n.Transport+" "+n.Direction))
		c.fact("from", endpointText(n.Source))
		if d := n.Destination; d != nil {
			to := endpointText(d)
			if d.Domain != "" && d.IP != "" {
				to += " (" + d.IP + ")"
			}
			c.fact("to", to)
		}
	}
	if e.DNS != nil {
		c.fact("dns", strings.TrimSpace(e.DNS.Question.Name+" "+e.DNS.Question.Type))
		c.fact("answers", strings.Join(answerData(e.DNS), ", "))
	}
	if r := e.Registry; r != nil {
		c.fact("key", r.Path)
		c.fact("value", r.Value)
		c.fact("data", r.Data)
	}
	if m := e.Module; m != nil {
		c.fact("module", m.Path)
		c.fact("signer", m.Signature)
		c.hashes(m.Hash)
	}
	c.logged(e)
	if d := e.Detection; d != nil {
		c.fact("rules", strings.Join(d.Rules, ", "))
		if d.Score != nil {
			c.fact("score", string(appendFloat(nil, *d.Score)))
		}
		for _, t := range d.Attack {
			c.fact("technique", c.dot(attackLine(t)))
		}
	}
	c.fact("tags", strings.Join(e.Tags, ", "))
	c.table()
	c.chain(nil, e.Process, e.Target, string(e.Kind))
}

// logged adds what operating system logs record besides files and connections.
func (c *card) logged(e *model.Event) {
	if o := e.Object; o != nil {
		c.fact(safetext.Text(first(o.Type, "object")), o.Name)
	}
	if p := e.Pipe; p != nil {
		c.fact("pipe", p.Name)
	}
	if a := e.Access; a != nil {
		c.fact("access", a.Granted)
		c.fact("calls", a.CallTrace)
	}
	if l := e.Logon; l != nil {
		c.fact("account", userText(l.TargetUser))
		c.fact("logon", strings.TrimSpace(strings.ReplaceAll(l.Type, "_", " ")+" "+l.Package))
		c.fact("failure", l.Failure)
	}
	if s := e.Script; s != nil {
		c.fact("script", s.Text)
	}
	if p := e.Process; p != nil {
		c.fact("original", p.OriginalFileName)
		c.fact("company", p.Company)
	}
}

func (c *card) hashes(h *model.Hash) {
	if h != nil {
		c.fact("sha512", h.SHA512)
		c.fact("sha256", h.SHA256)
		c.fact("sha1", h.SHA1)
		c.fact("md5", h.MD5)
	}
}

// chain draws the processes from the root down to the one the record is about,
// and the one it acted upon.
func (c *card) chain(ancestors []*model.Process, p, target *model.Process, verb string) {
	procs := slices.DeleteFunc(slices.Clone(ancestors), func(p *model.Process) bool { return p == nil })
	if p != nil {
		if len(procs) == 0 && p.Parent != nil {
			pp := p.Parent
			procs = append(procs, &model.Process{UID: pp.UID, PID: pp.PID, Name: pp.Name, Path: pp.Path, CommandLine: pp.CommandLine})
		}
		procs = append(procs, p)
	}
	if len(procs) == 0 && target == nil {
		return
	}
	branch, arrow, mark := "└─ ", "→ ", "  ◀ this process"
	if !c.ios.Unicode() {
		branch, arrow, mark = "`- ", "-> ", "  <- this process"
	}
	c.b.WriteByte('\n')
	const maxDepth = 16 // deeper chains keep their root and their end
	if len(procs) > maxDepth {
		cut := fmt.Sprintf("(%d more)", len(procs)-maxDepth+1)
		procs = slices.Concat(procs[:2], []*model.Process{{Name: cut}}, procs[len(procs)-maxDepth+3:])
	}
	depth := 0
	line := func(lead string, p *model.Process, tail string) {
		indent := "  "
		if depth > 0 {
			indent += strings.Repeat("   ", depth-1)
		}
		indent += lead
		name := processName(p)
		if p.PID != 0 {
			name += fmt.Sprintf(" (%d)", p.PID)
		}
		head := c.show(safetext.Text(first(name, "?")))
		room := max(c.width-width(indent)-width(head)-width(tail)-2, 0)
		args := cutEnd(c.show(safetext.Text(arguments(p))), room, c.ios.Unicode())
		if room < 6 {
			args = ""
		}
		c.b.WriteString(indent + c.pal.Bold(head))
		if args != "" {
			c.b.WriteString("  " + args)
		}
		c.b.WriteString(c.pal.SGR(sgrHigh, tail) + "\n")
	}
	for i, q := range procs {
		lead, tail := "", ""
		if i > 0 {
			lead = branch
		}
		if q == p && p != nil {
			tail = mark
		}
		line(lead, q, tail)
		depth++
	}
	if target != nil {
		tail := ""
		if verb != "" {
			tail = "  " + c.show(safetext.Text(strings.ReplaceAll(verb, "_", " ")))
		}
		line(arrow, target, tail)
	}
}

// arguments is the command line without the program it starts with, which the
// name already says; the path when there is no command line.
func arguments(p *model.Process) string {
	line := strings.TrimSpace(p.CommandLine)
	if line == "" {
		return p.Path
	}
	prog, rest := line, ""
	if line[0] == '"' {
		if end := strings.IndexByte(line[1:], '"'); end >= 0 {
			prog, rest = line[1:end+1], line[end+2:]
		}
	} else if i := strings.IndexByte(line, ' '); i > 0 {
		prog, rest = line[:i], line[i:]
	}
	base := strings.TrimSuffix(strings.ToLower(model.BaseName(prog)), ".exe")
	if base != "" && base == strings.TrimSuffix(strings.ToLower(processName(p)), ".exe") {
		return strings.TrimSpace(rest)
	}
	return line
}

func hostLine(h *model.Host) string {
	if h == nil {
		return ""
	}
	var more []string
	if len(h.IP) > 0 {
		more = append(more, h.IP[0])
	}
	if s := osText(h.OS); s != "" {
		more = append(more, s)
	}
	name := first(h.Name, h.ID)
	if len(more) == 0 {
		return name
	}
	return name + " (" + strings.Join(more, ", ") + ")"
}

func attackLine(t model.Attack) string {
	s := strings.TrimSpace(t.Technique.ID + " " + t.Technique.Name)
	if t.Tactic != "" {
		if s != "" {
			s += " · "
		}
		s += t.Tactic
	}
	return s
}

// dot writes the separator of a terminal that has only ASCII.
func (c *card) dot(s string) string {
	if c.ios.Unicode() {
		return s
	}
	return strings.ReplaceAll(s, " · ", ", ")
}

// fields shows any other record: a line for each field that has a value.
func (c *card) fields(rec any) {
	v := addressable(rec)
	if !v.IsValid() || c.opt.Kind.spec == nil || v.Type() != c.opt.Kind.spec.typ {
		c.b.WriteString(c.show(safetext.Lines(string(appendIndent(nil, AppendJSON(nil, rec), "")))) + "\n")
		return
	}
	names := c.opt.Columns
	if len(names) == 0 {
		names = leafColumns(c.opt.Kind)
		name, _ := fieldPath(v.Type(), "name")
		c.title(safetext.Text(first((getter{name: "name", path: name}).text(v), identity(v))), "", "")
	}
	label, hasRef := 0, false
	get := getters(c.opt.Kind, namedColumns(names))
	for _, g := range get {
		label = max(label, len(g.name))
		hasRef = hasRef || g.name == "ref" && g.text(v) != ""
	}
	for _, g := range get {
		if g.name == "raw" && !c.opt.Raw || g.name == "profile" || g.name == "id" && hasRef {
			continue
		}
		text := g.text(v)
		if t, ok := instant(g.get(v)); ok && !t.IsZero() {
			text = c.when(model.At(t))
		}
		if b := g.get(v); b.IsValid() && b.Kind() == reflect.Bool {
			text = string(stateCell(b).text)
		}
		if text == "" {
			continue
		}
		name := c.show(safetext.Display(g.name))
		pad := strings.Repeat(" ", label-len(g.name)+2)
		lines := strings.Split(string(safetext.Lines(text)), "\n")
		c.b.WriteString("  " + c.pal.Dim(name) + pad + c.show(safetext.Display(lines[0])) + "\n")
		for _, l := range lines[1:] {
			c.b.WriteString(strings.Repeat(" ", label+4) + c.show(safetext.Display(l)) + "\n")
		}
	}
}
