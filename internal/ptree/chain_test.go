package ptree_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ptree"
)

// lineage is the names from the root to a node; gaps in brackets.
func lineage(n *ptree.Node) string {
	var out []string
	for ; n != nil; n = n.Parent {
		name := n.Process.Name
		if n.Gap {
			name = "[" + name + "]"
		}
		out = append([]string{name}, out...)
	}
	return strings.Join(out, " ")
}

func images(names ...string) (out []*model.Process) {
	for _, n := range names {
		out = append(out, &model.Process{Path: `C:\` + n, Name: n})
	}
	return out
}

// Images of ancestors stand above what is really known, whatever came first.
func TestImagesOfAncestorsAreAFallback(t *testing.T) {
	alert := func(b *ptree.Builder) {
		b.AddAlert("gene", &model.Alert{
			Origin: model.Origin{ID: "a"}, Host: ws14, Process: proc("dump", "", 8, 8, "dump.exe"),
			Ancestors: images("init.exe", "explorer.exe", "cmd.exe", "cmd.exe"),
		})
	}
	events := func(b *ptree.Builder) {
		b.AddProcess("gene", proc("dump", "sh2", 8, 8, "dump.exe"), ws14)
		b.AddProcess("gene", proc("sh2", "sh1", 7, 7, "cmd.exe"), ws14)
		b.AddProcess("gene", proc("sh1", "", 6, 6, "cmd.exe"), ws14)
	}
	sibling := func(b *ptree.Builder) {
		b.AddAlert("gene", &model.Alert{
			Origin: model.Origin{ID: "b"}, Host: ws14, Process: proc("who", "sh1", 9, 9, "whoami.exe"),
			Ancestors: images("init.exe", "explorer.exe", "cmd.exe"),
		})
	}
	for name, order := range map[string][]func(*ptree.Builder){
		"alert first":   {alert, events, sibling},
		"alert last":    {sibling, events, alert},
		"alert between": {events, alert, sibling},
	} {
		var b ptree.Builder
		for _, f := range order {
			f(&b)
		}
		tree := b.Build()
		if got := lineage(tree.Find("gene", "dump")); got != "[init.exe] [explorer.exe] cmd.exe cmd.exe dump.exe" {
			t.Errorf("%s: %s", name, got)
		}
		if got := lineage(tree.Find("gene", "who")); got != "[init.exe] [explorer.exe] cmd.exe whoami.exe" {
			t.Errorf("%s: sibling: %s", name, got)
		}
		if tree.Count != 6 || len(tree.Roots) != 1 {
			t.Errorf("%s: %d nodes below %d roots", name, tree.Count, len(tree.Roots))
		}
	}
	// Nothing else is known; and what is known contradicts the images.
	var b ptree.Builder
	alert(&b)
	if got := lineage(b.Build().Find("gene", "dump")); got != "[init.exe] [explorer.exe] [cmd.exe] [cmd.exe] dump.exe" {
		t.Error(got)
	}
	b = ptree.Builder{}
	alert(&b)
	b.AddProcess("gene", proc("dump", "svc", 8, 8, "dump.exe"), ws14)
	b.AddProcess("gene", proc("svc", "", 5, 5, "services.exe"), ws14)
	if got := lineage(b.Build().Find("gene", "dump")); got != "services.exe dump.exe" {
		t.Error(got)
	}
}

// chain gives ancestors with pid and start, without ids.
func chain(names ...string) (out []*model.Process) {
	for i, n := range names {
		p := proc("", "", int64(i+1), i+1, n)
		if i > 0 {
			p.Parent = &model.ParentProcess{PID: int64(i), Path: `C:\` + names[i-1], Name: names[i-1]}
		}
		out = append(out, p)
	}
	return out
}

// An ancestor known by pid and start is the process its own events name.
func TestChainsMeetProcessesWithIDs(t *testing.T) {
	for i := range 6 {
		steps := []func(b *ptree.Builder){
			func(b *ptree.Builder) {
				p := proc("leaf", "", 4, 4, "leaf.exe")
				p.Parent = &model.ParentProcess{PID: 3, Path: `C:\cmd.exe`}
				b.AddAlert("cw", &model.Alert{Origin: model.Origin{ID: "a"}, Host: ws14, Process: p, Ancestors: chain("init.exe", "explorer.exe", "cmd.exe")})
			},
			func(b *ptree.Builder) {
				b.AddEvent("cw", &model.Event{
					Origin: model.Origin{ID: "e"}, Kind: model.KindProcessStart, Time: at(4), Host: ws14,
					Process: proc("sh", "", 3, 3, "cmd.exe"), Target: &model.Process{UID: "leaf", PID: 4, Name: "leaf.exe", Path: `C:\leaf.exe`},
				})
			},
			func(b *ptree.Builder) { // no creation time told
				b.AddEvent("cw", &model.Event{Origin: model.Origin{ID: "f"}, Kind: model.KindFileWrite, Host: ws14, Process: &model.Process{UID: "ex", PID: 2, Name: "explorer.exe", Path: `C:\explorer.exe`, Started: at(2)}})
			},
		}
		var b ptree.Builder
		for _, k := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}[i] {
			steps[k](&b)
			steps[k](&b) // the same again changes nothing
		}
		tree := b.Build()
		leaf := tree.Find("cw", "leaf")
		if got := lineage(leaf); got != "[init.exe] explorer.exe cmd.exe leaf.exe" || tree.Count != 4 {
			t.Errorf("order %d: %s, %d nodes", i, got, tree.Count)
		}
		if n := tree.Find("cw", "sh"); n != leaf.Parent || n.Process.UID != "sh" || n.Events[model.KindProcessStart] != 1 {
			t.Errorf("order %d: %+v", i, n)
		}
	}
}

// The parent's uid, told by a child, is the chain's last process.
func TestChainTakesTheParentsUID(t *testing.T) {
	var b ptree.Builder
	b.AddProcess("cw", proc("leaf", "", 4, 4, "leaf.exe"), ws14)
	n := b.AddAlert("cw", &model.Alert{Origin: model.Origin{ID: "a"}, Host: ws14, Process: proc("leaf", "", 4, 4, "leaf.exe"), Ancestors: chain("init.exe", "explorer.exe", "cmd.exe")})
	p := proc("leaf", "", 4, 4, "leaf.exe")
	p.Parent = &model.ParentProcess{UID: "sh", PID: 3, Path: `C:\cmd.exe`}
	b.AddProcess("cw", p, ws14)
	tree := b.Build()
	if got := lineage(n); got != "[init.exe] [explorer.exe] [cmd.exe] leaf.exe" || tree.Find("cw", "sh") != n.Parent || tree.Count != 4 {
		t.Errorf("%s, %d nodes", got, tree.Count)
	}
	// The same pid and image again later is another process.
	b = ptree.Builder{}
	b.AddAlert("cw", &model.Alert{Host: ws14, Process: proc("leaf", "", 4, 4, "leaf.exe"), Ancestors: chain("cmd.exe")})
	b.AddProcess("cw", proc("later", "", 1, 900, "cmd.exe"), ws14)
	if tree := b.Build(); tree.Count != 3 || len(tree.Roots) != 2 {
		t.Errorf("%d nodes", tree.Count)
	}
}

func FuzzChains(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08"))
	f.Add([]byte("\x03\x01\x01\x01\x03\x02\x02\x02\x04\x01\x02\x01"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var b ptree.Builder
		var nodes []*ptree.Node
		for i := 0; i+4 <= len(data) && i < 2000; i += 4 {
			c := data[i : i+4]
			p := proc(fmt.Sprint(c[1]%8), "", int64(c[1]%8), int(c[1]%8), fmt.Sprint("x", c[1]%3))
			if c[0]&1 != 0 {
				p.Parent = &model.ParentProcess{UID: fmt.Sprint(c[2] % 8), PID: int64(c[2] % 8)}
			}
			var up []*model.Process
			for k := range int(c[3] % 5) {
				q := proc("", "", int64(c[2]+byte(k))%8, int(c[3]+byte(k))%8, fmt.Sprint("x", (int(c[2])+k)%3))
				switch (int(c[0]>>1) + k) % 3 {
				case 0:
					q.PID, q.Started = 0, model.Time{}
				case 1:
					q.UID = fmt.Sprint(int(c[2]+byte(k)) % 8)
				}
				up = append(up, q)
			}
			if n := b.AddAlert("p", &model.Alert{Origin: model.Origin{ID: fmt.Sprint(i)}, Host: ws14, Process: p, Ancestors: up}); n != nil {
				nodes = append(nodes, n)
			}
		}
		tree := b.Build()
		reached := map[*ptree.Node]bool{}
		tree.Walk(func(n *ptree.Node, _ int) bool {
			if reached[n] {
				t.Fatal("a node comes twice")
			}
			reached[n] = true
			return true
		})
		if len(reached) != tree.Count {
			t.Fatalf("%d of %d", len(reached), tree.Count)
		}
		for _, n := range nodes {
			if m := tree.Find("p", n.Process.UID); m == nil || !reached[m] {
				t.Fatalf("%s is lost", n.Process.UID)
			}
		}
	})
}

// Two profiles name the parent of the same process: it is one parent, though
// one of them never saw it itself.
func TestParentsOfTwoProfilesMeet(t *testing.T) {
	for i := range 2 {
		var b ptree.Builder
		steps := []func(){
			func() {
				p := proc("g2", "g1", 7, 7, "word.exe")
				p.Parent = &model.ParentProcess{UID: "g1", Path: `C:\explorer.exe`}
				b.AddProcess("gene", p, ws14)
				q := proc("g3", "g1", 8, 9, "other.exe")
				q.Parent = &model.ParentProcess{UID: "g1", Path: `C:\explorer.exe`}
				b.AddProcess("gene", q, ws14)
			},
			func() {
				n := b.AddProcess("cw", proc("c2", "", 7, 7, "word.exe"), ws14)
				b.AddAncestors("cw", n, chain("init.exe", "explorer.exe"))
			},
		}
		steps[i]()
		steps[1-i]()
		tree := b.Build()
		for _, uid := range []string{"g2", "g3"} {
			if got := lineage(tree.Find("gene", uid)); !strings.HasPrefix(got, "[init.exe] [explorer.exe] ") {
				t.Errorf("%d: %s", i, got)
			}
		}
		if tree.Count != 4 || len(tree.Roots) != 1 {
			t.Errorf("%d: %d nodes, %d roots", i, tree.Count, len(tree.Roots))
		}
	}
}
