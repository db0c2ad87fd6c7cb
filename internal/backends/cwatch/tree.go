package cwatch

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/cwatch/rules"
	"github.com/edrctl/edrctl/internal/backends/cwatch/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

// Process trees are read from events, for the API has no route for them: a Create
// Process event links parent (the actor) and child, and every event carries
// the actor's ancestors, without instance ids. q cannot ask for an instance
// id (docs/wire/cwatch.md 7), so pid narrows and the id is compared here.
const (
	lineageLookBack = 30 * 24 * time.Hour // how far back a process of unknown start is looked for
	startTolerance  = 5 * time.Minute     // how far its own start and its event may be apart
	childrenPerPage = 500                 // children a page
	// lineageRows is how many events are looked through for one process when
	// not even its pid is known.
	lineageRows   = 50_000
	processStarts = "base_event_type = 'Create Process'"
)

// eachEvent gives the events of one query in [since, until), newest first, until
// each returns false.
func (d *Driver) eachEvent(ctx context.Context, q string, since, until time.Time, raw bool, each func(*model.Event) bool) error {
	s := &scan{d: d, since: since, until: until, raw: raw, size: pageSize, lazy: true}
	for e, err := range s.merged(ctx, []string{q}) {
		if err != nil {
			return err
		}
		if inWindow(e.Time, since, until) && !each(e) {
			return nil
		}
	}
	return nil
}

// sameProcess reports whether p, on host h, is the process ref names: by instance id, or
// where there is none by pid, image and host.
func sameProcess(ref backends.ProcessRef, p *model.Process, h *model.Host) bool {
	if p == nil {
		return false
	}
	if ref.UID != "" {
		return p.UID == ref.UID
	}
	if ref.PID == 0 || p.PID != ref.PID || ref.Path != "" && !strings.EqualFold(p.Path, ref.Path) {
		return false
	}
	return ref.Host == nil || h == nil || ref.Host.ID != "" && ref.Host.ID == h.ID || strings.EqualFold(ref.Host.Name, h.Name)
}

// processWindow gives when events of a process can be.
func (d *Driver) processWindow(ref backends.ProcessRef) (since, until time.Time) {
	until = d.opt.Clock().Add(time.Second)
	switch {
	case !ref.Started.IsZero():
		since = ref.Started.Add(-startTolerance)
	case ref.Alert != nil && !ref.Alert.Time.IsZero():
		since = ref.Alert.Time.Add(-lineageLookBack)
	default:
		since = until.Add(-lineageLookBack)
	}
	return since, until
}

func pidTerm(field string, pid int64) string { return field + " = " + strconv.FormatInt(pid, 10) }

// startEvent finds the event in which ref was started; nil when there is none.
func (d *Driver) startEvent(ctx context.Context, ref backends.ProcessRef, since, until time.Time) (*model.Event, error) {
	if !ref.Started.IsZero() {
		until = ref.Started.Add(startTolerance)
	}
	q := processStarts
	if ref.PID != 0 {
		q += " AND " + pidTerm("child_process_pid", ref.PID)
	}
	return d.newestMatch(ctx, q, since, until, ref, func(e *model.Event) *model.Process { return e.Target })
}

// lastActivity finds the newest event ref was the actor of; nil when there is none.
func (d *Driver) lastActivity(ctx context.Context, ref backends.ProcessRef, since, until time.Time) (*model.Event, error) {
	q := ""
	if ref.PID != 0 {
		q = pidTerm("process_pid", ref.PID)
	}
	return d.newestMatch(ctx, q, since, until, ref, func(e *model.Event) *model.Process { return e.Process })
}

// newestMatch gives the newest event in which ref has the part asked for, with its
// JSON. Without a pid the search is bounded, and says so when it ends early.
func (d *Driver) newestMatch(ctx context.Context, q string, since, until time.Time, ref backends.ProcessRef, part func(*model.Event) *model.Process) (found *model.Event, err error) {
	n, cut := 0, false
	err = d.eachEvent(ctx, q, since, until, true, func(e *model.Event) bool {
		if sameProcess(ref, part(e), e.Host) {
			found = e
			return false
		}
		n++
		cut = ref.PID == 0 && n >= lineageRows
		return !cut
	})
	if err == nil && found == nil && cut {
		err = &backends.Error{
			Kind: backends.KindPartial, Why: "the " + strconv.Itoa(lineageRows) + " newest events do not have it, and cWatch cannot be asked for a process by its id",
			Hint: "give a later point in time, or take the process from an event or alert",
		}
	}
	return found, err
}

// ancestorsOf reads the chain above the actor of an event that kept its JSON.
func ancestorsOf(e *model.Event) []*model.Process {
	var w wire.Event
	var r reader
	if w.Decode(e.Raw) != nil || w.Actor.ParentTree == nil {
		return nil
	}
	chain := r.tree(w.Actor.ParentTree)
	for _, p := range chain {
		p.Host = e.Host
	}
	return chain
}

// Ancestors gives the chain above a process, root first, from the event that
// started it, else from one it did, else from the alert it is of. Nodes of a
// parent tree have pid, image and start, but no instance id.
func (d *Driver) Ancestors(ctx context.Context, p backends.ProcessRef) ([]*model.Process, error) {
	const what = "cannot read the process's ancestors"
	if p.UID == "" && p.PID == 0 {
		return nil, nil
	}
	since, until := d.processWindow(p)
	e, err := d.startEvent(ctx, p, since, until)
	if err != nil {
		return nil, backends.FromClient(what, err)
	}
	if e != nil && e.Process != nil {
		parent := *e.Process
		parent.Host = e.Host
		return append(ancestorsOf(e), &parent), nil
	}
	if e, err = d.lastActivity(ctx, p, since, until); err != nil {
		return nil, backends.FromClient(what, err)
	}
	if e != nil {
		return ancestorsOf(e), nil
	}
	if a := p.Alert; a != nil && sameProcess(p, a.Process, a.Host) {
		return a.Ancestors, nil
	}
	return nil, nil
}

// Children gives what a process started, newest first. A page ends between
// two instants; its cursor is the older one, in the server's own unit.
func (d *Driver) Children(ctx context.Context, p backends.ProcessRef, cursor string) (backends.ProcessPage, error) {
	const what = "cannot read the process's children"
	var page backends.ProcessPage
	if p.PID == 0 {
		// Children could be found only by reading every process start there is.
		return page, nil
	}
	since, until := d.processWindow(p)
	if cursor != "" {
		ms, err := strconv.ParseInt(cursor, 10, 64)
		if err != nil {
			return page, backends.Invalid(what, "the cursor is not an instant")
		}
		until = time.UnixMilli(ms)
	}
	seen := map[string]bool{}
	var last model.Time
	err := d.eachEvent(ctx, processStarts+" AND "+pidTerm("process_pid", p.PID), since, until, false, func(e *model.Event) bool {
		if e.Target == nil || !sameProcess(p, e.Process, e.Host) {
			return true
		}
		if len(page.Processes) >= childrenPerPage && e.Time.UnixMilli() != last.UnixMilli() {
			page.Next, page.Remaining = strconv.FormatInt(last.UnixMilli(), 10), -1
			return false
		}
		last = e.Time
		page.Events = append(page.Events, e)
		if e.Target.UID != "" && seen[e.Target.UID] {
			return true
		}
		seen[e.Target.UID] = true
		page.Processes = append(page.Processes, startedProcess(e))
		return true
	})
	if err != nil {
		return backends.ProcessPage{}, backends.FromClient(what, err)
	}
	return page, nil
}

// startedProcess is the process an event started, with the event's time and host.
func startedProcess(e *model.Event) *model.Process {
	p := *e.Target
	p.Host = e.Host
	if p.Started.IsZero() {
		p.Started = e.Time
	}
	return &p
}

// Process finds a process by the id of GET /process or by its instance id,
// which are one and the same where the server gives both. The list says who
// it is; its events before near say when it started, by whom and how.
func (d *Driver) Process(ctx context.Context, id string, near time.Time) (*model.Process, error) {
	const what = "cannot read the process"
	if id == "" {
		return nil, backends.Invalid(what, "its id is empty")
	}
	if now := d.opt.Clock(); near.IsZero() || near.After(now) {
		near = now
	}
	since, until := near.Add(-lineageLookBack), near.Add(time.Second)
	p, err := d.listedProcess(ctx, id)
	if err != nil {
		return nil, backends.FromClient(what, err)
	}
	ref := backends.ProcessRef{UID: id}
	if p != nil {
		ref.PID, ref.Path, ref.Host = p.PID, p.Path, p.Host
		if isMadeUpProcess(p) {
			ref.UID = ""
		}
	} else if !rules.IsHex(strings.ToLower(id)) {
		return nil, backends.NotFound("process", id)
	}
	born, err := d.startEvent(ctx, ref, since, until)
	if err != nil {
		return nil, backends.FromClient(what, err)
	}
	if born != nil {
		ref.PID, ref.Host = born.Target.PID, born.Host
	}
	did, err := d.lastActivity(ctx, ref, since, until)
	if err != nil {
		return nil, backends.FromClient(what, err)
	}
	if p == nil && born == nil && did == nil {
		e := backends.NotFound("process", id)
		e.Hint = "it is neither in cWatch's list of processes nor in the events of 30 days"
		return nil, e
	}
	out := &model.Process{Origin: model.Origin{ID: id}, UID: id}
	for _, from := range processSources(born, did, p) {
		fillMissing(out, from)
	}
	return out, nil
}

// processSources gives what is known of a process, the best source first: its start
// has command line and parent, what it did its creation time and user.
func processSources(born, did *model.Event, listed *model.Process) (out []*model.Process) {
	if born != nil {
		p := *born.Target // its start is the event's time unless it says its own
		p.Host = born.Host
		out = append(out, &p)
	}
	if did != nil {
		p := *did.Process
		p.Host = did.Host
		out = append(out, &p)
	}
	if born != nil {
		out = append(out, startedProcess(born))
	}
	if listed != nil {
		out = append(out, listed)
	}
	return out
}

// fillMissing fills what to lacks.
func fillMissing(to, from *model.Process) {
	to.PID = cmp.Or(to.PID, from.PID)
	to.Name, to.Path = cmp.Or(to.Name, from.Name), cmp.Or(to.Path, from.Path)
	to.CommandLine, to.Elevation = cmp.Or(to.CommandLine, from.CommandLine), cmp.Or(to.Elevation, from.Elevation)
	to.User, to.Hash = cmp.Or(to.User, from.User), cmp.Or(to.Hash, from.Hash)
	to.Signed, to.Packed = cmp.Or(to.Signed, from.Signed), cmp.Or(to.Packed, from.Packed)
	to.Reputation, to.Parent, to.Host = cmp.Or(to.Reputation, from.Reputation), cmp.Or(to.Parent, from.Parent), cmp.Or(to.Host, from.Host)
	if to.Started.IsZero() {
		to.Started = from.Started
	}
	if len(to.Raw) == 0 {
		to.Raw = slices.Clone(from.Raw)
	}
}

// listedProcess looks for a process in GET /process, which cannot be asked by id;
// nil when it is not there.
func (d *Driver) listedProcess(ctx context.Context, id string) (found *model.Process, err error) {
	var r reader
	err = d.elements(ctx, client.Call{Path: "/process"}, "", func(b []byte) error {
		p, err := r.run(b, false)
		if err != nil {
			return errRow("process")
		}
		if p.ID == id {
			found = p
			return errStopped
		}
		return nil
	})
	if errors.Is(err, errStopped) {
		err = nil
	}
	return found, err
}
