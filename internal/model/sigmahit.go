package model

import "slices"

// SigmaMatch is a Sigma rule that an event matches.
type SigmaMatch struct {
	ID    string   `json:"id,omitempty"`
	Title string   `json:"title,omitempty"`
	Level Severity `json:"level,omitempty"`
}

// SigmaHit is a Sigma rule that matched: one for each rule and host, or for
// each time that a correlation was fulfilled.
type SigmaHit struct {
	Origin
	Rule    SigmaRule    `json:"rule,omitzero"`
	Attack  []Attack     `json:"attack,omitempty"`
	Score   *float64     `json:"score,omitempty"` // 0-10, of the rule's level
	Host    *Host        `json:"host,omitempty"`
	First   Time         `json:"first_seen,omitzero"`
	Last    Time         `json:"last_seen,omitzero"`
	Count   int          `json:"count"`
	Refs    []string     `json:"refs,omitempty"`    // of events, at most MaxSigmaRefs
	Matched []string     `json:"matched,omitempty"` // the selections that matched
	Group   []SigmaGroup `json:"group,omitempty"`   // of a correlation: what its events have in common
}

// SigmaRule is what a hit tells of its rule.
type SigmaRule struct {
	ID     string   `json:"id,omitempty"`
	Title  string   `json:"title,omitempty"`
	Level  Severity `json:"level,omitempty"`
	Status string   `json:"status,omitempty"`
	Author string   `json:"author,omitempty"`
	Tags   []string `json:"tags,omitempty"`
}

// SigmaGroup is one field that a correlation groups by, with its value.
type SigmaGroup struct {
	Field string `json:"field,omitempty"`
	Value string `json:"value,omitempty"`
}

// MaxSigmaRefs bounds the events that one hit names; Count tells the rest.
const MaxSigmaRefs = 5

// Merge adds what was found later of the same rule on the same host.
func (h *SigmaHit) Merge(o *SigmaHit) {
	if h.First.IsZero() || !o.First.IsZero() && o.First.Before(h.First.Time) {
		h.First = o.First
	}
	if o.Last.After(h.Last.Time) {
		h.Last = o.Last
	}
	h.Count += o.Count
	for _, ref := range o.Refs {
		if len(h.Refs) < MaxSigmaRefs && !slices.Contains(h.Refs, ref) {
			h.Refs = append(h.Refs, ref)
		}
	}
	for _, name := range o.Matched {
		if !slices.Contains(h.Matched, name) {
			h.Matched = append(h.Matched, name)
		}
	}
}
