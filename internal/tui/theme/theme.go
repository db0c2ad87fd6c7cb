// Package theme is how the terminal interface looks: one struct of semantic
// styles, dark or light, true colour or sixteen, or none at all.
//
// A Style is the start of an SGR sequence, ready to be written; nothing is
// computed while a frame is drawn. Colour never says what the text does not
// say too.
package theme

import (
	"image/color"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/edrctl/edrctl/internal/model"
)

// Style is an SGR sequence that begins a look; "" is the terminal's own.
type Style string

// Depth is how many colours the terminal shows.
type Depth uint8

// The depths.
const (
	NoColor Depth = iota // bold, underline and reverse only
	ANSI16
	TrueColor // also 256: the renderer brings it down
)

// Options choose a theme.
type Options struct {
	Light bool
	Depth Depth
	ASCII bool // the locale shows no Unicode
}

// Theme is all styles and glyphs. It is immutable; a change makes a new one.
type Theme struct {
	Options

	Text, Dim, Bold            Style
	Title, Crumb, CrumbLast    Style
	Border, Head, HeadSort     Style
	Key, KeyHelp, KeyOff       Style
	Accent, Match, New         Style
	OK, Warn, Err, Badge       Style
	Selected, SelectedDim      Style // backgrounds
	Marked, Bar, Input         Style
	DialogDanger, DialogButton Style
	severity                   [6]Style
	Glyphs                     Glyphs
}

// Glyphs are the signs of the interface.
type Glyphs struct {
	Crumb, Dot, HalfDot, Ring, Cross, Check, Up, Down, Left, Right string
	Vert, Horiz, TL, TR, BL, BR                                    string
	Tee, End, Pipe, Blank                                          string
	Open, Closed, Leaf                                             string
	Full, Empty                                                    string
	Spark                                                          []string // eight heights, lowest first
	Ellipsis                                                       string
	Spinner                                                        []string
}

var unicodeGlyphs = Glyphs{
	Crumb: "▸", Dot: "●", HalfDot: "◐", Ring: "○", Cross: "✗", Check: "✓", Up: "↑", Down: "↓", Left: "←", Right: "→",
	Vert: "│", Horiz: "─", TL: "╭", TR: "╮", BL: "╰", BR: "╯",
	Tee: "├─", End: "└─", Pipe: "│ ", Blank: "  ",
	Open: "▾", Closed: "▸", Leaf: " ",
	Full: "▇", Empty: "░",
	Spark:    []string{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"},
	Ellipsis: "…",
	Spinner:  []string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧"},
}

var asciiGlyphs = Glyphs{
	Crumb: ">", Dot: "*", HalfDot: "~", Ring: "o", Cross: "x", Check: "+", Up: "^", Down: "v", Left: "<", Right: ">",
	Vert: "|", Horiz: "-", TL: "+", TR: "+", BL: "+", BR: "+",
	Tee: "|-", End: "`-", Pipe: "| ", Blank: "  ",
	Open: "v", Closed: ">", Leaf: " ",
	Full: "#", Empty: ".",
	Spark:    []string{"_", "_", ".", ".", "-", "-", "=", "#"},
	Ellipsis: "~",
	Spinner:  []string{"|", "/", "-", "\\"},
}

// pair is a colour on dark and on light ground, and its place among sixteen.
type pair struct {
	dark, light string
	base        uint8 // 0-15
}

var (
	cDim    = pair{"#8b93a3", "#6b7280", 8}
	cBorder = pair{"#4b5263", "#b6bcc8", 8}
	cAccent = pair{"#6cb6ff", "#0b62c4", 12}
	cCyan   = pair{"#56d4dd", "#0a7d86", 6}
	cOK     = pair{"#7ee787", "#1a7f37", 2}
	cWarn   = pair{"#f2cc60", "#8a5a00", 3}
	cErr    = pair{"#ff7b72", "#c5221f", 9}
	cCrit   = pair{"#ff6ac1", "#b0006b", 13}
	cHigh   = pair{"#ff7b72", "#c5221f", 9}
	cMed    = pair{"#f2cc60", "#8a5a00", 3}
	cLow    = pair{"#79c0ff", "#0b62c4", 12}
	cInfo   = pair{"#8b93a3", "#6b7280", 8}
	cSelect = pair{"#2d3f5c", "#cfe2ff", 4}
)

// New makes a theme.
func New(o Options) *Theme {
	t := &Theme{Options: o, Glyphs: unicodeGlyphs}
	if o.ASCII {
		t.Glyphs = asciiGlyphs
	}
	fg := func(p pair, attrs ...ansi.Attr) Style { return t.sgr(&p, nil, attrs...) }
	plain := func(attrs ...ansi.Attr) Style { return t.sgr(nil, nil, attrs...) }
	t.Bold = plain(ansi.AttrBold)
	t.Dim = fg(cDim)
	t.Title = fg(cAccent, ansi.AttrBold)
	t.Crumb = fg(cDim)
	t.CrumbLast = plain(ansi.AttrBold)
	t.Border = fg(cBorder)
	t.Head = fg(cDim, ansi.AttrBold)
	t.HeadSort = fg(cAccent, ansi.AttrBold)
	t.Key = fg(cAccent, ansi.AttrBold)
	t.KeyHelp = fg(cDim)
	t.KeyOff = fg(cBorder)
	t.Accent = fg(cAccent)
	t.Match = fg(cWarn, ansi.AttrBold, ansi.AttrUnderline)
	t.New = fg(cCyan, ansi.AttrBold)
	t.OK, t.Warn, t.Err = fg(cOK), fg(cWarn), fg(cErr, ansi.AttrBold)
	t.Marked = fg(cCyan, ansi.AttrBold)
	t.Bar = fg(cBorder)
	t.Badge = fg(cWarn, ansi.AttrBold, ansi.AttrReverse)
	t.DialogDanger = fg(cErr, ansi.AttrBold)
	t.DialogButton = plain(ansi.AttrReverse, ansi.AttrBold)
	t.severity = [6]Style{fg(cDim), fg(cInfo), fg(cLow), fg(cMed), fg(cHigh), fg(cCrit, ansi.AttrBold)}
	t.Input = plain(ansi.AttrUnderline)
	switch {
	case o.Depth == TrueColor:
		t.Selected = t.sgr(nil, &cSelect, ansi.AttrBold)
		t.SelectedDim = t.sgr(nil, &cSelect)
	default:
		// Sixteen colours cannot promise a readable pair of ground and text.
		t.Selected = plain(ansi.AttrReverse)
		t.SelectedDim = plain(ansi.AttrUnderline)
	}
	return t
}

func (t *Theme) sgr(fg, bg *pair, attrs ...ansi.Attr) Style {
	s := ansi.NewStyle(attrs...)
	if t.Depth != NoColor {
		if fg != nil {
			s = s.ForegroundColor(t.color(*fg))
		}
		if bg != nil {
			s = s.BackgroundColor(t.color(*bg))
		}
	}
	if len(s) == 0 {
		return ""
	}
	return Style(s.String())
}

func (t *Theme) color(p pair) color.Color {
	if t.Depth == ANSI16 {
		return ansi.BasicColor(p.base)
	}
	return lipgloss.LightDark(!t.Light)(lipgloss.Color(p.light), lipgloss.Color(p.dark))
}

// Severity is the style of a severity.
func (t *Theme) Severity(s model.Severity) Style { return t.severity[s.Rank()] }

// Letters name severities in four columns; the first letter alone tells them
// apart too.
func Letters(s model.Severity) string {
	switch s {
	case model.SeverityCritical:
		return "CRIT"
	case model.SeverityHigh:
		return "HIGH"
	case model.SeverityMedium:
		return "MED"
	case model.SeverityLow:
		return "LOW"
	case model.SeverityInformational:
		return "INFO"
	}
	return "?"
}

// SpinnerAt is the sign of something under way at a moment.
func (t *Theme) SpinnerAt(ms int64) string {
	return t.Glyphs.Spinner[int(ms/1000)%len(t.Glyphs.Spinner)]
}
