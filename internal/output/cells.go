package output

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/safetext"
)

// cell is one field of a table on a terminal.
type cell struct {
	text safetext.Display
	sgr  string
	num  float64 // AsScore: the number; negative when there is none
	ref  string  // AsRef: the whole reference
}

const (
	sgrCritical = "1;31"
	sgrHigh     = "31"
	sgrMedium   = "33"
	sgrLow      = "36"
	sgrDim      = "2"
	sgrGood     = "32"
)

// severityLooks are the short names and colours of severities.
var severityLooks = map[model.Severity]struct {
	short safetext.Display
	sgr   string
}{
	model.SeverityCritical:      {"CRIT", sgrCritical},
	model.SeverityHigh:          {"HIGH", sgrHigh},
	model.SeverityMedium:        {"MED", sgrMedium},
	model.SeverityLow:           {"LOW", sgrLow},
	model.SeverityInformational: {"INFO", sgrDim},
	model.SeverityUnknown:       {"-", sgrDim},
}

// ShortSeverity is the name of a severity in tables.
func ShortSeverity(s model.Severity) safetext.Display {
	if l, ok := severityLooks[s]; ok {
		return l.short
	}
	return safetext.Text(string(s))
}

// ShortBackend is the name of a backend in tables.
func ShortBackend(name string) safetext.Display {
	if name == "carbonblack" {
		return "carbon"
	}
	return safetext.Text(name)
}

// ShortRef is a reference as terminals show it: a long id keeps its ends.
func ShortRef(ref string) safetext.Display { return shortRef(ref, 3) }

// shortRef keeps tail characters of the end.
func shortRef(ref string, tail int) safetext.Display {
	d := safetext.Text(ref)
	profile, id, ok := strings.Cut(string(d), "/")
	if !ok {
		profile, id = "", string(d)
	}
	r := []rune(id)
	if len(r) <= 16 || len(r) <= tail+5 {
		return d
	}
	short := string(r[:4]) + "…" + string(r[len(r)-tail:])
	if ok {
		short = profile + "/" + short
	}
	return safetext.Display(short)
}

// Ago is how long before now t was, as tables say it: 45s, 2m, 3h, 5d ago; a
// date in zone when it is more than 30 days.
func Ago(t, now time.Time, zone *time.Location) safetext.Display {
	if t.IsZero() {
		return ""
	}
	d := now.Sub(t)
	future := d < 0
	if future {
		d = -d
	}
	var s string
	switch {
	case d < time.Second:
		return "now"
	case d < time.Minute:
		s = strconv.Itoa(int(d/time.Second)) + "s"
	case d < time.Hour:
		s = strconv.Itoa(int(d/time.Minute)) + "m"
	case d < 48*time.Hour:
		s = strconv.Itoa(int(d/time.Hour)) + "h"
	case d <= 30*24*time.Hour:
		s = strconv.Itoa(int(d/(24*time.Hour))) + "d"
	default:
		return safetext.Text(t.In(zone).Format("2006-01-02"))
	}
	if future {
		return safetext.Text("in " + s)
	}
	return safetext.Text(s + " ago")
}

func absolute(t time.Time, zone *time.Location) safetext.Display {
	return safetext.Text(t.In(zone).Format("2006-01-02 15:04:05"))
}

// Size is a number of bytes for people.
func Size(n int64) safetext.Display {
	if n < 1024 {
		return safetext.Text(strconv.FormatInt(n, 10) + " B")
	}
	f, unit := float64(n), 0
	for f >= 1024 && unit < 6 {
		f /= 1024
		unit++
	}
	return safetext.Text(fmt.Sprintf("%.1f %ciB", f, " KMGTPE"[unit]))
}

// makeCell renders one value for a terminal.
func makeCell(opt Options, c Column, g getter, rec reflect.Value) cell {
	v := g.get(rec)
	switch c.As {
	case AsTime:
		if t, ok := instant(v); ok {
			if t.IsZero() {
				return cell{text: "-", sgr: sgrDim}
			}
			if opt.Format == FormatWide {
				return cell{text: absolute(t, opt.TZ), sgr: sgrDim}
			}
			return cell{text: Ago(t, opt.Now(), opt.TZ), sgr: sgrDim}
		}
	case AsScore:
		if !v.IsValid() || !v.CanFloat() {
			return cell{text: "-", sgr: sgrDim, num: -1}
		}
		sgr := ""
		if s := deref(rec).FieldByName("Severity"); s.IsValid() && s.Kind() == reflect.String {
			sgr = severityLooks[model.Severity(s.String())].sgr
		}
		n := v.Float()
		return cell{text: safetext.Text(string(appendFloat(nil, n))), sgr: sgr, num: n}
	case AsSeverity:
		s := model.Severity(g.text(rec))
		if s == "" {
			s = model.SeverityUnknown
		}
		return cell{text: ShortSeverity(s), sgr: severityLooks[s].sgr}
	case AsBackend:
		return cell{text: orDash(ShortBackend(g.text(rec)))}
	case AsRef:
		ref := g.text(rec)
		return cell{text: orDash(ShortRef(ref)), sgr: sgrDim, ref: ref}
	case AsState:
		return stateCell(v)
	case AsSize:
		if v.IsValid() && v.CanInt() {
			if v.Int() == 0 {
				return cell{text: "-", sgr: sgrDim}
			}
			return cell{text: Size(v.Int())}
		}
	}
	if t, ok := instant(v); ok && !t.IsZero() {
		return cell{text: absolute(t, opt.TZ)}
	}
	return cell{text: orDash(safetext.Text(g.text(rec)))}
}

func instant(v reflect.Value) (time.Time, bool) {
	if !v.IsValid() {
		return time.Time{}, false
	}
	switch t := v.Interface().(type) {
	case model.Time:
		return t.Time, true
	case time.Time:
		return t, true
	}
	return time.Time{}, false
}

func orDash(d safetext.Display) safetext.Display {
	if d == "" {
		return "-"
	}
	return d
}

// stateCell shows booleans and words of state. The colour repeats what the
// word says.
func stateCell(v reflect.Value) cell {
	text := plain(v)
	if v.IsValid() && v.Kind() == reflect.Bool {
		if v.Bool() {
			return cell{text: "yes"}
		}
		return cell{text: "no", sgr: sgrDim}
	}
	c := cell{text: orDash(safetext.Text(text))}
	switch strings.ToLower(text) {
	case "ok", "done", "complete", "safe", "closed", "online", "valid":
		c.sgr = sgrGood
	case "failed", "error", "malicious", "expired", "ambiguous", "refused", "invalid":
		c.sgr = sgrHigh
	case "running", "sent", "queued", "requested", "open", "stale", "missing":
		c.sgr = sgrMedium
	case "", "unknown", "absent", "dismissed", "cancelled", "offline", "-":
		c.sgr = sgrDim
	}
	return c
}

// scoreBar draws n of 10 in at most width cells; any score above 0 gets one.
func scoreBar(n float64, width int, unicode bool) string {
	if width <= 0 || n <= 0 {
		return ""
	}
	cells := int(math.Round(min(n, 10) * float64(width) / 10))
	block := "█"
	if !unicode {
		block = "#"
	}
	return strings.Repeat(block, max(cells, 1))
}

// Width is the number of terminal cells of safe text.
func Width(s string) int { return width(s) }

func width(s string) int {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return ansi.StringWidth(s)
		}
	}
	return len(s)
}

// cutEnd shortens s to w cells, cutMiddle too; what was cut shows as … (~ on
// terminals that have only ASCII).
func cutEnd(s string, w int, unicode bool) string {
	if width(s) <= w {
		return s
	}
	if w <= 0 {
		return ""
	}
	return head(s, w-1) + ellipsis(unicode)
}

func cutMiddle(s string, w int, unicode bool) string {
	if width(s) <= w {
		return s
	}
	if w < 5 {
		return cutEnd(s, w, unicode)
	}
	left := head(s, (w-1)/3)
	return left + ellipsis(unicode) + tail(s, w-1-width(left))
}

// head is the longest beginning of s, in whole characters, of at most w cells.
func head(s string, w int) string {
	n := 0
	for n < len(s) {
		cluster, cells := ansi.FirstGraphemeCluster(s[n:], ansi.GraphemeWidth)
		if w -= cells; w < 0 || cluster == "" {
			break
		}
		n += len(cluster)
	}
	return s[:n]
}

// tail is the longest end of s, in whole characters, of at most w cells.
func tail(s string, w int) string {
	n, skip := 0, width(s)-w
	for n < len(s) && skip > 0 {
		cluster, cells := ansi.FirstGraphemeCluster(s[n:], ansi.GraphemeWidth)
		if cluster == "" {
			break
		}
		skip -= cells
		n += len(cluster)
	}
	return s[n:]
}

// prose tells text that reads from its beginning from a path or command, whose
// end says more.
func prose(s string) bool {
	start := s[:min(len(s), 16)]
	return strings.Count(s, " ") >= 5 && !strings.ContainsAny(start, `\/:"`) && !strings.Contains(start, ".exe")
}

func ellipsis(unicode bool) string {
	if unicode {
		return "…"
	}
	return "~"
}
