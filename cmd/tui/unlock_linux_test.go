package tui_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A passphrase is asked for before the screen opens, never under it: there the
// question would eat the keys. The profile reports a wrong one.
func TestPassphraseBeforeTheScreen(t *testing.T) {
	bin := build(t, "../edrctl")
	home := t.TempDir()
	env := []string{"HOME=" + home, "XDG_CONFIG_HOME=" + home, "XDG_STATE_HOME=" + home, "XDG_CACHE_HOME=" + home, "XDG_RUNTIME_DIR=" + home}
	config := filepath.Join(home, "lab.yaml")
	if err := os.WriteFile(config, []byte("profiles:\n  lab: {backend: gene, url: \"http://127.0.0.1:9\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	login := exec.Command(bin, "--config", config, "auth", "login", "lab", "--stdin", "--no-check")
	login.Env = append(append([]string{"PATH=" + os.Getenv("PATH")}, env...), "EDRCTL_PASSPHRASE=a passphrase of a test")
	login.Stdin = strings.NewReader("a-key-of-a-test\n")
	if out, err := login.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	x := openEnv(t, 100, 30, env, bin, "--config", config, "tui")
	x.wait("Passphrase of the encrypted secrets")
	if strings.Contains(x.text(), "\x1b[?1049h") {
		t.Fatal("the screen was open when it asked")
	}
	x.send("a passphrase of a test\r") // at once: the echo is off before the question is there
	x.wait("\x1b[?1049h")
	x.wait("127.0.0.1:9") // the key was there: the server was dialled
	x.send("q")
	x.ended(0)
	for _, s := range []string{"a passphrase of a test", "a-key-of-a-test"} {
		if strings.Contains(x.text(), s) {
			t.Fatalf("%s was shown", s)
		}
	}
}

// Ctrl-C in a login that was started from the screen leaves the login only:
// the view comes back, and Ctrl-C is the screen's own key again.
func TestInterruptOfALogin(t *testing.T) {
	bin := build(t, "../edrctl")
	config := filepath.Join(t.TempDir(), "lab.yaml")
	if err := os.WriteFile(config, []byte("profiles:\n  lab: {backend: gene, url: \"http://127.0.0.1:9\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	x := open(t, 100, 30, bin, "--config", config, "tui")
	x.wait("log in to lab")
	for i := range 2 { // and again: what was lent was given back
		time.Sleep(time.Second) // keys in flight answer nothing
		at := len(x.text())
		x.send("\t")
		time.Sleep(600 * time.Millisecond)
		x.send("\r")
		x.waitFrom(at, "\x1b[?1049l")
		x.waitFrom(at, "api_key of lab")
		x.send("\x03")
		x.waitFrom(at, "\x1b[?1049h")
		x.waitFrom(at, "was left; nothing was changed")
		time.Sleep(400 * time.Millisecond)
		if i == 0 {
			at = len(x.text())
			x.send(":profiles\r")
			x.waitFrom(at, "edrctl auth login lab")
		}
		x.send("\r")
	}
	x.send("\x1b")
	time.Sleep(100 * time.Millisecond)
	if err := x.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	x.ended(130)
}
