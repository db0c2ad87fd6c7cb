package auth_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/cmd/cli"
	"github.com/edrctl/edrctl/internal/backends/esp/fake"
	"github.com/edrctl/edrctl/internal/iostreams"

	_ "github.com/edrctl/edrctl/internal/backends/all"
)

const (
	oldPassword = "Old-pass-word-1!"
	newPassword = "New-pass-word-2!"
)

// place is a home with one ESP profile, and its server.
type place struct {
	t    *testing.T
	home string
	srv  *fake.Server
	env  map[string]string
	lose bool // the answer of the next change is lost
}

func newPlace(t *testing.T, extra string) *place {
	t.Helper()
	p := &place{t: t, home: t.TempDir(), srv: fake.New(&fake.Data{Users: []fake.User{{ID: 1, Name: "admin", Password: oldPassword, Role: "admin"}}}, fake.Options{})}
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.lose && strings.HasSuffix(r.URL.Path, "/management/changepw") {
			p.srv.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
		p.srv.ServeHTTP(w, r)
	}))
	t.Cleanup(h.Close)
	config := filepath.Join(p.home, "config.yaml")
	text := "profiles:\n  lab: {backend: esp, url: \"" + h.URL + "\", username: admin, proxy: none" + extra + "}\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p.env = map[string]string{
		"HOME": p.home, "EDRCTL_CONFIG": config, "XDG_STATE_HOME": filepath.Join(p.home, "state"), "XDG_CACHE_HOME": filepath.Join(p.home, "cache"),
		"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent", "NO_COLOR": "1",
	}
	return p
}

func (p *place) run(stdin string, args ...string) (code int, out, errOut string) {
	p.t.Helper()
	ios, in, o, e := iostreams.Test()
	in.WriteString(stdin)
	code = cli.Main(append([]string{"-p", "lab"}, args...), ios, func(k string) string { return p.env[k] })
	out, errOut = o.String(), e.String()
	for _, secret := range []string{oldPassword, newPassword} {
		if strings.Contains(out+errOut, secret) {
			p.t.Errorf("%v shows a password:\n%s%s", args, out, errOut)
		}
	}
	journal, err := os.ReadFile(filepath.Join(p.home, "state", "edrctl", "audit.jsonl"))
	if err == nil && (strings.Contains(string(journal), "pass-word-1") || strings.Contains(string(journal), "pass-word-2")) {
		p.t.Errorf("the journal holds a password: %s", journal)
	}
	return code, out, errOut
}

func (p *place) changes() int { return p.srv.Calls()["auth.password.change"] }

func TestPasswd(t *testing.T) {
	p := newPlace(t, "")
	if code, _, e := p.run(oldPassword+"\n", "auth", "login", "--stdin", "--insecure-storage"); code != 0 {
		t.Fatalf("login: %d %s", code, e)
	}
	if code, _, e := p.run("wrong-One-1!\n"+newPassword+"\n", "auth", "passwd", "--password-stdin", "--yes"); code != 4 || p.changes() != 0 || !strings.Contains(e, "old password") {
		t.Errorf("a wrong old password: %d, %d changes, %s", code, p.changes(), e)
	}
	for _, stdin := range []string{"", oldPassword + "\n", oldPassword + "\n" + oldPassword + "\n"} {
		if code, _, e := p.run(stdin, "auth", "passwd", "--password-stdin", "--yes"); code != 2 || p.changes() != 0 {
			t.Errorf("%d lines: %d %s", strings.Count(stdin, "\n"), code, e)
		}
	}
	both := oldPassword + "\n" + newPassword + "\n"
	if code, out, e := p.run(both, "auth", "passwd", "--password-stdin", "--dry-run"); code != 0 || p.changes() != 0 || !strings.Contains(out, "/management/changepw") {
		t.Errorf("dry run: %d %s%s", code, out, e)
	}
	if code, _, _ := p.run(both, "auth", "passwd", "--password-stdin", "--yes", "--read-only"); code != 7 || p.changes() != 0 {
		t.Errorf("read-only: %d", code)
	}
	if code, _, _ := p.run(both, "auth", "passwd", "--password-stdin"); code != 7 || p.changes() != 0 {
		t.Errorf("without a yes: %d", code)
	}
	code, _, e := p.run(both, "auth", "passwd", "--password-stdin", "--yes")
	if code != 0 || p.changes() != 1 || !strings.Contains(e, "every session") {
		t.Fatalf("%d after %d changes: %s", code, p.changes(), e)
	}
	kept, err := os.ReadFile(filepath.Join(p.home, "state", "edrctl", "secrets.insecure.json"))
	if err != nil || !json.Valid(kept) || !strings.Contains(string(kept), newPassword) || strings.Contains(string(kept), oldPassword) {
		t.Errorf("what is kept is not the new one: %v", err)
	}
	if code, _, e := p.run("", "hosts", "list"); code != 0 {
		t.Errorf("with the new password: %d %s", code, e)
	}
	if code, out, _ := p.run("", "audit", "list", "-o", "json"); code != 0 || !strings.Contains(out, "auth.password.change") {
		t.Errorf("the journal: %d %s", code, out)
	}
}

// A password in the environment cannot be changed there: edrctl says so.
func TestPasswdInTheEnvironment(t *testing.T) {
	p := newPlace(t, "")
	p.env["EDRCTL_LAB_PASSWORD"] = oldPassword
	code, _, e := p.run(oldPassword+"\n"+newPassword+"\n", "auth", "passwd", "--password-stdin", "--yes")
	if code != 0 || !strings.Contains(e, "EDRCTL_LAB_PASSWORD") {
		t.Errorf("%d %s", code, e)
	}
}

// An answer that is lost: what holds now is found out by trying, and nothing
// is sent twice.
func TestPasswdLost(t *testing.T) {
	p := newPlace(t, "")
	if code, _, e := p.run(oldPassword+"\n", "auth", "login", "--stdin", "--insecure-storage"); code != 0 {
		t.Fatalf("login: %d %s", code, e)
	}
	p.lose = true
	code, _, e := p.run(oldPassword+"\n"+newPassword+"\n", "auth", "passwd", "--password-stdin", "--yes")
	if code != 0 || p.changes() != 1 || !strings.Contains(e, "the answer was lost") {
		t.Errorf("%d after %d changes: %s", code, p.changes(), e)
	}
	if code, _, e := p.run("", "hosts", "list"); code != 0 {
		t.Errorf("with the new password: %d %s", code, e)
	}
}

func TestPasswdReadOnlyProfile(t *testing.T) {
	p := newPlace(t, ", read_only: true")
	if code, _, _ := p.run("a\nb\n", "auth", "passwd", "--password-stdin", "--yes"); code != 7 || p.changes() != 0 {
		t.Errorf("%d", code)
	}
}
