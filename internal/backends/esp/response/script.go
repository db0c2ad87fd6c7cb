package response

import (
	"path"
	"strings"
	"unicode/utf8"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
)

// The kinds of scripts (§13).
const typeBatch, typePowerShell, typeShell = "1", "2", "3"

// The request of 107 and 110.
type (
	// Script is a request to run a script.
	Script struct {
		HostIdentifier string  `json:"host_identifier"`
		Content        string  `json:"content"`
		FileType       string  `json:"file_type"`
		File           *string `json:"file,omitempty"` // 110 only, empty
		SaveScript     string  `json:"save_script"`    // a text: "true" or "false"
		ScriptName     string  `json:"script_name,omitempty"`
		Params         string  `json:"params,omitempty"`
	}
)

// CommandScript writes a command as a script whose arguments arrive as given.
func CommandScript(c backends.Change) (kind, content string, err error) {
	if len(c.Command) == 0 || c.Command[0] == "" {
		return "", "", Invalid("it needs the command")
	}
	for _, a := range c.Command {
		if strings.ContainsAny(a, "\r\n\x00") || !utf8.ValidString(a) {
			return "", "", Invalid("an argument holds a line break or is not text: send it as a script")
		}
	}
	if c.Host.OS == nil || c.Host.OS.Platform == "" {
		return "", "", Invalid("the host's system is not known, so edrctl cannot tell how to quote it: send it as a script")
	}
	if c.Host.OS.Platform == "windows" {
		content, err = batchScript(c.Command)
		return typeBatch, content, err
	}
	var parts []string
	for _, a := range c.Command {
		parts = append(parts, QuoteShell(a))
	}
	return typeShell, strings.Join(parts, " "), nil
}

// utf8Page makes cmd read the lines that follow as UTF-8, which is what the
// script is sent as.
const utf8Page = "chcp 65001 >nul\r\n"

// batchScript writes a command as a batch file. cmd.exe ends the name of a
// program at the first blank that is not inside quotes of its own, so the
// program is quoted for cmd and the arguments for the program.
func batchScript(command []string) (string, error) {
	program, err := quoteProgram(command[0])
	if err != nil {
		return "", err
	}
	parts := []string{program}
	for _, a := range command[1:] {
		parts = append(parts, QuoteBatch(a))
	}
	line := strings.Join(parts, " ")
	page := ""
	if strings.ContainsFunc(line, func(r rune) bool { return r >= utf8.RuneSelf }) {
		page = utf8Page
	}
	return "@echo off\r\n" + page + line + "\r\n", nil
}

// quoteProgram quotes the first word of a command for cmd: inside quotes only
// % means something to it, and no file name holds a quote.
func quoteProgram(s string) (string, error) {
	if strings.Contains(s, `"`) {
		return "", Invalid("the name of the program holds a quote: send it as a script")
	}
	if isPlain(s, `\`) {
		return s, nil
	}
	return `"` + strings.ReplaceAll(s, "%", "%%") + `"`, nil
}

func isPlain(s, more string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("_-./:"+more, c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}

// QuoteShell quotes an argument for a POSIX shell.
func QuoteShell(s string) string {
	if isPlain(s, ",+@=") {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// QuoteBatch quotes for CommandLineToArgvW and then hides every character
// that means something to cmd, the quotes themselves included, so that cmd
// never is inside quotes.
func QuoteBatch(s string) string {
	if isPlain(s, `\`) {
		return s
	}
	var b strings.Builder
	slashes := 0
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; c {
		case '\\':
			slashes++
			b.WriteByte(c)
			continue
		case '"':
			b.WriteString(strings.Repeat(`\`, slashes+1) + `"`)
		default:
			b.WriteByte(c)
		}
		slashes = 0
	}
	b.WriteString(strings.Repeat(`\`, slashes) + `"`)
	var out strings.Builder
	for _, r := range b.String() {
		switch {
		case r == '%':
			out.WriteByte('%') // doubled in a batch file
		case strings.ContainsRune(`()!^"<>&|`, r):
			out.WriteByte('^')
		}
		out.WriteRune(r)
	}
	return out.String()
}

// ScriptOf is 107.
func ScriptOf(c backends.Change) (Script, error) {
	var req Script
	if c.Script == nil || len(c.Script.Content) == 0 {
		return req, Invalid("the script is empty")
	}
	if !utf8.Valid(c.Script.Content) {
		return req, Invalid("the script is not UTF-8 text")
	}
	req = Script{HostIdentifier: c.Host.ID, Content: string(c.Script.Content), FileType: c.Params["file_type"], SaveScript: "false", Params: c.Params["params"]}
	if req.FileType == "" {
		switch strings.ToLower(path.Ext(c.Script.Name)) {
		case ".bat", ".cmd":
			req.FileType = typeBatch
		case ".ps1":
			req.FileType = typePowerShell
		case ".sh", ".bash":
			req.FileType = typeShell
		}
	}
	if !wire.IsDigits(req.FileType) || len(req.FileType) > 3 {
		return req, Invalid("what kind of script it is does not show in its name: use .bat, .ps1 or .sh, or file_type (1 batch, 2 PowerShell, 3 shell)")
	}
	switch c.Params["save"] {
	case "", "false":
	case "true":
		req.SaveScript = "true"
		if c.Script.Name == "" {
			return req, Invalid("a script that is kept needs a name")
		}
	default:
		return req, Invalid("save is true or false")
	}
	req.ScriptName = c.Script.Name
	return req, nil
}
