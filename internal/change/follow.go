package change

import (
	"context"
	"errors"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
)

// poll reads an action until it is final. A read that fails for the moment is
// tried again; the end of the wait is no error.
func poll(ctx context.Context, p backends.ActionPoller, id string, wait time.Duration, update func(*model.Action)) error {
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
				return nil
			}
		case ctx.Err() != nil:
			return nil
		case kind == backends.KindUnavailable || kind == backends.KindRateLimited || kind == backends.KindNotFound || kind == backends.KindMalformed:
			var e *backends.Error
			if errors.As(err, &e) && e.After > delay {
				delay = min(e.After, time.Minute)
			}
		case err != nil:
			return nil // it was sent; only following it failed
		}
		t := time.NewTimer(delay)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-t.C:
		}
		delay = min(delay*3/2, 5*time.Second)
	}
}
