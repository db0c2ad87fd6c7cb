package esp

import (
	"encoding/json"
	"net/http"

	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

// What the external tests may see of the inside.

// ParseTime reads one of the server's times.
var ParseTime = parseTime

// Windows gives date and duration of the windows of a span.
func Windows(since, until string, unbounded bool) []string {
	var out []string
	for _, w := range windows(parseTime(since).Time, parseTime(until).Time, unbounded) {
		if w.open {
			out = append(out, "open")
			continue
		}
		out = append(out, w.date+"/"+string(rune('0'+w.duration)))
	}
	return out
}

// ReadRow reads a stored row.
func ReadRow(b []byte) (any, error) {
	var r row
	err := new(rowReader).read(b, &r)
	if err != nil {
		return nil, err
	}
	return r.event(true), nil
}

// ReadColumns reads the columns of a table.
func ReadColumns(table string, b []byte) (any, error) {
	r := row{table: table}
	err := new(rowReader).readCells(b, &r)
	if err != nil {
		return nil, err
	}
	return r.event(true), nil
}

// ParseNative checks what --query takes.
func ParseNative(s string) error { _, err := parseNative(s); return err }

// ReadCreate reads a CREATE TABLE statement.
var ReadCreate = readCreate

// CarveSQL and CommandScript are what carves and commands send.
var (
	CarveSQL      = carveSQL
	CommandScript = commandScript
)

// EventPage is how many rows a page has.
const EventPage = eventPage

// QuoteShell and QuoteBatch quote one argument of a command.
var (
	QuoteShell = quoteShell
	QuoteBatch = quoteBatch
)

// ReadAnswer reads an answer in every way the driver does; the errors by the
// name of the reader.
func ReadAnswer(b []byte) map[string]error {
	rep := &client.Reply{Header: http.Header{"Content-Type": {"application/json"}}, Body: b}
	out := map[string]error{}
	a, err := parseAnswer("", rep)
	out["answer"] = err
	p, perr := parsePage("", rep)
	out["page"] = perr
	if err == nil {
		_, _ = readTables("", a.Data)
		var h wireHost
		if json.Unmarshal(a.Data, &h) == nil {
			_ = h.model()
		}
	}
	if perr == nil {
		for _, g := range p.Groups {
			_, _ = readHuntHost("", g)
		}
		for _, v := range p.Rows {
			_, _ = ReadRow(v)
		}
	}
	return out
}

// ReadError reads the body of an error status.
func ReadError(code int, b []byte) error {
	return fromClient("", &client.StatusError{Code: code, Body: b})
}

// ReadFrame reads one host's answer to a live query.
func ReadFrame(b []byte) ([]map[string]any, error) {
	var f frame
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, err
	}
	return f.rows()
}

// ReadRest reads what else comes from a server as free JSON.
func ReadRest(b []byte) {
	_ = carveObject(b)
	_ = readOpenC2(b)
	var w wireAction
	if json.Unmarshal(b, &w) == nil {
		_, _ = w.verb()
		_, _, _ = commandState(string(w.Status), string(w.Message))
	}
}

// HuntRow looks for a value in a row of a table.
func HuntRow(kind, value, table string, b []byte) ([]*model.Hit, error) {
	r := &row{table: table}
	if err := new(rowReader).readCells(b, r); err != nil {
		return nil, err
	}
	return newPrey(kind, []string{value}).hits(r, r.event(false)), nil
}

// PythonPattern checks a pattern of Python's.
func PythonPattern(p string) (string, error) { return pythonPattern(p) }
