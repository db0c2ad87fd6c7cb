package gene

import (
	"context"
	"strconv"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
)

// Processes gives the processes seen in the logs, the last started first,
// each once. The manager keeps no list of them: a process is known from its
// creation (Sysmon event 1) and from every event it took part in. Those whose
// creation lies before the window come last, with what their events tell.
func (d *Driver) Processes(ctx context.Context, q backends.Query) (backends.Listing[*model.Process], error) {
	if err := refuseNative(q); err != nil {
		return backends.Listing[*model.Process]{}, err
	}
	plan := d.plan(q, routeLogs)
	plan.Notes = append(plan.Notes, "processes are made of the events of the time window")
	return backends.Listing[*model.Process]{Plan: plan, Seq: func(yield func(*model.Process, error) bool) {
		const what = "cannot list processes"
		s, err := d.sweepFor(ctx, q, false)
		if err != nil {
			yield(nil, d.fail(what, err))
			return
		}
		var seen processTable
		stopped := false
		err = s.each(ctx, func(e *model.Event, _ *model.Alert) bool {
			if p := seen.observe(e); p != nil {
				stopped = !yield(p, nil)
			}
			return !stopped
		})
		if err != nil && !stopped {
			yield(nil, d.fail(what, err))
			return
		}
		for _, p := range seen.unfinished() {
			if stopped || !yield(p, nil) {
				return
			}
		}
	}}, nil
}

// processTable follows processes through events that come newest first: one is
// complete when its creation has been met.
type processTable struct {
	known   map[string]*model.Process
	order   []string        // of running, as met
	created map[string]bool // given out already
}

// observe counts an event and gives the process whose creation it is.
func (c *processTable) observe(e *model.Event) *model.Process {
	if c.known == nil {
		c.known, c.created = map[string]*model.Process{}, map[string]bool{}
	}
	c.update(e.Target, e)
	p := c.update(e.Process, e)
	if p == nil || e.Kind != model.KindProcessStart {
		return nil
	}
	key := processKey(p, e.Host)
	delete(c.known, key)
	c.created[key] = true
	if e.Raw != nil {
		p.Raw = e.Raw
	}
	return p
}

func processKey(p *model.Process, h *model.Host) string {
	if p.UID != "" {
		return p.UID
	}
	return h.ID + "|" + strconv.FormatInt(p.PID, 10) + "|" + p.Path
}

func (c *processTable) update(p *model.Process, e *model.Event) *model.Process {
	if p == nil {
		return nil
	}
	key := processKey(p, e.Host)
	if c.created[key] {
		return nil
	}
	known := c.known[key]
	if known == nil {
		one := *p
		one.Host, one.ID, one.Raw = e.Host, key, e.Raw
		known = &one
		c.known[key] = known
		c.order = append(c.order, key)
	} else {
		complete(known, p)
	}
	known.EventCount++
	return known
}

// complete fills in what an event further back knows better: creation events
// say the most, and they come last.
func complete(into, from *model.Process) {
	set := func(a *string, b string) {
		if b != "" {
			*a = b
		}
	}
	set(&into.Path, from.Path)
	set(&into.Name, from.Name)
	set(&into.CommandLine, from.CommandLine)
	set(&into.WorkingDirectory, from.WorkingDirectory)
	set(&into.Integrity, from.Integrity)
	if from.PID != 0 {
		into.PID = from.PID
	}
	if !from.Started.IsZero() {
		into.Started = from.Started
	}
	if into.Ended.IsZero() {
		into.Ended = from.Ended
	}
	if from.User != nil {
		into.User = from.User
	}
	if from.Hash != nil {
		into.Hash = from.Hash
	}
	if from.Parent != nil {
		into.Parent = from.Parent
	}
	if into.Reputation == nil {
		into.Reputation = from.Reputation
	}
}

// unfinished gives the processes whose creation was not met, the last seen first.
func (c *processTable) unfinished() []*model.Process {
	var out []*model.Process
	for _, key := range c.order {
		if p := c.known[key]; p != nil {
			out = append(out, p)
			delete(c.known, key)
		}
	}
	return out
}
