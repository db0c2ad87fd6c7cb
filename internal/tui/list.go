package tui

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/tui/keys"
	"github.com/edrctl/edrctl/internal/tui/theme"
	"github.com/edrctl/edrctl/internal/tui/ui"
)

// listCap is how many records one list reads; with more it says so.
const listCap = 20_000

// listView is a list of records that is read once, shown as it comes, and
// read again on demand: events, hosts, processes, carves, hits.
type listView[T model.Record] struct {
	viewCore
	label  string // breadcrumb
	called string // name in the palette
	what   string // one record: "event"
	cmd    func(s *shell) string
	read   func(ctx context.Context, s *shell, each func(T) bool) ([]ops.Outcome, error)
	enter  func(s *shell, r T) tea.Cmd
	head   func(s *shell, w int, all []T) string // a line above the table, nil: none
	note   safetext.Display                      // said when there is nothing
	tips   []hint                                // the keys that matter here, when they are others than usual
	poll   func(all []T) bool                    // whether something of it still changes by itself; nil: nothing does

	table    ui.Table[T]
	all      []T
	index    map[string]int
	sort     string
	down     bool
	expr     filter.Expr
	since    time.Time // the window that is read, where the list has one of its own
	until    time.Time
	fixed    []T // given, not read
	isFixed  bool
	outcomes []ops.Outcome
	err      error
	cut      bool
	loaded   bool
	touched  bool
}

func newList[T model.Record](label, called, what string, columns []ui.Column[T]) *listView[T] {
	v := &listView[T]{label: label, called: called, what: what}
	v.table = ui.Table[T]{
		Columns: columns,
		Key:     func(r T) string { return recordKey(r) },
		Marker:  func(*theme.Theme, T) (theme.Style, string) { return "", " " },
	}
	return v
}

// recordKey is what a row is known by.
func recordKey(r model.Record) string {
	if h, ok := r.(*model.Hit); ok {
		return h.Profile + "\x00" + h.Key()
	}
	if p, ok := r.(*model.Process); ok && p.ID == "" {
		return p.Profile + "\x00" + p.UID + "\x00" + p.Path + "\x00" + p.Started.String()
	}
	return refOf(r)
}

func (v *listView[T]) title() string                    { return v.label }
func (v *listView[T]) name() string                     { return v.called }
func (v *listView[T]) window() (since, until time.Time) { return v.since, v.until }
func (v *listView[T]) scopes() []keys.Scope             { return []keys.Scope{keys.List, keys.Views} }

// batchIn is a part of what is read.
type batchIn[T any] struct{ rows []T }

// readDone ends the reading.
type readDone struct {
	outcomes []ops.Outcome
	err      error
	cut      bool
}

func (v *listView[T]) open(s *shell) tea.Cmd {
	v.all, v.index, v.loaded, v.err, v.outcomes, v.cut = nil, map[string]int{}, false, nil, nil, false
	if v.isFixed {
		v.take(v.fixed)
		v.loaded = true
		return nil
	}
	id, gen := v.id, v.gen
	return s.do(v, "reading "+v.what+"s", func(ctx context.Context) any {
		var batch []T
		n := 0
		var done readDone
		flush := func() bool {
			b := batch
			batch = nil
			return len(b) == 0 || s.pump.put(answer{view: id, gen: gen, msg: batchIn[T]{b}}, len(b))
		}
		done.outcomes, done.err = v.read(ctx, s, func(r T) bool {
			if n == listCap {
				done.cut = true
				return false
			}
			n++
			batch = append(batch, r)
			if n == 50 || len(batch) >= 500 {
				return flush()
			}
			return ctx.Err() == nil
		})
		if done.err == nil && ctx.Err() != nil {
			done.err = ctx.Err()
		}
		if !flush() {
			return done
		}
		// The end goes the way the records went, so that it comes last.
		s.pump.put(answer{view: id, gen: gen, msg: done}, 1)
		return nil
	})
}

func (v *listView[T]) update(s *shell, msg any) tea.Cmd {
	switch m := msg.(type) {
	case batchIn[T]:
		v.take(m.rows)
	case pollNow:
		return v.reread(s)
	case readAgain[T]:
		if m.err == nil {
			v.all, v.index, v.outcomes = nil, map[string]int{}, m.outcomes
			v.take(m.rows)
		}
		return v.again(s)
	case readDone:
		v.loaded, v.outcomes, v.err, v.cut = true, m.outcomes, m.err, m.cut
		if len(v.all) == 0 {
			v.project() // what was there before is there no more
		}
		if m.err != nil && !errors.Is(m.err, context.Canceled) {
			s.fail("reading "+v.what+"s", m.err)
		}
		bad, unable := 0, 0
		var first ops.Outcome
		for _, o := range m.outcomes {
			if ops.NeedsLogin(o.Err) {
				s.requireLogin(o.Profile, o.Err)
			}
			switch {
			case o.Err == nil:
			case ops.Unable(o.Err):
				unable++
			default:
				if bad == 0 {
					first = o
				}
				bad++
			}
		}
		if bad > 0 {
			s.fail(first.Profile, first.Err)
		}
		return v.again(s)
	case failed:
		v.loaded, v.err = true, m.err
		s.fail(m.what, m.err)
	}
	return nil
}

// pollEvery is how often what changes by itself is read again.
const pollEvery = 3 * time.Second

type (
	pollNow          struct{}
	readAgain[T any] struct {
		rows     []T
		outcomes []ops.Outcome
		err      error
	}
)

// again waits a little and asks for another look, while something changes.
func (v *listView[T]) again(s *shell) tea.Cmd {
	if v.poll == nil || s.app.opt.Manual || !v.poll(v.all) {
		return nil
	}
	id, gen, ctx := v.id, v.gen, v.ctx
	return func() tea.Msg {
		t := time.NewTimer(pollEvery)
		defer t.Stop()
		select {
		case <-t.C:
			return answer{view: id, gen: gen, msg: pollNow{}}
		case <-ctx.Done():
			return nil
		}
	}
}

// reread reads it all again, quietly: what is shown stays until it is there.
func (v *listView[T]) reread(s *shell) tea.Cmd {
	if top := s.app.top(); top == nil || top.core() != &v.viewCore {
		return v.again(s)
	}
	id, gen, ctx := v.id, v.gen, v.ctx
	return func() tea.Msg {
		var m readAgain[T]
		m.outcomes, m.err = v.read(ctx, s, func(r T) bool {
			m.rows = append(m.rows, r)
			return len(m.rows) < listCap && ctx.Err() == nil
		})
		return answer{view: id, gen: gen, msg: m}
	}
}

// failedOn tells whether a profile did not answer for want of a login.
func (v *listView[T]) failedOn(profile string) bool {
	for _, o := range v.outcomes {
		if o.Profile == profile && ops.NeedsLogin(o.Err) {
			return true
		}
	}
	return false
}

func (v *listView[T]) take(rows []T) {
	for _, r := range rows {
		k := recordKey(r)
		if i, dup := v.index[k]; dup && k != "" {
			v.all[i] = r
			continue
		}
		v.index[k] = len(v.all)
		v.all = append(v.all, r)
	}
	v.project()
}

func (v *listView[T]) project() {
	rows := make([]T, 0, len(v.all))
	for _, r := range v.all {
		if v.expr.Empty() || v.expr.Match(r) {
			rows = append(rows, r)
		}
	}
	if i := slices.IndexFunc(v.table.Columns, func(c ui.Column[T]) bool { return c.ID == v.sort }); i >= 0 {
		by, down := v.table.Columns[i].Compare, v.down
		slices.SortStableFunc(rows, func(a, b T) int {
			if down {
				return by(b, a)
			}
			return by(a, b)
		})
	}
	v.table.Refresh()
	v.table.SetRows(rows, nil)
	if !v.touched {
		v.table.Select(0)
	}
}

func (v *listView[T]) setFilter(s *shell, line string) tea.Cmd {
	e, err := s.parseFilter(line)
	if err != nil {
		s.fail("filter", err)
		return nil
	}
	v.expr = e
	v.project()
	return nil
}

func (v *listView[T]) key(s *shell, a keys.Action, _ string) (tea.Cmd, bool) {
	if moveKey(&v.table, a) {
		v.touched = true
		return nil, true
	}
	switch a {
	case keys.Filter:
		filterPrompt(s, v, v.expr.String())
	case keys.Back:
		switch {
		case v.table.Marks() > 0:
			v.table.ClearMarks()
		case !v.expr.Empty():
			v.expr = filter.Expr{}
			v.project()
		default:
			return nil, false
		}
	case keys.Mark:
		v.table.Mark()
		v.table.Move(1)
		v.touched = true
	case keys.MarkRange:
		v.table.MarkRange()
	case keys.MarkAll:
		v.table.MarkAll()
	case keys.SortNext, keys.SortPrev:
		by := 1
		if a == keys.SortPrev {
			by = -1
		}
		v.sortBy(by)
	case keys.SortTurn:
		v.down = !v.down
		v.project()
	case keys.Open, keys.Right:
		r, ok := v.table.Current()
		if !ok {
			return nil, true
		}
		if v.enter != nil {
			return v.enter(s, r), true
		}
		if a == keys.Right {
			return nil, false
		}
		return s.push(newRecord(r)), true
	case keys.Tree, keys.Events, keys.Host, keys.Pivot, keys.Raw:
		r, ok := v.table.Current()
		if !ok {
			s.warn(safetext.Display("select a line first"))
			return nil, true
		}
		return drill(s, a, r), true
	case keys.Hunt:
		s.huntSelection(v.selection())
		return nil, true
	default:
		return nil, false
	}
	return nil, true
}

func (v *listView[T]) sortBy(step int) {
	var ids []int
	at := -1
	for i, c := range v.table.Columns {
		if c.Compare == nil {
			continue
		}
		if c.ID == v.sort {
			at = len(ids)
		}
		ids = append(ids, i)
	}
	if len(ids) == 0 {
		return
	}
	c := v.table.Columns[ids[(at+step+len(ids))%len(ids)]]
	v.sort, v.down = c.ID, c.Down
	v.project()
}

func (v *listView[T]) top() int {
	if v.head != nil {
		return 2
	}
	return 1
}

func (v *listView[T]) mouse(s *shell, m mouse) tea.Cmd {
	switch {
	case m.wheel != 0:
		v.touched = true
		v.table.Scroll(m.wheel)
	case m.click && m.y == v.top()-1:
		if id := v.table.ColumnAt(m.x); id != "" {
			i := slices.IndexFunc(v.table.Columns, func(c ui.Column[T]) bool { return c.ID == id })
			if v.table.Columns[i].Compare == nil {
				return nil
			}
			if v.sort == id {
				v.down = !v.down
			} else {
				v.sort, v.down = id, v.table.Columns[i].Down
			}
			v.project()
		}
	case m.click:
		if i := v.table.Offset() + m.y - v.top(); m.y >= v.top() && i < v.table.Len() {
			v.table.Select(i)
			v.touched = true
			if m.double {
				cmd, _ := v.key(s, keys.Open, "")
				return cmd
			}
		}
	}
	return nil
}

func (v *listView[T]) draw(s *shell, w, h int) []string {
	t := s.theme
	var lines []string
	if v.head != nil {
		lines = append(lines, v.head(s, w, v.all))
	}
	lines = append(lines, v.table.Header(t, w, v.sort, v.down))
	lines = append(lines, v.table.Draw(t, w, h-len(lines), true)...)
	if v.table.Len() == 0 && h > v.top()+3 {
		for i, d := range v.why(s, w-4) {
			if y := v.top() + 1 + i; y < h {
				lines[y] = ui.NewLine(t, w, "").Space(2).Put(t.Dim, d).String()
			}
		}
	}
	return lines
}

// why says why the list is empty.
func (v *listView[T]) why(s *shell, w int) []safetext.Display {
	switch {
	case !v.loaded:
		return []safetext.Display{safetext.Sprintf("reading %ss…", v.what)}
	case len(v.all) > 0:
		return []safetext.Display{safetext.Sprintf("none of %s matches; esc clears the filter", count(len(v.all), v.what))}
	}
	out := []safetext.Display{safetext.Sprintf("no %ss", v.what)}
	if v.note != "" {
		out[0] = v.note
	}
	if v.err != nil {
		out = append(out, ui.Wrap(safetext.Text(v.err.Error()), w)...)
	}
	for _, o := range v.outcomes {
		if o.Err != nil {
			out = append(out, ui.Wrap(safetext.Sprintf("%s: %s", o.Profile, o.Err), w)...)
		}
	}
	_ = s
	return out
}

func (v *listView[T]) selection() []model.Record {
	var out []model.Record
	for _, r := range v.table.Chosen() {
		out = append(out, r)
	}
	return out
}

func (v *listView[T]) command(s *shell) string {
	if v.cmd == nil {
		return ""
	}
	return strings.TrimSpace(v.cmd(s) + " " + v.expr.Filter.String())
}

func (v *listView[T]) hints(*shell) []hint {
	off := ""
	if v.table.Len() == 0 {
		off = "nothing is selected"
	}
	if v.tips != nil {
		return v.tips
	}
	return []hint{{action: keys.Open, off: off}, {action: keys.Tree, off: off}, {action: keys.Events, off: off}, {action: keys.Host, off: off}, {action: keys.Mark, off: off}, {action: keys.Back}}
}

func (v *listView[T]) status(*shell) safetext.Display {
	d := safetext.Display(count(v.table.Len(), v.what))
	if len(v.all) != v.table.Len() {
		d = safetext.Sprintf("%d of %s", v.table.Len(), count(len(v.all), v.what))
	}
	if v.cut {
		d += safetext.Display(" · cut here")
	}
	if n := v.table.Marks(); n > 0 {
		d += safetext.Sprintf(" · %s", count(n, "marked"))
	}
	bad := 0
	for _, o := range v.outcomes {
		if o.Err != nil && !ops.Unable(o.Err) {
			bad++
		}
	}
	if bad > 0 {
		d += safetext.Sprintf(" · %s not answered", count(bad, "profile"))
	}
	return d
}
