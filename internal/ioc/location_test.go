package ioc_test

import (
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/ioc"
)

// Reports say where a file was fetched from in many ways: the URL is read,
// whatever the label in front of it and the words behind it.
func TestFileLocations(t *testing.T) {
	for line, want := range map[string]string{
		"- File location: hxxp://99promo[.]com/ds/161120.gif":                    "url:http://99promo.com/ds/161120.gif",
		"- File location: hxxps://ywqzz[.]com/wp-includes/U/":                    "url:https://ywqzz.com/wp-includes/U/",
		"- File location: hxxp://162.0.224[.]165/server.rar  [sent as data]":     "url:http://162.0.224.165/server.rar",
		"Location: hxxps[:]//drive.google[.]com/uc?export=download&id=1x0":       "url:https://drive.google.com/uc?export=download&id=1x0",
		"File: http://evil.example.test/a.exe":                                   "url:http://evil.example.test/a.exe",
		"- hxxps[:]//revoz.britishbushcraft[.]com/dashho[.]php?":                 "url:https://revoz.britishbushcraft.com/dashho.php",
		"- `++http://arvensis[.]xyz/<MAC address>/log/var/VEGWEHxp.dot++`":       "url:http://arvensis.xyz/",
		"  'hxxps[:]//azure.evil[.]com';iex((iwr ":                               "url:https://azure.evil.com",
		"File location: C:\\Users\\Public\\x.dll":                                "file_path:C:\\Users\\Public\\x.dll",
		"- see https://github.com/evil/dropper/raw/main/x.exe for the dropper":   "url:https://github.com/evil/dropper/raw/main/x.exe",
		"SHA256 hash: " + strings.Repeat("ab01", 16) + " - File location: in /x": "sha256:" + strings.Repeat("ab01", 16),
	} {
		for _, text := range []bool{false, true} {
			l := ioc.NewList()
			l.Text = text
			_ = l.Read(strings.NewReader("Indicators of the attack that we saw last week:\n\n"+line+"\n"), "list")
			if got := strings.Join(strs(l), " "); !strings.Contains(" "+got+" ", " "+want+" ") || strings.Contains(got, "file_path:http") {
				t.Errorf("%q (text %v): %s, want %s", line, text, got, want)
			}
		}
	}
	for _, line := range []string{"File location: dropped in the temp folder", "Process: started by the user"} {
		l := ioc.NewList()
		_ = l.Read(strings.NewReader(line+"\n"), "list")
		if l.Len() != 0 || len(l.Unread) != 1 {
			t.Errorf("%q: %v, unread %v", line, strs(l), l.Unread)
		}
	}
}

// What strangers bring: checksums as Windows and GNU write them, second values
// behind a separator, headers in other languages, whole paths with blanks.
func TestWhatStrangersBring(t *testing.T) {
	sum := strings.Repeat("ab01", 16)
	for text, want := range map[string]string{
		sum + "  C:\\Users\\Public\\x.exe\r\n":              "sha256:" + sum + " file_path:C:\\Users\\Public\\x.exe",
		"\\" + sum + "  C:\\\\Users\\\\Public\\\\x.exe\r\n": "sha256:" + sum + " file_path:C:\\Users\\Public\\x.exe",
		sum + " *C:\\Temp\\a b.dll\r\n":                     "sha256:" + sum + " file_path:C:\\Temp\\a b.dll",
		"192.0.2.7 ; evil-a.com\n":                          "ipv4:192.0.2.7 domain:evil-a.com",
		"192.0.2.7 ; evil\n":                                "ipv4:192.0.2.7",
		md5 + ",x.exe\n":                                    "md5:" + md5,
		"evil-b.com # a note\n":                             "domain:evil-b.com",
		"\ufeffTyp;Wert;Kommentar\r\nIP;192.0.2.7;\"C2; alt\"\r\nMD5;" + md5 + ";\r\n": "ipv4:192.0.2.7 md5:" + md5,
	} {
		l := read(t, text)
		if got := strings.Join(strs(l), " "); got != want || len(l.Unread) > 0 {
			t.Errorf("%q: %s, want %s; unread %v", text, got, want, l.Unread)
		}
	}
	const whole = `C:\Users\Public\my folder\a b c`
	if typ, v, err := ioc.Parse(whole, ioc.FilePath); err != nil || typ != ioc.FilePath || v != whole {
		t.Errorf("%s:%s, %v", typ, v, err)
	}
}
