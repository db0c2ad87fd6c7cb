package filter

import (
	"slices"
	"strings"
)

// ForProfile is f as one profile can be asked: a host's ref becomes its id
// there, and what names a profile or a backend is decided. It is false when no
// record of the profile can match. profiles are all that are asked, so that a
// text is only taken for a ref when it begins with one.
func (f Filter) ForProfile(profile, backend string, profiles []string) (Filter, bool) {
	out := f
	out.Terms, out.Where = nil, nil
	for _, t := range f.Terms {
		switch c := t.forProfile(profile, backend, profiles).(type) {
		case constant:
			if !c {
				return f, false
			}
		case Term:
			out.Terms = append(out.Terms, c)
		}
	}
	for _, c := range f.Where {
		out.Where = append(out.Where, c.mapTerms(func(t Term) Cond { return t.forProfile(profile, backend, profiles) }))
	}
	return out, true
}

func (t Term) forProfile(profile, backend string, profiles []string) Cond {
	is := func(value string) Cond {
		return constant(slices.ContainsFunc(t.Any, func(p Pattern) bool { return p.Match(t.Field, value) }))
	}
	switch t.Field {
	case ProfileOf:
		return is(profile)
	case BackendOf:
		return is(backend)
	case Host:
	default:
		return t
	}
	out := Term{Field: Host}
	for _, p := range t.Any {
		switch ref, id, ok := strings.Cut(p.Text, "/"); {
		case !ok || id == "" || p.Mode == Glob || !slices.Contains(profiles, ref):
			out.Any = append(out.Any, p)
		case ref == profile:
			p.Text, p.Mode = id, Exact
			p.lower, p.host = strings.ToLower(id), qualifiedHost{}
			out.Any = append(out.Any, p)
		}
	}
	if len(out.Any) == 0 {
		return constant(false)
	}
	return out
}

// NeedsRef tells whether f compares the refs of records, which they get from
// the profile they were read through.
func (f Filter) NeedsRef() bool {
	needs := slices.ContainsFunc(f.Terms, func(t Term) bool { return t.Field == Ref })
	for _, c := range f.Where {
		c.mapTerms(func(t Term) Cond { needs = needs || t.Field == Ref; return t })
	}
	return needs
}

// HostPatterns are the hosts f asks for by name; a record that passes f has
// one of each term.
func (f Filter) HostPatterns() []Pattern {
	var out []Pattern
	for _, t := range f.Get(Host) {
		out = append(out, t.Any...)
	}
	return out
}
