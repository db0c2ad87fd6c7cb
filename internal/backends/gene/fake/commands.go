package fake

import (
	"encoding/json"
	"net/http"
	"path"
	"strings"
	"time"
)

// command is the one slot an endpoint has.
type command struct {
	UUID     string          `json:"uuid"`
	Line     []string        `json:"line"`
	Fetch    []string        `json:"fetch"`
	FetchIDs []string        `json:"fetch_ids"`
	Drop     []file          `json:"drop"`
	Timeout  int64           `json:"timeout"`
	At       time.Time       `json:"at"`
	Host     string          `json:"host"`
	Online   bool            `json:"online"`
	JSON     json.RawMessage `json:"json,omitempty"`
	NoFile   bool            `json:"no_file,omitempty"` // it was to delete a file that is not there
}

type file struct {
	UUID  string `json:"uuid"`
	Name  string `json:"name"`
	Data  []byte `json:"data"`
	Error string `json:"error"`
}

// progress tells how far the simulated agent is.
func (s *Server) progress(cmd *command) (sent, done bool, at time.Time) {
	if !cmd.Online || s.opt.AgentDelay < 0 {
		return false, false, time.Time{}
	}
	age := s.opt.Now().Sub(cmd.At)
	return age >= s.opt.AgentDelay/2, age >= s.opt.AgentDelay, cmd.At.Add(s.opt.AgentDelay / 2)
}

// fetched is the fetch map as far as it has come.
func (s *Server) fetched(cmd *command, done bool) map[string]file {
	out := map[string]file{}
	for i, p := range cmd.Fetch {
		f := file{UUID: cmd.FetchIDs[i]}
		if done {
			if content, ok := s.fileOf(cmd.Host, p); ok {
				f.Data = content
			} else {
				f.Error = "open " + p + ": The system cannot find the file specified."
			}
		}
		out[p] = f
	}
	return out
}

// fileOf is what an endpoint has under a path, upper and lower case being the
// same there.
func (s *Server) fileOf(host, path string) ([]byte, bool) {
	if s.st.Deleted[host+"|"+strings.ToLower(path)] {
		return nil, false
	}
	for _, files := range []map[string][]byte{s.data.Files[host], s.data.Files[""]} {
		for p, content := range files {
			if strings.EqualFold(p, path) {
				return content, true
			}
		}
	}
	return nil, false
}

// removes is the file that a PowerShell command deletes, "" for none.
func removes(words []string) string {
	if len(words) == 0 || !strings.HasPrefix(strings.ToLower(words[0]), "powershell") {
		return ""
	}
	_, rest, ok := strings.Cut(words[len(words)-1], "Remove-Item -LiteralPath '")
	if !ok {
		return ""
	}
	rest = strings.ReplaceAll(rest, "''", "\x00")
	rest, _, _ = strings.Cut(rest, "'")
	return strings.ReplaceAll(rest, "\x00", "'")
}

// output is what a command prints; edr tells the names agents treat
// themselves, which answer in json on the newest managers.
func (s *Server) output(cmd *command) (stdout, stderr []byte, fault string, edr any) {
	name, args := "", []string(nil)
	if len(cmd.Line) > 0 {
		name, args = cmd.Line[0], cmd.Line[1:]
	}
	base := strings.ToLower(strings.TrimSuffix(strings.ToLower(path.Base(strings.ReplaceAll(name, `\`, "/"))), ".exe"))
	if s.is(Head) {
		switch base {
		case "processes", "modules", "drivers", "osquery", "ls", "walk", "find", "report":
			return nil, nil, "", []map[string]any{{"image": "System", "pid": 4}}
		case "terminate", "hash", "stat", "rexhash", "sysmon":
			return nil, nil, "", map[string]any{"command": name, "args": args}
		}
	}
	if cmd.NoFile {
		return nil, []byte("there is no such file\r\n"), "exit status 2", nil
	}
	switch base {
	case "contain", "uncontain", "powershell":
		return nil, nil, "", nil
	case "":
		return nil, nil, "exec: no command", nil
	case "whoami":
		return []byte("nt authority\\system\r\n"), nil, "", nil
	case "hostname":
		return []byte(cmd.Host + "\r\n"), nil, "", nil
	case "nosuchcommand":
		return nil, nil, `exec: "` + name + `": executable file not found in %PATH%`, nil
	case "fail":
		return nil, []byte("failed\r\n"), "exit status 1", nil
	case "taskkill":
		return []byte("SUCCESS: The process has been terminated.\r\n"), nil, "", nil
	}
	return []byte(strings.Join(cmd.Line, " ") + "\r\n"), nil, "", nil
}

// commandView is the Command object (docs/wire/gene.md 5).
func (s *Server) commandView(cmd *command) json.RawMessage {
	sent, done, at := s.progress(cmd)
	name, args := "", []string(nil)
	if len(cmd.Line) > 0 {
		name = cmd.Line[0]
		if len(cmd.Line) > 1 {
			args = cmd.Line[1:]
		}
	}
	var stdout, stderr []byte
	var fault string
	var edr any
	drop := append([]file{}, cmd.Drop...)
	if done {
		stdout, stderr, fault, edr = s.output(cmd)
		args = cmd.Line
		for i := range drop {
			drop[i].Data = nil
		}
		if name != "" && !strings.ContainsAny(name, `\/`) && edr == nil && name != "contain" && name != "uncontain" {
			name = `C:\Windows\system32\` + name
		}
	}
	o := object{}
	o.put("uuid", cmd.UUID)
	o.put("name", name)
	o.put("args", args)
	o.put("drop", drop)
	o.put("fetch", s.fetched(cmd, done))
	if s.is(Head) {
		o.put("json", edr)
	}
	o.put("stdout", stdout)
	o.put("stderr", stderr)
	o.put("error", fault)
	o.put("sent", sent)
	o.put("background", false)
	o.put("completed", done)
	if !s.is(V170) {
		o.put("expect-json", edr != nil)
	}
	o.put("timeout", cmd.Timeout)
	if !sent {
		at = time.Time{}
	}
	o.put("sent-time", at.UTC())
	return o.done()
}

func (c *call) postCommand() {
	s := c.s
	body, ok := c.body()
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m := c.find(true)
	if m == nil {
		return
	}
	var doc struct {
		Line    string   `json:"command-line"`
		Fetch   []string `json:"fetch-files"`
		Drop    []string `json:"drop-files"`
		Timeout *int64   `json:"timeout"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		text := err.Error()
		if strings.Contains(text, "timeout") {
			text = "json: cannot unmarshal string into Go struct field CommandAPI.timeout of type time.Duration"
		}
		c.fail(text)
		return
	}
	words, err := splitCommand(doc.Line)
	if err != nil {
		switch {
		case s.is(Head):
			c.fail("failed to create command to execute: failed to parse command line: " + err.Error())
		case s.is(V170):
			c.fail("Failed to create command to execute: failed to parse command line:\u00a0" + err.Error())
		default:
			c.fail("Failed to create command to execute: failed to parse command line: " + err.Error())
		}
		return
	}
	cmd := &command{UUID: newUUID(), Line: words, Fetch: doc.Fetch, At: s.opt.Now()}
	if m.Source >= 0 && m.UUID != "" {
		cmd.Host, cmd.Online = s.data.Endpoints[m.Source].Hostname, s.data.Endpoints[m.Source].Online
	}
	for range doc.Fetch {
		cmd.FetchIDs = append(cmd.FetchIDs, newUUID())
	}
	switch {
	case doc.Timeout != nil:
		cmd.Timeout = *doc.Timeout
	case s.is(Head):
		cmd.Timeout = int64(15 * time.Second)
	}
	// drop-files are on the manager's own disk: there are none.
	if m.UUID == "" && !containsMachine(s.st.Endpoints, m) {
		s.st.Endpoints = append(s.st.Endpoints, m) // trap 2: the phantom is kept
	}
	if len(words) > 0 && m.UUID != "" {
		switch words[0] {
		case "contain":
			m.Isolated = true
		case "uncontain":
			m.Isolated = false
		}
	}
	if p := removes(words); p != "" && cmd.Online {
		_, there := s.fileOf(cmd.Host, p)
		cmd.NoFile = !there
		s.st.Deleted[cmd.Host+"|"+strings.ToLower(p)] = true
	}
	s.st.Commands[key(m)] = cmd
	c.ok(s.view(m, true, true))
}

func containsMachine(list []*machine, m *machine) bool {
	for _, x := range list {
		if x == m {
			return true
		}
	}
	return false
}

func (c *call) getCommand() {
	s := c.s
	s.mu.Lock()
	m := c.find(true)
	if m == nil {
		s.mu.Unlock()
		return
	}
	cmd := s.st.Commands[key(m)]
	s.mu.Unlock()
	if cmd == nil {
		c.ok(nil)
		return
	}
	if c.flag("wait") && !s.is(V170) {
		// The real server polls every 50 ms, and loses the answer after 15 s.
		for deadline := time.Now().Add(15 * time.Second); ; {
			if _, done, _ := s.progress(cmd); done {
				break
			}
			select {
			case <-time.After(50 * time.Millisecond):
			case <-c.r.Context().Done():
				return
			case <-s.stop:
				panic(http.ErrAbortHandler)
			}
			if time.Now().After(deadline) {
				panic(http.ErrAbortHandler)
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.ok(s.commandView(cmd))
}

func (c *call) getCommandField() {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	m := c.find(true)
	if m == nil {
		return
	}
	cmd := s.st.Commands[key(m)]
	if cmd == nil {
		c.fail("Command is not set for endpoint: " + c.uuid)
		return
	}
	_, done, _ := s.progress(cmd)
	var stdout, stderr []byte
	var fault string
	if done {
		stdout, stderr, fault, _ = s.output(cmd)
	}
	switch f := c.args[1]; {
	case f == "stdout":
		c.ok(stdout)
	case f == "stderr":
		c.ok(stderr)
	case f == "error":
		c.ok(fault)
	case f == "completed":
		c.ok(done)
	case f == "files", f == "fetch" && !s.is(V170):
		c.ok(s.fetched(cmd, done))
	default:
		c.fail("Field " + f + " not handled")
	}
}
