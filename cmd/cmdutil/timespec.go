package cmdutil

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ParseDuration reads Go's durations and, with them, days and weeks: 15m 24h
// 7d 2w 1d12h. It must be positive.
func ParseDuration(s string) (time.Duration, error) {
	var total time.Duration
	rest := s
	for rest != "" {
		i := strings.IndexFunc(rest, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
		if i <= 0 {
			return 0, durationError(s)
		}
		j := i
		for j < len(rest) && (rest[j] < '0' || rest[j] > '9') && rest[j] != '.' {
			j++
		}
		unit := rest[i:j]
		var one time.Duration
		switch unit {
		case "w":
			one = 7 * 24 * time.Hour
		case "d":
			one = 24 * time.Hour
		default:
			d, err := time.ParseDuration("1" + unit)
			if err != nil {
				return 0, durationError(s)
			}
			one = d
		}
		n, err := strconv.ParseFloat(rest[:i], 64)
		if err != nil || n*float64(one) > float64(1<<62) {
			return 0, durationError(s)
		}
		total += time.Duration(n * float64(one))
		if total < 0 {
			return 0, durationError(s)
		}
		rest = rest[j:]
	}
	if total <= 0 {
		return 0, durationError(s)
	}
	return total, nil
}

func durationError(s string) error {
	return fmt.Errorf("%q: want a duration such as 15m, 24h, 7d or 2w", s)
}

// maxUnix is the end of the year 9999.
const maxUnix = 253402300800

// ParseTime reads --since and --until: a duration back from now, RFC 3339,
// Unix seconds after an @, a date or date and time in zone, today, yesterday
// or now.
func ParseTime(s string, now time.Time, zone *time.Location) (time.Time, error) {
	y, m, d := now.In(zone).Date()
	switch s {
	case "now":
		return now, nil
	case "today":
		return time.Date(y, m, d, 0, 0, 0, 0, zone).UTC(), nil
	case "yesterday":
		return time.Date(y, m, d-1, 0, 0, 0, 0, zone).UTC(), nil
	}
	if unix, ok := strings.CutPrefix(s, "@"); ok {
		if n, err := strconv.ParseFloat(unix, 64); err == nil && n >= 0 && n < maxUnix {
			return time.UnixMilli(int64(n * 1000)).UTC(), nil
		}
		return time.Time{}, fmt.Errorf("%q: want Unix seconds after the @, for example @1764288000", s)
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t.UTC(), nil
	}
	for _, layout := range []string{"2006-01-02", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02 15:04:05"} {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return t.UTC(), nil
		}
	}
	if d, err := ParseDuration(s); err == nil {
		return now.Add(-d), nil
	}
	return time.Time{}, fmt.Errorf("%q: want a duration back from now (15m 24h 7d 2w), RFC 3339, a date (2006-01-02), today, yesterday, or Unix seconds (@1764288000)", s)
}
