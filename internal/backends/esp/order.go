package esp

import (
	"encoding/binary"
	"iter"
	"math"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/reply"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/client/spill"
)

// newestFirst gives the rows by the time they happened. What is not settled is
// held as JSON, in a file when it is much: a day of a busy server is more than
// memory takes.
func (d *Driver) newestFirst(what string, rows iter.Seq2[*wire.Row, error], settled func() time.Time) iter.Seq2[*wire.Row, error] {
	return func(yield func(*wire.Row, error) bool) {
		held := spill.Sorter{File: spill.In(d.o.StateDir)}
		defer held.File.Close()
		var rr wire.RowReader
		give := func(from int64) bool {
			for rec, err := range held.Since(from) {
				if err != nil {
					yield(nil, backends.FromClient(what, err))
					return false
				}
				r, err := unpackRow(&rr, rec.Data)
				if err != nil {
					yield(nil, reply.Malformed(what, err))
					return false
				}
				if !yield(r, nil) {
					return false
				}
			}
			return true
		}
		floor := settled()
		var packed []byte
		for r, err := range rows {
			if err != nil {
				if give(math.MinInt64) {
					yield(nil, err)
				}
				return
			}
			if now := settled(); !now.Equal(floor) {
				floor = now
				if !give(spill.At(floor)) {
					return
				}
			}
			packed = packRow(packed[:0], r)
			at := timeOf(r, kindOfRow(r.Table, r.Action, &r.Cells))
			if err := held.Add(spill.Record{At: spill.At(at.Time), ID: r.EventID(), Data: packed}); err != nil {
				yield(nil, backends.FromClient(what, err))
				return
			}
		}
		give(math.MinInt64)
	}
}

// packRow writes a row down: what its answer may not repeat, then its JSON.
func packRow(b []byte, r *wire.Row) []byte {
	for _, text := range []string{r.Table, r.HostID, r.Hostname} {
		b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
	}
	return append(b, r.Raw...)
}

func unpackRow(rr *wire.RowReader, b []byte) (*wire.Row, error) {
	var r wire.Row
	for _, text := range []*string{&r.Table, &r.HostID, &r.Hostname} {
		n, size := binary.Uvarint(b)
		*text, b = string(b[size:][:n]), b[size:][n:]
	}
	return &r, rr.Read(b, &r)
}
