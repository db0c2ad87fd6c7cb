package cwatch_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	_ "github.com/edrctl/edrctl/internal/backends/cwatch"
	"github.com/edrctl/edrctl/internal/backends/cwatch/fake"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
)

const token = "tok-3f9c-not-for-logs"

var anchor = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// rig is a driver before a server that logs its requests.
type rig struct {
	*testing.T
	backends.Driver
	fake  *fake.Server
	mu    sync.Mutex
	asked []string
	warns []string
}

func (r *rig) requests() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.asked...)
}

// newRig serves data; wrap may be before the fake.
func newRig(t *testing.T, data *fake.Data, opt fake.Options, settings map[string]string, wrap func(http.Handler) http.Handler) *rig {
	t.Helper()
	if opt.Token == "" {
		opt.Token = token
	}
	opt.Clock = func() time.Time { return anchor }
	r := &rig{T: t, fake: fake.New(data, opt)}
	var h http.Handler = r.fake
	if wrap != nil {
		h = wrap(h)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		r.asked = append(r.asked, req.Method+" "+req.URL.String())
		r.mu.Unlock()
		h.ServeHTTP(w, req)
	}))
	t.Cleanup(srv.Close)
	r.Driver = newDriver(t, srv.URL, settings, func(s string) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.warns = append(r.warns, s)
	})
	return r
}

func newDriver(t *testing.T, url string, settings map[string]string, warn func(string)) backends.Driver {
	t.Helper()
	b, err := backends.Lookup("cwatch")
	if err != nil {
		t.Fatal(err)
	}
	o := backends.Options{
		Profile: "test", Settings: settings, Warn: warn, Now: func() time.Time { return anchor },
		Secret: func(context.Context, string) (string, error) { return token, nil },
	}
	o.Client.BaseURL = url
	o.Client.Timeout = 5 * time.Second
	d, err := b.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func day() backends.Query {
	return backends.Query{Since: anchor.Add(-24 * time.Hour), Until: anchor.Add(time.Millisecond)}
}

func with(t testing.TB, q backends.Query, terms ...string) backends.Query {
	t.Helper()
	for i := 0; i+1 < len(terms); i += 2 {
		if err := q.Filter.Add(filter.Field(terms[i]), strings.Split(terms[i+1], "|")...); err != nil {
			t.Fatal(err)
		}
	}
	return q
}

func (r *rig) events(q backends.Query) (backends.Plan, []*model.Event, error) {
	r.Helper()
	l, err := r.Driver.(backends.EventSearcher).Events(r.Context(), q)
	if err != nil {
		return l.Plan, nil, err
	}
	rows, err := collect(l)
	return l.Plan, rows, err
}

func (r *rig) alerts(q backends.Query) (backends.Plan, []*model.Alert, error) {
	r.Helper()
	l, err := r.Driver.(backends.AlertLister).Alerts(r.Context(), q)
	if err != nil {
		return l.Plan, nil, err
	}
	rows, err := collect(l)
	return l.Plan, rows, err
}

func collect[T any](l backends.Listing[T]) (rows []T, err error) {
	for row, err := range l.Seq {
		if err != nil {
			return rows, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func ids(rows []*model.Event) []string {
	out := make([]string, len(rows))
	for i, e := range rows {
		out[i] = e.ID
	}
	return out
}

// sha gives a made-up SHA-1.
func sha(n int) string { return fmt.Sprintf("%040x", 0xabc0000+n) }

// manyEvents makes n events of every type, a second apart, the newest last.
func manyEvents(n int) []*fake.Event {
	var out []*fake.Event
	images := []string{`C:\Windows\System32\cmd.exe`, `C:\Windows\Explorer.EXE`, `C:\Program Files\O'Brien\tool.exe`, `C:\ürük\ß.exe`}
	hosts := []string{"WKS-0042", "HR-LAPTOP-7", "dc01", "30003"}
	users := []string{"alice", "Bob", "SYSTEM"}
	for i := range n {
		at := anchor.Add(-time.Duration(n-i) * time.Second)
		kind := i%22 + 1
		e := &fake.Event{
			CustomerID: 1042, Timestamp: at.UnixMilli(), Sequence: int64(i), BaseType: kind, Group: fake.GroupOf(kind),
			UserDomain: "EXAMPLE", Device: hosts[i%4], EndpointID: int64(30000 + i%4), Hash: sha(i % 4), InstanceID: sha(100 + i%50),
			PID: int64(100 + i%50), Path: images[i%4], CreationTime: at.Add(-time.Hour).Format("2006-01-02T15:04:05.000Z"),
			LoggedOn: "alice", UserName: users[i%3], Verdict: i % 4, EventTime: at.Format("2006-01-02T15:04:05.000Z"),
			ID: fmt.Sprintf("15592932%08d", i), ParentTree: []fake.Node{{PID: 4, CreationTime: "2026-11-01T00:00:00.000Z", Path: `C:\Windows\winlogon.exe`}},
		}
		switch e.Group {
		case 1:
			e.Child = &fake.Child{ChildInstanceID: sha(1000 + i), ChildPID: int64(i), ChildPath: images[(i+1)%4], ChildCommandLine: fmt.Sprintf("tool -x %d 'q'", i), ChildElevation: i % 4, ChildHash: sha(i % 7), ChildVerdict: 2}
		case 2:
			e.Network = &fake.Network{SourceIP: "10.0.0.1", SourcePort: 1024 + i%3, DestinationIP: fmt.Sprintf("93.184.216.%d", i%5), DestinationPort: 443, Protocol: 1}
		case 3:
			e.Registry = &fake.Registry{KeyPath: `HKLM\Software\Run`, ValueName: "updater", ValueData: fmt.Sprintf("v%d", i%9)}
		case 4:
			e.FileChange = &fake.FileChange{FilePath: fmt.Sprintf(`C:\Users\abc\f%d.PDF`, i%6), FileHash: sha(i % 5)}
		case 6:
			e.Browser = &fake.Browser{DownloadURL: fmt.Sprintf("https://dl%d.example.test/tool.zip", i%3), BrowserFilePath: `C:\Users\abc\Downloads\tool.zip`, BrowserFileHash: sha(i % 5)}
		default:
			target := `C:\Windows\System32\lsass.exe`
			e.TargetName = &target
		}
		out = append(out, e)
	}
	return out
}

func eventData(n int) *fake.Data {
	return &fake.Data{Customer: 1042, Events: fake.NewEventList(manyEvents(n))}
}

func alertData(n int) *fake.Data {
	d := &fake.Data{Customer: 1042}
	for i := range n {
		at := anchor.Add(-time.Duration((i*7919)%n) * time.Minute)
		score := float64(i % 11)
		a := fake.Alert{
			ID: fmt.Sprintf("AW%018d", i), CustomerID: 1042, Timestamp: at.UnixMilli(), EndpointID: int64(30000 + i%4),
			ExpirationDate: at.Add(720 * time.Hour).UnixMilli(), IsActive: i%3 == 0, Name: fmt.Sprintf("Alert %d", i),
			Device: "WKS-0042", User: "alice", ProcessPath: `C:\Windows\System32\cmd.exe`, ProcessHash: sha(i % 4),
			Data: fake.AlertData{Score: &score, PolicyID: 77, PolicyName: "Recommended", Event: &fake.AlertEvent{
				EventTime: at.Format("2006-01-02T15:04:05.000Z"), BaseEventType: 1, Adaptive: "11111111-2222-4333-8444-555555555555",
				Process: fake.AlertProcess{InstanceID: sha(i), PID: 7, Path: `C:\Windows\System32\cmd.exe`, UserName: "alice", UserDomain: "EXAMPLE", DeviceName: "WKS-0042"},
			}},
		}
		a.Dismissed = i%3 == 1
		if i%5 == 0 {
			v := i%2 == 0
			a.UserVerdict = &v
		}
		d.Alerts = append(d.Alerts, a)
	}
	return d
}
