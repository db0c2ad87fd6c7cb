package generule

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/lazyregexp"
)

// Match is one of a rule's Matches.
type Match struct {
	Name      string // $name
	Field     string // looked up in EventData
	Op        string // = ~= &= < > <= >=, "@" for another field, "extract"
	Value     string // as written between the quotes
	Other     string // of "@": the field it must equal
	Container string // of "extract": where the group is looked up
	Note      string // engines take it, but it is probably a slip

	re    *regexp.Regexp
	group int
	num   float64
	bits  int64
}

// Truth is yes, no, or what only the manager can tell.
type Truth int8

// The truths.
const (
	No Truth = iota
	Yes
	Unknown
)

func truth(b bool) Truth {
	if b {
		return Yes
	}
	return No
}

var (
	matchHead    = lazyregexp.New(`^\s*(\$\w+)\s*:\s*(.*)$`)
	matchField   = lazyregexp.New(`^("[^"]+"|[\w.:/-]+)\s*(~=|&=|<=|>=|=|<|>)(\s*)(.*)$`)
	matchOther   = lazyregexp.New(`^@("[^"]+"|[\w.:/-]+)$`)
	matchExtract = lazyregexp.New(`^extract\s*\(\s*'(.*)'\s*,\s*("[^"]+"|[\w.:/-]+)\s*\)\s+in\s+([\w.-]+)('?)$`)
)

// ParseMatch reads one of a rule's Matches.
func ParseMatch(s string) (*Match, error) {
	head := matchHead.FindStringSubmatch(s)
	if head == nil {
		return nil, errors.New("$name: is missing at its beginning")
	}
	m := &Match{Name: head[1]}
	rest := strings.TrimRight(head[2], " \t\r\n")
	if x := matchExtract.FindStringSubmatch(rest); x != nil {
		m.Op, m.Value, m.Field, m.Container = "extract", x[1], strings.Trim(x[2], `"`), x[3]
		if x[4] != "" {
			m.Note = "a quote follows the name of the container"
		}
		return m, m.compile()
	}
	if strings.HasPrefix(rest, "extract") && strings.Contains(rest, "(") {
		return nil, errors.New("an extract is written extract('(?P<x>regexp)', Field) in container")
	}
	f := matchField.FindStringSubmatch(rest)
	if f == nil {
		return nil, errors.New("it is none of Field = 'value', ~= &= < > <= >=, Field = @Other, extract(…) in container")
	}
	m.Field, m.Op = strings.Trim(f[1], `"`), f[2]
	value := f[4]
	switch {
	case f[3] == "":
		return nil, fmt.Errorf("a blank is needed after %s", m.Op)
	case strings.HasPrefix(value, "@"):
		o := matchOther.FindStringSubmatch(value)
		if o == nil || m.Op != "=" {
			return nil, errors.New("fields are compared as Field = @Other")
		}
		m.Op, m.Other = "@", strings.Trim(o[1], `"`)
		return m, nil
	case len(value) < 2 || value[0] != '\'' || value[len(value)-1] != '\'':
		return nil, errors.New("the value is not in single quotes")
	}
	m.Value = value[1 : len(value)-1]
	return m, m.compile()
}

func (m *Match) compile() error {
	var err error
	switch m.Op {
	case "~=", "extract":
		if m.re, err = regexp.Compile(m.Value); err != nil {
			// Engines put expressions in parentheses: '?i:(x)' works there.
			in, inErr := regexp.Compile("(" + m.Value + ")")
			if inErr != nil {
				return fmt.Errorf("the regular expression does not compile: %w", err)
			}
			m.re, m.Note = in, "its regular expression compiles only in the parentheses that the engine adds"
		}
		if m.Op == "extract" {
			for i, n := range m.re.SubexpNames() {
				if n != "" {
					m.group = i
					return nil
				}
			}
			return errors.New("the regular expression has no named group (?P<x>…)")
		}
	case "&=":
		var ok bool
		if m.bits, ok = integer(m.Value); !ok {
			return fmt.Errorf("%q is not a whole number", m.Value)
		}
	case "<", ">", "<=", ">=":
		var ok bool
		if m.num, ok = numeric(m.Value); !ok {
			return fmt.Errorf("%q is not a number", m.Value)
		}
	}
	return nil
}

func integer(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 0, 64)
	if err != nil {
		u, uerr := strconv.ParseUint(s, 0, 64)
		return int64(u), uerr == nil
	}
	return n, true
}

func numeric(s string) (float64, bool) {
	if n, ok := integer(s); ok {
		if n < 0 && !strings.HasPrefix(s, "-") {
			return float64(uint64(n)), true
		}
		return float64(n), true
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
}

// On tells whether the match holds on an event's data.
func (m *Match) On(data map[string]string) Truth {
	v, ok := data[m.Field]
	if !ok {
		return No
	}
	switch m.Op {
	case "=":
		return truth(v == m.Value)
	case "~=":
		return truth(m.re.MatchString(v))
	case "@":
		o, ok := data[m.Other]
		return truth(ok && v == o)
	case "extract":
		g := m.re.FindStringSubmatch(v)
		if g == nil || g[m.group] == "" {
			return No
		}
		return Unknown // what the container holds is the manager's
	case "&=":
		n, ok := integer(v)
		return truth(ok && n&m.bits == m.bits)
	}
	n, ok := numeric(v)
	if !ok {
		return No
	}
	switch m.Op {
	case "<":
		return truth(n < m.num)
	case ">":
		return truth(n > m.num)
	case "<=":
		return truth(n <= m.num)
	}
	return truth(n >= m.num)
}
