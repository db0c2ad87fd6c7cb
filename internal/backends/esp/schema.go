package esp

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/client/flex"
	"github.com/edrctl/edrctl/internal/lazyregexp"
	"github.com/edrctl/edrctl/internal/model"
)

// Column is one column of an osquery table.
type Column struct {
	Name        string
	Type        string // TEXT, INTEGER, BIGINT, DOUBLE, …
	Description string
	Required    bool // the table needs a constraint on it
}

// Schema gives table -> columns as live queries need them.
func (d *Driver) Schema(ctx context.Context) (map[string][]backends.Column, error) {
	tables, err := d.Tables(ctx)
	if err != nil {
		return nil, err
	}
	out := make(map[string][]backends.Column, len(tables))
	for name, cols := range tables {
		list := make([]backends.Column, len(cols))
		for i, c := range cols {
			list[i] = backends.Column{Name: c.Name, Type: c.Type}
		}
		out[name] = list
	}
	return out, nil
}

// Tables reads the columns of every table the agents have (57): table ->
// columns, in the order the server gives. A server that knows only the SQL
// form is read in that form, without descriptions.
func (d *Driver) Tables(ctx context.Context) (map[string][]Column, error) {
	const what = "cannot read the schema"
	a, err := d.ask(ctx, what, "/schema", client.Call{Query: url.Values{"export_type": {"json"}}})
	if err != nil {
		return nil, err
	}
	return readTables(what, a.Data)
}

// readTables reads the tables of 57: a list with descriptions, or an object
// of statements.
func readTables(what string, data []byte) (out map[string][]Column, err error) {
	out = map[string][]Column{}
	switch kindOf(data) {
	case '[':
		err = eachElement(data, func(v []byte) error {
			name, cols, err := readTable(v)
			if err == nil && name != "" {
				out[name] = cols
			}
			return err
		})
	case '{':
		err = eachMember(data, func(name string, v []byte) error {
			if kindOf(v) == '"' {
				out[name] = readCreate(scalar(v))
				return nil
			}
			_, cols, err := readTable(v)
			out[name] = cols
			return err
		})
	default:
		return nil, backends.Malformed(what, "the answer carries no tables")
	}
	if err != nil {
		return nil, malformed(what, err)
	}
	return out, nil
}

// TableSchema reads the columns of one table (58), which answers with the
// CREATE statement.
func (d *Driver) TableSchema(ctx context.Context, table string) ([]Column, error) {
	what := "cannot read the schema of table " + table
	a, err := d.ask(ctx, what, "/schema/"+url.PathEscape(table), client.Call{})
	if err != nil {
		return nil, err
	}
	if kindOf(a.Data) != '"' {
		return nil, backends.Malformed(what, "the answer carries no statement")
	}
	return readCreate(scalar(a.Data)), nil
}

func readTable(v []byte) (name string, cols []Column, err error) {
	if kindOf(v) != '{' {
		return "", nil, nil
	}
	err = eachMember(v, func(member string, v []byte) error {
		switch {
		case member == "name":
			name = scalar(v)
		case member == "schema" && kindOf(v) == '{':
			return eachMember(v, func(col string, v []byte) error {
				c := Column{Name: col}
				if kindOf(v) == '{' {
					var w struct {
						Type        flex.String `json:"type"`
						Description flex.String `json:"description"`
						Required    flex.Bool   `json:"is_required"`
					}
					if err := json.Unmarshal(v, &w); err != nil {
						return err
					}
					c.Type, c.Description, c.Required = string(w.Type), string(w.Description), bool(w.Required)
				}
				cols = append(cols, c)
				return nil
			})
		}
		return nil
	})
	return name, cols, err
}

var createTable = lazyregexp.New(`(?is)^\s*CREATE\s+TABLE\s+\S+\s*\((.*)\)\s*;?\s*$`)

func readCreate(sql string) []Column {
	m := createTable.FindStringSubmatch(sql)
	if m == nil {
		return nil
	}
	var cols []Column
	for _, part := range strings.Split(m[1], ",") {
		words := strings.Fields(part)
		if len(words) == 0 {
			continue
		}
		c := Column{Name: strings.Trim(words[0], "`\"")}
		if len(words) > 1 {
			c.Type = strings.ToUpper(words[1])
		}
		cols = append(cols, c)
	}
	return cols
}

// StatusLog is one line the agent of a host logged about itself.
type StatusLog struct {
	Time     model.Time
	Level    string // info, warning, error, fatal
	Message  string
	File     string
	Line     int
	Version  string
	Severity int
}

// StatusLogs reads the agent's own log of a host (26), in the server's order,
// at most limit lines (0 = all).
func (d *Driver) StatusLogs(ctx context.Context, host string, limit int) ([]StatusLog, error) {
	what := "cannot read the status log of host " + host
	var out []StatusLog
	err := offsetPages(ctx, what, listPage, func(ctx context.Context, start, n int) (*page, error) {
		return d.askPage(ctx, what, "/hosts/status_logs", listRequest{HostIdentifier: host, Start: &start, Limit: &n})
	}, func(v []byte) (bool, error) {
		var w wireStatusLog
		if err := json.Unmarshal(v, &w); err != nil {
			return false, malformed(what, err)
		}
		l := StatusLog{Time: parseTime(string(w.Created)), Message: string(w.Message), File: string(w.Filename), Line: int(w.Line), Version: string(w.Version), Severity: int(w.Severity), Level: "info"}
		switch l.Severity {
		case 1:
			l.Level = "warning"
		case 2:
			l.Level = "error"
		case 3:
			l.Level = "fatal"
		}
		out = append(out, l)
		return limit == 0 || len(out) < limit, nil
	})
	return out, err
}
