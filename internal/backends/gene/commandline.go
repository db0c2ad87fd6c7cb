package gene

import (
	"strings"
)

// quote writes words as the command line that the manager splits into the
// same words again: each in single quotes, where everything is literal
// (docs/wire/gene.md 5).
func quote(words []string) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteByte('\'')
		b.WriteString(strings.ReplaceAll(w, `'`, `'\''`))
		b.WriteByte('\'')
	}
	return b.String()
}

// commandBody is the body of POST command. A timeout is in nanoseconds.
type commandBody struct {
	Line    string   `json:"command-line"`
	Fetch   []string `json:"fetch-files,omitempty"`
	Timeout int64    `json:"timeout,omitempty"`
}

func commandPath(uuid string) string { return "/endpoints/" + uuid + "/command" }
