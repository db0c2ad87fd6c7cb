package tui_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/ptree"
	"github.com/edrctl/edrctl/internal/tui/tuitest"
)

func loaded(b *testing.B, n int) *tuitest.Driver {
	b.Helper()
	f := tuitest.Shift()
	f.AlertList = tuitest.Burst(n)
	d := tuitest.Start(b, f, 160, 50, nil)
	return d
}

// One key and the frame after it.
func BenchmarkKeyToFrame(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n, " alerts"), func(b *testing.B) {
			d := loaded(b, n)
			down, up := tuitest.Key("j"), tuitest.Key("k")
			for i := 0; b.Loop(); i++ {
				key := down
				if i%64 >= 32 {
					key = up
				}
				d.App.Update(key)
				d.App.View()
			}
		})
	}
}

// A batch of 500 new alerts (a tenth of a second of 5,000 a second), and the
// frame after it.
func BenchmarkBatchToFrame(b *testing.B) {
	for _, n := range []int{10_000, 90_000} {
		b.Run(fmt.Sprint(n, " alerts"), func(b *testing.B) {
			f := tuitest.Shift()
			f.AlertList = tuitest.Burst(n)
			d := tuitest.Start(b, f, 160, 50, nil)
			for f.Watched() < 4 {
				time.Sleep(time.Millisecond)
			}
			serial := 0
			b.ReportMetric(0, "ns/op")
			// The pushing takes longer than what is measured: a fixed number.
			var spent time.Duration
			const rounds = 20
			for range rounds {
				for range 500 {
					serial++
					f.Push(tuitest.Alert(tuitest.Profiles[serial%4].Name, fmt.Sprint("x", serial), "burst", fmt.Sprint("H", serial%50), "u", float64(serial%11), 0))
				}
				time.Sleep(20 * time.Millisecond)
				began := time.Now()
				d.App.Drain()
				d.App.View()
				spent += time.Since(began)
			}
			b.ReportMetric(float64(spent.Microseconds())/rounds/1000, "ms/batch")
		})
	}
}

// A frame alone, at the sizes people have.
func BenchmarkFrame(b *testing.B) {
	for _, size := range [][2]int{{80, 24}, {160, 50}, {300, 90}} {
		b.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(b *testing.B) {
			d := loaded(b, 10_000)
			d.Resize(size[0], size[1])
			for b.Loop() {
				d.App.View()
			}
		})
	}
}

// bigTree is a tree of n processes, as wide as deep.
func bigTree(n int) *ops.TreeResult {
	var t ptree.Builder
	host := &model.Host{Name: "H"}
	at := tuitest.Now.Add(-time.Hour)
	for i := range n {
		p := &model.Process{UID: fmt.Sprint("p", i), PID: int64(i + 1), Name: fmt.Sprintf("proc%d.exe", i%40), CommandLine: fmt.Sprintf("proc --n %d", i), Started: model.At(at.Add(time.Duration(i) * time.Millisecond))}
		if i > 0 {
			p.Parent = &model.ParentProcess{UID: fmt.Sprint("p", (i-1)/3)}
		}
		t.AddProcess("cw", p, host)
	}
	tree := t.Build()
	focus := tree.Find("cw", fmt.Sprint("p", n/2))
	focus.Focus = true
	return &ops.TreeResult{Tree: tree, Focus: focus}
}

func BenchmarkTree(b *testing.B) {
	const n = 100_000
	res := bigTree(n)
	f := tuitest.Shift()
	f.TreeResult = res
	b.Run("open", func(b *testing.B) {
		d := tuitest.Start(b, f, 160, 50, nil)
		for b.Loop() {
			d.Press("t")
			d.See("100000 processes")
			d.Press("esc")
		}
	})
	b.Run("key", func(b *testing.B) {
		d := tuitest.Start(b, f, 160, 50, nil)
		d.Press("t")
		down := tuitest.Key("j")
		up := tuitest.Key("ctrl+u")
		for i := 0; b.Loop(); i++ {
			if i%40 == 39 {
				d.App.Update(up)
			} else {
				d.App.Update(down)
			}
			d.App.View()
		}
	})
	b.Run("expand", func(b *testing.B) {
		d := tuitest.Start(b, f, 160, 50, nil)
		d.Press("t", "g")
		toggle := tuitest.Key("space")
		for b.Loop() {
			d.App.Update(toggle)
			d.App.View()
		}
	})
}

// From the first message to the first frame.
func BenchmarkFirstFrame(b *testing.B) {
	for b.Loop() {
		f := tuitest.Shift()
		tuitest.Start(b, f, 120, 40, nil)
	}
}
