package gene

import (
	"testing"

	"github.com/edrctl/edrctl/internal/filter"
)

// In an expression a quoted * or ? is a letter; the manager's regular
// expression must not be narrower than that.
func TestRuleQueryTakesQuotedWildcardsAsLetters(t *testing.T) {
	for source, want := range map[string]string{
		`rule~"a?c"`:  `(?is)a\?c`,
		`rule="a*"`:   `(?is)^a\*$`,
		`rule=a*`:     `(?is)^a.*$`,
		`not rule=a`:  "",
		`!rule~b`:     "",
		`rule=a or b`: "",
	} {
		x, err := filter.ParseExpr(source, nil)
		if err != nil {
			t.Fatal(err)
		}
		q, err := ruleQuery(x.Filter)
		if err != nil || q.Get("name") != want {
			t.Errorf("%s: name=%q %v, want %q", source, q.Get("name"), err, want)
		}
	}
}
