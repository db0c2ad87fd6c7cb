package evidence

import (
	"strings"

	"github.com/edrctl/edrctl/internal/model"
)

// isOCSF: a document of the Open Cybersecurity Schema Framework.
func isOCSF(v Value) bool { return v.Has("class_uid") && (v.Has("metadata") || v.Has("time")) }

func decodeOCSF(v Value, o Options) ([]Item, error) {
	c := clock{zone: o.zone()}
	x := ocsfReader{v, &c}
	var it Item
	switch class := v.Int("class_uid"); {
	case class == 2004 || class == 2001:
		if v.Has("finding_info.first_seen_time") && v.Has("unmapped.verdict") && !v.Has("verdict") && v.Has("count") {
			return nil, errorf("a hit of a hunt, not a record of a host")
		}
		it.Alert = x.alert()
	case class == 5001 && !v.Has("unmapped.kind"):
		it.Host = x.hostRecord()
	case class == 5040 && v.Str("query_evidence.query_type") == "Process", class == 0 && v.Has("unmapped.process") && !v.Has("unmapped.kind"):
		it.Process = x.processRecord()
	case class == 0 && !v.Has("unmapped.kind") && !v.Has("actor") && !v.Has("device"):
		return nil, errorf("an OCSF base event that names neither device nor actor")
	case class/1000 == 7, class == 3004:
		return nil, errorf("an OCSF document about an action of an analyst, not a record of a host")
	default:
		it.Event = x.event(int(class))
	}
	it.Local = c.local
	rec := it.Record().GetOrigin()
	if rec.ID == "" {
		rec.ID = v.Str("metadata.uid", "finding_info.uid", "uid")
	}
	if rec.ID == "" {
		rec.ID = contentID(v.Raw())
	}
	if o.Raw {
		raw := []byte(v.Str("raw_data"))
		if len(raw) == 0 || raw[0] != '{' {
			raw = append([]byte(nil), v.Raw()...)
		}
		it.setRaw(raw)
	}
	return []Item{it}, nil
}

type ocsfReader struct {
	Value
	c *clock
}

// ocsfKinds tells the kind of a document that names no kind of edrctl's, by
// class and activity; activity -1 is any other.
var ocsfKinds = map[int]map[int]model.Kind{
	1001:   {1: model.KindFileCreate, 2: model.KindFileRead, 3: model.KindFileWrite, 4: model.KindFileDelete, 5: model.KindFileRename, 14: model.KindFileRead, -1: model.KindFileWrite},
	1002:   {-1: model.KindDriverLoad},
	1005:   {-1: model.KindModuleLoad, 3: model.KindHook},
	1006:   {-1: model.KindTaskChange},
	1007:   {1: model.KindProcessStart, 2: model.KindProcessEnd, 3: model.KindProcessAccess, 4: model.KindProcessInject, 5: model.KindPrivilege, -1: model.KindAPICall},
	1008:   {1: model.KindLogCleared, -1: model.KindOther},
	1009:   {-1: model.KindScriptBlock},
	3001:   {-1: model.KindAccountChange},
	3002:   {1: model.KindLogon, 2: model.KindLogoff, -1: model.KindLogon},
	3006:   {-1: model.KindAccountChange},
	4001:   {7: model.KindNetworkListen, -1: model.KindNetworkConnect},
	4002:   {-1: model.KindNetworkConnect},
	4003:   {-1: model.KindDNSQuery},
	4006:   {-1: model.KindShareAccess},
	5001:   {-1: model.KindInventory},
	201001: {1: model.KindRegistryCreate, 3: model.KindRegistrySet, 4: model.KindRegistryDelete, -1: model.KindOther},
	201002: {4: model.KindRegistryDelete, -1: model.KindRegistrySet},
	201003: {-1: model.KindDeviceAccess},
	201004: {1: model.KindServiceInstall, -1: model.KindOther},
}

func (x ocsfReader) kind(class int) model.Kind {
	if k, ok := model.ParseKind(x.Str("unmapped.kind")); ok {
		return k
	}
	kinds := ocsfKinds[class]
	k, ok := kinds[int(x.Int("activity_id"))]
	if !ok {
		if k, ok = kinds[-1]; !ok {
			return model.KindOther
		}
	}
	if k == model.KindLogon && x.Int("status_id") == 2 {
		return model.KindLogonFailed
	}
	return k
}

func (x ocsfReader) event(class int) *model.Event {
	e := &model.Event{
		Time: x.c.first(x.Str("time", "time_dt")), Ingested: x.c.first(x.Str("metadata.logged_time")), Kind: x.kind(class),
		Action: x.Str("metadata.event_code", "activity_name"), Summary: x.Str("message"), Host: x.device(x.Get("device")), User: ocsfUser(x.Get("actor.user")),
		Tags: x.Get("metadata.labels").Texts(), AlertID: x.Str("metadata.correlation_uid"), URL: x.Str("unmapped.url", "http_request.url.url_string"),
	}
	x.processes(e, class)
	x.objects(e, class)
	x.rest(e)
	if e.Process != nil && e.Process.User == nil {
		e.Process.User = e.User
	}
	if e.Summary == "" {
		e.Summary = first(e.Action, string(e.Kind))
	}
	return e
}

// processes tells who acted from what was acted upon: of a launch the process
// is the new one and the actor its parent, but where edrctl says that its
// record named the two apart.
func (x ocsfReader) processes(e *model.Event, class int) {
	actor, subject := x.process(x.Get("actor.process")), x.process(x.Get("process"))
	if class == 0 {
		subject = x.process(x.Get("unmapped.process"))
	}
	image(actor, x.Get("unmapped.image"))
	apart := x.Str("unmapped.subject") == "target" || class == 0
	switch {
	case apart:
		e.Process, e.Target = actor, subject
	case subject == nil:
		e.Process = actor
	case e.Kind == model.KindProcessStart || e.Kind == model.KindProcessEnd:
		image(subject, x.Get("unmapped.image"))
		e.Process = subject
		if q := actor; q != nil && subject.Parent == nil && e.Kind == model.KindProcessStart {
			subject.Parent = &model.ParentProcess{UID: q.UID, PID: q.PID, Name: q.Name, Path: q.Path, CommandLine: q.CommandLine}
		}
	case actor == nil:
		e.Target = subject
	case subject.UID == actor.UID && subject.PID == actor.PID:
		e.Process = actor
	default:
		e.Process, e.Target = actor, subject
	}
	if p := x.process(x.Get("unmapped.actor_process")); p != nil {
		image(p, x.Get("unmapped.image"))
		e.Process = p
	}
	if p := x.process(x.Get("unmapped.target_process")); p != nil {
		e.Target = p
	}
	if e.Kind == model.KindProcessStart && e.User == nil && e.Process != nil {
		e.User = e.Process.User
	}
}

func (x ocsfReader) process(v Value) *model.Process {
	if !v.Ok() {
		return nil
	}
	f := v.Get("file")
	p := &model.Process{
		UID: v.Str("uid"), PID: v.Int("pid"), Name: v.Str("name"), Path: first(v.Str("path"), f.Str("path")), CommandLine: v.Str("cmd_line"), WorkingDirectory: v.Str("working_directory"),
		Started: x.c.first(v.Str("created_time", "created_time_dt")), Ended: x.c.first(v.Str("terminated_time")), Hash: ocsfHash(f), User: ocsfUser(v.Get("user")), Integrity: v.Str("integrity"),
	}
	if p.Hash == nil {
		p.Hash = ocsfHash(v)
	}
	q := v.Get("parent_process")
	p.Parent = &model.ParentProcess{UID: q.Str("uid"), PID: q.Int("pid"), Name: q.Str("name"), Path: first(q.Str("path"), q.Str("file.path")), CommandLine: q.Str("cmd_line")}
	return finishProcess(p)
}

// image adds what the schema has no attribute for.
func image(p *model.Process, v Value) {
	if p == nil || !v.Ok() {
		return
	}
	p.Elevation, p.Packed, p.Signed = v.Str("elevation"), v.Truth("packed"), v.Truth("signed")
	p.OriginalFileName, p.Description, p.Product, p.Company, p.FileVersion = v.Str("original_file_name"), v.Str("description"), v.Str("product"), v.Str("company"), v.Str("file_version")
	if r := v.Get("reputation"); r.Ok() {
		p.Reputation = &model.Reputation{Verdict: r.Str("verdict"), Native: r.Str("native")}
	}
}

func ocsfUser(v Value) *model.User {
	return userOf(v.Str("name"), v.Str("domain"), v.Str("uid"))
}

func ocsfHash(v Value) *model.Hash {
	var h model.Hash
	for x := range v.Get("hashes").List() {
		value := strings.ToLower(x.Str("value"))
		switch x.Int("algorithm_id") {
		case 1:
			h.MD5 = value
		case 2:
			h.SHA1 = value
		case 3:
			h.SHA256 = value
		case 4:
			h.SHA512 = value
		case 18:
			h.Imphash = value
		}
	}
	if h == (model.Hash{}) {
		return nil
	}
	return &h
}

func ocsfFile(v Value) *model.File {
	f := model.File{Path: v.Str("path"), Name: v.Str("name"), Size: v.Int("size"), Hash: ocsfHash(v)}
	if f == (model.File{}) {
		return nil
	}
	return &f
}

// objects reads what was acted upon.
func (x ocsfReader) objects(e *model.Event, class int) {
	if e.Kind != model.KindPipeCreate && e.Kind != model.KindPipeConnect {
		e.File = ocsfFile(first2(x.Get("unmapped.file"), first2(x.Get("file"), x.Get("script.file"))))
		if old := x.Str("unmapped.old_path"); old != "" && e.File != nil {
			e.File.OldPath = old
		}
		if e.Kind == model.KindFileRename && x.Has("file_result") {
			e.File.OldPath, e.File.Path = e.File.Path, x.Str("file_result.path")
		}
	}
	x.network(e, class)
	x.dns(e)
	x.registry(e)
	f := first2(x.Get("module.file"), x.Get("driver.file"))
	m := model.Module{Path: first(x.Str("unmapped.module"), f.Str("path"), f.Str("name")), Hash: ocsfHash(f), Signed: x.Truth("unmapped.event.module.signed"), Signature: first(x.Str("unmapped.event.module.signature"), f.Str("signature.certificate.subject"))}
	if m != (model.Module{}) {
		e.Module = &m
	}
}

func (x ocsfReader) network(e *model.Event, class int) {
	v, info := x.Value, x.Get("connection_info")
	if u := x.Get("unmapped.network"); u.Ok() {
		v, info = u, u
	} else if class == 0 {
		v = x.Get("unmapped")
	} else if class == 4003 || class == 3002 && !x.Has("src_endpoint.ip") {
		return
	}
	n := model.Network{Transport: info.Str("protocol_name", "transport"), Direction: info.Str("direction")}
	switch n.Direction {
	case "Inbound":
		n.Direction = "ingress"
	case "Outbound":
		n.Direction = "egress"
	case "Unknown", "Other", "Lateral":
		n.Direction = ""
	}
	n.Source, n.Destination = x.endpoint(v.Get("src_endpoint")), x.endpoint(v.Get("dst_endpoint"))
	if class == 3002 && !x.Has("unmapped.network") {
		n.Destination = nil // the host itself
	}
	if n != (model.Network{}) {
		e.Network = &n
	}
}

func (x ocsfReader) endpoint(v Value) *model.Endpoint {
	return documentEndpoint(v.Str("ip"), v.Int("port"), v.Str("hostname", "domain"))
}

func (x ocsfReader) dns(e *model.Event) {
	if name := x.Str("unmapped.query"); name != "" { // of a base event
		e.DNS = &model.DNS{Question: model.DNSQuestion{Name: name, Type: x.Str("unmapped.query_type")}}
		for _, a := range x.Get("unmapped.answers").Texts() {
			e.DNS.Answers = append(e.DNS.Answers, model.DNSAnswer{Data: a})
		}
		return
	}
	q := model.DNSQuestion{Name: x.Str("query.hostname"), Type: x.Str("query.type")}
	if q == (model.DNSQuestion{}) {
		return
	}
	e.DNS = &model.DNS{Question: q}
	for a := range x.Get("answers").List() {
		if a.Kind() == '{' {
			e.DNS.Answers = append(e.DNS.Answers, model.DNSAnswer{Type: a.Str("type"), Data: a.Str("rdata")})
		}
	}
}

func (x ocsfReader) registry(e *model.Event) {
	v, k := x.Get("reg_value"), x.Get("reg_key")
	r := model.Registry{Path: first(v.Str("path"), k.Str("path")), Value: v.Str("name"), Data: v.Str("reg_string_data", "data")}
	if u := x.Get("unmapped.registry"); u.Ok() {
		r = model.Registry{Path: u.Str("path"), Value: u.Str("value"), Data: u.Str("data")}
	}
	if r != (model.Registry{}) {
		e.Registry = &r
	}
}

// rest is what edrctl keeps besides the schema, or the schema has in places of
// its own.
func (x ocsfReader) rest(e *model.Event) {
	ecsReader(x).restOf(e, x.Get("unmapped.event"))
	if u := ocsfUser(x.Get("user")); u != nil && e.Logon == nil && (e.Kind == model.KindLogon || e.Kind == model.KindLogonFailed || e.Kind == model.KindLogoff) {
		e.Logon = &model.Logon{TargetUser: u, Type: x.Str("logon_type"), Package: x.Str("auth_protocol"), Failure: x.Str("status_detail")}
	}
	if s := x.Str("script.script_content.value", "script.script_content"); s != "" && e.Script == nil {
		e.Script = &model.Script{Text: s}
	}
	d := x.Get("unmapped.detection")
	if !d.Ok() {
		return
	}
	e.Detection = &model.Detection{Rules: d.Get("rules").Texts(), Actions: d.Get("actions").Texts(), Score: d.Float("score"), Attack: ocsfAttacks(d.Get("attacks"))}
}

func ocsfAttacks(v Value) []model.Attack {
	var out []model.Attack
	for a := range v.List() {
		t := first2(a.Get("sub_technique"), a.Get("technique"))
		tactic := a.Str("tactic.name")
		if tactic == "" {
			for x := range a.Get("tactics").List() {
				tactic = x.Str("name")
			}
		}
		out = append(out, model.Attack{Technique: model.Named{ID: t.Str("uid"), Name: t.Str("name")}, Tactic: tactic})
	}
	return out
}

func (x ocsfReader) device(v Value) *model.Host {
	if !v.Ok() {
		return nil
	}
	h := &model.Host{Name: v.Str("hostname", "name"), Domain: v.Str("domain"), LastSeen: x.c.first(v.Str("last_seen_time")), User: v.Str("owner.name")}
	h.ID = v.Str("uid")
	if h.Domain == "" {
		h.Name, h.Domain = splitHost(h.Name)
	}
	add := func(list *[]string, s string) {
		if s != "" {
			*list = append(*list, s)
		}
	}
	for n := range v.Get("network_interfaces").List() {
		add(&h.IP, n.Str("ip"))
		add(&h.MAC, n.Str("mac"))
	}
	if len(h.IP) == 0 {
		add(&h.IP, v.Str("ip"))
	}
	for a := range v.Get("agent_list").List() {
		h.AgentVersion = a.Str("version")
	}
	for g := range v.Get("groups").List() {
		add(&h.Tags, g.Str("name"))
	}
	if o := v.Get("os"); o.Ok() {
		h.OS = &model.OS{Name: o.Str("name"), Version: o.Str("version")}
		switch strings.ToLower(o.Str("type")) {
		case "windows":
			h.OS.Platform = "windows"
		case "linux":
			h.OS.Platform = "linux"
		case "macos":
			h.OS.Platform = "darwin"
		}
	}
	return h
}

func (x ocsfReader) hostRecord() *model.Host {
	h := x.device(x.Get("device"))
	if h == nil {
		h = &model.Host{}
	}
	u := x.Get("unmapped")
	h.State, h.Online, h.Isolated, h.ReportScore = u.Str("state"), u.Truth("online"), u.Truth("isolated"), u.Float("report_score")
	if s := u.Str("alert_count"); s != "" {
		n := int(wholeNumber(s))
		h.AlertCount = &n
	}
	return h
}

func (x ocsfReader) processRecord() *model.Process {
	p := x.process(first2(x.Get("query_evidence.process"), x.Get("unmapped.process")))
	if p == nil {
		p = &model.Process{}
	}
	image(p, x.Get("unmapped.image"))
	p.Host = x.device(first2(x.Get("device"), x.Get("unmapped.device")))
	p.EventCount = int(x.Int("count"))
	return p
}

func (x ocsfReader) alert() *model.Alert {
	f := x.Get("finding_info")
	a := &model.Alert{
		Time: x.c.first(x.Str("time", "time_dt"), f.Str("created_time")), Title: first(f.Str("title"), x.Str("message")), Description: first(f.Str("desc"), x.Str("message")),
		Status: model.StatusUnknown, StatusNative: x.Str("status_detail"), Verdict: model.VerdictUnknown, URL: f.Str("src_url"), EventCount: int(f.Int("related_events_count")),
		Attack: ocsfAttacks(first2(f.Get("attacks"), x.Get("attacks"))), Host: x.device(x.Get("device")),
	}
	a.ID = first(x.Str("metadata.uid"), f.Str("uid"))
	switch x.Int("status_id") {
	case 1, 2:
		a.Status = model.StatusOpen
	case 3:
		a.Status = model.StatusDismissed
	case 4:
		a.Status = model.StatusClosed
	}
	switch x.Int("verdict_id") {
	case 1:
		a.Verdict = model.VerdictFalsePositive
	case 2:
		a.Verdict = model.VerdictTruePositive
	}
	types := f.Get("types").Texts()
	if len(types) > 0 {
		a.Category = types[0]
	}
	if len(types) > 1 {
		a.Source = types[1]
	}
	if r := (model.Named{ID: f.Str("analytic.uid"), Name: f.Str("analytic.name")}); r != (model.Named{}) {
		a.Rule = &r
	}
	if p := (model.Named{ID: x.Str("policy.uid"), Name: x.Str("policy.name")}); p != (model.Named{}) {
		a.Policy = &p
	}
	for e := range f.Get("related_events").List() {
		if id := e.Str("uid"); id != "" {
			a.EventIDs = append(a.EventIDs, id)
		}
	}
	for o := range x.Get("observables").List() {
		a.Indicators = append(a.Indicators, model.Indicator{Name: o.Str("name"), Value: o.Str("value"), Type: o.Str("type")})
	}
	for e := range x.Get("evidences").List() {
		a.Process, a.User = x.process(e.Get("actor.process")), ocsfUser(e.Get("actor.user"))
		a.Target = x.process(e.Get("process"))
		for p := range e.Get("actor.process.ancestry").List() {
			if q := x.process(p); q != nil {
				a.Ancestors = append(a.Ancestors, q)
			}
		}
		break
	}
	image(a.Process, x.Get("unmapped.image"))
	x.score(a)
	return a
}

var ocsfSeverities = []string{"", "informational", "low", "medium", "high", "critical", "critical"}

func (x ocsfReader) score(a *model.Alert) {
	u := x.Get("unmapped")
	severity := ""
	if n := x.Int("severity_id"); n >= 0 && int(n) < len(ocsfSeverities) {
		severity = ocsfSeverities[n]
	}
	if !u.Has("ref") && !u.Has("score") {
		scoreBy(a, severity, "OCSF severity")
		return
	}
	a.Score, a.Severity = u.Float("score"), model.SeverityUnknown
	if s, ok := model.ParseSeverity(severity); ok {
		a.Severity = s
	}
	if s := u.Str("risk"); s != "" {
		n := int(wholeNumber(s))
		a.Risk = &n
	}
	if n := u.Get("score_native"); n.Ok() {
		a.ScoreNative = &model.NativeScore{Value: n.Float("value"), Label: n.Str("label"), Scale: n.Str("scale")}
	}
}
