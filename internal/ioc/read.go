package ioc

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Read adds everything in r, whose form is found out from how it begins. An
// error says that the source could not be read as a whole, or holds no
// indicator; a *RefusedError in it says that it is something else.
func (l *List) Read(r io.Reader, name string) error {
	before := l.Len() + l.Duplicates
	unread := 0
	var refused *RefusedError
	err := decode(r, name, 0, func(br *bufio.Reader, name string) error {
		n, err := l.readText(br, name)
		unread += n
		var no *RefusedError
		if errors.As(err, &no) {
			l.Reports = append(l.Reports, Report{Name: name, Format: "refused"})
		}
		return err
	})
	switch {
	case errors.As(err, &refused):
		return err
	case err != nil && !strings.HasPrefix(err.Error(), name+":"):
		return fmt.Errorf("%s: %w", name, err)
	case err != nil:
		return err
	case l.Len()+l.Duplicates == before && unread == 0:
		return fmt.Errorf("%s: holds no indicator", name)
	}
	return nil
}

// readText reads one decoded text. It gives how much of it was not understood.
func (l *List) readText(br *bufio.Reader, name string) (int, error) {
	if len(l.Sources) >= maxSources {
		return 0, fmt.Errorf("more than %d sources", maxSources)
	}
	head, err := peek(br)
	if err != nil {
		return 0, err
	}
	if no := refuseBinary(head, name); no != nil {
		return 0, no
	}
	text := strings.ToValidUTF8(strings.ReplaceAll(string(head), "\r", "\n"), "?")
	if i := strings.LastIndexByte(text, '\n'); len(head) == headSize && i >= 0 { // the last line is cut; an only one is all there is to see
		text = text[:i+1]
	}
	format := sniffFormat(text)
	if l.Text && format != formatHTML {
		format = formatLines
	}
	if format == formatLines && !l.Text {
		if no := refuseRules(text, name); no != nil {
			return 0, no
		}
	}
	l.Sources = append(l.Sources, name)
	l.Reports = append(l.Reports, Report{Name: name, Format: formatNames[format], Unit: "lines"})
	rep := &l.Reports[len(l.Reports)-1]
	rd := &reader{l: l, name: name, source: uint16(len(l.Sources) - 1), rep: rep, style: styleOf(text, name)} // #nosec G115 -- bounded above
	switch format {
	case formatJSON:
		rep.Unit = "objects"
		err = rd.readJSON(br, text)
	case formatXML:
		rep.Unit = "objects"
		err = rd.readXML(br)
	case formatHTML:
		rd.style = style{prose: true}
		page := htmlText(br)
		err = rd.readLines(newLineReader(page))
		_ = page.Close() // ends its goroutine
	default:
		if d, ok := sniffTable(text); ok && !l.Text && !rd.style.markdown {
			rep.Format = "csv"
			err = rd.readTable(newLineReader(br), text, d)
			break
		}
		err = rd.readLines(newLineReader(br))
	}
	return rep.Unread, err
}

type format uint8

const (
	formatLines format = iota
	formatJSON
	formatXML
	formatHTML
)

var formatNames = [...]string{"lines", "json", "xml", "html"}

// sniffFormat tells the forms that begin with a sign of their own.
func sniffFormat(head string) format {
	t := strings.TrimLeft(head, " \t\r\n\v\f\ufeff")
	switch {
	case t == "":
	case t[0] == '{':
		if next := strings.TrimLeft(t[1:], " \t\r\n"); next == "" || next[0] == '"' || next[0] == '}' {
			return formatJSON
		}
	case t[0] == '[':
		if next := strings.TrimLeft(t[1:], " \t\r\n"); next != "" && strings.IndexByte("{\"[]", next[0]) >= 0 {
			return formatJSON
		}
	case t[0] == '<':
		low := strings.ToLower(t[:min(len(t), 2000)])
		switch {
		case strings.HasPrefix(low, "<!doctype html"), strings.HasPrefix(low, "<html"), strings.HasPrefix(low, "<head"), strings.HasPrefix(low, "<body"), strings.HasPrefix(low, "<div"), strings.HasPrefix(low, "<p>"), strings.HasPrefix(low, "<table"):
			return formatHTML
		case strings.HasPrefix(low, "<?xml"), strings.HasPrefix(low, "<ioc"), strings.HasPrefix(low, "<stix"), strings.HasPrefix(low, "<openioc"):
			if bytes.Contains([]byte(low), []byte("<html")) {
				return formatHTML
			}
			return formatXML
		}
	}
	return formatLines
}
