package files

import (
	"context"
	"os"
	"slices"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/evidence"
	"github.com/edrctl/edrctl/internal/model"
)

// lookEvery is how often followed files are looked at.
const lookEvery = 500 * time.Millisecond

// identity is what a record is known by.
type identity struct {
	kind kind
	id   uint64
}

// follow reads standard input as it comes.
func (f *file) follow(ctx context.Context, number uint32, o evidence.Options, room *budget) {
	defer close(f.done)
	err := f.scan(ctx, number, o, room)
	if ctx.Err() != nil {
		return
	}
	f.mu.Lock()
	f.err = err
	f.mu.Unlock()
}

// fresh gives the places that are not in the index yet.
func (f *file) fresh() []entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := slices.Clone(f.found[f.merged:])
	if f.done == nil {
		f.found = nil // nothing follows
	}
	f.merged = len(f.found)
	return out
}

// settle waits for the end of what is followed.
func (x *index) settle(ctx context.Context) error {
	for _, f := range x.list() {
		if f.done == nil {
			continue
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return x.refresh(ctx)
}

// refresh takes in what was added to the files.
func (x *index) refresh(ctx context.Context) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i, f := range x.files {
		if f.done == nil {
			again, shorter := f.changedOnDisk()
			if again == nil {
				continue
			}
			again.err = again.scan(ctx, uint32(i), x.o, x.room)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if shorter {
				x.drop(uint32(i))
			}
			x.files[i], f = again, again
		}
		x.add(f.fresh())
	}
	return nil
}

// changedOnDisk gives a file to read again when it is not the one that was
// read, and whether it lost what it had.
func (f *file) changedOnDisk() (again *file, shorter bool) {
	if f.text.path == "" {
		return nil, false
	}
	info, err := os.Stat(f.text.path)
	if err != nil || info.Size() == f.Size && info.ModTime().Equal(f.ModTime) {
		return nil, false
	}
	s := f.Source
	s.Size, s.ModTime = info.Size(), info.ModTime()
	return newFile(s), info.Size() < f.Size
}

// drop forgets the places of a file that was cut or replaced.
func (x *index) drop(number uint32) {
	for k := range x.entries {
		x.entries[k] = slices.DeleteFunc(slices.Clone(x.entries[k]), func(e entry) bool { return e.file == number })
	}
}

// add takes in places whose records are not known yet.
func (x *index) add(found []entry) {
	if len(found) == 0 {
		return
	}
	if x.ids == nil {
		x.ids = map[identity]uint8{}
		for _, all := range x.entries {
			for _, e := range all {
				who := identity{e.kind, e.id}
				x.ids[who] = max(x.ids[who], e.copy, 1)
			}
		}
	}
	var fresh [kinds][]entry
	met := map[identity]uint8{} // in this part
	for _, e := range found {
		who := identity{e.kind, e.id}
		met[who] = min(met[who], maxCopies-1) + 1
		if e.copy > 0 {
			e.copy = met[who]
		}
		if max(e.copy, 1) > x.ids[who] {
			x.ids[who] = max(e.copy, 1)
			fresh[e.kind] = append(fresh[e.kind], e)
		}
	}
	for k, list := range fresh {
		if len(list) == 0 {
			continue
		}
		x.grown[k] = append(x.grown[k], list...)
		x.entries[k] = slices.Concat(list, x.entries[k])
		slices.SortFunc(x.entries[k], newest)
	}
}

// after gives what was added behind a mark, and the next mark.
func (x *index) after(k kind, mark int) ([]entry, int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.grown[k][mark:]), len(x.grown[k])
}

// WatchEvents gives the events that are added to the files, as they come.
func (d *Driver) WatchEvents(ctx context.Context, q backends.Query) (backends.Listing[*model.Event], error) {
	return watch[*model.Event](ctx, d, q, kindEvent)
}

// WatchAlerts gives the alerts that are added to the files, as they come.
func (d *Driver) WatchAlerts(ctx context.Context, q backends.Query) (backends.Listing[*model.Alert], error) {
	return watch[*model.Alert](ctx, d, q, kindAlert)
}

func watch[T model.Record](ctx context.Context, d *Driver, q backends.Query, k kind) (backends.Listing[T], error) {
	q.Follow = true
	x, err := d.start(ctx, q)
	if err != nil {
		return backends.Listing[T]{}, err
	}
	return backends.Listing[T]{Plan: d.plan(x, q), Seq: func(yield func(T, error) bool) {
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for mark := 0; ; {
			var places []entry
			err := x.refresh(ctx)
			if places, mark = x.after(k, mark); err == nil {
				for part := range slices.Chunk(places, mostPortion) {
					var records []model.Record
					if records, err = x.portion(ctx, part, d.options(q)); err != nil {
						break
					}
					for _, r := range records {
						if t, ok := r.(T); ok && !yield(t, nil) {
							return
						}
					}
				}
			}
			if err != nil && ctx.Err() == nil {
				var none T
				yield(none, err)
				return
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}}, nil
}
