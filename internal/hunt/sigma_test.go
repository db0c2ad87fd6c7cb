package hunt_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/hunt"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/sigma"
)

// evilStarts are starts, an hour each, each third of evil.exe.
func evilStarts(n int) []*model.Event {
	events := hourly(n)
	for _, e := range events {
		e.Kind = model.KindProcessStart
		e.Process.Path = `C:\` + e.Process.Name
	}
	return events
}

func sigmaRules(t *testing.T, more string) []*sigma.Rule {
	t.Helper()
	p := sigma.Parse("r.yml", []byte(`title: evil
id: r1
name: evil
level: high
tags: [attack.t1059]
logsource: {category: process_creation, product: windows}
detection: {s: {Image|endswith: '\evil.exe'}, condition: s}
`+more), sigma.Options{})
	rules, problems := sigma.Link(p.Rules)
	if len(p.Problems)+len(problems) > 0 {
		t.Fatal(p.Problems, problems)
	}
	return rules
}

const twiceInADay = `---
title: twice
id: c1
correlation:
  type: event_count
  rules: [evil]
  group-by: [Computer]
  timespan: 12h
  condition: {gte: 2}
  generate: true
`

func sigmaOf(rules []*sigma.Rule) hunt.Sigma {
	h := hunt.Sigma{Rules: rules, Span: hunt.Span{Since: epoch.Add(-48 * time.Hour), Until: epoch}}
	h.Request = ops.Request{Query: backends.Query{Since: h.Span.Since, Until: h.Span.Until}}
	return h
}

func told(hits []*model.SigmaHit) (out []string) {
	for _, h := range hits {
		host := "none"
		if h.Host != nil {
			host = h.Host.Name
		}
		out = append(out, fmt.Sprint(h.Rule.ID, " ", h.Profile, " ", host, " ", h.Count, " ", h.Refs))
	}
	slices.Sort(out)
	return out
}

func TestSigmaGivesAHitForEachRuleAndHost(t *testing.T) {
	s := &seer{events: evilStarts(12)} // evil.exe in the hours 0 3 6 9, on h0 h1 h0 h1
	hits, sum, err := hunt.RunSigma(t.Context(), fleet(s), sigmaOf(sigmaRules(t, twiceInADay)))
	if err != nil || sum.Events != 12 || sum.Fulfilled != 2 || sum.Hits != 4 {
		t.Errorf("%+v, %v", sum, err)
	}
	want := []string{"c1 p0 h0 2 [p0/e6 p0/e0]", "c1 p0 h1 2 [p0/e9 p0/e3]", "r1 p0 h0 2 [p0/e0 p0/e6]", "r1 p0 h1 2 [p0/e3 p0/e9]"}
	if got := told(hits); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	for _, h := range hits {
		if h.Rule.ID == "r1" && (*h.Score != 8 || h.Attack[0].Technique.ID != "T1059" || h.Matched[0] != "s" || h.Backend != "seer" || h.First.After(h.Last.Time) || h.Ref == "") {
			t.Errorf("%+v", h)
		}
	}
	if !slices.IsSortedFunc(hits, func(a, b *model.SigmaHit) int { return b.Last.Compare(a.Last.Time) }) {
		t.Error("not the latest first")
	}
}

func TestSigmaTellsOfEventsThatMatch(t *testing.T) {
	h := sigmaOf(sigmaRules(t, ""))
	var seen []string
	h.Event = func(e *model.Event) error {
		seen = append(seen, e.Ref+" "+e.Sigma[0].Title)
		return nil
	}
	if _, _, err := hunt.RunSigma(t.Context(), fleet(&seer{events: evilStarts(7)}), h); err != nil || strings.Join(seen, ",") != "p0/e0 evil,p0/e3 evil,p0/e6 evil" {
		t.Errorf("%v, %v", seen, err)
	}
	closed := errors.New("closed")
	h.Event = func(*model.Event) error { return closed }
	if _, _, err := hunt.RunSigma(t.Context(), fleet(&seer{events: evilStarts(7)}), h); !errors.Is(err, closed) {
		t.Errorf("a reader that is gone: %v", err)
	}
}

// A hunt that breaks off at any step and is continued finds what one run finds,
// correlations over the break included.
func TestSigmaGoesOnWhereItWasCut(t *testing.T) {
	rules := sigmaRules(t, twiceInADay)
	once, _, _ := hunt.RunSigma(t.Context(), fleet(&seer{events: evilStarts(40)}), sigmaOf(rules))
	want, _ := json.Marshal(told(once))
	for _, cut := range []int{1, 7, 20, 39} {
		path := filepath.Join(t.TempDir(), "ck")
		h := sigmaOf(rules)
		s := &seer{events: evilStarts(40)}
		id := hunt.SigmaID(rules, h.Request, fleet(s))
		for run := range 2 {
			c, err := hunt.OpenCheckpoint(path, id, h.Span, run > 0)
			if err != nil {
				t.Fatal(err)
			}
			h.Checkpoint = c
			s.broken = nil
			if run == 0 {
				s.broken = func(since time.Time) error {
					if since.Equal(epoch.Add(-time.Duration(cut) * time.Hour)) {
						return &backends.Error{Kind: backends.KindUnavailable, What: "gone"}
					}
					return nil
				}
			}
			hits, sum, err := hunt.RunSigma(t.Context(), fleet(s), h)
			if err != nil || c.Close() != nil || (sum.Outcomes[0].Err != nil) != (run == 0) {
				t.Fatalf("cut at %d, run %d: %v, %+v", cut, run, err, sum)
			}
			if got, _ := json.Marshal(told(hits)); run == 1 && string(got) != string(want) {
				t.Errorf("cut at %d:\ngot  %s\nwant %s", cut, got, want)
			}
		}
		if _, err := hunt.OpenCheckpoint(path, hunt.SigmaID(rules[:1], h.Request, fleet(s)), h.Span, true); err == nil {
			t.Error("other rules go on with the checkpoint")
		}
	}
}

// A hit is reported while events are still read: when it is new and when its count
// has doubled, each time as a copy of its own.
func TestSigmaTellsHitsWhileItReads(t *testing.T) {
	var seen []*model.SigmaHit
	h := sigmaOf(sigmaRules(t, ""))
	events := evilStarts(36)
	for i, e := range events {
		e.Ref = fmt.Sprint("p0/e", i)
	}
	h.Seen = func(hit *model.SigmaHit) { seen = append(seen, hit) }
	hits, sum, err := hunt.MatchSigma(h, slices.Values(events))
	if err != nil || sum.Events != 36 || sum.Hits != len(hits) {
		t.Fatal(sum, err)
	}
	var early []string
	for _, hit := range seen {
		early = append(early, fmt.Sprint(hit.Host.Name, " ", hit.Count, " ", len(hit.Refs)))
	}
	if got := strings.Join(early, ", "); got != "h0 1 1, h1 1 1, h0 2 2, h1 2 2, h0 4 4, h1 4 4" {
		t.Fatal(got)
	}
	if len(hits) != 2 || hits[0].Count != 6 || hits[1].Count != 6 {
		t.Fatal(told(hits))
	}
}

// The rules of a hunt are those of a level and up; the others, those refused
// and those that can never match are counted, and no rule at all is an error.
func TestLoadSigmaRules(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const source = "logsource: {category: process_creation, product: windows}\ndetection: {s: {Image: a}, condition: s}\n"
	write("high.yml", "title: high\nid: h\nlevel: high\ndescription: why\n"+source)
	write("low.yml", "title: low\nlevel: low\n"+source)
	write("cloud.yml", "title: cloud\nlevel: critical\nlogsource: {product: aws}\ndetection: {s: {a: b}, condition: s}\n")
	bad := write("bad.yml", "title: bad\nlogsource: {product: windows}\ndetection: {s: {a: b}}\n")
	rules, err := hunt.LoadSigmaRules(dir, model.SeverityMedium, []string{"gene", "cwatch"})
	if err != nil || len(rules.Rules) != 2 || len(rules.Refused) != 1 || rules.Never != 1 || rules.Files != 4 {
		t.Fatalf("%+v %v", rules, err)
	}
	if d := rules.Description(&model.SigmaHit{Rule: model.SigmaRule{ID: "h", Title: "high"}}); d != "why" {
		t.Fatalf("described as %q", d)
	}
	if rules, err = hunt.LoadSigmaRules(dir, model.SeverityUnknown, []string{"gene", "files"}); err != nil || len(rules.Rules) != 3 || rules.Never != 0 {
		t.Fatalf("evidence can hold anything: %+v %v", rules, err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none.yml"):  "no such file or folder",
		bad:                             "no rule could be loaded, 1 were refused: ",
		write("text.txt", "title only"): "",
		filepath.Join(dir, "low.yml"):   "no rule of level medium or above, 1 below",
	} {
		if _, err := hunt.LoadSigmaRules(path, model.SeverityMedium, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}
