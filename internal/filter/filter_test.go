package filter_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
)

func mustParse(t *testing.T, f filter.Field, s string) filter.Pattern {
	t.Helper()
	p, err := filter.Parse(f, s)
	if err != nil {
		t.Fatalf("%s %q: %v", f, s, err)
	}
	return p
}

func TestPatterns(t *testing.T) {
	sha := strings.Repeat("ab", 20)
	for _, c := range []struct {
		field   filter.Field
		pattern string
		value   string
		want    bool
	}{
		{filter.Host, "fin", "FIN-WS-014", true},
		{filter.Host, "=fin", "FIN-WS-014", false},
		{filter.Host, "=fin-ws-014", "FIN-WS-014", true},
		{filter.Host, "fin-*", "FIN-WS-014", true},
		{filter.Host, "fin", "", false},
		{filter.Host, "ws-*", "FIN-WS-014", false},
		{filter.Host, "*ws-???", "FIN-WS-014", true},
		{filter.Host, "*ws-??", "FIN-WS-014", false},
		{filter.CommandLine, "=a*b", "a*b", true},
		{filter.CommandLine, "=a*b", "axb", false},
		{filter.CommandLine, "STRASSE", "straße", false},
		{filter.CommandLine, "ÉTÉ", "l'été", true},
		{filter.IP, "10.0.0.1", "10.0.0.1", true},
		{filter.IP, "10.0.0.1", "10.0.0.11", false},
		{filter.IP, "10.0.0.0/8", "10.200.3.4", true},
		{filter.IP, "10.0.0.0/8", "11.0.0.1", false},
		{filter.IP, "10.0.0.", "10.0.0.77", true},
		{filter.IP, "10.0.0.1", "::ffff:10.0.0.1", true},
		{filter.IP, "fe80::/10", "fe80::1%eth0", true},
		{filter.IP, "2001:db8::1", "2001:0DB8:0:0:0:0:0:1", true},
		{filter.IP, "10.1.", "10.1.200.3", true},
		{filter.IP, "10.1.", "10.10.0.1", false},
		{filter.IP, "10.1", "10.1.0.1", true},
		{filter.IP, "10.1.*", "10.1.0.1", true},
		{filter.IP, "10.1.*.*", "10.2.0.1", false},
		{filter.IP, "10.*.0.1", "10.9.0.1", true},
		{filter.IP, "10.0.0.1-10.0.0.9", "10.0.0.9", true},
		{filter.IP, "10.0.0.1-10.0.0.9", "10.0.0.10", false},
		{filter.IP, "10.0.0.1 - 10.0.0.9", "::ffff:10.0.0.5", true},
		{filter.IP, "10.0.0.1-10.0.0.9", "::1", false},
		{filter.IP, "2001:db8:", "2001:db8::7", true},
		{filter.IP, "2001:db8:", "2001:db80::7", false},
		{filter.IP, "::ffff:10.0.0.0/104", "10.9.9.9", true},
		{filter.IP, "10[.]0[.]0[.]1", "10.0.0.1", true},
		{filter.IP, " 10.0.0.1 ", "10.0.0.1", true},
		{filter.Domain, "bücher.example", "xn--bcher-kva.example", true},
		{filter.Domain, "=xn--bcher-kva.example", "BÜCHER.example.", true},
		{filter.Domain, "büch", "www.xn--bcher-kva.example", true},
		{filter.Domain, "*.bücher.*", "www.xn--bcher-kva.example", true},
		{filter.Domain, "=evil.example.", "evil.example", true},
		{filter.Domain, "evil.", "evil.example", true},
		{filter.Domain, "example.", "evil.example", true},
		{filter.Domain, "evil[.]example", "evil.example", true},
		{filter.Domain, "hxxps://u@evil[.]example:8443/a?b", "evil.example", true},
		{filter.Search, "bücher.example", "http://xn--bcher-kva.example/x", true},
		{filter.Search, "xn--bcher-kva.example", "to bücher.example", true},
		{filter.Search, "evil[.]example", "to evil.example", true},
		{filter.Search, "=evil[.]example", "evil[.]example", true},
		{filter.CommandLine, "[.]", "a[.]b", true},
		{filter.User, " system ", "SYSTEM", true},
		{filter.Port, "443", "443", true},
		{filter.Port, "443", "4430", false},
		{filter.Hash, sha, strings.ToUpper(sha), true},
		{filter.Hash, sha, sha + "00", false},
		{filter.Hash, "abab", sha, true},
		{filter.KindOf, "PROCESS_START", "process_start", true},
	} {
		if got := mustParse(t, c.field, c.pattern).Match(c.field, c.value); got != c.want {
			t.Errorf("--%s %s on %q: %v", c.field, c.pattern, c.value, got)
		}
	}
}

func TestValuesThatCanMatchNothingAreRefused(t *testing.T) {
	for _, c := range []struct {
		field       filter.Field
		value, want string
	}{
		{filter.Host, "", "matches nothing"}, {filter.Host, "=", "matches nothing"}, {filter.Host, "  ", "matches nothing"}, {filter.User, "!", "matches nothing"},
		{filter.KindOf, "process_started", "did you mean process_start?"}, {filter.KindOf, "zzz", "edrctl help filters"},
		{filter.Port, "http", "from 1 to 65535"}, {filter.Port, "99999", "from 1 to 65535"}, {filter.Port, "-1", "from 1 to 65535"}, {filter.Port, "0", "from 1 to 65535"},
		{filter.IP, "999.1.1.1", "want an address"}, {filter.IP, "10.0.0.0/99", "want an address"}, {filter.IP, "web", "want an address"}, {filter.IP, "10.0.0.1-", "want an address"},
		{filter.IP, "=10.1.", "want an address"}, {filter.IP, "10.1.2.3.4", "want an address"}, {filter.IP, "10.300.", "want an address"}, {filter.IP, "10", "want an address"},
		{filter.IP, "10.0.0.9-10.0.0.1", "ends before"}, {filter.IP, "10.0.0.1-::1", "one kind"},
		{filter.Hash, "zz", "hexadecimal"}, {filter.Hash, "=abab", "4 digits"}, {filter.Hash, strings.Repeat("a", 65), "65 digits"}, {filter.Hash, "=a*", "hexadecimal"},
	} {
		var f filter.Filter
		err := f.Add(c.field, c.value)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "invalid --"+string(c.field)+" ") {
			t.Errorf("--%s %q: %v, want %q", c.field, c.value, err, c.want)
		}
	}
}

func TestExclusion(t *testing.T) {
	event := func(user string) *model.Event { return &model.Event{User: &model.User{Name: user}} }
	for _, c := range []struct {
		values []string
		user   string
		want   bool
	}{
		{[]string{"!SYSTEM"}, "system", false},
		{[]string{"!SYSTEM"}, "ada", true},
		{[]string{"!SYSTEM"}, "", true}, // nobody is not SYSTEM
		{[]string{"!=sys"}, "system", true},
		{[]string{"!sys*"}, "system", false},
		{[]string{"a", "!=ada"}, "ada", false},
		{[]string{"a", "!=ada"}, "anna", true},
		{[]string{"!x", "!y"}, "y", false},
		{[]string{"=!x"}, "!x", true},
	} {
		var f filter.Filter
		if err := f.Add(filter.User, c.values...); err != nil {
			t.Fatal(err)
		}
		if got := f.Match(event(c.user)); got != c.want {
			t.Errorf("%q on %q: %v", c.values, c.user, got)
		}
	}
	var f filter.Filter
	if err := f.Add(filter.User, "a b", "!SYSTEM", "!=x"); err != nil || f.String() != `--user 'a b' --user '!SYSTEM' --user '!=x'` {
		t.Errorf("%s, %v", f, err)
	}
}

func TestHostIsNamedInEveryWay(t *testing.T) {
	host := func(name, domain string) *model.Host {
		return &model.Host{Origin: model.Origin{ID: "42", Ref: "p/42"}, Name: name, Domain: domain}
	}
	for _, c := range []struct {
		text string
		host *model.Host
		want bool
	}{
		{"=WS-2", host("WS-2", "CORP"), true},
		{`CORP\WS-2`, host("WS-2", "CORP"), true},
		{`=corp\ws-2`, host("WS-2", "CORP"), true},
		{`CORP\WS-2`, host("WS-2", "OTHER"), false},
		{`CORP\WS-2`, host("WS-22", "CORP"), true}, // a part, as every text
		{`=CORP\WS-2`, host("WS-22", "CORP"), false},
		{`CORP\WS-2`, host("WS-2", "corp.example"), true}, // its NetBIOS name
		{`CORP\WS-2`, host("WS-2", ""), true},             // nothing says otherwise
		{"MORDORDC.theshire.local", host("MORDORDC", ""), true},
		{"MORDORDC.theshire.local", host("MORDORDC.theshire.local", ""), true},
		{"=MORDORDC.theshire.local", host("MORDORDC", "theshire.local"), true},
		{"MORDORDC.theshire.local", host("MORDORDC", "gondor.local"), false},
		{"MORDORDC.theshire.local", host("MORDORDC.gondor.local", ""), false},
		{`THESHIRE\MORDORDC`, host("MORDORDC.theshire.local", ""), true},
		{"=42", host("WS-2", ""), true},
		{`corp\*`, host("WS-2", "CORP"), true},
		{`*.theshire.local`, host("MORDORDC", "theshire.local"), true},
		{"10.0.0.1", host("10", ""), false}, // an address is not NAME.DOMAIN
	} {
		var f filter.Filter
		if err := f.Add(filter.Host, c.text); err != nil {
			t.Fatal(err)
		}
		if got := f.Match(&model.Event{Host: c.host}); got != c.want {
			t.Errorf("--host %s on %s of %q: %v", c.text, c.host.Name, c.host.Domain, got)
		}
	}
	for operand, want := range map[string]bool{"ws-2": true, "42": true, "p/42": true, `CORP\WS-2`: true, "ws-2.corp": true, "ws": false, `X\WS-2`: false, "": false} {
		if filter.IsHost(operand, host("WS-2", "CORP")) != want {
			t.Errorf("operand %q: %v", operand, !want)
		}
	}
}

// A filter expression and the flags mean the same.
func TestExpressionsMeanWhatFlagsDo(t *testing.T) {
	fields := []filter.Field{filter.Host, filter.Process, filter.User, filter.CommandLine, filter.Search, filter.Domain, filter.IP}
	rapid.Check(t, func(t *rapid.T) {
		var flags filter.Filter
		var expr []string
		for range rapid.IntRange(1, 3).Draw(t, "terms") {
			field := rapid.SampledFrom(fields).Draw(t, "field")
			words := []string{"a", "b", "ab", "cab", "A b", "or", "bücher", "xn--bcher-kva", "x.y", `c\a`}
			if field == filter.IP {
				words = []string{"10.0.0.1", "10.0.", "10.0.0.0/30", "10.0.0.1-10.0.0.2", "fe80::1"}
			}
			var texts []string
			values := rapid.SliceOfN(rapid.SampledFrom(words), 1, 3).Draw(t, "values")
			op := rapid.SampledFrom([]string{"~", "=", "*"}).Draw(t, "op")
			not := rapid.Bool().Draw(t, "not")
			part := string(field) + strings.Replace(op, "*", "=", 1)
			for i, v := range values {
				switch {
				case field == filter.IP:
					op = "="
				case op == "=":
					v = "=" + v
				case op == "*":
					v = "*" + v
				}
				if i > 0 {
					part += ","
				}
				if op == "*" {
					part += "*"
				}
				part += `"` + strings.ReplaceAll(values[i], `\`, `\\`) + `"`
				if not {
					v = "!" + v
				}
				texts = append(texts, v)
			}
			if err := flags.Add(field, texts...); err != nil {
				t.Fatal(err)
			}
			if not {
				part = "!" + part
			}
			expr = append(expr, part)
		}
		e, err := filter.ParseExpr(strings.Join(expr, " "), nil)
		if err != nil {
			t.Fatalf("%s: %v", expr, err)
		}
		for range 8 {
			record := genEvent(t)
			record.DNS = &model.DNS{Question: model.DNSQuestion{Name: rapid.SampledFrom([]string{"", "xn--bcher-kva.example", "bücher.example", "a.b."}).Draw(t, "dns")}}
			record.Host.IP = []string{rapid.SampledFrom([]string{"", "10.0.0.1", "10.0.0.7", "fe80:0::1"}).Draw(t, "ip")}
			if flags.Match(record) != e.Match(record) {
				t.Fatalf("%s and %s differ on %+v", flags, expr, record)
			}
		}
		if flags.String() != e.Filter.String() {
			t.Fatalf("%s and %s are explained differently", flags, e.Filter)
		}
	})
}

func TestOrWithinAndBetween(t *testing.T) {
	var f filter.Filter
	for _, add := range []error{f.Add(filter.Host, "a", "b"), f.Add(filter.Process, "cmd")} {
		if add != nil {
			t.Fatal(add)
		}
	}
	event := func(host, process string) *model.Event {
		return &model.Event{Host: &model.Host{Name: host}, Process: &model.Process{Name: process}}
	}
	for e, want := range map[*model.Event]bool{
		event("xa", "cmd.exe"): true, event("b", "CMD"): true, event("c", "cmd"): false, event("a", "sh"): false,
	} {
		if f.Match(e) != want {
			t.Errorf("%s %s: %v", e.Host.Name, e.Process.Name, !want)
		}
	}
	if f.Match(&model.Event{}) {
		t.Error("a record without the field matched")
	}
}

func TestAlertBounds(t *testing.T) {
	scored := func(n float64) *model.Alert {
		return &model.Alert{Score: &n, Severity: model.SeverityHigh, Status: model.StatusOpen}
	}
	unscored := &model.Alert{Severity: model.SeverityUnknown}
	min := func(n float64) filter.Filter { return filter.Filter{ScoreMin: &n} }
	max := func(n float64) filter.Filter { return filter.Filter{ScoreMax: &n} }
	both := min(5)
	both.IncludeUnscored = true
	for name, c := range map[string]struct {
		f    filter.Filter
		a    *model.Alert
		want bool
	}{
		"inclusive below":      {min(5), scored(5), true},
		"below":                {min(5), scored(4.9), false},
		"inclusive above":      {max(5), scored(5), true},
		"above":                {max(5), scored(5.1), false},
		"unscored, no minimum": {filter.Filter{}, unscored, true},
		"unscored, minimum 0":  {min(0), unscored, true},
		"unscored, minimum 1":  {min(1), unscored, false},
		"unscored, asked for":  {both, unscored, true},
		"unscored, maximum":    {max(5), unscored, true},
		"severity":             {filter.Filter{Severity: []model.Severity{model.SeverityHigh}}, scored(8), true},
		"another severity":     {filter.Filter{Severity: []model.Severity{model.SeverityLow}}, scored(8), false},
		"severity at least":    {filter.Filter{SeverityMin: model.SeverityMedium}, scored(8), true},
		"severity too low":     {filter.Filter{SeverityMin: model.SeverityCritical}, scored(8), false},
		"status":               {filter.Filter{Status: []model.Status{model.StatusClosed}}, scored(8), false},
	} {
		if got := c.f.Match(c.a); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// genFilter draws filters over a small alphabet, so that they often match.
func genFilter(t *rapid.T) filter.Filter {
	var f filter.Filter
	word := rapid.SampledFrom([]string{"a", "b", "ab", "=a", "*b", "a?", "=AB", "c"})
	for range rapid.IntRange(0, 3).Draw(t, "terms") {
		field := rapid.SampledFrom([]filter.Field{filter.Host, filter.Process, filter.User, filter.CommandLine, filter.Search}).Draw(t, "field")
		if err := f.Add(field, rapid.SliceOfN(word, 1, 3).Draw(t, "values")...); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func genEvent(t *rapid.T) *model.Event {
	word := rapid.SampledFrom([]string{"", "a", "b", "ab", "AB", "cab", "a b", "x.y", `c\a`, "or"})
	return &model.Event{
		Host:    &model.Host{Name: word.Draw(t, "host")},
		Process: &model.Process{Name: word.Draw(t, "process"), CommandLine: word.Draw(t, "cmd"), User: &model.User{Name: word.Draw(t, "user")}},
		Summary: word.Draw(t, "summary"),
	}
}

// Whatever a server takes over, its part and the residual together are the
// filter: split is exact for every choice.
func TestSplitIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, e := genFilter(t), genEvent(t)
		var pushed filter.Filter
		residual := f.Split(func(term filter.Term) bool {
			if !rapid.Bool().Draw(t, "push") {
				return false
			}
			pushed.Terms = append(pushed.Terms, term)
			return true
		})
		if len(pushed.Terms)+len(residual.Terms) != len(f.Terms) {
			t.Fatalf("%d + %d of %d terms", len(pushed.Terms), len(residual.Terms), len(f.Terms))
		}
		if got := pushed.Match(e) && residual.Match(e); got != f.Match(e) {
			t.Fatalf("server %q and residual %q give %v, the filter %q gives %v", pushed, residual, got, f, !got)
		}
	})
}

// The wildcard matcher agrees with a slow definition of what * and ? mean.
func TestGlobAgreesWithDefinition(t *testing.T) {
	var slow func(p, v string) bool
	slow = func(p, v string) bool {
		switch {
		case p == "":
			return v == ""
		case p[0] == '*':
			return slow(p[1:], v) || v != "" && slow(p, v[1:])
		case v == "":
			return false
		}
		return (p[0] == '?' || p[0] == v[0]) && slow(p[1:], v[1:])
	}
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.StringMatching(`[ab*?]{0,6}[*?]`).Draw(t, "pattern")
		v := rapid.StringMatching(`[ab]{0,8}`).Draw(t, "value")
		got, err := filter.Parse(filter.Host, p)
		if err != nil {
			t.Fatal(err)
		}
		if got.Match(filter.Host, v) != slow(p, v) {
			t.Fatalf("%q on %q: %v", p, v, !slow(p, v))
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "=", "*", "a*b?", "10.0.0.0/8", "=x", "443", "process_start", "\x1b[31m", "\xff", "\x01", "\x01!", "\x01=", "\u00ad\x01\xc2.", "\u00ad!x", "==", "=!x", "!=!x"} {
		f.Add(s, "value")
	}
	f.Fuzz(func(t *testing.T, pattern, value string) {
		for _, field := range filter.Fields {
			p, err := filter.Parse(field, pattern)
			if err != nil {
				continue
			}
			p.Match(field, value)
			// What is printed for --explain parses back to the same thing.
			again, err := filter.Parse(field, p.String())
			if err != nil || again.Match(field, value) != p.Match(field, value) {
				t.Errorf("--%s %q prints as %q, which is not the same (%v)", field, pattern, p, err)
			}
		}
	})
}
