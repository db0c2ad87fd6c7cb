package wire

import "time"

// ParseTime reads RFC 3339 with any number of decimals, and Sysmon's UtcTime
// ("2021-03-03 21:34:46.769", without a zone: UTC). The zero time of Go means
// never and is not ok.
func ParseTime(s string) (time.Time, bool) {
	if t, ok := fastTime(s); ok {
		return t, !t.IsZero()
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t.UTC(), !t.IsZero()
	}
	return time.Time{}, false
}

// fastTime reads the forms that end in Z or have no zone.
func fastTime(s string) (time.Time, bool) {
	if len(s) < 19 || s[4] != '-' || s[7] != '-' || s[10] != 'T' && s[10] != ' ' || s[13] != ':' || s[16] != ':' {
		return time.Time{}, false
	}
	digits := func(from, to int) int {
		n := 0
		for _, c := range []byte(s[from:to]) {
			if c < '0' || c > '9' {
				return -1 << 20
			}
			n = n*10 + int(c-'0')
		}
		return n
	}
	year, month, day := digits(0, 4), digits(5, 7), digits(8, 10)
	hour, minute, sec := digits(11, 13), digits(14, 16), digits(17, 19)
	if year < 0 || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || sec < 0 || sec > 59 {
		return time.Time{}, false
	}
	rest := s[19:]
	nano := 0
	if rest != "" && rest[0] == '.' {
		i, scale := 1, 100_000_000
		for ; i < len(rest) && rest[i] >= '0' && rest[i] <= '9'; i++ {
			nano += int(rest[i]-'0') * scale
			scale /= 10
		}
		if i == 1 {
			return time.Time{}, false
		}
		rest = rest[i:]
	}
	if rest != "Z" && (rest != "" || s[10] != ' ') {
		return time.Time{}, false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, sec, nano, time.UTC)
	return t, t.Day() == day
}
