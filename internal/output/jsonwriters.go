package output

import "strings"

// jsonWriter streams one JSON array, element by element.
type jsonWriter struct {
	base
	started bool
	line    []byte
}

func (w *jsonWriter) Write(rec any) error {
	line, err := w.encode(w.line[:0], rec)
	if err != nil {
		return err
	}
	w.line = line
	b := w.buf[:0]
	if w.started {
		b = append(b, ",\n  "...)
	} else {
		b = append(b, "[\n  "...)
	}
	w.started = true
	w.buf = appendIndent(b, line, "  ")
	return w.emit(w.buf)
}

func (w *jsonWriter) One(rec any) error {
	line, err := w.encode(w.line[:0], rec)
	if err != nil {
		return err
	}
	if err := w.emit(append(appendIndent(w.buf[:0], line, ""), '\n')); err != nil {
		return err
	}
	return w.Flush()
}

func (w *jsonWriter) Close() error {
	end := "[]\n"
	if w.started {
		end = "\n]\n"
	}
	if err := w.emitString(end); err != nil {
		return err
	}
	return w.Flush()
}

// Abort leaves an array that was begun open: a list that failed must not pass
// for a whole one (docs/decisions/0003).
func (w *jsonWriter) Abort() {
	_ = w.Flush() // the failure is already reported
}

// ndjsonWriter writes one object a line.
type ndjsonWriter struct{ base }

func (w *ndjsonWriter) Write(rec any) error {
	b, err := w.encode(w.buf[:0], rec)
	if err != nil {
		return err
	}
	w.buf = append(b, '\n')
	return w.emit(w.buf)
}

func (w *ndjsonWriter) One(rec any) error {
	if err := w.Write(rec); err != nil {
		return err
	}
	return w.Flush()
}

func (w *ndjsonWriter) Close() error { return w.Flush() }

// projection keeps the chosen dotted names of a JSON object, and the objects
// around them.
type projection struct {
	root *projectNode
	buf  []byte
}

type projectNode struct {
	whole bool // everything below
	kids  map[string]*projectNode
}

func newProjection(opt Options) *projection {
	if len(opt.Columns) == 0 {
		return nil
	}
	names := opt.Columns
	if opt.Raw {
		names = append(names[:len(names):len(names)], "raw")
	}
	root := &projectNode{}
	for _, name := range names {
		n := root
		for part := range strings.SplitSeq(name, ".") {
			if n.kids == nil {
				n.kids = map[string]*projectNode{}
			}
			next := n.kids[part]
			if next == nil {
				next = &projectNode{}
				n.kids[part] = next
			}
			n = next
		}
		n.whole = true
	}
	return &projection{root: root}
}

// apply copies the chosen members of src, a compact JSON object that
// AppendJSON wrote. Members that end up empty are left out.
func (p *projection) apply(dst, src []byte) []byte {
	if len(src) == 0 || src[0] != '{' {
		return append(dst, src...)
	}
	dst, _ = p.root.object(append(dst, '{'), src, 0)
	return append(dst, '}')
}

// object walks the object that starts at src[i] and gives the index after it.
func (n *projectNode) object(dst, src []byte, i int) ([]byte, int) {
	i++
	for i < len(src) && src[i] != '}' {
		if src[i] == ',' {
			i++
		}
		nameEnd := stringEnd(src, i)
		kid := n.kids[string(src[i+1:nameEnd-1])]
		start, value := i, nameEnd+1
		if kid != nil && !kid.whole && value < len(src) && src[value] == '{' {
			mark := len(dst)
			dst = append(append(sep(dst), src[start:value]...), '{')
			inner := len(dst)
			dst, i = kid.object(dst, src, value)
			if len(dst) == inner {
				dst = dst[:mark]
			} else {
				dst = append(dst, '}')
			}
			continue
		}
		i = valueEnd(src, value)
		if kid != nil && kid.whole {
			dst = append(sep(dst), src[start:i]...)
		}
	}
	return dst, i + 1
}

// valueEnd is the index after the JSON value that starts at src[i].
func valueEnd(src []byte, i int) int {
	depth := 0
	for i < len(src) {
		switch src[i] {
		case '"':
			i = stringEnd(src, i)
			if depth == 0 {
				return i
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',':
			if depth == 0 {
				return i
			}
		}
		i++
	}
	return i
}
