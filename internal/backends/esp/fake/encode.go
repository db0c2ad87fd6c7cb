package fake

import (
	"strconv"
	"time"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// appendString writes a JSON string. Text that is not UTF-8 is replaced, as
// a JSON encoder must.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				b = append(append(b, s[from:i]...), "\ufffd"...)
				i++
				from = i
				continue
			}
			i += n
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, s[from:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		from = i
	}
	return append(append(b, s[from:]...), '"')
}

func appendColumns(b []byte, c Columns) []byte {
	b = append(b, '{')
	for i := range c {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = appendString(b, c[i].K)
		b = append(b, ": "...)
		b = appendString(b, c[i].V)
	}
	return append(b, '}')
}

// MarshalJSON writes the cells in order.
func (c Columns) MarshalJSON() ([]byte, error) { return appendColumns(nil, c), nil }

// The times of the answers (§7); a fraction of zero is left out.
func isoTime(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	if t.Nanosecond()/1000 == 0 {
		return t.UTC().Format("2006-01-02T15:04:05")
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000")
}

func spaceTime(t time.Time) string {
	if t.Nanosecond()/1000 == 0 {
		return t.UTC().Format("2006-01-02 15:04:05")
	}
	return t.UTC().Format("2006-01-02 15:04:05.000000")
}

func dayFirst(t time.Time) string { return t.UTC().Format("02-01-2006 15:04:05") }

const (
	layoutSearch = "02-01-2006 15:04:05"        // 13, 15
	layoutOld    = "02-01-2006 15:04:05.000000" // 13, 15 before 3.5
	layoutRecent = "01/02/2006 15/04/05"        // 30
	layoutEvents = "2006-01-02 15:04:05"        // 95
)

// appendResult writes a whole record, as 13 and 15 give it.
func (s *Server) appendResult(b []byte, r *Result, layout string) []byte {
	b = append(b, `{"id": `...)
	b = strconv.AppendInt(b, r.ID, 10)
	b = append(b, `, "name": `...)
	b = appendString(b, r.Name)
	b = append(b, `, "timestamp": "`...)
	b = r.Time.UTC().AppendFormat(b, layout)
	b = append(b, `", "action": `...)
	b = appendString(b, r.Action)
	b = append(b, `, "columns": `...)
	b = appendColumns(b, r.Columns)
	b = append(b, `, "node_id": `...)
	b = strconv.AppendInt(b, int64(r.NodeID), 10)
	b = append(b, `, "uuid": `...)
	b = appendString(b, r.UUID)
	b = append(b, `, "status": 0, "task_id": null, "hostname": `...)
	name, ident := "", ""
	if h := s.host(r.NodeID); h != nil {
		name, ident = h.Name, h.Identifier
	}
	b = appendString(b, name)
	b = append(b, `, "host_identifier": `...)
	b = appendString(b, ident)
	return append(b, '}')
}

// appendShort writes a record as 30 and 95 give it; id 0 leaves it out.
func appendShort(b []byte, id int64, r *Result, layout string) []byte {
	b = append(b, '{')
	if id > 0 {
		b = append(b, `"id": `...)
		b = strconv.AppendInt(b, id, 10)
		b = append(b, ", "...)
	}
	b = append(b, `"timestamp": "`...)
	b = r.Time.UTC().AppendFormat(b, layout)
	b = append(b, `", "action": `...)
	b = appendString(b, r.Action)
	b = append(b, `, "columns": `...)
	b = appendColumns(b, r.Columns)
	return append(b, '}')
}
