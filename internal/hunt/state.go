package hunt

import (
	"context"
	"sync"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/ioc"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
)

// run is a hunt while it runs.
type run struct {
	Hunt
	start      time.Time
	indicators []ioc.Indicator // those of the list that are hunted

	mu       sync.Mutex
	progress Progress
}

// unit is one piece of a hunt: it is done completely or not at all.
type unit struct {
	name string
	kind string // of a server's unit: the indicators' type
	size int    // how many
	run  func(ctx context.Context, emit func(*model.Hit)) error
}

// explain reports how a server was asked.
func (r *run) explain(s *ops.Source, p backends.Plan) {
	if r.Explain == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Explain(s.Profile, p)
}

// unitDone counts a finished unit.
func (r *run) unitDone() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress.Done++
	r.report()
}

// scanned counts events that were compared.
func (r *run) scanned(out *SourceSummary, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	out.Events += n
	r.progress.Events += n
	r.report()
}

// report reports progress; the caller holds the lock.
func (r *run) report() {
	if r.Progress != nil {
		r.progress.Elapsed = time.Since(r.start)
		r.Progress(r.progress)
	}
}
