package carbonblack

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/backends/carbonblack/wire"
	"github.com/edrctl/edrctl/internal/model"
)

// alertOf reads the answer of GET /alert/{id}; id is what was asked for.
func alertOf(w *wire.Alert, id string) *model.Alert {
	threat := wire.First(w.ThreatInfo.V)
	device := wire.First(w.DeviceInfo.V)
	host := alertHost(device)
	a := &model.Alert{
		Origin:     model.Origin{ID: string(cmp.Or(threat.IncidentID, wire.Text(id)))},
		Time:       model.FromMillis(threat.Time.N),
		Title:      string(threat.Summary),
		Status:     model.StatusUnknown,
		Verdict:    model.VerdictUnknown,
		Policy:     named(cmp.Or(device.PolicyID, device.GroupID), cmp.Or(device.PolicyName, device.Group)),
		Indicators: indicators(threat.Indicators),
		Host:       host,
		EventCount: len(w.Events),
	}
	scoreOf(threat.ThreatScore, threat.Score).Apply(a)

	events := slices.Clone(w.Events)
	slices.SortStableFunc(events, func(x, y wire.AlertEvent) int { return cmp.Compare(x.EventTime.N, y.EventTime.N) })
	for i := range events {
		e := &events[i]
		a.EventIDs = append(a.EventIDs, string(e.EventID))
		a.Category = cmp.Or(a.Category, string(e.KillChainStatus))
		for _, t := range attackOf(string(e.KillChainStatus), e.ThreatIndicators) {
			if !slices.Contains(a.Attack, t) {
				a.Attack = append(a.Attack, t)
			}
		}
		_, links := wire.PlainText(string(e.LongDescription))
		a.Indicators = addLinks(a.Indicators, links)
	}
	if e := decisiveEvent(events, threat.Indicators); e != nil {
		a.Description, _ = wire.PlainText(string(e.LongDescription))
		ev := alertEvent(e, host)
		a.Process, a.Target, a.User = ev.Process, ev.Target, ev.User
		a.Ancestors = alertAncestors(e, host)
		if a.Time.IsZero() {
			a.Time = ev.Time
		}
	}
	if p := string(device.Importance); p != "" {
		a.Description = strings.TrimSpace(a.Description + " Target value of the device: " + p + ".")
	}
	return a
}

// decisiveEvent is the event whose process an alert is about: the first whose
// process the cloud names as an indicator, else the first of all.
func decisiveEvent(events []wire.AlertEvent, found []wire.Indicator) *wire.AlertEvent {
	for _, ind := range found {
		for i := range events {
			if ind.SHA256Hash != "" && strings.EqualFold(string(events[i].ProcessHash), string(ind.SHA256Hash)) {
				return &events[i]
			}
		}
	}
	if len(events) == 0 {
		return nil
	}
	return &events[0]
}

// scoreOf reads the threat score; both names of it, absent or 0 being none.
func scoreOf(scores ...wire.Int) model.Scored {
	for _, s := range scores {
		if s.Set && s.N > 0 {
			return model.ScoreNumber(model.ScaleCarbonBlack, float64(s.N))
		}
	}
	return model.Unscored()
}

// indicators gives each TTP with the program it was seen in, and the hash of
// each program once.
func indicators(found []wire.Indicator) []model.Indicator {
	var out []model.Indicator
	for _, i := range found {
		if i.IndicatorName != "" {
			out = addIndicator(out, model.Indicator{Name: string(i.ApplicationName), Value: string(i.IndicatorName), Type: "ttp"})
		}
	}
	for _, i := range found {
		if h := strings.ToLower(string(i.SHA256Hash)); h != "" {
			out = addIndicator(out, model.Indicator{Name: string(i.ApplicationName), Value: h, Type: "sha256"})
		}
	}
	return out
}

// addLinks adds the files that descriptions link, each hash once.
func addLinks(to []model.Indicator, links []wire.Link) []model.Indicator {
	for _, l := range links {
		if !slices.ContainsFunc(to, func(i model.Indicator) bool { return i.Type == "sha256" && i.Value == l.Hash }) {
			to = append(to, model.Indicator{Name: model.BaseName(l.Name), Value: l.Hash, Type: "sha256"})
		}
	}
	return to
}

func addIndicator(to []model.Indicator, i model.Indicator) []model.Indicator {
	if slices.Contains(to, i) {
		return to
	}
	return append(to, i)
}

func alertHost(d *wire.AlertDevice) *model.Host {
	domain, name := deviceName(string(d.DeviceName))
	h := &model.Host{
		Origin: model.Origin{ID: wire.Number(d.DeviceID)},
		Name:   name, Domain: domain,
		OS:           osOf(string(d.DeviceType), string(d.OSVersion)),
		User:         string(d.UserName),
		AgentVersion: string(d.SensorVersion),
		State:        string(d.Status),
		Policy:       named(cmp.Or(d.PolicyID, d.GroupID), cmp.Or(d.PolicyName, d.Group)),
		Tags:         distinct(d.ADGroupName),
	}
	if h.ID == "" && h.Name == "" {
		return nil
	}
	return h
}

// alertEvent reads an event inside an alert.
func alertEvent(e *wire.AlertEvent, host *model.Host) *model.Event {
	text := describe(string(e.LongDescription), "")
	kind, actor := kindOf(string(e.EventType), e.ThreatIndicators, text), strings.ToLower(string(e.ProcessHash))
	out := &model.Event{
		Origin:  model.Origin{ID: string(e.EventID)},
		Time:    model.FromMillis(e.EventTime.N),
		Kind:    kind,
		Action:  actionOf(string(e.EventType), text.long),
		Summary: text.long,
		Host:    host,
		User:    model.SplitUser(string(e.UserName)),
		Process: alertProcess(e, host),
		Tags:    e.ThreatIndicators,
	}
	switch kind {
	case model.KindFileCreate, model.KindFileRead:
		out.File = fileOf(new(wire.App), text.links, actor)
	case model.KindProcessStart:
		out.Target = targetFromLinks(nil, text.links, actor)
	}
	if state := string(e.PolicyState); state != "" || e.KillChainStatus != "" {
		out.Detection = &model.Detection{Attack: attackOf(string(e.KillChainStatus), e.ThreatIndicators)}
		if state == "APPLIED" {
			out.Detection.Actions = []string{"policy applied"}
		}
	}
	return out
}

func deviceOf(host *model.Host) string {
	if host == nil {
		return ""
	}
	return host.ID
}

// alertProcess is the acting process. processPPid is its private pid, on old macOS
// sensors the bare pid (§7.1).
func alertProcess(e *wire.AlertEvent, host *model.Host) *model.Process {
	key := wire.ParsePrivatePID(string(e.ProcessPPID))
	p := &model.Process{
		PID:         cmp.Or(e.ProcessID.N, key.PID),
		Name:        model.BaseName(string(e.ApplicationPath)),
		Path:        string(e.ApplicationPath),
		CommandLine: string(e.CommandLine),
		Started:     model.At(key.Started),
		User:        model.SplitUser(string(e.UserName)),
		Hash:        hashes(e.ProcessMD5Hash, e.ProcessHash),
	}
	p.UID = processUID(deviceOf(host), string(e.ProcessPPID), p.PID, p.Started)
	if q := alertParent(e, host); q != nil {
		p.Parent = &model.ParentProcess{UID: q.UID, PID: q.PID, Name: q.Name, Path: q.Path, CommandLine: q.CommandLine}
	}
	if empty(p) {
		return nil
	}
	return p
}

func alertParent(e *wire.AlertEvent, host *model.Host) *model.Process {
	key := wire.ParsePrivatePID(string(e.ParentPPID))
	p := &model.Process{
		PID:         cmp.Or(e.ParentPID.N, key.PID),
		Name:        model.BaseName(string(e.ParentName)),
		CommandLine: string(e.ParentCommandLine),
		Started:     model.At(key.Started),
		Hash:        hashes("", e.ParentHash),
	}
	if isPath(string(e.ParentName)) {
		p.Path = string(e.ParentName)
	}
	if e.ParentPPID != "" {
		p.UID = processUID(deviceOf(host), string(e.ParentPPID), p.PID, p.Started)
	}
	if empty(p) {
		return nil
	}
	return p
}

// alertAncestors is the one level this API knows.
func alertAncestors(e *wire.AlertEvent, host *model.Host) []*model.Process {
	if p := alertParent(e, host); p != nil {
		return []*model.Process{p}
	}
	return nil
}

// alertFromEvent stands in for an alert whose detail the server no longer
// gives, or that has a score but no incident: what its events say of it.
func alertFromEvent(id string, e *wire.Event, seen []wire.EventHead) *model.Alert {
	ev := eventOf(e)
	a := &model.Alert{
		Origin:      model.Origin{ID: id},
		Time:        ev.Time,
		Title:       ev.Summary,
		Description: ev.Summary,
		Status:      model.StatusUnknown,
		Verdict:     model.VerdictUnknown,
		Category:    string(cmp.Or(e.AlertCategory, e.AttackStage, e.KillChainStatus)),
		Host:        ev.Host,
		User:        ev.User,
		Process:     ev.Process,
		Target:      ev.Target,
		EventCount:  len(seen),
	}
	scoreOf(e.AlertScore, e.ThreatScore).Apply(a)
	if ev.Host != nil {
		a.Policy = ev.Host.Policy
	}
	if ev.Detection != nil {
		a.Attack = ev.Detection.Attack
	}
	for _, t := range e.ThreatIndicators {
		a.Indicators = addIndicator(a.Indicators, model.Indicator{Value: t, Type: "ttp"})
	}
	_, links := wire.PlainText(string(e.LongDescription))
	a.Indicators = addLinks(a.Indicators, links)
	for _, s := range seen {
		a.EventIDs = append(a.EventIDs, string(s.EventID))
	}
	slices.Reverse(a.EventIDs) // oldest first, as the detail has them
	return a
}

// notificationAlert reads a notification. POLICY_ACTION has no score; a missing type is
// THREAT when threatInfo is there; unknown types keep what is common to all.
func notificationAlert(n *wire.Notification, raw []byte) *model.Alert {
	seen := wire.First(n.DeviceInfo.V)
	desc, links := wire.PlainText(string(n.EventDescription))
	a := &model.Alert{
		Origin:      model.Origin{ID: notificationID(n, raw)},
		Time:        model.FromMillis(n.EventTime.N),
		Title:       desc,
		Description: desc,
		Severity:    model.SeverityUnknown,
		Status:      model.StatusUnknown,
		Verdict:     model.VerdictUnknown,
		Source:      string(n.Type),
		Host:        eventHost(seen),
		URL:         string(n.URL),
	}
	if n.RuleName != "" {
		a.Rule = &model.Named{Name: string(n.RuleName)}
	}
	if a.Host != nil {
		a.Policy = a.Host.Policy
	}
	if n.EventID != "" {
		a.EventIDs, a.EventCount = []string{string(n.EventID)}, 1
	}
	switch {
	case n.ThreatHunterInfo.V != nil:
		h := n.ThreatHunterInfo.V
		fillHunterAlert(a, h)
	case n.ThreatInfo.V != nil:
		t := n.ThreatInfo.V
		a.Source = cmp.Or(a.Source, "THREAT")
		a.Title = cmp.Or(string(t.Summary), a.Title)
		a.Indicators = indicators(t.Indicators)
		scoreOf(t.Score, t.ThreatScore).Apply(a)
		if a.Time.IsZero() {
			a.Time = model.FromMillis(t.Time.N)
		}
	case n.PolicyAction.V != nil:
		p := n.PolicyAction.V
		a.Title = strings.TrimSpace("Policy action " + cmp.Or(string(p.Action), "on") + " " + string(p.ApplicationName))
		a.Process = &model.Process{
			Name: model.BaseName(string(p.ApplicationName)), Hash: hashes("", p.SHA256Hash),
			Reputation: reputationOf(string(p.Reputation)),
		}
	}
	a.Indicators = addLinks(a.Indicators, links)
	if p := string(seen.TargetPriorityType); p != "" {
		a.Description = strings.TrimSpace(a.Description + " Target value of the device: " + p + ".")
	}
	return a
}

func fillHunterAlert(a *model.Alert, h *wire.HunterInfo) {
	a.Title = cmp.Or(string(h.Summary), string(h.ReportName), a.Title)
	a.StatusNative = string(h.Status)
	switch {
	case h.Dismissed.On:
		a.Status = model.StatusDismissed
	case strings.EqualFold(string(h.Status), "OPEN"), strings.EqualFold(string(h.Status), "UNRESOLVED"):
		a.Status = model.StatusOpen
	case strings.EqualFold(string(h.Status), "RESOLVED"):
		a.Status = model.StatusClosed
	}
	if h.ReportID != "" || h.ReportName != "" {
		a.Rule = &model.Named{ID: string(h.ReportID), Name: string(h.ReportName)}
	}
	a.Indicators = indicators(h.Indicators)
	for i := range a.Indicators {
		if a.Indicators[i].Type == "ttp" {
			a.Indicators[i].Type = "report" // a report id here, no TTP (§11.4)
		}
	}
	a.EventCount = int(max(h.Count.N, int64(a.EventCount)))
	scoreOf(h.Score).Apply(a)
	if a.Time.IsZero() {
		a.Time = model.FromMillis(h.Time.N)
	}
	if h.ProcessPath != "" || h.SHA256 != "" || h.MD5 != "" {
		a.Process = &model.Process{
			UID: string(h.ProcessGUID), Path: string(h.ProcessPath), Name: model.BaseName(string(h.ProcessPath)),
			Hash: hashes(h.MD5, h.SHA256), Reputation: reputationOf(string(h.Reputation)),
		}
	}
	if a.Policy == nil {
		a.Policy = named(h.PolicyID, "")
	}
}

// notificationID is the incident, the event, or a digest of the notification itself.
func notificationID(n *wire.Notification, raw []byte) string {
	if id := wire.First(n.ThreatInfo.V).IncidentID; id != "" {
		return string(id)
	}
	if id := wire.First(n.ThreatHunterInfo.V).IncidentID; id != "" {
		return string(id)
	}
	if n.EventID != "" {
		return eventAlertPrefix + string(n.EventID)
	}
	sum := sha256.Sum256(raw)
	return "notification:" + hex.EncodeToString(sum[:12])
}
