package cmdutil

import (
	"context"
	"sync"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/internal/filter"
)

func (l *ListFlags) addWhere(cmd *cobra.Command) {
	StringArray(cmd.Flags(), &l.Where, "where", "", "filter expression, such as 'host~FIN,HR !user=SYSTEM', or @NAME of a saved one; see edrctl help filters")
}

// where adds what --where says to what the flags say.
func (l *ListFlags) where(f *Factory, to *filter.Filter) error {
	if len(l.Where) == 0 {
		return nil
	}
	c, err := f.Config()
	if err != nil {
		return err
	}
	for _, text := range l.Where {
		e, err := filter.ParseExpr(text, c.Filters)
		if err == nil {
			err = e.Only("the records of this command", l.has)
		}
		if err != nil {
			return Usagef("invalid --where %q: %w", text, err)
		}
		to.Require(e)
	}
	return nil
}

// has tells whether the command's records have a field.
func (l *ListFlags) has(name string) bool {
	switch name {
	case "severity", "score":
		return l.Rated
	case "status", string(filter.SourceOf):
		return l.alerts
	case string(filter.Technique), string(filter.Tactic):
		return l.Rated || l.values[filter.KindOf] != nil
	case string(filter.BackendOf), string(filter.ProfileOf), string(filter.Ref), string(filter.Title):
		return true
	}
	return l.values[filter.Field(name)] != nil
}

// NoteUnknownHosts reports the hosts a filter asks for that no profile knows.
func (f *Factory) NoteUnknownHosts(ctx context.Context, asked filter.Filter) {
	if f.fleet != nil {
		f.noteUnknownHosts(f.fleet.UnknownHosts(ctx, asked))
	}
}

func (f *Factory) noteUnknownHosts(list []string) {
	for _, name := range list {
		f.Note(`no profile knows a host that matches --host %s; "edrctl hosts list" shows those it can name`, name)
	}
}

// LookForHosts is NoteUnknownHosts next to something that takes long; the
// function it gives waits for it.
func (f *Factory) LookForHosts(ctx context.Context, asked filter.Filter) (wait func()) {
	ctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { f.NoteUnknownHosts(ctx, asked) })
	return func() { stop(); wg.Wait() }
}
