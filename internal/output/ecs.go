package output

import (
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/model"
)

// ecsVersion is the release of the Elastic Common Schema the field names are
// checked against.
const ecsVersion = "9.4.0"

// ecsDocument maps a record as docs/formats.md §2-5 says. What ECS has no
// field for goes to labels (words) and to the edrctl namespace (objects).
func ecsDocument(rec any, opt Options) doc {
	switch r := rec.(type) {
	case *model.Alert:
		return ecsAlert(r)
	case model.Alert:
		return ecsAlert(&r)
	case *model.Event:
		return ecsEvent(r)
	case model.Event:
		return ecsEvent(&r)
	case *model.Hit:
		return ecsHit(r)
	case *model.SigmaHit:
		return ecsSigmaHit(r)
	case *ActionRecord:
		return ecsActionRecord(r)
	case *model.Action:
		return ecsActionRecord(&ActionRecord{Action: *r})
	case model.Action:
		return ecsActionRecord(&ActionRecord{Action: r})
	case *model.Host:
		return ecsHostRecord(r, opt)
	case model.Host:
		return ecsHostRecord(&r, opt)
	case *model.Process:
		return ecsProcessRecord(r, opt)
	case model.Process:
		return ecsProcessRecord(&r, opt)
	}
	return nil
}

func ecsBase(o *model.Origin, t model.Time) doc {
	d := doc{}
	d.set("@timestamp", stamp(t))
	d.at("ecs.version", ecsVersion)
	d.at("event.id", o.ID)
	d.at("event.module", o.Backend)
	d.at("labels.profile", o.Profile)
	d.at("labels.ref", o.Ref)
	name, vendor := product(o.Backend)
	d.at("observer.product", name)
	d.at("observer.vendor", vendor)
	d.at("observer.type", "edr")
	return d
}

func ecsAlert(a *model.Alert) doc {
	if a == nil {
		return nil
	}
	d := ecsBase(&a.Origin, a.Time)
	d.at("event.kind", "alert")
	d.at("event.category", []string{"intrusion_detection"})
	d.at("event.type", []string{"info"})
	d.at("event.created", stamp(a.Time))
	d.at("event.provider", a.Source)
	d.at("event.reason", a.Title)
	d.at("event.url", a.URL)
	d.at("event.dataset", ecsDataset(a.Backend, "alert"))
	if a.Score != nil {
		d.at("event.risk_score", *a.Score)
	}
	if a.Risk != nil {
		d.at("event.risk_score_norm", float64(*a.Risk))
	}
	d.at("event.severity", a.Severity.Rank())
	if a.Severity != model.SeverityUnknown {
		d.at("log.level", string(a.Severity))
	}
	d.at("event.original", string(a.Raw))
	d.at("message", first(a.Description, a.Title))
	d.at("labels.status", string(a.Status))
	d.at("labels.status_native", a.StatusNative)
	if a.Verdict != model.VerdictUnknown {
		d.at("labels.verdict", string(a.Verdict))
	}
	d.at("labels.category", a.Category)
	if n := a.ScoreNative; n != nil {
		d.at("labels.severity_native", n.Label)
		d.at("labels.score_scale", n.Scale)
	}
	if a.Rule != nil {
		d.at("rule.id", a.Rule.ID)
		d.at("rule.name", a.Rule.Name)
	} else {
		d.at("rule.name", a.Title)
	}
	if a.Policy != nil {
		d.at("rule.ruleset", first(a.Policy.Name, a.Policy.ID))
	}
	ecsThreat(d, a.Attack)
	if a.Rule == nil {
		d.at("edrctl.rule", "none") // rule.name is the title
	}
	ecsIndicators(d, a.Indicators)
	ecsActors(d, a.Host, a.User, a.Process, a.Ancestors)
	d.at("edrctl.target", ecsProcess(a.Target))
	d.at("edrctl.event_count", a.EventCount)
	d.at("edrctl.event_ids", a.EventIDs)
	ecsRelated(d, a.Host, a.User, []*model.Process{a.Process, a.Target}, nil, nil, nil)
	return d
}

// ecsKinds are the allowed values of event.category and event.type.
var ecsKinds = map[model.Kind]struct{ category, typ []string }{
	model.KindProcessStart:   {[]string{"process"}, []string{"start"}},
	model.KindProcessEnd:     {[]string{"process"}, []string{"end"}},
	model.KindProcessAccess:  {[]string{"process"}, []string{"access"}},
	model.KindProcessInject:  {[]string{"process"}, []string{"change"}},
	model.KindFileCreate:     {[]string{"file"}, []string{"creation"}},
	model.KindFileWrite:      {[]string{"file"}, []string{"change"}},
	model.KindFileDelete:     {[]string{"file"}, []string{"deletion"}},
	model.KindFileRead:       {[]string{"file"}, []string{"access"}},
	model.KindFileCopy:       {[]string{"file"}, []string{"creation"}},
	model.KindFileDownload:   {[]string{"file", "network"}, []string{"creation"}},
	model.KindNetworkConnect: {[]string{"network"}, []string{"connection", "start"}},
	model.KindNetworkListen:  {[]string{"network"}, []string{"info"}},
	model.KindDNSQuery:       {[]string{"network"}, []string{"protocol"}},
	model.KindRegistrySet:    {[]string{"registry"}, []string{"change"}},
	model.KindRegistryDelete: {[]string{"registry"}, []string{"deletion"}},
	model.KindRegistryCreate: {[]string{"registry"}, []string{"creation"}},
	model.KindModuleLoad:     {[]string{"library"}, []string{"start"}},
	model.KindDeviceAccess:   {[]string{"host"}, []string{"access"}},
	model.KindHook:           {[]string{"process"}, []string{"change"}},
	model.KindProcessTamper:  {[]string{"process"}, []string{"change"}},
	model.KindFileRename:     {[]string{"file"}, []string{"change"}},
	model.KindFileStream:     {[]string{"file"}, []string{"creation"}},
	model.KindDriverLoad:     {[]string{"driver"}, []string{"start"}},
	model.KindPipeCreate:     {[]string{"file"}, []string{"creation"}},
	model.KindPipeConnect:    {[]string{"file"}, []string{"access"}},
	model.KindRawRead:        {[]string{"host"}, []string{"access"}},
	model.KindWMI:            {[]string{"configuration"}, []string{"info"}},
	model.KindClipboard:      {[]string{"host"}, []string{"access"}},
	model.KindLogon:          {[]string{"authentication", "session"}, []string{"start"}},
	model.KindLogonFailed:    {[]string{"authentication"}, []string{"start"}},
	model.KindLogoff:         {[]string{"authentication", "session"}, []string{"end"}},
	model.KindPrivilege:      {[]string{"iam"}, []string{"admin"}},
	model.KindAccountChange:  {[]string{"iam"}, []string{"change"}},
	model.KindServiceInstall: {[]string{"configuration"}, []string{"creation"}},
	model.KindTaskChange:     {[]string{"configuration"}, []string{"change"}},
	model.KindScriptBlock:    {[]string{"process"}, []string{"info"}},
	model.KindLogCleared:     {[]string{"configuration"}, []string{"deletion"}},
	model.KindShareAccess:    {[]string{"file", "network"}, []string{"access"}},
	model.KindAMSI:           {[]string{"malware"}, []string{"info"}},
	model.KindMalware:        {[]string{"malware"}, []string{"info"}},
	model.KindAPICall:        {[]string{"api"}, []string{"info"}},
	model.KindInventory:      {[]string{"host"}, []string{"info"}},
	model.KindOther:          {[]string{"host"}, []string{"info"}},
}

func ecsHostRecord(h *model.Host, opt Options) doc {
	if h == nil {
		return nil
	}
	d := ecsBase(&h.Origin, model.At(opt.Now()))
	d.at("event.kind", "asset")
	d.at("event.category", []string{"host"})
	d.at("event.type", []string{"info"})
	d.at("event.dataset", ecsDataset(h.Backend, "host"))
	d.at("event.original", string(h.Raw))
	d.set("host", ecsHost(h))
	d.at("host.entity.last_seen_timestamp", stamp(h.LastSeen))
	if h.ReportScore != nil {
		d.at("host.risk.calculated_score", *h.ReportScore)
	}
	d.at("agent.version", h.AgentVersion)
	d.at("agent.id", h.ID)
	d.at("user.name", h.User)
	d.set("tags", h.Tags)
	if h.Policy != nil {
		d.at("labels.policy", first(h.Policy.Name, h.Policy.ID))
	}
	d.at("labels.state", h.State)
	if h.Online != nil {
		d.at("edrctl.online", *h.Online)
	}
	if h.Isolated != nil {
		d.at("edrctl.isolated", *h.Isolated)
	}
	if h.AlertCount != nil {
		d.at("edrctl.alert_count", *h.AlertCount)
	}
	ecsRelated(d, h, model.SplitUser(h.User), nil, nil, nil, nil)
	return d
}

func ecsProcessRecord(p *model.Process, opt Options) doc {
	if p == nil {
		return nil
	}
	d := ecsBase(&p.Origin, model.At(opt.Now()))
	d.at("event.kind", "state")
	d.at("event.category", []string{"process"})
	d.at("event.type", []string{"info"})
	d.at("event.dataset", ecsDataset(p.Backend, "process"))
	d.at("event.original", string(p.Raw))
	ecsActors(d, p.Host, p.User, p, nil)
	d.at("edrctl.event_count", p.EventCount)
	ecsRelated(d, p.Host, p.User, []*model.Process{p}, nil, nil, nil)
	return d
}

func ecsDataset(backend, what string) string {
	if backend == "" {
		return ""
	}
	return backend + "." + what
}

// ecsActors sets host, user and process with its parent and ancestors.
func ecsActors(d doc, h *model.Host, u *model.User, p *model.Process, ancestors []*model.Process) {
	d.set("host", ecsHost(h))
	if u == nil && p != nil {
		u = p.User
	}
	d.set("user", ecsUser(u))
	d.set("process", ecsProcess(p))
	if p != nil {
		d.at("process.parent", ecsParent(parentOf(p, ancestors)))
		d.at("edrctl.process", imageRest(p))
		d.at("edrctl.process.integrity", p.Integrity)
	}
	if len(ancestors) > 0 {
		var list []doc
		for _, a := range ancestors {
			if x := ecsParent(a); len(x) > 0 {
				list = append(list, x)
			}
		}
		d.at("edrctl.ancestors", list)
	}
}

func ecsHost(h *model.Host) doc {
	d := doc{}
	if h == nil {
		return d
	}
	d.set("id", h.ID)
	d.set("name", h.Name)
	d.set("hostname", h.Name)
	d.set("domain", h.Domain)
	d.set("ip", validIPs(h.IP))
	var macs []string
	for _, m := range h.MAC {
		if v := validMAC(m, "-"); v != "" {
			macs = append(macs, v)
		}
	}
	d.set("mac", macs)
	if o := h.OS; o != nil {
		d.at("os.name", o.Name)
		d.at("os.version", o.Version)
		d.at("os.platform", o.Platform)
		switch platform(h) {
		case "darwin":
			d.at("os.type", "macos")
		case "windows", "linux":
			d.at("os.type", platform(h))
		}
	}
	return d
}

func ecsUser(u *model.User) doc {
	d := doc{}
	if u != nil {
		d.set("name", u.Name)
		d.set("domain", u.Domain)
		d.set("id", u.ID)
	}
	return d
}

func ecsProcess(p *model.Process) doc {
	d := ecsParent(p)
	if p == nil {
		return d
	}
	d.set("working_directory", p.WorkingDirectory)
	d.set("start", stamp(p.Started))
	d.set("end", stamp(p.Ended))
	d.set("hash", ecsHash(p.Hash))
	if p.Hash != nil {
		d.at("pe.imphash", p.Hash.Imphash)
	}
	d.at("pe.original_file_name", p.OriginalFileName)
	d.at("pe.description", p.Description)
	d.at("pe.product", p.Product)
	d.at("pe.company", p.Company)
	d.at("pe.file_version", p.FileVersion)
	if p.Signed != nil {
		d.at("code_signature.exists", *p.Signed)
	}
	if p.User != nil {
		d.at("user.name", p.User.Name)
		d.at("user.id", p.User.ID)
	}
	return d
}

func ecsParent(p *model.Process) doc {
	d := doc{}
	if p == nil {
		return d
	}
	d.set("entity_id", p.UID)
	d.set("pid", p.PID)
	d.set("name", first(p.Name, model.BaseName(p.Path)))
	d.set("executable", p.Path)
	d.set("command_line", p.CommandLine)
	return d
}

func ecsHash(h *model.Hash) doc {
	d := doc{}
	if h != nil {
		d.set("md5", h.MD5)
		d.set("sha1", h.SHA1)
		d.set("sha256", h.SHA256)
		d.set("sha512", h.SHA512)
	}
	return d
}

func ecsEndpoint(d doc, side string, e *model.Endpoint) {
	if e == nil {
		return
	}
	d.at(side+".address", first(e.Domain, e.IP))
	d.at(side+".ip", validIP(e.IP))
	d.at(side+".port", e.Port)
	d.at(side+".domain", e.Domain)
}

func ecsAnswers(d doc, list []model.DNSAnswer) {
	var answers []doc
	var ips []string
	for _, a := range list {
		x := doc{}
		x.set("type", a.Type)
		x.set("data", a.Data)
		if len(x) > 0 {
			answers = append(answers, x)
		}
		if ip := validIP(a.Data); ip != "" && !slices.Contains(ips, ip) {
			ips = append(ips, ip)
		}
	}
	if len(answers) > 0 {
		d.at("dns.type", "answer")
		d.at("dns.answers", answers)
		d.at("dns.resolved_ip", ips)
	}
}

func ecsThreat(d doc, attack []model.Attack) {
	var tech, techName, sub, subName, tactic, tacticName []string
	add := func(list *[]string, s string) {
		if s != "" && !slices.Contains(*list, s) {
			*list = append(*list, s)
		}
	}
	for _, a := range attack {
		if parent, _, isSub := strings.Cut(a.Technique.ID, "."); isSub {
			add(&tech, parent)
			add(&sub, a.Technique.ID)
			add(&subName, a.Technique.Name)
		} else {
			add(&tech, a.Technique.ID)
			add(&techName, a.Technique.Name)
		}
		add(&tactic, tacticID(a.Tactic))
		add(&tacticName, a.Tactic)
	}
	if len(attack) == 0 {
		return
	}
	if len(attack) > 1 { // which tactic goes with which technique
		var pairs []doc
		for _, a := range attack {
			x := doc{}
			x.at("technique.id", a.Technique.ID)
			x.at("technique.name", a.Technique.Name)
			x.set("tactic", a.Tactic)
			pairs = append(pairs, x)
		}
		d.at("edrctl.attack", pairs)
	}
	d.at("threat.framework", "MITRE ATT&CK")
	d.at("threat.technique.id", tech)
	d.at("threat.technique.name", techName)
	d.at("threat.technique.subtechnique.id", sub)
	d.at("threat.technique.subtechnique.name", subName)
	d.at("threat.tactic.id", tactic)
	d.at("threat.tactic.name", tacticName)
}

// ecsIndicators keeps all indicators under edrctl; ECS's threat.indicator is a
// single one, so it is set only when there is one.
func ecsIndicators(d doc, list []model.Indicator) {
	var all []doc
	for _, i := range list {
		x := doc{}
		x.set("name", i.Name)
		x.set("value", i.Value)
		x.set("type", i.Type)
		if len(x) > 0 {
			all = append(all, x)
		}
	}
	d.at("edrctl.indicators", all)
	if len(list) != 1 {
		return
	}
	i := list[0]
	d.at("threat.indicator.name", first(i.Name, i.Value))
	d.at("threat.indicator.ip", validIP(i.Value))
	d.at("threat.indicator.description", i.Type)
}

// ecsRelated gathers what analysts pivot on.
func ecsRelated(d doc, h *model.Host, u *model.User, procs []*model.Process, n *model.Network, f *model.File, dns *model.DNS) {
	var hosts, users, hashes, ips []string
	add := func(list *[]string, s string) {
		if s != "" && !slices.Contains(*list, s) {
			*list = append(*list, s)
		}
	}
	hash := func(x *model.Hash) {
		if x != nil {
			add(&hashes, x.SHA512)
			add(&hashes, x.SHA256)
			add(&hashes, x.SHA1)
			add(&hashes, x.MD5)
		}
	}
	if h != nil {
		add(&hosts, h.Name)
		for _, ip := range validIPs(h.IP) {
			add(&ips, ip)
		}
	}
	if u != nil {
		add(&users, u.Name)
	}
	for _, p := range procs {
		if p != nil {
			hash(p.Hash)
			if p.User != nil {
				add(&users, p.User.Name)
			}
		}
	}
	if f != nil {
		hash(f.Hash)
	}
	if n != nil {
		for _, e := range []*model.Endpoint{n.Source, n.Destination} {
			if e != nil {
				add(&ips, validIP(e.IP))
				add(&hosts, e.Domain)
			}
		}
	}
	if dns != nil {
		for _, a := range dns.Answers {
			add(&ips, validIP(a.Data))
		}
	}
	d.at("related.hosts", hosts)
	d.at("related.user", users)
	d.at("related.hash", hashes)
	d.at("related.ip", ips)
}
