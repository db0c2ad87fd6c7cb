package gene_test

import (
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/conformance"
	"github.com/edrctl/edrctl/internal/backends/gene"
	"github.com/edrctl/edrctl/internal/backends/gene/fake"
	"github.com/edrctl/edrctl/internal/model"
)

func TestConformanceTree(t *testing.T) {
	conformance.RunTree(t, conformance.Harness{Backend: gene.Name, Start: starter(fake.Head)})
}

// onlineHost gives the change for the first host whose agent answers.
func onlineHost(c backends.Change) func(*testing.T, backends.Driver) backends.Change {
	return func(t *testing.T, d backends.Driver) backends.Change {
		t.Helper()
		c.Host = hostThat(t, d, func(h *model.Host) bool { return h.Online != nil && *h.Online && strings.HasPrefix(h.Name, "FIN") })
		return c
	}
}

func hostThat(t testing.TB, d backends.Driver, is func(*model.Host) bool) *model.Host {
	t.Helper()
	l, err := d.(backends.HostLister).Hosts(t.Context(), backends.Query{})
	for _, h := range collect(t, l, err) {
		if is(h) {
			return h
		}
	}
	t.Fatal("no such host")
	return nil
}

// TestConformanceChange holds the driver to the rules of changing, on every
// version the fake can be.
func TestConformanceChange(t *testing.T) {
	cases := []conformance.ChangeCase{
		{Name: "run", Make: onlineHost(backends.Change{Verb: backends.VerbRun, Command: []string{"cmd.exe", "/c", `dir "C:\it's" # all`}})},
		{Name: "script", Make: onlineHost(backends.Change{Verb: backends.VerbScript, Script: &backends.Script{Name: "look.ps1", Content: []byte("Get-Process\n")}})},
		{Name: "kill", Make: onlineHost(backends.Change{Verb: backends.VerbKill, PID: 8120})},
		{Name: "kill with a path", Make: onlineHost(backends.Change{Verb: backends.VerbKill, PID: 8120, Path: `C:\Users\Public\it's.exe`})},
		{Name: "delete-file", Make: onlineHost(backends.Change{Verb: backends.VerbDeleteFile, Path: `C:\Users\Public\d.dll`, Timeout: 5 * time.Second})},
		{Name: "isolate", Make: onlineHost(backends.Change{Verb: backends.VerbIsolate})},
		{Name: "release", Make: onlineHost(backends.Change{Verb: backends.VerbRelease})},
		{Name: "carve", Make: onlineHost(backends.Change{Verb: backends.VerbCarve, Path: `C:\Windows\win.ini`})},
		{Name: "cancel", Make: func(t *testing.T, d backends.Driver) backends.Change {
			c := onlineHost(backends.Change{Verb: backends.VerbRun, Command: []string{"whoami"}})(t, d)
			a, err := d.(backends.Changer).Apply(t.Context(), c, nil)
			if err != nil {
				t.Fatal(err)
			}
			return backends.Change{Verb: backends.VerbCancel, Host: c.Host, ActionID: a.ID}
		}},
		{Name: "host.add", Make: func(*testing.T, backends.Driver) backends.Change { return backends.Change{Verb: backends.VerbHostAdd} }},
		{Name: "host.tag", Make: onlineHost(backends.Change{Verb: backends.VerbHostTag, Tags: []string{"ir-2231"}})},
		{Name: "host.edit", Make: onlineHost(backends.Change{Verb: backends.VerbHostEdit, Params: map[string]string{"status": "investigating"}})},
		{Name: "host.delete", Make: onlineHost(backends.Change{Verb: backends.VerbHostDelete})},
	}
	for _, v := range []string{fake.Head, fake.V170, fake.Beta, fake.Beta2} {
		t.Run(v, func(t *testing.T) {
			if v != fake.Head && (testing.Short() || raceDetector) {
				t.Skip("short, or under the race detector: only the newest version")
			}
			skip := map[string]string{}
			for _, c := range cases {
				skip["change/"+c.Name+"/403"] = "403 is the key that was refused, on every route: KindAuth"
			}
			if v == fake.V170 || v == fake.Beta {
				skip["change/host.tag"] = "this version has no groups: Unsupported"
				skip["change/host.edit"] = "this version keeps nothing by hand: Unsupported"
			}
			conformance.RunChange(t, conformance.Harness{Backend: gene.Name, Start: starter(v), Skip: skip}, cases)
		})
	}
}
