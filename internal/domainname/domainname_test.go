package domainname

import "testing"

func TestOneDomainHasOneForm(t *testing.T) {
	for name, want := range map[string]string{
		"bücher.example":          "bücher.example",
		"BÜCHER.example.":         "bücher.example",
		"xn--bcher-kva.example":   "bücher.example",
		"XN--BCHER-KVA.EXAMPLE.":  "bücher.example",
		"www.xn--bcher-kva.com":   "www.bücher.com",
		"faß.example":             "faß.example", // not fass
		"xn--fa-hia.example":      "faß.example",
		"例え。jp":                   "例え.jp",
		"Evil.Example.":           "evil.example",
		"_ldap._tcp.corp.example": "_ldap._tcp.corp.example",
		"xn--":                    "xn--",
		"xn--999999999999":        "xn--999999999999", // no punycode
		".":                       ".",
		"":                        "",
		"a b":                     "a b",
	} {
		if got := Canonical(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
		if got := Canonical(ASCII(name)); got != want {
			t.Errorf("%q through ASCII: %q, want %q", name, got, want)
		}
	}
	if got := ASCII("Bücher.example"); got != "xn--bcher-kva.example" {
		t.Errorf("ASCII: %q", got)
	}
}

func FuzzCanonical(f *testing.F) {
	for _, s := range []string{"bücher.example", "xn--bcher-kva.example", ".", "xn--", "\xff", "a..b", "ß"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c := Canonical(s)
		if again := Canonical(c); again != c && International(c) {
			t.Fatalf("%q: %q, then %q", s, c, again)
		}
	})
}
