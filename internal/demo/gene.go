package demo

import (
	"bytes"
	"compress/gzip"
	"crypto/sha1"
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
	"time"

	gene "github.com/edrctl/edrctl/internal/backends/gene/fake"
	"github.com/edrctl/edrctl/internal/story"
)

// The story as a Gene (WHIDS) manager keeps it: Sysmon events of Windows
// machines, and detections of its rules on them.

const (
	geneChannel  = "Microsoft-Windows-Sysmon/Operational"
	geneProvider = "Microsoft-Windows-Sysmon"
	geneTime     = "2006-01-02 15:04:05.000"
	attackSite   = "https://attack.mitre.org/techniques/"
)

// geneSysmon is the number Sysmon gives each kind of event.
var geneSysmon = map[string]int{
	"process_start": 1, "file_write": 2, "network_connect": 3, "process_end": 5, "module_load": 7,
	"process_inject": 8, "device_access": 9, "process_access": 10, "file_create": 11,
	"registry_create": 12, "registry_delete": 12, "registry_set": 13, "dns_query": 22, "file_delete": 23,
}

// GeneServer serves the story as of anchor as one version of the
// manager, for tests that need another than the demo's.
func GeneServer(anchor time.Time, scale int, opt gene.Options) *gene.Server {
	return gene.New(geneData(story.New(anchor, scale)), opt)
}

// geneData maps the story onto the manager's own records.
func geneData(s *story.Story) *gene.Data {
	d := &gene.Data{Files: map[string]map[string][]byte{"": {
		`C:\Windows\System32\drivers\etc\hosts`: []byte("127.0.0.1 localhost\r\n"),
		`C:\Windows\win.ini`:                    []byte("; for 16-bit app support\r\n"),
	}}}
	places := map[*story.Host]int{}
	for i, h := range s.HostsOn(story.Gene) {
		places[h] = i
		d.Endpoints = append(d.Endpoints, gene.Endpoint{
			UUID: h.UUID, Hostname: h.Name, IP: h.IP, Group: h.Policy, Criticality: 5 - 5*(i%2),
			OSProduct: h.OS, OSVersion: h.OSVersion, Online: h.Online, LastSeen: h.LastSeen,
		})
	}
	d.Log = newGeneLog(s, places)
	for _, r := range s.Rules {
		if r.Backend == story.Gene {
			d.Rules = append(d.Rules, geneRule(r, s))
		}
	}
	for _, a := range s.Artifacts {
		if !a.Host.On(story.Gene) {
			continue
		}
		if d.Files[a.Host.Name] == nil {
			d.Files[a.Host.Name] = map[string][]byte{}
		}
		d.Files[a.Host.Name][a.Path] = a.Content
		base := a.Path[strings.LastIndexAny(a.Path, `\/`)+1:]
		d.Artifacts = append(d.Artifacts, gene.Artifact{
			Endpoint: places[a.Host], ProcessGUID: geneSubject(a.Event).GUID, EventHash: geneHash(a.Event),
			Name: strconv.FormatInt(a.Time.UnixNano(), 10) + "_" + base + ".bin.gz", Content: zipped(a.Content), Time: a.Time,
		})
	}
	return d
}

func zipped(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}

func geneAttack(r *story.Rule) []gene.Attack {
	if r.Technique == "" {
		return nil
	}
	return []gene.Attack{{
		ID: r.Technique, Tactic: r.Tactic, Description: r.TechniqueName,
		Reference: attackSite + strings.ReplaceAll(r.Technique, ".", "/") + "/",
	}}
}

// geneRule is a rule as its authors would write it; the condition names the
// kind of event it was meant for.
func geneRule(r *story.Rule, s *story.Story) gene.Rule {
	out := gene.Rule{
		Name: r.Name, Tags: []string{"edrctl-demo"}, Channel: geneChannel, EventIDs: []int{1},
		Attack: geneAttack(r), Criticality: r.Score, Condition: "$a",
		Matches: []string{`$a: Image ~= '(?i:.*)'`}, Actions: []string{},
	}
	for _, a := range s.AlertsOn(story.Gene) {
		if a.Rule == r {
			out.EventIDs = []int{geneSysmon[a.Events[len(a.Events)-1].Kind]}
			break
		}
	}
	return out
}

// geneLog gives the events by position. What is needed to find one is kept,
// the rest is computed each time.
type geneLog struct {
	index  *story.Index
	at     []int64 // ms since 1970
	place  []uint16
	alerts map[int]*story.Alert // by event number
	n      []int32              // event number, where there is an alert
}

func newGeneLog(s *story.Story, places map[*story.Host]int) *geneLog {
	l := &geneLog{index: story.NewIndex(s, story.Gene), alerts: map[int]*story.Alert{}}
	for _, a := range s.AlertsOn(story.Gene) {
		l.alerts[a.Events[len(a.Events)-1].N] = a
	}
	total := l.index.Len()
	l.at, l.place, l.n = make([]int64, 0, total), make([]uint16, 0, total), make([]int32, 0, total)
	for e := range s.EventSeq(story.Gene) {
		l.at = append(l.at, e.Time.UnixMilli())
		l.place = append(l.place, uint16(places[e.Host]))
		l.n = append(l.n, int32(e.N))
	}
	return l
}

func (l *geneLog) Len() int { return len(l.at) }

func (l *geneLog) Meta(i int) gene.Meta {
	return gene.Meta{Time: time.UnixMilli(l.at[i]), Endpoint: int(l.place[i]), Detection: l.alerts[int(l.n[i])] != nil}
}

func geneHash(e *story.Event) string {
	sum := sha1.Sum(strconv.AppendInt([]byte("gene event "), int64(e.N), 10))
	return hex.EncodeToString(sum[:])
}

// geneSubject is the process Sysmon tells of: the new one of a start, else
// the actor.
func geneSubject(e *story.Event) *story.Process {
	if e.Kind == "process_start" && e.Target != nil {
		return e.Target
	}
	return e.Process
}

func (l *geneLog) Fill(i int, e *gene.Event) {
	ev := l.index.At(i)
	*e = gene.Event{
		Channel: geneChannel, Provider: geneProvider, Computer: geneComputer(ev.Host), EventID: geneSysmon[ev.Kind],
		RecordID: ev.N, Hash: geneHash(ev), Data: geneFields(e.Data[:0], ev),
	}
	if a := l.alerts[ev.N]; a != nil {
		e.Signatures, e.Criticality, e.Attack = []string{a.Rule.Name}, a.Score, geneAttack(a.Rule)
		if p := geneSubject(ev); p != nil {
			if chain := p.Chain(); len(chain) > 0 {
				paths := make([]string, len(chain))
				for i, q := range chain {
					paths[i] = q.Path
				}
				e.Data = append([]gene.KV{{K: "Ancestors", V: strings.Join(paths, "|")}}, e.Data...)
			}
		}
	}
}

func geneComputer(h *story.Host) string {
	if h.Domain == "" {
		return h.Name
	}
	return h.Name + "." + strings.ToLower(h.Domain) + ".example"
}

func geneUser(p *story.Process) string {
	if p.Domain == "" {
		return p.User
	}
	return p.Domain + `\` + p.User
}

func geneHashes(sha1, md5, sha256, imphash string) string {
	var b strings.Builder
	b.Grow(200)
	for _, h := range [...][2]string{{"SHA1=", sha1}, {"MD5=", md5}, {"SHA256=", sha256}, {"IMPHASH=", imphash}} {
		if h[1] == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(h[0])
		b.WriteString(strings.ToUpper(h[1]))
	}
	return b.String()
}

// geneAnswers are answers as Sysmon writes them: a CNAME by its number, IPv4
// addresses as IPv6 ones.
func geneAnswers(list []string) string {
	if list == nil {
		return "-"
	}
	var b strings.Builder
	for _, a := range list {
		if ip, err := netip.ParseAddr(a); err == nil {
			b.WriteString("::ffff:" + ip.String() + ";")
		} else {
			b.WriteString("type:  5 " + a + ";")
		}
	}
	return b.String()
}

func braced(guid string) string { return "{" + guid + "}" }

// geneFields is the EventData of a Sysmon event, by name.
func geneFields(kv []gene.KV, e *story.Event) []gene.KV {
	put := func(k, v string) { kv = append(kv, gene.KV{K: k, V: v}) }
	utc := e.Time.UTC().Format(geneTime)
	p := geneSubject(e)
	if p == nil {
		put("RuleName", "-")
		put("UtcTime", utc)
		return kv
	}
	pid := strconv.Itoa(p.PID)
	// self ends most events: the process and the time, in their places.
	self := func() {
		put("ProcessGuid", braced(p.GUID))
		put("ProcessId", pid)
	}
	switch e.Kind {
	case "process_start":
		put("CommandLine", p.CommandLine)
		put("CurrentDirectory", p.Dir)
		put("Hashes", geneHashes(p.SHA1, p.MD5, p.SHA256, p.Imphash))
		put("Image", p.Path)
		put("IntegrityLevel", p.Integrity)
		if q := p.Parent; q != nil {
			put("ParentCommandLine", q.CommandLine)
			put("ParentImage", q.Path)
			put("ParentProcessGuid", braced(q.GUID))
			put("ParentProcessId", strconv.Itoa(q.PID))
		}
		self()
		put("RuleName", "-")
		put("User", geneUser(p))
		utc = p.Started.UTC().Format(geneTime)
	case "process_access", "process_inject":
		guid := "SourceProcessGuid"
		if e.Kind == "process_access" {
			put("CallTrace", `C:\Windows\SYSTEM32\ntdll.dll+9d4c4|C:\Windows\System32\KERNELBASE.dll+2c13e`)
			put("GrantedAccess", e.Access)
			guid = "SourceProcessGUID"
		}
		put("RuleName", "-")
		put("SourceImage", p.Path)
		put(guid, braced(p.GUID))
		put("SourceProcessId", pid)
		put("SourceUser", geneUser(p))
		if t := e.Target; t != nil {
			put("TargetImage", t.Path)
			put(strings.Replace(guid, "Source", "Target", 1), braced(t.GUID))
			put("TargetProcessId", strconv.Itoa(t.PID))
			put("TargetUser", geneUser(t))
		}
	case "file_create", "file_write":
		put("CreationUtcTime", utc)
		put("Image", p.Path)
		if e.Kind == "file_write" {
			put("PreviousCreationUtcTime", utc)
		}
		self()
		put("RuleName", "-")
		put("TargetFilename", e.FilePath)
		put("User", geneUser(p))
	case "file_delete":
		put("Archived", "true")
		put("Hashes", geneHashes(e.FileSHA1, e.FileMD5, e.FileSHA256, ""))
		put("Image", p.Path)
		put("IsExecutable", "false")
		self()
		put("RuleName", "-")
		put("TargetFilename", e.FilePath)
		put("User", geneUser(p))
	case "network_connect":
		put("DestinationHostname", e.RemoteDomain)
		put("DestinationIp", e.RemoteIP)
		put("DestinationPort", strconv.Itoa(e.RemotePort))
		put("Image", p.Path)
		put("Initiated", strconv.FormatBool(e.Direction != "ingress"))
		self()
		put("Protocol", e.Transport)
		put("RuleName", "-")
		put("SourceHostname", e.Host.Name)
		put("SourceIp", e.LocalIP)
		put("SourcePort", strconv.Itoa(e.LocalPort))
		put("User", geneUser(p))
		if e.Direction == "ingress" {
			swapEnds(kv)
		}
	case "dns_query":
		put("Image", p.Path)
		self()
		put("QueryName", e.DNSName)
		put("QueryResults", geneAnswers(e.DNSAnswers))
		put("QueryStatus", "0")
		put("QueryType", e.DNSType)
		put("RuleName", "-")
		put("User", geneUser(p))
	case "registry_set", "registry_create", "registry_delete":
		path := e.RegPath
		if e.RegValue != "" {
			path += `\` + e.RegValue
		}
		if e.Kind == "registry_set" {
			put("Details", e.RegData)
		}
		put("EventType", map[string]string{"registry_set": "SetValue", "registry_create": "CreateKey", "registry_delete": "DeleteValue"}[e.Kind])
		put("Image", p.Path)
		self()
		put("RuleName", "-")
		put("TargetObject", path)
		put("User", geneUser(p))
	case "module_load":
		put("Hashes", geneHashes("", "", e.ModuleSHA256, ""))
		put("Image", p.Path)
		put("ImageLoaded", e.ModulePath)
		self()
		put("RuleName", "-")
		put("Signed", "false")
		put("User", geneUser(p))
	case "device_access":
		put("Device", e.FilePath)
		put("Image", p.Path)
		self()
		put("RuleName", "-")
	default: // process_end
		put("Image", p.Path)
		self()
		put("RuleName", "-")
		put("User", geneUser(p))
	}
	put("UtcTime", utc)
	return kv
}

// swapEnds puts source and destination of a connection from outside right:
// Sysmon's source is who began it.
func swapEnds(kv []gene.KV) {
	at := map[string]int{}
	for i := range kv {
		at[kv[i].K] = i
	}
	for _, name := range []string{"Ip", "Port", "Hostname"} {
		s, okS := at["Source"+name]
		d, okD := at["Destination"+name]
		if okS && okD {
			kv[s].V, kv[d].V = kv[d].V, kv[s].V
		}
	}
}
