package esp

import (
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/rules"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
)

// pushes are the filters that are sent. Recordings are named as in the set of
// ESP CE 3.5.1.
func pushes() []backends.Push {
	const (
		searched = "recordings 015, 015b: `contains` in a column of activity search"
		matched  = "only hosts that match are asked for, by the identifier the server gave"
	)
	ok := func(takes func(filter.Term) (string, bool)) func(filter.Term) bool {
		return func(t filter.Term) bool { _, is := takes(t); return is }
	}
	condition := func(takes func(filter.Term) (rules.Group, bool)) func(filter.Term) bool {
		return func(t filter.Term) bool { _, is := takes(t); return is }
	}
	status := func(f filter.Filter) bool {
		open := slices.Contains(f.Status, model.StatusOpen) || slices.Contains(f.Status, model.StatusUnknown)
		return len(f.Status) > 0 && !(open && slices.Contains(f.Status, model.StatusClosed))
	}
	// Processes are rows of the same search.
	search := func(list string) []backends.Push {
		return []backends.Push{
			{List: list, Filter: "hash", Form: "whole MD5 or SHA-256", Sent: "conditions on `md5`, `sha256`", Witness: searched, Takes: backends.Takes(filter.Hash, condition(rules.NarrowHash))},
			{List: list, Filter: "domain", Form: "in ASCII", Sent: "conditions on `domain_name`, or a row without it that has `remote_address`",
				Witness: searched + "; 012r, 012s: `is_empty`, `is_not_empty`", Takes: backends.Takes(filter.Domain, condition(rules.NarrowDomain))},
			{List: list, Filter: "host", Sent: "one search for each matching host", Witness: "recording 015: " + matched, Takes: backends.Takes(filter.Host, nil)},
		}
	}
	return slices.Concat([]backends.Push{
		{List: "alerts", Filter: "rule", Form: "one text or `=text` that is not a number", Sent: "`source:\"rule\"` with `searchterm`",
			Witness: "a run on 3.5.1: rule names are searched with `source` alone", Takes: backends.Takes(filter.Rule, ok(ruleText))},
		{List: "alerts", Filter: "host", Form: "of one host", Sent: "`host_identifier`", Witness: "recording 089h: " + matched, Takes: backends.Takes(filter.Host, nil)},
		{List: "alerts", Filter: "status", Form: "`open`, `closed`, one of them", Sent: "`resolved`", Exact: true, Witness: "recordings 089, 089i", Takes: status},
		{List: "hosts", Filter: "host", Form: "one text or `=text` that cannot be an id", Sent: "`searchterm`", Witness: "recordings 022, 022d", Takes: backends.Takes(filter.Host, ok(hostText))},
		{List: "rules", Filter: "rule", Form: "one text or `=text` that is not a number", Sent: "`searchterm`",
			Witness: "the API document: \"searchterm\" of rules (59)", Takes: backends.Takes(filter.Rule, ok(ruleText))},
	}, search("events"), search("processes"))
}

// hostSearch is the searchterm a filter allows: 22 looks for a substring in
// the names, the OS name and the last address, so a term that can only match
// there narrows. --host also matches the identifier, which 22 does not look
// at: it is pushed only when it cannot be one.
func hostSearch(f filter.Filter) string {
	for _, t := range f.Get(filter.Host) {
		if s, ok := hostText(t); ok {
			return s
		}
	}
	return ""
}

func hostText(t filter.Term) (string, bool) {
	if len(t.Any) != 1 || t.Any[0].Mode == filter.Glob || t.Any[0].Qualified() || couldBeIdentifier(t.Any[0].Text) {
		return "", false
	}
	return rules.LikeText(t.Any[0])
}

// couldBeIdentifier tells whether s may be a part of a host identifier (a
// UUID) or of a node id.
func couldBeIdentifier(s string) bool {
	for _, r := range s {
		if !(r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'f' || r >= 'A' && r <= 'F') {
			return false
		}
	}
	return true
}

// alertTerm is the searchterm a filter allows. 89 looks for a substring in
// severity and host names, and in the rule name when source "rule" is sent
// too, which leaves out nothing: other alerts have no rule. --rule also
// matches the rule's number, so only a text that cannot be one is pushed.
func alertTerm(f filter.Filter) string {
	for _, t := range f.Get(filter.Rule) {
		if s, ok := ruleText(t); ok {
			return s
		}
	}
	return ""
}

func ruleText(t filter.Term) (string, bool) {
	if len(t.Any) != 1 || t.Any[0].Mode == filter.Glob || !strings.ContainsFunc(t.Any[0].Text, func(r rune) bool { return r < '0' || r > '9' }) {
		return "", false
	}
	return rules.LikeText(t.Any[0])
}
