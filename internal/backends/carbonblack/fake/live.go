package fake

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Live response (§9): a session waits for its sensor (PENDING), takes commands
// while it is used (ACTIVE), and is gone (404) when it was left alone or
// closed. A command is pending, then in progress, then complete or error; it
// takes effect when it ends.

type live struct {
	next     int // of session numbers
	files    int // of file ids, over all sessions
	sessions map[string]*session
	registry map[string]map[string]regValue // by device and lower-case key
}

type session struct {
	id       string
	device   *Device
	created  time.Time
	used     time.Time
	polls    int
	active   bool
	commands []*command
	files    map[int64]*liveFile
}

type liveFile struct {
	name string
	body []byte
	done bool
}

type command struct {
	id      int
	body    map[string]any
	status  string
	polls   int
	created time.Time
	ended   time.Time
	code    int64
	desc    string
	fileID  int64
	result  map[string]any
}

type regValue struct {
	Name string `json:"value_name"`
	Type string `json:"value_type"`
	Data any    `json:"value_data"`
}

const (
	hrNotFound  = -2147024894 // 0x80070002
	hrDenied    = -2147024891 // 0x80070005
	hrParameter = -2147024809 // 0x80070057
)

var commonCommands = []string{"put file", "get file", "memdump", "create directory", "delete file", "directory list", "process list", "kill", "create process"}

var registryCommands = []string{"reg enum key", "reg query value", "reg create key", "reg delete key", "reg delete value", "reg set value"}

func (s *session) commandsTaken() []string {
	if s.device.Type == "WINDOWS" {
		return append(slices.Clone(commonCommands), registryCommands...)
	}
	return commonCommands
}

func (s *Server) sessionTimeout() time.Duration {
	if s.opt.SessionTimeout > 0 {
		return s.opt.SessionTimeout
	}
	return 15 * time.Minute
}

// liveResponse is everything below /cblr.
func (s *Server) liveResponse(w http.ResponseWriter, r *http.Request, parts []string) {
	if len(parts) == 0 || parts[0] != "session" {
		s.fail(w, http.StatusNotFound, "Object Not Found")
		return
	}
	// Bodies are read before the lock is taken: a slow client holds nobody up.
	var body []byte
	if r.Method != http.MethodGet && r.Method != http.MethodDelete {
		var err error
		if body, err = io.ReadAll(io.LimitReader(r.Body, 256<<20)); err != nil {
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case len(parts) == 1 && r.Method == http.MethodPut:
		s.closeSession(w, body)
	case len(parts) == 1 && r.Method == http.MethodGet:
		s.listSessions(w)
	case len(parts) == 2 && r.Method == http.MethodPost:
		s.openSession(w, parts[1], body)
	case len(parts) >= 2:
		ses := s.session(parts[1])
		if ses == nil {
			liveNotFound(w, "Session "+parts[1]+" not found")
			return
		}
		s.inSession(w, r, ses, parts[2:], body)
	default:
		s.fail(w, http.StatusMethodNotAllowed, "Method not allowed")
	}
}

func liveNotFound(w http.ResponseWriter, message string) {
	liveReply(w, http.StatusNotFound, map[string]any{"status": "NOT_FOUND", "message": message})
}

func liveReply(w http.ResponseWriter, code int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain values only
	}
	reply(w, code, b)
}

// session finds one that is still there and marks it used.
func (s *Server) session(id string) *session {
	ses := s.live.sessions[id]
	if ses == nil {
		return nil
	}
	now := s.now()
	if now.Sub(ses.used) > s.sessionTimeout() {
		delete(s.live.sessions, id)
		return nil
	}
	ses.used = now
	return ses
}

// present tells whether the device's sensor checks in at all.
func (s *Server) present(d *Device) bool {
	return d.LiveResponse && s.now().UnixMilli()-d.LastContact < (15*time.Minute).Milliseconds()
}

// openSession is POST /cblr/session/{deviceId}; the policy must allow it.
func (s *Server) openSession(w http.ResponseWriter, device string, body []byte) {
	d := s.lookup(device)
	if d == nil {
		liveNotFound(w, "Sensor "+device+" not found")
		return
	}
	var in struct {
		SensorID *int64 `json:"sensor_id"`
	}
	if len(bytes.TrimSpace(body)) > 0 && (json.Unmarshal(body, &in) != nil || in.SensorID != nil && *in.SensorID != d.ID) {
		liveReply(w, http.StatusBadRequest, map[string]any{"success": false, "message": "Invalid request body"})
		return
	}
	policy := d.PolicyID
	if id, ok := s.state.DevicePolicy[d.ID]; ok {
		policy = id
	}
	if !d.LiveResponse || !s.state.Policies[policy].LiveResponse {
		liveReply(w, http.StatusBadRequest, map[string]any{"success": false, "message": "Live Response is disabled for the device"})
		return
	}
	for _, have := range s.live.sessions {
		if have.device == d && s.now().Sub(have.used) <= s.sessionTimeout() {
			have.used = s.now() // an open one is given again
			liveReply(w, http.StatusOK, s.sessionInfo(have))
			return
		}
	}
	s.live.next++
	ses := &session{id: fmt.Sprintf("%d:%d", s.live.next, d.ID), device: d, created: s.now(), used: s.now(), files: map[int64]*liveFile{}}
	s.live.sessions[ses.id] = ses
	s.audit("Opened live response session " + ses.id)
	liveReply(w, http.StatusOK, s.sessionInfo(ses))
}

func (s *Server) closeSession(w http.ResponseWriter, body []byte) {
	var in struct {
		SessionID string `json:"session_id"`
		Status    string `json:"status"`
	}
	if json.Unmarshal(body, &in) != nil || !strings.EqualFold(in.Status, "CLOSE") {
		liveReply(w, http.StatusBadRequest, map[string]any{"success": false, "message": "Invalid request body"})
		return
	}
	ses := s.session(in.SessionID)
	if ses == nil {
		liveNotFound(w, "Session "+in.SessionID+" not found")
		return
	}
	info := s.sessionInfo(ses)
	info["status"] = "CLOSE"
	for id, other := range s.live.sessions {
		if other.device == ses.device { // the others of the device end with it
			delete(s.live.sessions, id)
		}
	}
	liveReply(w, http.StatusOK, info)
}

func (s *Server) listSessions(w http.ResponseWriter) {
	if s.opt.NoSessionList {
		liveReply(w, http.StatusMethodNotAllowed, map[string]any{"success": false, "message": "Method not allowed"})
		return
	}
	out := []any{}
	for _, ses := range s.live.sessions {
		out = append(out, s.sessionInfo(ses))
	}
	liveReply(w, http.StatusOK, out)
}

func (s *Server) sessionInfo(ses *session) map[string]any {
	timeout := int64(s.sessionTimeout() / time.Second)
	out := map[string]any{
		"id": ses.id, "sensor_id": ses.device.ID, "status": "PENDING", "supported_commands": nil, "drives": nil,
		"current_working_directory": nil, "hostname": nil, "address": nil, "os_version": nil, "check_in_timeout": timeout,
		"session_timeout": timeout, "sensor_check_in_time": nil, "current_command_index": len(ses.commands), "create_time": ses.created.UnixMilli(),
	}
	if ses.active {
		out["status"], out["supported_commands"], out["sensor_check_in_time"] = "ACTIVE", ses.commandsTaken(), ses.used.UnixMilli()
		out["drives"], out["current_working_directory"] = []string{`C:\`}, `C:\Windows\system32`
		if ses.device.Type != "WINDOWS" {
			out["drives"], out["current_working_directory"] = []string{"/"}, "/"
		}
	}
	return out
}

// inSession is everything below one session.
func (s *Server) inSession(w http.ResponseWriter, r *http.Request, ses *session, parts []string, body []byte) {
	get := r.Method == http.MethodGet
	switch {
	case len(parts) == 0 && get:
		ses.polls++
		due := ses.polls >= 2
		if s.opt.CheckIn > 0 {
			due = s.now().Sub(ses.created) >= s.opt.CheckIn
		}
		ses.active = ses.active || due && s.present(ses.device)
		liveReply(w, http.StatusOK, s.sessionInfo(ses))
	case len(parts) == 1 && parts[0] == "keepalive" && get:
		liveReply(w, http.StatusOK, s.sessionInfo(ses))
	case len(parts) == 1 && parts[0] == "archive" && get:
		ses.archive(w)
	case !ses.active:
		liveReply(w, http.StatusBadRequest, map[string]any{"success": false, "message": "Session is not active"})
	case len(parts) == 1 && parts[0] == "command" && r.Method == http.MethodPost:
		s.issue(w, ses, body)
	case len(parts) == 1 && parts[0] == "command" && get:
		out := []any{}
		for _, c := range ses.commands {
			out = append(out, c.info(ses))
		}
		liveReply(w, http.StatusOK, out)
	case len(parts) == 2 && parts[0] == "command":
		n, err := strconv.Atoi(parts[1])
		if err != nil || n < 0 || n >= len(ses.commands) {
			liveNotFound(w, "Command "+parts[1]+" not found")
			return
		}
		c := ses.commands[n]
		if r.Method == http.MethodPut && (c.status == "pending" || c.status == "in progress") {
			c.status, c.ended = "cancelled", s.now()
		} else if get {
			s.advance(ses, c)
		}
		liveReply(w, http.StatusOK, c.info(ses))
	case len(parts) >= 1 && parts[0] == "file":
		s.liveFiles(w, r, ses, parts[1:], body)
	default:
		liveNotFound(w, "Object not found")
	}
}

func (ses *session) archive(w http.ResponseWriter) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	n := 0
	for id, f := range ses.files {
		if !f.done {
			continue
		}
		if e, err := z.Create(strconv.FormatInt(id, 10) + "/" + f.name[strings.LastIndexAny(f.name, `/\`)+1:]); err == nil {
			_, _ = e.Write(f.body)
			n++
		}
	}
	if err := z.Close(); err != nil || n == 0 {
		liveReply(w, http.StatusInternalServerError, map[string]any{"success": false, "message": "Internal error"})
		return
	}
	w.Header().Set("Content-Type", "application/zip")
	_, _ = w.Write(b.Bytes())
}

// issue is POST …/command.
func (s *Server) issue(w http.ResponseWriter, ses *session, body []byte) {
	var in map[string]any
	name := ""
	if json.Unmarshal(body, &in) == nil {
		name, _ = in["name"].(string)
	}
	if id, ok := in["session_id"].(string); name == "" || ok && id != ses.id || !slices.Contains(ses.commandsTaken(), name) {
		liveReply(w, http.StatusBadRequest, map[string]any{"success": false, "message": "Invalid command"})
		return
	}
	c := &command{id: len(ses.commands), body: in, status: "pending", created: s.now()}
	if name == "get file" {
		s.live.files++
		c.fileID = int64(10_000 + s.live.files)
		path, _ := in["object"].(string)
		ses.files[c.fileID] = &liveFile{name: path}
	}
	ses.commands = append(ses.commands, c)
	liveReply(w, http.StatusOK, c.info(ses))
}

func (c *command) info(ses *session) map[string]any {
	out := map[string]any{
		"id": c.id, "session_id": ses.id, "sensor_id": ses.device.ID, "command_timeout": 120, "name": c.body["name"],
		"object": c.body["object"], "obj": map[string]any{"name": c.body["name"], "object": c.body["object"]},
		"status": c.status, "create_time": c.created.UnixMilli(), "completion_time": 0,
	}
	if c.fileID > 0 {
		out["file_id"] = c.fileID
	}
	if !c.ended.IsZero() {
		out["completion_time"], out["result_code"], out["result_type"], out["result_desc"] = c.ended.UnixMilli(), c.code, "WinHresult", c.desc
	}
	for k, v := range c.result {
		out[k] = v
	}
	return out
}

// advance moves a command on by one poll; it runs at the second.
func (s *Server) advance(ses *session, c *command) {
	if c.status != "pending" && c.status != "in progress" {
		return
	}
	if c.polls++; c.polls < 2 {
		c.status = "in progress"
		return
	}
	c.ended = s.now()
	c.code, c.desc, c.result = s.run(ses, c)
	c.status = "complete"
	if c.code != 0 {
		c.status = "error"
	}
}

// liveFiles is …/file and below.
func (s *Server) liveFiles(w http.ResponseWriter, r *http.Request, ses *session, parts []string, body []byte) {
	info := func(id int64, f *liveFile) map[string]any {
		sent := 0
		if f.done {
			sent = len(f.body)
		}
		return map[string]any{"id": id, "file_name": f.name, "size": len(f.body), "size_uploaded": sent, "status": 0, "delete": false}
	}
	if len(parts) == 0 {
		switch r.Method {
		case http.MethodPost:
			r.Body = io.NopCloser(bytes.NewReader(body))
			file, head, err := r.FormFile("file")
			if err != nil {
				liveReply(w, http.StatusBadRequest, map[string]any{"success": false, "message": "Invalid upload"})
				return
			}
			defer file.Close()
			b, err := io.ReadAll(file)
			if err != nil {
				return
			}
			s.live.files++
			id := int64(10_000 + s.live.files)
			ses.files[id] = &liveFile{name: head.Filename, body: b, done: true}
			liveReply(w, http.StatusOK, info(id, ses.files[id]))
		case http.MethodGet:
			out := []any{}
			for id, f := range ses.files {
				out = append(out, info(id, f))
			}
			liveReply(w, http.StatusOK, out)
		default:
			s.fail(w, http.StatusMethodNotAllowed, "Method not allowed")
		}
		return
	}
	id, err := strconv.ParseInt(parts[0], 10, 64)
	f := ses.files[id]
	switch {
	case err != nil || f == nil:
		liveNotFound(w, "File "+parts[0]+" not found")
	case len(parts) == 1 && r.Method == http.MethodGet:
		liveReply(w, http.StatusOK, info(id, f))
	case len(parts) == 1 && r.Method == http.MethodDelete:
		delete(ses.files, id)
		reply(w, http.StatusOK, nil)
	case len(parts) == 2 && parts[1] == "content" && r.Method == http.MethodGet && f.done:
		w.Header().Set("Content-Type", "application/octet-stream")
		r.Header.Del("Range") // no ranges: the whole file each time
		http.ServeContent(w, r, "", f.timeless(), bytes.NewReader(f.body))
	default:
		liveNotFound(w, "File "+parts[0]+" not found")
	}
}

// timeless keeps ServeContent from sending a Last-Modified.
func (f *liveFile) timeless() time.Time { return time.Time{} }
