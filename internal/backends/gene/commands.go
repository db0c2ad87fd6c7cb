package gene

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/lazyregexp"
)

// noopCommand is the command that carries a fetch and that takes another's
// place: every system has it, and it changes nothing.
const noopCommand = "hostname"

// ownTimeout is the time-out of our own PowerShell commands: a busy machine
// takes more than the 15 s that newer managers give when none is named.
const ownTimeout = time.Minute

// agentCommand is a change as a command.
type agentCommand struct {
	words    []string
	body     wire.CommandRequest
	summary  string
	warnings []string
}

// buildCommand makes the command of a change. Nothing is asked.
func buildCommand(what string, c backends.Change, ep endpoint) (agentCommand, error) {
	o := agentCommand{}
	limit := c.Timeout
	own := func(words ...string) {
		o.words = words
		if limit == 0 {
			limit = ownTimeout
		}
	}
	var err error
	switch c.Verb {
	case backends.VerbRun:
		if len(c.Command) == 0 || c.Command[0] == "" {
			return o, backends.Invalid(what, "no command is named")
		}
		o.words, o.summary = c.Command, "runs "+wire.QuoteCommand(c.Command)+" as the agent's user (SYSTEM)"
	case backends.VerbScript:
		o.words, o.summary, err = script(what, c.Script, ep)
	case backends.VerbKill:
		if c.PID <= 4 {
			return o, backends.Invalid(what, fmt.Sprintf("pid %d is of the system itself", c.PID))
		}
		pid := strconv.FormatInt(c.PID, 10)
		o.summary = "ends process " + pid
		switch {
		case c.Path != "" && ep.windows():
			if err = absolute(what, c.Path, ep); err == nil {
				own(powershell(killScript(c.PID, c.Path))...)
				o.summary += ", if its path is " + c.Path
			}
		case c.Path != "":
			return o, backends.Unsupported(Name, what, "leave the path out: only Windows agents are known to compare it")
		case !ep.windows():
			o.words = []string{"kill", "-9", pid}
		case ep.SystemInfo != nil: // only agents that know terminate send it
			o.words = []string{"terminate", pid}
		default:
			own("taskkill", "/F", "/PID", pid)
		}
		if c.Path == "" {
			o.warnings = append(o.warnings, "the manager knows no processes: without the path nobody checks that the pid is still the process you mean")
		}
	case backends.VerbDeleteFile:
		if err = absolute(what, c.Path, ep); err != nil {
			return o, err
		}
		o.summary = "permanently deletes " + c.Path
		if own(powershell(deleteScript(c.Path))...); !ep.windows() {
			own("rm", "--", c.Path)
		}
	case backends.VerbIsolate:
		o.words, o.summary = []string{"contain"}, "cuts the endpoint off the network, except for the manager"
	case backends.VerbRelease:
		o.words, o.summary = []string{"uncontain"}, "lets the endpoint back on the network"
	case backends.VerbCarve:
		if err = absolute(what, c.Path, ep); err != nil {
			return o, err
		}
		o.words, o.body.Fetch, o.summary = []string{noopCommand}, []string{c.Path}, "collects "+c.Path
	case backends.VerbCancel:
		o.words, o.summary = []string{noopCommand}, "puts a harmless command in the place of the one that has not been picked up"
	default:
		return o, backends.Unsupported(Name, what, "")
	}
	if err != nil {
		return o, err
	}
	if err := writable(what, append(o.words[:len(o.words):len(o.words)], o.body.Fetch...)...); err != nil {
		return o, err
	}
	if limit < 0 {
		return o, backends.Invalid(what, "the time-out is negative")
	}
	o.body.Line, o.body.Timeout = wire.QuoteCommand(o.words), limit.Nanoseconds()
	return o, nil
}

var drivePath = lazyregexp.New(`^(?:[A-Za-z]:[\\/]|\\\\)`)

// absolute refuses a path that would be looked for in the agent's folder, or
// that no system has.
func absolute(what, p string, ep endpoint) error {
	switch {
	case ep.windows() && !drivePath.MatchString(p), !ep.windows() && !path.IsAbs(p):
		return backends.Invalid(what, fmt.Sprintf("%q is not an absolute path: the agent would look in its own folder", p))
	case ep.windows() && strings.ContainsAny(p, "\"\r\n"):
		return backends.Invalid(what, fmt.Sprintf("%q is not a path of Windows", p))
	}
	return nil
}

func powershell(script string) []string {
	return []string{"powershell.exe", "-NoProfile", "-NonInteractive", "-Command", script}
}

// psLiteral writes a PowerShell string in single quotes. PowerShell takes the
// typographic ones for the same, and a doubled one for itself.
func psLiteral(s string) string {
	var b strings.Builder
	b.WriteByte('\'')
	for _, r := range s {
		switch r {
		case '\'', '\u2018', '\u2019', '\u201a', '\u201b':
			b.WriteRune(r)
		}
		b.WriteRune(r)
	}
	b.WriteByte('\'')
	return b.String()
}

// The scripts hold no double quote: they are one argument of a program on
// Windows, where quoting of those is each program's own.

func killScript(pid int64, path string) string {
	return "$ErrorActionPreference = 'Stop'; " +
		fmt.Sprintf("$p = Get-Process -Id %d -ErrorAction SilentlyContinue; ", pid) +
		"if (-not $p) { [Console]::Error.WriteLine('no process has this pid'); exit 2 }; " +
		"if ($p.Path -ne " + psLiteral(path) + ") { [Console]::Error.WriteLine('the pid is of ' + $p.Path + ': it was left alone'); exit 3 }; " +
		"$p.Kill()"
}

func deleteScript(path string) string {
	p := psLiteral(path)
	return "$ErrorActionPreference = 'Stop'; " +
		"if (-not (Test-Path -LiteralPath " + p + " -PathType Leaf)) { [Console]::Error.WriteLine('there is no such file'); exit 2 }; " +
		"Remove-Item -LiteralPath " + p + " -Force"
}

// maxCommandLine is what Windows takes as a command line, in characters.
const maxCommandLine = 32000

// script hands a script over on the command line. The drop-files of a command
// are not way: they are paths on the manager's own disk (docs/wire/gene.md 5).
func script(what string, s *backends.Script, ep endpoint) (words []string, summary string, err error) {
	const dropped = "the manager drops only files of its own disk, so a script must fit on the command line: "
	switch {
	case s == nil || len(s.Content) == 0:
		return nil, "", backends.Invalid(what, "the script is empty")
	case ep.windows() && strings.EqualFold(path.Ext(s.Name), ".ps1"):
		text := strings.TrimPrefix(string(s.Content), "\ufeff")
		if err := writable(what, text); err != nil {
			return nil, "", err
		}
		words = []string{
			"powershell.exe", "-NoProfile", "-NonInteractive", "-OutputFormat", "Text", "-ExecutionPolicy", "Bypass",
			"-EncodedCommand", encodePowerShell(text),
		}
	case ep.windows():
		return nil, "", backends.Unsupported(Name, what, dropped+"only PowerShell (.ps1) can be; a batch file's lines can be run with respond run -- cmd.exe /c …")
	default:
		words = []string{"sh", "-c", string(s.Content)}
	}
	n := 0
	for _, w := range words {
		n += len(w) + 3
	}
	if n > maxCommandLine {
		e := backends.Invalid(what, fmt.Sprintf("it is too long: as a command line it has %d characters of %d", n, maxCommandLine))
		e.Hint = dropped + "put it where the endpoint can read it, and run it from there"
		return nil, "", e
	}
	return words, fmt.Sprintf("runs the script %s (%d bytes) as the agent's user (SYSTEM)", path.Base(s.Name), len(s.Content)), nil
}

// encodePowerShell is a script as -EncodedCommand takes it: base64 of UTF-16LE.
func encodePowerShell(text string) string {
	units := utf16.Encode([]rune(text))
	b := make([]byte, 0, 2*len(units))
	for _, u := range units {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return base64.StdEncoding.EncodeToString(b)
}

// slot reads the endpoint's command; nil when there is none. sink is reported of
// each fetched file and gives where its content goes; nil, or a nil writer:
// only its size and hash are taken. The answer is streamed, as it holds every
// file whole.
//
// It is a plain GET: wait=true would leave the manager polling for ever for
// an agent that does not come back (docs/wire/gene.md 5, trap 18).
func (d *Driver) slot(ctx context.Context, uuid string, sink func(command, path string) io.Writer) (*wire.Command, error) {
	if !wire.IsUUID(uuid) {
		return nil, backends.NotFound("endpoint", uuid)
	}
	st, err := d.c.Open(ctx, client.Call{Path: wire.CommandPath(uuid)})
	if err != nil {
		return nil, err
	}
	defer func() { _ = st.Body.Close() }() // what matters was read or is an error
	return wire.ReadCommand(st.Body, sink)
}

func postCommand(uuid string, body wire.CommandRequest) client.Call {
	return client.Call{Method: http.MethodPost, Path: wire.CommandPath(uuid), JSON: body}
}

// writable refuses what cannot arrive as it was meant.
func writable(what string, words ...string) error {
	for _, w := range words {
		if !utf8.ValidString(w) {
			return backends.Invalid(what, strconv.Quote(w)+" is not UTF-8: it would arrive changed")
		}
		if strings.ContainsRune(w, 0) {
			return backends.Invalid(what, strconv.Quote(w)+" holds a NUL, which no command line can")
		}
	}
	return nil
}
