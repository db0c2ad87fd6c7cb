package cmdutil_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/iostreams"
)

func TestCommandLineHasNoSecret(t *testing.T) {
	io, _, _, _ := iostreams.Test()
	f := cmdutil.NewFactory(io, &cmdutil.GlobalFlags{}, func(string) string { return "" })
	for _, args := range [][]string{
		{"carve", "get", "h", "/x", "--zip-password", "hunter2"},
		{"carve", "get", "h", "/x", "--zip-password=hunter2"},
		{"api", "GET", "/x", "-H", "Authorization: Bearer hunter2"},
		{"api", "GET", "/x", "-H", "X-Auth-Token:hunter2"},
		{"respond", "run", "h", "--", "mysql", "--password=hunter2"},
		{"respond", "run", "h", "--", "curl", "https://u:hunter2@example.org/"},
		{"respond", "run", "h", "--", "sh", "-c", "TOKEN=hunter2 ./x"},
		{"respond", "run", "h", "--", "x", "--api-key", "hunter2"},
	} {
		if line := f.CommandLine(args); strings.Contains(line, "hunter2") || !strings.HasPrefix(line, "edrctl "+args[0]) {
			t.Errorf("%q", line)
		}
	}
	if got := f.CommandLine([]string{"respond", "kill", "FIN WS", "12", "--comment", "it's"}); got != `edrctl respond kill 'FIN WS' 12 --comment 'it'\''s'` {
		t.Errorf("%s", got)
	}
}

func TestJoinWait(t *testing.T) {
	for in, want := range map[string]string{
		"respond isolate --wait 5m h":     "respond isolate --wait=5m h",
		"respond isolate --wait h":        "respond isolate --wait h",
		"respond isolate h --wait":        "respond isolate h --wait",
		"respond run h --wait 0 -- a":     "respond run h --wait=0 -- a",
		"respond run h -- x --wait 5m":    "respond run h -- x --wait 5m",
		"respond isolate --wait=1h h":     "respond isolate --wait=1h h",
		"respond isolate --wait 1d12h h2": "respond isolate --wait=1d12h h2",
	} {
		if got := cmdutil.JoinWait(strings.Fields(in)); !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%s: %q", in, got)
		}
	}
}

func FuzzCommandLine(f *testing.F) {
	f.Add("--password", "x y")
	io, _, _, _ := iostreams.Test()
	fac := cmdutil.NewFactory(io, &cmdutil.GlobalFlags{}, func(string) string { return "" })
	f.Fuzz(func(t *testing.T, a, b string) {
		if line := fac.CommandLine([]string{a, b, "--token", "s3cr3t-value"}); !strings.HasPrefix(a, "-") && strings.Contains(line, "s3cr3t-value") && !strings.Contains(a+b, "s3cr3t-value") {
			t.Errorf("%q", line)
		}
	})
}
