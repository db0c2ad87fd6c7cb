package response_test

import (
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/response"
	"github.com/edrctl/edrctl/internal/model"
)

func TestQuoting(t *testing.T) {
	for in, want := range map[string][2]string{
		"plain.exe":   {"plain.exe", "plain.exe"},
		"":            {"''", `^"^"`},
		"a b":         {"'a b'", `^"a b^"`},
		"it's":        {`'it'\''s'`, `^"it's^"`},
		`say "hi"`:    {`'say "hi"'`, `^"say \^"hi\^"^"`},
		`C:\dir\`:     {`'C:\dir\'`, `C:\dir\`},
		`C:\my dir\`:  {`'C:\my dir\'`, `^"C:\my dir\\^"`},
		"$HOME;rm":    {"'$HOME;rm'", `^"$HOME;rm^"`},
		"%PATH%&calc": {"'%PATH%&calc'", `^"%%PATH%%^&calc^"`},
		"^|<>()!":     {"'^|<>()!'", `^"^^^|^<^>^(^)^!^"`},
	} {
		if got := [2]string{response.QuoteShell(in), response.QuoteBatch(in)}; got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// The script of a command on Windows: cmd.exe itself reads the quotes around
// the program, and UTF-8 once its code page is set.
func TestCommandsOnWindows(t *testing.T) {
	host := &model.Host{OS: &model.OS{Platform: "windows"}}
	for _, tc := range []struct {
		command []string
		want    string // of the line; "" = refused
	}{
		{[]string{"whoami", "/all"}, "whoami /all"},
		{[]string{`C:\Program Files\Tool (x86)\run.exe`, "/q", "a b"}, `"C:\Program Files\Tool (x86)\run.exe" /q ^"a b^"`},
		{[]string{`C:\100% sure&go.exe`}, `"C:\100%% sure&go.exe"`},
		{[]string{`C:\a"b.exe`}, ""},
		{[]string{"type", `C:\Übung\größe.txt`}, "chcp 65001 >nul\r\ntype ^\"C:\\Übung\\größe.txt^\""},
		{[]string{`C:\Büro\x.exe`}, "chcp 65001 >nul\r\n\"C:\\Büro\\x.exe\""},
	} {
		kind, script, err := response.CommandScript(backends.Change{Host: host, Command: tc.command})
		switch {
		case tc.want == "":
			if err == nil {
				t.Errorf("%q: %q, want an error", tc.command, script)
			}
		case err != nil || kind != "1" || script != "@echo off\r\n"+tc.want+"\r\n":
			t.Errorf("%q: %q %q, %v", tc.command, kind, script, err)
		}
	}
}

// FuzzQuoting: what is quoted for a shell is one word of it, and nothing of
// it is left for cmd to act upon.
func FuzzQuoting(f *testing.F) {
	f.Add("it's $(x) %PATH% \"&\"")
	f.Fuzz(func(t *testing.T, s string) {
		if strings.ContainsAny(s, "\x00\r\n") {
			return
		}
		sh := response.QuoteShell(s)
		if strings.HasPrefix(sh, "'") {
			if back := strings.ReplaceAll(sh[1:len(sh)-1], `'\''`, "'"); back != s {
				t.Errorf("%q became %q", s, sh)
			}
		}
		bat := response.QuoteBatch(s)
		for i := range len(bat) {
			if strings.IndexByte(`&|<>"()`, bat[i]) >= 0 && (i == 0 || bat[i-1] != '^') {
				t.Errorf("%q: %q leaves %q to cmd", s, bat, bat[i])
			}
		}
	})
}
