package client

import (
	"bufio"
	"bytes"
	"io"
	"mime"
	"net/http"
	"strings"
)

// What an answer holds is decided here, once for every driver. Its first bytes
// decide, because servers label JSON as text/html and text/plain, and proxies
// put pages in the place of JSON. Only a label that names a type of file wins
// over them: a file may hold anything.

// MediaType is the media type of an answer, "" when it names none.
func MediaType(h http.Header) string {
	media, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		media, _, _ = strings.Cut(h.Get("Content-Type"), ";")
	}
	return strings.ToLower(strings.TrimSpace(media))
}

// IsFile tells whether the label of an answer names a type of file.
func IsFile(h http.Header) bool {
	switch media := MediaType(h); media {
	case "", "text/html", "text/plain", "text/json", "text/javascript", "text/xml", "text/x-json":
		return false
	default:
		kind, sub, ok := strings.Cut(media, "/")
		structured := strings.HasSuffix(sub, "json") || strings.HasSuffix(sub, "xml") || strings.HasSuffix(sub, "javascript")
		return ok && !(kind == "application" && structured)
	}
}

// IsJSON tells whether an answer is JSON; head is its body, or the beginning.
func IsJSON(h http.Header, head []byte) bool {
	if IsFile(h) {
		return false
	}
	if t := bytes.TrimLeft(withoutBOM(head), " \t\r\n"); len(t) > 0 && (t[0] == '{' || t[0] == '[') {
		return true
	}
	_, sub, _ := strings.Cut(MediaType(h), "/")
	return sub == "json" || strings.HasSuffix(sub, "+json")
}

// IsJSON is the function of this name for an answer that is still to be read.
func (s *Stream) IsJSON() (bool, error) {
	const most = 64 // blanks in front of a document
	r := bufio.NewReaderSize(s.Body, most)
	s.Body = struct {
		io.Reader
		io.Closer
	}{r, s.Body}
	for n := 1; ; n++ {
		head, err := r.Peek(min(n, most))
		if err != nil && err != io.EOF && len(head) == 0 {
			return false, err
		}
		if err != nil || n >= most || len(bytes.TrimLeft(head, " \t\r\n")) > 0 {
			return IsJSON(s.Header, head), nil
		}
	}
}

func withoutBOM(b []byte) []byte { return bytes.TrimPrefix(b, utf8BOM) }

// document is the body of an answer of an API: without a BOM, and never a page
// that a proxy, a login or another product put in its place.
type document struct {
	src   io.Reader
	label string
	at    where
	begun bool
	pages bool // a page is refused
	head  []byte
	err   error // what followed head
}

func (d *document) Read(p []byte) (int, error) {
	if !d.begun {
		d.begun = true
		d.begin()
	}
	if len(d.head) > 0 {
		n := copy(p, d.head)
		d.head = d.head[n:]
		return n, nil
	}
	if d.err != nil {
		return 0, d.err
	}
	return d.src.Read(p)
}

// begin reads no more than it must: an answer may come slowly.
func (d *document) begin() {
	const pageHead = 16 << 10
	d.more(1)
	if len(d.head) == 1 && d.head[0] == utf8BOM[0] {
		d.more(len(utf8BOM) - 1)
		d.head = withoutBOM(d.head)
		d.more(1)
	}
	for i := 0; i < len(d.head) && d.pages; i++ {
		switch d.head[i] {
		case ' ', '\t', '\r', '\n':
			if i+1 == len(d.head) && i < 64 {
				d.more(1)
			}
		case '<':
			d.more(pageHead)
			if what := htmlPage(d.head, d.label, d.at.red); strings.HasPrefix(what, htmlKind) {
				page := d.at.malformed(what+" instead of JSON", nil)
				page.Page = true
				d.head, d.err = nil, page
			}
			return
		default:
			return
		}
	}
}

// more reads up to n further bytes into the head.
func (d *document) more(n int) {
	if d.err != nil {
		return
	}
	had := len(d.head)
	d.head = append(d.head, make([]byte, n)...)
	got, err := io.ReadFull(d.src, d.head[had:])
	d.head = d.head[:had+got]
	if err == io.ErrUnexpectedEOF {
		err = io.EOF
	}
	d.err = err
}
