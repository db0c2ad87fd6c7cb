package iostreams_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/iostreams"
	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/safetext/corpus"
)

func env(kv ...string) func(string) string {
	m := map[string]string{}
	for i := 0; i < len(kv); i += 2 {
		m[kv[i]] = kv[i+1]
	}
	return func(k string) string { return m[k] }
}

func TestColor(t *testing.T) {
	for _, c := range []struct {
		name string
		mode iostreams.ColorMode
		tty  bool
		env  []string
		want bool
	}{
		{"terminal", iostreams.ColorAuto, true, nil, true},
		{"pipe", iostreams.ColorAuto, false, nil, false},
		{"always beats NO_COLOR", iostreams.ColorAlways, false, []string{"NO_COLOR", "1"}, true},
		{"never", iostreams.ColorNever, true, []string{"CLICOLOR_FORCE", "1"}, false},
		{"NO_COLOR", iostreams.ColorAuto, true, []string{"NO_COLOR", "1", "CLICOLOR_FORCE", "1"}, false},
		{"empty NO_COLOR", iostreams.ColorAuto, true, []string{"NO_COLOR", ""}, true},
		{"forced", iostreams.ColorAuto, false, []string{"CLICOLOR_FORCE", "1"}, true},
		{"not forced", iostreams.ColorAuto, false, []string{"CLICOLOR_FORCE", "0"}, false},
		{"dumb", iostreams.ColorAuto, true, []string{"TERM", "dumb"}, false},
		{"CLICOLOR=0", iostreams.ColorAuto, true, []string{"CLICOLOR", "0"}, false},
	} {
		s, _, _, _ := iostreams.Test()
		s.SetTTY(true, c.tty, c.tty)
		s.SetColor(c.mode)
		s.SetEnv(env(c.env...))
		if s.OutColor() != c.want || s.ErrColor() != c.want || s.OutPalette().On() != c.want {
			t.Errorf("%s: colour %v, want %v", c.name, s.OutColor(), c.want)
		}
	}
}

func TestUnicodeAndWidth(t *testing.T) {
	for _, c := range []struct {
		env  []string
		want bool
	}{
		{[]string{"LANG", "en_GB.UTF-8"}, true},
		{[]string{"LANG", "en_GB.utf8"}, true},
		{[]string{"LANG", "en_GB.UTF-8", "LC_ALL", "C"}, false},
		{[]string{"LC_CTYPE", "C.UTF-8", "LANG", "C"}, true},
		{nil, false},
		{[]string{"TERM", "dumb", "LANG", "C.UTF-8"}, false},
	} {
		s, _, _, _ := iostreams.Test()
		s.SetEnv(env(c.env...))
		if s.Unicode() != c.want {
			t.Errorf("%v: %v", c.env, s.Unicode())
		}
	}
	s, _, _, _ := iostreams.Test()
	s.SetWidth(0)
	s.SetEnv(env("COLUMNS", "133"))
	if s.OutWidth() != 133 || s.ErrWidth() != 133 {
		t.Error("COLUMNS is not obeyed")
	}
	s.SetEnv(env("COLUMNS", "-5"))
	if s.OutWidth() != 80 {
		t.Error("a bad COLUMNS is not ignored")
	}
}

func TestMessages(t *testing.T) {
	s, _, out, errOut := iostreams.Test()
	s.Note("one")
	s.Warn("two")
	s.Error(safetext.Text("bad \x1b[2J"), "do this")
	s.SetQuiet(true)
	s.Note("hidden")
	s.Warn("still")
	want := "one\nwarning: two\nedrctl: bad ␛[2J\nhint: do this\nwarning: still\n"
	if errOut.String() != want || out.Len() != 0 {
		t.Errorf("stderr %q, want %q", errOut, want)
	}
	s.SetUnicode(false)
	errOut.Reset()
	for _, h := range corpus.Strings() {
		s.Error(safetext.Text(h), "")
	}
	for _, b := range errOut.Bytes() {
		if b != '\n' && (b < 0x20 || b > 0x7E) {
			t.Fatalf("byte %#x on a terminal that is not Unicode", b)
		}
	}
}

func TestPrompts(t *testing.T) {
	ctx := context.Background()
	s, _, _, _ := iostreams.Test()
	for _, set := range []func(){
		func() {},
		func() { s.SetTTY(true, true, false) },
		func() { s.SetTTY(false, true, true) },
		func() { s.SetTTY(true, true, true); s.SetNoInput(true) },
	} {
		set()
		if _, err := s.Confirm(ctx, "go on?"); !errors.Is(err, iostreams.ErrNoPrompt) {
			t.Errorf("Confirm without a terminal: %v", err)
		}
		if _, err := s.Password(ctx, "secret: "); !errors.Is(err, iostreams.ErrNoPrompt) {
			t.Errorf("Password without a terminal: %v", err)
		}
	}
	s, in, out, errOut := iostreams.Test()
	s.SetTTY(true, true, true)
	in.WriteString("y\nYES\n\nno\nSRV-DB-02\nsrv-db-02\n")
	for i, want := range []bool{true, true, false, false} {
		if got, err := s.Confirm(ctx, "isolate?"); got != want || err != nil {
			t.Errorf("answer %d: %v %v", i, got, err)
		}
	}
	for i, want := range []bool{true, false, false} {
		if got, err := s.ConfirmTyped(ctx, "type it:", "SRV-DB-02"); got != want || err != nil {
			t.Errorf("typed %d: %v %v", i, got, err)
		}
	}
	if !strings.Contains(errOut.String(), "isolate? [y/N]: ") || out.Len() != 0 {
		t.Errorf("prompt went to the wrong place: %q %q", errOut, out)
	}
	s.SetPassword(func() (string, error) { return "hunter2", nil })
	if p, err := s.Password(ctx, "secret: "); p != "hunter2" || err != nil {
		t.Errorf("Password: %q %v", p, err)
	}
}

func TestPromptEndsWithItsContext(t *testing.T) {
	s, _, _, _ := iostreams.Test()
	s.SetTTY(true, true, true)
	r, w := io.Pipe()
	defer w.Close()
	s.In = r
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.Confirm(ctx, "?"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Confirm: %v", err)
	}
	block := make(chan struct{})
	defer close(block)
	s.SetPassword(func() (string, error) { <-block; return "", nil })
	if _, err := s.Password(ctx, "?"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Password: %v", err)
	}
}

func TestProgress(t *testing.T) {
	s, _, out, errOut := iostreams.Test()
	p := s.StartProgress()
	time.Sleep(320 * time.Millisecond)
	p.Set("not on a terminal")
	p.Done()
	if errOut.Len() != 0 {
		t.Errorf("progress off a terminal: %q", errOut)
	}
	s.SetTTY(true, true, true)
	s.SetWidth(20)
	p = s.StartProgress()
	p.Set("too early")
	if errOut.Len() != 0 {
		t.Errorf("progress at once: %q", errOut)
	}
	time.Sleep(320 * time.Millisecond)
	p.Set(safetext.Text("reading \x1b[2J a very long line of progress"))
	for range 100 {
		p.Set("too often")
	}
	if got := errOut.String(); strings.Count(got, "\r") != 1 || strings.Contains(got, "\x1b[2J") || strings.Contains(got, "often") {
		t.Errorf("progress line: %q", got)
	}
	_, _ = io.WriteString(s.Out, "data\n")
	if !strings.HasSuffix(errOut.String(), "\r\x1b[K") || out.String() != "data\n" {
		t.Errorf("progress not cleared before output: %q", errOut)
	}
	s.SetQuiet(true)
	errOut.Reset()
	p = s.StartProgress()
	time.Sleep(320 * time.Millisecond)
	p.Set("quiet")
	p.Done()
	if err := s.Close(); err != nil || errOut.Len() != 0 {
		t.Errorf("quiet progress: %q %v", errOut, err)
	}
}

// TestMain doubles as the child process of the tests below.
func TestMain(m *testing.M) {
	switch os.Getenv("IOSTREAMS_CHILD") {
	case "flood":
		s := iostreams.System(os.Getenv)
		line := bytes.Repeat([]byte{'x'}, 1023)
		line = append(line, '\n')
		var err error
		for range 100_000 {
			if _, err = s.Out.Write(line); err != nil {
				break
			}
		}
		if errors.Is(err, iostreams.ErrClosedPipe) && errors.Is(s.Close(), iostreams.ErrClosedPipe) {
			os.Exit(42)
		}
		os.Exit(1)
	case "stuck":
		s := iostreams.System(os.Getenv)
		go func() {
			for {
				_, _ = s.Out.Write(bytes.Repeat([]byte{'x'}, 4096))
			}
		}()
		time.Sleep(200 * time.Millisecond)
		if errors.Is(s.CloseWithin(50*time.Millisecond), iostreams.ErrClosedPipe) {
			os.Exit(43)
		}
		os.Exit(1)
	case "idle":
		s := iostreams.System(os.Getenv)
		_, _ = io.WriteString(s.Out, "now\n")
		_, _ = io.ReadAll(s.In)
		_, _ = io.WriteString(s.Out, "later\n")
		_ = s.Close()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func child(t *testing.T, mode string) (*exec.Cmd, io.WriteCloser, io.ReadCloser) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "IOSTREAMS_CHILD="+mode)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, in, out
}

func TestClosedPipeIsSeenNotFatal(t *testing.T) {
	cmd, _, out := child(t, "flood")
	b := make([]byte, 10)
	_, _ = io.ReadFull(out, b)
	_ = out.Close()
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 42 {
		t.Errorf("child ended with %v, want exit 42", err)
	}
}

func TestAStuckReaderDoesNotHoldAnInterruptedRun(t *testing.T) {
	cmd, _, _ := child(t, "stuck")
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 43 {
		t.Errorf("child ended with %v, want exit 43", err)
	}
}

func TestOutputFlushesWhenIdle(t *testing.T) {
	cmd, in, out := child(t, "idle")
	b := make([]byte, 4)
	got := make(chan error, 1)
	go func() { _, err := io.ReadFull(out, b); got <- err }()
	select {
	case err := <-got:
		if err != nil || string(b) != "now\n" {
			t.Errorf("%q %v", b, err)
		}
	case <-time.After(5 * time.Second):
		t.Error("nothing came while the program waits")
	}
	_ = in.Close()
	rest, _ := io.ReadAll(out)
	if string(rest) != "later\n" {
		t.Errorf("rest %q", rest)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func BenchmarkOut(b *testing.B) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer null.Close()
	old := os.Stdout
	os.Stdout = null
	s := iostreams.System(os.Getenv)
	os.Stdout = old
	line := bytes.Repeat([]byte{'x'}, 500)
	b.SetBytes(500)
	for b.Loop() {
		_, _ = s.Out.Write(line)
	}
}
