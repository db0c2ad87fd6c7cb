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
