package rules

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
)

// verdict of a condition: what only the server can tell is unknown.
type verdict uint8

const (
	no verdict = iota
	yes
	unknown
)

// evalRow is a stored row as the rules of the server see it (docs/wire/esp.md §14).
type evalRow struct {
	query, action, host, timestamp string
	columns                        map[string]string
}

// test is a condition made ready.
type test func(r *evalRow) verdict

// ReadTrial reads a rule as 62 takes it: an object with name and conditions.
func ReadTrial(rule []byte) (backends.RuleTrial, error) {
	dec := json.NewDecoder(bytes.NewReader(rule))
	dec.UseNumber()
	var m map[string]any
	if err := dec.Decode(&m); err != nil || dec.More() {
		return backends.RuleTrial{}, backends.Invalid("cannot read the rule", "it is not one JSON object")
	}
	t := backends.RuleTrial{Name: backends.Text(m["name"])}
	checked, warnings, err := Check(m["conditions"])
	t.Warnings = warnings
	if err != nil {
		text := err.Error()
		var ce *conditionError
		if errors.As(err, &ce) && ce.hint != "" {
			text += " (" + ce.hint + ")"
		}
		t.Errors = []string{text}
		return t, nil
	}
	if t.Name == "" {
		t.Errors = []string{"a rule needs a name"}
		return t, nil
	}
	if strings.EqualFold(backends.Text(m["status"]), "INACTIVE") {
		t.Warnings = append(t.Warnings, "its status is INACTIVE: the server does not try it")
	}
	eval := compileGroup(checked)
	t.On = func(raw []byte) (fires, sure bool, err error) {
		r, err := readEvalRow(raw)
		if err != nil {
			return false, false, err
		}
		v := eval(r)
		return v != no, v != unknown, nil
	}
	return t, nil
}

// readEvalRow reads a stored row: as the server gave it, or in the raw member
// of an event of ours.
func readEvalRow(raw []byte) (*evalRow, error) {
	r := &evalRow{columns: map[string]string{}}
	var inner []byte
	err := wire.EachMember(raw, func(name string, v []byte) error {
		switch name {
		case "raw":
			inner = v
		case "name", "query_name":
			r.query = wire.Scalar(v)
		case "action":
			r.action = wire.Scalar(v)
		case "host_identifier":
			r.host = wire.Scalar(v)
		case "timestamp":
			r.timestamp = wire.Scalar(v)
		case "columns":
			if wire.KindOf(v) != '{' {
				return errors.New("its columns are not an object")
			}
			return wire.EachMember(v, func(name string, v []byte) error {
				r.columns[name] = wire.Scalar(v)
				return nil
			})
		}
		return nil
	})
	if err == nil && wire.KindOf(inner) == '{' {
		return readEvalRow(inner)
	}
	if err != nil {
		return nil, fmt.Errorf("it is not a stored row: %w", err)
	}
	if r.query == "" && len(r.columns) == 0 {
		return nil, errors.New("it is not a stored row of ESP: there are no columns in it")
	}
	if t := wire.ParseTime(r.timestamp); !t.IsZero() {
		r.timestamp = strconv.FormatInt(t.Unix(), 10)
	}
	return r, nil
}

// compileGroup makes a checked group ready.
func compileGroup(g map[string]any) test {
	and := strings.EqualFold(backends.Text(g["condition"]), "AND")
	rules, _ := g["rules"].([]any)
	tests := make([]test, 0, len(rules))
	for _, v := range rules {
		m, _ := v.(map[string]any)
		if _, nested := m["rules"]; nested {
			tests = append(tests, compileGroup(m))
		} else {
			tests = append(tests, compileLeaf(m))
		}
	}
	return func(r *evalRow) verdict {
		out := no
		if and {
			out = yes
		}
		for _, t := range tests {
			switch v := t(r); {
			case and && v == no, !and && v == yes:
				return v
			case v == unknown:
				out = unknown
			}
		}
		return out
	}
}

func compileLeaf(m map[string]any) test {
	field, op := backends.Text(m["field"]), strings.TrimPrefix(backends.Text(m["operator"]), "column_")
	column, value := "", backends.Text(m["value"])
	if pair, ok := m["value"].([]any); ok && field == "column" && len(pair) == 2 {
		column, value = backends.Text(pair[0]), backends.Text(pair[1])
	}
	match := compileOperator(op, value)
	return func(r *evalRow) verdict {
		switch field {
		case "query_name":
			return match(r.query, true)
		case "action":
			return match(r.action, true)
		case "host_identifier":
			if r.host == "" { // rows of a search do not always name it
				return unknown
			}
			return match(r.host, true)
		case "timestamp":
			return match(r.timestamp, true)
		}
		cell, there := r.columns[column]
		return match(cell, there)
	}
}

func is(b bool) verdict {
	if b {
		return yes
	}
	return no
}

// compileOperator gives the operator as §14 tells it. A string operator on a
// number is not a match, and neither is one on a cell that is not there.
func compileOperator(op, value string) func(cell string, there bool) verdict {
	base, negated := strings.CutPrefix(op, "not_")
	want := strings.ToLower(value)
	words := func(f func(cell string) verdict) func(string, bool) verdict {
		return func(cell string, there bool) verdict {
			if !there || isPythonNumber(cell) {
				return no
			}
			v := f(cell)
			if negated && v != unknown {
				return is(v == no)
			}
			return v
		}
	}
	switch base {
	case "is_empty":
		return func(cell string, there bool) verdict { return is(there && cell == "") }
	case "equal":
		return func(cell string, there bool) verdict {
			if !there {
				return no
			}
			same := strings.EqualFold(cell, value)
			if isPythonNumber(cell) && isPythonNumber(value) {
				same = pythonNumber(cell) == pythonNumber(value)
			}
			return is(same != negated)
		}
	case "contains":
		return words(func(c string) verdict { return is(strings.Contains(strings.ToLower(c), want)) })
	case "begins_with":
		return words(func(c string) verdict { return is(strings.HasPrefix(strings.ToLower(c), want)) })
	case "ends_with":
		return words(func(c string) verdict { return is(strings.HasSuffix(strings.ToLower(c), want)) })
	case "is_ascii":
		return words(func(c string) verdict {
			return is(strings.IndexFunc(c, func(r rune) bool { return r > 0x7f }) >= 0) // the opposite, on this server
		})
	case "matches_wildcard":
		re, err := regexp.Compile(wildcard(value))
		if err != nil {
			return func(string, bool) verdict { return unknown }
		}
		return words(func(c string) verdict { return is(re.MatchString(c)) })
	case "matches_regex":
		unsure, err := pythonPattern(value)
		if err != nil || unsure != "" {
			return words(func(string) verdict { return unknown })
		}
		re, err := regexp.Compile(`\A(?:` + value + `)`)
		if err != nil {
			return words(func(string) verdict { return unknown })
		}
		return words(func(c string) verdict { return is(re.MatchString(c)) })
	}
	if op == "is_not_empty" {
		return func(cell string, there bool) verdict { return is(!there || cell != "") } // what is not there counts as not empty
	}
	limit := pythonNumber(value)
	return func(cell string, there bool) verdict {
		if !there || !isPythonNumber(cell) {
			return no
		}
		n := pythonNumber(cell)
		switch op {
		case "less":
			return is(n < limit)
		case "less_or_equal":
			return is(n <= limit)
		case "greater":
			return is(n > limit)
		case "greater_or_equal":
			return is(n >= limit)
		}
		return unknown
	}
}

func pythonNumber(s string) float64 {
	n, _ := strconv.ParseFloat(strings.TrimSpace(s), 64) // it was found to be one
	return n
}

// wildcard is fnmatch: * ? and [sets], capitals do not count.
func wildcard(p string) string {
	var b strings.Builder
	b.WriteString(`(?is)\A`)
	for i := 0; i < len(p); {
		switch c := p[i]; c {
		case '*':
			b.WriteString(".*")
		case '?':
			b.WriteByte('.')
		case '[':
			end := strings.IndexByte(p[min(i+2, len(p)):], ']')
			if end < 0 {
				b.WriteString(`\[`)
				break
			}
			set := p[i+1 : i+2+end]
			neg := ""
			if rest, is := strings.CutPrefix(set, "!"); is {
				neg, set = "^", rest
			}
			b.WriteString("[" + neg + strings.NewReplacer(`\`, `\\`, "[", `\[`, "]", `\]`, "^", `\^`, "&", `\&`, "~", `\~`).Replace(set) + "]")
			i += len(p[i+1:i+2+end]) + 1
		default:
			j := i + 1
			for j < len(p) && strings.IndexByte("*?[", p[j]) < 0 {
				j++
			}
			b.WriteString(regexp.QuoteMeta(p[i:j]))
			i = j - 1
		}
		i++
	}
	return b.String() + `\z`
}
