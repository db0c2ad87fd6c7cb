package change_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/change"
	"github.com/edrctl/edrctl/internal/model"
)

// A 200 is not the effect: what the server only accepted is done when a look
// shows it, and ambiguous when none does. The journal says which it was.
func TestDoneIsWhatWasSeen(t *testing.T) {
	for fault, want := range map[string]struct {
		state model.ActionState
		shown string
	}{
		"200":                {model.ActionDone, "a look at the backend found it: done"},
		"200 without effect": {model.ActionAmbiguous, "no trace"},
	} {
		d := newActing(1)
		d.fault["h0"] = fault
		a := actsOn(t, fleet(d))
		res := order(t, a, backends.Change{Verb: backends.VerbHostRemove}, hostsOf(1), change.Run{})
		act := res.All()[0]
		if act.State != want.state || (len(res.Succeeded) == 1) != (want.state == model.ActionDone) || d.sent["host.remove h0"] != 1 {
			t.Errorf("%s: %+v, sent %v", fault, act, d.sent)
		}
		list, err := a.Ledger.Entries()
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		if e := list[0]; e.State != want.state || !strings.Contains(e.Details["found_out"], want.shown) || e.Details["doubt"] == "" {
			t.Errorf("%s: the journal keeps %s %v", fault, e.State, e.Details)
		}
		verified(t, a)
	}
}

// What is followed is bounded by one wait, whoever follows: the driver is
// told when it ends, and what it used up is not waited for again.
func TestOneWaitForDriverAndPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newActing(1)
		d.fault["h0"] = "slow"
		d.before = func(c backends.Change) {
			if left := time.Until(c.Until); left != 10*time.Second {
				t.Errorf("the driver may wait %s", left)
			}
			time.Sleep(9 * time.Second)
		}
		a := actsOn(t, fleet(d))
		began := time.Now()
		res := order(t, a, backends.Change{Verb: backends.VerbKill, PID: 1}, hostsOf(1), change.Run{Wait: 10 * time.Second})
		if took := time.Since(began); took > 11*time.Second || len(res.Pending) != 1 {
			t.Errorf("it took %s: %+v", took, res)
		}
		d.before = func(c backends.Change) {
			if !c.Until.IsZero() {
				t.Error("a wait to the end has an end")
			}
		}
		delete(d.fault, "h0")
		if res := order(t, a, backends.Change{Verb: backends.VerbKill, PID: 2}, hostsOf(1), change.Run{Wait: -1}); len(res.Succeeded) != 1 {
			t.Errorf("%+v", res)
		}
	})
}
