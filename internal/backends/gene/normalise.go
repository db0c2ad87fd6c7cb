package gene

import (
	"bytes"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/backends/gene/wire"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/winlog"
)

// normalise turns the document last walked and finished into the normalised
// event. ep is the endpoint it was asked of; its zero value is "any".
func normalise(d *wire.EventDecoder, ep endpoint, raw bool) *model.Event {
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
	if raw {
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
