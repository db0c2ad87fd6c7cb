package change_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/change"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
)

// knowing lists hosts, and cannot change them.
type knowing struct{ hosts *acting }

func (k knowing) Backend() string                                { return "knowing" }
func (k knowing) Check(context.Context) (backends.Health, error) { return backends.Health{}, nil }
func (k knowing) Close() error                                   { return nil }

func (k knowing) Hosts(ctx context.Context, q backends.Query) (backends.Listing[*model.Host], error) {
	return k.hosts.Hosts(ctx, q)
}

func (k knowing) Host(ctx context.Context, id string, raw bool) (*model.Host, error) {
	return k.hosts.Host(ctx, id, raw)
}

func named(pairs ...string) *acting {
	a := newActing(0)
	for i := 0; i < len(pairs); i += 2 {
		h := &model.Host{Origin: model.Origin{ID: pairs[i]}, Name: pairs[i+1]}
		if name, domain, ok := strings.Cut(pairs[i+1], "@"); ok {
			h.Name, h.Domain = name, domain
		}
		a.hosts = append(a.hosts, h)
	}
	return a
}

func TestAHostNamedLikeAnothersIDIsAnError(t *testing.T) {
	kill := backends.Change{Verb: backends.VerbKill, PID: 1}
	one := fleet(named("77", "WS-1", "h2", "77", "h3", "h3"))
	two := fleet(named("77", "WS-1"), named("h2", "77"))
	for name, f := range map[string]*ops.Fleet{"one profile": one, "two profiles": two} {
		_, err := change.HostItems(t.Context(), f, []string{"77"}, kill)
		if backends.KindOf(err) != backends.KindInvalid || !strings.Contains(err.Error(), "p0/77") || !strings.Contains(err.Error(), "/h2") {
			t.Errorf("%s: a change takes one of two: %v", name, err)
		}
		if _, err := f.Host(t.Context(), "77", false); backends.KindOf(err) != backends.KindInvalid {
			t.Errorf("%s: Host takes one of two: %v", name, err)
		}
		if _, err := f.HostsNamed(t.Context(), "77", false); backends.KindOf(err) != backends.KindInvalid {
			t.Errorf("%s: HostsNamed takes one of two: %v", name, err)
		}
		items, err := change.HostItems(t.Context(), f, []string{"p0/77"}, kill)
		if err != nil || items[0].Change.Host == nil || items[0].Change.Host.Name != "WS-1" {
			t.Errorf("%s: a ref says which: %+v %v", name, items, err)
		}
	}
	if items, err := change.HostItems(t.Context(), one, []string{"h3"}, kill); err != nil || items[0].Err != nil || items[0].Change.Host.ID != "h3" {
		t.Errorf("a host whose name is its own id: %+v %v", items, err)
	}
}

func TestAChangeGoesToTheProfileThatCanDoIt(t *testing.T) {
	kill := backends.Change{Verb: backends.VerbKill, PID: 1}
	f := fleet(knowing{named("a", "FIN-WS-014")}, named("b", "fin-ws-014"))
	items, err := change.HostItems(t.Context(), f, []string{"FIN-WS-014"}, kill)
	if err != nil || len(items) != 1 || items[0].Err != nil || items[0].Change.Host.Ref != "p1/b" || items[0].Profile != "p1" {
		t.Errorf("%+v %v", items, err)
	}
	none := fleet(knowing{named("a", "FIN-WS-014")}, knowing{named("b", "FIN-WS-014")})
	items, err = change.HostItems(t.Context(), none, []string{"FIN-WS-014"}, kill)
	if err != nil || len(items) != 1 {
		t.Fatalf("%+v %v", items, err)
	}
	if e := actsOn(t, none).Plan(t.Context(), items).Steps[0].Err; backends.KindOf(e) != backends.KindUnsupported {
		t.Errorf("none can: %v", e)
	}
	both := fleet(named("a", "FIN-WS-014"), named("b", "FIN-WS-014"))
	if _, err := change.HostItems(t.Context(), both, []string{"FIN-WS-014"}, kill); backends.KindOf(err) != backends.KindInvalid || !strings.Contains(err.Error(), "p0/a and p1/b") {
		t.Errorf("two can: %v", err)
	}
	hosts, err := both.HostsNamed(t.Context(), "FIN-WS-014", false)
	if err != nil || len(hosts) != 2 || hosts[0].Ref != "p0/a" || hosts[1].Ref != "p1/b" {
		t.Errorf("reads show both: %+v %v", hosts, err)
	}
}

func TestHostsWithTheirDomain(t *testing.T) {
	f := fleet(named("a", "WS-2@corp.example", "b", "WS-2@lab.example", "c", "WS-3"))
	for operand, want := range map[string]string{
		"WS-2.corp.example": "p0/a", `CORP\ws-2`: "p0/a", `lab\WS-2`: "p0/b", "p0/WS-2.lab.example": "p0/b", "WS-3.corp.example": "p0/c",
	} {
		items, err := change.HostItems(t.Context(), f, []string{operand}, backends.Change{Verb: backends.VerbIsolate})
		if err != nil || items[0].Err != nil || items[0].Change.Host.Ref != want {
			t.Errorf("%s: %+v %v", operand, items, err)
		}
	}
	if _, err := change.HostItems(t.Context(), f, []string{"WS-2"}, backends.Change{Verb: backends.VerbIsolate}); backends.KindOf(err) != backends.KindInvalid {
		t.Errorf("WS-2 is in two domains: %v", err)
	}
}

func TestAnUnknownHostComesWithTheNearestNames(t *testing.T) {
	f := fleet(named("a", "FIN-WS-014"), named("b", "FIN-WS-015", "c", "SRV-DB-02"))
	_, err := f.HostsNamed(t.Context(), "FIN-WS-01", false)
	e, ok := err.(*backends.Error)
	if !ok || e.Kind != backends.KindNotFound || e.Hint != "did you mean FIN-WS-014 or FIN-WS-015?" {
		t.Errorf("%#v", err)
	}
}

// retiring keeps some of its hosts as removed.
type retiring struct {
	*acting
	removed *acting
}

func (r retiring) RemovedHosts(ctx context.Context, q backends.Query) (backends.Listing[*model.Host], error) {
	return r.removed.Hosts(ctx, q)
}

func TestARemovedHostIsNamedToHaveItBackOnly(t *testing.T) {
	f := fleet(retiring{named("new", "WS-1"), named("old", "WS-1", "gone", "WS-2")}, knowing{named("a", "WS-9")})
	for _, c := range []struct{ verb, name, want string }{
		{backends.VerbHostEnable, "WS-2", "p0/gone"}, {backends.VerbHostEnable, "WS-1", "p0/old"},
		{backends.VerbHostRemove, "WS-2", "p0/gone"}, {backends.VerbHostRemove, "WS-1", "p0/new"},
		{backends.VerbHostDelete, "WS-2", "p0/gone"}, {backends.VerbKill, "WS-2", ""}, {backends.VerbKill, "WS-1", "p0/new"},
	} {
		items, err := change.HostItems(t.Context(), f, []string{c.name}, backends.Change{Verb: c.verb})
		if err != nil {
			t.Fatalf("%s %s: %v", c.verb, c.name, err)
		}
		got := ""
		if h := items[0].Change.Host; h != nil {
			got = h.Ref
		} else if backends.KindOf(items[0].Err) != backends.KindNotFound {
			t.Errorf("%s %s: %v", c.verb, c.name, items[0].Err)
		}
		if got != c.want {
			t.Errorf("%s %s goes to %q, want %q", c.verb, c.name, got, c.want)
		}
	}
}

// askedOften counts what its server is asked.
type askedOften struct {
	*acting
	lists, gets int
}

func (a *askedOften) Hosts(ctx context.Context, q backends.Query) (backends.Listing[*model.Host], error) {
	a.lists++
	return a.acting.Hosts(ctx, q)
}

func (a *askedOften) Host(ctx context.Context, id string, raw bool) (*model.Host, error) {
	a.gets++
	return a.acting.Host(ctx, id, raw)
}

func TestManyHostsAreFoundInOneListing(t *testing.T) {
	const n = 10_000
	server := &askedOften{acting: named()}
	var operands []string
	for i := range n {
		id, name := fmt.Sprintf("id-%d", i), fmt.Sprintf("WS-%d", i)
		server.hosts = append(server.hosts, &model.Host{Origin: model.Origin{ID: id}, Name: name, Domain: "corp.example"})
		operands = append(operands, []string{strings.ToLower(name), id, "p0/" + id, name + ".corp.example", `CORP\` + name}[i%5])
	}
	began := time.Now()
	items, err := change.HostItems(t.Context(), fleet(server), operands, backends.Change{Verb: backends.VerbIsolate})
	if err != nil || len(items) != n {
		t.Fatalf("%d items, %v", len(items), err)
	}
	for i, it := range items {
		if it.Err != nil || it.Change.Host.ID != fmt.Sprintf("id-%d", i) {
			t.Fatalf("%s: %+v %v", operands[i], it.Change.Host, it.Err)
		}
	}
	if server.lists != 1 || server.gets != 0 {
		t.Errorf("%d listings and %d single requests, want 1 and 0", server.lists, server.gets)
	}
	// Comparing each with each takes minutes.
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("%s for %d names", took, n)
	}
}
