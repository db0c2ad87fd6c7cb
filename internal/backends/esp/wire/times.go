package wire

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// layouts are the forms docs/wire/esp.md §7 lists, all UTC without a zone. A
// fraction after the seconds is accepted by time.Parse without being named.
var layouts = []string{
	"2006-01-02T15:04:05",
	"2006-01-02 15:04:05",
	"02-01-2006 15:04:05",
	"01/02/2006 15/04/05",
	"Mon Jan _2 15:04:05 2006 UTC",
	"Mon Jan 2 15:04:05 2006 UTC",
	time.RFC3339,
	"2006-01-02",
}

// ParseTime reads any time ESP writes: one of the layouts, or epoch seconds
// or milliseconds as a decimal string. What cannot be read is the zero Time.
func ParseTime(s string) time.Time {
	s = strings.TrimSpace(s)
	if s == "" || len(s) > 64 {
		return time.Time{}
	}
	if t, ok := epoch(s); ok {
		return t
	}
	for _, l := range layouts {
		if t, err := time.ParseInLocation(l, s, time.UTC); err == nil {
			return plausible(t)
		}
	}
	return time.Time{}
}

// plausible drops years JSON cannot write.
func plausible(t time.Time) time.Time {
	if y := t.UTC().Year(); y < 1970 || y > 9999 {
		return time.Time{}
	}
	return t.UTC()
}

// epoch reads seconds, or milliseconds when the number is too large for
// seconds (the alerts graph).
func epoch(s string) (time.Time, bool) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		switch {
		case n <= 0:
			return time.Time{}, true
		case n < 1e11:
			return plausible(time.Unix(n, 0)), true
		case n < 1e14:
			return plausible(time.UnixMilli(n)), true
		}
		return time.Time{}, true
	}
	if strings.ContainsAny(s, "-/: ") {
		return time.Time{}, false
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return time.Time{}, false
	}
	switch {
	case math.IsNaN(f) || f <= 0 || f >= 1e14:
		return time.Time{}, true
	case f < 1e11:
		return plausible(time.UnixMicro(int64(f * 1e6))), true
	}
	return plausible(time.UnixMicro(int64(f * 1e3))), true
}

// Window is a span one request can ask for: type 2 ("until date"), of which
// the server takes [date+1d-duration, date+1d] (docs/wire/esp.md §7).
type Window struct {
	Date     string // YYYY-MM-DD
	Duration int    // 1 hour, 2 day, 3 week, 4 thirty days
	Open     bool   // no bound at all: the oldest records there are
}

// End is the upper bound of the window, inclusive.
func (w Window) End() time.Time {
	t, err := time.ParseInLocation(time.DateOnly, w.Date, time.UTC)
	if err != nil {
		return time.Time{}
	}
	return t.Add(Day)
}

// Day is the unit of the server's windows.
const (
	Day        = 24 * time.Hour
	maxWindows = 13
)

// Windows covers [since, until) with as few requests as the server's four
// lengths allow, newest first. A span of more than a year of windows, or one
// without a beginning, becomes one window without bounds when unbounded is
// true, else as many windows as it takes back to the epoch of ESP.
func Windows(since, until time.Time, unbounded bool) []Window {
	until = until.UTC()
	if since.Before(firstESP) {
		since = firstESP
	}
	var out []Window
	// The last instant asked for is before until; its day is the date.
	end := until.Add(-time.Nanosecond).Truncate(Day)
	for {
		w := Window{Date: end.Format(time.DateOnly)}
		var length time.Duration
		switch {
		case !since.Before(end):
			w.Duration, length = 2, Day
		case !since.Before(end.Add(-6 * Day)):
			w.Duration, length = 3, 7*Day
		default:
			w.Duration, length = 4, 30*Day
		}
		out = append(out, w)
		start := end.Add(Day - length)
		if !start.After(since) {
			return out
		}
		if unbounded && len(out) >= maxWindows {
			return []Window{{Open: true}}
		}
		end = start.Add(-Day)
	}
}

// maxDays is how long a span may be to be asked for day by day.
const maxDays = 31

// Days covers [since, until) day by day, newest first; nil when that takes too
// many. A week's window would bring up to five days that nobody asked for, and
// rows within a window have no order: a limit is met after a day, not a week.
func Days(since, until time.Time) []Window {
	var out []Window
	for end := until.UTC().Add(-time.Nanosecond).Truncate(Day); len(out) < maxDays; end = end.Add(-Day) {
		out = append(out, Window{Date: end.Format(time.DateOnly), Duration: 2})
		if !end.After(since) {
			return out
		}
	}
	return nil
}

// firstESP is before any record of any ESP server: the product's first
// release was in 2019.
var firstESP = time.Date(2018, 1, 1, 0, 0, 0, 0, time.UTC)
