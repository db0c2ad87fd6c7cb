package ioc

import (
	"bufio"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
)

// xmlValues are the elements of STIX 1.x (CybOX) that hold a value; "" finds
// the type out.
var xmlValues = sync.OnceValue(func() map[string]Type {
	return map[string]Type{
		"Address_Value": None, "Simple_Hash_Value": None, "Fuzzy_Hash_Value": SSDeep, "Value": None, "Domain_Name": Domain, "Hostname_Value": Domain,
		"File_Name": FileName, "File_Path": FilePath, "Full_Path": FilePath, "URL": URL, "Sender": Email, "From": Email, "IP_Address": IPv4, "Content": None,
		"Key": Registry, "Mutex_Name": Mutex, "User_Agent": UserAgent,
	}
})

// readXML reads OpenIOC and STIX 1.x.
func (r *reader) readXML(br *bufio.Reader) error {
	dec := xml.NewDecoder(br)
	dec.Strict = false
	dec.CharsetReader = func(_ string, input io.Reader) (io.Reader, error) { return input, nil }
	x := xmlReader{reader: r}
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		var syntax *xml.SyntaxError
		if errors.As(err, &syntax) {
			return fmt.Errorf("broken XML: line %d: %s", syntax.Line, syntax.Msg)
		}
		if err != nil {
			return err
		}
		line, _ := dec.InputPos()
		switch t := tok.(type) {
		case xml.StartElement:
			if len(x.path) > maxDepth {
				return errors.New("nested too deep")
			}
			x.start(t)
		case xml.CharData:
			x.text(t)
		case xml.EndElement:
			x.end(line)
		}
	}
	return nil
}

// xmlReader keeps where it is in the tree.
type xmlReader struct {
	*reader
	path    []string
	search  string // OpenIOC: what the item compares
	id      string // of the nearest indicator or observable
	hint    string // category or type of the element's parents
	buf     strings.Builder
	reading bool
	ioc     bool
	groups  []*iocGroup
	test    iocTest
}

func attr(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if strings.EqualFold(a.Name.Local, name) {
			return a.Value
		}
	}
	return ""
}

func (x *xmlReader) start(e xml.StartElement) {
	name := e.Name.Local
	x.path = append(x.path, name)
	switch name {
	case "ioc", "OpenIOC":
		x.ioc = true
		x.rep.Format = "openioc"
	case "STIX_Package", "STIX_Header":
		x.rep.Format = "stix1"
	case "IndicatorItem":
		x.id, x.search = attr(e, "id"), ""
		x.test = iocTest{condition: attr(e, "condition"), negate: strings.EqualFold(attr(e, "negate"), "true")}
	case "Context":
		x.search = attr(e, "search")
	case "Indicator", "Observable":
		if x.ioc {
			x.open(strings.EqualFold(attr(e, "operator"), "AND"))
		}
		if id := attr(e, "id"); id != "" {
			x.id = id
		}
	case "Properties":
		x.hint = attr(e, "category") + " " + attr(e, "type")
	}
	_, known := xmlValues()[name]
	x.reading = known && (!x.ioc || name == "Content") || x.ioc && name == "Content"
	if !x.ioc && name == "Name" && len(x.path) > 1 && x.inside("Properties") {
		x.reading = true
	}
	x.buf.Reset()
}

func (x *xmlReader) inside(name string) bool {
	for _, p := range x.path {
		if p == name {
			return true
		}
	}
	return false
}

func (x *xmlReader) text(t xml.CharData) {
	if x.reading && x.buf.Len() < maxLine {
		x.buf.Write(t)
	}
}

func (x *xmlReader) end(line int) {
	name := ""
	if n := len(x.path); n > 0 {
		name = x.path[n-1]
		x.path = x.path[:n-1]
	}
	if x.ioc && name == "Indicator" {
		x.close(line)
	}
	if !x.reading {
		return
	}
	x.reading = false
	text := strings.TrimSpace(x.buf.String())
	x.buf.Reset()
	if text == "" {
		return
	}
	at := place{line: line, object: x.id}
	if x.ioc {
		x.iocItem(text, at)
		return
	}
	if !x.inside("Properties") && !x.inside("Related_Object") {
		return
	}
	want := xmlValues()[name]
	for v := range strings.SplitSeq(strings.ReplaceAll(text, "##comma##", "\n"), "\n") {
		if v = strings.TrimSpace(v); v == "" {
			continue
		}
		x.typed(v, want, at)
	}
}

// typed reads one value of STIX 1.x.
func (x *xmlReader) typed(v string, want Type, at place) {
	if x.cellValue(v, want, at) {
		x.count(gaveIndicator, at, "", "")
		return
	}
	if want == None {
		x.count(gaveNothing, at, v, whyNothing)
		return
	}
	x.count(gaveNothing, at, v, "cannot be read as "+want.String())
}
