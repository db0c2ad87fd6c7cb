package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"strconv"
	"strings"
	"unicode/utf8"
)

const maxDepth = 512

const htmlKind = "an HTML page"

var utf8BOM = []byte("\xef\xbb\xbf")

// notJSON says what a body is when it clearly is not JSON; "" lets the decoder
// decide.
func notJSON(body []byte, contentType string, red *Redactor) string {
	t := bytes.TrimLeft(body, " \t\r\n")
	if len(t) == 0 {
		return "the answer is empty"
	}
	if what := htmlPage(body, contentType, red); what != "" {
		return what + " instead of JSON"
	}
	switch c := t[0]; {
	case c == '{', c == '[', c == '"', c == '-', c >= '0' && c <= '9', c == 't', c == 'f', c == 'n':
		return ""
	}
	return "the answer is not JSON"
}

// htmlPage recognises markup and says what the page calls itself; "" when it
// is none. A body that starts as JSON is never a page, whatever its type says.
func htmlPage(body []byte, contentType string, red *Redactor) string {
	t := bytes.TrimLeft(withoutBOM(body), " \t\r\n")
	if len(t) == 0 || t[0] != '<' {
		return ""
	}
	head := t[:min(len(t), 16<<10)]
	low := asciiLower(head)
	kind := "an XML document"
	if bytes.Contains(low, []byte("<html")) || bytes.Contains(low, []byte("<!doctype html")) ||
		bytes.Contains(low, []byte("<title")) || bytes.Contains(low, []byte("<body")) ||
		strings.Contains(strings.ToLower(contentType), "html") {
		kind = htmlKind
	}
	if title := pageTitle(head, low); title != "" {
		return kind + " titled “" + red.String(title) + "”"
	}
	return kind
}

func pageTitle(head, low []byte) string {
	for _, tag := range []string{"title", "h1"} {
		i := bytes.Index(low, []byte("<"+tag))
		if i < 0 {
			continue
		}
		j := bytes.IndexByte(low[i:], '>')
		if j < 0 {
			continue
		}
		start := i + j + 1
		end := bytes.Index(low[start:], []byte("</"+tag))
		if end < 0 {
			continue
		}
		text := withoutTags(string(head[start : start+end]))
		text = strings.Join(strings.Fields(html.UnescapeString(text)), " ")
		text = strings.NewReplacer("<", "", ">", "").Replace(text)
		if text != "" {
			return printable([]byte(text), 80)
		}
	}
	return ""
}

// asciiLower keeps every offset, which bytes.ToLower does not.
func asciiLower(b []byte) []byte {
	low := make([]byte, len(b))
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		low[i] = c
	}
	return low
}

func withoutTags(s string) string {
	var b strings.Builder
	in := false
	for _, r := range s {
		switch {
		case r == '<':
			in = true
		case r == '>':
			in = false
			b.WriteByte(' ')
		case !in:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// checkDocument holds a single document to one JSON value nested at most
// maxDepth deep.
func checkDocument(body []byte) error {
	depth := 0
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '"':
			for i++; i < len(body) && body[i] != '"'; i++ {
				if body[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			if depth++; depth > maxDepth {
				return fmt.Errorf("the JSON is nested deeper than %d", maxDepth)
			}
		case '}', ']':
			depth--
		}
	}
	if json.Valid(body) {
		return nil
	}
	var v json.RawMessage
	err := json.Unmarshal(body, &v)
	var se *json.SyntaxError
	if errors.As(err, &se) {
		if strings.Contains(se.Error(), "unexpected end") {
			return errors.New("the JSON was cut")
		}
		if strings.Contains(se.Error(), "after top-level value") {
			return fmt.Errorf("text after the JSON document at byte %d", se.Offset)
		}
		return fmt.Errorf("not JSON at byte %d", se.Offset)
	}
	return errors.New("the answer is not JSON")
}

// printable escapes what does not print and cuts at most runes.
func printable(b []byte, most int) string {
	var s strings.Builder
	n := 0
	for len(b) > 0 {
		if n >= most {
			s.WriteString("…")
			break
		}
		r, size := utf8.DecodeRune(b)
		switch {
		case r == utf8.RuneError && size <= 1:
			fmt.Fprintf(&s, `\x%02x`, b[0])
		case strconv.IsPrint(r):
			s.WriteRune(r)
		case r < 0x80:
			q := strconv.QuoteRune(r)
			s.WriteString(q[1 : len(q)-1])
		default:
			fmt.Fprintf(&s, `\u{%x}`, r)
		}
		b = b[size:]
		n++
	}
	return s.String()
}
