package wire

import (
	"net/url"
	"time"
)

// FirstRow asks for a single row.
func FirstRow() url.Values { return url.Values{"start": {"1"}, "rows": {"1"}} }

const timeLayout = "2006-01-02T15:04:05.000Z"

// SetWindow puts startTime and endTime on a query, both always, RFC 3339 in
// UTC with milliseconds; never with searchWindow (§3).
func SetWindow(q url.Values, from, to int64) {
	q.Set("startTime", time.UnixMilli(from).UTC().Format(timeLayout))
	q.Set("endTime", time.UnixMilli(to).UTC().Format(timeLayout))
}
