package wire

import (
	"strconv"
	"strings"
	"time"
)

// PrivatePID is a process key, `pid-<start>-<n>`: unique on its device. The
// start is epoch milliseconds up to 2018 and a Windows FILETIME in 2020; old
// macOS sensors send the bare pid (docs/wire/carbonblack.md §10.1).
type PrivatePID struct {
	PID     int64
	Started time.Time // zero when the key holds none that can be
}

const (
	fileTimeDigits = 17              // from here on a start is a FILETIME
	fileTimeToUnix = 116444736 * 1e9 // 100 ns ticks from 1601 to 1970
)

// The starts that are believed; recordings put back together by hand and
// hostile sensors hold others.
var (
	earliestStart = time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)
	latestStart   = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
)

// ParsePrivatePID reads a key; what cannot be read stays zero.
func ParsePrivatePID(s string) PrivatePID {
	var p PrivatePID
	head, rest, dashed := strings.Cut(s, "-")
	if n, err := strconv.ParseInt(head, 10, 64); err == nil && n >= 0 {
		p.PID = n
	}
	if !dashed {
		return p
	}
	start, _, _ := strings.Cut(rest, "-")
	n, err := strconv.ParseInt(start, 10, 64)
	if err != nil || n <= 0 {
		return p
	}
	var t time.Time
	if len(start) >= fileTimeDigits {
		ticks := n - fileTimeToUnix
		t = time.Unix(ticks/1e7, ticks%1e7*100).UTC()
	} else {
		t = time.UnixMilli(n).UTC()
	}
	if t.Before(earliestStart) || t.After(latestStart) {
		return p
	}
	p.Started = t
	return p
}
