package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/backends"
)

var catalog = []backends.Operation{
	{Name: "rules.list", Method: "GET", Path: "/v3/rules", Params: []backends.Param{{Name: "name", In: "query", Type: "string"}}},
	{Name: "rules.reload", Method: "GET", Path: "/v3/rules/reload", Mutates: true, Danger: "a GET that acts"},
	{Name: "rules.get", Method: "GET", Path: "/v3/rules/{id}", Params: []backends.Param{{Name: "id", In: "path", Type: "string", Required: true}}},
	{Name: "hosts.list", Method: "GET", Path: "/v3/hosts"},
	{Name: "rules.add", Method: "POST", Path: "/v3/rules", Mutates: true, Body: "json"},
}

var vendor = backends.Backend{Name: "x", Catalog: func() []backends.Operation { return catalog }}

const server = "https://edr.example:8443/base"

func TestPathCall(t *testing.T) {
	for _, c := range []struct {
		method, path string
		op           string // "" = none of the catalogue
		sent         string // path of the request; "" = refused
		mutates      bool
	}{
		{"GET", "/v3/rules", "rules.list", "/v3/rules", false},
		{"GET", "rules?name=a%20b&x=1", "rules.list", "/v3/rules", false},
		{"GET", "/rules/7", "rules.get", "/v3/rules/7", false},
		{"GET", "/v3/rules/a%2Fb", "rules.get", "/v3/rules/a%2Fb", false},
		// A GET that acts is found however it is written.
		{"GET", "/v3/rules/reload", "rules.reload", "/v3/rules/reload", true},
		{"GET", "/v3//Rules/%72eload/", "rules.reload", "/v3/rules/reload", true},
		{"HEAD", "/rules/reload", "rules.reload", "/v3/rules/reload", true},
		{"POST", "/rules", "rules.add", "/v3/rules", true},
		{"DELETE", "/v3/rules/7", "", "/v3/rules/7", true},
		{"GET", "/other/{id}", "", "/other/%7Bid%7D", false},
		// URLs of the profile's server, and no other.
		{"GET", "https://edr.example:8443/base/v3/rules/7?q=1#f", "rules.get", "/v3/rules/7", false},
		{"GET", "HTTPS://EDR.example:8443/base/v3/rules", "rules.list", "/v3/rules", false},
		{"GET", "https://edr.example:8443/basement/v3/rules", "", "", false},
		{"GET", "https://edr.example/base/v3/rules", "", "", false},
		{"GET", "http://edr.example:8443/base/v3/rules", "", "", false},
		{"GET", "https://a@edr.example:8443/base/v3/rules", "", "", false},
		{"GET", "//evil.example/rules", "", "", false},
		{"GET", "javascript:alert", "", "", false},
		{"GET", "/v3/../admin", "", "", false},
		{"GET", "/v3/%2e%2E/admin", "", "", false},
		{"GET", "/v3/%0d%0aX", "", "", false},
		{"GET", "/v3/%zz", "", "", false},
		{"GET", `/v3/..\admin`, "", "", false},
	} {
		got, err := pathCall(vendor, server, c.method, c.path)
		if err != nil {
			if c.sent != "" {
				t.Errorf("%s %s: %v", c.method, c.path, err)
			}
			continue
		}
		call, err := backends.Build(got)
		if err != nil {
			t.Errorf("%s %s: %v", c.method, c.path, err)
			continue
		}
		if got.Op.Name != c.op || call.Path != c.sent || got.Op.Mutates != c.mutates {
			t.Errorf("%s %s: %s, %s, changes %v", c.method, c.path, got.Op.Name, call.Path, got.Op.Mutates)
		}
		if c.mutates == call.Reads {
			t.Errorf("%s %s may be repeated: %v", c.method, c.path, call.Reads)
		}
	}
}

func TestHeader(t *testing.T) {
	for in, ok := range map[string]bool{
		"X-Trace: 1": true, "Accept:text/csv": true, "nothing": false, ": x": false, "a b: c": false,
		"authorization: x": false, "X-HTTP-Method-Override: DELETE": false, "cookie: a=b": false, "x-auth-token: x": false,
	} {
		if _, _, err := header(in); (err == nil) != ok {
			t.Errorf("%q: %v", in, err)
		}
	}
}

// Whatever is typed as a path: no panic, nothing leaves the server's API, and
// the method alone distinguishes reads from changes.
func FuzzPathCall(f *testing.F) {
	for _, p := range []string{"/v3/rules", "https://edr.example:8443/base/v3/rules/7", "//x", "/a/../b", "/%2e%2e/x", "/v3/rules/%72eload", "/{id}?a=b&c", "a:b"} {
		f.Add("GET", p)
	}
	f.Fuzz(func(t *testing.T, method, path string) {
		c, err := pathCall(vendor, server, method, path)
		if err != nil {
			return
		}
		call, err := backends.Build(c)
		if err != nil {
			return
		}
		if !strings.HasPrefix(call.Path, "/") || strings.HasPrefix(call.Path, "//") || strings.Contains(call.Path, "://") && !strings.HasPrefix(call.Path, "/") {
			t.Errorf("%q leads to %q", path, call.Path)
		}
		for part := range strings.SplitSeq(strings.ToLower(strings.ReplaceAll(call.Path, "%2e", ".")), "/") {
			if part == ".." {
				t.Errorf("%q climbs: %q", path, call.Path)
			}
		}
		m := strings.ToUpper(method)
		if m != http.MethodGet && m != http.MethodHead && m != http.MethodOptions && !c.Op.Mutates {
			t.Errorf("%s %q only reads", method, path)
		}
	})
}
