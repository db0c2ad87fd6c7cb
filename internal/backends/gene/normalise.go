package gene

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/wire"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/winlog"
)

// keep is what of the vendor's own words a query wants in its events.
type keep struct {
	raw bool // the vendor's JSON
	log bool // the fields of the log record
}

func keepOf(q backends.Query) keep { return keep{raw: q.Raw, log: q.Log} }

// normalise turns the document last walked and finished into the normalised
// event. ep is the endpoint it was asked of; its zero value is "any".
func normalise(d *wire.EventDecoder, ep endpoint, k keep) *model.Event {
	e := winlog.Event(&d.Record)
	e.ID = d.Get(wire.FieldHash)
	if t, ok := wire.ParseTime(d.Get(wire.FieldReceiptTime)); ok {
		e.Ingested = model.At(t)
	}
	placeEvent(e.Host, d, ep)
	if s := d.Record.Get("ProcessThreatScore"); s != "" && e.Process != nil {
		e.Process.Reputation = &model.Reputation{Verdict: "unknown", Native: s}
	}
	if d.Fired() {
		det := &model.Detection{Rules: d.Signatures(), Actions: d.Actions(), Attack: techniques(d)}
		if score, ok := d.Criticality(); ok {
			det.Score = model.ScoreNumber(model.ScaleGene, score).Score
		}
		e.Detection, e.Tags, e.AlertID = det, slices.Clone(det.Rules), e.ID
	}
	if k.log {
		e.Log = winlog.Log(&d.Record)
	}
	if k.raw {
		e.Raw = bytes.Clone(d.Raw)
	}
	return e
}

// placeEvent fills in where it happened. The endpoint's own name is used whenever
// the event's computer is that machine, so that every event of an endpoint
// bears one name; a computer of another name (forwarded events) keeps it.
func placeEvent(h *model.Host, d *wire.EventDecoder, ep endpoint) {
	h.ID = d.Get(wire.FieldEndpointUUID)
	if h.ID == "" {
		h.ID = ep.UUID
	}
	known := d.Get(wire.FieldEndpointHost)
	if known == "" {
		known = ep.Hostname
	}
	label, domain, full := strings.Cut(h.Name, ".")
	switch {
	case h.Name == "":
		h.Name = known
	case known != "" && strings.EqualFold(known, h.Name):
		h.Name = known
	case known != "" && full && strings.EqualFold(known, label):
		h.Name, h.Domain = known, domain
	}
	h.AgentVersion = ep.agentVersion
	if ep.os != nil {
		h.OS = ep.os
	}
	if ep.IP != "" {
		h.IP = ep.ips
	}
}

func techniques(d *wire.EventDecoder) []model.Attack {
	var out []model.Attack
	for a := range d.Attacks() {
		out = append(out, model.Attack{Technique: model.Named{ID: a.ID, Name: a.Description}, Tactic: a.Tactic})
	}
	return out
}

// alertOf turns an event on which a signature fired into an alert. Only those
// are alerts: agents that log everything send an empty list (docs/wire/gene.md 7).
func alertOf(d *wire.EventDecoder, e *model.Event) *model.Alert {
	rules := e.Detection.Rules
	a := &model.Alert{
		Time: e.Time, Title: strings.Join(rules, ", "), Description: e.Summary,
		Status: model.StatusUnknown, Verdict: model.VerdictUnknown,
		Source: d.Get(wire.FieldChannel), Category: d.Get(wire.FieldChannel) + ":" + d.Get(wire.FieldEventID),
		Rule:   &model.Named{ID: rules[0], Name: rules[0]},
		Attack: e.Detection.Attack, Host: e.Host, User: e.User, Process: e.Process, Target: e.Target,
		Ancestors: ancestors(d.Record.Get("Ancestors")), EventCount: 1, EventIDs: []string{e.ID}, Raw: e.Raw,
	}
	a.ID = e.ID
	if score, ok := d.Criticality(); ok {
		model.ScoreNumber(model.ScaleGene, score).Apply(a)
	} else {
		model.Unscored().Apply(a)
	}
	for _, name := range rules {
		a.Indicators = append(a.Indicators, model.Indicator{Name: name, Value: name, Type: "signature"})
	}
	return a
}

// ancestors reads "System|C:\Windows\System32\smss.exe|…": paths only, root first.
func ancestors(s string) []*model.Process {
	if s == "" {
		return nil
	}
	var out []*model.Process
	for path := range strings.SplitSeq(s, "|") {
		if path = strings.TrimSpace(path); path != "" && path != "?" {
			out = append(out, &model.Process{Path: path, Name: model.BaseName(path)})
		}
	}
	return out
}

// endpoint is an endpoint of the manager, with what all of its events share.
type endpoint struct {
	wire.Endpoint

	os           *model.OS
	ips          []string
	agentVersion string
	raw          json.RawMessage // without secrets, when it was asked for
}

// byUUID is an endpoint of which nothing but the UUID is known.
func byUUID(uuid string) endpoint { return endpoint{Endpoint: wire.Endpoint{UUID: uuid}} }

// windows tells whether the endpoint runs Windows: what agents are made for,
// and what is assumed when the manager does not say.
func (ep endpoint) windows() bool {
	return ep.os == nil || ep.os.Platform == "" || strings.Contains(ep.os.Platform, "windows")
}

// nameOf is an endpoint for people.
func nameOf(ep endpoint) string {
	switch {
	case ep.UUID == "":
		return "nobody"
	case ep.Hostname == "":
		return ep.UUID
	}
	return ep.Hostname + " (" + ep.UUID + ")"
}

func normaliseRule(r wire.Rule) *model.Rule {
	score := model.ScoreNumber(model.ScaleGene, float64(r.Meta.Criticality))
	m := &model.Rule{
		Origin: model.Origin{ID: r.Name}, Name: r.Name, Type: "detection", Enabled: model.Ptr(!bool(r.Meta.Disable)),
		Score: score.Score, Severity: score.Severity, Condition: r.Condition, Tags: r.Tags,
		Description: strings.Join(r.Matches, "\n"),
	}
	if r.Meta.Filter {
		// A filter rule only keeps events; it never alerts.
		m.Type, m.Score, m.Severity = "filter", nil, model.SeverityUnknown
	}
	for _, a := range r.Meta.Attack {
		m.Attack = append(m.Attack, model.Attack{
			Technique: model.Named{ID: string(a.ID), Name: string(a.Description)}, Tactic: string(a.Tactic),
		})
	}
	return m
}
