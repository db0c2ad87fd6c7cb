package tui_test

import (
	"strings"
	"testing"
)

// First look: the worst first, every profile's health, and the way around.
func TestFirstLook(t *testing.T) {
	d, _ := start(t, 120, 40)
	d.See("edrctl ▸ alerts", "cwatch ● live", "carbon ● live", "gene ● live", "esp ● live", "CRIT 1", "last hour", "sort: risk ↓", "29 alerts")
	if l := d.Line("FIN-WS-014"); !strings.Contains(l, "CRIT") || strings.Index(d.Text(), "FIN-WS-014") > strings.Index(d.Text(), "SRV-DB-02") {
		t.Fatalf("the worst is not first:\n%s", d.Text())
	}
	d.Press("?").See("edrctl ▸ alerts ▸ help", "EVERYWHERE", "ALERTS", "only critical alerts").Press("esc").See("29 alerts")
	d.Press(":").Type("pul").See("pulse").Press("tab", "enter").See("ALERTS PER HOUR", "PROFILES", "CRD 1")
	d.Press("-").See("29 alerts").Press("-").See("ALERTS PER HOUR").Press("esc", "q")
	if !d.Quit {
		t.Fatal("q at the first view does not quit")
	}
}
