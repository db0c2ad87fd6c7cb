package wire

import (
	"net/url"
	"strconv"
	"time"
)

// PageLimit is the most events a page may hold (docs/wire/gene.md 6).
const PageLimit = 10000

// LogQuery asks for [lo, hi) of a log in the words of every version: the
// bounds are exclusive on the server, so the lower one is moved by a
// nanosecond; start and stop are the older names of since and until; UTC
// always (trap 8); both ends always (trap 7).
func LogQuery(lo, hi time.Time, skip int) url.Values {
	from, to := lo.UTC().Add(-time.Nanosecond).Format(time.RFC3339Nano), hi.UTC().Format(time.RFC3339Nano)
	q := url.Values{
		"start": {from}, "since": {from},
		"stop": {to}, "until": {to},
		"limit": {strconv.Itoa(PageLimit)},
	}
	if skip > 0 {
		q.Set("skip", strconv.Itoa(skip))
	}
	return q
}
