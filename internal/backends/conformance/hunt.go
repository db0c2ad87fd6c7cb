package conformance

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/ioc"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/story"
)

// RunHunt holds a driver to the rules of hunting: what is planted in the
// story is found, and nothing else; what the server finds is what its events
// show; nothing is left out in silence. Harness.Skip takes "hunt/<type>".
func RunHunt(t *testing.T, h Harness) {
	t.Helper()
	if h.Retention == 0 {
		h.Retention = 80 * time.Hour
	}
	e := h.open(t, 1, func(o *backends.Options) { o.Client.Debug = nil })
	modes := huntModes(t, e)
	var events []*model.Event
	if s, ok := e.driver.(backends.EventSearcher); ok {
		for ev := range records(t, s.Events, e.window()) {
			events = append(events, ev)
		}
	}
	planted := map[ioc.Type][]*story.Indicator{}
	for _, i := range story.New(e.now, 1).Indicators {
		kind, ok := ioc.ParseType(i.Type)
		if !ok {
			t.Fatalf("the story plants a %q", i.Type)
		}
		planted[kind] = append(planted[kind], i)
	}
	for _, kind := range ioc.Types {
		if h.skip(t, "hunt/"+kind.String()) {
			continue
		}
		t.Run(kind.String(), func(t *testing.T) { e.huntType(t, h, kind, modes[kind.String()], planted[kind], events) })
	}
}

// huntModes gives the mode of every type; what the driver does not mention is
// matched locally where events can be searched.
func huntModes(t *testing.T, e *env) map[string]backends.HuntMode {
	t.Helper()
	out := map[string]backends.HuntMode{}
	hunter, _ := e.driver.(backends.IndicatorHunter)
	if hunter != nil {
		out = hunter.HuntModes()
	}
	_, searches := e.driver.(backends.EventSearcher)
	known := map[string]bool{}
	for _, kind := range ioc.Types {
		known[kind.String()] = true
		m, ok := out[kind.String()]
		switch {
		case !ok && searches:
			m = backends.HuntMode{Where: backends.HuntLocal}
		case !ok:
			m = backends.HuntMode{Where: backends.HuntNone, Why: "no events"}
		}
		switch {
		case m.Where != backends.HuntServer && m.Where != backends.HuntLocal && m.Where != backends.HuntNone:
			t.Errorf("%s is searched %q", kind, m.Where)
		case m.Where == backends.HuntNone && m.Why == "":
			t.Errorf("%s cannot be searched, and nobody says why", kind)
		case m.Where == backends.HuntLocal && !searches:
			t.Errorf("%s is to be matched locally, but there are no events", kind)
		case m.Chunk < 0 || m.Most < 0 || m.Where != backends.HuntServer && (m.Chunk != 0 || m.Most != 0):
			t.Errorf("%s: %+v", kind, m)
		}
		out[kind.String()] = m
	}
	for name := range out {
		if !known[name] {
			t.Errorf("%q is not a type of indicator", name)
		}
	}
	return out
}

// nobodys is a value of each type that nothing has.
var nobodys = map[ioc.Type]string{
	ioc.MD5: strings.Repeat("e", 32), ioc.SHA1: strings.Repeat("e", 40), ioc.SHA256: strings.Repeat("e", 64), ioc.SHA512: strings.Repeat("e", 128), ioc.Imphash: strings.Repeat("e", 32),
	ioc.IPv4: "192.0.2.199", ioc.IPv6: "2001:db8:ffff::199", ioc.CIDR: "192.0.2.192/27", ioc.Domain: "nobody-has-this.example", ioc.URL: "https://nobody-has-this.example/x",
	ioc.FileName: "nobody-has-this.exe", ioc.FilePath: `C:\nobody\has\this.exe`, ioc.ProcessName: "nobody-has-this.exe", ioc.Email: "nobody@has-this.example",
}

// huntType holds one type to the rules.
func (e *env) huntType(t *testing.T, h Harness, kind ioc.Type, mode backends.HuntMode, planted []*story.Indicator, events []*model.Event) {
	here := func(i *story.Indicator) bool { return slices.Contains(i.Backends, h.Backend) }
	if mode.Where == backends.HuntNone {
		for _, i := range planted {
			if here(i) {
				t.Errorf("%s is planted here, but the type cannot be searched: %s", i.Value, mode.Why)
			}
		}
		return
	}
	values := []string{nobodys[kind]}
	for _, i := range planted {
		values = append(values, strings.ToLower(i.Value))
	}
	values = append(values, valuesIn(kind, events)...)
	slices.Sort(values)
	values = slices.Compact(values)
	local := matchHere(kind, values, events)
	hosts := local
	if mode.Where == backends.HuntServer {
		hosts = e.huntServer(t, h, kind, mode, values)
		for _, v := range values {
			if len(events) > 0 && !slices.Equal(hosts[v], local[v]) {
				t.Errorf("%s: the server finds it on %q, its events show it on %q", v, hosts[v], local[v])
			}
		}
	}
	if got := hosts[nobodys[kind]]; len(got) > 0 {
		t.Errorf("%s, which nothing has, is found on %q", nobodys[kind], got)
	}
	for _, i := range planted {
		if got := hosts[strings.ToLower(i.Value)]; (len(got) > 0) != here(i) {
			t.Errorf("%s (%s) is found on %q; it is planted on %q", i.Value, i.Note, got, i.Backends)
		}
	}
}

// huntServer asks the server for values, as many at once as the mode says,
// and gives for each the hosts it was seen on in the window.
func (e *env) huntServer(t *testing.T, h Harness, kind ioc.Type, mode backends.HuntMode, values []string) map[string][]string {
	t.Helper()
	d := e.driver.(backends.IndicatorHunter)
	found := map[string][]string{}
	for chunk := range slices.Chunk(values, max(mode.Chunk, 1)) {
		q := backends.HuntQuery{Type: kind.String(), Values: chunk, Since: e.since, Until: e.now.Add(time.Second)}
		hits := e.hunt(t, d, q)
		for _, hit := range hits {
			v := strings.ToLower(hit.Indicator.Value)
			if !slices.Contains(chunk, v) {
				t.Errorf("a hit is of %q, which was not asked for: %q", hit.Indicator.Value, chunk)
			}
			e.hitShape(t, q, hit)
			if name := hostOf(hit); (hit.Count > 0 || !hit.Last.IsZero()) && !slices.Contains(found[v], name) {
				found[v] = append(found[v], name)
			}
		}
		e.huntFaults(t, h, d, q, hits)
		q.Since, q.Until = e.now.Add(-2000*24*time.Hour), e.now.Add(-1990*24*time.Hour)
		for _, hit := range e.hunt(t, d, q) {
			if hit.Count > 0 || !hit.Last.IsZero() {
				t.Errorf("%s: a hit of %v for a window that ended %v", hit.Indicator.Value, hit.Last, q.Until)
			}
		}
	}
	for _, list := range found {
		slices.Sort(list)
	}
	return found
}

func (e *env) hunt(t *testing.T, d backends.IndicatorHunter, q backends.HuntQuery) []*model.Hit {
	t.Helper()
	hits, err := e.tryHunt(t.Context(), d, q)
	if err != nil {
		t.Fatalf("hunting %d %s: %v", len(q.Values), q.Type, err)
	}
	return hits
}

func (e *env) tryHunt(ctx context.Context, d backends.IndicatorHunter, q backends.HuntQuery) (hits []*model.Hit, err error) {
	l, err := d.Hunt(ctx, q)
	if err != nil {
		return nil, err
	}
	if len(l.Plan.Requests) == 0 {
		return nil, fmt.Errorf("the plan names no request")
	}
	for hit, err := range l.Seq {
		if err != nil {
			return hits, err
		}
		hits = append(hits, hit)
	}
	return hits, nil
}

func (e *env) hitShape(t *testing.T, q backends.HuntQuery, hit *model.Hit) {
	t.Helper()
	switch {
	case hit.Host == nil && hit.Process == nil && hit.File == nil:
		t.Errorf("%s: a hit says neither host nor process nor file", hit.Indicator.Value)
	case hit.Count < 0 || hit.First.After(hit.Last.Time) || len(hit.Evidence) > model.MaxEvidence:
		t.Errorf("%s: %d times from %v to %v, %d refs", hit.Indicator.Value, hit.Count, hit.First, hit.Last, len(hit.Evidence))
	case !hit.Last.IsZero() && (hit.First.Before(q.Since) || !hit.Last.Before(q.Until)):
		t.Errorf("%s: seen from %v to %v, asked for %v to %v", hit.Indicator.Value, hit.First, hit.Last, q.Since, q.Until)
	}
	if len(hit.Evidence) == 0 {
		return
	}
	id := hit.Evidence[0]
	if d, ok := e.driver.(backends.EventGetter); ok {
		if _, err := d.Event(t.Context(), id, false); err == nil {
			return
		}
	}
	if d, ok := e.driver.(backends.AlertGetter); ok {
		if _, err := d.Alert(t.Context(), id, false); err == nil {
			return
		}
	}
	if _, ok := e.driver.(backends.EventGetter); ok {
		t.Errorf("%s: the evidence %q can be read neither as event nor as alert", hit.Indicator.Value, id)
	}
}

// huntFaults: a hunt ends with an error or has found everything.
func (e *env) huntFaults(t *testing.T, h Harness, d backends.IndicatorHunter, q backends.HuntQuery, all []*model.Hit) {
	t.Helper()
	want := hitKeys(all)
	if len(want) == 0 {
		return
	}
	for _, spec := range []string{"cut=50%", "cut=90%:clean", "garbage", "html", "500", "503:first=1", "429:retry-after=0,first=1", "reset-after:first=1", "403"} {
		e.wire.injectFault(t, h.Backend, spec)
		got, err := e.tryHunt(t.Context(), d, q)
		e.wire.injectFault(t, h.Backend, "")
		if err != nil {
			e.goodError(t, spec, err)
			continue
		}
		if keys := hitKeys(got); !slices.Equal(keys, want) {
			t.Errorf("%s: no error, but %d of %d hits", spec, len(keys), len(want))
		}
	}
}

func hitKeys(hits []*model.Hit) (out []string) {
	for _, h := range hits {
		out = append(out, h.Key())
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func hostOf(h *model.Hit) string {
	if h.Host == nil {
		return ""
	}
	if h.Host.Name != "" {
		return strings.ToLower(h.Host.Name)
	}
	return strings.ToLower(h.Host.ID)
}

// matchHere matches values over events and gives the hosts of each, sorted.
func matchHere(kind ioc.Type, values []string, events []*model.Event) map[string][]string {
	list := make([]ioc.Indicator, len(values))
	for i, v := range values {
		list[i] = ioc.Indicator{Type: kind, Value: v}
	}
	m := ioc.NewMatcher(list)
	out := map[string][]string{}
	for _, ev := range events {
		m.Match(ev, func(f ioc.Found) {
			v := values[f.Indicator]
			if name := hostOf(&model.Hit{Host: ev.Host}); !slices.Contains(out[v], name) {
				out[v] = append(out[v], name)
			}
		})
	}
	for _, hosts := range out {
		slices.Sort(hosts)
	}
	return out
}

// valuesIn takes a few values of a type from events, spread over them.
func valuesIn(kind ioc.Type, events []*model.Event) (out []string) {
	const most = 4
	for i := 0; i < len(events) && len(out) < most; i += max(len(events)/60, 1) {
		ev := events[i]
		v := ""
		var p model.Process
		var hash model.Hash
		if ev.Process != nil {
			if p = *ev.Process; p.Hash != nil {
				hash = *p.Hash
			}
		}
		if ev.File != nil && ev.File.Hash != nil && i%2 == 0 {
			hash = *ev.File.Hash
		}
		switch kind {
		case ioc.MD5:
			v = hash.MD5
		case ioc.SHA1:
			v = hash.SHA1
		case ioc.SHA256:
			v = hash.SHA256
		case ioc.SHA512:
			v = hash.SHA512
		case ioc.Imphash:
			v = hash.Imphash
		case ioc.IPv4:
			if n := ev.Network; n != nil && n.Destination != nil {
				v = n.Destination.IP
			}
		case ioc.Domain:
			if n := ev.Network; n != nil && n.Destination != nil {
				v = n.Destination.Domain
			}
		case ioc.FileName:
			if ev.File != nil {
				v = ev.File.Name
			}
		case ioc.FilePath:
			if ev.File != nil {
				v = ev.File.Path
			}
		case ioc.ProcessName:
			v = p.Name
		}
		got, value, err := ioc.Parse(v, kind)
		if value = strings.ToLower(value); v != "" && err == nil && got == kind && !slices.Contains(out, value) {
			out = append(out, value)
		}
	}
	return out
}
