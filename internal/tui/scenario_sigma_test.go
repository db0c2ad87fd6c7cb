package tui_test

import (
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/tui"
	"github.com/edrctl/edrctl/internal/tui/tuitest"
)

// sigma opens the form and sends it.
func sigma(d *tuitest.Driver, path string) *tuitest.Driver {
	d.Press("S").See("hunt with Sigma rules", "of the last 24 h", "● medium+")
	return d.Type(path).Pass(second).Press("up", "enter")
}

// Hits of a hunt with Sigma rules: a row for each rule and host, the worst
// first, with the details of the selected one; enter, t and e lead on from it.
func TestSigmaHits(t *testing.T) {
	d, f := start(t, 120, 40)
	sigma(d, "testdata/sigma/rules")
	d.See("3 hits", "CRIT", "HIGH", "MED", "Access to LSASS", "Encoded PowerShell", "T1003.001", "FIN-WS-014", "all hosts")
	d.See("matched   selection", "4 rules on 6 events, evaluated", "1 refused", "1 can never match here")
	d.See(`Connection to port 443 ␛[2J`) // hostile titles are escaped; the driver checks every frame
	d.Press("j").See("matched   program, encoded", "Scripts are encoded to get past", "T1059.001 PowerShell", "author    edrctl", "ge/e6")
	d.Press("enter").See("events of Encoded PowerShell", "process_start").Press("esc")
	d.Press("l").See("0d9bb6a1-5f0c-4b8e-9d7c-2a4e1f6c7d01 test").Press("esc")
	d.Press("/").Type("severity>=high").Press("enter").See("HIGH").Miss("Connection").Press("esc").See("Connection")
	d.Press("/").Type("lsass").Press("enter").Miss("Encoded").Press("esc")
	d.Press(">", "R").See("3 hits")
	d.Press("C")
	if !strings.HasPrefix(d.Copied, "edrctl hunt sigma testdata/sigma/rules --level-min medium --since 2026-11-21T03:00:00Z") {
		t.Fatalf("copied %q", d.Copied)
	}
	if got := strings.Join(f.Asked, "\n"); !strings.Contains(got, "rules testdata/sigma/rules medium\nsigma \nevents of ge/e6") {
		t.Fatal(got)
	}
	d.Press("t")
	if f.Count("tree ge/") != 1 {
		t.Fatal(f.Asked)
	}
}

// The form reports what cannot be hunted with, and keeps what was typed.
func TestSigmaFormSaysWhy(t *testing.T) {
	d, _ := start(t, 120, 40)
	d.Press("S").Pass(second).Press("up", "enter").See("say where the rules are").Press("esc").Miss("Sigma")
	sigma(d, "/no/such").See("/no/such: no such file or folder", "rules        /no/such").Press("esc")
	sigma(d, "testdata/sigma/broken").See("no rule could be loaded, 1 were refused", "broken.yml").Press("esc")
	d.Press("S").Type("testdata/sigma/rules/powershell.yml").Press("tab", "right", "right").Pass(second)
	d.See("● critical").Press("up", "up", "enter").See("1 hit", "Access to LSASS", "1 rule on")
	d.Press("esc").See("LSASS memory read").Press("S").See("testdata/sigma/rules/powershell.yml") // remembered
}

// The scope is the selected host or all, and the window that of the list.
func TestSigmaScope(t *testing.T) {
	d, f := start(t, 120, 40)
	d.Go("hosts").Press("/").Type("host~fin").Press("enter").Press("space").Press("S").See("● FIN-WS-014")
	d.Type("testdata/sigma/rules").Pass(second).Press("up", "enter").See("3 hits", ", FIN-WS-014")
	if f.Count("sigma host=FIN-WS-014")+f.Count("sigma --host") == 0 {
		t.Fatal(f.Asked)
	}
	d.Press("esc", "esc").Go("events kind=dns_query").Press("S").See("of the last 60 min", "○ FIN-WS-014").Press("esc")
	d.Go("alerts").Press("e").Press("S").See("from 2026-11-22 02:36 to 2026-11-22 03:06")
}

// A hunt is stopped with esc and keeps what it found; q leaves it running.
func TestSigmaIsStopped(t *testing.T) {
	d, f := start(t, 120, 40)
	f.SigmaGate = make(chan struct{})
	d.Press("S").Type("testdata/sigma/rules").Pass(second).Press("up")
	d.Send(tuitest.Key("enter"), tuitest.NoWait).Wait("3 hits")
	d.See("esc stop").Send(tuitest.Key("q"), tuitest.NoWait).See("29 alerts")
	d.Send(tuitest.Key(":"), tuitest.NoWait)
	for _, r := range "hunts" {
		d.Send(tuitest.Key(string(r)), tuitest.NoWait)
	}
	d.Send(tuitest.Key("enter"), tuitest.NoWait).See("running", "3 hits", "sigma rules")
	d.Send(tuitest.Key("j"), tuitest.NoWait).Send(tuitest.Key("enter"), tuitest.NoWait).See("Access to LSASS")
	d.Press("esc").See("the hunt was stopped: 3 hits so far", "stopped, 3 hits")
	d.Press("esc").See("stopped", "HUNTS OF THIS SESSION")
}

// A replay is hunted too: its events are at hand.
func TestSigmaOverReplay(t *testing.T) {
	event := `{"id":"e1","ref":"p/e1","profile":"p","backend":"gene","time":"2026-11-22T02:51:00.000Z","kind":"process_access","host":{"name":"H1"},"process":{"uid":"u1","pid":4,"name":"rundll32.exe","path":"C:\\Windows\\rundll32.exe"},"target":{"pid":700,"name":"lsass.exe"}}` + "\n"
	svc, _, _, err := tui.Replay(strings.NewReader(event), "shift.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	d := tuitest.Start(t, svc, 80, 24, func(o *tui.Options) {
		o.Replay = "shift.ndjson"
	})
	d.Go("sigma testdata/sigma/rules").See("hunt with Sigma rules")
	d.Press("tab", "tab", "tab").Pass(second).Press("enter").See("1 hit", "Access to LSASS", "H1")
	d.Press("enter").See("rundll32.exe  lsass.exe")
}
