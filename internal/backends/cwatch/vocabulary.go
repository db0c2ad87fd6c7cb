package cwatch

import (
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/backends/cwatch/rules"
	"github.com/edrctl/edrctl/internal/backends/cwatch/wire"
	"github.com/edrctl/edrctl/internal/model"
)

// baseNumber reads a base_event_type: a number, or its name.
func baseNumber(v []byte) int {
	if n, ok := wire.Int(v); ok {
		if n < 0 || n > 1<<31 {
			return 0
		}
		return int(n)
	}
	s := wire.Scalar(v)
	if s == rules.Misspelled {
		return 10
	}
	for n, b := range rules.EventTypes {
		if b.Name != "" && strings.EqualFold(b.Name, s) {
			return n
		}
	}
	return 0
}

// kindOf gives kind and name of a base_event_type.
func kindOf(n int) (model.Kind, string) {
	if n > 0 && n < len(rules.EventTypes) {
		return rules.EventTypes[n].Kind, rules.EventTypes[n].Name
	}
	if n == 0 {
		return model.KindOther, ""
	}
	return model.KindOther, "base_event_type " + strconv.Itoa(n)
}

// reputations by verdict number (docs/wire/cwatch.md 3.3); 4 is a failed lookup.
var reputations = [...]*model.Reputation{
	{Verdict: "absent", Native: "0"},
	{Verdict: "safe", Native: "1"},
	{Verdict: "malicious", Native: "2"},
	{Verdict: "unknown", Native: "3"},
	{Verdict: "unknown", Native: "4"},
}

func reputation(v []byte) *model.Reputation {
	s := wire.Scalar(v)
	if s == "" {
		return nil
	}
	if n, ok := wire.Int(v); ok && n >= 0 && int(n) < len(reputations) {
		r := *reputations[n]
		return &r
	}
	return &model.Reputation{Verdict: "unknown", Native: s}
}

// elevation names a TOKEN_ELEVATION_TYPE, given as 0-3 or TYPE0-TYPE3.
func elevation(v []byte) string {
	switch s := strings.TrimPrefix(strings.ToUpper(wire.Scalar(v)), "TYPE"); s {
	case "", "0":
		return ""
	case "1":
		return "default"
	case "2":
		return "full"
	case "3":
		return "limited"
	default:
		return s
	}
}

// transport names a network_transfer_protocol: the three names, 0 to 2 in
// the document's order, or the IANA numbers the agents use.
func transport(v []byte) string {
	switch s := strings.ToLower(wire.Scalar(v)); s {
	case "", "0", "none", "256":
		return ""
	case "1", "6", "tcp":
		return "tcp"
	case "2", "17", "udp":
		return "udp"
	default:
		return s
	}
}
