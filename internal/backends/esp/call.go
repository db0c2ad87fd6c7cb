package esp

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/catalog"
	"github.com/edrctl/edrctl/internal/backends/esp/guards"
	"github.com/edrctl/edrctl/internal/backends/esp/reply"
	"github.com/edrctl/edrctl/internal/backends/esp/response"
	"github.com/edrctl/edrctl/internal/backends/esp/session"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/shellquote"
)

// callServer is the driver as the guards of calls see it.
type callServer struct{ *Driver }

// Ask asks for what is there now.
func (s callServer) Ask(ctx context.Context, what, path string, c client.Call) (*reply.Answer, error) {
	return s.session.Ask(ctx, what, path, c)
}

// FindHost gives the identifier of the host of that name, and how many hosts
// have the name.
func (s callServer) FindHost(ctx context.Context, what, name string, removed bool) (id string, n int, err error) {
	if err := s.loadHosts(ctx, what, removed); err != nil {
		return "", 0, err
	}
	id, n = s.hostNamed(name)
	return id, n, nil
}

// ListHosts reads all hosts that are not removed.
func (s callServer) ListHosts(ctx context.Context, what string) ([]*model.Host, error) {
	var out []*model.Host
	err := s.eachHost(ctx, what, wire.ListRequest{}, func(h *wire.Host, _ []byte) (bool, error) {
		out = append(out, hostModel(h))
		return true, nil
	})
	return out, err
}

// HostRemoved reports whether a host is removed, and whether it is known.
func (s callServer) HostRemoved(ctx context.Context, what string, h *model.Host) (removed, known bool, err error) {
	return s.isRemoved(ctx, what, h)
}

// Describe shows a request as a preview does.
func (s callServer) Describe(op backends.Operation, c client.Call) string {
	if catalog.OutsideBase(op) {
		return s.c.Describe(c)
	}
	return s.session.DescribeCall(c.Path, c)
}

func (s callServer) Redact(secrets ...string) { s.redactor.Add(secrets...) }

func (s callServer) EndSession(ctx context.Context) { s.session.Forget(ctx) }

func (s callServer) Setting(name string) string { return s.o.Settings[name] }

func (s callServer) Profile() string { return s.o.Profile }

func (s callServer) Now() time.Time { return s.o.Clock() }

// Call sends a call that only reads. The body is the server's, to the byte;
// CSV and files are streamed. A failure in the envelope is an error.
func (d *Driver) Call(ctx context.Context, c backends.Call) (*backends.Answer, error) {
	what := "cannot call " + c.Label()
	if c.Op.Mutates {
		return nil, backends.Invalid(what, "it changes something, and goes the way of every change")
	}
	c, extra, err := guards.CheckRead(ctx, callServer{d}, what, c)
	if err != nil {
		return nil, err
	}
	call, err := guards.Request(c, extra)
	if err != nil {
		return nil, err
	}
	s, err := d.stream(ctx, what, c, call)
	if err != nil {
		return nil, err
	}
	json, err := s.IsJSON()
	if err != nil {
		return nil, reply.FromClient(what, err)
	}
	if streams := c.Op.Returns == "csv" || c.Op.Returns == "binary"; streams && !json {
		return &backends.Answer{Status: s.Status, ContentType: s.Header.Get("Content-Type"), FileName: reply.FileName(s.Header), Body: s.Body}, nil
	}
	rep, err := reply.ReadAll(what, s)
	if err != nil {
		return nil, err
	}
	if !catalog.OutsideBase(c.Op) {
		if _, err := reply.ParseAnswer(what, rep); err != nil {
			return nil, explainRead(c.Op, err)
		}
	}
	return &backends.Answer{Status: s.Status, ContentType: s.Header.Get("Content-Type"), FileName: reply.FileName(s.Header), Body: io.NopCloser(bytes.NewReader(rep.Body))}, nil
}

// stream sends a reading call where it belongs: logging in and downloads take
// no session, and what lies next to the API is not under its base.
func (d *Driver) stream(ctx context.Context, what string, c backends.Call, call client.Call) (*client.Stream, error) {
	bare := session.Anonymous(ctx)
	switch {
	case catalog.OutsideBase(c.Op):
		s, err := d.c.Open(bare, call)
		var st *client.StatusError
		if errors.As(err, &st) && st.Code == http.StatusNotFound {
			return nil, backends.NotFound("file", call.Path)
		}
		if err != nil {
			return nil, reply.FromClient(what, err)
		}
		return s, nil
	case c.Op.Name == "auth.login":
		d.session.RecallBase()
		if err := d.session.Probe(ctx); err != nil {
			return nil, err
		}
		call.Path = d.session.Path(call.Path)
		s, err := d.c.Open(bare, call)
		if err != nil {
			return nil, reply.FromClient(what, err)
		}
		return s, nil
	}
	s, err := d.session.OpenStream(ctx, what, call.Path, call)
	if err != nil {
		return nil, explainRead(c.Op, err)
	}
	return s, nil
}

// explainRead adds what is known of an operation that failed.
func explainRead(op backends.Operation, err error) error {
	var be *backends.Error
	if !errors.As(err, &be) || be.Hint != "" {
		return err
	}
	switch {
	case strings.Contains(be.Why, "too many values to unpack"), op.Name == "results.export" && be.Kind == backends.KindUnavailable:
		be.Hint = "this export is broken in community 3.5.1; edrctl events list reads the same rows"
	case op.Name == "rules.tactics" && be.Kind == backends.KindUnavailable:
		be.Hint = "the server asks MITRE for it and fails so when it has no way to the internet"
	case op.Name == "carves.download" && be.Kind == backends.KindUnavailable:
		be.Hint = "the server fails so until the carve is complete; edrctl carve list tells its state"
	}
	return err
}

// Answer is what an operation of the catalogue brought, read as a whole.
type Answer struct {
	Message     string          // of the envelope; "" when there is none
	Data        json.RawMessage // "data" of the envelope; nil when absent or null
	Body        []byte          // the whole body: CSV, files, or the envelope
	ContentType string
}

// Invoke sends an operation just as it is given, without the guards, once if
// it changes something, and reads the envelope.
func (d *Driver) Invoke(ctx context.Context, op backends.Operation, args map[string]any) (*Answer, error) {
	c := backends.Call{Op: op, Args: args}
	what := "cannot call " + op.Name
	d.redactor.Add(c.Secrets()...)
	call, err := guards.Request(c, nil)
	if err != nil {
		return nil, err
	}
	if op.Mutates {
		a, err := d.session.Send(ctx, what, call.Path, call)
		if err != nil {
			return nil, err
		}
		return &Answer{Message: a.Message, Data: a.Data, Body: a.Body, ContentType: a.Header.Get("Content-Type")}, nil
	}
	s, err := d.stream(ctx, what, c, call)
	if err != nil {
		return nil, err
	}
	rep, err := reply.ReadAll(what, s)
	if err != nil {
		return nil, err
	}
	out := &Answer{Body: rep.Body, ContentType: rep.Header.Get("Content-Type")}
	if catalog.OutsideBase(op) {
		return out, nil
	}
	a, err := reply.ParseAnswer(what, rep)
	if err != nil {
		return nil, err
	}
	out.Message, out.Data = a.Message, a.Data
	return out, nil
}

// Items gives the records of a reading call. Lists are read to their last
// page, by offset or by id as the server pages (docs/wire/esp.md §6); start and
// limit the user gave are the first record and the size of a page. Answers
// that are a map of names give a record for each, with its name; lines of CSV
// become objects.
func (d *Driver) Items(ctx context.Context, c backends.Call) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		stopped := false
		give := func(v []byte) bool {
			stopped = stopped || !yield(append(json.RawMessage(nil), v...), nil)
			return !stopped
		}
		if err := d.items(ctx, c, give); err != nil && !stopped {
			yield(nil, err)
		}
	}
}

func (d *Driver) items(ctx context.Context, c backends.Call, give func([]byte) bool) error {
	what := "cannot call " + c.Label()
	if c.Op.Mutates {
		return backends.Invalid(what, "it changes something, and goes the way of every change")
	}
	c, extra, err := guards.CheckRead(ctx, callServer{d}, what, c)
	if err != nil {
		return err
	}
	if _, err := guards.Request(c, extra); err != nil { // before anything is sent
		return err
	}
	switch {
	case c.Body != nil: // not ours to page
	case c.Op.Paging == "offset":
		return d.offsetItems(ctx, what, c, extra, give)
	case c.Op.Paging == "id-cursor":
		return d.cursorItems(ctx, what, c, extra, give)
	case c.Op.Returns == "binary":
		return backends.Invalid(what, "its answer is a file, not records")
	case c.Op.Returns == "csv":
		return d.csvItems(ctx, what, c, give)
	}
	call, err := guards.Request(c, extra)
	if err != nil {
		return err
	}
	s, err := d.stream(ctx, what, c, call)
	if err != nil {
		return err
	}
	rep, err := reply.ReadAll(what, s)
	if err != nil {
		return err
	}
	a, err := reply.ParseAnswer(what, rep)
	if err != nil {
		return explainRead(c.Op, err)
	}
	if err := reply.Records(c, a, give); err != nil {
		return reply.Malformed(what, err)
	}
	return nil
}

// pageOf sends the call with another start and limit.
func (d *Driver) pageOf(ctx context.Context, what string, c backends.Call, extra map[string]any, start, limit int64) (*reply.Page, error) {
	args := make(map[string]any, len(c.Args)+2)
	for k, v := range c.Args {
		args[k] = v
	}
	args["start"], args["limit"] = start, limit
	c.Args = args
	call, err := guards.Request(c, extra)
	if err != nil {
		return nil, err
	}
	p, err := d.session.SendPage(ctx, what, call.Path, call)
	if err != nil {
		return nil, explainRead(c.Op, err)
	}
	return p, nil
}

func (d *Driver) offsetItems(ctx context.Context, what string, c backends.Call, extra map[string]any, give func([]byte) bool) error {
	first, err := catalog.PageArgument(c, "start", 0)
	if err != nil {
		return err
	}
	size, err := catalog.PageArgument(c, "limit", reply.ListPage)
	if err != nil {
		return err
	}
	return reply.OffsetPages(ctx, what, int(size), func(ctx context.Context, start, limit int) (*reply.Page, error) {
		p, err := d.pageOf(ctx, what, c, extra, first+int64(start), int64(limit))
		if err == nil && p.Groups != nil {
			// Counts per host, or per query: all at once.
			for _, v := range p.Groups {
				if !give(v) {
					break
				}
			}
			return &reply.Page{}, nil
		}
		return p, err
	}, func(v []byte) (bool, error) { return give(v), nil })
}

func (d *Driver) cursorItems(ctx context.Context, what string, c backends.Call, extra map[string]any, give func([]byte) bool) error {
	if n, err := catalog.PageArgument(c, "start", 0); err != nil || n > 0 {
		if err == nil {
			err = &backends.Error{Kind: backends.KindInvalid, What: what, Why: "start means another thing to each edition, and all pages are read from the first", Hint: "leave start out, or read the one page without following the others"}
		}
		return err
	}
	size, err := catalog.PageArgument(c, "limit", reply.EventPage)
	if err != nil {
		return err
	}
	pg := reply.Pager{What: what, Fetch: func(ctx context.Context, start int64) (*reply.Page, error) {
		return d.pageOf(ctx, what, c, extra, start, size)
	}}
	if c.Op.Name == "hosts.activity" {
		pg.ByID = true
	} else {
		pg.Mode, pg.Learned = d.pages.Get(), d.pages.Set
	}
	for r, err := range pg.Rows(ctx) {
		if err != nil {
			return err
		}
		if !give(r.Raw) {
			return nil
		}
	}
	return nil
}

// csvItems gives each line as an object of the header's names. A line is only
// as long as the header was when it was written (§8).
func (d *Driver) csvItems(ctx context.Context, what string, c backends.Call, give func([]byte) bool) error {
	a, err := d.Call(ctx, c)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	if strings.HasPrefix(a.ContentType, "application/json") {
		return backends.Malformed(what, "the answer is not CSV")
	}
	r := csv.NewReader(a.Body)
	r.FieldsPerRecord = -1
	r.ReuseRecord = true
	var header []string
	for {
		line, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			var bad *csv.ParseError
			if errors.As(err, &bad) {
				return backends.Malformed(what, "the answer is not CSV: "+wire.Short(bad.Error()))
			}
			return backends.FromClient(what, err)
		}
		if header == nil {
			header = slices.Clone(line)
			continue
		}
		if len(line) > len(header) {
			return backends.Malformed(what, "a line of the CSV is longer than its header")
		}
		row := make(wire.Object, len(line))
		for i, cell := range line {
			row[i] = wire.Member{Name: header[i], Value: cell}
		}
		b, err := json.Marshal(row)
		if err != nil {
			return reply.Malformed(what, err)
		}
		if !give(b) {
			return nil
		}
	}
}

// callSpec is the change that any operation of the catalogue is.
var callSpec = backends.VerbSpec{
	Verb: backends.VerbCall, Sync: true,
	How: "calls an operation of the server's own API, behind the guards of that operation",
}

// storePrepared remembers what a preview found, so that Apply sends what was shown.
func (d *Driver) storePrepared(c *backends.Call, g *guards.Call) {
	d.callMu.Lock()
	defer d.callMu.Unlock()
	if d.calls == nil || len(d.calls) > 256 {
		d.calls = map[*backends.Call]*guards.Call{}
	}
	d.calls[c] = g
}

func (d *Driver) prepared(c *backends.Call) *guards.Call {
	d.callMu.Lock()
	defer d.callMu.Unlock()
	return d.calls[c]
}

func (d *Driver) previewCall(ctx context.Context, c backends.Change) (backends.Preview, error) {
	if c.Call == nil {
		return backends.Preview{}, backends.Invalid("cannot call", "it names no operation")
	}
	g, err := guards.Prepare(ctx, callServer{d}, *c.Call)
	if err != nil {
		return backends.Preview{}, enterpriseOnly(c.Call.Op, err)
	}
	d.storePrepared(c.Call, g)
	return g.Preview, nil
}

// applyCall sends what the preview showed, once.
func (d *Driver) applyCall(ctx context.Context, c backends.Change, update func(*model.Action)) (*model.Action, error) {
	act := &model.Action{Verb: c.Verb, Host: c.Host, RequestedAt: model.At(d.o.Clock())}
	fail := func(err error) (*model.Action, error) {
		act.State, act.Error = model.ActionFailed, err.Error()
		if backends.KindOf(err) == backends.KindAmbiguous {
			act.State = model.ActionAmbiguous
		}
		return act, err
	}
	if c.Call == nil {
		return fail(backends.Invalid("cannot call", "it names no operation"))
	}
	g := d.prepared(c.Call)
	if g == nil {
		var err error
		if g, err = guards.Prepare(ctx, callServer{d}, *c.Call); err != nil {
			return fail(enterpriseOnly(c.Call.Op, err))
		}
		d.storePrepared(c.Call, g)
	}
	if g.Preview.Nothing != "" {
		act.State, act.NativeState, act.FinishedAt = model.ActionDone, g.Preview.Nothing, model.At(d.o.Clock())
		update(act)
		return act, nil
	}
	if err := g.CheckBasis(ctx); err != nil {
		return fail(err)
	}
	a, err := d.sendGuarded(ctx, g)
	if err != nil {
		return fail(enterpriseOnly(g.Op, withVerdictHint(err)))
	}
	act.NativeState, act.Answer = wire.Short(a.Message), reply.RawAnswer(a)
	act.State, act.FinishedAt = model.ActionDone, model.At(d.o.Clock())
	d.noteStarted(act, g.Op, a)
	if g.After != nil {
		g.After(ctx, act)
	}
	if g.Missing != nil {
		switch lost, err := g.Missing(ctx); {
		case err != nil:
			act.NativeState += "; it could not be read back: " + wire.Short(err.Error())
		case len(lost) > 0:
			return fail(&backends.Error{
				Kind: backends.KindOther, What: g.What, Why: "the server says success and left out " + guards.ShortList(lost),
				Hint: "it drops a query whose SQL it cannot read; the others are there",
			})
		}
	}
	if g.Done != nil {
		switch done, err := g.Done(ctx); {
		case err == nil && done:
		case err == nil && g.MustVerify:
			return fail(&backends.Error{Kind: backends.KindOther, What: g.What, Why: "the server says success, and what it keeps now is not what was sent"})
		default:
			act.State = model.ActionAmbiguous
			return act, unconfirmed(act, g.What, err)
		}
	}
	update(act)
	return act, nil
}

// noteStarted names the response action that a call has started.
func (d *Driver) noteStarted(act *model.Action, op backends.Operation, a *reply.Answer) {
	if !strings.HasPrefix(op.Name, "response.") && !strings.HasPrefix(op.Name, "defender.") {
		return
	}
	// The call is over; what it started continues, and is read by these ids.
	var started model.Action
	readCommandIDs(d, a, &started)
	act.Details = started.Details
	if started.ID != "" {
		response.SetDetail(act, "note", shellquote.Join("edrctl respond get", d.o.Profile+"/"+started.ID)+" tells what the hosts say")
	}
}

// unconfirmed is the error of a change whose effect was not seen; err is why it
// could not be read, nil when it was and does not show.
func unconfirmed(act *model.Action, what string, err error) error {
	e := &backends.Error{Kind: backends.KindAmbiguous, What: what, Why: "the server says success, and what it shows now is unchanged", Err: err}
	if err != nil {
		e.Why = "the server says success, and the effect could not be read: " + wire.Short(err.Error())
	}
	act.Error = e.Error()
	return e
}

func (d *Driver) sendGuarded(ctx context.Context, g *guards.Call) (*reply.Answer, error) {
	if catalog.OutsideBase(g.Op) {
		rep, err := d.c.Do(session.Anonymous(ctx), g.Request)
		if err != nil {
			return nil, reply.FromClient(g.What, err)
		}
		return &reply.Answer{Body: rep.Body, Header: rep.Header}, nil
	}
	return d.session.Send(ctx, g.What, g.Request.Path, g.Request)
}

// findCall tells what became of a call whose answer was lost.
func (d *Driver) findCall(ctx context.Context, c backends.Change) (*model.Action, error) {
	if c.Call == nil {
		return nil, backends.Unsupported("ESP", "looking up what became of a call", "list what it was about")
	}
	g := d.prepared(c.Call)
	if g == nil {
		// Previewed by another run: what is wanted is found out again.
		var err error
		if g, err = guards.Prepare(ctx, callServer{d}, *c.Call); err != nil {
			return nil, err
		}
	}
	if g.Done == nil {
		return nil, &backends.Error{Kind: backends.KindUnsupported, What: "cannot look up what became of " + c.Call.Label(), Why: "the server keeps nothing of it that could be read"}
	}
	done, err := g.Done(ctx)
	if err != nil || !done {
		return nil, err
	}
	return d.doneAction("it has been done: the server shows what was wanted"), nil
}

// enterpriseOnly says what an edition without a route can do instead.
func enterpriseOnly(op backends.Operation, err error) error {
	var be *backends.Error
	if errors.As(err, &be) && be.Kind == backends.KindUnsupported && op.Since == wire.EditionEnterprise && strings.Contains(be.Why, "does not have the route") {
		be.Why = "this edition of ESP does not have " + op.Method + " " + op.Path
		be.Hint = "response actions, Defender and alert graphs exist in the enterprise edition only"
	}
	return err
}
