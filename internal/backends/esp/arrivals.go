package esp

import (
	"context"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
)

// The server numbers rows as they reach it and gives them by falling number
// (recordings 015b, 015c): a host that was offline delivers old rows under
// new ids. So the id, not the time, tells a follower what it has not seen.

// arrivalWindow is how far back one question reaches: thirty days, of which
// the last is not over.
const arrivalWindow = 28 * day

// LastArrival is the id of the row that reached the server last.
func (d *Driver) LastArrival(ctx context.Context) (last int64, err error) {
	s := d.search(backends.Query{Since: d.o.Clock().Add(-arrivalWindow)}, native{})
	s.what = "cannot follow events"
	s.req.Limit = 2
	for _, w := range s.windows {
		n := 0
		for r, err := range s.window(ctx, w, nil) {
			if err != nil {
				return 0, err
			}
			last = max(last, r.id)
			// The third row is of a second page, which shows what start means.
			if n++; n == 3 || d.pages.get() == modeCursor {
				break
			}
		}
	}
	if d.pages.get() != modeCursor || last <= 0 {
		return 0, backends.Unsupported("ESP", s.what, "this server does not give rows by their id")
	}
	return last, nil
}

// arrivedSince is the beginning of the windows that a query by number asks for.
func (d *Driver) arrivedSince(q backends.Query) time.Time {
	if q.After > 0 && q.Since.IsZero() {
		return d.o.Clock().Add(-arrivalWindow)
	}
	return q.Since
}

var _ backends.ArrivalNumberer = (*Driver)(nil)
