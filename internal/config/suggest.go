package config

import (
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/suggest"
)

// did is the hint for a word that is none of known.
func did(word string, known []string) string {
	if s := suggest.Nearest(word, known); s != "" {
		return "did you mean " + s + "?"
	}
	if len(known) == 0 || len(known) > 24 {
		return ""
	}
	known = slices.Clone(known)
	slices.Sort(known)
	return "known: " + strings.Join(known, ", ")
}
