package esp

import (
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/client/jsonwalk"
)

// page is one page of a list: data.results and the counts beside it. The
// rows are parts of the reply's body.
type page struct {
	Count  int64 // rows matching all filters; -1 when the server names none
	Total  int64
	Rows   [][]byte
	Groups [][]byte // when data is a list itself (10, 12 and 95 without query_name)
}

// parsePage reads the envelope and the list in it, in one pass, as pages are
// where the bytes are. "data" may be absent (the server strips empty
// answers), an object with results, or a list.
func parsePage(what string, rep *client.Reply) (*page, error) {
	if !client.IsJSON(rep.Header, rep.Body) {
		return nil, backends.Malformed(what, "the answer is not JSON")
	}
	var w jsonwalk.Walker
	w.Reset(rep.Body)
	if !w.Enter('{') {
		return nil, malformed(what, wrongKind(&w, "an object"))
	}
	p := &page{Count: -1, Total: -1}
	var status, message string
	odd := ""
	for first := true; w.Next('}', &first); {
		switch string(w.Key()) {
		case "status":
			status = scalar(w.Raw())
		case "message":
			message = messageText(w.Raw())
		case "data":
			odd = p.readData(&w)
		default:
			w.Skip()
		}
	}
	if err := closed(&w); err != nil {
		return nil, malformed(what, err)
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
func (p *page) readData(w *jsonwalk.Walker) (odd string) {
	switch w.Peek() {
	case 'n':
		w.Skip()
		return ""
	case '[':
		p.Groups = takeElements(w)
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
			p.Count = number(w.Raw(), -1)
		case "total_count":
			p.Total = number(w.Raw(), -1)
		case "results":
			sawResults = true
			switch w.Peek() {
			case '[':
				p.Rows = takeElements(w)
			case 'n':
				w.Skip()
			default:
				w.Skip()
				odd = "results is no list"
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

func takeElements(w *jsonwalk.Walker) [][]byte {
	var out [][]byte
	if !w.Enter('[') {
		return nil
	}
	for first := true; w.Next(']', &first); {
		v := w.Raw()
		if w.Err() != nil {
			return nil
		}
		out = append(out, v)
	}
	return out
}

func number(v []byte, def int64) int64 {
	s := scalar(v)
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && f > -1e15 && f < 1e15 {
		return int64(f)
	}
	return def
}
