package evidence

import (
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/model"
)

// isECS: a document of the Elastic Common Schema, with its fields nested or
// dotted.
func isECS(v Value) bool {
	if v.Has("ecs.version") {
		return true
	}
	return v.Has("@timestamp") && (v.Has("event.kind") || v.Has("event.category") || v.Has("event.action") && (v.Has("host.name") || v.Has("process")))
}

func decodeECS(v Value, o Options) ([]Item, error) {
	v.nest()
	c := clock{zone: o.zone()}
	x := ecsReader{v, &c}
	var it Item
	switch kind, dataset := v.Str("event.kind"), v.Str("event.dataset"); {
	case kind == "enrichment" && strings.HasSuffix(dataset, ".hit"):
		return nil, errorf("a hit of a hunt, not a record of a host")
	case kind == "asset":
		it.Host = x.hostRecord()
	case kind == "state" && strings.HasSuffix(dataset, ".process"):
		it.Process = x.processRecord()
	case kind == "alert", kind == "signal", v.Has("kibana.alert.rule.name"), v.Has("signal.rule.name"):
		it.Alert = x.alert()
	default:
		it.Event = x.event()
	}
	it.Local = c.local
	rec := it.Record().GetOrigin()
	rec.ID = first(rec.ID, v.Str("event.id", "_id"))
	if rec.ID == "" {
		rec.ID = contentID(v.Raw())
	}
	var raw []byte
	if o.Raw {
		raw = []byte(v.Str("event.original"))
		if len(raw) == 0 || raw[0] != '{' {
			raw = append([]byte(nil), v.Raw()...)
		}
	}
	it.setRaw(raw)
	return []Item{it}, nil
}

// setRaw keeps the record as it was.
func (it *Item) setRaw(raw []byte) {
	switch {
	case len(raw) == 0:
	case it.Event != nil:
		it.Event.Raw = raw
	case it.Alert != nil:
		it.Alert.Raw = raw
	case it.Host != nil:
		it.Host.Raw = raw
	case it.Process != nil:
		it.Process.Raw = raw
	}
}

// ecsReader reads one document.
type ecsReader struct {
	Value
	c *clock
}

func (x ecsReader) event() *model.Event {
	e := &model.Event{
		Time: x.c.first(x.Str("@timestamp")), Ingested: x.c.first(x.Str("event.ingested")), Kind: x.kind(),
		Action: x.Str("event.action"), Summary: x.Str("message"), Host: x.host(), User: ecsUser(x.Get("user")), Tags: x.Get("tags").Texts(),
		URL: x.Str("url.full", "url.original"), AlertID: x.Str("labels.alert_id"),
	}
	e.Process = x.process(x.Get("process"), x.Get("edrctl.process"))
	x.targets(e)
	x.file(e)
	x.network(e)
	x.dns(e)
	x.registry(e)
	x.module(e)
	x.rest(e)
	x.detection(e)
	if e.Process != nil && e.Process.User == nil {
		e.Process.User = e.User
	}
	if e.Summary == "" {
		e.Summary = first(e.Action, string(e.Kind))
	}
	return e
}

// targets: edrctl writes the child of a process_start as process and keeps the
// actor apart.
func (x ecsReader) targets(e *model.Event) {
	if actor := x.Get("edrctl.actor"); actor.Ok() {
		e.Target, e.Process = e.Process, x.process(actor, x.Get("edrctl.process"))
		return
	}
	e.Target = x.process(first2(x.Get("edrctl.target"), x.Get("Target.process")), Value{})
}

func first2(a, b Value) Value {
	if a.Ok() {
		return a
	}
	return b
}

// kind is the label that edrctl writes, else it follows from category, type
// and action.
func (x ecsReader) kind() model.Kind {
	if k, ok := model.ParseKind(x.Str("labels.kind")); ok {
		return k
	}
	category, typ := x.Get("event.category").Texts(), x.Get("event.type").Texts()
	action := strings.ToLower(x.Str("event.action"))
	is := func(list []string, word string) bool { return slices.Contains(list, word) }
	switch {
	case is(category, "process"):
		switch {
		case is(typ, "end") && is(typ, "start"), is(typ, "info") && !is(typ, "start") && action == "":
			return model.KindInventory
		case is(typ, "start"), action == "exec", action == "fork", action == "executed":
			return model.KindProcessStart
		case is(typ, "end"):
			return model.KindProcessEnd
		case is(typ, "access"):
			return model.KindProcessAccess
		case strings.Contains(action, "thread"), strings.Contains(action, "inject"):
			return model.KindProcessInject
		case is(typ, "change"):
			return model.KindProcessTamper
		}
	case is(category, "registry"):
		switch {
		case is(typ, "deletion"):
			return model.KindRegistryDelete
		case is(typ, "creation"):
			return model.KindRegistryCreate
		}
		return model.KindRegistrySet
	case x.Has("dns.question.name"):
		return model.KindDNSQuery
	case is(category, "file"):
		return fileKind(typ, action)
	case is(category, "driver"):
		return model.KindDriverLoad
	case is(category, "library"):
		return model.KindModuleLoad
	case is(category, "authentication"), is(category, "session"):
		switch {
		case x.Str("event.outcome") == "failure":
			return model.KindLogonFailed
		case is(typ, "end"):
			return model.KindLogoff
		}
		return model.KindLogon
	case is(category, "iam"):
		return model.KindAccountChange
	case is(category, "malware"):
		return model.KindMalware
	case is(category, "network"):
		if strings.Contains(action, "listen") || strings.Contains(action, "bound") {
			return model.KindNetworkListen
		}
		return model.KindNetworkConnect
	}
	return model.KindOther
}

func fileKind(typ []string, action string) model.Kind {
	is := func(word string) bool { return slices.Contains(typ, word) }
	switch {
	case strings.Contains(action, "rename"), strings.Contains(action, "moved"):
		return model.KindFileRename
	case is("deletion"):
		return model.KindFileDelete
	case is("creation"):
		return model.KindFileCreate
	case is("access"):
		return model.KindFileRead
	}
	return model.KindFileWrite
}

func (x ecsReader) host() *model.Host {
	h := x.Get("host")
	name := first(h.Str("name"), h.Str("hostname"), x.Str("agent.hostname", "agent.name", "observer.hostname"))
	out := &model.Host{Name: name, Domain: h.Str("domain"), IP: h.Get("ip").Texts(), MAC: h.Get("mac").Texts(), AgentVersion: ""}
	out.ID = first(h.Str("id"), x.Str("agent.id"))
	if out.Domain == "" {
		out.Name, out.Domain = splitHost(name)
	}
	os := model.OS{Name: h.Str("os.name", "os.full"), Version: h.Str("os.version", "os.kernel"), Platform: h.Str("os.platform", "os.type", "os.family")}
	if os != (model.OS{}) {
		out.OS = &os
	}
	if out.Name == "" && out.ID == "" && out.OS == nil && len(out.IP) == 0 {
		return nil
	}
	return out
}

func ecsUser(v Value) *model.User { return userOf(v.Str("name"), v.Str("domain"), v.Str("id")) }

func ecsHash(v Value) *model.Hash {
	h := v.Get("hash")
	out := model.Hash{MD5: h.Str("md5"), SHA1: h.Str("sha1"), SHA256: h.Str("sha256"), SHA512: h.Str("sha512"), Imphash: first(v.Str("pe.imphash"), h.Str("imphash"))}
	if out == (model.Hash{}) {
		return nil
	}
	return &out
}

// process reads a process; rest is what edrctl keeps of it besides the schema.
func (x ecsReader) process(v, rest Value) *model.Process {
	if !v.Ok() {
		return nil
	}
	p := &model.Process{
		UID: v.Str("entity_id"), PID: v.Int("pid", "process_id"), Name: v.Str("name"), Path: v.Str("executable"), CommandLine: v.Str("command_line"),
		WorkingDirectory: v.Str("working_directory"), Started: x.c.first(v.Str("start")), Ended: x.c.first(v.Str("end")), Hash: ecsHash(v),
		OriginalFileName: v.Str("pe.original_file_name"), Description: v.Str("pe.description"), Product: v.Str("pe.product"), Company: v.Str("pe.company"), FileVersion: v.Str("pe.file_version"),
		Signed: v.Truth("code_signature.exists"), User: ecsUser(v.Get("user")),
		Integrity: first(rest.Str("integrity"), v.Str("Ext.token.integrity_level_name")), Elevation: rest.Str("elevation"), Packed: rest.Truth("packed"),
	}
	if p.CommandLine == "" {
		p.CommandLine = strings.Join(v.Get("args").Texts(), " ")
	}
	if r := rest.Get("reputation"); r.Ok() {
		p.Reputation = &model.Reputation{Verdict: r.Str("verdict"), Native: r.Str("native")}
	}
	q := v.Get("parent")
	p.Parent = &model.ParentProcess{UID: q.Str("entity_id"), PID: q.Int("pid"), Name: q.Str("name"), Path: q.Str("executable"), CommandLine: q.Str("command_line")}
	return finishProcess(p)
}

func (x ecsReader) file(e *model.Event) {
	f := x.Get("file")
	out := model.File{Path: f.Str("path"), Name: f.Str("name"), Size: f.Int("size"), Hash: ecsHash(f), OldPath: x.Str("edrctl.file.old_path", "file.Ext.original.path")}
	if out == (model.File{}) {
		return
	}
	if out.Name == "" {
		out.Name = model.BaseName(out.Path)
	}
	e.File = &out
}

func (x ecsReader) network(e *model.Event) {
	n := model.Network{Direction: x.Str("network.direction"), Transport: x.Str("network.transport"), Source: x.endpoint("source"), Destination: x.endpoint("destination")}
	switch n.Direction {
	case "outbound":
		n.Direction = "egress"
	case "inbound":
		n.Direction = "ingress"
	}
	if n != (model.Network{}) {
		e.Network = &n
	}
}

func (x ecsReader) endpoint(side string) *model.Endpoint {
	v := x.Get(side)
	return documentEndpoint(v.Str("ip", "address"), v.Int("port"), v.Str("domain"))
}

func (x ecsReader) dns(e *model.Event) {
	d := x.Get("dns")
	q := model.DNSQuestion{Name: d.Str("question.name"), Type: d.Str("question.type")}
	var answers []model.DNSAnswer
	for a := range d.Get("answers").List() {
		if a.Kind() == '{' {
			answers = append(answers, model.DNSAnswer{Type: a.Str("type"), Data: a.Str("data")})
		}
	}
	if answers == nil {
		for _, ip := range d.Get("resolved_ip").Texts() {
			answers = append(answers, model.DNSAnswer{Data: ip})
		}
	}
	if q != (model.DNSQuestion{}) || answers != nil {
		e.DNS = &model.DNS{Question: q, Answers: answers}
	}
}

func (x ecsReader) registry(e *model.Event) {
	v := x.Get("registry")
	r := model.Registry{Path: first(x.Str("edrctl.registry.path"), v.Str("path", "key")), Value: v.Str("value"), Data: strings.Join(v.Get("data.strings").Texts(), "\n")}
	if r != (model.Registry{}) {
		e.Registry = &r
	}
}

func (x ecsReader) module(e *model.Event) {
	v := x.Get("dll")
	m := model.Module{Path: v.Str("path", "name"), Hash: ecsHash(v), Signed: v.Truth("code_signature.exists"), Signature: v.Str("code_signature.subject_name")}
	if m != (model.Module{}) {
		e.Module = &m
	}
}

// rest is what edrctl keeps next to the schema.
func (x ecsReader) rest(e *model.Event) { x.restOf(e, x.Get("edrctl.event")) }

func (x ecsReader) restOf(e *model.Event, v Value) {
	if s := v.Str("pipe.name"); s != "" {
		e.Pipe = &model.Pipe{Name: s}
	}
	if a := (model.Access{Granted: v.Str("access.granted"), CallTrace: v.Str("access.call_trace")}); a != (model.Access{}) {
		e.Access = &a
	}
	l := model.Logon{Type: v.Str("logon.type"), Package: v.Str("logon.package"), Failure: v.Str("logon.failure"), TargetUser: ecsUser(first2(v.Get("logon.target_user"), x.Get("user.target")))}
	if l != (model.Logon{}) {
		e.Logon = &l
	}
	if s := v.Str("script.text"); s != "" {
		e.Script = &model.Script{Text: s}
	} else if s := x.Str("powershell.file.script_block_text"); s != "" {
		e.Script = &model.Script{Text: s}
	}
	if b := (model.Object{Type: v.Str("object.type"), Name: v.Str("object.name")}); b != (model.Object{}) {
		e.Object = &b
	}
}

func (x ecsReader) detection(e *model.Event) {
	d := model.Detection{Rules: x.Get("edrctl.detection.rules").Texts(), Actions: x.Get("edrctl.detection.actions").Texts(), Attack: x.attack(), Score: x.Float("event.risk_score")}
	if d.Rules == nil {
		d.Rules = x.Get("rule.name").Texts()
	}
	if d.Rules != nil || d.Actions != nil || d.Attack != nil {
		e.Detection = &d
	}
}

// attack reads threat.*: the schema has lists of techniques, of subtechniques
// and of tactics, which are paired by their place where the lengths allow.
func (x ecsReader) attack() []model.Attack {
	if list := x.Get("edrctl.attack"); list.Ok() {
		var out []model.Attack
		for a := range list.List() {
			out = append(out, model.Attack{Technique: model.Named{ID: a.Str("technique.id"), Name: a.Str("technique.name")}, Tactic: a.Str("tactic")})
		}
		return out
	}
	var out []model.Attack
	tactics := x.Get("threat.tactic.name").Texts()
	add := func(ids, names []string) {
		for i, id := range ids {
			a := model.Attack{Technique: model.Named{ID: id}}
			if len(names) == len(ids) {
				a.Technique.Name = names[i]
			}
			out = append(out, a)
		}
	}
	sub := x.Get("threat.technique.subtechnique.id").Texts()
	var parents, names []string
	all := x.Get("threat.technique.name").Texts()
	for i, id := range x.Get("threat.technique.id").Texts() {
		if slices.ContainsFunc(sub, func(s string) bool { return strings.HasPrefix(s, id+".") }) {
			continue
		}
		parents = append(parents, id)
		if i < len(all) {
			names = append(names, all[i])
		}
	}
	add(parents, names)
	add(sub, x.Get("threat.technique.subtechnique.name").Texts())
	for i := range out {
		switch {
		case len(tactics) == 1:
			out[i].Tactic = tactics[0]
		case len(tactics) == len(out):
			out[i].Tactic = tactics[i]
		}
	}
	if out == nil {
		for _, t := range tactics {
			out = append(out, model.Attack{Tactic: t})
		}
	}
	return out
}

func (x ecsReader) alert() *model.Alert {
	a := &model.Alert{
		Time: x.c.first(x.Str("@timestamp")), Title: x.Str("event.reason", "kibana.alert.rule.name", "signal.rule.name", "rule.name", "message"), Description: x.Str("message", "kibana.alert.reason", "rule.description"),
		Status: model.StatusUnknown, Verdict: model.VerdictUnknown, StatusNative: x.Str("labels.status_native", "kibana.alert.workflow_status"),
		Category: x.Str("labels.category"), Source: x.Str("event.provider"), Attack: x.attack(), Host: x.host(), User: ecsUser(x.Get("user")),
		EventCount: int(x.Int("edrctl.event_count")), EventIDs: x.Get("edrctl.event_ids").Texts(), URL: x.Str("event.url", "kibana.alert.url"),
	}
	if s, ok := model.ParseStatus(x.Str("labels.status")); ok {
		a.Status = s
	}
	if s := model.Verdict(x.Str("labels.verdict")); s == model.VerdictTruePositive || s == model.VerdictFalsePositive {
		a.Verdict = s
	}
	a.ID = x.Str("event.id", "kibana.alert.uuid")
	x.score(a)
	if r := (model.Named{ID: x.Str("rule.id", "kibana.alert.rule.uuid", "signal.rule.id"), Name: x.Str("rule.name", "kibana.alert.rule.name", "signal.rule.name")}); r != (model.Named{}) && x.Str("edrctl.rule") != "none" {
		a.Rule = &r
	}
	if s := x.Str("rule.ruleset"); s != "" {
		a.Policy = &model.Named{Name: s}
	}
	for i := range x.Get("edrctl.indicators").List() {
		a.Indicators = append(a.Indicators, model.Indicator{Name: i.Str("name"), Value: i.Str("value"), Type: i.Str("type")})
	}
	a.Process = x.process(x.Get("process"), x.Get("edrctl.process"))
	if a.Process != nil && a.Process.User == nil {
		a.Process.User = a.User
	}
	a.Target = x.process(first2(x.Get("edrctl.target"), x.Get("Target.process")), Value{})
	for p := range x.Get("edrctl.ancestors").List() {
		if q := x.process(p, Value{}); q != nil {
			a.Ancestors = append(a.Ancestors, q)
		}
	}
	return a
}

// score reads what edrctl wrote exactly, and any other product's risk score of
// 0 to 100 or its severity in words.
func (x ecsReader) score(a *model.Alert) {
	risk := x.Float("event.risk_score")
	if x.Has("labels.ref") || x.Has("labels.profile") {
		a.Score, a.Severity = risk, model.SeverityUnknown
		if s, ok := model.ParseSeverity(x.Str("log.level")); ok {
			a.Severity = s
		}
		if n := x.Float("event.risk_score_norm"); n != nil {
			whole := int(*n)
			a.Risk = &whole
		}
		if n := (model.NativeScore{Label: x.Str("labels.severity_native"), Scale: x.Str("labels.score_scale")}); n != (model.NativeScore{}) {
			a.ScoreNative = &n
		}
		return
	}
	scoreBy(a, x.Str("kibana.alert.severity", "signal.rule.severity", "log.level"), "low|medium|high|critical")
	if risk == nil {
		risk = x.Float("kibana.alert.risk_score", "signal.rule.risk_score")
	}
	if a.Severity == model.SeverityUnknown && risk != nil && *risk >= 0 && *risk <= 100 {
		score := *risk / 10
		native := a.ScoreNative
		model.ScoreNumber(model.ScaleCWatch, score).Apply(a)
		if a.ScoreNative = native; native == nil {
			a.ScoreNative = &model.NativeScore{Value: risk, Scale: "0-100"}
		}
	}
}

func (x ecsReader) hostRecord() *model.Host {
	h := x.host()
	if h == nil {
		h = &model.Host{}
	}
	h.User, h.AgentVersion, h.State, h.Tags = x.Str("user.name"), x.Str("agent.version"), x.Str("labels.state"), x.Get("tags").Texts()
	h.LastSeen = x.c.first(x.Str("host.entity.last_seen_timestamp"))
	h.Online, h.Isolated = x.Truth("edrctl.online"), x.Truth("edrctl.isolated")
	h.ReportScore = x.Float("host.risk.calculated_score")
	if s := x.Str("labels.policy"); s != "" {
		h.Policy = &model.Named{Name: s}
	}
	if s := x.Str("edrctl.alert_count"); s != "" {
		n := int(wholeNumber(s))
		h.AlertCount = &n
	}
	h.ID = first(x.Str("event.id"), h.ID)
	return h
}

func (x ecsReader) processRecord() *model.Process {
	p := x.process(x.Get("process"), x.Get("edrctl.process"))
	if p == nil {
		p = &model.Process{}
	}
	p.Host = x.host()
	if p.User == nil || p.User.Domain == "" {
		if u := ecsUser(x.Get("user")); u != nil {
			p.User = u
		}
	}
	p.EventCount = int(x.Int("edrctl.event_count"))
	p.ID = x.Str("event.id")
	return p
}
