package output

import (
	"strings"

	"github.com/edrctl/edrctl/internal/model"
)

// The classes of what Windows logs besides processes, files and connections.
var (
	classKernelExt = ocsfClass{1002, "Kernel Extension Activity", "System Activity"}
	classJob       = ocsfClass{1006, "Scheduled Job Activity", "System Activity"}
	classEventLog  = ocsfClass{1008, "Event Log Activity", "System Activity"}
	classScript    = ocsfClass{1009, "Script Activity", "System Activity"}
	classAccount   = ocsfClass{3001, "Account Change", "Identity & Access Management"}
	classAuth      = ocsfClass{3002, "Authentication", "Identity & Access Management"}
	classGroup     = ocsfClass{3006, "Group Management", "Identity & Access Management"}
	classSMB       = ocsfClass{4006, "SMB Activity", "Network Activity"}
	classService   = ocsfClass{201004, "Windows Service Activity", "System Activity"}
)

// ocsfMapped is a class with the activity and what is the class's own.
type ocsfMapped struct {
	class    ocsfClass
	activity int
	name     string
	own      doc
}

// ocsfLogged maps the kinds that come from operating system logs. ok is false
// when the kind is none of them, or the event lacks what its class requires.
// needs says that both device and actor are known.
func ocsfLogged(e *model.Event, device doc, needs bool) (ocsfMapped, bool) {
	object, name := "", ""
	if e.Object != nil {
		object, name = e.Object.Type, e.Object.Name
	}
	switch e.Kind {
	case model.KindDriverLoad:
		if f := ocsfModuleFile(e.Module); needs && len(f) > 0 {
			return ocsfMapped{classKernelExt, 1, "Load", doc{"driver": doc{"file": f}}}, true
		}
	case model.KindPipeCreate, model.KindPipeConnect:
		if needs && e.Pipe != nil && e.Pipe.Name != "" {
			f := doc{"name": first(model.BaseName(e.Pipe.Name), e.Pipe.Name), "path": e.Pipe.Name, "type_id": 6, "type": "Named Pipe"}
			if e.Kind == model.KindPipeCreate {
				return ocsfMapped{classFile, 1, "Create", doc{"file": f}}, true
			}
			return ocsfMapped{classFile, 14, "Open", doc{"file": f}}, true
		}
	case model.KindRawRead, model.KindClipboard, model.KindWMI:
		if what := first(name, Summary(e), e.Action); needs && what != "" {
			return ocsfMapped{classWinResource, 1, "Access", doc{"win_resource": doc{"name": what, "type_id": 0}}}, true
		}
	case model.KindLogon, model.KindLogonFailed, model.KindLogoff:
		return ocsfLogon(e, device)
	case model.KindAccountChange:
		return ocsfAccount(e, object, name)
	case model.KindServiceInstall:
		if t := e.Target; needs && name != "" && t != nil && t.CommandLine != "" {
			s := doc{"name": name, "cmd_line": t.CommandLine}
			s.set("service_start_name", userText(t.User))
			return ocsfMapped{classService, 1, "Create", doc{"win_service": s}}, true
		}
	case model.KindTaskChange:
		if needs && name != "" {
			job := doc{"name": name}
			if t := e.Target; t != nil {
				job.set("cmd_line", t.CommandLine)
				job.set("file", ocsfFile(&model.File{Path: t.Path}))
			}
			activity, word := activityOf(e.Action, jobActivities)
			return ocsfMapped{classJob, activity, word, doc{"job": job}}, true
		}
	case model.KindScriptBlock, model.KindAMSI:
		if needs && e.Script != nil && e.Script.Text != "" {
			s := doc{"script_content": doc{"value": e.Script.Text}, "type_id": 0}
			if e.Kind == model.KindScriptBlock {
				s["type_id"], s["type"] = 2, "PowerShell"
			}
			s.set("file", ocsfFile(e.File))
			return ocsfMapped{classScript, 1, "Execute", doc{"script": s}}, true
		}
	case model.KindLogCleared:
		if needs && name != "" {
			return ocsfMapped{classEventLog, 1, "Clear", doc{"log_name": name}}, true
		}
	case model.KindShareAccess:
		if n := e.Network; n != nil {
			own := doc{}
			own.set("src_endpoint", ocsfEndpoint(n.Source))
			own.set("dst_endpoint", ocsfEndpoint(n.Destination))
			if len(own) > 0 {
				own.set("share", name)
				own.set("file", ocsfFile(e.File))
				return ocsfMapped{classSMB, 2, "File Open", own}, true
			}
		}
	}
	return ocsfMapped{}, false
}

// ocsfModuleFile: OCSF takes no signer without the issuer and serial number of
// its certificate, which no source gives; it stays in unmapped.
func ocsfModuleFile(m *model.Module) doc {
	if m == nil {
		return nil
	}
	return ocsfFile(&model.File{Path: m.Path, Hash: m.Hash})
}

// ocsfLogon: the account, the host it logged on to, and from where.
func ocsfLogon(e *model.Event, device doc) (ocsfMapped, bool) {
	var l model.Logon
	if e.Logon != nil {
		l = *e.Logon
	}
	u := l.TargetUser
	if u == nil {
		u = e.User
	}
	user, dst := ocsfUser(u), endpointOfDevice(device)
	if len(user) == 0 || len(dst) == 0 {
		return ocsfMapped{}, false
	}
	own := doc{"user": user, "dst_endpoint": dst}
	if e.Network != nil {
		own.set("src_endpoint", ocsfEndpoint(e.Network.Source))
	}
	if l.Type != "" {
		own["logon_type"], own["logon_type_id"] = l.Type, 99
		if n, ok := model.LogonTypeNumber(l.Type); ok {
			own["logon_type_id"] = max(n, 1) // Windows' 0 is OCSF's 1, System
		}
	}
	if l.Package != "" {
		own["auth_protocol"], own["auth_protocol_id"] = l.Package, 99
		switch strings.ToLower(l.Package) {
		case "ntlm":
			own["auth_protocol_id"] = 1
		case "kerberos":
			own["auth_protocol_id"] = 2
		}
	}
	own["status_id"], own["status"] = 1, "Success"
	if e.Kind == model.KindLogonFailed {
		own["status_id"], own["status"] = 2, "Failure"
		own.set("status_detail", l.Failure)
	}
	if e.Kind == model.KindLogoff {
		return ocsfMapped{classAuth, 2, "Logoff", own}, true
	}
	return ocsfMapped{classAuth, 1, "Logon", own}, true
}

func ocsfAccount(e *model.Event, object, name string) (ocsfMapped, bool) {
	if name == "" {
		return ocsfMapped{}, false
	}
	switch object {
	case "group":
		activity, word := activityOf(e.Action, groupActivities)
		return ocsfMapped{classGroup, activity, word, doc{"group": doc{"name": name}}}, true
	case "user", "computer":
		activity, word := activityOf(e.Action, accountActivities)
		return ocsfMapped{classAccount, activity, word, doc{"user": ocsfUser(model.SplitUser(name))}}, true
	}
	return ocsfMapped{}, false
}

// endpointOfDevice is the host as one end of a connection.
func endpointOfDevice(device doc) doc {
	d := doc{}
	for _, k := range []string{"hostname", "ip", "uid"} {
		if v, ok := device[k]; ok {
			d[k] = v
		}
	}
	return d
}

// ocsfActivity is an activity of a class, by a word in the event's action.
type ocsfActivity struct {
	word string
	id   int
	name string
}

var (
	jobActivities = []ocsfActivity{
		{"created", 1, "Create"}, {"registered", 1, "Create"}, {"updated", 2, "Update"}, {"deleted", 3, "Delete"},
		{"enabled", 4, "Enable"}, {"disabled", 5, "Disable"}, {"started", 6, "Start"},
	}
	groupActivities = []ocsfActivity{
		{"added", 3, "Add User"}, {"removed", 4, "Remove User"}, {"deleted", 5, "Delete"}, {"created", 6, "Create"},
	}
	accountActivities = []ocsfActivity{
		{"created", 1, "Create"}, {"enabled", 2, "Enable"}, {"password change", 3, "Password Change"}, {"password reset", 4, "Password Reset"},
		{"disabled", 5, "Disable"}, {"deleted", 6, "Delete"}, {"locked out", 9, "Lock"}, {"unlocked", 12, "Unlock"},
	}
)

func activityOf(action string, list []ocsfActivity) (int, string) {
	action = strings.ToLower(action)
	for _, a := range list {
		if strings.Contains(action, a.word) {
			return a.id, a.name
		}
	}
	return 99, "Other"
}
