package secrets_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zalando/go-keyring"

	"github.com/edrctl/edrctl/internal/secrets"
)

// bench is a store with everything around it under control.
type bench struct {
	*secrets.Store
	dir     string
	env     map[string]string
	answers []string // to prompts; none left = a mistake
	asked   []string
	warned  []string
	known   []string // to the redactor
	clock   time.Time
	mu      sync.Mutex
}

func newBench(t *testing.T, env map[string]string) *bench {
	t.Helper()
	b := &bench{dir: filepath.Join(t.TempDir(), "state"), env: env, clock: time.Date(2026, 11, 22, 1, 2, 3, 4567, time.UTC)}
	b.reopen(t)
	return b
}

// reopen is the next run of the program.
func (b *bench) reopen(t *testing.T) {
	t.Helper()
	b.Store = secrets.Cheap(t, secrets.New(secrets.Options{
		Getenv:   func(k string) string { return b.env[k] },
		StateDir: b.dir,
		Redact:   func(s ...string) { b.mu.Lock(); b.known = append(b.known, s...); b.mu.Unlock() },
		Warn:     func(s string) { b.warned = append(b.warned, s) },
		Now:      func() time.Time { b.clock = b.clock.Add(time.Second); return b.clock },
		Prompt: func(_ context.Context, q string) (string, error) {
			b.asked = append(b.asked, q)
			if len(b.answers) == 0 {
				return "", errors.New("nobody is there")
			}
			a := b.answers[0]
			b.answers = b.answers[1:]
			return a, nil
		},
	}))
}

func (b *bench) want(t *testing.T, profile, secret, value string, kind secrets.Kind) {
	t.Helper()
	got, err := b.Get(t.Context(), profile, secret)
	if err != nil || got != value {
		t.Fatalf("Get = %q, %v; want %q", got, err, value)
	}
	if where := b.Where(t.Context(), profile, secret); where.Kind != kind {
		t.Fatalf("Where = %v, want %s", where, kind)
	}
	if !slices.Contains(b.known, value) {
		t.Errorf("the redactor does not know %q", value)
	}
}

var withBus = map[string]string{"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere"}

func TestEnvName(t *testing.T) {
	for want, in := range map[string][2]string{
		"EDRCTL_PROD_CW_TOKEN":        {"prod-cw", "token"},
		"EDRCTL_A_B_C_API_KEY":        {"a.b-c", "api_key"},
		"EDRCTL_CB_LIVE_RESPONSE_KEY": {"cb", "live_response_key"},
	} {
		if got := secrets.EnvName(in[0], in[1]); got != want {
			t.Errorf("EnvName(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestOrder(t *testing.T) {
	secrets.FreshKeyring(t, "linux", time.Second)
	keyring.MockInit()
	b := newBench(t, map[string]string{"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere"})
	ctx := t.Context()

	_, err := b.Get(ctx, "cw", "token")
	var missing *secrets.NotFoundError
	if !errors.As(err, &missing) || !strings.Contains(missing.Hint(), "EDRCTL_CW_TOKEN") || !strings.Contains(missing.Hint(), "auth login cw") {
		t.Fatalf("a missing secret gave %v", err)
	}
	if where := b.Where(ctx, "cw", "token"); where.Kind != secrets.None || where.String() != "not set" {
		t.Errorf("Where = %v", where)
	}
	if where, err := b.Set(ctx, "cw", "token", "in-the-ring", secrets.SetOptions{}); err != nil || where.Kind != secrets.Keyring {
		t.Fatalf("Set = %v, %v", where, err)
	}
	b.want(t, "cw", "token", "in-the-ring", secrets.Keyring)
	b.env["EDRCTL_CW_TOKEN"] = "from-the-shell\n"
	b.want(t, "cw", "token", "from-the-shell", secrets.Environment)
	delete(b.env, "EDRCTL_CW_TOKEN")
	// Another tool may have stored it, without a stamp.
	if err := keyring.Set("edrctl:other", "token", "by-hand:edrctl1"); err != nil {
		t.Fatal(err)
	}
	b.want(t, "other", "token", "by-hand:edrctl1", secrets.Keyring)
	if _, err := os.Stat(b.dir); err == nil {
		t.Error("files were made without need")
	}
	from, err := b.Delete(ctx, "cw", "token")
	if err != nil || len(from) != 1 || from[0].Kind != secrets.Keyring {
		t.Errorf("Delete = %v, %v", from, err)
	}
	if from, err := b.Delete(ctx, "cw", "token"); err != nil || len(from) != 0 {
		t.Errorf("a second Delete = %v, %v", from, err)
	}
	if len(b.asked) != 0 {
		t.Errorf("asked %q", b.asked)
	}
}

func TestKeyringIsNotTouched(t *testing.T) {
	runtimeDir := t.TempDir()
	for name, tc := range map[string]struct {
		goos    string
		env     map[string]string
		touched bool
	}{
		"linux without a bus":   {"linux", map[string]string{"XDG_RUNTIME_DIR": runtimeDir}, false},
		"freebsd without a bus": {"freebsd", nil, false},
		"would start a bus":     {"linux", map[string]string{"DBUS_SESSION_BUS_ADDRESS": "autolaunch:"}, false},
		"no bus on purpose":     {"linux", map[string]string{"DBUS_SESSION_BUS_ADDRESS": "disabled:"}, false},
		"plan9":                 {"plan9", withBus, false},
		"linux with a bus":      {"linux", withBus, true},
		"darwin":                {"darwin", nil, true},
		"windows":               {"windows", nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			secrets.FreshKeyring(t, tc.goos, time.Second)
			var calls atomic.Int32
			secrets.ReplaceKeyring(func(string) error { calls.Add(1); return keyring.ErrNotFound })
			b := newBench(t, tc.env)
			if _, err := b.Get(t.Context(), "cw", "token"); err == nil {
				t.Fatal("found something")
			}
			if got := calls.Load() > 0; got != tc.touched {
				t.Errorf("touched = %v", got)
			}
		})
	}
	t.Run("bus in the runtime folder", func(t *testing.T) {
		secrets.FreshKeyring(t, "linux", time.Second)
		var calls atomic.Int32
		secrets.ReplaceKeyring(func(string) error { calls.Add(1); return keyring.ErrNotFound })
		if err := os.WriteFile(filepath.Join(runtimeDir, "bus"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		b := newBench(t, map[string]string{"XDG_RUNTIME_DIR": runtimeDir})
		_, _ = b.Get(t.Context(), "cw", "token")
		if calls.Load() != 1 {
			t.Error("the bus was not found")
		}
	})
}

func TestLockedKeyring(t *testing.T) {
	secrets.FreshKeyring(t, "linux", 50*time.Millisecond)
	release := make(chan struct{})
	defer close(release)
	var calls atomic.Int32
	secrets.ReplaceKeyring(func(string) error { calls.Add(1); <-release; return nil })
	b := newBench(t, withBus)
	start := time.Now()
	var wg sync.WaitGroup
	for _, profile := range []string{"a", "b", "c", "d"} {
		wg.Go(func() {
			_, err := b.Get(t.Context(), profile, "token")
			if err == nil || !strings.Contains(err.Error(), "may be locked") {
				t.Errorf("%s: %v", profile, err)
			}
		})
	}
	wg.Wait()
	if d := time.Since(start); calls.Load() != 1 || d > 2*time.Second {
		t.Errorf("%d calls in %v: one time-out must be enough for the run", calls.Load(), d)
	}
	// What cannot go into the keyring goes into the encrypted file.
	b.answers = []string{"a passphrase of tests", "a passphrase of tests"}
	if where, err := b.Set(t.Context(), "a", "token", "v-a-l-u-e", secrets.SetOptions{}); err != nil || where.Kind != secrets.Encrypted {
		t.Errorf("Set = %v, %v", where, err)
	}
}

func TestKeyringHonoursCancel(t *testing.T) {
	secrets.FreshKeyring(t, "linux", time.Minute)
	release := make(chan struct{})
	defer close(release)
	secrets.ReplaceKeyring(func(string) error { <-release; return nil })
	b := newBench(t, withBus)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := b.Set(ctx, "a", "token", "value", secrets.SetOptions{}); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}

func TestBrokenKeyring(t *testing.T) {
	secrets.FreshKeyring(t, "linux", time.Second)
	keyring.MockInitWithError(errors.New("The name org.freedesktop.secrets\nwas not provided"))
	b := newBench(t, withBus)
	_, err := b.Get(t.Context(), "a", "token")
	if err == nil || !strings.Contains(err.Error(), "org.freedesktop.secrets was not provided") {
		t.Errorf("Get: %v", err)
	}
}

func TestTooBig(t *testing.T) {
	secrets.FreshKeyring(t, "windows", time.Second)
	secrets.ReplaceKeyring(func(op string) error {
		if op == "set" {
			return keyring.ErrSetDataTooBig
		}
		return keyring.ErrNotFound
	})
	b := newBench(t, map[string]string{"EDRCTL_PASSPHRASE": "a passphrase of tests"})
	big := strings.Repeat("x", 5000)
	if where, err := b.Set(t.Context(), "a", "token", big, secrets.SetOptions{}); err != nil || where.Kind != secrets.Encrypted {
		t.Fatalf("Set = %v, %v", where, err)
	}
	b.want(t, "a", "token", big, secrets.Encrypted)
	delete(b.env, "EDRCTL_PASSPHRASE")
	b.reopen(t)
	_, err := b.Set(t.Context(), "a", "token", big, secrets.SetOptions{Quiet: true})
	if !errors.Is(err, secrets.ErrNoStore) || !strings.Contains(err.Error(), "too big for the keyring") {
		t.Errorf("quietly: %v", err)
	}
}

func TestEncryptedFile(t *testing.T) {
	secrets.FreshKeyring(t, "linux", time.Second)
	b := newBench(t, map[string]string{})
	ctx := t.Context()
	b.answers = []string{"correct horse", "corect horse", "correct horse", "correct horse"}
	where, err := b.Set(ctx, "esp", "password", "s3cret-one", secrets.SetOptions{})
	if err != nil || where.Kind != secrets.Encrypted || len(b.answers) != 0 {
		t.Fatalf("Set = %v, %v; asked %q", where, err, b.asked)
	}
	if _, err := b.Set(ctx, "esp", "session", "s3cret-two", secrets.SetOptions{Quiet: true}); err != nil {
		t.Fatal(err)
	}
	b.want(t, "esp", "password", "s3cret-one", secrets.Encrypted)
	if len(b.asked) != 4 {
		t.Errorf("asked %q", b.asked)
	}
	files, _ := os.ReadDir(b.dir)
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(b.dir, f.Name()))
		if err != nil || strings.Contains(string(data), "s3cret") {
			t.Errorf("%s shows a secret (%v)", f.Name(), err)
		}
		if info, _ := f.Info(); runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", f.Name(), info.Mode())
		}
	}
	if len(files) != 2 {
		t.Errorf("files %v", files)
	}

	b.reopen(t)
	b.asked = nil
	// What is not in the file costs no question, nor does asking where.
	if _, err := b.Get(ctx, "cw", "token"); !errors.As(err, new(*secrets.NotFoundError)) {
		t.Errorf("Get: %v", err)
	}
	if w := b.Where(ctx, "esp", "password"); w.Kind != secrets.Encrypted || w.Name != where.Name || w.Stored != where.Stored {
		t.Errorf("Where = %+v, want %+v", w, where)
	}
	if len(b.asked) != 0 {
		t.Errorf("asked %q", b.asked)
	}
	b.answers = []string{"wrong", "correct horse"}
	b.want(t, "esp", "session", "s3cret-two", secrets.Encrypted)
	b.want(t, "esp", "password", "s3cret-one", secrets.Encrypted)
	if len(b.asked) != 2 {
		t.Errorf("asked %q", b.asked)
	}

	b.reopen(t)
	b.answers = []string{"wrong", "wrong", "wrong", "correct horse"}
	_, err = b.Get(ctx, "esp", "password")
	var e *secrets.Error
	if !errors.As(err, &e) || !strings.Contains(e.Msg, "the passphrase does not open") || e.Hint == "" || strings.Contains(err.Error(), "wrong") {
		t.Errorf("three wrong ones: %v", err)
	}
	b.env["EDRCTL_PASSPHRASE"], b.asked = "wrong as well", nil
	if _, err = b.Get(ctx, "esp", "password"); err == nil || len(b.asked) != 0 {
		t.Errorf("a wrong variable: %v, asked %q", err, b.asked)
	}
	file := filepath.Join(t.TempDir(), "pass")
	if err := os.WriteFile(file, []byte("correct horse\r\nsecond line\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	delete(b.env, "EDRCTL_PASSPHRASE")
	b.env["EDRCTL_PASSPHRASE_FILE"] = file
	b.want(t, "esp", "password", "s3cret-one", secrets.Encrypted)

	// A lost index is made again.
	if err := os.Remove(filepath.Join(b.dir, "secrets.index.json")); err != nil {
		t.Fatal(err)
	}
	b.reopen(t)
	b.want(t, "esp", "password", "s3cret-one", secrets.Encrypted)
	if _, err := os.Stat(filepath.Join(b.dir, "secrets.index.json")); err != nil {
		t.Error(err)
	}

	from, err := b.Delete(ctx, "esp", "password")
	if err != nil || len(from) != 1 || from[0].Kind != secrets.Encrypted {
		t.Errorf("Delete = %v, %v", from, err)
	}
	if _, err := b.Delete(ctx, "esp", "session"); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(b.dir); len(left) != 0 {
		t.Errorf("left %v", left)
	}
}

func TestDamagedFiles(t *testing.T) {
	secrets.FreshKeyring(t, "linux", time.Second)
	for name, data := range map[string]string{"secrets.age": "age-encryption.org/v1\n-> scrypt rubbish\n--- x\n", "secrets.insecure.json": "{"} {
		b := newBench(t, map[string]string{"EDRCTL_PASSPHRASE": "x"})
		if err := os.MkdirAll(b.dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(b.dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := b.Get(t.Context(), "a", "token")
		if err == nil || !strings.Contains(err.Error(), name+" is damaged") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := b.Set(t.Context(), "a", "token", "v", secrets.SetOptions{Insecure: name != "secrets.age"}); err == nil {
			t.Errorf("%s was overwritten", name)
		}
	}
}

// Whatever becomes of the encrypted file: an error that names it and says what
// to do, no panic, and nothing that could be saved is written over.
func TestDamagedEncryptedFile(t *testing.T) {
	secrets.FreshKeyring(t, "linux", time.Second)
	b := newBench(t, map[string]string{"EDRCTL_PASSPHRASE": "correct horse"})
	if _, err := b.Set(t.Context(), "a", "token", "s3cret", secrets.SetOptions{}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(b.dir, "secrets.age")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	flip := func(i int) []byte {
		d := slices.Clone(good)
		d[i] ^= 0x20
		return d
	}
	for name, data := range map[string][]byte{
		"empty":           {},
		"cut in its head": good[:40],
		"cut in its body": good[:len(good)-10],
		"longer":          append(slices.Clone(good), "more"...),
		"version changed": flip(3),
		"salt changed":    flip(bytes.Index(good, []byte("scrypt")) + 9),
		"mac changed":     flip(bytes.Index(good, []byte("---")) + 6),
		"body changed":    flip(len(good) - 5),
		"no age file":     []byte("secret\n"),
		"costs too much":  bytes.Replace(good, []byte(" 8\n"), []byte(" 30\n"), 1),
		"too big":         make([]byte, 5<<20),
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			b.reopen(t)
			for op, err := range map[string]error{
				"get": func() error { _, err := b.Get(t.Context(), "a", "token"); return err }(),
				"set": func() error { _, err := b.Set(t.Context(), "b", "token", "new", secrets.SetOptions{}); return err }(),
			} {
				var e *secrets.Error
				if !errors.As(err, &e) || !strings.Contains(e.Msg, "secrets.age") || strings.Contains(e.Msg, "\n") || strings.Contains(e.Msg, "correct horse") {
					t.Errorf("%s: %v", op, err)
				}
			}
			if now, _ := os.ReadFile(path); !bytes.Equal(now, data) {
				t.Error("the file was written over")
			}
		})
	}
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	b.reopen(t)
	b.want(t, "a", "token", "s3cret", secrets.Encrypted)
	if info, err := os.Stat(b.dir); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o700 {
		t.Errorf("the folder has mode %v (%v)", info.Mode(), err)
	}
}

// Without a home there are no files; a secret that needs none is found.
func TestNoFiles(t *testing.T) {
	secrets.FreshKeyring(t, "linux", time.Second)
	env := map[string]string{"EDRCTL_CW_TOKEN": "from-the-shell"}
	s := secrets.New(secrets.Options{Getenv: func(k string) string { return env[k] }, NoFiles: errors.New("there is no home folder")})
	if v, err := s.Get(t.Context(), "cw", "token"); err != nil || v != "from-the-shell" {
		t.Errorf("Get = %q, %v", v, err)
	}
	if _, err := s.Get(t.Context(), "esp", "password"); !errors.As(err, new(*secrets.NotFoundError)) {
		t.Errorf("Get: %v", err)
	}
	_, err := s.Set(t.Context(), "cw", "token", "v", secrets.SetOptions{Insecure: true})
	if !errors.Is(err, secrets.ErrNoStore) || !strings.Contains(err.Error(), "there is no home folder") {
		t.Errorf("Set: %v", err)
	}
	if _, err := s.Delete(t.Context(), "cw", "token"); err != nil {
		t.Errorf("Delete: %v", err)
	}
}

func TestNobodyToAsk(t *testing.T) {
	secrets.FreshKeyring(t, "linux", time.Second)
	dir := t.TempDir()
	env := map[string]string{"EDRCTL_PASSPHRASE": "a passphrase of tests"}
	s := secrets.Cheap(t, secrets.New(secrets.Options{Getenv: func(k string) string { return env[k] }, StateDir: dir}))
	if _, err := s.Set(t.Context(), "a", "token", "value", secrets.SetOptions{}); err != nil {
		t.Fatal(err)
	}
	clear(env)
	s = secrets.New(secrets.Options{Getenv: func(k string) string { return env[k] }, StateDir: dir})
	if _, err := s.Get(t.Context(), "a", "token"); !errors.Is(err, secrets.ErrLocked) {
		t.Errorf("Get: %v", err)
	}
	_, err := s.Set(t.Context(), "b", "token", "value", secrets.SetOptions{})
	var e *secrets.Error
	if !errors.Is(err, secrets.ErrNoStore) || !errors.As(err, &e) {
		t.Fatalf("Set: %v", err)
	}
	for _, choice := range []string{"EDRCTL_B_TOKEN", "EDRCTL_PASSPHRASE_FILE", "--insecure-storage"} {
		if !strings.Contains(e.Hint, choice) {
			t.Errorf("the hint does not name %s: %s", choice, e.Hint)
		}
	}
	if files, _ := os.ReadDir(dir); len(files) != 2 {
		t.Errorf("a refused Set left files: %v", files)
	}
	if _, err := secrets.New(secrets.Options{Getenv: func(string) string { return "" }}).
		Set(t.Context(), "a", "token", "v", secrets.SetOptions{Insecure: true}); !errors.Is(err, secrets.ErrNoStore) {
		t.Errorf("without a folder: %v", err)
	}
}

func TestInsecureStorage(t *testing.T) {
	secrets.FreshKeyring(t, "linux", time.Second)
	keyring.MockInit()
	b := newBench(t, map[string]string{})
	ctx := t.Context()
	where, err := b.Set(ctx, "a", "token", "in-the-open", secrets.SetOptions{Insecure: true})
	if err != nil || where.Kind != secrets.Plain {
		t.Fatalf("Set = %v, %v", where, err)
	}
	b.want(t, "a", "token", "in-the-open", secrets.Plain)
	b.want(t, "a", "token", "in-the-open", secrets.Plain)
	if len(b.warned) != 1 || !strings.Contains(b.warned[0], "not encrypted") {
		t.Errorf("warned %q", b.warned)
	}
	if info, _ := os.Stat(where.Name); runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	// Once there is a keyring, the next login moves it.
	b.env["DBUS_SESSION_BUS_ADDRESS"] = "unix:path=/nowhere"
	if where, err := b.Set(ctx, "a", "token", "safe-now", secrets.SetOptions{}); err != nil || where.Kind != secrets.Keyring {
		t.Fatalf("Set = %v, %v", where, err)
	}
	b.want(t, "a", "token", "safe-now", secrets.Keyring)
	if _, err := os.Stat(where.Name); err == nil {
		t.Error("the plain file is still there")
	}
}

// The file was written while the keyring was away, then the keyring again,
// then the file: the newest wins each time.
func TestNewestWins(t *testing.T) {
	secrets.FreshKeyring(t, "linux", time.Second)
	keyring.MockInit()
	b := newBench(t, map[string]string{"EDRCTL_PASSPHRASE": "a passphrase of tests"})
	for i, value := range []string{"file-1", "ring-2", "file-3", "ring-4"} {
		kind := secrets.Encrypted
		delete(b.env, "DBUS_SESSION_BUS_ADDRESS")
		if i%2 == 1 {
			kind = secrets.Keyring
			b.env["DBUS_SESSION_BUS_ADDRESS"] = "unix:path=/nowhere"
		}
		if where, err := b.Set(t.Context(), "a", "token", value, secrets.SetOptions{}); err != nil || where.Kind != kind {
			t.Fatalf("Set = %v, %v", where, err)
		}
		b.env["DBUS_SESSION_BUS_ADDRESS"] = "unix:path=/nowhere"
		b.reopen(t)
		b.want(t, "a", "token", value, kind)
		_ = os.Remove(filepath.Join(b.dir, "secrets.index.json")) // and without its help
		b.reopen(t)
		b.want(t, "a", "token", value, kind)
	}
	from, err := b.Delete(t.Context(), "a", "token")
	if err != nil || len(from) != 2 {
		t.Errorf("Delete = %v, %v", from, err)
	}
	if w := b.Where(t.Context(), "a", "token"); w.Kind != secrets.None {
		t.Errorf("still in %v", w)
	}
}

// Two programs that store at once both keep what they stored.
func TestConcurrentPrograms(t *testing.T) {
	secrets.FreshKeyring(t, "linux", time.Second)
	dir := t.TempDir()
	env := func(k string) string { return map[string]string{"EDRCTL_PASSPHRASE": "a passphrase of tests"}[k] }
	open := func() *secrets.Store {
		return secrets.Cheap(t, secrets.New(secrets.Options{Getenv: env, StateDir: dir}))
	}
	var wg sync.WaitGroup
	names := strings.Fields("a b c d e f g h")
	for _, name := range names {
		wg.Go(func() {
			if _, err := open().Set(t.Context(), name, "token", "value-"+name, secrets.SetOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s := open()
	for _, name := range names {
		if v, err := s.Get(t.Context(), name, "token"); err != nil || v != "value-"+name {
			t.Errorf("%s: %q, %v", name, v, err)
		}
	}
}

// A new file is never protected by a passphrase that is guessed in a moment;
// one that exists already keeps opening.
func TestWeakPassphrase(t *testing.T) {
	secrets.FreshKeyring(t, "linux", time.Second)
	for _, pass := range []string{"x", "hunter22", "aaaaaaaaaaaaaaaa", "abababababababab"} {
		b := newBench(t, map[string]string{"EDRCTL_PASSPHRASE": pass})
		_, err := b.Set(t.Context(), "esp", "password", "s3cret-one", secrets.SetOptions{})
		if err == nil || !strings.HasPrefix(err.Error(), "EDRCTL_PASSPHRASE: the passphrase ") || strings.Contains(err.Error(), pass+" ") {
			t.Errorf("%q: %v", pass, err)
		}
	}
	b := newBench(t, map[string]string{})
	b.answers = []string{"short", "four words are enough", "four words are enough"}
	if _, err := b.Set(t.Context(), "esp", "password", "s3cret-one", secrets.SetOptions{}); err != nil || len(b.answers) != 0 {
		t.Fatalf("%v; asked %q", err, b.asked)
	}
	if !strings.HasPrefix(b.asked[1], "The passphrase is too short") {
		t.Errorf("asked %q", b.asked)
	}
}

// Every command that needs a secret of the encrypted file pays for opening it.
// The bound on time is loose for busy machines; the one on memory is exact.
func TestEncryptedFileIsCheap(t *testing.T) {
	secrets.FreshKeyring(t, "linux", time.Second)
	env := func(k string) string { return map[string]string{"EDRCTL_PASSPHRASE": "a passphrase of tests"}[k] }
	dir := t.TempDir()
	open := func() *secrets.Store { return secrets.New(secrets.Options{StateDir: dir, Getenv: env}) }
	if _, err := open().Set(t.Context(), "esp", "password", "s3cret-one", secrets.SetOptions{}); err != nil {
		t.Fatal(err)
	}
	least := time.Hour
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const runs = 5
	for range runs {
		began := time.Now()
		if v, err := open().Get(t.Context(), "esp", "password"); err != nil || v != "s3cret-one" {
			t.Fatal(v, err)
		}
		least = min(least, time.Since(began))
	}
	runtime.ReadMemStats(&after)
	if held := (after.TotalAlloc - before.TotalAlloc) / runs; held > 20<<20 {
		t.Errorf("opening it takes %d MiB", held>>20)
	}
	const slack = 10 // busy machines, and the race detector
	if least > 100*time.Millisecond*slack {
		t.Errorf("opening it takes %s", least)
	}
	t.Logf("opened in %s", least)
}
