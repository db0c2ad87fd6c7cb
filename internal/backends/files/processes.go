package files

import (
	"context"
	"strconv"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
)

// Processes gives the processes that the events name, the last started first,
// each once: from process records, from starts, and then those whose start
// the files do not hold.
func (d *Driver) Processes(ctx context.Context, q backends.Query) (backends.Listing[*model.Process], error) {
	x, err := d.start(ctx, q)
	if err != nil {
		return backends.Listing[*model.Process]{}, err
	}
	plan := d.plan(x, q)
	plan.Notes = append(plan.Notes, "processes are made of the events of the time window")
	return backends.Listing[*model.Process]{Plan: plan, Seq: func(yield func(*model.Process, error) bool) {
		seen := census{known: map[string]*model.Process{}}
		for _, k := range []kind{kindProcess, kindEvent} {
			for r, err := range x.read(ctx, x.window(k, q.Since, q.Until), d.options(q)) {
				if err != nil && backends.KindOf(err) != backends.KindPartial {
					yield(nil, err)
					return
				}
				seen.take(r)
			}
		}
		for _, p := range seen.order {
			if !yield(p, nil) {
				return
			}
		}
		if err := x.broken(); err != nil {
			yield(nil, err)
		}
	}}, nil
}

// Process finds a process by its id or, where records have none, by what its
// listing calls it.
func (d *Driver) Process(ctx context.Context, id string, _ time.Time) (*model.Process, error) {
	l, err := d.Processes(ctx, backends.Query{})
	if err != nil {
		return nil, err
	}
	for p, err := range l.Seq {
		if err != nil {
			return nil, err
		}
		if p.ID == id || p.UID == id {
			return p, nil
		}
	}
	return nil, backends.NotFound("process", id)
}

// census gathers processes from records that come newest first.
type census struct {
	known map[string]*model.Process
	order []*model.Process
}

func (c *census) take(r model.Record) {
	switch r := r.(type) {
	case *model.Process:
		c.meet(r, r.Host, r, false)
	case *model.Event:
		started := r.Process
		if r.Kind == model.KindProcessStart && r.Target != nil {
			started = r.Target
		}
		c.meet(r.Process, r.Host, r, r.Kind == model.KindProcessStart && started == r.Process)
		c.meet(r.Target, r.Host, r, r.Kind == model.KindProcessStart && started == r.Target)
	}
}

// meet notes a process; its start says the most of it.
func (c *census) meet(p *model.Process, h *model.Host, r model.Record, start bool) {
	if p == nil {
		return
	}
	key := processKey(p, h)
	known := c.known[key]
	if known == nil {
		one := *p
		one.Host, one.EventCount = h, 0
		if one.ID == "" {
			one.ID = key
		}
		known = &one
		c.known[key] = known
		c.order = append(c.order, known)
	} else if start {
		id, n, ended := known.ID, known.EventCount, known.Ended
		*known = *p
		known.Host, known.ID, known.EventCount = h, id, n
		if known.Ended.IsZero() {
			known.Ended = ended
		}
	}
	if e, ok := r.(*model.Event); ok {
		known.EventCount++
		if start && known.Started.IsZero() {
			known.Started = e.Time
		}
	}
}

func processKey(p *model.Process, h *model.Host) string {
	if p.UID != "" {
		return p.UID
	}
	host := ""
	if h != nil {
		host = hostKey(h)
	}
	return host + "|" + strconv.FormatInt(p.PID, 10) + "|" + p.Path
}
