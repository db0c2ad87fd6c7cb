package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/story"
)

// reading holds one way to list to every rule.
func (h Harness) reading(t *testing.T, r reading) {
	if h.skip(t, r.name) {
		return
	}
	// Thousands of listings: the wire log is left to the faults and plans.
	e := h.open(t, 1, func(o *backends.Options) { o.Client.Debug = nil })
	q, all := e.everything(t, r)
	t.Logf("%d %s", len(all), r.name)
	run := func(rule string, f func(*testing.T)) {
		if !h.skip(t, r.name+"/"+rule) {
			t.Run(rule, f)
		}
	}
	run("shape", func(t *testing.T) { e.shape(t, h, r, q, all) })
	if r.timed {
		run("window", func(t *testing.T) { e.windows(t, r, q, all) })
	}
	run("limit", func(t *testing.T) { e.limit(t, r, q, all) })
	// Hundreds of listings: of the events of the story alone, which have every kind and
	// every odd value that the noise has.
	quiet := h.open(t, story.Quiet, func(o *backends.Options) { o.Client.Debug = nil })
	quietAll, few := quiet.everything(t, r)
	run("filters", func(t *testing.T) { quiet.filters(t, r, quietAll, few) })
	run("random filters", func(t *testing.T) { quiet.randomFilters(t, r, quietAll, few) })
	run("raw", func(t *testing.T) { e.raw(t, r, q, all) })
	if r.get != nil {
		run("get", func(t *testing.T) { e.getter(t, r, all) })
	}
	run("at once", func(t *testing.T) { e.concurrently(t, r, q, all) })
	run("faults", func(t *testing.T) {
		e := h.open(t, story.Quiet, nil)
		q, all := e.everything(t, r)
		e.faults(t, h, r, q, all)
	})
	run("cancel", func(t *testing.T) { e.cancel(t, h, r, q) })
	if r.timed {
		run("paging", func(t *testing.T) { h.paging(t, r) })
	}
}

// everything lists all there is, and gives the query for it.
func (e *env) everything(t *testing.T, r reading) (backends.Query, []model.Record) {
	t.Helper()
	q := e.base(t, r)
	all, _, err := e.list(t.Context(), r, q)
	if err != nil {
		t.Fatalf("listing %s: %v", r.name, err)
	}
	if len(all) == 0 {
		t.Fatalf("the standard intrusion shows no %s", r.name)
	}
	return q, all
}

// shape: ids, order, window, and what every record must say.
func (e *env) shape(t *testing.T, h Harness, r reading, q backends.Query, all []model.Record) {
	seen := map[string]bool{}
	last := model.Time{}
	for i, rec := range all {
		k := key(rec)
		switch {
		case k == "":
			t.Errorf("record %d has no id: %s", i, brief(rec))
		case seen[k]:
			t.Errorf("id %s comes twice", k)
		}
		seen[k] = true
		if t.Failed() && i > 20 {
			return // said often enough
		}
		at := model.TimeOf(rec)
		if r.timed {
			if at.IsZero() {
				t.Errorf("%s has no time", k)
			} else if at.Before(q.Since) || !at.Before(q.Until) {
				t.Errorf("%s is of %v, outside [%v, %v)", k, at, q.Since, q.Until)
			}
			if !last.IsZero() && at.After(last.Time) {
				t.Errorf("%s of %v comes after one of %v: newest first", k, at, last)
			}
		}
		last = at
		if o := rec.GetOrigin(); o.Ref != "" || o.Profile != "" {
			t.Errorf("%s: the driver stamped ref or profile; that is the fan-out's", k)
		}
		e.wellFormed(t, rec)
	}
	if rows, err := json.Marshal(all); err != nil {
		t.Errorf("the records cannot be written as JSON: %v", err)
	} else if strings.Contains(string(rows), `"raw":`) {
		t.Errorf("raw is there although nobody asked for it")
	} else {
		e.noSecret(t, "a record", string(rows))
	}
}

// wellFormed holds a record to the closed sets of the model.
func (e *env) wellFormed(t *testing.T, rec model.Record) {
	t.Helper()
	switch v := rec.(type) {
	case *model.Alert:
		if !slices.Contains(model.Severities, v.Severity) || !slices.Contains(model.Statuses, v.Status) {
			t.Errorf("alert %s: severity %q, status %q", v.ID, v.Severity, v.Status)
		}
		if v.Title == "" || v.Host == nil || v.Host.Name == "" {
			t.Errorf("alert %s has no title or host: %s", v.ID, brief(v))
		}
		if v.Score != nil && (*v.Score < 0 || *v.Score > 10) || (v.Score == nil) != (v.Risk == nil) {
			t.Errorf("alert %s: score %v, risk %v", v.ID, v.Score, v.Risk)
		}
	case *model.Event:
		if !slices.Contains(model.Kinds, v.Kind) {
			t.Errorf("event %s: kind %q", v.ID, v.Kind)
		}
		if v.Host == nil || v.Host.Name == "" && v.Host.ID == "" {
			t.Errorf("event %s has no host: %s", v.ID, brief(v))
		}
	case *model.Host:
		if v.Name == "" {
			t.Errorf("host %s has no name", v.ID)
		}
	}
}

func brief(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b[:min(len(b), 300)])
}

// windows: two halves are the whole, and every bound is kept to the
// millisecond.
func (e *env) windows(t *testing.T, r reading, q backends.Query, all []model.Record) {
	mid := model.TimeOf(all[len(all)/2]).Time
	for _, cut := range []time.Time{mid, mid.Add(time.Millisecond), mid.Add(-time.Millisecond), e.now.Add(-6 * time.Hour)} {
		older, newer := q, q
		older.Until, newer.Since = cut, cut
		a, _, err1 := e.list(t.Context(), r, newer)
		b, _, err2 := e.list(t.Context(), r, older)
		if err1 != nil || err2 != nil {
			t.Fatalf("halves at %v: %v / %v", cut, err1, err2)
		}
		for _, rec := range a {
			if model.TimeOf(rec).Before(cut) {
				t.Errorf("%s of %v is before since %v", key(rec), model.TimeOf(rec), cut)
			}
		}
		for _, rec := range b {
			if !model.TimeOf(rec).Before(cut) {
				t.Errorf("%s of %v is not before until %v", key(rec), model.TimeOf(rec), cut)
			}
		}
		if d := same(all, append(a, b...)); d != "" {
			t.Errorf("the halves at %v are not the whole: %s", cut, d)
		}
	}
	empty := q
	empty.Since, empty.Until = e.now.Add(-100*24*time.Hour), e.now.Add(-99*24*time.Hour)
	if got, _, err := e.list(t.Context(), r, empty); err != nil || len(got) > 0 {
		t.Errorf("a window before everything: %d records, %v", len(got), err)
	}
}

// limit: a caller who stops pulling gets the newest and nothing more is asked.
func (e *env) limit(t *testing.T, r reading, q backends.Query, all []model.Record) {
	q.Limit = min(3, len(all))
	l, err := r.open(t.Context(), e.driver, q)
	if err != nil {
		t.Fatal(err)
	}
	var got []model.Record
	for rec, err := range l.Seq {
		if err != nil {
			t.Fatal(err)
		}
		if l.Plan.Residual.Match(rec) {
			if got = append(got, rec); len(got) == q.Limit {
				break
			}
		}
	}
	if r.timed {
		for i := range got {
			if !model.TimeOf(got[i]).Equal(model.TimeOf(all[i]).Time) {
				t.Errorf("record %d of the limited listing is %s of %v, want %v", i, key(got[i]), model.TimeOf(got[i]), model.TimeOf(all[i]))
			}
		}
	}
	if len(got) != q.Limit {
		t.Errorf("%d records, want %d", len(got), q.Limit)
	}
	time.Sleep(30 * time.Millisecond) // what was on its way arrives
	e.wire.take()
	time.Sleep(60 * time.Millisecond)
	if n := e.wire.count(); n > 0 {
		t.Errorf("%d requests after the caller stopped", n)
	}
}

// raw: the vendor's JSON, fields nobody knows included, and only when asked.
func (e *env) raw(t *testing.T, r reading, q backends.Query, all []model.Record) {
	q.Raw = true
	e.wire.editing(addUnknown)
	defer e.wire.editing(nil)
	got, _, err := e.list(t.Context(), r, q)
	if err != nil {
		t.Fatalf("with fields nobody knows: %v", err)
	}
	if d := same(all, got); d != "" {
		t.Errorf("with fields nobody knows: %s", d)
	}
	for _, rec := range got {
		raw := rawOf(rec)
		if !json.Valid(raw) {
			t.Errorf("%s: raw is not JSON: %.80q", key(rec), raw)
			return
		}
		if !strings.Contains(string(raw), unknownValue) {
			t.Errorf("%s: raw lost a field the vendor added: %.200s", key(rec), raw)
			return
		}
	}
}

func rawOf(rec model.Record) json.RawMessage {
	switch v := rec.(type) {
	case *model.Alert:
		return v.Raw
	case *model.Event:
		return v.Raw
	case *model.Process:
		return v.Raw
	case *model.Host:
		return v.Raw
	case *model.Rule:
		return v.Raw
	case *model.Report:
		return v.Raw
	case *model.Carve:
		return v.Raw
	}
	return nil
}

// getter: what is listed can be read; what is not there is NotFound.
func (e *env) getter(t *testing.T, r reading, all []model.Record) {
	// A product may be able to read only some (events that belong to an alert).
	read := 0
	step := max(len(all)/25, 1)
	for i := 0; i < len(all); i += step {
		id := all[i].GetOrigin().ID
		rec, err := r.get(t.Context(), e.driver, id, true)
		if backends.KindOf(err) == backends.KindNotFound {
			continue
		}
		if err != nil {
			t.Errorf("reading %s: %v", id, err)
			continue
		}
		read++
		if rec.GetOrigin().ID != id {
			t.Errorf("asked for %s, got %s", id, rec.GetOrigin().ID)
		}
		if r.timed && !model.TimeOf(rec).Equal(model.TimeOf(all[i]).Time) {
			t.Errorf("%s is of %v when listed, of %v when read", id, model.TimeOf(all[i]), model.TimeOf(rec))
		}
		if !json.Valid(rawOf(rec)) {
			t.Errorf("%s: raw is not JSON: %.80q", id, rawOf(rec))
		}
		if r.name == "hosts" || r.name == "alerts" {
			oneContent(t, all[i], rec)
		}
	}
	if read == 0 {
		t.Errorf("none of the listed records could be read")
	}
	for _, id := range []string{elsewhere(all[0].GetOrigin().ID), "no-such-id", "a/b?c=d#e %00", strings.Repeat("9", 40)} {
		rec, err := r.get(t.Context(), e.driver, id, false)
		if err == nil {
			t.Errorf("id %q, which nobody has: got %s", id, brief(rec))
			continue
		}
		e.kindIn(t, "reading id "+id, err, backends.KindNotFound, backends.KindInvalid)
	}
	if _, err := r.get(t.Context(), e.driver, elsewhere(all[0].GetOrigin().ID), false); backends.KindOf(err) != backends.KindNotFound {
		t.Errorf("a well-formed id that nobody has: %v, want NotFound", err)
	}
}

// oneContent: a record has one content, listed or read by its id.
func oneContent(t *testing.T, listed, read model.Record) {
	t.Helper()
	if a, b := content(t, listed), content(t, read); a != b {
		t.Errorf("%s has two contents:\nlisted %s\nread   %s", key(listed), a, b)
	}
}

func content(t *testing.T, rec model.Record) string {
	t.Helper()
	b, err := json.Marshal(rec)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	delete(m, "raw")
	if b, err = json.Marshal(m); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// elsewhere turns an id into one of the same shape that nobody has.
func elsewhere(id string) string {
	b := []byte(id)
	for i := len(b) - 1; i >= 0; i-- {
		switch c := b[i]; {
		case c >= '0' && c <= '9':
			b[i] = '9' - (c - '0')
		case c >= 'a' && c <= 'f':
			b[i] = 'f' - (c - 'a')
		case c >= 'A' && c <= 'Z':
			b[i] = 'Z' - (c - 'A')
		}
	}
	return string(b)
}

// concurrently: a driver is safe for concurrent use.
func (e *env) concurrently(t *testing.T, r reading, q backends.Query, all []model.Record) {
	const n = 4
	type result struct {
		recs []model.Record
		err  error
	}
	out := make(chan result, n)
	for range n {
		go func() {
			recs, _, err := e.list(t.Context(), r, q)
			out <- result{recs, err}
		}()
	}
	for range n {
		got := <-out
		if got.err != nil {
			t.Errorf("one of %d at once: %v", n, got.err)
		} else if d := same(all, got.recs); d != "" {
			t.Errorf("one of %d at once: %s", n, d)
		}
	}
}

// paging: over several pages each record comes once, newest first, and none
// of those the story tells is missing.
func (h Harness) paging(t *testing.T, r reading) {
	if testing.Short() {
		t.Skip("short: not listing several pages")
	}
	scale := 1
	if r.name == "events" {
		scale = h.PagingScale
	}
	e := h.open(t, scale, func(o *backends.Options) { o.Client.Debug = nil })
	q := e.base(t, r)
	e.wire.take()
	all, _, err := e.list(t.Context(), r, q)
	if err != nil {
		t.Fatal(err)
	}
	requests := len(e.wire.take())
	seen := map[string]bool{}
	last := model.Time{}
	for _, rec := range all {
		if k := key(rec); seen[k] {
			t.Fatalf("%s comes twice", k)
		} else {
			seen[k] = true
		}
		if at := model.TimeOf(rec); !last.IsZero() && at.After(last.Time) {
			t.Fatalf("%s of %v comes after one of %v", key(rec), at, last)
		} else {
			last = at
		}
	}
	want := h.expectedCount(e, r, scale)
	t.Logf("%d %s in %d requests, the story has %d", len(all), r.name, requests, want)
	if !q.Filter.Empty() || len(all) == want || h.skip(t, r.name+"/complete") {
		return
	}
	t.Errorf("%d %s, but the story has %d up to now", len(all), r.name, want)
}

// told counts what the story has for the backend up to now.
func (h Harness) expectedCount(e *env, r reading, scale int) int {
	s := story.New(e.now, scale)
	n := 0
	if r.name == "alerts" {
		for _, a := range s.AlertsOn(h.Backend) {
			if !a.Time.After(e.now) {
				n++
			}
		}
		return n
	}
	for ev := range s.EventSeq(h.Backend) {
		if !ev.Time.After(e.now) {
			n++
		}
	}
	return n
}

// cancel: a caller who gives up gets away within 100 ms, whatever the server
// does.
func (e *env) cancel(t *testing.T, h Harness, r reading, q backends.Query) {
	const most = 100 * time.Millisecond
	for _, spec := range []string{"hang", "hang=50%", "slow=200ms:bytes=64", "429:retry-after=60", "503:retry-after=60"} {
		e.wire.injectFault(t, h.Backend, spec)
		ctx, stop := context.WithCancel(t.Context())
		var cancelled time.Time
		timer := time.AfterFunc(40*time.Millisecond, func() { cancelled = time.Now(); stop() })
		_, _, err := e.list(ctx, r, q)
		took := time.Since(cancelled)
		timer.Stop()
		stop()
		e.wire.injectFault(t, h.Backend, "")
		if err == nil {
			t.Errorf("%s, cancelled: no error, want one", spec)
			continue
		}
		if !errors.Is(err, context.Canceled) && backends.KindOf(err) != backends.KindRateLimited {
			t.Errorf("%s, cancelled: %v: not recognisable as cancelled", spec, err)
		}
		if !cancelled.IsZero() && took > most {
			t.Errorf("%s: %v from the cancellation to the end, want at most %v", spec, took, most)
		}
	}
	// A context that was over before anything began asks nothing.
	ctx, stop := context.WithCancel(t.Context())
	stop()
	e.wire.take()
	if _, _, err := e.list(ctx, r, q); !errors.Is(err, context.Canceled) {
		t.Errorf("begun after the cancellation: %v", err)
	}
	if n := e.wire.count(); n > 0 {
		t.Errorf("%d requests after the cancellation", n)
	}
}
