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
// question would eat the keys. A wrong one is told by the profile.
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
	time.Sleep(100 * time.Millisecond) // the question stands there a moment before the echo is off
	x.send("a passphrase of a test\r")
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
