package carbonblack

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/catalog"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/wire"
	"github.com/edrctl/edrctl/internal/client"
)

type keyOverride struct{}

// withKey makes a request use one key, whatever its route prefers.
func withKey(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, keyOverride{}, name)
}

// key looks a secret up, once, and tells the redactor of it.
func (d *Driver) key(ctx context.Context, name string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if k := d.keys[name]; k != "" {
		return k, nil
	}
	missing := &backends.Error{
		Kind: backends.KindAuth,
		Why:  fmt.Sprintf("no key of type %s (secret %s) is set", catalog.KeyTypes[name], name),
		Hint: "edrctl auth login, with SECRET/ID of a key whose access level is " + catalog.KeyTypes[name],
	}
	if d.opt.Secret == nil {
		return "", missing
	}
	k, err := d.opt.Secret(ctx, name)
	if err != nil {
		var own *backends.Error
		if errors.As(err, &own) && own.Kind == backends.KindAuth {
			c := *own
			c.Why = missing.Why + ": " + own.Error()
			c.What, c.Err = "", err
			return "", &c
		}
		return "", err
	}
	k = strings.TrimSpace(k)
	if k == "" {
		return "", missing
	}
	secret, id, ok := strings.Cut(k, "/")
	d.redactor.Add(k, secret)
	if !ok || secret == "" || id == "" || strings.ContainsAny(k, " \t\r\n") {
		return "", &backends.Error{
			Kind: backends.KindAuth,
			Why:  fmt.Sprintf("the secret %s is not of the form SECRET/ID", name),
			Hint: "the console shows the API secret key and the API id; join them with a slash, the secret first",
		}
	}
	d.keys[name] = k
	return k, nil
}

// keyFor chooses the key of a route: the first of its types that is set. The
// error names the type the route wants most.
func (d *Driver) keyFor(ctx context.Context, r catalog.Route) (name, key string, err error) {
	names := r.Keys
	if forced, ok := ctx.Value(keyOverride{}).(string); ok {
		names = []string{forced}
	}
	for _, n := range names {
		k, e := d.key(ctx, n)
		if e == nil {
			return n, k, nil
		}
		if err == nil {
			err = e
		}
	}
	return "", "", err
}

// authorize puts the key of the request's route on it.
func (d *Driver) authorize(ctx context.Context, r *http.Request) error {
	_, key, err := d.keyFor(ctx, catalog.RouteOf(r.URL.Path))
	if err != nil {
		return err
	}
	r.Header.Set("X-Auth-Token", key)
	return nil
}

// get asks for one document and decodes it into a wire type; into may be nil.
// collection paths (no id) that answer 404 or 410 are reported as switched off.
func (d *Driver) get(ctx context.Context, what string, r catalog.Route, path string, q url.Values, into any) (*client.Reply, error) {
	if _, _, err := d.keyFor(ctx, r); err != nil {
		return nil, backends.FromClient(what, err)
	}
	reply, err := d.client.Do(ctx, client.Call{Path: catalog.Base + path, Query: q})
	if err != nil {
		return nil, d.explain(ctx, what, r, isCollection(path), err)
	}
	if len(bytes.TrimSpace(reply.Body)) == 0 {
		if reply.Status == http.StatusNoContent {
			return reply, nil
		}
		return nil, backends.Malformed(what, "the answer is empty")
	}
	var env wire.Envelope
	if err := wire.DecodeEnvelope(reply.Body, &env); err != nil {
		return nil, backends.Malformed(what, err.Error())
	}
	if err := refused(&env); err != nil {
		return nil, backends.FromClient(what, err)
	}
	if into != nil {
		if err := wire.Decode(reply.Body, into); err != nil {
			return nil, backends.Malformed(what, "the answer is not the JSON it should be: "+err.Error())
		}
	}
	return reply, nil
}

// isCollection tells /event from /event/{id}.
func isCollection(path string) bool { return !strings.Contains(strings.TrimPrefix(path, "/"), "/") }

// explain turns an error of the transport into one that says what this API
// means by it.
func (d *Driver) explain(ctx context.Context, what string, r catalog.Route, collection bool, err error) error {
	out := backends.FromClient(what, err)
	var status *client.StatusError
	var e *backends.Error
	if !errors.As(err, &status) || !errors.As(out, &e) {
		return out
	}
	c := *e
	switch status.Code {
	case http.StatusUnauthorized, http.StatusForbidden:
		used, _, _ := d.keyFor(ctx, r)
		c.Why = fmt.Sprintf("%s: the %s was refused", status.Error(), cmp.Or(used, "key"))
		c.Hint = fmt.Sprintf("%s need a key of type %s (secret %s), as SECRET/ID", r.Noun, catalog.KeyTypesOf(r), strings.Join(r.Keys, " or "))
	case http.StatusNotFound, http.StatusGone:
		if !collection {
			if m := wire.NotFoundMessage(status.Body); m != "" {
				c.Why += ": " + m
			}
			break
		}
		c.Kind = backends.KindUnsupported
		c.Why = fmt.Sprintf("this server no longer serves v3 %s (%d)", r.Noun, status.Code)
		c.Hint = "API v3 was switched off step by step until 2024; check the url, or use a gateway that still speaks v3"
	default:
		var env wire.Envelope
		if json.Unmarshal(status.Body, &env) == nil {
			if m := strings.TrimSpace(cmp.Or(env.Message, env.ErrorMessage)); m != "" {
				c.Why += ": " + m
			}
		}
	}
	return &c
}

// page is what one request of a list gave.
type page struct {
	wire.Envelope
	received int
	null     bool // results was null, not []
}

// list streams one page: each element of results as its JSON, valid until the
// next step. info is complete when the sequence has ended.
func (d *Driver) list(ctx context.Context, what string, r catalog.Route, path string, q url.Values, start, rows int, info *page) iter.Seq2[[]byte, error] {
	return pageOf(ctx, d, what, r, path, q, start, rows, info, func(body io.Reader) iter.Seq2[[]byte, error] {
		return client.Array(body, "results", info.Member)
	})
}

// pageOf asks for one page and gives what elements makes of its body.
func pageOf[T any](ctx context.Context, d *Driver, what string, r catalog.Route, path string, q url.Values, start, rows int, info *page, elements func(body io.Reader) iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		*info = page{}
		if _, _, err := d.keyFor(ctx, r); err != nil {
			yield(none, backends.FromClient(what, err))
			return
		}
		query := cloneQuery(q)
		query.Set("start", strconv.Itoa(start)) // one-based
		query.Set("rows", strconv.Itoa(rows))
		stream, err := d.client.Open(ctx, client.Call{Path: catalog.Base + path, Query: query})
		if err != nil {
			yield(none, d.explain(ctx, what, r, true, err))
			return
		}
		defer stream.Body.Close()
		if stream.Status == http.StatusNoContent {
			return
		}
		head := wire.NewHeadRecorder(stream.Body)
		for element, err := range elements(head) {
			if err != nil {
				// A refusal may come without results at all.
				if why := refused(&info.Envelope); why != nil {
					err = why
				}
				yield(none, d.explain(ctx, what, r, true, err))
				return
			}
			info.received++
			if !yield(element, nil) {
				return
			}
		}
		if err := refused(&info.Envelope); err != nil {
			yield(none, backends.FromClient(what, err))
			return
		}
		info.null = info.received == 0 && head.ResultsNull()
	}
}

func cloneQuery(q url.Values) url.Values {
	out := make(url.Values, len(q)+2)
	for k, v := range q {
		out[k] = slices.Clone(v)
	}
	return out
}

// act sends a request that changes something, once. An answer that was lost or
// cannot be read is KindAmbiguous. into nil: the answer may be empty.
func (d *Driver) act(ctx context.Context, what string, r catalog.Route, method, path string, body, into any) error {
	return d.actCall(ctx, what, r, client.Call{Method: method, Path: catalog.Base + path, JSON: body}, into)
}

func (d *Driver) actCall(ctx context.Context, what string, r catalog.Route, call client.Call, into any) error {
	if _, _, err := d.keyFor(ctx, r); err != nil {
		return backends.FromClient(what, err)
	}
	reply, err := d.client.Do(ctx, call)
	if err != nil {
		return d.explain(ctx, what, r, false, err)
	}
	doubt := func(why string) error {
		return &backends.Error{Kind: backends.KindAmbiguous, What: what, Why: why + ": the request may have been carried out"}
	}
	if len(bytes.TrimSpace(reply.Body)) == 0 {
		if into == nil || reply.Status == http.StatusNoContent {
			return nil
		}
		return doubt("the answer is empty")
	}
	var env wire.Envelope
	if err := wire.DecodeEnvelope(reply.Body, &env); err != nil {
		return doubt(err.Error())
	}
	if err := refused(&env); err != nil {
		return backends.FromClient(what, err)
	}
	if into == nil {
		return nil
	}
	if err := wire.Decode(reply.Body, into); err != nil {
		return doubt("the answer is not the JSON it should be: " + err.Error())
	}
	return nil
}

// getList reads an array, or an object that has it under a name.
func getList[T any](ctx context.Context, d *Driver, what string, path string, name string) ([]T, error) {
	if _, _, err := d.keyFor(ctx, catalog.RouteLive); err != nil {
		return nil, backends.FromClient(what, err)
	}
	stream, err := d.client.Open(ctx, client.Call{Path: catalog.Base + path})
	if err != nil {
		return nil, d.explain(ctx, what, catalog.RouteLive, false, err)
	}
	defer stream.Body.Close()
	body, err := io.ReadAll(io.LimitReader(stream.Body, 64<<20))
	if err != nil {
		return nil, backends.FromClient(what, err)
	}
	body = bytes.TrimSpace(body)
	if len(body) > 0 && body[0] == '{' {
		var doc map[string]jsontext.Value
		if err := wire.Decode(body, &doc); err != nil {
			return nil, backends.Malformed(what, err.Error())
		}
		body = doc[name]
		if body == nil {
			body = doc["results"]
		}
	}
	if len(body) == 0 || body[0] != '[' {
		return nil, backends.Malformed(what, "the answer is not a list")
	}
	var out wire.List[T]
	if err := wire.Decode(body, &out); err != nil {
		return nil, backends.Malformed(what, err.Error())
	}
	return out, nil
}

// refused is the failure that an answer with status 200 carries, nil for none.
func refused(e *wire.Envelope) error {
	why := e.RefusalError()
	if why == "" {
		return nil
	}
	return &backends.Error{Kind: backends.KindOther, Why: why}
}
