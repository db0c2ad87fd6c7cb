package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/client/jsonwalk"
)

// Row is one stored result of a scheduled query, as 13, 15, 30, 94, 95 and
// 12b give it, with what the request knew next to it.
type Row struct {
	ID        int64 // the server's result id; 0 when the answer has none
	Table     string
	Timestamp string
	Action    string // added, removed, snapshot
	Hostname  string
	HostID    string
	NodeID    string
	Cells     Cells
	Raw       []byte
}

// RowReader reads rows; it keeps its buffer from row to row.
type RowReader struct{ scratch []byte }

// Read reads a whole result record (13, 15, 30, 95).
func (rr *RowReader) Read(v []byte, r *Row) error {
	var w jsonwalk.Walker
	w.Reset(v)
	r.Raw = v
	if !w.Enter('{') {
		return WrongKind(&w, "an object")
	}
	for first := true; w.Next('}', &first); {
		switch string(w.Key()) {
		case "id":
			r.ID = Number(w.Raw(), 0)
		case "name":
			r.Table = rr.text(&w)
		case "timestamp":
			r.Timestamp = rr.text(&w)
		case "action":
			r.Action = rr.text(&w)
		case "hostname":
			r.Hostname = rr.text(&w)
		case "host_identifier":
			r.HostID = rr.text(&w)
		case "node_id":
			r.NodeID = rr.text(&w)
		case "columns":
			rr.scratch = r.Cells.read(&w, rr.scratch, r.mayBeState())
		default:
			w.Skip()
		}
	}
	return Closed(&w)
}

// ReadCells reads an answer that is the columns alone (94, 12b, alerts).
func (rr *RowReader) ReadCells(v []byte, r *Row) error {
	var w jsonwalk.Walker
	w.Reset(v)
	r.Raw = v
	if w.Peek() != '{' {
		return WrongKind(&w, "an object")
	}
	rr.scratch = r.Cells.read(&w, rr.scratch, r.mayBeState())
	return Closed(&w)
}

// mayBeState tells whether the row may come from a table of states, whose
// summary needs its first cells. The table is known before the columns in
// every answer seen; when it is not, the cells are kept.
func (r *Row) mayBeState() bool { return !strings.Contains(r.Table, "_events") }

func (rr *RowReader) text(w *jsonwalk.Walker) string {
	var ok bool
	if rr.scratch, ok = w.AppendScalar(rr.scratch[:0]); !ok {
		return ""
	}
	return string(rr.scratch)
}

// EventID is the agent's event id where that is a GUID, which is the same in
// every answer and which `search` finds again; plain osquery counts its eids
// per host, there the server's result id is taken.
func (r *Row) EventID() string {
	if IsGUID(r.Cells.EID) {
		return r.Cells.EID
	}
	if r.ID > 0 {
		return strconv.FormatInt(r.ID, 10)
	}
	sum := sha256.New()
	for _, part := range []string{r.HostID, r.NodeID, r.Hostname, r.Table, r.Timestamp} {
		sum.Write([]byte(part))
		sum.Write([]byte{0})
	}
	sum.Write(r.Raw)
	return "x" + hex.EncodeToString(sum.Sum(nil)[:10])
}

// InventorySummary names the table and the first cells of a row that is a
// state, not an event.
func (r *Row) InventorySummary() string {
	var b strings.Builder
	b.WriteString(r.Table)
	for i, c := range r.Cells.order {
		if i == 4 {
			break
		}
		if i == 0 {
			b.WriteByte(':')
		}
		b.WriteByte(' ')
		b.WriteString(c.name)
		b.WriteByte('=')
		b.WriteString(c.value)
	}
	return b.String()
}
