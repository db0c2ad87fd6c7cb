package hunt

import (
	"fmt"
	"time"
)

// scanStep is the window of one unit of a local scan whose progress is kept.
const scanStep = time.Hour

// Span is the window of a hunt.
type Span struct {
	Since time.Time `json:"since"`
	// Until is zero when the end is open: what is stamped later than now,
	// because a host's clock is ahead, is hunted too.
	Until time.Time `json:"until,omitzero"`
	Began time.Time `json:"began,omitzero"` // when the hunt began; of a resumed one its first run
}

// End is where the window ends, or when the hunt began when its end is open.
func (s Span) End() time.Time {
	if s.Until.IsZero() {
		return s.Began
	}
	return s.Until
}

func (s Span) utc() Span {
	return Span{Since: s.Since.UTC(), Until: s.Until.UTC(), Began: s.Began.UTC()}
}

// steps are the windows of a scan, newest first: one, or when it is kept the
// open end and an hour each.
func (s Span) steps(kept bool) (out []Span) {
	if !kept {
		return []Span{s}
	}
	if s.Until.IsZero() {
		out = append(out, Span{Since: s.Began})
	}
	if s.Since.IsZero() { // of an archive: how far back it reaches is not known
		return append(out, Span{Until: s.End()})
	}
	for until := s.End(); until.After(s.Since); until = until.Add(-scanStep) {
		since := until.Add(-scanStep)
		if since.Before(s.Since) {
			since = s.Since
		}
		out = append(out, Span{Since: since, Until: until})
	}
	return out
}

// unit names the step of a scan.
func (s Span) unit(profile string) string {
	until := "open"
	if !s.Until.IsZero() {
		until = s.Until.UTC().Format(time.RFC3339Nano)
	}
	return fmt.Sprintf("%s|scan|%s|%s", profile, s.Since.UTC().Format(time.RFC3339Nano), until)
}
