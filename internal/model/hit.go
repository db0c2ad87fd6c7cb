package model

import (
	"slices"
	"strconv"
)

// Hit is an indicator seen: one for each indicator, host, and process or file.
type Hit struct {
	Origin
	Indicator HitIndicator `json:"indicator,omitzero"`
	Host      *Host        `json:"host,omitempty"`
	Process   *Process     `json:"process,omitempty"`
	File      *File        `json:"file,omitempty"`
	First     Time         `json:"first_seen,omitzero"`
	Last      Time         `json:"last_seen,omitzero"`
	Count     int          `json:"count,omitempty"`    // observations; 0 when the backend tells none
	Evidence  []string     `json:"evidence,omitempty"` // refs of events or alerts, newest first, at most MaxEvidence
	Verdict   string       `json:"verdict,omitempty"`  // safe malicious unknown absent, where the backend has one
	Note      string       `json:"note,omitempty"`
}

// HitIndicator is what was looked for, and where it was listed.
type HitIndicator struct {
	Type   string `json:"type"`
	Value  string `json:"value"`
	Source string `json:"source,omitempty"` // file:line, or the id of the STIX or MISP object
	Group  int    `json:"group,omitempty"`  // indicators of one sample have one number: a hit on any is one hit
}

// MaxEvidence bounds the references one hit carries; Count tells the rest.
const MaxEvidence = 10

// Key joins observations of the same thing: indicator, host, and the process
// or file it was seen as.
func (h *Hit) Key() string {
	key := h.Indicator.Type + "\x00" + h.Indicator.Value + "\x00"
	if h.Indicator.Group != 0 {
		key = "group\x00" + strconv.Itoa(h.Indicator.Group) + "\x00"
	}
	if h.Host != nil {
		key += h.Host.ID + "\x00" + h.Host.Name
	}
	key += "\x00"
	if p := h.Process; p != nil {
		if p.UID != "" {
			key += p.UID
		} else {
			key += p.Path + "\x00" + p.Name
		}
	}
	if f := h.File; f != nil {
		key += "\x00" + f.Path
	}
	return key
}

// Merge adds another observation of the same thing. Indicators of one sample
// that an event shows together are one observation.
func (h *Hit) Merge(o *Hit) {
	if h.First.IsZero() || !o.First.IsZero() && o.First.Before(h.First.Time) {
		h.First = o.First
	}
	if o.Last.After(h.Last.Time) {
		h.Last = o.Last
	}
	fresh := 0
	for _, e := range o.Evidence {
		if slices.Contains(h.Evidence, e) {
			continue
		}
		fresh++
		if len(h.Evidence) < MaxEvidence {
			h.Evidence = append(h.Evidence, e)
		}
	}
	switch {
	case h.Indicator.Type == o.Indicator.Type && h.Indicator.Value == o.Indicator.Value:
		h.Count += o.Count
	case len(o.Evidence) > 0 && o.Count <= len(o.Evidence):
		h.Count += min(fresh, o.Count)
	default:
		h.Count = max(h.Count, o.Count)
	}
	if rank(o.Indicator.Type) > rank(h.Indicator.Type) {
		h.Indicator = o.Indicator
	}
	if h.Verdict == "" {
		h.Verdict = o.Verdict
	}
}

// rank orders the indicators of one sample by how surely they name it.
func rank(kind string) int {
	return slices.Index([]string{"md5", "sha1", "sha256", "sha512"}, kind)
}
