package conformance

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/format"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
)

var updateFields = flag.Bool("update-fields", false, "write fields.go from what was observed")

// few is how many records say nothing yet about always.
const few = 3

// RunFields compares the driver's table of fields with the records that it
// gives: over the standard intrusion, and over more, which are those of
// recordings and of real telemetry. Where a part of them is missing on this
// machine (partial), what was not seen proves nothing.
//
// go test -run TestFields -update-fields writes the table.
func RunFields(t *testing.T, h Harness, more []model.Record, partial bool) {
	t.Helper()
	if h.Retention == 0 {
		h.Retention = 80 * time.Hour
	}
	seen := observed{}
	e := h.open(t, 1, nil)
	for _, rec := range h.Records(t, e.driver, e.window()) {
		seen.add(t, rec)
	}
	for _, rec := range more {
		seen.add(t, rec)
	}
	if *updateFields {
		seen.write(t, h.Backend)
		return
	}
	b, err := backends.Lookup(h.Backend)
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range seen.compare(b, partial) {
		t.Error(problem)
	}
}

// Records gives every alert, event, host and process that a driver lists.
func (h Harness) Records(t *testing.T, d backends.Driver, q backends.Query) (out []model.Record) {
	t.Helper()
	for _, r := range h.readings(t) {
		if !slices.Contains([]string{"alerts", "events", "hosts", "processes"}, r.name) {
			continue
		}
		q := q
		if r.name == "processes" { // some servers list them by host only
			every, err := filter.Parse(filter.Host, "*")
			if err != nil {
				t.Fatal(err)
			}
			q.Filter.Terms = []filter.Term{{Field: filter.Host, Any: []filter.Pattern{every}}}
		}
		l, err := r.open(t.Context(), d, q)
		if err != nil {
			t.Fatal(err)
		}
		for rec, err := range l.Seq {
			if err != nil {
				if backends.KindOf(err) == backends.KindNotFound {
					break // a recording of another list
				}
				t.Fatalf("%s: %v", r.name, err)
			}
			out = append(out, rec)
		}
	}
	return out
}

// recordKind is a row of the table.
type recordKind struct {
	record string
	kind   model.Kind
}

func (k recordKind) String() string { return strings.TrimSpace(k.record + " " + string(k.kind)) }

// observed counts records and their fields.
type observed map[recordKind]*tally

type tally struct {
	records int
	fields  map[string]int
}

func (o observed) add(t *testing.T, r model.Record) {
	t.Helper()
	k := recordKind{}
	switch r := r.(type) {
	case *model.Alert:
		k.record = "alert"
	case *model.Event:
		k = recordKind{"event", r.Kind}
	case *model.Process:
		k.record = "process"
	case *model.Host:
		k.record = "host"
	default:
		return
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	one := o[k]
	if one == nil {
		one = &tally{fields: map[string]int{}}
		o[k] = one
	}
	one.records++
	countFields(doc, "", one.fields)
}

// countFields counts the values of a document. What the fan-out stamps is not
// the driver's, and the vendor's JSON is given when it is asked for.
func countFields(doc map[string]any, prefix string, into map[string]int) {
	for name, v := range doc {
		switch name {
		case "ref", "profile", "backend", "raw":
			continue
		}
		if inner, ok := v.(map[string]any); ok {
			countFields(inner, prefix+name+".", into)
			continue
		}
		into[prefix+name]++
	}
}

// compare gives what the table of a backend says wrongly.
func (o observed) compare(b backends.Backend, partial bool) (problems []string) {
	listed := map[recordKind]bool{}
	for _, f := range b.Fields {
		k := recordKind{f.Record, f.Kind}
		listed[k] = true
		one := o[k]
		if one == nil {
			if !partial {
				problems = append(problems, fmt.Sprintf("%s: fields.go has it, and none was seen", k))
			}
			continue
		}
		always, sometimes := strings.Fields(f.Always), strings.Fields(f.Sometimes)
		for _, name := range always {
			if n := one.fields[name]; n < one.records {
				problems = append(problems, fmt.Sprintf("%s: fields.go fills %s always; %d of %d records have it", k, name, n, one.records))
			}
		}
		for _, name := range sometimes {
			if one.fields[name] == 0 && !partial {
				problems = append(problems, fmt.Sprintf("%s: fields.go fills %s sometimes; none of %d records has it", k, name, one.records))
			}
		}
		for _, name := range slices.Sorted(maps.Keys(one.fields)) {
			if !slices.Contains(always, name) && !slices.Contains(sometimes, name) {
				problems = append(problems, fmt.Sprintf("%s: %s is filled, and fields.go does not have it", k, name))
			}
		}
	}
	for k := range o {
		if !listed[k] {
			problems = append(problems, fmt.Sprintf("%s: such records are given, and fields.go does not have them", k))
		}
	}
	slices.Sort(problems)
	return problems
}

// write makes fields.go of the driver in whose folder the test runs.
func (o observed) write(t *testing.T, pkg string) {
	t.Helper()
	var b bytes.Buffer
	fmt.Fprintf(&b, `package %s

import (
	"github.com/edrctl/edrctl/internal/backends"
)

// fields says which fields of the model this driver fills; backends.Fields has
// the form. TestFields compares it with records of the demo, of recordings and
// of real telemetry, and writes it with -update-fields.
var fields = []backends.Fields{
`, pkg)
	for _, k := range slices.SortedFunc(maps.Keys(o), func(a, b recordKind) int { return strings.Compare(a.String(), b.String()) }) {
		one := o[k]
		var always, sometimes []string
		for _, name := range slices.Sorted(maps.Keys(one.fields)) {
			if n := one.fields[name]; n == one.records && (n > few || name == "id" || name == "time" || name == "kind") {
				always = append(always, name)
			} else {
				sometimes = append(sometimes, name)
			}
		}
		fmt.Fprintf(&b, "\t{\n\t\tRecord: %q,", k.record)
		if k.kind != "" {
			fmt.Fprintf(&b, " Kind: %q,", k.kind)
		}
		fmt.Fprintf(&b, "\n\t\tAlways: `%s`,\n\t\tSometimes: `%s`,\n\t},\n", lines(always), lines(sometimes))
	}
	b.WriteString("}\n")
	text, err := format.Source(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("fields.go", text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// lines breaks names into lines of a readable width.
func lines(names []string) string {
	var b strings.Builder
	width := 0
	for i, name := range names {
		switch {
		case i == 0:
		case width+len(name) > 96:
			b.WriteString("\n\t\t\t")
			width = 0
		default:
			b.WriteByte(' ')
		}
		b.WriteString(name)
		width += len(name) + 1
	}
	return b.String()
}
