package ops

import (
	"context"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
)

// own is a query as this profile can be asked: refs of its hosts become ids,
// and conditions on profile and backend are decided. It is false when nothing
// of this profile can match.
func (s *Source) own(q backends.Query, profiles []string) (backends.Query, bool) {
	if profiles == nil {
		profiles = []string{s.Profile}
	}
	var any bool
	q.Filter, any = q.Filter.ForProfile(s.Profile, s.Backend, profiles)
	return q, any
}

func (f *Fleet) names() []string {
	out := make([]string, len(f.Sources))
	for i, s := range f.Sources {
		out[i] = s.Profile
	}
	return out
}

// hostNames are the hosts a filter asks for that no record has shown yet.
type hostNames []filter.Filter

func unseenHosts(f filter.Filter) hostNames {
	var out hostNames
	for _, p := range f.HostPatterns() {
		out = append(out, filter.Filter{Terms: []filter.Term{{Field: filter.Host, Any: []filter.Pattern{p}}}})
	}
	return out
}

// see forgets the hosts that a record shows.
func (n *hostNames) see(r model.Record) {
	if len(*n) == 0 {
		return
	}
	left := (*n)[:0]
	for _, f := range *n {
		if o := r.GetOrigin(); !matches(f, o.Profile, r) {
			left = append(left, f)
		}
	}
	*n = left
}

// matches evaluates a filter over a record of a profile.
func matches(f filter.Filter, profile string, r model.Record) bool {
	if !strings.Contains(f.Terms[0].Any[0].Text, "/") {
		return f.Match(r)
	}
	own, any := f.ForProfile(profile, "", []string{profile})
	return any && own.Match(r)
}

// UnknownHosts gives the hosts that were asked for and that no profile knows,
// as they were written: nothing can be found of them, and an empty list would
// not say why. It asks only when the records have not shown every one. A
// profile that cannot list its hosts may know them; then none is reported.
func (f *Fleet) UnknownHosts(ctx context.Context, asked filter.Filter) []string {
	return f.unknownHosts(ctx, unseenHosts(asked))
}

func (f *Fleet) unknownHosts(ctx context.Context, left hostNames) []string {
	if len(left) == 0 || ctx.Err() != nil {
		return nil
	}
	st := f.Hosts(ctx, Request{})
	for h := range st.Records() {
		if left.see(h); len(left) == 0 {
			return nil
		}
	}
	for _, o := range st.Outcomes() {
		if o.Err != nil {
			return nil
		}
	}
	var out []string
	for _, l := range left {
		out = append(out, l.Terms[0].Any[0].String())
	}
	return out
}

// UnknownHosts is Fleet.UnknownHosts for what a list has not shown.
func (s *Stream[T]) UnknownHosts(ctx context.Context, f *Fleet) []string {
	if s.cut || f == nil {
		return nil
	}
	return f.unknownHosts(ctx, s.unseen)
}
