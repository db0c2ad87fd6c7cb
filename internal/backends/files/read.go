package files

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime"
	"slices"
	"sync"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/evidence"
	"github.com/edrctl/edrctl/internal/model"
)

// Records are read in portions, newest first: the first one is small, so that
// a short list is there at once.
const (
	firstPortion = 128
	mostPortion  = 4096
	// maxGap is how much text between two wanted records is rather read than
	// jumped over.
	maxGap = 256 << 10
)

// read yields the records at the places, in their order. The records of a
// portion are all that is held.
func (x *index) read(ctx context.Context, places []entry, o evidence.Options) iter.Seq2[model.Record, error] {
	return func(yield func(model.Record, error) bool) {
		for n := firstPortion; len(places) > 0; n = min(2*n, mostPortion) {
			n = min(n, len(places))
			records, err := x.portion(ctx, places[:n], o)
			if err != nil {
				yield(nil, err)
				return
			}
			for i, r := range records {
				records[i] = nil
				if !yield(r, nil) {
					return
				}
			}
			places = places[n:]
		}
		if err := x.broken(); err != nil {
			yield(nil, err)
		}
	}
}

// wanted is a place and where its record goes.
type wanted struct {
	entry
	to int
}

// portion reads some records, of several files at once.
func (x *index) portion(ctx context.Context, places []entry, o evidence.Options) ([]model.Record, error) {
	out := make([]model.Record, len(places))
	byFile := map[uint32][]wanted{}
	for i, e := range places {
		byFile[e.file] = append(byFile[e.file], wanted{e, i})
	}
	errs := make(chan error, len(byFile))
	files := x.list()
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for number, want := range byFile {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			errs <- files[number].readAt(ctx, want, o, out)
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return out, ctx.Err()
}

// readAt reads the wanted records of a file in one or several runs.
func (f *file) readAt(ctx context.Context, want []wanted, o evidence.Options, out []model.Record) error {
	slices.SortFunc(want, func(a, b wanted) int { return cmp.Or(cmp.Compare(a.off, b.off), cmp.Compare(a.ord, b.ord)) })
	text, closer, err := f.text.open()
	if err != nil {
		return f.changed(err)
	}
	defer closer.Close()
	for len(want) > 0 {
		n, err := f.run(ctx, text, want, o, out)
		if err != nil {
			return err
		}
		want = want[n:]
	}
	return nil
}

// spot is a record's place in its file.
type spot struct {
	off int64
	ord int
}

// run reads the first wanted records that lie near each other, and tells how
// many they are. Formats that gather lines give records out of order.
func (f *file) run(ctx context.Context, text io.ReaderAt, want []wanted, o evidence.Options, out []model.Record) (int, error) {
	n, missing := 0, map[spot]wanted{}
	for n < len(want) && (n == 0 || want[n].off-want[n-1].off <= maxGap) {
		missing[spot{want[n].off, int(want[n].ord)}] = want[n]
		n++
	}
	in, base := f.from(text, want[0].off)
	at, end := spot{off: -1}, want[n-1].off+maxGap
	for it, err := range evidence.Read(ctx, f.Name, in, o) {
		if err != nil {
			if cerr := ctx.Err(); cerr != nil {
				return n, cerr
			}
			break // what is broken behind them was told when it was indexed
		}
		if it.Err != nil {
			continue
		}
		if off := it.Offset + base; off != at.off {
			at = spot{off: off}
		} else {
			at.ord++
		}
		if w, ok := missing[at]; ok {
			out[w.to] = own(it.Record())
			if o := out[w.to].GetOrigin(); o.ID != "" {
				o.ID = withCopy(o.ID, w.copy)
			}
			delete(missing, at)
		}
		if len(missing) == 0 || at.off > end {
			break
		}
	}
	if len(missing) > 0 {
		return n, f.changed(nil)
	}
	return n, nil
}

func (f *file) changed(err error) error {
	why := "it changed while it was read"
	if err != nil && !errors.Is(err, io.EOF) {
		why = "it cannot be opened any more"
	}
	return &backends.Error{Kind: backends.KindPartial, What: "cannot read " + f.Name, Why: why, Err: err}
}

// own makes a record one of this profile: an export of edrctl carries the
// references of another one.
func own(r model.Record) model.Record {
	o := r.GetOrigin()
	id := recordID(r)
	*o = model.Origin{ID: id}
	if h := model.HostOf(r); h != nil {
		h.Origin = model.Origin{ID: hostKey(h)}
	}
	switch r := r.(type) {
	case *model.Host:
		r.Origin = model.Origin{ID: hostKey(r)}
	case *model.Event:
		ownProcess(r.Process)
		ownProcess(r.Target)
	case *model.Alert:
		ownProcess(r.Process)
		ownProcess(r.Target)
		for _, p := range r.Ancestors {
			ownProcess(p)
		}
	}
	return r
}

func ownProcess(p *model.Process) {
	if p != nil {
		p.Origin = model.Origin{ID: p.ID}
	}
}

// recordID is what a record is known by.
func recordID(r model.Record) string {
	if id := r.GetOrigin().ID; id != "" {
		return id
	}
	switch r := r.(type) {
	case *model.Process:
		return r.UID
	case *model.Host:
		return r.Name
	}
	return ""
}

func kindOf(it *evidence.Item) kind {
	switch {
	case it.Alert != nil:
		return kindAlert
	case it.Host != nil:
		return kindHost
	case it.Process != nil:
		return kindProcess
	}
	return kindEvent
}

// place names where an item is, for people.
func place(it *evidence.Item, name string) string {
	if it.Line > 0 {
		return fmt.Sprintf("%s:%d", name, it.Line)
	}
	return fmt.Sprintf("%s: offset %d", name, it.Offset)
}
