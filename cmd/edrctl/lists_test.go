package main

import (
	"path/filepath"
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

// --where completes the saved filters, and the fields an expression begins with.
func TestSavedFiltersAreCompleted(t *testing.T) {
	home := t.TempDir()
	writeFile(t, filepath.Join(home, ".config/edrctl/config.yaml"), "filters:\n  night: \"severity>=high !user=SYSTEM\"\n  noon: \"host~FIN\"\n  desk: \"host~HR\"\n")
	for typed, want := range map[string]string{
		"@": "@desk @night @noon", "@ni": "@night", "@x": "", "sev": "severity=", "": "@desk",
	} {
		list, _ := completed(t, home, nil, "alerts", "list", "--where", typed)
		var words []string
		for _, l := range list {
			word, _, _ := strings.Cut(l, "\t")
			words = append(words, word)
		}
		if got := strings.Join(words, " "); got != want && !(typed == "" && strings.HasPrefix(got, want) && strings.Contains(got, " host=")) {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
	if list, _ := completed(t, home, nil, "alerts", "list", "--where", "@ni"); len(list) != 1 || !strings.HasSuffix(list[0], "\tseverity>=high !user=SYSTEM") {
		t.Errorf("the help of a saved filter: %q", list)
	}
}
