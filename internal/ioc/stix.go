package ioc

import (
	"fmt"
	"strings"
	"sync"
)

// stixIndicator reads the pattern of an indicator object.
func (j *jsonReader) stixIndicator(rec *record) {
	at := place{object: rec.get("id")}
	pattern := rec.get("pattern")
	kind := rec.get("pattern_type")
	switch {
	case rec.get("revoked") == "true":
		j.count(gaveNothing, at, pattern, "revoked")
		return
	case kind != "" && kind != "stix":
		j.count(gaveNothing, at, pattern, fmt.Sprintf("its pattern is written in %s, not in STIX", kind))
		return
	case pattern == "":
		j.count(gaveNothing, at, rec.get("name"), "has no pattern, or a longer one than edrctl reads")
		return
	}
	j.pattern(pattern, at)
}

// pattern adds what a pattern asks for. One of which a part is refused counts
// as not understood, though its other alternatives are hunted.
func (r *reader) pattern(pattern string, at place) {
	p, err := ParsePattern(pattern)
	why := ""
	if err != nil {
		why = err.Error()
	} else {
		why = r.expression(p, pattern, at)
	}
	if why != "" {
		r.count(gaveNothing, at, pattern, why)
		return
	}
	r.count(gaveIndicator, at, "", "")
}

// expression adds what an expression asks for: plain indicators where one
// comparison is enough, rules where more must hold. It gives the reason why a
// part of it cannot be hunted.
func (r *reader) expression(e *expr, text string, at place) (why string) {
	gave := false
	for _, alternative := range e.alternatives() {
		if vs := alternative.plain(); vs != nil {
			gave = r.take(at, 0, 0, vs...) || gave
			continue
		}
		rule := &Rule{Text: text, expr: alternative, Refused: alternative.unsupported()}
		r.l.Rules = append(r.l.Rules, rule)
		n := int32(len(r.l.Rules)) // #nosec G115 -- fewer than bytes read
		leaves := alternative.leaves(nil)
		if len(leaves) == 0 && rule.Refused == "" {
			leaves = []value{{typ: Pattern, text: cut(text)}}
		}
		gave = r.take(at, 0, n, leaves...) || gave
		if rule.Refused != "" {
			why = rule.Refused
		}
	}
	if why == "" && !gave {
		return "compares nothing that events have"
	}
	return why
}

func cut(s string) string { return s[:min(len(s), maxValue)] }

// observables are the STIX objects that describe what was seen.
var observables = sync.OnceValue(func() map[string]string {
	return map[string]string{
		"ipv4-addr": "value", "ipv6-addr": "value", "domain-name": "value", "url": "value", "email-addr": "value", "mutex": "name", "windows-registry-key": "key",
	}
})

// observable reads the objects of a bundle that are not indicators: they count
// only when everything is wanted.
func (j *jsonReader) observable(rec *record, s scope) {
	kind := rec.get("type")
	property, is := observables()[kind]
	at := place{object: rec.get("id")}
	switch {
	case s.key == "hashes":
		if j.l.AllAttributes {
			var fs []found
			for i, k := range rec.keys {
				if t, ok := ParseType(k); ok {
					fs = j.cell(rec.values[i], t, scanField, fs)
				}
			}
			o, why := j.addFound(fs, at, "")
			j.count(o, at, strings.Join(rec.values, " "), why)
		}
		return
	case !is:
		if kind != "" {
			j.count(isMarkup, at, "", "")
		}
		return
	case !j.l.AllAttributes:
		j.count(gaveNothing, at, rec.get(property), "an observable, not an indicator (--all-attributes hunts it)")
		return
	}
	t, _ := ParseType(kind)
	if kind == "windows-registry-key" {
		t = Registry
	}
	ok := j.cellValue(rec.get(property), t, at)
	j.count(yes(ok), at, rec.get(property), "cannot be read as "+kind)
}
