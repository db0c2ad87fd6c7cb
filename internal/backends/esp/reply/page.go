package reply

import (
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/client/jsonwalk"
)

// Page is one page of a list: data.results and the counts next to it. The
// rows are parts of the reply's body.
type Page struct {
	Count  int64 // rows matching all filters; -1 when the server names none
	Total  int64
	Rows   [][]byte
	Groups [][]byte // when data is a list itself (10, 12 and 95 without query_name)
}

// ParsePage reads the envelope and the list in it, in one pass, as pages are
// where the bytes are. "data" may be absent (the server strips empty
// answers), an object with results, or a list.
func ParsePage(what string, rep *client.Reply) (*Page, error) {
	if !client.IsJSON(rep.Header, rep.Body) {
		return nil, backends.Malformed(what, "the answer is not JSON")
	}
	var w jsonwalk.Walker
	w.Reset(rep.Body)
	if !w.Enter('{') {
		return nil, Malformed(what, wire.WrongKind(&w, "an object"))
	}
	p := &Page{Count: -1, Total: -1}
	var status, message string
	odd := ""
	for first := true; w.Next('}', &first); {
		switch string(w.Key()) {
		case "status":
			status = wire.Scalar(w.Raw())
		case "message":
			message = wire.MessageText(w.Raw())
		case "data":
			odd = p.readData(&w)
		default:
			w.Skip()
		}
	}
	if err := wire.Closed(&w); err != nil {
		return nil, Malformed(what, err)
	}
	if status != "" && !strings.EqualFold(status, "success") {
		return nil, failure(what, message)
	}
	if odd != "" {
		return nil, backends.Malformed(what, odd)
	}
	return p, nil
}

// readData takes the value of "data"; odd says what is wrong with its shape.
func (p *Page) readData(w *jsonwalk.Walker) (odd string) {
	switch w.Peek() {
	case 'n':
		w.Skip()
		return ""
	case '[':
		p.Groups = wire.TakeElements(w)
		return ""
	case '{':
	default:
		w.Skip()
		return "data is neither a list nor an object"
	}
	if !w.Enter('{') {
		return ""
	}
	sawResults := false
	for first := true; w.Next('}', &first); {
		switch string(w.Key()) {
		case "count":
			p.Count = wire.Number(w.Raw(), -1)
		case "total_count":
			p.Total = wire.Number(w.Raw(), -1)
		case "results":
			sawResults = true
			switch w.Peek() {
			case '[':
				p.Rows = wire.TakeElements(w)
			case 'n':
				w.Skip()
			default:
				w.Skip()
				odd = "results is not a list"
			}
		default:
			w.Skip()
		}
	}
	if odd == "" && !sawResults && p.Count > 0 {
		odd = "the answer counts results and brings none"
	}
	return odd
}
