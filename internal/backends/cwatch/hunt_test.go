package cwatch_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/cwatch/fake"
	"github.com/edrctl/edrctl/internal/model"
)

func (r *rig) hunt(kind string, values ...string) (backends.Plan, []*model.Hit, error) {
	r.Helper()
	q := day()
	l, err := r.Driver.(backends.IndicatorHunter).Hunt(r.Context(), backends.HuntQuery{Type: kind, Values: values, Since: q.Since, Until: q.Until})
	if err != nil {
		return l.Plan, nil, err
	}
	hits, err := collect(l)
	return l.Plan, hits, err
}

func hitLine(h *model.Hit) string {
	s := h.Indicator.Value + " on " + h.Host.ID + "/" + h.Host.Name
	if h.Process != nil {
		s += " by " + h.Process.Name
	}
	if h.File != nil {
		s += " in " + h.File.Path
	}
	return s + fmt.Sprintf(" ×%d %s", h.Count, h.Verdict)
}

func hitLines(hits []*model.Hit) (out []string) {
	for _, h := range hits {
		out = append(out, hitLine(h))
	}
	slices.Sort(out)
	return out
}

func eventAt(i int, edit func(*fake.Event)) *fake.Event {
	at := anchor.Add(-time.Duration(i) * time.Minute)
	e := &fake.Event{
		CustomerID: 1042, Timestamp: at.UnixMilli(), BaseType: 7, Device: "WKS-0042", EndpointID: 30001, Hash: sha(1), InstanceID: sha(100), PID: 100,
		Path: `C:\Windows\explorer.exe`, CreationTime: at.Add(-time.Hour).Format("2006-01-02T15:04:05.000Z"), UserName: "alice", Verdict: 1,
		EventTime: at.Format("2006-01-02T15:04:05.000Z"), ID: fmt.Sprintf("15592932%08d", i), ParentTree: []fake.Node{},
	}
	edit(e)
	e.Group = fake.GroupOf(e.BaseType)
	return e
}

// quarryData has one event for every way an indicator shows.
func quarryData() *fake.Data {
	target := `C:\Windows\System32\lsass.exe`
	evil := sha(900)
	d := &fake.Data{Customer: 1042, Events: fake.NewEventList([]*fake.Event{
		eventAt(1, func(e *fake.Event) {
			e.Hash, e.Path, e.Verdict, e.InstanceID = evil, `C:\ProgramData\Bad Tool\evil.exe`, 2, sha(101)
		}),
		eventAt(2, func(e *fake.Event) {
			e.BaseType = 1
			e.Child = &fake.Child{ChildInstanceID: sha(101), ChildPID: 7, ChildPath: `C:\ProgramData\Bad Tool\EVIL.EXE`, ChildHash: evil, ChildVerdict: 2, ChildCommandLine: `evil.exe --from "HTTPS://Drop.Evil.example/stage/2/" x`}
		}),
		eventAt(3, func(e *fake.Event) { e.FileChange = &fake.FileChange{FilePath: `D:\evil.exe`, FileHash: evil} }),
		eventAt(4, func(e *fake.Event) { e.FileChange = &fake.FileChange{FilePath: `D:\evil.exe`, FileHash: evil} }),
		eventAt(5, func(e *fake.Event) {
			e.BaseType = 9
			e.Browser = &fake.Browser{DownloadURL: "https://cdn.evil.example:8443/a/b?c=D", BrowserFilePath: `C:\dl\b.bin`, BrowserFileHash: evil}
		}),
		eventAt(6, func(e *fake.Event) {
			e.BaseType, e.EndpointID, e.Device = 3, 30002, "HR-LAPTOP-7"
			e.Network = &fake.Network{SourceIP: "10.0.0.1", DestinationIP: "203.0.113.66", DestinationPort: 443, Protocol: 1}
		}),
		eventAt(7, func(e *fake.Event) {
			e.BaseType = 3
			e.Network = &fake.Network{SourceIP: "203.0.113.66", DestinationIP: "10.0.0.1", DestinationPort: 445, Protocol: 1}
		}),
		eventAt(8, func(e *fake.Event) { e.BaseType, e.TargetName = 22, &target }),
		eventAt(9, func(e *fake.Event) {
			e.FileChange = &fake.FileChange{FilePath: `C:\new\name.txt`, FileOldPath: `C:\old\evil.exe.txt`}
		}),
		eventAt(10, func(e *fake.Event) {
			e.FileChange = &fake.FileChange{FilePath: `D:\evil.exe.bak`, FileHash: sha(901)}
		}),
		eventAt(11, func(e *fake.Event) { e.Path = `C:\ürük\ß` }),
		eventAt(2000, func(e *fake.Event) { e.Hash = evil }), // before the window
	})}
	d.Endpoints = []fake.Endpoint{{ID: 30001, Name: "WKS-0042", Status: "online"}, {ID: 30002, Name: "HR-LAPTOP-7", Status: "online"}, {ID: 30003, Name: "OLD", Status: "offline"}}
	d.Processes = []fake.Process{
		{ID: sha(101), PID: 7, Name: "evil.exe", Path: `C:\ProgramData\Bad Tool\evil.exe`, Device: "WKS-0042", Hash: evil},
		{ID: sha(102), PID: 9, Name: "older.exe", Path: `C:\older.exe`, Device: "hr-laptop-7", Hash: evil},
		{ID: sha(100), PID: 100, Name: "explorer.exe", Path: `C:\Windows\explorer.exe`, Device: "WKS-0042", Hash: sha(1), FileHashes: []string{evil}},
		{ID: sha(103), PID: 11, Name: "copy.exe", Path: `C:\copy.exe`, Device: "OLD", Hash: sha(2), FileHashes: []string{evil}},
	}
	d.Files = map[string]fake.File{evil: {Verdict: 2, Names: []string{"evil.exe", "b.bin"}, Endpoints: []int64{30001, 30002, 30003, 30009}}}
	return d
}

func TestHunt(t *testing.T) {
	evil := sha(900)
	type want struct {
		kind, value string
		hits        []string
	}
	for name, opt := range map[string]fake.Options{
		"~ contains": {}, "~ is a wildcard": {Tilde: fake.TildeWildcard}, "~ minds the case": {Tilde: fake.TildeCaseSensitive}, "doubled": {DoubledBackslash: true, PageCap: 3},
	} {
		for _, w := range []want{
			{"sha1", strings.ToUpper(evil), nil},
			{"ipv4", "203.0.113.66", []string{"203.0.113.66 on 30001/WKS-0042 by explorer.exe ×1 ", "203.0.113.66 on 30002/HR-LAPTOP-7 by explorer.exe ×1 "}},
			{"ipv4", "203.0.113.6", nil},
			{"domain", "evil.example", []string{`evil.example on 30001/WKS-0042 by EVIL.EXE ×1 `, `evil.example on 30001/WKS-0042 by explorer.exe in C:\dl\b.bin ×1 `}},
			{"domain", "vil.example", nil},
			{"domain", "drop.evil.example", []string{`drop.evil.example on 30001/WKS-0042 by EVIL.EXE ×1 `}},
			{"url", "https://drop.evil.example/stage/2", []string{`https://drop.evil.example/stage/2 on 30001/WKS-0042 by EVIL.EXE ×1 `}},
			{"url", "cdn.evil.example:8443/a/b?c=D", []string{`cdn.evil.example:8443/a/b?c=D on 30001/WKS-0042 by explorer.exe in C:\dl\b.bin ×1 `}},
			{"url", "https://cdn.evil.example:8443/a", nil},
			{"file_name", "Evil.exe", []string{
				`Evil.exe on 30001/WKS-0042 by evil.exe ×2 malicious`, `Evil.exe on 30001/WKS-0042 by explorer.exe in D:\evil.exe ×2 `,
			}},
			{"file_name", "evil.exe.txt", []string{`evil.exe.txt on 30001/WKS-0042 by explorer.exe in C:\new\name.txt ×1 `}},
			{"file_path", `c:\windows\system32\LSASS.exe`, []string{`c:\windows\system32\LSASS.exe on 30001/WKS-0042 by lsass.exe ×1 `}},
			{"file_path", `C:\Windows`, nil},
			{"process_name", "evil.EXE", []string{`evil.EXE on 30001/WKS-0042 by evil.exe ×2 malicious`}},
			{"process_name", "lsass", nil},
			{"file_name", "ß", []string{`ß on 30001/WKS-0042 by ß ×1 safe`}}, // no letter the server could be asked for
			{"file_name", "it's.exe", nil},
		} {
			r := newRig(t, quarryData(), opt, nil, nil)
			plan, hits, err := r.hunt(w.kind, w.value)
			if err != nil || len(plan.Requests) == 0 || len(plan.Notes) > 1 {
				t.Errorf("%s, %s: %v, %+v", name, w.value, err, plan)
				continue
			}
			for _, h := range hits {
				if h.Indicator.Type != w.kind || h.Count > 0 && (len(h.Evidence) != h.Count || h.First.IsZero() || h.Last.Before(h.First.Time)) {
					t.Errorf("%s: %+v", name, h)
				}
			}
			if w.kind == "sha1" {
				checkHashHits(t, name, hits)
			} else if got := hitLines(hits); !slices.Equal(got, w.hits) {
				t.Errorf("%s, %s %s:\ngot  %q\nwant %q", name, w.kind, w.value, got, w.hits)
			}
		}
	}
}

func checkHashHits(t *testing.T, name string, hits []*model.Hit) {
	t.Helper()
	evil := sha(900)
	want := []string{
		evil + ` on 30001/WKS-0042 by evil.exe ×2 malicious`,
		evil + ` on 30001/WKS-0042 by explorer.exe in C:\dl\b.bin ×1 malicious`,
		evil + ` on 30001/WKS-0042 by explorer.exe in D:\evil.exe ×2 malicious`,
		evil + ` on 30002/HR-LAPTOP-7 by older.exe ×0 malicious`, // list of processes
		evil + ` on 30003/OLD by copy.exe in  ×0 malicious`,      // list of processes, by a file
		evil + ` on 30009/ ×0 malicious`,                         // seen-on alone
	}
	if got := hitLines(hits); !slices.Equal(got, want) {
		t.Errorf("%s:\ngot  %q\nwant %q", name, got, want)
	}
	for _, h := range hits {
		if (h.Count == 0) != (h.Note != "" && h.First.IsZero()) {
			t.Errorf("%s: %+v", name, h)
		}
	}
}

// All values of a type share one scan where the server's ~ is of no use.
func TestHuntScansOnce(t *testing.T) {
	r := newRig(t, quarryData(), fake.Options{Tilde: fake.TildeWildcard}, nil, nil)
	_, hits, err := r.hunt("file_name", "evil.exe", "evil.exe.txt", "none.exe", "ß")
	if err != nil || len(hits) != 4 {
		t.Fatalf("%q, %v", hitLines(hits), err)
	}
	whole := 0
	for _, q := range r.requests() {
		if strings.Contains(q, "page_size=1000") && !strings.Contains(q, "q=") && !strings.Contains(q, "next_key") {
			whole++
		}
	}
	if whole != 1 {
		t.Errorf("%d scans: %q", whole, r.requests())
	}
}

// Every request of a hunt is one its plan names.
func TestHuntPlans(t *testing.T) {
	r := newRig(t, quarryData(), fake.Options{}, nil, nil)
	before := len(r.requests())
	plan, _, err := r.hunt("ipv4", "203.0.113.66")
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range r.requests()[before:] {
		if !slices.ContainsFunc(plan.Requests, func(p string) bool {
			p, _, _ = strings.Cut(p, "&next_key")
			_, rest, _ := strings.Cut(q, "?")
			return strings.HasPrefix(q, "GET /events") && strings.Contains(p, "to_time") && strings.Contains(rest, "q=")
		}) {
			t.Errorf("%s is not in the plan", q)
		}
	}
}

func TestHuntModes(t *testing.T) {
	r := newRig(t, eventData(1), fake.Options{}, nil, nil)
	h := r.Driver.(backends.IndicatorHunter)
	modes := h.HuntModes()
	for _, kind := range []string{"md5", "sha1", "sha256", "imphash", "ipv4", "ipv6", "cidr", "domain", "url", "file_name", "file_path", "process_name", "email"} {
		m, ok := modes[kind]
		if !ok || m.Why == "" {
			t.Errorf("%s: %+v", kind, m)
		}
		_, _, err := r.hunt(kind, map[string]string{"sha1": sha(5), "ipv4": "192.0.2.1"}[kind]+"")
		if unsupported := backends.KindOf(err) == backends.KindUnsupported; unsupported == (m.Where == backends.HuntServer) {
			t.Errorf("%s is searched %s, and hunting gives %v", kind, m.Where, err)
		}
	}
	for _, bad := range []string{strings.Repeat("a", 64), "x", ""} {
		if _, _, err := r.hunt("sha1", bad); backends.KindOf(err) != backends.KindInvalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// What was seen before a failure is given before the failure.
func TestHuntFails(t *testing.T) {
	r := newRig(t, quarryData(), fake.Options{}, nil, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if strings.Contains(req.URL.Query().Get("q"), "198.51.100.1") {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			next.ServeHTTP(w, req)
		})
	})
	_, hits, err := r.hunt("ipv4", "203.0.113.66", "198.51.100.1", "192.0.2.1")
	if len(hits) != 2 || backends.KindOf(err) != backends.KindForbidden || !strings.Contains(err.Error(), "cannot hunt for ipv4") {
		t.Errorf("%q, %v", hitLines(hits), err)
	}
}
