package cwatch

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/client/spill"
	"github.com/edrctl/edrctl/internal/model"
)

// alertStore holds the alerts of a window until they can be given newest first:
// the listing has neither pages nor an order, so it must be read whole before
// its newest alert is known.
type alertStore struct {
	d            *Driver
	since, until time.Time

	mu     sync.Mutex
	sorter spill.Sorter
	// ignored: a server that lists active alerts as dismissed does not honour
	// the filter, and then says nothing about the others either.
	ignored bool
}

// What the tag of a record says.
const (
	ofAll uint64 = iota
	ofDismissed
)

// read reads the answers side by side.
func (s *alertStore) read(ctx context.Context, ask alertRequests) error {
	g, ctx := errgroup.WithContext(ctx)
	if ask.all != nil {
		g.Go(func() error { return s.readAnswer(ctx, *ask.all, ofAll) })
	}
	if ask.dismissed != nil {
		g.Go(func() error {
			err := s.readAnswer(ctx, *ask.dismissed, ofDismissed)
			var status *client.StatusError
			if ask.all != nil && errors.As(err, &status) && status.Code == http.StatusBadRequest {
				return nil // this server does not know the filter
			}
			return err
		})
	}
	return g.Wait()
}

func (s *alertStore) readAnswer(ctx context.Context, call client.Call, tag uint64) error {
	var r reader
	return s.d.elements(ctx, call, "items", func(b []byte) error {
		a, madeUp, err := r.alert(b, false)
		if err != nil {
			return errRow("alert")
		}
		if madeUp {
			s.d.warnMadeUpOnce()
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if tag == ofDismissed && a.Status == model.StatusOpen {
			s.ignored = true
		}
		if !inWindow(a.Time, s.since, s.until) {
			return nil
		}
		return s.sorter.Add(spill.Record{At: spill.At(a.Time.Time), ID: a.ID, Tag: tag, Data: b})
	})
}

// alerts gives what was read, newest first. An alert that comes twice with the
// same content is given once, with another content each time.
func (s *alertStore) alerts(keepRaw bool) iter.Seq2[*model.Alert, error] {
	return func(yield func(*model.Alert, error) bool) {
		var same sameAlert
		var r reader
		give := func() bool {
			for _, b := range same.contents {
				a, _, err := r.alert(b, keepRaw)
				if err != nil {
					err = errRow("alert")
				} else if same.tag == ofDismissed && !s.ignored && a.Status != model.StatusOpen {
					a.Status = model.StatusDismissed
				}
				if !yield(a, err) || err != nil {
					return false
				}
			}
			return true
		}
		for rec, err := range s.sorter.All() {
			if err != nil {
				yield(nil, err)
				return
			}
			if rec.At != same.at || rec.ID != same.id {
				if !give() {
					return
				}
				same.begin(rec)
			}
			same.add(rec)
		}
		give()
	}
}

// sameAlert are the contents that came for one alert.
type sameAlert struct {
	at       int64
	id       string
	tag      uint64
	contents [][]byte
}

func (g *sameAlert) begin(r *spill.Record) {
	g.at, g.id, g.tag = r.At, r.ID, r.Tag
	g.contents = g.contents[:0]
}

// add takes another content. What the answer of the dismissed ones says
// of an alert replaces what the answer of all says of it.
func (g *sameAlert) add(r *spill.Record) {
	switch {
	case r.Tag < g.tag:
		return
	case r.Tag > g.tag:
		g.begin(r)
	}
	if !slices.ContainsFunc(g.contents, func(c []byte) bool { return bytes.Equal(c, r.Data) }) {
		g.contents = append(g.contents, bytes.Clone(r.Data))
	}
}
