package conformance

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/story"
)

// RunTree compares the process trees of a driver with the story's: every parent
// link agrees, no child the backend saw is missing, and no page lies.
// Harness.Skip takes tree/ancestors, tree/children, tree/process and
// tree/complete.
func RunTree(t *testing.T, h Harness) {
	t.Helper()
	if h.Retention == 0 {
		h.Retention = 80 * time.Hour
	}
	e := h.open(t, 1, func(o *backends.Options) { o.Client.Debug = nil })
	alerts, ok := e.driver.(backends.AlertLister)
	if !ok {
		t.Skip("no alerts to take processes from")
	}
	l := newLineage(h.Backend, story.New(e.now, 1), e.now)
	seen := map[*story.Process]bool{}
	var cases []lineageCase
	for a := range records(t, alerts.Alerts, e.window()) {
		if a.Process == nil || a.Process.PID == 0 {
			continue
		}
		p := l.find(a.Host, a.Process)
		if p == nil {
			t.Errorf("alert %s: the story has no process %d %s on %s", a.ID, a.Process.PID, a.Process.Path, hostOf(&model.Hit{Host: a.Host}))
			continue
		}
		if !seen[p] {
			seen[p] = true
			cases = append(cases, lineageCase{p, backends.ProcessRef{
				UID: a.Process.UID, PID: a.Process.PID, Path: a.Process.Path, Host: a.Host, Started: a.Process.Started.Time, Alert: a,
			}})
		}
	}
	if len(cases) == 0 {
		t.Fatal("no alert has a process")
	}
	if x, ok := e.driver.(backends.TreeExpander); ok {
		up, down := 0, 0
		for _, c := range cases {
			if !h.skip(t, "tree/ancestors") {
				up += l.ancestors(t, x, c)
			}
			if !h.skip(t, "tree/children") {
				down += l.children(t, h, x, c)
			}
		}
		t.Logf("%d processes, %d ancestors, %d children", len(cases), up, down)
		if up == 0 && !h.skip(t, "tree/ancestors") || down == 0 && !h.skip(t, "tree/children") {
			t.Errorf("%d ancestors and %d children of %d processes", up, down, len(cases))
		}
	}
	if g, ok := e.driver.(backends.ProcessGetter); ok && !h.skip(t, "tree/process") {
		for _, c := range cases {
			if c.ref.UID == "" {
				continue
			}
			p, err := g.Process(t.Context(), c.ref.UID, e.now)
			if err != nil {
				t.Errorf("process %s: %v", c.ref.UID, err)
			} else if l.find(p.Host, p) != c.p {
				t.Errorf("process %s is %d %s", c.ref.UID, p.PID, p.Path)
			}
		}
		for _, id := range []string{"no-such-process", strings.Repeat("0", 40), ""} {
			_, err := g.Process(t.Context(), id, e.now)
			e.kindIn(t, "process "+id, err, backends.KindNotFound, backends.KindInvalid, backends.KindUnsupported)
		}
	}
}

// lineageCase is a process of the story and how the driver names it.
type lineageCase struct {
	p   *story.Process
	ref backends.ProcessRef
}

// lineage has the process trees of the story, as far as one backend saw them.
type lineage struct {
	byPlace map[string][]*story.Process        // by host, pid and image
	started map[*story.Process]map[string]bool // pid and image of those whose start was seen
	place   func(host string, pid int64, path string) string
}

func newLineage(backend string, s *story.Story, now time.Time) *lineage {
	l := &lineage{byPlace: map[string][]*story.Process{}, started: map[*story.Process]map[string]bool{}}
	l.place = func(host string, pid int64, path string) string {
		return strings.ToLower(fmt.Sprintf("%s|%d|%s", host, pid, model.BaseName(path)))
	}
	for _, p := range s.Processes {
		key := l.place(p.Host.Name, int64(p.PID), p.Path)
		l.byPlace[key] = append(l.byPlace[key], p)
	}
	for e := range s.EventSeq(backend) {
		if e.Kind != "process_start" || e.Time.After(now) {
			continue
		}
		parent, child := e.Process, e.Target
		if child == nil && e.Process != nil {
			parent, child = e.Process.Parent, e.Process
		}
		if parent == nil || child == nil {
			continue
		}
		if l.started[parent] == nil {
			l.started[parent] = map[string]bool{}
		}
		l.started[parent][l.place("", int64(child.PID), child.Path)] = true
	}
	return l
}

// find gives the process of the story that p is: the one of that host, pid
// and image whose start is nearest.
func (l *lineage) find(h *model.Host, p *model.Process) *story.Process {
	name := ""
	if h != nil {
		name = h.Name
	}
	list := l.byPlace[l.place(name, p.PID, p.Path)]
	if len(list) == 0 {
		return nil
	}
	if p.Started.IsZero() {
		return list[0]
	}
	return slices.MinFunc(list, func(a, b *story.Process) int {
		return int(a.Started.Sub(p.Started.Time).Abs() - b.Started.Sub(p.Started.Time).Abs())
	})
}

// ancestors: root first, the direct parent last, no link left out.
func (l *lineage) ancestors(t *testing.T, x backends.TreeExpander, c lineageCase) int {
	t.Helper()
	chain, err := x.Ancestors(t.Context(), c.ref)
	if err != nil {
		t.Errorf("ancestors of %s: %v", c.p.Name, err)
		return 0
	}
	up := c.p.Parent
	for _, got := range slices.Backward(chain) {
		if up == nil {
			t.Errorf("ancestors of %s (%d): %s is above the root", c.p.Name, c.p.PID, got.Path)
			return len(chain)
		}
		if !strings.EqualFold(model.BaseName(got.Path), up.Name) && !strings.EqualFold(got.Name, up.Name) || got.PID != 0 && got.PID != int64(up.PID) {
			t.Errorf("ancestors of %s (%d): %s (%d) is where %s (%d) is", c.p.Name, c.p.PID, got.Path, got.PID, up.Name, up.PID)
			return len(chain)
		}
		up = up.Parent
	}
	return len(chain)
}

// children: every one the backend saw start, each once, and nobody else's.
func (l *lineage) children(t *testing.T, h Harness, x backends.TreeExpander, c lineageCase) int {
	t.Helper()
	seen := map[string]bool{}
	for cursor, pages := "", 0; ; pages++ {
		page, err := x.Children(t.Context(), c.ref, cursor)
		if err != nil {
			t.Errorf("children of %s: %v", c.p.Name, err)
			return len(seen)
		}
		for _, got := range page.Processes {
			key := l.place("", got.PID, got.Path)
			if !l.started[c.p][key] {
				t.Errorf("%s (%d) is not a child of %s (%d)", got.Path, got.PID, c.p.Path, c.p.PID)
			}
			if seen[key] {
				t.Errorf("%s (%d) comes twice among the children of %s", got.Path, got.PID, c.p.Name)
			}
			seen[key] = true
		}
		if page.Next == "" {
			if page.Remaining != 0 {
				t.Errorf("the last page of %s's children says %d remain", c.p.Name, page.Remaining)
			}
			break
		}
		if page.Remaining == 0 || page.Next == cursor || pages > 1000 {
			t.Fatalf("children of %s: a page after %q says next %q, %d remain", c.p.Name, cursor, page.Next, page.Remaining)
		}
		cursor = page.Next
	}
	if h.skip(t, "tree/complete") {
		return len(seen)
	}
	for key := range l.started[c.p] {
		if !seen[key] {
			t.Errorf("child %s of %s (%d) is missing", key, c.p.Name, c.p.PID)
		}
	}
	return len(seen)
}
