package main

import (
	"strings"
	"testing"

	"github.com/edrctl/edrctl/cmd/cli"
	"github.com/edrctl/edrctl/internal/iostreams"
)

// The default limit of a table on a terminal reports that it cut the list; a
// limit that the user gave reports nothing.
func TestOnlyTheDefaultLimitIsReported(t *testing.T) {
	home := t.TempDir()
	on := func(terminal bool, args ...string) string {
		io, _, _, errOut := iostreams.Test()
		io.SetTTY(false, terminal, false)
		code := cli.Main(append([]string{"-p", "demo-cwatch", "events", "list", "--since", "30d"}, args...), io, func(key string) string {
			return map[string]string{"HOME": home}[key]
		})
		if code != 0 {
			t.Fatalf("%v: exit %d: %s", args, code, errOut)
		}
		return errOut.String()
	}
	const notice = "events: only the first 100 are shown; --limit 0 shows all"
	if e := on(true); !strings.Contains(e, notice) {
		t.Errorf("the default limit: %q", e)
	}
	for _, args := range [][]string{{"--limit", "5"}, {"--limit", "100"}, {"--limit", "5", "-o", "json"}} {
		for _, terminal := range []bool{true, false} {
			if e := on(terminal, args...); strings.Contains(e, "only the first") {
				t.Errorf("%v on a terminal (%v): %q", args, terminal, e)
			}
		}
	}
}
