package sigma

import (
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/model"
)

// Reach is what the events of a product can hold: which rules can match there
// at all. What is not listed is never filled.
type Reach struct {
	Products []string                // windows, linux, macos; nil = any
	Logs     []string                // of these products every log is kept; nil = none
	Kinds    map[model.Kind][]string // the fields of each kind
}

// reaches is what each backend fills of a normalised event. Evidence files
// are missing: they can hold anything.
var reaches = map[string]Reach{
	"cwatch": {Products: []string{"windows"}, Kinds: kinds{
		"process_start":                 words("Image CommandLine ParentImage ParentProcessId ParentProcessGuid ParentUser User ProcessId ProcessGuid Hashes sha1"),
		"process_access process_inject": words("User SourceImage SourceProcessId SourceProcessGUID SourceUser SourceParentImage TargetImage TargetProcessId"),
		"file_write file_delete":        words(actorFields + " TargetFilename Hashes sha1"),
		"network_connect":               words(actorFields + " " + networkFields + " DestinationHostname"),
		"registry_set registry_delete":  words(actorFields + " TargetObject Details EventType"),
	}.each()},
	"carbonblack": {Products: []string{"windows", "macos", "linux"}, Kinds: kinds{
		"process_start":                                words("Image CommandLine ParentImage ParentCommandLine ParentProcessId ParentProcessGuid ParentUser User ProcessId ProcessGuid Hashes md5 sha256"),
		"process_access process_inject":                words("User SourceImage SourceCommandLine SourceProcessId SourceProcessGUID SourceUser SourceParentImage TargetImage TargetProcessId TargetProcessGUID"),
		"file_create file_read":                        words(actorFields + " CommandLine ParentCommandLine TargetFilename FileName Hashes md5 sha256"),
		"network_connect":                              words(actorFields + " CommandLine ParentCommandLine Initiated " + networkFields + " SourceHostname DestinationHostname"),
		"registry_set registry_create registry_delete": words(actorFields + " CommandLine ParentCommandLine TargetObject EventType"),
	}.each()},
	"gene": {Products: []string{"windows"}, Logs: []string{"windows"}},
	"esp": {Kinds: kinds{
		"process_start process_end":                                words(actorFields + " CommandLine CurrentDirectory ParentProcessId ParentProcessGuid Hashes md5 sha1 sha256"),
		"process_access process_inject":                            words("User SourceImage SourceProcessId SourceProcessGUID SourceUser TargetImage TargetProcessId TargetProcessGUID"),
		"file_create file_write file_delete file_read file_rename": words(actorFields + " CommandLine TargetFilename SourceFilename FileName Hashes md5 sha1 sha256"),
		"network_connect":                                          words(actorFields + " CommandLine Initiated " + networkFields + " DestinationHostname"),
		"dns_query":                                                words(actorFields + " CommandLine QueryName QueryResults record_type Initiated DestinationIp DestinationPort DestinationIsIpv6"),
		"registry_set registry_create registry_delete":             words(actorFields + " CommandLine TargetObject Details EventType"),
		"module_load driver_load":                                  words(actorFields + " CommandLine ImageLoaded Hashes md5 sha1 sha256"),
	}.each()},
}

const (
	actorFields   = "Image ProcessId ProcessGuid User ParentImage"
	networkFields = "Protocol SourceIp SourcePort SourceIsIpv6 DestinationIp DestinationPort DestinationIsIpv6"
)

func words(s string) []string { return strings.Fields(s) }

// kinds has one line for kinds with the same fields.
type kinds map[string][]string

func (k kinds) each() map[model.Kind][]string {
	out := map[model.Kind][]string{}
	for names, fields := range k {
		for _, name := range words(names) {
			out[model.Kind(name)] = append(fields, "UtcTime")
		}
	}
	return out
}

// ReachOf gives what a backend's events can hold; false when they can hold
// anything.
func ReachOf(backend string) (Reach, bool) {
	r, ok := reaches[backend]
	return r, ok
}

// Missing says why a rule can never match over a backend: "no log source …",
// "no kind …" or "no field …". It is empty when the rule can match.
func (r *Reach) Missing(rule *Rule) string {
	if rule.corr != nil {
		return r.missingOf(rule)
	}
	l := rule.LogSource
	if !r.runs(l.Product) {
		return "no log source " + l.String()
	}
	if len(r.Logs) > 0 && (l.Product == "" || slices.Contains(r.Logs, l.Product)) {
		if l.known() {
			return ""
		}
		return "no log source " + l.String()
	}
	if l.Service != "" || l.Category == "" {
		return "no log source " + l.String()
	}
	why := "no log source " + l.String()
	for _, kind := range model.Kinds {
		if !slices.Contains(kindCategories[kind], l.Category) {
			continue
		}
		fields, ok := r.Kinds[kind]
		if !ok {
			if strings.HasPrefix(why, "no log source") {
				why = "no event of kind " + string(kind)
			}
			continue
		}
		missing := rule.condition.missing(fields)
		if missing == nil {
			return ""
		}
		why = "no field " + strings.Join(missing, ", ")
	}
	return why
}

// missingOf is Missing for a correlation: one over different rules needs them
// all, one that counts needs one of them.
func (r *Reach) missingOf(corr *Rule) string {
	first := ""
	able := false
	for _, base := range corr.Bases() {
		if base.corr != nil {
			continue
		}
		if why := r.Missing(base); why == "" {
			able = true
		} else if first == "" {
			first = why
		}
	}
	if able && corr.corr.kind != temporal && corr.corr.kind != temporalOrdered {
		return ""
	}
	return first
}

// known reports whether some log is of the log source.
func (l LogSource) known() bool {
	category, service := l.Category == "", l.Service == ""
	for _, list := range logCategories {
		category = category || slices.Contains(list, l.Category)
	}
	for _, list := range kindCategories {
		category = category || slices.Contains(list, l.Category)
	}
	for _, s := range services() {
		service = service || s == l.Service
	}
	return category && service
}

// runs reports whether the backend has hosts of a product. Only the operating
// systems are: the logs of clouds and applications are elsewhere.
func (r *Reach) runs(product string) bool {
	switch product {
	case "":
		return true
	case "windows", "linux", "macos":
		return r.Products == nil || slices.Contains(r.Products, product)
	}
	return false
}

// missing gives the fields for want of which a condition can never hold; nil
// when it can.
func (x *expr) missing(fields []string) []string {
	if x.judge(fields).canBeTrue {
		return nil
	}
	var out []string
	x.blame(fields, &out)
	slices.Sort(out)
	out = slices.Compact(out)
	if len(out) == 0 {
		return []string{"that it needs"}
	}
	return out
}

// judge says what a condition can be when only some fields are ever there.
func (x *expr) judge(fields []string) truth {
	switch x.op {
	case opLeaf:
		l := x.leaf
		has := l.field == "" || slices.Contains(fields, l.field)
		switch {
		case has && (l.ref == nil || slices.Contains(fields, l.ref.field)):
			return either
		case l.exists != nil:
			ok := !*l.exists != l.negate
			return truth{ok, !ok}
		case has: // the other field of a fieldref is not there
			return truth{l.negate, true}
		}
		ok := l.null != l.negate
		return truth{ok, !ok}
	case opNot:
		t := x.kids[0].judge(fields)
		return truth{t.canBeFalse, t.canBeTrue}
	}
	out := truth{x.op == opAnd, x.op == opOr}
	for _, kid := range x.kids {
		t := kid.judge(fields)
		if x.op == opAnd {
			out.canBeTrue, out.canBeFalse = out.canBeTrue && t.canBeTrue, out.canBeFalse || t.canBeFalse
		} else {
			out.canBeTrue, out.canBeFalse = out.canBeTrue || t.canBeTrue, out.canBeFalse && t.canBeFalse
		}
	}
	return out
}

// blame collects the fields that keep a condition from holding.
func (x *expr) blame(fields []string, out *[]string) {
	if x.judge(fields).canBeTrue {
		return
	}
	if x.op == opLeaf {
		if !slices.Contains(fields, x.leaf.field) {
			*out = append(*out, x.leaf.field)
		} else if x.leaf.ref != nil {
			*out = append(*out, x.leaf.ref.field)
		}
		return
	}
	for _, kid := range x.kids {
		kid.blame(fields, out)
	}
}
