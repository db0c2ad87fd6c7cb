package tui

import (
	"slices"

	tea "charm.land/bubbletea/v2"

	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/tui/keys"
	"github.com/edrctl/edrctl/internal/tui/ui"
)

// mover is what keys of movement act on.
type mover interface {
	Move(n int)
	Select(i int)
	Page() int
	Len() int
}

// moveKey does the movement of a key; false when it is none.
func moveKey(t mover, a keys.Action) bool {
	switch a {
	case keys.Up:
		t.Move(-1)
	case keys.Down:
		t.Move(1)
	case keys.Top:
		t.Select(0)
	case keys.Bottom:
		t.Select(t.Len() - 1)
	case keys.PageUp:
		t.Move(-t.Page())
	case keys.PageDown:
		t.Move(t.Page())
	case keys.HalfUp:
		t.Move(-max(1, t.Page()/2))
	case keys.HalfDown:
		t.Move(max(1, t.Page()/2))
	default:
		return false
	}
	return true
}

func (v *alertsView) key(s *shell, a keys.Action, _ string) (tea.Cmd, bool) {
	defer v.remember(s)
	if v.grouped() {
		if moveKey(&v.groups, a) {
			return nil, true
		}
		switch a {
		case keys.Open, keys.Right:
			if g, ok := v.groups.Current(); ok {
				v.inside = g.name
				v.touched = false
				cmd := v.rebuild(s)
				v.table.Select(0)
				return cmd, true
			}
			return nil, true
		case keys.Mark, keys.MarkRange, keys.MarkAll, keys.SortNext, keys.SortPrev, keys.SortTurn:
			s.warn("open a group first")
			return nil, true
		}
	} else if moveKey(&v.table, a) {
		v.touched = true
		v.look()
		return nil, true
	}
	if cmd, ok := v.filterKey(s, a); ok {
		return cmd, true
	}
	switch a {
	case keys.Open:
		if r, ok := v.table.Current(); ok {
			v.touched = true
			r.fresh = false
			return s.push(newAlert(r.a)), true
		}
	case keys.Back:
		return v.back(s)
	case keys.Mark:
		v.table.Mark()
		v.touched = true
		v.table.Move(1)
	case keys.MarkRange:
		v.touched = true
		v.table.MarkRange()
	case keys.MarkAll:
		v.table.MarkAll()
	case keys.SortNext, keys.SortPrev:
		by := 1
		if a == keys.SortPrev {
			by = -1
		}
		i := slices.IndexFunc(v.table.Columns, func(c ui.Column[*row]) bool { return c.ID == v.sort })
		n := len(v.table.Columns)
		v.sort = v.table.Columns[(i+by+n)%n].ID
		v.down = v.column().Down
		return v.rebuild(s), true
	case keys.SortTurn:
		v.down = !v.down
		return v.rebuild(s), true
	case keys.Tree, keys.Events, keys.Host, keys.Pivot, keys.Hunt, keys.Raw:
		r, ok := v.table.Current()
		if !ok || v.grouped() {
			s.warn("select an alert first")
			return nil, true
		}
		r.fresh = false
		if a == keys.Hunt {
			s.huntSelection(v.selection())
			return nil, true
		}
		return drill(s, a, r.a), true
	default:
		return nil, false
	}
	return nil, true
}

// back clears what is there to clear, from the nearest; false: leave.
func (v *alertsView) back(s *shell) (tea.Cmd, bool) {
	switch {
	case v.table.Marks() > 0:
		v.table.ClearMarks()
	case v.inside != "":
		v.inside = ""
		return v.rebuild(s), true
	case !v.expr.Empty() || v.quick != (quick{}):
		v.expr, v.quick = filter.Expr{}, quick{}
		return v.rebuild(s), true
	case v.group != "":
		v.group = ""
		return v.rebuild(s), true
	default:
		return nil, false
	}
	return nil, true
}

// filterKey does the keys that choose what is shown and how.
func (v *alertsView) filterKey(s *shell, a keys.Action) (tea.Cmd, bool) {
	switch a {
	case keys.Filter:
		filterPrompt(s, v, v.expr.String())
		return nil, true
	case keys.Critical:
		v.quick.severity = model.SeverityCritical
	case keys.High:
		v.quick.severity = model.SeverityHigh
	case keys.Medium:
		v.quick.severity = model.SeverityMedium
	case keys.AnySev:
		v.quick.severity = ""
	case keys.Backend:
		v.quick.backend = next(backendsOf(s), v.quick.backend)
	case keys.Status:
		v.quick.status = next([]model.Status{model.StatusOpen, model.StatusClosed, model.StatusDismissed, model.StatusUnknown}, v.quick.status)
	case keys.ThisHost:
		if v.quick.host != "" {
			v.quick.host = ""
		} else if r, ok := v.table.Current(); ok && !v.grouped() {
			v.quick.host = hostName(r.a.Host)
		}
	case keys.Group:
		v.inside = ""
		v.group = groupings[(slices.Index(groupings, v.group)+1)%len(groupings)]
	case keys.Live:
		v.live = !v.live
		n := v.waiting
		v.waiting, v.until = 0, s.store.seq
		if !v.live {
			s.warn("held: new alerts wait until w")
			return nil, true
		}
		s.notify(safetext.Sprintf("live again: %s", count(n, "new")))
	case keys.Preview:
		v.preview = !v.preview
		return nil, true
	case keys.Place:
		v.preview, v.below = true, !v.below
		return nil, true
	case keys.Shrink:
		v.preview = true
		v.share = max(15, v.share-4)
		return nil, true
	case keys.Grow:
		v.preview = true
		v.share = min(70, v.share+4)
		return nil, true
	default:
		return nil, false
	}
	return v.rebuild(s), true
}

// next gives the value after now, and the zero value after the last.
func next[T comparable](list []T, now T) T {
	var zero T
	i := slices.Index(list, now)
	if i+1 < len(list) {
		return list[i+1]
	}
	return zero
}

func backendsOf(s *shell) []string {
	var out []string
	for _, p := range s.svc.Profiles() {
		if !slices.Contains(out, p.Backend) {
			out = append(out, p.Backend)
		}
	}
	return out
}

// look takes the mark of newness from the row under the cursor.
func (v *alertsView) look() {
	if r, ok := v.table.Current(); ok && r.fresh {
		r.fresh = false
		v.unseen = max(0, v.unseen-1)
		v.table.Refresh()
	}
	if v.table.Cursor() == 0 {
		v.unseen = 0
	}
}

// drill opens what a key names of one record.
func drill(s *shell, a keys.Action, r model.Record) tea.Cmd {
	switch a {
	case keys.Tree:
		if v := treeFor(r); v != nil {
			return s.push(v)
		}
	case keys.Events:
		if v := eventsFor(s, r); v != nil {
			return s.push(v)
		}
	case keys.Host:
		if h := hostOf(r); h != nil && hostName(h) != "" {
			return s.push(newHost(h, r.GetOrigin().Profile))
		}
	case keys.Pivot:
		if h := hashOf(r); h != "" {
			return s.push(newHash(h))
		}
	case keys.Raw:
		if v := rawOf(s, r); v != nil {
			return s.push(v)
		}
	}
	s.warn(missing(a))
	return nil
}

func (v *alertsView) mouse(s *shell, m mouse) tea.Cmd {
	top := v.tableTop()
	switch {
	case m.end:
		v.dragging = false
	case m.drag && v.dragging:
		if v.below {
			v.share = max(15, min(70, (v.h-m.y)*100/max(1, v.h-2)))
		} else {
			v.share = max(15, min(70, (v.w-m.x)*100/max(1, v.w)))
		}
		v.remember(s)
	case m.wheel != 0:
		v.touched = true
		if v.grouped() {
			v.groups.Scroll(m.wheel)
		} else {
			v.table.Scroll(m.wheel)
		}
	case m.click:
		if v.split > 0 && (v.below && m.y == v.split || !v.below && m.x == v.split) {
			v.dragging = true
			return nil
		}
		if v.split > 0 && (v.below && m.y > v.split || !v.below && m.x > v.split) {
			if m.double {
				cmd, _ := v.key(s, keys.Open, "")
				return cmd
			}
			return nil
		}
		if m.y == top-1 && !v.grouped() {
			if id := v.table.ColumnAt(m.x); id != "" {
				if id == v.sort {
					v.down = !v.down
				} else {
					v.sort = id
					v.down = v.column().Down
				}
				v.remember(s)
				return v.rebuild(s)
			}
		}
		if m.y < top {
			return nil
		}
		t := mover(&v.table)
		offset := v.table.Offset()
		if v.grouped() {
			t, offset = &v.groups, v.groups.Offset()
		}
		if i := offset + m.y - top; i < t.Len() {
			t.Select(i)
			v.touched = true
			v.look()
			if m.double {
				cmd, _ := v.key(s, keys.Open, "")
				return cmd
			}
		}
	}
	return nil
}

func (v *alertsView) hints(*shell) []hint {
	if v.grouped() {
		return []hint{{action: keys.Open}, {action: keys.Group}, {action: keys.Back}}
	}
	none := ""
	if v.table.Len() == 0 {
		none = "there is no alert"
	}
	list := []hint{
		{action: keys.Open, off: none}, {action: keys.Tree, off: none}, {action: keys.Events, off: none},
		{action: keys.Act, off: none}, {action: keys.Mark, off: none},
	}
	if v.fixed != nil || v.inside != "" {
		list = append(list, hint{action: keys.Back})
	}
	return list
}

func (v *alertsView) status(s *shell) safetext.Display {
	if v.grouped() {
		return safetext.Sprintf("%s of %s", count(v.groups.Len(), "group"), count(v.table.Len(), "alert"))
	}
	d := safetext.Display(count(v.table.Len(), "alert"))
	if n := v.table.Marks(); n > 0 {
		d = safetext.Sprintf("%s %s", count(n, "marked"), "of "+string(d))
	}
	if v.waiting > 0 {
		d += safetext.Sprintf(" · %s held", count(v.waiting, "new"))
	} else if v.unseen > 0 {
		d += safetext.Sprintf(" · %s", count(v.unseen, "new"))
	}
	if loss := s.store.loss(); loss != "" {
		d += safetext.Display(" · ") + loss
	}
	return d
}
