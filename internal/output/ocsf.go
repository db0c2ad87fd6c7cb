package output

import (
	"math"
	"strings"

	"github.com/edrctl/edrctl/internal/model"
)

// ocsfVersion is the release of the Open Cybersecurity Schema Framework the
// documents are checked against.
const ocsfVersion = "1.8.0"

// ocsfClass is an event class with the name of its category.
type ocsfClass struct {
	uid      int
	name     string
	category string
}

var (
	classBase        = ocsfClass{0, "Base Event", "Uncategorized"}
	classFile        = ocsfClass{1001, "File System Activity", "System Activity"}
	classModule      = ocsfClass{1005, "Module Activity", "System Activity"}
	classProcess     = ocsfClass{1007, "Process Activity", "System Activity"}
	classDetection   = ocsfClass{2004, "Detection Finding", "Findings"}
	classNetwork     = ocsfClass{4001, "Network Activity", "Network Activity"}
	classDNS         = ocsfClass{4003, "DNS Activity", "Network Activity"}
	classInventory   = ocsfClass{5001, "Device Inventory Info", "Discovery"}
	classEvidence    = ocsfClass{5040, "Live Evidence Info", "Discovery"}
	classRegKey      = ocsfClass{201001, "Registry Key Activity", "System Activity"}
	classRegValue    = ocsfClass{201002, "Registry Value Activity", "System Activity"}
	classWinResource = ocsfClass{201003, "Windows Resource Activity", "System Activity"}
)

// categoryUID: of class 201001 the 1 before the last three digits, the 20
// being the Windows extension.
func (c ocsfClass) categoryUID() int { return c.uid / 1000 % 100 }

func ocsfDocument(rec any, opt Options) doc {
	switch r := rec.(type) {
	case *model.Alert:
		return ocsfAlert(r, opt)
	case model.Alert:
		return ocsfAlert(&r, opt)
	case *model.Event:
		return ocsfEvent(r, opt)
	case model.Event:
		return ocsfEvent(&r, opt)
	case *model.Hit:
		return ocsfHit(r, opt)
	case *model.SigmaHit:
		return ocsfSigmaHit(r, opt)
	case *ActionRecord:
		return ocsfActionRecord(r, opt)
	case *model.Action:
		return ocsfActionRecord(&ActionRecord{Action: *r}, opt)
	case model.Action:
		return ocsfActionRecord(&ActionRecord{Action: r}, opt)
	case *model.Host:
		return ocsfHostRecord(r, opt)
	case model.Host:
		return ocsfHostRecord(&r, opt)
	case *model.Process:
		return ocsfProcessRecord(r, opt)
	case model.Process:
		return ocsfProcessRecord(&r, opt)
	}
	return nil
}

// ocsfBase begins a document. The time is that of the record, else now:
// OCSF asks for one.
func ocsfBase(c ocsfClass, activity int, o *model.Origin, t model.Time, opt Options, profiles ...string) doc {
	d := doc{
		"class_uid": c.uid, "class_name": c.name,
		"category_uid": c.categoryUID(), "category_name": c.category,
		"activity_id": activity, "type_uid": c.uid*100 + activity,
		"severity_id": 0,
	}
	if t.IsZero() {
		t = model.At(opt.Now())
	}
	d["time"] = t.UnixMilli()
	name, vendor := product(o.Backend)
	p := doc{"name": name}
	p.set("vendor_name", vendor)
	m := doc{"version": ocsfVersion, "product": p}
	m.set("uid", o.ID)
	m.set("tenant_uid", o.Profile)
	m.set("profiles", profiles)
	if c.uid > 200000 {
		m["extensions"] = []doc{{"name": "win", "uid": "2", "version": ocsfVersion}}
	}
	d["metadata"] = m
	d.at("unmapped.ref", o.Ref)
	return d
}

func ocsfSeverity(d doc, s model.Severity) {
	d["severity_id"] = s.Rank()
	d["severity"] = [...]string{"Unknown", "Informational", "Low", "Medium", "High", "Critical"}[s.Rank()]
}

func ocsfAlert(a *model.Alert, opt Options) doc {
	if a == nil {
		return nil
	}
	d := ocsfBase(classDetection, 1, &a.Origin, a.Time, opt, "host", "incident", "security_control")
	d["activity_name"] = "Create"
	ocsfSeverity(d, a.Severity)
	d["is_alert"] = true
	d.set("message", first(a.Title, a.Description))

	info := doc{"uid": first(a.ID, a.Ref, "unknown")}
	info.set("title", a.Title)
	info.set("desc", a.Description)
	info.set("created_time", millis(a.Time))
	var types []string
	for _, s := range []string{a.Category, a.Source} {
		if s != "" {
			types = append(types, s)
		}
	}
	info.set("types", types)
	info.set("src_url", a.URL)
	info.set("related_events_count", a.EventCount)
	if r := a.Rule; r != nil && (r.ID != "" || r.Name != "") {
		analytic := doc{"type_id": 1, "type": "Rule"}
		analytic.set("uid", r.ID)
		analytic.set("name", r.Name)
		info["analytic"] = analytic
	}
	info.set("attacks", ocsfAttacks(a.Attack))
	var related []doc
	for _, id := range a.EventIDs {
		if id != "" {
			related = append(related, doc{"uid": id})
		}
	}
	info.set("related_events", related)
	d["finding_info"] = info

	switch a.Status {
	case model.StatusOpen:
		d["status_id"], d["status"] = 1, "New"
	case model.StatusDismissed:
		d["status_id"], d["status"] = 3, "Suppressed"
	case model.StatusClosed:
		d["status_id"], d["status"] = 4, "Resolved"
	default:
		d["status_id"], d["status"] = 0, "Unknown"
	}
	d.set("status_detail", a.StatusNative)
	switch a.Verdict {
	case model.VerdictFalsePositive:
		d["verdict_id"], d["verdict"] = 1, "False Positive"
	case model.VerdictTruePositive:
		d["verdict_id"], d["verdict"] = 2, "True Positive"
	}
	if a.Score != nil {
		d["risk_score"] = int(math.Round(*a.Score))
		d.at("unmapped.score", *a.Score)
	}
	if r := a.Severity.Rank(); r > 0 {
		d["risk_level_id"] = r - 1
		d["risk_level"] = [...]string{"Info", "Low", "Medium", "High", "Critical"}[r-1]
	}
	if a.Risk != nil {
		d.at("unmapped.risk", *a.Risk)
	}
	if n := a.ScoreNative; n != nil {
		d.at("unmapped.score_native", ocsfNativeScore(n))
	}
	if p := a.Policy; p != nil {
		pol := doc{}
		pol.set("uid", p.ID)
		pol.set("name", p.Name)
		d.set("policy", pol)
	}
	d.set("device", ocsfDevice(a.Host))
	d.set("observables", ocsfObservables(a.Indicators))
	d.set("evidences", ocsfEvidences(a))
	d.at("unmapped.image", ocsfImage(a.Process))
	d.set("raw_data", string(a.Raw))
	return d
}

// ocsfImage is what OCSF has no attribute for, or none that takes so little.
func ocsfImage(p *model.Process) doc {
	d := imageRest(p)
	if p == nil {
		return d
	}
	if p.Signed != nil {
		d["signed"] = *p.Signed
	}
	d.set("original_file_name", p.OriginalFileName)
	d.set("description", p.Description)
	d.set("product", p.Product)
	d.set("company", p.Company)
	d.set("file_version", p.FileVersion)
	return d
}

func ocsfNativeScore(n *model.NativeScore) doc {
	x := doc{}
	if n.Value != nil {
		x["value"] = *n.Value
	}
	x.set("label", n.Label)
	x.set("scale", n.Scale)
	return x
}

// ocsfEvidences: who did it (actor, with the chain), and to which process.
func ocsfEvidences(a *model.Alert) []doc {
	ev := doc{}
	actor := doc{}
	actor.set("process", ocsfProcess(a.Process, a.Ancestors))
	actor.set("user", ocsfUser(a.User))
	ev.set("actor", actor)
	ev.set("process", ocsfProcess(a.Target, nil))
	if len(ev) == 0 {
		return nil
	}
	return []doc{ev}
}

func ocsfAttacks(list []model.Attack) []doc {
	var out []doc
	for _, a := range list {
		x := doc{}
		t := doc{}
		t.set("uid", a.Technique.ID)
		t.set("name", a.Technique.Name)
		if parent, _, sub := strings.Cut(a.Technique.ID, "."); sub {
			x["technique"] = doc{"uid": parent}
			x["sub_technique"] = t
		} else {
			x.set("technique", t)
		}
		tac := doc{}
		tac.set("name", a.Tactic)
		tac.set("uid", tacticID(a.Tactic))
		x.set("tactic", tac)
		if len(x) > 0 {
			out = append(out, x)
		}
	}
	return out
}

// ocsfObservables types indicators by what their value is.
func ocsfObservables(list []model.Indicator) []doc {
	var out []doc
	for _, i := range list {
		if i.Value == "" && i.Name == "" {
			continue
		}
		x := doc{"type_id": 99}
		x.set("type", i.Type)
		switch t := strings.ToLower(i.Type); {
		case validIP(i.Value) != "":
			x["type_id"], x["type"] = 2, "IP Address"
		case strings.Contains(t, "md5"), strings.Contains(t, "sha"), strings.Contains(t, "hash"):
			x["type_id"], x["type"] = 8, "Hash"
		}
		x.set("name", i.Name)
		x.set("value", i.Value)
		out = append(out, x)
	}
	return out
}

func ocsfHostRecord(h *model.Host, opt Options) doc {
	if h == nil {
		return nil
	}
	device := ocsfDevice(h)
	c, activity := classInventory, 2
	if len(device) == 0 {
		c, activity = classBase, 0
	}
	d := ocsfBase(c, activity, &h.Origin, model.Time{}, opt)
	d["severity_id"], d["severity"] = 1, "Informational"
	d.set("device", device)
	d.at("unmapped.state", h.State)
	if h.Online != nil {
		d.at("unmapped.online", *h.Online)
	}
	if h.Isolated != nil {
		d.at("unmapped.isolated", *h.Isolated)
	}
	if h.AlertCount != nil {
		d.at("unmapped.alert_count", *h.AlertCount)
	}
	if h.ReportScore != nil {
		d.at("unmapped.report_score", *h.ReportScore)
	}
	d.set("raw_data", string(h.Raw))
	return d
}

func ocsfProcessRecord(p *model.Process, opt Options) doc {
	if p == nil {
		return nil
	}
	proc, device := ocsfProcess(p, nil), ocsfDevice(p.Host)
	c, activity := classEvidence, 1
	if len(proc) == 0 || len(device) == 0 {
		c, activity = classBase, 0
	}
	d := ocsfBase(c, activity, &p.Origin, model.Time{}, opt)
	d["severity_id"], d["severity"] = 1, "Informational"
	d.set("raw_data", string(p.Raw))
	d.set("count", p.EventCount)
	d.at("unmapped.image", ocsfImage(p))
	if c == classBase {
		d.at("unmapped.device", device)
		d.at("unmapped.process", proc)
		return d
	}
	d["query_result_id"], d["query_result"] = 1, "Exists"
	d["device"] = device
	d["query_evidence"] = doc{"query_type_id": 10, "query_type": "Process", "process": proc}
	return d
}
