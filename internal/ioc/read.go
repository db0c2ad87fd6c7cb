package ioc

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of what a list may hold.
const (
	maxSources = 1 << 16
	maxLine    = 1 << 20
)

// Read adds everything in r, whose format is found out from how it begins.
// Only what makes the source unreadable as a whole is an error: a read error,
// JSON that is neither STIX nor MISP, a CSV header without a usable column, an
// empty source.
func (l *List) Read(r io.Reader, name string) error {
	if len(l.Sources) >= maxSources {
		return fmt.Errorf("%s: more than %d sources", name, maxSources)
	}
	l.Sources = append(l.Sources, name)
	before := len(l.Indicators) + l.Duplicates + len(l.Problems)
	br := bufio.NewReaderSize(r, 1<<16)
	if err := l.read(br, name); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if len(l.Indicators)+l.Duplicates+len(l.Problems) == before {
		return fmt.Errorf("%s: holds no indicator", name)
	}
	return nil
}

func (l *List) read(br *bufio.Reader, name string) error {
	if b, err := br.Peek(3); err == nil && bytes.Equal(b, []byte("\xef\xbb\xbf")) {
		if _, err := br.Discard(3); err != nil {
			return err
		}
	}
	head, err := br.Peek(1 << 12)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return err
	}
	trimmed := bytes.TrimLeft(head, " \t\r\n")
	if len(trimmed) > 0 && trimmed[0] == '{' || len(trimmed) > 1 && trimmed[0] == '[' && bytes.IndexByte(trimmed, '{') > 0 && bytes.IndexByte(trimmed, '{') < 8 {
		return l.readJSON(br, name)
	}
	line, _, _ := bytes.Cut(trimmed, []byte("\n"))
	if columns, ok := header(string(bytes.TrimRight(line, "\r"))); ok {
		return l.readCSV(br, name, columns)
	}
	return l.readLines(br, name)
}

func (l *List) problem(name string, line int, object, text, why string) {
	if len(text) > 80 {
		cut := 80
		for cut > 0 && !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut] + "…"
	}
	l.Problems = append(l.Problems, Problem{Source: name, Line: line, Object: object, Text: text, Why: why})
}

// take parses and adds one value.
func (l *List) take(name, text string, want Type, line int, object string) {
	t, v, err := Parse(text, want)
	if err != nil {
		l.problem(name, line, object, strings.TrimSpace(text), err.Error())
		return
	}
	l.add(Indicator{Type: t, Value: v, Line: int32(min(line, 1<<31-1)), Object: object, Source: uint16(len(l.Sources) - 1)})
}

// readLines reads plain lines. # and ; begin a comment where a line or, after
// a blank, a word could.
func (l *List) readLines(br *bufio.Reader, name string) error {
	for n := 1; ; n++ {
		line, err := br.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			line, err = longLine(br, line)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			if errors.Is(err, errTooLong) {
				l.problem(name, n, "", string(line[:80]), "the line is too long")
				continue
			}
			return err
		}
		if text := uncomment(string(line)); text != "" {
			l.take(name, text, None, n, "")
		}
		if err != nil {
			return nil
		}
	}
}

var errTooLong = errors.New("line too long")

// longLine collects a line longer than the buffer, and skips one that is
// longer than any indicator.
func longLine(br *bufio.Reader, begin []byte) ([]byte, error) {
	line := slices.Clone(begin)
	for {
		more, err := br.ReadSlice('\n')
		if len(line) <= maxLine {
			line = append(line, more...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case len(line) > maxLine:
			return line[:80], errTooLong
		}
		return line, err
	}
}

func uncomment(s string) string {
	s = strings.TrimSpace(s)
	if s == "" || s[0] == '#' || s[0] == ';' || strings.HasPrefix(s, "//") {
		return ""
	}
	for _, mark := range [...]string{" #", "\t#", " ; "} {
		if i := strings.Index(s, mark); i > 0 {
			s = s[:i]
		}
	}
	return strings.TrimRight(strings.TrimSpace(s), ",;")
}

// valueColumns and typeColumns are the headers of generic lists.
var (
	valueColumns = []string{"value", "indicator", "ioc", "observable", "indicator_value", "ioc_value"}
	typeColumns  = []string{"type", "indicator_type", "ioc_type"}
)

// columns is how a CSV is read: one value column with an optional type
// column, or any number of typed columns.
type columns struct {
	value, kind int
	typed       map[int]Type
	comma       rune
}

// header tells whether a first line is a CSV header. A single word is one
// only when it is nothing else.
func header(line string) (columns, bool) {
	c := columns{value: -1, kind: -1, typed: map[int]Type{}}
	for _, comma := range []rune{',', ';', '\t'} {
		if strings.ContainsRune(line, comma) {
			c.comma = comma
			break
		}
	}
	fields := []string{line}
	if c.comma != 0 {
		r := csv.NewReader(strings.NewReader(line))
		r.Comma, r.LazyQuotes = c.comma, true
		var err error
		if fields, err = r.Read(); err != nil {
			return c, false
		}
	} else {
		c.comma = ','
	}
	words := 0
	for i, f := range fields {
		f = strings.ToLower(strings.TrimSpace(f))
		if t, ok := typeWords[f]; ok {
			c.typed[i] = t
		}
		if c.value < 0 && slices.Contains(valueColumns, f) {
			c.value = i
		}
		if c.kind < 0 && slices.Contains(typeColumns, f) {
			c.kind = i
		}
		if f != "" && strings.IndexFunc(f, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune("_- ./()|", r))
		}) < 0 {
			words++
		}
	}
	usable := c.value >= 0 || len(c.typed) > 0
	if len(fields) == 1 {
		return c, usable
	}
	// A row of words none of which is an indicator is a header, usable or not.
	if usable {
		return c, true
	}
	for _, f := range fields {
		if _, _, err := Parse(f, None); err == nil {
			return c, false
		}
	}
	return c, words == len(fields)
}

func (l *List) readCSV(br *bufio.Reader, name string, c columns) error {
	r := csv.NewReader(br)
	r.Comma, r.FieldsPerRecord, r.LazyQuotes, r.ReuseRecord, r.Comment = c.comma, -1, true, true, '#'
	head, err := r.Read()
	if err != nil {
		return err
	}
	if c.value < 0 && len(c.typed) == 0 {
		return fmt.Errorf("no usable column among %s: name one value, or by type (sha256, ip, domain, url …)", strings.Join(head, ", "))
	}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		var bad *csv.ParseError
		if errors.As(err, &bad) {
			l.problem(name, bad.Line, "", "", bad.Err.Error())
			continue
		}
		if err != nil {
			return err
		}
		line, _ := r.FieldPos(0)
		if c.value >= 0 {
			l.takeValue(name, row, c, line)
			continue
		}
		found := false
		for i, t := range c.typed {
			if i < len(row) && strings.TrimSpace(row[i]) != "" {
				l.take(name, row[i], t, line, "")
				found = true
			}
		}
		if !found && strings.TrimSpace(strings.Join(row, "")) != "" {
			l.problem(name, line, "", strings.Join(row, ","), "has no value in a usable column")
		}
	}
}

// takeValue reads a row with a value column and, perhaps, its type.
func (l *List) takeValue(name string, row []string, c columns, line int) {
	if c.value >= len(row) || strings.TrimSpace(row[c.value]) == "" {
		l.problem(name, line, "", strings.Join(row, ","), "has no value")
		return
	}
	if c.kind >= 0 && c.kind < len(row) && strings.TrimSpace(row[c.kind]) != "" {
		l.takeMISP(name, strings.ToLower(strings.TrimSpace(row[c.kind])), row[c.value], line, "")
		return
	}
	l.take(name, row[c.value], None, line, "")
}
