package generule_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/generule"
	"github.com/edrctl/edrctl/internal/recordings"
)

const plain = `{"Name":"R","Meta":{"Events":{"S":[1]},"Criticality":5,"Schema":"2.0.0"},"Matches":["$a: Image ~= '(?i:cmd)'"],"Condition":"$a"}`

func TestParse(t *testing.T) {
	with := func(old, new string) string { return strings.Replace(plain, old, new, 1) }
	for _, tc := range []struct {
		name, in, bad, warn string
	}{
		{"good", plain, "", ""},
		{"any case", strings.NewReplacer(`"Name"`, `"name"`, `"Meta"`, `"META"`, `"Events"`, `"events"`).Replace(plain), "", ""},
		{"unknown field", with(`"Name"`, `"Severity":9,"Name"`), "", `has no field "Severity"`},
		{"unknown field of Meta", with(`"Criticality"`, `"Crit"`), "", `Meta has no field "Crit"`},
		{"no name", with(`"Name":"R",`, ``), "no name", ""},
		{"control character", with(`"R"`, `"R\u0007"`), "", "control character"},
		{"disabled", with(`"Criticality":5`, `"Disable":true`), "", "neither runs nor lists"},
		{"criticality", with(`:5`, `:50`), "", "bound it to 10"},
		{"criticality of text", with(`:5`, `:"5"`), "Meta.Criticality cannot be a string", ""},
		{"schema", with(`2.0.0`, `two`), "want a version", ""},
		{"both schemas", with(`"Criticality"`, `"EventIDs":[1],"Criticality"`), "reads one and drops the other", ""},
		{"no such name", with(`"$a"}`, `"$a and $b"}`), "no match is called $b", ""},
		{"unused", with(`"$a"}`, `""}`), "", "$a is not used"},
		{"regexp", with(`(?i:cmd)`, `[`), "does not compile", ""},
		{"no blank", with(`~= '`, `~='`), "a blank is needed", ""},
		{"no quotes", with(`'(?i:cmd)'`, `cmd`), "single quotes", ""},
		{"no operator", with(`~= '(?i:cmd)'`, ``), "is none of Field", ""},
		{"number", with(`~= '(?i:cmd)'`, `> 'x'`), "is not a number", ""},
		{"bits", with(`~= '(?i:cmd)'`, `&= '1.5'`), "not a whole number", ""},
		{"hexadecimal", with(`~= '(?i:cmd)'`, `&= '0x1F'`), "", ""},
		{"other field", with(`~= '(?i:cmd)'`, `= @Other`), "", ""},
		{"other field, wrongly", with(`~= '(?i:cmd)'`, `~= @Other`), "compared as", ""},
		{"extract", with(`Image ~= '(?i:cmd)'`, `extract('(?P<d>x)', QueryName) in blacklist`), "", "needs container blacklist"},
		{"extract without a group", with(`Image ~= '(?i:cmd)'`, `extract('x', QueryName) in blacklist`), "no named group", ""},
		{"quoted field", with(`Image ~=`, `\"odd field\" ~=`), "", ""},
		{"parenthesis", with(`"$a"}`, `"($a"}`), "not closed", ""},
		{"condition ends", with(`"$a"}`, `"$a and"}`), "ends too early", ""},
		{"condition", with(`"$a"}`, `"$a xor $a"}`), "is none of", ""},
		{"slips the engine forgives", with(`"$a"}`, `"$a $a"}`), "", "lacks an operator"},
		{"parentheses of the engine", with(`(?i:cmd)`, `?i:(cmd)`), "", "only in the parentheses"},
		{"quote after the container", with(`Image ~= '(?i:cmd)'`, `extract('(?P<d>x)',QueryName) in blacklist'`), "", "follows the name"},
		{"mixture", with(`"$a"}`, `"$a and $a or $a"}`), "", "without parentheses"},
		{"twice", plain + plain, "an earlier rule has this name", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rules, err := generule.Parse([]byte(tc.in))
			if err != nil {
				t.Fatal(err)
			}
			last := rules[len(rules)-1]
			check := func(what, want string, got []string) {
				t.Helper()
				if all := strings.Join(got, "\n"); want == "" && all != "" || !strings.Contains(all, want) {
					t.Errorf("%s: %q, want %q", what, got, want)
				}
			}
			check("errors", tc.bad, last.Errors)
			if tc.bad == "" {
				check("warnings", tc.warn, last.Warnings)
			}
		})
	}
	for _, in := range []string{"", "[]", "nope", "[1]", `"x"`, "{", plain + "]", "null", "[" + plain} {
		if rules, err := generule.Parse([]byte(in)); err == nil {
			t.Errorf("%q: %v", in, rules)
		}
	}
	for _, in := range []string{plain, "[" + plain + "]", "\n" + plain + "\n", "\xef\xbb\xbf" + plain} {
		if rules, err := generule.Parse([]byte(in)); err != nil || len(rules) != 1 {
			t.Errorf("%q: %v %v", in, rules, err)
		}
	}
}

func TestSchemas(t *testing.T) {
	for _, tc := range []struct{ name, meta, as2, as1 string }{
		{"one to two", `"EventIDs":[1,7],"Channels":["S","T"]`, `"Events":{"S":[1,7],"T":[1,7]}`, `"EventIDs":[1,7],"Channels":["S","T"]`},
		{"channels only", `"Channels":["S"]`, `"Events":{"S":[]}`, `"EventIDs":[],"Channels":["S"]`},
		{"ids only", `"EventIDs":[1]`, "error: name its Channels", `"EventIDs":[1]`},
		{"no schema", `"Events":{"S":[1]}`, `"Schema":"2.0.0"`, `"EventIDs":[1],"Channels":["S"]`},
		{"different ids", `"Events":{"S":[1],"T":[2]},"Schema":"2.0.0"`, `"Events":{"S":[1],"T":[2]}`, "error: different event ids"},
		{"nothing", `"Criticality":1`, `"Events":null`, `"EventIDs":[],"Channels":[]`},
		{"later", `"Events":{"S":[1]},"Schema":"2.1.0"`, `"Schema":"2.1.0"`, `"EventIDs":[1]`},
	} {
		rules, err := generule.Parse([]byte(`{"Name":"R","Meta":{` + tc.meta + `}}`))
		if err != nil || len(rules[0].Errors) > 0 {
			t.Fatal(err, rules[0].Errors)
		}
		show := func(r generule.Rule, err error) string {
			if err != nil {
				return "error: " + err.Error()
			}
			return string(r.JSON(true))
		}
		two, _, err2 := rules[0].To2()
		one, _, err1 := rules[0].To1()
		for want, got := range map[string]string{tc.as2: show(two, err2), tc.as1: show(one, err1)} {
			if !strings.Contains(got, strings.TrimPrefix(want, "error: ")) {
				t.Errorf("%s: %s, want %s", tc.name, got, want)
			}
		}
		if err2 == nil && (two.Version() != 2 || !strings.Contains(string(two.JSON(true)), `"Schema":"2.`)) {
			t.Errorf("%s: %s", tc.name, two.JSON(true))
		}
	}
}

func TestFires(t *testing.T) {
	rule := func(match, cond string) string {
		return `{"Name":"R","Meta":{"Events":{"S":[1]},"Schema":"2.0.0"},"Matches":[` + match + `],"Condition":"` + cond + `"}`
	}
	const event = `{"Event":{"System":{"Channel":"S","Computer":"PC","EventID":"1"},"EventData":{"Image":"C:\\cmd.exe","N":"255","A":"x","B":"x","Q":"a.evil.com"}}}`
	for _, tc := range []struct {
		match, cond string
		want        generule.Truth
	}{
		{`"$a: Image ~= 'cmd'"`, "$a", generule.Yes},
		{`"$a: Image = 'cmd'"`, "$a", generule.No},
		{`"$a: Image = 'C:\\cmd.exe'"`, "$a", generule.Yes},
		{`"$a: N &= '0x81'"`, "$a", generule.Yes},
		{`"$a: N &= '256'"`, "$a", generule.No},
		{`"$a: N >= '0xff'"`, "$a", generule.Yes},
		{`"$a: N < '255'"`, "$a", generule.No},
		{`"$a: A = @B"`, "$a", generule.Yes},
		{`"$a: A = @Image"`, "$a", generule.No},
		{`"$a: Missing ~= '.*'"`, "!$a", generule.Yes},
		{`"$a: extract('(?P<d>evil)', Q) in blacklist"`, "$a", generule.Unknown},
		{`"$a: extract('(?P<d>good)', Q) in blacklist"`, "$a", generule.No},
		{`"$a: extract('(?P<d>evil)', Q) in blacklist","$b: A = 'x'"`, "$a || $b", generule.Yes},
		{`"$a: A = 'x'","$b: A = 'y'"`, "$a AND !($b OR $b)", generule.Yes},
		{``, "", generule.Yes},
	} {
		rules, err := generule.Parse([]byte(rule(tc.match, tc.cond)))
		if err != nil || len(rules[0].Errors) > 0 {
			t.Fatal(err, rules[0].Errors)
		}
		ev, err := generule.ReadEvent([]byte(event))
		if err != nil {
			t.Fatal(err)
		}
		got := generule.No
		for _, v := range generule.NewEngine(rules).On(ev) {
			got = v.Fires
		}
		if got != tc.want {
			t.Errorf("%s %s: %d, want %d", tc.match, tc.cond, got, tc.want)
		}
		ev.EventID = 2
		if len(generule.NewEngine(rules).On(ev)) != 0 {
			t.Errorf("%s fires on other event ids", tc.match)
		}
	}
}

// Every rule the real managers gave checks clean, survives being written and
// read again, and the recorded detections are what this engine finds, too.
func TestRecorded(t *testing.T) {
	files, err := fs.Glob(recordings.Of("gene"), "bodies/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no recordings", err)
	}
	byName := map[string]*generule.Parsed{}
	events, agree, miss := 0, 0, map[string]int{}
	var bodies []json.RawMessage
	for _, f := range files {
		b, err := fs.ReadFile(recordings.Of("gene"), f)
		if err != nil {
			t.Fatal(err)
		}
		var env struct{ Data []json.RawMessage }
		if json.Unmarshal(b, &env) != nil || len(env.Data) == 0 {
			continue
		}
		if !bytes.Contains(env.Data[0], []byte(`"Matches"`)) {
			bodies = append(bodies, env.Data...)
			continue
		}
		for _, doc := range env.Data {
			rules, err := generule.Parse(doc)
			if err != nil {
				t.Fatal(err)
			}
			r := rules[0]
			if strings.HasPrefix(r.Name, "Edrctl") || r.Name == "" || r.Name == "B" {
				continue // made to be wrong
			}
			if len(r.Errors) > 0 {
				t.Errorf("%s: %q", r.Name, r.Errors)
			}
			again, err := generule.Parse(r.JSON(true))
			if err != nil || len(again[0].Warnings) != len(r.Warnings) || again[0].Condition != r.Condition {
				t.Errorf("%s is not the same again: %v", r.Name, err)
			}
			if r.Version() == 1 {
				if two, _, err := r.To2(); err == nil {
					if one, _, err := two.To1(); err != nil || !slices.Equal(one.Meta.EventIDs, sorted(r.Meta.EventIDs)) {
						t.Errorf("%s: there and back: %v %v", r.Name, one.Meta.EventIDs, err)
					}
				}
			}
			byName[r.Name] = r
		}
	}
	var all []*generule.Parsed
	for _, r := range byName {
		all = append(all, r)
	}
	engine := generule.NewEngine(all)
	for _, doc := range bodies {
		ev, err := generule.ReadEvent(doc)
		if err != nil {
			continue
		}
		events++
		var fires []string
		for _, v := range engine.On(ev) {
			fires = append(fires, v.Rule)
		}
		for _, s := range ev.Fired {
			if byName[s] == nil {
				continue
			}
			if slices.Contains(fires, s) {
				agree++
			} else {
				miss[s]++
			}
		}
	}
	t.Logf("%d rules, %d events; of the signatures recorded on them %d fire here too; not: %v", len(byName), events, agree, miss)
	delete(miss, "NewAutorun") // put by the recorder on events it is not for
	if len(byName) < 100 || agree < 1900 || len(miss) > 0 {
		t.Errorf("%d rules; %d signatures fire here, and these do not: %v", len(byName), agree, miss)
	}
}

func sorted(ids []int64) []int64 {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return slices.Compact(ids)
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(plain))
	f.Add([]byte(`[` + plain + `,` + plain + `]`))
	f.Add([]byte(`{"Name":"x","Meta":{"EventIDs":[1],"Channels":["a"]},"Matches":["$a: extract('(?P<x>.)', F) in c"],"Condition":"!($a)"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		rules, err := generule.Parse(b)
		if err != nil {
			return
		}
		for _, r := range rules {
			if len(r.Errors) > 0 {
				continue
			}
			two, _, err := r.To2()
			if err != nil {
				continue
			}
			again, err := generule.Parse(two.JSON(true))
			if err != nil || len(again[0].Errors) > 0 || again[0].Name != r.Name || again[0].Version() != 2 {
				t.Fatalf("%s is not a good rule of schema 2: %v %v", two.JSON(true), err, again[0].Errors)
			}
		}
		generule.NewEngine(rules).On(generule.Event{Data: map[string]string{"F": "x"}})
	})
}

func FuzzCondition(f *testing.F) {
	for _, s := range []string{"", "$a", "!$a and ($b or $c)", "$a && !!$b", "((((", "$a or", "!"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := generule.ParseCondition(s)
		if err != nil {
			return
		}
		// What is known of nothing is unknown; what is known of all may differ from it only that way.
		if unknown := c.On(func(string) generule.Truth { return generule.Unknown }); c != nil && unknown != generule.Unknown {
			t.Fatalf("%q: %d", s, unknown)
		}
		c.On(func(string) generule.Truth { return generule.Yes })
	})
}

func FuzzMatch(f *testing.F) {
	for _, s := range []string{"$a: Image ~= 'x'", "$a: F &= '0x1'", "$a: F = @G", "$a: extract('(?P<x>a)', F) in c"} {
		f.Add(s, "x")
	}
	f.Fuzz(func(_ *testing.T, s, value string) {
		if m, err := generule.ParseMatch(s); err == nil {
			m.On(map[string]string{m.Field: value, m.Other: value})
		}
	})
}
