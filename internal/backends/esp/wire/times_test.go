package wire_test

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends/esp/wire"
)

// milliseconds is a time as edrctl shows it, "" for none.
func milliseconds(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format("2006-01-02T15:04:05.000Z")
}

// windows gives date and duration of the windows of a span.
func windows(since, until string, unbounded bool) []string {
	var out []string
	for _, w := range wire.Windows(wire.ParseTime(since), wire.ParseTime(until), unbounded) {
		if w.Open {
			out = append(out, "open")
			continue
		}
		out = append(out, w.Date+"/"+strconv.Itoa(w.Duration))
	}
	return out
}

func TestTimes(t *testing.T) {
	for in, want := range map[string]string{
		"2026-11-22T02:30:05.502376": "2026-11-22T02:30:05.502Z", "2026-11-22T02:19:06": "2026-11-22T02:19:06.000Z",
		"2020-08-04 17:01:13.458996": "2020-08-04T17:01:13.458Z", "2020-08-04 17:01:13": "2020-08-04T17:01:13.000Z",
		"22-11-2026 02:29:07": "2026-11-22T02:29:07.000Z", "19-10-2020 10:10:47.000000": "2020-10-19T10:10:47.000Z",
		"11/22/2026 02/19/20": "2026-11-22T02:19:20.000Z", "Tue Aug  4 16:04:01 2020 UTC": "2020-08-04T16:04:01.000Z", "Tue Aug 4 16:04:01 2020 UTC": "2020-08-04T16:04:01.000Z",
		"1596557041": "2020-08-04T16:04:01.000Z", "1596560473458.996": "2020-08-04T17:01:13.458Z", "1596560473458": "2020-08-04T17:01:13.458Z",
		"2026-11-22": "2026-11-22T00:00:00.000Z", "": "", "null": "", "-1": "", "0": "", "99999999999999999999": "", "31-31-2026 00:00:00": "", "1e300": "", "NaN": "",
	} {
		if got := milliseconds(wire.ParseTime(in)); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

func TestWindows(t *testing.T) {
	for _, tc := range []struct {
		since, until string
		unbounded    bool
		want         []string
	}{
		{"2026-11-22T01:00:00", "2026-11-22T09:00:00", false, []string{"2026-11-22/2"}},
		{"2026-11-22T00:00:00", "2026-11-23T00:00:00", false, []string{"2026-11-22/2"}},
		{"2026-11-21T23:59:59", "2026-11-22T09:00:00", false, []string{"2026-11-22/3"}},
		{"2026-11-16T00:00:00", "2026-11-22T09:00:00", false, []string{"2026-11-22/3"}},
		{"2026-11-15T23:59:59", "2026-11-22T09:00:00", false, []string{"2026-11-22/4"}},
		{"2026-10-24T00:00:00", "2026-11-22T09:00:00", false, []string{"2026-11-22/4"}},
		{"2026-10-23T00:00:00", "2026-11-22T09:00:00", false, []string{"2026-11-22/4", "2026-10-23/2"}},
		{"2020-01-01T00:00:00", "2026-11-22T09:00:00", true, []string{"open"}},
	} {
		if got := windows(tc.since, tc.until, tc.unbounded); !slices.Equal(got, tc.want) {
			t.Errorf("%s - %s: %v, want %v", tc.since, tc.until, got, tc.want)
		}
	}
}

func FuzzTime(f *testing.F) {
	for _, s := range []string{"2026-11-22T02:30:05.502376", "22-11-2026 02:29:07", "11/22/2026 02/19/20", "1596557041", "1e9", "-", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got := wire.ParseTime(s); !got.IsZero() && (got.Year() < 1970 || got.Year() > 9999) {
			t.Errorf("%q is year %d", s, got.Year())
		}
	})
}
