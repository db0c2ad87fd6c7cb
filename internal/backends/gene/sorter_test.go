package gene

import (
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends/gene/wire"
	"github.com/edrctl/edrctl/internal/client/jsonwalk"
	"github.com/edrctl/edrctl/internal/client/spill"
	"github.com/edrctl/edrctl/internal/model"
)

// A window of many events costs no memory beyond the decoded ones and a run.
func TestEventSorterIsFlat(t *testing.T) {
	sp := &spill.File{Dir: t.TempDir()}
	defer sp.Close()
	p := &eventSorter{endpoints: make([]endpoint, 1), stored: spill.Sorter{File: sp}}
	b := &sorterInput{eventSorter: p}
	b.begin()
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	const n = 60_000
	var d wire.EventDecoder
	for i := range n {
		var w jsonwalk.Walker
		at := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC).Add(time.Duration(i^0x155) * time.Second)
		w.Reset([]byte(strings.NewReplacer("2021-03-03T21:34:51.7906616Z", at.Format(time.RFC3339), "2796", strconv.Itoa(i)).Replace(legacyEvent)))
		d.Walk(&w)
		d.Finish()
		if err := b.add(&d, 0); err != nil {
			t.Fatal(err)
		}
	}
	if grown := int64(heap()-before) >> 20; grown > 12 { // of 70 MB of JSON
		t.Errorf("%d events take %d MiB", n, grown)
	}
	given, last := 0, model.At(time.Now().AddDate(100, 0, 0))
	err := p.each(func(e *model.Event, _ *model.Alert) bool {
		if e.Time.After(last.Time) {
			t.Fatalf("event %d is newer than the one before", given)
		}
		given, last = given+1, e.Time
		return true
	})
	if err != nil || given != n {
		t.Errorf("%d events, %v", given, err)
	}
}
