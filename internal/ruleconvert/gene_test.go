package ruleconvert_test

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/generule"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ruleconvert"
	"github.com/edrctl/edrctl/internal/sigma"
)

const sysmon = "Microsoft-Windows-Sysmon/Operational"

// load reads rules that have to be right.
func load(t *testing.T, text string) []*sigma.Rule {
	t.Helper()
	p := sigma.Parse("rules.yml", []byte(text), sigma.Options{})
	if len(p.Problems) > 0 {
		t.Fatal(p.Problems[0])
	}
	rules, problems := sigma.Link(p.Rules)
	if len(problems) > 0 {
		t.Fatal(problems[0])
	}
	return rules
}

// pair is a rule in both languages.
type pair struct {
	rule *sigma.Rule
	gene *generule.Parsed
}

func toGene(t *testing.T, r *sigma.Rule, schema int) (*generule.Parsed, error) {
	t.Helper()
	doc, err := ruleconvert.Gene(r, ruleconvert.Options{GeneSchema: schema})
	if err != nil {
		return nil, err
	}
	parsed, err := generule.Parse(doc)
	if err != nil || len(parsed) != 1 || len(parsed[0].Errors) > 0 || len(parsed[0].Warnings) > 0 || parsed[0].Version() != schema {
		t.Fatalf("%s: %s: %v %+v", r.Title, doc, err, parsed)
	}
	parsed[0].Name = r.Key() // titles come more than once
	return parsed[0], nil
}

// recordOf is the event as Sigma sees it.
func recordOf(ev generule.Event) *sigma.Record {
	r := &sigma.Record{Key: sigma.Source{Product: "windows", Channel: ev.Channel, EventID: int(ev.EventID)}}
	r.Fields = append(r.Fields, model.LogField{Name: "EventID", Value: strconv.FormatInt(ev.EventID, 10)}, model.LogField{Name: "Channel", Value: ev.Channel})
	for k, v := range ev.Data {
		r.Fields = append(r.Fields, model.LogField{Name: k, Value: v})
	}
	return r
}

// sameHits fails where a rule fires in one language and not in the other, and
// gives the number of hits.
func sameHits(t *testing.T, pairs []pair, events []generule.Event) int {
	t.Helper()
	var rules []*sigma.Rule
	var converted []*generule.Parsed
	for _, p := range pairs {
		rules, converted = append(rules, p.rule), append(converted, p.gene)
	}
	matcher, engine := sigma.Compile(rules).NewMatcher(), generule.NewEngine(converted)
	hits := 0
	for i, ev := range events {
		var want, got []string
		for _, m := range matcher.Match(recordOf(ev)) {
			want = append(want, m.Rule.Key())
		}
		for _, v := range engine.On(ev) {
			if v.Fires != generule.Yes {
				t.Errorf("event %d: %s may fire", i, v.Rule)
			}
			got = append(got, v.Rule)
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(want, got) {
			t.Errorf("event %d %v: Sigma has %v, Gene %v", i, ev, want, got)
		}
		hits += len(want)
	}
	return hits
}

const head = "title: T\nid: %s\nlogsource: {product: windows, category: process_creation}\ndetection:\n"

func TestGeneConditionsMeanWhatSigmaMeans(t *testing.T) {
	details := []string{
		"  a: {Image|endswith: '\\cmd.exe'}\n  b: {User: [x, '']}\n  condition: a and not b",
		"  a:\n    - Image|endswith: '\\cmd.exe'\n    - CommandLine|contains|all: [Foo, bar]\n  b: {User: null}\n  condition: not (a or b)",
		"  a: {User: null, Image|contains: m}\n  condition: a",
		"  a: {User: [null, x]}\n  condition: a",
		"  a: {User|exists: true}\n  b: {CommandLine|exists: false}\n  condition: a and not b",
		"  sel_a: {Image: 'C:\\*\\c?d.exe'}\n  sel_b: {CommandLine|re: '^(?i)foo'}\n  condition: 1 of sel_* and not all of sel_*",
		"  a: {CommandLine|re|i: 'FOO.*bar'}\n  b: {User|neq: x}\n  condition: a or b",
		"  a: {User|cased: X}\n  b: {User|contains|cased: x}\n  condition: a or not b",
		"  a: {Port: 443}\n  b: {Port|gte: 1024}\n  c: {Port|lt: 10}\n  condition: a or b or c",
		"  a: {Port: [443, 0x10, 'abc']}\n  condition: a",
		"  a: {Ip|cidr: ['10.0.0.0/8', '172.16.0.0/12', '::1', 'fe80::/10', 'fc00::/7', '192.0.2.7/32']}\n  condition: a",
		"  a: {CommandLine|windash|contains: ' -x'}\n  b: {CommandLine|base64offset|contains: foo}\n  condition: a or b",
		"  a: {CommandLine|utf16le|contains: 'fo'}\n  condition: a",
		"  a: {'With Blank': '*'}\n  condition: a",
		"  a: {EventID: 1, Image|contains: md}\n  condition: a",
		"  a: {User|fieldref|cased: Other}\n  condition: not a",
		"  a-1: {User: x}\n  a_1: {User: X}\n  a.1: {Image: '*'}\n  condition: a-1 and a_1 and a.1",
		"  a: {CommandLine|contains: \"it's\\n(1)\"}\n  b: {CommandLine|cased: \"it's\"}\n  condition: a or b",
	}
	var pairs []pair
	for i, d := range details {
		r := load(t, fmt.Sprintf(head, strconv.Itoa(i))+d)[0]
		for _, schema := range []int{1, 2} {
			g, err := toGene(t, r, schema)
			if err != nil {
				t.Fatalf("%s: %v", d, err)
			}
			if schema == 2 {
				pairs = append(pairs, pair{r, g})
			}
		}
	}
	values := map[string][]string{
		"Image": {`C:\Windows\cmd.exe`, `c:\x\CMD.EXE`, "cmd.exe", ""}, "CommandLine": {"foo -x BAR", "xFoo\nbar", "Zm9v", "f\x00o\x00", "it's\n(1)", "it's", "FOO /x"},
		"User": {"x", "X", "", "xy"}, "Port": {"443", "0x1BB", "16", "0x10", "1023", "1024", "9", "ABC", "x"}, "Other": {"x", "X"}, "With Blank": {"", "1"},
		"Ip": {"10.1.2.3", "172.31.0.1", "172.32.0.1", "::1", "0:0:0:0:0:0:0:1", "FE80::1%4", "fec0::1", "fd00::1", "::ffff:10.0.0.1", "192.0.2.7", "192.0.2.70", "110.1.2.3"},
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	var events []generule.Event
	for range 3000 {
		ev := generule.Event{Channel: sysmon, EventID: int64(1 + rnd.IntN(2)), Data: map[string]string{}}
		for _, name := range []string{"CommandLine", "Image", "Ip", "Other", "Port", "User", "With Blank"} {
			if list := values[name]; rnd.IntN(4) > 0 {
				ev.Data[name] = list[rnd.IntN(len(list))]
			}
		}
		events = append(events, ev)
	}
	if hits := sameHits(t, pairs, events); hits < 1000 {
		t.Errorf("only %d hits: the events are not telling", hits)
	}
}

// TestGenePatternsMeanWhatSigmaMeans: values of any characters, with any way
// to compare them.
func TestGenePatternsMeanWhatSigmaMeans(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	word := func(letters string, most int) string {
		r := []rune(letters)
		var b strings.Builder
		for range rnd.IntN(most + 1) {
			b.WriteRune(r[rnd.IntN(len(r))])
		}
		return b.String()
	}
	mods := []string{"", "|contains", "|startswith", "|endswith", "|cased", "|contains|cased", "|contains|all", "|endswith|cased"}
	for n := range 300 {
		values := make([]string, 1+rnd.IntN(3))
		for i := range values {
			values[i] = word(`aAbB*?\.'"^$()[]{}|+- /éÉ`+"\n", 4)
		}
		list, _ := json.Marshal(values)
		r := load(t, fmt.Sprintf(head, "1")+"  a: {F"+mods[rnd.IntN(len(mods))]+": "+string(list)+"}\n  condition: a")[0]
		g, err := toGene(t, r, 2)
		if err != nil {
			t.Fatalf("%q: %v", values, err)
		}
		var events []generule.Event
		for range 60 {
			v := word(`aAbB\.'"^$()[]{}|+- /éÉ`+"\n", 5)
			if rnd.IntN(2) == 0 {
				v = strings.NewReplacer("*", "", "?", "a").Replace(values[rnd.IntN(len(values))]) + v
			}
			events = append(events, generule.Event{Channel: sysmon, EventID: 1, Data: map[string]string{"F": v}})
		}
		sameHits(t, []pair{{r, g}}, events)
		if t.Failed() {
			t.Fatalf("rule %d: %q: %s", n, values, g.Matches)
		}
	}
}

func TestGeneLogSources(t *testing.T) {
	for _, c := range []struct{ source, detection, events, condition, refused string }{
		{"{product: windows, category: file_event}", "a: {TargetFilename: x}\n  condition: a", `{"` + sysmon + `":[11]}`, "$a", ""},
		{"{product: windows, service: security}", "a: {EventID: [4624, 4625], LogonType: 3}\n  condition: a", `{"Security":[4624,4625]}`, "$a", ""},
		{"{product: windows, service: security}", "a: {EventID: 1102}\n  condition: a", `{"Security":[1102]}`, "", ""},
		{"{product: windows, service: sysmon}", "a: {Image: x}\n  condition: a", `{"` + sysmon + `":[]}`, "$a", ""},
		{"{product: windows, category: ps_module}", "a: {Payload: x}\n  condition: a", `{"Microsoft-Windows-PowerShell/Operational":[4103],"PowerShellCore/Operational":[4103]}`, "$a", ""},
		{"{product: windows, service: security}", "a: {EventID: 4624, LogonType: 3}\n  b: {EventID: 4625}\n  condition: a or b", "", "", "differs from one event id to the other"},
		{"{product: windows, service: security}", "a: {EventID: 4624}\n  condition: not a", "", "", "all event ids but some"},
		{"{product: windows, service: security}", "a: {EventID|gt: 4624}\n  condition: a", "", "", "more than their numbers"},
		{"{product: windows, service: security}", "a: [x, y]\n  condition: a", "", "", "keywords"},
		{"{product: windows, service: system}", "a: {EventID: 7045, Provider_Name: x}\n  condition: a", "", "", "Provider_Name"},
		{"{product: windows, service: applocker}", "a: {EventID: 8004}\n  condition: a", "", "", "UserData"},
		{"{product: linux, category: process_creation}", "a: {Image: x}\n  condition: a", "", "", "Windows only"},
		{"{category: webserver}", "a: {cs-uri: x}\n  condition: a", "", "", "no event log of Windows"},
		{"{product: windows, category: process_creation}", "a: {Image|fieldref: ParentImage}\n  condition: a", "", "", "compares two fields exactly"},
		{"{product: windows, category: process_creation}", "a: {CommandLine|utf16|contains: x}\n  condition: a", "", "", "bytes outside UTF-8"},
	} {
		r := load(t, "title: T\nlogsource: "+c.source+"\ndetection:\n  "+c.detection)[0]
		g, err := toGene(t, r, 2)
		if c.refused != "" {
			if err == nil || !strings.Contains(err.Error(), c.refused) {
				t.Errorf("%s %s: %v, want a refusal with %q", c.source, c.detection, err, c.refused)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s %s: %v", c.source, c.detection, err)
			continue
		}
		if events, _ := json.Marshal(g.Meta.Events); string(events) != c.events || g.Condition != c.condition {
			t.Errorf("%s %s: %s %q", c.source, c.detection, events, g.Condition)
		}
	}
}

func TestGeneKeepsWhatTheRuleSaysOfItself(t *testing.T) {
	r := load(t, `
title: "Encoded  PowerShell"
id: 11111111-2222-3333-4444-555555555555
author: A. Nalyst
license: DRL-1.1
status: test
level: high
tags: [attack.execution, attack.t1059.001, cve.2026-1]
logsource: {product: windows, category: process_creation}
detection:
  selection: {Image|endswith: '\powershell.exe'}
  condition: selection`)[0]
	doc, err := ruleconvert.Gene(r, ruleconvert.Options{GeneSchema: 2})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"Name":"Encoded PowerShell","Tags":["sigma","sigma-id: 11111111-2222-3333-4444-555555555555","sigma-status: test","sigma-author: A. Nalyst","sigma-license: DRL-1.1","cve.2026-1"],` +
		`"Meta":{"Events":{"Microsoft-Windows-Sysmon/Operational":[1]},"Computers":[],"ATTACK":[{"ID":"T1059.001","Tactic":"execution","Reference":"https://attack.mitre.org/techniques/T1059/001"}],"Criticality":8,"Disable":false,"Filter":false,"Schema":"2.0.0"},` +
		`"Matches":["$selection: Image ~= '(?i)\\\\powershell\\.exe$'"],"Condition":"$selection"}`
	if string(doc) != want {
		t.Errorf("got  %s\nwant %s", doc, want)
	}
}

// TestPublicRulesMeanTheSameInGene compares the whole public set, as far as it
// is converted, over public events.
func TestPublicRulesMeanTheSameInGene(t *testing.T) {
	dir := os.Getenv("EDRCTL_SHARED")
	if dir == "" {
		t.Skip("SKIPPED, NOT PASSED: set EDRCTL_SHARED to the folder with the public data sets")
	}
	l, err := sigma.Load([]string{filepath.Join(dir, "data/sigma/sigma-rules.tar.gz")}, nil, sigma.Options{})
	if err != nil {
		t.Fatal(err)
	}
	regression, cases := regressionEvents(t, filepath.Join(dir, "data/sigma/sigma-regression.tar.gz"))
	hits, err := os.ReadFile(filepath.Join(dir, "data/sigma/purplesharp-hits.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	var pairs []pair
	refused := 0
	for i, r := range l.Rules {
		if i%12 > 0 && !cases[r.ID] && !strings.Contains(string(hits), r.ID) {
			continue
		}
		if g, err := toGene(t, r, 2); err == nil {
			pairs = append(pairs, pair{r, g})
		} else {
			refused++
		}
	}
	if len(pairs) < 2*refused {
		t.Errorf("%d rules converted, %d refused", len(pairs), refused)
	}
	if n := sameHits(t, pairs, regression); n < 90 {
		t.Errorf("%d hits over %d events", n, len(regression))
	}
	var which []int
	for line := range strings.Lines(string(hits)) {
		if n, err := strconv.Atoi(strings.Fields(line)[0]); err == nil {
			which = append(which, n)
		}
	}
	sample := purpleSharp(t, filepath.Join(dir, "data/sysmon-purplesharp.gene-v1.7.jsonl.gz"), func(i int) bool {
		return i%60 == 0 || slices.Contains(which, i)
	})
	if n := sameHits(t, pairs, sample); n < 100 {
		t.Errorf("%d hits over %d events", n, len(sample))
	}
}

// regressionEvents gives the events of the cases, and the rules that they are for.
func regressionEvents(t *testing.T, name string) (out []generule.Event, rules map[string]bool) {
	t.Helper()
	rules = map[string]bool{}
	for tr := tar.NewReader(unzip(t, name)); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return out, rules
		}
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Ext(h.Name) != ".json" {
			continue
		}
		rules[strings.TrimSuffix(filepath.Base(h.Name), ".json")] = true
		data, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		dec := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))))
		for {
			var raw json.RawMessage
			if dec.Decode(&raw) != nil {
				break
			}
			if ev, err := generule.ReadEvent(raw); err == nil {
				out = append(out, ev)
			}
		}
	}
}

// purpleSharp gives events of the sample.
func purpleSharp(t *testing.T, name string, wanted func(i int) bool) []generule.Event {
	t.Helper()
	var out []generule.Event
	lines := bufio.NewScanner(unzip(t, name))
	lines.Buffer(nil, 1<<22)
	for i := 0; lines.Scan(); i++ {
		if !wanted(i) {
			continue
		}
		ev, err := generule.ReadEvent(lines.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, ev)
	}
	return out
}

func unzip(t *testing.T, name string) io.Reader {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	return z
}
