package ops

import (
	"context"
	"encoding/json"
	"iter"
	"sync"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
)

// caller gives the source's driver as a backends.Caller.
func (s *Source) caller() (backends.Caller, error) {
	return Capability[backends.Caller](s, "cannot call its API")
}

// Call sends a reading call to one profile. The caller closes the body.
func (s *Source) Call(ctx context.Context, c backends.Call) (*backends.Answer, error) {
	if c.Op.Mutates {
		return nil, InProfile(s, errNotReadOnly(c))
	}
	api, err := s.caller()
	if err != nil {
		return nil, InProfile(s, err)
	}
	a, err := api.Call(ctx, c)
	if err != nil {
		return nil, InProfile(s, err)
	}
	return a, nil
}

// Items gives the records of a reading call to one profile, all pages of it.
// An error ends the sequence.
func (s *Source) Items(ctx context.Context, c backends.Call) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		api, err := s.caller()
		if err == nil && c.Op.Mutates {
			err = errNotReadOnly(c)
		}
		if err != nil {
			yield(nil, InProfile(s, err))
			return
		}
		for item, err := range api.Items(ctx, c) {
			if err != nil {
				yield(nil, InProfile(s, err))
				return
			}
			if !yield(item, nil) {
				return
			}
		}
	}
}

// errNotReadOnly is the refusal to send a change by the way of reading.
func errNotReadOnly(c backends.Call) error {
	return backends.Invalid("cannot call "+c.Label(), "it changes something, and goes the way of every change")
}

// Found is a record of a fan-out of calls.
type Found struct {
	Source *Source
	JSON   json.RawMessage // valid until the next step
}

// Calls is the answer of a fan-out of calls. Records must be iterated (once)
// before Outcomes means anything.
type Calls struct {
	seq      iter.Seq[Found]
	outcomes []Outcome
}

// Records gives the records profile after profile, in the order of the
// profiles; within one, in the order of its server.
func (c *Calls) Records() iter.Seq[Found] { return c.seq }

// Outcomes tells how every profile did, in the order of the profiles.
func (c *Calls) Outcomes() []Outcome { return c.outcomes }

// Items sends a reading call to every profile at once. build makes the call
// of one of them: an operation may be another one on another backend, or none
// (an error, which is that profile's outcome).
func (f *Fleet) Items(ctx context.Context, build func(*Source) (backends.Call, error)) *Calls {
	out := &Calls{outcomes: make([]Outcome, len(f.Sources))}
	for i, s := range f.Sources {
		out.outcomes[i] = Outcome{Profile: s.Profile, Backend: s.Backend}
	}
	out.seq = func(yield func(Found) bool) {
		outer := ctx
		ctx, stop := context.WithCancel(outer)
		var wg sync.WaitGroup
		defer wg.Wait()
		defer stop()
		feeds := make([]chan json.RawMessage, len(f.Sources))
		for i, s := range f.Sources {
			feeds[i] = make(chan json.RawMessage, buffered)
			wg.Go(func() {
				defer close(feeds[i])
				o := &out.outcomes[i]
				start := time.Now()
				o.Err = feedItems(ctx, s, build, feeds[i], o)
				o.Elapsed = time.Since(start)
				if ctx.Err() != nil && outer.Err() == nil {
					o.Err = nil // nobody wanted more
				}
			})
		}
		for i, s := range f.Sources {
			for item := range feeds[i] {
				if !yield(Found{s, item}) {
					return
				}
			}
		}
	}
	return out
}

func feedItems(ctx context.Context, s *Source, build func(*Source) (backends.Call, error), to chan<- json.RawMessage, o *Outcome) error {
	c, err := build(s)
	if err != nil {
		return err
	}
	api, err := s.caller()
	if err != nil {
		return err
	}
	if c.Op.Mutates {
		return errNotReadOnly(c)
	}
	for item, err := range api.Items(ctx, c) {
		if err != nil {
			return err
		}
		select {
		case to <- append(json.RawMessage(nil), item...):
			o.Count++
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
