package change

import (
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
)

// Command is what a user types for a verb.
func Command(verb string) string {
	switch verb {
	case backends.VerbCall:
		return "api"
	case backends.VerbCarve:
		return "carve get"
	case backends.VerbMemdump:
		return "carve get --memdump"
	case backends.VerbCarveDelete:
		return "carve delete"
	case backends.VerbActionDelete:
		return "respond delete"
	}
	if noun, v, ok := strings.Cut(verb, "."); ok {
		return noun + "s " + v
	}
	return "respond " + verb
}

// CallWord is what a call of the vendor's API is called for people.
const CallWord = "call"

// Words is a verb for people, as in "cannot close alert".
func Words(verb string) string {
	if noun, v, ok := strings.Cut(verb, "."); ok {
		return v + " " + noun
	}
	switch verb {
	case backends.VerbCall:
		return CallWord
	case backends.VerbCarve:
		return "collect files"
	case backends.VerbMemdump:
		return "dump memory"
	}
	return strings.ReplaceAll(verb, "-", " ")
}
