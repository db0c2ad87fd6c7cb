package ui

import (
	"cmp"
	"math"
	"slices"

	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/tui/theme"
)

// Column is one column of a table over rows of T.
type Column[T any] struct {
	ID, Title string
	Width     int  // wanted
	Min       int  // least that makes sense; 0 = Width
	Flex      bool // takes what is left
	Right     bool // numbers
	Prio      int  // columns of low priority go first when there is no room
	Cell      func(t *theme.Theme, row T, w int) (theme.Style, safetext.Display)
	Compare   func(a, b T) int // ascending; nil: not sortable
	Down      bool             // the natural order is downwards
}

// Table is a virtual table: of all its rows only those in the window are
// drawn. The cursor follows its row by key when rows come and go.
type Table[T any] struct {
	Columns []Column[T]
	Key     func(T) string
	Marker  func(t *theme.Theme, row T) (theme.Style, string) // one column in front; nil: none

	rows   []T
	cursor int
	offset int
	height int
	marks  map[string]bool
	anchor string // where a range begins
	layout []placed
	laidW  int
	drawn  map[string]string
	drawnT *theme.Theme
	drawnW int
}

type placed struct{ col, x, w int }

// Rows are all rows, in order. They must not be changed.
func (t *Table[T]) Rows() []T { return t.rows }

// Len is how many rows there are.
func (t *Table[T]) Len() int { return len(t.rows) }

// Cursor is the index of the selected row.
func (t *Table[T]) Cursor() int { return t.cursor }

// Offset is the first row of the window.
func (t *Table[T]) Offset() int { return t.offset }

// Current is the selected row.
func (t *Table[T]) Current() (T, bool) {
	if t.cursor < 0 || t.cursor >= len(t.rows) {
		var zero T
		return zero, false
	}
	return t.rows[t.cursor], true
}

// SetRows replaces the rows. The cursor stays on the row it was on, and that
// row on its line of the screen; when the row is gone, on its place. find
// tells where the row with the key is now, -1 when it is not there; nil
// searches.
func (t *Table[T]) SetRows(rows []T, find func(key string) int) {
	cur, had := t.Current()
	line := t.cursor - t.offset
	t.rows = rows
	if had {
		key := t.Key(cur)
		var at int
		if find != nil {
			at = find(key)
		} else {
			at = slices.IndexFunc(rows, func(r T) bool { return t.Key(r) == key })
		}
		if at >= 0 {
			t.cursor = at
			t.offset = at - line
		}
	}
	t.clamp()
}

// Refresh forgets drawn lines: rows changed in place.
func (t *Table[T]) Refresh() { t.drawn = nil }

func (t *Table[T]) clamp() {
	t.cursor = max(0, min(t.cursor, len(t.rows)-1))
	if t.height > 0 {
		t.offset = max(t.offset, t.cursor-t.height+1)
		t.offset = min(t.offset, t.cursor)
		t.offset = max(0, min(t.offset, len(t.rows)-t.height))
	}
}

// Move moves the cursor by n rows.
func (t *Table[T]) Move(n int) { t.Select(t.cursor + n) }

// Select puts the cursor on row i.
func (t *Table[T]) Select(i int) {
	t.cursor = i
	t.clamp()
}

// Page is how many rows the window shows.
func (t *Table[T]) Page() int { return max(1, t.height) }

// Scroll moves the window, and the cursor only as far as it must.
func (t *Table[T]) Scroll(n int) {
	t.offset = max(0, min(t.offset+n, len(t.rows)-t.height))
	t.cursor = max(t.offset, min(t.cursor, t.offset+max(t.height, 1)-1))
	t.clamp()
}

// Mark turns the mark of the current row round, and remembers it as the begin
// of a range.
func (t *Table[T]) Mark() {
	if r, ok := t.Current(); ok {
		k := t.Key(r)
		t.setMark(k, !t.marks[k])
		t.anchor = k
	}
}

// MarkRange marks from the last marked row to the current one.
func (t *Table[T]) MarkRange() {
	at := slices.IndexFunc(t.rows, func(r T) bool { return t.Key(r) == t.anchor })
	if at < 0 {
		t.Mark()
		return
	}
	for i := min(at, t.cursor); i <= max(at, t.cursor); i++ {
		t.setMark(t.Key(t.rows[i]), true)
	}
}

// MarkAll marks every row, or none when all are marked.
func (t *Table[T]) MarkAll() {
	if len(t.marks) >= len(t.rows) && len(t.rows) > 0 {
		t.ClearMarks()
		return
	}
	t.drawn = nil
	t.marks = make(map[string]bool, len(t.rows))
	for _, r := range t.rows {
		t.marks[t.Key(r)] = true
	}
}

func (t *Table[T]) setMark(key string, on bool) {
	if t.marks == nil {
		t.marks = map[string]bool{}
	}
	if on {
		t.marks[key] = true
	} else {
		delete(t.marks, key)
	}
	delete(t.drawn, key)
}

// ClearMarks takes all marks away.
func (t *Table[T]) ClearMarks() { t.marks, t.drawn = nil, nil }

// Marks is how many rows are marked.
func (t *Table[T]) Marks() int { return len(t.marks) }

// Chosen gives the marked rows, in order; without marks the current one.
func (t *Table[T]) Chosen() []T {
	var out []T
	if len(t.marks) > 0 {
		for _, r := range t.rows {
			if t.marks[t.Key(r)] {
				out = append(out, r)
			}
		}
	}
	if len(out) == 0 {
		if r, ok := t.Current(); ok {
			out = append(out, r)
		}
	}
	return out
}

// ColumnAt is the column drawn at x, "" when there is none.
func (t *Table[T]) ColumnAt(x int) string {
	for _, p := range t.layout {
		if x >= p.x && x < p.x+p.w {
			return t.Columns[p.col].ID
		}
	}
	return ""
}

// place fits the columns into w: those of least priority go first, then what
// is left goes to the flexible ones.
func (t *Table[T]) place(w int) {
	if t.laidW == w && t.layout != nil {
		return
	}
	t.laidW = w
	left := 1
	if t.Marker != nil {
		left = 3
	}
	shown := make([]int, 0, len(t.Columns))
	for i := range t.Columns {
		shown = append(shown, i)
	}
	least := func(i int) int { return cmp.Or(t.Columns[i].Min, t.Columns[i].Width) }
	total := func(size func(int) int) int {
		n := left
		for _, i := range shown {
			n += size(i) + 1
		}
		return n
	}
	// What is nice to have goes so that the flexible columns keep the width
	// they want; what matters goes only when nothing else helps.
	comfort := func(i int) int {
		if t.Columns[i].Flex {
			return t.Columns[i].Width
		}
		return least(i)
	}
	drop := func(size func(int) int, below int) {
		for len(shown) > 1 && total(size) > w {
			low := 0
			for k, i := range shown {
				if t.Columns[i].Prio <= t.Columns[shown[low]].Prio {
					low = k
				}
			}
			if t.Columns[shown[low]].Prio >= below {
				return
			}
			shown = slices.Delete(shown, low, low+1)
		}
	}
	drop(comfort, niceToHave)
	drop(least, math.MaxInt)
	widths := map[int]int{}
	for _, i := range shown {
		widths[i] = least(i)
	}
	room := w - total(func(i int) int { return widths[i] })
	for _, flex := range []bool{true, false} { // first up to what is wanted, …
		for _, i := range shown {
			if t.Columns[i].Flex == flex {
				more := max(0, min(room, t.Columns[i].Width-widths[i]))
				widths[i] += more
				room -= more
			}
		}
	}
	var flex []int
	for _, i := range shown {
		if t.Columns[i].Flex {
			flex = append(flex, i)
		}
	}
	for k, i := range flex { // … then all the rest
		more := max(0, room) / (len(flex) - k)
		widths[i] += more
		room -= more
	}
	t.layout = t.layout[:0]
	x := left
	for _, i := range shown {
		t.layout = append(t.layout, placed{i, x, max(0, min(widths[i], w-x))})
		x += widths[i] + 1
	}
}

// niceToHave is the priority below which a column gives way to the flexible
// ones.
const niceToHave = 50

// Relayout places the columns again: they changed.
func (t *Table[T]) Relayout() { t.layout, t.laidW, t.drawn = nil, 0, nil }

// Header draws the line of titles.
func (t *Table[T]) Header(th *theme.Theme, w int, sort string, down bool) string {
	t.place(w)
	l := NewLine(th, w, "")
	for _, p := range t.layout {
		c := t.Columns[p.col]
		l.To(p.x)
		st, title := th.Head, safetext.Display(c.Title)
		if c.ID == sort {
			st = th.HeadSort
			arrow := th.Glyphs.Up
			if down {
				arrow = th.Glyphs.Down
			}
			title = Cut(title, p.w-1, "") + safetext.Display(arrow)
			if c.Right {
				l.Space(p.w - Width(title))
			}
			l.Glyph(st, string(title))
			continue
		}
		l.Cell(st, title, p.w, c.Right)
	}
	return l.String()
}

// Draw draws the window: exactly h lines of w columns.
func (t *Table[T]) Draw(th *theme.Theme, w, h int, focused bool) []string {
	t.place(w)
	t.height = max(h, 0)
	t.clamp()
	if t.drawn == nil || t.drawnT != th || t.drawnW != w || len(t.drawn) > 8*max(h, 64) {
		t.drawn, t.drawnT, t.drawnW = map[string]string{}, th, w
	}
	lines := make([]string, 0, h)
	for i := t.offset; i < min(len(t.rows), t.offset+h); i++ {
		row := t.rows[i]
		if i == t.cursor {
			ground := th.Selected
			if !focused {
				ground = th.SelectedDim
			}
			lines = append(lines, t.row(th, row, w, ground))
			continue
		}
		key := t.Key(row)
		s, ok := t.drawn[key]
		if !ok {
			s = t.row(th, row, w, "")
			t.drawn[key] = s
		}
		lines = append(lines, s)
	}
	return Fill(lines, w, h)
}

func (t *Table[T]) row(th *theme.Theme, row T, w int, ground theme.Style) string {
	l := NewLine(th, w, ground)
	if t.Marker != nil {
		marked := " "
		if t.marks[t.Key(row)] {
			marked = th.Glyphs.Check
		}
		l.Glyph(th.Marked, marked)
		st, g := t.Marker(th, row)
		l.Glyph(st, g)
	}
	for _, p := range t.layout {
		l.To(p.x)
		c := &t.Columns[p.col]
		st, d := c.Cell(th, row, p.w)
		l.Cell(st, d, p.w, c.Right)
	}
	return l.String()
}

// Position says where the window is, for a status line.
func (t *Table[T]) Position() (first, last, total int) {
	if len(t.rows) == 0 {
		return 0, 0, 0
	}
	return t.offset + 1, min(len(t.rows), t.offset+t.height), len(t.rows)
}
