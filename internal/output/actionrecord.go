package output

import (
	"reflect"
	"strings"

	"github.com/edrctl/edrctl/internal/model"
)

// ActionRecord is a change as ECS and OCSF documents describe it: the action, and where it comes from
// the journal, who did it, why, and how far it was.
type ActionRecord struct {
	model.Action
	UID      string     // of this record; "" = the action's id
	Time     model.Time // of this record; zero = when the action ended, else when it was asked for
	Phase    string     // intent, sent, outcome; "" = an action as it is now
	User     string     // who did it
	Machine  string     // from where
	Command  string     // the command line, redacted
	Case     string
	Comment  string
	Undoes   string   // the action this one takes back
	Requests []string // redacted
	Others   []string // further targets, in words
}

// WithActionRecords makes a kind's records fit for ECS and OCSF: f gives the action of each.
func (k Kind) WithActionRecords(f func(rec any) *ActionRecord) Kind {
	s := *k.spec
	s.actionRecord = f
	return Kind{&s}
}

// hasDocuments tells whether -o ecs and -o ocsf know the kind.
func (k Kind) hasDocuments() bool {
	switch k.spec.typ {
	case reflect.TypeFor[model.Alert](), reflect.TypeFor[model.Event](), reflect.TypeFor[model.Host](), reflect.TypeFor[model.Process](),
		reflect.TypeFor[model.Hit](), reflect.TypeFor[model.SigmaHit](), reflect.TypeFor[model.Action]():
		return true
	}
	return k.spec.actionRecord != nil
}

func (d *ActionRecord) when() model.Time {
	switch {
	case !d.Time.IsZero():
		return d.Time
	case !d.FinishedAt.IsZero():
		return d.FinishedAt
	}
	return d.RequestedAt
}

func (d *ActionRecord) uid() string { return first(d.UID, d.ID) }

// target is never nil.
func (d *ActionRecord) target() model.ActionTarget {
	if d.Target == nil {
		return model.ActionTarget{}
	}
	return *d.Target
}

// message is the action in a line.
func (d *ActionRecord) message() string {
	parts := []string{d.Verb}
	if d.Host != nil {
		parts = append(parts, first(d.Host.Name, d.Host.ID))
	}
	if t := d.target().String(); t != "" {
		parts = append(parts, t)
	}
	text := strings.Join(parts, " ")
	if s := first(string(d.State), d.Phase); s != "" {
		text += ": " + s
	}
	if d.Error != "" {
		text += ": " + d.Error
	}
	return text
}

// remedy is what a verb on a host is in OCSF and ECS. The words are those of
// OCSF 1.8.0 (remediation_activity) and of MITRE D3FEND, which it refers to.
type remedy struct {
	class     ocsfClass
	activity  int
	name      string // of the activity
	technique string // of D3FEND; "" = none fits
	category  []string
	typ       string
}

var (
	classRemediation        = ocsfClass{7001, "Remediation Activity", "Remediation"}
	classFileRemediation    = ocsfClass{7002, "File Remediation Activity", "Remediation"}
	classProcessRemediation = ocsfClass{7003, "Process Remediation Activity", "Remediation"}
	classNetworkRemediation = ocsfClass{7004, "Network Remediation Activity", "Remediation"}
	classEntity             = ocsfClass{3004, "Entity Management", "Identity & Access Management"}
)

// remedies by verb (internal/backends). What is not here changes a backend's
// own things and is Entity Management.
var remedies = map[string]remedy{
	"kill":          {classProcessRemediation, 2, "Evict", "Process Termination", []string{"process"}, "end"},
	"delete-file":   {classFileRemediation, 2, "Evict", "File Removal", []string{"file"}, "deletion"},
	"isolate":       {classNetworkRemediation, 1, "Isolate", "Network Isolation", []string{"host"}, "change"},
	"release":       {classNetworkRemediation, 3, "Restore", "", []string{"host"}, "change"},
	"block":         {classNetworkRemediation, 1, "Isolate", "Network Traffic Filtering", []string{"network"}, "denied"},
	"unblock":       {classNetworkRemediation, 3, "Restore", "", []string{"network"}, "allowed"},
	"run":           {classRemediation, 99, "Other", "", []string{"process"}, "start"},
	"script":        {classRemediation, 99, "Other", "", []string{"process"}, "start"},
	"scan":          {classRemediation, 5, "Detect", "", []string{"host"}, "info"},
	"carve":         {classRemediation, 5, "Detect", "", []string{"file"}, "access"},
	"memdump":       {classRemediation, 5, "Detect", "", []string{"host"}, "access"},
	"restart-agent": {classRemediation, 99, "Other", "", []string{"host"}, "change"},
	"cancel":        {classRemediation, 99, "Other", "", []string{"host"}, "info"},
}

// management is what a verb on a thing of the backend (`alert.close`,
// `rule.add`) is in both schemas.
func management(verb string) (noun string, activity int, name, typ string) {
	noun, do, found := strings.Cut(verb, ".")
	if !found {
		return "backend", 99, "Other", "change"
	}
	switch do {
	case "create", "add", "upload", "tag":
		activity, name, typ = 1, "Create", "creation"
	case "delete", "remove", "untag":
		activity, name, typ = 4, "Delete", "deletion"
	case "enable", "reopen":
		activity, name, typ = 8, "Enable", "change"
	case "disable", "dismiss", "close":
		activity, name, typ = 9, "Disable", "change"
	default:
		activity, name, typ = 3, "Update", "change"
	}
	if noun == "host" && (do == "tag" || do == "untag") { // the host stays
		activity, name, typ = 3, "Update", "change"
	}
	return noun, activity, name, typ
}
