package tui

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/edrctl/edrctl/internal/change"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/tui/theme"
	"github.com/edrctl/edrctl/internal/tui/ui"
)

// input is one field of a form: a line of text, or one of several words.
type input struct {
	label  string
	hint   string   // shown while the field is empty
	words  []string // one of these; nil = text
	chosen int
	edit   editor
}

func (f *input) value() string {
	if f.words != nil {
		return f.words[f.chosen]
	}
	return strings.TrimSpace(f.edit.value())
}

// form is what a verb takes: its fields, and how they are read. read is pure
// but for looking whether a file is there.
type form struct {
	inputs []*input
	button string
	read   func(f *form) (Params, error)
	send   func(s *shell, d *formDialog) (closed bool, cmd tea.Cmd) // instead of read, of a form that is not an action
}

func (f *form) at(label string) string {
	for _, in := range f.inputs {
		if in.label == label {
			return in.value()
		}
	}
	return ""
}

func line(label, hint, value string) *input {
	return &input{label: label, hint: hint, edit: newEditor(value)}
}

func oneOf(label string, words ...string) *input { return &input{label: label, words: words} }

// formFor is the form of a choice.
func formFor(c choice) *form {
	var path, suggested string
	var pid int64
	if len(c.records) == 1 {
		if p := processOf(c.records[0]); p != nil {
			path, pid = p.Path, p.PID
		}
	}
	suggested = path
	limit := func() *input { return line("run for", "as long as the backend lets it; 5m", "") }
	f := &form{button: "Preview"}
	switch c.verb {
	case verbKill:
		number := ""
		if pid > 0 {
			number = strconv.FormatInt(pid, 10)
		}
		f.inputs = []*input{line("pid", "a number", number), line("path", "the path it must have; may be empty", path)}
		f.read = func(f *form) (p Params, err error) {
			p.Path = f.at("path")
			if p.PID, err = strconv.ParseInt(f.at("pid"), 10, 64); err != nil || p.PID <= 0 {
				return p, fmt.Errorf("invalid PID %q: want a number above 0", f.at("pid"))
			}
			return p, nil
		}
	case verbDelete, verbCarve:
		if c.verb == verbDelete && change.SystemPath(path) {
			suggested = "" // the system's own program was used: nobody wants it deleted
		}
		f.inputs = []*input{line("path", "on the host, in full", suggested)}
		f.read = func(f *form) (p Params, err error) {
			if p.Path = f.at("path"); p.Path == "" {
				return p, errors.New("a path is missing")
			}
			return p, nil
		}
	case verbRun:
		f.inputs = []*input{line("command", `netstat -ano; "quotes" keep a word together`, ""), limit()}
		f.read = func(f *form) (p Params, err error) {
			if p.Command, err = change.SplitCommand(f.at("command")); err != nil {
				return p, err
			}
			if len(p.Command) == 0 || p.Command[0] == "" {
				return p, errors.New("a command is missing")
			}
			p.For, err = duration(f.at("run for"))
			return p, err
		}
	case verbScript:
		f.inputs = []*input{line("file", "on this machine", ""), line("arguments", "may be empty", ""), limit()}
		f.read = func(f *form) (p Params, err error) {
			if p.Script, err = localFile(f.at("file")); err != nil {
				return p, err
			}
			p.Arguments = f.at("arguments")
			p.For, err = duration(f.at("run for"))
			return p, err
		}
	case verbBlock, verbUnblock:
		f.inputs = []*input{line("target", "address, address:port, network or program", blockSuggestion(c.records)), oneOf("direction", "out", "in", "both"), oneOf("protocol", "any", "tcp", "udp")}
		f.read = func(f *form) (p Params, err error) {
			if p.Address, p.Port, p.Program, err = change.BlockTarget(f.at("target")); err != nil {
				return p, err
			}
			p.More = given(map[string]string{"direction": f.at("direction"), "protocol": f.at("protocol")}, "out", "any")
			return p, nil
		}
	case verbScan:
		f.inputs = []*input{oneOf("kind", "quick", "full", "custom"), line("path", "of a custom scan", "")}
		f.read = func(f *form) (p Params, err error) {
			p.Scan, p.Path = f.at("kind"), f.at("path")
			switch {
			case p.Scan == "custom" && p.Path == "":
				return p, errors.New("a custom scan takes a path")
			case p.Scan != "custom" && p.Path != "":
				return p, errors.New("only a custom scan takes a path")
			}
			return p, nil
		}
	case verbTag, verbUntag:
		known := ""
		if h, ok := c.records[0].(*model.Host); ok && c.verb == verbUntag && len(c.records) == 1 {
			known = strings.Join(h.Tags, ", ")
		}
		f.inputs = []*input{line("tags", "separated by commas", known)}
		f.read = func(f *form) (p Params, err error) {
			for t := range strings.SplitSeq(f.at("tags"), ",") {
				if t = strings.TrimSpace(t); t != "" && !slices.Contains(p.Tags, t) {
					p.Tags = append(p.Tags, t)
				}
			}
			if len(p.Tags) == 0 {
				return p, errors.New("tags are missing")
			}
			return p, nil
		}
	case verbEdit:
		f.inputs = []*input{line("group", "unchanged", ""), line("status", "unchanged", ""), line("criticality", "unchanged; 0 to 10", "")}
		f.read = func(f *form) (p Params, err error) {
			p.More = given(map[string]string{"group": f.at("group"), "status": f.at("status"), "criticality": f.at("criticality")}, "")
			if len(p.More) == 0 {
				return p, errors.New("nothing is to be changed")
			}
			if n := p.More["criticality"]; n != "" {
				if v, err := strconv.Atoi(n); err != nil || v < 0 || v > 10 {
					return p, fmt.Errorf("criticality is a number from 0 to 10, not %q", n)
				}
			}
			return p, nil
		}
	case verbFetch:
		f.button = "Download"
		f.inputs = []*input{line("folder", "made when it is not there", "."), oneOf("zip", "no", "yes, with the password "+change.SamplePassword)}
		f.read = func(f *form) (p Params, err error) {
			if p.Path = f.at("folder"); p.Path == "" {
				return p, errors.New("a folder is missing")
			}
			if info, err := os.Stat(p.Path); err == nil && !info.IsDir() {
				return p, fmt.Errorf("%s is not a folder", p.Path)
			}
			if f.at("zip") != "no" {
				p.More = map[string]string{"zip": change.SamplePassword}
			}
			return p, nil
		}
	case verbCheck:
		f.button = "Verify"
		f.inputs = []*input{line("file", "a downloaded file, or its .json", "")}
		f.read = func(f *form) (p Params, err error) {
			p.Path, err = localFile(f.at("file"))
			return p, err
		}
	}
	return f
}

// given leaves out what is empty or the default.
func given(m map[string]string, defaults ...string) map[string]string {
	for k, v := range m {
		if v == "" || slices.Contains(defaults, v) {
			delete(m, k)
		}
	}
	if len(m) == 0 {
		return nil
	}
	return m
}

func duration(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < time.Second {
		return 0, fmt.Errorf("invalid time %q: want a duration such as 90s or 5m", s)
	}
	return d.Round(time.Second), nil
}

// localFile is the name of a file of this machine, ~ being the home.
func localFile(name string) (string, error) {
	if name == "" {
		return "", errors.New("a file is missing")
	}
	if rest, ok := strings.CutPrefix(name, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			name = filepath.Join(home, rest)
		}
	}
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", fmt.Errorf("there is no file %s here", name)
	case err != nil:
		return "", err
	case info.IsDir():
		return "", fmt.Errorf("%s is a folder", name)
	}
	return name, nil
}

// blockSuggestion is the address a single record is about.
func blockSuggestion(records []model.Record) string {
	if len(records) != 1 {
		return ""
	}
	switch r := records[0].(type) {
	case *model.Event:
		if r.Network != nil && r.Network.Destination != nil && r.Network.Destination.IP != "" {
			return r.Network.Destination.IP
		}
	case *model.Alert:
		for _, i := range r.Indicators {
			if i.Type == "ip" || i.Type == "ipv4" || i.Type == "ipv6" {
				return i.Value
			}
		}
	}
	return ""
}

// formDialog asks for the parameters of an action, before it is looked at.
type formDialog struct {
	c     choice
	f     *form
	at    int // field; then Cancel, then the button
	err   safetext.Display
	about safetext.Display // what it is on, when that is not records
	busy  safetext.Display // what it waits for
	since time.Time
}

func newForm(s *shell, c choice) *formDialog {
	d := &formDialog{c: c, f: formFor(c)}
	if len(c.records) == 1 && c.verb == verbCheck {
		if got := s.app.work.saved[refOf(c.records[0])]; got != nil {
			d.f.inputs[0].edit.set(got.Saved.Path)
		}
	}
	if dir := s.app.work.folder; dir != "" && c.verb == verbFetch {
		d.f.inputs[0].edit.set(dir)
	}
	return d
}

func (d *formDialog) opened(s *shell) { d.since = s.now() }

func (d *formDialog) cancel() int { return len(d.f.inputs) }

func (d *formDialog) field() *input {
	if d.at < len(d.f.inputs) {
		return d.f.inputs[d.at]
	}
	return nil
}

func (d *formDialog) paste(_ *shell, text string) {
	if f := d.field(); f != nil && f.words == nil {
		f.edit.paste(strings.TrimSpace(text))
		d.err = ""
	}
}

func (d *formDialog) key(s *shell, name string, k tea.KeyPressMsg) (bool, tea.Cmd) {
	if name == "esc" || name == "ctrl+c" {
		return true, nil
	}
	if d.busy != "" {
		return false, nil
	}
	stops := len(d.f.inputs) + 2
	move := func(by int) { d.at = (d.at + by + stops) % stops }
	f := d.field()
	switch name {
	case "tab", "down":
		move(1)
		return false, nil
	case "shift+tab", "up":
		move(-1)
		return false, nil
	case "enter":
		switch {
		case d.at == d.cancel():
			return true, nil
		case d.at == d.cancel()+1:
			if s.now().Sub(d.since) < gracePeriodQuiet { // a key in flight answers nothing
				return false, nil
			}
			return d.submit(s)
		case d.at == len(d.f.inputs)-1:
			d.at = d.cancel() + 1
		default:
			move(1)
		}
		return false, nil
	}
	switch {
	case f == nil:
		if name == "left" || name == "right" || name == "h" || name == "l" {
			d.at = 2*d.cancel() + 1 - d.at
		}
	case f.words != nil:
		n := len(f.words)
		switch name {
		case "right", "l", "space":
			f.chosen = (f.chosen + 1) % n
		case "left", "h":
			f.chosen = (f.chosen + n - 1) % n
		}
		d.err = ""
	default:
		f.edit.key(k)
		d.err = ""
	}
	return false, nil
}

// submit checks the fields; only valid ones are sent.
func (d *formDialog) submit(s *shell) (bool, tea.Cmd) {
	if d.f.send != nil {
		return d.f.send(s, d)
	}
	p, err := d.f.read(d.f)
	if err != nil {
		d.err = safetext.Text(err.Error())
		return false, nil
	}
	switch d.c.verb {
	case verbFetch:
		refs := make([]string, len(d.c.records))
		for i, r := range d.c.records {
			refs[i] = refOf(r)
		}
		s.app.work.folder = p.Path
		return true, s.fetch(refs, p)
	case verbCheck:
		return true, s.check(p.Path)
	}
	a := newActDialog(s, d.c)
	a.params, a.form = p, d
	s.dialog(a)
	return false, a.plan(s) // the form stays beneath: what was typed is not lost
}

func (d *formDialog) draw(s *shell, maxW, maxH int) ([]string, int, int, int) {
	if top := s.app.dialogs[len(s.app.dialogs)-1]; top != dialog(d) {
		return nil, 0, -1, 0 // it waits beneath
	}
	t := s.theme
	w := min(maxW, 76)
	inner := w - 4
	cx, cy := -1, 0
	var lines []string
	put := func(st theme.Style, text safetext.Display) {
		for _, part := range ui.Wrap(text, inner) {
			lines = append(lines, ui.NewLine(t, inner, "").Put(st, part).String())
		}
	}
	put(t.Dim, cmp.Or(d.about, "on "+aboutRecords(d.c.records)))
	if d.c.how != "" && maxH > 14 {
		put(t.Dim, safetext.Text(d.c.how))
	}
	if maxH > 12 {
		put("", "")
	}
	for i, f := range d.f.inputs {
		l := ui.NewLine(t, inner, "")
		st := t.Dim
		if d.at == i {
			st = t.Key
		}
		l.Cell(st, safetext.Text(f.label), min(12, inner/3), false).Space(1)
		lead := inner - l.Left()
		switch {
		case f.words != nil:
			for k, word := range f.words {
				look, mark := t.Dim, t.Glyphs.Ring
				if k == f.chosen {
					look, mark = t.Bold, t.Glyphs.Dot
				}
				l.Glyph(look, mark).Put(look, " "+safetext.Text(word)).Space(2)
			}
		default:
			c := f.edit.draw(l, t.Input)
			if d.at == i {
				cx, cy = 2+lead+c, 1+len(lines)
			}
			if f.edit.value() == "" {
				l.Space(1).Put(t.Dim, safetext.Text(f.hint))
			}
		}
		lines = append(lines, l.String())
	}
	if d.err != "" {
		put(t.Err, d.err)
	}
	if d.busy != "" {
		put(t.Accent, d.busy)
	}
	put("", "")
	l := ui.NewLine(t, inner, "")
	button := func(at int, label safetext.Display) {
		st := theme.Style("")
		if d.at == at {
			st = t.DialogButton
		}
		l.Put(st, "[ "+label+" ]").Space(2)
	}
	button(d.cancel(), "Cancel")
	button(d.cancel()+1, safetext.Display(d.f.button))
	lines = append(lines, l.String())
	focus := -1
	if cx >= 0 {
		focus = cy - 1
	}
	shown, shift, out := fit(lines, 1, maxH-2, focus, focus)
	cy -= shift
	st := t.Title
	if d.c.danger {
		st = t.DialogDanger
	}
	return frameBox(t, safetext.Text(d.c.label), st, shown, w, out), w, cx, cy
}

// aboutRecords names what a dialog is on.
func aboutRecords(records []model.Record) safetext.Display {
	if len(records) != 1 {
		return safetext.Sprintf("%d selected", len(records))
	}
	switch r := records[0].(type) {
	case *model.Alert:
		return ui.Text(strings.TrimSpace(hostName(r.Host) + " (" + refOf(r) + ")"))
	case *model.Carve:
		return ui.Text(strings.TrimSpace(hostName(r.Host) + " " + r.Path))
	case *model.Process:
		what := cmp.Or(processName(r), "process")
		if r.PID > 0 {
			what += fmt.Sprintf(" (%d)", r.PID)
		}
		if h := hostName(r.Host); h != "" {
			what += " on " + h
		}
		return ui.Text(what)
	}
	if h := hostOf(records[0]); h != nil && hostName(h) != "" {
		return ui.Text(hostName(h))
	}
	return ui.Text(refOf(records[0]))
}
