package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/edrctl/edrctl/internal/config"
)

const commented = `# Fleets of the SOC.
# Ask Ada before changing.

# what runs without -p
default: [cw] # the big one

groups:
  prod: [cw, esp] # both

profiles:
  # the cloud
  cw: {backend: cwatch, customer_id: 42} # since May

  # on premises
  esp:
    backend: esp
    username: admin # shared

    read_only: true
`

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(path); runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	return string(data)
}

func TestAddKeepsTheRest(t *testing.T) {
	path := write(t, commented)
	lab := &config.Profile{Name: "lab", Backend: "gene", URL: "https://127.0.0.1:8001", ReadOnly: true, Proxy: "none",
		Headers: map[string]string{"X-Team": "on"}, Rate: config.Rate{PerSecond: 0.5, Concurrent: 2}, Timeout: 90 * time.Second,
		TLS: config.TLS{Pin: "sha256:" + strings.Repeat("0", 64), InsecureSkipVerify: true, CAFile: "/ca.pem"}}
	if err := config.AddProfile(path, lab, false, opt); err != nil {
		t.Fatal(err)
	}
	want := commented + `  lab:
    backend: gene
    url: https://127.0.0.1:8001
    read_only: true
    proxy: none
    headers:
      X-Team: on
    rate:
      per_second: 0.5
      concurrent: 2
    timeout: 1m30s
    tls:
      ca_file: /ca.pem
      pin: sha256:` + strings.Repeat("0", 64) + `
      insecure_skip_verify: true
`
	if diff := cmp.Diff(want, read(t, path)); diff != "" {
		t.Error(diff)
	}
	c, err := config.Load(path, true, opt)
	if err != nil {
		t.Fatal(err)
	}
	got := *c.Profiles["lab"]
	got.Line = 0
	if diff := cmp.Diff(*lab, got); diff != "" {
		t.Error(diff)
	}
	if err := config.AddProfile(path, lab, false, opt); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("a second one gave %v", err)
	}
	if err := config.AddProfile(path, &config.Profile{Name: "lab", Backend: "gene"}, true, opt); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(commented+"  lab:\n    backend: gene\n", read(t, path)); diff != "" {
		t.Error(diff)
	}
	if err := config.RemoveProfile(path, "lab", opt); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(commented, read(t, path)); diff != "" {
		t.Error(diff)
	}
}

func TestAddToNothing(t *testing.T) {
	for name, before := range map[string]string{"empty": "", "null": "profiles:\n", "flow": "profiles: {}\n", "comment": "# mine\n"} {
		t.Run(name, func(t *testing.T) {
			path := write(t, before)
			if err := config.AddProfile(path, &config.Profile{Name: "a", Backend: "cwatch", Settings: map[string]string{"customer_id": "42"}}, false, opt); err != nil {
				t.Fatal(err)
			}
			got := read(t, path)
			if !strings.HasSuffix(got, "profiles:\n  a:\n    backend: cwatch\n    customer_id: 42\n") {
				t.Errorf("wrote %q", got)
			}
			if name == "comment" && !strings.HasPrefix(got, "# mine\n") {
				t.Errorf("the comment is gone: %q", got)
			}
		})
	}
	path := filepath.Join(t.TempDir(), "not", "there", "config.yaml")
	if err := config.AddProfile(path, &config.Profile{Name: "a", Backend: "gene"}, false, opt); err != nil {
		t.Fatal(err)
	}
	read(t, path)
}

func TestAddRefuses(t *testing.T) {
	broken := write(t, "profiles:\n  a: {backend: gene, urll: x}\n")
	if err := config.AddProfile(broken, &config.Profile{Name: "b", Backend: "gene"}, false, opt); err == nil || !strings.Contains(err.Error(), "config.yaml:2:") {
		t.Errorf("a broken file gave %v", err)
	}
	if data, _ := os.ReadFile(broken); !strings.Contains(string(data), "urll") {
		t.Error("a broken file was changed")
	}
	path := write(t, commented)
	for name, p := range map[string]config.Profile{
		"bad name": {Name: "a b", Backend: "gene"}, "no backend": {Name: "x"}, "bad url": {Name: "x", Backend: "gene", URL: "x"},
		"demo": {Name: "demo-esp", Backend: "gene"}, "clash": {Name: "CW", Backend: "gene"},
		"setting": {Name: "x", Backend: "gene", Settings: map[string]string{"username": "a"}},
		"missing": {Name: "x", Backend: "esp"},
	} {
		var e *config.Error
		if err := config.AddProfile(path, &p, false, opt); !errors.As(err, &e) {
			t.Errorf("%s gave %v", name, err)
		}
	}
	if data, _ := os.ReadFile(path); string(data) != commented {
		t.Error("a refused edit changed the file")
	}
}

func TestRemove(t *testing.T) {
	path := write(t, commented)
	if err := config.RemoveProfile(path, "esp", opt); err != nil {
		t.Fatal(err)
	}
	if got := read(t, path); strings.Contains(got, "admin") || !strings.Contains(got, "prod: [cw] # both") || !strings.Contains(got, "# the cloud\n  cw: ") {
		t.Error(got)
	}
	if err := config.RemoveProfile(path, "cv", opt); !errors.Is(err, config.ErrUnknownProfile) {
		t.Errorf("an unknown one gave %v", err)
	}
	if err := config.RemoveProfile(path, "cw", opt); err != nil {
		t.Fatal(err)
	}
	got := read(t, path)
	c, err := config.Load(path, true, opt)
	if err != nil || len(c.Profiles)+len(c.Groups)+len(c.Default) != 0 || !strings.Contains(got, "Ask Ada") {
		t.Errorf("%v\n%s", err, got)
	}
}

func TestUse(t *testing.T) {
	path := write(t, commented)
	if err := config.UseProfiles(path, []string{"@prod", "demo"}, opt); err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(commented, "default: [cw] # the big one", `default: ['@prod', demo] # the big one`, 1)
	if diff := cmp.Diff(want, read(t, path)); diff != "" {
		t.Error(diff)
	}
	if err := config.UseProfiles(path, []string{"nope"}, opt); !errors.Is(err, config.ErrUnknownProfile) {
		t.Errorf("an unknown one gave %v", err)
	}
	if err := config.UseProfiles(path, nil, opt); err != nil {
		t.Fatal(err)
	}
	if got := read(t, path); strings.Contains(got, "default:") {
		t.Error(got)
	}
	path = write(t, "# top\nprofiles:\n  a: {backend: gene}\n")
	if err := config.UseProfiles(path, []string{"a"}, opt); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("# top\ndefault: [a]\nprofiles:\n  a: {backend: gene}\n", read(t, path)); diff != "" {
		t.Error(diff)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(example)
	f.Add(commented)
	f.Add("profiles: &x\n  a: &a\n    <<: *a\n    backend: gene")
	f.Add("a: &a [*a]")
	f.Add("profiles:\n  \"\\x1b\": |\n\n   x\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := config.Parse("c.yaml", []byte(text), opt)
		if err != nil {
			var e *config.Error
			if !errors.As(err, &e) || strings.ContainsAny(err.Error()+e.Hint, "\n\r\x1b") {
				t.Fatalf("not one clean line: %q", err)
			}
			return
		}
		for _, expr := range []string{"", "all", "demo", text} {
			names, err := c.Select(expr)
			for _, n := range names {
				if c.Profiles[n] == nil && !strings.HasPrefix(n, "demo-") {
					t.Fatalf("Select(%q) = %v, %v", expr, names, err)
				}
			}
		}
	})
}

// FuzzEdit: an edit changes what it should and nothing else, or refuses.
func FuzzEdit(f *testing.F) {
	f.Add(example)
	f.Add(commented)
	f.Add("profiles:\n  a: {backend: gene, headers: {X: 'a\n\n   b'}}\n")
	f.Add("profiles:\n  a: &a {backend: gene}\n  b: *a\ngroups: {g: [a]}\ndefault: '@g'")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		before, err := config.Parse("c.yaml", []byte(text), opt)
		if err != nil || before.Profiles["new-one"] != nil {
			return
		}
		path := filepath.Join(dir, "config.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := config.AddProfile(path, &config.Profile{Name: "new-one", Backend: "gene"}, false, opt); err != nil {
			return
		}
		after, err := config.Load(path, true, opt)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := strings.Join(after.Order, " "), strings.Join(append(before.Order, "new-one"), " "); got != want {
			t.Fatalf("profiles are %s, want %s", got, want)
		}
		for name, p := range before.Profiles {
			q := *after.Profiles[name]
			q.Line = p.Line
			q.TLS.CAFile, q.TLS.ClientCert, q.TLS.ClientKey = p.TLS.CAFile, p.TLS.ClientCert, p.TLS.ClientKey
			if diff := cmp.Diff(*p, q); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

// Profiles that are added at once are all there.
func TestAddedAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "config.yaml")
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			p := &config.Profile{Name: fmt.Sprintf("p%d", i), Backend: "gene", URL: "https://127.0.0.1:8001"}
			if err := config.AddProfile(path, p, false, opt); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	c, err := config.Load(path, true, opt)
	if err != nil || len(c.Profiles) != 10 {
		t.Errorf("%d profiles, %v", len(c.Profiles), err)
	}
}
