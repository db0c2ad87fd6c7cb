package gene

import (
	"context"
	"fmt"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/client/jsonwalk"
)

// smallestWindow is where the halving of windows ends (trap 6).
const smallestWindow = time.Second

// logReader reads one route: of the endpoint at a place in the list, or, from
// managers that give everybody's events whatever UUID is asked, of all of them
// at once.
type logReader struct {
	d         *Driver
	endpoints []endpoint
	place     int
	places    map[string]int // of all endpoints by UUID, when they are read at once
	route     string         // routeLogs, routeDetections or routeAlerts
	legacy    bool
	verbatim  bool // the fields of the log are kept as they are
}

// uuid is the endpoint in the path.
func (r *logReader) uuid() string { return r.endpoints[r.place].UUID }

// placeOf is whose event it is, -1 when it does not say; false when nobody
// asked for that endpoint.
func (r *logReader) placeOf(uuid string) (int, bool) {
	if r.places == nil {
		return r.place, uuid == "" || uuid == r.uuid()
	}
	if uuid == "" {
		return -1, true
	}
	i, known := r.places[uuid]
	return i, known
}

// sink takes events and the place of their endpoint.
type sink interface {
	// begin is called before the events of each answer.
	begin()
	add(d *wire.EventDecoder, place int) error
	// mark remembers how much there is, and the function it gives goes back there.
	mark() (reset func())
	size() int
	// narrow tells that the server could answer a window this long, and not
	// one twice as long.
	narrow(time.Duration)
}

// A failure was the server's limit, and no accident of the network, when it
// came late or the window turned out to hold much.
const (
	lateFailure = 5 * time.Second
	muchEvents  = 1000
)

// read puts every event of [lo, hi) into b, in no particular order and with
// duplicates (overlapping pages, trap 9). When the server's 15 s limit cuts
// the answer, or the client's own time-out strikes first, the window is read
// again in halves (trap 6). An answer that is not complete is never taken for
// a result.
func (r *logReader) read(ctx context.Context, lo, hi time.Time, b sink) error {
	return r.halve(ctx, lo, hi, r.legacy, b)
}

// halve reads a window; whole asks for everything to the end of its last day.
func (r *logReader) halve(ctx context.Context, lo, hi time.Time, whole bool, b sink) error {
	reset := b.mark()
	span, began, before := hi.Sub(lo), time.Now(), b.size()
	err := r.pages(ctx, lo, hi, whole, b)
	if err == nil || ctx.Err() != nil || !isCut(err) && !(isSilent(err) && r.answers(ctx, hi)) {
		return err
	}
	took := time.Since(began)
	reset()
	if span <= smallestWindow {
		e := &backends.Error{
			Kind: backends.KindUnavailable, Err: err,
			Why: fmt.Sprintf("endpoint %s: the manager gives no complete answer even for one second (%s): %v", r.uuid(), lo.UTC().Format(time.RFC3339), err),
		}
		if r.legacy {
			e.Hint = "the log file of that day may be damaged on the manager: ask for other days with --since and --until"
		}
		return e
	}
	mid := lo.Add(span / 2)
	older := whole
	if day := mid.Truncate(24 * time.Hour); r.legacy && day.After(lo) {
		mid = day
	} else {
		// Whole seconds, so that there are few halvings.
		if t := mid.Truncate(time.Second); t.After(lo) {
			mid = t
		}
		if older = false; whole {
			r.d.warn("the manager could not answer for a whole day and was asked for parts of it: events that reached it late may be missing")
		}
	}
	if err := r.halve(ctx, mid, hi, whole, b); err != nil {
		return err
	}
	if err := r.halve(ctx, lo, mid, older, b); err != nil {
		return err
	}
	if took >= lateFailure || b.size()-before >= muchEvents {
		b.narrow(span / 2)
	}
	return nil
}

// answers tells a manager that is busy with a long answer from one that hangs:
// the busy one answers for a second of the log.
func (r *logReader) answers(ctx context.Context, at time.Time) bool {
	_, err := r.page(ctx, at.Add(-smallestWindow), at, 0, func(*wire.EventDecoder, int) error { return nil })
	return err == nil || isAnswer(err)
}

// pages reads one window. Managers with limits give at most pageLimit events
// a page; a shorter page is the last. skip counts stored events before the
// time filter, so pages may overlap but miss none.
func (r *logReader) pages(ctx context.Context, lo, hi time.Time, whole bool, b sink) error {
	until := hi
	if whole {
		// These managers stop reading at the first event later than stop, so
		// that events behind it in the file are lost: read to the end of the
		// day's file and cut here (docs/wire/gene.md 6).
		until = endOfDay(hi)
	}
	for skip := 0; ; skip += wire.PageLimit {
		b.begin()
		n, err := r.page(ctx, lo, until, skip, func(d *wire.EventDecoder, place int) error {
			if t := d.Time(); !t.IsZero() && (t.Before(lo) || !t.Before(hi)) {
				return nil
			}
			return b.add(d, place)
		})
		switch {
		case err != nil:
			if wire.IsEmptyStore(err) {
				return nil // beta.2 with an empty store
			}
			return err
		case r.legacy || n < wire.PageLimit:
			return nil
		case skip > 1000*wire.PageLimit:
			return backends.Malformed("", "the pages of events do not end")
		}
	}
}

// endOfDay is the last nanosecond of the UTC day t-1ns lies in.
func endOfDay(t time.Time) time.Time {
	return t.UTC().Add(-time.Nanosecond).Truncate(24 * time.Hour).Add(24*time.Hour - time.Nanosecond)
}

// page reads one answer and counts its events. Events of endpoints nobody
// asked for are left out.
func (r *logReader) page(ctx context.Context, lo, until time.Time, skip int, add func(*wire.EventDecoder, int) error) (n int, err error) {
	from := lo
	if now := r.d.now(); r.legacy && from.After(now) {
		from = now // these managers find nothing from a start beyond their today (docs/wire/gene.md 12)
	}
	stream, err := r.d.c.Open(ctx, client.Call{
		Path:  "/endpoints/" + r.uuid() + "/" + r.route,
		Query: wire.LogQuery(from, until, skip),
		Once:  until.Sub(lo) > smallestWindow, // halve asks again, for less
	})
	if err != nil {
		return 0, err
	}
	defer func() { _ = stream.Body.Close() }()
	dec := decoders.Get().(*wire.EventDecoder)
	defer decoders.Put(dec)
	dec.Verbatim = r.verbatim
	var answer string
	var message, failure bool
	err = jsonwalk.Elements(stream.Body, "data", func(w *jsonwalk.Walker) error {
		if dec.Walk(w); w.Err() != nil {
			return nil
		}
		n++
		dec.Finish()
		place, asked := r.placeOf(dec.Get(wire.FieldEndpointUUID))
		if !asked {
			return nil
		}
		return add(dec, place)
	}, func(name string, value []byte) error {
		switch name {
		case "error":
			failure = true
			var w jsonwalk.Walker
			w.Reset(value)
			answer = string(w.AppendString(nil))
			if w.Err() != nil {
				return backends.Malformed("", "the error in the answer is not text")
			}
		case "message":
			message = true
		}
		return nil
	})
	switch {
	case err != nil:
		return n, readError(err)
	case answer != "":
		return n, &wire.AnswerError{Text: answer}
	case !failure || !message:
		return n, backends.Malformed("", "the answer is not the manager's envelope of data, message and error")
	}
	return n, nil
}
