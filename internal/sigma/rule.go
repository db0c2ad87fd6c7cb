package sigma

import (
	"fmt"
	"io"
	"strings"

	"github.com/edrctl/edrctl/internal/model"
)

// Rule is one Sigma rule, ready to be compiled into an Engine.
type Rule struct {
	ID          string
	Name        string // what correlations may call it
	Title       string
	Status      string
	Level       model.Severity // unknown when the rule has none
	Author      string
	License     string
	Description string
	References  []string
	Tags        []string
	LogSource   LogSource
	File        string // path, with the member of an archive
	Line        int    // of the document in its file

	selections []selection  // in the order of the file
	condition  *expr        // nil for a correlation
	reported   []string     // the selections that the condition asks for and does not negate
	corr       *Correlation // nil for a rule over single events
}

// selection is one search identifier of the detection section.
type selection struct {
	name string
	body *expr
}

// LogSource is what a rule is written for. An empty part is any.
type LogSource struct{ Product, Category, Service string }

func (l LogSource) String() string {
	var parts []string
	for _, p := range []string{l.Product, l.Category, l.Service} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, "/")
}

// IsCorrelation reports whether the rule is over the matches of other rules.
func (r *Rule) IsCorrelation() bool { return r.corr != nil }

// Key identifies the rule: its id, or its name or title when it has none.
func (r *Rule) Key() string {
	switch {
	case r.ID != "":
		return r.ID
	case r.Name != "":
		return r.Name
	}
	return r.Title
}

// Score gives the level as a number from 0 to 10; nil without a level.
func (r *Rule) Score() *float64 {
	scores := map[model.Severity]float64{
		model.SeverityInformational: 1, model.SeverityLow: 3, model.SeverityMedium: 5,
		model.SeverityHigh: 8, model.SeverityCritical: 9,
	}
	if s, ok := scores[r.Level]; ok {
		return &s
	}
	return nil
}

// Attack gives the techniques that the tags name. A tactic is set where the
// rule names only one: tags do not say which technique serves which tactic.
func (r *Rule) Attack() []model.Attack {
	var techniques, tactics []string
	for _, tag := range r.Tags {
		name, ok := strings.CutPrefix(strings.ToLower(tag), "attack.")
		switch {
		case !ok:
		case len(name) > 4 && name[0] == 't' && name[1] >= '0' && name[1] <= '9':
			techniques = append(techniques, strings.ToUpper(name))
		case len(name) > 1 && strings.Trim(name[1:], "0123456789") == "": // a group or a software: g0032, s0002
		default:
			tactics = append(tactics, strings.ReplaceAll(name, "_", "-"))
		}
	}
	tactic := ""
	if len(tactics) == 1 {
		tactic = tactics[0]
	}
	out := make([]model.Attack, 0, len(techniques))
	for _, t := range techniques {
		out = append(out, model.Attack{Technique: model.Named{ID: t}, Tactic: tactic})
	}
	if len(out) == 0 && tactic != "" {
		out = append(out, model.Attack{Tactic: tactic})
	}
	return out
}

// Fingerprint writes what the rule matches, to a hash: rules that write the same
// are the same.
func (r *Rule) Fingerprint(w io.Writer) {
	_, _ = fmt.Fprintf(w, "%q %q %q %v", r.Key(), r.Title, r.Level, r.LogSource)
	if c := r.corr; c != nil {
		_, _ = fmt.Fprintf(w, " %s %q %q %v %v %q %v %v\n", c.kind, c.names, c.groupBy, c.span, c.conds, c.fields, c.aliases, c.generate)
		return
	}
	r.condition.fingerprint(w)
	_, _ = fmt.Fprintln(w)
}

func (x *expr) fingerprint(w io.Writer) {
	if x.op == opLeaf {
		_, _ = fmt.Fprintf(w, " %q", x.leaf.key)
		return
	}
	_, _ = fmt.Fprintf(w, " %d(", x.op)
	for _, kid := range x.kids {
		kid.fingerprint(w)
	}
	_, _ = fmt.Fprint(w, ")")
}

// RuleError is why a rule was refused.
type RuleError struct {
	File   string
	Line   int // 0 when the whole file is meant
	Rule   string
	Reason string
}

func (p *RuleError) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		_, _ = fmt.Fprintf(&b, ":%d", p.Line)
	}
	if p.Rule != "" {
		_, _ = fmt.Fprintf(&b, ": rule %s", p.Rule)
	}
	b.WriteString(": " + p.Reason)
	return b.String()
}

// fault is a RuleError before file and rule are known.
type fault struct {
	line   int
	reason string
}

func (f *fault) Error() string { return f.reason }

func faultf(line int, format string, args ...any) *fault {
	return &fault{line, fmt.Sprintf(format, args...)}
}
