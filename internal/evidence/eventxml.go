package evidence

import (
	"bytes"
	"encoding/xml"
	"errors"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/winlog"
)

// Events as XML: exports of Windows' event log, and Sysmon for Linux, which
// writes one on a line of syslog.

var (
	openEvent  = []byte("<Event")
	closeEvent = []byte("</Event>")
)

// xml reads an <Event> of one or several lines. What frames events in an
// export is passed over.
func (rd *reader) xml() {
	head := rd.w.peek(8)
	if !isEventTag(head) {
		line, ok := rd.w.thisLine()
		if end := bytes.IndexByte(line, '>'); ok && end > 0 && framesEvents(line[:end+1]) {
			rd.w.take(end + 1)
			return
		}
		rd.plainLine()
		return
	}
	rest, end := rd.find(closeEvent)
	if end < 0 {
		rd.unread(errors.New("the XML of an event has no end"))
		rd.w.skipLine()
		return
	}
	rd.xmlEvent(rest[:end])
	if !rd.done {
		rd.w.take(end)
	}
}

func isEventTag(b []byte) bool {
	return bytes.HasPrefix(b, openEvent) && len(b) > len(openEvent) && (b[6] == '>' || b[6] == ' ' || b[6] == '\n' || b[6] == '\r' || b[6] == '\t')
}

func framesEvents(tag []byte) bool {
	for _, p := range []string{"<?xml", "<Events", "</Events", "<!--"} {
		if bytes.HasPrefix(tag, []byte(p)) {
			return true
		}
	}
	return false
}

// find looks for text and gives what is there with the end of it, or -1.
func (rd *reader) find(text []byte) ([]byte, int) {
	const limit = 4 << 20
	from := max(0, int(rd.noEnd-rd.w.offset())) // looked through for the one before
	for {
		rest := rd.w.rest()
		if from < len(rest) {
			if i := bytes.Index(rest[from:], text); i >= 0 {
				return rest, from + i + len(text)
			}
			from = max(from, len(rest)-len(text))
		}
		if len(rest) > limit || !rd.w.more() {
			rd.noEnd = rd.w.offset() + int64(from)
			return rest, -1
		}
	}
}

// syslog reads a line with an <Event> in it.
func (rd *reader) syslog(line []byte) bool {
	i := bytes.Index(line, []byte("<Event>"))
	if i < 0 {
		if i = bytes.Index(line, []byte("<Event ")); i < 0 {
			return false
		}
	}
	end := bytes.LastIndex(line, closeEvent)
	if end < i {
		return false
	}
	rd.xmlEvent(line[i : end+len(closeEvent)])
	return true
}

func (rd *reader) xmlEvent(raw []byte) {
	place := Item{Offset: rd.w.offset(), Line: rd.w.line, Format: "xml"}
	items, err := decodeXML(raw, rd.o)
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

func decodeXML(raw []byte, o Options) ([]Item, error) {
	var r winlog.Record
	var number int64
	c := clock{zone: o.zone()}
	d := xml.NewDecoder(bytes.NewReader(raw))
	d.Strict = false
	var path []string
	var text strings.Builder
	data, params := "", 0
	attr := func(e xml.StartElement, name string) string {
		for _, a := range e.Attr {
			if a.Name.Local == name {
				return a.Value
			}
		}
		return ""
	}
	for {
		t, err := d.RawToken()
		if err != nil {
			break
		}
		switch t := t.(type) {
		case xml.StartElement:
			path = append(path, t.Name.Local)
			text.Reset()
			data = attr(t, "Name")
			switch t.Name.Local {
			case "Provider":
				r.Provider = first(data, attr(t, "EventSourceName"))
			case "TimeCreated":
				r.Time, _ = c.read(attr(t, "SystemTime"))
			case "Execution":
				r.PID = wholeNumber(attr(t, "ProcessID"))
			case "Security":
				r.UserID = attr(t, "UserID")
			}
		case xml.CharData:
			if text.Len() < 1<<20 {
				text.Write(t)
			}
		case xml.EndElement:
			if len(path) == 0 {
				break
			}
			name := path[len(path)-1]
			path = path[:len(path)-1]
			s := text.String()
			text.Reset()
			switch {
			case len(path) == 2 && path[1] == "System":
				number = systemText(&r, name, strings.TrimSpace(s), number)
			case len(path) >= 2 && path[1] == "EventData" && name == "Data":
				if data == "" {
					params++
					data = "param" + strconv.Itoa(params)
				}
				r.Data = append(r.Data, winlog.Field{Name: data, Value: s})
				data = ""
			case len(path) >= 3 && path[1] == "UserData" && strings.TrimSpace(s) != "", len(path) == 2 && path[1] == "EventData":
				r.Data = append(r.Data, winlog.Field{Name: first(data, name), Value: s})
			case len(path) == 2 && path[1] == "RenderingInfo" && name == "Message":
				r.Message = s
			case len(path) == 2 && path[1] == "RenderingInfo" && name == "Task":
				r.Task = s
			}
		}
	}
	if r.EventID == 0 && r.Provider == "" && r.Channel == "" {
		return nil, errors.New("the XML of an event without EventID and Provider")
	}
	return FromRecord(&r, number, raw, o), nil
}

func systemText(r *winlog.Record, name, s string, number int64) int64 {
	switch name {
	case "EventID":
		r.EventID = int(wholeNumber(s))
	case "Channel":
		r.Channel = s
	case "Computer":
		r.Computer = s
	case "EventRecordID":
		return wholeNumber(s)
	}
	return number
}
