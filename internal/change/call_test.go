package change_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/audit"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/change"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
)

// apiDriver is a driver of calls: it keeps what it was asked.
type apiDriver struct {
	backends.Driver
	sent []string
}

func (d *apiDriver) Backend() string { return "fake" }
func (d *apiDriver) Close() error    { return nil }
func (d *apiDriver) Verbs() []backends.VerbSpec {
	return []backends.VerbSpec{{Verb: backends.VerbCall}}
}
func (d *apiDriver) Preview(_ context.Context, c backends.Change) (backends.Preview, error) {
	return backends.Preview{Requests: []string{"POST " + c.Call.Op.Path}, Summary: "does it"}, nil
}

func (d *apiDriver) Apply(_ context.Context, c backends.Change, _ func(*model.Action)) (*model.Action, error) {
	d.sent = append(d.sent, c.Call.Label()+" "+backends.Text(c.Call.Args["n"]))
	return &model.Action{State: model.ActionDone, Answer: json.RawMessage(`{"ok":true}`)}, nil
}

type callJournal struct{ records []audit.Record }

func (j *callJournal) Append(r audit.Record) error { j.records = append(j.records, r); return nil }

func source(name string, d backends.Driver) *ops.Source {
	return ops.NewSource(name, "fake", false, func() (backends.Driver, error) { return d, nil })
}

var changingOp = backends.Operation{Name: "things.set", Method: "POST", Path: "/things/{n}", Mutates: true, Danger: "all of them", Params: []backends.Param{
	{Name: "n", In: "path", Type: "int", Required: true}, {Name: "password", In: "body", Type: "string", Secret: true},
}}

// A changing call is journaled without its secrets, sent once and in order,
// and its answer comes back.
func TestChangingCalls(t *testing.T) {
	d, j := &apiDriver{}, &callJournal{}
	s := source("lab", d)
	acts := &change.Actor{Fleet: &ops.Fleet{Sources: []*ops.Source{s}}, Journal: j}
	var items []change.Item
	for _, n := range []string{"1", "2", "3"} {
		items = append(items, change.CallItem(s, backends.Call{Op: changingOp, Args: map[string]any{"n": n, "password": "s3cr3t-s3cr3t"}}))
	}
	plan := acts.Plan(t.Context(), items)
	if warning, word := plan.Danger(); warning != "all of them" || word != "things.set" {
		t.Errorf("danger %q %q", warning, word)
	}
	if err := plan.Approve(0); err != nil {
		t.Fatal(err)
	}
	res := acts.Execute(t.Context(), plan, change.Run{})
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
