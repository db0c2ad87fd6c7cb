package tui_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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
	time.Sleep(50 * time.Millisecond)
	out := x.text()
	for on, off := range map[string]string{"\x1b[?1049h": "\x1b[?1049l", "\x1b[?1002h": "\x1b[?1002l", "\x1b[?2004h": "\x1b[?2004l", "\x1b[?25l": "\x1b[?25h"} {
		if strings.LastIndex(out, on) > strings.LastIndex(out, off) {
			x.t.Errorf("%q was not taken back", on)
		}
	}
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

func TestTerminal(t *testing.T) {
	bin := build(t, "../edrctl")
	t.Run("start, drill down, quit", func(t *testing.T) {
		x := open(t, 120, 40, bin, "-p", "demo", "tui")
		first := x.wait("edrctl")
		t.Logf("first frame after %v", first)
		if first > 3*time.Second {
			t.Errorf("the first frame took %v on a terminal that answers nothing", first)
		}
		x.wait("HeurLsassAccess")
		x.send("\r")
		x.wait("events behind it")
		x.send("q")
		time.Sleep(100 * time.Millisecond)
		x.send("q")
		x.ended(0)
	})
	t.Run("kill -TERM", func(t *testing.T) {
		x := open(t, 80, 24, bin, "-p", "demo", "tui")
		x.wait("CRIT")
		if err := x.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		x.ended(0, 130, 143, 1)
	})
	t.Run("no terminal on stdout", func(t *testing.T) {
		cmd := exec.Command(bin, "-p", "demo", "tui")
		out, _ := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), "needs a terminal") {
			t.Fatalf("exit %d: %s", cmd.ProcessState.ExitCode(), out)
		}
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

func TestPanicRestoresTheTerminal(t *testing.T) {
	x := open(t, 80, 24, build(t, "./testdata/panicker"))
	x.wait("CRIT")
	x.ended(9)
	if out := x.text(); strings.LastIndex(out, "it broke on purpose") < strings.LastIndex(out, "\x1b[?1049l") {
		t.Errorf("the error is not shown after the screen:\n%q", out)
	}
}
