package wire

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
)

// The answer of GET command holds every fetched file whole, as base64 in
// JSON. A fileExtractor passes the document on with those strings emptied, and
// their content, decoded, to a sink: memory stays small however large a file.

const (
	maxCommand = 64 << 20 // of a command without its files
	maxNesting = 512
)

// FileContent is what is known of a file's content.
type FileContent struct {
	Size       int64  `json:"-"`
	SHA256     string `json:"-"`
	HasContent bool   `json:"-"` // it had content; an empty file has none
}

type jsonFrame struct {
	object  bool
	wantKey bool
	name    string // of the member at hand
}

type fileExtractor struct {
	r       *bufio.Reader
	out     bytes.Buffer
	stack   []jsonFrame
	sink    func(command, path string) io.Writer
	command string // uuid of the command, when it is before its files
	files   map[string]*FileContent
}

func newFileExtractor(r io.Reader, sink func(command, path string) io.Writer) *fileExtractor {
	return &fileExtractor{r: bufio.NewReaderSize(r, 64<<10), sink: sink, files: map[string]*FileContent{}}
}

// run reads to the end and gives the document without the files. That it is
// JSON is checked by whoever decodes it.
func (x *fileExtractor) run() ([]byte, error) {
	for {
		c, err := x.r.ReadByte()
		if err == io.EOF {
			return x.out.Bytes(), nil
		}
		if err != nil {
			return nil, err
		}
		var top *jsonFrame
		if n := len(x.stack); n > 0 {
			top = &x.stack[n-1]
		}
		if c == '"' {
			if err := x.text(top); err != nil {
				return nil, err
			}
			continue
		}
		switch c {
		case '{', '[':
			if len(x.stack) == maxNesting {
				return nil, &MalformedError{Why: "the answer is nested too deeply"}
			}
			x.stack = append(x.stack, jsonFrame{object: c == '{', wantKey: c == '{'})
		case '}', ']':
			if top == nil {
				return nil, &MalformedError{Why: "the answer is not JSON"}
			}
			x.stack = x.stack[:len(x.stack)-1]
		case ',':
			if top != nil {
				top.wantKey = top.object
			}
		case ':':
			if top != nil {
				top.wantKey = false
			}
		}
		if err := x.emit(c); err != nil {
			return nil, err
		}
	}
}

func (x *fileExtractor) emit(b ...byte) error {
	if x.out.Len()+len(b) > maxCommand {
		return &MalformedError{Why: "the command of the answer is too long"}
	}
	x.out.Write(b)
	return nil
}

// text reads a string whose opening quote was read.
func (x *fileExtractor) text(top *jsonFrame) error {
	if path, ok := x.file(); ok && !top.wantKey {
		return x.extract(path)
	}
	from := x.out.Len()
	if err := x.emit('"'); err != nil {
		return err
	}
	for escaped := false; ; {
		c, err := x.r.ReadByte()
		if err == io.EOF {
			return nil // the decoder says that it is cut
		}
		if err != nil {
			return err
		}
		if err := x.emit(c); err != nil {
			return err
		}
		if c == '"' && !escaped {
			break
		}
		escaped = c == '\\' && !escaped
	}
	if top == nil {
		return nil
	}
	isCommand := len(x.stack) == 2 && x.stack[0].name == "data" && top.name == "uuid"
	if !top.wantKey && !isCommand {
		return nil
	}
	var s string
	if err := json.Unmarshal(x.out.Bytes()[from:], &s); err != nil {
		return &MalformedError{Why: "the answer is not JSON"}
	}
	if top.wantKey {
		top.name = s
	} else {
		x.command = s
	}
	return nil
}

// file tells whether the value at hand is data.fetch.PATH.data.
func (x *fileExtractor) file() (path string, ok bool) {
	s := x.stack
	if len(s) != 4 || s[0].name != "data" || s[1].name != "fetch" || s[3].name != "data" || !s[2].object || !s[3].object {
		return "", false
	}
	return s[2].name, true
}

func (x *fileExtractor) extract(path string) error {
	if x.files[path] != nil {
		return &MalformedError{Why: "the answer holds a file twice"}
	}
	var w io.Writer
	if x.sink != nil {
		w = x.sink(x.command, path)
	}
	sum := sha256.New()
	var to io.Writer = sum
	if w != nil {
		to = io.MultiWriter(sum, MarkErrors(w))
	}
	q := &quoted{r: x.r}
	n, err := io.Copy(to, base64.NewDecoder(base64.StdEncoding, q))
	var mine *WriteError
	var corrupt base64.CorruptInputError
	switch {
	case errors.As(err, &mine):
		return mine.Err
	case errors.As(err, &corrupt):
		return &MalformedError{Why: "a file of the answer is not base64"}
	case err == nil && !q.done:
		return &MalformedError{Why: "a file of the answer is not base64"}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &MalformedError{Why: "the answer is cut inside a file"}
	case err != nil:
		return err
	}
	x.files[path] = &FileContent{Size: n, SHA256: hex.EncodeToString(sum.Sum(nil)), HasContent: true}
	return x.emit('"', '"')
}

type writer struct{ w io.Writer }

// MarkErrors makes every error of w a *WriteError.
func MarkErrors(w io.Writer) io.Writer { return writer{w} }

// WriteError is an error of the place a file goes to.
type WriteError struct{ Err error }

func (e *WriteError) Error() string { return e.Err.Error() }

func (w writer) Write(p []byte) (int, error) {
	n, err := w.w.Write(p)
	if err != nil {
		return n, &WriteError{err}
	}
	return n, nil
}

// quoted reads the inside of a JSON string of base64 up to its closing quote.
type quoted struct {
	r    *bufio.Reader
	done bool
}

func (q *quoted) Read(p []byte) (int, error) {
	if q.done {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	if _, err := q.r.Peek(1); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return 0, err
	}
	b, _ := q.r.Peek(min(len(p), q.r.Buffered())) // they are buffered
	i := bytes.IndexAny(b, `"\`)
	if i < 0 {
		n := copy(p, b)
		_, _ = q.r.Discard(n) // they are buffered
		return n, nil
	}
	n := copy(p, b[:i])
	_, _ = q.r.Discard(n) // they are buffered
	if b[i] == '"' {
		_, _ = q.r.Discard(1) // it is buffered
		q.done = true
		if n == 0 {
			return 0, io.EOF
		}
		return n, nil
	}
	if n > 0 {
		return n, nil
	}
	// A slash may be written with a backslash; nothing else of base64 may.
	esc, err := q.r.Peek(2)
	if err != nil {
		return 0, io.ErrUnexpectedEOF
	}
	if esc[1] != '/' {
		return 0, base64.CorruptInputError(0)
	}
	_, _ = q.r.Discard(2) // they are buffered
	p[0] = '/'
	return 1, nil
}
