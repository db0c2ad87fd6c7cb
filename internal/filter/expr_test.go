package filter

import (
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/model"
)

func exprAlert() *model.Alert {
	a := &model.Alert{
		Origin: model.Origin{ID: "1", Ref: "p/1", Profile: "p", Backend: "gene"},
		Title:  "LSASS memory read", Severity: model.SeverityHigh, Status: model.StatusOpen,
		Host: &model.Host{Name: "FIN-WS-014"}, User: &model.User{Name: "a.moreau", Domain: "CORP"},
		Process: &model.Process{Name: "rundll32.exe", CommandLine: `rundll32 C:\Users\Public\d.dll,Start`},
		Attack:  []model.Attack{{Technique: model.Named{ID: "T1003.001", Name: "LSASS Memory"}, Tactic: "credential-access"}},
	}
	a.Score = model.Ptr(8.0)
	return a
}

func TestExpr(t *testing.T) {
	for expr, want := range map[string]bool{
		"":                                    true,
		"severity>=high":                      true,
		"sev>high":                            false,
		"severity<critical severity>medium":   true,
		"severity=low,high":                   true,
		"!severity=high":                      false,
		"score>=8 score<=8":                   true,
		"score>8":                             false,
		"score=8":                             true,
		"status=open":                         true,
		"!status=open":                        false,
		"host~fin":                            true,
		"host=fin":                            false,
		"host=fin-ws-014":                     true,
		"host=fin-*":                          true,
		"host~ws-*":                           true,
		"!host~fin":                           false,
		"!host~hr":                            true,
		"user=corp\\a.moreau":                 true,
		`command-line~"public\d.dll,start"`:   true, // a comma in quotes is one
		`command-line~zzz,start`:              true,
		`command-line~"zzz,start"`:            false,
		"host~hr or host~fin":                 true,
		"host~hr or user~nobody":              false,
		"host~hr OR score>=8":                 true,
		"host~hr or score>=8 severity=low":    false, // or binds weaker
		"(host~hr or score>=8) severity=low":  false,
		"(host~hr or score>=8) severity=high": true,
		"severity=high AND (score<3 or (user~moreau process=rundll32.exe))": true,
		"!(host~fin user~nobody)":             true,
		"!(host~fin or user~nobody)":          false,
		"not host~hr":                         true,
		"host!~hr user!=a.moreau":             false,
		"!host!~fin":                          true,
		`"or"`:                                true,  // memory
		`process="rundll32*"`:                 false, // in quotes a * is one
		`process="rundll"*`:                   true,
		`cmd~d.dll(x86)`:                      false,
		"score<=8":                            true,
		"score<8":                             false,
		`cmd~"users\public"`:                  true,
		"process=cmd.exe,rundll32.exe":        true,
		"technique=T1003":                     true,
		"technique=T1059":                     false,
		"attack~lsass":                        true,
		"tactic=credential-access":            true,
		"backend=gene":                        true,
		"!backend=gene":                       false,
		"profile=q":                           false,
		"lsass":                               true,
		`"memory read"`:                       true,
		`"a=b"`:                               false,
		"!lsass":                              false,
		"~lmr":                                true,
		"~zzz":                                false,
		"!~zzz":                               true,
		"memory host~FIN severity>=high ~rdl": true,
	} {
		e, err := ParseExpr(expr, nil)
		if err != nil {
			t.Errorf("%q: %v", expr, err)
			continue
		}
		if got := e.Match(exprAlert()); got != want {
			t.Errorf("%q: %v, want %v", expr, got, want)
		}
	}
}

func TestExprErrorsNameTheColumn(t *testing.T) {
	saved := Saved{"night": "severity>=hgh", "loop": "@loop", "day": "host=x"}
	for expr, want := range map[string]string{
		"severity>=hgih":              "column 11: invalid severity \"hgih\": unknown severity; did you mean high?",
		"host=a severity=low,crtical": "column 21: invalid severity \"crtical\"",
		"score>=11":                   "column 8: invalid score",
		"score~3":                     "column 1: score takes",
		"hots=x":                      "column 1: unknown field \"hots\"; did you mean host?",
		"zzzzzz=x":                    "edrctl help filters",
		"host>x":                      "column 1: host takes",
		"host=":                       "column 6: host= needs a value",
		"port=http":                   "column 6: invalid port \"http\": want a whole number from 1 to 65535",
		"kind=proces_start":           "did you mean process_start?",
		"ip=999.1.1.1":                "column 4: invalid ip",
		"!":                           "column 1: ! negates",
		"a !":                         "column 3: ! negates",
		"host=é !":                    "column 8: ! negates", // characters, not bytes
		`"open`:                       "column 1: this \" is not closed",
		"status=opne":                 "did you mean open?",
		"~":                           "needs the letters",
		"(a or b":                     "column 1: this ( is not closed",
		"a or":                        "column 5: a part is missing",
		"or a":                        "column 1: a part is missing",
		"a and":                       "a part is missing",
		"()":                          "column 2: a part is missing",
		"a)":                          "column 2: a ) without",
		"user=!SYSTEM":                "write !user=SYSTEM",
		`process="a*"*`:               "wildcards are either",
		"@nihgt":                      "column 1: unknown filter @nihgt; did you mean @night?",
		"x @zz":                       "column 3: unknown filter @zz",
		"@night":                      "column 1: the saved filter @night is wrong at column 11",
		"@loop":                       "uses itself",
		strings.Repeat("(", 99) + "a": "too many parentheses",
		strings.Repeat("!", 99) + "a": "too many negations",
	} {
		if _, err := ParseExpr(expr, saved); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", expr, err, want)
		}
	}
	e, err := ParseExpr("a @day", saved)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Only("rules", func(string) bool { return false }); err == nil || err.Error() != "column 3: rules have no host" {
		t.Errorf("a field the records lack: %v", err)
	}
}

// What is printed reads back as the same, whatever was written.
func roundTrip(t interface{ Fatalf(string, ...any) }, s string) {
	e, err := ParseExpr(s, nil)
	if err != nil {
		return
	}
	var c All
	for _, term := range e.Filter.Terms {
		c = append(c, term)
	}
	printed := Text(append(c, e.Filter.Where...))
	again, err := ParseExpr(printed, nil)
	if err != nil {
		t.Fatalf("%q prints as %q: %v", s, printed, err)
	}
	c = nil
	for _, term := range again.Filter.Terms {
		c = append(c, term)
	}
	if twice := Text(append(c, again.Filter.Where...)); twice != printed {
		t.Fatalf("%q prints as %q, then as %q", s, printed, twice)
	}
	again.Filter.ScoreMin, again.Filter.ScoreMax = e.Filter.ScoreMin, e.Filter.ScoreMax
	again.Filter.Severity, again.Filter.SeverityMin, again.Filter.Status = e.Filter.Severity, e.Filter.SeverityMin, e.Filter.Status
	for _, r := range []any{exprAlert(), &model.Event{}, &model.Host{Name: "ws-2", Domain: "corp.example"}} {
		if e.Match(r) != again.Match(r) {
			t.Fatalf("%q means something else than %q", s, printed)
		}
	}
}

func FuzzExpr(f *testing.F) {
	for _, s := range []string{
		"severity>=high host~FIN !x ~abc", `"a b" c="d`, "host=*", "!!!", "port=80 ip=10.0.0.0/8", "=\x00", `host="a,b",c d or (e !(f g))`,
		`a and not b or @x`, `process="C:\\x y"*`, "domain=bücher.example", "user!=x host!~y", "(a)(b)", "~\"a b\"", `x(y)z`, "ip=10.1.,fe80::1-fe80::2",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { roundTrip(t, s) })
}
