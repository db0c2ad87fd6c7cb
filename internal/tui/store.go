package tui

import (
	"slices"
	"time"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/tui/ui"
)

// maxAlerts bounds what is held: with more, the oldest go and the header says
// so.
const maxAlerts = 100_000

// row is one alert on the screen. Its texts are made safe once.
type row struct {
	a     *model.Alert
	seq   uint64 // order of arrival
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

// store holds the alerts of all profiles, each once. Rows are appended and
// never reordered; a snapshot of all may be read by a command while more come.
type store struct {
	all     []*row
	byRef   map[string]*row
	minutes map[int64]int // arrivals by minute of the alert's time
	seq     uint64
	dropped int // oldest alerts let go
	version uint64
}

func newStore() *store {
	return &store{byRef: map[string]*row{}, minutes: map[int64]int{}}
}

// add takes a batch and tells which rows are new and whether rows known
// before have changed or gone (so that projections must be made anew).
func (s *store) add(batch []*model.Alert, fresh bool) (added []*row, changed bool) {
	var renewed map[*row]*row
	for _, a := range batch {
		if a == nil || a.Ref == "" {
			continue
		}
		if old := s.byRef[a.Ref]; old != nil {
			if old.a.Status != a.Status || old.a.Severity != a.Severity || old.a.Title != a.Title || old.a.EventCount != a.EventCount {
				// Rows are read by commands: a changed one is a new row.
				if renewed == nil {
					renewed = map[*row]*row{}
				}
				r := &row{a: a, seq: old.seq, fresh: old.fresh}
				renewed[old] = r
				s.byRef[a.Ref] = r
				changed = true
			}
			continue
		}
		s.seq++
		r := &row{a: a, seq: s.seq, fresh: fresh}
		s.byRef[a.Ref] = r
		s.all = append(s.all, r)
		s.minutes[a.Time.Unix()/60]++
		added = append(added, r)
	}
	if renewed != nil {
		s.all = slices.Clone(s.all)
		for i, r := range s.all {
			for n := renewed[r]; n != nil; n = renewed[n] {
				s.all[i] = n
			}
		}
		added = slices.DeleteFunc(added, func(r *row) bool { return renewed[r] != nil })
	}
	if len(s.all) > maxAlerts {
		s.evict()
		added = slices.DeleteFunc(added, func(r *row) bool { return s.byRef[r.key()] != r })
		changed = true
	}
	if len(added) > 0 || changed {
		s.version++
	}
	return added, changed
}

// evict lets the oldest tenth go.
func (s *store) evict() {
	times := make([]int64, len(s.all))
	for i, r := range s.all {
		times[i] = r.a.Time.UnixNano()
	}
	slices.Sort(times)
	limit := times[len(times)-maxAlerts*9/10]
	kept := make([]*row, 0, maxAlerts+maxAlerts/8)
	room := maxAlerts * 9 / 10
	for _, r := range slices.Backward(s.all) {
		if r.a.Time.UnixNano() >= limit && len(kept) < room {
			kept = append(kept, r)
			continue
		}
		delete(s.byRef, r.key())
		s.dropped++
	}
	slices.Reverse(kept)
	s.all = kept
	oldest := limit / int64(time.Minute)
	for m := range s.minutes {
		if m < oldest {
			delete(s.minutes, m)
		}
	}
}

// arrivals counts the alerts of the last span in n equal buckets, oldest first.
func (s *store) arrivals(now time.Time, span time.Duration, n int) []int {
	out := make([]int, n)
	minutes := int(span / time.Minute)
	last := now.Unix() / 60
	for i := range minutes {
		at := last - int64(minutes-1-i)
		out[i*n/minutes] += s.minutes[at]
	}
	return out
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
