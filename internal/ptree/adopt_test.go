package ptree_test

import (
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ptree"
)

// What is known by pid alone, as an agent without process ids tells it of
// connections, is what the process of that pid did then: one node, whatever
// came first. Where the pid changed hands meanwhile nothing is guessed.
func TestKnownByPIDAlone(t *testing.T) {
	base := time.Date(2026, 11, 22, 2, 0, 0, 0, time.UTC)
	host := &model.Host{Name: "build-07", Origin: model.Origin{ID: "b4"}}
	started := func(uid string, after time.Duration, path string) func(*ptree.Builder) {
		return func(b *ptree.Builder) {
			b.AddProcess("esp", &model.Process{UID: uid, PID: 2075, Path: path, Started: model.At(base.Add(after))}, host)
		}
	}
	child := func(b *ptree.Builder) {
		b.AddProcess("esp", &model.Process{UID: "kid", PID: 3000, Started: model.At(base.Add(time.Hour)), Parent: &model.ParentProcess{UID: "one", PID: 2075}}, host)
	}
	bare := func(path string) *model.Process { return &model.Process{PID: 2075, Path: path} }
	event := func(profile, id string, after time.Duration) func(*ptree.Builder) {
		return func(b *ptree.Builder) {
			b.AddEvent(profile, &model.Event{Origin: model.Origin{ID: id}, Kind: model.KindNetworkConnect, Time: model.At(base.Add(after)), Host: host, Process: bare("/tmp/k")})
		}
	}
	alert := func(after time.Duration) func(*ptree.Builder) {
		return func(b *ptree.Builder) {
			b.AddAlert("esp", &model.Alert{Origin: model.Origin{ID: "a"}, Time: model.At(base.Add(after)), Host: host, Process: bare("/tmp/k")})
		}
	}
	ended := func(b *ptree.Builder) {
		b.AddProcess("esp", &model.Process{UID: "one", PID: 2075, Ended: model.At(base.Add(10 * time.Minute))}, host)
	}
	one, two := started("one", 0, "/tmp/k"), started("two", 20*time.Minute, "/tmp/k")
	for name, c := range map[string]struct {
		told  []func(*ptree.Builder)
		nodes int
		on    string // whose the alert and the events are; "" = a node of their own
		net   int
	}{
		"start first":              {[]func(*ptree.Builder){one, event("esp", "e1", time.Minute), event("esp", "e2", 2*time.Minute), alert(time.Minute)}, 1, "one", 2},
		"start last":               {[]func(*ptree.Builder){alert(time.Minute), event("esp", "e1", time.Minute), one}, 1, "one", 1},
		"with what it started":     {[]func(*ptree.Builder){alert(time.Minute), child, one}, 2, "one", 0},
		"the later one":            {[]func(*ptree.Builder){one, two, alert(30 * time.Minute)}, 2, "two", 0},
		"the earlier one":          {[]func(*ptree.Builder){two, one, alert(time.Minute)}, 2, "one", 0},
		"both":                     {[]func(*ptree.Builder){one, two, alert(time.Minute), event("esp", "e1", 30*time.Minute)}, 3, "", 1},
		"before it started":        {[]func(*ptree.Builder){two, alert(time.Minute)}, 2, "", 0},
		"after it ended":           {[]func(*ptree.Builder){one, ended, alert(30 * time.Minute)}, 2, "", 0},
		"another image":            {[]func(*ptree.Builder){started("one", 0, "/bin/sh"), alert(time.Minute)}, 2, "", 0},
		"another profile saw more": {[]func(*ptree.Builder){one, event("esp", "e1", time.Minute), event("cb", "x1", time.Minute), event("cb", "x2", time.Minute), alert(time.Minute)}, 1, "one", 2},
	} {
		t.Run(name, func(t *testing.T) {
			var b ptree.Builder
			for _, f := range c.told {
				f(&b)
			}
			for range 2 { // a builder that grows gives the same again
				tree := b.Clone().Build()
				if tree.Count != c.nodes {
					t.Errorf("%d nodes, want %d", tree.Count, c.nodes)
				}
				tree.Walk(func(n *ptree.Node, _ int) bool {
					if len(n.Alerts) > 0 && (n.Process.UID != c.on || n.Events[model.KindNetworkConnect] != c.net) {
						t.Errorf("the alert is on %q with %v, want %q with %d connections", n.Process.UID, n.Events, c.on, c.net)
					}
					return true
				})
			}
		})
	}
}

// A process two profiles saw is given as each knows it: with its own id and
// host, which are all that profile can be asked about.
func TestAsEachProfileKnowsIt(t *testing.T) {
	at := model.At(time.Date(2026, 11, 22, 2, 0, 0, 0, time.UTC))
	add := func(b *ptree.Builder, profile, uid, host string) {
		b.AddProcess(profile, &model.Process{UID: uid, PID: 8, Path: `C:\a.exe`, Started: at}, &model.Host{Origin: model.Origin{ID: host, Ref: profile + "/" + host}, Name: "WS"})
	}
	var b ptree.Builder
	add(&b, "cw", "c1", "77")
	add(&b, "gene", "g1", "uuid")
	b.AddEvent("gene", &model.Event{Origin: model.Origin{ID: "e"}, Kind: model.KindDNSQuery, Time: at, Host: &model.Host{Origin: model.Origin{ID: "uuid"}, Name: "WS"}, Process: &model.Process{PID: 8, Path: `C:\a.exe`}})
	tree := b.Build()
	if tree.Count != 1 {
		t.Fatalf("%d nodes", tree.Count)
	}
	got := map[string]string{}
	for _, s := range tree.Roots[0].As() {
		got[s.Profile] = s.Process.UID + " on " + s.Process.Host.Ref
	}
	if len(got) != 2 || got["cw"] != "c1 on cw/77" || got["gene"] != "g1 on gene/uuid" {
		t.Errorf("%v", got)
	}
	if keys := tree.Roots[0].Keys(); len(keys) != 1 || keys[0] != "cw/c1" {
		t.Errorf("keys %v", keys)
	}
}
