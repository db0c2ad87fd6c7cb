package carbonblack

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/catalog"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/wire"
	"github.com/edrctl/edrctl/internal/model"
)

// The tree of a process, from the events of its device: an event names its
// process, the parent of that and, when one was started, the child, each by
// private pid, which is unique on the device (§10.1).

const (
	whatTree      = "cannot read the process tree"
	whatProcess   = "cannot find the process"
	maxAncestry   = 64
	aroundStart   = 2 * time.Minute // where the event that started a process is looked for
	processLook   = 50_000          // events looked at for one process before it is called not found
	cachedDevices = 4               // whose process starts are kept
	cachedFor     = time.Minute
)

// splitUID takes deviceId:privatePid apart.
func splitUID(uid string) (device, private string, ok bool) {
	device, private, ok = strings.Cut(uid, ":")
	return device, private, ok && isDigits(device) && private != ""
}

// onDevice is the filter of /event for one device. Names are all the server
// can be asked by; the events are compared by device id again.
func (d *Driver) onDevice(ctx context.Context, what, device string, h *model.Host) (url.Values, error) {
	dev, _, err := d.deviceInfo(ctx, what, device)
	if err == nil && dev.Name != "" {
		return url.Values{"hostNameExact": {string(dev.Name)}}, nil
	}
	if h != nil && h.Name != "" && (err == nil || backends.KindOf(err) == backends.KindNotFound || backends.KindOf(err) == backends.KindUnsupported) {
		name := h.Name
		if h.Domain != "" {
			name = h.Domain + `\` + name
		}
		return url.Values{"hostName": {name}}, nil
	}
	if err == nil {
		err = backends.Malformed(what, "the device has no name")
	}
	return nil, err
}

// lineage is what is known of the processes of one device so far.
type lineage struct {
	device string
	m      map[string]*model.Process
}

func newLineage(device string) *lineage {
	return &lineage{device: device, m: map[string]*model.Process{}}
}

// observe takes in what an event says of its processes.
func (l *lineage) observe(e *model.Event) {
	if e.Host != nil && e.Host.ID != "" && e.Host.ID != l.device {
		return // another device of the same name
	}
	l.add(e.Process, e.Host)
	if e.Process != nil {
		l.parent(e.Process.Parent, e.Host)
	}
	if e.Kind != model.KindProcessStart || e.Target == nil {
		l.add(e.Target, e.Host)
		return
	}
	l.add(childOf(e), e.Host)
}

// childOf is the process that an event started, with its parent.
func childOf(e *model.Event) *model.Process {
	child := *e.Target
	if child.Started.IsZero() {
		child.Started = e.Time
	}
	if p := e.Process; p != nil && child.Parent == nil {
		child.Parent = &model.ParentProcess{UID: p.UID, PID: p.PID, Name: p.Name, Path: p.Path, CommandLine: p.CommandLine}
	}
	return &child
}

func (l *lineage) parent(p *model.ParentProcess, h *model.Host) {
	if p == nil || p.UID == "" {
		return
	}
	_, private, _ := splitUID(p.UID)
	l.add(&model.Process{
		UID: p.UID, PID: p.PID, Name: p.Name, Path: p.Path, CommandLine: p.CommandLine,
		Started: model.At(wire.ParsePrivatePID(private).Started),
	}, h)
}

func (l *lineage) add(p *model.Process, h *model.Host) {
	if p == nil || p.UID == "" {
		return
	}
	have := l.m[p.UID]
	if have == nil {
		c := *p
		have = &c
		l.m[p.UID] = have
	} else {
		fillProcess(have, p)
	}
	if have.Host == nil {
		have.Host = h
	}
	if have.ID == "" {
		have.ID = have.UID
	}
}

// fillProcess adds what is not known yet.
func fillProcess(to, from *model.Process) {
	to.PID = cmp.Or(to.PID, from.PID)
	to.Name = cmp.Or(to.Name, from.Name)
	to.Path = cmp.Or(to.Path, from.Path)
	to.CommandLine = cmp.Or(to.CommandLine, from.CommandLine)
	if to.Started.IsZero() {
		to.Started = from.Started
	}
	to.User = cmp.Or(to.User, from.User)
	to.Hash = cmp.Or(to.Hash, from.Hash)
	to.Reputation = cmp.Or(to.Reputation, from.Reputation)
	if to.Parent == nil || to.Parent.UID == "" && from.Parent != nil && from.Parent.UID != "" {
		to.Parent = from.Parent
	}
}

func (l *lineage) parentOf(uid string) string {
	if p := l.m[uid]; p != nil && p.Parent != nil && p.Parent.UID != uid {
		return p.Parent.UID
	}
	return ""
}

// around is the window in which the start of a process is looked for.
func around(started time.Time) span {
	return span{started.Add(-aroundStart).UnixMilli(), started.Add(aroundStart).UnixMilli()}
}

// learnFrom reads the events of a device in a window.
func (d *Driver) learnFrom(ctx context.Context, what string, k *lineage, q url.Values, w span, most int) (read int, err error) {
	if w.to <= w.from {
		return 0, nil
	}
	for e, err := range scan(ctx, d, what, q, w, catalog.EventRows, readEvent(false)) {
		if err != nil {
			return read, err
		}
		k.observe(e.Event)
		if read++; most > 0 && read >= most {
			break
		}
	}
	return read, nil
}

// Ancestors climbs from a process to the first one the events know: each step
// reads the events around the start of the process it is at.
func (d *Driver) Ancestors(ctx context.Context, p backends.ProcessRef) ([]*model.Process, error) {
	device, private, ok := splitUID(p.UID)
	if !ok {
		return nil, nil // without a private pid nothing tells its relatives
	}
	q, err := d.onDevice(ctx, whatTree, device, p.Host)
	if err != nil {
		return nil, err
	}
	k := newLineage(device)
	var near time.Time
	if a := p.Alert; a != nil {
		near = a.Time.Time
		k.add(a.Process, a.Host)
		if a.Process != nil {
			k.parent(a.Process.Parent, a.Host)
		}
	}
	started := cmp.Or(wire.ParsePrivatePID(private).Started, p.Started)
	seen := map[string]bool{p.UID: true}
	var chain []*model.Process
	for uid := p.UID; len(chain) < maxAncestry; {
		up := k.parentOf(uid)
		known := k.m[uid] != nil && k.m[uid].Hash != nil
		if up == "" || !known {
			windows := []span{}
			if !started.IsZero() {
				windows = append(windows, around(started))
			}
			if uid == p.UID && !near.IsZero() {
				windows = append(windows, span{near.Add(-10 * time.Minute).UnixMilli(), near.Add(time.Minute).UnixMilli()})
			}
			for _, w := range windows {
				if _, err := d.learnFrom(ctx, whatTree, k, q, w, 0); err != nil {
					return nil, err
				}
				if up = k.parentOf(uid); up != "" {
					break
				}
			}
		}
		if up == "" || seen[up] {
			break
		}
		seen[up] = true
		k.add(&model.Process{UID: up}, p.Host) // never nil, whoever named it
		chain = append(chain, k.m[up])
		uid = up
		_, private, _ := splitUID(up)
		started = wire.ParsePrivatePID(private).Started
	}
	slices.Reverse(chain)
	return chain, nil
}

// Children gives the processes that a process started: the targets of its
// CREATE_PROCESS events. They come in one page.
func (d *Driver) Children(ctx context.Context, p backends.ProcessRef, _ string) (backends.ProcessPage, error) {
	var page backends.ProcessPage
	device, private, ok := splitUID(p.UID)
	if !ok {
		return page, nil
	}
	now := d.opt.Clock()
	from := now.Add(-retention)
	if s := cmp.Or(wire.ParsePrivatePID(private).Started, p.Started); s.After(from) {
		from = s.Add(-aroundStart) // the clocks of sensor and server
	}
	starts, err := d.processStarts(ctx, device, p.Host, span{from.UnixMilli(), now.UnixMilli() + 1})
	if err != nil {
		return page, err
	}
	seen := map[string]bool{p.UID: true}
	for _, e := range starts[p.UID] {
		page.Events = append(page.Events, e)
		child := childOf(e)
		if child.UID != "" && seen[child.UID] {
			continue
		}
		seen[child.UID] = true
		child.Host = cmp.Or(e.Host, p.Host)
		if child.ID == "" {
			child.ID = child.UID
		}
		page.Processes = append(page.Processes, child)
	}
	return page, nil
}

// startCache keeps the process starts of the devices whose trees are read:
// every process of a tree is asked for by itself.
type startCache struct {
	mu      sync.Mutex
	devices map[string]*deviceStarts
}

type deviceStarts struct {
	mu   sync.Mutex
	read time.Time // when the newest events were asked for
	have span
	ids  map[string]bool
	by   map[string][]*model.Event // oldest first, by the process that started another
}

// processStarts gives the CREATE_PROCESS events of a device in a window, by actor.
// What was read before is not read again.
func (d *Driver) processStarts(ctx context.Context, device string, h *model.Host, w span) (map[string][]*model.Event, error) {
	d.starts.mu.Lock()
	if d.starts.devices == nil {
		d.starts.devices = map[string]*deviceStarts{}
	}
	f := d.starts.devices[device]
	if f == nil {
		for len(d.starts.devices) >= cachedDevices {
			for other := range maps.Keys(d.starts.devices) {
				delete(d.starts.devices, other)
				break
			}
		}
		f = &deviceStarts{}
		d.starts.devices[device] = f
	}
	d.starts.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.by == nil || d.opt.Clock().Sub(f.read) > cachedFor {
		f.by, f.ids, f.have, f.read = map[string][]*model.Event{}, map[string]bool{}, span{w.to, w.to}, d.opt.Clock()
	}
	if w.from >= f.have.from {
		return f.by, nil
	}
	q, err := d.onDevice(ctx, whatTree, device, h)
	if err != nil {
		return nil, err
	}
	q.Set("eventType", wire.TypeCreateProcess)
	fresh := map[string][]*model.Event{}
	for e, err := range scan(ctx, d, whatTree, q, span{w.from, f.have.from}, catalog.EventRows, readEvent(false)) {
		if err != nil {
			return nil, err // what is half read is read again
		}
		if e.Host != nil && e.Host.ID != "" && e.Host.ID != device || e.Process == nil || e.Process.UID == "" || e.Target == nil || f.ids[e.ID] {
			continue
		}
		fresh[e.Process.UID] = append(fresh[e.Process.UID], &model.Event{
			Origin: e.Origin, Time: e.Time, Kind: e.Kind, Action: e.Action, Host: e.Host, User: e.User, Process: e.Process, Target: e.Target, AlertID: e.AlertID,
		})
	}
	out := maps.Clone(f.by)
	for uid, list := range fresh {
		slices.SortStableFunc(list, func(a, b *model.Event) int { return a.Time.Compare(b.Time.Time) })
		for _, e := range list {
			f.ids[e.ID] = true
		}
		out[uid] = append(list, f.by[uid]...)
	}
	f.by, f.have.from = out, w.from
	return out, nil
}

// Process finds a process by deviceId:privatePid in the events of its device:
// around its start, around near, and then from its start on.
func (d *Driver) Process(ctx context.Context, id string, near time.Time) (*model.Process, error) {
	device, private, ok := splitUID(id)
	if !ok {
		e := backends.NotFound("process", id)
		e.Hint = "a process of Carbon Black is DEVICE:PRIVATEPID, as edrctl processes list and events list show it"
		return nil, e
	}
	q, err := d.onDevice(ctx, whatProcess, device, nil)
	if err != nil {
		if backends.KindOf(err) == backends.KindNotFound {
			e := backends.NotFound("process", id)
			e.Why, e.Err = "the server has no device "+device, err
			return nil, e
		}
		return nil, err
	}
	k := newLineage(device)
	now := d.opt.Clock()
	started := wire.ParsePrivatePID(private).Started
	oldest := now.Add(-retention)
	var windows []span
	if !started.IsZero() {
		windows = append(windows, around(started))
		if started.After(oldest) {
			oldest = started.Add(-aroundStart)
		}
	}
	if !near.IsZero() {
		windows = append(windows, span{near.Add(-time.Hour).UnixMilli(), near.Add(time.Hour).UnixMilli()})
	}
	windows = append(windows, span{oldest.UnixMilli(), now.UnixMilli() + 1})
	left := processLook
	for _, w := range windows {
		read, err := d.learnFrom(ctx, whatProcess, k, q, w, left)
		if err != nil {
			return nil, err
		}
		// One that others only name as their parent may become better known later.
		if p := k.m[id]; p != nil && (p.Hash != nil || p.Path != "" || p.Parent != nil) {
			return p, nil
		}
		if left -= read; left <= 0 {
			break
		}
	}
	if p := k.m[id]; p != nil {
		return p, nil
	}
	e := backends.NotFound("process", id)
	e.Why = fmt.Sprintf("no event of its device in the last %d days shows it", int(retention.Hours()/24))
	if left <= 0 {
		e.Why = fmt.Sprintf("it is not in the newest %d events of its device", processLook)
		e.Hint = "give a time near it: --since and --until"
	}
	return nil, e
}

var (
	_ backends.TreeExpander  = (*Driver)(nil)
	_ backends.ProcessGetter = (*Driver)(nil)
)
