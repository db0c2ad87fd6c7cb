package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/edrctl/edrctl/cmd/cli"
	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/iostreams"
)

// clockVariable makes this binary run as edrctl with a clock that starts at
// that Unix time, and with a terminal of docWidth columns where its output is
// not redirected: what the pages show is then the same on every day.
const (
	clockVariable = "EDRCTL_TEST_CLOCK"
	docWidth      = 116
)

// program is what the test binary does when it is called edrctl.
func program() {
	seconds, err := strconv.ParseInt(os.Getenv(clockVariable), 10, 64)
	if err != nil {
		main()
		return
	}
	streams := iostreams.System(os.Getenv)
	streams.SetTTY(false, unredirected(), false)
	began := time.Now()
	now := func() time.Time { return time.Unix(seconds, 0).UTC().Add(time.Since(began)) }
	os.Exit(runAt(os.Args[1:], streams, now))
}

// unredirected tells whether standard output and error are the same file, as
// on a terminal: in a pipe or after > they are not.
func unredirected() bool {
	out, err1 := os.Stdout.Stat()
	errOut, err2 := os.Stderr.Stat()
	return err1 == nil && err2 == nil && os.SameFile(out, errOut)
}

// runAt is cli.Main with a clock.
func runAt(args []string, streams *iostreams.Streams, now func() time.Time) int {
	f := cmdutil.NewFactory(streams, &cmdutil.GlobalFlags{}, os.Getenv)
	f.Args, f.Now = args, now
	defer f.Close()
	root := cli.NewRoot(f)
	root.SetArgs(cmdutil.JoinWait(args))
	err := root.Execute()
	if cerr := streams.Close(); err == nil && cerr != nil && !iostreams.IsBrokenPipe(cerr) {
		err = cerr
	}
	var exit *cmdutil.ExitError
	switch {
	case err == nil, iostreams.IsBrokenPipe(err):
		return cmdutil.ExitOK
	case errors.As(err, &exit):
		return exit.Code
	}
	f.ReportError(err)
	return cmdutil.CodeOf(err)
}

// docBin is a folder with edrctl in it.
var docBin = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "edrctl-docs")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "edrctl")
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	return dir, os.Symlink(self, bin)
})

// session is a shell in a home of its own, as somebody has who reads a page
// from its top to its end.
type session struct {
	t     *testing.T
	home  string
	stdin *os.File
	out   *bufio.Reader
	shell *exec.Cmd
	n     int
}

// docStart is when every page is read: a Sunday, five past two in the morning.
var docStart = time.Date(2026, 11, 22, 2, 5, 0, 0, time.UTC)

// What the pages show in the place of this machine's own.
const (
	shownHome = "/home/analyst"
	shownUser = "jane"
	shownHost = "soc-01"
)

// anchored puts the story of the demo at the start of the page, to the second:
// what is derived from its times is then the same in every run.
const anchored = `{"version":1,"anchor":"2026-11-22T02:05:00Z"}`

func newSession(t *testing.T, env ...string) *session {
	t.Helper()
	bin, err := docBin()
	if err != nil {
		t.Fatal(err)
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("SKIPPED: no bash here, so the examples of the pages were not run")
	}
	s := &session{t: t, home: t.TempDir()}
	s.write("~/.local/state/edrctl/demo.json", []byte(anchored))
	s.shell = exec.Command(bash, "--norc", "--noprofile")
	s.shell.Dir = s.home
	s.shell.Env = append([]string{
		"HOME=" + s.home, "PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH"), "TMPDIR=" + t.TempDir(), "USER=analyst", "LOGNAME=analyst",
		"NO_COLOR=1", "TZ=UTC", "LANG=C.UTF-8", "TERM=xterm", "COLUMNS=" + strconv.Itoa(docWidth),
	}, env...)
	in, stdin, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, stdout, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s.shell.Stdin, s.shell.Stdout, s.shell.Stderr = in, stdout, stdout
	s.stdin, s.out = stdin, bufio.NewReader(out)
	if err := s.shell.Start(); err != nil {
		t.Fatal(err)
	}
	_ = in.Close()
	_ = stdout.Close()
	t.Cleanup(func() {
		_ = s.stdin.Close()
		_ = s.shell.Wait()
		_ = out.Close()
	})
	return s
}

// commandTime bounds one example; none takes a tenth of it on a quiet machine.
const commandTime = 60 * time.Second

// run runs one command line in the shell, ten seconds of the page's time after
// the one before, and gives what it printed and its exit code.
func (s *session) run(command string) (out string, code int) {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "line")
	if err := os.WriteFile(file, []byte(command+"\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
	clock := docStart.Add(time.Duration(s.n) * 10 * time.Second).Unix()
	s.n++
	if _, err := fmt.Fprintf(s.stdin, "export %s=%d; . '%s' </dev/null; printf '\\001%%d\\n' $?\n", clockVariable, clock, file); err != nil {
		s.t.Fatal(err)
	}
	late := time.AfterFunc(commandTime, func() { _ = s.shell.Process.Kill() })
	defer late.Stop()
	text, err := s.out.ReadString('\001')
	if err != nil {
		s.t.Fatalf("%s: the shell ended: %v: %s", command, err, text)
	}
	line, err := s.out.ReadString('\n')
	if err != nil {
		s.t.Fatal(err)
	}
	if code, err = strconv.Atoi(strings.TrimSpace(line)); err != nil {
		s.t.Fatal(err)
	}
	text = strings.TrimSuffix(text, "\001")
	text = strings.ReplaceAll(text, s.home, shownHome)
	if u, err := user.Current(); err == nil && strings.Contains(command, " audit ") {
		text = regexp.MustCompile(`\b`+regexp.QuoteMeta(u.Username)+`\b`).ReplaceAllString(text, shownUser)
	}
	if host, err := os.Hostname(); err == nil && host != "" { // whole words only: ids may hold it by chance
		text = regexp.MustCompile(`\b`+regexp.QuoteMeta(host)+`\b`).ReplaceAllString(text, shownHost)
	}
	return strings.TrimRight(text, "\n"), code
}

// write puts a file of the page below the home.
func (s *session) write(name string, text []byte) {
	s.t.Helper()
	path := filepath.Join(s.home, filepath.FromSlash(strings.TrimPrefix(name, "~/")))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.TrimLeft(text, "\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
}
