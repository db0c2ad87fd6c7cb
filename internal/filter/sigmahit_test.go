package filter

import (
	"testing"

	"github.com/edrctl/edrctl/internal/model"
)

// Hits of Sigma rules are filtered as alerts are, by what they have.
func TestFilterOfSigmaHits(t *testing.T) {
	score := 8.0
	h := &model.SigmaHit{
		Rule:  model.SigmaRule{ID: "r1", Title: "Access to LSASS", Level: model.SeverityHigh, Author: "someone", Tags: []string{"attack.t1003.001"}},
		Score: &score, Host: &model.Host{Name: "FIN-WS-014"}, Matched: []string{"selection"},
		Attack: []model.Attack{{Technique: model.Named{ID: "T1003.001"}}},
	}
	for line, want := range map[string]bool{
		"severity>=high": true, "severity=critical": false, "score>=8": true, "score>=9": false, "lsass": true, "someone": true,
		"host=FIN-WS-014": true, "host=other": false, "rule~LSASS": true, "rule=r1": true, "technique=T1003": true, "technique=T1059": false,
		"~acls": true, "~zzz": false, "status=open": false, "!host=other": true,
	} {
		e, err := ParseExpr(line, nil)
		if err != nil {
			t.Errorf("%s: %v", line, err)
		} else if got := e.Match(h); got != want {
			t.Errorf("%s: %v, want %v", line, got, want)
		}
	}
}
