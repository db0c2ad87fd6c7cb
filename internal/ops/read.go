package ops

import (
	"context"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
)

// Alerts lists the alerts of all profiles, newest first.
func (f *Fleet) Alerts(ctx context.Context, req Request) *Stream[*model.Alert] {
	return list(ctx, f, req, true, func(ctx context.Context, s *Source, q backends.Query) (backends.Listing[*model.Alert], error) {
		d, err := Capability[backends.AlertLister](s, "cannot list alerts")
		if err != nil {
			return backends.Listing[*model.Alert]{}, err
		}
		return d.Alerts(ctx, q)
	})
}

// Events searches the events of all profiles, newest first.
func (f *Fleet) Events(ctx context.Context, req Request) *Stream[*model.Event] {
	return list(ctx, f, req, true, func(ctx context.Context, s *Source, q backends.Query) (backends.Listing[*model.Event], error) {
		d, err := Capability[backends.EventSearcher](s, "cannot search events")
		if err != nil {
			return backends.Listing[*model.Event]{}, err
		}
		return d.Events(ctx, q)
	})
}

// Processes lists the processes of all profiles, latest started first.
func (f *Fleet) Processes(ctx context.Context, req Request) *Stream[*model.Process] {
	return list(ctx, f, req, false, func(ctx context.Context, s *Source, q backends.Query) (backends.Listing[*model.Process], error) {
		d, err := Capability[backends.ProcessLister](s, "cannot list processes")
		if err != nil {
			return backends.Listing[*model.Process]{}, err
		}
		return d.Processes(ctx, q)
	})
}

// Hosts lists the endpoints of all profiles, by name.
func (f *Fleet) Hosts(ctx context.Context, req Request) *Stream[*model.Host] {
	if req.Sort == "" {
		req.Sort = "name"
	}
	return list(ctx, f, req, false, func(ctx context.Context, s *Source, q backends.Query) (backends.Listing[*model.Host], error) {
		d, err := Capability[backends.HostLister](s, "cannot list hosts")
		if err != nil {
			return backends.Listing[*model.Host]{}, err
		}
		return d.Hosts(ctx, q)
	})
}

// RemovedHosts lists the endpoints that the servers keep although they were
// taken out of service, by name.
func (f *Fleet) RemovedHosts(ctx context.Context, req Request) *Stream[*model.Host] {
	if req.Sort == "" {
		req.Sort = "name"
	}
	return list(ctx, f, req, false, func(ctx context.Context, s *Source, q backends.Query) (backends.Listing[*model.Host], error) {
		d, err := Capability[backends.RemovedHostLister](s, "cannot list removed hosts")
		if err != nil {
			return backends.Listing[*model.Host]{}, err
		}
		return d.RemovedHosts(ctx, q)
	})
}

// Rules lists the detection rules of all profiles that keep some, by name.
func (f *Fleet) Rules(ctx context.Context, req Request) *Stream[*model.Rule] {
	if req.Sort == "" {
		req.Sort = "name"
	}
	return list(ctx, f, req, false, func(ctx context.Context, s *Source, q backends.Query) (backends.Listing[*model.Rule], error) {
		d, err := Capability[backends.RuleLister](s, "cannot list rules")
		if err != nil {
			return backends.Listing[*model.Rule]{}, err
		}
		return d.Rules(ctx, q)
	})
}

// Carves lists the files collected on the servers, newest first.
func (f *Fleet) Carves(ctx context.Context, req Request) *Stream[*model.Carve] {
	return list(ctx, f, req, false, func(ctx context.Context, s *Source, q backends.Query) (backends.Listing[*model.Carve], error) {
		d, err := Capability[backends.CarveLister](s, "cannot list carves")
		if err != nil {
			return backends.Listing[*model.Carve]{}, err
		}
		return d.Carves(ctx, q)
	})
}

// Reports gives the backends' own reports on hosts; host "" is all.
func (f *Fleet) Reports(ctx context.Context, host string, req Request) *Stream[*model.Report] {
	if req.Sort == "" {
		req.Sort = "score"
	}
	return list(ctx, f, req, false, func(ctx context.Context, s *Source, q backends.Query) (backends.Listing[*model.Report], error) {
		d, err := Capability[backends.Reporter](s, "cannot report on hosts")
		if err != nil {
			return backends.Listing[*model.Report]{}, err
		}
		return d.Reports(ctx, host, q)
	})
}

// AlertEvents lists the events behind one alert.
func (f *Fleet) AlertEvents(ctx context.Context, s *Source, id string, req Request) *Stream[*model.Event] {
	one := &Fleet{Sources: []*Source{s}}
	return list(ctx, one, req, true, func(ctx context.Context, s *Source, q backends.Query) (backends.Listing[*model.Event], error) {
		d, err := Capability[backends.AlertEventLister](s, "cannot list the events of an alert")
		if err != nil {
			return backends.Listing[*model.Event]{}, err
		}
		return d.AlertEvents(ctx, id, q)
	})
}

// Alert reads one alert by reference, with its events when asked for.
func (f *Fleet) Alert(ctx context.Context, ref string, raw, events bool) (*model.Alert, error) {
	ref, err := f.completeAlert(ctx, ref)
	if err != nil {
		return nil, err
	}
	s, id, err := f.Resolve(ref)
	if err != nil {
		return nil, err
	}
	d, err := Capability[backends.AlertGetter](s, "cannot get an alert")
	if err != nil {
		return nil, InProfile(s, err)
	}
	a, err := d.Alert(ctx, id, raw)
	if err != nil {
		return nil, InProfile(s, err)
	}
	s.StampRecord(a)
	if events {
		st := f.AlertEvents(ctx, s, id, Request{Query: backends.Query{Raw: raw}})
		for e := range st.Records() {
			a.Events = append(a.Events, e)
		}
		if err := st.Outcomes()[0].Err; err != nil {
			return a, InProfile(s, err)
		}
	}
	return a, nil
}

// Event reads one event by reference.
func (f *Fleet) Event(ctx context.Context, ref string, raw bool) (*model.Event, error) {
	ref, err := f.completeEvent(ctx, ref)
	if err != nil {
		return nil, err
	}
	return get(f, ref, "cannot get an event", func(d backends.EventGetter, id string) (*model.Event, error) {
		return d.Event(ctx, id, raw)
	})
}

// Rule reads one rule by reference.
func (f *Fleet) Rule(ctx context.Context, ref string, raw bool) (*model.Rule, error) {
	return get(f, ref, "cannot get a rule", func(d backends.RuleGetter, id string) (*model.Rule, error) {
		return d.Rule(ctx, id, raw)
	})
}

// HashInfo is what every profile knows of a hash.
func (f *Fleet) HashInfo(ctx context.Context, hash string) *Stream[*model.HashInfo] {
	return list(ctx, f, Request{Sort: "profile"}, false, func(ctx context.Context, s *Source, _ backends.Query) (backends.Listing[*model.HashInfo], error) {
		d, err := Capability[backends.HashInspector](s, "cannot look a hash up")
		if err != nil {
			return backends.Listing[*model.HashInfo]{}, err
		}
		return backends.Listing[*model.HashInfo]{Seq: func(yield func(*model.HashInfo, error) bool) {
			yield(d.InspectHash(ctx, hash))
		}}, nil
	})
}

// Carve reads a collected file's record by reference.
func (f *Fleet) Carve(ctx context.Context, ref string) (*model.Carve, error) {
	return get(f, ref, "cannot read a carve", func(d backends.Carver, id string) (*model.Carve, error) { return d.Carve(ctx, id) })
}

// get reads one thing by reference through one capability.
func get[D any, T model.Record](f *Fleet, ref, what string, read func(D, string) (T, error)) (T, error) {
	var zero T
	s, id, err := f.Resolve(ref)
	if err != nil {
		return zero, err
	}
	d, err := Capability[D](s, what)
	if err != nil {
		return zero, InProfile(s, err)
	}
	r, err := read(d, id)
	if err != nil {
		return zero, InProfile(s, err)
	}
	s.StampRecord(r)
	return r, nil
}

// ProfileError is an error of one profile.
type ProfileError struct {
	Profile string
	Err     error
}

func (e *ProfileError) Error() string { return e.Profile + ": " + e.Err.Error() }
func (e *ProfileError) Unwrap() error { return e.Err }

// InProfile is an error with the name of the profile it happened on.
func InProfile(s *Source, err error) error { return &ProfileError{s.Profile, err} }
