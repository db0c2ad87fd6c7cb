package tui

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/shellquote"
	"github.com/edrctl/edrctl/internal/tui/keys"
	"github.com/edrctl/edrctl/internal/tui/theme"
	"github.com/edrctl/edrctl/internal/tui/ui"
)

// inlineRows is how many rows are filtered, sorted and counted within Update;
// more are done in a command, on a snapshot.
const inlineRows = 3_000

// quick is the filters of one key.
type quick struct {
	severity model.Severity // least; "" = any
	backend  string
	host     string
	status   model.Status
}

// groupings in the order z goes through them; "" = none.
var groupings = []string{"", "host", "rule", "technique"}

// alertsView is home: all alerts, live.
type alertsView struct {
	viewCore
	table  ui.Table[*row]
	groups ui.Table[*group]
	sort   string
	down   bool

	expr    filter.Expr
	quick   quick
	fixed   *scope // a list opened from somewhere else: only these
	group   string // grouping
	inside  string // the group that was opened
	live    bool
	until   uint64 // while live is off: rows that came later wait
	waiting int    // how many rows wait
	unseen  int    // fresh rows above or not looked at
	counts  [6]int

	preview  bool
	below    bool
	share    int // of the preview, per cent
	dragging bool
	split    int // where the border is: column or line
	touched  bool

	filtering bool          // a command filters
	late      []*row        // came meanwhile
	lateNew   map[*row]*row // rows renewed meanwhile
	groupedAt time.Time     // when the groups were last counted
}

// scope limits a list that was opened from another view.
type scope struct {
	title string
	match func(*model.Alert) bool
	flags string // of the command that shows the same
}

// group is one line of a grouped list.
type group struct {
	name   string
	n      int
	sev    [6]int
	worst  model.Severity
	risk   int
	newest model.Time
	hosts  map[string]bool
}

func newAlerts(s *shell) *alertsView {
	st := s.saved.alerts()
	v := &alertsView{sort: cmp.Or(st.Sort, "risk"), down: true, live: true, preview: !st.NoPreview, below: st.Below, share: st.Share}
	if st.Sort != "" {
		v.down = st.Down
	}
	if v.share < 15 || v.share > 70 {
		v.share = 34
	}
	v.table = ui.Table[*row]{
		Columns: alertColumns(s), Key: (*row).key,
		Marker: func(t *theme.Theme, r *row) (theme.Style, string) {
			switch {
			case r.fresh:
				return t.New, t.Glyphs.Dot
			case r.a.Status == model.StatusClosed || r.a.Status == model.StatusDismissed:
				return t.OK, t.Glyphs.Check
			}
			return "", " "
		},
	}
	if v.column() == nil {
		v.sort, v.down = "risk", true
	}
	v.groups = ui.Table[*group]{Columns: groupColumns(s), Key: func(g *group) string { return g.name }}
	if st.Filter != "" {
		if e, err := s.parseFilter(st.Filter); err == nil {
			v.expr = e
		}
	}
	return v
}

// newAlertsOf lists only some of the alerts.
func newAlertsOf(s *shell, sc scope) *alertsView {
	v := newAlerts(s)
	v.fixed = &sc
	v.expr = filter.Expr{}
	return v
}

func riskOf(a *model.Alert) int {
	if a.Risk == nil {
		return -1
	}
	return *a.Risk
}

func (v *alertsView) title() string {
	t := "alerts"
	if v.fixed != nil {
		t += " of " + v.fixed.title
	}
	if v.group != "" {
		t += " by " + v.group
	}
	if v.inside != "" {
		t += ": " + v.inside
	}
	return t
}

func (v *alertsView) name() string { return "alerts" }

func (v *alertsView) scopes() []keys.Scope {
	return []keys.Scope{keys.Alerts, keys.List, keys.Views}
}

func (v *alertsView) open(s *shell) tea.Cmd { return v.rebuild(s) }

// grouped tells whether the list of groups is shown.
func (v *alertsView) grouped() bool { return v.group != "" && v.inside == "" }

func (v *alertsView) column() *ui.Column[*row] {
	for i := range v.table.Columns {
		if v.table.Columns[i].ID == v.sort {
			return &v.table.Columns[i]
		}
	}
	return nil
}

// order compares two rows: by the sorted column, then newest first, then by
// reference. It is total, so that rows can be found by searching, and the same
// however they arrived.
func (v *alertsView) order() func(a, b *row) int {
	by, down := v.column().Compare, v.down
	return func(a, b *row) int {
		c := by(a, b)
		if down {
			c = -c
		}
		if c == 0 {
			c = b.a.Time.Compare(a.a.Time.Time)
		}
		if c == 0 {
			c = cmp.Compare(a.a.Ref, b.a.Ref)
		}
		return c
	}
}

// matcher is the predicate of all filters together.
func (v *alertsView) matcher() func(*row) bool {
	expr, q, fixed, by, inside := v.expr, v.quick, v.fixed, v.group, v.inside
	none := expr.Empty()
	return func(r *row) bool {
		a := r.a
		if q.severity != "" && a.Severity.Rank() < q.severity.Rank() ||
			q.backend != "" && a.Backend != q.backend ||
			q.host != "" && hostName(a.Host) != q.host ||
			q.status != "" && a.Status != q.status {
			return false
		}
		if fixed != nil && !fixed.match(a) {
			return false
		}
		if inside != "" && !slices.Contains(groupNames(a, by), inside) {
			return false
		}
		return none || expr.Match(a)
	}
}

// rebuilt is a filtered and sorted list made by a command.
type rebuilt struct {
	rows   []*row
	counts [6]int
}

func project(all []*row, matcher func(*row) bool, order func(a, b *row) int) ([]*row, [6]int) {
	return projectUntil(context.Background(), all, matcher, order)
}

// projectUntil gives nothing of use when ctx has ended: nobody waits for it then.
func projectUntil(ctx context.Context, all []*row, matcher func(*row) bool, order func(a, b *row) int) ([]*row, [6]int) {
	rows := make([]*row, 0, len(all)/2)
	var counts [6]int
	for i, r := range all {
		if i%1024 == 0 && ctx.Err() != nil {
			return nil, counts
		}
		if matcher(r) {
			rows = append(rows, r)
			counts[r.a.Severity.Rank()]++
		}
	}
	slices.SortFunc(rows, order)
	return rows, counts
}

// rebuild filters and sorts again.
func (v *alertsView) rebuild(s *shell) tea.Cmd {
	all, matcher, order := s.store.all, v.matcher(), v.order()
	if !v.live {
		was, until := matcher, v.until
		matcher = func(r *row) bool { return r.seq <= until && was(r) }
	}
	v.late, v.lateNew, v.groupedAt = nil, nil, time.Time{}
	if len(all) <= inlineRows {
		v.gen++
		v.busy, v.filtering = 0, false
		rows, counts := project(all, matcher, order)
		v.applyProjection(rows, counts)
		return v.regroup(s)
	}
	s.renew(v)
	v.filtering = true
	return s.do(v, "filtering", func(ctx context.Context) any {
		rows, counts := projectUntil(ctx, all, matcher, order)
		return rebuilt{rows, counts}
	})
}

func (v *alertsView) applyProjection(rows []*row, counts [6]int) {
	v.counts = counts
	order := v.order()
	at := v.table
	cur, had := at.Current()
	v.table.Refresh()
	v.table.SetRows(rows, func(key string) int {
		if !had || cur.key() != key {
			return -1
		}
		if i, ok := slices.BinarySearchFunc(rows, cur, order); ok {
			return i
		}
		// It changed, and may be elsewhere now.
		return slices.IndexFunc(rows, func(r *row) bool { return r.key() == key })
	})
}

// arrived takes rows in without moving what is under the cursor.
func (v *alertsView) arrived(s *shell, added []*row, changed bool) tea.Cmd {
	if !v.live {
		v.waiting += len(added)
		return nil
	}
	if v.filtering { // what the command makes has not seen them
		v.late = append(v.late, added...)
		if v.lateNew == nil {
			v.lateNew = map[*row]*row{}
		}
		maps.Copy(v.lateNew, s.store.renewed)
		return nil
	}
	v.take(s, added, s.store.renewed, changed)
	return v.regroup(s)
}

// take merges new rows into what is shown, puts renewed ones in the place of
// the old, and lets go what the store has let go.
func (v *alertsView) take(s *shell, added []*row, renewed map[*row]*row, changed bool) {
	matcher, order := v.matcher(), v.order()
	cur, had := v.table.Current()
	rows := v.table.Rows()
	var fresh []*row
	if changed {
		kept := make([]*row, 0, len(rows))
		for _, r := range rows {
			if renewed[r] != nil || s.store.gone(r) {
				v.counts[r.a.Severity.Rank()]--
				continue
			}
			kept = append(kept, r)
		}
		rows = kept
		for old, r := range renewed {
			// Of a row renewed twice only the last counts.
			if renewed[r] == nil && s.store.byRef[r.key()] == r && matcher(r) {
				fresh = append(fresh, r)
			}
			if had && old == cur {
				cur = s.store.byRef[r.key()]
				had = cur != nil
			}
		}
		v.table.Refresh()
	}
	for _, r := range added {
		if matcher(r) && renewed[r] == nil && !s.store.gone(r) {
			fresh = append(fresh, r)
			if r.fresh {
				v.unseen++
			}
		}
	}
	if len(fresh) == 0 && !changed {
		return
	}
	for _, r := range fresh {
		v.counts[r.a.Severity.Rank()]++
	}
	slices.SortFunc(fresh, order)
	atTop := v.table.Cursor() == 0 && !v.moved()
	merged := merge(rows, fresh, order)
	v.table.SetRows(merged, func(string) int {
		if had {
			if i, ok := slices.BinarySearchFunc(merged, cur, order); ok {
				return i
			}
		}
		return -1
	})
	if atTop {
		v.table.Select(0)
	}
	v.unseen = min(v.unseen, len(merged))
}

// moved tells whether the user has gone to a row: from then on the cursor
// belongs to that row.
func (v *alertsView) moved() bool { return v.touched }

// merge joins two sorted lists into a new one.
func merge(a, b []*row, order func(x, y *row) int) []*row {
	out := make([]*row, 0, len(a)+len(b)+len(a)/64)
	for len(a) > 0 && len(b) > 0 {
		// Runs of the long list are copied whole.
		i, _ := slices.BinarySearchFunc(a, b[0], order)
		out = append(append(out, a[:i]...), b[0])
		a, b = a[i:], b[1:]
	}
	return append(append(out, a...), b...)
}

func groupNames(a *model.Alert, by string) []string {
	switch by {
	case "host":
		return []string{hostName(a.Host)}
	case "rule":
		return []string{ruleName(a)}
	case "technique":
		var out []string
		for _, x := range a.Attack {
			if x.Technique.ID != "" && !slices.Contains(out, techniqueName(x)) {
				out = append(out, techniqueName(x))
			}
		}
		if len(out) == 0 {
			return []string{"(none)"}
		}
		return out
	}
	return nil
}

func ruleName(a *model.Alert) string {
	if a.Rule != nil {
		return cmp.Or(a.Rule.Name, a.Rule.ID, a.Title)
	}
	return a.Title
}

// grouped is the groups a command has counted.
type grouped struct {
	by   string
	list []*group
}

// regroup counts the groups again; those of a long list in a command, and at
// most once a second.
func (v *alertsView) regroup(s *shell) tea.Cmd {
	if !v.grouped() {
		return nil
	}
	rows, by, now := v.table.Rows(), v.group, s.now()
	if len(rows) <= inlineRows {
		v.groups.Refresh()
		v.groups.SetRows(groupsOf(rows, by), nil)
		return nil
	}
	if now.Sub(v.groupedAt) < time.Second && !v.groupedAt.IsZero() {
		s.app.soon = true
		return nil
	}
	v.groupedAt = now
	return s.do(v, "counting", func(context.Context) any { return grouped{by, groupsOf(rows, by)} })
}

// groupsOf counts rows by kind, the worst first.
func groupsOf(rows []*row, kind string) []*group {
	by := map[string]*group{}
	for _, r := range rows {
		for _, name := range groupNames(r.a, kind) {
			g := by[name]
			if g == nil {
				g = &group{name: name, hosts: map[string]bool{}, risk: -1}
				by[name] = g
			}
			g.n++
			g.sev[r.a.Severity.Rank()]++
			if r.a.Severity.Rank() >= g.worst.Rank() {
				g.worst = r.a.Severity
			}
			g.risk = max(g.risk, riskOf(r.a))
			if r.a.Time.After(g.newest.Time) {
				g.newest = r.a.Time
			}
			g.hosts[hostName(r.a.Host)] = true
		}
	}
	list := make([]*group, 0, len(by))
	for _, g := range by {
		list = append(list, g)
	}
	slices.SortFunc(list, func(a, b *group) int {
		return cmp.Or(cmp.Compare(b.risk, a.risk), cmp.Compare(b.n, a.n), cmp.Compare(a.name, b.name))
	})
	return list
}

func (v *alertsView) update(s *shell, msg any) tea.Cmd {
	switch m := msg.(type) {
	case rebuilt:
		v.filtering = false
		v.applyProjection(m.rows, m.counts)
		late, renewed := v.late, v.lateNew
		v.late, v.lateNew = nil, nil
		v.take(s, late, renewed, true)
		return v.regroup(s)
	case grouped:
		if m.by == v.group {
			v.groups.Refresh()
			v.groups.SetRows(m.list, nil)
		}
	case failed:
		s.fail(m.what, m.err)
	}
	return nil
}

// setFilter applies a filter line.
func (v *alertsView) setFilter(s *shell, line string) tea.Cmd {
	e, err := s.parseFilter(line)
	if err != nil {
		s.fail("filter", err)
		return nil
	}
	v.expr = e
	v.remember(s)
	return v.rebuild(s)
}

type filterable interface {
	setFilter(s *shell, line string) tea.Cmd
}

// filterPrompt opens the filter line of a view.
func filterPrompt(s *shell, v filterable, now string) {
	p := newPrompt("/", now)
	p.hint = "severity>=high host~FIN !user=SYSTEM ~fuzzy words"
	p.history = s.saved.Filters
	p.changed = func(s *shell, line string) (tea.Cmd, error) {
		if _, err := s.parseFilter(line); err != nil {
			return nil, err
		}
		return v.setFilter(s, line), nil
	}
	p.done = func(s *shell, line string, ok bool) (tea.Cmd, bool) {
		if !ok {
			return v.setFilter(s, now), false
		}
		if _, err := s.parseFilter(line); err != nil {
			p.err = safetext.Text(err.Error())
			return nil, true
		}
		s.saved.remember(line)
		return v.setFilter(s, line), false
	}
	s.prompt(p)
}

func (v *alertsView) selection() []model.Record {
	if v.grouped() {
		g, ok := v.groups.Current()
		if !ok {
			return nil
		}
		var out []model.Record
		for _, r := range v.table.Rows() {
			if slices.Contains(groupNames(r.a, v.group), g.name) {
				out = append(out, r.a)
			}
		}
		return out
	}
	var out []model.Record
	for _, r := range v.table.Chosen() {
		out = append(out, r.a)
	}
	return out
}

func (v *alertsView) command(s *shell) string {
	args := []string{"edrctl"}
	args = append(args, "alerts", "list")
	if flags := v.expr.Filter.String(); flags != "" {
		args = append(args, flags)
	}
	if v.quick.severity != "" {
		args = append(args, "--severity-min "+string(v.quick.severity))
	}
	if v.quick.host != "" {
		args = append(args, shellquote.Flag("host", "="+v.quick.host))
	}
	if v.quick.status != "" {
		args = append(args, "--status "+string(v.quick.status))
	}
	if v.fixed != nil && v.fixed.flags != "" {
		args = append(args, v.fixed.flags)
	}
	if v.sort != "" {
		args = append(args, "--sort "+v.sortFlag())
	}
	_ = s
	return strings.Join(args, " ")
}

// sortFlag is the order as --sort takes it.
func (v *alertsView) sortFlag() string {
	switch v.sort {
	case "time", "risk", "severity", "backend", "host", "title":
		if v.column().Down != v.down {
			return "-" + v.sort
		}
		return v.sort
	}
	return "time"
}

func (v *alertsView) remember(s *shell) {
	if v.fixed != nil {
		return
	}
	st := s.saved.alerts()
	st.Sort, st.Down, st.NoPreview, st.Below, st.Share = v.sort, v.down, !v.preview, v.below, v.share
	st.Filter = v.expr.String()
	s.saved.setAlerts(st)
}
