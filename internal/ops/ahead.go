package ops

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/model"
)

// A record is stamped ahead when it is this much later than now: below it,
// two clocks agree as well as clocks do.
const aheadSlack = time.Minute

// maxAhead bounds how many hosts an outcome names.
const maxAhead = 1000

// NoteAhead remembers the host of a record that is stamped later than now.
func (o *Outcome) NoteAhead(r model.Record, now time.Time) {
	by := model.TimeOf(r).Sub(now)
	if by < aheadSlack {
		return
	}
	name := hostNameOf(r)
	if _, known := o.Ahead[name]; !known && len(o.Ahead) >= maxAhead {
		return
	}
	if o.Ahead == nil {
		o.Ahead = map[string]time.Duration{}
	}
	o.Ahead[name] = max(o.Ahead[name], by)
}

// hostNameOf is the host a record is about, as people call it.
func hostNameOf(r model.Record) string {
	var h *model.Host
	switch v := r.(type) {
	case *model.Alert:
		h = v.Host
	case *model.Event:
		h = v.Host
	case *model.Process:
		h = v.Host
	case *model.Hit:
		h = v.Host
	case *model.SigmaHit:
		h = v.Host
	}
	if h == nil {
		return "a host without a name"
	}
	return cmp.Or(h.Name, h.ID, "a host without a name")
}

// AheadNotice is one line that names the hosts whose clock is ahead, "" when
// there is none.
func AheadNotice(outcomes []Outcome) string {
	all := map[string]time.Duration{}
	for _, o := range outcomes {
		for name, by := range o.Ahead {
			all[name] = max(all[name], by)
		}
	}
	if len(all) == 0 {
		return ""
	}
	names := slices.SortedFunc(maps.Keys(all), func(a, b string) int {
		return cmp.Or(cmp.Compare(all[b], all[a]), cmp.Compare(a, b))
	})
	const most = 5
	var list []string
	for _, n := range names[:min(len(names), most)] {
		list = append(list, fmt.Sprintf("%s (by %s)", n, strings.TrimSuffix(all[n].Round(time.Minute).String(), "0s")))
	}
	if len(names) > most {
		list = append(list, fmt.Sprintf("%d more", len(names)-most))
	}
	return "records are stamped later than now, the clock is ahead on " + strings.Join(list, ", ")
}
