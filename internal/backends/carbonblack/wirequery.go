package carbonblack

import (
	"net/url"
	"time"
)

// one asks for a single row.
func one() url.Values { return url.Values{"start": {"1"}, "rows": {"1"}} }

const wireTime = "2006-01-02T15:04:05.000Z"

// setWindow puts startTime and endTime on a query, both always, RFC 3339 in
// UTC with milliseconds; never with searchWindow (§3).
func setWindow(q url.Values, from, to int64) {
	q.Set("startTime", time.UnixMilli(from).UTC().Format(wireTime))
	q.Set("endTime", time.UnixMilli(to).UTC().Format(wireTime))
}
