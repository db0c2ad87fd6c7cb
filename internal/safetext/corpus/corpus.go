// Package corpus is a collection of hostile text, for the tests of everything
// that shows or stores text from an endpoint.
package corpus

// Strings gives texts that try to move the cursor, recolour, forge rows and
// columns, hide, reorder, break encodings, start formulas or leave a folder.
// The slice is the caller's.
func Strings() []string {
	s := []string{
		// Terminal sequences, 7 bit, 8 bit and as UTF-8.
		"\x1b[2J\x1b[Hcleared",
		"\x1b]0;window title\x07",
		"\x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\",
		"\x1b]52;c;cm0gLXJmIC8=\x07",
		"\x1bP$q\"p\x1b\\",
		"\x1b[6n\x1b[c\x1b]11;?\x07",
		"\x1b[31;1mred\x1b[0m",
		"\x1b[?1049h\x1b[?2004h",
		"\x1b_Gf=24,t=f;L2V0Yy9wYXNzd2Q=\x1b\\",
		"\x9b2J\x9d0;raw C1 bytes\x9c",
		"\u009b2J\u009d0;C1 as UTF-8\u009c",
		"\u0085next line",
		// Bare controls.
		"good.exe\rEVIL.exe",
		"row one\nrow\ttwo\tforged\n",
		"crlf\r\ninjected: header",
		"erase\b\b\b\b\bsafe",
		"nul\x00byte", "bell\a\a\a", "\x0b\x0c\x0e\x0f", "delete\x7f\x7f",
		// Direction and invisibility.
		"invoice\u202efdp.exe",
		"\u2066isolate\u2069 \u2067rtl\u2069 \u061cmark \u200e\u200f",
		"pass\u200bword \u200c\u200d\u2060\ufeffbom",
		"soft\u00adhyphen \u034fjoiner \u3164filler\uffa0 \u2800blank \u115f\u1160",
		"line\u2028separator\u2029paragraph",
		"\ufff9annotated\ufffahidden\ufffbtext \ufffc",
		"tags \U000e0001\U000e0068\U000e0069\U000e007f",
		"selectors a\ufe00b\ufe0fc\U000e0100\U000e01ef",
		"\u180b\u180c\u180d\u180emongolian",
		"\ue000private\U0010fffd use",
		"nonchar \ufffe\uffff\U0001ffff\ufdd0",
		// Encodings.
		"\xff\xfe broken \xc3\x28 \xe2\x82 \xf0\x9f\x92",
		"overlong \xc0\xaf\xe0\x80\xaf \xc1\x9b",
		"lone \xed\xa0\x80 and \xed\xbf\xbf surrogates",
		"cesu \xed\xa0\xbd\xed\xb8\x80 pair",
		"too big \xf4\x90\x80\x80 \xf8\x88\x80\x80\x80",
		"\x80\x81\x9b\xbf",
		"replacement \ufffd is real",
		// Marks and widths.
		"z\u0310\u0311\u0312\u0313\u0314\u0315\u0316\u0317\u0318\u0319\u031aalgo",
		"\u0301leading mark", "\u20dd\u20dd\u20dd enclosing",
		"宽字符 全角 ｆｕｌｌ", "e\u0301 é ö Ωмега ภาษาไทย हिन्दी עברית العربية",
		"👩‍💻 🏳️‍🌈 1️⃣ ☠️ 👍🏽 🇩🇪",
		"\u200d👩\u200d \ufe0fx", "😀\ufe0f\ufe0f\ufe0f",
		// Spreadsheets and structured formats.
		"=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(1)", "\t=1", "\r=1", "=HYPERLINK(\"http://evil.example\")",
		"＝1+1", "a,b\"c\"\r\nd", "'; DROP TABLE alerts; --",
		"---\n- yaml: &a [*a]\n...", "key: value # comment", "!!python/object:x", "~", "null", "yes", "0x1f", "1e3", "2026-11-22",
		`{"json":"\u001b[31m"}`, `</script><img src=x onerror=alert(1)>`, "{{.Secret}} {{printf \"%s\" .}}", "%s%n%x%!d(MISSING)",
		"[red]tview[-] [::b]", "\\x1b[31m already escaped \\u{202e}",
		// Names that leave the folder.
		"../../../../etc/passwd", `..\..\windows\system32\drivers\etc\hosts`, "/etc/shadow", `C:\boot.ini`, `\\server\share\x`,
		"CON", "nul.txt", "aux .log", "COM1", "lpt9.tar.gz", "com¹.txt", "CONOUT$", "file.txt:stream", "file.txt::$DATA",
		"trailing. . .", "   ", ".", "..", "...", ".hidden", "-rf", "--help", "~root", "a/b", "a\u2215b", "a\uff0fb", "\u2024\u2024/x", "．．／x",
		"report.pdf                                   .exe", "",
	}
	return append(s, long('A', 5000), long(0x301, 500), "x"+long(0x301, 500), long(0x202e, 200), long('/', 400)+".txt", long('名', 300)+".docx", long('.', 300), "n."+long('e', 300))
}

func long(r rune, n int) string {
	out := make([]rune, n)
	for i := range out {
		out[i] = r
	}
	return string(out)
}
