package esp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

// callServer is the driver as the guards of calls see it.
type callServer struct{ *Driver }

// Ask asks for what is there now.
func (s callServer) Ask(ctx context.Context, what, path string, c client.Call) (*answer, error) {
	return s.ask(ctx, what, path, c)
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
	err := s.eachHost(ctx, what, listRequest{}, func(h *wireHost, _ []byte) (bool, error) {
		out = append(out, h.model())
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
	if outsideBase(op) {
		return s.c.Describe(c)
	}
	return s.describeCall(c.Path, c)
}

func (s callServer) Redact(secrets ...string)       { s.redactor.Add(secrets...) }
func (s callServer) EndSession(ctx context.Context) { s.forget(ctx) }
func (s callServer) Setting(name string) string     { return s.o.Settings[name] }
func (s callServer) Profile() string                { return s.o.Profile }
func (s callServer) Now() time.Time                 { return s.o.Clock() }

// outsideBase tells which operation does not live under the API base.
func outsideBase(op backends.Operation) bool {
	return op.Name == "downloads.get" || op.Name == "" && strings.HasPrefix(op.Path, "/downloads/")
}

// request is a call as it goes out. extra are members the document does not
// know: the server ignores what it does not know either.
func request(c backends.Call, extra map[string]any) (client.Call, error) {
	call, err := backends.Build(c)
	if err != nil {
		return call, err
	}
	if c.Op.Name == "downloads.get" {
		call.Path = strings.ReplaceAll(call.Path, "%2F", "/")
	}
	if c.Op.Name == "" {
		// A path copied from the document or from a wire log has the base before it.
		for _, base := range basePaths {
			call.Path = strings.TrimPrefix(call.Path, base)
		}
	}
	if len(extra) > 0 && len(call.Parts) == 0 && call.Body == nil {
		body, _ := call.JSON.(map[string]any)
		if body == nil {
			body = map[string]any{}
		}
		for name, v := range extra {
			body[name] = v
		}
		call.JSON = body
	}
	return call, nil
}

// fold takes a call apart: a body that is a JSON object, and a query, become
// arguments, so that it is checked and guarded however it was given. What the
// document does not know comes back in extra. A body that is no JSON object
// stays as it is.
func fold(c backends.Call) (backends.Call, map[string]any, error) {
	args := map[string]any{}
	for k, v := range c.Args {
		args[k] = v
	}
	c.Args = args
	extra := map[string]any{}
	query := map[string][]string{}
	for k, v := range c.Query {
		if p, known := c.Op.Param(k); known && p.In == "query" && len(v) > 0 {
			if _, given := args[k]; !given {
				args[k] = v[0]
				continue
			}
		}
		query[k] = v
	}
	c.Query = query
	if c.Body == nil || c.Op.Name == "" || c.Op.Body == "multipart" || kindOf(c.Body) != '{' || c.Type != "" && !strings.HasPrefix(c.Type, "application/json") {
		return c, nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader(c.Body))
	dec.UseNumber()
	var members map[string]any
	if err := dec.Decode(&members); err != nil || dec.More() {
		return c, nil, backends.Invalid("cannot call "+c.Label(), "the body is not one JSON object")
	}
	for name, v := range members {
		p, known := c.Op.Param(name)
		switch {
		case !known || p.In != "body" && p.In != "local":
			extra[name] = v
		case v == nil: // as good as absent (§4)
		default:
			if _, twice := args[name]; twice {
				return c, nil, backends.Invalid("cannot call "+c.Label(), name+" is given twice: in the body and beside it")
			}
			args[name] = v
		}
	}
	c.Body = nil
	return c, extra, nil
}

// Call sends a call that only reads. The body is the server's, to the byte;
// CSV and files are streamed. A failure in the envelope is an error.
func (d *Driver) Call(ctx context.Context, c backends.Call) (*backends.Answer, error) {
	what := "cannot call " + c.Label()
	if c.Op.Mutates {
		return nil, backends.Invalid(what, "it changes something, and goes the way of every change")
	}
	c, extra, err := guardRead(ctx, callServer{d}, what, c)
	if err != nil {
		return nil, err
	}
	call, err := request(c, extra)
	if err != nil {
		return nil, err
	}
	s, err := d.stream(ctx, what, c, call)
	if err != nil {
		return nil, err
	}
	json, err := s.IsJSON()
	if err != nil {
		return nil, fromClient(what, err)
	}
	if streams := c.Op.Returns == "csv" || c.Op.Returns == "binary"; streams && !json {
		return &backends.Answer{Status: s.Status, ContentType: s.Header.Get("Content-Type"), FileName: fileName(s.Header), Body: s.Body}, nil
	}
	rep, err := readWhole(what, s)
	if err != nil {
		return nil, err
	}
	if !outsideBase(c.Op) {
		if _, err := parseAnswer(what, rep); err != nil {
			return nil, explainRead(c.Op, err)
		}
	}
	return &backends.Answer{Status: s.Status, ContentType: s.Header.Get("Content-Type"), FileName: fileName(s.Header), Body: io.NopCloser(bytes.NewReader(rep.Body))}, nil
}

// maxAnswer bounds a JSON answer, which is read whole before it is given on:
// only its end tells whether it is complete.
const maxAnswer = 256 << 20

func readWhole(what string, s *client.Stream) (*client.Reply, error) {
	defer s.Body.Close()
	body, err := io.ReadAll(io.LimitReader(s.Body, maxAnswer+1))
	if err != nil {
		return nil, backends.FromClient(what, err)
	}
	if len(body) > maxAnswer {
		return nil, backends.Malformed(what, "the answer is longer than 256 MiB")
	}
	return &client.Reply{Status: s.Status, Header: s.Header, Body: body}, nil
}

// stream sends a reading call where it belongs: logging in and downloads take
// no session, and what lies beside the API is not under its base.
func (d *Driver) stream(ctx context.Context, what string, c backends.Call, call client.Call) (*client.Stream, error) {
	bare := context.WithValue(ctx, noToken{}, true)
	switch {
	case outsideBase(c.Op):
		s, err := d.c.Open(bare, call)
		var st *client.StatusError
		if errors.As(err, &st) && st.Code == http.StatusNotFound {
			return nil, backends.NotFound("file", call.Path)
		}
		if err != nil {
			return nil, fromClient(what, err)
		}
		return s, nil
	case c.Op.Name == "auth.login":
		d.recallBase()
		if err := d.probe(ctx); err != nil {
			return nil, err
		}
		call.Path = d.path(call.Path)
		s, err := d.c.Open(bare, call)
		if err != nil {
			return nil, fromClient(what, err)
		}
		return s, nil
	}
	s, err := d.openStream(ctx, what, call.Path, call)
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

// fileName is the server's name for a file, its last element only. Names of
// exports hold blanks and colons, not always quoted (§8).
func fileName(h http.Header) string {
	_, rest, found := strings.Cut(h.Get("Content-Disposition"), "filename=")
	if !found {
		return ""
	}
	if _, params, err := mime.ParseMediaType(h.Get("Content-Disposition")); err == nil && params["filename"] != "" {
		rest = params["filename"]
	}
	rest = path.Base(strings.ReplaceAll(strings.Trim(strings.TrimSpace(rest), `"`), `\`, "/"))
	rest = strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || strings.ContainsRune(`<>:"|?*`, r) {
			return '_'
		}
		return r
	}, rest)
	if strings.Trim(rest, "._ /") == "" {
		return ""
	}
	return rest
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
	call, err := request(c, nil)
	if err != nil {
		return nil, err
	}
	if op.Mutates {
		a, err := d.send(ctx, what, call.Path, call)
		if err != nil {
			return nil, err
		}
		return &Answer{Message: a.Message, Data: a.Data, Body: a.Body, ContentType: a.Header.Get("Content-Type")}, nil
	}
	s, err := d.stream(ctx, what, c, call)
	if err != nil {
		return nil, err
	}
	rep, err := readWhole(what, s)
	if err != nil {
		return nil, err
	}
	out := &Answer{Body: rep.Body, ContentType: rep.Header.Get("Content-Type")}
	if outsideBase(op) {
		return out, nil
	}
	a, err := parseAnswer(what, rep)
	if err != nil {
		return nil, err
	}
	out.Message, out.Data = a.Message, a.Data
	return out, nil
}

// answerOf is the vendor's answer of a change as it is kept: JSON as it came,
// other text as a string.
func answerOf(a *answer) json.RawMessage {
	if a.JSON && json.Valid(a.Body) {
		return append(json.RawMessage(nil), bytes.TrimSpace(a.Body)...)
	}
	b, err := json.Marshal(string(a.Body))
	if err != nil {
		return nil
	}
	return b
}
