//go:build unix

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
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
	defaultHangUp(t)
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
		{"hung up", hangs, syscall.SIGHUP, "alerts watch"},
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

// What libraries log of a server's bytes reaches no terminal, and under --debug
// only without the secret in it.
func TestLibraryLogIsRedacted(t *testing.T) {
	const token = "TOKENTOKEN-1234567"
	answered := make(chan struct{}, 16)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				r := bufio.NewReader(conn)
				for {
					if _, err := http.ReadRequest(r); err != nil {
						return
					}
					// One answer too many, which net/http logs as soon as it reads it.
					_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")
					time.Sleep(20 * time.Millisecond)
					_, _ = io.WriteString(conn, "HTTP/1.1 200 OK "+token+"\r\n\r\n")
					answered <- struct{}{}
				}
			}()
		}
	}()
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, "profiles:\n  odd: {backend: cwatch, url: \"http://%s\", customer_id: 1}\n", l.Addr()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, debug := range []bool{false, true} {
		args := []string{"alerts", "watch", "--interval", "50ms", "-p", "odd", "--config", file}
		if debug {
			args = append(args, "--debug")
		}
		cmd := exec.Command("edrctl", args...)
		cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "EDRCTL_ODD_TOKEN="+token, "XDG_RUNTIME_DIR=", "DBUS_SESSION_BUS_ADDRESS=")
		var errOut bytes.Buffer
		cmd.Stderr = &errOut
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			select {
			case <-answered:
			case <-time.After(20 * time.Second):
				t.Error("it does not ask")
			}
		}
		time.Sleep(100 * time.Millisecond)
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // only what it wrote is looked at
		got := errOut.String()
		if strings.Contains(got, token) {
			t.Errorf("debug %v: the token is shown: %s", debug, got)
		}
		if strings.Contains(got, "Unsolicited") != debug {
			t.Errorf("debug %v: %s", debug, got)
		}
	}
}

// defaultHangUp lets the programs of a test react to a hang-up as usual, also
// when the tests themselves run under nohup: what is handled here is the default
// in a child, what is ignored here stays ignored.
func defaultHangUp(t *testing.T) {
	t.Helper()
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(c) })
}
