package ptree_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ptree"
)

var epoch = time.Date(2026, 11, 22, 2, 0, 0, 0, time.UTC)

func at(s int) model.Time { return model.At(epoch.Add(time.Duration(s) * time.Second)) }

var ws14 = &model.Host{Name: "FIN-WS-014"}

func proc(uid, parent string, pid int64, start int, name string) *model.Process {
	p := &model.Process{UID: uid, PID: pid, Name: name, Path: `C:\` + name, Started: at(start)}
	if parent != "" {
		p.Parent = &model.ParentProcess{UID: parent, Name: "parent-of-" + name}
	}
	return p
}

func text(t *testing.T, tree *ptree.Tree, style ptree.Style) string {
	t.Helper()
	var b bytes.Buffer
	if err := tree.WriteText(&b, style); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestChildBeforeParentAndGaps(t *testing.T) {
	var b ptree.Builder
	b.AddProcess("gene", proc("c", "b", 3, 3, "c.exe"), ws14)
	b.AddProcess("gene", proc("d", "b", 4, 4, "d.exe"), ws14)
	b.AddProcess("gene", proc("b", "a", 2, 2, "b.exe"), ws14)
	b.AddMissing("gene", "b", 12)
	tree := b.Build()
	want := strings.Join([]string{
		"parent-of-b.exe [not seen itself]",
		`└─ b.exe (2)  C:\b.exe`,
		`   ├─ c.exe (3)  C:\c.exe`,
		`   ├─ d.exe (4)  C:\d.exe`,
		"   └─ … 12 more", "",
	}, "\n")
	if got := text(t, tree, ptree.Style{Unicode: true}); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := text(t, tree, ptree.Style{}); !strings.Contains(got, "   `- ... 12 more") {
		t.Errorf("ASCII:\n%s", got)
	}
	if tree.Count != 4 {
		t.Errorf("%d nodes", tree.Count)
	}
}

// Pid 700 is one process, ends, and is another one later: children go to the
// one that ran when they started.
func TestPidReuse(t *testing.T) {
	var b ptree.Builder
	first, second := proc("", "", 700, 0, "old.exe"), proc("", "", 700, 1000, "new.exe")
	first.Ended = at(500)
	early, late, between := proc("", "", 8, 100, "early.exe"), proc("", "", 9, 1100, "late.exe"), proc("", "", 10, 700, "between.exe")
	for _, p := range []*model.Process{early, late, between} {
		p.Parent = &model.ParentProcess{PID: 700}
	}
	for _, p := range []*model.Process{late, second, early, first, between} {
		b.AddProcess("cw", p, ws14)
	}
	tree := b.Build()
	parents := map[string]string{}
	tree.Walk(func(n *ptree.Node, _ int) bool {
		if n.Parent != nil {
			parents[n.Process.Name] = n.Parent.Process.Name
			if n.Parent.Gap {
				parents[n.Process.Name] = "gap"
			}
		}
		return true
	})
	if parents["early.exe"] != "old.exe" || parents["late.exe"] != "new.exe" || parents["between.exe"] != "gap" {
		t.Errorf("%v", parents)
	}
}

// The same process seen by two backends is one node that names both; the same
// pid later, or another image, is not.
func TestTwoBackendsOneTree(t *testing.T) {
	var b ptree.Builder
	b.AddProcess("gene", proc("g1", "", 700, 0, "cmd.exe"), ws14)
	b.AddProcess("gene", proc("g2", "g1", 701, 10, "whoami.exe"), ws14)
	b.AddProcess("cw", proc("x1", "", 700, 1, "CMD.EXE"), &model.Host{Name: "fin-ws-014"})
	b.AddProcess("cw", proc("x2", "x1", 702, 20, "net.exe"), &model.Host{Name: "fin-ws-014"})
	b.AddProcess("cw", proc("x3", "", 700, 3600, "cmd.exe"), &model.Host{Name: "fin-ws-014"})
	b.AddProcess("cw", proc("x4", "", 701, 10, "other.exe"), &model.Host{Name: "fin-ws-014"})
	tree := b.Build()
	if tree.Count != 5 {
		t.Errorf("%d nodes:\n%s", tree.Count, text(t, tree, ptree.Style{Sources: true}))
	}
	n := tree.Find("cw", "x1")
	if n != tree.Find("gene", "g1") || len(n.Children) != 2 || strings.Join(n.SeenBy, " ") != "cw gene" {
		t.Errorf("%v seen by %v with %d children", n.Process.Name, n.SeenBy, len(n.Children))
	}
}

func TestCyclesAreCut(t *testing.T) {
	var b ptree.Builder
	b.AddProcess("p", proc("a", "c", 1, 1, "a"), ws14)
	b.AddProcess("p", proc("b", "a", 2, 2, "b"), ws14)
	b.AddProcess("p", proc("c", "b", 3, 3, "c"), ws14)
	b.AddProcess("p", proc("self", "self", 4, 4, "self"), ws14)
	tree := b.Build()
	if tree.Count != 4 || len(tree.Roots) != 2 || !tree.Find("p", "a").Cut {
		t.Errorf("\n%s", text(t, tree, ptree.Style{}))
	}
}

func TestAlertsAndEventsOnNodes(t *testing.T) {
	var b ptree.Builder
	a := &model.Alert{
		Origin: model.Origin{ID: "1", Ref: "gene/1"}, Title: "LSASS read", Score: model.Ptr(9.0), Host: ws14,
		Process:   proc("r", "", 8120, 5, "rundll32.exe"),
		Ancestors: []*model.Process{{Path: `C:\explorer.exe`, Name: "explorer.exe"}, {Path: `C:\WINWORD.EXE`, Name: "WINWORD.EXE"}},
	}
	n := b.AddAlert("gene", a)
	n.Focus = true
	b.AddAlert("gene", a)
	for range 3 {
		b.AddEvent("gene", &model.Event{Kind: model.KindFileWrite, Host: ws14, Process: proc("r", "", 8120, 5, "rundll32.exe")})
	}
	b.AddEvent("cb", &model.Event{Kind: model.KindProcessStart, Time: at(9), Host: ws14, Process: proc("p1", "", 11, 8, "sh"), Target: &model.Process{UID: "p2", PID: 12, Name: "id"}})
	tree := b.Build()
	got := text(t, tree, ptree.Style{Unicode: true})
	want := strings.Join([]string{
		`explorer.exe [not seen itself]  C:\explorer.exe`,
		`└─ WINWORD.EXE [not seen itself]  C:\WINWORD.EXE`,
		`   └─ rundll32.exe (8120)  ! 9/10 LSASS read  [file_write 3]  C:\rundll32.exe  ◀ asked for`,
		`sh (11)  [process_start 1]  C:\sh`,
		`└─ id (12)`, "",
	}, "\n")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	j, err := json.Marshal(tree.Nest())
	if err != nil || !bytes.Contains(j, []byte(`"alerts":[{"ref":"gene/1","title":"LSASS read","score":9}]`)) {
		t.Errorf("%s, %v", j, err)
	}
	var dot bytes.Buffer
	if err := tree.WriteDOT(&dot); err != nil || strings.Count(dot.String(), "->") != 3 {
		t.Errorf("%s, %v", dot.String(), err)
	}
}

func TestWidthIsKept(t *testing.T) {
	for _, width := range []int{20, 40, 80, 120} {
		var b ptree.Builder
		p := proc("a", "", 1, 1, "powershell.exe")
		p.CommandLine = "powershell.exe -enc " + strings.Repeat("QUJD", 200) + " \x1b]0;owned\x07 THE-END"
		b.AddProcess("p", p, ws14)
		got := strings.TrimRight(text(t, b.Build(), ptree.Style{Unicode: true, Width: width}), "\n")
		if n := len([]rune(got)); n != width || strings.ContainsRune(got, 0x1b) {
			t.Errorf("%d: %d wide: %q", width, n, got)
		}
		if width >= 40 && !strings.HasSuffix(got, "THE-END") {
			t.Errorf("the end is lost: %q", got)
		}
	}
}

func hundredThousand() *ptree.Builder {
	b := &ptree.Builder{}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 100_000 {
		parent := ""
		if i > 0 {
			parent = fmt.Sprintf("u%d", r.IntN(i))
		}
		b.AddProcess("p", proc(fmt.Sprintf("u%d", i), parent, int64(r.IntN(30000)+4), i, "x.exe"), ws14)
	}
	return b
}

func TestAHundredThousand(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := time.Now()
	tree := hundredThousand().Build()
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	t.Logf("built in %s, %d MB", took, (after.HeapSys-before.HeapSys)>>20)
	if tree.Count != 100_000 || len(tree.Roots) != 1 {
		t.Errorf("%d nodes, %d roots", tree.Count, len(tree.Roots))
	}
	if mb := int64(after.HeapSys-before.HeapSys) >> 20; mb > 300 {
		t.Errorf("%d MB", mb)
	}
	// A chain as deep as it is long must not recurse.
	b := &ptree.Builder{}
	for i := range 100_000 {
		b.AddProcess("p", proc(fmt.Sprintf("u%d", i), fmt.Sprintf("u%d", i-1), int64(i), i, "x.exe"), ws14)
	}
	if n := strings.Count(text(t, b.Build(), ptree.Style{Width: 80}), "\n"); n != 100_001 {
		t.Errorf("%d lines", n)
	}
}

func BenchmarkBuild100k(b *testing.B) {
	for b.Loop() {
		hundredThousand().Build()
	}
}

// Whatever the parents, cycles and duplicates: every process that was added
// is in the tree exactly once, below at most one parent.
func FuzzBuild(f *testing.F) {
	f.Add([]byte{0, 1, 1, 2, 2, 0, 3, 3})
	f.Add([]byte{0x41, 1, 1, 2, 0x40, 2, 3, 2, 0x43, 5, 9, 2})
	f.Fuzz(func(t *testing.T, data []byte) {
		var b ptree.Builder
		added := map[string]bool{}
		for i := 0; i+3 < len(data) && i < 4000; i += 4 {
			profile := []string{"p", "q"}[data[i]%2]
			uid, parent := fmt.Sprint(data[i+1]%32), fmt.Sprint(data[i+2]%33)
			p := proc(uid, parent, int64(data[i+3]%8), int(data[i+3]%16), "x")
			switch data[i] % 5 {
			case 2:
				p.Parent = &model.ParentProcess{PID: int64(data[i+2] % 8)}
			case 3:
				p.UID, p.Parent = "", nil
			case 4:
				b.AddEvent(profile, &model.Event{Kind: model.KindProcessStart, Process: p, Host: ws14, Target: proc(parent, "", 1, 3, "y")})
				added[profile+"/"+parent] = true
			}
			if data[i]&0x40 != 0 { // told by pid alone
				b.AddEvent(profile, &model.Event{Kind: model.KindNetworkConnect, Time: at(int(data[i+2] % 16)), Host: ws14, Process: &model.Process{PID: p.PID, Path: p.Path}})
			}
			b.AddProcess(profile, p, ws14)
			if p.UID != "" {
				added[profile+"/"+uid] = true
			}
		}
		tree := b.Build()
		reached := map[*ptree.Node]bool{}
		tree.Walk(func(n *ptree.Node, _ int) bool {
			if reached[n] {
				t.Fatalf("%s comes twice", n.Process.UID)
			}
			reached[n] = true
			return true
		})
		if len(reached) != tree.Count {
			t.Fatalf("%d of %d nodes are in the tree", len(reached), tree.Count)
		}
		for key := range added {
			profile, uid, _ := strings.Cut(key, "/")
			if n := tree.Find(profile, uid); n == nil || !reached[n] {
				t.Fatalf("%s is lost", key)
			}
		}
		if err := tree.WriteText(&bytes.Buffer{}, ptree.Style{Width: 60}); err != nil {
			t.Fatal(err)
		}
	})
}
