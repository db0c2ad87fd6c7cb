package carbonblack

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/catalog"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
)

const (
	whatProcesses = "cannot list processes"
	processRows   = 5000           // most rows of one request (§6)
	processWindow = 24 * time.Hour // longest startTime..endTime of /process
)

// processPush is how a filter becomes questions to /process, which takes none
// without one of its own filters (§6).
type processPush struct {
	queries  []url.Values // one of them each, or with devices: each for every device
	devices  filter.Filter
	perHost  bool
	residual filter.Filter
	notes    []string
}

// pushProcesses splits a filter for /process. Rows name no device, so --host
// and --ip are answered by the device list first and each device is then asked
// for by its own name: this is exact, and the rows know their host. --hash
// with whole SHA-256 values and --process =NAME narrow, and are compared again
// with the row's own hash and name, which may hold a path. Without any of these
// nothing can be asked.
func pushProcesses(q backends.Query) (processPush, error) {
	p := processPush{}
	if q.Native != "" {
		return p, backends.Unsupported("Carbon Black v3", "cannot use --query for processes", "use --host, --hash, --process =NAME or --ip")
	}
	var hash, name *filter.Term
	p.residual = q.Filter.Split(func(t filter.Term) bool {
		switch t.Field {
		case filter.Host, filter.IP:
			p.devices.Terms = append(p.devices.Terms, t)
			p.perHost = true
			return true
		case filter.Hash:
			if hash == nil && wholeSHA256(t) {
				hash = &t
			}
		case filter.Process:
			if name == nil && namesOnly(t) {
				name = &t
			}
		case filter.User:
			p.notes = append(p.notes, "rows of /process name no user: --user matches none of them; edrctl events list --user does")
		}
		return false
	})
	p.queries = []url.Values{{}}
	expand := func(param string, t *filter.Term) {
		if t == nil {
			return
		}
		var out []url.Values
		for _, q := range p.queries {
			for _, pat := range t.Any {
				one := cloneQuery(q)
				one.Set(param, strings.ToLower(pat.Text))
				out = append(out, one)
			}
		}
		p.queries = out
	}
	expand("sha256Hash", hash)
	expand("applicationName", name)
	if !p.perHost && hash == nil && name == nil {
		return p, &backends.Error{
			Kind: backends.KindInvalid, What: whatProcesses, Err: backends.ErrNarrow,
			Why:  "Carbon Black v3 lists processes only by device, address, SHA-256 or program name",
			Hint: "add --host NAME (--host '*' asks for every device), --ip ADDRESS, --hash SHA256 or --process =NAME.exe",
		}
	}
	return p, nil
}

func allOf(t filter.Term, is func(filter.Pattern) bool) bool {
	return !slices.ContainsFunc(t.Any, func(p filter.Pattern) bool { return !is(p) })
}

// Processes lists processes that had an event in the window. Rows of the days
// of a window are put together by process, so the list is complete before its
// first record is given.
func (d *Driver) Processes(ctx context.Context, q backends.Query) (backends.Listing[*model.Process], error) {
	p, err := pushProcesses(q)
	if err != nil {
		return backends.Listing[*model.Process]{}, err
	}
	w, ahead := d.window(q), span{}
	if q.Until.IsZero() {
		w, ahead = w.at(d.opt.Clock())
	}
	l := backends.Listing[*model.Process]{Plan: backends.Plan{Residual: p.residual, Notes: p.notes}}
	if p.perHost {
		l.Plan.Requests = append(l.Plan.Requests, d.client.Describe(client.Call{
			Path: catalog.Base + "/device", Query: url.Values{"start": {"1"}, "rows": {strconv.Itoa(deviceRows)}},
		})+" …")
		l.Plan.Notes = append(l.Plan.Notes, "the device list answers --host and --ip; each device found is asked for by its name")
	}
	for _, one := range p.queries {
		if p.perHost {
			one = cloneQuery(one)
			one.Set("hostNameExact", "DEVICE")
		}
		l.Plan.Requests = append(l.Plan.Requests, d.describeWindows("/process", one, w.split(processWindow), processRows)...)
	}
	if ahead != (span{}) {
		l.Plan.Requests = append(l.Plan.Requests, d.describeWindows("/event", nil, []span{ahead}, 1)...)
		l.Plan.Notes = append(l.Plan.Notes, "the newest event tells how far beyond now processes are asked for")
	}
	l.Plan.Notes = append(l.Plan.Notes, "only processes with an event in the window are known to the server")
	l.Seq = func(yield func(*model.Process, error) bool) {
		until, err := d.newestIn(ctx, ahead)
		if err != nil {
			yield(nil, err)
			return
		}
		w.to = max(w.to, until)
		all, err := d.processes(ctx, p, w.split(processWindow), q.Raw)
		for _, one := range all {
			if !yield(one, nil) {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
	return l, nil
}

// newestIn is the end of a window that holds the newest event of w, zero when
// there is none: a day of /process beyond now costs a request for each device,
// and hardly ever is there anything.
func (d *Driver) newestIn(ctx context.Context, w span) (end int64, err error) {
	if w == (span{}) {
		return 0, nil
	}
	for e, err := range scan(ctx, d, whatProcesses, url.Values{}, w, 1, readEvent(false)) {
		if err != nil {
			return 0, err
		}
		return e.ms + 1, nil
	}
	return 0, nil
}

// processes asks every question of the push, a few at a time, and gives the
// rows newest first, each process once.
func (d *Driver) processes(ctx context.Context, p processPush, pieces []span, raw bool) ([]*model.Process, error) {
	type question struct {
		q    url.Values
		host *model.Host
	}
	var questions []question
	var gaps error // the device list is incomplete: what it named is asked for
	if !p.perHost {
		for _, q := range p.queries {
			questions = append(questions, question{q: q})
		}
	} else {
		hosts, err := d.matchingHosts(ctx, p.devices)
		if err != nil && backends.KindOf(err) != backends.KindPartial {
			return nil, err
		}
		gaps = err
		for _, h := range hosts {
			for _, q := range p.queries {
				one := cloneQuery(q)
				one.Set("hostNameExact", h.asked)
				questions = append(questions, question{one, h.host})
			}
		}
	}
	found := make([][]*model.Process, len(questions))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(concurrent)
	for i, one := range questions {
		g.Go(func() error {
			for _, w := range pieces {
				rows, err := d.processRows(gctx, one.q, w, one.host, raw)
				if err != nil {
					return err
				}
				found[i] = append(found[i], rows...)
			}
			return nil
		})
	}
	err := g.Wait()
	if err != nil {
		return nil, err
	}
	return mergeProcesses(found), gaps
}

// mergeProcesses puts the rows of one process together and sorts, newest first.
func mergeProcesses(found [][]*model.Process) []*model.Process {
	var out []*model.Process
	byUID := map[string]*model.Process{}
	for _, rows := range found {
		for _, p := range rows {
			if have := byUID[p.UID]; have != nil && p.UID != "" {
				have.EventCount += p.EventCount
				have.Path = cmp.Or(have.Path, p.Path)
				continue
			}
			byUID[p.UID] = p
			out = append(out, p)
		}
	}
	slices.SortStableFunc(out, func(a, b *model.Process) int { return b.Started.Compare(a.Started.Time) })
	return out
}

// processRows pages through one window of at most a day.
func (d *Driver) processRows(ctx context.Context, q url.Values, w span, h *model.Host, raw bool) ([]*model.Process, error) {
	query := cloneQuery(q)
	wire.SetWindow(query, w.from, w.to)
	var out []*model.Process
	seen := map[string]bool{}
	for received := 0; ; {
		var p page
		for element, err := range d.list(ctx, whatProcesses, catalog.RouteProcess, "/process", query, received+1, processRows, &p) {
			if err != nil {
				return nil, err
			}
			var row wire.Process
			if err := wire.Decode(element, &row); err != nil {
				return nil, backends.Malformed(whatProcesses, "a process is not the JSON it should be: "+err.Error())
			}
			one := listedProcess(&row, h)
			if one.UID != "" && seen[one.UID] {
				continue // a page that shifted
			}
			seen[one.UID] = true
			if raw {
				one.Raw = slices.Clone(element)
			}
			out = append(out, one)
		}
		received += p.received
		switch {
		case p.received == 0 && p.null && p.Total > int64(received), received >= resultCeiling:
			// Rows carry no time to walk back by: halve the window instead.
			return d.halveProcesses(ctx, q, w, h, raw, received)
		case p.received == 0, p.Total > 0 && int64(received) >= p.Total:
			return out, nil
		}
	}
}

func (d *Driver) halveProcesses(ctx context.Context, q url.Values, w span, h *model.Host, raw bool, received int) ([]*model.Process, error) {
	mid := w.from + (w.to-w.from)/2
	if mid <= w.from || mid >= w.to {
		return nil, &backends.Error{Kind: backends.KindPartial, What: whatProcesses,
			Why: fmt.Sprintf("the server gives no more than %d processes for one moment", received)}
	}
	newer, err := d.processRows(ctx, q, span{mid, w.to}, h, raw)
	if err != nil {
		return nil, err
	}
	older, err := d.processRows(ctx, q, span{w.from, mid}, h, raw)
	if err != nil {
		return nil, err
	}
	return append(newer, older...), nil
}

// askedHost is a device by the name the server knows it.
type askedHost struct {
	asked string
	host  *model.Host
}

// matchingHosts finds the devices that satisfy --host and --ip, one for each
// name: a name that several devices bear is asked for once, and its rows then
// name the host without an id, as it cannot be reported whose they are. With an
// error of kind partial come those that the incomplete list named.
func (d *Driver) matchingHosts(ctx context.Context, f filter.Filter) ([]askedHost, error) {
	var out []askedHost
	at := map[string]int{}
	named := map[string]int{} // devices of each name, matching or not
	query, _ := pushHosts(f)
	if len(f.Get(filter.Host)) > 0 {
		query = url.Values{} // names must be seen whole to tell which are shared
	}
	now := model.At(d.opt.Clock())
	var gaps error
	for dev, err := range d.devices(ctx, whatProcesses, query) {
		if backends.KindOf(err) == backends.KindPartial {
			gaps = err
			break // it is the last
		}
		if err != nil {
			return nil, err
		}
		name := string(dev.Name)
		if name == "" {
			continue
		}
		named[name]++
		h := deviceHost(&dev.Device, now)
		if !f.Match(h) {
			continue
		}
		if _, ok := at[name]; !ok {
			at[name] = len(out)
			out = append(out, askedHost{asked: name, host: h})
		}
	}
	for i := range out {
		h := out[i].host
		slim := &model.Host{Origin: h.Origin, Name: h.Name, Domain: h.Domain, OS: h.OS, IP: h.IP, Policy: h.Policy}
		if named[out[i].asked] > 1 {
			slim.ID = ""
		}
		out[i].host = slim
	}
	return out, gaps
}
