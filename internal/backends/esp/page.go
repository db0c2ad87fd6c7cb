package esp

import (
	"strconv"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/client"
)

// page is one page of a list: data.results and the counts beside it. The
// rows are parts of the reply's body.
type page struct {
	Count    int64 // rows matching all filters; -1 when the server names none
	Total    int64
	Rows     [][]byte
	Groups   [][]byte // when data is a list itself (10, 12 and 95 without query_name)
	HasData  bool
	IsGroups bool
}

// parsePage reads the envelope and the list in it. "data" may be absent (the
// server strips empty answers), an object with results, or a list.
func parsePage(what string, rep *client.Reply) (*page, error) {
	a, err := parseAnswer(what, rep)
	if err != nil {
		return nil, err
	}
	if !a.JSON {
		return nil, backends.Malformed(what, "the answer is not JSON")
	}
	p := &page{Count: -1, Total: -1}
	switch kindOf(a.Data) {
	case 0:
		return p, nil
	case '[':
		p.HasData, p.IsGroups = true, true
		err = eachElement(a.Data, func(v []byte) error {
			p.Groups = append(p.Groups, v)
			return nil
		})
	case '{':
		p.HasData = true
		sawResults := false
		err = eachMember(a.Data, func(name string, v []byte) error {
			switch name {
			case "count":
				p.Count = number(v, -1)
			case "total_count":
				p.Total = number(v, -1)
			case "results":
				sawResults = true
				if kindOf(v) == 'n' {
					return nil
				}
				return eachElement(v, func(row []byte) error {
					p.Rows = append(p.Rows, row)
					return nil
				})
			}
			return nil
		})
		if err == nil && !sawResults && p.Count > 0 {
			return nil, backends.Malformed(what, "the answer counts results and brings none")
		}
	default:
		return nil, backends.Malformed(what, "data is neither a list nor an object")
	}
	if err != nil {
		return nil, malformed(what, err)
	}
	return p, nil
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
