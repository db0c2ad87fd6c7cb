// Package shellquote writes command lines that can be pasted into a shell. Their
// arguments may come from an attacker (names of hosts, processes and files): pasted,
// each one reaches the program as it is and nothing in it is run.
package shellquote

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"unicode"
	"unicode/utf8"
)

// Shell is a family of shells with one way of quoting.
type Shell int32

// The families. POSIX serves sh, dash, bash, zsh and fish alike.
const (
	POSIX Shell = iota
	PowerShell
)

// Names lists the shells as Parse takes them.
var Names = []string{"posix", "powershell"}

// Parse reads the name of a family.
func Parse(name string) (Shell, bool) {
	switch strings.ToLower(name) {
	case "posix", "sh", "bash", "zsh", "fish":
		return POSIX, true
	case "powershell", "pwsh":
		return PowerShell, true
	}
	return 0, false
}

// current is the shell of this run: the platform's, unless the user names another.
var current atomic.Int32

func init() {
	if runtime.GOOS == "windows" {
		Use(PowerShell)
	}
}

// Use sets the shell that Arg, Flag and Join write for.
func Use(s Shell) { current.Store(int32(s)) }

// Current is the shell that Arg, Flag and Join write for.
func Current() Shell { return Shell(current.Load()) }

// Arg quotes one argument where it needs that.
func Arg(s string) string { return Current().Arg(s) }

// Flag writes --name with its value. A value that begins with a dash is joined to
// the name, so that nothing takes it for another flag.
func Flag(name, value string) string {
	if strings.HasPrefix(value, "-") {
		return Arg("--" + name + "=" + value)
	}
	return "--" + name + " " + Arg(value)
}

// Join writes a command: words that are edrctl's own, and operands behind "--"
// when one of them begins with a dash.
func Join(command string, operands ...string) string {
	var b strings.Builder
	b.WriteString(command)
	for _, o := range operands {
		if strings.HasPrefix(o, "-") {
			b.WriteString(" --")
			break
		}
	}
	for _, o := range operands {
		b.WriteString(" " + Arg(o))
	}
	return b.String()
}

// Arg quotes one argument for sh where it needs that.
func (sh Shell) Arg(s string) string {
	switch {
	case plain(s):
		return s
	case sh == PowerShell:
		return powershell(s)
	case printable(s):
		return single(s)
	}
	return posixPrintf(s)
}

// plain tells whether no shell does anything with s. zsh expands a leading =,
// PowerShell a leading @ and every comma.
func plain(s string) bool {
	return s != "" && s[0] != '=' && s[0] != '@' && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:@+=", r))
	}) < 0
}

// printable tells whether s can be pasted as it is: a control character would be
// a key to the shell's line editor, and an invisible one would not be copied.
func printable(s string) bool {
	for i, r := range s {
		if !visible(s[i:], r) {
			return false
		}
	}
	return true
}

func visible(rest string, r rune) bool {
	if r == utf8.RuneError {
		_, n := utf8.DecodeRuneInString(rest)
		return n > 1
	}
	return unicode.IsPrint(r)
}

// single puts s into single quotes. fish, unlike the others, reads \\ and \' there
// as escapes, so a backslash before a backslash or at the end is outside.
func single(s string) string {
	var b strings.Builder
	open := false
	quote := func(want bool) {
		if open != want {
			b.WriteByte('\'')
			open = want
		}
	}
	for i, r := range s {
		next := byte('\'')
		if i+1 < len(s) {
			next = s[i+1]
		}
		switch {
		case r == '\'':
			quote(false)
			b.WriteString(`\'`)
		case r == '\\' && (next == '\\' || next == '\''):
			quote(false)
			b.WriteString(`\\`)
		default:
			quote(true)
			b.WriteRune(r)
		}
	}
	quote(false)
	if b.Len() == 0 {
		return "''"
	}
	return b.String()
}

// posixPrintf has the shell make the bytes that cannot be pasted. A substitution
// loses newlines at its end, so these follow in quotes; a NUL, which no argument
// can hold, is left out.
func posixPrintf(s string) string {
	body := strings.TrimRight(s, "\n")
	var b strings.Builder
	for i := 0; i < len(body); {
		r, n := utf8.DecodeRuneInString(body[i:])
		switch {
		case r == 0:
		case r == '%':
			b.WriteString("%%")
		case r == '\\' || r == '\'' || r == '-' && i == 0 || !visible(body[i:], r): // a leading dash would be an option of printf
			for _, c := range []byte(body[i : i+n]) {
				fmt.Fprintf(&b, `\%03o`, c)
			}
		default:
			b.WriteString(body[i : i+n])
		}
		i += n
	}
	out := ""
	if b.Len() > 0 {
		out = `"$(printf '` + b.String() + `')"`
	}
	if lines := s[len(body):]; lines != "" || out == "" {
		out += "'" + lines + "'"
	}
	return out
}

// powershell puts s into single quotes, which PowerShell also sees in the curly
// ones; what cannot be pasted becomes [char] values joined to the rest.
func powershell(s string) string {
	var parts []string
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			parts = append(parts, "'"+b.String()+"'")
			b.Reset()
		}
	}
	for i, r := range s {
		switch {
		case r == 0:
		case strings.ContainsRune("'‘’‚‛", r):
			b.WriteString(strings.Repeat(string(r), 2))
		case visible(s[i:], r):
			b.WriteRune(r)
		default:
			flush()
			parts = append(parts, charCode(r))
		}
	}
	flush()
	switch {
	case len(parts) == 0:
		return "''"
	case len(parts) == 1 && parts[0][0] == '\'':
		return parts[0]
	case parts[0][0] != '\'':
		parts = append([]string{"''"}, parts...) // text plus a character, not a sum
	}
	return "(" + strings.Join(parts, "+") + ")"
}

func charCode(r rune) string {
	if r > 0xffff {
		return "[char]::ConvertFromUtf32(" + strconv.Itoa(int(r)) + ")"
	}
	return "[char]" + strconv.Itoa(int(r))
}
