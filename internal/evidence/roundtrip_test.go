package evidence_test

import (
	"context"
	"encoding/json"
	"iter"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/edrctl/edrctl/internal/backends"
	_ "github.com/edrctl/edrctl/internal/backends/all"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/demo"
	"github.com/edrctl/edrctl/internal/evidence"
	"github.com/edrctl/edrctl/internal/iostreams"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/output"
	"github.com/edrctl/edrctl/internal/story"
)

// demoRecords are the records of the demo as its profiles give them, with the
// origin that the fan-out stamps.
func demoRecords(t *testing.T, raw bool) map[string][]model.Record {
	t.Helper()
	d, err := demo.Start(t.Context(), demo.Options{Scale: story.Quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	out := map[string][]model.Record{}
	for _, inst := range d.Instances {
		b, err := backends.Lookup(inst.Backend)
		if err != nil {
			t.Fatal(err)
		}
		drv, err := b.New(backends.Options{
			Profile: inst.Profile, Client: client.Config{BaseURL: inst.URL, Proxy: "none"}, Settings: inst.Settings, StateDir: t.TempDir(),
			Secret: func(_ context.Context, name string) (string, error) {
				if v, ok := inst.Secrets[name]; ok {
					return v, nil
				}
				return "", &backends.Error{Kind: backends.KindAuth, Why: "no secret " + name}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		q := backends.Query{Since: time.Now().Add(-240 * time.Hour), Raw: raw, Limit: 3000}
		if x, ok := drv.(backends.AlertLister); ok {
			gather(t, out, "alert", inst, x.Alerts, q)
		}
		if x, ok := drv.(backends.EventSearcher); ok {
			gather(t, out, "event", inst, x.Events, q)
		}
		if x, ok := drv.(backends.HostLister); ok {
			gather(t, out, "host", inst, x.Hosts, q)
		}
		if x, ok := drv.(backends.ProcessLister); ok {
			gather(t, out, "process", inst, x.Processes, q)
		}
		if err := drv.Close(); err != nil {
			t.Error(err)
		}
	}
	return out
}

func gather[T model.Record](t *testing.T, out map[string][]model.Record, kind string, inst *demo.Instance, list func(context.Context, backends.Query) (backends.Listing[T], error), q backends.Query) {
	t.Helper()
	l, err := list(t.Context(), q)
	if err != nil {
		t.Logf("%s of %s: %v", kind, inst.Profile, err)
		return
	}
	n := 0
	for rec, err := range l.Seq {
		if err != nil {
			t.Fatalf("%s of %s: %v", kind, inst.Profile, err)
		}
		o := rec.GetOrigin()
		o.Profile, o.Backend = inst.Profile, inst.Backend
		if o.ID != "" {
			o.Ref = inst.Profile + "/" + o.ID
		}
		out[kind] = append(out[kind], rec)
		if n++; n == 3000 {
			break
		}
	}
}

var kinds = map[string]output.Kind{"alert": output.KindAlert, "event": output.KindEvent, "host": output.KindHost, "process": output.KindProcess}

// written gives what -o FORMAT writes.
func written(t *testing.T, format, kind string, recs []model.Record) string {
	t.Helper()
	s, _, out, _ := iostreams.Test()
	w, err := output.New(s, output.Options{Format: format, Kind: kinds[kind], Now: time.Now, Columns: nil})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range recs {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func readBack(t *testing.T, text string, o evidence.Options) iter.Seq2[int, model.Record] {
	return func(yield func(int, model.Record) bool) {
		n := 0
		for it, err := range evidence.Read(t.Context(), "test", strings.NewReader(text), o) {
			if err != nil || it.Err != nil {
				line := strings.Split(text, "\n")[max(it.Line-1, 0)]
				t.Fatalf("line %d: %v %v: %.600s", it.Line, err, it.Err, line)
			}
			if !yield(n, it.Record()) {
				return
			}
			n++
		}
	}
}

// What -o ndjson and -o json wrote is read back whole.
func TestOwnRecordsAreReadBackWhole(t *testing.T) {
	for kind, recs := range demoRecords(t, true) {
		for _, format := range []string{output.FormatNDJSON, output.FormatJSON} {
			n := 0
			for i, got := range readBack(t, written(t, format, kind, recs), evidence.Options{Raw: true}) {
				want, _ := json.Marshal(recs[i])
				have, _ := json.Marshal(got)
				if plain(t, want) != plain(t, have) {
					t.Fatalf("%s %s %d:\nwrote %s\nread  %s", format, kind, i, want, have)
				}
				n++
			}
			if n != len(recs) || n == 0 {
				t.Errorf("%s: wrote %d of kind %s, read %d", format, len(recs), kind, n)
			}
			t.Logf("%s: %d of kind %s", format, n, kind)
		}
	}
}

// plain is JSON with its escapes undone: raw keeps its meaning, not its bytes.
func plain(t *testing.T, b []byte) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	out, _ := json.Marshal(v)
	return string(out)
}

// core is what a document of ECS or OCSF must give back.
type core struct {
	ID, Kind, Host, Title string
	Time                  string
	User                  model.User
	Process, Target       coreProcess
	File                  *model.File
	Network               *model.Network
	DNS                   *model.DNS
	Registry              *model.Registry
	Score                 *float64
	Severity              model.Severity
	Rule                  *model.Named
	Attack                []model.Attack
}

type coreProcess struct {
	PID                     int64
	Name, Path, CommandLine string
	Hash                    model.Hash
	Parent                  model.ParentProcess
}

func coreOf(rec model.Record) core {
	c := core{ID: rec.GetOrigin().ID}
	if h := model.HostOf(rec); h != nil {
		c.Host = h.Name
	}
	user := func(u *model.User, p *model.Process) {
		if u == nil && p != nil {
			u = p.User
		}
		if u != nil {
			c.User = *u
		}
	}
	switch r := rec.(type) {
	case *model.Event:
		c.Kind, c.Time, c.File, c.Network, c.DNS, c.Registry = string(r.Kind), r.Time.String(), r.File, r.Network, r.DNS, r.Registry
		c.Process, c.Target = processCore(r.Process), processCore(r.Target)
		user(r.User, r.Process)
		if f := c.File; f != nil && f.Name == "" {
			x := *f
			x.Name = model.BaseName(f.Path)
			c.File = &x
		}
		if d := c.DNS; d != nil && d.Question == (model.DNSQuestion{}) && d.Answers == nil {
			c.DNS = nil
		}
	case *model.Alert:
		c.Time, c.Title, c.Score, c.Severity, c.Rule, c.Attack = r.Time.String(), r.Title, r.Score, r.Severity, r.Rule, r.Attack
	case *model.Host:
		c.Host = r.Name
	case *model.Process:
		c.Process = processCore(r)
		user(r.User, r)
	}
	return c
}

func processCore(p *model.Process) (c coreProcess) {
	if p == nil {
		return c
	}
	c = coreProcess{PID: p.PID, Name: p.Name, Path: p.Path, CommandLine: p.CommandLine}
	if c.Name == "" {
		c.Name = model.BaseName(p.Path)
	}
	if p.Hash != nil {
		c.Hash = *p.Hash
	}
	if p.Parent != nil {
		if c.Parent = *p.Parent; c.Parent.Name == "" {
			c.Parent.Name = model.BaseName(c.Parent.Path)
		}
	}
	return c
}

// What -o ecs and -o ocsf promise is read back.
func TestDocumentsAreReadBack(t *testing.T) {
	for kind, recs := range demoRecords(t, false) {
		for _, format := range []string{output.FormatECS, output.FormatOCSF} {
			n, wrong := 0, map[string]int{}
			for i, got := range readBack(t, written(t, format, kind, recs), evidence.Options{}) {
				n++
				if reflect.TypeOf(got) != reflect.TypeOf(recs[i]) {
					t.Fatalf("%s: wrote %T, read %T", format, recs[i], got)
				}
				want, have := coreOf(recs[i]), coreOf(got)
				if want.Target.Parent == (model.ParentProcess{}) {
					have.Target.Parent = want.Target.Parent // the actor is the child's parent
				}
				if diff := cmp.Diff(want, have); diff != "" {
					what := reflect.TypeOf(got).String()
					if e, ok := got.(*model.Event); ok {
						what = recs[i].GetOrigin().Backend + " " + string(e.Kind)
					}
					if wrong[what]++; wrong[what] == 1 {
						t.Errorf("%s %s %s: (-wrote +read)\n%s", format, kind, what, diff)
					}
				}
			}
			if n != len(recs) {
				t.Errorf("%s: wrote %d of kind %s, read %d", format, len(recs), kind, n)
			}
			t.Log(format, kind, n, wrong)
		}
	}
}
