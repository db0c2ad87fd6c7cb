package gene

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

// writable refuses what cannot arrive as it was meant.
func writable(what string, words ...string) error {
	for _, w := range words {
		if !utf8.ValidString(w) {
			return backends.Invalid(what, strconv.Quote(w)+" is not UTF-8: it would arrive changed")
		}
		if strings.ContainsRune(w, 0) {
			return backends.Invalid(what, strconv.Quote(w)+" holds a NUL, which no command line can")
		}
	}
	return nil
}

// slot reads the endpoint's command; nil when there is none. sink is told of
// each fetched file and gives where its content goes; nil, or a nil writer:
// only its size and hash are taken. The answer is streamed, as it holds every
// file whole.
//
// It is a plain GET: wait=true would leave the manager polling for ever for
// an agent that does not come back (docs/wire/gene.md 5, trap 18).
func (d *Driver) slot(ctx context.Context, uuid string, sink func(command, path string) io.Writer) (*wire.Command, error) {
	if !wire.IsUUID(uuid) {
		return nil, backends.NotFound("endpoint", uuid)
	}
	st, err := d.c.Open(ctx, client.Call{Path: wire.CommandPath(uuid)})
	if err != nil {
		return nil, err
	}
	defer func() { _ = st.Body.Close() }() // what matters was read or is an error
	return wire.ReadCommand(st.Body, sink)
}

// confirm reads an endpoint before something is sent to it: it must be in
// the list, which is the truth, and the look-up by UUID must answer for it
// and no other (traps 1 and 2). Any difference is an error, and nothing may
// be sent. showkey is always set, as beta.2 forgets the key without it
// (trap 3); the key is masked.
func (d *Driver) confirm(ctx context.Context, what string, h *model.Host) (endpoint, error) {
	if h == nil || h.ID == "" {
		return endpoint{}, backends.Invalid(what, "no endpoint is named")
	}
	list, err := d.endpoints(ctx, false)
	if err != nil {
		return endpoint{}, d.fail(what, err)
	}
	i := slices.IndexFunc(list, func(ep endpoint) bool { return ep.UUID == h.ID })
	if i < 0 {
		e := backends.NotFound("endpoint", h.ID)
		e.Hint = "the manager does not list it; nothing was sent"
		return endpoint{}, e
	}
	listed := list[i]
	if h.Name != "" && listed.Hostname != "" && !strings.EqualFold(h.Name, listed.Hostname) && !strings.EqualFold(h.Name, h.ID) {
		return endpoint{}, &backends.Error{
			What: what + ": nothing was sent", Why: fmt.Sprintf("endpoint %s was %s and is %s now", h.ID, h.Name, listed.Hostname),
			Hint: "look at the list again: edrctl hosts list",
		}
	}
	var doc json.RawMessage
	err = d.alone(ctx, func() error {
		_, err := d.get(ctx, "/endpoints/"+listed.UUID, url.Values{"showkey": {"true"}}, &doc)
		return err
	})
	var one endpoint
	switch {
	case ctx.Err() != nil:
		return endpoint{}, ctx.Err()
	case isAnswer(err):
		return endpoint{}, d.wrongIndex(what, listed, endpoint{})
	case isCut(err):
		e := d.wrongIndex(what, listed, endpoint{})
		e.Kind, e.Err = backends.KindUnavailable, err
		e.Why = "the manager lists it, but gives no answer when asked for it: the connection is bad, or its index is wrong since an endpoint was deleted"
		return endpoint{}, e
	case err != nil:
		return endpoint{}, d.fail(what, err)
	case doc == nil:
		return endpoint{}, d.wrongIndex(what, listed, endpoint{})
	}
	if err := json.Unmarshal(doc, &one); err != nil {
		return endpoint{}, d.fail(what, backends.Malformed("", "the endpoint is not of the promised shape"))
	}
	d.take(&one, doc, false)
	if one.UUID != listed.UUID {
		return endpoint{}, d.wrongIndex(what, listed, one)
	}
	return one, nil
}

// nameOf is an endpoint for people.
func nameOf(ep endpoint) string {
	switch {
	case ep.UUID == "":
		return "nobody"
	case ep.Hostname == "":
		return ep.UUID
	}
	return ep.Hostname + " (" + ep.UUID + ")"
}

const restartHint = "restart the manager before anything is sent: until then what is meant for one endpoint reaches another"

// wrongIndex is the alarm of trap 1 before anything was sent.
func (d *Driver) wrongIndex(what string, asked, got endpoint) *backends.Error {
	return &backends.Error{
		What: what + ": nothing was sent",
		Why:  fmt.Sprintf("asked for %s the manager answers for %s: its index is wrong since an endpoint was deleted", nameOf(asked), nameOf(got)),
		Hint: restartHint,
	}
}

// misdirected is the alarm after something was sent: the answer is of another
// endpoint than the one asked for.
func misdirected(what, did string, asked, got endpoint) *backends.Error {
	e := &backends.Error{
		What: what + ": THE MANAGER ACTED ON ANOTHER ENDPOINT",
		Why:  fmt.Sprintf("it was sent for %s, and the manager took it for %s: %s. Nothing more was sent", nameOf(asked), nameOf(got), did),
		Hint: "look at " + nameOf(got) + " at once; " + restartHint,
	}
	if got.UUID == "" {
		e.Hint = "the manager took it for an endpoint that does not exist: " + restartHint
	}
	return e
}

// act sends one changing request, once, and gives the data of its answer. An
// answer that cannot be read leaves open what became of it.
func (d *Driver) act(ctx context.Context, what string, call client.Call) (json.RawMessage, error) {
	reply, err := d.c.Do(ctx, call)
	if err != nil {
		return nil, d.fail(what, err)
	}
	raw, err := wire.DecodeEnvelope(reply.Body)
	if err != nil && !isAnswer(err) {
		return nil, unclear(what, err.Error())
	}
	return raw, d.fail(what, err)
}

// unclear is an action whose answer was lost or is unreadable.
func unclear(what, why string) error {
	return &backends.Error{Kind: backends.KindAmbiguous, What: what, Why: why + ": the request may have been carried out"}
}

// answered is the endpoint in the answer to a change.
type answered struct {
	endpoint
	Posted *wire.Command `json:"command"`
}

// actOn sends a change of one endpoint and compares who answered.
func (d *Driver) actOn(ctx context.Context, what, did string, ep endpoint, call client.Call) (answered, error) {
	raw, err := d.act(ctx, what, call)
	if err != nil {
		return answered{}, err
	}
	var got answered
	if len(raw) == 0 || string(raw) == "null" || json.Unmarshal(raw, &got) != nil {
		return got, unclear(what, "the answer holds no endpoint")
	}
	d.take(&got.endpoint, raw, false)
	if got.UUID != ep.UUID {
		err := misdirected(what, did, ep, got.endpoint)
		d.warn(err.Error())
		return got, err
	}
	return got, nil
}

func postCommand(uuid string, body wire.CommandRequest) client.Call {
	return client.Call{Method: http.MethodPost, Path: wire.CommandPath(uuid), JSON: body}
}
