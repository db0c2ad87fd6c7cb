package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/cmd/cli"
	"github.com/edrctl/edrctl/internal/demo"
	"github.com/edrctl/edrctl/internal/iostreams"
	"github.com/edrctl/edrctl/internal/safetext/corpus"
)

// world is a running demo and the environment of a user who configured it.
type world struct {
	t    *testing.T
	home string
	env  map[string]string
}

func newWorld(t *testing.T, faults string, backends ...string) *world {
	t.Helper()
	return newWorldAt(t, time.Time{}, faults, backends...)
}

// newWorldAt serves a demo whose clock stands still: two of them are alike.
func newWorldAt(t *testing.T, at time.Time, faults string, backends ...string) *world {
	t.Helper()
	o := demo.Options{Backends: backends, Faults: faults}
	if !at.IsZero() {
		o.Now = func() time.Time { return at }
	}
	d, err := demo.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{t: t, home: t.TempDir(), env: map[string]string{"LANG": "C.UTF-8", "TZ": "UTC"}}
	w.env["HOME"] = w.home
	w.config(demo.Config(d))
	return w
}

// config writes the configuration and takes its export lines.
func (w *world) config(text string) {
	w.t.Helper()
	file := filepath.Join(w.home, "config.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.env["EDRCTL_CONFIG"] = file
	for _, m := range regexp.MustCompile(`(?m)^# export ([A-Z_]+)='(.*)'$`).FindAllStringSubmatch(text, -1) {
		w.env[m[1]] = m[2]
	}
}

type result struct {
	code        int
	out, errOut string
}

func (w *world) run(args ...string) result {
	w.t.Helper()
	ios, _, out, errOut := iostreams.Test()
	getenv := func(k string) string { return w.env[k] }
	ios.SetEnv(getenv)
	code := cli.Main(args, ios, getenv)
	return result{code, out.String(), errOut.String()}
}

// reads are the commands that read, as each backend can take them.
var reads = []string{
	"alerts list", "alerts count --by host", "events list", "events count --by kind",
	"hosts list", "processes list --host SRV-DB-02", "rules list", "hosts report",
}

// What every fault must lead to: the whole answer, or an error with its code
// and one line, and never a list that looks whole and is not.
func TestFaultsNeverShortenAList(t *testing.T) {
	if testing.Short() {
		t.Skip("starts many servers")
	}
	faults := []string{
		"429:retry-after=1,first=1", "503:first=2", "reset-before:first=1", "reset-after:nth=2", "cut=50%", "cut=50%:clean", "cut=90%:nth=2",
		"garbage", "html", "empty:nth=2", "trailing", "slow=1ms", "503:after=3", "expired-token:after=4",
	}
	for _, backend := range []string{"cwatch", "carbonblack", "gene", "esp"} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			now := time.Now()
			args := func(command string) []string {
				a := append(strings.Fields(command), "-o", "json", "--timeout", "60s")
				if f := a[0]; f == "alerts" || f == "events" || f == "processes" {
					a = append(a, "--since", now.Add(-6*time.Hour).UTC().Format(time.RFC3339), "--until", now.UTC().Format(time.RFC3339))
				}
				return a
			}
			whole := map[string]result{}
			clean := newWorldAt(t, now, "", backend)
			for _, c := range reads {
				r := clean.run(args(c)...)
				if r.code != 0 && r.code != 5 {
					t.Fatalf("%s without faults: exit %d: %s", c, r.code, r.errOut)
				}
				whole[c] = r
			}
			for _, fault := range faults {
				for _, c := range reads {
					if whole[c].code == 5 {
						continue
					}
					spoilt := newWorldAt(t, now, fault, backend)
					r := spoilt.run(args(c)...)
					judge(t, backend+", "+fault+", "+c, r, whole[c])
				}
			}
		})
	}
}

func judge(t *testing.T, what string, got, want result) {
	t.Helper()
	switch {
	case got.code == 0:
		if a, b := content(t, got.out), content(t, want.out); !slices.Equal(a, b) {
			t.Errorf("%s: exit 0 with %d records of %d", what, len(a), len(b))
		}
		return
	case got.code != 1 && got.code != 3 && got.code != 4 && got.code != 6:
		t.Errorf("%s: exit %d", what, got.code)
	}
	if !strings.HasPrefix(got.errOut, "edrctl: ") {
		t.Errorf("%s: stderr %q", what, got.errOut)
	}
	if strings.Contains(got.errOut, "goroutine ") || strings.Contains(got.errOut, "<html") {
		t.Errorf("%s: stderr %q", what, got.errOut)
	}
	if got.code != 3 && json.Valid([]byte(got.out)) {
		t.Errorf("%s: exit %d, and stdout looks whole: %.200s", what, got.code, got.out)
	}
}

// content is a list's records without what differs between two runs of the
// demo: times move with the moment it was started.
func content(t *testing.T, out string) []string {
	t.Helper()
	var list []map[string]any
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatalf("%v in %.300s", err, out)
	}
	var ids []string
	for _, r := range list {
		host := ""
		if h, ok := r["host"].(map[string]any); ok {
			host, _ = h["name"].(string)
		}
		// Ids may be made of times; titles, kinds and hosts are the story's.
		ids = append(ids, fmt.Sprint(r["title"], r["kind"], r["name"], r["value"], host))
	}
	slices.Sort(ids)
	return ids
}

// A key that is refused names the type of key; a server that is another
// product says what it looks like; a server that is not there says so.
func TestWrongServersAndKeys(t *testing.T) {
	w := newWorld(t, "")
	good := map[string]string{}
	for k, v := range w.env {
		good[k] = v
	}
	for backend, secret := range map[string]string{"cwatch": "TOKEN", "carbonblack": "API_KEY", "gene": "API_KEY", "esp": "PASSWORD"} {
		name := "EDRCTL_DEMO_" + strings.ToUpper(backend) + "_SERVED_" + secret
		w.env[name] = "WRONGSECRETWRONG/WRONGSECRETWRONG"
		r := w.run("-p", "demo-"+backend+"-served", "alerts", "list")
		if r.code != 4 || r.out != "" || !strings.HasPrefix(r.errOut, "edrctl: demo-"+backend+"-served: ") {
			t.Errorf("%s: exit %d, %q, %q", backend, r.code, r.out, r.errOut)
		}
		if strings.Contains(r.errOut, "WRONGSECRETWRONG") {
			t.Errorf("%s: a secret is shown: %q", backend, r.errOut)
		}
		if backend == "carbonblack" && !strings.Contains(r.errOut, "API") {
			t.Errorf("the type of key is not named: %q", r.errOut)
		}
		w.env[name] = good[name]
	}
	text, err := os.ReadFile(w.env["EDRCTL_CONFIG"])
	if err != nil {
		t.Fatal(err)
	}
	urls := regexp.MustCompile(`backend: (\w+), url: "([^"]+)"`).FindAllStringSubmatch(string(text), -1)
	for i, m := range urls {
		other := urls[(i+1)%len(urls)]
		w.config(fmt.Sprintf("profiles:\n  x: {backend: %s, url: %q%s}\n", m[1], other[2], map[bool]string{true: ", username: admin"}[m[1] == "esp"]))
		for _, s := range []string{"TOKEN", "API_KEY", "PASSWORD"} {
			w.env["EDRCTL_X_"+s] = "AAAAAAAAAAAAAAAA/BBBBBBBBBB"
		}
		r := w.run("-p", "x", "alerts", "list", "-o", "json")
		if r.code == 0 || r.out != "" || strings.Count(strings.TrimSpace(r.errOut), "\n") > 1 {
			t.Errorf("%s asked of %s: exit %d, %q, %q", m[1], other[1], r.code, r.out, r.errOut)
		}
	}
	w.config("profiles:\n  x: {backend: gene, url: \"http://127.0.0.1:1\"}\n")
	if r := w.run("-p", "x", "alerts", "list"); r.code != 1 || !strings.Contains(r.errOut, "127.0.0.1:1") {
		t.Errorf("nobody there: exit %d, %q", r.code, r.errOut)
	}
}

// One profile that fails leaves the others' answer whole: exit 3, valid JSON.
func TestOneProfileDown(t *testing.T) {
	w := newWorld(t, "503@esp")
	r := w.run("-p", "all", "alerts", "list", "-o", "json")
	var list []map[string]any
	if err := json.Unmarshal([]byte(r.out), &list); err != nil || r.code != 3 {
		t.Fatalf("exit %d, %v: %s", r.code, err, r.errOut)
	}
	seen := map[string]int{}
	for _, a := range list {
		seen[a["backend"].(string)]++
	}
	if seen["esp"] != 0 || seen["cwatch"] == 0 || seen["gene"] == 0 || seen["carbonblack"] == 0 {
		t.Errorf("%v", seen)
	}
	if !strings.HasPrefix(r.errOut, "edrctl: demo-esp-served: ") {
		t.Errorf("%q", r.errOut)
	}
}

// Hostile text of the demo reaches no renderer raw.
func TestNoRawControlBytes(t *testing.T) {
	w := newWorld(t, "")
	for _, c := range []string{"alerts list", "events list --since 96h", "hosts list", "processes list --since 96h --host FIN-WS-014"} {
		for _, format := range []string{"table", "wide", "json", "ndjson", "yaml", "csv", "ecs", "ocsf", "id"} {
			r := w.run(append(strings.Fields(c), "-p", "all", "-o", format)...)
			for i, b := range []byte(r.out) {
				if b < 0x20 && b != '\n' && b != '\t' && !(b == '\r' && format == "csv") || b == 0x7f {
					t.Errorf("%s -o %s: byte %#x at %d: %.80q", c, format, b, i, r.out[max(0, i-40):])
					break
				}
			}
			if strings.ContainsAny(r.out, "\u009b\u202e\u200b\u2066") {
				t.Errorf("%s -o %s: an invisible or reordering character", c, format)
			}
		}
	}
	if len(corpus.Strings()) == 0 {
		t.Error("no corpus")
	}
}

// Ctrl-C is tested by the time-out of the whole command, which takes the same
// way out: a server that hangs holds nobody.
func TestAHangingServerHoldsNobody(t *testing.T) {
	w := newWorld(t, "hang")
	start := time.Now()
	r := w.run("-p", "all", "alerts", "list", "--timeout", "300ms", "-o", "json")
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("took %s", took)
	}
	if r.code != 1 || r.out != "" {
		t.Errorf("exit %d, %q, %q", r.code, r.out, r.errOut)
	}
}
