package wire

import (
	"strings"
	"testing"
	"time"
)

func TestPrivatePID(t *testing.T) {
	for _, tc := range []struct {
		in      string
		pid     int64
		started string // "" = none
	}{
		{"2872-1490617768004-974", 2872, "2017-03-27T12:29:28.004Z"},
		{"4204-132429389232310730-0", 4204, "2020-08-26T18:08:43.231073Z"},
		{"540-132368223470440203-0", 540, "2020-06-16T23:05:47.0440203Z"},
		{"233", 233, ""},
		{"", 0, ""},
		{"-", 0, ""},
		{"--", 0, ""},
		{"x-1490617768004-1", 0, "2017-03-27T12:29:28.004Z"},
		{"7-0-0", 7, ""},
		{"7--5", 7, ""},
		{"7-5-0", 7, ""},                   // 1970
		{"7-9223372036854775807-0", 7, ""}, // beyond every clock
		{"7-99999999999999999999-0", 7, ""},
		{"9999999999999999999999-1490617768004-1", 0, "2017-03-27T12:29:28.004Z"},
		{"672-1523523204431-825", 672, "2018-04-12T08:53:24.431Z"},
	} {
		got := ParsePrivatePID(tc.in)
		at := ""
		if !got.Started.IsZero() {
			at = got.Started.Format(time.RFC3339Nano)
		}
		if tc.started != "" && strings.HasSuffix(tc.started, "07Z") || got.PID != tc.pid || (at == "") != (tc.started == "") {
			t.Errorf("%q: %d %s, want %d %s", tc.in, got.PID, at, tc.pid, tc.started)
			continue
		}
		if tc.started != "" && !strings.HasPrefix(at, strings.TrimSuffix(tc.started, "Z")) {
			t.Errorf("%q: started %s, want %s", tc.in, at, tc.started)
		}
	}
}

func FuzzPrivatePID(f *testing.F) {
	for _, s := range []string{"2872-1490617768004-974", "4204-132429389232310730-0", "233", "-", "1-2-3-4"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p := ParsePrivatePID(s)
		if p.PID < 0 || !p.Started.IsZero() && (p.Started.Before(earliestStart) || p.Started.After(latestStart)) {
			t.Errorf("%q: %+v", s, p)
		}
	})
}
