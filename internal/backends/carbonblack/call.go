package carbonblack

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/catalog"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

// peeked is how much of an answer is looked at before it is passed on: a
// refusal that comes as 200 is short (§3.1).
const peeked = 256 << 10

// Call sends a call that only reads.
func (d *Driver) Call(ctx context.Context, c backends.Call) (*backends.Answer, error) {
	stream, err := d.openCall(ctx, c)
	if err != nil {
		return nil, err
	}
	a := backends.AnswerOf(stream)
	if c.Op.Returns == "binary" || stream.Status == http.StatusNoContent || c.Op.Method == http.MethodHead {
		return a, nil
	}
	head, err := io.ReadAll(io.LimitReader(stream.Body, peeked))
	if err == nil {
		err = judge(c, head, len(head) < peeked)
	}
	if err != nil {
		_ = stream.Body.Close() // the first error is the one to tell
		return nil, backends.FromClient("cannot call "+c.Label(), err)
	}
	a.Body = rejoined{io.MultiReader(bytes.NewReader(head), stream.Body), stream.Body}
	return a, nil
}

type rejoined struct {
	io.Reader
	io.Closer
}

// judge refuses what is not an answer of this API, and the failures it sends as
// success. whole: head is all there is.
func judge(c backends.Call, head []byte, whole bool) error {
	head = bytes.TrimSpace(head)
	switch {
	case len(head) == 0:
		return backends.Malformed("", "the answer is empty")
	case !whole:
		return nil
	case c.Op.Name == "" && head[0] != '{' && head[0] != '[':
		return nil // whatever it is
	case !json.Valid(head):
		return backends.Malformed("", "the answer is cut, or not the JSON it should be")
	case head[0] != '{':
		return nil
	}
	var env wire.Envelope
	if err := wire.DecodeEnvelope(head, &env); err != nil {
		return backends.Malformed("", err.Error())
	}
	return refused(&env)
}

func (d *Driver) openCall(ctx context.Context, c backends.Call) (*client.Stream, error) {
	what := "cannot call " + c.Label()
	if c.Op.Mutates {
		return nil, backends.Invalid(what, "it changes something")
	}
	call, err := backends.Build(c)
	if err != nil {
		return nil, err
	}
	r := catalog.RouteOf(call.Path)
	if _, _, err := d.keyFor(ctx, r); err != nil {
		return nil, backends.FromClient(what, err)
	}
	call.Raw = c.Op.Returns == "binary"
	stream, err := d.client.Open(ctx, call)
	if err != nil {
		return nil, d.explain(ctx, what, r, c.Op.Name != "" && isCollection(strings.TrimPrefix(call.Path, catalog.Base)), err)
	}
	return stream, nil
}

// Items gives the records of a reading call. Lists are paged by start and
// rows, counted from 1, advancing by what was received (§3).
func (d *Driver) Items(ctx context.Context, c backends.Call) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		what := "cannot call " + c.Label()
		if c.Op.Paging != "one-based" {
			a, err := d.Call(ctx, c)
			if err != nil {
				yield(nil, err)
				return
			}
			defer a.Body.Close()
			at, ok := catalog.RecordsAt[c.Op.Name]
			if !ok {
				at = "-"
			}
			for item, err := range backends.Records(a.Body, at, nil) {
				if err != nil {
					yield(nil, backends.FromClient(what, err))
					return
				}
				if !yield(item, nil) {
					return
				}
			}
			return
		}
		call, err := backends.Build(c)
		if err != nil {
			yield(nil, err)
			return
		}
		rows, start := catalog.PageRows[c.Op.Name], 1
		if n, err := strconv.Atoi(call.Query.Get("rows")); err == nil && n > 0 {
			rows = n
		}
		if n, err := strconv.Atoi(call.Query.Get("start")); err == nil && n > 0 {
			start = n
		}
		r, path := catalog.RouteOf(call.Path), strings.TrimPrefix(call.Path, catalog.Base)
		for got := start - 1; ; {
			var info page
			for element, err := range d.list(ctx, what, r, path, call.Query, got+1, rows, &info) {
				if err != nil {
					yield(nil, err)
					return
				}
				if !yield(json.RawMessage(element), nil) {
					return
				}
			}
			got += info.received
			switch {
			case info.received == 0 && int64(got) < info.Total && got >= resultCeiling:
				yield(nil, &backends.Error{
					Kind: backends.KindPartial, What: what, Why: fmt.Sprintf("the server gives no more than %d records of one search, and has %d", got, info.Total),
					Hint: "narrow the search by startTime and endTime",
				})
				return
			case info.received == 0, int64(got) >= info.Total:
				return
			}
		}
	}
}

// planCall makes a changing call ready: completed, held to what the server
// has, by reading only.
func (d *Driver) planCall(ctx context.Context, c backends.Call) (backends.Call, backends.Preview, error) {
	var pv backends.Preview
	what := "cannot call " + c.Label()
	if _, err := backends.Build(c); err != nil {
		return c, pv, err
	}
	c, err := catalog.Complete(c)
	if err != nil {
		return c, pv, err
	}
	call, err := backends.Build(c)
	if err != nil {
		return c, pv, err
	}
	if _, _, err := d.keyFor(ctx, catalog.RouteOf(call.Path)); err != nil {
		return c, pv, backends.FromClient(what, err)
	}
	pv.Summary = strings.ToLower(c.Op.Summary[:1]) + c.Op.Summary[1:]
	if why := c.Danger(); why != "" {
		pv.Warnings = append(pv.Warnings, why)
	}
	switch c.Op.Name {
	case "devices.policy":
		err = d.planAssign(ctx, what, c, &pv)
	case "policies.replace", "policies.delete":
		c, err = d.planPolicy(ctx, what, c, &pv)
	}
	return c, pv, err
}

// planAssign looks at a device and its policies before it is moved.
func (d *Driver) planAssign(ctx context.Context, what string, c backends.Call, pv *backends.Preview) error {
	if c.Body != nil {
		return nil
	}
	dev, _, err := d.deviceInfo(ctx, what, backends.Text(c.Args["deviceId"]))
	if err != nil {
		return err
	}
	all, err := d.policies(ctx, what)
	if err != nil {
		return err
	}
	want := backends.Text(c.Args["policyId"])
	if want == "" {
		want = backends.Text(c.Args["policyName"])
	}
	to, err := findPolicy(what, all, want)
	if err != nil {
		return err
	}
	pv.Summary = fmt.Sprintf("moves %s from policy %q to %q", cmp.Or(string(dev.Name), "the device"), cmp.Or(string(dev.PolicyName), string(dev.PolicyID)), string(to.Name))
	if wire.Number(to.ID) == string(dev.PolicyID) {
		pv.Nothing = fmt.Sprintf("it is in policy %q already", string(to.Name))
	}
	if v, _ := to.Setting("QUARANTINE_DEVICE"); strings.EqualFold(v, "true") {
		pv.Warnings = append(pv.Warnings, fmt.Sprintf("policy %q quarantines: the device will be isolated", string(to.Name)))
	}
	return nil
}

// planPolicy names the policy that is replaced or deleted, and completes a
// replacement with what it does not mention: PUT resets what is left out.
func (d *Driver) planPolicy(ctx context.Context, what string, c backends.Call, pv *backends.Preview) (backends.Call, error) {
	id := backends.Text(c.Args["policyId"])
	var doc struct {
		PolicyInfo map[string]json.RawMessage `json:"policyInfo"`
	}
	if _, err := d.get(ctx, what, catalog.RoutePolicy, "/policy/"+id, nil, &doc); err != nil {
		return c, err
	}
	var name string
	_ = json.Unmarshal(doc.PolicyInfo["name"], &name)
	devices, err := d.devicesIn(ctx, what, id)
	if err != nil {
		return c, err
	}
	if c.Op.Name == "policies.delete" {
		pv.Summary = fmt.Sprintf("deletes the policy %q, which %d devices have", name, devices)
		return c, nil
	}
	pv.Summary = fmt.Sprintf("replaces the policy %q, which %d devices have", name, devices)
	if c.Body != nil {
		return c, nil
	}
	info, _ := c.Args["policyInfo"].(map[string]any)
	var kept []string
	for _, member := range []string{"name", "description", "priorityLevel", "policy"} {
		if _, given := info[member]; given || doc.PolicyInfo[member] == nil {
			continue
		}
		var v any
		dec := json.NewDecoder(bytes.NewReader(doc.PolicyInfo[member]))
		dec.UseNumber()
		if err := dec.Decode(&v); err != nil {
			return c, backends.Malformed(what, "the policy that is there cannot be read")
		}
		info[member] = v
		kept = append(kept, member)
	}
	if len(kept) > 0 {
		pv.Summary += "; kept as they are: " + strings.Join(kept, ", ")
	}
	return c, nil
}

// devicesIn counts the devices of a policy.
func (d *Driver) devicesIn(ctx context.Context, what, policy string) (int, error) {
	n := 0
	op, _ := backends.OperationNamed(catalog.Operations(), "devices.list")
	for item, err := range d.Items(ctx, backends.Call{Op: op}) {
		if err != nil {
			return 0, backends.FromClient(what, err)
		}
		var dev wire.Device
		if wire.Decode(item, &dev) == nil && string(dev.PolicyID) == policy {
			n++
		}
	}
	return n, nil
}

func (d *Driver) previewCall(ctx context.Context, c backends.Change) (backends.Preview, error) {
	ready, pv, err := d.planCall(ctx, *c.Call)
	if err != nil {
		return pv, err
	}
	call, err := backends.Build(ready.Masked())
	if err != nil {
		return pv, err
	}
	pv.Requests = []string{d.client.Describe(call)}
	return pv, nil
}

// applyCall sends a changing call, once.
func (d *Driver) applyCall(ctx context.Context, c backends.Change, update func(*model.Action)) (*model.Action, error) {
	ready, _, err := d.planCall(ctx, *c.Call)
	if err != nil {
		return nil, err
	}
	c.Call = &ready
	what := "cannot call " + ready.Label()
	return backends.ApplyCall(ctx, c, d.opt.Clock, update, func(ctx context.Context, call client.Call) (*client.Reply, error) {
		reply, err := d.client.Do(ctx, call)
		if err != nil {
			return nil, d.explain(ctx, what, catalog.RouteOf(call.Path), false, err)
		}
		doubt := func(why string) error {
			return &backends.Error{Kind: backends.KindAmbiguous, Why: why + ": the request may have been carried out"}
		}
		body := bytes.TrimSpace(reply.Body)
		switch {
		case len(body) == 0:
			return reply, nil
		case body[0] == '[':
			return reply, nil
		}
		var env wire.Envelope
		if err := wire.DecodeEnvelope(body, &env); err != nil {
			if ready.Op.Name == "" && body[0] != '<' {
				return reply, nil
			}
			return nil, doubt(err.Error())
		}
		return reply, refused(&env)
	})
}

// findCall looks up, by reading, what became of a call whose answer was lost.
func (d *Driver) findCall(ctx context.Context, c backends.Change, _ time.Time) (*model.Action, error) {
	if c.Call.Op.Name != "devices.policy" || c.Call.Body != nil {
		return nil, backends.Unsupported(product, "cannot look up what became of "+c.Call.Label(), "read back what it was to change before sending it again")
	}
	const what = "cannot look the change up"
	dev, _, err := d.deviceInfo(ctx, what, backends.Text(c.Call.Args["deviceId"]))
	if err != nil {
		return nil, err
	}
	id, name := backends.Text(c.Call.Args["policyId"]), backends.Text(c.Call.Args["policyName"])
	if string(dev.PolicyID) != id && (name == "" || !strings.EqualFold(string(dev.PolicyName), name)) {
		return nil, nil
	}
	return &model.Action{Verb: backends.VerbCall, State: model.ActionDone, NativeState: "policy " + string(dev.PolicyName), Details: map[string]string{}}, nil
}

var _ backends.Caller = (*Driver)(nil)
