package carbonblack

import (
	"bytes"
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
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/client"
)

// apiBase is before every path.
const apiBase = "/integrationServices/v3"

// route is one resource of the API: the key types it takes, best first (§1,
// §4), and whether a 404 on it means that the server has switched it off.
type route struct {
	noun string
	keys []string
}

var (
	routeEvent        = route{"events", []string{keyAPI}}
	routeProcess      = route{"processes", []string{keyAPI}}
	routeAlert        = route{"alerts", []string{keyAPI}}
	routeNotification = route{"notifications", []string{keySIEM}}
	routeAudit        = route{"audit logs", []string{keyAPI}}
	routeDevice       = route{"devices", []string{keyAPI, keyLiveResponse}}
	routePolicy       = route{"policies", []string{keyAPI}}
	routeLive         = route{"live response", []string{keyLiveResponse}}
)

// routes by the first part of the path.
var routes = map[string]route{
	"event": routeEvent, "process": routeProcess, "alert": routeAlert,
	"notification": routeNotification, "auditlogs": routeAudit,
	"device": routeDevice, "policy": routePolicy, "cblr": routeLive,
}

// keyTypes are the vendor's names of the secrets.
var keyTypes = map[string]string{keyAPI: "API", keySIEM: "SIEM", keyLiveResponse: "LIVE_RESPONSE"}

// routeOf finds the route of a request path; what is not known takes an API key.
func routeOf(path string) route {
	_, rest, ok := strings.Cut(path, apiBase+"/")
	if !ok {
		return route{"the API", []string{keyAPI}}
	}
	head, _, _ := strings.Cut(rest, "/")
	if r, ok := routes[head]; ok {
		return r
	}
	return route{head, []string{keyAPI}}
}

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
		Why:  fmt.Sprintf("no key of type %s (secret %s) is set", keyTypes[name], name),
		Hint: "edrctl auth login, with SECRET/ID of a key whose access level is " + keyTypes[name],
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
func (d *Driver) keyFor(ctx context.Context, r route) (name, key string, err error) {
	names := r.keys
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
	_, key, err := d.keyFor(ctx, routeOf(r.URL.Path))
	if err != nil {
		return err
	}
	r.Header.Set("X-Auth-Token", key)
	return nil
}

// envelope is around every answer (§3).
type envelope struct {
	Success      *bool  `json:"success"`
	Message      string `json:"message"`
	ErrorMessage string `json:"errorMessage"`
	Total        int64  `json:"totalResults"`
}

// refused is the failure an answer with status 200 may carry: success false,
// or the key errorMessage in any reply (§3.1).
func (e envelope) refused() error {
	if e.ErrorMessage == "" && (e.Success == nil || *e.Success) {
		return nil
	}
	why := "the server refused"
	if m := strings.TrimSpace(e.ErrorMessage); m != "" {
		why += ": " + m
	} else if m := strings.TrimSpace(e.Message); m != "" {
		why += ": " + m
	}
	return &backends.Error{Kind: backends.KindOther, Why: why}
}

// member reads one member of the envelope as it goes by.
func (e *envelope) member(name string, value []byte) error {
	var into any
	switch name {
	case "success":
		into = &e.Success
	case "message":
		into = &e.Message
	case "errorMessage":
		into = &e.ErrorMessage
	case "totalResults":
		into = &e.Total
	default:
		return nil
	}
	// A member of another type says nothing; the results decide.
	_ = json.Unmarshal(value, into)
	return nil
}

// get asks for one document and decodes it into a wire type; into may be nil.
// collection paths (no id) that answer 404 or 410 are reported as switched off.
func (d *Driver) get(ctx context.Context, what string, r route, path string, q url.Values, into any) (*client.Reply, error) {
	if _, _, err := d.keyFor(ctx, r); err != nil {
		return nil, backends.FromClient(what, err)
	}
	reply, err := d.client.Do(ctx, client.Call{Path: apiBase + path, Query: q})
	if err != nil {
		return nil, d.explain(ctx, what, r, isCollection(path), err)
	}
	if len(bytes.TrimSpace(reply.Body)) == 0 {
		if reply.Status == http.StatusNoContent {
			return reply, nil
		}
		return nil, backends.Malformed(what, "the answer is empty")
	}
	var env envelope
	if err := decodeEnvelope(reply.Body, &env); err != nil {
		return nil, backends.Malformed(what, err.Error())
	}
	if err := env.refused(); err != nil {
		return nil, backends.FromClient(what, err)
	}
	if into != nil {
		if err := decode(reply.Body, into); err != nil {
			return nil, backends.Malformed(what, "the answer is not the JSON it should be: "+err.Error())
		}
	}
	return reply, nil
}

func decodeEnvelope(body []byte, env *envelope) error {
	trimmed := bytes.TrimSpace(body)
	if trimmed[0] != '{' {
		return errors.New("the answer is not a JSON object")
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(trimmed, &members); err != nil {
		return fmt.Errorf("the answer is not JSON: %w", err)
	}
	for name, value := range members {
		_ = env.member(name, value)
	}
	return nil
}

// isCollection tells /event from /event/{id}.
func isCollection(path string) bool { return !strings.Contains(strings.TrimPrefix(path, "/"), "/") }

// explain turns an error of the transport into one that says what this API
// means by it.
func (d *Driver) explain(ctx context.Context, what string, r route, collection bool, err error) error {
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
		c.Why = fmt.Sprintf("%s: the %s was refused", status.Error(), cmpOr(used, "key"))
		c.Hint = fmt.Sprintf("%s need a key of type %s (secret %s), as SECRET/ID", r.noun, typesOf(r), strings.Join(r.keys, " or "))
	case http.StatusNotFound, http.StatusGone:
		if !collection {
			if m := saidBy(status.Body); m != "" {
				c.Why += ": " + m
			}
			break
		}
		c.Kind = backends.KindUnsupported
		c.Why = fmt.Sprintf("this server no longer serves v3 %s (%d)", r.noun, status.Code)
		c.Hint = "API v3 was switched off step by step until 2024; check the url, or use a gateway that still speaks v3"
	default:
		var env envelope
		if json.Unmarshal(status.Body, &env) == nil {
			if m := strings.TrimSpace(cmpOr(env.Message, env.ErrorMessage)); m != "" {
				c.Why += ": " + m
			}
		}
	}
	return &c
}

// saidBy is what the body of a 404 says: JSON, or for live response a plain
// line that begins with Sensor or Session (§3.1).
func saidBy(body []byte) string {
	var env envelope
	if json.Unmarshal(body, &env) == nil {
		return strings.TrimSpace(cmpOr(env.Message, env.ErrorMessage))
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
	if strings.HasPrefix(line, "Sensor") || strings.HasPrefix(line, "Session") {
		return line
	}
	return ""
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func typesOf(r route) string {
	var out []string
	for _, k := range r.keys {
		out = append(out, keyTypes[k])
	}
	return strings.Join(out, " or ")
}

// one asks for a single row.
func one() url.Values { return url.Values{"start": {"1"}, "rows": {"1"}} }

const wireTime = "2006-01-02T15:04:05.000Z"

// setWindow puts startTime and endTime on a query, both always, RFC 3339 in
// UTC with milliseconds; never with searchWindow (§3).
func setWindow(q url.Values, from, to int64) {
	q.Set("startTime", time.UnixMilli(from).UTC().Format(wireTime))
	q.Set("endTime", time.UnixMilli(to).UTC().Format(wireTime))
}

// page is what one request of a list gave.
type page struct {
	envelope
	received int
	null     bool // results was null, not []
}

// list streams one page: each element of results as its JSON, valid until the
// next step. info is complete when the sequence has ended.
func (d *Driver) list(ctx context.Context, what string, r route, path string, q url.Values, start, rows int, info *page) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		*info = page{}
		if _, _, err := d.keyFor(ctx, r); err != nil {
			yield(nil, backends.FromClient(what, err))
			return
		}
		query := cloneQuery(q)
		query.Set("start", strconv.Itoa(start)) // one-based
		query.Set("rows", strconv.Itoa(rows))
		stream, err := d.client.Open(ctx, client.Call{Path: apiBase + path, Query: query})
		if err != nil {
			yield(nil, d.explain(ctx, what, r, true, err))
			return
		}
		defer stream.Body.Close()
		if stream.Status == http.StatusNoContent {
			return
		}
		head := &headKeeper{r: stream.Body}
		for element, err := range client.Array(head, "results", info.member) {
			if err != nil {
				// A refusal may come without results at all.
				if refused := info.refused(); refused != nil {
					err = refused
				}
				yield(nil, d.explain(ctx, what, r, true, err))
				return
			}
			info.received++
			if !yield(element, nil) {
				return
			}
		}
		if err := info.refused(); err != nil {
			yield(nil, backends.FromClient(what, err))
			return
		}
		info.null = info.received == 0 && head.resultsNull()
	}
}

func cloneQuery(q url.Values) url.Values {
	out := make(url.Values, len(q)+2)
	for k, v := range q {
		out[k] = slices.Clone(v)
	}
	return out
}

// headKeeper keeps the first bytes of a body: a page without elements is
// short, and whether its results were null or [] decides what it means.
type headKeeper struct {
	r    io.Reader
	kept []byte
}

func (h *headKeeper) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	if room := 8<<10 - len(h.kept); room > 0 {
		h.kept = append(h.kept, p[:min(n, room)]...)
	}
	return n, err
}

func (h *headKeeper) resultsNull() bool {
	var doc struct {
		Results json.RawMessage `json:"results"`
	}
	if json.Unmarshal(h.kept, &doc) != nil {
		return true // cannot be told: take the reading that looks further
	}
	return len(doc.Results) == 0 || string(doc.Results) == "null"
}
