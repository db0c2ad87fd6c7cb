package iostreams

import (
	"context"
	"errors"
	"os"
	"time"
)

// ErrReaderGone is the cause of a context that ended because nobody reads
// standard output any more.
var ErrReaderGone = errors.New("nobody reads the output any more")

// readerEvery is how often the reader is looked for.
const readerEvery = 250 * time.Millisecond

// WhileRead gives a context that ends when standard output is a pipe and its
// reader has gone: who only waits for something to write would never notice.
func (s *Streams) WhileRead(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := func() { cancel(context.Canceled) }
	f, ok := s.outRaw.(*os.File)
	if !ok {
		return ctx, stop
	}
	if st, err := f.Stat(); err != nil || st.Mode()&(os.ModeNamedPipe|os.ModeSocket) == 0 {
		return ctx, stop
	}
	go func() {
		tick := time.NewTicker(readerEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if readerGone(f) {
					cancel(ErrReaderGone)
					return
				}
			}
		}
	}()
	return ctx, stop
}
