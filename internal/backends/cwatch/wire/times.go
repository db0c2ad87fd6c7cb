package wire

import (
	"strconv"
	"strings"
	"time"
)

// Unit is what integer times are written in (docs/wire/cwatch.md 5).
type Unit time.Duration

// The units that servers were seen to use.
const (
	Millis  = Unit(time.Millisecond)
	Seconds = Unit(time.Second)
)

func (u Unit) String() string {
	if u == Seconds {
		return "s"
	}
	return "ms"
}

// Other is the unit that u is not.
func (u Unit) Other() Unit {
	if u == Seconds {
		return Millis
	}
	return Seconds
}

// Floor and ceil write an instant; a window is asked for at least as wide as
// it is, and filtered exactly afterwards.
func (u Unit) Floor(t time.Time) int64 {
	if u == Seconds {
		return t.Unix()
	}
	return t.UnixMilli()
}

// Ceil is t in units, rounded up.
func (u Unit) Ceil(t time.Time) int64 {
	n := u.Floor(t)
	if u.Time(n).Before(t) {
		n++
	}
	return n
}

// Time is the instant of n units since 1970.
func (u Unit) Time(n int64) time.Time {
	if u == Seconds {
		return time.Unix(n, 0).UTC()
	}
	return time.UnixMilli(n).UTC()
}

// Readings below and above these are seconds and microseconds: 10^11 ms is
// 1973, 10^11 s the year 5138.
const (
	SecondsBelow = 100_000_000_000
	microsAbove  = 100_000_000_000_000
)

// Epoch reads an integer time by its size; zero and less is "never".
func Epoch(n int64) time.Time {
	switch {
	case n <= 0:
		return time.Time{}
	case n < SecondsBelow:
		return time.Unix(n, 0).UTC()
	case n > microsAbove:
		return sane(time.UnixMicro(n))
	}
	return sane(time.UnixMilli(n))
}

// layouts of time strings besides RFC 3339; without a zone they are UTC.
var layouts = []string{
	"2006-01-02T15:04:05.999999999",
	"2006-01-02 15:04:05.999999999",
	"2006-01-02 15:04:05.999999999Z07:00",
	"2006-01-02T15:04:05.999999999Z0700",
	"2006-01-02 15:04:05.999999999 -0700",
	"2006-01-02 15:04:05.999999999 -0700 MST",
	"2006-01-02 15:04:05.999999999 MST",
}

// Time reads a time value: RFC 3339, its common relatives, or an integer,
// in a string or bare. What it cannot read is absent.
func Time(v []byte) time.Time {
	s := Scalar(v)
	if s == "" {
		return time.Time{}
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return sane(t)
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return Epoch(n)
	}
	if n, ok := Int(v); ok {
		return Epoch(n)
	}
	s = strings.Replace(s, ",", ".", 1)
	for _, layout := range layouts {
		if t, err := time.Parse(layout, s); err == nil {
			return sane(t)
		}
	}
	return time.Time{}
}

// sane drops instants that cannot be written back as RFC 3339, and the
// vendors' ways to say never.
func sane(t time.Time) time.Time {
	if y := t.UTC().Year(); y <= 1601 || y > 9999 {
		return time.Time{}
	}
	return t.UTC()
}
