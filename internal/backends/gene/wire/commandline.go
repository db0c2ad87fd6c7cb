package wire

import "strings"

// QuoteCommand writes words as the command line that the manager splits into the
// same words again: each in single quotes, where everything is literal
// (docs/wire/gene.md 5).
func QuoteCommand(words []string) string {
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

// CommandRequest is the body of POST command. A timeout is in nanoseconds.
type CommandRequest struct {
	Line    string   `json:"command-line"`
	Fetch   []string `json:"fetch-files,omitempty"`
	Timeout int64    `json:"timeout,omitempty"`
}

// CommandPath is the route of an endpoint's command.
func CommandPath(uuid string) string { return "/endpoints/" + uuid + "/command" }
