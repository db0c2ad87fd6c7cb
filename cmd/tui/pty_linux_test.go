package tui_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// A real terminal: the built program on a pty that answers no question.

const (
	tcgets     = 0x5401
	tiocswinsz = 0x5414
	tiocgptn   = 0x80045430
	tiocsptlck = 0x40045431
)

func ioctl(f *os.File, req uintptr, arg unsafe.Pointer) error {
	if _, _, e := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), req, uintptr(arg)); e != 0 {
		return e
	}
	return nil
}

type terminal struct {
	t             *testing.T
	master, slave *os.File
	cmd           *exec.Cmd
	before        syscall.Termios
	done          chan error
	began         time.Time

	mu  sync.Mutex
	out bytes.Buffer
}

func open(t *testing.T, w, h uint16, bin string, args ...string) *terminal {
	t.Helper()
	return openEnv(t, w, h, nil, bin, args...)
}

// openEnv adds to the environment, or replaces what is there.
func openEnv(t *testing.T, w, h uint16, env []string, bin string, args ...string) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pty here: %v", err)
	}
	var n uint32
	var unlock int32
	if err := errors.Join(ioctl(master, tiocsptlck, unsafe.Pointer(&unlock)), ioctl(master, tiocgptn, unsafe.Pointer(&n))); err != nil {
		t.Skipf("no pty here: %v", err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pty here: %v", err)
	}
	x := &terminal{t: t, master: master, slave: slave, done: make(chan error, 1)}
	t.Cleanup(func() { _, _ = master.Close(), slave.Close() })
	size := [4]uint16{h, w}
	if err := ioctl(master, tiocswinsz, unsafe.Pointer(&size)); err != nil {
		t.Fatal(err)
	}
	if err := ioctl(slave, tcgets, unsafe.Pointer(&x.before)); err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	x.cmd = exec.Command(bin, args...)
	x.cmd.Env = []string{"HOME=" + home, "XDG_CONFIG_HOME=" + home, "XDG_STATE_HOME=" + home, "XDG_CACHE_HOME=" + home, "PATH=" + os.Getenv("PATH"), "TERM=xterm-256color", "LANG=C.UTF-8"}
	x.cmd.Env = append(x.cmd.Env, env...)
	x.cmd.Stdin, x.cmd.Stdout, x.cmd.Stderr = slave, slave, slave
	x.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	x.began = time.Now()
	if err := x.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = x.cmd.Process.Kill() })
	go func() {
		b := make([]byte, 1<<16)
		for {
			n, err := master.Read(b)
			x.mu.Lock()
			x.out.Write(b[:n])
			x.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	go func() { x.done <- x.cmd.Wait() }()
	return x
}

func (x *terminal) text() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.out.String()
}

func (x *terminal) wait(s string) time.Duration {
	x.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if strings.Contains(x.text(), s) {
			return time.Since(x.began)
		}
	}
	x.t.Fatalf("%q never came:\n%q", s, x.text())
	return 0
}

// waitFrom waits for what comes after a place in the output.
func (x *terminal) waitFrom(at int, s string) {
	x.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(x.text()[at:], s); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			x.t.Fatalf("%q never came:\n%q", s, x.text()[at:])
		}
	}
}

func (x *terminal) send(s string) {
	x.t.Helper()
	if _, err := x.master.WriteString(s); err != nil {
		x.t.Fatal(err)
	}
}

// ended waits for the end and holds the terminal to how it was before.
func (x *terminal) ended(codes ...int) {
	x.t.Helper()
	select {
	case <-x.done:
	case <-time.After(20 * time.Second):
		x.t.Fatalf("it does not end:\n%q", x.text())
	}
	ok := false
	for _, c := range codes {
		ok = ok || x.cmd.ProcessState.ExitCode() == c
	}
	if !ok {
		x.t.Errorf("exit %d, not one of %v:\n%q", x.cmd.ProcessState.ExitCode(), codes, x.text())
	}
	var after syscall.Termios
	if err := ioctl(x.slave, tcgets, unsafe.Pointer(&after)); err != nil {
		x.t.Fatal(err)
	}
	if after != x.before {
		x.t.Errorf("the terminal was left as %+v, it was %+v", after, x.before)
	}
	// What it wrote last is read by another goroutine.
	var left []string
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if left = notTakenBack(x.text()); len(left) == 0 || time.Now().After(deadline) {
			break
		}
	}
	if len(left) > 0 {
		x.t.Errorf("%q were not taken back", left)
	}
}

// notTakenBack lists the modes of the terminal that were set last, not reset.
func notTakenBack(out string) (left []string) {
	for on, off := range map[string]string{"\x1b[?1049h": "\x1b[?1049l", "\x1b[?1002h": "\x1b[?1002l", "\x1b[?2004h": "\x1b[?2004l", "\x1b[?25l": "\x1b[?25h"} {
		if strings.LastIndex(out, on) > strings.LastIndex(out, off) {
			left = append(left, on)
		}
	}
	return left
}

func build(t *testing.T, what string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds the program")
	}
	bin := filepath.Join(t.TempDir(), "prog")
	if out, err := exec.Command("go", "build", "-o", bin, what).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return bin
}

// soaking tells whether the figures are taken (EDRCTL_SOAK is set): then times
// are held to their budgets, which a busy machine would break.
func soaking() bool { return os.Getenv("EDRCTL_SOAK") != "" }

func within(t *testing.T, what string, took, budget time.Duration) {
	t.Helper()
	t.Logf("%s: %v", what, took.Round(time.Millisecond))
	if !soaking() {
		budget = 3 * time.Second
	}
	if took > budget {
		t.Errorf("%s took %v, over %v", what, took, budget)
	}
}

// cpu is what a process has used so far.
func cpu(t *testing.T, pid int) time.Duration {
	t.Helper()
	var sum time.Duration
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(tasks) == 0 {
		t.Skip("no schedstat here")
	}
	for _, path := range tasks {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // a thread that has ended
		}
		n, err := strconv.ParseInt(strings.Fields(string(b))[0], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += time.Duration(n)
	}
	return sum
}

func TestTerminal(t *testing.T) {
	bin := build(t, "../edrctl")
	t.Run("start, drill down, quit", func(t *testing.T) {
		x := open(t, 120, 40, bin, "-p", "demo", "tui")
		within(t, "the first frame, the demo's four servers included, on a terminal that answers nothing", x.wait("carbon"), 150*time.Millisecond)
		x.wait("HeurLsassAccess")
		x.send("c")
		x.wait("\x1b]52;c;" + base64.StdEncoding.EncodeToString([]byte("demo-gene/"))[:12])
		x.send("\r")
		x.wait("events behind it")
		x.send("q")
		time.Sleep(100 * time.Millisecond)
		x.send("q")
		x.ended(0)
		if !strings.Contains(x.text(), "\x1b]2;edrctl alerts") {
			t.Error("the window has no title")
		}
		for _, title := range regexp.MustCompile("\x1b\\][02];([^\x07\x1b]*)").FindAllStringSubmatch(x.text(), -1) {
			if !regexp.MustCompile(`^(edrctl( [a-z]+)?( \(\d+ new\))?)?$`).MatchString(title[1]) {
				t.Errorf("the window is called %q", title[1])
			}
		}
	})
	t.Run("edrctl demo", func(t *testing.T) {
		x := openEnv(t, 100, 30, []string{"EDRCTL_PROFILE=prod"}, bin, "demo")
		x.wait("HeurLsassAccess")
		x.send("q")
		x.ended(0)
	})
	t.Run("edrctl demo of another profile", func(t *testing.T) {
		x := open(t, 100, 30, bin, "demo", "-p", "prod")
		x.wait("edrctl tui -p prod")
		x.ended(2)
	})
	t.Run("all profiles down", func(t *testing.T) {
		cfg := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(cfg, []byte("profiles:\n  a: {backend: gene, url: \"http://127.0.0.1:1\"}\n  b: {backend: gene, url: \"http://127.0.0.1:2\"}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		x := openEnv(t, 120, 30, []string{"EDRCTL_A_API_KEY=k", "EDRCTL_B_API_KEY=k"}, bin, "--config", cfg, "-p", "all", "tui")
		within(t, "the first frame with no server there", x.wait("reading"), 150*time.Millisecond)
		x.wait("no profile has answered")
		x.send("q")
		x.ended(0)
	})
	t.Run("NO_COLOR", func(t *testing.T) {
		x := openEnv(t, 120, 30, []string{"NO_COLOR=1"}, bin, "-p", "demo", "tui")
		x.wait("HeurLsassAccess")
		x.send("q")
		x.ended(0)
		if c := colours(x.text()); len(c) > 0 {
			t.Errorf("colours all the same: %q", c)
		}
		if !strings.Contains(x.text(), "CRIT") {
			t.Error("the severity is not written")
		}
	})
	t.Run("sixteen colours", func(t *testing.T) {
		x := openEnv(t, 120, 30, []string{"TERM=xterm-16color"}, bin, "-p", "demo", "tui")
		x.wait("HeurLsassAccess")
		x.send("q")
		x.ended(0)
		c := colours(x.text())
		if len(c) == 0 {
			t.Error("no colour at all")
		}
		for _, sgr := range c {
			if strings.Contains(sgr, "38;") || strings.Contains(sgr, "48;") {
				t.Errorf("%q on a terminal of sixteen colours", sgr)
			}
		}
	})
	t.Run("suspend and resume", func(t *testing.T) {
		shell, err := exec.LookPath("bash")
		if err != nil {
			t.Skip("no bash, whose jobs are needed")
		}
		x := open(t, 100, 30, shell, "-m", "-c", bin+` -p demo tui; echo "stopped by $?"; read -r go; fg >/dev/null; echo "over with $?"`)
		x.wait("HeurLsassAccess")
		x.send("\x1a")
		x.wait("stopped by 148")
		if out := x.text(); strings.LastIndex(out, "\x1b[?1049l") < strings.LastIndex(out, "\x1b[?1049h") {
			t.Error("the screen was not given back to the shell")
		}
		at := len(x.text())
		x.send("\n")
		for deadline := time.Now().Add(20 * time.Second); !strings.Contains(x.text()[at:], "HeurLsassAccess"); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("it did not come back:\n%q", x.text()[at:])
			}
		}
		x.send("q")
		x.wait("over with 0")
		x.ended(0)
	})
	// Handled here, a hang-up has its default in the program, also under nohup.
	hangUp := make(chan os.Signal, 1)
	signal.Notify(hangUp, syscall.SIGHUP)
	defer signal.Stop(hangUp)
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		t.Run(sig.String(), func(t *testing.T) {
			x := open(t, 80, 24, bin, "-p", "demo", "tui")
			x.wait("CRIT")
			if err := x.cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			x.ended(130)
		})
	}
	t.Run("no terminal on stdout", func(t *testing.T) {
		for _, args := range [][]string{{"-p", "demo", "tui"}, {"demo"}} {
			cmd := exec.Command(bin, args...)
			out, _ := cmd.CombinedOutput()
			if cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), "needs a terminal") {
				t.Fatalf("%v: exit %d: %s", args, cmd.ProcessState.ExitCode(), out)
			}
		}
	})
	t.Run("an unknown view", func(t *testing.T) {
		x := open(t, 80, 24, bin, "-p", "demo", "tui", "--view", "hsots")
		x.wait("invalid --view")
		x.ended(2)
	})
	t.Run("an unknown key name", func(t *testing.T) {
		cfg := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(cfg, []byte("# mine\nkeys:\n  down: [j]\n  dwon: [x]\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		x := open(t, 80, 24, bin, "--config", cfg, "-p", "demo", "tui")
		x.wait("c.yaml:4")
		x.ended(2)
	})
}

// colours are the sequences that set one.
func colours(out string) []string {
	return regexp.MustCompile("\x1b\\[(?:\\d+;)*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;\\d+)*m").FindAllString(out, -1)
}

// TestIdleTerminal takes the figure of docs/performance.md: what the program
// uses while nothing happens, its servers in another process. It runs under
// EDRCTL_SOAK only.
func TestIdleTerminal(t *testing.T) {
	if !soaking() {
		t.Skip("EDRCTL_SOAK is not set")
	}
	bin := build(t, "../edrctl")
	serve := exec.Command(bin, "demo", "serve")
	serve.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
	out, err := serve.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = serve.Process.Kill(), serve.Wait() })
	var config strings.Builder
	var env []string
	for in := bufio.NewScanner(out); in.Scan(); {
		config.WriteString(in.Text() + "\n")
		if v, ok := strings.CutPrefix(in.Text(), "# export "); ok {
			env = append(env, strings.ReplaceAll(v, "'", ""))
			if len(env) == 6 {
				break
			}
		}
	}
	cfg := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(cfg, []byte(config.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		name string
		t    *terminal
	}{
		{"four backends, asked every 5 s", openEnv(t, 120, 40, env, bin, "--config", cfg, "-p", "all", "tui")},
		{"four backends, asked every hour", openEnv(t, 120, 40, env, bin, "--config", cfg, "-p", "all", "tui", "--interval", "1h")},
	} {
		x.t.wait("HeurLsassAccess")
		time.Sleep(5 * time.Second) // what a start leaves behind
		const over = 20 * time.Second
		before := cpu(t, x.t.cmd.Process.Pid)
		time.Sleep(over)
		share := 100 * (cpu(t, x.t.cmd.Process.Pid) - before).Seconds() / over.Seconds()
		t.Logf("%s: %.2f %% of one core", x.name, share)
		if share >= 1 {
			t.Errorf("%s: %.2f %% of one core at rest", x.name, share)
		}
		x.t.send("q")
		x.t.ended(0)
	}
}

func TestPanicRestoresTheTerminal(t *testing.T) {
	x := open(t, 80, 24, build(t, "./testdata/panicker"))
	x.wait("CRIT")
	x.ended(9)
	out := x.text()
	if strings.LastIndex(out, "it broke on") < strings.LastIndex(out, "\x1b[?1049l") {
		t.Errorf("the error is not shown after the screen:\n%q", out)
	}
	if strings.Contains(out, "\x1b[31mpurpose") || strings.Contains(out, "goroutine ") {
		t.Errorf("the error is shown raw:\n%q", out)
	}
}
