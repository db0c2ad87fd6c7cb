package tui_test

import (
	"testing"

	"github.com/edrctl/edrctl/internal/tui"
	"github.com/edrctl/edrctl/internal/tui/tuitest"
)

// Read-only: RO in the header, and acting is refused.
func TestReadOnly(t *testing.T) {
	f := tuitest.Shift()
	f.List = append([]tui.Profile{}, f.List...)
	for i := range f.List {
		f.List[i].ReadOnly = true
	}
	d := tuitest.Start(t, f, 120, 30, nil)
	d.See(" RO ").Press("x").See("read-only: acting is off")
}
