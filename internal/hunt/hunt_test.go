package hunt_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/hunt"
	"github.com/edrctl/edrctl/internal/ioc"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
)

var epoch = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)

// mute can do nothing.
type mute struct{}

func (mute) Backend() string                                { return "mute" }
func (mute) Check(context.Context) (backends.Health, error) { return backends.Health{}, nil }
func (mute) Close() error                                   { return nil }

func fleet(drivers ...backends.Driver) *ops.Fleet {
	f := &ops.Fleet{}
	for i, d := range drivers {
		f.Sources = append(f.Sources, ops.NewSource(fmt.Sprintf("p%d", i), d.Backend(), false, func() (backends.Driver, error) { return d, nil }))
	}
	return f
}

// seer is a driver whose events are made from the hour they lie in, and whose
// server searches what modes say.
type seer struct {
	mu      sync.Mutex
	modes   map[string]backends.HuntMode
	events  []*model.Event
	asked   [][]string // values of each Hunt
	queries []backends.HuntQuery
	scans   int
	fail    func(q backends.HuntQuery) error
	broken  func(since time.Time) error // of Events
}

func (*seer) Backend() string                                { return "seer" }
func (*seer) Check(context.Context) (backends.Health, error) { return backends.Health{}, nil }
func (*seer) Close() error                                   { return nil }
func (s *seer) HuntModes() map[string]backends.HuntMode      { return s.modes }

func (s *seer) Events(_ context.Context, q backends.Query) (backends.Listing[*model.Event], error) {
	s.mu.Lock()
	s.scans++
	s.mu.Unlock()
	return backends.Listing[*model.Event]{Plan: backends.Plan{Requests: []string{"GET /events"}}, Seq: func(yield func(*model.Event, error) bool) {
		for _, e := range s.events {
			if e.Time.Before(q.Since) || !q.Until.IsZero() && !e.Time.Before(q.Until) {
				continue
			}
			c := *e
			if !yield(&c, nil) {
				return
			}
		}
		if s.broken != nil {
			if err := s.broken(q.Since); err != nil {
				yield(nil, err)
			}
		}
	}}, nil
}

func (s *seer) Hunt(_ context.Context, q backends.HuntQuery) (backends.Listing[*model.Hit], error) {
	s.mu.Lock()
	s.asked = append(s.asked, q.Values)
	s.queries = append(s.queries, q)
	s.mu.Unlock()
	return backends.Listing[*model.Hit]{Plan: backends.Plan{Requests: []string{"POST /hunt"}}, Seq: func(yield func(*model.Hit, error) bool) {
		for _, v := range q.Values {
			if strings.HasPrefix(v, "0") {
				h := &model.Hit{Host: &model.Host{Name: "ws"}, Count: 1, First: at(1), Last: at(1), Evidence: []string{"ev-" + v[:4]}}
				h.Indicator.Value = strings.ToUpper(v)
				if !yield(h, nil) {
					return
				}
			}
		}
		if s.fail != nil {
			if err := s.fail(q); err != nil {
				yield(nil, err)
			}
		}
	}}, nil
}

func at(hours int) model.Time { return model.At(epoch.Add(-time.Duration(hours) * time.Hour)) }

// hourly makes an event an hour, each third with the process evil.exe.
func hourly(n int) (out []*model.Event) {
	for i := range n {
		name := "fine.exe"
		if i%3 == 0 {
			name = "evil.exe"
		}
		out = append(out, &model.Event{
			Origin: model.Origin{ID: fmt.Sprint("e", i)}, Time: model.At(epoch.Add(-time.Duration(i)*time.Hour - time.Minute)), Host: &model.Host{Name: fmt.Sprint("h", i%2)},
			Process: &model.Process{UID: fmt.Sprint(name, i%6), Name: name, Reputation: &model.Reputation{Verdict: "malicious"}},
		})
	}
	return out
}

func indicators(t *testing.T, lines ...string) *ioc.List {
	t.Helper()
	l := ioc.NewList()
	if err := l.Read(strings.NewReader(strings.Join(lines, "\n")), "list"); err != nil {
		t.Fatal(err)
	}
	return l
}

func sha(prefix string, n int) string { return prefix + fmt.Sprintf("%039x", n) }

func huntOf(list *ioc.List) hunt.Hunt {
	return hunt.Hunt{List: list, Span: hunt.Span{Since: epoch.Add(-48 * time.Hour), Until: epoch}}
}

func lines(hits []*model.Hit) (out []string) {
	for _, h := range hits {
		b, err := json.Marshal(h)
		if err != nil {
			panic(err)
		}
		out = append(out, string(b))
	}
	slices.Sort(out)
	return out
}

// What is asked of the server, what is matched here and what is left out.
func TestHuntIsDividedByModes(t *testing.T) {
	s := &seer{events: hourly(40), modes: map[string]backends.HuntMode{
		"sha1":  {Where: backends.HuntServer, Chunk: 2, Why: "hashes of images"},
		"ipv4":  {Where: backends.HuntServer, Chunk: 5, Most: 2},
		"email": {Where: backends.HuntNone, Why: "there is no mail"},
	}}
	list := indicators(t, sha("0", 1), sha("0", 2), sha("a", 3), "192.0.2.1", "192.0.2.2", "192.0.2.3", "a@b.test", "process:evil.exe")
	hits, sum := hunt.Run(t.Context(), fleet(s, mute{}), huntOf(list))
	if len(s.asked) != 2 || len(s.asked[0]) != 2 || len(s.asked[1]) != 1 || s.scans != 1 {
		t.Errorf("asked %q, %d scans", s.asked, s.scans)
	}
	p := sum.Profiles[0]
	if p.Server != 3 || p.Local != 4 || p.Events != 40 || len(p.Unsearched) != 1 || p.Unsearched[0] != (hunt.Unsearched{Type: "email", Count: 1, Why: "there is no mail"}) || len(p.Notes) != 2 || p.Err != nil {
		t.Errorf("%+v", p)
	}
	if q := sum.Profiles[1]; len(q.Unsearched) != 4 || q.Server+q.Local != 0 || q.Err != nil {
		t.Errorf("one that can do nothing: %+v", q)
	}
	if sum.Indicators != 8 || sum.Hits != len(hits) || len(hits) != 2+2 {
		t.Errorf("%d hits: %q", len(hits), lines(hits))
	}
	for _, h := range hits {
		if h.Profile != "p0" || h.Backend != "seer" || !strings.HasPrefix(h.Indicator.Source, "list:") || !strings.HasPrefix(h.Evidence[0], "p0/") {
			t.Errorf("%+v", h)
		}
		if h.Indicator.Type == "process_name" && (h.Verdict != "malicious" || h.Count != 7 || len(h.Evidence) != 7 || h.First.After(h.Last.Time)) {
			t.Errorf("%+v", h)
		}
	}
	if !slices.IsSortedFunc(hits, func(a, b *model.Hit) int { return b.Last.Compare(a.Last.Time) }) {
		t.Error("not the latest first")
	}
}

// Values a server cannot take are reported; those of other units go on. Any other
// failure ends the profile, and what was seen is kept.
func TestHuntFailures(t *testing.T) {
	list := indicators(t, sha("0", 1), sha("0", 2), sha("0", 3), "process:evil.exe")
	modes := map[string]backends.HuntMode{"sha1": {Where: backends.HuntServer, Chunk: 1}}
	for kind, goesOn := range map[backends.ErrorKind]bool{
		backends.KindInvalid: true, backends.KindUnsupported: true, backends.KindUnavailable: false, backends.KindAuth: false, backends.KindMalformed: false,
	} {
		s := &seer{events: hourly(9), modes: modes}
		s.fail = func(q backends.HuntQuery) error {
			if q.Values[0] == sha("0", 2) {
				return &backends.Error{Kind: kind, What: "cannot hunt"}
			}
			return nil
		}
		hits, sum := hunt.Run(t.Context(), fleet(s), huntOf(list))
		p := sum.Profiles[0]
		if goesOn {
			if p.Err != nil || len(p.Unsearched) != 1 || p.Unsearched[0].Count != 1 || p.Server != 2 || len(hits) != 4 {
				t.Errorf("%d: %+v, %d hits", kind, p, len(hits))
			}
		} else if backends.KindOf(p.Err) != kind || len(s.asked) != 2 || s.scans != 0 || len(hits) != 2 {
			t.Errorf("%d: %+v, %d hits, asked %q", kind, p, len(hits), s.asked)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	s := &seer{events: hourly(9), modes: modes}
	if _, sum := hunt.Run(ctx, fleet(s), huntOf(list)); !errors.Is(sum.Profiles[0].Err, context.Canceled) || len(s.asked) != 0 {
		t.Errorf("cancelled: %+v", sum.Profiles[0])
	}
}

// A hunt without an end asks beyond now, on the server, in the one scan and in
// the hours of a kept hunt, and names the host whose clock is ahead.
func TestHuntWithAnOpenEnd(t *testing.T) {
	list := indicators(t, sha("0", 1), "process:evil.exe")
	late := &model.Event{Origin: model.Origin{ID: "ahead"}, Time: model.At(epoch.Add(90 * time.Minute)), Host: &model.Host{Name: "WS-AHEAD"}, Process: &model.Process{Name: "evil.exe"}}
	for _, kept := range []bool{false, true} {
		for _, open := range []bool{true, false} {
			s := fresh()
			s.events = append([]*model.Event{late}, s.events...)
			f := fleet(s)
			h := hunt.Hunt{List: list, Now: epoch, Span: hunt.Span{Since: epoch.Add(-3 * time.Hour), Began: epoch}}
			if !open {
				h.Span.Until = epoch
			}
			if kept {
				c, err := hunt.OpenCheckpoint(filepath.Join(t.TempDir(), "c"), hunt.ID(list, f), h.Span, false)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				h.Checkpoint = c
			}
			hits, sum := hunt.Run(t.Context(), f, h)
			found := slices.ContainsFunc(hits, func(h *model.Hit) bool { return h.Host != nil && h.Host.Name == "WS-AHEAD" })
			if found != open || sum.Profiles[0].Err != nil {
				t.Errorf("kept %v, open %v: found %v, %v", kept, open, found, sum.Profiles[0].Err)
			}
			if by := sum.Profiles[0].Ahead["WS-AHEAD"]; open && by.Round(time.Minute) != 90*time.Minute || !open && by != 0 {
				t.Errorf("kept %v, open %v: the clock is ahead by %v", kept, open, by)
			}
			if want := h.Span.Until; len(s.queries) != 1 || !s.queries[0].Until.Equal(want) {
				t.Errorf("kept %v, open %v: the server was asked %+v", kept, open, s.queries)
			}
		}
	}
}

// fresh gives a driver over the same data as every other.
func fresh() *seer {
	return &seer{events: hourly(48), modes: map[string]backends.HuntMode{"sha1": {Where: backends.HuntServer, Chunk: 1}}}
}

// A hunt cut anywhere, its checkpoint torn at any byte, continues to the same
// hits, and what is on disk is not asked for again.
func TestCheckpointSurvivesAnyCut(t *testing.T) {
	list := indicators(t, sha("0", 1), sha("0", 2), sha("a", 3), "process:evil.exe", "fine.exe")
	h := huntOf(list)
	plain, _ := hunt.Run(t.Context(), fleet(fresh()), h)
	want := lines(plain)
	dir := t.TempDir()
	open := func(path string, resume bool) *hunt.Checkpoint {
		t.Helper()
		c, err := hunt.OpenCheckpoint(path, hunt.ID(list, fleet(fresh())), h.Span, resume)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	whole := filepath.Join(dir, "whole")
	h.Checkpoint = open(whole, false)
	hits, _ := hunt.Run(t.Context(), fleet(fresh()), h)
	if err := h.Checkpoint.Close(); err != nil {
		t.Fatal(err)
	}
	if got := lines(hits); !slices.Equal(got, want) {
		t.Fatalf("with a checkpoint:\n%q\nwithout\n%q", got, want)
	}
	full, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	cuts := []int{0, 1, 9, len(full) - 1, len(full)}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		cuts = append(cuts, rng.IntN(len(full)))
	}
	for i, cut := range cuts {
		path := filepath.Join(dir, fmt.Sprint("cut", i))
		if err := os.WriteFile(path, full[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		s := fresh()
		// The next run breaks off somewhere, too.
		left := rng.IntN(20)
		s.broken = func(time.Time) error {
			if left--; left < 0 {
				return &backends.Error{Kind: backends.KindUnavailable, What: "gone"}
			}
			return nil
		}
		h.Checkpoint = open(path, true)
		before := h.Checkpoint.Done()
		_, _ = hunt.Run(t.Context(), fleet(s), h)
		if err := h.Checkpoint.Close(); err != nil {
			t.Fatal(err)
		}
		s = fresh()
		h.Checkpoint = open(path, true)
		done := h.Checkpoint.Done()
		hits, sum := hunt.Run(t.Context(), fleet(s), h)
		if err := h.Checkpoint.Close(); err != nil {
			t.Fatal(err)
		}
		if got := lines(hits); !slices.Equal(got, want) || sum.Profiles[0].Err != nil {
			t.Fatalf("cut at %d of %d: %d hits, want %d: %v", cut, len(full), len(got), len(want), sum.Profiles[0].Err)
		}
		if done < before || len(s.asked)+s.scans+done != 3+48 {
			t.Errorf("cut at %d: %d parts were done, %d asked and %d scans made", cut, done, len(s.asked), s.scans)
		}
	}
}

func TestCheckpointIsOfOneHunt(t *testing.T) {
	list := indicators(t, "evil.exe")
	f := fleet(fresh())
	dir := t.TempDir()
	path := filepath.Join(dir, "ck")
	c, err := hunt.OpenCheckpoint(path, hunt.ID(list, f), hunt.Span{Since: epoch, Until: epoch.Add(time.Hour)}, true) // resume begins what is not there
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if c, err = hunt.OpenCheckpoint(path, hunt.ID(list, f), hunt.Span{Since: epoch.Add(5 * time.Hour), Until: epoch.Add(6 * time.Hour)}, true); err != nil || !c.Span.Until.Equal(epoch.Add(time.Hour)) {
		t.Errorf("the window is the first run's: %+v, %v", c, err)
	} else if err := c.Close(); err != nil {
		t.Error(err)
	}
	foreign, empty := filepath.Join(dir, "foreign"), filepath.Join(dir, "notes.txt")
	for p, text := range map[string]string{foreign: "a file of mine\n", empty: "no line end"} {
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, try := range map[string]func() (*hunt.Checkpoint, error){
		"exists": func() (*hunt.Checkpoint, error) {
			return hunt.OpenCheckpoint(path, hunt.ID(list, f), hunt.Span{Since: epoch, Until: epoch}, false)
		},
		"other list": func() (*hunt.Checkpoint, error) {
			return hunt.OpenCheckpoint(path, hunt.ID(indicators(t, "x.exe"), f), hunt.Span{Since: epoch, Until: epoch}, true)
		},
		"other fleet": func() (*hunt.Checkpoint, error) {
			return hunt.OpenCheckpoint(path, hunt.ID(list, fleet(fresh(), mute{})), hunt.Span{Since: epoch, Until: epoch}, true)
		},
		"foreign": func() (*hunt.Checkpoint, error) {
			return hunt.OpenCheckpoint(foreign, "abc", hunt.Span{Since: epoch, Until: epoch}, true)
		},
		"no line": func() (*hunt.Checkpoint, error) {
			return hunt.OpenCheckpoint(empty, "abc", hunt.Span{Since: epoch, Until: epoch}, true)
		},
		"a folder": func() (*hunt.Checkpoint, error) {
			return hunt.OpenCheckpoint(dir, "abc", hunt.Span{Since: epoch, Until: epoch}, true)
		},
	} {
		if _, err := try(); !errors.Is(err, hunt.ErrCheckpoint) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if b, err := os.ReadFile(empty); err != nil || string(b) != "no line end" {
		t.Errorf("a file that is not a checkpoint was changed: %q, %v", b, err)
	}
}

// Hits are reported when they are first met, each once, before the hunt is over;
// also when the window is read an hour at a time and when a unit then fails.
func TestHitsAreSeenEarly(t *testing.T) {
	list := indicators(t, sha("0", 1), sha("0", 2), sha("a", 3), "process:evil.exe", "fine.exe")
	for _, fails := range []bool{false, true} {
		h := huntOf(list)
		var seen []string
		early := 0
		s := fresh()
		if fails {
			s.broken = func(time.Time) error { return &backends.Error{Kind: backends.KindUnavailable, What: "gone"} }
		}
		h.OnHit = func(hit *model.Hit) {
			if hit.Profile == "" || hit.ID == "" {
				t.Errorf("not stamped: %+v", hit)
			}
			seen = append(seen, hit.Key())
		}
		h.Progress = func(p hunt.Progress) {
			if p.Done < p.Units && len(seen) > 0 {
				early++
			}
		}
		hits, _ := hunt.Run(t.Context(), fleet(s), h)
		var want []string
		for _, hit := range hits {
			want = append(want, hit.Key())
		}
		slices.Sort(seen)
		slices.Sort(want)
		if len(want) == 0 || !slices.Equal(seen, want) || early == 0 {
			t.Fatalf("fails=%v: %d of them before the end, seen\n%q\nfound\n%q", fails, early, seen, want)
		}
	}
}

// The hashes of one sample are one hit, named by the strongest of them.
func TestGroupedIndicatorsAreOneHit(t *testing.T) {
	md5, sha256 := strings.Repeat("0a", 16), strings.Repeat("2c", 32)
	s := &seer{events: []*model.Event{{
		Origin: model.Origin{ID: "e1"}, Time: at(1), Host: &model.Host{Name: "ws"},
		Process: &model.Process{UID: "1", Name: "a.exe", Hash: &model.Hash{MD5: md5, SHA256: sha256}},
	}}}
	f := &ops.Fleet{Sources: []*ops.Source{ops.NewSource("p", "seer", false, func() (backends.Driver, error) { return s, nil })}}
	hits, _ := hunt.Run(t.Context(), f, huntOf(indicators(t, "md5,sha256", md5+","+sha256)))
	if len(hits) != 1 || hits[0].Indicator.Type != "sha256" || hits[0].Indicator.Group == 0 || hits[0].Count != 1 {
		t.Errorf("%d hits: %v", len(hits), lines(hits))
	}
}
