package tui

import (
	"context"
	"errors"
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/edrctl/edrctl/internal/change"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/tui/theme"
	"github.com/edrctl/edrctl/internal/tui/ui"
)

// fetchDialog brings collected files here, one after the other, and shows how
// each does. Hidden, it continues.
type fetchDialog struct {
	refs        []string
	o           change.Fetch
	files       []*fetching
	cancel      context.CancelFunc
	over        bool
	gracePeriod gracePeriod
	scroll      int
}

// fetching is one of its files.
type fetching struct {
	ref         string
	name        safetext.Display
	state       string // while the host collects it
	share       float64
	done, total int64
	began       time.Time
	got         *change.Fetched
	checked     *change.Checked
	err         error
}

type (
	fetchStep struct {
		d *fetchDialog
		i int
		f func(*fetching)
	}
	fetchOver struct{ d *fetchDialog }
)

// fetch begins a download.
func (s *shell) fetch(refs []string, p Params) tea.Cmd {
	d := &fetchDialog{refs: refs}
	d.o = change.Fetch{Dir: p.Path, Zip: p.More["zip"], Wait: 15 * time.Minute, Case: s.app.caseID}
	for _, ref := range refs {
		d.files = append(d.files, &fetching{ref: ref, name: ui.Text(ref), began: s.now()})
	}
	var ctx context.Context
	ctx, d.cancel = context.WithCancel(s.ctx)
	s.app.work.downloads = append(s.app.work.downloads, d)
	s.dialog(d)
	actor, pump := s.actor, s.pump
	return s.runAsync(func(context.Context) any {
		for i, ref := range refs {
			if ctx.Err() != nil {
				break
			}
			step := func(f func(*fetching)) { pump.put(answer{msg: fetchStep{d, i, f}}, 1) }
			last := time.Time{}
			o := d.o
			o.Update = func(c *model.Carve) {
				step(func(x *fetching) {
					x.name, x.state = carveName(c), string(c.State)
					if c.Progress != nil {
						x.share = *c.Progress
					}
				})
			}
			o.Progress = func(c *model.Carve, done, total int64) {
				if time.Since(last) < pumpEvery && done != total {
					return
				}
				last = time.Now()
				step(func(x *fetching) { x.name, x.state, x.done, x.total = carveName(c), "", done, total })
			}
			got, err := actor.Fetch(ctx, ref, o)
			var checked *change.Checked
			if got != nil && got.Saved != nil {
				// What was written is read back: the disk may lie, too.
				var cerr error
				if checked, cerr = actor.Check(ctx, got.Saved.Path); cerr != nil {
					err = errors.Join(err, cerr)
				}
			}
			step(func(x *fetching) { x.got, x.checked, x.err = got, checked, err })
		}
		// The end goes the way the steps went, so that it comes last.
		pump.put(answer{msg: fetchOver{d}}, 1)
		return nil
	})
}

func carveName(c *model.Carve) safetext.Display {
	name := c.Path
	if name == "" {
		name = c.Name
	}
	if h := hostName(c.Host); h != "" {
		name = h + " " + name
	}
	if name == "" {
		name = refOf(c)
	}
	return ui.Text(name)
}

func (m fetchStep) apply(s *shell) {
	x := m.d.files[m.i]
	m.f(x)
	if x.got != nil && x.got.Carve != nil {
		if s.app.work.saved == nil {
			s.app.work.saved = map[string]*change.Fetched{}
		}
		s.app.work.saved[x.ref] = x.got
	}
	s.requireLoginFor(x.err)
}

func (m fetchOver) apply(s *shell) {
	m.d.over = true
	m.d.cancel()
	m.d.gracePeriod.begin(s.now())
	here, bad := m.d.count()
	switch {
	case bad > 0:
		s.warn(safetext.Sprintf("downloads: %d here, %d not", here, bad))
	default:
		s.notify(safetext.Sprintf("%s downloaded and verified", count(here, "file")))
	}
}

func (d *fetchDialog) count() (here, bad int) {
	for _, x := range d.files {
		if x.got != nil && x.err == nil && x.checked != nil && x.checked.OK {
			here++
		} else {
			bad++
		}
	}
	return here, bad
}

func (d *fetchDialog) opened(s *shell) { d.gracePeriod.begin(s.now()) }

func (d *fetchDialog) key(s *shell, name string, _ tea.KeyPressMsg) (bool, tea.Cmd) {
	switch name {
	case "esc", "ctrl+c", "q":
		if !d.over {
			s.notify("the download continues; :carves shows it")
		}
		return true, nil
	case "down", "j":
		d.scroll++
	case "up", "k":
		d.scroll = max(0, d.scroll-1)
	case "X":
		if !d.over {
			d.cancel()
			s.warn("stopping; the next download resumes from here")
		}
	case "c":
		for _, x := range d.files {
			if x.got != nil && x.got.Saved != nil {
				return false, s.copy(x.got.Saved.Hashes.SHA256, "the sha256")
			}
		}
	case "enter":
		return d.over && !d.gracePeriod.swallow(s.now()), nil
	}
	return false, nil
}

func (d *fetchDialog) draw(s *shell, maxW, maxH int) ([]string, int, int, int) {
	t := s.theme
	w := min(maxW, 88)
	inner := w - 4
	var lines []string
	put := func(st theme.Style, text safetext.Display) {
		for _, part := range ui.Wrap(text, inner) {
			lines = append(lines, ui.NewLine(t, inner, "").Put(st, part).String())
		}
	}
	for _, x := range d.files {
		x.draw(t, inner, put, func(l string) { lines = append(lines, l) })
	}
	put("", "")
	if d.over {
		put(t.Dim, "enter closes · c copies the sha256")
	} else {
		put(t.Dim, "esc hides this, the download continues · X stops it")
	}
	d.scroll = max(0, min(d.scroll, len(lines)-maxH+2))
	shown, _, out := fit(lines, 0, maxH-2, d.scroll, d.scroll)
	return frameBox(t, safetext.Sprintf("download to %s", d.o.Dir), t.Title, shown, w, out), w, -1, 0
}

func (x *fetching) draw(t *theme.Theme, inner int, put func(theme.Style, safetext.Display), add func(string)) {
	switch {
	case x.got != nil && x.got.Saved != nil && x.err == nil:
		put(t.OK, safetext.Display(t.Glyphs.Check+" ")+x.name)
		put("", "  "+ui.Text(x.got.Saved.Path))
		put("", safetext.Display("  sha256 "+x.got.Saved.Hashes.SHA256))
		if c := x.checked; c != nil && c.OK {
			put(t.OK, "  verified: "+bytesOf(c.Size)+", as its manifest says")
		} else if c != nil {
			put(t.Err, safetext.Text("  not as its manifest says: "+c.Why))
		}
	case errors.Is(x.err, context.Canceled):
		put(t.Warn, safetext.Display(t.Glyphs.Cross+" ")+x.name)
		put(t.Warn, "  stopped; the next download resumes from here")
	case x.err != nil:
		put(t.Err, safetext.Display(t.Glyphs.Cross+" ")+x.name)
		put(t.Err, "  "+safetext.Text(x.err.Error()))
		if a := ops.Advice(x.err); a != "" {
			put(t.Dim, "  "+safetext.Text(a))
		}
	default:
		put("", x.name)
		l := ui.NewLine(t, inner, "").Space(2)
		switch {
		case x.state != "":
			l.Glyph(t.Accent, meter(t, x.share, min(20, inner/3))).Put(t.Dim, safetext.Text(" "+x.state+" on the host"))
		case x.total > 0:
			share := float64(x.done) / float64(x.total)
			l.Glyph(t.Accent, meter(t, share, min(20, inner/3))).Put(t.Dim, safetext.Display(fmt.Sprintf(" %3.0f%%  ", share*100))+bytesOf(x.done)+" of "+bytesOf(x.total))
		case x.done > 0:
			l.Put(t.Dim, bytesOf(x.done))
		default:
			l.Put(t.Dim, "waiting…")
		}
		add(l.String())
	}
}

// checkDone is what verifying a saved file found.
type checkDone struct {
	path string
	v    *change.Checked
	err  error
}

// check verifies a saved file against its manifest.
func (s *shell) check(path string) tea.Cmd {
	actor := s.actor
	return s.runAsync(func(ctx context.Context) any {
		v, err := actor.Check(ctx, path)
		return checkDone{path, v, err}
	})
}

func (m checkDone) apply(s *shell) {
	s.dialog(&checkDialog{m: m})
}

// checkDialog shows what a file is.
type checkDialog struct {
	m           checkDone
	gracePeriod gracePeriod
	scroll      int
}

func (d *checkDialog) opened(s *shell) { d.gracePeriod.begin(s.now()) }

func (d *checkDialog) key(s *shell, name string, _ tea.KeyPressMsg) (bool, tea.Cmd) {
	switch name {
	case "esc", "ctrl+c", "q":
		return true, nil
	case "enter":
		return !d.gracePeriod.swallow(s.now()), nil
	case "down", "j":
		d.scroll++
	case "up", "k":
		d.scroll = max(0, d.scroll-1)
	case "c":
		if d.m.v != nil {
			return false, s.copy(d.m.v.SHA256, "the sha256")
		}
	}
	return false, nil
}

func (d *checkDialog) draw(s *shell, maxW, maxH int) ([]string, int, int, int) {
	t := s.theme
	w := min(maxW, 88)
	c := &detailWriter{s: s, w: w - 4}
	switch v := d.m.v; {
	case d.m.err != nil:
		c.wrap(t.Err, safetext.Text(d.m.err.Error()))
	default:
		if v.OK {
			c.wrap(t.OK, safetext.Display(t.Glyphs.Check+" it is as it was when it was brought here"))
		} else {
			c.wrap(t.Err, safetext.Display(t.Glyphs.Cross+" it was changed: ")+safetext.Text(v.Why))
		}
		c.field("file", ui.Text(v.File), "")
		c.field("sha256", ui.Text(v.SHA256), "")
		c.field("size", bytesOf(v.Size), "")
		c.field("host", ui.Text(v.Host), "")
		c.field("path", ui.Text(v.Path), "")
	}
	c.blank()
	c.wrap(t.Dim, "enter closes · c copies the sha256")
	lines := make([]string, 0, len(c.lines))
	room := max(1, maxH-2)
	d.scroll = max(0, min(d.scroll, len(c.lines)-room))
	for _, p := range c.lines[d.scroll:min(len(c.lines), d.scroll+room)] {
		lines = append(lines, p.fit(t, w-4, ""))
	}
	out := outside{d.scroll, len(c.lines) - d.scroll - len(lines)}
	return frameBox(t, "verify "+ui.Text(model.BaseName(d.m.path)), t.Title, lines, w, out), w, -1, 0
}
