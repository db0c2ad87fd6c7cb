// Package rules writes cWatch's query language q (docs/wire/cwatch.md 7).
package rules

import (
	"slices"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/domainname"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
)

// MaxQueries bounds how many queries one search may become: q knows AND only
// (docs/wire/cwatch.md 7), no OR, NOT or parentheses, so an OR is asked as
// several queries whose answers are merged, as long as they are few.
const MaxQueries = 8

// Search is a filter compiled for /events.
type Search struct {
	Exact    []string // queries of exact terms only; one of "" asks for everything
	Narrow   []string // the same narrowed with ~; nil when no text term can narrow
	Residual filter.Filter
	Notes    []string
	Hashes   []string // hashes in the queries
	Nothing  bool     // no event of this vendor can match
	Sure     bool     // every event of the answers should match
}

// Compile turns a query into q strings. No answer of a real server shows how
// it compares, so every term is compared again here; a text term narrows only
// after the server has shown what its ~ means.
func Compile(q backends.Query) Search {
	if q.Native != "" {
		s := Search{Exact: []string{q.Native}, Residual: q.Filter}
		if !q.Filter.Empty() {
			s.Notes = append(s.Notes, "--query goes to the server as it is; the filters run here")
		}
		return s
	}
	var s Search
	exact, narrow := [][]string{}, [][]string{}
	s.Residual = q.Filter.Split(func(t filter.Term) bool {
		alternatives, ok, why := ExactTerms(t)
		if ok && len(alternatives) == 0 {
			s.Nothing = true
			s.Notes = append(s.Notes, why)
			return true
		}
		if ok && size(exact)*len(alternatives) <= MaxQueries {
			exact = append(exact, alternatives)
			s.Hashes = append(s.Hashes, HashesOf(t)...)
			return false
		}
		if text := NarrowTerms(t); len(text) > 0 {
			narrow = append(narrow, text)
		}
		return false
	})
	if s.Nothing {
		return s
	}
	others := q.Filter
	others.Terms = nil
	s.Sure = len(exact) == len(q.Filter.Terms) && others.Empty()
	s.Exact = conjunctions(exact)
	// The cheapest narrowing first; what does not fit stays out.
	slices.SortStableFunc(narrow, func(a, b []string) int { return len(a) - len(b) })
	all := slices.Clone(exact)
	for _, alternatives := range narrow {
		if size(all)*len(alternatives) <= MaxQueries {
			all = append(all, alternatives)
		}
	}
	if len(all) > len(exact) {
		s.Narrow = conjunctions(all)
	}
	return s
}

func size(terms [][]string) int {
	n := 1
	for _, t := range terms {
		n *= len(t)
	}
	return n
}

// conjunctions writes the conjunctions of one alternative of every term.
func conjunctions(terms [][]string) []string {
	out := []string{""}
	for _, alternatives := range terms {
		var next []string
		for _, q := range out {
			for _, a := range alternatives {
				if q == "" {
					next = append(next, a)
				} else {
					next = append(next, q+" AND "+a)
				}
			}
		}
		out = next
	}
	return out
}

// ExactTerms gives the alternatives that together are exactly t, and whether
// there are such. None at all means that no event can match; why says so.
func ExactTerms(t filter.Term) (alternatives []string, ok bool, why string) {
	for _, p := range t.Any {
		switch t.Field {
		case filter.KindOf:
			if p.Text == string(model.KindOther) {
				return nil, false, ""
			}
			for _, name := range NamesOf(model.Kind(p.Text)) {
				alternatives = append(alternatives, "base_event_type = '"+name+"'")
			}
			why = "cWatch records no events of this kind"
		case filter.Port:
			n := p.PortNumber()
			if n == 0 {
				return nil, false, ""
			}
			for _, field := range [...]string{"network_destination_port", "network_source_port"} {
				alternatives = append(alternatives, field+" = "+strconv.Itoa(n))
			}
		case filter.IP:
			pre, is := p.Prefix()
			if !is || !pre.IsSingleIP() || !pre.Addr().Is4() {
				return nil, false, ""
			}
			for _, field := range [...]string{"network_destination_ip", "network_source_ip"} {
				alternatives = append(alternatives, field+" = '"+pre.Addr().String()+"'")
			}
		case filter.Hash:
			sum, is := FullHash(p)
			if !is {
				return nil, false, ""
			}
			why = "cWatch knows SHA-1 hashes only"
			if len(sum) != 40 {
				continue
			}
			for _, field := range [...]string{"process_hash", "child_process_hash", "file_hash", "browser_file_hash"} {
				alternatives = append(alternatives, field+" = '"+sum+"'")
			}
		default:
			return nil, false, ""
		}
	}
	return alternatives, len(t.Any) > 0, why
}

// FullHash gives the hash a pattern stands for, in lower case, when it is
// one whole hash of any algorithm.
func FullHash(p filter.Pattern) (string, bool) {
	s := strings.ToLower(p.Text)
	if !p.IsExact() || !IsHex(s) {
		return "", false
	}
	return s, len(s) == 32 || len(s) == 40 || len(s) == 64 || len(s) == 128
}

// HashesOf are the SHA-1 hashes that a hash term asks for, in lower case.
func HashesOf(t filter.Term) (out []string) {
	if t.Field != filter.Hash {
		return nil
	}
	for _, p := range t.Any {
		if sum, ok := FullHash(p); ok && len(sum) == 40 {
			out = append(out, sum)
		}
	}
	return out
}

// Capitals are queries with their hashes in capitals: nobody has shown in which
// letters the server keeps hashes, nor that = overlooks the difference. They
// are asked when nothing was found in small letters. nil without hashes.
func Capitals(queries, sums []string) []string {
	if len(sums) == 0 {
		return nil
	}
	out := slices.Clone(queries)
	for _, sum := range sums {
		for i := range out {
			out[i] = strings.ReplaceAll(out[i], "'"+sum+"'", "'"+strings.ToUpper(sum)+"'")
		}
	}
	return out
}

// IsHex tells whether s is lower-case hexadecimal digits.
func IsHex(s string) bool {
	return s != "" && strings.Trim(s, "0123456789abcdef") == ""
}

// NarrowTerms gives alternatives that together match at least what t does,
// if ~ is a case-insensitive "contains"; nil when there are none.
func NarrowTerms(t filter.Term) []string {
	var fields []string
	switch t.Field {
	case filter.Host: // a host's id cannot be asked for
		fields = []string{"process_device_name"}
	case filter.User:
		fields = []string{"process_user_name", "process_user_domain"}
	case filter.Process, filter.Path:
		fields = []string{"process_path", "child_process_path", "target_name"}
	case filter.CommandLine: // the acting process has none
		fields = []string{"child_process_command_line"}
	case filter.File:
		fields = []string{"file_path", "file_old_path", "browser_file_path"}
	case filter.Domain:
		fields = []string{"browser_download_url"}
	case filter.Registry: // the value's name knows no ~
		return []string{"event_group = 'REGISTRY'"}
	default:
		return nil
	}
	var out []string
	for _, p := range t.Any {
		text := p.Text
		switch {
		case t.Field == filter.Host && p.Qualified():
			text = hostPart(p)
		case t.Field == filter.Domain && domainname.International(text):
			return nil // the server may know it by its other spelling
		}
		runs := PlainRuns(text)
		switch {
		case len(runs) == 0:
			return nil
		case t.Field == filter.Host && strings.Trim(p.Text, "0123456789*?") == "":
			return nil // could be an id
		case t.Field == filter.User: // name and domain may hold a run each
			runs = runs[:1]
		}
		for _, f := range fields {
			terms := make([]string, len(runs))
			for i, run := range runs {
				terms[i] = f + " ~ '" + run + "'"
			}
			out = append(out, strings.Join(terms, " AND "))
		}
	}
	return out
}

// hostPart is what must be in a name that matches DOMAIN\NAME or NAME.DOMAIN;
// "" when that cannot be reported.
func hostPart(p filter.Pattern) string {
	if i := strings.LastIndexByte(p.Text, '\\'); i >= 0 {
		return p.Text[i+1:]
	}
	if p.Mode == filter.Glob {
		return ""
	}
	name, _, _ := strings.Cut(p.Text, ".")
	return name
}

// PlainRuns are the parts of a pattern that are in every match and mean
// themselves under every plausible reading of ~: runs of ASCII letters and
// digits, the longest first. Whatever matches the pattern contains them all.
func PlainRuns(text string) []string {
	runs := strings.FieldsFunc(text, func(r rune) bool { return !IsPlain(r) })
	runs = slices.DeleteFunc(runs, func(s string) bool { return len(s) < 2 })
	slices.SortStableFunc(runs, func(a, b string) int { return len(b) - len(a) })
	return runs[:min(len(runs), 3)]
}

// IsPlain tells whether the query language reads r as itself in any place.
func IsPlain(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

// Variants are the ways to write q that are tried when the server refuses
// the first: the document's own misspelling of one event name, and doubled
// backslashes (docs/wire/cwatch.md 4.1 and 7).
func Variants(q string) []string {
	out := []string{q}
	typo := "'" + EventTypes[10].Name + "'"
	if strings.Contains(q, typo) {
		out = append(out, strings.ReplaceAll(q, typo, "'"+Misspelled+"'"))
	}
	if strings.Contains(q, `\`) && !strings.Contains(q, `\\`) {
		for _, v := range slices.Clone(out) {
			out = append(out, strings.ReplaceAll(v, `\`, `\\`))
		}
	}
	return out
}

// Quote writes a string value of q. A single quote has no known escape.
func Quote(s string) (string, error) {
	if strings.ContainsFunc(s, func(r rune) bool { return r == '\'' || r < ' ' }) {
		return "", backends.Invalid("cannot ask cWatch for "+strconv.Quote(s), "its query language has no escape for a quote or a control character")
	}
	return "'" + s + "'", nil
}
