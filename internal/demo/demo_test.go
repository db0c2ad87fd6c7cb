package demo_test

import (
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.yaml.in/yaml/v3"

	"github.com/edrctl/edrctl/internal/demo"
	"github.com/edrctl/edrctl/internal/story"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, o demo.Options) *demo.Demo {
	t.Helper()
	d, err := demo.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// ask sends one request with the product's own credentials.
func ask(t *testing.T, i *demo.Instance, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, i.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	switch i.Backend {
	case story.CWatch:
		req.Header.Set("Authorization", "Bearer "+i.Secrets["token"])
	case story.CarbonBlack:
		req.Header.Set("X-Auth-Token", i.Secrets["api_key"])
	case story.Gene:
		req.Header.Set("X-Api-Key", i.Secrets["api_key"])
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	tr := &http.Transport{DisableKeepAlives: true}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestNames(t *testing.T) {
	if p, ok := demo.Virtual("demo"); !ok || !slices.Equal(p, []string{"demo-cwatch", "demo-carbonblack", "demo-gene", "demo-esp"}) {
		t.Errorf("demo is %v", p)
	}
	for _, p := range demo.Profiles() {
		b, ok := demo.BackendOf(p)
		if v, isVirtual := demo.Virtual(p); !ok || "demo-"+b != p || !isVirtual || !slices.Equal(v, []string{p}) {
			t.Errorf("%s: %q, %v", p, b, v)
		}
	}
	for _, p := range []string{"", "demo-", "demo-x", "gene", "DEMO"} {
		if _, ok := demo.Virtual(p); ok {
			t.Errorf("%q is a demo profile", p)
		}
	}
}

func TestAllFourAnswerOnLoopbackOnly(t *testing.T) {
	d := start(t, demo.Options{})
	if len(d.Instances) != 4 {
		t.Fatalf("%d instances", len(d.Instances))
	}
	paths := map[string]string{
		story.CWatch: "/endpoint", story.CarbonBlack: "/integrationServices/v3/device?rows=5", story.Gene: "/endpoints",
		story.ESP: "/esp-ui/services/api/v1/hosts/count",
	}
	for _, i := range d.Instances {
		u, err := url.Parse(i.URL)
		if err != nil || u.Hostname() != "127.0.0.1" {
			t.Errorf("%s listens at %s", i.Profile, i.URL)
		}
		if d.Instance(i.Profile) != i || d.Instance("nobody") != nil {
			t.Errorf("%s is not found by its name", i.Profile)
		}
		code, body := ask(t, i, http.MethodGet, paths[i.Backend], "")
		want := 200
		if i.Backend == story.ESP { // needs a log-in first
			want = 401
		}
		if code != want || !strings.HasPrefix(strings.TrimSpace(body), "{") {
			t.Errorf("%s answers %d %.80s", i.Profile, code, body)
		}
	}
	i := d.Instance("demo-esp")
	code, body := ask(t, i, http.MethodPost, "/esp-ui/services/api/v1/login", `{"username":"`+i.Settings["username"]+`","password":"`+i.Secrets["password"]+`"}`)
	if code != 200 || !strings.Contains(body, "token") {
		t.Errorf("log-in: %d %.80s", code, body)
	}
}

func TestOnlyWhatIsAskedFor(t *testing.T) {
	d := start(t, demo.Options{Backends: []string{story.Gene}})
	if len(d.Instances) != 1 || d.Instances[0].Profile != "demo-gene" {
		t.Errorf("%v", d.Instances)
	}
	if _, err := demo.Start(t.Context(), demo.Options{Backends: []string{"gene", "sentinel"}}); err == nil || !strings.Contains(err.Error(), "sentinel") {
		t.Errorf("an unknown backend: %v", err)
	}
	if _, err := demo.Start(t.Context(), demo.Options{Faults: "cut"}); err == nil {
		t.Error("a broken SPEC was taken")
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := demo.Start(ctx, demo.Options{}); err == nil {
		t.Error("started although cancelled")
	}
}

func TestPortsInARow(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	base := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	d, err := demo.Start(t.Context(), demo.Options{PortBase: base})
	if err != nil {
		t.Skipf("ports %d-%d are not free: %v", base, base+3, err)
	}
	for n, i := range d.Instances {
		if u, _ := url.Parse(i.URL); u.Port() != itoa(base+n) {
			t.Errorf("%s listens at %s", i.Profile, i.URL)
		}
	}
	// A port that is taken is an error, and leaves nothing running.
	if _, err := demo.Start(t.Context(), demo.Options{PortBase: base}); err == nil {
		t.Error("started on ports that are taken")
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	d = start(t, demo.Options{PortBase: base}) // all four are free again
	_ = d
}

func itoa(n int) string {
	b, _ := json.Marshal(n)
	return string(b)
}

// firstAlert gives the id of the first cWatch alert and whether it is open.
func firstAlert(t *testing.T, i *demo.Instance) (id string, active bool) {
	t.Helper()
	code, body := ask(t, i, http.MethodGet, "/alert?alertTime=0&scoreMin=0&scoreMax=10", "")
	var list struct {
		Items []struct {
			ID       string `json:"id"`
			IsActive bool   `json:"isActive"`
		} `json:"items"`
	}
	if err := json.Unmarshal([]byte(body), &list); code != 200 || err != nil || len(list.Items) == 0 {
		t.Fatalf("alerts: %d %v %.120s", code, err, body)
	}
	for _, a := range list.Items {
		if id == "" || a.ID < id {
			id, active = a.ID, a.IsActive
		}
	}
	return id, active
}

func TestChangesStayUntilReset(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	now := time.Now()
	opt := demo.Options{StateDir: dir, Backends: []string{story.CWatch}, Now: func() time.Time { return now }}
	one := start(t, opt)
	id, _ := firstAlert(t, one.Instances[0])
	if code, body := ask(t, one.Instances[0], http.MethodPut, "/alert/"+id+"/close?userVerdict=true&feedback=seen", ""); code != 200 {
		t.Fatalf("closing: %d %s", code, body)
	}
	// Another product's change meanwhile must not be lost.
	other := opt
	other.Backends = []string{story.Gene}
	second := start(t, other)
	if code, body := ask(t, second.Instances[0], http.MethodPut, "/endpoints", ""); code != 200 {
		t.Fatalf("new endpoint: %d %s", code, body)
	}
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	checkModes(t, dir)

	now = now.Add(time.Hour)
	again := start(t, demo.Options{StateDir: dir, Backends: []string{story.CWatch, story.Gene}, Now: opt.Now})
	if !again.Story.Anchor.Equal(one.Story.Anchor) {
		t.Errorf("the anchor moved from %v to %v within an hour", one.Story.Anchor, again.Story.Anchor)
	}
	if again.Instances[0].Secrets["token"] != one.Instances[0].Secrets["token"] {
		t.Error("the token changed between two commands")
	}
	if same, active := firstAlert(t, again.Instances[0]); same != id || active {
		t.Errorf("alert %s became %s, active %v", id, same, active)
	}
	_, body := ask(t, again.Instances[1], http.MethodGet, "/endpoints", "")
	_, fresh := ask(t, start(t, demo.Options{Backends: []string{story.Gene}}).Instances[0], http.MethodGet, "/endpoints", "")
	if strings.Count(body, `"uuid"`) != strings.Count(fresh, `"uuid"`)+1 {
		t.Error("the endpoint that was added is gone")
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}

	// Stale: the story is rebuilt around now, and changes stay.
	now = now.Add(7 * time.Hour)
	later := start(t, opt)
	if now.Sub(later.Story.Anchor) > time.Second {
		t.Errorf("the story is of %v, now is %v", later.Story.Anchor, now)
	}
	if same, active := firstAlert(t, later.Instances[0]); same != id || active {
		t.Errorf("rebuilt: alert %s became %s, active %v", id, same, active)
	}
	if err := later.Close(); err != nil {
		t.Fatal(err)
	}

	if err := demo.Reset(dir); err != nil {
		t.Fatal(err)
	}
	if err := demo.Reset(dir); err != nil {
		t.Errorf("resetting twice: %v", err)
	}
	if same, active := firstAlert(t, start(t, opt).Instances[0]); same != id || !active {
		t.Errorf("after the reset: alert %s, active %v", same, active)
	}
}

func checkModes(t *testing.T, dir string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		return
	}
	for path, want := range map[string]fs.FileMode{dir: 0o700, filepath.Join(dir, "demo.json"): 0o600} {
		if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, fi.Mode(), err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 1 {
		t.Errorf("in the state folder: %v", left)
	}
}

func TestBrokenStateIsNoReasonToStop(t *testing.T) {
	for _, text := range []string{"", "{", "null", `{"version":99}`, `{"version":1,"anchor":"2999-01-01T00:00:00Z"}`, "\x00\xff"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "demo.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		d := start(t, demo.Options{StateDir: dir, Backends: []string{story.CWatch}})
		if age := time.Since(d.Story.Anchor); age < -time.Second || age > time.Minute || d.Instances[0].Secrets["token"] == "" {
			t.Errorf("%q: told at %v", text, d.Story.Anchor)
		}
	}
	// A state that its server cannot read is an error that says what to do.
	dir := t.TempDir()
	d := start(t, demo.Options{StateDir: dir, Backends: []string{story.CWatch}})
	_ = d.Close()
	b, _ := os.ReadFile(filepath.Join(dir, "demo.json"))
	var f map[string]any
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	f["state"] = map[string]any{"cwatch": 17}
	b, _ = json.Marshal(f)
	if err := os.WriteFile(filepath.Join(dir, "demo.json"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := demo.Start(t.Context(), demo.Options{StateDir: dir, Backends: []string{story.CWatch}}); err == nil || !strings.Contains(err.Error(), "demo reset") {
		t.Errorf("a state that cannot be read: %v", err)
	}
}

func TestFaults(t *testing.T) {
	d := start(t, demo.Options{Faults: "503:first=1@cwatch"})
	if code, _ := ask(t, d.Instance("demo-cwatch"), http.MethodGet, "/endpoint", ""); code != 503 {
		t.Errorf("cwatch answers %d", code)
	}
	if code, _ := ask(t, d.Instance("demo-cwatch"), http.MethodGet, "/endpoint", ""); code != 200 {
		t.Errorf("cwatch answers %d to the second", code)
	}
	if code, _ := ask(t, d.Instance("demo-gene"), http.MethodGet, "/endpoints", ""); code != 200 {
		t.Errorf("gene answers %d", code)
	}
}

func TestConfigIsYAMLAndNamesTheSecrets(t *testing.T) {
	d := start(t, demo.Options{})
	text := demo.Config(d)
	var c struct {
		Profiles map[string]map[string]any
	}
	if err := yaml.Unmarshal([]byte(text), &c); err != nil || len(c.Profiles) != 4 {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, i := range d.Instances {
		p := c.Profiles[i.Profile+"-served"]
		if p["url"] != i.URL || p["backend"] != i.Backend {
			t.Errorf("%s: %v", i.Profile, p)
		}
		for name, v := range i.Secrets {
			line := "export " + demo.EnvName(i.Profile+"-served", name) + "='" + v + "'"
			if !strings.Contains(text, line) {
				t.Errorf("no %s", line)
			}
		}
	}
	if got := demo.EnvName("demo-esp.x", "password"); got != "EDRCTL_DEMO_ESP_X_PASSWORD" {
		t.Error(got)
	}
}

// TestStartIsQuick holds the cost each demo command pays before it begins.
func TestStartIsQuick(t *testing.T) {
	best := time.Hour
	for range 5 {
		begin := time.Now()
		d, err := demo.Start(t.Context(), demo.Options{})
		if err != nil {
			t.Fatal(err)
		}
		best = min(best, time.Since(begin))
		_ = d.Close()
	}
	t.Logf("four servers in %v", best)
	if best > time.Second { // a loaded machine under -race; alone it is a thirtieth of it
		t.Errorf("starting takes %v", best)
	}
}

func BenchmarkStart(b *testing.B) {
	for _, backend := range append([]string{"all"}, demo.Backends...) {
		b.Run(backend, func(b *testing.B) {
			var o demo.Options
			if backend != "all" {
				o.Backends = []string{backend}
			}
			for b.Loop() {
				d, err := demo.Start(b.Context(), o)
				if err != nil {
					b.Fatal(err)
				}
				_ = d.Close()
			}
		})
	}
}
