package ops

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
)

// seen remembers records by a hash of their ids, 12 bytes each, for as long as
// they can come again.
type seen struct{ last map[uint64]uint32 } // hash -> Unix seconds

func newSeenSet() *seen { return &seen{last: map[uint64]uint32{}} }

func (s *seen) has(h uint64) bool {
	_, ok := s.last[h]
	return ok
}

func (s *seen) add(h uint64, t time.Time) bool {
	if s.has(h) {
		return false
	}
	s.last[h] = uint32(max(t.Unix(), 0))
	return true
}

func (s *seen) forget(before time.Time) {
	limit := uint32(max(before.Unix(), 0))
	for h, t := range s.last {
		if t < limit {
			delete(s.last, h)
		}
	}
}

// profileWatchState is where the watch of one profile is: every record that was there
// when the last complete look began, within the look-back, is among the ids.
type profileWatchState struct {
	ScannedAt time.Time `json:"looked"`
	IDs       string    `json:"ids"` // base64 of hash and Unix seconds, 12 bytes each
	// After is the number of an arrival: what has a higher one is read again.
	After int64 `json:"after,omitempty"`
}

type watchState struct {
	Version  int                          `json:"version"`
	Kind     string                       `json:"kind"`
	Profiles map[string]profileWatchState `json:"profiles"`
}

const watchVersion = 1

// readWatchState reads what a former watch of the same kind kept.
func readWatchState(b []byte, kind string) (map[string]profileWatchState, error) {
	if len(b) == 0 {
		return nil, nil
	}
	const what = "cannot continue the watch"
	var st watchState
	if json.Unmarshal(b, &st) != nil || st.Version != watchVersion {
		return nil, backends.Invalid(what, "the state file is not one of this version of edrctl")
	}
	if st.Kind != kind {
		return nil, backends.Invalid(what, "the state file belongs to a watch of "+st.Kind+", not of "+kind)
	}
	return st.Profiles, nil
}

// resume takes up where a former watch of the profile was.
func (f *follower[T]) resume(w profileWatchState) {
	if w.ScannedAt.IsZero() {
		return
	}
	b, err := base64.StdEncoding.DecodeString(w.IDs)
	if err != nil {
		return
	}
	for ; len(b) >= 12; b = b[12:] {
		f.seen.last[binary.BigEndian.Uint64(b)] = binary.BigEndian.Uint32(b[8:])
	}
	f.shown = w.ScannedAt.Add(-f.watch.LookBack)
}

// snapshot is where the profile is now; what was offered and not yielded is
// not among the ids, so that it comes again.
func (f *follower[T]) snapshot() profileWatchState {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := make([]byte, 0, 12*len(f.seen.last))
	for _, h := range slices.Sorted(maps.Keys(f.seen.last)) {
		if !f.pending[h] {
			b = binary.BigEndian.AppendUint64(b, h)
			b = binary.BigEndian.AppendUint32(b, f.seen.last[h])
		}
	}
	return profileWatchState{ScannedAt: f.scannedAt, IDs: base64.StdEncoding.EncodeToString(b), After: f.arrivals.from()}
}

// saveInterval is how often the state of a watch is written.
const saveInterval = 5 * time.Second

// stateWriter writes the state of a watch when it has changed.
type stateWriter struct {
	kind     string
	write    func([]byte) error
	snapshot func() map[string]profileWatchState
}

func (w *stateWriter) save() error {
	if w.write == nil {
		return nil
	}
	b, err := json.Marshal(watchState{Version: watchVersion, Kind: w.kind, Profiles: w.snapshot()})
	if err != nil {
		return err
	}
	return w.write(b)
}
