package cmdutil

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/cache"
	"github.com/edrctl/edrctl/internal/demo"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/secrets"
)

// CompleteRefs offers the references of a kind (RefAlert …) that lists have
// shown, newest first, each with what it is. What is typed is the beginning of
// a reference; or else of an id, or a part of a title or a host's name.
func CompleteRefs(f *Factory, kind string) CompletionFunc {
	return func(_ *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return completeRefs(f, kind, args, typed)
	}
}

func completeRefs(f *Factory, kind string, given []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	entries := f.known(kind, typed, given)
	now := f.Now()
	directive := inOrder
	fit := filterEntries(entries, func(e *cache.Entry) bool { return strings.HasPrefix(e.Word, typed) })
	if len(fit) == 0 && typed != "" {
		directive |= matched
		fit = filterEntries(entries, func(e *cache.Entry) bool {
			_, id, _ := strings.Cut(e.Word, "/")
			return hasPrefixFold(e.Word, typed) || hasPrefixFold(id, typed) || containsFold(e.Name, typed) || hasPrefixFold(e.Host, typed)
		})
	}
	var words []word
	for _, e := range fit {
		parts := []string{e.Help, e.Host, e.Name}
		if kind == RefProcess {
			parts = []string{e.Name, "pid " + e.Help, e.Host}
		}
		words = append(words, word{e.Word, describe(e, now, parts...)})
	}
	return offer("", words), directive
}

func filterEntries(list []*cache.Entry, keep func(*cache.Entry) bool) []*cache.Entry {
	var out []*cache.Entry
	for _, e := range list {
		if SafeWord(e.Word) && keep(e) {
			if out = append(out, e); len(out) == maxOffered {
				break
			}
		}
	}
	return out
}

// CompleteHosts offers endpoints by name, or by reference where a name fits
// two of them or is none a shell takes as it is.
func CompleteHosts(f *Factory) CompletionFunc {
	return func(_ *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return completeHosts(f, args, typed)
	}
}

func completeHosts(f *Factory, given []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	entries := f.known(RefHost, typed, given)
	times := map[string]int{}
	for _, e := range entries {
		times[strings.ToLower(e.Name)]++
	}
	now := f.Now()
	directive := inOrder
	var words []word
	for _, e := range entries {
		text := e.Name
		byName := SafeWord(e.Name) && times[strings.ToLower(e.Name)] == 1 && !strings.Contains(e.Name, "/")
		if !byName || strings.Contains(typed, "/") {
			text = e.Word
		}
		if !SafeWord(text) || slices.Contains(given, text) {
			continue
		}
		switch {
		case strings.HasPrefix(text, typed):
		case hasPrefixFold(e.Name, typed):
			directive |= matched // another case, or the reference for a name
		case typed != "" && strings.HasPrefix(e.Word, typed):
			text = e.Word // the profile is being typed
		default:
			continue
		}
		profile, _, _ := strings.Cut(e.Word, "/")
		about := []string{profile, e.Help}
		if text == e.Word {
			about = []string{e.Name, e.Help}
		}
		if e.Time > 0 {
			about = append(about, "last seen")
		}
		words = append(words, word{text, strings.Replace(describe(e, now, about...), "last seen · ", "last seen ", 1)})
		if len(words) == maxOffered {
			break
		}
	}
	return offer("", words), directive
}

// CompleteHostNames offers names of endpoints, for filters.
func CompleteHostNames(f *Factory) CompletionFunc {
	return func(_ *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return f.named(RefHost, typed, func(e *cache.Entry) string { return e.Name })
	}
}

// named offers a text of the entries of a kind, each once.
func (f *Factory) named(kind, typed string, text func(*cache.Entry) string) ([]cobra.Completion, cobra.ShellCompDirective) {
	directive := inOrder
	seen := map[string]bool{}
	now := f.Now()
	var words []word
	for _, e := range f.known(kind, "", nil) {
		t := text(e)
		if !SafeWord(t) || seen[strings.ToLower(t)] || !hasPrefixFold(t, typed) {
			continue
		}
		seen[strings.ToLower(t)] = true
		if !strings.HasPrefix(t, typed) {
			directive |= matched
		}
		profile, _, _ := strings.Cut(e.Word, "/")
		words = append(words, word{t, describe(e, now, profile, e.Help)})
		if len(words) == maxOffered {
			break
		}
	}
	return offer("", words), directive
}

// CompleteTags offers tags that endpoints have.
func CompleteTags(f *Factory) CompletionFunc {
	return func(_ *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		var words []word
		for _, e := range f.known(refTag, "", args) {
			if !slices.ContainsFunc(words, func(w word) bool { return w.text == e.Word }) {
				words = append(words, word{e.Word, describe(e, f.Now(), "on "+e.Name)})
			}
		}
		return offer("", pick(words, typed, args)), inOrder
	}
}

// CompletePIDs offers the processes of a host that lists have shown.
func CompletePIDs(f *Factory, host, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	name := host
	for _, e := range f.known(RefHost, host, nil) {
		if _, id, _ := strings.Cut(e.Word, "/"); e.Word == host || id == host {
			name = e.Name
		}
	}
	directive := inOrder
	seen := map[string]bool{}
	var words []word
	for _, e := range f.known(RefProcess, host, nil) {
		if !strings.EqualFold(e.Host, name) || seen[e.Help] || e.Help == "0" {
			continue
		}
		byName := typed != "" && hasPrefixFold(e.Name, typed)
		if !strings.HasPrefix(e.Help, typed) && !byName {
			continue
		}
		if byName {
			directive |= matched
		}
		seen[e.Help] = true
		words = append(words, word{e.Help, describe(e, f.Now(), e.Name)})
	}
	return offer("", words), directive
}

// CompleteProcessUIDs offers the stable ids of processes.
func CompleteProcessUIDs(f *Factory) CompletionFunc {
	return func(_ *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		var words []word
		for _, e := range f.known(RefProcess, "", nil) {
			_, uid, _ := strings.Cut(e.Word, "/")
			if strings.HasPrefix(uid, typed) && len(words) < maxOffered {
				words = append(words, word{uid, describe(e, f.Now(), e.Name, "pid "+e.Help, e.Host)})
			}
		}
		return offer("", words), inOrder
	}
}

// known gives the entries of a kind of the profiles a command line is about,
// newest first, without those given before.
func (f *Factory) known(kind, typed string, given []string) []*cache.Entry {
	profiles := f.completionProfiles(typed)
	if truthy(f.Getenv("EDRCTL_COMPLETE_LIVE")) {
		f.askLive(kind, profiles)
	}
	c, err := f.Cache()
	if err != nil {
		return nil
	}
	var out []*cache.Entry
	for _, p := range profiles {
		list := c.Get(p, kind)
		out = slices.Grow(out, len(list))
		for i := range list {
			e := &list[i]
			if kind != refTag && !(strings.HasPrefix(e.Word, p) && strings.HasPrefix(e.Word[len(p):], "/")) {
				continue // not of this profile: a file was copied, or is a forgery
			}
			if !slices.Contains(given, e.Word) {
				out = append(out, e)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b *cache.Entry) int { return cmp.Compare(b.Time, a.Time) })
	return out
}

// completionProfiles are the profiles of -p; of a reference that is being
// typed; else all there are, since a reference needs no -p.
func (f *Factory) completionProfiles(typed string) []string {
	c, err := f.Config()
	if err != nil {
		return demo.Profiles()
	}
	if f.Flags.Profile != "" {
		selected, err := c.Select(f.Flags.Profile)
		if err != nil {
			return nil
		}
		return selected
	}
	all := slices.Concat(c.Order, demo.Profiles())
	if p, _, ok := strings.Cut(typed, "/"); ok && slices.Contains(all, p) {
		return []string{p}
	}
	return all
}

// liveTime is how long a shell is kept waiting where that was asked for.
const liveTime = 2 * time.Second

// askLive asks the servers of the selected profiles, for as long as liveTime,
// and puts what comes into the cache. Secrets come from the environment only:
// Tab must never open a keyring. Without a selection nothing is asked.
func (f *Factory) askLive(kind string, profiles []string) {
	if f.Flags.Profile == "" && len(profiles) != 1 {
		selected, err := f.Selected()
		if err != nil {
			return
		}
		profiles = selected
	}
	ctx, cancel := context.WithTimeout(context.Background(), liveTime)
	done := make(chan struct{})
	flags := *f.Flags
	flags.Quiet, flags.Debug, flags.NoInput = true, false, true
	// A factory of its own: one that a server holds back is left behind.
	live := NewFactory(f.IO, &flags, f.Getenv)
	live.completing = true
	go func() {
		defer close(done)
		defer cancel()
		if fleet, err := live.FleetOf(ctx, profiles); err == nil {
			live.fleet = fleet
			live.readLive(ctx, kind)
		}
	}()
	select {
	case <-done:
		live.Close()
	case <-ctx.Done(): // a server that does not let go is not waited for
		live.saveMemory()
	}
}

func (f *Factory) readLive(ctx context.Context, kind string) {
	fleet := f.fleet
	now := f.Now()
	req := ops.Request{Query: backends.Query{Limit: maxOffered}}
	since := req
	since.Since, since.Until = now.Add(-24*time.Hour), now
	switch kind {
	case RefAlert:
		noteAll(f, fleet.Alerts(ctx, since))
	case RefEvent:
		noteAll(f, fleet.Events(ctx, since))
	case RefProcess:
		noteAll(f, fleet.Processes(ctx, since))
	case RefHost, refTag:
		noteAll(f, fleet.Hosts(ctx, req))
	case RefRule:
		noteAll(f, fleet.Rules(ctx, req))
	case RefCarve:
		noteAll(f, fleet.Carves(ctx, req))
	}
}

func noteAll[T model.Record](f *Factory, st *ops.Stream[T]) {
	for r := range st.Records() {
		f.completions.note(r)
	}
}

// secretFromEnvironment is where completion finds secrets: nowhere else.
func (f *Factory) secretFromEnvironment(profile, secret string) (string, error) {
	v := f.Getenv(secrets.EnvName(profile, secret))
	if v == "" {
		return "", &backends.Error{Kind: backends.KindAuth, What: "no " + secret, Why: "completion takes secrets from the environment only"}
	}
	f.redactor.Add(v)
	return v, nil
}
