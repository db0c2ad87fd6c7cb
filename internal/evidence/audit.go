package evidence

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/model"
)

// Linux's audit log: an event is several lines with one id, written together
// but not always next to each other.

// maxOpen is how many events may wait for their other lines.
const maxOpen = 64

// audit gathers the lines of events.
type audit struct{ open []*auditEvent }

// auditEvent is one event: its records by type, a type more than once perhaps.
type auditEvent struct {
	id      string
	when    time.Time
	node    string
	line    int
	offset  int64
	records []auditRecord
	raw     []byte
}

type auditRecord struct {
	typ    string
	fields []model.LogField
}

// line takes a line of an audit log; false when it is none. What syslog or
// audisp put before type= is left out.
func (a *audit) line(rd *reader, line []byte) bool {
	i := bytes.Index(line, []byte("type="))
	if i < 0 || i > 256 {
		return false
	}
	text := string(line)
	typ, rest, _ := strings.Cut(text[i+5:], " ")
	j := strings.Index(rest, "msg=audit(")
	if j < 0 || typ == "" {
		return false
	}
	stamp, body, ok := strings.Cut(rest[j+len("msg=audit("):], "):")
	seconds, _, ok2 := strings.Cut(stamp, ":")
	if !ok || !ok2 {
		return false
	}
	when, _, ok := readTime(seconds, rd.o.zone())
	if !ok {
		return false
	}
	node := ""
	if n := strings.Index(text[:i], "node="); n >= 0 {
		node, _, _ = strings.Cut(text[n+5:i], " ")
	} else if words := strings.Fields(text[:i]); len(words) >= 4 { // syslog: Nov 28 10:00:00 HOST audispd:
		node = words[3]
	}
	e := a.event(rd, node+" "+stamp)
	e.when, e.node = when, node
	if len(e.raw) < 1<<20 {
		e.raw = append(append(e.raw, line...), '\n')
		e.records = append(e.records, auditRecord{typ, auditFields(body, nil)})
	}
	if typ == "EOE" || typ == "PROCTITLE" && e.has("SYSCALL") || len(e.records) == 1 && standsAlone(typ) {
		// what ends an event; a line that comes later makes one of its own
		a.close(rd, e)
	}
	return true
}

// standsAlone tells the messages of programs, which are one line each.
func standsAlone(typ string) bool {
	for _, p := range [...]string{"USER_", "CRED_", "SERVICE_", "ADD_", "DEL_", "ACCT_", "GRP_", "SYSTEM_", "DAEMON_", "CRYPTO_"} {
		if strings.HasPrefix(typ, p) {
			return true
		}
	}
	return false
}

func (a *audit) event(rd *reader, id string) *auditEvent {
	for i := len(a.open) - 1; i >= 0; i-- {
		if a.open[i].id == id {
			return a.open[i]
		}
	}
	if len(a.open) >= maxOpen {
		a.close(rd, a.open[0])
	}
	e := &auditEvent{id: id, line: rd.w.line, offset: rd.w.offset()}
	a.open = append(a.open, e)
	return e
}

func (a *audit) close(rd *reader, e *auditEvent) {
	for i, x := range a.open {
		if x == e {
			a.open = append(a.open[:i], a.open[i+1:]...)
			break
		}
	}
	if len(e.records) == 1 && e.records[0].typ == "EOE" {
		return // the end of one that was given
	}
	it := Item{Format: "auditd", Offset: e.offset, Line: e.line}
	it.Event = e.event(rd.o)
	rd.emit(it)
}

func (a *audit) flush(rd *reader) {
	for len(a.open) > 0 {
		a.close(rd, a.open[0])
	}
}

func (e *auditEvent) has(typ string) bool {
	for i := range e.records {
		if e.records[i].typ == typ {
			return true
		}
	}
	return false
}

// auditFields reads name=value, where a value is bare, in double quotes, or in
// single quotes with pairs of its own. After the separator 0x1d come the same
// values interpreted, in capitals.
func auditFields(s string, into []model.LogField) []model.LogField {
	for len(s) > 0 {
		s = strings.TrimLeft(s, " \x1d,")
		name, rest, ok := strings.Cut(s, "=")
		if !ok {
			return into
		}
		if i := strings.LastIndexByte(name, ' '); i >= 0 {
			name = name[i+1:] // words without a value
		}
		value := ""
		switch {
		case strings.HasPrefix(rest, `"`):
			value, s, _ = strings.Cut(rest[1:], `"`)
		case strings.HasPrefix(rest, `'`):
			value, s, _ = strings.Cut(rest[1:], `'`)
			if name == "msg" {
				into = auditFields(value, into)
				continue
			}
		default:
			end := strings.IndexAny(rest, " \x1d")
			if end < 0 {
				end = len(rest)
			}
			value, s = rest[:end], rest[end:]
			if encoded(name) {
				value = unhex(value)
			}
		}
		if value == "(null)" || value == "?" {
			value = ""
		}
		into = append(into, model.LogField{Name: name, Value: value})
	}
	return into
}

// encoded tells the fields whose bare value is hex, because it holds a blank
// or worse.
func encoded(name string) bool {
	switch name {
	case "proctitle", "exe", "comm", "cwd", "name", "cmd", "acct", "path", "key", "data", "dir":
		return true
	}
	return len(name) >= 2 && name[0] == 'a' && digits(name[1:2]) >= 0
}

func unhex(s string) string {
	if len(s) < 2 || len(s)%2 != 0 || strings.Trim(s, "0123456789ABCDEF") != "" {
		return s
	}
	b, err := hex.DecodeString(s)
	if err != nil {
		return s
	}
	return strings.ToValidUTF8(string(bytes.ReplaceAll(bytes.TrimRight(b, "\x00"), []byte{0}, []byte{' '})), "�")
}

// get gives the first value of a field in the records of a type ("" is any).
func (e *auditEvent) get(typ string, names ...string) string {
	for i := range e.records {
		if r := &e.records[i]; typ == "" || r.typ == typ {
			for _, name := range names {
				for _, f := range r.fields {
					if f.Name == name && f.Value != "" {
						return f.Value
					}
				}
			}
		}
	}
	return ""
}

// event is the normalised event.
func (e *auditEvent) event(o Options) *model.Event {
	ev := &model.Event{Time: model.At(e.when), Host: &model.Host{OS: linuxOS}}
	ev.Host.Name, ev.Host.Domain = splitHost(e.node)
	if e.node == "" {
		ev.ID = contentID(e.raw)
	} else {
		ev.ID = partsID("audit", e.id, e.records[0].typ)
	}
	if e.has("SYSCALL") {
		e.syscall(ev)
	} else {
		e.message(ev)
	}
	if tag := e.get("SYSCALL", "key"); tag != "" {
		for t := range strings.SplitSeq(tag, "\x01") {
			ev.Tags = append(ev.Tags, t)
		}
	}
	if ev.Summary == "" {
		ev.Summary = ev.Action
	}
	if o.Log {
		ev.Log = e.log()
	}
	return ev
}

// log gives the fields of all lines, as rules for auditd name them.
func (e *auditEvent) log() *model.LogRecord {
	l := &model.LogRecord{Product: "linux", Channel: "auditd", Provider: "auditd", Computer: e.node, Text: string(bytes.TrimSpace(e.raw))}
	for _, r := range e.records {
		l.Data = append(append(l.Data, model.LogField{Name: "type", Value: r.typ}), r.fields...)
	}
	return l
}

// syscallNames are the calls that say what happened, by number. Laurel and
// ausearch -i write names.
var syscallNames = map[string]map[string]string{
	"c000003e": { // x86-64
		"59": "execve", "322": "execveat", "42": "connect", "43": "accept", "288": "accept4", "49": "bind", "50": "listen", "44": "sendto",
		"2": "open", "257": "openat", "437": "openat2", "85": "creat", "87": "unlink", "263": "unlinkat", "84": "rmdir", "82": "rename", "264": "renameat", "316": "renameat2",
		"86": "link", "265": "linkat", "88": "symlink", "266": "symlinkat", "90": "chmod", "91": "fchmod", "268": "fchmodat", "92": "chown", "93": "fchown", "260": "fchownat",
		"76": "truncate", "77": "ftruncate", "83": "mkdir", "258": "mkdirat", "101": "ptrace", "310": "process_vm_readv", "311": "process_vm_writev",
		"175": "init_module", "313": "finit_module", "176": "delete_module", "62": "kill", "56": "clone", "57": "fork", "58": "vfork", "60": "exit", "231": "exit_group", "165": "mount", "105": "setuid", "106": "setgid",
	},
	"c00000b7": { // AArch64
		"221": "execve", "281": "execveat", "203": "connect", "202": "accept", "242": "accept4", "200": "bind", "201": "listen", "206": "sendto",
		"56": "openat", "437": "openat2", "35": "unlinkat", "38": "renameat", "276": "renameat2", "37": "linkat", "36": "symlinkat", "52": "fchmod", "53": "fchmodat", "54": "fchownat", "55": "fchown",
		"45": "truncate", "46": "ftruncate", "34": "mkdirat", "117": "ptrace", "270": "process_vm_readv", "271": "process_vm_writev", "105": "init_module", "273": "finit_module", "106": "delete_module",
		"129": "kill", "220": "clone", "93": "exit", "94": "exit_group", "40": "mount", "146": "setuid", "144": "setgid",
	},
	"40000003": { // i386
		"11": "execve", "358": "execveat", "362": "connect", "361": "bind", "363": "listen", "364": "accept4", "5": "open", "295": "openat", "8": "creat", "10": "unlink", "301": "unlinkat", "40": "rmdir", "38": "rename", "302": "renameat", "353": "renameat2",
		"15": "chmod", "94": "fchmod", "306": "fchmodat", "26": "ptrace", "128": "init_module", "350": "finit_module", "129": "delete_module", "37": "kill", "1": "exit", "252": "exit_group",
	},
}

func (e *auditEvent) syscall(ev *model.Event) {
	name := e.get("SYSCALL", "syscall")
	if n, ok := syscallNames[e.get("SYSCALL", "arch")][name]; ok {
		name = n
	} else if s := e.get("SYSCALL", "SYSCALL"); digits(name) >= 0 && s != "" {
		name = s
	} else if digits(name) >= 0 {
		name = "syscall " + name
	}
	ev.Action = name
	p := &model.Process{PID: wholeNumber(e.get("SYSCALL", "pid")), Path: e.get("SYSCALL", "exe"), WorkingDirectory: e.get("CWD", "cwd")}
	if p.Path == "" {
		p.Name = e.get("SYSCALL", "comm")
	}
	p.CommandLine = first(e.arguments(), e.get("PROCTITLE", "proctitle"))
	p.Parent = &model.ParentProcess{PID: wholeNumber(e.get("SYSCALL", "ppid"))}
	ev.User = auditUser(e.get("SYSCALL", "UID"), e.get("SYSCALL", "uid"))
	if ev.Process = finishProcess(p); ev.Process != nil {
		p.User = ev.User
	}
	e.effect(ev, name, p)
}

// effect says what the call did.
func (e *auditEvent) effect(ev *model.Event, name string, p *model.Process) {
	failed := e.get("SYSCALL", "success") == "no"
	if failed {
		ev.Tags = append(ev.Tags, "failed")
	}
	switch name {
	case "execve", "execveat":
		ev.Kind = model.KindProcessStart
		if failed {
			ev.Kind = model.KindOther
		} else {
			p.Started = ev.Time
		}
		ev.Summary = first(p.CommandLine, p.Path)
	case "exit", "exit_group":
		ev.Kind, p.Ended = model.KindProcessEnd, ev.Time
	case "connect", "sendto", "accept", "accept4", "bind", "listen":
		e.socket(ev, name)
	case "ptrace", "process_vm_readv", "kill":
		ev.Kind = model.KindProcessAccess
	case "process_vm_writev":
		ev.Kind = model.KindProcessInject
	case "init_module", "finit_module":
		ev.Kind = model.KindDriverLoad
		ev.Module = &model.Module{Path: first(e.get("KERN_MODULE", "name"), e.path("NORMAL"))}
	default:
		e.fileEffect(ev, name)
	}
	if pid := wholeNumber(e.get("OBJ_PID", "opid")); pid != 0 {
		ev.Target = &model.Process{PID: pid, Name: e.get("OBJ_PID", "ocomm")}
	}
}

func (e *auditEvent) fileEffect(ev *model.Event, name string) {
	normal, created, deleted := e.path("NORMAL"), e.path("CREATE"), e.path("DELETE")
	f := &model.File{}
	switch {
	case strings.HasPrefix(name, "rename"):
		ev.Kind, f.Path, f.OldPath = model.KindFileRename, first(created, normal), deleted
	case strings.HasPrefix(name, "unlink"), name == "rmdir":
		ev.Kind, f.Path = model.KindFileDelete, first(deleted, normal)
	case created != "":
		ev.Kind, f.Path = model.KindFileCreate, created
	case strings.HasPrefix(name, "open"):
		ev.Kind, f.Path = model.KindFileRead, normal
		if e.opensForWriting(name) {
			ev.Kind = model.KindFileWrite
		}
	case strings.HasPrefix(name, "chmod"), strings.HasPrefix(name, "fchmod"), strings.Contains(name, "chown"), strings.Contains(name, "truncate"), strings.HasPrefix(name, "creat"), strings.Contains(name, "link"), strings.HasPrefix(name, "mkdir"), strings.Contains(name, "setxattr"):
		ev.Kind, f.Path = model.KindFileWrite, normal
	default:
		ev.Kind, f.Path = model.KindOther, normal
	}
	if f.Path != "" && ev.Kind != model.KindOther {
		f.Name = model.BaseName(f.Path)
		ev.File = f
		ev.Summary = ev.Action + ": " + f.Path
	}
}

// opensForWriting looks at the flags: the second or third argument, in hex.
func (e *auditEvent) opensForWriting(name string) bool {
	arg := "a1"
	if strings.HasPrefix(name, "openat") {
		arg = "a2"
	}
	flags, err := strconv.ParseUint(strings.TrimPrefix(e.get("SYSCALL", arg), "0x"), 16, 64)
	return err == nil && flags&3 != 0
}

// path is the name in the last PATH record of a nametype, made whole by the
// working directory.
func (e *auditEvent) path(nametype string) string {
	found := ""
	for _, r := range e.records {
		if r.typ != "PATH" {
			continue
		}
		name, typ := "", ""
		for _, f := range r.fields {
			switch f.Name {
			case "name":
				name = f.Value
			case "nametype":
				typ = f.Value
			}
		}
		if typ == nametype && name != "" && (found == "" || nametype != "NORMAL") {
			found = name
		}
	}
	if found != "" && found[0] != '/' {
		if cwd := e.get("CWD", "cwd"); cwd != "" {
			return strings.TrimSuffix(cwd, "/") + "/" + strings.TrimPrefix(found, "./")
		}
	}
	return found
}

// arguments joins the arguments of EXECVE, which may be cut into a1[0], a1[1].
func (e *auditEvent) arguments() string {
	var b strings.Builder
	last := ""
	for _, r := range e.records {
		if r.typ != "EXECVE" {
			continue
		}
		for _, f := range r.fields {
			if len(f.Name) < 2 || f.Name[0] != 'a' || digits(f.Name[1:2]) < 0 || strings.HasSuffix(f.Name, "_len") {
				continue
			}
			arg, _, part := strings.Cut(f.Name, "[")
			if b.Len() > 0 && (!part || arg != last) {
				b.WriteByte(' ')
			}
			last = arg
			b.WriteString(f.Value)
		}
	}
	return b.String()
}

func (e *auditEvent) socket(ev *model.Event, name string) {
	ip, port, unix := sockaddr(e.get("SOCKADDR", "saddr"))
	if ip == "" {
		ip, port = e.get("SOCKADDR", "laddr", "addr"), wholeNumber(e.get("SOCKADDR", "lport", "port"))
	}
	peer := endpoint(ip, port, "")
	switch {
	case unix != "" || peer == nil && name != "listen":
		ev.Kind = model.KindOther
		ev.Summary = strings.TrimSpace(ev.Action + " " + unix)
		return
	case name == "bind" || name == "listen":
		ev.Kind = model.KindNetworkListen
		ev.Network = &model.Network{Source: peer}
	case strings.HasPrefix(name, "accept"):
		ev.Kind = model.KindNetworkConnect
		ev.Network = &model.Network{Direction: "ingress", Source: peer}
	default:
		ev.Kind = model.KindNetworkConnect
		ev.Network = &model.Network{Direction: "egress", Destination: peer}
	}
	if peer != nil {
		ev.Summary = ev.Action + ": " + peer.IP + ":" + strconv.Itoa(peer.Port)
	}
}

// sockaddr reads the kernel's own form of an address, in hex.
func sockaddr(s string) (ip string, port int64, unix string) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) < 4 {
		return "", 0, ""
	}
	switch binary.LittleEndian.Uint16(b) {
	case 1:
		path, _, _ := bytes.Cut(bytes.TrimLeft(b[2:], "\x00"), []byte{0})
		return "", 0, strings.ToValidUTF8(string(path), "�")
	case 2:
		if len(b) >= 8 {
			return netip.AddrFrom4([4]byte(b[4:8])).String(), int64(binary.BigEndian.Uint16(b[2:])), ""
		}
	case 10:
		if len(b) >= 24 {
			return netip.AddrFrom16([16]byte(b[8:24])).Unmap().String(), int64(binary.BigEndian.Uint16(b[2:])), ""
		}
	}
	return "", 0, ""
}

func auditUser(name, id string) *model.User {
	if id == "4294967295" || id == "-1" || id == "unset" {
		id = ""
	}
	if digits(id) < 0 {
		name, id = first(name, id), ""
	}
	if name == "" && id == "0" {
		name = "root"
	}
	return userOf(name, "", id)
}

// messageKinds are the events that programs of the system log themselves.
var messageKinds = map[string]model.Kind{
	"USER_LOGIN": model.KindLogon, "USER_START": model.KindLogon, "LOGIN": model.KindLogon, "USER_AUTH": model.KindLogon, "USER_END": model.KindLogoff, "USER_LOGOUT": model.KindLogoff,
	"ADD_USER": model.KindAccountChange, "DEL_USER": model.KindAccountChange, "ADD_GROUP": model.KindAccountChange, "DEL_GROUP": model.KindAccountChange,
	"USER_CHAUTHTOK": model.KindAccountChange, "USER_MGMT": model.KindAccountChange, "GRP_MGMT": model.KindAccountChange, "ACCT_LOCK": model.KindAccountChange, "ACCT_UNLOCK": model.KindAccountChange,
	"USER_CMD": model.KindProcessStart, "USER_ROLE_CHANGE": model.KindPrivilege, "CRED_ACQ": model.KindPrivilege,
}

func (e *auditEvent) message(ev *model.Event) {
	typ := e.records[0].typ
	ev.Action, ev.Kind = typ, model.KindOther
	if k, ok := messageKinds[typ]; ok {
		ev.Kind = k
	}
	result := first(e.get(typ, "res"), e.get(typ, "result"))
	if ev.Kind == model.KindLogon && (result == "failed" || result == "0" || result == "no") {
		ev.Kind = model.KindLogonFailed
	}
	p := &model.Process{PID: wholeNumber(e.get(typ, "pid")), Path: e.get(typ, "exe"), WorkingDirectory: e.get(typ, "cwd")}
	ev.User = auditUser(first(e.get(typ, "AUID"), ""), e.get(typ, "auid"))
	acct := e.get(typ, "acct")
	switch ev.Kind {
	case model.KindLogon, model.KindLogonFailed, model.KindLogoff:
		ev.Logon = &model.Logon{TargetUser: auditUser(acct, e.get(typ, "id"))}
		if addr := endpoint(first(ipOf(e.get(typ, "addr")), ipOf(e.get(typ, "hostname"))), 0, ""); addr != nil {
			ev.Network = &model.Network{Direction: "ingress", Source: addr}
		}
	case model.KindAccountChange:
		if name := first(acct, e.get(typ, "id")); name != "" {
			ev.Object = &model.Object{Type: "user", Name: name}
			if strings.Contains(typ, "GROUP") || strings.HasPrefix(typ, "GRP") {
				ev.Object.Type = "group"
			}
		}
	case model.KindProcessStart: // sudo
		p.CommandLine = e.get(typ, "cmd")
	}
	if unit := e.get(typ, "unit"); unit != "" {
		ev.Object = &model.Object{Type: "service", Name: unit}
	}
	if ev.User == nil {
		ev.User = auditUser(acct, e.get(typ, "uid"))
	}
	if ev.Process = finishProcess(p); ev.Process != nil {
		p.User = ev.User
	}
	ev.Summary = strings.TrimSpace(typ + " " + first(e.get(typ, "cmd"), acct, e.get(typ, "unit"), e.get(typ, "op")) + " " + result)
}

// isLaurel: audit events as Laurel joins them: {"ID": "1626611363.720:348501",
// "SYSCALL": {…}, "EXECVE": {"ARGV": […]}, "PATH": […]}.
func isLaurel(v Value) bool {
	id := v.Str("ID")
	if i := strings.IndexByte(id, ':'); i < 4 {
		return false
	}
	for name, m := range v.Members() {
		if name != "ID" && name != "NODE" && (m.Kind() == '{' || m.Kind() == '[') && strings.ToUpper(name) == name {
			return true
		}
	}
	return false
}

func decodeLaurel(v Value, o Options) ([]Item, error) {
	stamp, _, _ := strings.Cut(v.Str("ID"), ":")
	when, _, ok := readTime(stamp, time.UTC)
	if !ok {
		return nil, errorf("a Laurel event without a time in %q", "ID")
	}
	e := &auditEvent{id: v.Str("ID"), when: when, node: v.Str("NODE"), raw: v.Raw()}
	for name, m := range v.Members() {
		for r := range m.List() {
			e.records = append(e.records, auditRecord{name, laurelFields(r)})
		}
	}
	if len(e.records) == 0 {
		return nil, errorf("a Laurel event without a record")
	}
	if e.node != "" {
		e.id = e.node + " " + e.id
	}
	ev := e.event(o)
	if exe := v.Str("PARENT_INFO.exe"); exe != "" && ev.Process != nil {
		ev.Process.Parent = &model.ParentProcess{PID: wholeNumber(v.Str("SYSCALL.ppid", "PARENT_INFO.pid")), Path: exe, Name: model.BaseName(exe)}
	}
	if o.Raw {
		ev.Raw = append([]byte(nil), v.Raw()...)
	}
	return []Item{{Event: ev}}, nil
}

// laurelFields: ARGV is a list; SADDR and the like are objects with the parts.
func laurelFields(v Value) []model.LogField {
	var out []model.LogField
	for name, m := range v.Members() {
		switch {
		case name == "ARGV":
			for i, a := range m.Texts() {
				out = append(out, model.LogField{Name: "a" + strconv.Itoa(i), Value: a})
			}
		case name == "ARGV_STR":
			out = append(out, model.LogField{Name: "a0", Value: m.Text()})
		case name == "PROCTITLE" || name == "proctitle":
			out = append(out, model.LogField{Name: "proctitle", Value: strings.Join(m.Texts(), " ")})
		case name == "ARCH": // the name; arch has the number
		case m.Kind() == '{':
			for k, x := range m.Members() {
				out = append(out, model.LogField{Name: k, Value: x.Text()})
			}
		default:
			out = append(out, model.LogField{Name: name, Value: m.Text()})
		}
	}
	return out
}
