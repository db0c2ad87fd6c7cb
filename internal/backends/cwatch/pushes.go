package cwatch

import (
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/cwatch/rules"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
)

// pushes are the filters that are sent. No answer of a real cWatch is public
// and its document names parameters, fields and operators without saying how
// they compare: nothing is exact, and each row says why nothing is lost.
func pushes() []backends.Push {
	const (
		named  = "the document names field and operator, and how = compares numbers, addresses and its own names leaves no choice"
		both   = "capitals are asked for when small letters find nothing"
		probed = "sent only after one event has shown that `~` is a \"contains\" that overlooks case"
		wider  = "the range is one wider than asked for, so that it may be exclusive"
	)
	row := func(list, flag, form, sent, loses string, takes func(filter.Filter) bool) backends.Push {
		return backends.Push{List: list, Filter: flag, Form: form, Sent: sent, Witness: backends.Assumed, Loses: loses, Takes: takes}
	}
	exactly := func(f filter.Field) func(filter.Filter) bool {
		return backends.Takes(f, func(t filter.Term) bool {
			alternatives, ok, _ := rules.ExactTerms(t)
			return ok && len(alternatives) <= rules.MaxQueries
		})
	}
	narrows := func(f filter.Field) func(filter.Filter) bool {
		return backends.Takes(f, func(t filter.Term) bool {
			n := len(rules.NarrowTerms(t))
			return n > 0 && n <= rules.MaxQueries
		})
	}
	scores := func(has func(filter.Filter) bool) func(filter.Filter) bool {
		return func(f filter.Filter) bool { return has(f) && pushScores(f) != scorePush{0, 10} }
	}
	out := []backends.Push{
		row("alerts", "score-min", "", "`scoreMin`", wider, scores(func(f filter.Filter) bool { return f.ScoreMin != nil })),
		row("alerts", "score-max", "", "`scoreMax`", wider, scores(func(f filter.Filter) bool { return f.ScoreMax != nil })),
		row("alerts", "severity", "", "`scoreMin`, `scoreMax` of the severities", wider, scores(func(f filter.Filter) bool { return len(f.Severity) > 0 })),
		row("alerts", "severity-min", "", "`scoreMin`", wider, scores(func(f filter.Filter) bool { return f.SeverityMin != "" })),
		row("alerts", "status", "`open` alone, `dismissed` alone", "one of the two lists, with `dismissed=true` or without",
			"a list that holds open alerts shows that the parameter is not honoured; all alerts are then in it",
			func(f filter.Filter) bool {
				return one(f.Status, model.StatusOpen) || one(f.Status, model.StatusDismissed)
			}),
		row("events", "kind", "", "`base_event_type =` in `q`", named, exactly(filter.KindOf)),
		row("events", "port", "", "`=` in `q`", named, exactly(filter.Port)),
		row("events", "ip", "one IPv4 address", "`=` in `q`", named, exactly(filter.IP)),
		row("events", "hash", "whole", "`=` in `q`", both, exactly(filter.Hash)),
		row("events", "registry", "", "`event_group = 'REGISTRY'`", "the document's own example, and "+probed, narrows(filter.Registry)),
	}
	for _, f := range []filter.Field{filter.Host, filter.User, filter.Process, filter.Path, filter.CommandLine, filter.File, filter.Domain} {
		out = append(out, row("events", string(f), "with two letters or digits in a row", "`~` in `q`", probed, narrows(f)))
	}
	return append(out, row("processes", "hash", "whole", "`process_hash`", both, backends.Takes(filter.Hash, askableHash)))
}

func one(list []model.Status, s model.Status) bool { return len(list) == 1 && list[0] == s }
