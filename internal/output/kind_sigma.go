package output

import (
	"strings"

	"github.com/edrctl/edrctl/internal/model"
)

// KindSigmaHit is a Sigma rule that matched.
var KindSigmaHit = NewKind[model.SigmaHit]("sigma hit", []Column{
	{"last_seen", "LAST", AsTime, 0, 0},
	{"rule.level", "LEVEL", AsSeverity, 0, 0},
	{"rule.title", "RULE", AsText, 20, 0},
	{"host.name", "HOST", AsText, 8, 0},
	{"count", "COUNT", AsNumber, 0, 2},
	{"matched", "MATCHED", AsText, 10, 3},
	{"backend", "BACKEND", AsBackend, 0, 1},
}, []Column{
	{"first_seen", "FIRST", AsTime, 0, 0},
	{"last_seen", "LAST", AsTime, 0, 0},
	{"rule.level", "LEVEL", AsSeverity, 0, 0},
	{"score", "SCORE", AsScore, 0, 4},
	{"rule.title", "RULE", AsText, 20, 0},
	{"rule.id", "ID", AsText, 8, 2},
	{"rule.author", "AUTHOR", AsText, 8, 5},
	{"attack", "ATT&CK", AsText, 8, 3},
	{"host.name", "HOST", AsText, 8, 0},
	{"count", "COUNT", AsNumber, 0, 0},
	{"matched", "MATCHED", AsText, 10, 0},
	{"group", "GROUP", AsText, 10, 6},
	{"backend", "BACKEND", AsBackend, 0, 0},
	{"refs", "EVENTS", AsText, 12, 0},
})

// sigmaAlert is a hit told as a finding: a rule matched on a host.
func sigmaAlert(h *model.SigmaHit) *model.Alert {
	return &model.Alert{
		Origin: h.Origin, Time: h.Last, Status: model.StatusUnknown, Verdict: model.VerdictUnknown,
		Title: h.Rule.Title, Category: "threat hunt", Source: "sigma",
		Rule:   &model.Named{ID: h.Rule.ID, Name: h.Rule.Title},
		Attack: h.Attack, Score: h.Score, Severity: h.Rule.Level, Host: h.Host, EventCount: h.Count, EventIDs: h.Refs,
	}
}

func ecsSigmaHit(h *model.SigmaHit) doc {
	d := ecsAlert(sigmaAlert(h))
	d.at("event.dataset", ecsDataset(h.Backend, "sigma"))
	d.at("event.start", stamp(h.First))
	d.at("event.end", stamp(h.Last))
	if h.Rule.Author != "" {
		d.at("rule.author", []string{h.Rule.Author})
	}
	d.at("rule.ruleset", "sigma")
	d.at("tags", h.Rule.Tags)
	d.at("labels.rule_status", h.Rule.Status)
	d.at("edrctl.sigma.matched", h.Matched)
	for _, g := range h.Group {
		d.at("edrctl.sigma.group."+escapedName(g.Field), g.Value)
	}
	return d
}

// ocsfSigmaHit is a Detection Finding.
func ocsfSigmaHit(h *model.SigmaHit, opt Options) doc {
	d := ocsfAlert(sigmaAlert(h), opt)
	info := d["finding_info"].(doc)
	info.set("first_seen_time", millis(h.First))
	info.set("last_seen_time", millis(h.Last))
	d.set("count", h.Count)
	d.at("unmapped.rule_author", h.Rule.Author)
	d.at("unmapped.rule_status", h.Rule.Status)
	d.at("unmapped.rule_tags", h.Rule.Tags)
	d.at("unmapped.matched", h.Matched)
	for _, g := range h.Group {
		d.at("unmapped.group."+escapedName(g.Field), g.Value)
	}
	return d
}

// sigmaMatches are the rules that an event matches.
func sigmaMatches(list []model.SigmaMatch) []doc {
	var out []doc
	for _, m := range list {
		x := doc{}
		x.set("id", m.ID)
		x.set("title", m.Title)
		x.set("level", string(m.Level))
		out = append(out, x)
	}
	return out
}

// escapedName makes the name of a log's field one step of a path.
func escapedName(field string) string { return strings.ReplaceAll(field, ".", "_") }
