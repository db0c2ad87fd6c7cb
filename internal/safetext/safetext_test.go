package safetext_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/safetext/corpus"
)

func TestText(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"plain text", "plain text"},
		{"", ""},
		{"\x1b[31m", "␛[31m"},
		{"a\tb\r\nc\x00", "a␉b␍␊c␀"},
		{"\x7f", "␡"},
		{"\u009b2J", `\x9b2J`},
		{"\x9b2J", `\x9b2J`},
		{"ab\u202ecd", `ab\u{202e}cd`},
		{"a\u200bb\ufeff", `a\u{200b}b\u{feff}`},
		{"\xed\xa0\x80", `\u{d800}`},
		{"\xc3(", `\xc3(`},
		{"\U000e0041", `\u{e0041}`},
		{"a\ufe0f", `a\u{fe0f}`},
		{"x\u2028y", `x\u{2028}y`},
		{"e\u0301", "e\u0301"},
		{"\u0301", `\u{301}`},
		{"e\u0301\u0301\u0301\u0301\u0301\u0301x", "e\u0301\u0301\u0301\u0301" + `\u{301}\u{301}x`},
		{"宽 Ω é ไทย", "宽 Ω é ไทย"},
		{"👩‍💻 🏳️‍🌈 1️⃣ ☠️ 👍🏽 🇩🇪", "👩‍💻 🏳️‍🌈 1️⃣ ☠️ 👍🏽 🇩🇪"},
		{"a\u200d👩", `a\u{200d}👩`},
		{"\ue000", `\u{e000}`},
		{"\ufffd", "\ufffd"},
	} {
		if got := string(safetext.Text(c.in)); got != c.want {
			t.Errorf("Text(%+q) = %+q, want %+q", c.in, got, c.want)
		}
	}
}

func TestLinesASCIIJoin(t *testing.T) {
	if got := safetext.Lines("a\r\nb\tc\rd\n\x1b\n\u0301"); got != "a\nb    c␍d\n␛\n\\u{301}" {
		t.Errorf("Lines: %q", got)
	}
	if got := safetext.Text("é\x1b\x7f").ASCII(); got != `\u{e9}\x1b\x7f` {
		t.Errorf("ASCII: %q", got)
	}
	if got := safetext.Display("4 alerts · now… → x").ASCII(); got != "4 alerts - now... -> x" {
		t.Errorf("ASCII punctuation: %q", got)
	}
	if got := safetext.Join(", ", "a", safetext.Text("b\n")); got != "a, b␊" {
		t.Errorf("Join: %q", got)
	}
	if got := safetext.Sprintf("%s!", "\x1b"); got != "␛!" {
		t.Errorf("Sprintf: %q", got)
	}
}

func checkText(t *testing.T, s string) {
	t.Helper()
	for _, multi := range []bool{false, true} {
		f := safetext.Text
		if multi {
			f = safetext.Lines
		}
		got := string(f(s))
		if !utf8.ValidString(got) {
			t.Fatalf("%+q: not UTF-8: %+q", s, got)
		}
		run := 0
		for _, r := range got {
			if r == '\n' && multi {
				continue
			}
			switch {
			case r == 0xFE0F || r == 0xFE0E || r == 0x200D: // only inside an emoji
			case safetext.Hidden(r), unicode.Is(unicode.Cc, r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Zl, r), unicode.Is(unicode.Zp, r):
				t.Fatalf("%+q: unsafe %U in %+q", s, r, got)
			}
			if unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Me, r) {
				if run++; run > 6 {
					t.Fatalf("%+q: %d marks in %+q", s, run, got)
				}
			} else {
				run = 0
			}
		}
		if again := string(f(got)); again != got {
			t.Fatalf("%+q: not stable: %+q then %+q", s, got, again)
		}
	}
	for _, r := range safetext.Text(s).ASCII() {
		if r < 0x20 || r >= 0x7F {
			t.Fatalf("ASCII(%+q) has %U", s, r)
		}
	}
}

func checkFileName(t *testing.T, s string) {
	t.Helper()
	n := safetext.FileName(s)
	bad := n == "" || n == "." || n == ".." || len(n) > 210 || !utf8.ValidString(n) ||
		strings.ContainsAny(n, `/\:*?"<>|`) || strings.HasSuffix(n, ".") || strings.HasSuffix(n, " ") ||
		strings.HasPrefix(n, ".") || strings.HasPrefix(n, "-") || strings.HasPrefix(n, " ")
	for _, r := range n {
		bad = bad || safetext.Hidden(r) || unicode.IsControl(r)
	}
	base, _, _ := strings.Cut(strings.ToUpper(n), ".")
	switch strings.TrimRight(base, " ") {
	case "CON", "NUL", "AUX", "PRN", "COM1", "LPT1":
		bad = true
	}
	if bad {
		t.Fatalf("FileName(%+q) = %+q", s, n)
	}
	if again := safetext.FileName(n); again != n {
		t.Fatalf("FileName(%+q) not stable: %+q then %+q", s, n, again)
	}
}

func TestCorpus(t *testing.T) {
	for _, s := range corpus.Strings() {
		checkText(t, s)
		checkFileName(t, s)
	}
}

func TestFileName(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"report.pdf", "report.pdf"},
		{"../../etc/passwd", "_._.._etc_passwd"},
		{"", "unnamed"},
		{"..", "unnamed"},
		{"nul.txt", "_nul.txt"},
		{"COM1", "_COM1"},
		{"aux .log", "_aux .log"},
		{"a\x00b\u202ec", "a_b_c"},
		{"x:stream", "x_stream"},
		{".bashrc", "_bashrc"},
		{"-rf", "_rf"},
		{"trail. . ", "trail"},
		{strings.Repeat("a", 300) + ".docx", strings.Repeat("a", 195) + ".docx"},
		{"日本.txt", "日本.txt"},
	} {
		if got := safetext.FileName(c.in); got != c.want {
			t.Errorf("FileName(%+q) = %+q, want %+q", c.in, got, c.want)
		}
	}
}

func TestCleanTextDoesNotAllocate(t *testing.T) {
	for _, s := range []string{`C:\Windows\System32\rundll32.exe C:\Users\Public\d.dll,Start`, "Größe 宽字符 и ещё"} {
		if n := testing.AllocsPerRun(100, func() { _ = safetext.Text(s) }); n != 0 {
			t.Errorf("Text(%q) allocates %v times", s, n)
		}
	}
}

func FuzzText(f *testing.F) {
	for _, s := range corpus.Strings() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { checkText(t, s) })
}

func FuzzFileName(f *testing.F) {
	for _, s := range corpus.Strings() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { checkFileName(t, s) })
}

func BenchmarkTextASCII(b *testing.B) {
	s := `C:\Windows\System32\rundll32.exe C:\Users\Public\d.dll,Start`
	b.SetBytes(int64(len(s)))
	for b.Loop() {
		_ = safetext.Text(s)
	}
}
