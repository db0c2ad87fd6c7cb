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
		`command-line~"public\d.dll,start"`:   true, // a comma separates values
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
		e, err := ParseExpr(expr)
		if err != nil {
			t.Errorf("%q: %v", expr, err)
			continue
		}
		if got := e.Match(exprAlert()); got != want {
			t.Errorf("%q: %v, want %v", expr, got, want)
		}
	}
}

func TestExprErrors(t *testing.T) {
	for expr, want := range map[string]string{
		"severity>=hgh": "no severity",
		"score>=11":     "no score",
		"score~3":       "score takes",
		"hots=x":        "no field",
		"host>x":        "host takes",
		"host=":         "needs a value",
		"port=http":     "no port",
		"kind=x":        "no event kind",
		"!":             "nothing does",
		`"open`:         "not closed",
		"status=weird":  "no status",
		"~":             "needs the letters",
	} {
		if _, err := ParseExpr(expr); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", expr, err, want)
		}
	}
}

func FuzzExpr(f *testing.F) {
	for _, s := range []string{"severity>=high host~FIN !x ~abc", `"a b" c="d`, "host=*", "!!!", "port=80 ip=10.0.0.0/8", "=\x00"} {
		f.Add(s)
	}
	a := exprAlert()
	f.Fuzz(func(t *testing.T, s string) {
		e, err := ParseExpr(s)
		if err != nil {
			return
		}
		e.Match(a)
		e.Match(&model.Event{})
		again, err := ParseExpr(e.String())
		if err != nil || again.Match(a) != e.Match(a) {
			t.Fatalf("%q does not survive its own text: %v", s, err)
		}
	})
}
