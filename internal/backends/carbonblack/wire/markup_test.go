package wire

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestMarkup(t *testing.T) {
	h := strings.Repeat("ab", 32)
	for _, tc := range []struct{ in, plain, links string }{
		{`plain`, `plain`, ``},
		{` "<share><link hash="` + h + `">C:\a b\x.exe</link></share>" did. `, `"C:\a b\x.exe" did.`, `C:\a b\x.exe`},
		{`<accent>TCP/443</accent> to <share><accent>1.2.3.4</accent></share>`, `TCP/443 to 1.2.3.4`, ``},
		{`cmd /c "a < b > c <b>bold</b>"`, `cmd /c "a < b > c <b>bold</b>"`, ``},
		{`<link hash="zz">x</link>`, `x`, ``},
		{`<link hash="` + strings.ToUpper(h) + `">x</link>`, `x`, `x`},
		{`<link hash="` + h + `">open`, `open`, `open`},
		{`<link hash="` + h + `">a<link hash="` + h + `">b</link>`, `ab`, `a,b`},
		{`<link hash="`, `<link hash="`, ``},
		{`</link></share>`, ``, ``},
		{`<`, `<`, ``},
		{`<<share>`, `<`, ``},
		{`<link hash="` + h + `"><accent>n</accent></link>`, `n`, `n`},
	} {
		plain, links := PlainText(tc.in)
		var names []string
		for _, l := range links {
			names = append(names, l.Name)
			if l.Hash != h {
				t.Errorf("%q: hash %s", tc.in, l.Hash)
			}
		}
		if plain != tc.plain || strings.Join(names, ",") != tc.links {
			t.Errorf("%q: %q %q", tc.in, plain, names)
		}
	}
}

func FuzzMarkup(f *testing.F) {
	h := strings.Repeat("ab", 32)
	f.Add(`The application "<share><link hash="` + h + `">x.exe</link></share>" <accent>TCP</accent>`)
	f.Add(`<link hash="<link hash="">`)
	f.Fuzz(func(t *testing.T, s string) {
		plain, links := PlainText(s)
		if len(plain) > len(s) || utf8.ValidString(s) && !utf8.ValidString(plain) {
			t.Errorf("%q: %q", s, plain)
		}
		for _, l := range links {
			if !IsSHA256(l.Hash) {
				t.Errorf("%q: hash %q", s, l.Hash)
			}
		}
		_, _ = Unquoted(plain), CalledFunction(plain)
	})
}
