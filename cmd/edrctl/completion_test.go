package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/edrctl/edrctl/cmd/cli"
	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/cmd/completion"
	"github.com/edrctl/edrctl/internal/cache"
	"github.com/edrctl/edrctl/internal/iostreams"
)

// runIn runs a command line in a home and gives what it wrote.
func runIn(home string, env map[string]string, args ...string) (code int, stdout, stderr string) {
	io, _, out, errOut := iostreams.Test()
	code = cli.Main(args, io, func(key string) string {
		if key == "HOME" {
			return home
		}
		return env[key]
	})
	return code, out.String(), errOut.String()
}

// completed runs __complete and gives the words, each with its help, and the
// directive.
func completed(t testing.TB, home string, env map[string]string, args ...string) (list []string, directive string) {
	t.Helper()
	code, out, _ := runIn(home, env, append([]string{"__complete"}, args...)...)
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	last := lines[len(lines)-1]
	if code != 0 || !regexp.MustCompile(`^:\d+$`).MatchString(last) {
		t.Fatalf("%q: exit %d, %q", args, code, out)
	}
	return lines[:len(lines)-1], last[1:]
}

// TestEverythingIsCompleted: every flag with a value and every operand of
// every command is completed, or is on the list of what nobody can
// complete; every command that takes --columns says which there are.
func TestEverythingIsCompleted(t *testing.T) {
	io, _, _, _ := iostreams.Test()
	f := cmdutil.NewFactory(io, &cmdutil.GlobalFlags{}, func(string) string { return "" })
	root := cli.NewRoot(f)
	flags, vendor, operands := 0, 0, 0
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, c := range cmd.Commands() {
			walk(c)
		}
		check := func(flag *pflag.Flag) {
			if flag.Value.Type() == "bool" || flag.Name == "help" {
				return
			}
			flags++
			if cmdutil.OfVendor(flag) {
				vendor++
				return
			}
			_, own := cmd.GetFlagCompletionFunc(flag.Name)
			known := cmdutil.FlagCompletion(cmd, f, flag.Name) != nil
			if free := cmdutil.FreeText[flag.Name] || flag.Name == "file" && flag.Shorthand == ""; !own && !known && !free {
				t.Errorf("%s --%s has no completion, and is not in cmdutil.FreeText", cmd.CommandPath(), flag.Name)
			}
		}
		cmd.LocalNonPersistentFlags().VisitAll(check)
		cmd.PersistentFlags().VisitAll(check)
		if cmd.HasSubCommands() || cmd.ValidArgsFunction != nil {
			return
		}
		for _, o := range cmdutil.Operands(cmd.Use) {
			operands++
			if cmdutil.OperandCompletion(cmd, f, o) == nil && !cmdutil.FreeOperands[o] {
				t.Errorf("%s %s has no completion, and is not in cmdutil.FreeOperands", cmd.CommandPath(), o)
			}
		}
	}
	walk(root)
	t.Logf("%d flags with a value, %d of them the vendors', %d operands", flags, vendor, operands)
	if flags-vendor < 200 || operands < 25 {
		t.Error("that is not all of them")
	}
}

// TestColumnsAreCompleted: what --columns offers for a command, it takes.
func TestColumnsAreCompleted(t *testing.T) {
	home := t.TempDir()
	for _, cmd := range []string{"alerts list", "events list", "hosts list", "processes list --host FIN-WS-014", "rules list", "carve list", "hosts report", "respond list", "alerts count", "events count"} {
		args := append([]string{"-p", "demo-gene"}, strings.Fields(cmd)...)
		list, directive := completed(t, home, nil, append(args, "--columns", "")...)
		if len(list) < 2 || directive != "38" {
			t.Errorf("%s: %q :%s", cmd, list, directive)
			continue
		}
		var all []string
		for _, l := range list {
			name, _, _ := strings.Cut(l, "\t")
			all = append(all, name)
		}
		if code, _, errs := runIn(home, nil, append(args, "-o", "csv", "--columns", strings.Join(all, ","))...); code != 0 {
			t.Errorf("%s --columns %s: exit %d, %s", cmd, strings.Join(all, ","), code, errs)
		}
		if list, _ = completed(t, home, nil, append(args, "--columns", all[0]+","+all[1][:1])...); len(list) == 0 || !strings.HasPrefix(list[0], all[0]+","+all[1]) {
			t.Errorf("%s: the second column: %q", cmd, list)
		}
	}
}

// bigCache is a cache of ten thousand alerts, and a configuration.
func bigCache(t testing.TB, n int) (home string) {
	t.Helper()
	home = t.TempDir()
	writeFile(t, filepath.Join(home, ".config/edrctl/config.yaml"), "profiles:\n  prod-esp: {backend: esp, url: \"https://esp.invalid\", username: admin}\n")
	var list []cache.Entry
	for i := range n {
		list = append(list, cache.Entry{
			Word: fmt.Sprintf("prod-esp/%06x", i), Name: fmt.Sprintf("LSASS memory read by rundll32 %d", i), Host: fmt.Sprintf("FIN-WS-%03d", i%500),
			Help: "9 critical", Time: 1_700_000_000 + int64(i),
		})
	}
	c := cache.In(filepath.Join(home, ".cache/edrctl"))
	if err := c.Put("prod-esp", cmdutil.RefAlert, list); err != nil {
		t.Fatal(err)
	}
	for i := range list {
		list[i] = cache.Entry{Word: fmt.Sprintf("prod-esp/h%d", i), Name: fmt.Sprintf("FIN-WS-%05d", i), Time: int64(i)}
	}
	if err := c.Put("prod-esp", cmdutil.RefHost, list); err != nil {
		t.Fatal(err)
	}
	return home
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestCompletionIsQuick: with ten thousand alerts and as many hosts in the
// cache an answer takes less than 50 ms, newest first, and not all of them.
func TestCompletionIsQuick(t *testing.T) {
	home := bigCache(t, 10_000)
	for _, args := range [][]string{
		{"alerts", "get", ""}, {"alerts", "get", "prod-esp/00"}, {"alerts", "get", "rundll32 77"}, {"respond", "isolate", "FIN"}, {"alerts", "list", "--host", ""},
		{"-p", "prod-esp", "alerts", "list", "--columns", ""}, {"-p", ""},
	} {
		var list []string
		best := time.Hour
		for range 7 {
			began := time.Now()
			list, _ = completed(t, home, nil, args...)
			best = min(best, time.Since(began))
		}
		t.Logf("%q: %d words, %.1f ms", args, len(list), float64(best.Microseconds())/1000)
		if best > 50*time.Millisecond*slack/4 {
			t.Errorf("%q took %v", args, best)
		}
		if len(list) == 0 || len(list) > 300 {
			t.Errorf("%q: %d words", args, len(list))
		}
	}
	if list, _ := completed(t, home, nil, "alerts", "get", ""); !strings.HasPrefix(list[0], "prod-esp/00270f\t9 critical · FIN-WS-499 · LSASS memory read by rundll32 9999") {
		t.Errorf("first: %q", list[0])
	}
}

// TestCompletionAsksNobody: no server, also one that answers; with
// EDRCTL_COMPLETE_LIVE one that hangs costs two seconds at most.
func TestCompletionAsksNobody(t *testing.T) {
	var asked atomic.Int32
	hang := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	}))
	defer srv.Close()
	defer close(hang)
	home := t.TempDir()
	writeFile(t, filepath.Join(home, ".config/edrctl/config.yaml"), "profiles:\n  lab: {backend: gene, url: \""+srv.URL+"\"}\n")
	env := map[string]string{"EDRCTL_LAB_API_KEY": "s3cret-key"}
	for _, args := range [][]string{{"alerts", "get", ""}, {"respond", "isolate", ""}, {"rules", "get", ""}, {"carve", "download", ""}, {"-p", ""}, {"respond", "get", ""}} {
		completed(t, home, env, args...)
	}
	if n := asked.Load(); n != 0 {
		t.Fatalf("%d requests", n)
	}
	env["EDRCTL_COMPLETE_LIVE"] = "1"
	began := time.Now()
	completed(t, home, env, "alerts", "get", "")
	if d := time.Since(began); asked.Load() == 0 || d > 2500*time.Millisecond*slack/4 {
		t.Errorf("%d requests, %v", asked.Load(), d)
	}
	delete(env, "EDRCTL_LAB_API_KEY") // nor is a keyring opened: without the variable nothing is sent
	asked.Store(0)
	if completed(t, home, env, "alerts", "get", ""); asked.Load() != 0 {
		t.Error("it asked without a key")
	}
}

// TestCompletionLive: what the servers say is offered, and kept.
func TestCompletionLive(t *testing.T) {
	home := t.TempDir()
	list, _ := completed(t, home, map[string]string{"EDRCTL_COMPLETE_LIVE": "1"}, "-p", "demo-carbonblack", "alerts", "get", "")
	if len(list) == 0 || !strings.HasPrefix(list[0], "demo-carbonblack/") {
		t.Fatalf("%q", list)
	}
	if again, _ := completed(t, home, nil, "alerts", "get", ""); len(again) != len(list) {
		t.Errorf("%d, then %d", len(list), len(again))
	}
}

// TestListsFillTheCache: what a list showed can be completed, in files of the
// user's own; a cache that cannot be written changes nothing; no secret and no
// command line is kept.
func TestListsFillTheCache(t *testing.T) {
	home := t.TempDir()
	for _, args := range []string{"alerts list", "hosts list", "rules list", "carve list", "events list --limit 50", "processes list --host FIN-WS-014", "configs list", "users list --show-secrets"} {
		runIn(home, nil, append([]string{"-p", "demo"}, strings.Fields(args)...)...)
	}
	for _, tc := range []struct {
		line []string
		want string
	}{
		{[]string{"alerts", "get", ""}, `^demo-gene/[0-9a-f]+\t10 critical · FIN-WS-014 · HeurLsassAccess · .* ago$`},
		{[]string{"respond", "isolate", "SRV-DB"}, `^SRV-DB-02\tdemo-carbonblack · windows · last seen `},
		{[]string{"hosts", "get", "FIN-WS-014"}, `^demo-(gene|cwatch)/\S+\tFIN-WS-014 · .*last seen`},
		{[]string{"rules", "get", "demo-gene/Heur"}, `^demo-gene/HeurLsassAccess\t`},
		{[]string{"carve", "download", "demo-esp/"}, `^demo-esp/\S+\tcomplete · build-07 · `},
		{[]string{"events", "get", ""}, `^demo-\w+/\S+\t\w+ · `},
		{[]string{"processes", "tree", "demo-carbonblack/"}, `^demo-carbonblack/\d+:\d+-\d+-\d+\t\S+ · pid \d+ · `},
		{[]string{"respond", "kill", "SRV-DB-02", ""}, `^\d+\tpowershell.exe · `},
		{[]string{"respond", "kill", "--from-alert", "demo-gene/"}, `^demo-gene/[0-9a-f]+\t10 critical`},
		{[]string{"hosts", "tag", "SRV-DB-02", "data"}, `^database\ton SRV-DB-0`},
		{[]string{"alerts", "list", "--host", "fin-ws-01"}, `^FIN-WS-014\t`},
		{[]string{"configs", "get", "linux-de"}, `^demo-esp/1\tlinux · linux-default$`},
		{[]string{"users", "delete", ""}, `^demo-gene/[0-9a-f-]{36}\tadmin$`},
		{[]string{"rules", "delete", "demo-gene/Heur"}, `^demo-gene/HeurLsassAccess\t`},
		{[]string{"-p", "demo-esp", "api", "hosts.config", "--host-identifier", "build-07"}, `^[0-9a-f-]{36}\t(?:linux · )?build-07 `},
	} {
		list, _ := completed(t, home, nil, tc.line...)
		if !regexp.MustCompile(`(?m)` + tc.want).MatchString(strings.Join(list, "\n")) {
			t.Errorf("%q: %q, want %s", tc.line, list, tc.want)
		}
	}
	var all bytes.Buffer
	files, err := filepath.Glob(filepath.Join(home, ".cache/edrctl/complete/*"))
	if err != nil || len(files) < 12 {
		t.Fatalf("%v %v", files, err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(data)
	}
	_, users, _ := runIn(home, nil, "-p", "demo-gene", "users", "list", "--show-secrets", "--jq", ".[].key")
	if key := strings.TrimSpace(users); len(key) < 10 || strings.Contains(all.String(), key) {
		t.Errorf("the key %q was kept", key)
	}
	if s := all.String(); strings.Contains(s, " -enc ") || strings.Contains(s, " -nop") || strings.Contains(s, "Authorization") {
		t.Error("a command line was kept")
	}

	closed := t.TempDir()
	writeFile(t, filepath.Join(closed, ".cache"), "a file where the folder should be")
	if code, out, errs := runIn(closed, nil, "-p", "demo-esp", "alerts", "list", "-o", "id"); code != 0 || out == "" || errs != "" {
		t.Errorf("exit %d, %q, %q", code, out, errs)
	}
}

// TestScriptsOfTheTree: completions/ is what the program writes.
func TestScriptsOfTheTree(t *testing.T) {
	for _, s := range completion.Shells {
		var want bytes.Buffer
		if err := completion.Write(&want, s.Name); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("..", "..", "completions", s.File))
		if err != nil || !bytes.Equal(got, want.Bytes()) {
			t.Errorf("completions/%s is out of date (go run ./cmd/gen): %v", s.File, err)
		}
	}
	if err := completion.Write(io.Discard, "tcsh"); err == nil {
		t.Error("tcsh?")
	}
}

// FuzzComplete: whatever is in the cache and on the line, the answer is
// lines of one safe word and one printable help, and a directive. It never
// fails, and nothing of it means anything to a shell.
func FuzzComplete(f *testing.F) {
	f.Add("edrctl completion 1\ndemo-gene/1;id\t1\tt\th\th\n", "", byte(0))
	f.Add("edrctl completion 1\ndemo-gene/$(id)\t1\t$(id)\t`id`\t\x1b[31m\n", "demo-gene/", byte(1))
	f.Add("edrctl completion 1\ndemo-gene/-x\t9999999999999\t\u202e\t\t:99\n", "\xff\x00", byte(2))
	f.Add("\x00\x01", "a,b=", byte(3))
	f.Add("edrctl completion 1\ndemo-gene/ok\t-9223372036854775808\tn\t\t\n", "=", byte(4))
	lines := [][]string{
		{"alerts", "get"}, {"respond", "isolate"}, {"rules", "get"}, {"carve", "download"}, {"alerts", "list", "--host"}, {"respond", "kill", "x"}, {"hosts", "tag", "x"},
		{"processes", "tree"}, {"respond", "get"}, {"alerts", "list", "--columns"}, {"-p"}, {"events", "list", "--around"}, {"hosts", "get"}, {"alerts", "list", "--process-uid"},
	}
	home := f.TempDir()
	dir := filepath.Join(home, ".cache/edrctl/complete")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		f.Fatal(err)
	}
	answer := regexp.MustCompile(`^(?:[^\s]+(?:\t[^\t\n]+)?\n)*:\d+\n$`)
	f.Fuzz(func(t *testing.T, text, typed string, which byte) {
		if strings.HasPrefix(typed, "-") {
			return // a flag: cobra's own answer
		}
		for _, kind := range []string{"alert", "host", "rule", "carve", "process", "action", "event", "tag"} {
			if err := os.WriteFile(filepath.Join(dir, "demo-gene."+kind+".tsv"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		args := append([]string{"__complete"}, lines[int(which)%len(lines)]...)
		code, out, _ := runIn(home, nil, append(args, typed)...)
		if code != 0 || !answer.MatchString(out) || !utf8.ValidString(strings.ReplaceAll(out, typed, "")) {
			t.Fatalf("exit %d: %q", code, out)
		}
		_, list, _ := strings.Cut(typed, ",") // what was typed before a comma is in the answer
		for _, l := range strings.Split(out, "\n") {
			w, help, _ := strings.Cut(l, "\t")
			if strings.HasPrefix(l, ":") {
				break
			}
			if list == "" && l != "" && strings.ContainsAny(strings.TrimPrefix(w, typed), "`$;|&<>(){}[]'\"\\!*?#~^ ") {
				t.Fatalf("%q is offered", w)
			}
			for _, r := range help {
				if r < ' ' || r == 0x7F || r >= 0x80 && r < 0xA0 || r == 0x202E {
					t.Fatalf("%q is shown", help)
				}
			}
		}
	})
}
