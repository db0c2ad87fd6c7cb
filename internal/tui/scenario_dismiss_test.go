package tui_test

import (
	"testing"
)

// Bulk dismissal shows how each alert fared, and sends each once.
func TestBulkDismiss(t *testing.T) {
	d, a := acting(t)
	a.fails = "8812"
	d.Press("space", "space", "space", "x").See("3 selected").Press("d").See("on 3 targets").Pass(2*second).Press("left").Pass(second).Press("enter", "enter", "enter")
	d.See("2 done, 1 failed", "✓ 5f1c", "✓ JSPJ", "✗ 8812", "closed by someone else")
	if len(a.sent) != 3 {
		t.Fatalf("sent %q", a.sent)
	}
}

// The verdict that goes with closing is in the menu; what was done about an
// alert is in it.
func TestVerdictAndHistory(t *testing.T) {
	d, a := acting(t)
	d.Press("x").See("close as a true positive").Press("t").See("close as a true positive: ")
	if o := a.orders[0]; o.Verb != "alert.close" || o.Params.Verdict != "true_positive" {
		t.Fatalf("%+v", o)
	}
	d.Press("esc", "j", "j", "enter", "G").See("triage", "✓ dismiss alert by k.ivanova for IR-2231", "an administrator at work")
	d.Press("esc", "g", "enter", "G").See("nothing was done about it from here")
}
