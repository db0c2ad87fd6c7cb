package sigma

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/model"
)

const base = `title: failed
name: failed
id: f
logsource: {category: process_creation}
detection: {s: {Image: failed}, condition: s}
---
title: logged on
name: success
id: s
logsource: {category: process_creation}
detection: {s: {Image: success}, condition: s}
---
title: scan
name: scan
id: c
logsource: {category: process_creation}
detection: {s: {Image: scan}, condition: s}
---
title: correlated
id: x
level: high
correlation:
`

// correlate runs "second image user host [value]" lines and gives the hits as
// "rule count first-last group".
func correlate(t *testing.T, rules []*Rule, lines string) []string {
	t.Helper()
	c := NewCorrelator(rules)
	m := Compile(rules).NewMatcher()
	start := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	for i, line := range strings.Split(lines, ",") {
		f := strings.Fields(line)
		var sec int
		fmt.Sscan(f[0], &sec)
		r := event("Image=" + f[1])
		for j, name := range []string{"User", "Computer", "Bytes"} {
			if j+2 < len(f) && f[j+2] != "-" {
				r.Fields = append(r.Fields, model.LogField{Name: name, Value: f[j+2]})
			}
		}
		for _, hit := range m.Match(r) {
			c.Add(c.Observe(hit.Rule, start.Add(time.Duration(sec)*time.Second), fmt.Sprint("e", i), r.Get))
		}
	}
	var out []string
	for _, h := range c.Finish() {
		out = append(out, fmt.Sprintf("%s %d %d-%d %v", h.Rule.ID, h.Count, int(h.First.Sub(start).Seconds()), int(h.Last.Sub(start).Seconds()), h.Group))
	}
	return out
}

func TestCorrelations(t *testing.T) {
	for _, c := range []struct{ name, corr, events, want string }{
		{"count by user", "type: event_count\nrules: [failed]\ngroup-by: [User]\ntimespan: 10s\ncondition: {gte: 3}",
			"0 failed a,1 failed b,2 failed a,3 failed A,4 failed b", "x 3 0-3 map[User:a]"},
		{"events newest first", "type: event_count\nrules: [failed]\ngroup-by: [User]\ntimespan: 10s\ncondition: {gte: 3}",
			"3 failed a,2 failed a,0 failed a", "x 3 0-3 map[User:a]"},
		{"a window that slides", "type: event_count\nrules: [failed]\ngroup-by: [User]\ntimespan: 10s\ncondition: {gt: 2}",
			"0 failed a,8 failed a,15 failed a,16 failed a", "x 3 8-16 map[User:a]"},
		{"no window that is long enough", "type: event_count\nrules: [failed]\ngroup-by: [User]\ntimespan: 10s\ncondition: {gte: 3}",
			"0 failed a,8 failed a,19 failed a", ""},
		{"a field that is absent groups nothing", "type: event_count\nrules: [failed]\ngroup-by: [User]\ntimespan: 10s\ncondition: {gte: 2}",
			"0 failed -,1 failed -", ""},
		{"two runs", "type: event_count\nrules: [failed]\ngroup-by: [User]\ntimespan: 2s\ncondition: {gte: 2}",
			"0 failed a,1 failed a,2 failed a,60 failed a,61 failed a", "x 3 0-2 map[User:a]|x 2 60-61 map[User:a]"},
		{"a range", "type: event_count\nrules: [failed]\ngroup-by: [User]\ntimespan: 10s\ncondition: {gt: 1, lte: 2}",
			"0 failed a,1 failed a,2 failed a,0 failed b,1 failed b", "x 2 0-1 map[User:b]"},
		{"eq", "type: event_count\nrules: [failed]\ngroup-by: [User]\ntimespan: 10s\ncondition: {eq: 1}",
			"0 failed a,1 failed a,0 failed b", "x 1 0-0 map[User:b]"},
		{"lt", "type: event_count\nrules: [failed]\ngroup-by: [User]\ntimespan: 10s\ncondition: {lt: 2}",
			"0 failed a,1 failed a,0 failed b", "x 1 0-0 map[User:b]"},
		{"neq", "type: event_count\nrules: [failed]\ngroup-by: [User]\ntimespan: 10s\ncondition: {neq: 2}",
			"0 failed a,1 failed a,0 failed b", "x 1 0-0 map[User:b]"},
		{"distinct values", "type: value_count\nrules: [failed]\ngroup-by: [Computer]\ntimespan: 10s\ncondition: {field: User, gte: 3}",
			"0 failed a h,1 failed A h,2 failed b h,3 failed c h,0 failed a i,1 failed b i", "x 4 0-3 map[Computer:h]"},
		{"sum", "type: value_sum\nrules: [failed]\ngroup-by: [User]\ntimespan: 10s\ncondition: {field: Bytes, gt: 100}",
			"0 failed a h 60,1 failed a h 50,0 failed b h 60", "x 2 0-1 map[User:a]"},
		{"average", "type: value_avg\nrules: [failed]\ngroup-by: [User]\ntimespan: 10s\ncondition: {field: Bytes, gte: 50}",
			"0 failed a h 40,1 failed a h 60,0 failed b h 40", "x 2 0-1 map[User:a]"},
		{"near each other", "type: temporal\nrules: [failed, success]\ngroup-by: [User]\ntimespan: 10s",
			"5 failed a,0 success a,5 failed b,0 success c", "x 2 0-5 map[User:a]"},
		{"two of three", "type: temporal\nrules: [failed, success, scan]\ngroup-by: [User]\ntimespan: 10s\ncondition: {gte: 2}",
			"5 failed a,0 scan a", "x 2 0-5 map[User:a]"},
		{"in order", "type: temporal_ordered\nrules: [failed, success]\ngroup-by: [User]\ntimespan: 10s",
			"0 failed a,5 success a,0 success b,5 failed b", "x 2 0-5 map[User:a]"},
		{"in order, the latest first step", "type: temporal_ordered\nrules: [failed, success]\ngroup-by: [User]\ntimespan: 10s",
			"0 failed a,20 failed a,25 success a", "x 2 20-25 map[User:a]"},
		{"in order, out of time", "type: temporal_ordered\nrules: [failed, scan, success]\ngroup-by: [User]\ntimespan: 10s",
			"0 failed a,5 scan a,11 success a", ""},
		{"aliases", "type: temporal\nrules: [failed, success]\ngroup-by: [who]\ntimespan: 10s\naliases: {who: {failed: User, success: Computer}}",
			"0 failed a h,1 success x a", "x 2 0-1 map[who:a]"},
		{"no group", "type: event_count\nrules: [failed, success]\ntimespan: 10s\ncondition: {gte: 2}",
			"0 failed a,1 success b", "x 2 0-1 map[]"},
		{"a chain", "type: temporal_ordered\nrules: [many, success]\ngroup-by: [Computer]\ntimespan: 20s\n---\ntitle: many\nname: many\nid: m\ncorrelation:\n  type: event_count\n  rules: [failed]\n  group-by: [User]\n  timespan: 5s\n  condition: {gte: 2}",
			"0 failed a h,1 failed a h,9 success b h", "m 2 0-1 map[User:a]|x 3 0-9 map[Computer:h]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			first, rest, _ := strings.Cut(c.corr, "\n---\n")
			text := base + "  " + strings.ReplaceAll(first, "\n", "\n  ") + "\n"
			if rest != "" {
				text += "---\n" + rest + "\n"
			}
			if got := strings.Join(correlate(t, mustParse(t, text, Options{}), c.events), "|"); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestCorrelationsThatCannotBeAreRefused(t *testing.T) {
	for corr, reason := range map[string]string{
		"type: magic\nrules: [failed]\ntimespan: 1m\ncondition: {gte: 1}":                                     `there is no type "magic"`,
		"type: event_count\nrules: [failed]\ntimespan: 1m":                                                    "needs a condition",
		"type: event_count\nrules: [failed]\ntimespan: 1x\ncondition: {gte: 1}":                               "not a number with s, m, h or d",
		"type: event_count\nrules: [failed]\ncondition: {gte: 1}":                                             "has no timespan",
		"type: event_count\ntimespan: 1m\ncondition: {gte: 1}":                                                "names no rules",
		"type: event_count\nrules: [nobody]\ntimespan: 1m\ncondition: {gte: 1}":                               "the rule nobody is not among",
		"type: event_count\nrules: [x]\ntimespan: 1m\ncondition: {gte: 1}":                                    "leads back to itself",
		"type: value_count\nrules: [failed]\ntimespan: 1m\ncondition: {gte: 1}":                               "needs a field",
		"type: value_percentile\nrules: [failed]\ntimespan: 1m\ncondition: {field: a, gte: 1}":                "is not supported",
		"type: temporal_ordered\nrules: [failed, success]\ntimespan: 1m\ncondition: {gte: 1}":                 "of all of its rules",
		"type: event_count\nrules: [failed]\ntimespan: 1m\ncondition: {above: 1}":                             `no comparison "above"`,
		"type: event_count\nrules: [failed]\ntimespan: 1m\ncondition: {gte: many}":                            "is not a number",
		"type: event_count\nrules: [failed]\ntimespan: 1m\ncondition: failed and success":                     "want a mapping",
		"type: event_count\nrules: [failed]\ntimespan: 1m\ncondition: {gte: 1}\naliases: {who: User}":         "want a mapping of rules to fields",
		"type: event_count\nrules: [failed]\ntimespan: 99999999999999d\ncondition: {gte: 1}\naliases: {a: b}": "not a number with",
	} {
		p := Parse("r.yml", []byte(base+"  "+strings.ReplaceAll(corr, "\n", "\n  ")+"\n"), Options{})
		_, problems := Link(p.Rules)
		problems = append(problems, p.Problems...)
		if len(problems) != 1 || !strings.Contains(problems[0].Reason, reason) || problems[0].Rule != "x" || problems[0].Line == 0 {
			t.Errorf("%q: %v, want %q", corr, problems, reason)
		}
	}
}

func TestRulesOfACorrelationAreNotHitsOfTheirOwn(t *testing.T) {
	corr := "  type: event_count\n  rules: [failed]\n  timespan: 1m\n  condition: {gte: 1}\n"
	for generate, want := range map[string]bool{"": false, "  generate: true\n": true} {
		rules := mustParse(t, base+corr+generate, Options{})
		reported := Reported(rules)
		if reported[rules[0]] != want || !reported[rules[1]] || !reported[rules[3]] {
			t.Errorf("%q: %v", generate, reported)
		}
	}
}
