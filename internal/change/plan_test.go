package change_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/change"
)

// A plan that was written to a file must be approved again, and does then what
// it would have done.
func TestAPlanSurvivesAFile(t *testing.T) {
	d := newActing(2)
	a := actsOn(t, fleet(d))
	items, err := change.HostItems(t.Context(), a.Fleet, append(hostsOf(2), "nobody"), backends.Change{Verb: backends.VerbIsolate})
	if err != nil {
		t.Fatal(err)
	}
	made := a.Plan(t.Context(), items)
	if err := made.Approve(0); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(made)
	if err != nil {
		t.Fatal(err)
	}
	var p change.Plan
	if err := json.Unmarshal(b, &p); err != nil {
		t.Fatal(err)
	}
	if again, err := json.Marshal(&p); err != nil || string(again) != string(b) {
		t.Errorf("%v\n%s\n%s", err, b, again)
	}
	if res := a.Execute(t.Context(), &p, change.Run{}); len(res.Failed) != 3 || len(d.sent) != 0 {
		t.Fatalf("not approved: %+v, sent %v", res, d.sent)
	}
	if err := p.Approve(0); err != nil {
		t.Fatal(err)
	}
	res := a.Execute(t.Context(), &p, change.Run{Wait: -1})
	if len(res.Succeeded) != 2 || len(res.Failed) != 1 || d.sent["isolate h0"] != 1 || d.sent["isolate h1"] != 1 || res.Verb != backends.VerbIsolate {
		t.Errorf("%+v, sent %v", res, d.sent)
	}
	if res.Failed[0].Error == "" || p.Steps[0].Action != made.Steps[0].Action || p.Typed() != made.Typed() {
		t.Errorf("%+v, typed %q", res.Failed[0], p.Typed())
	}
}

// The file to upload is not a part of a written plan, so such a plan is refused.
func TestAPlanWithAFileToUploadIsNotWritten(t *testing.T) {
	s := source("lab", &apiDriver{})
	c := backends.Call{Op: changingOp, Args: map[string]any{"file": backends.File{Name: "x", Content: []byte("y")}}}
	_, err := json.Marshal(&change.Plan{Steps: []*change.Step{{Item: change.CallItem(s, c)}}})
	if err == nil || !strings.Contains(err.Error(), "file") {
		t.Errorf("%v", err)
	}
}
