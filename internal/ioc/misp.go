package ioc

import (
	"strings"
	"sync"
)

const whyToIDs = "to_ids is false: not meant for detection (--all-attributes hunts it)"

// notValues are MISP types that hold words about an event, not values seen on hosts.
var notValues = sync.OnceValue(func() map[string]bool {
	return wordSet(`comment text other link datetime float integer counter hex boolean port size-in-bytes malware-type campaign-name campaign-id threat-actor
	target-user target-machine target-org target-location target-external attachment pattern-in-file pattern-in-traffic pattern-in-memory yara sigma snort bro zeek stix2-pattern
	whois-registrant-name whois-registrant-org whois-registrar whois-creation-date uri email-subject email-body email-header email-x-mailer email-mime-boundary
	email-message-id http-method first-name last-name full-name gene identity-card-number`)
})

// attribute reads an attribute of a MISP event.
func (j *jsonReader) attribute(rec *record, s scope) {
	at := place{object: rec.get("uuid")}
	kind, val := strings.ToLower(rec.get("type")), rec.get("value")
	switch {
	case rec.get("deleted") == "true" || rec.get("deleted") == "1":
		j.count(gaveNothing, at, val, "deleted in MISP")
		return
	case !j.l.AllAttributes && (rec.get("to_ids") == "false" || rec.get("to_ids") == "0"):
		j.toIDs++
		j.count(gaveNothing, at, val, whyToIDs)
		return
	}
	before := j.l.Len()
	var vs []value
	why := "cannot be read as " + kind
	switch parts := composite(kind); {
	case parts != nil:
		vs = compositeValues(parts, val)
	case notValues()[kind]:
		why = "is a " + kind + ", which is not an indicator type"
	default:
		t, ok := ParseType(kind)
		if !ok {
			why = "is a " + kind + ", which is not an indicator type"
			break
		}
		if b, fine := bare(val); fine {
			vs, _ = readValue(b, t)
		}
	}
	group := int32(0)
	if sampleValues(vs) && s.group == nil {
		group = j.l.newGroup()
	}
	if !j.take(at, group, 0, vs...) {
		j.count(gaveNothing, at, val, why)
		return
	}
	j.used++
	j.count(gaveIndicator, at, "", "")
	if s.group != nil {
		s.group.join(j.l, before)
	}
}

// sampleValues tells a hash together with a name.
func sampleValues(vs []value) bool {
	return len(vs) == 2 && (vs[0].typ.IsHash() || vs[1].typ.IsHash())
}
