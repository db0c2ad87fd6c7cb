package change_test

import (
	"testing"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/change"
	"github.com/edrctl/edrctl/internal/model"
)

// inForce gives the references of what the journal takes to be in force.
func inForce(t *testing.T, a *change.Actor) (refs []string) {
	t.Helper()
	list, err := a.Ledger.InForce(false)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range list {
		refs = append(refs, x.Action)
	}
	return refs
}

// An isolate that found the host isolated is skipped, is not in force, and
// does not hide the one that knows how the host was before.
func TestWhatChangedNothingIsNotInForce(t *testing.T) {
	d := newActing(1)
	d.fault["h0"] = "sync"
	a := actsOn(t, fleet(d))
	first := order(t, a, backends.Change{Verb: backends.VerbIsolate}, hostsOf(1), change.Run{}).Succeeded[0]
	d.fault["h0"] = "changed meanwhile"
	if res := order(t, a, backends.Change{Verb: backends.VerbIsolate}, hostsOf(1), change.Run{}); len(res.Skipped) != 1 {
		t.Fatalf("%+v", res)
	}
	if refs := inForce(t, a); len(refs) != 1 || refs[0] != first.Ref {
		t.Errorf("in force: %v, want %s", refs, first.Ref)
	}
	d.fault["h0"] = "sync"
	var undo *model.Action
	d.before = func(c backends.Change) { undo = c.Undo }
	order(t, a, backends.Change{Verb: backends.VerbRelease}, hostsOf(1), change.Run{})
	if undo == nil || undo.Details["former_policy"] != "Servers" {
		t.Errorf("release takes back %+v", undo)
	}
	if refs := inForce(t, a); len(refs) != 0 {
		t.Errorf("in force after the release: %v", refs)
	}
}

// What somebody else took back leaves the list: when undoing finds nothing to
// undo, and when the product is asked; nothing is sent for it.
func TestInForceHeals(t *testing.T) {
	for name, heal := range map[string]func(*change.Actor) error{
		"release": func(a *change.Actor) error {
			order(t, a, backends.Change{Verb: backends.VerbRelease}, hostsOf(1), change.Run{})
			return nil
		},
		"check": func(a *change.Actor) error {
			return a.CheckInForce(t.Context(), false, func(err error) { t.Error(err) })
		},
	} {
		d := newActing(2)
		d.fault["h0"], d.fault["h1"] = "sync", "sync"
		a := actsOn(t, fleet(d))
		res := order(t, a, backends.Change{Verb: backends.VerbIsolate}, hostsOf(2), change.Run{})
		d.fault["h0"] = "already"
		if err := heal(a); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if refs := inForce(t, a); len(refs) != 1 || refs[0] != res.Succeeded[1].Ref || d.sent["release h0"]+d.sent["release h1"] != 0 {
			t.Errorf("%s: in force %v, sent %v", name, refs, d.sent)
		}
		e, err := a.Ledger.Get(res.Succeeded[0].Ref)
		if err != nil || e.State != model.ActionDone || e.Gone == "" {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
		if it := e.Reverse(a.Fleet.Sources[0], nil); it.Nothing == "" {
			t.Errorf("%s: it would be undone again", name)
		}
		verified(t, a)
	}
}
