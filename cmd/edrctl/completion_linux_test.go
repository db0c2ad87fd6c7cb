package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// The completion scripts in their real shells: each is started in a pseudo
// terminal, keys are pressed, and what is in the line then, or is shown
// below it, is compared. A key of the test's own prints the line.

// tabShells says how each is started without the user's own files, and how it is
// taught to print its line at Ctrl-G.
var tabShells = []struct {
	what, name string
	args       []string
	setup      string // %s is the script
}{
	{"bash", "bash", []string{"--norc", "--noprofile", "-i"}, `PS1='> '; bind 'set bell-style none'; bind 'set show-all-if-ambiguous on'; bind 'set page-completions off'; bind 'set enable-bracketed-paste off'; ` +
		`dump() { printf '\nLINE<%%s>\n' "$READLINE_LINE"; }; bind -x '"\C-g": dump'; source %s; echo REA''DY`},
	{"zsh", "zsh", []string{"-f", "-i"}, `PS1='> '; unsetopt zle_bracketed_paste beep; autoload -Uz compinit; compinit -u -D; dump() { print -r -- $'\n'"LINE<$BUFFER>" }; zle -N dump; bindkey -e; ` +
		`bindkey '^G' dump; bindkey '^U' kill-whole-line; source %s; echo REA''DY`},
	// As packages install it: a function in a folder of fpath.
	{"zsh from fpath", "zsh", []string{"-f", "-i"}, `PS1='> '; unsetopt zle_bracketed_paste beep; mkdir d; cp %s d/_edrctl; fpath=($PWD/d $fpath); autoload -Uz compinit; compinit -u -D; ` +
		`dump() { print -r -- $'\n'"LINE<$BUFFER>" }; zle -N dump; bindkey -e; bindkey '^G' dump; bindkey '^U' kill-whole-line; echo REA''DY`},
	{"fish", "fish", []string{"--no-config", "-i"}, `function fish_prompt; printf '> '; end; set -g fish_autosuggestion_enabled 0; ` +
		`bind \cg 'printf "\nLINE<%%s>\n" (commandline)'; bind \cu kill-whole-line; source %s; echo REA''DY`},
}

// keystrokes are what is typed before Tab, and what must be there after.
var keystrokes = []struct {
	what, typed, want string
	not               string // the shell that cannot do it; the entry says why
}{
	{"a command", "edrctl aler", "edrctl alerts ", ""},
	{"a profile", "edrctl -p prod-e", "edrctl -p prod-esp ", ""},
	{"a profile after =", "edrctl --profile=prod-e", "edrctl --profile=prod-esp ", ""},
	{"a group", "edrctl -p @nig", "edrctl -p @night ", ""},
	{"the last of several profiles", "edrctl -p prod-esp,demo-g", "edrctl -p prod-esp,demo-gene ", ""},
	{"a column", "edrctl alerts list --columns score_native.va", "edrctl alerts list --columns score_native.value", ""},
	{"the last of several columns", "edrctl alerts list --columns ref,score_native.va", "edrctl alerts list --columns ref,score_native.value", ""},
	{"a column after =", "edrctl alerts list --columns=ref,score_native.va", "edrctl alerts list --columns=ref,score_native.value", ""},
	{"a value", "edrctl alerts list --severity-min crit", "edrctl alerts list --severity-min critical ", ""},
	{"an alert", "edrctl alerts get prod-esp/5f", "edrctl alerts get prod-esp/5f1c9a ", ""},
	{"a reference with colons", "edrctl alerts get prod-esp/218609:23", "edrctl alerts get prod-esp/218609:2328:x ", ""},
	{"a reference with an equals sign", "edrctl alerts get prod-esp/aGk=", "edrctl alerts get prod-esp/aGk=b ", ""},
	{"a reference with an at sign", "edrctl alerts get prod-esp/me@", "edrctl alerts get prod-esp/me@example.org ", ""},
	{"an operand after a flag", "edrctl alerts close --verdict true-positive prod-esp/5f", "edrctl alerts close --verdict true-positive prod-esp/5f1c9a ", ""},
	{"a host by name", "edrctl respond isolate FIN", "edrctl respond isolate FIN-WS-014 ", ""},
	{"a host whose name two share", "edrctl respond isolate prod-esp/SRV", "edrctl respond isolate prod-esp/SRV-1 ", ""},
	{"what is typed is never run", `edrctl alerts get "$(touch PWNED1)" prod-esp/5f`, `edrctl alerts get "$(touch PWNED1)" prod-esp/5f1c9a `, ""},
	{"what is typed is never run", `edrctl alerts get $PWD prod-esp/5f`, `edrctl alerts get $PWD prod-esp/5f1c9a `, ""},
	{"what is typed is never run", "edrctl alerts get (touch PWNED3) prod-esp/5f", "edrctl alerts get (touch PWNED3) prod-esp/5f1c9a ", "bash zsh"}, // theirs is $( )
	{"a name in other letters", "edrctl respond isolate fin-ws", "edrctl respond isolate FIN-WS-014 ", ""},
	{"an alert by its title", "edrctl alerts get LSASS", "edrctl alerts get prod-esp/5f1c9a ", "fish"}, // it filters by itself
	{"an alert by its id", "edrctl alerts get 5f1", "edrctl alerts get prod-esp/5f1c9a ", ""},
	{"several titles leave what is typed", "edrctl alerts get 'touch", "edrctl alerts get 'touch", "fish"},
	{"inside quotes", "edrctl alerts get 'prod-esp/5f", "edrctl alerts get 'prod-esp/5f1c9a' ", ""},
	{"the name in quotes", `edrctl respond isolate "FIN`, `edrctl respond isolate "FIN-WS-014" `, ""},
	{"a hostile word is none", "edrctl alerts get prod-esp/evil", "edrctl alerts get prod-esp/evil", ""},
	{"a table inside a query", "edrctl hunt query 'select pid from proc", "edrctl hunt query 'select pid from processes", "bash"},
	{"a table inside a query", "edrctl hunt query 'select pid from proc", "edrctl hunt query 'select pid from processes'", "zsh fish"}, // bash closes the quotes
	{"free text gets no file", "edrctl alerts list --user afile", "edrctl alerts list --user afile", ""},
	{"a file where one is meant", "edrctl hunt ioc -f afile-of", "edrctl hunt ioc -f afile-of-indicators ", ""},
	{"a folder", "edrctl carve get FIN-WS-014 x -O afol", "edrctl carve get FIN-WS-014 x -O afolder/", ""},
}

const hostileTitle = "LSASS? no: $(touch PWNED) `touch PWNED` ; touch PWNED | touch PWNED & \"touch PWNED\" 'touch PWNED' \\ %s %d * ~ !! #{x} <touch> \x1b]0;PWNED\a\x1b[31m\u202e"

// completionHome is a home with a configuration and a cache.
func completionHome(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(home, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	write(".config/edrctl/config.yaml", `groups: {night: [prod-esp]}
profiles:
  prod-esp: {backend: esp, url: "https://esp.example.org", username: admin}
  lab: {backend: gene, url: "https://lab.example.org"}
`)
	now := time.Now().Unix()
	row := func(word, name, host, help string) string {
		return fmt.Sprintf("%s\t%d\t%s\t%s\t%s\n", word, now-60, name, host, help)
	}
	const head = "edrctl completion 1\n"
	// Written by hand: the program would not write the hostile ones.
	write(".cache/edrctl/complete/prod-esp.alert.tsv", head+
		row("prod-esp/5f1c9a", "LSASS memory read", "FIN-WS-014", "9 critical")+
		row("prod-esp/218609:2328:x", "powershell injected", "SRV-DB-02", "8 high")+
		row("prod-esp/me@example.org", "at", "SRV-DB-02", "3 low")+row("prod-esp/aGk=b", "equal", "SRV-DB-02", "3 low")+
		row("prod-esp/77a", hostileTitle[11:], "H'$(touch PWNED)", "5 `touch PWNED`")+
		row("prod-esp/77b", "another "+hostileTitle[11:], "H2", "5 medium")+
		row("prod-esp/evil;touch PWNED", "t", "h", "")+row("prod-esp/evil$(touch PWNED)", "t", "h", "")+row("prod-esp/evil`touch PWNED`", "t", "h", "")+
		row("prod-esp/evil\x1b[31m", "t", "h", "")+"prod-esp/evil\n:99\n"+row("-rf", "t", "h", "")+row("$(touch PWNED)", "t", "h", ""))
	write(".cache/edrctl/complete/prod-esp.host.tsv", head+
		row("prod-esp/id-1", "FIN-WS-014", "", "windows")+row("prod-esp/SRV-1", "SRV", "", "linux")+row("prod-esp/id-3", "SRV", "", "linux")+
		row("prod-esp/id-4", "$(touch PWNED)", "", "x"))
	write(".cache/edrctl/complete/live.tables.tsv", head+"processes\t0\t\t\tpid name\nproc;touch PWNED\t0\t\t\t$(touch PWNED)\n")
	write("afile-of-indicators", "")
	write("afolder/x", "")
	return home
}

func TestCompletionInShells(t *testing.T) {
	edrctl, err := exec.LookPath("edrctl")
	if err != nil {
		t.Fatal(err)
	}
	for _, sh := range tabShells {
		t.Run(sh.what, func(t *testing.T) {
			t.Parallel()
			bin, err := exec.LookPath(sh.name)
			if err != nil {
				t.Skipf("!!! %s IS NOT HERE: its completion script is NOT tested", sh.name)
			}
			home := completionHome(t)
			script := filepath.Join(home, "script")
			out, err := exec.Command(edrctl, "completion", sh.name).Output()
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(script, out, 0o600); err != nil {
				t.Fatal(err)
			}
			s := openShell(t, home, edrctl, bin, sh.args...)
			s.send(fmt.Sprintf(sh.setup, script) + "\r")
			s.wait("READY")
			for _, k := range keystrokes {
				if strings.Contains(k.not, sh.name) {
					continue
				}
				if line, shown := s.press(k.typed + "\t"); line != k.want {
					t.Errorf("%s: %q, Tab: %q, want %q\n%s", k.what, k.typed, line, k.want, shown)
				}
			}
			// What is shown of several: newest first or not, the title is there as it is.
			_, shown := s.press("edrctl alerts get prod-esp/77\t\t")
			for _, part := range []string{"77a", "77b", "5 `touch PWNED`", "H'$(touch PWNED)", "$(touch PWNED) `touch PWNED` ;"} {
				if !strings.Contains(oneLine(shown), oneLine(part)) {
					t.Errorf("%q is not shown:\n%q", part, shown)
				}
			}
			_, shown = s.press("edrctl alerts get prod-esp/\t\t")
			for _, part := range []string{"9 critical · FIN-WS-014 · LSASS memory read", "prod-esp/218609:2328:x"[len("prod-esp/218609:"):], "1m ago"} {
				if !strings.Contains(oneLine(shown), oneLine(part)) {
					t.Errorf("%q is not shown:\n%q", part, shown)
				}
			}
			if strings.Contains(s.text(), "\x1b]0;PWNED") || strings.Contains(s.text(), "\u202e") {
				t.Error("a title reached the terminal as it was")
			}
			if m, _ := filepath.Glob(filepath.Join(home, "PWNED*")); len(m) > 0 {
				t.Errorf("something was run: %v", m)
			}
		})
	}
}

var anySpace = regexp.MustCompile(`\s+`)

// oneLine is a text without the escapes and line breaks of a terminal.
func oneLine(s string) string {
	s = regexp.MustCompile(`\x1b\[[0-9;?]*[a-zA-Z]|\x1b[()=>][0-9A-B]?|\r|\n`).ReplaceAllString(s, "")
	return anySpace.ReplaceAllString(s, "")
}

// TestCompletionInPowerShell asks PowerShell itself what Tab would give.
func TestCompletionInPowerShell(t *testing.T) {
	pwsh, err := exec.LookPath("pwsh")
	if err != nil {
		t.Skip("!!! pwsh IS NOT HERE: the completion script of PowerShell is NOT tested")
	}
	edrctl, err := exec.LookPath("edrctl")
	if err != nil {
		t.Fatal(err)
	}
	home := completionHome(t)
	for typed, want := range map[string]string{
		"edrctl -p prod-e": "prod-esp", "edrctl alerts list --columns score_native.va": "score_native.value", "edrctl alerts get prod-esp/5f": "prod-esp/5f1c9a",
	} {
		cmd := exec.Command(pwsh, "-NoProfile", "-NonInteractive", "-Command",
			"edrctl completion powershell | Out-String | Invoke-Expression; (TabExpansion2 -inputScript $env:LINE -cursorColumn $env:LINE.Length).CompletionMatches.CompletionText")
		cmd.Dir = home
		cmd.Env = append(shellEnv(home, edrctl), "LINE="+typed)
		out, err := cmd.CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%q: %q %v, want %q", typed, out, err, want)
		}
	}
}

func shellEnv(home, edrctl string) []string {
	return []string{
		"HOME=" + home, "PATH=" + filepath.Dir(edrctl) + ":" + os.Getenv("PATH"), "TERM=xterm-256color", "LANG=C.UTF-8", "TZ=UTC", "COLUMNS=200", "LINES=50",
		"HISTFILE=/dev/null", "DBUS_SESSION_BUS_ADDRESS=",
		"GORACE=atexit_sleep_ms=0", // the race detector waits a second at the end of every program
	}
}

// tabShell is a shell in a terminal.
type tabShell struct {
	t      *testing.T
	master *os.File
	mu     sync.Mutex
	out    bytes.Buffer
}

func openShell(t *testing.T, home, edrctl, bin string, args ...string) *tabShell {
	t.Helper()
	ioctl := func(f *os.File, req uintptr, arg unsafe.Pointer) error {
		if _, _, e := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), req, uintptr(arg)); e != 0 {
			return e
		}
		return nil
	}
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("!!! no pseudo terminal here: %v", err)
	}
	t.Cleanup(func() { _ = master.Close() })
	var n uint32
	var unlock int32
	size := [4]uint16{50, 200}
	if err := errors.Join(ioctl(master, syscall.TIOCSPTLCK, unsafe.Pointer(&unlock)), ioctl(master, syscall.TIOCGPTN, unsafe.Pointer(&n)), ioctl(master, syscall.TIOCSWINSZ, unsafe.Pointer(&size))); err != nil {
		t.Skipf("!!! no pseudo terminal here: %v", err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("!!! no pseudo terminal here: %v", err)
	}
	defer slave.Close()
	cmd := exec.Command(bin, args...)
	cmd.Dir = home
	cmd.Env = shellEnv(home, edrctl)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &tabShell{t: t, master: master}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	go func() {
		b := make([]byte, 1<<16)
		for {
			n, err := master.Read(b)
			s.mu.Lock()
			s.out.Write(b[:n])
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return s
}

func (s *tabShell) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.String()
}

func (s *tabShell) send(keys string) {
	s.t.Helper()
	if _, err := s.master.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

func (s *tabShell) wait(part string) {
	s.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if strings.Contains(s.text(), part) {
			return
		}
	}
	s.t.Fatalf("%q never came:\n%q", part, s.text())
}

var printedLine = regexp.MustCompile(`LINE<([^\r\n]*)>\r?\n`)

// press empties the line, types keys, and gives the line that is there
// then, and all that was shown.
func (s *tabShell) press(keys string) (line, shown string) {
	s.t.Helper()
	before := len(s.text())
	s.send("\x15" + keys + "\x07")
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		shown = s.text()[before:]
		if m := printedLine.FindStringSubmatch(shown); m != nil {
			return m[1], shown
		}
	}
	s.t.Fatalf("%q: the line never came:\n%q", keys, shown)
	return "", ""
}
