package output

import (
	"reflect"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/suggest"
)

// As is how a column looks on a terminal. Piped output ignores it.
type As uint8

// The looks.
const (
	AsText     As = iota // cut at the end
	AsTime               // "2m ago"; the wide table shows the instant
	AsNumber             // right-aligned
	AsPath               // cut in the middle, the file name stays
	AsScore              // number and bar
	AsSeverity           // CRIT HIGH MED LOW INFO
	AsBackend            // short name
	AsRef                // profile/5f1c…e09
	AsState              // coloured by its meaning: ok, failed, pending, yes, no
	AsSize               // bytes as KiB, MiB
)

// Column is one column of a table.
type Column struct {
	Name   string           // dotted JSON name, as --columns takes it
	Header safetext.Display // "" is the name in capitals
	As     As
	Min    int // the width it can be cut to; 0 is never cut
	Drop   int // on a narrow terminal the highest goes first; 0 stays
}

// Kind is a type of record with its columns. The zero Kind takes any struct
// and shows all its fields.
type Kind struct{ spec *spec }

type spec struct {
	name         string
	typ          reflect.Type
	table        []Column
	wide         []Column
	actionRecord func(rec any) *ActionRecord // tells records as changes; nil = they are none
	doc          *docSpec                    // of documents; nil = a struct
}

// NewKind declares a kind for records of type T, a struct with json tags.
// table is what -o table shows; wide is what -o wide and csv show, nil being
// the same.
func NewKind[T any](name string, table, wide []Column) Kind {
	if wide == nil {
		wide = table
	}
	return Kind{&spec{name: name, typ: reflect.TypeFor[T](), table: table, wide: wide}}
}

// Retitle gives the same kind with another header for one column, for example
// the count's value by what was counted.
func (k Kind) Retitle(column string, header safetext.Display) Kind {
	s := *k.spec
	s.table, s.wide = slices.Clone(s.table), slices.Clone(s.wide)
	for _, cols := range [][]Column{s.table, s.wide} {
		for i := range cols {
			if cols[i].Name == column {
				cols[i].Header = header
			}
		}
	}
	return Kind{&s}
}

// Name is what one record is called, for example "alert".
func (k Kind) Name() string {
	if k.spec == nil {
		return "record"
	}
	return k.spec.name
}

// ColumnNames lists the valid --columns, in JSON order, for completion.
func (k Kind) ColumnNames() []string {
	if k.spec == nil {
		return nil
	}
	return model.Fields(k.spec.typ)
}

// DefaultColumns lists the columns of the table, or of the wide one.
func (k Kind) DefaultColumns(wide bool) []string {
	if k.spec == nil {
		return nil
	}
	cols := k.spec.table
	if wide {
		cols = k.spec.wide
	}
	out := make([]string, len(cols))
	for i, c := range cols {
		out[i] = c.Name
	}
	return out
}

// columns chooses and checks the columns of a run.
func (k Kind) columns(opt Options) ([]Column, error) {
	if k.spec == nil {
		switch {
		case len(opt.Columns) > 0:
			return nil, usagef("--columns: this output has no columns")
		case opt.Format == FormatTable || opt.Format == FormatWide || opt.Format == FormatCSV:
			return nil, usagef("this output has no table: use -o json, ndjson or yaml")
		}
		return nil, nil
	}
	if len(opt.Columns) == 0 {
		if opt.Format == FormatWide || opt.Format == FormatCSV {
			return k.spec.wide, nil
		}
		return k.spec.table, nil
	}
	if k.spec.doc != nil {
		return k.documentColumns(opt.Columns), nil
	}
	valid := k.ColumnNames()
	var out []Column
	for _, name := range opt.Columns {
		if !slices.Contains(valid, name) {
			return nil, usagef("invalid --columns %q: %s has no such column%s; there are %s, and every other member of its JSON",
				name, article(k.spec.name), nearest(name, valid), strings.Join(k.DefaultColumns(false), ", "))
		}
		out = append(out, k.column(name))
	}
	return out, nil
}

// column finds how a chosen column looks: as declared, else by its type.
func (k Kind) column(name string) Column {
	for _, cols := range [][]Column{k.spec.table, k.spec.wide} {
		for _, c := range cols {
			if c.Name == name {
				c.Drop = 0
				return c
			}
		}
	}
	c := Column{Name: name, Min: 8}
	switch t := fieldType(k.spec.typ, name); {
	case t == timeType:
		c.As, c.Min = AsTime, 0
	case t == nil:
	case t.Kind() == reflect.Int || t.Kind() == reflect.Int64 || t.Kind() == reflect.Float64:
		c.As, c.Min = AsNumber, 0
	case strings.HasSuffix(name, "path"):
		c.As, c.Min = AsPath, 12
	}
	return c
}

func (c Column) header() safetext.Display {
	if c.Header != "" {
		return c.Header
	}
	return safetext.Display(strings.ToUpper(c.Name))
}

func article(noun string) string {
	if strings.ContainsAny(noun[:1], "aeiou") {
		return "an " + noun
	}
	return "a " + noun
}

// nearest suggests a valid name that ends as the wrong one does, or holds it.
func nearest(name string, valid []string) string {
	name = strings.ToLower(name)
	for _, v := range valid {
		if strings.EqualFold(v, name) || strings.HasSuffix(v, "."+name) || strings.ReplaceAll(v, "_", "") == strings.ReplaceAll(name, "_", "") {
			return "; did you mean " + v + "?"
		}
	}
	if s := suggest.Nearest(name, valid); s != "" {
		return "; did you mean " + s + "?"
	}
	return ""
}

// The kinds of the model.
var (
	KindAlert = NewKind[model.Alert]("alert", []Column{
		{"time", "TIME", AsTime, 0, 0},
		{"score", "SCORE", AsScore, 0, 0},
		{"severity", "SEV", AsSeverity, 0, 0},
		{"backend", "BACKEND", AsBackend, 0, 3},
		{"host.name", "HOST", AsText, 8, 0},
		{"user.name", "USER", AsText, 6, 4},
		{"title", "TITLE", AsText, 24, 0},
		{"ref", "REF", AsRef, 0, 2},
	}, []Column{
		{"time", "TIME", AsTime, 0, 0},
		{"score", "SCORE", AsScore, 0, 0},
		{"severity", "SEV", AsSeverity, 0, 0},
		{"risk", "RISK", AsNumber, 0, 9},
		{"status", "STATUS", AsState, 0, 8},
		{"backend", "BACKEND", AsBackend, 0, 7},
		{"host.name", "HOST", AsText, 8, 0},
		{"user", "USER", AsText, 8, 5},
		{"process.name", "PROCESS", AsText, 8, 4},
		{"process.command_line", "COMMAND LINE", AsPath, 12, 6},
		{"title", "TITLE", AsText, 24, 0},
		{"rule.name", "RULE", AsText, 10, 10},
		{"attack", "ATT&CK", AsText, 9, 3},
		{"source", "SOURCE", AsText, 6, 11},
		{"ref", "REF", AsRef, 0, 2},
	})

	KindEvent = NewKind[model.Event]("event", []Column{
		{"time", "TIME", AsTime, 0, 0},
		{"kind", "KIND", AsText, 0, 0},
		{"backend", "BACKEND", AsBackend, 0, 4},
		{"host.name", "HOST", AsText, 8, 0},
		{"user.name", "USER", AsText, 6, 3},
		{"process.name", "PROCESS", AsText, 8, 0},
		{"process.pid", "PID", AsNumber, 0, 5},
		{"summary", "WHAT", AsPath, 24, 0},
		{"ref", "REF", AsRef, 0, 6},
	}, []Column{
		{"time", "TIME", AsTime, 0, 0},
		{"kind", "KIND", AsText, 0, 0},
		{"action", "ACTION", AsText, 8, 12},
		{"backend", "BACKEND", AsBackend, 0, 8},
		{"host.name", "HOST", AsText, 8, 0},
		{"user", "USER", AsText, 8, 3},
		{"process.name", "PROCESS", AsText, 8, 0},
		{"process.pid", "PID", AsNumber, 0, 4},
		{"process.command_line", "COMMAND LINE", AsPath, 12, 7},
		{"summary", "WHAT", AsPath, 24, 0},
		{"target.name", "TARGET", AsText, 8, 10},
		{"file.path", "FILE", AsPath, 12, 11},
		{"network.destination", "DESTINATION", AsText, 8, 9},
		{"detection.rules", "RULES", AsText, 8, 5},
		{"alert_id", "ALERT", AsText, 8, 13},
		{"ref", "REF", AsRef, 0, 6},
	})

	KindHost = NewKind[model.Host]("host", []Column{
		{"name", "HOST", AsText, 8, 0},
		{"os", "OS", AsText, 18, 4},
		{"ip", "IP", AsText, 15, 3},
		{"user", "USER", AsText, 6, 5},
		{"last_seen", "SEEN", AsTime, 0, 0},
		{"online", "ONLINE", AsState, 0, 0},
		{"isolated", "ISOLATED", AsState, 0, 6},
		{"policy.name", "POLICY", AsText, 8, 7},
		{"backend", "BACKEND", AsBackend, 0, 8},
		{"ref", "REF", AsRef, 0, 2},
	}, []Column{
		{"name", "HOST", AsText, 8, 0},
		{"domain", "DOMAIN", AsText, 6, 12},
		{"os", "OS", AsText, 18, 4},
		{"ip", "IP", AsText, 15, 3},
		{"mac", "MAC", AsText, 17, 11},
		{"user", "USER", AsText, 6, 5},
		{"agent_version", "AGENT", AsText, 6, 9},
		{"last_seen", "SEEN", AsTime, 0, 0},
		{"online", "ONLINE", AsState, 0, 0},
		{"state", "STATE", AsText, 6, 10},
		{"isolated", "ISOLATED", AsState, 0, 6},
		{"policy.name", "POLICY", AsText, 8, 7},
		{"tags", "TAGS", AsText, 8, 8},
		{"alert_count", "ALERTS", AsNumber, 0, 13},
		{"report_score", "REPORT", AsNumber, 0, 14},
		{"backend", "BACKEND", AsBackend, 0, 15},
		{"ref", "REF", AsRef, 0, 2},
	})

	KindProcess = NewKind[model.Process]("process", []Column{
		{"started", "STARTED", AsTime, 0, 0},
		{"host.name", "HOST", AsText, 8, 0},
		{"name", "PROCESS", AsText, 8, 0},
		{"pid", "PID", AsNumber, 0, 0},
		{"user", "USER", AsText, 8, 3},
		{"command_line", "COMMAND LINE", AsPath, 24, 0},
		{"backend", "BACKEND", AsBackend, 0, 4},
		{"ref", "REF", AsRef, 0, 2},
	}, []Column{
		{"started", "STARTED", AsTime, 0, 0},
		{"ended", "ENDED", AsTime, 0, 10},
		{"host.name", "HOST", AsText, 8, 0},
		{"name", "PROCESS", AsText, 8, 0},
		{"pid", "PID", AsNumber, 0, 0},
		{"parent", "PARENT", AsText, 8, 4},
		{"user", "USER", AsText, 8, 3},
		{"path", "PATH", AsPath, 12, 7},
		{"command_line", "COMMAND LINE", AsPath, 24, 0},
		{"hash.sha256", "SHA256", AsText, 12, 9},
		{"reputation.verdict", "VERDICT", AsState, 0, 5},
		{"signed", "SIGNED", AsState, 0, 8},
		{"backend", "BACKEND", AsBackend, 0, 6},
		{"ref", "REF", AsRef, 0, 2},
	})

	KindRule = NewKind[model.Rule]("rule", []Column{
		{"name", "RULE", AsText, 16, 0},
		{"type", "TYPE", AsText, 6, 5},
		{"enabled", "ENABLED", AsState, 0, 4},
		{"score", "SCORE", AsScore, 0, 0},
		{"severity", "SEV", AsSeverity, 0, 0},
		{"attack", "ATT&CK", AsText, 9, 3},
		{"backend", "BACKEND", AsBackend, 0, 6},
		{"ref", "REF", AsRef, 0, 2},
	}, []Column{
		{"name", "RULE", AsText, 16, 0},
		{"type", "TYPE", AsText, 6, 5},
		{"enabled", "ENABLED", AsState, 0, 4},
		{"score", "SCORE", AsScore, 0, 0},
		{"severity", "SEV", AsSeverity, 0, 0},
		{"attack", "ATT&CK", AsText, 9, 3},
		{"tags", "TAGS", AsText, 8, 8},
		{"updated", "UPDATED", AsTime, 0, 7},
		{"description", "DESCRIPTION", AsText, 16, 9},
		{"backend", "BACKEND", AsBackend, 0, 6},
		{"ref", "REF", AsRef, 0, 2},
	})

	KindReport = NewKind[model.Report]("report", []Column{
		{"host.name", "HOST", AsText, 8, 0},
		{"report_score", "SCORE", AsNumber, 0, 0},
		{"alert_count", "ALERTS", AsNumber, 0, 0},
		{"start", "FROM", AsTime, 0, 4},
		{"end", "TO", AsTime, 0, 5},
		{"signatures", "SIGNATURES", AsText, 16, 0},
		{"attack", "ATT&CK", AsText, 9, 3},
		{"ref", "REF", AsRef, 0, 2},
	}, nil)

	KindCarve = NewKind[model.Carve]("carve", []Column{
		{"created", "CREATED", AsTime, 0, 0},
		{"host.name", "HOST", AsText, 8, 0},
		{"path", "PATH", AsPath, 16, 0},
		{"size", "SIZE", AsSize, 0, 3},
		{"state", "STATE", AsState, 0, 0},
		{"name", "NAME", AsText, 8, 5},
		{"backend", "BACKEND", AsBackend, 0, 4},
		{"ref", "REF", AsRef, 0, 2},
	}, []Column{
		{"created", "CREATED", AsTime, 0, 0},
		{"host.name", "HOST", AsText, 8, 0},
		{"path", "PATH", AsPath, 16, 0},
		{"size", "SIZE", AsSize, 0, 3},
		{"state", "STATE", AsState, 0, 0},
		{"progress", "PROGRESS", AsNumber, 0, 6},
		{"name", "NAME", AsText, 8, 5},
		{"sha256", "SHA256", AsText, 12, 8},
		{"saved_to", "SAVED TO", AsPath, 12, 7},
		{"backend", "BACKEND", AsBackend, 0, 4},
		{"ref", "REF", AsRef, 0, 2},
	})

	KindHash = NewKind[model.HashInfo]("hash", []Column{
		{"hash", "HASH", AsText, 16, 0},
		{"verdict", "VERDICT", AsState, 0, 0},
		{"names", "NAMES", AsText, 12, 0},
		{"hosts", "HOSTS", AsText, 12, 0},
		{"first_seen", "FIRST", AsTime, 0, 4},
		{"last_seen", "LAST", AsTime, 0, 3},
		{"backend", "BACKEND", AsBackend, 0, 2},
	}, nil)

	KindCount = NewKind[model.Count]("count", []Column{
		{"count", "COUNT", AsNumber, 0, 0},
		{"value", "VALUE", AsText, 8, 0},
	}, nil)
)
