package gene

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
// JSON. A diverter passes the document on with those strings emptied, and
// their content, decoded, to a sink: memory stays small however large a file.

const (
	maxCommand = 64 << 20 // of a command without its files
	maxNesting = 512
)

// diverted is what is known of a file's content.
type diverted struct {
	Size   int64  `json:"-"`
	SHA256 string `json:"-"`
	Whole  bool   `json:"-"` // it had content; an empty file has none
}

type jsonFrame struct {
	object  bool
	wantKey bool
	name    string // of the member at hand
}

type diverter struct {
	r       *bufio.Reader
	out     bytes.Buffer
	stack   []jsonFrame
	sink    func(command, path string) io.Writer
	command string // uuid of the command, when it stands before its files
	files   map[string]*diverted
}

func newDiverter(r io.Reader, sink func(command, path string) io.Writer) *diverter {
	return &diverter{r: bufio.NewReaderSize(r, 64<<10), sink: sink, files: map[string]*diverted{}}
}

// run reads to the end and gives the document without the files. That it is
// JSON is checked by whoever decodes it.
func (dv *diverter) run() ([]byte, error) {
	for {
		c, err := dv.r.ReadByte()
		if err == io.EOF {
			return dv.out.Bytes(), nil
		}
		if err != nil {
			return nil, err
		}
		var top *jsonFrame
		if n := len(dv.stack); n > 0 {
			top = &dv.stack[n-1]
		}
		if c == '"' {
			if err := dv.text(top); err != nil {
				return nil, err
			}
			continue
		}
		switch c {
		case '{', '[':
			if len(dv.stack) == maxNesting {
				return nil, &malformedError{Why: "the answer is nested too deeply"}
			}
			dv.stack = append(dv.stack, jsonFrame{object: c == '{', wantKey: c == '{'})
		case '}', ']':
			if top == nil {
				return nil, &malformedError{Why: "the answer is no JSON"}
			}
			dv.stack = dv.stack[:len(dv.stack)-1]
		case ',':
			if top != nil {
				top.wantKey = top.object
			}
		case ':':
			if top != nil {
				top.wantKey = false
			}
		}
		if err := dv.emit(c); err != nil {
			return nil, err
		}
	}
}

func (dv *diverter) emit(b ...byte) error {
	if dv.out.Len()+len(b) > maxCommand {
		return &malformedError{Why: "the command of the answer is too long"}
	}
	dv.out.Write(b)
	return nil
}

// text reads a string whose opening quote was read.
func (dv *diverter) text(top *jsonFrame) error {
	if path, ok := dv.file(); ok && !top.wantKey {
		return dv.divert(path)
	}
	from := dv.out.Len()
	if err := dv.emit('"'); err != nil {
		return err
	}
	for escaped := false; ; {
		c, err := dv.r.ReadByte()
		if err == io.EOF {
			return nil // the decoder says that it is cut
		}
		if err != nil {
			return err
		}
		if err := dv.emit(c); err != nil {
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
	isCommand := len(dv.stack) == 2 && dv.stack[0].name == "data" && top.name == "uuid"
	if !top.wantKey && !isCommand {
		return nil
	}
	var s string
	if err := json.Unmarshal(dv.out.Bytes()[from:], &s); err != nil {
		return &malformedError{Why: "the answer is no JSON"}
	}
	if top.wantKey {
		top.name = s
	} else {
		dv.command = s
	}
	return nil
}

// file tells whether the value at hand is data.fetch.PATH.data.
func (dv *diverter) file() (path string, ok bool) {
	s := dv.stack
	if len(s) != 4 || s[0].name != "data" || s[1].name != "fetch" || s[3].name != "data" || !s[2].object || !s[3].object {
		return "", false
	}
	return s[2].name, true
}

func (dv *diverter) divert(path string) error {
	if dv.files[path] != nil {
		return &malformedError{Why: "the answer holds a file twice"}
	}
	var w io.Writer
	if dv.sink != nil {
		w = dv.sink(dv.command, path)
	}
	sum := sha256.New()
	var to io.Writer = sum
	if w != nil {
		to = io.MultiWriter(sum, markWriter(w))
	}
	q := &quoted{r: dv.r}
	n, err := io.Copy(to, base64.NewDecoder(base64.StdEncoding, q))
	var mine *writeError
	var corrupt base64.CorruptInputError
	switch {
	case errors.As(err, &mine):
		return mine.err
	case errors.As(err, &corrupt):
		return &malformedError{Why: "a file of the answer is no base64"}
	case err == nil && !q.done:
		return &malformedError{Why: "a file of the answer is no base64"}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &malformedError{Why: "the answer is cut inside a file"}
	case err != nil:
		return err
	}
	dv.files[path] = &diverted{Size: n, SHA256: hex.EncodeToString(sum.Sum(nil)), Whole: true}
	return dv.emit('"', '"')
}

// writer marks the errors of the place a file goes to.
type writer struct{ w io.Writer }

func markWriter(w io.Writer) io.Writer { return writer{w} }

// writeError is an error of the place a file goes to.
type writeError struct{ err error }

func (e *writeError) Error() string { return e.err.Error() }

func (w writer) Write(p []byte) (int, error) {
	n, err := w.w.Write(p)
	if err != nil {
		return n, &writeError{err}
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
