package tui_test

import (
	"slices"
	"testing"
)

// Isolating asks for the name of the host, typed.
func TestIsolateTyped(t *testing.T) {
	d, a := acting(t)
	d.Press("j", "x").See("act on powershell.exe injected", "isolate from the network").Press("i")
	d.See("on 1 target", "SRV-DB-02", "type SRV-DB-02 to confirm", "[ Cancel ]", "it can be undone")
	// Keys in flight answer nothing.
	d.Press("enter", "enter").See("[ Cancel ]")
	// Enter on what has the focus first: Cancel.
	d.Pass(2 * second).Press("enter").Miss("[ Cancel ]")
	if len(a.sent) != 0 {
		t.Fatalf("sent %v", a.sent)
	}
	d.Press("x", "i").Pass(2 * second).Press("left").Pass(second).Press("enter")
	d.See("type SRV-DB-02 first")
	d.Press("tab").See("[ Cancel ]").Pass(second).Press("tab").Pass(second).Type("triage").Press("tab").Pass(second).Type("IR-2231").Press("tab").Pass(second)
	d.Send(pasteOf("SRV-DB-02")).See("must be typed").Type("srv-db-02").Press("tab").Pass(second).Press("enter").See("POST /device/218616/policy")
	d.Press("tab").Pass(second).Press("enter").See("1 done", "SRV-DB-02")
	if want := []string{"isolate SRV-DB-02 case=IR-2231 comment=triage"}; !slices.Equal(a.sent, want) {
		t.Fatalf("sent %q, want %q", a.sent, want)
	}
	d.Press("enter").Pass(2 * second).Press("enter").Miss("1 done")
}
