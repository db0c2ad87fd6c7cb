// Package ops holds the use cases the command line and the TUI share: the
// fan-out over all selected profiles and the merge of what they answer,
// reading, counting, watching and looking up by reference.
//
// It knows the driver contract, never a driver, a command or a screen.
package ops

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
)

// Source is one selected profile. Its driver is built at first use.
type Source struct {
	Profile  string
	Backend  string
	ReadOnly bool

	open func() (backends.Driver, error)

	mu      sync.Mutex
	built   bool
	driver  backends.Driver
	err     error
	retired []backends.Driver // replaced by Renew; closed at the end, for they may still be asked
}

// NewSource makes a source whose driver open builds, once, when first needed.
func NewSource(profile, backend string, readOnly bool, open func() (backends.Driver, error)) *Source {
	return &Source{Profile: profile, Backend: backend, ReadOnly: readOnly, open: open}
}

// Driver builds the driver, or gives the one built before.
func (s *Source) Driver() (backends.Driver, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.built {
		s.built = true
		s.driver, s.err = s.open()
	}
	return s.driver, s.err
}

// Renew makes the next request of a profile use a new driver, which looks its
// secrets up again: they were changed since.
func (f *Fleet) Renew(profile string) {
	for _, s := range f.Sources {
		if s.Profile != profile {
			continue
		}
		s.mu.Lock()
		if s.driver != nil {
			s.retired = append(s.retired, s.driver)
		}
		s.built, s.driver, s.err = false, nil, nil
		s.mu.Unlock()
	}
}

// Fleet is the selected profiles, asked as one.
type Fleet struct {
	Sources []*Source
}

// Close closes every driver that was built.
func (f *Fleet) Close() error {
	var errs []error
	for _, s := range f.Sources {
		s.mu.Lock()
		all := s.retired
		if s.driver != nil {
			all = append(all, s.driver)
		}
		s.mu.Unlock()
		for _, d := range all {
			errs = append(errs, d.Close())
		}
	}
	return errors.Join(errs...)
}

// Outcome is how one profile did.
type Outcome struct {
	Profile string
	Backend string
	Plan    backends.Plan
	Count   int // records it gave, after filtering
	Elapsed time.Duration
	Err     error
	Ahead   map[string]time.Duration // hosts whose records are stamped later than now, and by how much at most
}

// Resolve finds the source a reference names, and the id behind it. A bare id
// is taken when exactly one profile is selected.
func (f *Fleet) Resolve(ref string) (*Source, string, error) {
	profile, id, found := strings.Cut(ref, "/")
	if found && id != "" {
		for _, s := range f.Sources {
			if s.Profile == profile {
				return s, id, nil
			}
		}
	}
	if len(f.Sources) == 1 {
		return f.Sources[0], ref, nil
	}
	why := "several profiles are selected: write it as PROFILE/ID, or choose one with -p"
	if found {
		why = fmt.Sprintf("profile %q is not among the selected ones", profile)
	}
	return nil, "", backends.Invalid(fmt.Sprintf("which backend has %q", ref), why)
}

// Stamp completes the origin of a record with the profile it came through.
func (s *Source) Stamp(o *model.Origin) {
	o.Profile, o.Backend = s.Profile, s.Backend
	if o.ID != "" {
		o.Ref = s.Profile + "/" + o.ID
	}
}

// StampRecord stamps a record and the host inside it.
func (s *Source) StampRecord(r model.Record) {
	s.Stamp(r.GetOrigin())
	if h := model.HostOf(r); h != nil && h.ID != "" && h.Ref == "" {
		h.Ref = s.Profile + "/" + h.ID
	}
}

// Capability gives the driver as T, or says that the backend cannot do it and
// what it can do instead.
func Capability[T any](s *Source, what string) (T, error) {
	var zero T
	d, err := s.Driver()
	if err != nil {
		return zero, err
	}
	t, ok := d.(T)
	if !ok {
		return zero, backends.Unsupported(s.Backend, what, Instead(s.Backend, d))
	}
	return t, nil
}

// Instead names what a backend can do.
func Instead(backend string, d backends.Driver) string {
	var can []string
	for _, c := range backends.Capabilities {
		if c.Can(d) && !strings.Contains(c.Commands[0], "(") {
			can = append(can, c.Commands[0])
		}
	}
	return backend + " can do: " + strings.Join(can, ", ")
}

// CheckResult is what doctor found for one profile.
type CheckResult struct {
	Profile, Backend string
	Health           backends.Health
	Elapsed          time.Duration
	Err              error
}

// Check checks every profile at once, and gives the results in the order of
// the profiles.
func (f *Fleet) Check(ctx context.Context) []CheckResult {
	out := make([]CheckResult, len(f.Sources))
	var wg sync.WaitGroup
	for i, s := range f.Sources {
		wg.Go(func() {
			start := time.Now()
			r := CheckResult{Profile: s.Profile, Backend: s.Backend}
			d, err := s.Driver()
			if err == nil {
				r.Health, err = d.Check(ctx)
			}
			r.Err, r.Elapsed = err, time.Since(start)
			out[i] = r
		})
	}
	wg.Wait()
	return out
}
