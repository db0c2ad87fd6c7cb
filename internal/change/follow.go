package change

import (
	"context"
	"errors"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
)

// follow reads an action until it ends, the wait is over or nobody waits any
// more. wait 0 is not at all, negative to its end; until, when it is set, is
// when the wait began plus wait.
func follow(ctx context.Context, driver backends.Changer, act *model.Action, wait time.Duration, until time.Time, update func(*model.Action)) {
	poller, ok := driver.(backends.ActionPoller)
	if !until.IsZero() {
		wait = max(time.Until(until), 0)
	}
	if id := nativeID(act); ok && wait != 0 && id != "" {
		poll(ctx, poller, id, wait, update)
	}
}

// poll reads an action until it is final. A read that fails for the moment is
// tried again. It has no error: the action was sent, and only following it can
// fail here.
func poll(ctx context.Context, p backends.ActionPoller, id string, wait time.Duration, update func(*model.Action)) {
	if wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, wait)
		defer cancel()
	}
	delay := 500 * time.Millisecond
	for {
		u, err := p.Action(ctx, id)
		switch kind := backends.KindOf(err); {
		case err == nil && u != nil:
			update(u)
			if u.State.Final() {
				return
			}
		case ctx.Err() != nil:
			return
		case kind == backends.KindUnavailable || kind == backends.KindRateLimited || kind == backends.KindNotFound || kind == backends.KindMalformed:
			var e *backends.Error
			if errors.As(err, &e) && e.After > delay {
				delay = min(e.After, time.Minute)
			}
		case err != nil:
			return
		}
		t := time.NewTimer(delay)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
		delay = min(delay*3/2, 5*time.Second)
	}
}
