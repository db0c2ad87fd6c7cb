// Package sigmabench compares the speed of our engine for Sigma rules with
// that of another one. It is a module of its own, so that the program does not
// depend on the other engine.
//
//	cd internal/tools/sigmabench && EDRCTL_SHARED=… go test -bench .
package sigmabench

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"

	other "github.com/bradleyjkemp/sigma-go"
	"github.com/bradleyjkemp/sigma-go/evaluator"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/sigma"
)

// event is one record for both engines.
type event struct {
	record *sigma.Record
	fields map[string]any
}

func data(b *testing.B, name string) string {
	b.Helper()
	path := filepath.Join(os.Getenv("EDRCTL_SHARED"), "data", name)
	if _, err := os.Stat(path); os.Getenv("EDRCTL_SHARED") == "" || err != nil {
		b.Skip("SKIPPED: set EDRCTL_SHARED to the folder with the public data sets")
	}
	return path
}

// members gives the files of a compressed archive with a suffix.
func members(b *testing.B, path, suffix string) map[string][]byte {
	b.Helper()
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		b.Fatal(err)
	}
	out := map[string][]byte{}
	for tr := tar.NewReader(z); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			b.Fatal(err)
		}
		if strings.HasSuffix(h.Name, suffix) {
			if out[h.Name], err = io.ReadAll(tr); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func text(v any) string {
	if m, ok := v.(map[string]any); ok {
		return text(m["#text"])
	}
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

func eventOf(raw json.RawMessage) *event {
	var doc struct{ Event map[string]map[string]any }
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if dec.Decode(&doc) != nil {
		return nil
	}
	sys := doc.Event["System"]
	e := &event{record: &sigma.Record{Key: sigma.Source{Product: "windows", Channel: text(sys["Channel"])}}, fields: map[string]any{}}
	e.record.Key.EventID, _ = strconv.Atoi(text(sys["EventID"]))
	for _, part := range []string{"EventData", "UserData"} {
		for name, v := range doc.Event[part] {
			e.fields[name] = text(v)
		}
	}
	e.fields["EventID"] = text(sys["EventID"])
	for name, v := range e.fields {
		e.record.Fields = append(e.record.Fields, model.LogField{Name: name, Value: v.(string)})
	}
	sort.Slice(e.record.Fields, func(i, j int) bool { return e.record.Fields[i].Name < e.record.Fields[j].Name })
	return e
}

func purpleSharp(b *testing.B) (out []*event) {
	f, err := os.Open(data(b, "sysmon-purplesharp.gene-v1.7.jsonl.gz"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		b.Fatal(err)
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<22)
	for lines.Scan() {
		if e := eventOf(bytes.Clone(lines.Bytes())); e != nil {
			out = append(out, e)
		}
	}
	return out
}

func regressions(b *testing.B) (out []*event) {
	for _, raw := range members(b, data(b, "sigma/sigma-regression.tar.gz"), ".json") {
		dec := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))))
		for {
			var one json.RawMessage
			if dec.Decode(&one) != nil {
				break
			}
			if e := eventOf(one); e != nil {
				out = append(out, e)
			}
		}
	}
	return out
}

// rules are the Windows rules for both engines, the other one's by log source:
// it is not asked for rules of other sources.
type rules struct {
	ours   []*sigma.Rule
	theirs map[sigma.LogSource][]*evaluator.RuleEvaluator
}

var once sync.Once
var loaded rules

func load(b *testing.B) *rules {
	path := data(b, "sigma/sigma-rules.tar.gz")
	once.Do(func() {
		l, err := sigma.Load([]string{path}, nil, sigma.Options{})
		if err != nil {
			b.Fatal(err)
		}
		loaded.theirs = map[sigma.LogSource][]*evaluator.RuleEvaluator{}
		for _, r := range l.Rules {
			if r.LogSource.Product == "windows" {
				loaded.ours = append(loaded.ours, r)
			}
		}
		for _, raw := range members(b, path, ".yml") {
			r, err := other.ParseRule(raw)
			if err != nil || r.Logsource.Product != "windows" {
				continue
			}
			src := sigma.LogSource{Product: "windows", Category: r.Logsource.Category, Service: r.Logsource.Service}
			loaded.theirs[src] = append(loaded.theirs[src], evaluator.ForRule(r))
		}
	})
	return &loaded
}

func BenchmarkEngines(b *testing.B) {
	for _, set := range []struct {
		name  string
		read  func(*testing.B) []*event
		every int // the other engine gets one event in so many
	}{{"purplesharp", purpleSharp, 20}, {"regression", regressions, 4}} {
		b.Run(set.name, func(b *testing.B) {
			r, events := load(b), set.read(b)
			b.Run("edrctl", func(b *testing.B) { ours(b, r, events) })
			b.Run("sigma-go", func(b *testing.B) { theirs(b, r, events, set.every) })
		})
	}
}

func ours(b *testing.B, r *rules, events []*event) {
	e := sigma.Compile(r.ours)
	for _, ev := range events { // the index of a log source is made when its first event comes
		e.NewMatcher().Match(ev.record)
	}
	matches, n := 0, 0
	for b.Loop() {
		m := e.NewMatcher()
		for _, ev := range events {
			matches += len(m.Match(ev.record))
			n++
		}
	}
	report(b, n, matches)
}

func theirs(b *testing.B, r *rules, events []*event, every int) {
	matches, n := 0, 0
	ctx := context.Background()
	for b.Loop() {
		for i := 0; i < len(events); i += every {
			n++
			for src, list := range r.theirs {
				if !events[i].record.Key.Has(src) {
					continue
				}
				for _, rule := range list {
					if res, err := rule.Matches(ctx, events[i].fields); err == nil && res.Match {
						matches++
					}
				}
			}
		}
	}
	report(b, n, matches)
}

func report(b *testing.B, events, matches int) {
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(matches)*1000/float64(events), "matches/1000events")
	b.ReportMetric(float64(mem.HeapInuse)/1e6, "MB")
}
