package tui

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/edrctl/edrctl/internal/hunt"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/ptree"
)

// replay is the Service over records saved earlier: `alerts list -o ndjson
// --raw`, `events list -o ndjson`, one object a line, mixed as one likes.
type replay struct {
	alerts   []*model.Alert
	events   []*model.Event
	hosts    []*model.Host
	profiles []Profile
	latest   time.Time
	oldest   time.Time
}

// maxReplayLine bounds one line of the file, maxReplay the records of it.
const (
	maxReplayLine = 16 << 20
	maxReplay     = maxAlerts
)

// ErrReplay says that a file cannot be replayed.
var ErrReplay = errors.New("cannot replay")

// Replay reads the file; latest and span tell of what time it is.
func Replay(r io.Reader, name string) (s Service, latest time.Time, span time.Duration, err error) {
	out := &replay{}
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 0, 1<<16), maxReplayLine)
	seen := map[string]bool{}
	n := 0
	for in.Scan() {
		n++
		line := in.Bytes()
		if len(line) == 0 {
			continue
		}
		if err := out.take(line, seen); err != nil {
			return nil, latest, 0, fmt.Errorf("%w %s: line %d: %w", ErrReplay, name, n, err)
		}
		if len(out.alerts)+len(out.events)+len(out.hosts) > maxReplay {
			return nil, latest, 0, fmt.Errorf("%w %s: it has more than %d records", ErrReplay, name, maxReplay)
		}
	}
	if err := in.Err(); err != nil {
		return nil, latest, 0, fmt.Errorf("%w %s: line %d: %w", ErrReplay, name, n+1, err)
	}
	if len(out.alerts)+len(out.events)+len(out.hosts) == 0 {
		return nil, latest, 0, fmt.Errorf("%w %s: there is no record in it", ErrReplay, name)
	}
	newest := func(a, b time.Time) int { return b.Compare(a) }
	slices.SortStableFunc(out.alerts, func(a, b *model.Alert) int { return newest(a.Time.Time, b.Time.Time) })
	slices.SortStableFunc(out.events, func(a, b *model.Event) int { return newest(a.Time.Time, b.Time.Time) })
	if out.latest.IsZero() {
		out.latest = time.Now()
		out.oldest = out.latest
	}
	return out, out.latest.Add(time.Second), out.latest.Sub(out.oldest) + time.Minute, nil
}

// take reads one record. What it is shows from its members: an alert has a
// title, an event a kind, a host neither.
func (r *replay) take(line []byte, seen map[string]bool) error {
	var probe struct {
		Title   *string         `json:"title"`
		Kind    *string         `json:"kind"`
		Sev     *string         `json:"severity"`
		Name    *string         `json:"name"`
		Profile string          `json:"profile"`
		Backend string          `json:"backend"`
		Raw     json.RawMessage `json:"raw"`
	}
	if err := json.Unmarshal(line, &probe); err != nil {
		return err
	}
	note := func(o *model.Origin, t model.Time) bool {
		o.Profile = cmp.Or(o.Profile, "saved")
		o.Backend = cmp.Or(o.Backend, o.Profile)
		if o.Ref == "" && o.ID != "" {
			o.Ref = o.Profile + "/" + o.ID
		}
		if !slices.ContainsFunc(r.profiles, func(p Profile) bool { return p.Name == o.Profile }) {
			r.profiles = append(r.profiles, Profile{Name: o.Profile, Backend: o.Backend, ReadOnly: true})
		}
		if !t.IsZero() {
			if t.After(r.latest) {
				r.latest = t.Time
			}
			if r.oldest.IsZero() || t.Before(r.oldest) {
				r.oldest = t.Time
			}
		}
		dup := seen[o.Ref] && o.Ref != ""
		seen[o.Ref] = true
		return !dup
	}
	switch {
	case probe.Kind != nil:
		e := &model.Event{}
		if err := json.Unmarshal(line, e); err != nil {
			return err
		}
		if note(&e.Origin, e.Time) {
			r.events = append(r.events, e)
		}
	case probe.Title != nil || probe.Sev != nil:
		a := &model.Alert{}
		if err := json.Unmarshal(line, a); err != nil {
			return err
		}
		if a.ID == "" && a.Ref == "" {
			return errors.New("an alert without an id")
		}
		if note(&a.Origin, a.Time) {
			r.alerts = append(r.alerts, a)
			r.events = append(r.events, a.Events...)
		}
	case probe.Name != nil:
		h := &model.Host{}
		if err := json.Unmarshal(line, h); err != nil {
			return err
		}
		if note(&h.Origin, model.Time{}) {
			r.hosts = append(r.hosts, h)
		}
	default:
		return errors.New("this is neither an alert nor an event nor a host")
	}
	return nil
}

func (r *replay) Profiles() []Profile { return r.profiles }

func (r *replay) ListAlerts(ctx context.Context, profile string, _ ops.Request, each func(*model.Alert) bool) error {
	for _, a := range r.alerts {
		if a.Profile == profile && !each(a) {
			break
		}
	}
	return ctx.Err()
}

// WatchAlerts waits: nothing more comes.
func (r *replay) WatchAlerts(ctx context.Context, _ string, _ ops.Watch, _ func(*model.Alert) bool) error {
	<-ctx.Done()
	return ctx.Err()
}

var errNotSaved = errors.New("it is not in the replayed file")

func (r *replay) Alert(_ context.Context, ref string) (*model.Alert, error) {
	for _, a := range r.alerts {
		if a.Ref == ref {
			return a, nil
		}
	}
	return nil, fmt.Errorf("%s: %w", ref, errNotSaved)
}

func (r *replay) AlertEvents(ctx context.Context, ref string, each func(*model.Event) bool) error {
	a, err := r.Alert(ctx, ref)
	if err != nil {
		return err
	}
	for _, e := range r.events {
		if e.Profile == a.Profile && (e.AlertID == a.ID && a.ID != "" || slices.Contains(a.EventIDs, e.ID)) && !each(e) {
			break
		}
	}
	return nil
}

func (r *replay) Events(ctx context.Context, req ops.Request, each func(*model.Event) bool) []ops.Outcome {
	for _, e := range r.events {
		if !e.Time.Before(req.Since) && (req.Until.IsZero() || e.Time.Before(req.Until)) && req.Filter.Match(e) && !each(e) {
			break
		}
	}
	return outcomesOf(r.profiles, ctx.Err())
}

// Hosts are those of the file, and those its records name.
func (r *replay) Hosts(ctx context.Context, req ops.Request, each func(*model.Host) bool) []ops.Outcome {
	seen := map[string]bool{}
	give := func(h *model.Host, profile string) bool {
		if h == nil || hostName(h) == "" {
			return true
		}
		c := *h
		c.Profile = cmp.Or(c.Profile, profile)
		key := c.Profile + "\x00" + cmp.Or(c.ID, c.Name)
		if seen[key] {
			return true
		}
		seen[key] = true
		c.Ref = c.Profile + "/" + cmp.Or(c.ID, c.Name)
		return !req.Filter.Match(&c) || each(&c)
	}
	for _, h := range r.hosts {
		if !give(h, h.Profile) {
			return outcomesOf(r.profiles, ctx.Err())
		}
	}
	for _, a := range r.alerts {
		if !give(a.Host, a.Profile) {
			return outcomesOf(r.profiles, ctx.Err())
		}
	}
	for _, e := range r.events {
		if !give(e.Host, e.Profile) {
			break
		}
	}
	return outcomesOf(r.profiles, ctx.Err())
}

func outcomesOf(profiles []Profile, err error) []ops.Outcome {
	out := make([]ops.Outcome, len(profiles))
	for i, p := range profiles {
		out[i] = ops.Outcome{Profile: p.Name, Backend: p.Backend, Err: err}
	}
	return out
}

// Processes are those the saved records name.
func (r *replay) Processes(ctx context.Context, req ops.Request, each func(*model.Process) bool) []ops.Outcome {
	seen := map[string]bool{}
	give := func(p *model.Process, h *model.Host, profile string) bool {
		if p == nil {
			return true
		}
		key := ptree.Key(profile, p, hostName(h))
		if key == "" || seen[key] {
			return true
		}
		seen[key] = true
		c := *p
		c.Profile = profile
		if c.Host == nil {
			c.Host = h
		}
		return !req.Filter.Match(&c) || each(&c)
	}
	for _, a := range r.alerts {
		if !give(a.Process, a.Host, a.Profile) {
			return outcomesOf(r.profiles, ctx.Err())
		}
	}
	for _, e := range r.events {
		if !give(e.Process, e.Host, e.Profile) || !give(e.Target, e.Host, e.Profile) {
			break
		}
	}
	return outcomesOf(r.profiles, ctx.Err())
}

func (r *replay) Carves(ctx context.Context, _ ops.Request, _ func(*model.Carve) bool) []ops.Outcome {
	return outcomesOf(r.profiles, ctx.Err())
}

func (r *replay) HashInfo(ctx context.Context, _ string, _ func(*model.HashInfo) bool) []ops.Outcome {
	return outcomesOf(r.profiles, ctx.Err())
}

// Tree is built of the saved records of the host.
func (r *replay) Tree(ctx context.Context, q ops.TreeQuery) (*ops.TreeResult, error) {
	var b ptree.Builder
	var focus *model.Process
	var host *model.Host
	profile := ""
	find := func(p *model.Process, h *model.Host, in string) {
		if p != nil && focus == nil && (in+"/"+p.UID == q.Ref || in+"/"+p.ID == q.Ref) && cmp.Or(p.UID, p.ID) != "" {
			focus, host, profile = p, h, in
		}
	}
	for _, a := range r.alerts {
		if q.Kind == ops.TreeOfAlert && a.Ref == q.Ref {
			focus, host, profile = a.Process, a.Host, a.Profile
		}
		if q.Kind == ops.TreeOfProcess {
			find(a.Process, a.Host, a.Profile)
		}
	}
	for _, e := range r.events {
		if q.Kind == ops.TreeOfEvent && e.Ref == q.Ref {
			focus, host, profile = e.Process, e.Host, e.Profile
		}
		if q.Kind == ops.TreeOfProcess {
			find(e.Process, e.Host, e.Profile)
			find(e.Target, e.Host, e.Profile)
		}
	}
	if focus == nil {
		return nil, fmt.Errorf("%s: %w", q.Ref, errNotSaved)
	}
	n := b.AddProcess(profile, focus, host)
	if n == nil {
		return nil, fmt.Errorf("%s: nothing identifies its process", q.Ref)
	}
	n.Focus = true
	for _, e := range r.events {
		if hostName(e.Host) == hostName(host) {
			b.AddEvent(e.Profile, e)
		}
	}
	for _, a := range r.alerts {
		if hostName(a.Host) == hostName(host) {
			b.AddAlert(a.Profile, a)
		}
	}
	res := &ops.TreeResult{Tree: b.Build(), Focus: n}
	if !q.Unrelated {
		res.Tree = res.Tree.Around(res.Focus)
	}
	return res, ctx.Err()
}

func (r *replay) Hunt(context.Context, io.Reader, string, hunt.Span, HuntObserver) (HuntResult, error) {
	return HuntResult{}, errors.New("a replay has no servers to hunt on")
}
