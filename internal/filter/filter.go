// Package filter holds the shared filters of the command line as one typed
// predicate: parsed once, split by each driver into what its server can do
// and the residual, and evaluated by one evaluator, so that a filter means
// the same on every backend.
package filter

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/shellquote"
)

// Field is one of the filters that every list command has.
type Field string

// The fields. Their names are the flags'.
const (
	Host        Field = "host"         // host name, id, NAME.DOMAIN or DOMAIN\NAME
	User        Field = "user"         // user name, DOMAIN\name, or the id where the product has no name
	Process     Field = "process"      // process name (acting, target, ancestors)
	Path        Field = "path"         // process image path
	CommandLine Field = "command-line" // command line (acting, target)
	Hash        Field = "hash"         // any hash of process, target, file, module
	IP          Field = "ip"           // any address, by value: an address, CIDR, range or prefix
	Port        Field = "port"         // source or destination port
	Domain      Field = "domain"       // DNS name asked or connected to
	File        Field = "file"         // file path or name
	Registry    Field = "registry"     // registry path, value or data
	Rule        Field = "rule"         // rule id or name
	KindOf      Field = "kind"         // event kind, exact
	Search      Field = "search"       // any text of the record
	ProcessUID  Field = "process-uid"  // stable id of the actor or target, exact
)

// Fields lists all, in the order help shows them.
var Fields = []Field{Host, User, Process, Path, CommandLine, Hash, IP, Port, Domain, File, Registry, Rule, KindOf, Search, ProcessUID}

// Term is one filter flag: any of its patterns must match.
type Term struct {
	Field Field
	Any   []Pattern
}

// String is the term as flags.
func (t Term) String() string {
	var b strings.Builder
	for i, p := range t.Any {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(shellquote.Flag(string(t.Field), p.String()))
	}
	return b.String()
}

// isFlag tells whether flags can say t: a filter expression can look for a
// literal *, a flag cannot.
func (t Term) isFlag() bool {
	return slices.Contains(Fields, t.Field) && !slices.ContainsFunc(t.Any, func(p Pattern) bool {
		again, err := Parse(t.Field, p.String())
		return err != nil || again != p
	})
}

// Filter is the whole predicate: every term must match, and the alert-only
// bounds. The zero Filter matches everything.
type Filter struct {
	Terms []Term

	// Alerts only. Bounds compare score, inclusive.
	ScoreMin, ScoreMax *float64
	IncludeUnscored    bool
	Severity           []model.Severity
	SeverityMin        model.Severity
	Status             []model.Status

	// Where is what else must hold: exclusions, alternatives, and what no flag
	// says. It is evaluated here, never by a server.
	Where []Cond
}

// Add parses the values of one flag: any of them must match, and none of those
// with ! in front.
func (f *Filter) Add(field Field, values ...string) error {
	take, leave := Term{Field: field}, Term{Field: field}
	for _, v := range values {
		p, err := Parse(field, v)
		if err != nil {
			return fmt.Errorf("invalid --%s %q: %w", field, v, err)
		}
		if p.Not {
			p.Not = false
			leave.Any = append(leave.Any, p)
		} else {
			take.Any = append(take.Any, p)
		}
	}
	if len(take.Any) > 0 {
		f.Terms = append(f.Terms, take)
	}
	if len(leave.Any) > 0 {
		f.Where = append(f.Where, Not{leave})
	}
	return nil
}

// Empty tells whether f matches everything.
func (f Filter) Empty() bool {
	return len(f.Terms) == 0 && len(f.Where) == 0 && !f.AlertBounds()
}

// AlertBounds tells whether one of the alert-only bounds is set.
func (f Filter) AlertBounds() bool {
	return f.ScoreMin != nil || f.ScoreMax != nil || len(f.Severity) > 0 || f.SeverityMin != "" || len(f.Status) > 0
}

// Get gives the terms of one field.
func (f Filter) Get(field Field) []Term {
	var out []Term
	for _, t := range f.Terms {
		if t.Field == field {
			out = append(out, t)
		}
	}
	return out
}

// Split calls push for every term in order; those it returns true for are
// applied exactly by the server and left out of the residual. A driver that
// can only narrow with a term (a server that matches more than the term does)
// uses it and returns false. The alert-only bounds stay in the residual; the
// driver clears the ones it pushed.
func (f Filter) Split(push func(Term) bool) (residual Filter) {
	residual = f
	residual.Terms = nil
	for _, t := range f.Terms {
		if !push(t) {
			residual.Terms = append(residual.Terms, t)
		}
	}
	return residual
}

// String is the filter as flags, for --explain.
func (f Filter) String() string {
	var parts []string
	var where All
	for _, t := range f.Terms {
		if t.isFlag() {
			parts = append(parts, t.String())
		} else {
			where = append(where, t)
		}
	}
	for _, c := range f.Where {
		if flags, ok := excluding(c); ok {
			parts = append(parts, flags)
		} else {
			where = append(where, c)
		}
	}
	num := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	if f.ScoreMin != nil {
		parts = append(parts, "--score-min "+num(*f.ScoreMin))
	}
	if f.ScoreMax != nil {
		parts = append(parts, "--score-max "+num(*f.ScoreMax))
	}
	for _, s := range f.Severity {
		parts = append(parts, "--severity "+string(s))
	}
	if f.SeverityMin != "" {
		parts = append(parts, "--severity-min "+string(f.SeverityMin))
	}
	for _, s := range f.Status {
		parts = append(parts, "--status "+string(s))
	}
	if len(where) > 0 {
		parts = append(parts, shellquote.Flag("where", Text(where)))
	}
	return strings.Join(parts, " ")
}

// excluding writes a condition as the flags with ! that say it.
func excluding(c Cond) (string, bool) {
	not, ok := c.(Not)
	if !ok {
		return "", false
	}
	t, ok := not.Cond.(Term)
	if !ok || !t.isFlag() {
		return "", false
	}
	t.Any = slices.Clone(t.Any)
	for i := range t.Any {
		t.Any[i].Not = true
	}
	return t.String(), true
}
