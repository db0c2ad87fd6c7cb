package shellquote_test

import (
	"os/exec"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/edrctl/edrctl/internal/shellquote"
)

// hostile are names as an attacker would choose them.
var hostile = []string{
	"", "plain", "=x", "~root", "@args", "-rf", "--help", "$(touch pwned)", "`touch pwned`", "a;touch pwned", "a|b", "a&b", "a>b", "*", "?", "[a]", "{a,b}",
	"a b", "it's", `"`, `\`, `\\`, `C:\Users\Public\d.dll`, `C:\`, `\\server\share\`, `\'`, `'\`, `a\\'b\\`, "!!", "!$", "%PATH%", "%s%n", "#x", "a#b", "$x", "${x}", "^x", "<(x)",
	"line\nbreak", "end\n", "\n", "\n\n", "tab\tkey", "\x03", "\x1b[31m", "\r", "a\x00b", "-\x00\xff", "--\x1b", "\x7f", "\xff\xfe", "bücher", "‘’‚‛", "\u202egpj.exe", "\u200b", "🦀", "café\u0301", "$'x'", "\\$(touch pwned)", "&&touch pwned",
	"‘;touch pwned;’",
}

// shells run a line and print its one argument.
var shells = map[string][]string{
	"sh":   {"sh", "-c"},
	"bash": {"bash", "--norc", "-c"},
	"zsh":  {"zsh", "-f", "-c"},
	"fish": {"fish", "--no-config", "-c"},
}

const show = `printf '[%s]' `

// seen is the argument as the shell passes it on.
func seen(t *testing.T, shell, arg string) string {
	t.Helper()
	cmd := exec.Command(shells[shell][0], append(shells[shell][1:], show+shellquote.POSIX.Arg(arg))...)
	cmd.Dir = t.TempDir()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s on %q, written %s: %v", shell, arg, shellquote.POSIX.Arg(arg), err)
	}
	return string(out)
}

// want is what a shell can pass on: an argument holds no NUL.
func want(arg string) string { return "[" + strings.ReplaceAll(arg, "\x00", "") + "]" }

func TestEveryShellSeesTheArgument(t *testing.T) {
	for shell := range shells {
		t.Run(shell, func(t *testing.T) {
			if _, err := exec.LookPath(shells[shell][0]); err != nil {
				t.Skip("no " + shell + " here: its quoting is NOT TESTED")
			}
			for _, arg := range hostile {
				if shell == "fish" && !utf8.ValidString(arg) {
					continue // fish keeps its words as Unicode
				}
				if got := seen(t, shell, arg); got != want(arg) {
					t.Errorf("%q, written %s, is seen as %q", arg, shellquote.POSIX.Arg(arg), got)
				}
			}
		})
	}
}

func TestPowerShellSeesTheArgument(t *testing.T) {
	if _, err := exec.LookPath("pwsh"); err != nil {
		t.Skip("no pwsh here: the quoting for PowerShell is NOT TESTED by running it")
	}
	for _, arg := range hostile {
		if !utf8.ValidString(arg) {
			continue
		}
		out, err := exec.Command("pwsh", "-NoProfile", "-Command", "[Console]::Out.Write('['+"+shellquote.PowerShell.Arg(arg)+"+']')").Output()
		if err != nil || string(out) != want(arg) {
			t.Errorf("%q, written %s, is seen as %q %v", arg, shellquote.PowerShell.Arg(arg), out, err)
		}
	}
}

func TestPowerShellText(t *testing.T) {
	for arg, want := range map[string]string{
		"plain": "plain", "a b": "'a b'", "it's": "'it''s'", "$(x)": "'$(x)'", "`x`": "'`x`'", "’;x": "'’’;x'",
		"a\x1bb": "('a'+[char]27+'b')", "\n": "(''+[char]10)", "\U000e0041x": "(''+[char]::ConvertFromUtf32(917569)+'x')", "": "''", "@x": "'@x'",
	} {
		if got := shellquote.PowerShell.Arg(arg); got != want {
			t.Errorf("%q is written %s, want %s", arg, got, want)
		}
	}
}

func TestJoinAndFlag(t *testing.T) {
	shellquote.Use(shellquote.POSIX)
	for got, want := range map[string]string{
		shellquote.Join("edrctl hosts get", "p/1"):       "edrctl hosts get p/1",
		shellquote.Join("edrctl hosts get", "-p", "a b"): "edrctl hosts get -- -p 'a b'",
		shellquote.Flag("host", "=FIN 1"):                "--host '=FIN 1'",
		shellquote.Flag("host", "-x"):                    "--host=-x",
		shellquote.Flag("host", "-$(x)"):                 "'--host=-$(x)'",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// Whatever the argument, the written word holds no control character, and the
// shells that are here see exactly the argument.
func FuzzArg(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	var here []string
	for shell := range shells {
		if _, err := exec.LookPath(shells[shell][0]); err == nil {
			here = append(here, shell)
		}
	}
	f.Fuzz(func(t *testing.T, arg string) {
		if len(arg) > 1000 {
			return
		}
		for _, sh := range []shellquote.Shell{shellquote.POSIX, shellquote.PowerShell} {
			for _, r := range strings.TrimRight(strings.TrimSuffix(sh.Arg(arg), "'"), "\n") {
				if r < ' ' || r == 0x7f || r == utf8.RuneError && utf8.ValidString(arg) && !strings.ContainsRune(arg, r) {
					t.Errorf("%q is written %q", arg, sh.Arg(arg))
				}
			}
		}
		for _, shell := range here {
			if shell == "fish" && !utf8.ValidString(arg) {
				continue
			}
			if got := seen(t, shell, arg); got != want(arg) {
				t.Errorf("%s: %q, written %s, is seen as %q", shell, arg, shellquote.POSIX.Arg(arg), got)
			}
		}
	})
}
