package ioc

import (
	"bufio"
	"errors"
	"html"
	"io"
	"strings"
)

// htmlText gives the text of a page: a line for each block, without scripts,
// styles, comments and the targets of links. What a browser builds of broken
// markup does not matter here, so a parser of trees is not needed.
func htmlText(src io.Reader) io.ReadCloser {
	pr, pw := io.Pipe()
	go func() {
		w := bufio.NewWriter(pw)
		err := writeText(w, bufio.NewReader(src))
		if flushed := w.Flush(); err == nil {
			err = flushed
		}
		pw.CloseWithError(err)
	}()
	return pr
}

// maxMarkup is how far a tag, a reference or a run of text may go without an end.
const maxMarkup = 1 << 16

func writeText(w *bufio.Writer, src *bufio.Reader) error {
	var text strings.Builder
	flush := func() {
		_, _ = w.WriteString(html.UnescapeString(text.String())) // errors stay in w
		text.Reset()
	}
	hidden := "" // the element that hides what is in it
	for {
		c, err := src.ReadByte()
		if errors.Is(err, io.EOF) {
			flush()
			return nil
		}
		if err != nil {
			return err
		}
		if c != '<' || !startsTag(src, hidden) {
			if hidden == "" {
				text.WriteByte(c)
			}
			if text.Len() > maxMarkup {
				flush()
			}
			continue
		}
		flush()
		name, err := tag(src)
		if err != nil {
			return err
		}
		closing := strings.HasPrefix(name, "/")
		name = strings.TrimPrefix(name, "/")
		switch {
		case hidden != "":
			if closing && name == hidden {
				hidden = ""
			}
		case !closing && (name == "script" || name == "style" || name == "noscript" || name == "template"):
			hidden = name
		}
		if hidden == "" || closing {
			_, _ = w.WriteString(breakAt(name))
		}
	}
}

// startsTag tells a tag from a lone <, as in "5 < 6". In a script only its own
// end is one.
func startsTag(src *bufio.Reader, hidden string) bool {
	if hidden != "" {
		next, _ := src.Peek(1 + len(hidden))
		return strings.EqualFold(string(next), "/"+hidden)
	}
	next, err := src.Peek(1)
	return err == nil && (isLetter(next[0]) || next[0] == '/' || next[0] == '!' || next[0] == '?')
}

// tag reads a tag behind its <, to the > that is not in quotes, or a comment to
// its end. It gives the name, with a / in front for the end of an element.
func tag(src *bufio.Reader) (string, error) {
	if next, _ := src.Peek(3); string(next) == "!--" {
		return "", skipComment(src)
	}
	var name strings.Builder
	named, quote := false, byte(0)
	for n := 0; n < maxMarkup; n++ {
		c, err := src.ReadByte()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
			continue
		case c == '>':
			return strings.ToLower(name.String()), nil
		case (c == '"' || c == '\'') && named:
			quote = c
		case c <= ' ' || c == '/' && name.Len() > 0:
			named = true
		}
		if !named && name.Len() < 32 {
			name.WriteByte(c)
		}
	}
	return strings.ToLower(name.String()), nil
}

func skipComment(src *bufio.Reader) error {
	dashes := 0
	_, _ = src.Discard(3)
	for {
		c, err := src.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case c == '-':
			dashes++
		case c == '>' && dashes >= 2:
			return nil
		default:
			dashes = 0
		}
	}
}

// breakAt ends the line at a block, and the cell at a cell.
func breakAt(name string) string {
	switch name {
	case "b", "i", "em", "strong", "span", "a", "code", "font", "u", "wbr", "mark", "sub", "sup", "small", "tt", "":
		return ""
	case "td", "th":
		return "\t"
	}
	return "\n"
}
