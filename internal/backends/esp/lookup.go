package esp

import (
	"context"
	"iter"
	"net/http"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

// lookup is a question to the stored results of all time (9, 10, 12): asked
// without a host the server tells who has how many rows of which query, asked
// with host and query it gives the rows, columns only.
type lookup struct {
	d    *Driver
	what string
	path string
	// call builds a request; host and query are "" for the first form.
	call func(host, query string, start, limit int) client.Call
	// host limits the answer to one identifier, "" = all.
	host string
	// queries limits it to some scheduled queries; nil = all.
	queries func(name string) bool
}

// byConditions looks rows up by any of their columns (12).
func (d *Driver) byConditions(what string, g group) lookup {
	return lookup{d: d, what: what, path: "/search", call: func(host, query string, start, limit int) client.Call {
		req := searchRequest{Conditions: g}
		if query != "" {
			req.HostIdentifier, req.QueryName, req.Start, req.Limit = host, query, &start, &limit
		}
		return client.Call{Method: http.MethodPost, JSON: req, Reads: true}
	}}
}

// fewValues is how many values are sent in the body (10); more go as a file (9).
const fewValues = 50

// byValues looks rows up by one of the columns the server hunts in, compared
// exactly. A value with a comma can only stand in a file.
func (d *Driver) byValues(what, column string, values []string) lookup {
	l := lookup{d: d, what: what, path: "/indicators/hunt"}
	inBody := len(values) <= fewValues
	for _, v := range values {
		inBody = inBody && !strings.Contains(v, ",")
	}
	if inBody {
		csv := strings.Join(values, ",")
		l.call = func(host, query string, start, limit int) client.Call {
			req := huntRequest{Indicators: csv, Type: column}
			if query != "" {
				req.HostIdentifier, req.QueryName, req.Start, req.Limit = host, query, &start, &limit
			}
			return client.Call{Method: http.MethodPost, JSON: req, Reads: true}
		}
		return l
	}
	l.path = "/hunt-upload"
	file := []byte(strings.Join(values, "\n") + "\n")
	l.call = func(host, query string, start, limit int) client.Call {
		c := client.Call{Method: http.MethodPost, Reads: true}
		field := func(name, value string) {
			c.Parts = append(c.Parts, client.Part{Name: name, Body: []byte(value)})
		}
		field("type", column)
		if query != "" {
			field("host_identifier", host)
			field("query_name", query)
			field("start", strconv.Itoa(start))
			field("limit", strconv.Itoa(limit))
		}
		c.Parts = append(c.Parts, indicatorFile(file))
		return c
	}
	return l
}

func indicatorFile(b []byte) client.Part {
	return client.Part{Name: "file", FileName: "indicators.txt", ContentType: "text/plain", Body: b}
}

// plan shows the two requests.
func (l lookup) plan() []string {
	return []string{
		l.d.describeCall(l.path, l.call("", "", 0, 0)),
		l.d.describeCall(l.path, l.call("…", "…", 0, eventPage)) + " …",
	}
}

// rows yields the rows, host by host and query by query, in the server's
// order; they have neither a time of arrival nor an id.
func (l lookup) rows(ctx context.Context) iter.Seq2[*row, error] {
	return func(yield func(*row, error) bool) {
		p, err := l.d.sendPage(ctx, l.what, l.path, l.call("", "", 0, 0))
		if err != nil {
			yield(nil, err)
			return
		}
		if len(p.Rows) > 0 {
			yield(nil, backends.Malformed(l.what, "the server gave rows where hosts were asked for"))
			return
		}
		for _, v := range p.Groups {
			h, err := readHuntHost(l.what, v)
			if err != nil {
				yield(nil, err)
				return
			}
			if l.host != "" && string(h.HostIdentifier) != l.host {
				continue
			}
			for _, q := range h.Queries {
				if q.QueryName == "" || l.queries != nil && !l.queries(string(q.QueryName)) {
					continue
				}
				stopped := false
				err := l.each(ctx, string(h.HostIdentifier), string(h.Hostname), string(q.QueryName), func(r *row) bool {
					stopped = !yield(r, nil)
					return !stopped
				})
				if stopped {
					return
				}
				if err != nil {
					yield(nil, err)
					return
				}
			}
		}
	}
}

func (l lookup) each(ctx context.Context, host, name, query string, give func(*row) bool) error {
	return offsetPages(ctx, l.what, eventPage, func(ctx context.Context, start, limit int) (*page, error) {
		return l.d.sendPage(ctx, l.what, l.path, l.call(host, query, start, limit))
	}, func(v []byte) (bool, error) {
		r := &row{table: query, hostID: host, hostname: name}
		if err := new(rowReader).readCells(v, r); err != nil {
			return false, malformed(l.what, err)
		}
		return give(r), nil
	})
}

// startedBy gives the process starts the conditions find on a host (12),
// each process once.
func (d *Driver) startedBy(ctx context.Context, what, host string, g group) ([]*model.Process, error) {
	l := d.byConditions(what, g)
	l.host = host
	var out []*model.Process
	seen := map[string]bool{}
	for r, err := range l.rows(ctx) {
		if err != nil {
			return nil, err
		}
		p := r.started()
		if p == nil || p.UID != "" && seen[p.UID] {
			continue
		}
		seen[p.UID] = true
		out = append(out, p)
	}
	return out, nil
}

// started is the process whose start the row records, nil when it records
// something else.
func (r *row) started() *model.Process {
	if kindOfRow(r.table, r.action, &r.cells) != model.KindProcessStart {
		return nil
	}
	e := r.event(false)
	if e.Process != nil {
		e.Process.Host = e.Host
	}
	return e.Process
}
