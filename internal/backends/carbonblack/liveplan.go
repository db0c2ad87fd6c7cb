package carbonblack

import (
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/catalog"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

// livePlan is a change as commands of live response.
type livePlan struct {
	summary  string
	warnings []string
	limit    time.Duration
	kill     bool             // the process list is read first
	upload   *backends.Script // put on the device first
	put      string           // where
	main     wire.CommandRequest
	fetch    string   // file collected after main: output, or the dump
	after    []string // files deleted on the device at the end
}

// token is a part of a file name that nobody guesses.
func token() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))[:12]
}

// onWindows reports whether a host's paths are of Windows; it is what most are.
func onWindows(h *model.Host, path string) bool {
	if h != nil && h.OS != nil && h.OS.Platform != "" {
		return h.OS.Platform == "windows"
	}
	return !strings.HasPrefix(path, "/")
}

// tempFile names a file of ours on a device, as the vendor's client does.
func tempFile(windows bool, name, ext string) string {
	if windows {
		return `c:\windows\temp\cblr.` + name + ext
	}
	return "/tmp/cblr." + name + ext
}

// planLive turns a change into commands; name is the random part of files it makes.
func planLive(c backends.Change, name string) (*livePlan, error) {
	what := whatOf(c.Verb)
	windows := onWindows(c.Host, c.Path)
	p := &livePlan{limit: commandTime}
	switch c.Verb {
	case backends.VerbKill:
		if c.PID <= 0 {
			return nil, backends.Invalid(what, fmt.Sprintf("%d is not a pid", c.PID))
		}
		p.kill, p.limit, p.main = true, killTime, wire.CommandRequest{Name: cmdKill, Object: c.PID}
		p.summary = fmt.Sprintf("kills process %d, if it is there and its path is %s", c.PID, c.Path)
		if c.Path == "" {
			p.summary = fmt.Sprintf("kills process %d, whatever it is by then", c.PID)
			p.warnings = append(p.warnings, "without a path nothing tells whether the pid is still the process that was meant")
		}
	case backends.VerbDeleteFile:
		p.main = wire.CommandRequest{Name: cmdDeleteFile, Object: c.Path}
		p.summary = "deletes " + c.Path
	case backends.VerbCarve:
		o := wire.CommandRequest{Name: cmdGetFile, Object: c.Path}
		var err error
		if o.Offset, err = numberParam(what, c, paramOffset); err != nil {
			return nil, err
		}
		if o.GetCount, err = numberParam(what, c, paramCount); err != nil {
			return nil, err
		}
		p.main, p.limit = o, getFileTime
		p.summary = "collects " + c.Path
	case backends.VerbMemdump:
		tmp := tempFile(windows, name, ".tmp")
		p.main, p.limit = wire.CommandRequest{Name: cmdMemdump, Object: tmp, Compress: true}, memdumpTime
		p.fetch = tmp + ".zip" // where a compressed dump is (§9.5)
		p.after = []string{p.fetch}
		p.summary = "dumps the whole memory to " + p.fetch + ", collects it and deletes it there"
		p.warnings = append(p.warnings, "the disk of the device needs room for its memory, and the sensor time to upload it")
	case backends.VerbRun, backends.VerbScript:
		args := c.Command
		if c.Verb == backends.VerbScript {
			if c.Script == nil || len(c.Script.Content) == 0 {
				return nil, backends.Invalid(what, "the script is empty")
			}
			ext := extension(c.Script.Name)
			p.upload, p.put = c.Script, tempFile(windows, name, ext)
			var err error
			if args, err = interpreter(what, windows, ext, p.put); err != nil {
				return nil, err
			}
			args = append(args, c.Command...)
			p.after = append(p.after, p.put)
		}
		line, err := commandLine(windows, args)
		if err != nil {
			return nil, backends.Invalid(what, err.Error())
		}
		p.fetch = tempFile(windows, name, ".tmp")
		p.after = append(p.after, p.fetch)
		p.main = wire.CommandRequest{Name: cmdRun, Object: line, Wait: true, OutputFile: p.fetch, WorkingDirectory: c.Params[paramDirectory]}
		p.summary = "runs " + line
		if p.upload != nil {
			p.summary = fmt.Sprintf("puts %s (%d bytes) on the device and runs %s", c.Script.Name, len(c.Script.Content), line)
		}
	}
	if text, ok := p.main.Object.(string); ok && strings.ContainsRune(text, 0) {
		return nil, backends.Invalid(what, "there is a NUL in it")
	}
	if c.Timeout > 0 {
		p.limit = c.Timeout
	}
	return p, nil
}

// extension is the end of a file's name, in lower case; of an odd one nothing.
func extension(name string) string {
	name = strings.ToLower(model.BaseName(name))
	i := strings.LastIndexByte(name, '.')
	if i < 0 || len(name)-i > 8 || strings.Trim(name[i+1:], "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return ""
	}
	return name[i:]
}

func numberParam(what string, c backends.Change, name string) (*int64, error) {
	v := c.Params[name]
	if v == "" {
		return nil, nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 {
		return nil, backends.Invalid(what, fmt.Sprintf("%s %q is not a number of bytes", name, v))
	}
	return &n, nil
}

// interpreter is how a script of an extension is started.
func interpreter(what string, windows bool, ext, file string) ([]string, error) {
	if !windows {
		switch ext {
		case ".py":
			return []string{"/usr/bin/env", "python3", file}, nil
		case ".bash":
			return []string{"/bin/bash", file}, nil
		}
		return []string{"/bin/sh", file}, nil
	}
	switch ext {
	case ".ps1":
		return []string{"powershell.exe", "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-File", file}, nil
	case ".bat", ".cmd":
		return []string{"cmd.exe", "/c", file}, nil
	case ".vbs", ".js", ".wsf":
		return []string{"cscript.exe", "//nologo", file}, nil
	case ".exe":
		return []string{file}, nil
	}
	return nil, backends.Invalid(what, fmt.Sprintf("nothing on Windows runs a script that ends in %q: .ps1 .bat .cmd .vbs .js .wsf .exe do", ext))
}

// commandLine writes arguments as the one line that create process takes, so
// that the program's own parser gives them back as they were: the rules of
// CommandLineToArgvW on Windows, of the shell elsewhere.
func commandLine(windows bool, args []string) (string, error) {
	if len(args) == 0 || strings.TrimSpace(args[0]) == "" {
		return "", errors.New("the command is empty")
	}
	quoted := make([]string, len(args))
	for i, a := range args {
		if strings.ContainsRune(a, 0) {
			return "", errors.New("there is a NUL in the command")
		}
		if windows {
			quoted[i] = quoteWindows(a)
		} else {
			quoted[i] = quoteShell(a)
		}
	}
	return strings.Join(quoted, " "), nil
}

func quoteWindows(s string) string {
	if s != "" && !strings.ContainsAny(s, " \t\r\n\v\"") {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	slashes := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			slashes++
		case '"':
			// Backslashes before a quote count double; the quote needs one more.
			b.WriteString(strings.Repeat(`\`, slashes+1))
			slashes = 0
		default:
			slashes = 0
		}
		b.WriteByte(s[i])
	}
	b.WriteString(strings.Repeat(`\`, slashes))
	b.WriteByte('"')
	return b.String()
}

func quoteShell(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./=:,@%+", r)
	}
	if s != "" && strings.TrimFunc(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// calls are the requests inside the session, for a preview.
func (p *livePlan) calls(session string) []client.Call {
	var out []client.Call
	issue := func(o wire.CommandRequest) {
		o.SessionID = session
		out = append(out, client.Call{Method: http.MethodPost, Path: catalog.Base + "/cblr/session/" + session + "/command", JSON: o})
	}
	if p.upload != nil {
		out = append(out, uploadCall(session, p.upload))
		issue(wire.CommandRequest{Name: cmdPutFile, Object: p.put, FileID: unknownYet})
	}
	if p.kill {
		issue(wire.CommandRequest{Name: cmdProcesses})
	}
	issue(p.main)
	if p.fetch != "" {
		issue(wire.CommandRequest{Name: cmdGetFile, Object: p.fetch})
	}
	for _, f := range p.after {
		issue(wire.CommandRequest{Name: cmdDeleteFile, Object: f})
	}
	return out
}

func uploadCall(session string, s *backends.Script) client.Call {
	return client.Call{Method: http.MethodPost, Path: catalog.Base + "/cblr/session/" + session + "/file",
		Parts: []client.Part{{Name: "file", FileName: model.BaseName(s.Name), Body: s.Content}}}
}
