package tui

import (
	"time"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/tui/theme"
	"github.com/edrctl/edrctl/internal/tui/ui"
)

// tableTop is the line of the view the first row is on.
func (v *alertsView) tableTop() int {
	if v.h >= 16 {
		return 3
	}
	return 2
}

func (v *alertsView) draw(s *shell, w, h int) []string {
	t := s.theme
	lines := []string{v.summary(s, w)}
	if v.tableTop() == 3 {
		lines = append(lines, ui.Rule(t, w))
	}
	bodyH := h - len(lines)
	v.split = 0
	side, under := v.preview && !v.below && w >= 100 && !v.grouped(), v.preview && v.below && bodyH >= 14 && !v.grouped()
	if v.preview && !v.below && w < 100 && bodyH >= 26 && !v.grouped() {
		under = true
	}
	tw, th := w, bodyH
	if side {
		tw = w - max(24, w*v.share/100) - 1
	}
	if under {
		th = bodyH - max(5, bodyH*v.share/100) - 1
	}
	var body []string
	if v.grouped() {
		body = append(body, v.groups.Header(t, tw, "", false))
		body = append(body, v.groups.Draw(t, tw, th-1, true)...)
	} else {
		body = append(body, v.table.Header(t, tw, v.sort, v.down))
		body = append(body, v.table.Draw(t, tw, th-1, true)...)
	}
	if v.table.Len() == 0 && len(body) > 2 {
		body[2] = ui.NewLine(t, tw, "").Space(2).Put(t.Dim, v.empty(s)).String()
	}
	switch {
	case side:
		v.split = tw
		pane := v.pane(s, w-tw-1, bodyH)
		for i := range body {
			body[i] += string(t.Border) + t.Glyphs.Vert + reset(t.Border) + pane[i]
		}
	case under:
		body = append(body, ui.Rule(t, w))
		v.split = len(lines) + len(body) - 1
		body = append(body, v.pane(s, w, bodyH-len(body))...)
	}
	return append(lines, body...)
}

// reset ends a style, when there was one.
func reset(st theme.Style) string {
	if st == "" {
		return ""
	}
	return "\x1b[m"
}

// empty says why there is nothing to see.
func (v *alertsView) empty(s *shell) safetext.Display {
	reading, bad := 0, 0
	var why error
	for _, h := range s.app.health {
		switch h.state {
		case healthReading, healthRefreshing:
			reading++
		case healthError, healthStale:
			bad++
			why = h.err
		}
	}
	switch {
	case !v.expr.Empty() || v.quick != (quick{}):
		return "no alert matches; esc clears the filter"
	case reading > 0:
		return safetext.Sprintf("reading %s…", s.app.reach())
	case bad > 0 && why != nil:
		return safetext.Sprintf("no profile has answered: %s", why)
	}
	return safetext.Sprintf("no alerts in %s", s.app.reach())
}

// summary is the line of counts, arrivals, filter and order.
func (v *alertsView) summary(s *shell, w int) string {
	t := s.theme
	l := ui.NewLine(t, w, "").Space(1)
	for _, sev := range []model.Severity{model.SeverityCritical, model.SeverityHigh, model.SeverityMedium, model.SeverityLow, model.SeverityInformational, model.SeverityUnknown} {
		n := v.counts[sev.Rank()]
		if n == 0 && sev.Rank() < model.SeverityLow.Rank() {
			continue
		}
		name := theme.Letters(sev)
		if w < 60 {
			name = name[:1]
		}
		l.Put(t.Severity(sev), safetext.Sprintf("%s %d", name, n)).Space(2)
	}
	right := ui.NewLine(t, w, "")
	if txt := v.filterText(); txt != "" {
		right.Put(t.Dim, "filter: ").Put(t.Warn, ui.Cut(txt, max(10, w/3), t.Glyphs.Ellipsis)).Space(2)
	}
	if !v.live {
		right.Put(t.Badge, " HELD ").Space(1)
	}
	if w >= 60 {
		arrow := t.Glyphs.Up
		if v.down {
			arrow = t.Glyphs.Down
		}
		name := v.sort
		right.Put(t.Dim, "sort: ").Put("", ui.Text(name+" ")).Glyph("", arrow).Space(1)
	}
	rw := w - right.Left()
	if room := l.Left() - rw; room >= 24 {
		n := min(24, room-14)
		l.Space(2).Glyph(t.Accent, spark(t, s.store.arrivals(s.now(), time.Hour, n)))
		l.Put(t.Dim, "  last hour")
	}
	if l.Left() >= rw {
		l.Space(l.Left() - rw)
		l.Raw(right.Piece(), rw)
	} else {
		l.Raw(right.Piece(), rw)
	}
	return l.String()
}

func (v *alertsView) filterText() safetext.Display {
	d := ui.Text(v.expr.String())
	add := func(x safetext.Display) {
		if d != "" {
			d += " "
		}
		d += x
	}
	if v.quick.severity != "" {
		add("severity>=" + ui.Text(string(v.quick.severity)))
	}
	if v.quick.backend != "" {
		add("backend=" + ui.Text(v.quick.backend))
	}
	if v.quick.host != "" {
		add("host=" + ui.Text(v.quick.host))
	}
	if v.quick.status != "" {
		add("status=" + ui.Text(string(v.quick.status)))
	}
	return d
}

// pane is the preview of the current alert.
func (v *alertsView) pane(s *shell, w, h int) []string {
	r, ok := v.table.Current()
	if !ok {
		return ui.Fill(nil, w, h)
	}
	preview := alertPreview(s, r.a, w-2)
	lines := make([]string, 0, h)
	for _, c := range preview {
		if len(lines) == h {
			break
		}
		lines = append(lines, " "+c+" ")
	}
	return ui.Fill(lines, w, h)
}
