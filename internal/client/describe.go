package client

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Describe shows a call as it would be sent, secrets masked and control
// characters escaped, without sending it: "GET /alert?alertTime=…",
// "POST /hosts {\"…\"}". Content that is not text is shown by its size.
func (c *Client) Describe(call Call) string {
	var b strings.Builder
	target := call.target()
	if target == "" || target[0] == '?' {
		target = "/" + target
	}
	// What is known only later becomes an ellipsis, readable in a path too.
	target = strings.ReplaceAll(target, "%E2%80%A6", "…")
	b.WriteString(call.method() + " " + line(c.red.text(target)))
	switch {
	case len(call.Parts) > 0:
		b.WriteString(" multipart")
		for _, p := range call.Parts {
			b.WriteString(" " + p.Name + "=")
			switch {
			case p.FileName != "":
				fmt.Fprintf(&b, "@%s(%s)", line(c.red.String(p.FileName)), size(int64(len(p.Body))))
			case isSecretName(p.Name):
				b.WriteString(mask)
			default:
				b.WriteString(c.shown(p.Body))
			}
		}
	default:
		body, _, err := call.body()
		switch {
		case err != nil:
			b.WriteString(" (body cannot be encoded)")
		case len(body) > 0:
			b.WriteString(" " + c.shown(body))
		}
	}
	return b.String()
}

func isSecretName(name string) bool {
	return secretParam.MatchString(name + "=x")
}

func (c *Client) shown(b []byte) string {
	if !utf8.Valid(b) {
		return "(" + size(int64(len(b))) + ")"
	}
	return line(c.red.text(string(b)))
}
