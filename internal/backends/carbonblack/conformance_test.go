package carbonblack_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/carbonblack"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/fake"
	"github.com/edrctl/edrctl/internal/backends/conformance"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/demo"
	"github.com/edrctl/edrctl/internal/model"
)

var harness = conformance.Harness{
	Backend: carbonblack.Name, Start: demo.One, Faulty: demo.Faulty,
	Rate:        client.Rate{PerSecond: 10_000, Concurrent: 4},
	PagingScale: 24, // just more events than the 10,000 rows of one page
	Ignore:      ignoreFilters,
	Skip: map[string]string{
		"change/cancel":    "a command of the fake ends before it can be cancelled: TestCancelCommand plays a slow one",
		"events/get ahead": "the server shows the detail of events that belong to an alert only",
	},
}

// ignoreFilters plays a server that looks at none of the filters that only the
// document describes. /process demands one of them: the device stays.
func ignoreFilters(r *http.Request) {
	q := r.URL.Query()
	if strings.HasSuffix(r.URL.Path, "/process") && !q.Has("hostNameExact") {
		return
	}
	for _, name := range []string{"hostName", "eventType", "ipAddress", "sha256Hash", "applicationName"} {
		q.Del(name)
	}
	r.URL.RawQuery = q.Encode()
}

func TestConformance(t *testing.T) { conformance.Run(t, harness) }

func TestConformanceHunt(t *testing.T) { conformance.RunHunt(t, harness) }

func TestConformanceTree(t *testing.T) { conformance.RunTree(t, harness) }

// anyHost is an online Windows device of the demo.
func anyHost(t *testing.T, d backends.Driver) *model.Host {
	t.Helper()
	l, err := d.(backends.HostLister).Hosts(t.Context(), backends.Query{})
	if err != nil {
		t.Fatal(err)
	}
	for h, err := range l.Seq {
		if err != nil {
			t.Fatal(err)
		}
		if h.Online != nil && *h.Online && h.OS.Platform == "windows" && !*h.Isolated {
			return h
		}
	}
	t.Fatal("no host is online")
	return nil
}

// demoFile is a file of every device of the demo: the image of one of its
// processes.
func demoFile(t *testing.T, d backends.Driver, h *model.Host) *model.Process {
	t.Helper()
	l, err := d.(backends.EventSearcher).Events(t.Context(), backends.Query{Filter: where(t, "host", "="+h.Name)})
	if err != nil {
		t.Fatal(err)
	}
	for e, err := range l.Seq {
		if err != nil {
			t.Fatal(err)
		}
		if e.Process != nil && e.Process.Path != "" {
			return e.Process
		}
	}
	t.Fatal("no process has a path")
	return nil
}

func did(t *testing.T, d backends.Driver, c backends.Change) *model.Action {
	t.Helper()
	act, err := d.(backends.Changer).Apply(t.Context(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	return act
}

func TestConformanceChange(t *testing.T) {
	on := func(f func(t *testing.T, d backends.Driver, h *model.Host) backends.Change) func(*testing.T, backends.Driver) backends.Change {
		return func(t *testing.T, d backends.Driver) backends.Change { return f(t, d, anyHost(t, d)) }
	}
	conformance.RunChange(t, harness, []conformance.ChangeCase{
		// The session is closed when the driver is: the last request comes then.
		{Name: "delete-file", Fewer: true, Make: on(func(t *testing.T, d backends.Driver, h *model.Host) backends.Change {
			return backends.Change{Verb: backends.VerbDeleteFile, Host: h, Path: demoFile(t, d, h).Path}
		})},
		{Name: "kill", Fewer: true, Make: on(func(t *testing.T, d backends.Driver, h *model.Host) backends.Change {
			p := demoFile(t, d, h)
			return backends.Change{Verb: backends.VerbKill, Host: h, PID: p.PID, Path: p.Path}
		})},
		{Name: "run", Fewer: true, Make: on(func(_ *testing.T, _ backends.Driver, h *model.Host) backends.Change {
			return backends.Change{Verb: backends.VerbRun, Host: h, Command: []string{"cmd.exe", "/c", "echo", "a b", `c"d`}}
		})},
		{Name: "script", Fewer: true, Make: on(func(_ *testing.T, _ backends.Driver, h *model.Host) backends.Change {
			return backends.Change{Verb: backends.VerbScript, Host: h, Script: &backends.Script{Name: "a.ps1", Content: []byte("hostname")}}
		})},
		{Name: "carve", Fewer: true, Make: on(func(t *testing.T, d backends.Driver, h *model.Host) backends.Change {
			return backends.Change{Verb: backends.VerbCarve, Host: h, Path: demoFile(t, d, h).Path}
		})},
		{Name: "memdump", Fewer: true, Make: on(func(_ *testing.T, _ backends.Driver, h *model.Host) backends.Change {
			return backends.Change{Verb: backends.VerbMemdump, Host: h}
		})},
		{Name: "carve.delete", Make: on(func(t *testing.T, d backends.Driver, h *model.Host) backends.Change {
			act := did(t, d, backends.Change{Verb: backends.VerbCarve, Host: h, Path: demoFile(t, d, h).Path})
			return backends.Change{Verb: backends.VerbCarveDelete, CarveID: act.Files[0]}
		})},
		{Name: "isolate", Make: on(func(_ *testing.T, _ backends.Driver, h *model.Host) backends.Change {
			return backends.Change{Verb: backends.VerbIsolate, Host: h}
		})},
		{Name: "release", Make: on(func(t *testing.T, d backends.Driver, h *model.Host) backends.Change {
			act := did(t, d, backends.Change{Verb: backends.VerbIsolate, Host: h})
			return backends.Change{Verb: backends.VerbRelease, Host: h, Undo: act}
		})},
	})
}

func TestConformanceCalls(t *testing.T) { conformance.RunCalls(t, harness) }

func TestOneAddressHasOneSpelling(t *testing.T) {
	data := fleet(3, time.Minute)
	for i := range data.Events.(fake.Slice) {
		e := &data.Events.(fake.Slice)[i]
		e.Type, e.SourceIP, e.DestIP, e.PeerIP, e.PeerFQDN = "NETWORK", "10.0.0.1", conformance.Spellings[i], "", ""
	}
	conformance.OneAddress(t, open(t, fake.New(data, fakeOptions()), config{}), backends.Query{Since: now.Add(-time.Hour), Until: now})
}
