package tui_test

import (
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/tui/tuitest"
)

// Triage of a burst: new alerts are marked and move nothing.
func TestBurstMovesNothing(t *testing.T) {
	d, f := start(t, 120, 30)
	d.Press("j", "j")
	before := d.Line("HR-LT-221")
	at := lineOf(d, "HR-LT-221")
	for i := range 300 {
		f.Push(tuitest.Alert(tuitest.Profiles[i%4].Name, "burst"+string(rune('a'+i%26))+strings.Repeat("x", i/26), "New and worse", "WS-9", "u", 10, 0))
	}
	d.Wait("329 alerts").See("300 new")
	if l := d.Line("HR-LT-221"); l != before || lineOf(d, "HR-LT-221") != at {
		t.Fatalf("the line under the cursor moved:\n%q\n%q", before, l)
	}
	d.Press("enter").See("edrctl ▸ alerts ▸ Remote Powershell Execution").Press("esc", "g").See("New and worse")
	d.Press("w").See("HELD")
	f.Push(tuitest.Alert("cw", "late", "While held", "WS-9", "u", 10, 0))
	d.Pass(5 * time.Second).Wait("1 new held").Miss("While held").Press("w").Pass(5 * time.Second).See("330 alerts")
}
