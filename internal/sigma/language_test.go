package sigma

import (
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/model"
)

// rule makes a rule over process starts of a detection section.
func ruleText(detection string) string {
	return "title: a rule\nid: 0001\nlogsource: {category: process_creation, product: windows}\nlevel: high\ndetection:\n" +
		"  " + strings.ReplaceAll(strings.TrimSpace(detection), "\n", "\n  ") + "\n"
}

func mustParse(t testing.TB, text string, opts Options) []*Rule {
	t.Helper()
	p := Parse("rule.yml", []byte(text), opts)
	for _, problem := range p.Problems {
		t.Fatal(problem)
	}
	ApplyFilters(p.Rules, p.Filters)
	rules, problems := Link(p.Rules)
	for _, problem := range problems {
		t.Fatal(problem)
	}
	return rules
}

// event makes a process start of "Name=value" pairs.
func event(pairs ...string) *Record {
	r := &Record{Key: Source{Product: "windows", Kind: model.KindProcessStart}}
	for _, p := range pairs {
		name, value, _ := strings.Cut(p, "=")
		r.Fields = append(r.Fields, model.LogField{Name: name, Value: value})
	}
	return r
}

func TestLanguage(t *testing.T) {
	for _, c := range []struct {
		name, detection string
		event           []string
		want            bool
	}{
		{"equal without case", "s: {Image: 'C:\\Tool.exe'}\ncondition: s", []string{`Image=c:\tool.EXE`}, true},
		{"equal is whole", "s: {Image: tool}\ncondition: s", []string{"Image=tool.exe"}, false},
		{"a field's name has case", "s: {image: tool}\ncondition: s", []string{"Image=tool"}, false},
		{"wildcards", "s: {Image: '*\\to?l.*'}\ncondition: s", []string{`Image=c:\tool.exe`}, true},
		{"one character is mandatory", "s: {Image: 'to?l'}\ncondition: s", []string{"Image=tol"}, false},
		{"one character of several bytes", "s: {Image: 't?l*'}\ncondition: s", []string{"Image=tölle"}, true},
		{"wildcards are anchored", "s: {Image: 'a*b'}\ncondition: s", []string{"Image=xaxbx"}, false},
		{"wildcards at the end", "s: {Image: '*?b?'}\ncondition: s", []string{"Image=ab"}, false},
		{"escaped star", `s: {Image: 'a\*b'}` + "\ncondition: s", []string{"Image=a*b"}, true},
		{"escaped star is not a wildcard", `s: {Image: 'a\*b'}` + "\ncondition: s", []string{"Image=axb"}, false},
		{"backslash before a star", `s: {Image: 'a\\*b'}` + "\ncondition: s", []string{`Image=a\xxb`}, true},
		{"three backslashes and a star", `s: {Image: 'a\\\*'}` + "\ncondition: s", []string{`Image=a\*`}, true},
		{"four backslashes are two", `s: {Image: '\\\\srv'}` + "\ncondition: s", []string{`Image=\\srv`}, true},
		{"three backslashes are two", `s: {Image: '\\\srv'}` + "\ncondition: s", []string{`Image=\\srv`}, true},
		{"two backslashes are one", `s: {Image: '\\srv'}` + "\ncondition: s", []string{`Image=\srv`}, true},
		{"contains", "s: {CommandLine|contains: ' -Enc '}\ncondition: s", []string{"CommandLine=x -enc y"}, true},
		{"contains with a wildcard inside", "s: {CommandLine|contains: 'a*c'}\ncondition: s", []string{"CommandLine=xxabbcxx"}, true},
		{"startswith", "s: {CommandLine|startswith: cmd}\ncondition: s", []string{"CommandLine=CMD /c"}, true},
		{"endswith", "s: {Image|endswith: '\\cmd.exe'}\ncondition: s", []string{`Image=c:\cmd.exe`}, true},
		{"endswith a folder", "s: {Image|endswith: '\\temp\\'}\ncondition: s", []string{`Image=c:\temp\`}, true},
		{"letters of other alphabets", "s: {Image|contains: ÄÖЖ}\ncondition: s", []string{"Image=xäöжx"}, true},
		{"all", "s: {CommandLine|contains|all: [a, b]}\ncondition: s", []string{"CommandLine=b-a"}, true},
		{"all needs each", "s: {CommandLine|contains|all: [a, b]}\ncondition: s", []string{"CommandLine=b"}, false},
		{"all over values of one name", "s: {Data|contains|all: [a, b]}\ncondition: s", []string{"Data=a", "Data=b"}, true},
		{"cased", "s: {Image|cased: Tool}\ncondition: s", []string{"Image=tool"}, false},
		{"cased contains", "s: {Image|contains|cased: Tool}\ncondition: s", []string{"Image=xToolx"}, true},
		{"regexp anywhere", "s: {Image|re: 'to+l$'}\ncondition: s", []string{"Image=xtooool"}, true},
		{"regexp has case", "s: {Image|re: TOOL}\ncondition: s", []string{"Image=tool"}, false},
		{"regexp without case", "s: {Image|re|i: TOOL}\ncondition: s", []string{"Image=tool"}, true},
		{"regexp folds what has three forms", "s: {Image|re|i: 'kiosks'}\ncondition: s", []string{"Image=\u212aiosks"}, true},
		{"regexp over lines", "s: {Image|re|m: '^b$'}\ncondition: s", []string{"Image=a\nb\nc"}, true},
		{"regexp dot and newline", "s: {Image|re|s: 'a.b'}\ncondition: s", []string{"Image=a\nb"}, true},
		{"regexp dot without s", "s: {Image|re: 'a.b'}\ncondition: s", []string{"Image=a\nb"}, false},
		{"windash slash", "s: {CommandLine|contains|windash: ' -f'}\ncondition: s", []string{"CommandLine=x /f"}, true},
		{"windash em dash", "s: {CommandLine|windash|contains: ' -f'}\ncondition: s", []string{"CommandLine=x —f"}, true},
		{"windash not within a word", "s: {CommandLine|windash|contains: 'a-f'}\ncondition: s", []string{"CommandLine=xa/f"}, false},
		{"base64", "s: {CommandLine|base64|contains: foobar}\ncondition: s", []string{"CommandLine=x Zm9vYmFy"}, true},
		{"base64offset 0", "s: {CommandLine|base64offset|contains: foobar}\ncondition: s", []string{"CommandLine=Zm9vYmFy"}, true},
		{"base64offset 1", "s: {CommandLine|base64offset|contains: foobar}\ncondition: s", []string{"CommandLine=eGZvb2Jhcg=="}, true},
		{"base64offset 2", "s: {CommandLine|base64offset|contains: foobar}\ncondition: s", []string{"CommandLine=eHhmb29iYXI="}, true},
		{"wide base64", "s: {CommandLine|wide|base64offset|contains: ping}\ncondition: s", []string{"CommandLine=-enc cABpAG4AZwA="}, true},
		{"utf16le", "s: {Data|utf16le: cmd}\ncondition: s", []string{"Data=c\x00m\x00d\x00"}, true},
		{"utf16be", "s: {Data|utf16be: cmd}\ncondition: s", []string{"Data=\x00c\x00m\x00d"}, true},
		{"utf16 has a mark", "s: {Data|utf16: cmd}\ncondition: s", []string{"Data=\xff\xfec\x00m\x00d\x00"}, true},
		{"cidr", "s: {DestinationIp|cidr: 10.0.0.0/8}\ncondition: s", []string{"DestinationIp=10.1.2.3"}, true},
		{"cidr outside", "s: {DestinationIp|cidr: [10.0.0.0/8, 'fe80::/10']}\ncondition: s", []string{"DestinationIp=11.1.2.3"}, false},
		{"cidr v6", "s: {DestinationIp|cidr: 'fe80::/10'}\ncondition: s", []string{"DestinationIp=fe80::1%eth0"}, true},
		{"cidr of a mapped address", "s: {DestinationIp|cidr: 10.0.0.0/8}\ncondition: s", []string{"DestinationIp=::ffff:10.1.2.3"}, true},
		{"exists", "s: {User|exists: true}\ncondition: s", []string{"User="}, true},
		{"exists not", "s: {User|exists: false}\ncondition: s", []string{"Image=x"}, true},
		{"null is absent", "s: {User: null}\ncondition: s", []string{"Image=x"}, true},
		{"null is not empty", "s: {User: null}\ncondition: s", []string{"User="}, false},
		{"empty is not absent", "s: {User: ''}\ncondition: s", []string{"Image=x"}, false},
		{"empty", "s: {User: ''}\ncondition: s", []string{"User="}, true},
		{"not of an absent field", "s: {Image: x}\nf: {User: y}\ncondition: s and not f", []string{"Image=x"}, true},
		{"number", "s: {EventID: 1}\ncondition: s", []string{"EventID=1"}, true},
		{"number is not its beginning", "s: {EventID: 1}\ncondition: s", []string{"EventID=10"}, false},
		{"number in hex", "s: {Status: 0xC0000234}\ncondition: s", []string{"Status=0xc0000234"}, true},
		{"truth", "s: {Initiated: true}\ncondition: s", []string{"Initiated=True"}, true},
		{"lt", "s: {Port|lt: 1024}\ncondition: s", []string{"Port=80"}, true},
		{"lt is a number's order", "s: {Port|lt: 9}\ncondition: s", []string{"Port=10"}, false},
		{"lte", "s: {Port|lte: 80}\ncondition: s", []string{"Port=80"}, true},
		{"gt", "s: {Port|gt: 80}\ncondition: s", []string{"Port=80"}, false},
		{"gte", "s: {Port|gte: 80.5}\ncondition: s", []string{"Port=81"}, true},
		{"lt of what is not a number", "s: {Port|lt: 80}\ncondition: s", []string{"Port=x"}, false},
		{"lt of an absent field", "s: {Port|lt: 80}\ncondition: s", []string{"Image=x"}, false},
		{"neq", "s: {User|neq: [a, b]}\ncondition: s", []string{"User=c"}, true},
		{"neq of one of them", "s: {User|neq: [a, b]}\ncondition: s", []string{"User=b"}, false},
		{"neq with contains", "s: {User|contains|neq: sys}\ncondition: s", []string{"User=SYSTEM"}, false},
		{"fieldref", "s: {User|fieldref: Target}\ncondition: s", []string{"User=a", "Target=A"}, true},
		{"fieldref neq", "s: {User|fieldref|neq: Target}\ncondition: s", []string{"User=a", "Target=A"}, false},
		{"fieldref endswith", "s: {Image|fieldref|endswith: Name}\ncondition: s", []string{`Image=c:\x.exe`, "Name=X.EXE"}, true},
		{"fieldref of absent fields", "s: {User|fieldref: Target}\ncondition: s", []string{"Image=x"}, false},
		{"hour", "s: {UtcTime|hour: 23}\ncondition: s", []string{"UtcTime=2026-01-02 23:59:01.123"}, true},
		{"hour in an order", "s: {UtcTime|hour|gte: 22}\ncondition: s", []string{"UtcTime=2026-01-02T21:59:01Z"}, false},
		{"minute", "s: {UtcTime|minute: 59}\ncondition: s", []string{"UtcTime=2026-01-02T21:59:01+02:00"}, true},
		{"day", "s: {UtcTime|day: 2}\ncondition: s", []string{"UtcTime=2026-01-02T21:59:01Z"}, true},
		{"week", "s: {UtcTime|week: 1}\ncondition: s", []string{"UtcTime=2026-01-02"}, true},
		{"month", "s: {UtcTime|month: 1}\ncondition: s", []string{"UtcTime=2026-01-02"}, true},
		{"year", "s: {UtcTime|year: 2026}\ncondition: s", []string{"UtcTime=2026-01-02"}, true},
		{"keywords", "k: [mimikatz, 'sekurlsa::*pw']\ncondition: k", []string{"A=x", "B=run SEKURLSA::logonpw now"}, true},
		{"keywords of which all", "k: {'|all': [one, two]}\ncondition: k", []string{"A=one", "B=two"}, true},
		{"keywords of which one is missing", "k: {'|all': [one, two]}\ncondition: k", []string{"A=one"}, false},
		{"a keyword that is a number", "k: [4711]\ncondition: k", []string{"A=x 4711 y"}, true},
		{"list of maps", "s: [{Image: a}, {User: b}]\ncondition: s", []string{"User=b"}, true},
		{"keywords and maps", "s: [hello, {User: b}]\ncondition: s", []string{"A=say hello"}, true},
		{"percent is itself without expand", "s: {CommandLine|contains: '%temp%'}\ncondition: s", []string{"CommandLine=%TEMP%"}, true},
		{"and before or", "a: {A: 1}\nb: {B: 1}\nc: {C: 1}\ncondition: a or b and c", []string{"A=1"}, true},
		{"parentheses", "a: {A: 1}\nb: {B: 1}\nc: {C: 1}\ncondition: (a or b) and c", []string{"A=1"}, false},
		{"not binds most", "a: {A: 1}\nb: {B: 1}\ncondition: not a and b", []string{"B=1"}, true},
		{"double not", "a: {A: 1}\ncondition: not not a", []string{"A=1"}, true},
		{"1 of them", "a: {A: 1}\nb: {B: 1}\ncondition: 1 of them", []string{"B=1"}, true},
		{"1 of them leaves out _", "a: {A: 1}\n_b: {B: 1}\ncondition: 1 of them", []string{"B=1"}, false},
		{"all of them leaves out _", "a: {A: 1}\n_b: {B: 1}\ncondition: all of them", []string{"A=1"}, true},
		{"any of", "a_1: {A: 1}\na_2: {B: 1}\ncondition: any of a_*", []string{"B=1"}, true},
		{"all of", "a_1: {A: 1}\na_2: {B: 1}\ncondition: all of a_*", []string{"B=1"}, false},
		{"a star inside a name", "a_1_x: {A: 1}\na_1_y: {B: 1}\ncondition: 1 of a_*_x", []string{"B=1"}, false},
		{"operators in capitals", "a: {A: 1}\nb: {B: 1}\ncondition: a AND NOT b", []string{"A=1"}, true},
		{"a list of conditions", "a: {A: 1}\nb: {B: 1}\ncondition: [a, b]", []string{"B=1"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			rules := mustParse(t, ruleText(c.detection), Options{})
			// Alone, and among others: then an index chooses the candidates.
			others := mustParse(t, ruleText("s: {Image: other}\ncondition: s"), Options{})
			m := Compile(append(others, rules...)).NewMatcher()
			for range 2 { // the second time from memory
				hits := m.Match(event(c.event...))
				if got := len(hits) == 1 && hits[0].Rule == rules[0]; got != c.want || len(hits) > 1 {
					t.Errorf("%d hits, want a match: %v", len(hits), c.want)
				}
			}
		})
	}
}

func TestWhatCannotBeDoneIsRefusedWhenLoaded(t *testing.T) {
	for _, c := range []struct {
		detection, reason string
		line              int
	}{
		{"s: {Image|begins: a}\ncondition: s", `there is no modifier "begins"`, 6},
		{"s: {Image: a}\ncondition: t", `there is no selection "t"`, 7},
		{"s: {Image: a}\ncondition: s and", "ends where a selection is expected", 7},
		{"s: {Image: a}\ncondition: (s", "is not closed", 7},
		{"s: {Image: a}\ncondition: s s", `unexpected "s"`, 7},
		{"s: {Image: a}\ncondition: 2 of s*", `want 1, any or all`, 7},
		{"s: {Image: a}\ncondition: 1 of x*", `no selection matches "x*"`, 7},
		{"s: {Image: a}\ncondition: s | count() > 3", "use a correlation rule", 7},
		{"s: {Image: a}", "has no condition", 6},
		{"s: {Image|re: 'a('}\ncondition: s", "missing closing )", 6},
		{"s: {Image|re: '(?=a)'}\ncondition: s", "regular expression cannot be used", 6},
		{"s: {Image|re: '((a{100}){100}){100}'}\ncondition: s", "regular expression", 6},
		{"s: {Image|i: a}\ncondition: s", "is a flag of the modifier re", 6},
		{"s: {Image|cidr: 10.0.0.0/99}\ncondition: s", "is not a network", 6},
		{"s: {Image|lt: abc}\ncondition: s", "is not a number", 6},
		{"s: {Image|exists: maybe}\ncondition: s", "neither true nor false", 6},
		{"s: {Image|base64: 'a*'}\ncondition: s", "wildcards cannot be encoded", 6},
		{"s: {Image|contains: null}\ncondition: s", "null has no text", 6},
		{"s: {Image: []}\ncondition: s", "has no value", 6},
		{"s: {Image: {a: b}}\ncondition: s", "want a value or a list", 6},
		{"s: {Image: a, Image: b}\ncondition: s", "is there twice", 6},
		{"s: {User|contains|expand: '%Administrators%'}\ncondition: s", "the placeholder %Administrators% has no value", 6},
		{"s: {Image|contains|windash: '-a -b -c -d -e -f'}\ncondition: s", "more than five dashes", 6},
		{"s: {Image: a}\ncondition: " + strings.Repeat("(", 3000) + "s", "nested deeper than", 7},
		{"s: {Image: a}\ncondition: " + strings.Repeat("not ", 3000) + "s", "nested deeper than", 7},
	} {
		p := Parse("rule.yml", []byte(ruleText(c.detection)), Options{})
		if len(p.Problems) != 1 || len(p.Rules) != 0 {
			t.Errorf("%.60s: %d problems and %d rules", c.detection, len(p.Problems), len(p.Rules))
			continue
		}
		got := p.Problems[0]
		if !strings.Contains(got.Reason, c.reason) || got.Line != c.line || got.Rule != "0001" || got.File != "rule.yml" {
			t.Errorf("%.60s: %v (line %d), want line %d and %q", c.detection, got, got.Line, c.line, c.reason)
		}
	}
}

func TestABrokenRuleDoesNotStopTheOthers(t *testing.T) {
	good := ruleText("s: {Image: a}\ncondition: s")
	p := Parse("rules.yml", []byte(good+"---\n"+ruleText("s: {Image|x: a}\ncondition: s")+"---\nname: no rule at all\n---\n"+good), Options{})
	if len(p.Rules) != 2 || len(p.Problems) != 1 || p.Others != 1 || p.Problems[0].Line != 14 {
		t.Errorf("%d rules, %d others, problems %v", len(p.Rules), p.Others, p.Problems)
	}
}

func TestActionsOfTheOldSpecification(t *testing.T) {
	rules := mustParse(t, `action: global
title: common
logsource: {category: process_creation, product: windows}
detection: {condition: s}
---
id: first
detection: {s: {Image: a}}
---
action: repeat
id: second
title: again
---
action: reset
---
id: third
title: alone
logsource: {category: process_creation}
detection: {s: {Image: b}, condition: s}
`, Options{})
	var got []string
	for _, hit := range Compile(rules).NewMatcher().Match(event("Image=a")) {
		got = append(got, hit.Rule.ID+" "+hit.Rule.Title)
	}
	if want := "first common,second again"; strings.Join(got, ",") != want || len(rules) != 3 {
		t.Errorf("%v of %d rules match, want %s", got, len(rules), want)
	}
}

func TestPlaceholders(t *testing.T) {
	places, err := ReadPipeline("p.yml", []byte("vars: {admins: [root, 'adm_*'], one: x}\ntransformations:\n- {type: value_placeholders}\n- {type: wildcard_placeholders, include: [any]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]map[string]bool{
		"%admins%":        {"root": true, "ADM_joe": true, "joe": false},
		"a-%one%-%any%":   {"a-x-": true, "a-x-y": true, "a-y-x": false},
		`\%one%-%one%`:    {"%one%-x": true, "x-x": false},
		"100% %one% 5 %":  {"100% x 5 %": true},
		`%one%\%one\%`:    {"x%one%": true},
		"%not a name%one": {"%not a name%one": true},
	} {
		m := Compile(mustParse(t, ruleText("s: {User|expand: '"+value+"'}\ncondition: s"), Options{Placeholders: places})).NewMatcher()
		for user, match := range want {
			if got := len(m.Match(event("User="+user))) == 1; got != match {
				t.Errorf("%s matches %s: %v", value, user, got)
			}
		}
	}
	if _, err := ReadPipeline("p.yml", []byte("transformations: [{type: field_name_mapping}]")); err == nil {
		t.Error("a transformation that is not supported is accepted")
	}
}

func TestSelectionsThatMatchedAreNamed(t *testing.T) {
	rules := mustParse(t, ruleText("s_img: {Image: a}\ns_cmd: {CommandLine: b}\nf: {User: c}\ncondition: 1 of s_* and not f"), Options{})
	m := Compile(rules).NewMatcher()
	hits := m.Match(event("Image=x", "CommandLine=b", "User=d"))
	if len(hits) != 1 || strings.Join(m.Selections(hits[0]), " ") != "s_cmd" {
		t.Errorf("%v", hits)
	}
}

func TestFiltersAreAdded(t *testing.T) {
	text := ruleText("s: {Image: a}\ncondition: s") + "---\ntitle: not the administrators\nlogsource: {category: process_creation, product: windows}\n" +
		"filter:\n  rules: ['0001']\n  adm: {User|startswith: adm_}\n  condition: not adm\n"
	m := Compile(mustParse(t, text, Options{})).NewMatcher()
	if len(m.Match(event("Image=a", "User=joe"))) != 1 || len(m.Match(event("Image=a", "User=adm_joe"))) != 0 {
		t.Error("the filter does not apply")
	}
}

func TestAliasesAreBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n")
	for i := 1; i < 9; i++ {
		b.WriteString(strings.NewReplacer("N", string(rune('0'+i)), "P", string(rune('0'+i-1))).Replace("aN: &aN [*aP,*aP,*aP,*aP,*aP,*aP,*aP,*aP,*aP,*aP]\n"))
	}
	p := Parse("bomb.yml", []byte(b.String()), Options{})
	if len(p.Problems) != 1 || !strings.Contains(p.Problems[0].Reason, "aliases") {
		t.Errorf("%v", p.Problems)
	}
	deep := "title: x\nlogsource: {product: windows}\ndetection:\n  s: " + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + "\n  condition: s\n"
	if p := Parse("deep.yml", []byte(deep), Options{}); len(p.Problems) == 0 {
		t.Error("100,000 lists in each other are accepted")
	}
}
