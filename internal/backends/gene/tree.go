package gene

import (
	"context"
	"encoding/hex"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/wire"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
)

// The manager keeps no processes: one is found in the logs, by the event of
// its creation. Trees are made of the events around, which is all this
// backend has, so there is no TreeExpander.

// startSlack is how far the start in a process GUID may be from the event.
const startSlack = 10 * time.Second

// Process finds a process by its GUID, or by the id of Processes. Sysmon
// writes the second of the start into the GUID: there it is looked for
// first, then backwards through the logs of the week before near.
func (d *Driver) Process(ctx context.Context, id string, near time.Time) (*model.Process, error) {
	what := "cannot find process " + id
	if near.IsZero() {
		near = d.now()
	}
	var only filter.Filter
	// Without a GUID the id begins with the host's.
	host, _, numbered := strings.Cut(id, "|")
	switch {
	case !wire.IsUUID(host):
		return nil, backends.NotFound("process", id)
	case numbered:
		if err := only.Add(filter.Host, "="+host); err != nil {
			return nil, backends.Invalid(what, err.Error())
		}
	}
	if at, ok := startOf(id, d.now()); ok {
		p, err := d.findProcess(ctx, id, backends.Query{Filter: only, Since: at.Add(-startSlack), Until: at.Add(startSlack)})
		if err != nil {
			return nil, d.fail(what, err)
		}
		if p != nil && !p.Started.IsZero() {
			return p, nil
		}
	}
	p, err := d.findProcess(ctx, id, backends.Query{Filter: only, Since: near.Add(-eventLookBack), Until: near.Add(time.Second)})
	if err != nil {
		return nil, d.fail(what, err)
	}
	if p == nil {
		e := backends.NotFound("process", id)
		e.Hint = "the logs of the 7 days before " + near.UTC().Format(time.RFC3339) + " were searched"
		return nil, e
	}
	return p, nil
}

// findProcess gives a process of a window, nil when it is not there. One whose
// creation is not in the window is what its events tell.
func (d *Driver) findProcess(ctx context.Context, id string, q backends.Query) (*model.Process, error) {
	l, err := d.Processes(ctx, q)
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
	return nil, nil
}

// startOf reads the start of a process out of its Sysmon GUID: machine,
// start in seconds since 1970 with its lower half first, and a token. What is
// no plausible time is none.
func startOf(guid string, now time.Time) (time.Time, bool) {
	p := strings.Split(guid, "-")
	if len(p) != 5 || len(p[1]) != 4 || len(p[2]) != 4 {
		return time.Time{}, false
	}
	b, err := hex.DecodeString(p[2] + p[1])
	if err != nil {
		return time.Time{}, false
	}
	at := time.Unix(int64(b[0])<<24|int64(b[1])<<16|int64(b[2])<<8|int64(b[3]), 0)
	return at, at.Year() >= 2014 && at.Before(now.Add(24*time.Hour))
}

var _ backends.ProcessGetter = (*Driver)(nil)
