package evidence

import (
	"bytes"
	"encoding/csv"
	"errors"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/model"
)

// Tables: comma-separated values with a header that names the columns.

// csvTable is a table being read.
type csvTable struct {
	header []string
	decode func(row, []byte, Options) []Item
	format string
	comma  rune
}

// row is a record of a table.
type row struct {
	header, cells []string
}

// Str gives the first of the columns that has a value.
func (r row) Str(names ...string) string {
	for _, n := range names {
		if i := slices.Index(r.header, n); i >= 0 && i < len(r.cells) && r.cells[i] != "" {
			return r.cells[i]
		}
	}
	return ""
}

func (r row) fields() []model.LogField {
	var out []model.LogField
	for i, n := range r.header {
		if i < len(r.cells) && r.cells[i] != "" {
			out = append(out, model.LogField{Name: n, Value: r.cells[i]})
		}
	}
	return out
}

// maxHeader is how long the header of a table may be.
const maxHeader = 64 << 10

// startTable looks whether the first line is the header of a known table, and
// takes it then. Excel writes sep=, before it.
func (rd *reader) startTable() {
	head, _, _ := bytes.Cut(rd.w.head(maxHeader), []byte{'\n'})
	skipped := 0
	if bytes.HasPrefix(head, []byte("sep=")) {
		rd.w.peek(maxHeader)
		skipped = len(head) + 1
		head, _, _ = bytes.Cut(rd.w.rest()[min(skipped, len(rd.w.rest())):], []byte{'\n'})
	}
	comma := ','
	switch {
	case bytes.Count(head, []byte{'\t'}) > bytes.Count(head, []byte{','}):
		comma = '\t'
	case bytes.Count(head, []byte{';'}) > bytes.Count(head, []byte{','}):
		comma = ';'
	}
	names, err := cut(head, comma)
	if err != nil || len(names) < 2 {
		return
	}
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	has := func(list ...string) bool {
		return !slices.ContainsFunc(list, func(n string) bool { return !slices.Contains(names, n) })
	}
	t := &csvTable{header: names, comma: comma}
	switch {
	case has("ActionType") && (has("DeviceName") || has("DeviceId")), has("AlertId", "Title", "Severity"):
		t.format, t.decode = "defender", func(r row, raw []byte, o Options) []Item { return defenderRow(r, raw, o) }
	case isOwnTable(names):
		t.format, t.decode = "edrctl-csv", decodeOwnRow
	default:
		return
	}
	rd.csv = t
	rd.w.take(min(skipped+len(head)+1, len(rd.w.rest())))
}

func cut(line []byte, comma rune) ([]string, error) {
	r := csv.NewReader(bytes.NewReader(line))
	r.Comma, r.LazyQuotes, r.FieldsPerRecord = comma, true, -1
	return r.Read()
}

// table reads the rows.
func (rd *reader) table() {
	for n := 0; !rd.done && rd.w.blanks(); n++ {
		if n%256 == 0 && rd.ctx.Err() != nil {
			rd.fail(rd.ctx.Err())
			return
		}
		raw, ok := rd.tableRow()
		if !ok {
			rd.unread(errors.New("a row whose quotes do not close"))
			rd.w.skipLine()
			continue
		}
		place := Item{Offset: rd.w.offset(), Line: rd.w.line, Format: rd.csv.format}
		cells, err := cut(raw, rd.csv.comma)
		switch {
		case err != nil:
			place.Err = errors.New("not a row of comma-separated values")
		case len(cells) > len(rd.csv.header) || len(cells) < 2:
			place.Err = errorf("a row of %d values under a header of %d", len(cells), len(rd.csv.header))
		case slices.Equal(cells, rd.csv.header): // files put together
			rd.w.take(len(raw))
			continue
		}
		if place.Err != nil {
			rd.emit(place)
		} else {
			for _, it := range rd.csv.decode(row{rd.csv.header, cells}, trimEnd(raw), rd.o) {
				it.Offset, it.Line, it.Format = place.Offset, place.Line, place.Format
				if !rd.emit(it) {
					return
				}
			}
		}
		if !rd.done {
			rd.w.take(len(raw))
		}
	}
}

// maxRow is how long a row may be: a quote that is not closed would else take
// the rest of the file.
const maxRow = 1 << 20

// tableRow gives the bytes of the row at the position, which goes over several
// lines where a line ends inside quotes.
func (rd *reader) tableRow() ([]byte, bool) {
	quoted, from := false, 0
	for {
		rest := rd.w.rest()
		for ; from < len(rest); from++ {
			switch rest[from] {
			case '"':
				quoted = !quoted
			case '\n':
				if !quoted {
					return rest[:from+1], true
				}
			}
		}
		if from > maxRow {
			return nil, false
		}
		if !rd.w.more() {
			return rd.w.rest(), !quoted
		}
	}
}
