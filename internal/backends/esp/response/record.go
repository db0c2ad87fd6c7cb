package response

import (
	"encoding/json"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/client/flex"
	"github.com/edrctl/edrctl/internal/model"
)

// Record is an action of 100, or the command on one host of 101 and 103.
type Record struct {
	ID         flex.String     `json:"id"` // openc2_id in 100
	Action     flex.String     `json:"action"`
	Target     flex.String     `json:"target"`
	Command    json.RawMessage `json:"command"`
	ScriptName flex.String     `json:"script_name"`
	CreatedAt  flex.String     `json:"created_at"`
	UpdatedAt  flex.String     `json:"updated_at"`
	Executed   flex.String     `json:"Executed"` // done/total

	// Of the rows of 101 and 103.
	NodeID    flex.String `json:"node_id"`
	CommandID flex.String `json:"command_id"`
	Status    flex.String `json:"status"`
	Message   flex.String `json:"message"`
	Data      flex.String `json:"data"`
	Hostname  flex.String `json:"hostname"`
}

// CommandState reads the state of a command (§13): what is none of the known
// words is on its way.
func CommandState(status, message string) (state model.ActionState, native, failed string) {
	message = wire.Short(OutputText(message))
	native = strings.TrimSpace(wire.Short(status) + " " + message)
	switch strings.ToLower(status) {
	case "success":
		if strings.Contains(message, "_NOT_") || strings.HasSuffix(message, "_DISABLED") {
			return model.ActionFailed, native, message // FILE_NOT_FOUND and its kin
		}
		return model.ActionDone, native, ""
	case "failure":
		return model.ActionFailed, native, wire.FirstOf(message, "the host reports a failure without a reason")
	case "cancelled":
		return model.ActionCancelled, native, ""
	case "received", "cancel_initiated":
		return model.ActionRunning, native, ""
	}
	return model.ActionSent, native, ""
}

// OutputText drops the words the agents write for no output.
func OutputText(s string) string {
	if wire.IsNull([]byte(s)) {
		return ""
	}
	return s
}

// Command is the stored command of an action.
type Command struct {
	action, target string
	fields         map[string]string
}

// ReadCommand reads the stored command; what cannot be read is empty.
func ReadCommand(v []byte) (o Command) {
	if wire.KindOf(v) == '"' {
		v = []byte(wire.Scalar(v))
	}
	if wire.KindOf(v) != '{' {
		return o
	}
	_ = wire.EachMember(v, func(name string, v []byte) error {
		switch {
		case name == "action":
			o.action = wire.Scalar(v)
		case name == "target" && wire.KindOf(v) == '{':
			return wire.EachMember(v, func(kind string, v []byte) error {
				o.target = kind
				o.fields = map[string]string{}
				if wire.KindOf(v) != '{' {
					return nil
				}
				return wire.EachMember(v, func(name string, v []byte) error {
					if wire.KindOf(v) != '{' && wire.KindOf(v) != '[' {
						o.fields[name] = wire.Scalar(v)
					}
					return nil
				})
			})
		}
		return nil
	})
	return o
}

// Verb names what an action of the server does in edrctl's words; one
// of another kind keeps the server's.
func (w *Record) Verb() (string, *model.ActionTarget) {
	o := ReadCommand(w.Command)
	act, target := wire.FirstOf(string(w.Action), o.action), wire.FirstOf(string(w.Target), o.target)
	t := &model.ActionTarget{}
	v := strings.TrimSpace(act + " " + target)
	field := func(names ...string) string {
		for _, n := range names {
			if s := OutputText(o.fields[n]); s != "" {
				return s
			}
		}
		return ""
	}
	switch act + "/" + target {
	case "stop/process":
		v, t.Name, t.PID = backends.VerbKill, field("name", "process_name"), wire.PID(field("pid"))
	case "delete/file":
		v, t.Path = backends.VerbDeleteFile, field("name", "file_name")
	case "contain/ip_connection", "delete/ip_connection":
		v = map[string]string{"contain": backends.VerbBlock, "delete": backends.VerbUnblock}[act]
		t.Name, t.Address = field("rule_name"), field("dst_addr")
		t.Port = wire.Port(field("dst_port"))
		if strings.HasPrefix(t.Name, RuleIsolate) {
			v = map[string]string{"contain": backends.VerbIsolate, "delete": backends.VerbRelease}[act]
		}
	default:
		switch {
		case strings.Contains(target, "script") || w.ScriptName != "":
			v, t.Name = backends.VerbScript, string(w.ScriptName)
		case act == "restart":
			v = backends.VerbRestartAgent
		case act == "scan":
			v = backends.VerbScan
		}
	}
	if *t == (model.ActionTarget{}) {
		t = nil
	}
	return v, t
}

// Matches tells whether an action of the server is what a request asked for.
func (w *Record) Matches(body any) bool {
	got := ReadCommand(w.Command)
	act, target := wire.FirstOf(string(w.Action), got.action), wire.FirstOf(string(w.Target), got.target)
	same := func(value string, names ...string) bool {
		for _, n := range names {
			if v, ok := got.fields[n]; ok {
				return OutputText(v) == value
			}
		}
		return value == ""
	}
	switch b := body.(type) {
	case StopProcess:
		return act == b.Action && target == b.Target && same(b.PID, "pid") && same(b.Name, "name", "process_name")
	case DeleteFile:
		return act == b.Action && target == b.Target && same(b.FileName, "name", "file_name")
	case Rule:
		return act == b.Action && target == b.Target && same(b.Name, "rule_name")
	case DeleteRule:
		return act == b.Action && target == b.Target && same(b.Name, "rule_name")
	case Script:
		return strings.Contains(target, "script") && (b.ScriptName == "" || string(w.ScriptName) == b.ScriptName || w.ScriptName == "")
	case Scan:
		return act == "scan" || strings.Contains(target, "defender")
	case wire.HostRequest:
		return strings.HasPrefix(act, "restart") || strings.Contains(target, "restart")
	}
	return false
}
