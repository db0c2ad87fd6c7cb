package config_test

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/edrctl/edrctl/internal/config"
)

var opt = config.Options{
	Backends: map[string][]config.KeySpec{
		"cwatch":      {{Name: "customer_id", Number: true}, {Name: "time_unit", Enum: []string{"ms", "s"}}},
		"carbonblack": {{Name: "quarantine_policy"}, {Name: "alert_source", Enum: []string{"events", "notifications"}}},
		"gene":        nil,
		"esp":         {{Name: "username", Required: true}, {Name: "edition"}, {Name: "base_path"}},
	},
	Virtual: func(name string) ([]string, bool) {
		all := []string{"demo-cwatch", "demo-esp"}
		if name == "demo" {
			return all, true
		}
		return []string{name}, name == all[0] || name == all[1]
	},
}

var example = `# our fleets
default: [prod-cw, "@lab"]     # profiles used when -p is absent
groups: {prod: [prod-cw, prod-esp], lab: [lab, demo]}
profiles:
  prod-cw:   {backend: cwatch, url: "https://api.cwatchedr.com/", customer_id: 42}
  cb:        {backend: carbonblack, url: "https://defense-prod05.conferdeploy.net", quarantine_policy: Quarantine}
  lab:
    backend: gene
    url: https://127.0.0.1:8001
    read_only: true
    timeout: 90s
    proxy: none
    headers: {X-Team: blue}
    rate: {per_second: 2.5, concurrent: 3}
    tls:
      pin: "sha256:AA:` + strings.Repeat("a", 62) + `"
      ca_file: ca.pem
      client_cert: /etc/edr/me.pem
      client_key: /etc/edr/me.key
      server_name: manager
  prod-esp:  {backend: esp, url: "https://esp.example.org", username: admin, read_only: true}
keys: {quit: q, down: [j, down]}
`

func TestParse(t *testing.T) {
	c, err := config.Parse("/etc/edr/config.yaml", []byte(example), opt)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(c.Order, " "); got != "prod-cw cb lab prod-esp" {
		t.Errorf("order %s", got)
	}
	want := &config.Profile{
		Name: "lab", Line: 7, Backend: "gene", URL: "https://127.0.0.1:8001", ReadOnly: true, Timeout: 90 * time.Second,
		Proxy: "none", Headers: map[string]string{"X-Team": "blue"}, Rate: config.Rate{PerSecond: 2.5, Concurrent: 3},
		TLS: config.TLS{Pin: "sha256:" + strings.Repeat("a", 64), CAFile: "/etc/edr/ca.pem", ClientCert: "/etc/edr/me.pem",
			ClientKey: "/etc/edr/me.key", ServerName: "manager"},
	}
	if diff := cmp.Diff(want, c.Profiles["lab"]); diff != "" && filepath.Separator == '/' {
		t.Error(diff)
	}
	cw := c.Profiles["prod-cw"]
	if cw.URL != "https://api.cwatchedr.com" || cw.Settings["customer_id"] != "42" {
		t.Errorf("prod-cw is %+v", cw)
	}
	if diff := cmp.Diff(map[string][]string{"quit": {"q"}, "down": {"j", "down"}}, c.Keys); diff != "" {
		t.Error(diff)
	}
	for expr, want := range map[string]string{
		"":                    "prod-cw lab demo-cwatch demo-esp",
		"all":                 "prod-cw cb lab prod-esp",
		"@prod":               "prod-cw prod-esp",
		" cb , @prod,cb":      "cb prod-cw prod-esp",
		"demo":                "demo-cwatch demo-esp",
		"demo-esp,cb":         "demo-esp cb",
		"@prod,@lab,demo,all": "prod-cw prod-esp lab demo-cwatch demo-esp cb",
	} {
		got, err := c.Select(expr)
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("Select(%q) = %v, %v; want %s", expr, got, err, want)
		}
	}
	for expr, want := range map[string]string{
		"prod-cv": "did you mean prod-cw?", "@prd": "did you mean prod?", "prod": "@prod", "cb,,lab": "", "zzz": "known:",
	} {
		_, err := c.Select(expr)
		var e *config.Error
		if !errors.As(err, &e) || !strings.Contains(e.Hint, want) || !errors.Is(err, config.ErrUnknownProfile) {
			t.Errorf("Select(%q): %v, hint %q; want %q", expr, err, e.Hint, want)
		}
	}
}

func TestSelectWithoutDefault(t *testing.T) {
	for name, tc := range map[string]struct{ file, want, bad string }{
		"nothing":  {"", "", "no profile is configured"},
		"one":      {"profiles: {a: {backend: gene}}", "a", ""},
		"two":      {"profiles: {a: {backend: gene}, b: {backend: gene}}", "", "several profiles and no default"},
		"null":     {"profiles:\ndefault:\ngroups:\n", "", "no profile is configured"},
		"comments": {"# only a comment\n", "", "no profile is configured"},
		"merged":   {"profiles:\n  a: &a {backend: gene, read_only: true}\n  b: {<<: *a, timeout: 1s}\ndefault: b", "b", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := config.Parse("c.yaml", []byte(tc.file), opt)
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.Select("")
			if tc.bad != "" {
				if err == nil || err.Error() != tc.bad {
					t.Errorf("error %v, want %s", err, tc.bad)
				}
				return
			}
			if err != nil || strings.Join(got, " ") != tc.want {
				t.Errorf("%v, %v; want %s", got, err, tc.want)
			}
			if name == "merged" && (!c.Profiles["b"].ReadOnly || c.Profiles["b"].Timeout != time.Second) {
				t.Errorf("merged into %+v", c.Profiles["b"])
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	const head = "profiles:\n  a:\n    backend: gene\n"
	for name, tc := range map[string]struct{ file, want, hint string }{
		"syntax":             {"profiles: [", "c.yaml:", ""},
		"tab":                {"profiles:\n\ta: 1", "c.yaml:2: not valid YAML", ""},
		"not utf8":           {"default: x\nkeys: \xff", "c.yaml:2: not UTF-8", ""},
		"list on top":        {"- a", "c.yaml:1: the configuration must be a mapping", ""},
		"two documents":      {"default: []\n---\ndefault: []", "c.yaml:2: a second document", ""},
		"unknown top":        {"profile: {}", `c.yaml:1: unknown key "profile"`, "did you mean profiles?"},
		"twice on top":       {"groups: {}\ngroups: {}", `c.yaml:2: the configuration has "groups" twice`, ""},
		"profile twice":      {"profiles:\n  a: {backend: gene}\n  a: {backend: gene}", `c.yaml:3: profiles has "a" twice`, ""},
		"key twice":          {head + "    url: https://a\n    url: https://b", `c.yaml:5: profile a has "url" twice`, ""},
		"profile is text":    {"profiles: {a: gene}", "c.yaml:1: profile a must be a mapping", ""},
		"no backend":         {"profiles:\n  a: {url: https://x}", "c.yaml:2: profile a has no backend", "known: carbonblack"},
		"unknown backend":    {"profiles:\n  a: {backend: cwach}", `unknown backend "cwach"`, "did you mean cwatch?"},
		"unknown key":        {head + "    reed_only: true", `c.yaml:4: profile a: unknown key "reed_only"`, "did you mean read_only?"},
		"key of another":     {head + "    username: x", "c.yaml:4: profile a: username is a key of backend esp, not of gene", ""},
		"missing key":        {"profiles:\n  a: {backend: esp}", "c.yaml:2: profile a needs username", ""},
		"number":             {"profiles:\n  a: {backend: cwatch, customer_id: x42}", `customer_id must be a whole number, not "x42"`, ""},
		"enum":               {"profiles:\n  a: {backend: cwatch, time_unit: m}", `time_unit cannot be "m"`, "one of ms, s"},
		"secret":             {head + "    api_key: hunter2", `c.yaml:4: profile a: "api_key" looks like a secret`, "edrctl auth login a"},
		"password":           {head + "    password: hunter2", `"password" looks like a secret`, ""},
		"secret header":      {head + "    headers: {Authorization: hunter2}", "Authorization carries a secret", "auth login"},
		"secret in url":      {head + "    url: https://me:hunter2@x/", "c.yaml:4: profile a: url has a user name or password", ""},
		"secret in proxy":    {head + "    proxy: http://me:hunter2@x/", "proxy has a password", "--secret proxy_password"},
		"url scheme":         {head + "    url: ftp://x", "url must start with https://", ""},
		"url host":           {head + "    url: https:///x", "url names no host", ""},
		"url query":          {head + "    url: https://x/?a=hunter2", "url must end before", ""},
		"url port":           {head + "    url: https://x:99999", "port outside", ""},
		"url null":           {head + "    url:", "c.yaml:4: profile a: url has no value", ""},
		"url list":           {head + "    url: [a]", "url must be a single value, not a list", ""},
		"bool":               {head + "    read_only: maybe", `read_only must be true or false, not "maybe"`, ""},
		"bool text":          {head + "    read_only: \"true\"", "read_only must be true or false", ""},
		"timeout unit":       {head + "    timeout: 30", `timeout must be a time span up to 24h, not "30"`, "30s"},
		"timeout negative":   {head + "    timeout: -1s", "timeout must be", ""},
		"proxy":              {head + "    proxy: squid:3128", "proxy must be a URL", ""},
		"rate":               {head + "    rate: {per_second: 0}", "rate.per_second must be a number above 0", ""},
		"rate nan":           {head + "    rate: {per_second: .nan}", "rate.per_second must be", ""},
		"concurrent":         {head + "    rate: {concurrent: 1.5}", "rate.concurrent must be a whole number", ""},
		"rate key":           {head + "    rate: {persecond: 1}", `unknown key "persecond"`, "did you mean per_second?"},
		"tls key":            {head + "    tls:\n      cafile: x", `c.yaml:5: profile a: tls: unknown key "cafile"`, "did you mean ca_file?"},
		"pin":                {head + "    tls: {pin: sha256:abc}", "tls.pin: a pin ends with 64 hex digits", ""},
		"pin kind":           {head + "    tls: {pin: sha1:abc}", "tls.pin: a pin starts with sha256", ""},
		"half a client cert": {head + "    tls: {client_cert: x}", "client_cert and tls.client_key go together", ""},
		"header name":        {head + "    headers: {\"a b\": c}", `"a b" is not a valid header name`, ""},
		"header lines":       {head + "    headers: {a: \"b\\r\\nc: d\"}", "must be on one line", ""},
		"name":               {"profiles:\n  a/b: {backend: gene}", `c.yaml:2: invalid name "a/b" for a profile`, ""},
		"name all":           {"profiles:\n  all: {backend: gene}", "cannot be called all", ""},
		"name demo":          {"profiles:\n  demo-esp: {backend: gene}", "cannot be called demo-esp", ""},
		"shared environment": {"profiles:\n  a-b: {backend: gene}\n  A.b: {backend: gene}", "c.yaml:3: profiles a-b and A.b would share the environment variables EDRCTL_A_B_", ""},
		"group member":       {head + "groups:\n  g: [b]", `c.yaml:5: group g names "b", which is not a profile`, "known: a"},
		"group empty":        {head + "groups: {g: []}", "group g is empty", ""},
		"group nested":       {head + "groups: {g: [[a]]}", "an entry of group g must be a single value", ""},
		"default":            {head + "default: aa", `c.yaml:4: default names "aa", which is not a profile`, "did you mean a?"},
		"default group":      {head + "default: \"@g\"", "which is not a group", ""},
		"default mapping":    {head + "default: {a: b}", "default must be a list of names", ""},
		"merge loop":         {"profiles: &x\n  a: &a\n    <<: *a\n    backend: gene", "profile a merges too deep", ""},
		"alias of parent":    {"profiles: &x\n  a: *x", "c.yaml:2: profile a", ""},
		"merge bomb": {"keys:\n  <<: [&a {timeout: 1s}, *a]\n" +
			"profiles:\n  p: {<<: &b [" + strings.Repeat("*a,", 100) + "*a], backend: gene}\n" +
			"  q: {<<: [" + strings.Repeat("{<<: *b},", 3000) + "*a]}", "aliases make the configuration too large", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.Parse("c.yaml", []byte(tc.file), opt)
			var e *config.Error
			if !errors.As(err, &e) {
				t.Fatalf("error is %v", err)
			}
			if !strings.Contains(err.Error(), tc.want) || !strings.Contains(e.Hint, tc.hint) {
				t.Errorf("got  %s\nhint %s\nwant %s\nhint %s", err, e.Hint, tc.want, tc.hint)
			}
			if !strings.HasPrefix(err.Error(), "c.yaml:") || strings.Contains(err.Error()+e.Hint, "\n") {
				t.Errorf("not one line with its place: %q", err)
			}
			if strings.Contains(err.Error()+e.Hint, "hunter2") {
				t.Errorf("the error shows the secret: %s", err)
			}
		})
	}
}

func TestWarnsAboutPlainHTTP(t *testing.T) {
	for url, want := range map[string]int{"http://edr.example.org": 1, "http://127.0.0.1:8001": 0, "http://localhost": 0, "http://[::1]:1": 0, "https://x": 0} {
		c, err := config.Parse("c.yaml", []byte("profiles: {a: {backend: gene, url: \""+url+"\"}}"), opt)
		if err != nil || len(c.Warnings) != want {
			t.Errorf("%s: %v, %v", url, c.Warnings, err)
		}
	}
}

func TestLoadAndLocate(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "none.yaml")
	if c, err := config.Load(missing, false, opt); err != nil || len(c.Profiles) != 0 || c.Path != missing {
		t.Errorf("a missing file gave %+v, %v", c, err)
	}
	if _, err := config.Load(missing, true, opt); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a named missing file gave %v", err)
	}
	if _, err := config.Load(dir, true, opt); err == nil || !strings.Contains(err.Error(), "folder") {
		t.Errorf("a folder gave %v", err)
	}
	big := filepath.Join(dir, "big.yaml")
	if err := os.WriteFile(big, []byte(strings.Repeat("#\n", 1<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(big, false, opt); err == nil || !strings.Contains(err.Error(), "too many") {
		t.Errorf("a huge file gave %v", err)
	}
	env := map[string]string{"HOME": "/home/me", "USERPROFILE": `C:\me`, "AppData": `C:\r`}
	get := func(k string) string { return env[k] }
	env["XDG_CONFIG_HOME"] = dir
	for _, tc := range []struct {
		flag, env, want string
		named           bool
	}{
		{"", "", filepath.Join(dir, "edrctl", "config.yaml"), false},
		{"", big, big, true},
		{missing, big, missing, true},
	} {
		env["EDRCTL_CONFIG"] = tc.env
		path, named, err := config.Locate(tc.flag, get)
		if err != nil || path != tc.want || named != tc.named {
			t.Errorf("Locate(%q) with %q = %s, %v, %v", tc.flag, tc.env, path, named, err)
		}
	}
	clear(env)
	if _, _, err := config.Locate("", get); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("without HOME: %v", err)
	}
	p := filepath.Join(dir, "a", "b")
	if err := os.MkdirAll(p, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := config.Ensure(p); err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(p); filepath.Separator == '/' && info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v", info.Mode())
	}
}

// Editors of Windows and `>` of PowerShell write UTF-16, or UTF-8 with a mark.
func TestConfigInUTF16(t *testing.T) {
	const text = "profiles:\n  lab: {backend: gene, url: \"https://bücher.example\"}\n"
	var wide []byte
	for _, u := range utf16.Encode([]rune("\ufeff" + text)) {
		wide = binary.LittleEndian.AppendUint16(wide, u)
	}
	for name, data := range map[string][]byte{"UTF-16": wide, "UTF-8 with a mark": []byte("\ufeff" + text)} {
		path := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(path, true, opt)
		if err != nil || c.Profiles["lab"] == nil || c.Profiles["lab"].URL != "https://bücher.example" {
			t.Errorf("%s: %v, %v", name, c, err)
		}
	}
}
