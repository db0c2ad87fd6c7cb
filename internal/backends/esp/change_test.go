package esp_test

import (
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/conformance"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
)

// on gives a change on an online host of a platform, freshly read.
func on(platform string, c backends.Change) func(*testing.T, backends.Driver) backends.Change {
	return func(t *testing.T, d backends.Driver) backends.Change {
		t.Helper()
		l, err := d.(backends.HostLister).Hosts(t.Context(), backends.Query{})
		if err != nil {
			t.Fatal(err)
		}
		for h, err := range l.Seq {
			if err != nil {
				t.Fatal(err)
			}
			if h.OS != nil && h.OS.Platform == platform && h.Online != nil && *h.Online {
				fresh, err := d.(backends.HostGetter).Host(t.Context(), h.ID, false)
				if err != nil {
					t.Fatal(err)
				}
				c.Host = fresh
				return c
			}
		}
		t.Fatalf("no %s host is online", platform)
		return c
	}
}

// anAlert gives a change of the first alert with a status.
func anAlert(status model.Status, c backends.Change) func(*testing.T, backends.Driver) backends.Change {
	return func(t *testing.T, d backends.Driver) backends.Change {
		t.Helper()
		q := backends.Query{Since: time.Now().Add(-80 * time.Hour), Filter: filter.Filter{Status: []model.Status{status}}}
		l, err := d.(backends.AlertLister).Alerts(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for a, err := range l.Seq {
			if err != nil {
				t.Fatal(err)
			}
			if a.Status == status {
				c.AlertID = a.ID
				return c
			}
		}
		t.Fatalf("no alert is %s", status)
		return c
	}
}

// after applies one change and makes another of what it gave.
func after(first func(*testing.T, backends.Driver) backends.Change, then func(backends.Change, *model.Action) backends.Change) func(*testing.T, backends.Driver) backends.Change {
	return func(t *testing.T, d backends.Driver) backends.Change {
		t.Helper()
		c := first(t, d)
		a, err := d.(backends.Changer).Apply(t.Context(), c, nil)
		if err != nil {
			t.Fatal(err)
		}
		return then(c, a)
	}
}

func aCarve(t *testing.T, d backends.Driver) backends.Change {
	t.Helper()
	l, err := d.(backends.CarveLister).Carves(t.Context(), backends.Query{})
	if err != nil {
		t.Fatal(err)
	}
	for c, err := range l.Seq {
		if err != nil {
			t.Fatal(err)
		}
		return backends.Change{Verb: backends.VerbCarveDelete, CarveID: c.ID}
	}
	t.Fatal("there is no carve")
	return backends.Change{}
}

var aScript = &backends.Script{Name: "look.ps1", Content: []byte("Get-Process\n")}

// changeCases try every verb.
var changeCases = []conformance.ChangeCase{
	{Name: "alert.close", Make: anAlert(model.StatusOpen, backends.Change{Verb: backends.VerbAlertClose, Verdict: model.VerdictTruePositive, Comment: "IR-1, seen & done"})},
	{Name: "alert.reopen", Make: anAlert(model.StatusClosed, backends.Change{Verb: backends.VerbAlertReopen})},
	{Name: "host.tag", Make: on("windows", backends.Change{Verb: backends.VerbHostTag, Tags: []string{"case 17"}})},
	{Name: "host.tag with two", Make: on("linux", backends.Change{Verb: backends.VerbHostTag, Tags: []string{"a", "b,c"}})},
	{Name: "host.untag", Make: after(on("windows", backends.Change{Verb: backends.VerbHostTag, Tags: []string{"gone"}}), func(c backends.Change, _ *model.Action) backends.Change {
		c.Verb = backends.VerbHostUntag
		return c
	})},
	{Name: "host.remove", Make: on("linux", backends.Change{Verb: backends.VerbHostRemove})},
	{Name: "host.enable", Make: after(on("linux", backends.Change{Verb: backends.VerbHostRemove}), func(c backends.Change, _ *model.Action) backends.Change {
		c.Verb = backends.VerbHostEnable
		return c
	})},
	{Name: "host.delete", Make: on("linux", backends.Change{Verb: backends.VerbHostDelete})},
	{Name: "carve", Make: on("windows", backends.Change{Verb: backends.VerbCarve, Path: `C:\Windows\win.ini`})},
	{Name: "carve.delete", Make: aCarve},
	{Name: "kill", Make: on("windows", backends.Change{Verb: backends.VerbKill, PID: 999999, Path: `C:\evil.exe`})},
	{Name: "delete-file", Make: on("windows", backends.Change{Verb: backends.VerbDeleteFile, Path: `C:\evil.exe`})},
	{Name: "isolate", Make: on("windows", backends.Change{Verb: backends.VerbIsolate})},
	{Name: "release", Make: on("windows", backends.Change{Verb: backends.VerbRelease})},
	{Name: "block", Make: on("windows", backends.Change{Verb: backends.VerbBlock, Address: "192.0.2.7", Port: 443})},
	{Name: "unblock", Make: on("windows", backends.Change{Verb: backends.VerbUnblock, Program: `C:\evil.exe`})},
	{Name: "run", Make: on("linux", backends.Change{Verb: backends.VerbRun, Command: []string{"echo", "it's", "$HOME"}, Timeout: 300 * time.Millisecond})},
	{Name: "script", Make: on("windows", backends.Change{Verb: backends.VerbScript, Script: aScript})},
	{Name: "scan", Make: on("windows", backends.Change{Verb: backends.VerbScan, Scan: "custom", Path: `C:\Users`})},
	{Name: "restart-agent", Make: on("linux", backends.Change{Verb: backends.VerbRestartAgent})},
	{Name: "cancel", Make: after(on("windows", backends.Change{Verb: backends.VerbScan, Scan: "full"}), func(_ backends.Change, a *model.Action) backends.Change {
		return backends.Change{Verb: backends.VerbCancel, ActionID: a.ID}
	})},
	{Name: "action.delete", Make: after(on("windows", backends.Change{Verb: backends.VerbScan, Scan: "quick"}), func(_ backends.Change, a *model.Action) backends.Change {
		return backends.Change{Verb: backends.VerbActionDelete, ActionID: a.Details["openc2_id"]}
	})},
}

func TestConformanceChange(t *testing.T) { conformance.RunChange(t, harness, changeCases) }
