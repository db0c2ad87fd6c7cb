package evidence

import (
	"strings"

	"github.com/edrctl/edrctl/internal/model"
)

// Events of Carbon Black's forwarders: of the sensor bus of EDR ("type":
// "ingress.event.procstart") and of the cloud ("endpoint.event.procstart").

func isForwarder(v Value) bool {
	t := v.Str("type")
	return strings.HasPrefix(t, "ingress.event.") || strings.HasPrefix(t, "endpoint.event.") || t == "alert.watchlist.hit.ingress.process" || strings.HasPrefix(t, "watchlist.hit.") ||
		strings.HasPrefix(t, "alert.watchlist.")
}

func decodeForwarder(v Value, o Options) ([]Item, error) {
	x := cbEvent{v, &clock{zone: o.zone()}}
	typ := v.Str("type")
	var it Item
	if strings.HasPrefix(typ, "ingress.event.") || strings.HasPrefix(typ, "endpoint.event.") {
		it.Event = x.event(typ[strings.Index(typ, "event.")+len("event."):])
		if o.Log {
			it.Event.Log = &model.LogRecord{Channel: typ, Provider: "carbonblack", Computer: it.Event.Host.Name, Data: v.fields()}
		}
	} else {
		it.Alert = x.alert(typ)
	}
	it.Local = x.c.local
	if o.Raw {
		it.setRaw(append([]byte(nil), v.Raw()...))
	}
	return []Item{it}, nil
}

type cbEvent struct {
	Value
	c *clock
}

func (x cbEvent) event(what string) *model.Event {
	e := &model.Event{Time: x.c.first(x.Str("device_timestamp", "timestamp", "event_timestamp")), Ingested: x.c.first(x.Str("backend_timestamp")), Action: x.Str("type"), Host: x.host()}
	e.ID = x.Str("event_id", "event_guid")
	if e.ID == "" {
		e.ID = contentID(x.Raw())
	}
	e.User = model.SplitUser(x.Str("process_username", "username", "user"))
	e.Process = x.process()
	if a := x.Str("action"); a != "" {
		e.Action = a
	}
	switch what {
	case "procstart", "process":
		e.Kind = model.KindProcessStart
		x.started(e)
	case "procend":
		e.Kind = model.KindProcessEnd
		if e.Process != nil {
			e.Process.Ended = e.Time
		}
	case "childproc":
		x.child(e)
	case "netconn", "netconn2", "netconn_proxy":
		x.network(e)
	case "filemod":
		x.file(e)
	case "regmod":
		x.registry(e)
	case "moduleload", "modload":
		e.Kind = model.KindModuleLoad
		e.Module = &model.Module{Path: x.Str("modload_name", "path", "filepath"), Hash: hashes(x.Str("modload_md5", "md5"), "", x.Str("modload_sha256", "sha256"))}
		e.Summary = e.Module.Path
	case "crossprocopen", "crossproc", "remotethread", "apicall":
		x.cross(e, what)
	case "fileless_scriptload", "scriptload":
		e.Kind = model.KindScriptBlock
		e.Script = &model.Script{Text: x.Str("fileless_scriptload_cmdline", "scriptload_content", "scriptload_name")}
		e.Summary = e.Script.Text
	case "tamper":
		e.Kind = model.KindProcessTamper
	case "emetmitigation", "processblock":
		e.Kind = model.KindOther
	default:
		e.Kind = model.KindOther
	}
	if e.Process != nil && e.Process.User == nil {
		e.Process.User = e.User
	}
	if e.Summary == "" {
		e.Summary = strings.TrimSpace(what + " " + x.Str("process_path", "path"))
	}
	return e
}

func (x cbEvent) host() *model.Host {
	h := &model.Host{}
	h.ID = x.Str("device_id", "sensor_id")
	name := x.Str("device_name", "computer_name", "hostname")
	if i := strings.LastIndexByte(name, '\\'); i >= 0 {
		h.Domain, name = name[:i], name[i+1:]
	}
	domain := ""
	if h.Name, domain = splitHost(name); h.Domain == "" {
		h.Domain = domain
	}
	if ip := ipOf(x.Str("device_internal_ip", "interface_ip")); ip != "" {
		h.IP = []string{ip}
	}
	switch strings.ToLower(x.Str("device_os", "os_type")) {
	case "windows":
		h.OS = &model.OS{Platform: "windows"}
	case "linux":
		h.OS = &model.OS{Platform: "linux"}
	case "mac", "macos", "osx":
		h.OS = &model.OS{Platform: "darwin"}
	}
	return h
}

// twoHashes reads process_hash: a list of MD5 and SHA-256.
func twoHashes(v Value, md5, sha256 string) *model.Hash {
	for _, s := range v.Texts() {
		switch len(s) {
		case 32:
			md5 = s
		case 64:
			sha256 = s
		}
	}
	return hashes(md5, "", sha256)
}

func (x cbEvent) process() *model.Process {
	p := &model.Process{
		UID: x.Str("process_guid"), PID: x.Int("process_pid", "pid"), Path: x.Str("process_path", "process_name"), CommandLine: x.Str("process_cmdline", "command_line"),
		Hash: twoHashes(x.Get("process_hash"), "", x.Str("process_sha256")), Started: x.c.first(x.Str("process_start_time")),
	}
	if p.Hash == nil && strings.Contains(x.Str("type"), "proc") {
		p.Hash = hashes(x.Str("md5"), "", x.Str("sha256"))
	}
	if p.Path == "" && x.Has("computer_name") { // the sensor bus: path is the process's but for what has its own
		p.Path = x.Str("path")
	}
	p.Parent = &model.ParentProcess{UID: x.Str("parent_guid", "parent_process_guid"), PID: x.Int("parent_pid"), Path: x.Str("parent_path"), CommandLine: x.Str("parent_cmdline")}
	switch x.Str("process_reputation") {
	case "":
	default:
		p.Reputation = &model.Reputation{Verdict: "unknown", Native: x.Str("process_reputation")}
	}
	return finishProcess(p)
}

// started: the cloud tells of a start as of a child of the process that it
// names; the sensor bus names the new one.
func (x cbEvent) started(e *model.Event) {
	if x.Has("childproc_guid") || x.Has("childproc_pid") {
		x.child(e)
		return
	}
	if p := e.Process; p != nil {
		p.Started = e.Time
		e.Summary = first(p.CommandLine, p.Path)
	}
}

func (x cbEvent) child(e *model.Event) {
	e.Kind = model.KindProcessStart
	t := &model.Process{
		UID: x.Str("childproc_guid", "child_process_guid"), PID: x.Int("childproc_pid", "child_pid"), Path: x.Str("childproc_name", "childproc_path", "path"), CommandLine: x.Str("childproc_cmdline", "child_command_line", "target_cmdline"),
		Hash: twoHashes(x.Get("childproc_hash"), x.Str("md5"), x.Str("sha256")), User: model.SplitUser(x.Str("childproc_username")), Started: e.Time,
	}
	if x.Str("created") == "false" {
		e.Kind, t.Started = model.KindProcessEnd, model.Time{}
		t.Ended = e.Time
	}
	if q := e.Process; q != nil {
		t.Parent = &model.ParentProcess{UID: q.UID, PID: q.PID, Name: q.Name, Path: q.Path, CommandLine: q.CommandLine}
	}
	if e.Target = finishProcess(t); e.Target != nil {
		e.Summary = first(t.CommandLine, t.Path)
	}
}

func (x cbEvent) network(e *model.Event) {
	e.Kind = model.KindNetworkConnect
	local, remote := endpoint(x.Str("local_ip", "local_ip_address"), x.Int("local_port"), ""), endpoint(x.Str("remote_ip", "remote_ip_address", "ipv4"), x.Int("remote_port", "port"), x.Str("netconn_domain", "domain"))
	n := &model.Network{Direction: "egress", Source: local, Destination: remote}
	switch p := strings.ToLower(x.Str("netconn_protocol", "protocol")); p {
	case "proto_tcp", "6":
		n.Transport = "tcp"
	case "proto_udp", "17":
		n.Transport = "udp"
	default:
		n.Transport = strings.TrimPrefix(p, "proto_")
	}
	if strings.EqualFold(x.Str("netconn_inbound"), "true") || strings.EqualFold(x.Str("direction"), "inbound") {
		n.Direction, n.Source, n.Destination = "ingress", remote, local
	}
	e.Network = n
	if remote != nil {
		e.Summary = "connection " + first(remote.Domain, remote.IP)
	}
}

func (x cbEvent) file(e *model.Event) {
	e.Kind = model.KindFileWrite
	switch a := strings.ToUpper(e.Action); {
	case strings.Contains(a, "CREATE"):
		e.Kind = model.KindFileCreate
	case strings.Contains(a, "DELETE"):
		e.Kind = model.KindFileDelete
	case strings.Contains(a, "RENAME"):
		e.Kind = model.KindFileRename
	case strings.Contains(a, "READ"), strings.Contains(a, "OPEN"):
		e.Kind = model.KindFileRead
	}
	e.File = &model.File{Path: x.Str("filemod_name", "file_path", "path"), Hash: twoHashes(x.Get("filemod_hash"), x.Str("file_md5", "md5"), x.Str("file_sha256", "sha256"))}
	e.File.Name = model.BaseName(e.File.Path)
	e.Summary = e.File.Path
}

func (x cbEvent) registry(e *model.Event) {
	e.Kind = model.KindRegistrySet
	switch a := strings.ToUpper(e.Action); {
	case strings.Contains(a, "CREATE"):
		e.Kind = model.KindRegistryCreate
	case strings.Contains(a, "DELETE"), strings.Contains(a, "DEL"):
		e.Kind = model.KindRegistryDelete
	}
	e.Registry = &model.Registry{Path: x.Str("regmod_name", "path")}
	e.Summary = e.Registry.Path
}

func (x cbEvent) cross(e *model.Event, what string) {
	e.Kind = model.KindProcessAccess
	if what == "remotethread" || strings.Contains(strings.ToUpper(e.Action), "THREAD") || strings.EqualFold(x.Str("cross_process_type"), "remote_thread") {
		e.Kind = model.KindProcessInject
	}
	e.Target = finishProcess(&model.Process{UID: x.Str("crossproc_guid", "target_process_guid"), PID: x.Int("crossproc_pid", "target_pid"), Path: x.Str("crossproc_name", "target_path"), Hash: twoHashes(x.Get("crossproc_hash"), x.Str("target_md5"), x.Str("target_sha256"))})
}

// alert is a hit of a watchlist.
func (x cbEvent) alert(typ string) *model.Alert {
	a := &model.Alert{
		Time: x.c.first(x.Str("timestamp", "created_time", "create_time", "event_timestamp")), Title: first(x.Str("watchlist_name", "title", "ioc_attr.name"), typ), Description: x.Str("description"), Status: model.StatusUnknown, Verdict: model.VerdictUnknown,
		Category: typ, Source: "watchlist", Host: x.host(), User: model.SplitUser(x.Str("username")), Process: x.process(),
	}
	a.ID = x.Str("unique_id", "alert_id", "id")
	if a.ID == "" {
		a.ID = contentID(x.Raw())
	}
	a.Rule = &model.Named{ID: x.Str("watchlist_id"), Name: a.Title}
	if s := x.Float("alert_severity", "report_score"); s != nil && *s >= 0 && *s <= 100 {
		model.ScoreNumber(model.ScaleCarbonBlack, *s/10).Apply(a)
		a.ScoreNative = &model.NativeScore{Value: s, Scale: "0-100"}
	} else {
		model.Unscored().Apply(a)
	}
	return a
}
