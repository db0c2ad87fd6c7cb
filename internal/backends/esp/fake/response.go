package fake

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// action is one response action on one or more hosts (§13).
type action struct {
	ID       int             `json:"id"` // openc2_id
	Action   string          `json:"action"`
	Target   string          `json:"target"`
	Command  json.RawMessage `json:"command"`
	Script   string          `json:"script"`
	Created  time.Time       `json:"created"`
	Commands []command       `json:"commands"`
	Output   string          `json:"output"`
}

// command is an action on one host.
type command struct {
	ID        int    `json:"id"`
	CommandID string `json:"command_id"`
	NodeID    int    `json:"node_id"`
	Cancelled bool   `json:"cancelled"`
}

// now tells how far a command is: a host that is online answers after 2 s.
func (s *Server) commandState(a *action, c *command) (status, message, data string) {
	switch h := s.host(c.NodeID); {
	case c.Cancelled:
		return "cancelled", "", ""
	case h == nil || !s.isActive(h):
		return "received", "", ""
	case s.now().Sub(a.Created) < 2*time.Second:
		return "received", "", ""
	case a.Target == "file":
		return "success", "FILE_DELETED", "NA"
	}
	return "success", "", a.Output
}

func (s *Server) addAction(r *request, hosts, act, target string, object_ any, script, output string) (*action, *reply) {
	var nodes []*Host
	for _, ident := range trimmed(hosts) {
		h := s.hostByIdentifier(ident)
		if h == nil {
			rep := fail("Please provide a valid host identifier")
			return nil, &rep
		}
		nodes = append(nodes, h)
	}
	if tags := trimmed(r.str("tags")); len(tags) > 0 {
		for _, h := range s.enabledHosts(true) {
			if slices.ContainsFunc(s.hostTags(h.ID), func(t string) bool { return slices.Contains(tags, t) }) && !slices.Contains(nodes, h) {
				nodes = append(nodes, h)
			}
		}
	}
	if len(nodes) == 0 {
		rep := fail("Please provide a valid host identifier")
		return nil, &rep
	}
	body, err := json.Marshal(object{{"action", act}, {"actuator", object{{"endpoint", "polylogyx_vasp"}}}, {"target", object{{target, object_}}}})
	if err != nil {
		rep := crash()
		return nil, &rep
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := action{ID: s.st.next("openc2", 0), Action: act, Target: target, Command: body, Script: script, Created: s.now(), Output: output}
	for _, h := range nodes {
		n := s.st.next("command", 0)
		a.Commands = append(a.Commands, command{ID: n, CommandID: fmt.Sprintf("2c92808478edeff2%016x", n), NodeID: h.ID})
	}
	s.st.Actions = append(s.st.Actions, a)
	return &a, nil
}

func (s *Server) actions() []action {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := slices.Clone(s.st.Actions)
	slices.Reverse(out)
	return out
}

func responseList(s *Server, r *request) reply {
	all := s.actions()
	from, to := r.slice(len(all), 10, false)
	rows := []any{}
	for i := range all[from:to] {
		a := &all[from+i]
		done := 0
		for j := range a.Commands {
			if st, _, _ := s.commandState(a, &a.Commands[j]); st != "received" {
				done++
			}
		}
		rows = append(rows, object{{"id", a.ID}, {"action", a.Action}, {"command", a.Command}, {"created_at", spaceTime(a.Created)}, {"updated_at", spaceTime(a.Created)},
			{"script_name", orNull(a.Script)}, {"target", a.Target}, {"Executed", fmt.Sprintf("%d/%d", done, len(a.Commands))}})
	}
	return ok("Successfully fetched the responses info", object{{"count", len(all)}, {"total_count", len(all)}, {"results", rows}})
}

func (s *Server) commandRow(a *action, c *command, list bool) object {
	st, msg, data := s.commandState(a, c)
	o := object{{"id", c.ID}, {"command", a.Command}, {"created_at", spaceTime(a.Created)}, {"updated_at", spaceTime(a.Created)}, {"node_id", c.NodeID},
		{"command_id", c.CommandID}, {"status", st}, {"message", orNull(msg)}, {"data", orNull(data)}}
	if list {
		name := ""
		if h := s.host(c.NodeID); h != nil {
			name = h.Name
		}
		o = append(o, object{{"hostname", name}, {"target", a.Target}, {"action", a.Action}}...)
	}
	return o
}

func responseView(s *Server, r *request) reply {
	for _, a := range s.actions() {
		if a.ID != r.num("openc2_id", 0) {
			continue
		}
		from, to := r.slice(len(a.Commands), 10, false)
		rows := []any{}
		for i := range a.Commands[from:to] {
			rows = append(rows, s.commandRow(&a, &a.Commands[from+i], true))
		}
		return ok("Successfully fetched the responses info", object{{"count", len(a.Commands)}, {"total_count", len(a.Commands)}, {"results", rows}})
	}
	return ok("Successfully fetched the responses info", object{{"count", 0}, {"total_count", 0}, {"results", []any{}}})
}

func responseExport(s *Server, _ *request) reply {
	rows := [][]string{{"id", "action", "target", "command", "created_at", "updated_at"}}
	for _, a := range s.actions() {
		rows = append(rows, []string{strconv.Itoa(a.ID), a.Action, a.Target, string(a.Command), spaceTime(a.Created), spaceTime(a.Created)})
	}
	return csvReply("response.csv", rows)
}

func (s *Server) command(id string) (*action, *command) {
	for _, a := range s.actions() {
		for i := range a.Commands {
			if a.Commands[i].CommandID == id {
				return &a, &a.Commands[i]
			}
		}
	}
	return nil, nil
}

func responseGet(s *Server, r *request) reply {
	a, c := s.command(r.path["command_id"])
	if a == nil {
		return fail("No command exists with this command id")
	}
	return ok("Successfully received the command status", s.commandRow(a, c, false))
}

func responseStatus(s *Server, r *request) reply {
	h := s.hostArg(r)
	if h == nil {
		return noHost()
	}
	return reply{json: object{{"status", "success"}, {"message", "Successfully received the status"}, {"responseEnabled", true}, {"endpointOnline", s.isActive(h)}}}
}

func responseStatusAll(s *Server, _ *request) reply {
	rows := []any{}
	for _, h := range s.enabledHosts(true) {
		state := "OFFLINE"
		if s.isActive(h) {
			state = "ONLINE"
		}
		rows = append(rows, object{{"hostIdentifier", h.Identifier}, {"epName", h.Name}, {"onlineStatus", state}, {"responseEnabled", true}, {"endpointOnline", s.isActive(h)}, {"host_degraded", false}})
	}
	return ok("Successfully fetched the response action status of all hosts", rows)
}

func responseRestart(s *Server, r *request) reply {
	a, bad := s.addAction(r, r.str("host_identifier"), "restart", "agent", object{}, "", "")
	if bad != nil {
		return *bad
	}
	return reply{json: object{{"status", "success"}, {"message", "Action to restart agent is added successfully"}, {"openc2_id", a.ID}, {"command_id", a.Commands[0].CommandID}}}
}

func responseAdd(s *Server, r *request) reply {
	act, target := r.str("action"), r.str("target")
	var what any
	switch {
	case target == "file" && act == "delete":
		if r.str("file_name") == "" && r.str("file_hash") == "" {
			return fail("file_name or file_hash is required!")
		}
		what = object{{"name", r.str("file_name")}, {"hashes", object{{"md5", r.str("file_hash")}}}}
	case target == "process" && act == "stop":
		if r.str("process_name") == "" && r.str("pid") == "" {
			return fail("process_name or pid is required!")
		}
		what = object{{"name", r.str("process_name")}, {"pid", r.str("pid")}}
	case target == "ip_connection" && (act == "contain" || act == "delete"):
		if r.str("rule_name") == "" {
			return fail("rule_name is required!")
		}
		o := object{}
		for _, n := range []string{"rule_name", "rule_group", "src_port", "dst_port", "dst_addr", "application", "direction", "layer4_protocol"} {
			if r.has(n) {
				o = append(o, member{n, r.str(n)})
			}
		}
		what = o
	default:
		return fail("Action provided is not valid for the target!")
	}
	a, bad := s.addAction(r, r.str("actuator_id"), act, target, what, "", "")
	if bad != nil {
		return *bad
	}
	rep := object{{"status", "success"}, {"message", "Successfully sent the response command"}}
	if len(a.Commands) == 1 {
		rep = append(rep, member{"command_id", a.Commands[0].CommandID})
	}
	return reply{json: append(rep, member{"openc2_id", a.ID})}
}

func (s *Server) script(r *request) (*action, *reply) {
	content := r.str("content")
	if f, sent := r.files["file"]; sent {
		content = string(f.body)
	}
	if content == "" {
		rep := fail("content or file is required!")
		return nil, &rep
	}
	out := "edrctl demo: " + strconv.Itoa(strings.Count(content, "\n")+1) + " lines were run\r\n"
	return s.addAction(r, r.str("host_identifier"), "start", "script", object{{"type", r.str("file_type")}}, r.str("script_name"), out)
}

func responseScript(s *Server, r *request) reply {
	a, bad := s.script(r)
	if bad != nil {
		return *bad
	}
	return reply{json: object{{"status", "success"}, {"message", "Action is added successfully"}, {"openc2_id", a.ID}}}
}

func responseLive(s *Server, r *request) reply {
	a, bad := s.script(r)
	if bad != nil {
		return *bad
	}
	return reply{json: object{{"openc2_id", a.ID}, {"command_id", a.Commands[0].CommandID}, {"message", "Action is added successfully"}, {"status", "success"}}}
}

func responseDelete(s *Server, r *request) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.st.Actions)
	s.st.Actions = slices.DeleteFunc(s.st.Actions, func(a action) bool { return a.ID == r.intPath("openc2_id") })
	if len(s.st.Actions) == before {
		return fail("No response exists with this id")
	}
	return ok("Successfully removed the response", nil)
}

func responseCancel(s *Server, r *request) reply {
	a, c := s.command(r.str("command_id"))
	if a == nil {
		return fail("No command exists with this command id")
	}
	if st, _, _ := s.commandState(a, c); st != "received" {
		return fail("The command is completed already")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.st.Actions {
		for j := range s.st.Actions[i].Commands {
			if s.st.Actions[i].Commands[j].CommandID == c.CommandID {
				s.st.Actions[i].Commands[j].Cancelled = true
			}
		}
	}
	return ok("Successfully sent command to cancel action", nil)
}

// actionSocket tells the output of a live response (§10.5).
func (s *Server) actionSocket(ctx context.Context, c *websocket.Conn, id string) {
	last := ""
	for {
		a, cmd := s.command(id)
		if a == nil {
			_ = c.Close(websocket.StatusNormalClosure, "")
			return
		}
		st, msg, data := s.commandState(a, cmd)
		if st != last {
			frame, err := json.Marshal(object{{"status", st}, {"data", data}, {"message", msg}})
			if err != nil || c.Write(ctx, websocket.MessageBinary, frame) != nil {
				return
			}
			last = st
		}
		if st != "received" {
			_ = c.Close(websocket.StatusNormalClosure, "")
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (s *Server) defender(r *request, act, output string) reply {
	a, bad := s.addAction(r, r.str("host_identifier"), act, "windows_defender", object{}, "", output)
	if bad != nil {
		return *bad
	}
	return reply{json: object{{"openc2_id", a.ID}, {"message", "Action is added successfully"}, {"status", "success"}}}
}

func defenderScan(s *Server, r *request) reply {
	if n := r.num("scan_type", 0); n < 1 || n > 3 || n == 3 && r.str("file_path") == "" {
		return fail("Please provide a valid scan type and file path!")
	}
	return s.defender(r, "scan", "")
}

func defenderExclusions(s *Server, r *request) reply {
	if r.str("file_type") == "" && r.str("path") == "" && r.str("process") == "" {
		return fail("At least one of file_type, path and process is required!")
	}
	return s.defender(r, r.str("action"), "")
}

func defenderSchedule(s *Server, r *request) reply { return s.defender(r, "schedule", "") }

// defenderSimple answers 115-118; what they bring comes with 101.
func defenderSimple(s *Server, r *request) reply {
	output := map[string]string{
		"defender.update":          "Signatures are up to date\r\n",
		"defender.settings":        "DisableRealtimeMonitoring : False\r\nScanScheduleDay : 0\r\n",
		"defender.status":          "AMServiceEnabled : True\r\nAntivirusEnabled : True\r\n",
		"defender.quarantine.list": "ThreatName = HackTool:Win32/Demo\r\nfile:_C:\\Users\\Public\\demo.exe\r\n",
	}[r.op.Name]
	return s.defender(r, strings.TrimPrefix(r.op.Name, "defender."), output)
}

func defenderRefresh(s *Server, r *request) reply {
	for _, ident := range trimmed(r.str("host_identifier")) {
		if s.hostByIdentifier(ident) == nil {
			return noHost()
		}
	}
	return ok("Defender status query has been sent", nil)
}

func defenderCarve(s *Server, r *request) reply {
	h := s.hostByIdentifier(r.str("host_identifier"))
	if h == nil || !s.isActive(h) {
		return fail("No active node present")
	}
	s.mu.Lock()
	id := s.st.next("query", 11)
	s.live[id] = &liveQuery{id: id, made: s.now()}
	s.mu.Unlock()
	s.startCarve(id, h, r.str("path"))
	return ok("Carve query has been sent", nil)
}
