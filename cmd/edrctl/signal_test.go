//go:build unix

package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// An interrupted program is gone within 200 ms, with 130, and has said so,
// whatever its servers do: answer nothing, or send without an end.
func TestInterruptEndsAtOnce(t *testing.T) {
	reached := make(chan struct{}, 64)
	hangs := func(w http.ResponseWriter, r *http.Request) {
		reached <- struct{}{}
		<-r.Context().Done()
	}
	drips := func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, `[{"alertID":1,`)
		for r.Context().Err() == nil {
			_, _ = fmt.Fprint(w, " ")
			_ = http.NewResponseController(w).Flush()
			select {
			case reached <- struct{}{}:
			default:
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	for _, tt := range []struct {
		name    string
		server  http.HandlerFunc
		signal  syscall.Signal
		command string
	}{
		{"list of a mute server", hangs, syscall.SIGINT, "alerts list -o json"},
		{"list that never ends", drips, syscall.SIGINT, "alerts list -o ndjson"},
		{"watch", hangs, syscall.SIGINT, "alerts watch"},
		{"hunt", hangs, syscall.SIGINT, "hunt hash da39a3ee5e6b4b0d3255bfef95601890afd80709"},
		{"terminated", hangs, syscall.SIGTERM, "events list"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := httptest.NewServer(tt.server)
			defer srv.Close()
			defer srv.CloseClientConnections()
			for len(reached) > 0 {
				<-reached
			}
			home := t.TempDir()
			file := filepath.Join(home, "config.yaml")
			if err := os.WriteFile(file, fmt.Appendf(nil, "profiles:\n  mute: {backend: cwatch, url: %q, customer_id: 1}\n", srv.URL), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("edrctl", append(strings.Fields(tt.command), "-p", "mute", "--config", file)...)
			cmd.Env = append(os.Environ(), "HOME="+home, "EDRCTL_MUTE_TOKEN=TOKENTOKEN", "XDG_RUNTIME_DIR=", "DBUS_SESSION_BUS_ADDRESS=")
			var out, errOut bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &errOut
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			select {
			case <-reached:
			case <-time.After(20 * time.Second):
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
				t.Fatalf("it never asked its server: %s", errOut.String())
			}
			sent := time.Now()
			if err := cmd.Process.Signal(tt.signal); err != nil {
				t.Fatal(err)
			}
			killer := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
			_ = cmd.Wait() // its exit code is looked at below
			killer.Stop()
			took := time.Since(sent)
			if code := cmd.ProcessState.ExitCode(); code != 130 {
				t.Errorf("exit %d, want 130: %s", code, errOut.String())
			}
			if most := 200 * time.Millisecond * slack; took > most {
				t.Errorf("it ended %v after the signal, over %v", took, most)
			}
			if s := out.String(); tt.command == "alerts list -o json" && strings.HasSuffix(strings.TrimSpace(s), "]") {
				t.Errorf("what was cut reads as a whole list: %q", s)
			}
			t.Logf("ended %v after the signal", took.Round(time.Millisecond))
		})
	}
}
