package filter

import (
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/model"
)

// What an expression compares that no flag does, and no server either.
const (
	BackendOf Field = "backend"
	ProfileOf Field = "profile"
	Ref       Field = "ref"
	Title     Field = "title"
	Technique Field = "technique"
	Tactic    Field = "tactic"
	SourceOf  Field = "source"
)

var exprOnly = []Field{BackendOf, ProfileOf, Ref, Title, Technique, Tactic, SourceOf}

// exprValues yields the values of these fields.
func exprValues(f Field, record any, yield func(string)) {
	switch f {
	case BackendOf, ProfileOf, Ref:
		rec, ok := record.(model.Record)
		if !ok {
			return
		}
		o := rec.GetOrigin()
		yield(map[Field]string{BackendOf: o.Backend, ProfileOf: o.Profile, Ref: o.Ref}[f])
	case Title:
		for _, s := range titles(record) {
			yield(s)
		}
	case SourceOf:
		if a, ok := record.(*model.Alert); ok {
			yield(a.Source)
		}
	case Technique:
		for _, a := range attacksOf(record) {
			yield(a.Technique.ID)
			yield(a.Technique.Name)
			// T1059 finds its sub-techniques too.
			if up, _, sub := strings.Cut(a.Technique.ID, "."); sub {
				yield(up)
			}
		}
	case Tactic:
		for _, a := range attacksOf(record) {
			yield(a.Tactic)
		}
	}
}

func titles(r any) []string {
	switch v := r.(type) {
	case *model.Alert:
		return []string{v.Title}
	case *model.Event:
		return []string{v.Summary, v.Action}
	case *model.Rule:
		return []string{v.Name}
	case *model.SigmaHit:
		return []string{v.Rule.Title}
	case *model.Host:
		return []string{v.Name}
	case *model.Process:
		return []string{v.Name}
	}
	return nil
}

func attacksOf(r any) []model.Attack {
	switch v := r.(type) {
	case *model.Alert:
		return v.Attack
	case *model.Rule:
		return v.Attack
	case *model.SigmaHit:
		return v.Attack
	case *model.Event:
		if v.Detection != nil {
			return v.Detection.Attack
		}
	}
	return nil
}

// fuzzyRecord tells whether one short text of the record has the letters of
// want in order. Long texts would match anything and are left out.
func fuzzyRecord(want string, r any) bool {
	found := false
	for _, f := range []Field{Host, User, Process, Rule, File, Domain} {
		Values(f, r, func(v string) bool {
			found = len(v) <= 200 && Fuzzy(want, v)
			return !found
		})
		if found {
			return true
		}
	}
	return slices.ContainsFunc(titles(r), func(v string) bool { return Fuzzy(want, v) })
}

// Fuzzy tells whether the letters of want, in lower case, are in s in this
// order, with anything between them.
func Fuzzy(want, s string) bool {
	w := []rune(want)
	i := 0
	for _, r := range strings.ToLower(s) {
		if i < len(w) && r == w[i] {
			i++
		}
	}
	return i == len(w)
}
