package hunt

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
)

// addHits joins hits to those of the profile, with refs that name it.
func (r *run) addHits(s *ops.Source, all map[string]*model.Hit, hits []*model.Hit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range hits {
		s.StampRecord(h)
		for i, e := range h.Evidence {
			if !strings.HasPrefix(e, s.Profile+"/") {
				h.Evidence[i] = s.Profile + "/" + e
			}
		}
		before := len(all)
		h.ID = hitID(h.Key())
		join(all, h)
		r.progress.Hits += len(all) - before
	}
}

// reportHit reports a hit while the hunt runs, as a copy: the hunt continues to
// change its own.
func (r *run) reportHit(s *ops.Source, h *model.Hit) {
	if r.OnHit == nil {
		return
	}
	c := *h
	c.ID = hitID(h.Key())
	c.Evidence = slices.Clone(h.Evidence)
	if h.Host != nil { // stamping writes to it
		host := *h.Host
		c.Host = &host
	}
	s.StampRecord(&c)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.OnHit(&c)
}

func join(into map[string]*model.Hit, h *model.Hit) {
	k := h.Key()
	if old := into[k]; old != nil {
		old.Merge(h)
		return
	}
	into[k] = h
}

// hitID is stable between hunts: the same indicator seen as the same thing.
func hitID(key string) string {
	sum := sha256.Sum256([]byte(key))
	return "hit-" + hex.EncodeToString(sum[:8])
}
