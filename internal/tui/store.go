package tui

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/tui/ui"
)

// maxAlerts bounds what is held: with more, the oldest go and the screen says
// how many.
const maxAlerts = 100_000

// row is one alert on the screen. Its texts are made safe once.
type row struct {
	a     *model.Alert
	seq   uint64 // order of arrival
	at    int64  // its age for letting go, in nanoseconds: its time, at most when it came
	fresh bool   // arrived while the screen was open, not looked at yet

	texts *rowTexts
}

type rowTexts struct{ host, user, title, process safetext.Display }

func (r *row) key() string { return r.a.Ref }

func (r *row) text() *rowTexts {
	if r.texts == nil {
		r.texts = &rowTexts{
			host: ui.Text(hostName(r.a.Host)), user: ui.Text(userName(r.a.User)),
			title: ui.Text(r.a.Title), process: ui.Text(processName(r.a.Process)),
		}
	}
	return r.texts
}

func (r *row) mark() mark { return mark{r.at, r.seq} }

// tier is which rows go first: a flood of lesser alerts must not push out the
// ones an analyst is here for.
func (r *row) tier() int {
	if r.a.Severity.Rank() >= model.SeverityHigh.Rank() {
		return 1
	}
	return 0
}

// mark is a place in the order of age.
type mark struct {
	at  int64
	seq uint64
}

func (m mark) compare(o mark) int { return cmp.Or(cmp.Compare(m.at, o.at), cmp.Compare(m.seq, o.seq)) }

// store holds the alerts of all profiles, each once. Rows are appended and
// never reordered; a snapshot of all may be read by a command while more come.
type store struct {
	all     []*row
	byRef   map[string]*row
	minutes map[int64]int // arrivals by minute of the alert's time, those let go too
	seq     uint64
	limit   int     // of rows
	floors  [2]mark // by tier: every row below has been let go
	dropped int     // how many
	version uint64
	evicted uint64        // counts the times rows were let go
	renewed map[*row]*row // what took the place of what since begin
	hosts   map[hostKey]*hostCount
	now     func() time.Time
}

// hostKey is a host of a profile, its name in lower case.
type hostKey struct{ profile, host string }

func keyOfHost(profile, name string) hostKey { return hostKey{profile, strings.ToLower(name)} }

// hostCount is how many alerts are held of a host, by severity.
type hostCount [6]int

// of gives how many there are, and how bad the worst is.
func (c *hostCount) of() (n int, worst model.Severity) {
	if c == nil {
		return 0, ""
	}
	for _, sev := range model.Severities {
		if k := c[sev.Rank()]; k > 0 {
			if n == 0 || sev.Rank() > worst.Rank() {
				worst = sev
			}
			n += k
		}
	}
	return n, worst
}

// tally counts a row for its host, or takes it out again. It is done as rows
// come and go: counting 100,000 at every change would hold the keys up.
func (s *store) tally(r *row, by int) {
	k := keyOfHost(r.a.Profile, hostName(r.a.Host))
	c := s.hosts[k]
	if c == nil {
		c = &hostCount{}
		s.hosts[k] = c
	}
	if c[r.a.Severity.Rank()] += by; *c == (hostCount{}) {
		delete(s.hosts, k)
	}
}

// noFloors is when everything is kept, alerts without a time too.
var noFloors = [2]mark{{at: math.MinInt64}, {at: math.MinInt64}}

func newStore() *store {
	return &store{byRef: map[string]*row{}, hosts: map[hostKey]*hostCount{}, minutes: map[int64]int{}, limit: maxAlerts, floors: noFloors, now: time.Now}
}

// age is a time as nanoseconds. One in the future counts as now, so that a
// wrong clock keeps nothing for ever.
func (s *store) age(t model.Time) int64 {
	const bound = 9_000_000_000 // seconds that fit
	if sec := t.Unix(); sec < -bound {
		return math.MinInt64
	} else if sec > bound {
		return s.now().UnixNano()
	}
	return min(t.UnixNano(), s.now().UnixNano())
}

// gone tells whether a row is below what is kept.
func (s *store) gone(r *row) bool { return r.mark().compare(s.floors[r.tier()]) < 0 }

// begin starts a new note of what is renewed.
func (s *store) begin() { s.renewed = nil }

// forget resets the counts: all profiles are read from the start.
func (s *store) forget() { s.floors, s.dropped = noFloors, 0 }

// add takes a batch and tells which rows are new and whether rows known
// before have changed (see renewed) or gone. again: the batch may hold what has
// been let go already.
func (s *store) add(batch []*model.Alert, fresh, again bool) (added []*row, changed bool) {
	replaced, moved := 0, false
	for _, a := range batch {
		if a == nil || a.Ref == "" {
			continue
		}
		if old := s.byRef[a.Ref]; old != nil {
			if old.a.Status != a.Status || old.a.Severity != a.Severity || old.a.Title != a.Title || old.a.EventCount != a.EventCount {
				// Rows are read by commands: a changed one is a new row.
				if s.renewed == nil {
					s.renewed = map[*row]*row{}
				}
				r := &row{a: a, seq: old.seq, at: old.at, fresh: old.fresh}
				s.renewed[old] = r
				s.byRef[a.Ref] = r
				s.tally(old, -1)
				s.tally(r, 1)
				replaced++
				moved = moved || s.gone(r) // less severe now, and older than what is kept of those
			}
			continue
		}
		s.seq++
		r := &row{a: a, seq: s.seq, at: s.age(a.Time), fresh: fresh}
		if s.gone(r) || again && s.floors != noFloors && r.at <= s.floors[r.tier()].at {
			if !again {
				s.dropped++
				s.arrived(a)
			}
			continue
		}
		s.byRef[a.Ref] = r
		s.tally(r, 1)
		s.all = append(s.all, r)
		s.arrived(a)
		added = append(added, r)
	}
	if replaced > 0 {
		s.all = slices.Clone(s.all)
		for i, r := range s.all {
			for n := s.renewed[r]; n != nil; n = s.renewed[n] {
				s.all[i] = n
			}
		}
		added = slices.DeleteFunc(added, func(r *row) bool { return s.renewed[r] != nil })
	}
	if over := len(s.all) - s.limit; over > 0 {
		s.raise(over + s.limit/10)
		moved = true
	}
	if moved {
		s.sweep()
		added = slices.DeleteFunc(added, s.gone)
	}
	changed = replaced > 0 || moved
	if len(added) > 0 || changed {
		s.version++
	}
	return added, changed
}

// maxMinutes bounds the count of arrivals: two days, and what is dated oddly.
const maxMinutes = 4096

func (s *store) arrived(a *model.Alert) {
	m := a.Time.Unix() / 60
	if _, known := s.minutes[m]; !known && len(s.minutes) >= maxMinutes {
		all := slices.Sorted(maps.Keys(s.minutes))
		for _, old := range all[:maxMinutes/4] {
			delete(s.minutes, old)
		}
	}
	s.minutes[m]++
}

// raise lifts the floors over n rows: the oldest below HIGH, and of the
// others only when hardly anything else is left.
func (s *store) raise(n int) {
	var by [2][]mark
	for _, r := range s.all {
		by[r.tier()] = append(by[r.tier()], r.mark())
	}
	for t, keep := range [2]int{s.limit / 10, 0} {
		k := min(n, len(by[t])-keep)
		if k <= 0 {
			continue
		}
		slices.SortFunc(by[t], mark.compare)
		s.floors[t] = by[t][k-1]
		s.floors[t].seq++
		n -= k
	}
}

// sweep removes what is below the floors.
func (s *store) sweep() {
	kept := make([]*row, 0, max(s.limit+s.limit/8, len(s.all)))
	for _, r := range s.all {
		if s.gone(r) {
			delete(s.byRef, r.key())
			s.tally(r, -1)
			s.dropped++
			continue
		}
		kept = append(kept, r)
	}
	s.all = kept
	s.evicted++
}

// loss says what is not shown, "" when nothing is missing.
func (s *store) loss() safetext.Display {
	if s.dropped == 0 {
		return ""
	}
	if s.floors[1] == noFloors[1] {
		return safetext.Sprintf("oldest %s below HIGH dropped", thousands(s.dropped))
	}
	return safetext.Sprintf("oldest %s dropped", thousands(s.dropped))
}

// arrivals counts the alerts of the last span in n equal buckets, oldest first.
func (s *store) arrivals(now time.Time, span time.Duration, n int) []int {
	out := make([]int, n)
	minutes := int64(span / time.Minute)
	first := now.Unix()/60 - minutes + 1
	for at, alerts := range s.minutes {
		if i := at - first; i >= 0 && i < minutes {
			out[i*int64(n)/minutes] += alerts
		}
	}
	return out
}

// reach is from the oldest to the newest alert.
func (s *store) reach(now time.Time) (until time.Time, span time.Duration) {
	if len(s.minutes) == 0 {
		return now, 24 * time.Hour
	}
	oldest, newest := int64(math.MaxInt64), int64(math.MinInt64)
	for at := range s.minutes {
		oldest, newest = min(oldest, at), max(newest, at)
	}
	return time.Unix(newest*60, 0), time.Duration(max(newest-oldest+1, 60)) * time.Minute
}

func hostName(h *model.Host) string {
	if h == nil {
		return ""
	}
	if h.Name != "" {
		return h.Name
	}
	return h.ID
}

func userName(u *model.User) string {
	if u == nil {
		return ""
	}
	return u.Name
}

func processName(p *model.Process) string {
	if p == nil {
		return ""
	}
	if p.Name != "" {
		return p.Name
	}
	return model.BaseName(p.Path)
}
