package ioc

import (
	"io"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// htmlText gives the text of a page: a line for each block, without scripts,
// styles and the targets of links.
func htmlText(src io.Reader) io.ReadCloser {
	pr, pw := io.Pipe()
	go func() { pw.CloseWithError(writeText(pw, src)) }()
	return pr
}

func writeText(w io.Writer, src io.Reader) error {
	z := html.NewTokenizer(src)
	z.SetMaxBuf(1 << 24)
	skip := atom.Atom(0)
	for {
		switch z.Next() {
		case html.ErrorToken:
			if err := z.Err(); err != io.EOF {
				return err
			}
			return nil
		case html.TextToken:
			if skip == 0 {
				if _, err := w.Write(z.Text()); err != nil {
					return err
				}
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			name, _ := z.TagName()
			a := atom.Lookup(name)
			if a == atom.Script || a == atom.Style || a == atom.Noscript || a == atom.Template {
				skip = a
			}
			if err := breakAt(w, a); err != nil {
				return err
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			a := atom.Lookup(name)
			if a == skip {
				skip = 0
			}
			if err := breakAt(w, a); err != nil {
				return err
			}
		}
	}
}

// breakAt ends the line at a block, and the cell at a cell.
func breakAt(w io.Writer, a atom.Atom) error {
	var err error
	switch a {
	case atom.B, atom.I, atom.Em, atom.Strong, atom.Span, atom.A, atom.Code, atom.Font, atom.U, atom.Wbr, atom.Mark, atom.Sub, atom.Sup, atom.Small, atom.Tt:
	case atom.Td, atom.Th:
		_, err = io.WriteString(w, "\t")
	default:
		_, err = io.WriteString(w, "\n")
	}
	return err
}
