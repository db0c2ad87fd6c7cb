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
	d.See(" RO ").Miss("x act").Press("x").See("read-only: acting is off")
	// Reading is not acting: a collected file can still be brought here.
	d.Press("enter").Miss("x act").Press("esc").Go("carves").See("x download, verify").Press("x").See("verify the saved file")
}
