package output

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"text/template"
	"time"
	"unicode/utf8"
)

// TemplateHelp describes the helpers of --template, for help texts.
const TemplateHelp = `json VALUE         the value as JSON
timeago TIME       how long ago: 2m ago
timefmt LAYOUT T   a time in Go's layout, in --tz
truncate N TEXT    at most N characters
join SEP LIST      the elements with SEP between them
upper, lower TEXT  in capitals, in small letters
safe TEXT          control and invisible characters made visible
default D VALUE    VALUE, or D when it is empty
pluck NAME LIST    the member NAME of each object`

// tmplFunc is a function of templates. Arguments and result are JSON: nil, bool,
// string, int, float64, []any and map[string]any; json.Number where an integer is
// too large.
type tmplFunc = func(args ...any) (any, error)

// arity checks the number of arguments before f sees them; max < 0 = any.
func arity(least, most int, f func(args []any) (any, error)) tmplFunc {
	return func(args ...any) (any, error) {
		if len(args) < least || most >= 0 && len(args) > most {
			return nil, fmt.Errorf("wrong number of arguments: got %d", len(args))
		}
		return f(args)
	}
}

// text1 makes a function of one text.
func text1(f func(string) string) tmplFunc {
	return arity(1, 1, func(a []any) (any, error) { return f(templateText(a[0])), nil })
}

// templateFuncs are the helpers, and those functions of Go's templates that JSON
// wants otherwise: numbers compare as numbers, and something absent is empty.
func templateFuncs(opt Options) template.FuncMap {
	return template.FuncMap{
		memberFunc: memberOf,
		shownFunc:  shown,
		"json": arity(1, 1, func(a []any) (any, error) {
			b, err := appendRecord(nil, a[0])
			return string(b), err
		}),
		"timeago": arity(1, 1, func(a []any) (any, error) {
			t, err := templateTime(a[0])
			return string(Ago(t, opt.Now(), opt.TZ)), err
		}),
		"timefmt": arity(2, 2, func(a []any) (any, error) {
			t, err := templateTime(a[1])
			if err != nil || t.IsZero() {
				return "", err
			}
			return t.In(opt.TZ).Format(templateText(a[0])), nil
		}),
		"truncate": arity(2, 2, func(a []any) (any, error) {
			n, ok := integer(a[0])
			if !ok {
				return nil, fmt.Errorf("%s where a number of characters is expected", kindOf(a[0]))
			}
			s := templateText(a[1])
			if n < 0 || utf8.RuneCountInString(s) <= n {
				return s, nil
			}
			if n == 0 {
				return "", nil
			}
			return string([]rune(s)[:n-1]) + "…", nil
		}),
		"join": arity(2, 2, func(a []any) (any, error) {
			list, ok := a[1].([]any)
			if !ok {
				return templateText(a[1]), nil
			}
			parts := make([]string, len(list))
			for i, e := range list {
				parts[i] = templateText(e)
			}
			return strings.Join(parts, templateText(a[0])), nil
		}),
		"upper": text1(strings.ToUpper),
		"lower": text1(strings.ToLower),
		"safe":  text1(safe),
		"default": arity(2, 2, func(a []any) (any, error) {
			if a[1] == nil || a[1] == "" {
				return a[0], nil
			}
			return a[1], nil
		}),
		"pluck": arity(2, 2, func(a []any) (any, error) {
			out := []any{}
			name := templateText(a[0])
			list, _ := a[1].([]any)
			for _, e := range list {
				if m, ok := e.(map[string]any); ok {
					out = append(out, m[name])
				}
			}
			return out, nil
		}),
		"len": arity(1, 1, length),
		"printf": arity(1, -1, func(a []any) (any, error) {
			args := make([]any, len(a)-1)
			for i, v := range a[1:] {
				switch v.(type) {
				case nil:
					v = absent{}
				case int, float64, json.Number:
					v = number{v}
				}
				args[i] = v
			}
			return fmt.Sprintf(templateText(a[0]), args...), nil
		}),
		"eq": arity(2, -1, func(a []any) (any, error) {
			for _, v := range a[1:] {
				if same, err := equal(a[0], v); same || err != nil {
					return same, err
				}
			}
			return false, nil
		}),
		"ne": arity(2, 2, func(a []any) (any, error) { same, err := equal(a[0], a[1]); return !same, err }),
		"lt": ordered(func(c int) bool { return c < 0 }),
		"le": ordered(func(c int) bool { return c <= 0 }),
		"gt": ordered(func(c int) bool { return c > 0 }),
		"ge": ordered(func(c int) bool { return c >= 0 }),
	}
}

// number formats one as the verb wants it: %d, %.2f and %s all do.
type number struct{ v any }

func (n number) Format(s fmt.State, verb rune) {
	v := n.v
	switch verb {
	case 'd', 'b', 'o', 'O', 'x', 'X', 'c', 'U':
		if i, ok := integer(v); ok {
			v = i
		}
	case 'e', 'E', 'f', 'F', 'g', 'G':
		if f, ok := float(v); ok {
			v = f
		}
	case 's', 'q':
		v = templateText(v)
	}
	_, _ = fmt.Fprintf(s, fmt.FormatString(s, verb), v)
}

// absent prints nothing, at any width.
type absent struct{}

func (absent) Format(s fmt.State, _ rune) {
	if w, ok := s.Width(); ok {
		_, _ = fmt.Fprintf(s, "%*s", w, "")
	}
}

func length(a []any) (any, error) {
	switch x := a[0].(type) {
	case nil:
		return 0, nil
	case string:
		return len(x), nil
	case []any:
		return len(x), nil
	case map[string]any:
		return len(x), nil
	}
	return nil, fmt.Errorf("len of %s", kindOf(a[0]))
}

func integer(v any) (int, bool) {
	switch x := v.(type) {
	case int:
		return x, true
	case json.Number:
		i, err := x.Int64()
		return int(i), err == nil && int64(int(i)) == i
	case float64:
		return int(x), x == math.Trunc(x) && math.Abs(x) < 1<<31
	}
	return 0, false
}

func float(v any) (float64, bool) {
	switch x := v.(type) {
	case int:
		return float64(x), true
	case float64:
		return x, true
	case json.Number:
		f, err := x.Float64()
		return f, err == nil
	}
	return 0, false
}

var errIncomparable = errors.New("incompatible types for comparison")

func equal(a, b any) (bool, error) {
	if a == nil || b == nil {
		return a == nil && b == nil, nil
	}
	switch a.(type) {
	case []any, map[string]any:
		return false, fmt.Errorf("non-comparable type: %s", kindOf(a))
	case bool:
		x, ok := b.(bool)
		if !ok {
			return false, errIncomparable
		}
		return a == x, nil
	}
	c, err := compare(a, b)
	return c == 0, err
}

func compare(a, b any) (int, error) {
	if x, ok := a.(string); ok {
		if y, ok := b.(string); ok {
			return strings.Compare(x, y), nil
		}
		return 0, errIncomparable
	}
	// Whole numbers first: an id of 64 bits does not fit into a float.
	if x, ok := integer(a); ok {
		if y, ok := integer(b); ok {
			switch {
			case x < y:
				return -1, nil
			case x > y:
				return 1, nil
			}
			return 0, nil
		}
	}
	x, okX := float(a)
	y, okY := float(b)
	switch {
	case !okX || !okY:
		return 0, errIncomparable
	case x < y:
		return -1, nil
	case x > y:
		return 1, nil
	}
	return 0, nil
}

// ordered makes a comparison; something absent is in no order.
func ordered(holds func(int) bool) tmplFunc {
	return arity(2, 2, func(a []any) (any, error) {
		if a[0] == nil || a[1] == nil {
			return false, nil
		}
		c, err := compare(a[0], a[1])
		return err == nil && holds(c), err
	})
}

func templateText(v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case string:
		return x
	case json.Number:
		return x.String()
	case []any, map[string]any:
		return string(AppendJSON(nil, x))
	}
	return fmt.Sprint(v)
}

func templateTime(v any) (time.Time, error) {
	s := templateText(v)
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return t, fmt.Errorf("invalid time %.40q: want RFC 3339", s)
	}
	return t, nil
}

// plainNumbers turns the numbers of decoded JSON into those Go's templates know.
// An integer of more than 64 bits stays as it is written.
func plainNumbers(v any) any {
	switch x := v.(type) {
	case json.Number:
		if i, err := strconv.Atoi(x.String()); err == nil {
			return i
		}
		if f, err := x.Float64(); err == nil && strings.ContainsAny(x.String(), ".eE") {
			return f
		}
	case []any:
		for i := range x {
			x[i] = plainNumbers(x[i])
		}
	case map[string]any:
		for k := range x {
			x[k] = plainNumbers(x[k])
		}
	}
	return v
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "nothing"
	case bool:
		return "a boolean"
	case string:
		return "a string"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	}
	return "a number"
}
