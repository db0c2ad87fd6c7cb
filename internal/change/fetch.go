package change

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/edrctl/edrctl/internal/audit"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/download"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/shellquote"
)

// verbDownload is the journal's word for a file that was brought here.
const verbDownload = "carve.download"

// JournalVerbs lists the verbs that records of the journal have.
func JournalVerbs() []string { return append(slices.Clone(backends.AllVerbs), verbDownload) }

// Fetch is how a collected file is brought here.
type Fetch struct {
	Dir      string        // folder; made when missing
	Zip      string        // password of the AES-256 zip it is kept in; "" = as it is
	Wait     time.Duration // how long a file that is not complete is waited for; negative = to the end
	Action   *model.Action // the action that collected it, when it is known
	Name     string        // name to give the file; "" = the one it has
	Case     string
	User     string
	Machine  string
	Version  string
	Update   func(*model.Carve)                      // told how a file that is not complete does; may be nil
	Progress func(c *model.Carve, done, total int64) // may be nil
}

// Fetched is a collected file that is here.
type Fetched struct {
	Carve *model.Carve // with its sha256 and where it is
	Saved *download.Saved
}

// Fetch waits until a collected file is complete, and brings it here. It is
// journaled: what came from which host, and where it is.
func (a *Actor) Fetch(ctx context.Context, ref string, o Fetch) (*Fetched, error) {
	a.sign(&o)
	s, id, err := a.Fleet.Resolve(ref)
	if err != nil {
		return nil, err
	}
	d, err := ops.Capability[backends.Carver](s, "cannot download a carve")
	if err != nil {
		return nil, ops.InProfile(s, err)
	}
	c, err := waitCarve(ctx, s, d, id, o)
	if err != nil {
		return nil, ops.InProfile(s, err)
	}
	if o.Action != nil {
		if c.Host == nil || c.Host.Name == "" {
			c.Host = o.Action.Host
		}
		if c.Path == "" && o.Action.Target != nil {
			c.Path = o.Action.Target.Path
		}
	}
	saved, err := download.Save(ctx, o.Dir, a.job(s, c, o), func(ctx context.Context, offset int64, w io.Writer) (int64, bool, error) {
		return d.Download(ctx, id, offset, w)
	})
	if err != nil {
		return nil, ops.InProfile(s, err)
	}
	c.SHA256, c.Size, c.SavedTo = saved.Hashes.SHA256, saved.Size, saved.Path
	c.State, c.Progress = model.CarveComplete, nil
	rec := audit.Record{
		Case: o.Case, Profile: s.Profile, Backend: s.Backend, Verb: verbDownload, Phase: audit.PhaseOutcome, State: string(model.ActionDone),
		Targets: []audit.Target{carveTarget(c)}, IDs: []string{id},
		Details: map[string]string{"sha256": saved.Hashes.SHA256, "size": fmt.Sprint(saved.Size), "saved_to": saved.Path, "manifest": saved.Manifest},
	}
	if o.Action != nil {
		rec.Details["action"] = o.Action.Ref
	}
	if err := a.Journal.Append(rec); err != nil {
		return &Fetched{c, saved}, ops.InProfile(s, fmt.Errorf("%s is here, but that is not in the journal: %w", saved.Path, err))
	}
	return &Fetched{c, saved}, nil
}

// sign says who fetches, where the caller did not: as the journal says it.
func (a *Actor) sign(o *Fetch) {
	j, ok := a.Journal.(interface{ Who() audit.Who })
	if !ok {
		return
	}
	who := j.Who()
	o.User, o.Version, o.Machine = cmp.Or(o.User, who.User), cmp.Or(o.Version, who.Version), cmp.Or(o.Machine, who.Host)
}

// Checked is what checking a saved file against its manifest found.
type Checked = download.Verdict

// SamplePassword is the password of the zips samples are exchanged in.
const SamplePassword = download.SamplePassword

// Check checks a saved file, or the one a manifest names, against what was
// written down when it was brought here. The error is for what cannot be read.
func Check(ctx context.Context, path string) (*Checked, error) { return download.Verify(ctx, path) }

func carveTarget(c *model.Carve) audit.Target {
	t := audit.Target{Path: c.Path}
	if c.Host != nil {
		t.Host, t.ID = c.Host.Name, c.Host.ID
	}
	return t
}

// job is the download of a carve, with what its manifest says.
func (a *Actor) job(s *ops.Source, c *model.Carve, o Fetch) download.Job {
	name := o.Name
	if name == "" {
		name = c.Name
	}
	if name == "" {
		name = model.BaseName(c.Path)
	}
	if name == "" {
		name = c.ID
	}
	j := download.Job{Name: name, Identity: c.Ref, Size: -1, Hashes: download.Hashes{SHA256: c.SHA256}, Zip: o.Zip, Now: a.Now}
	if c.Size > 0 {
		j.Size = c.Size
	}
	if o.Progress != nil {
		j.Progress = func(done, total int64) { o.Progress(c, done, total) }
	}
	m := download.Manifest{
		Carve: c.Ref, Profile: s.Profile, Backend: s.Backend, Path: c.Path, RequestIDs: []string{c.ID},
		User: o.User, Machine: o.Machine, Case: o.Case, Version: o.Version,
	}
	if j.Hashes != (download.Hashes{}) {
		announced := j.Hashes
		m.Announced = &announced
	}
	if c.Host != nil {
		m.Host, m.HostID = c.Host.Name, c.Host.ID
	}
	m.Requested = c.Created
	if o.Action != nil {
		m.Action = o.Action.Ref
		if id := nativeID(o.Action); id != "" && id != c.ID {
			m.RequestIDs = append(m.RequestIDs, id)
		}
		if t := o.Action.RequestedAt; !t.IsZero() {
			m.Requested = t
		}
		m.Extra = maps.Clone(o.Action.Details)
		delete(m.Extra, nativeIDKey)
	}
	j.Manifest = m
	return j
}

// PendingError is a file that was not complete when the wait ended.
type PendingError struct{ Carve *model.Carve }

func (e *PendingError) Error() string {
	return fmt.Sprintf("%s is not complete yet (%s)", e.Carve.Ref, e.Carve.State)
}

// HintText says how to get it later.
func (e *PendingError) HintText() string {
	return shellquote.Join("edrctl carve download", e.Carve.Ref) + " gets it later"
}

// waitCarve reads a carve until it is complete.
func waitCarve(ctx context.Context, s *ops.Source, d backends.Carver, id string, o Fetch) (*model.Carve, error) {
	var end <-chan time.Time
	if o.Wait >= 0 {
		t := time.NewTimer(o.Wait)
		defer t.Stop()
		end = t.C
	}
	delay := 500 * time.Millisecond
	var last *model.Carve
	for {
		c, err := d.Carve(ctx, id)
		kind := backends.KindOf(err)
		switch {
		case err == nil:
			s.StampRecord(c)
			last = c
			switch c.State {
			case model.CarveComplete:
				return c, nil
			case model.CarveFailed:
				return nil, &backends.Error{What: "cannot download " + c.Ref, Why: "collecting it failed"}
			}
			if o.Update != nil {
				o.Update(c)
			}
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case kind != backends.KindUnavailable && kind != backends.KindRateLimited && (kind != backends.KindNotFound || o.Action == nil):
			return nil, err // a carve just asked for may not be listed yet; any other must be
		}
		t := time.NewTimer(delay)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil, ctx.Err()
		case <-end:
			t.Stop()
			if last == nil {
				return nil, err
			}
			return nil, &PendingError{last}
		case <-t.C:
		}
		delay = min(delay*3/2, 5*time.Second)
	}
}

// Machine is the name of this machine, "" when the system does not know.
func Machine() string {
	h, _ := os.Hostname() // "" says it
	return h
}
