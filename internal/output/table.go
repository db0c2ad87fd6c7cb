package output

import (
	"reflect"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/iostreams"
	"github.com/edrctl/edrctl/internal/safetext"
)

// holdRows is how many rows are measured before the widths are settled; later
// ones are cut to fit, so a table never holds a whole listing.
const holdRows = 200

const gap = "  "

// tableWriter writes for a person: header, colour, fitted to the width.
type tableWriter struct {
	base
	cols    []Column
	get     []getter
	pending [][]cell
	widths  []int
	refTail int // characters a shortened reference keeps at its end
	bar     int // cells of the score bar
	digits  int // cells of the score's number
	laidOut bool
}

func newTable(b base, cols []Column) *tableWriter {
	return &tableWriter{base: b, cols: cols, get: getters(b.opt.Kind, cols)}
}

func (w *tableWriter) Write(rec any) error {
	v := addressable(rec)
	if !v.IsValid() {
		return nil
	}
	row := make([]cell, len(w.cols))
	for i, c := range w.cols {
		row[i] = makeCell(w.opt, c, w.get[i], v)
		row[i].text = displayFor(w.ios, row[i].text)
	}
	if w.laidOut {
		w.retail(row)
		w.buf = w.appendRow(w.buf[:0], row)
		return w.emit(w.buf)
	}
	w.pending = append(w.pending, row)
	if len(w.pending) >= holdRows {
		return w.layOut()
	}
	return nil
}

func (w *tableWriter) One(rec any) error {
	if d, ok := rec.(*Document); ok {
		if err := w.oneDocument(d, false); err != nil {
			return err
		}
		return w.base.Flush()
	}
	if err := w.emitString(Card(w.ios, w.opt, rec)); err != nil {
		return err
	}
	return w.base.Flush()
}

func (w *tableWriter) Flush() error {
	if !w.laidOut && len(w.pending) > 0 {
		if err := w.layOut(); err != nil {
			return err
		}
	}
	return w.base.Flush()
}

func (w *tableWriter) Close() error { return w.Flush() }

func (w *tableWriter) Abort() { w.pending = nil }

// layOut decides the widths and writes the pending rows.
func (w *tableWriter) layOut() error {
	w.distinguish()
	w.layout(w.ios.OutWidth())
	w.laidOut = true
	b := w.appendHeader(w.buf[:0])
	for _, row := range w.pending {
		b = w.appendRow(b, row)
	}
	w.buf, w.pending = b[:0], nil
	return w.emit(b)
}

// distinguish lengthens shortened references until no two of the measured rows
// look the same.
func (w *tableWriter) distinguish() {
	for w.refTail = 3; w.refTail < 13; w.refTail += 3 {
		seen, clash := map[safetext.Display]string{}, false
		for _, row := range w.pending {
			for _, c := range row {
				if c.ref == "" {
					continue
				}
				short := shortRef(c.ref, w.refTail)
				other, ok := seen[short]
				clash = clash || ok && other != c.ref
				seen[short] = c.ref
			}
		}
		if !clash {
			break
		}
	}
	for _, row := range w.pending {
		w.retail(row)
	}
}

// retail writes the references of a row as distinguish decided.
func (w *tableWriter) retail(row []cell) {
	for i := range row {
		if row[i].ref != "" && w.refTail > 3 {
			row[i].text = displayFor(w.ios, shortRef(row[i].ref, w.refTail))
		}
	}
}

// natural is the width a column would like; follow-up rows of a stream are
// not known yet, so times and scores get what they can need.
func (w *tableWriter) natural(i int) int {
	n := width(string(w.cols[i].header()))
	for _, row := range w.pending {
		n = max(n, width(string(row[i].text)))
	}
	if w.cols[i].As == AsTime && w.opt.Format != FormatWide {
		n = max(n, len("59m ago"))
	}
	if w.cols[i].As == AsSeverity {
		n = max(n, 4)
	}
	return n
}

// empty tells whether a column has no value in any measured row.
func (w *tableWriter) empty(i int) bool {
	for _, row := range w.pending {
		if row[i].text != "-" {
			return false
		}
	}
	return true
}

// layout fits the columns to the terminal: first the score bar gives way, then
// the widest text columns shrink, then whole columns go.
func (w *tableWriter) layout(total int) {
	w.widths = make([]int, len(w.cols))
	score := -1
	for i, c := range w.cols {
		w.widths[i] = w.natural(i)
		if c.As == AsScore {
			score = i
		}
	}
	if score >= 0 {
		comfortable := 0
		for i, c := range w.cols {
			n := w.widths[i]
			if c.Min > 0 {
				n = min(n, max(c.Min*3/2, 12))
			}
			comfortable += n + len(gap)
		}
		for _, bar := range []int{10, 5, 0} {
			if w.bar = bar; comfortable+bar <= total {
				break
			}
		}
		w.digits = 2
		for _, row := range w.pending {
			w.digits = min(max(w.digits, width(string(row[score].text))), 6)
		}
		if w.bar > 0 {
			w.widths[score] = max(w.widths[score], w.digits+len(gap)+w.bar)
		}
	}
	for {
		over := -len(gap) - total
		for _, n := range w.widths {
			if n > 0 {
				over += n + len(gap)
			}
		}
		if over <= 0 {
			return
		}
		// What says nothing goes first, then the rest makes room.
		drop := w.droppable(w.empty)
		if drop < 0 {
			if w.shrink(over) {
				return
			}
			if drop = w.droppable(func(int) bool { return true }); drop < 0 {
				return // rows are cut at the edge
			}
		}
		w.widths[drop] = 0
		for i := range w.cols { // give the room back before shrinking again
			if w.widths[i] > 0 && i != score {
				w.widths[i] = w.natural(i)
			}
		}
	}
}

// droppable is the column to go next among those that qualify, -1 for none.
func (w *tableWriter) droppable(qualifies func(int) bool) int {
	drop := -1
	for i, c := range w.cols {
		if w.widths[i] > 0 && c.Drop > 0 && qualifies(i) && (drop < 0 || c.dropOrder() > w.cols[drop].dropOrder()) {
			drop = i
		}
	}
	return drop
}

// dropOrder is Drop, with the reference last: it is what the next command needs.
func (c Column) dropOrder() int {
	if c.As == AsRef {
		return 0
	}
	return c.Drop
}

// shrink takes over cells from the widest columns that can be cut; it tells
// whether that was possible, and changes nothing when it was not.
func (w *tableWriter) shrink(over int) bool {
	room := 0
	for i, c := range w.cols {
		if c.Min > 0 && w.widths[i] > c.Min {
			room += w.widths[i] - c.Min
		}
	}
	if room < over {
		return false
	}
	for ; over > 0; over-- {
		widest := -1
		for i, c := range w.cols {
			if c.Min > 0 && w.widths[i] > c.Min && (widest < 0 || w.widths[i] > w.widths[widest]) {
				widest = i
			}
		}
		w.widths[widest]--
	}
	return true
}

func (w *tableWriter) appendHeader(b []byte) []byte {
	pal := w.ios.OutPalette()
	texts := make([]string, len(w.cols))
	for i, c := range w.cols {
		texts[i] = w.ios.Show(c.header())
	}
	return w.appendLine(b, pal, func(i int) (string, string) { return texts[i], "1" })
}

func (w *tableWriter) appendRow(b []byte, row []cell) []byte {
	return w.appendLine(b, w.ios.OutPalette(), func(i int) (string, string) {
		c := row[i]
		text := string(c.text)
		if w.cols[i].As == AsScore {
			text = strings.Repeat(" ", max(w.digits-width(text), 0)) + text
			if bar := scoreBar(c.num, w.bar, w.ios.Unicode()); bar != "" {
				text += gap + bar
			}
		}
		return text, c.sgr
	})
}

// appendLine writes the visible columns, each padded but the last.
func (w *tableWriter) appendLine(b []byte, pal iostreams.Palette, get func(int) (text, sgr string)) []byte {
	last := len(w.cols) - 1
	for last > 0 && w.widths[last] == 0 {
		last--
	}
	left := w.ios.OutWidth()
	for i, c := range w.cols {
		if w.widths[i] == 0 || left <= 0 {
			continue
		}
		text, sgr := get(i)
		n := min(w.widths[i], left)
		if c.As == AsPath && !prose(text) || c.As == AsRef {
			text = cutMiddle(text, n, w.ios.Unicode())
		} else {
			text = cutEnd(text, n, w.ios.Unicode())
		}
		pad := max(n-width(text), 0)
		right := c.As == AsNumber || c.As == AsSize
		if right {
			b = append(b, strings.Repeat(" ", pad)...)
		}
		b = append(b, pal.SGR(sgr, text)...)
		if left -= n; i == last {
			continue
		}
		if right {
			pad = 0
		}
		if pad = min(pad+len(gap), pad+left); pad > 0 {
			b = append(b, strings.Repeat(" ", pad)...)
		}
		left -= len(gap)
	}
	return append(trimRight(b), '\n')
}

// trimRight takes blanks off the end of the last line.
func trimRight(b []byte) []byte {
	for len(b) > 0 && b[len(b)-1] == ' ' {
		b = b[:len(b)-1]
	}
	return b
}

// tsvWriter writes a table for a pipe: nothing cut, no header.
type tsvWriter struct {
	base
	cols []Column
	get  []getter
}

func (w *tsvWriter) Write(rec any) error {
	if w.get == nil {
		w.get = getters(w.opt.Kind, w.cols)
	}
	v := addressable(rec)
	if !v.IsValid() {
		return nil
	}
	b := w.buf[:0]
	for i, g := range w.get {
		if i > 0 {
			b = append(b, '\t')
		}
		b = append(b, safe(g.text(v))...)
	}
	w.buf = append(b, '\n')
	return w.emit(w.buf)
}

// One writes a line for every field that has a value: its dotted name and it.
func (w *tsvWriter) One(rec any) error {
	if d, ok := rec.(*Document); ok {
		if err := w.oneDocument(d, true); err != nil {
			return err
		}
		return w.Flush()
	}
	v := addressable(rec)
	names := w.opt.Columns
	if len(names) == 0 {
		names = leafColumns(w.opt.Kind)
	}
	b := w.buf[:0]
	for _, g := range getters(w.opt.Kind, namedColumns(names)) {
		text := g.text(v)
		if text == "" && len(w.opt.Columns) == 0 || g.name == "raw" && !w.opt.Raw {
			continue
		}
		b = append(append(append(b, g.name...), '\t'), safe(text)...)
		b = append(b, '\n')
	}
	if err := w.emit(b); err != nil {
		return err
	}
	return w.Flush()
}

func (w *tsvWriter) Close() error { return w.Flush() }

// leafColumns are the fields without the objects that only hold others.
func leafColumns(k Kind) []string {
	names := k.ColumnNames()
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool {
		return slices.ContainsFunc(names, func(o string) bool { return strings.HasPrefix(o, n+".") })
	})
}

func namedColumns(names []string) []Column {
	out := make([]Column, len(names))
	for i, n := range names {
		out[i].Name = n
	}
	return out
}

// addressable gives the struct behind a record, so that its address can be
// taken; the invalid Value for nil.
func addressable(rec any) reflect.Value {
	v := reflect.ValueOf(rec)
	if v.Kind() == reflect.Struct {
		p := reflect.New(v.Type())
		p.Elem().Set(v)
		return p.Elem()
	}
	return deref(v)
}
