package suggest

import "testing"

func TestNearest(t *testing.T) {
	known := []string{"process_start", "process_end", "high", "critical", "open"}
	for word, want := range map[string]string{
		"process_started": "process_start", "PROCES_END": "process_end", "hgih": "high", "hihg": "high", "critcal": "critical", "opne": "open",
		"zzzz": "", "": "", "o": "",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}
