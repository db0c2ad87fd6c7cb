package model

import (
	"fmt"
	"time"
)

// Time is an instant. In JSON it is RFC 3339 in UTC with exactly three
// decimals; the zero Time is "absent" and is omitted.
type Time struct{ time.Time }

// At wraps t, in UTC.
func At(t time.Time) Time {
	if t.IsZero() {
		return Time{}
	}
	return Time{t.UTC()}
}

// FromMillis reads epoch milliseconds; 0 and negative values mean "never".
func FromMillis(ms int64) Time {
	if ms <= 0 {
		return Time{}
	}
	return Time{time.UnixMilli(ms).UTC()}
}

const layoutMillis = "2006-01-02T15:04:05.000Z07:00"

// AppendFormat appends the RFC 3339 form, cut to milliseconds.
func (t Time) AppendFormat(b []byte) []byte {
	return t.UTC().AppendFormat(b, layoutMillis)
}

// String is the RFC 3339 form, or "" for the zero Time.
func (t Time) String() string {
	if t.IsZero() {
		return ""
	}
	return string(t.AppendFormat(nil))
}

// MarshalJSON writes the RFC 3339 form in quotes, null for the zero Time.
func (t Time) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return append(t.AppendFormat([]byte{'"'}), '"'), nil
}

// UnmarshalJSON reads an RFC 3339 string or null.
func (t *Time) UnmarshalJSON(b []byte) error {
	if string(b) == "null" || string(b) == `""` {
		*t = Time{}
		return nil
	}
	if len(b) < 2 || b[0] != '"' || b[len(b)-1] != '"' {
		return fmt.Errorf("a time must be an RFC 3339 string, not %.40q", b)
	}
	p, err := time.Parse(time.RFC3339Nano, string(b[1:len(b)-1]))
	if err != nil {
		return err
	}
	*t = At(p)
	return nil
}
