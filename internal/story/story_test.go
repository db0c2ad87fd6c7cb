package story_test

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/story"
)

var (
	backends = []string{story.CWatch, story.CarbonBlack, story.Gene, story.ESP}
	anchor   = time.Date(2026, 11, 22, 2, 53, 7, 123456789, time.UTC)
)

// key is what must not change between two tellings.
func key(e *story.Event) string {
	var b strings.Builder
	b.WriteString(e.Kind + "|" + e.Host.Name + "|" + e.Process.GUID + "|" + e.FilePath + "|" + e.RemoteIP + "|" + e.DNSName + "|" + e.FileSHA256)
	if e.Target != nil {
		b.WriteString("|" + e.Target.GUID + e.Target.CommandLine)
	}
	return b.String()
}

func TestSameStoryEachTime(t *testing.T) {
	one, two := story.New(anchor, 2), story.New(anchor.Add(37*time.Minute), 2)
	for _, b := range backends {
		x, y := one.Events(b), two.Events(b)
		if len(x) != len(y) {
			t.Fatalf("%s: %d and %d events", b, len(x), len(y))
		}
		for i := range x {
			if x[i].N != y[i].N || key(x[i]) != key(y[i]) {
				t.Fatalf("%s: event %d differs: %v / %v", b, i, key(x[i]), key(y[i]))
			}
			if d := y[i].Time.Sub(x[i].Time); d != 37*time.Minute {
				t.Fatalf("%s: event %d moved by %v with the anchor", b, i, d)
			}
		}
	}
	for i := range one.Processes {
		if one.Processes[i].GUID != two.Processes[i].GUID || one.Processes[i].PID != two.Processes[i].PID {
			t.Fatalf("process %d differs", i)
		}
	}
}

func TestShape(t *testing.T) {
	s := story.New(anchor, 1)
	if n := len(s.Hosts); n < 25 || n > 30 {
		t.Errorf("%d hosts", n)
	}
	total, shared := 0, 0
	for _, h := range s.Hosts {
		if len(h.Backends) == 2 {
			shared++
		}
	}
	if shared != 2 {
		t.Errorf("%d hosts are watched twice", shared)
	}
	seenN := map[int]*story.Event{}
	for _, b := range backends {
		events := s.Events(b)
		kinds := map[string]int{}
		past := 0
		for i, e := range events {
			if i > 0 && e.Time.Before(events[i-1].Time) {
				t.Fatalf("%s: event %d is out of order", b, i)
			}
			if _, ok := model.ParseKind(e.Kind); !ok {
				t.Fatalf("%s: kind %q", b, e.Kind)
			}
			if e.Process == nil || e.Process.Host != e.Host || e.N == 0 {
				t.Fatalf("%s: event %d has no actor on its host: %+v", b, i, e)
			}
			if old := seenN[e.N]; old != nil && old != e {
				t.Fatalf("event number %d is given twice", e.N)
			}
			seenN[e.N] = e
			kinds[e.Kind]++
			if !e.Time.After(s.Anchor) {
				past++
			}
		}
		total += past
		for _, k := range story.Kinds(b) {
			if kinds[k] == 0 {
				t.Errorf("%s has no event of kind %s", b, k)
			}
		}
	}
	if total < 1800 || total > 2400 {
		t.Errorf("%d events before the anchor, want about 2,000", total)
	}
	t.Logf("%d events before the anchor, %d processes, %d alerts", total, len(s.Processes), len(s.Alerts))
}

func TestAlerts(t *testing.T) {
	s := story.New(anchor, 1)
	var newest *story.Alert
	for _, b := range backends {
		recent, status, severities := 0, map[string]int{}, map[string]int{}
		var arrivals []time.Time
		for _, a := range s.AlertsOn(b) {
			if len(a.Events) == 0 || a.Events[len(a.Events)-1].Time != a.Time || a.Rule == nil || a.Rule.Backend != b {
				t.Fatalf("%s: alert %d: %+v", b, a.N, a)
			}
			if (b == story.Gene || b == story.CWatch) && len(a.Events) != 1 {
				t.Errorf("%s: alert %d stands for %d events", b, a.N, len(a.Events))
			}
			for i, e := range a.Events {
				if !story.Sees(b, e) {
					t.Errorf("%s: alert %d %q rests on an event the product does not record: %s on %s", b, a.N, a.Title, e.Kind, e.Host.Name)
				}
				if i > 0 && e.Time.Before(a.Events[i-1].Time) {
					t.Errorf("%s: alert %d: events out of order", b, a.N)
				}
			}
			if a.Time.After(s.Anchor) {
				arrivals = append(arrivals, a.Time)
				continue
			}
			if newest == nil || a.Time.After(newest.Time) {
				newest = a
			}
			status[a.Status]++
			if b == story.ESP {
				severities[a.Rule.Severity]++
			} else {
				scale := map[string]model.Scale{story.CWatch: model.ScaleCWatch, story.CarbonBlack: model.ScaleCarbonBlack, story.Gene: model.ScaleGene}[b]
				severities[string(model.ScoreNumber(scale, float64(a.Score)).Severity)]++
			}
			if a.Score >= 5 && a.Time.After(s.Anchor.Add(-24*time.Hour)) {
				recent++
			}
		}
		if recent < 3 {
			t.Errorf("%s: only %d alerts of score 5 and up in the last day", b, recent)
		}
		for _, st := range []string{"open", "closed", "dismissed"} {
			if status[st] == 0 {
				t.Errorf("%s: no %s alert", b, st)
			}
		}
		want := map[string]int{story.CWatch: 5, story.CarbonBlack: 4, story.Gene: 5, story.ESP: 4}[b]
		if len(severities) != want {
			t.Errorf("%s: severities %v, want %d of them", b, severities, want)
		}
		if len(arrivals) < 200 {
			t.Errorf("%s: %d alerts arrive later", b, len(arrivals))
		}
		t.Logf("%-12s status %v severities %v, %d recent, %d to come", b, status, severities, recent, len(arrivals))
	}
	if d := s.Anchor.Sub(newest.Time); d != 2*time.Minute {
		t.Errorf("the newest alert is %v old: %+v", d, newest)
	}
	last := s.Anchor
	for _, a := range s.Alerts {
		if a.Time.After(s.Anchor) {
			if d := a.Time.Sub(last); d < 19*time.Second || d > 61*time.Second {
				t.Fatalf("an alert arrives %v after the one before", d)
			}
			last = a.Time
		}
	}
}

func TestChainsAndPidReuse(t *testing.T) {
	s := story.New(anchor, 1)
	deepest, shallow := 0, 0
	users := map[string][]*story.Process{}
	guids := map[string]bool{}
	for _, p := range s.Processes {
		if p.Malicious {
			deepest = max(deepest, len(p.Chain())+1)
			if len(p.Chain())+1 < 3 {
				shallow++
			}
		}
		if guids[p.GUID] {
			t.Fatalf("guid %s twice", p.GUID)
		}
		guids[p.GUID] = true
		for _, q := range users[p.Host.Name] {
			if q.PID == p.PID {
				users["reused "+p.Host.Name] = append(users["reused "+p.Host.Name], p)
				if q.Ended.IsZero() || q.Ended.After(p.Started) {
					t.Errorf("pid %d on %s is used by %s and %s at once", p.PID, p.Host.Name, q.Name, p.Name)
				}
			}
		}
		users[p.Host.Name] = append(users[p.Host.Name], p)
	}
	if deepest < 8 || shallow > 0 {
		t.Errorf("deepest chain %d, %d shorter than 3", deepest, shallow)
	}
	if len(users["reused HR-LT-221"]) != 1 {
		t.Errorf("pid reuse on HR-LT-221: %v", users["reused HR-LT-221"])
	}
}

// text gives every string of an event a hunt may look at.
func text(e *story.Event) []string {
	out := []string{e.FilePath, e.RemoteDomain, e.DNSName, e.ModulePath, e.RegData}
	for _, p := range []*story.Process{e.Process, e.Target} {
		if p != nil {
			out = append(out, p.Path, p.CommandLine)
		}
	}
	return out
}

func TestIndicatorsAreWhereTheySay(t *testing.T) {
	s := story.New(anchor, 1)
	fields := map[string][]string{ // what each product can show
		story.CWatch: {"sha1", "ipv4", "url", "file_name", "file_path", "process_name"}, story.CarbonBlack: {"sha256", "ipv4", "url", "file_name", "file_path", "process_name", "md5"},
		story.Gene: {"md5", "sha1", "sha256", "imphash", "ipv4", "domain", "url", "file_name", "file_path", "process_name"},
		story.ESP:  {"md5", "sha1", "sha256", "ipv4", "domain", "url", "file_name", "file_path", "process_name"},
	}
	types := map[string]bool{}
	for _, ind := range s.Indicators {
		types[ind.Type] = true
		for _, b := range backends {
			if !slices.Contains(fields[b], ind.Type) {
				if slices.Contains(ind.Backends, b) {
					t.Errorf("%s cannot show a %s", b, ind.Type)
				}
				continue
			}
			found := false
			for _, e := range s.Events(b) {
				var vals []string
				switch ind.Type {
				case "ipv4":
					vals = []string{e.RemoteIP}
				case "md5", "sha1", "sha256", "imphash":
					for _, p := range []*story.Process{e.Process, e.Target} {
						if p != nil {
							vals = append(vals, p.MD5, p.SHA1, p.SHA256, p.Imphash)
						}
					}
				default:
					for _, v := range text(e) {
						if strings.Contains(v, ind.Value) {
							vals = append(vals, ind.Value)
						}
					}
				}
				if slices.Contains(vals, ind.Value) {
					found = true
				}
			}
			if found != slices.Contains(ind.Backends, b) {
				t.Errorf("%s %s (%s) on %s: found %v", ind.Type, ind.Value, ind.Note, b, found)
			}
		}
	}
	for _, want := range []string{"md5", "sha1", "sha256", "imphash", "ipv4", "domain", "url", "file_name", "file_path", "process_name"} {
		if !types[want] {
			t.Errorf("no indicator of type %s", want)
		}
	}
}

func TestHostileTextIsThereAndValid(t *testing.T) {
	s := story.New(anchor, 1)
	for _, b := range backends {
		var all strings.Builder
		for _, e := range s.Events(b) {
			for _, v := range text(e) {
				if !utf8.ValidString(v) {
					t.Fatalf("%q is not UTF-8", v)
				}
				all.WriteString(v)
			}
		}
		for _, want := range []string{"\x1b[", "\r", "\u202e", "\u200b", "=cmd|", "<script>", `..\..\x`, "\ufffd", "\n"} {
			if !strings.Contains(all.String(), want) {
				t.Errorf("%s: no %q", b, want)
			}
		}
	}
	for _, a := range s.Alerts {
		if strings.ContainsAny(a.Title+a.Description, "\x1b\u202e") && a.Score > 3 {
			t.Errorf("alert %d of score %d has a hostile title", a.N, a.Score)
		}
	}
}

func TestScale(t *testing.T) {
	s := story.New(anchor, 7)
	n := 0
	for e := range s.EventSeq(story.Gene) {
		n++
		if n == 100 {
			_ = e
			break // stopping early must not panic
		}
	}
	one, seven := len(story.New(anchor, 1).Events(story.ESP)), len(s.Events(story.ESP))
	if seven-one != 6*story.New(anchor, 1).NoiseCount() {
		t.Errorf("scale 7 has %d events, scale 1 %d", seven, one)
	}
	if quiet := len(story.New(anchor, story.Quiet).Events(story.ESP)); one-quiet != story.New(anchor, 1).NoiseCount() {
		t.Errorf("a quiet story has %d events, scale 1 %d", quiet, one)
	}
	if got := story.New(anchor, -3).Scale; got != 1 {
		t.Errorf("scale -3 became %d", got)
	}
	if diff := cmp.Diff([]*story.Event(nil), slices.Collect(s.EventSeq("nothing"))); diff != "" {
		t.Error(diff)
	}
}

func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		story.New(anchor, 1)
	}
}

func BenchmarkEventSeq(b *testing.B) {
	s := story.New(anchor, 250)
	b.ReportAllocs()
	for b.Loop() {
		for range s.EventSeq(story.Gene) {
		}
	}
}

// Nothing starts before the process that started it.
func TestParentsStartFirst(t *testing.T) {
	for _, p := range story.New(time.Now(), 1).Processes {
		if p.Parent != nil && p.Started.Before(p.Parent.Started) {
			t.Errorf("%s of %s starts %v before its parent %s", p.Name, p.Host.Name, p.Parent.Started.Sub(p.Started), p.Parent.Name)
		}
	}
}
