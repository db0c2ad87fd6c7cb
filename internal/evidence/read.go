package evidence

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"

	"github.com/edrctl/edrctl/internal/client/jsonwalk"
)

// Read yields what r holds, in its order. Compression is undone. An error
// with an item ends the reading: what came before it is right, the rest of
// the file could not be read.
func Read(ctx context.Context, name string, r io.Reader, o Options) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		plain, err := decompress(r)
		if err != nil {
			yield(Item{File: name}, err)
			return
		}
		if c, ok := plain.(io.Closer); ok {
			defer c.Close()
		}
		rd := &reader{ctx: ctx, name: name, o: o, yield: yield}
		rd.read(plain)
	}
}

// reader reads one file.
type reader struct {
	ctx    context.Context
	name   string
	o      Options
	w      *window
	doc    doc
	last   *Format // of the document before: most files have but one
	arrays int     // of documents, that are open
	csv    *csvTable
	noEnd  int64 // no event's XML ends before this offset
	audit  audit
	yield  func(Item, error) bool
	done   bool // the caller wants no more
}

// emit hands an item over.
func (rd *reader) emit(it Item) bool {
	if rd.done {
		return false
	}
	it.File = rd.name
	if !rd.yield(it, nil) {
		rd.done = true
	}
	return !rd.done
}

// unread says what could not be understood at the position.
func (rd *reader) unread(err error) {
	rd.emit(Item{Offset: rd.w.offset(), Line: rd.w.line, Err: err})
}

func (rd *reader) fail(err error) {
	if !rd.done {
		rd.done = true
		rd.yield(Item{File: rd.name}, err)
	}
}

func (rd *reader) read(r io.Reader) {
	rd.w = newWindow(r)
	head := rd.w.head(16)
	for _, b := range binaries {
		if bytes.HasPrefix(head, []byte(b.Magic)) {
			rd.binary(b)
			return
		}
	}
	if enc := encodingOf(head); enc != nil {
		rd.w = newWindow(enc(io.MultiReader(bytes.NewReader(rd.w.rest()), rd.w)))
		head = rd.w.head(16)
	}
	if what := binaryKind(head[:min(len(head), 4<<10)]); what != "" {
		rd.emit(Item{Err: errorf("%s, not a file of records", what)})
		return
	}
	rd.text()
	rd.audit.flush(rd)
	if rd.arrays > 0 && !rd.done && rd.w.err == nil {
		rd.unread(errors.New("the file ends inside a JSON array"))
	}
	if err := rd.w.err; err != nil {
		rd.fail(err)
	}
}

func (rd *reader) binary(b *Binary) {
	for it, err := range b.Read(rd.ctx, io.MultiReader(bytes.NewReader(rd.w.rest()), rd.w), rd.o) {
		if err != nil {
			rd.fail(err)
			return
		}
		if it.Format == "" {
			it.Format = b.Name
		}
		if !rd.emit(it) {
			return
		}
	}
}

// Read lets what follows the window be read by others.
func (w *window) Read(p []byte) (int, error) {
	if w.eof {
		if w.err != nil {
			return 0, w.err
		}
		return 0, io.EOF
	}
	n, err := w.r.Read(p)
	if errors.Is(err, io.EOF) {
		w.eof = true
	}
	return n, err
}

// text reads a file of lines and documents, each told by how it begins: a file
// may hold several formats.
func (rd *reader) text() {
	if rd.startTable(); rd.csv != nil {
		rd.table()
		return
	}
	for n := 0; !rd.done && rd.w.blanks(); n++ {
		if n%256 == 0 && rd.ctx.Err() != nil {
			rd.fail(rd.ctx.Err())
			return
		}
		switch rd.w.rest()[0] {
		case '{':
			rd.document()
		case '[':
			if rd.opensArray() {
				rd.arrays++
				rd.w.take(1)
			} else {
				rd.plainLine()
			}
		case ']':
			if rd.arrays > 0 {
				rd.arrays--
				rd.w.take(1)
			} else {
				rd.plainLine()
			}
		case ',':
			if rd.arrays > 0 || rd.documentFollows() {
				rd.w.take(1)
			} else {
				rd.plainLine()
			}
		case '<':
			rd.xml()
		default:
			rd.plainLine()
		}
	}
}

// opensArray tells an array of documents from a line that begins with a
// bracket.
func (rd *reader) opensArray() bool {
	for from := 1; ; {
		rest := rd.w.rest()
		for ; from < len(rest); from++ {
			switch rest[from] {
			case ' ', '\t', '\r', '\n':
			case '{', ']':
				return true
			default:
				return false
			}
		}
		if !rd.w.more() {
			return false
		}
	}
}

// documentFollows tells a comma between documents, as when the reading began
// inside a list, from a line that begins with one.
func (rd *reader) documentFollows() bool {
	next := bytes.TrimLeft(rd.w.peek(64)[1:], " \t")
	return len(next) > 0 && next[0] == '{'
}

// document reads one JSON document: on a line of its own, on one line with
// others, or over several lines.
func (rd *reader) document() {
	n, err := rd.doc.parse(rd.w.rest())
	if errors.Is(err, jsonwalk.ErrShort) {
		n, err = rd.longDocument()
	}
	if err != nil {
		rd.unread(why(err))
		rd.w.skipLine()
		return
	}
	rd.decode(rd.doc.root())
	if !rd.done {
		rd.w.take(n)
	}
}

// longDocument reads a document of which not all is in the window. Each
// attempt has twice as much.
func (rd *reader) longDocument() (int, error) {
	var w jsonwalk.Walker
	for {
		size := len(rd.w.rest())
		for want := 2 * size; len(rd.w.rest()) < want && rd.w.more(); {
		}
		rest := rd.w.rest()
		if len(rest) == size {
			if rd.w.eof {
				return 0, errors.New("the JSON ends in the middle")
			}
			return 0, errorf("a document of more than %d MiB", maxRecord>>20)
		}
		w.Reset(rest)
		w.Skip()
		if err := w.Err(); err == nil {
			return rd.doc.parse(rest[:w.Offset()])
		} else if !errors.Is(err, jsonwalk.ErrShort) {
			return 0, err
		}
	}
}

// why words an error of the walker.
func why(err error) error {
	var syntax *jsonwalk.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return errorf("not JSON: %s", syntax.Why)
	case errors.Is(err, jsonwalk.ErrShort):
		return errors.New("the JSON ends in the middle")
	}
	return err
}

// decode emits what a document says.
func (rd *reader) decode(v Value) {
	if f := rd.detect(v); f != nil {
		rd.last = f
		rd.apply(f, v)
		return
	}
	if found := rd.wrapped(v, 0); !found {
		rd.unread(errorf("a JSON document of no known format, with %s", v.keys()))
	}
}

func (rd *reader) detect(v Value) *Format {
	if rd.last != nil && rd.last.Detect(v) {
		return rd.last
	}
	for _, f := range registered {
		if f.Detect(v) {
			return f
		}
	}
	for _, f := range builtin {
		if f.Detect(v) {
			return f
		}
	}
	return nil
}

// apply decodes a value of a known format.
func (rd *reader) apply(f *Format, v Value) {
	at := v.offset()
	place := Item{Offset: rd.w.offset() + int64(at), Line: rd.w.line, Format: f.Name}
	if at > 0 {
		place.Line += bytes.Count(rd.w.rest()[:at], []byte{'\n'})
	}
	items, err := f.Decode(v, rd.o)
	if err == nil && len(items) == 0 {
		err = errors.New("it holds no record")
	}
	if err != nil {
		place.Err = err
		rd.emit(place)
		return
	}
	for _, it := range items {
		it.Offset, it.Line, it.Format = place.Offset, place.Line, place.Format
		if !rd.emit(it) {
			return
		}
	}
}

// maxWrap is how deep records may lie in an answer of an API or an export.
const maxWrap = 6

// wrapped looks for records inside a document that is none: the _source of an
// export, the list of an API's answer. Of a list in which some are records,
// the others are unread.
func (rd *reader) wrapped(v Value, depth int) bool {
	if depth == maxWrap {
		return false
	}
	found := false
	for _, m := range v.Members() {
		switch m.Kind() {
		case '{':
			found = rd.inner(m, depth) || found
		case '[':
			any := false
			for e := range m.List() {
				if e.Kind() == '{' && rd.inner(e, depth) {
					any = true
				} else if any && e.Kind() == '{' {
					rd.emit(Item{Offset: rd.w.offset() + int64(e.offset()), Line: rd.w.line, Err: errorf("an element of no known format, with %s", e.keys())})
				}
			}
			found = found || any
		}
		if rd.done {
			return true
		}
	}
	return found
}

func (rd *reader) inner(v Value, depth int) bool {
	if f := rd.detect(v); f != nil {
		rd.apply(f, v)
		return true
	}
	return rd.wrapped(v, depth+1)
}

// plainLine reads a line that is neither JSON nor XML.
func (rd *reader) plainLine() {
	line, ok := rd.w.thisLine()
	if !ok {
		rd.unread(errorf("a line of more than %d MiB", maxRecord>>20))
		rd.w.skipLine()
		return
	}
	text := trimEnd(line)
	switch {
	case rd.audit.line(rd, text):
	case rd.syslog(text):
	default:
		rd.unread(errors.New("not a record of any known format"))
	}
	if !rd.done {
		rd.w.take(len(line))
	}
}
