package auth

import (
	"strings"
	"testing"

	_ "github.com/edrctl/edrctl/internal/backends/all"
)

func TestHelpNamesWhoChangesPasswords(t *testing.T) {
	if got := strings.Join(changers(), ", "); got != changing {
		t.Errorf("the help says %q, want %q", changing, got)
	}
}
