package evidence

import (
	"strings"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/winlog"
)

// osquery's result log: a row of a scheduled query that was added or removed,
// or a snapshot with all its rows. The query's name says which table it is of,
// as packs name them; where it does not, the columns tell.

func isOsquery(v Value) bool {
	return v.Has("name") && (v.Get("columns").Kind() == '{' || v.Get("snapshot").Kind() == '[' || v.Has("diffResults")) &&
		(v.Has("hostIdentifier") || v.Has("unixTime") || v.Has("calendarTime"))
}

func decodeOsquery(v Value, o Options) ([]Item, error) {
	x := osqueryRow{name: v.Str("name"), action: v.Str("action"), c: &clock{zone: o.zone()}}
	x.time = x.c.first(v.Str("unixTime"), v.Str("calendarTime"))
	x.host = model.Host{Name: v.Str("hostname", "decorations.hostname", "decorations.computer_name")}
	x.host.ID = v.Str("hostIdentifier", "decorations.host_uuid")
	if x.host.Name == "" {
		x.host.Name = x.host.ID
	}
	x.host.Name, x.host.Domain = splitHost(x.host.Name)
	var items []Item
	add := func(row Value, action string) {
		x.Value, x.action = row, action
		e := x.event(v)
		if o.Log {
			e.Log = x.log()
		}
		if o.Raw {
			e.Raw = append([]byte(nil), v.Raw()...)
		}
		items = append(items, Item{Event: e, Local: x.c.local})
	}
	switch {
	case v.Get("columns").Kind() == '{':
		add(v.Get("columns"), x.action)
	case v.Has("diffResults"):
		for _, action := range [...]string{"added", "removed"} {
			for row := range v.Get("diffResults." + action).List() {
				add(row, action)
			}
		}
	default:
		for row := range v.Get("snapshot").List() {
			add(row, "snapshot")
		}
	}
	if items == nil {
		return nil, errorf("the osquery result %q has no rows", x.name)
	}
	return items, nil
}

type osqueryRow struct {
	Value  // the columns
	name   string
	action string
	time   model.Time
	host   model.Host
	c      *clock
}

// table tells the table: by the query's name (pack/it/process_events), or by
// the columns that only one has.
func (x *osqueryRow) table() string {
	name := strings.ToLower(x.name)
	for _, t := range [...]string{
		"es_process_file_events", "es_process_events", "bpf_process_events", "bpf_socket_events", "process_file_events", "process_events", "process_etw_events", "socket_events",
		"file_events", "ntfs_journal_events", "user_events", "windows_events", "powershell_events", "dns_lookup_events", "hardware_events", "kernel_modules",
		"listening_ports", "logged_in_users",
	} {
		if strings.Contains(name, t) {
			return t
		}
	}
	switch {
	case x.Has("eventid") && x.Has("source") && x.Has("provider_name"):
		return "windows_events"
	case x.Has("script_text"):
		return "powershell_events"
	case x.action == "snapshot" || x.action == "removed":
	case x.Has("remote_address") && x.Has("pid") && (x.Has("action") || x.Has("syscall")):
		return "socket_events"
	case x.Has("cmdline") && x.Has("pid") && x.Has("parent") && x.Has("time"):
		return "process_events"
	case x.Has("target_path") && x.Has("action"):
		return "file_events"
	}
	return ""
}

func (x *osqueryRow) event(whole Value) *model.Event {
	host := x.host
	e := &model.Event{Host: &host, Kind: model.KindInventory, Action: x.name}
	e.ID = contentID(append(append([]byte(x.action), whole.Get("unixTime").Raw()...), x.Raw()...))
	if eid := x.Str("eid"); len(eid) == 36 {
		e.ID = eid
	}
	table := x.table()
	if table == "windows_events" {
		return x.windows(e)
	}
	e.Time = x.time
	if table != "" {
		e.Time = x.c.first(x.Str("time"), x.Str("datetime"))
		if e.Time.IsZero() {
			e.Time = x.time
		}
	}
	e.User = userOf(x.Str("username", "user", "owner"), "", x.Str("uid", "auid"))
	switch {
	case strings.Contains(table, "process_file_events"):
		x.process(e, x.Str("executable", "path"))
		x.file(e, x.Str("dest_path", "filename"), x.Str("operation", "event_type"))
	case strings.Contains(table, "process_e"):
		x.started(e)
	case strings.Contains(table, "socket_events"):
		x.socket(e)
	case strings.HasSuffix(table, "file_events"), table == "ntfs_journal_events":
		x.process(e, x.Str("process_path"))
		x.file(e, x.Str("target_path", "path"), x.Str("action"))
	case table == "user_events":
		x.login(e)
	case table == "powershell_events":
		e.Kind, e.Script = model.KindScriptBlock, &model.Script{Text: x.Str("script_text")}
		e.Summary, _, _ = strings.Cut(x.Str("script_text"), "\n")
	case table == "dns_lookup_events":
		e.Kind, e.DNS = model.KindDNSQuery, &model.DNS{Question: model.DNSQuestion{Name: x.Str("name", "query"), Type: x.Str("type")}}
		e.Summary = e.DNS.Question.Name
	case table == "hardware_events":
		e.Kind = model.KindDeviceAccess
	default:
		x.state(e)
	}
	if e.Process != nil && e.Process.User == nil {
		e.Process.User = e.User
	}
	if e.Summary == "" {
		e.Summary = e.Action
	}
	return e
}

func (x *osqueryRow) process(e *model.Event, path string) *model.Process {
	p := &model.Process{
		UID: x.Str("process_guid"), PID: x.Int("pid"), Path: path, Name: x.Str("process_name"), CommandLine: strings.TrimSpace(x.Str("cmdline")), WorkingDirectory: strings.Trim(x.Str("cwd"), `"`),
		Hash: hashes(x.Str("md5"), x.Str("sha1"), x.Str("sha256")), Parent: &model.ParentProcess{PID: x.Int("parent", "ppid"), Path: x.Str("parent_path", "parent_process_name")},
	}
	e.Process = finishProcess(p)
	return p
}

func (x *osqueryRow) started(e *model.Event) {
	e.Kind, e.Action = model.KindProcessStart, first(x.Str("syscall", "event_type", "type", "action"), "exec")
	p := x.process(e, x.Str("path"))
	switch strings.ToLower(e.Action) {
	case "exit", "processstop", "proc_terminate":
		e.Kind, p.Ended = model.KindProcessEnd, e.Time
	case "fork", "vfork", "clone":
		e.Kind, p.Started = model.KindProcessStart, e.Time
	default:
		p.Started = e.Time
	}
	e.Summary = first(p.CommandLine, p.Path)
}

func (x *osqueryRow) socket(e *model.Event) {
	e.Kind, e.Action = model.KindNetworkConnect, first(x.Str("action", "syscall"), "connect")
	x.process(e, x.Str("path"))
	local, remote := endpoint(x.Str("local_address"), x.Int("local_port"), ""), endpoint(x.Str("remote_address"), x.Int("remote_port"), "")
	n := &model.Network{Direction: "egress", Source: local, Destination: remote}
	switch x.Str("protocol") {
	case "6":
		n.Transport = "tcp"
	case "17":
		n.Transport = "udp"
	}
	switch e.Action {
	case "accept", "accept4":
		n.Direction, n.Source, n.Destination = "ingress", remote, local
	case "bind", "listen":
		e.Kind, n.Direction = model.KindNetworkListen, ""
	}
	e.Network = n
	if remote != nil {
		e.Summary = e.Action + " " + remote.IP
	}
}

var osqueryFileKinds = map[string]model.Kind{
	"created": model.KindFileCreate, "create": model.KindFileCreate, "filecreation": model.KindFileCreate, "deleted": model.KindFileDelete, "unlink": model.KindFileDelete, "filedeletion": model.KindFileDelete,
	"moved_to": model.KindFileRename, "moved_from": model.KindFileRename, "rename": model.KindFileRename, "filerename_newname": model.KindFileRename, "filerename_oldname": model.KindFileRename,
	"accessed": model.KindFileRead, "opened": model.KindFileRead, "open": model.KindFileRead, "read": model.KindFileRead,
}

func (x *osqueryRow) file(e *model.Event, path, action string) {
	e.Action = first(action, e.Action)
	var ok bool
	if e.Kind, ok = osqueryFileKinds[strings.ToLower(action)]; !ok {
		e.Kind = model.KindFileWrite
	}
	e.File = &model.File{Path: path, Name: model.BaseName(path), OldPath: x.Str("old_path"), Size: x.Int("size"), Hash: hashes(x.Str("md5"), x.Str("sha1"), x.Str("sha256"))}
	if e.Process != nil {
		e.Process.Hash = nil // the hashes are the file's
	}
	e.Summary = e.Action + " " + path
}

// login: user_events are audit messages.
func (x *osqueryRow) login(e *model.Event) {
	x.process(e, x.Str("path"))
	e.Kind, e.Action = model.KindLogon, first(x.Str("type"), "user event")
	if k, ok := messageKinds[strings.ToUpper(e.Action)]; ok {
		e.Kind = k
	}
	if strings.Contains(x.Str("message"), "res=failed") {
		e.Kind = model.KindLogonFailed
	}
	if from := endpoint(x.Str("address"), 0, ""); from != nil {
		e.Network = &model.Network{Direction: "ingress", Source: from}
	}
	e.Summary = strings.TrimSpace(e.Action + " " + x.Str("message"))
}

// state is a row of a table that says how things are.
func (x *osqueryRow) state(e *model.Event) {
	if x.Has("pid") && (x.Has("path") || x.Has("cmdline")) {
		p := x.process(e, x.Str("path"))
		p.Name = first(x.Str("name"), p.Name)
		if t, _, ok := readTime(x.Str("start_time"), x.c.zone); ok {
			p.Started = model.At(t)
		}
	}
	var b strings.Builder
	b.WriteString(x.name)
	if x.action == "removed" {
		b.WriteString(" removed")
	}
	n := 0
	for k, v := range x.Members() {
		if s := v.Text(); s != "" && n < 4 {
			n++
			b.WriteString(" " + k + "=" + s)
		}
	}
	e.Summary = b.String()
}

// windows is a row of the table of Windows' own logs.
func (x *osqueryRow) windows(e *model.Event) *model.Event {
	r := winlog.Record{Channel: x.Str("source"), Provider: x.Str("provider_name"), EventID: int(x.Int("eventid")), Computer: first(x.Str("computer_name"), x.host.Name)}
	r.Time, _ = x.c.read(x.Str("datetime"))
	if r.Time.IsZero() {
		r.Time = x.time.Time
	}
	var d doc
	if data := x.Str("data"); strings.HasPrefix(data, "{") {
		if _, err := d.parse([]byte(data)); err == nil {
			for _, name := range [...]string{"EventData", "UserData"} {
				r.Data = members(d.root().Get(name), r.Data, false, 0)
			}
		}
	}
	out := winlog.Event(&r)
	out.ID, out.Host.ID = e.ID, x.host.ID
	out.Host.Name, out.Host.Domain = splitHost(out.Host.Name)
	return out
}

func (x *osqueryRow) log() *model.LogRecord {
	l := &model.LogRecord{Channel: x.name, Provider: "osquery", Computer: x.host.Name}
	for k, v := range x.Members() {
		l.Data = append(l.Data, model.LogField{Name: k, Value: v.Text()})
	}
	return l
}
