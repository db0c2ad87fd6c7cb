package secrets_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/secrets"
)

// The tests here ask the keyring that users have: gnome-keyring's Secret
// Service on a session bus of its own, in a home of its own. Each question is
// asked by a process of its own, as each run of edrctl is: the D-Bus library
// keeps its connection for as long as a process lives, and a failed keyring is
// remembered for a run.

// question is what a helper process is to do, and answer what it found.
type (
	question struct {
		Op, Profile, Secret, Value string
		Limit                      time.Duration // of the keyring; 0 = what users have
	}
	answer struct {
		Value, Kind, Note, Err, Hint string
		From, Warned                 []string
		NoStore, NotFound            bool
		Took                         time.Duration
	}
)

const helperVariable = "EDRCTL_TEST_SECRETS_HELPER"

func TestMain(m *testing.M) {
	if q := os.Getenv(helperVariable); q != "" {
		help(q)
		return
	}
	os.Exit(m.Run())
}

func help(asked string) {
	var q question
	if err := json.Unmarshal([]byte(asked), &q); err != nil {
		panic(err)
	}
	var a answer
	s := secrets.New(secrets.Options{
		Getenv: os.Getenv, StateDir: os.Getenv("XDG_STATE_HOME"),
		Warn: func(msg string) { a.Warned = append(a.Warned, msg) },
	})
	if q.Limit > 0 {
		secrets.Hurry(s, q.Limit)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	began := time.Now()
	var at secrets.Location
	var err error
	switch q.Op {
	case "get":
		a.Value, err = s.Get(ctx, q.Profile, q.Secret)
	case "set":
		at, err = s.Set(ctx, q.Profile, q.Secret, q.Value, secrets.SetOptions{})
	case "where":
		at = s.Where(ctx, q.Profile, q.Secret)
	case "delete":
		var from []secrets.Location
		from, err = s.Delete(ctx, q.Profile, q.Secret)
		for _, l := range from {
			a.From = append(a.From, string(l.Kind))
		}
	}
	a.Took, a.Kind, a.Note = time.Since(began), string(at.Kind), at.Note
	if err != nil {
		a.Err, a.NoStore = err.Error(), errors.Is(err, secrets.ErrNoStore)
		var e *secrets.Error
		var missing *secrets.NotFoundError
		if errors.As(err, &e) {
			a.Hint = e.Hint
		}
		if errors.As(err, &missing) {
			a.Hint, a.NotFound = missing.Hint(), true
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(a); err != nil {
		panic(err)
	}
}

// desk is a user's session: a home, a bus, a keyring on it.
type desk struct {
	limit   time.Duration // of the keyring in each question; 0 = what users have
	dir     string
	env     map[string]string
	bus     *exec.Cmd
	keyring *exec.Cmd
}

const deskPassword = "the password of the login"

func newDesk(t *testing.T) *desk {
	t.Helper()
	// A socket's path has room for 107 bytes; t.TempDir() may be longer.
	dir, err := os.MkdirTemp("", "edrctl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	d := &desk{dir: dir, env: map[string]string{}}
	for _, sub := range []string{"home", "run", "state", "bin"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	// Whatever starts dbus-launch leaves a mark, and a bus that nobody ends.
	fake := "#!/bin/sh\necho \"$0 $*\" >>" + filepath.Join(dir, "launched") + "\nexit 1\n"
	if err := os.WriteFile(filepath.Join(dir, "bin", "dbus-launch"), []byte(fake), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if mark, err := os.ReadFile(filepath.Join(dir, "launched")); err == nil {
			t.Errorf("dbus-launch was started: %s", mark)
		}
	})
	d.env["HOME"] = filepath.Join(dir, "home")
	d.env["XDG_RUNTIME_DIR"] = filepath.Join(dir, "run")
	d.env["XDG_STATE_HOME"] = filepath.Join(dir, "state")
	d.env["PATH"] = filepath.Join(dir, "bin") + ":" + os.Getenv("PATH")
	return d
}

func (d *desk) environ(more ...string) []string {
	var env []string
	for k, v := range d.env {
		env = append(env, k+"="+v)
	}
	return append(env, more...)
}

// ask runs one question in a process of its own.
func (d *desk) ask(t *testing.T, op, profile, value string) answer {
	t.Helper()
	q, err := json.Marshal(question{op, profile, "token", value, d.limit})
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	// A program under the race detector otherwise waits a second before it ends.
	cmd.Env = d.environ(helperVariable+"="+string(q), "GORACE=atexit_sleep_ms=0")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", op, profile, err, errs.String())
	}
	var a answer
	if err := json.Unmarshal(out.Bytes(), &a); err != nil {
		t.Fatalf("%s %s: %v in %q", op, profile, err, out.String())
	}
	return a
}

// startBus starts a session bus. Nothing is activated on it but, with hangs,
// what shows the keyring's prompts: a program that never gets to it.
func (d *desk) startBus(t *testing.T, hangs bool) {
	t.Helper()
	programs(t, "dbus-daemon")
	services := ""
	if hangs {
		folder := filepath.Join(d.dir, "services")
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"org.gnome.keyring.SystemPrompter", "org.gnome.keyring.PrivatePrompter"} {
			file := fmt.Sprintf("[D-BUS Service]\nName=%s\nExec=/bin/sleep 30\n", name)
			if err := os.WriteFile(filepath.Join(folder, name+".service"), []byte(file), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		services = "<servicedir>" + folder + "</servicedir>"
	}
	socket := filepath.Join(d.dir, "run", "bus")
	config := filepath.Join(d.dir, "bus.conf")
	text := `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path=` + socket + `</listen>` + services + `
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	d.bus = d.run(t, "", "dbus-daemon", "--config-file="+config, "--nofork", "--nopidfile")
	d.env["DBUS_SESSION_BUS_ADDRESS"] = "unix:path=" + socket
	eventually(t, "the bus", func() bool { _, err := os.Stat(socket); return err == nil })
}

// startKeyring starts the keyring; unlocked as a login does it, or not.
func (d *desk) startKeyring(t *testing.T, unlocked bool) {
	t.Helper()
	args, stdin := []string{"--foreground", "--components=secrets"}, ""
	if unlocked {
		args, stdin = append(args, "--unlock"), deskPassword
	}
	d.keyring = d.run(t, stdin, "gnome-keyring-daemon", args...)
	eventually(t, "the keyring on the bus", func() bool {
		cmd := exec.Command("dbus-send", "--session", "--print-reply=literal", "--dest=org.freedesktop.DBus", "/org/freedesktop/DBus",
			"org.freedesktop.DBus.NameHasOwner", "string:org.freedesktop.secrets")
		cmd.Env = d.environ()
		out, err := cmd.Output()
		return err == nil && strings.Contains(string(out), "true")
	})
}

func (d *desk) run(t *testing.T, stdin, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env, cmd.Dir = d.environ(), d.dir
	cmd.Stdin = strings.NewReader(stdin)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	// Its children go with it: the bus starts the programs that show prompts.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop(cmd)
		if t.Failed() && errs.Len() > 0 {
			t.Logf("%s said: %s", name, errs.String())
		}
	})
	return cmd
}

func stop(cmd *exec.Cmd) {
	if cmd.ProcessState == nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	}
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if done() {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s did not come up within 10 s", what)
		}
	}
}

func programs(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("SKIPPED, NOT TESTED against a real keyring: no %s here (apt-get install gnome-keyring dbus)", name)
		}
	}
}

var keyringPrograms = []string{"dbus-daemon", "dbus-send", "gnome-keyring-daemon"}

// slow is how long one run may wait for a keyring in all: the three seconds,
// and what a busy machine adds.
const slow, quick = 4500 * time.Millisecond, 1500 * time.Millisecond

func TestRealKeyring(t *testing.T) {
	t.Parallel()
	programs(t, keyringPrograms...)
	d := newDesk(t)
	d.startBus(t, false)
	d.startKeyring(t, true)

	if a := d.ask(t, "get", "cw", ""); !a.NotFound || strings.Contains(a.Err, "keyring") || a.Took > quick {
		t.Errorf("an empty keyring: %+v", a)
	}
	values := map[string]string{
		"cw":        "token-of-cw-1234567890",
		"prod.esp":  "pässwörd with spaces, \"quotes\", a\ttab\nand a second line",
		"cb-prod":   strings.Repeat("k", 1000) + "/" + strings.Repeat("i", 1000),
		"lookalike": "edrctl1:0:" + "zzzz",
	}
	for profile, value := range values {
		if a := d.ask(t, "set", profile, value); a.Err != "" || a.Kind != string(secrets.Keyring) || a.Took > quick {
			t.Fatalf("set %s: %+v", profile, a)
		}
	}
	check := func(when string) {
		t.Helper()
		for profile, value := range values {
			if a := d.ask(t, "get", profile, ""); a.Err != "" || a.Value != value {
				t.Errorf("%s, get %s: %+v, want %q", when, profile, a, value)
			}
			if a := d.ask(t, "where", profile, ""); a.Kind != string(secrets.Keyring) {
				t.Errorf("%s, where is %s: %+v", when, profile, a)
			}
		}
	}
	check("stored")
	// Stored again is stored once: the second value counts, and one delete is enough.
	values["cw"] = "token-of-cw-renewed"
	if a := d.ask(t, "set", "cw", values["cw"]); a.Err != "" {
		t.Fatalf("set again: %+v", a)
	}
	check("stored again")

	stop(d.keyring)
	seen := 0
	err := filepath.WalkDir(d.dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		for profile, value := range values {
			if bytes.Contains(data, []byte(value)) {
				t.Errorf("%s shows the secret of %s", path, profile)
			}
		}
		if filepath.Ext(path) == ".keyring" {
			seen++
		}
		return err
	})
	if err != nil || seen == 0 {
		t.Errorf("looking at the files of the keyring: %v, %d of them", err, seen)
	}
	d.startKeyring(t, true)
	check("after the next login")

	for profile := range values {
		if a := d.ask(t, "delete", profile, ""); a.Err != "" || !slices.Equal(a.From, []string{string(secrets.Keyring)}) {
			t.Errorf("delete %s: %+v", profile, a)
		}
		if a := d.ask(t, "get", profile, ""); !a.NotFound {
			t.Errorf("get %s after it was deleted: %+v", profile, a)
		}
		if a := d.ask(t, "delete", profile, ""); a.Err != "" || len(a.From) > 0 {
			t.Errorf("delete %s again: %+v", profile, a)
		}
	}
	// Nothing was written outside the keyring, and nothing in the clear.
	if files, _ := os.ReadDir(d.env["XDG_STATE_HOME"]); len(files) != 0 {
		t.Errorf("files were made without need: %v", files)
	}
}

// The session bus in $XDG_RUNTIME_DIR is found without a variable that names
// it, wherever that folder is.
func TestRealKeyringByRuntimeFolder(t *testing.T) {
	t.Parallel()
	programs(t, keyringPrograms...)
	d := newDesk(t)
	d.startBus(t, false)
	d.startKeyring(t, true)
	delete(d.env, "DBUS_SESSION_BUS_ADDRESS")
	if a := d.ask(t, "set", "cw", "found-its-way"); a.Err != "" || a.Kind != string(secrets.Keyring) {
		t.Fatalf("set: %+v", a)
	}
	if a := d.ask(t, "get", "cw", ""); a.Value != "found-its-way" {
		t.Errorf("get: %+v", a)
	}
}

// A keyring that nobody unlocked: its prompt cannot be shown, or is shown and
// nobody is there. What is read elsewhere still is, what is stored goes into
// the encrypted file, and the advice is to unlock it.
func TestRealKeyringLocked(t *testing.T) {
	t.Parallel()
	for name, hangs := range map[string]bool{"prompt cannot be shown": false, "prompt is not answered": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			programs(t, keyringPrograms...)
			d := newDesk(t)
			d.startBus(t, hangs)
			d.startKeyring(t, true)
			if a := d.ask(t, "set", "cw", "behind-the-lock"); a.Kind != string(secrets.Keyring) {
				t.Fatalf("set: %+v", a)
			}
			stop(d.keyring)
			d.startKeyring(t, false)

			a := d.ask(t, "get", "cw", "")
			if !a.NotFound || !strings.Contains(a.Err, "locked") || a.Took > slow {
				t.Errorf("get: %+v", a)
			}
			if !strings.HasPrefix(a.Hint, "unlock the keyring and try again, or set EDRCTL_CW_TOKEN") {
				t.Errorf("the hint is %q", a.Hint)
			}
			if hangs != (a.Took > 2500*time.Millisecond) {
				t.Errorf("it took %v", a.Took)
			}
			d.limit = time.Second // the rest need not take as long
			if a := d.ask(t, "set", "esp", "v-a-l-u-e"); !a.NoStore || !strings.Contains(a.Hint, "unlock the keyring") || a.Took > slow {
				t.Errorf("set without a passphrase: %+v", a)
			}
			if a := d.ask(t, "delete", "cw", ""); a.Err != "" || len(a.Warned) != 1 || !strings.Contains(a.Warned[0], "may still hold the token of cw") {
				t.Errorf("delete: %+v", a)
			}
			d.env["EDRCTL_PASSPHRASE"] = "correct horse"
			if a := d.ask(t, "set", "esp", "v-a-l-u-e"); a.Err != "" || a.Kind != string(secrets.Encrypted) || a.Took > slow {
				t.Errorf("set with a passphrase: %+v", a)
			}
			if a := d.ask(t, "get", "esp", ""); a.Value != "v-a-l-u-e" || a.Took > slow {
				t.Errorf("get from the file: %+v", a)
			}
			d.env["EDRCTL_CW_TOKEN"] = "from-the-shell"
			if a := d.ask(t, "get", "cw", ""); a.Value != "from-the-shell" || a.Took > quick {
				t.Errorf("the environment waits for the keyring: %+v", a)
			}
		})
	}
}

// The bus goes away while the keyring waits for its prompt.
func TestRealKeyringBusEnds(t *testing.T) {
	t.Parallel()
	programs(t, keyringPrograms...)
	d := newDesk(t)
	d.startBus(t, true)
	d.startKeyring(t, true)
	if a := d.ask(t, "set", "cw", "behind-the-lock"); a.Kind != string(secrets.Keyring) {
		t.Fatalf("set: %+v", a)
	}
	stop(d.keyring)
	d.startKeyring(t, false)
	timer := time.AfterFunc(time.Second, func() { _ = d.bus.Process.Kill() })
	defer timer.Stop()
	if a := d.ask(t, "get", "cw", ""); !a.NotFound || !strings.Contains(a.Err, "no keyring") || a.Took > slow {
		t.Errorf("get: %+v", a)
	}
}

// Buses without a keyring, and what is not a bus at all.
func TestNoRealKeyring(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		prepare func(*testing.T, *desk)
		limit   time.Duration
		says    string // of the reason; "" = none is given
	}{
		"no bus":                {func(*testing.T, *desk) {}, quick, ""},
		"a bus without keyring": {func(t *testing.T, d *desk) { d.startBus(t, false) }, quick, "org.freedesktop.secrets"},
		"a bus that is gone": {func(_ *testing.T, d *desk) {
			d.env["DBUS_SESSION_BUS_ADDRESS"] = "unix:path=" + filepath.Join(d.dir, "nowhere")
		}, quick, "no such file"},
		"no address at all": {func(_ *testing.T, d *desk) { d.env["DBUS_SESSION_BUS_ADDRESS"] = "rubbish" }, quick, "no keyring"},
		"a bus that hangs":  {func(t *testing.T, d *desk) { serve(t, d, func(net.Conn) {}) }, slow, "did not answer within 3s"},
		"a bus that talks rubbish": {func(t *testing.T, d *desk) {
			serve(t, d, func(c net.Conn) { _, _ = c.Write(bytes.Repeat([]byte("\x00\xffOK\r\nREJECTED\r\n"), 500)) })
		}, slow, "no keyring"},
		"a bus that hangs up": {func(t *testing.T, d *desk) { serve(t, d, func(c net.Conn) { _ = c.Close() }) }, quick, "no keyring"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			tc.prepare(t, d)
			a := d.ask(t, "get", "cw", "")
			if !a.NotFound || a.Took > tc.limit || !strings.Contains(a.Err, tc.says) || tc.says == "" && strings.Contains(a.Err, "keyring") {
				t.Errorf("get: %+v", a)
			}
			d.limit = time.Second
			d.env["EDRCTL_PASSPHRASE"] = "correct horse"
			if a := d.ask(t, "set", "cw", "v-a-l-u-e"); a.Err != "" || a.Kind != string(secrets.Encrypted) {
				t.Errorf("set: %+v", a)
			}
			if a := d.ask(t, "get", "cw", ""); a.Value != "v-a-l-u-e" {
				t.Errorf("get: %+v", a)
			}
		})
	}
}

// serve listens as a session bus that answers each connection with f.
func serve(t *testing.T, d *desk, f func(net.Conn)) {
	t.Helper()
	socket := filepath.Join(d.dir, "bus")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	d.env["DBUS_SESSION_BUS_ADDRESS"] = "unix:path=" + socket
	done := make(chan struct{})
	go func() {
		defer close(done)
		var conns []net.Conn
		for {
			c, err := l.Accept()
			if err != nil {
				break
			}
			conns = append(conns, c)
			f(c)
		}
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
}
