package auth_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

// The password of the user that a profile's proxy names is a secret of the
// profile: login checks and keeps it, status and logout know it, requests go
// out with it, and it is never shown.
func TestProxyPasswordIsASecretOfTheProfile(t *testing.T) {
	const proxyPassword = "pr0xy-Pass:word@9"
	p := newPlace(t, "")
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("Authorization", r.Header.Get("Proxy-Authorization")) // BasicAuth reads that one
		if user, password, ok := r.BasicAuth(); !ok || user != "svc-edr" || password != proxyPassword {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		r.Header.Del("Authorization")
		p.srv.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	addr := strings.TrimPrefix(proxy.URL, "http://")
	text := "profiles:\n  lab: {backend: esp, url: \"http://esp.invalid\", username: admin, proxy: \"http://svc-edr@" + addr + "\"}\n"
	if err := os.WriteFile(p.env["EDRCTL_CONFIG"], []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(stdin string, args ...string) (int, string) {
		code, out, e := p.run(stdin, args...)
		if strings.Contains(out+e, proxyPassword) {
			t.Errorf("%v shows the proxy's password:\n%s%s", args, out, e)
		}
		return code, out + e
	}
	p.env["EDRCTL_LAB_PASSWORD"] = oldPassword
	if code, e := run("", "hosts", "list"); code != 4 || !strings.Contains(e, "no proxy_password for profile lab") || !strings.Contains(e, "EDRCTL_LAB_PROXY_PASSWORD") {
		t.Errorf("without it: exit %d: %s", code, e)
	}
	login := []string{"auth", "login", "lab", "--secret", "proxy_password", "--stdin", "--insecure-storage"}
	if code, e := run("not-this-0ne\n", login...); code != 1 || !strings.Contains(e, "proxy "+addr+" refused: the user name or the password is wrong (407") || !strings.Contains(e, "nothing was kept") {
		t.Errorf("a wrong one: exit %d: %s", code, e)
	}
	if code, e := run(proxyPassword+"\n", login...); code != 0 || !strings.Contains(e, "proxy_password kept in") {
		t.Errorf("the right one: exit %d: %s", code, e)
	}
	if code, e := run("", "auth", "status", "lab", "--jq", `.[] | select(.secret == "proxy_password") | "\(.set) \(.required)"`); code != 0 || !strings.Contains(e, "true true") {
		t.Errorf("status: exit %d: %s", code, e)
	}
	if code, e := run("", "hosts", "list", "--debug"); code != 0 {
		t.Errorf("with it: exit %d: %s", code, e)
	}
	if code, e := run("", "auth", "logout", "lab"); code != 0 || !strings.Contains(e, "proxy_password removed from") {
		t.Errorf("logout: exit %d: %s", code, e)
	}
}
