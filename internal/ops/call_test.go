package ops_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/audit"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
)

// apiDriver is a driver of calls: it keeps what it was asked.
type apiDriver struct {
	backends.Driver
	items []string
	fails error
	sent  []string
}

func (d *apiDriver) Backend() string { return "fake" }
func (d *apiDriver) Close() error    { return nil }
func (d *apiDriver) Call(_ context.Context, c backends.Call) (*backends.Answer, error) {
	d.sent = append(d.sent, c.Label())
	return &backends.Answer{Body: io.NopCloser(strings.NewReader("{}"))}, d.fails
}

func (d *apiDriver) Items(_ context.Context, _ backends.Call) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		for _, s := range d.items {
			if !yield(json.RawMessage(s), nil) {
				return
			}
		}
		if d.fails != nil {
			yield(nil, d.fails)
		}
	}
}
func (d *apiDriver) Verbs() []backends.VerbSpec {
	return []backends.VerbSpec{{Verb: backends.VerbCall}}
}
func (d *apiDriver) Preview(_ context.Context, c backends.Change) (backends.Preview, error) {
	return backends.Preview{Requests: []string{"POST " + c.Call.Op.Path}, Summary: "does it"}, nil
}

func (d *apiDriver) Apply(_ context.Context, c backends.Change, _ func(*model.Action)) (*model.Action, error) {
	d.sent = append(d.sent, c.Call.Label()+" "+backends.Text(c.Call.Args["n"]))
	return &model.Action{State: model.ActionDone, Answer: json.RawMessage(`{"ok":true}`)}, d.fails
}

type callJournal struct{ records []audit.Record }

func (j *callJournal) Append(r audit.Record) error { j.records = append(j.records, r); return nil }

func source(name string, d backends.Driver) *ops.Source {
	return ops.NewSource(name, "fake", false, func() (backends.Driver, error) { return d, nil })
}

var actingOp = backends.Operation{Name: "things.set", Method: "POST", Path: "/things/{n}", Mutates: true, Danger: "all of them", Params: []backends.Param{
	{Name: "n", In: "path", Type: "int", Required: true}, {Name: "password", In: "body", Type: "string", Secret: true},
}}

// A changing call is journaled without its secrets, sent once and in order,
// and its answer comes back.
func TestChangingCalls(t *testing.T) {
	d, j := &apiDriver{}, &callJournal{}
	s := source("lab", d)
	acts := &ops.Acts{Fleet: &ops.Fleet{Sources: []*ops.Source{s}}, Journal: j}
	var items []ops.Item
	for _, n := range []string{"1", "2", "3"} {
		items = append(items, ops.CallItem(s, backends.Call{Op: actingOp, Args: map[string]any{"n": n, "password": "s3cr3t-s3cr3t"}}))
	}
	plan := acts.Plan(t.Context(), items)
	if warning, word := plan.Danger(); warning != "all of them" || word != "things.set" {
		t.Errorf("danger %q %q", warning, word)
	}
	if err := plan.Approve(0); err != nil {
		t.Fatal(err)
	}
	res := acts.Execute(t.Context(), plan, ops.Run{})
	if len(res.Succeeded) != 3 || strings.Join(d.sent, ",") != "things.set 1,things.set 2,things.set 3" {
		t.Fatalf("%+v, sent %q", res, d.sent)
	}
	if string(res.Succeeded[0].Answer) != `{"ok":true}` || res.Succeeded[0].Target.Name != "things.set 1" {
		t.Errorf("%+v", res.Succeeded[0])
	}
	b, err := json.Marshal(j.records)
	if err != nil || strings.Contains(string(b), "s3cr3t-s3cr3t") || !strings.Contains(string(b), "things.set 2") {
		t.Errorf("the journal: %s %v", b, err)
	}
	if len(j.records) != 6 {
		t.Errorf("%d records, want an intent and an outcome each", len(j.records))
	}
}

// Reading calls are asked of every profile; one that fails leaves the others,
// and what changes something never goes this way.
func TestReadingCalls(t *testing.T) {
	good, bad := &apiDriver{items: []string{"1", "2"}}, &apiDriver{items: []string{"3"}, fails: errors.New("broken")}
	f := &ops.Fleet{Sources: []*ops.Source{source("a", good), source("b", bad), source("c", &apiDriver{})}}
	read := backends.Call{Op: backends.Operation{Name: "things.list", Method: "GET", Path: "/things"}}
	calls := f.Items(t.Context(), func(s *ops.Source) (backends.Call, error) {
		if s.Profile == "c" {
			return read, backends.Unsupported("fake", "cannot list things", "")
		}
		return read, nil
	})
	got := ""
	for r := range calls.Records() {
		got += r.Source.Profile + string(r.JSON) + " "
	}
	o := calls.Outcomes()
	if got != "a1 a2 b3 " || o[0].Err != nil || o[0].Count != 2 || o[1].Err == nil || backends.KindOf(o[2].Err) != backends.KindUnsupported {
		t.Errorf("%q %+v", got, o)
	}
	for range f.Items(t.Context(), func(*ops.Source) (backends.Call, error) { return read, nil }).Records() {
		break // nobody wants more: no goroutine is left, no error told
	}
	act := backends.Call{Op: actingOp, Args: map[string]any{"n": "1"}}
	if _, err := f.Sources[0].Call(t.Context(), act); err == nil || len(good.sent) > 0 {
		t.Errorf("a change was sent as a reading: %v %v", err, good.sent)
	}
	for _, err := range f.Sources[0].Items(t.Context(), act) {
		if err == nil {
			t.Error("a change was sent as a reading")
		}
	}
	if _, err := f.Sources[1].Call(t.Context(), read); err == nil || !strings.HasPrefix(err.Error(), "b: ") {
		t.Errorf("%v", err)
	}
}
