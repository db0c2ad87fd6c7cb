package ioc

import (
	"errors"
	"io"
	"strings"
	"sync"
)

// columns is how the cells of a CSV are read.
type columns struct {
	kind  int    // the column that names the type of another one; -1 for none
	value int    // that other one; -1 when it is not known
	toIDs int    // MISP's to_ids; -1 for none
	types []Type // what the header or the content says of each
	modes []scanMode
	skip  []bool // links to reports, times, names of families
}

// dialect is how a CSV separates its cells.
type dialect struct {
	comma  byte
	header []string // nil for none
}

// sampleRows is how many rows decide what the columns hold.
const sampleRows = 200

// sniffTable tells whether a text is a table of separated values: its first
// row names columns, or most rows have as many cells as each other.
func sniffTable(head string) (dialect, bool) {
	rows := dataLines(head)
	if len(rows.lines) == 0 {
		return dialect{}, false
	}
	for _, comma := range []byte{',', '\t', ';', '|'} {
		if comma == '|' && strings.HasPrefix(rows.lines[0], "|") {
			continue
		}
		first, _ := splitRow(rows.lines[0], comma)
		if len(first) < 2 {
			continue
		}
		if isHeader(first) {
			return dialect{comma: comma, header: first}, true
		}
		if len(rows.lines) < 2 {
			continue
		}
		same := 0
		for _, l := range rows.lines {
			if f, _ := splitRow(l, comma); len(f) == len(first) {
				same++
			}
		}
		if same*10 < len(rows.lines)*9 || comma == ',' && wordy(first) {
			continue
		}
		d := dialect{comma: comma}
		if h, _ := splitRow(rows.comment, comma); len(h) == len(first) {
			d.header = h // abuse.ch names its columns in a comment
		}
		return d, true
	}
	if len(rows.lines) > 1 && !strings.ContainsAny(rows.lines[0], ",\t;") && isHeader([]string{rows.lines[0]}) {
		return dialect{comma: ',', header: []string{rows.lines[0]}}, true
	}
	return dialect{}, false
}

// wordy tells sentences with a comma in them.
func wordy(cells []string) bool {
	words := 0
	for _, c := range cells {
		words = max(words, len(strings.Fields(c)))
		if len(scan(c, scanField, nil)) > 0 {
			return false
		}
	}
	return words > 5
}

type sampled struct {
	lines   []string
	comment string // the last comment before the first row
}

// dataLines are the first lines of a text that are neither blank nor comments.
func dataLines(head string) (out sampled) {
	for line := range strings.Lines(head) {
		line = strings.TrimRight(line, "\r\n")
		switch t := strings.TrimSpace(line); {
		case t == "":
		case t[0] == '#':
			if len(out.lines) == 0 && strings.Trim(t, "# ") != "" {
				out.comment = strings.Trim(t, "# ")
			}
		default:
			out.lines = append(out.lines, line)
		}
		if len(out.lines) == sampleRows {
			break
		}
	}
	return out
}

// isHeader tells a row that names columns: words, one of them that of a type
// or of a value, and no value in it.
func isHeader(cells []string) bool {
	known := false
	for _, c := range cells {
		c = strings.TrimSpace(c)
		if c == "" {
			continue
		}
		if len(c) > 48 || strings.IndexFunc(c, func(r rune) bool { return r < ' ' }) >= 0 {
			return false
		}
		w := foldWord(c)
		if _, ok := typeWords()[w]; ok || valueWords()[w] || kindWords()[w] {
			known = true
		} else if _, err := classify(c); err == nil {
			return false
		}
	}
	return known && (len(cells) > 1 || valueWords()[foldWord(cells[0])] || len(strings.Fields(cells[0])) < 3)
}

// The headers of generic lists.
var (
	valueWords = sync.OnceValue(func() map[string]bool {
		return wordSet("value indicator indicators ioc iocs observable indicatorvalue iocvalue data artifact observablevalue indicatorofcompromise content pattern wert indikator valeur indicateur valor indicador")
	})
	kindWords = sync.OnceValue(func() map[string]bool {
		return wordSet("type indicatortype ioctype indicators indicator observabletype artifacttype kind datatype indicatorkind category ioc typ tipo")
	})
	skipWords = sync.OnceValue(func() map[string]bool {
		return wordSet(`id uuid eventid eventuuid date time timestamp firstseen lastseen created modified firstseenutc lastseenutc dateadded reference references link urlhauslink
		reporter tags tag source confidence confidencelevel malware malwarealias malwareprintable fkmalware signature family reported ref refs report reporturl referenceurl
		sourceurl sourcelink virustotal vt vtlink analysis permalink publisher`)
	})
)

func wordSet(s string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(s) {
		m[w] = true
	}
	return m
}

// readTable reads separated values.
func (r *reader) readTable(src *lineReader, head string, d dialect) error {
	c := chooseColumns(dataLines(head).lines, d)
	seenHeader := false
	var joined strings.Builder
	first := 0
	for {
		line, n, err := src.next()
		if errors.Is(err, io.EOF) {
			if joined.Len() > 0 {
				r.bookRow(strings.TrimRight(joined.String(), "\n"), first, n-first+1, d, c)
			}
			return nil
		}
		if errors.Is(err, errTooLong) {
			r.count(gaveNothing, place{line: n}, line, "the line is too long")
			continue
		}
		if err != nil {
			return err
		}
		if joined.Len() > 0 {
			joined.WriteString(line)
			if _, open := splitRow(joined.String(), d.comma); !open {
				r.bookRow(joined.String(), first, n-first+1, d, c)
				joined.Reset()
			} else if n-first > maxRowLines || joined.Len() > 1<<16 {
				// A quote that nobody closed: each line is a row of its own.
				r.bookLines(joined.String(), first, d, c)
				joined.Reset()
			} else {
				joined.WriteByte('\n')
			}
			continue
		}
		if t := strings.TrimSpace(line); t == "" || t[0] == '#' {
			r.count(isMarkup, place{line: n}, "", "")
			continue
		}
		cells, open := splitRow(line, d.comma)
		if !seenHeader && d.header != nil {
			seenHeader = true
			if strings.Join(cells, "\x00") == strings.Join(d.header, "\x00") {
				r.count(isMarkup, place{line: n}, "", "")
				continue
			}
		}
		if open {
			first = n
			joined.WriteString(line)
			joined.WriteByte('\n')
			continue
		}
		r.bookRow(line, n, 1, d, c)
	}
}

// maxRowLines is over how many lines a quoted cell may go.
const maxRowLines = 60

func (r *reader) bookLines(text string, first int, d dialect, c columns) {
	for line := range strings.SplitSeq(text, "\n") {
		r.bookRow(strings.ReplaceAll(line, `"`, ""), first, 1, d, c)
		first++
	}
}

// bookRow reads a row and counts its lines.
func (r *reader) bookRow(line string, first, lines int, d dialect, c columns) {
	at := place{line: first}
	cells, _ := splitRow(line, d.comma)
	o, why := r.tableRow(cells, c, at, line)
	r.count(o, at, line, why)
	for range lines - 1 {
		r.count(isMarkup, at, "", "") // the other lines of the same row
	}
}

// splitRow cuts a row into cells. Quotes may be behind blanks; one inside
// of a cell is a letter like others. open: the last quote is not closed.
func splitRow(line string, comma byte) (cells []string, open bool) {
	for {
		i := 0
		for i < len(line) && line[i] == ' ' {
			i++
		}
		if i < len(line) && line[i] == '"' {
			cell, rest, closed := quoted(line[i+1:], comma)
			cells = append(cells, cell)
			if !closed {
				return cells, true
			}
			if rest == "" {
				return cells, false
			}
			line = rest[1:]
			continue
		}
		end := strings.IndexByte(line, comma)
		if end < 0 {
			return append(cells, strings.TrimSpace(line)), false
		}
		cells = append(cells, strings.TrimSpace(line[:end]))
		line = line[end+1:]
	}
}

// quoted reads a quoted cell; rest begins with the comma behind it.
func quoted(s string, comma byte) (cell, rest string, closed bool) {
	from := 0
	for {
		i := strings.IndexByte(s[from:], '"')
		if i < 0 {
			return s, "", false
		}
		i += from
		switch {
		case i+1 < len(s) && s[i+1] == '"':
			from = i + 2
			continue
		default:
			k := i + 1
			for k < len(s) && s[k] == ' ' {
				k++
			}
			if k == len(s) || s[k] == comma || s[k] == '\n' {
				return strings.ReplaceAll(s[:i], `""`, `"`), s[k:], true
			}
			from = i + 1 // a quote in the middle of a cell
		}
	}
}

// chooseColumns looks at the header and at what the cells hold.
func chooseColumns(lines []string, d dialect) columns {
	c := columns{kind: -1, value: -1, toIDs: -1}
	var rows [][]string
	width := len(d.header)
	for i, l := range lines {
		if i == 0 && d.header != nil {
			if f, _ := splitRow(l, d.comma); strings.Join(f, "\x00") == strings.Join(d.header, "\x00") {
				continue
			}
		}
		f, _ := splitRow(l, d.comma)
		rows = append(rows, f)
		width = max(width, len(f))
	}
	width = min(width, 512)
	c.types, c.modes, c.skip = make([]Type, width), make([]scanMode, width), make([]bool, width)
	for i := range width {
		c.modes[i] = scanNotes
		name := ""
		if i < len(d.header) {
			name = foldWord(strings.TrimSpace(d.header[i]))
		}
		filled, values, kinds := columnShares(rows, i)
		if name == "toids" {
			c.toIDs = i
		}
		if t, ok := typeWords()[name]; ok {
			c.types[i] = t
		}
		switch {
		case kinds*10 >= filled*5 && filled > 0 && (kindWords()[name] || d.header == nil || kinds*10 >= filled*7) && c.kind < 0:
			c.kind = i
		case valueWords()[name] && c.value < 0 && (values > 0 || filled == 0 || !kindWords()[name]):
			c.value = i
			c.modes[i] = scanField
		case c.types[i] != None && !skipWords()[name]:
			c.modes[i] = scanField
		case skipWords()[name]:
			c.skip[i] = true
		case values*2 >= filled && values > 0:
			c.modes[i] = scanField
		}
	}
	if c.kind >= 0 && c.value < 0 { // the value is in the column behind its type, or the best one
		best := -1
		for i := range width {
			if _, v, _ := columnShares(rows, i); i != c.kind && v > best {
				best, c.value = v, i
			}
		}
		c.modes[c.value] = scanField
	}
	return c
}

// columnShares counts the cells of a column that hold something, that are an
// indicator as a whole, and that name a type.
func columnShares(rows [][]string, i int) (filled, values, kinds int) {
	for _, row := range rows {
		if i >= len(row) || row[i] == "" {
			continue
		}
		filled++
		s, ok := bare(row[i])
		if !ok || s == "" {
			continue
		}
		if vs, err := classify(s); err == nil && vs[0].typ != FileName {
			values++
		} else if _, ok := ParseType(s); ok || strings.ContainsAny(s, "|:") && composite(s) != nil {
			kinds++
		}
	}
	return filled, values, kinds
}

// tableRow reads the cells of a row.
func (r *reader) tableRow(cells []string, c columns, at place, text string) (outcome, string) {
	if strings.TrimSpace(strings.Join(cells, "")) == "" {
		return isMarkup, ""
	}
	if c.toIDs >= 0 && c.toIDs < len(cells) && !r.l.AllAttributes {
		if v := strings.TrimSpace(cells[c.toIDs]); v == "0" || strings.EqualFold(v, "false") {
			return gaveNothing, whyToIDs
		}
	}
	all, why := r.found[:0], whyNothing
	if c.kind >= 0 && c.kind < len(cells) && c.value < len(cells) && strings.TrimSpace(cells[c.value]) != "" {
		kind := strings.TrimSpace(cells[c.kind])
		if fs, known := r.typedCell(kind, cells[c.value], at); known {
			all = append(all, fs...)
			if len(fs) == 0 && kind != "" {
				why = "cannot be read as " + strings.ToLower(kind)
			}
		} else {
			all = r.cell(cells[c.value], None, scanNotes, all)
			if len(all) == 0 && kind != "" {
				why = "is a " + strings.ToLower(kind) + ", which is not an indicator type"
			}
		}
	}
	for i, cell := range cells {
		if i >= len(c.types) || c.kind >= 0 && (i == c.kind || i == c.value) || c.skip[i] {
			continue
		}
		all = r.cell(cell, c.types[i], c.modes[i], all)
	}
	r.found = all
	o, w := r.addFound(all, at, text)
	if o == gaveNothing && w == whyNothing {
		w = why
	}
	return o, w
}

// typedCell reads a value whose type is named next to it; known is false when
// the type is not one.
func (r *reader) typedCell(kind, cell string, _ place) (out []found, known bool) {
	kind = strings.TrimSpace(kind)
	if parts := composite(kind); parts != nil {
		for _, v := range compositeValues(parts, strings.TrimSpace(cell)) {
			out = append(out, found{value: v})
		}
		return out, true
	}
	t, ok := ParseType(kind)
	if !ok {
		return nil, false
	}
	return r.cell(cell, t, scanField, nil), true
}
