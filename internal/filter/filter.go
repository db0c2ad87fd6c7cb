// Package filter holds the shared filters of the command line as one typed
// predicate: parsed once, split by each driver into what its server can do
// and the residual, and evaluated by one evaluator, so that a filter means
// the same on every backend.
package filter

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/shellquote"
)

// Field is one of the shared filters (contract section 4).
type Field string

// The fields. Their names are the flags'.
const (
	Host        Field = "host"         // host name or id
	User        Field = "user"         // user name, DOMAIN\name, or the id where the product has no name
	Process     Field = "process"      // process name (acting, target, ancestors)
	Path        Field = "path"         // process image path
	CommandLine Field = "command-line" // command line (acting, target)
	Hash        Field = "hash"         // any hash of process, target, file, module
	IP          Field = "ip"           // any address; a CIDR matches its members
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

// Mode is how a pattern compares.
type Mode uint8

// The modes.
const (
	Contains Mode = iota // case-insensitive substring
	Exact                // "=text": case-insensitive equality
	Glob                 // with * or ?: case-insensitive, anchored
)

// Pattern is one value of a filter flag.
type Pattern struct {
	Text string // as given, without a leading =
	Mode Mode

	lower  string
	prefix netip.Prefix // field IP: an address or CIDR
	port   int          // field Port
}

// String is the pattern as it was typed.
func (p Pattern) String() string {
	if p.Mode == Exact {
		return "=" + p.Text
	}
	return p.Text
}

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
}

// Parse reads one flag value for a field. Kind, port and hash values are
// checked; the error names what was wrong, not the flag.
func Parse(f Field, s string) (Pattern, error) {
	p := Pattern{Text: s}
	switch {
	case strings.HasPrefix(s, "="):
		p.Text, p.Mode = s[1:], Exact
	case strings.ContainsAny(s, "*?"):
		p.Mode = Glob
	}
	if p.Text == "" {
		return p, fmt.Errorf("an empty value matches nothing")
	}
	p.lower = strings.ToLower(p.Text)
	switch f {
	case KindOf:
		k, ok := model.ParseKind(p.Text)
		if !ok {
			return p, fmt.Errorf("%q is no event kind: one of %s", s, joinKinds())
		}
		p.Text, p.lower, p.Mode = string(k), string(k), Exact
	case Port:
		n, err := strconv.Atoi(p.Text)
		if err != nil || n < 0 || n > 65535 {
			return p, fmt.Errorf("%q is no port: a whole number from 0 to 65535", s)
		}
		p.port, p.Mode = n, Exact
	case IP:
		if a, err := netip.ParseAddr(p.Text); err == nil {
			p.prefix, p.Mode = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), Exact
		} else if pre, err := netip.ParsePrefix(p.Text); err == nil {
			p.prefix, p.Mode = pre.Masked(), Exact
		}
	case ProcessUID:
		p.Mode = Exact
	case Hash:
		if isHash(p.lower) {
			p.Mode = Exact
		}
	}
	return p, nil
}

// Add parses values and adds them as one term.
func (f *Filter) Add(field Field, values ...string) error {
	if len(values) == 0 {
		return nil
	}
	t := Term{Field: field}
	for _, v := range values {
		p, err := Parse(field, v)
		if err != nil {
			return fmt.Errorf("--%s: %w", field, err)
		}
		t.Any = append(t.Any, p)
	}
	f.Terms = append(f.Terms, t)
	return nil
}

// Empty tells whether f matches everything.
func (f Filter) Empty() bool {
	return len(f.Terms) == 0 && !f.AlertBounds()
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
	for _, t := range f.Terms {
		parts = append(parts, t.String())
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
	return strings.Join(parts, " ")
}

// IsExact tells whether p compares by (case-insensitive) equality.
func (p Pattern) IsExact() bool { return p.Mode == Exact }

// Prefix gives the address or CIDR an IP pattern stands for.
func (p Pattern) Prefix() (netip.Prefix, bool) { return p.prefix, p.prefix.IsValid() }

// PortNumber gives the number a Port pattern stands for.
func (p Pattern) PortNumber() int { return p.port }

// Match tells whether a value of field f matches.
func (p Pattern) Match(f Field, value string) bool {
	switch f {
	case IP:
		if p.prefix.IsValid() {
			a, err := netip.ParseAddr(value)
			return err == nil && p.prefix.Contains(a.Unmap().WithZone(""))
		}
	case Port:
		return value == strconv.Itoa(p.port)
	}
	switch p.Mode {
	case Exact:
		return strings.EqualFold(value, p.Text)
	case Glob:
		return globFold(p.lower, value)
	}
	return containsFold(value, p.lower)
}

// globFold matches * (any run) and ? (any one rune), case-insensitively,
// over the whole value, in linear memory and without back-tracking blow-up.
func globFold(pattern, value string) bool {
	pat, val := []rune(pattern), []rune(strings.ToLower(value))
	p, v, star, mark := 0, 0, -1, 0
	for v < len(val) {
		switch {
		case p < len(pat) && pat[p] == '*':
			star, mark = p, v
			p++
		case p < len(pat) && (pat[p] == '?' || pat[p] == val[v]):
			p++
			v++
		case star >= 0:
			mark++
			p, v = star+1, mark
		default:
			return false
		}
	}
	for p < len(pat) && pat[p] == '*' {
		p++
	}
	return p == len(pat)
}

// containsFold avoids an allocation for the common ASCII case.
func containsFold(s, lower string) bool {
	if len(lower) == 0 {
		return true
	}
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return strings.Contains(strings.ToLower(s), lower)
		}
	}
	for i := 0; i+len(lower) <= len(s); i++ {
		j := 0
		for j < len(lower) && lowerASCII(s[i+j]) == lower[j] {
			j++
		}
		if j == len(lower) {
			return true
		}
	}
	return false
}

func lowerASCII(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func isHash(s string) bool {
	switch len(s) {
	case 32, 40, 64:
	default:
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'f')
	}) < 0
}

func joinKinds() string {
	names := make([]string, len(model.Kinds))
	for i, k := range model.Kinds {
		names[i] = string(k)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}
