package ui_test

import (
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/edrctl/edrctl/internal/tui/ui"
)

// What is typed is as wide before and behind the cursor as both together, by
// every way of counting, wherever the cursor is.
func TestTypedPartsAnywhere(t *testing.T) {
	for _, s := range []string{"timeำhos", "a\u0e33", "e\u0301x", "👩‍👩‍👧 ok", "🇪🇺🇺", "日本語", "\u1100\u1161\u11a8", "\u0600a", "❤️", "x\u200dy", "\xff"} {
		text := []rune(s)
		for at := range len(text) + 1 {
			before, after := ui.Typed(text, at)
			whole := string(before + after)
			sum := ui.Width(before) + ui.Width(after)
			if ansi.StringWidth(whole) != sum || ansi.StringWidthWc(whole) != sum {
				t.Errorf("%q at %d: %q and %q: %d, %d by one way of counting, %d by the other", s, at, before, after, sum, ansi.StringWidth(whole), ansi.StringWidthWc(whole))
			}
		}
	}
}
