package ops

import (
	"context"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
)

// Ellipsis is in a reference a table has shortened: demo-gene/5f1c…e09.
const Ellipsis = "…"

// How far back a shortened reference is looked for.
const (
	shortAlerts = 7 * 24 * time.Hour
	shortEvents = 24 * time.Hour
)

// complete expands a shortened reference from what list gives; one that is
// complete stays as it is, and one that fits two records is an error.
func complete[T model.Record](ctx context.Context, f *Fleet, ref string, list func(*Fleet) *Stream[T]) (string, error) {
	if !strings.Contains(ref, Ellipsis) {
		return ref, nil
	}
	s, id, err := f.Resolve(ref)
	if err != nil {
		return "", err
	}
	begin, end, _ := strings.Cut(id, Ellipsis)
	st := list(&Fleet{Sources: []*Source{s}})
	found := ""
	for r := range st.Records() {
		o := r.GetOrigin()
		if len(o.ID) < len(begin)+len(end) || !strings.HasPrefix(o.ID, begin) || !strings.HasSuffix(o.ID, end) || o.Ref == found {
			continue
		}
		if found != "" {
			return "", backends.Invalid("which one is "+ref, "it fits "+found+" and "+o.Ref)
		}
		found = o.Ref
	}
	if err := st.Outcomes()[0].Err; err != nil {
		return "", InProfile(s, err)
	}
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if found == "" {
		e := backends.NotFound("record fits", ref)
		e.Hint = "a shortened reference is looked for among recent records; -o id prints whole ones"
		return "", InProfile(s, e)
	}
	return found, nil
}

func (f *Fleet) completeAlert(ctx context.Context, ref string) (string, error) {
	now := time.Now()
	return complete(ctx, f, ref, func(one *Fleet) *Stream[*model.Alert] {
		return one.Alerts(ctx, Request{Query: backends.Query{Since: now.Add(-shortAlerts)}})
	})
}

func (f *Fleet) completeEvent(ctx context.Context, ref string) (string, error) {
	now := time.Now()
	return complete(ctx, f, ref, func(one *Fleet) *Stream[*model.Event] {
		return one.Events(ctx, Request{Query: backends.Query{Since: now.Add(-shortEvents)}})
	})
}

func (f *Fleet) completeHost(ctx context.Context, ref string) (string, error) {
	return complete(ctx, f, ref, func(one *Fleet) *Stream[*model.Host] {
		return one.Hosts(ctx, Request{Query: backends.Query{Brief: true}})
	})
}
