package gene

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/catalog"
	"github.com/edrctl/edrctl/internal/backends/gene/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/lazyregexp"
)

// maxAnswer bounds a JSON answer. It is read whole before any of it is given
// on, as its error is at its end: a day of a busy endpoint has 150 MB.
const maxAnswer = 512 << 20

// Call sends a call that only reads.
func (d *Driver) Call(ctx context.Context, c backends.Call) (*backends.Answer, error) {
	what := "cannot call " + c.Label()
	switch {
	case c.Op.Mutates:
		return nil, backends.Invalid(what, "it changes something")
	case c.Op.Returns == "websocket":
		if _, err := backends.Build(c); err != nil {
			return nil, err
		}
		return d.streamAnswer(ctx, c), nil
	}
	req, err := d.reading(ctx, what, &c)
	if err != nil {
		return nil, err
	}
	if c.Op.Name == "artifacts.get" {
		return d.artifactAnswer(ctx, what, c, req)
	}
	reply, err := d.ask(ctx, req)
	if err != nil {
		return nil, d.callFailed(what, c.Op, err)
	}
	if _, err := d.answerData(c, reply); err != nil {
		return nil, d.callFailed(what, c.Op, err)
	}
	return &backends.Answer{Status: reply.Status, ContentType: reply.Header.Get("Content-Type"), Body: io.NopCloser(bytes.NewReader(reply.Body))}, nil
}

// answerData checks an answer and gives its data: for another endpoint than
// the one asked for is an error (trap 1).
func (d *Driver) answerData(c backends.Call, reply *client.Reply) (json.RawMessage, error) {
	if c.Op.Name == "sysmon.config.get" && strings.Contains(reply.Header.Get("Content-Type"), "xml") {
		b, err := json.Marshal(string(reply.Body)) // format=xml and raw=true: no envelope
		return b, err
	}
	data, err := wire.DecodeEnvelope(reply.Body)
	if err != nil {
		return nil, err
	}
	if asked := backends.Text(c.Args["uuid"]); asked != "" && c.Op.Path == "/endpoints/{uuid}" {
		var got endpoint
		if err := json.Unmarshal(data, &got); err != nil || got.UUID != asked {
			return nil, d.wrongIndex("cannot call "+c.Label(), byUUID(asked), got)
		}
	}
	return data, nil
}

// ask sends a reading request: those of the routes that can lock the manager
// up, one after the other (trap 4).
func (d *Driver) ask(ctx context.Context, req client.Call) (reply *client.Reply, err error) {
	req.MaxBytes = maxAnswer
	if !strings.HasPrefix(req.Path, "/endpoints") || strings.HasSuffix(req.Path, "/"+routeLogs) {
		return d.c.Do(ctx, req)
	}
	err = d.serialised(ctx, func() error {
		reply, err = d.c.Do(ctx, req)
		return err
	})
	return reply, err
}

// reading makes the request of a reading call, with what this vendor's
// servers need to be asked safely.
func (d *Driver) reading(ctx context.Context, what string, c *backends.Call) (client.Call, error) {
	c.Args = cloned(c.Args)
	switch {
	case c.Op.Name == "rules.list":
		if expr := backends.Text(c.Args["name"]); expr != "" {
			if _, err := nameQuery(expr); err != nil {
				return client.Call{}, err
			}
		}
	case catalog.IsLog(c.Op):
		if err := d.window(what, c); err != nil {
			return client.Call{}, err
		}
	}
	if _, err := backends.Build(*c); err != nil {
		return client.Call{}, err
	}
	if onEndpoint.MatchString(c.Op.Path) {
		if err := d.locate(ctx, what, c); err != nil {
			return client.Call{}, err
		}
	}
	if c.Op.Name == "users.get" {
		u, _, err := d.findUser(ctx, backends.Text(c.Args["uuid"]))
		if err != nil {
			return client.Call{}, d.callFailed(what, c.Op, err)
		}
		c.Args["uuid"] = u.UUID
	}
	if c.Op.Name == "endpoints.get" {
		// Without it beta.2 erases the endpoint's key (trap 3); it is masked.
		c.Args["showkey"] = true
	}
	if c.Op.Name == "artifacts.get" {
		c.Args["raw"] = true // the catalogue promises the file itself
	}
	return backends.Build(*c)
}

var onEndpoint = lazyregexp.New(`^/endpoints/\{uuid\}`)

// locate makes sure that the endpoint of a call is one that the list has: the
// newest managers make phantoms of unknown ones (trap 2), and logs of unknown
// ones are empty instead of an error. A name is as good as the UUID.
func (d *Driver) locate(ctx context.Context, what string, c *backends.Call) error {
	ep, err := d.lookUp(ctx, what, backends.Text(c.Args["uuid"]))
	if err != nil {
		return err
	}
	c.Args["uuid"] = ep.UUID
	return nil
}

// window brings the time parameters of a log call into the one form that all
// versions read alike: both names, both ends, in UTC (docs/wire/gene.md 6).
func (d *Driver) window(what string, c *backends.Call) error {
	text := func(names ...string) string {
		for _, n := range names {
			if v := backends.Text(c.Args[n]); v != "" {
				return v
			}
		}
		return ""
	}
	for _, pair := range [][2]string{{"start", "since"}, {"stop", "until"}} {
		if a, b := text(pair[0]), text(pair[1]); a != "" && b != "" && a != b {
			return backends.Invalid(what, pair[0]+" and "+pair[1]+" are two names of one time, and differ")
		}
	}
	since, until, pivot, delta, last := text("start", "since"), text("stop", "until"), text("pivot"), text("delta"), text("last")
	if pivot != "" && (since != "" || until != "") {
		return backends.Invalid(what, "a window is given by its ends, or by pivot and delta: managers refuse the mixture, or let pivot win silently")
	}
	if last != "" && (pivot != "" || since != "" || until != "") {
		return backends.Invalid(what, "last goes before every other end of the window: give only one")
	}
	if delta != "" && pivot == "" {
		return backends.Invalid(what, "delta without pivot means nothing")
	}
	now := d.now().UTC()
	from, to := now.Add(-time.Hour), now
	parse := func(name, s string, into *time.Time) error {
		t, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			return backends.Invalid(what, fmt.Sprintf("%s: %q is not a time like 2026-11-22T02:03:04Z", name, s))
		}
		*into = t.UTC()
		return nil
	}
	switch {
	case pivot != "":
		var at time.Time
		if err := parse("pivot", pivot, &at); err != nil {
			return err
		}
		width := 10 * time.Minute
		if delta != "" {
			var err error
			if width, err = time.ParseDuration(delta); err != nil || width <= 0 {
				return backends.Invalid(what, fmt.Sprintf("delta: %q is not a duration like 90s, 10m or 1h30m", delta))
			}
		}
		from, to = at.Add(-width), at.Add(width)
	case last != "":
		width, err := lastOf(last)
		if err != nil {
			return backends.Invalid(what, "last: "+err.Error())
		}
		from = now.Add(-width)
	case until != "" && since == "":
		return backends.Invalid(what, "an end without a beginning keeps the manager busy for minutes: give the beginning, too")
	case since != "":
		if err := parse("since", since, &from); err != nil {
			return err
		}
		if until != "" {
			if err := parse("until", until, &to); err != nil {
				return err
			}
		}
	}
	if !from.Before(to) {
		return backends.Invalid(what, "the window ends before it begins")
	}
	for _, n := range []string{"pivot", "delta", "last"} {
		delete(c.Args, n)
	}
	a, b := from.Format(time.RFC3339Nano), to.Format(time.RFC3339Nano)
	c.Args["start"], c.Args["since"], c.Args["stop"], c.Args["until"] = a, a, b, b
	if n, err := strconv.Atoi(backends.Text(c.Args["limit"])); err == nil && (n < 1 || n > wire.PageLimit) {
		return backends.Invalid(what, fmt.Sprintf("limit is a number from 1 to %d: the manager cuts more off silently", wire.PageLimit))
	}
	return nil
}

// lastOf reads a Go duration, or whole days as Nd.
func lastOf(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 && n < 36500 {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	w, err := time.ParseDuration(s)
	if err != nil || w <= 0 {
		return 0, fmt.Errorf("%q is not a duration like 90m, 12h or 3d", s)
	}
	return w, nil
}

// callFailed makes the error of a call: a route that is not there is one that
// this release does not have.
func (d *Driver) callFailed(what string, op backends.Operation, err error) error {
	if isStatus(err, http.StatusNotFound) || isStatus(err, http.StatusMethodNotAllowed) {
		when := ""
		switch {
		case op.Since != "" && op.Until != "":
			when = "managers from " + op.Since + " to " + op.Until + " have it"
		case op.Since != "":
			when = "managers since " + op.Since + " have it"
		case op.Until != "":
			when = "managers up to " + op.Until + " have it"
		}
		if when != "" {
			e := backends.Unsupported(Name, what, when)
			e.Why, e.Err = "this manager does not have it", err
			if op.Name == "rules.save" || op.Name == "rules.reload" {
				e.Hint += "; later ones keep and use every change of the rules at once"
			}
			return e
		}
	}
	if wire.IsEmptyStore(err) && (op.Name == "artifacts.list" || op.Name == "artifacts.all") {
		return backends.NotFound("artifacts", "have been collected")
	}
	if err != nil && strings.Contains(err.Error(), "no object found") {
		e := &backends.Error{Kind: backends.KindNotFound, What: what, Why: "the manager keeps none", Err: err}
		return e
	}
	return d.fail(what, err)
}

// artifactAnswer streams a collected file. A failure comes as JSON with
// status 200, also where bytes were asked for (docs/wire/gene.md 9).
func (d *Driver) artifactAnswer(ctx context.Context, what string, c backends.Call, req client.Call) (*backends.Answer, error) {
	req.Raw = true
	st, err := d.c.Open(ctx, req)
	if err != nil {
		return nil, d.callFailed(what, c.Op, err)
	}
	kind := st.Header.Get("Content-Type")
	head := make([]byte, 512)
	n, err := io.ReadFull(st.Body, head)
	head = head[:n]
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		_ = st.Body.Close()
		return nil, d.callFailed(what, c.Op, err)
	}
	if bytes.HasPrefix(head, []byte(`{"data":null,"message":"NOK"`)) && !strings.Contains(kind, "octet-stream") {
		rest, _ := io.ReadAll(io.LimitReader(st.Body, 64<<10)) // what was read of it is judged
		_ = st.Body.Close()
		if _, err := wire.DecodeEnvelope(append(head, rest...)); err != nil {
			return nil, d.callFailed(what, c.Op, err)
		}
	}
	type body struct {
		io.Reader
		io.Closer
	}
	return &backends.Answer{
		Status: st.Status, ContentType: kind, FileName: backends.Text(c.Args["file"]),
		Body: body{io.MultiReader(bytes.NewReader(head), st.Body), st.Body},
	}, nil
}

// Items gives the records of a reading call.
func (d *Driver) Items(ctx context.Context, c backends.Call) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		what := "cannot call " + c.Label()
		var err error
		switch {
		case c.Op.Mutates:
			err = backends.Invalid(what, "it changes something")
		case c.Op.Returns == "websocket":
			err = d.messages(ctx, c, func(m json.RawMessage) bool { return yield(m, nil) })
		case c.Op.Returns == "binary":
			err = backends.Invalid(what, "its answer is a file, not records")
		default:
			err = d.records(ctx, what, c, func(m json.RawMessage) bool { return yield(m, nil) })
		}
		if err != nil && !errors.Is(err, errStopped) {
			yield(nil, d.callFailed(what, c.Op, err))
		}
	}
}

var errStopped = errors.New("nobody wants more")

func (d *Driver) records(ctx context.Context, what string, c backends.Call, give func(json.RawMessage) bool) error {
	req, err := d.reading(ctx, what, &c)
	if err != nil {
		return err
	}
	paged := c.Op.Paging == "skip"
	size, skip := wire.PageLimit, 0
	if paged {
		if n, err := strconv.Atoi(backends.Text(c.Args["limit"])); err == nil {
			size = n
		}
		if n, err := strconv.Atoi(backends.Text(c.Args["skip"])); err == nil && n > 0 {
			skip = n
		}
	}
	seen := map[string]bool{}
	for stale := 0; ; {
		if paged {
			req.Query.Set("limit", strconv.Itoa(size))
			req.Query.Set("skip", strconv.Itoa(skip))
		}
		reply, err := d.ask(ctx, req)
		if err != nil {
			return err
		}
		data, err := d.answerData(c, reply)
		if err != nil {
			if wire.IsEmptyStore(err) && (catalog.IsLog(c.Op) || strings.HasPrefix(c.Op.Name, "artifacts.")) {
				return nil // an empty store is an error there (trap 12)
			}
			return err
		}
		list, whole, err := wire.Records(data, catalog.ByEndpoint(c.Op))
		if err != nil {
			return err
		}
		fresh := 0
		for _, e := range list {
			if paged {
				id := wire.EventHash(e)
				if id != "" && seen[id] {
					continue // pages overlap (docs/wire/gene.md 6)
				}
				if id != "" {
					seen[id] = true
				}
				fresh++
			}
			if !give(e) {
				return errStopped
			}
		}
		// Managers before beta.1 know no limit: they gave everything.
		if !paged || !whole || len(list) != size {
			return nil
		}
		skip += size
		if fresh > 0 {
			stale = 0
			continue
		}
		// skip counts what was stored in the hour before the window too: pages
		// are the same until it has passed that, in the largest steps there are.
		if stale++; stale > mostStale {
			return &backends.Error{Kind: backends.KindPartial, What: what,
				Why: fmt.Sprintf("the list is incomplete: the manager gave the same page %d times", stale)}
		}
		size = wire.PageLimit
	}
}

// mostStale full pages without a new event are 200,000 stored ones: more than
// an endpoint has in the part of an hour before a window.
const mostStale = 20

// messages follows one of the manager's streams: what arrives from now on, of
// all endpoints, until ctx ends.
func (d *Driver) messages(ctx context.Context, c backends.Call, give func(json.RawMessage) bool) error {
	if _, err := backends.Build(c); err != nil {
		return err
	}
	conn, err := d.c.Dial(ctx, c.Op.Path, nil, nil)
	if err != nil {
		return err
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(maxMessage)
	for {
		_, msg, err := conn.Read(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return &backends.Error{Kind: backends.KindUnavailable, Why: "the stream ended; what comes between two streams is in the logs", Err: err}
		case !json.Valid(msg):
			return backends.Malformed("", "a message of the stream is not JSON")
		}
		if !give(bytes.TrimSpace(msg)) {
			return errStopped
		}
	}
}

// streamAnswer is a stream as lines of JSON.
func (d *Driver) streamAnswer(ctx context.Context, c backends.Call) *backends.Answer {
	r, w := io.Pipe()
	go func() {
		err := d.messages(ctx, c, func(m json.RawMessage) bool {
			_, err := w.Write(append(m, '\n'))
			return err == nil
		})
		if errors.Is(err, errStopped) {
			err = nil
		}
		_ = w.CloseWithError(d.callFailed("cannot call "+c.Label(), c.Op, err)) // it never fails
	}()
	return &backends.Answer{Status: http.StatusSwitchingProtocols, ContentType: "application/x-ndjson", Body: r}
}
