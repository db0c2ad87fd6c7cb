package demo

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	esp "github.com/edrctl/edrctl/internal/backends/esp/fake"
	"github.com/edrctl/edrctl/internal/story"
)

// The story as an EclecticIQ ESP server stores it: rows of scheduled osquery
// queries. Windows machines have the PolyLogyx extension with its process
// GUIDs; Linux machines have plain osquery, which counts event ids per host
// and knows a process by its pid.

// espData maps the story onto the server's own records. Events stay in the
// story and become rows when they are asked for.
func espData(s *story.Story) *esp.Data {
	d := &esp.Data{
		Users: []esp.User{
			{ID: 1, Name: "admin", Email: "admin@demo.invalid", Password: "admin", Role: "admin"},
			{ID: 2, Name: "analyst", Password: "analyst", Role: "analyst"},
		},
		Tables: espTables, Queries: espQueries(), Packs: []esp.Pack{{Name: "all-events-pack", Category: "Monitoring", Queries: []string{"win_process_events", "win_file_events"}}},
		Configs: []esp.Config{
			{Name: "linux-default", Platform: "linux", Default: true, Description: "Default Linux configuration", Queries: espConfigQueries("process_events", "socket_events")},
			{Name: "windows-default", Platform: "windows", Default: true, Description: "Default Windows configuration", Queries: espConfigQueries("win_process_events", "win_file_events")},
			{Name: "darwin-default", Platform: "darwin", Default: true, Description: "Default macOS configuration"},
		},
	}
	d.Yara = map[string]string{"packed.yara": "rule packed_executable {\n    strings:\n        $a = \"UPX0\"\n    condition:\n        $a\n}\n"}
	nodes := map[*story.Host]int{}
	for i, h := range s.HostsOn(story.ESP) {
		nodes[h] = i + 1
		d.Hosts = append(d.Hosts, espHost(i+1, h, s.Anchor))
		d.Logs = append(d.Logs, esp.StatusLog{
			NodeID: i + 1, Line: 922, Severity: 1, Filename: "virtual_table.cpp", Version: "5.2.3", Created: s.Anchor.Add(-time.Duration(i+2) * time.Hour),
			Message: "The users table returns data based on the current user by default, consider JOINing against the users table",
		})
	}
	for _, r := range s.Rules {
		if r.Backend == story.ESP {
			d.Rules = append(d.Rules, espRule(r, s.Anchor))
		}
	}
	wanted := map[*story.Event]int64{}
	alerts := s.AlertsOn(story.ESP)
	for _, a := range alerts {
		for _, e := range a.Events {
			wanted[e] = 0
		}
	}
	rows := newESPRows(s, nodes, wanted)
	d.Results = rows
	for i, a := range alerts {
		d.Alerts = append(d.Alerts, rows.alert(i+1, a, wanted))
	}
	for _, a := range s.Artifacts {
		if node := nodes[a.Host]; node > 0 {
			d.Carves = append(d.Carves, espCarve(a, node))
		}
	}
	for _, ind := range s.Indicators {
		kind := map[string]string{"md5": "md5", "sha256": "sha256", "ipv4": "remote_address", "domain": "domain_name"}[ind.Type]
		if kind == "" || !espSees(ind.Backends) {
			continue
		}
		d.IOCs = append(d.IOCs, esp.IOC{Name: fmt.Sprintf("intel-%d_%s", len(d.IOCs)+1, kind), Type: kind, Severity: "WARNING", Values: ind.Value})
	}
	return d
}

// espConfigQueries is the schedule of a configuration.
func espConfigQueries(names ...string) string {
	var b strings.Builder
	for i, n := range names {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `%q:{"query":"select * from %s;","interval":30,"status":true}`, n, n)
	}
	return "{" + b.String() + "}"
}

func espSees(backends []string) bool {
	for _, b := range backends {
		if b == story.ESP {
			return true
		}
	}
	return false
}

// espPlatform is the agent's own word for the system.
func espPlatform(h *story.Host) string {
	switch {
	case h.Platform != "linux":
		return h.Platform
	case strings.HasPrefix(h.OS, "Debian"):
		return "debian"
	}
	return "ubuntu"
}

func espIdentifier(h *story.Host) string {
	if h.Platform == "windows" {
		return strings.ToUpper(h.UUID)
	}
	return strings.ToLower(h.UUID)
}

func espHost(id int, h *story.Host, anchor time.Time) esp.Host {
	return esp.Host{
		ID: id, Identifier: espIdentifier(h), Name: h.Name, OSName: h.OS, OSVer: h.OSVersion, Platform: espPlatform(h),
		LastIP: h.IP, IP: h.IP, MAC: h.MAC, Online: h.Online, LastCheckin: h.LastSeen, Enrolled: anchor.Add(-90 * 24 * time.Hour),
		Tags: h.Tags, OsqueryVersion: "5.2.3",
	}
}

func espRuleID(r *story.Rule) int {
	if n, err := strconv.Atoi(r.ID); err == nil && n > 0 {
		return n
	}
	return 1000 + r.N
}

func espRule(r *story.Rule, anchor time.Time) esp.Rule {
	severity := r.Severity
	if severity == "LOW" { // rules of ESP know three words
		severity = "INFO"
	}
	out := esp.Rule{
		ID: espRuleID(r), Name: r.Name, Description: r.Description, Severity: severity, Type: "MITRE",
		Conditions: `{"condition":"AND","rules":[{"id":"action","field":"action","type":"string","input":"text","operator":"equal","value":"added"}],"valid":true}`,
		Updated:    anchor.Add(-30 * 24 * time.Hour).Truncate(time.Second),
	}
	if r.Technique != "" {
		out.TechniqueID, _, _ = strings.Cut(r.Technique, ".") // the server takes no sub-techniques
	}
	if r.Tactic != "" {
		out.Tactics = []string{r.Tactic}
	}
	return out
}

// espResult0 is the number of the oldest row: the server has been running for
// a while.
const espResult0 = 172_270_000

// espRows gives the events by position; what finding one needs is kept.
type espRows struct {
	index *story.Index
	nodes map[*story.Host]int
	at    []int64 // ms
	node  []uint8
	query []uint8 // index into espNames
}

func newESPRows(s *story.Story, nodes map[*story.Host]int, wanted map[*story.Event]int64) *espRows {
	r := &espRows{index: story.NewIndex(s, story.ESP), nodes: nodes}
	n := r.index.Len()
	r.at, r.node, r.query = make([]int64, 0, n), make([]uint8, 0, n), make([]uint8, 0, n)
	for e := range s.EventSeq(story.ESP) {
		if _, ok := wanted[e]; ok {
			wanted[e] = espResult0 + int64(len(r.at))
		}
		r.at = append(r.at, e.Time.UnixMilli())
		r.node = append(r.node, uint8(nodes[e.Host]))
		r.query = append(r.query, espQuery(e))
	}
	return r
}

// Len is how many there are.
func (r *espRows) Len() int { return len(r.at) }

// TimeAt gives the time of one.
func (r *espRows) TimeAt(i int) time.Time { return time.UnixMilli(r.at[i]).UTC() }

// KeyAt gives host and query of one.
func (r *espRows) KeyAt(i int) (int, string) { return int(r.node[i]), espNames[r.query[i]] }

// At gives one as a stored row.
func (r *espRows) At(i int) esp.Result {
	e := r.index.At(i)
	return esp.Result{
		ID: espResult0 + int64(i), Name: espNames[r.query[i]], Time: e.Time.Truncate(time.Second), Action: "added", NodeID: int(r.node[i]),
		UUID: espGUID("row", e.N), Columns: espColumns(e),
	}
}

// espGUID makes a stable id of a number.
func espGUID(kind string, n int) string {
	// A multiplicative hash is enough: ids must differ, not hide anything.
	x := (uint64(n) + uint64(len(kind))<<40 + uint64(kind[0])<<56) * 0x9e3779b97f4a7c15
	y := (x ^ x>>29) * 0xbf58476d1ce4e5b9
	var b [36]byte
	const hx = "0123456789abcdef"
	put := func(at, count int, v uint64) {
		for i := range count {
			b[at+i] = hx[v>>(4*i)&15]
		}
	}
	put(0, 8, x)
	put(9, 4, x>>32)
	put(14, 4, x>>48)
	put(19, 4, y)
	put(24, 12, y>>16)
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}

// espNames are the scheduled queries, each called like the table it reads.
var espNames = []string{
	"win_process_events", "win_file_events", "win_socket_events", "win_dns_events", "win_registry_events", "win_image_load_events",
	"win_process_open_events", "win_remote_thread_events", "process_events", "process_file_events", "socket_events", "dns_lookup_events", "hardware_events",
	"win_obfuscated_events",
}

const espOther = 13

func espQuery(e *story.Event) uint8 {
	windows := e.Host.Platform == "windows"
	pick := func(w, other uint8) uint8 {
		if windows {
			return w
		}
		return other
	}
	switch e.Kind {
	case "process_start", "process_end":
		return pick(0, 8)
	case "file_create", "file_write", "file_delete", "file_read", "file_copy", "file_download":
		return pick(1, 9)
	case "network_connect", "network_listen":
		return pick(2, 10)
	case "dns_query":
		return pick(3, 11)
	case "registry_set", "registry_delete", "registry_create":
		return 4
	case "module_load":
		return 5
	case "process_access":
		return 6
	case "process_inject":
		return 7
	case "device_access":
		return 12
	}
	return espOther
}

var espActions = map[string]string{
	"process_start": "PROC_CREATE", "process_end": "PROC_TERMINATE",
	"file_create": "FILE_CREATE", "file_write": "FILE_WRITE", "file_delete": "FILE_DELETE", "file_read": "FILE_READ", "file_copy": "FILE_COPY", "file_download": "FILE_CREATE",
	"network_connect": "SOCKET_CONNECT", "network_listen": "SOCKET_LISTEN", "dns_query": "DNS_LOOKUP",
	"registry_set": "REG_SETVALUE", "registry_delete": "REG_DELETE", "registry_create": "REG_CREATE",
	"module_load": "IMAGE_LOAD", "process_access": "PROC_OPEN", "process_inject": "REMOTE_THREAD", "device_access": "REMOVABLE_MEDIA_ADD",
}

// espSubject is the process a row is about: the new one at a start.
func espSubject(e *story.Event) *story.Process {
	if e.Kind == "process_start" && e.Target != nil {
		return e.Target
	}
	return e.Process
}

func espUser(p *story.Process) string {
	if p.Domain != "" {
		return p.Domain + `\` + p.User
	}
	return p.User
}

// espColumns are the cells of a row, in the agent's order.
func espColumns(e *story.Event) esp.Columns {
	if e.Host.Platform != "windows" {
		return espLinuxColumns(e)
	}
	c := make(esp.Columns, 0, 20)
	add := func(k, v string) { c = append(c, esp.KV{K: k, V: v}) }
	num := func(n int) string { return strconv.Itoa(n) }
	p := espSubject(e)
	add("eid", strings.ToUpper(espGUID("event", e.N)))
	add("time", strconv.FormatInt(e.Time.Unix(), 10))
	add("action", espActions[e.Kind])
	add("utc_time", e.Time.UTC().Format("Mon Jan _2 15:04:05 2006")+" UTC")
	if e.Kind == "process_start" || e.Kind == "process_end" {
		add("eventid", "2")
		if p == nil {
			return c
		}
		add("pid", num(p.PID))
		add("path", p.Path)
		add("cmdline", p.CommandLine)
		add("owner_uid", espUser(p))
		add("md5", p.MD5)
		add("sha256", p.SHA256)
		add("process_guid", p.GUID)
		if q := p.Parent; q != nil {
			add("parent_pid", num(q.PID))
			add("parent_path", q.Path)
			add("parent_process_guid", q.GUID)
		}
		return c
	}
	switch e.Kind {
	case "process_access", "process_inject":
		if p != nil {
			add("src_pid", num(p.PID))
			add("src_process_guid", p.GUID)
			add("src_path", p.Path)
			add("owner_uid", espUser(p))
		}
		if t := e.Target; t != nil {
			add("target_pid", num(t.PID))
			add("target_process_guid", t.GUID)
			add("target_path", t.Path)
		}
		if e.Access != "" {
			add("granted_access_value", e.Access)
		}
		return c
	}
	if p != nil {
		add("pid", num(p.PID))
		add("process_guid", p.GUID)
		add("process_name", p.Path)
		add("owner_uid", espUser(p))
	}
	switch e.Kind {
	case "network_connect", "network_listen":
		add("eventid", "10")
		add("event_type", "socket")
		add("family", "IPV4")
		add("protocol", espProtocol(e.Transport))
		if e.Direction == "ingress" && e.Kind == "network_connect" {
			c[2].V = "SOCKET_ACCEPT"
		}
		add("local_address", e.LocalIP)
		add("local_port", num(e.LocalPort))
		add("remote_address", e.RemoteIP)
		add("remote_port", num(e.RemotePort))
		if e.RemoteDomain != "" {
			add("domain_name", "."+e.RemoteDomain)
		}
	case "dns_query":
		add("event_type", "DNS")
		add("domain_name", "."+e.DNSName)
		add("request_type", espDNSType(e.DNSType))
		add("request_class", "1")
	case "registry_set", "registry_delete", "registry_create":
		add("eventid", "13")
		add("target_name", e.RegPath)
		add("value_name", e.RegValue)
		add("value_data", e.RegData)
	case "module_load":
		add("image_path", e.ModulePath)
		add("sha256", e.ModuleSHA256)
	default:
		add("eventid", "1")
		path := e.FilePath
		if e.FileOldPath != "" {
			add("target_new_name", path)
			path = e.FileOldPath
		}
		add("target_path", path)
		add("md5", e.FileMD5)
		add("sha1", e.FileSHA1)
		add("sha256", e.FileSHA256)
		if e.FileSize > 0 {
			add("size", strconv.FormatInt(e.FileSize, 10))
		}
	}
	return c
}

func espProtocol(t string) string {
	switch t {
	case "udp":
		return "17"
	case "icmp":
		return "1"
	}
	return "6"
}

func espDNSType(t string) string {
	if n := map[string]string{"A": "1", "CNAME": "5", "PTR": "12", "MX": "15", "TXT": "16", "AAAA": "28"}[t]; n != "" {
		return n
	}
	return "1"
}

// espLinuxColumns are the rows of plain osquery: its own words and numbers.
func espLinuxColumns(e *story.Event) esp.Columns {
	c := make(esp.Columns, 0, 16)
	add := func(k, v string) { c = append(c, esp.KV{K: k, V: v}) }
	num := func(n int) string { return strconv.Itoa(n) }
	p := espSubject(e)
	add("eid", fmt.Sprintf("%010d", e.N))
	add("time", strconv.FormatInt(e.Time.Unix(), 10))
	if p != nil {
		add("pid", num(p.PID))
		add("username", p.User)
	}
	switch e.Kind {
	case "process_start", "process_end":
		if e.Kind == "process_end" {
			add("action", "PROC_TERMINATE")
		}
		if p == nil {
			return c
		}
		add("path", p.Path)
		add("cmdline", p.CommandLine)
		add("cwd", p.Dir)
		add("md5", p.MD5)
		add("sha256", p.SHA256)
		if q := p.Parent; q != nil {
			add("parent", num(q.PID))
			add("parent_path", q.Path)
		}
		return c
	}
	if p != nil {
		add("process_name", p.Path)
	}
	switch e.Kind {
	case "network_connect", "network_listen":
		word := "connect"
		switch {
		case e.Kind == "network_listen":
			word = "bind"
		case e.Direction == "ingress":
			word = "accept"
		}
		add("action", word)
		add("protocol", espProtocol(e.Transport))
		add("local_address", e.LocalIP)
		add("local_port", num(e.LocalPort))
		add("remote_address", e.RemoteIP)
		add("remote_port", num(e.RemotePort))
		if e.RemoteDomain != "" {
			add("domain_name", e.RemoteDomain)
		}
	case "dns_query":
		add("domain_name", e.DNSName)
		add("request_type", espDNSType(e.DNSType))
	default:
		add("action", espActions[e.Kind])
		path := e.FilePath
		if e.FileOldPath != "" {
			add("target_new_name", path)
			path = e.FileOldPath
		}
		add("target_path", path)
		add("md5", e.FileMD5)
		add("sha1", e.FileSHA1)
		add("sha256", e.FileSHA256)
		if e.FileSize > 0 {
			add("size", strconv.FormatInt(e.FileSize, 10))
		}
	}
	return c
}

// alert is one alert; those of the threat-intel rule come from the server's
// intelligence sources instead of a rule.
func (r *espRows) alert(id int, a *story.Alert, ids map[*story.Event]int64) esp.Alert {
	last := a.Events[len(a.Events)-1]
	out := esp.Alert{
		ID: id, Time: a.Time.Truncate(time.Second), Severity: "WARNING", Type: "rule", Source: "rule", Status: "OPEN",
		NodeID: r.nodes[a.Host], QueryName: espNames[espQuery(last)], Entry: espColumns(last),
	}
	if a.Rule != nil {
		out.RuleID, out.Severity = espRuleID(a.Rule), a.Rule.Severity
		if a.Rule.Name == "threat intel match" {
			out.RuleID, out.Type = 0, "Threat Intel"
			out.Source = []string{"ioc", "virustotal", "alienvault", "ibmxforce"}[id%4]
		}
	}
	if a.Status != "open" {
		out.Status = "RESOLVED"
		switch a.Verdict {
		case "true_positive":
			out.Verdict = "TRUE POSITIVE"
		case "false_positive":
			out.Verdict = "FALSE POSITIVE"
		}
	}
	for _, e := range a.Events {
		if n := ids[e]; n > 0 {
			out.Events = append(out.Events, n)
		}
	}
	return out
}

func espCarve(a *story.Artifact, node int) esp.Carve {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	name := strings.TrimLeft(strings.ReplaceAll(strings.ReplaceAll(a.Path, `\`, "/"), ":", ""), "/")
	_ = w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(a.Content)), ModTime: a.Time, Format: tar.FormatPAX})
	_, _ = w.Write(a.Content)
	_ = w.Close()
	sum := sha256.Sum256([]byte(a.Host.UUID + a.Path))
	return esp.Carve{
		NodeID: node, SessionID: strings.ToUpper(hex.EncodeToString(sum[:5])), GUID: espGUID("carve", a.N),
		Content: b.Bytes(), Status: "COMPLETED", Created: a.Time,
	}
}

// espQueries are the scheduled queries behind the rows.
func espQueries() []esp.Query {
	var out []esp.Query
	for i, n := range espNames {
		platform := "linux"
		if strings.HasPrefix(n, "win_") {
			platform = "windows"
		}
		q := esp.Query{ID: i + 1, Name: n, SQL: "select * from " + n + ";", Interval: 30, Platform: platform, Description: "Events of " + n}
		if i < 2 {
			q.Packs = []string{"all-events-pack"}
		}
		out = append(out, q)
	}
	return out
}

func espTable(name, description string, platforms []string, columns ...string) esp.Table {
	t := esp.Table{Name: name, Description: description, Platforms: platforms}
	for _, c := range columns {
		n, typ, _ := strings.Cut(c, " ")
		if typ == "" {
			typ = "TEXT"
		}
		t.Columns = append(t.Columns, esp.TableColumn{Name: n, Type: typ, Description: strings.ReplaceAll(n, "_", " ")})
	}
	return t
}

var (
	espAll     = []string{"windows", "linux", "darwin"}
	espWindows = []string{"windows"}
	espLinux   = []string{"linux"}
)

// espTables are the tables the demo's agents answer for.
var espTables = []esp.Table{
	espTable("system_info", "System information for identification.", espAll, "hostname", "uuid", "cpu_type", "cpu_physical_cores INTEGER", "physical_memory BIGINT", "computer_name"),
	espTable("os_version", "A single row containing the operating system name and version.", espAll, "name", "version", "platform"),
	espTable("osquery_info", "Top level information about the running version of osquery.", espAll, "pid INTEGER", "uuid", "version", "config_valid INTEGER", "extensions"),
	espTable("users", "Local user accounts.", espAll, "uid BIGINT", "gid BIGINT", "username", "description", "directory", "shell"),
	espTable("processes", "All running processes on the host system.", espAll, "pid BIGINT", "name", "path", "cmdline", "state", "parent BIGINT"),
	espTable("carves", "List the set of completed and in-progress carves.", espAll, "time BIGINT", "sha256", "size INTEGER", "path", "status", "carve_guid", "request_id", "carve INTEGER"),
	espTable("etc_hosts", "Line-parsed /etc/hosts.", espAll, "address", "hostnames"),
	espTable("uptime", "Track time passed since last boot.", espAll, "days INTEGER", "hours INTEGER", "minutes INTEGER", "seconds INTEGER", "total_seconds BIGINT"),
	espTable("win_process_events", "Windows process events.", espWindows, "action", "eid", "pid BIGINT", "process_guid", "path", "cmdline", "parent_pid BIGINT", "parent_process_guid", "parent_path", "owner_uid", "time BIGINT", "utc_time", "eventid"),
	espTable("win_file_events", "Windows file events.", espWindows, "action", "eid", "target_path", "md5", "sha256", "hashed INTEGER", "uid", "time BIGINT", "utc_time", "pe_file", "pid BIGINT", "process_guid", "process_name", "eventid"),
	espTable("win_socket_events", "Windows socket events.", espWindows, "event_type", "eid", "action", "family", "protocol INTEGER", "local_address", "remote_address", "local_port INTEGER", "remote_port INTEGER", "pid BIGINT", "process_guid", "process_name", "time BIGINT", "utc_time", "eventid"),
	espTable("win_dns_events", "Windows DNS lookups.", espWindows, "event_type", "eid", "action", "domain_name", "request_type", "request_class", "pid BIGINT", "remote_address", "remote_port INTEGER", "time BIGINT", "utc_time"),
	espTable("win_registry_events", "Windows registry events.", espWindows, "action", "eid", "pid BIGINT", "process_guid", "process_name", "target_name", "value_name", "value_data", "owner_uid", "time BIGINT", "utc_time", "eventid"),
	espTable("process_events", "Track time/action process executions.", espLinux, "pid BIGINT", "path", "cmdline", "cwd", "uid BIGINT", "parent BIGINT", "time BIGINT", "eid"),
	espTable("socket_events", "Track network socket opens and closes.", espLinux, "action", "pid BIGINT", "path", "protocol INTEGER", "local_address", "remote_address", "local_port INTEGER", "remote_port INTEGER", "time BIGINT", "eid"),
}
