package esp

import (
	"encoding/json"
	"net/http"

	"github.com/edrctl/edrctl/internal/backends/esp/reply"
	"github.com/edrctl/edrctl/internal/backends/esp/response"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

// What the external tests may see of the inside.

// ReadRow reads a stored row.
func ReadRow(b []byte) (any, error) {
	var r wire.Row
	err := new(wire.RowReader).Read(b, &r)
	if err != nil {
		return nil, err
	}
	return eventOf(&r, true), nil
}

// ReadColumns reads the columns of a table.
func ReadColumns(table string, b []byte) (any, error) {
	r := wire.Row{Table: table}
	err := new(wire.RowReader).ReadCells(b, &r)
	if err != nil {
		return nil, err
	}
	return eventOf(&r, true), nil
}

// CarveSQL is what carves send.
var CarveSQL = carveSQL

// EventPage is how many rows a page has.
const EventPage = reply.EventPage

// ReadAnswer reads an answer in every way the driver does; the errors by the
// name of the reader.
func ReadAnswer(b []byte) map[string]error {
	rep := &client.Reply{Header: http.Header{"Content-Type": {"application/json"}}, Body: b}
	out := map[string]error{}
	a, err := reply.ParseAnswer("", rep)
	out["answer"] = err
	p, perr := reply.ParsePage("", rep)
	out["page"] = perr
	if err == nil {
		_, _ = reply.ReadTables("", a.Data)
		var h wire.Host
		if json.Unmarshal(a.Data, &h) == nil {
			_ = hostModel(&h)
		}
	}
	if perr == nil {
		for _, g := range p.Groups {
			_, _ = reply.ReadHuntHost("", g)
		}
		for _, v := range p.Rows {
			_, _ = ReadRow(v)
		}
	}
	return out
}

// ReadError reads the body of an error status.
func ReadError(code int, b []byte) error {
	return reply.FromClient("", &client.StatusError{Code: code, Body: b})
}

// ReadFrame reads one host's answer to a live query.
func ReadFrame(b []byte) ([]map[string]any, error) {
	var f wire.LiveAnswer
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, err
	}
	return f.Rows()
}

// ReadRest reads what else comes from a server as free JSON.
func ReadRest(b []byte) {
	_ = wire.CarveObject(b)
	_ = response.ReadCommand(b)
	var w response.Record
	if json.Unmarshal(b, &w) == nil {
		_, _ = w.Verb()
		_, _, _ = response.CommandState(string(w.Status), string(w.Message))
	}
}

// HuntRow looks for a value in a row of a table.
func HuntRow(kind, value, table string, b []byte) ([]*model.Hit, error) {
	r := &wire.Row{Table: table}
	if err := new(wire.RowReader).ReadCells(b, r); err != nil {
		return nil, err
	}
	return newValueMatcher(kind, []string{value}).hits(r, eventOf(r, false)), nil
}
