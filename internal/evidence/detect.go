package evidence

import (
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/winlog"
)

var technique = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`T\d{4}(?:\.\d{3})?`) })

// alertOf gives the alert of a record that is itself a detection, and marks
// its event: what Defender found, and what a rule of a Sysmon configuration
// names as a technique. A Sysmon rule name alone says only which filter let
// the record through: it becomes a tag.
func alertOf(e *model.Event, r *winlog.Record) *model.Alert {
	if e.Kind == model.KindMalware && r.EventID < 5000 {
		return defenderAlert(e, r)
	}
	if !strings.Contains(r.Provider, "Sysmon") && !strings.HasPrefix(r.Channel, "Microsoft-Windows-Sysmon") {
		return nil
	}
	rule := r.Get("RuleName")
	if rule == "" {
		return nil
	}
	if !slices.Contains(e.Tags, rule) {
		e.Tags = append(e.Tags, rule)
	}
	attack := ruleTechniques(rule)
	if attack == nil {
		return nil
	}
	e.Detection = &model.Detection{Rules: []string{rule}, Attack: attack}
	a := alertFrom(e, rule)
	a.Title = ruleTitle(rule)
	a.Source, a.Category = "Sysmon", "rule name"
	model.Unscored().Apply(a)
	return a
}

// ruleTitle is the technique's name where the rule is made of members.
func ruleTitle(rule string) string {
	for part := range strings.SplitSeq(rule, ",") {
		if name, ok := strings.CutPrefix(strings.TrimSpace(part), "technique_name="); ok && name != "" {
			return name
		}
	}
	return rule
}

// ruleTechniques reads "technique_id=T1059.001,technique_name=PowerShell" and
// names that hold a technique's number.
func ruleTechniques(rule string) []model.Attack {
	if strings.IndexByte(rule, 'T') < 0 {
		return nil
	}
	id := technique().FindString(rule)
	if id == "" {
		return nil
	}
	a := model.Attack{Technique: model.Named{ID: id}}
	for part := range strings.SplitSeq(rule, ",") {
		switch name, value, _ := strings.Cut(strings.TrimSpace(part), "="); name {
		case "technique_name":
			a.Technique.Name = value
		case "tactic", "tactic_name":
			a.Tactic = value
		}
	}
	return []model.Attack{a}
}

// scoreBy scores an alert by the severity that a product or schema names; the
// name stays as it is. A name that says nothing leaves the alert unscored.
func scoreBy(a *model.Alert, name, scale string) {
	label := ""
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "informational", "information", "info":
		label = "INFO"
	case "low":
		label = "LOW"
	case "moderate", "medium", "warning":
		label = "WARNING"
	case "high":
		label = "HIGH"
	case "severe", "critical", "fatal":
		label = "CRITICAL"
	}
	model.ScoreLabel(label).Apply(a)
	if name != "" {
		a.ScoreNative = &model.NativeScore{Label: name, Scale: scale}
	}
}

// threatSeverities are Defender's numbers for its severities, which are not
// translated as their names are.
var threatSeverities = map[string]string{"1": "Low", "2": "Moderate", "4": "High", "5": "Severe"}

func defenderAlert(e *model.Event, r *winlog.Record) *model.Alert {
	name := first(r.Get("Threat Name", "ThreatName"), e.Action)
	e.Detection = &model.Detection{Rules: []string{name}}
	if action := r.Get("Action Name"); action != "" {
		e.Detection.Actions = []string{action}
	}
	a := alertFrom(e, name)
	a.Source, a.Category = "Microsoft Defender Antivirus", r.Get("Category Name")
	scoreBy(a, first(threatSeverities[r.Get("Severity ID")], r.Get("Severity Name")), "Low|Moderate|High|Severe")
	e.Detection.Score = a.Score
	return a
}

// alertFrom makes an alert of an event.
func alertFrom(e *model.Event, title string) *model.Alert {
	a := &model.Alert{
		Time: e.Time, Title: title, Description: e.Summary, Status: model.StatusUnknown, Verdict: model.VerdictUnknown,
		Rule: &model.Named{ID: title, Name: title}, Host: e.Host, User: e.User, Process: e.Process, Target: e.Target,
		EventCount: 1, EventIDs: []string{e.ID},
	}
	a.ID = e.ID
	e.AlertID = e.ID
	if e.Detection != nil {
		a.Attack = e.Detection.Attack
	}
	return a
}
