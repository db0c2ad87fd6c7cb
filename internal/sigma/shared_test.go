package sigma

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/edrctl/edrctl/internal/model"
)

// shared gives a file of the public data sets, which are not part of this
// repository.
func shared(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("EDRCTL_SHARED")
	if dir == "" {
		t.Skip("SKIPPED, NOT PASSED: set EDRCTL_SHARED to the folder with the public data sets")
	}
	path := filepath.Join(dir, "data", name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("SKIPPED, NOT PASSED: EDRCTL_SHARED has no data/%s", name)
	}
	return path
}

var publicOnce = sync.OnceValues(func() (*Loaded, error) {
	return Load([]string{filepath.Join(os.Getenv("EDRCTL_SHARED"), "data/sigma/sigma-rules.tar.gz")}, nil, Options{})
})

// public gives the public rule set, read once.
func public(t testing.TB) *Loaded {
	t.Helper()
	shared(t, "sigma/sigma-rules.tar.gz")
	l, err := publicOnce()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func windowsRules(l *Loaded) []*Rule {
	var out []*Rule
	for _, r := range l.Rules {
		if r.LogSource.Product == "windows" {
			out = append(out, r)
		}
	}
	return out
}

// windowsRecord flattens a record as the parsers of EVTX write it to JSON.
func windowsRecord(raw []byte) (*Record, error) {
	var doc struct{ Event map[string]any }
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&doc); err != nil {
		return nil, err
	}
	r := &Record{Key: Source{Product: "windows"}}
	sys, _ := doc.Event["System"].(map[string]any)
	r.Key.Channel, r.Host = plain(sys["Channel"]), plain(sys["Computer"])
	r.Key.EventID, _ = strconv.Atoi(plain(sys["EventID"]))
	for _, part := range []string{"EventData", "UserData"} {
		r.flatten("", doc.Event[part])
	}
	for _, name := range sorted(sys) {
		v, ok := sys[name].(map[string]any)
		if !ok || plain(sys[name]) != "" {
			r.Fields = append(r.Fields, model.LogField{Name: name, Value: plain(sys[name])})
			continue
		}
		if a, ok := v["#attributes"].(map[string]any); ok {
			v = a
		}
		for _, k := range sorted(v) {
			r.Fields = append(r.Fields, model.LogField{Name: name + "_" + k, Value: plain(v[k])})
		}
	}
	return r, nil
}

func (r *Record) flatten(name string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range sorted(v) {
			if k != "#attributes" {
				r.flatten(k, v[k])
			}
		}
	case []any:
		for _, x := range v {
			r.flatten(name, x)
		}
	case nil:
	default:
		if name == "#text" {
			name = "Data"
		}
		r.Fields = append(r.Fields, model.LogField{Name: name, Value: plain(v)})
	}
}

func sorted(m map[string]any) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

func plain(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case map[string]any:
		return plain(v["#text"])
	}
	return fmt.Sprint(v)
}

func purpleSharp(t testing.TB) []*Record {
	f, err := os.Open(shared(t, "sysmon-purplesharp.gene-v1.7.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var out []*Record
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<22)
	for lines.Scan() {
		r, err := windowsRecord(lines.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

// regression is one case of the public rule set.
type regression struct {
	name, rule string
	records    []*Record
}

func regressions(t testing.TB) []regression {
	f, err := os.Open(shared(t, "sigma/sigma-regression.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var out []regression
	for tr := tar.NewReader(z); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		base := filepath.Base(h.Name)
		ext := filepath.Ext(base)
		if ext != ".json" && ext != ".raw" {
			continue
		}
		c := regression{name: filepath.Base(filepath.Dir(h.Name)), rule: strings.TrimSuffix(base, ext)}
		data, _ := io.ReadAll(tr)
		if ext == ".raw" { // a line of a router's log
			c.records = []*Record{{Key: Source{Product: "cisco", Channel: "aaa"}, Text: string(data)}}
		}
		dec := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))))
		for ext == ".json" {
			var raw json.RawMessage
			if err := dec.Decode(&raw); err != nil {
				break
			}
			r, err := windowsRecord(raw)
			if err != nil {
				t.Fatalf("%s: %v", h.Name, err)
			}
			c.records = append(c.records, r)
		}
		out = append(out, c)
	}
}

func TestPublicRulesLoad(t *testing.T) {
	l := public(t)
	if len(l.Rules) != 3752 || l.Others != 0 {
		t.Errorf("%d rules and %d other documents, want 3752 and 0", len(l.Rules), l.Others)
	}
	for _, p := range l.Problems {
		if !strings.Contains(p.Reason, "placeholder %known_cdcs%") {
			t.Error(p)
		}
	}
}

func TestPublicRegressionCasesMatch(t *testing.T) {
	m := Compile(public(t).Rules).NewMatcher()
	cases := regressions(t)
	if len(cases) != 107 {
		t.Errorf("%d cases, want 107", len(cases))
	}
	for _, c := range cases {
		n := 0
		for _, r := range c.records {
			for _, hit := range m.Match(r) {
				if hit.Rule.ID == c.rule {
					n++
					if len(m.Selections(hit)) == 0 {
						t.Errorf("%s: no selection is named", c.name)
					}
				}
			}
		}
		if n == 0 {
			t.Errorf("%s: %s does not match any of %d records", c.name, c.rule, len(c.records))
		}
	}
}

func TestPublicRulesOverPurpleSharp(t *testing.T) {
	data, err := os.ReadFile(shared(t, "sigma/purplesharp-hits.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{}
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) == 2 {
			want[f[0]+" "+f[1]]++
		}
	}
	m := Compile(windowsRules(public(t))).NewMatcher()
	n := 0
	for i, r := range purpleSharp(t) {
		for _, hit := range m.Match(r) {
			n++
			key := strconv.Itoa(i) + " " + hit.Rule.ID
			if want[key]--; want[key] < 0 {
				t.Errorf("event %d matches %s %q, which the reference does not", i, hit.Rule.ID, hit.Rule.Title)
			}
		}
	}
	for key, left := range want {
		if left > 0 {
			t.Errorf("%s of the reference is missing", key)
		}
	}
	t.Logf("%d matches, %d evaluations", n, m.Evaluated)
}

// BenchmarkPublic is the speed over the public sets: one pass over the events
// is what is measured.
func BenchmarkPublic(b *testing.B) {
	rules := windowsRules(public(b))
	var process []*Record
	for _, c := range regressions(b) {
		process = append(process, c.records...)
	}
	for _, set := range []struct {
		name    string
		records []*Record
	}{{"purplesharp", purpleSharp(b)}, {"regression", process}} {
		b.Run(set.name, func(b *testing.B) {
			e := Compile(rules)
			matches, passes, evaluated := 0, 0, 0
			for b.Loop() {
				passes++
				m := e.NewMatcher() // it remembers nothing of the pass before
				for _, r := range set.records {
					matches += len(m.Match(r))
				}
				evaluated += m.Evaluated
			}
			events := float64(len(set.records) * passes)
			b.ReportMetric(events/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(evaluated)/events, "evaluated/event")
			b.ReportMetric(float64(matches)/float64(passes), "matches")
		})
	}
}

func BenchmarkLoadPublic(b *testing.B) {
	path := shared(b, "sigma/sigma-rules.tar.gz")
	for b.Loop() {
		l, err := Load([]string{path}, nil, Options{})
		if err != nil || len(l.Rules) < 3000 {
			b.Fatal(err)
		}
		Compile(l.Rules)
	}
}
