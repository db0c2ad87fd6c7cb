package tui

import (
	"fmt"
	"strconv"
	"time"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/tui/keys"
	"github.com/edrctl/edrctl/internal/tui/theme"
	"github.com/edrctl/edrctl/internal/tui/ui"
)

// crumbs are the titles of the stack; in the middle of a deep one some are
// left out.
func (a *App) crumbs(room int) []safetext.Display {
	titles := make([]safetext.Display, len(a.stack))
	total := 0
	for i, v := range a.stack {
		titles[i] = ui.Text(v.title())
		total += ui.Width(titles[i]) + 3
	}
	// The longest give way, down to what is fair; short ones stay whole.
	for fair := room; total > room && fair > 6; fair-- {
		total = 0
		for i := range titles {
			limit := fair
			if i == len(titles)-1 {
				limit = fair * 2 // where one is says more than where one was
			}
			total += min(ui.Width(titles[i]), max(6, limit)) + 3
		}
		if total <= room {
			for i := range titles {
				limit := fair
				if i == len(titles)-1 {
					limit = fair * 2
				}
				titles[i] = ui.CutMiddle(titles[i], max(6, limit), a.s.theme.Glyphs.Ellipsis)
			}
		}
	}
	// What does not fit even so is left out, from the start; "" marks it.
	if len(titles) > 2 && total > room {
		last := len(titles) - 1
		titles[last] = ui.CutMiddle(titles[last], max(6, room-8), a.s.theme.Glyphs.Ellipsis)
		left := room - ui.Width(titles[last]) - 7
		for i := last - 1; i >= 0; i-- {
			titles[i] = ui.CutMiddle(titles[i], 6, a.s.theme.Glyphs.Ellipsis)
			if left -= ui.Width(titles[i]) + 3; left < 0 {
				titles[i] = ""
			}
		}
	}
	return titles
}

func (a *App) crumbEnds() []int {
	at := 8
	var ends []int
	gap := false
	for _, d := range a.crumbs(a.crumbRoom()) {
		switch {
		case d != "":
			at += ui.Width(d) + 3
		case !gap:
			gap = true
			at += 4
		}
		ends = append(ends, at)
	}
	return ends
}

func (a *App) crumbRoom() int {
	_, w := a.healthLine()
	return max(20, a.w-w-10)
}

// header is the first line: where one is, and how every profile does.
func (a *App) header() string {
	t := a.s.theme
	l := ui.NewLine(t, a.w, "")
	l.Put(t.Title, " edrctl")
	titles := a.crumbs(a.crumbRoom())
	for i, d := range titles {
		if d == "" {
			if i == 0 {
				l.Glyph(t.Crumb, " "+t.Glyphs.Crumb+" "+t.Glyphs.Ellipsis)
			}
			continue
		}
		l.Glyph(t.Crumb, " "+t.Glyphs.Crumb+" ")
		st := t.Crumb
		if i == len(titles)-1 {
			st = t.CrumbLast
		}
		l.Put(st, d)
	}
	right, w := a.healthLine()
	if l.Left() > w {
		l.Space(l.Left() - w)
		l.Raw(right, w)
	}
	return l.String()
}

// healthLine is the right of the header in the longest form that fits.
func (a *App) healthLine() (string, int) {
	t := a.s.theme
	room := a.w * 2 / 3
	need := 0
	for _, v := range a.stack {
		need += ui.Width(ui.Text(v.title())) + 3
	}
	room = max(a.w/3, min(room, a.w-9-need)) // a path that is read goes before long words
	for form := range 4 {
		l := ui.NewLine(t, 400, "")
		for _, p := range a.s.svc.Profiles() {
			a.healthOf(l, p, form)
		}
		readOnly := 0
		for _, p := range a.s.svc.Profiles() {
			if p.ReadOnly {
				readOnly++
			}
		}
		switch {
		case a.opt.Replay != "":
			l.Put(t.Badge, " REPLAY ")
		case readOnly > 0 && readOnly == len(a.s.svc.Profiles()):
			l.Put(t.Badge, " RO ")
		case readOnly > 0:
			l.Put(t.Badge, safetext.Sprintf(" RO %d/%d ", readOnly, len(a.s.svc.Profiles())))
		case form == 0:
			l.Put(t.Dim, "RO off")
		}
		l.Space(1)
		w := 400 - l.Left()
		if w <= room || form == 3 {
			return l.Piece(), w
		}
	}
	return "", 0
}

func (a *App) healthOf(l *ui.Line, p Profile, form int) {
	t := a.s.theme
	h := a.health[p.Name]
	a.soon = a.soon || h.state != healthLive && h.state != healthError && h.state != healthSaved
	st, dot := t.OK, t.Glyphs.Dot
	switch h.state {
	case healthReading, healthRefreshing:
		st, dot = t.Accent, t.SpinnerAt(a.s.now().UnixMilli())
	case healthStale:
		st, dot = t.Warn, t.Glyphs.HalfDot
	case healthError:
		st, dot = t.Err, t.Glyphs.Cross
		if !h.since.IsZero() && h.since.Unix() > 0 {
			st = t.Warn
		}
	}
	name := ui.Text(a.profileLabel(p))
	switch form {
	case 0:
		l.Put("", name).Space(1).Glyph(st, dot).Space(1).Put(st, safetext.Text(h.text(a.s.now()))).Space(3)
	case 1:
		l.Put("", name).Glyph(st, dot)
		if h.state != healthLive && h.state != healthSaved {
			l.Space(1).Put(st, safetext.Text(h.text(a.s.now())))
		}
		l.Space(2)
	case 2:
		l.Put("", ui.Cut(name, 4, "")).Glyph(st, dot).Space(1)
	default:
		l.Glyph(st, dot)
		if p.Name == a.lastProfile() {
			l.Space(1)
		}
	}
}

func (a *App) lastProfile() string {
	ps := a.s.svc.Profiles()
	return ps[len(ps)-1].Name
}

// profileLabel is the backend where that tells the profiles apart, else the
// profile's own name.
func (a *App) profileLabel(p Profile) string {
	for _, o := range a.s.svc.Profiles() {
		if o.Name != p.Name && o.Backend == p.Backend {
			return p.Name
		}
	}
	if p.Backend == "carbonblack" {
		return "carbon"
	}
	return p.Backend
}

// footer is the last line: the keys that matter now, and where one is.
func (a *App) footer() string {
	t := a.s.theme
	l := ui.NewLine(t, a.w, "")
	v := a.top()
	var status safetext.Display
	st := t.Dim
	switch {
	case a.toastText != "" && a.s.now().Before(a.toastUntil):
		a.soon = true
		status, st = a.toastText, a.toastStyle
	case v != nil && v.core().busy > 0:
		c := v.core()
		a.soon = true
		status = safetext.Sprintf("%s %s", c.what, age(a.s.now().Sub(c.began)))
		st = t.Accent
	case v != nil:
		status = v.status(a.s)
	}
	status = ui.Cut(status, a.w*3/5, t.Glyphs.Ellipsis)
	room := a.w - ui.Width(status) - 3
	if v != nil {
		var list []hint
		list = append(list, v.hints(a.s)...)
		list = append(list, hint{action: keys.Filter}, hint{action: keys.Palette}, hint{action: keys.Help})
		seen := map[keys.Action]bool{}
		helpWidth := 0
		if b, ok := a.s.keys.Of(keys.Help); ok && len(b.Keys) > 0 {
			helpWidth = ui.Width(safetext.Display(keys.Label(b.Keys[0]))) + ui.Width(safetext.Display(b.Short)) + 3
		}
		for _, h := range list {
			b, ok := a.s.keys.Of(h.action)
			if !ok || len(b.Keys) == 0 || seen[h.action] || h.action == keys.Act && h.short == "" && a.s.actingOff() != "" {
				continue
			}
			seen[h.action] = true
			short := b.Short
			if h.short != "" {
				short = h.short
			}
			key := keys.Label(b.Keys[0])
			if t.ASCII {
				key = b.Keys[0]
			}
			need := ui.Width(safetext.Display(key)) + 1 + ui.Width(safetext.Display(short)) + 2
			// Help is the key to all others: it keeps its place.
			keep := 0
			if h.action != keys.Help {
				keep = helpWidth
			}
			if a.w-l.Left()+need+keep > room {
				continue
			}
			ks, hs := t.Key, t.KeyHelp
			if h.off != "" {
				ks, hs = t.KeyOff, t.KeyOff
			}
			l.Space(1).Glyph(ks, key).Space(1).Put(hs, safetext.Text(short))
			if need > 0 {
				l.Space(1)
			}
		}
	}
	l.Space(l.Left() - ui.Width(status) - 1)
	l.Put(st, status)
	return l.String()
}

// clock is a time of the list: today's by the clock, others by date too.
func (s *shell) clock(t model.Time, w int) safetext.Display {
	if t.IsZero() {
		return ""
	}
	local, now := t.In(s.zone), s.now().In(s.zone)
	sameDay := local.YearDay() == now.YearDay() && local.Year() == now.Year()
	switch {
	case sameDay && w >= 8:
		return safetext.Display(local.Format("15:04:05"))
	case sameDay:
		return safetext.Display(local.Format("15:04"))
	case w >= 11:
		return safetext.Display(local.Format("01-02 15:04"))
	case w >= 8:
		return safetext.Display(local.Format("Jan 02"))
	}
	return safetext.Display(local.Format("01-02"))
}

// moment is a time in full, with how long ago it was.
func (s *shell) moment(t model.Time) safetext.Display {
	if t.IsZero() {
		return ""
	}
	since := s.now().Sub(t.Time)
	s.app.soon = s.app.soon || since < 2*time.Minute
	return safetext.Sprintf("%s (%s ago)", t.In(s.zone).Format("2006-01-02 15:04:05 MST"), age(since))
}

// thousands writes a number so that it can be read at a glance.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func count(n int, what string) string {
	switch what {
	case "new", "marked":
		return fmt.Sprintf("%d %s", n, what)
	case "process":
		return model.Amount(n, what, "processes")
	}
	return model.Amount(n, what)
}

func refOf(r model.Record) string {
	o := r.GetOrigin()
	if o.Ref != "" {
		return o.Ref
	}
	return o.ID
}

// bar draws a value of 10 in w cells.
func bar(t *theme.Theme, score float64, w int) string {
	n := max(int(score*float64(w)/10), min(1, int(score)))
	out := ""
	for i := range w {
		if i < n {
			out += t.Glyphs.Full
		} else {
			out += " "
		}
	}
	return out
}

// spark draws counts as heights.
func spark(t *theme.Theme, counts []int) string {
	top := 0
	for _, c := range counts {
		top = max(top, c)
	}
	out := ""
	for _, c := range counts {
		if c == 0 || top == 0 {
			out += " "
			continue
		}
		out += t.Glyphs.Spark[(c*len(t.Glyphs.Spark)-1)/top]
	}
	return out
}
