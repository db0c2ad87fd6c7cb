package lazyregexp_test

import (
	"testing"

	"github.com/edrctl/edrctl/internal/lazyregexp"
)

func TestWrongExpressionPanicsInTests(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a wrong expression was not found")
		}
	}()
	lazyregexp.New("(")
}

func TestMatchesLikeRegexp(t *testing.T) {
	re := lazyregexp.New(`^a(b+)$`)
	if !re.MatchString("abb") || re.MatchString("ac") || re.FindStringSubmatch("abb")[1] != "bb" || re.ReplaceAllString("ab", "$1") != "b" {
		t.Error("it does not match as it should")
	}
}
