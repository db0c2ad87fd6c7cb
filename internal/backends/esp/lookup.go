package esp

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"iter"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/reply"
	"github.com/edrctl/edrctl/internal/backends/esp/rules"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/client/flex"
	"github.com/edrctl/edrctl/internal/client/spill"
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
func (d *Driver) byConditions(what string, g rules.Group) lookup {
	return lookup{d: d, what: what, path: "/search", call: func(host, query string, start, limit int) client.Call {
		req := wire.SearchRequest{Conditions: g}
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
			req := wire.HuntRequest{Indicators: csv, Type: column}
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
		l.d.session.DescribeCall(l.path, l.call("", "", 0, 0)),
		l.d.session.DescribeCall(l.path, l.call("…", "…", 0, reply.EventPage)) + " …",
	}
}

// rows yields the rows, host by host and query by query, in the server's
// order; they have neither a time of arrival nor an id.
func (l lookup) rows(ctx context.Context) iter.Seq2[*wire.Row, error] {
	return func(yield func(*wire.Row, error) bool) {
		p, err := l.d.session.SendPage(ctx, l.what, l.path, l.call("", "", 0, 0))
		if err != nil {
			yield(nil, err)
			return
		}
		if len(p.Rows) > 0 {
			yield(nil, backends.Malformed(l.what, "the server gave rows where hosts were asked for"))
			return
		}
		for _, v := range p.Groups {
			h, err := reply.ReadHuntHost(l.what, v)
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
				err := l.each(ctx, string(h.HostIdentifier), string(h.Hostname), string(q.QueryName), func(r *wire.Row) bool {
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

func (l lookup) each(ctx context.Context, host, name, query string, give func(*wire.Row) bool) error {
	return reply.OffsetPages(ctx, l.what, reply.EventPage, func(ctx context.Context, start, limit int) (*reply.Page, error) {
		return l.d.session.SendPage(ctx, l.what, l.path, l.call(host, query, start, limit))
	}, func(v []byte) (bool, error) {
		r := &wire.Row{Table: query, HostID: host, Hostname: name}
		if err := new(wire.RowReader).ReadCells(v, r); err != nil {
			return false, reply.Malformed(l.what, err)
		}
		return give(r), nil
	})
}

// startedBy gives the process starts the conditions find on a host (12),
// each process once.
func (d *Driver) startedBy(ctx context.Context, what, host string, g rules.Group) ([]*model.Process, error) {
	l := d.byConditions(what, g)
	l.host = host
	var out []*model.Process
	seen := map[string]bool{}
	for r, err := range l.rows(ctx) {
		if err != nil {
			return nil, err
		}
		p := startedProcess(r)
		if p == nil || p.UID != "" && seen[p.UID] {
			continue
		}
		seen[p.UID] = true
		out = append(out, p)
	}
	return out, nil
}

// startedProcess is the process whose start the row records, nil when it records
// something else.
func startedProcess(r *wire.Row) *model.Process {
	if kindOfRow(r.Table, r.Action, &r.Cells) != model.KindProcessStart {
		return nil
	}
	e := eventOf(r, false)
	if e.Process != nil {
		e.Process.Host = e.Host
	}
	return e.Process
}

// Limits of a hash inspection: how many rows are read for the names, and of
// how many logs.
const (
	hashLogs = 50
	hashRows = 100
)

// InspectHash hunts a hash over all tables and all time (10), reads the names
// it was seen under, and looks it up in the indicators of the server (52).
func (d *Driver) InspectHash(ctx context.Context, hash string) (*model.HashInfo, error) {
	what := "cannot look up hash " + hash
	hash = strings.ToLower(strings.TrimSpace(hash))
	kind := ""
	switch {
	case !wire.IsHex(hash):
	case len(hash) == 32:
		kind = "md5"
	case len(hash) == 64:
		kind = "sha256"
	case len(hash) == 40:
		return nil, &backends.Error{Kind: backends.KindUnsupported, What: what, Why: "ESP hunts no SHA-1", Hint: "give the file's MD5 or SHA-256"}
	}
	if kind == "" {
		return nil, backends.Invalid(what, "it is neither an MD5 nor a SHA-256")
	}
	info := &model.HashInfo{Hash: hash, Verdict: "absent"}
	info.ID = hash
	// The comparison is exact, and agents differ in the case they write.
	req := wire.HuntRequest{Indicators: hash + "," + strings.ToUpper(hash), Type: kind}
	p, err := d.session.AskPage(ctx, what, "/indicators/hunt", req)
	if err != nil {
		return nil, err
	}
	logs := 0
	for _, g := range p.Groups {
		h, err := reply.ReadHuntHost(what, g)
		if err != nil {
			return nil, err
		}
		info.Verdict = "unknown"
		m := &model.Host{Name: string(h.Hostname)}
		m.ID = string(h.HostIdentifier)
		info.Hosts = append(info.Hosts, m)
		for _, query := range h.Queries {
			if logs++; logs > hashLogs {
				continue
			}
			if err := d.hashNames(ctx, what, req, m.ID, string(query.QueryName), info); err != nil {
				return nil, err
			}
		}
	}
	slices.Sort(info.Names)
	info.Names = slices.Compact(info.Names)
	if err := d.knownBad(ctx, what, hash, kind, info); err != nil {
		return nil, err
	}
	return info, nil
}

func (d *Driver) hashNames(ctx context.Context, what string, req wire.HuntRequest, host, query string, info *model.HashInfo) error {
	start, limit := 0, hashRows
	req.HostIdentifier, req.QueryName, req.Start, req.Limit = host, query, &start, &limit
	p, err := d.session.AskPage(ctx, what, "/indicators/hunt", req)
	if err != nil {
		return err
	}
	for _, v := range p.Rows {
		r := wire.Row{Table: query, HostID: host}
		if err := new(wire.RowReader).ReadCells(v, &r); err != nil {
			return reply.Malformed(what, err)
		}
		c := &r.Cells
		if name := wire.FirstOf(c.TargetNewName, c.TargetPath, c.ImagePath, c.TargetName, c.Path); name != "" {
			info.Names = append(info.Names, name)
		}
		t := parseTime(c.Time)
		if t.IsZero() {
			continue
		}
		if info.First.IsZero() || t.Before(info.First.Time) {
			info.First = t
		}
		if t.After(info.Last.Time) {
			info.Last = t
		}
	}
	return nil
}

// knownBad looks the hash up in the server's own indicators.
func (d *Driver) knownBad(ctx context.Context, what, hash, kind string, info *model.HashInfo) error {
	a, err := d.session.Ask(ctx, what, "/iocs", client.Call{Method: http.MethodGet})
	if err != nil {
		return err
	}
	if wire.KindOf(a.Data) != '{' {
		return nil
	}
	err = wire.EachMember(a.Data, func(name string, v []byte) error {
		var ioc wire.IOC
		if wire.KindOf(v) != '{' || json.Unmarshal(v, &ioc) != nil || string(ioc.Type) != kind {
			return nil
		}
		for _, value := range wire.SplitCSV(wire.Scalar(ioc.Values)) {
			if strings.EqualFold(value, hash) {
				info.Verdict, info.Native = "malicious", "ioc "+name+" "+string(ioc.Severity)
			}
		}
		return nil
	})
	if err != nil {
		return reply.Malformed(what, err)
	}
	return nil
}

// sourceIOC is the source of alerts that the server's own indicators raised.
const sourceIOC = "ioc"

// comparedColumns are the columns that the server compares with its indicators, and
// no others (docs/wire/esp.md 89).
func comparedColumns(c *wire.Cells) [5]model.Indicator {
	return [5]model.Indicator{
		{Name: "md5", Value: c.MD5, Type: "md5"}, {Name: "sha256", Value: c.SHA256, Type: "sha256"}, {Name: "domain_name", Value: wire.DomainName(c.DomainName), Type: "domain"},
		{Name: "remote_address", Value: c.RemoteAddress, Type: "ip"}, {Name: "sha1", Value: c.SHA1, Type: "sha1"},
	}
}

// nameIndicator titles an alert by the indicator that raised it and names the
// entry it belongs to. An entry that is gone leaves the value alone.
func (d *Driver) nameIndicator(ctx context.Context, a *model.Alert, c *wire.Cells) {
	var first *model.Indicator
	for _, i := range comparedColumns(c) {
		if i.Value == "" {
			continue
		}
		if entry := d.indicatorEntry(ctx, i.Name, i.Value); entry != "" {
			a.Title = "Indicator match: " + i.Value + " (" + entry + ")"
			a.Description = "entry " + entry + " of the server's indicators: " + i.Name + " " + i.Value
			return
		}
		if first == nil {
			first = &i
		}
	}
	if first != nil {
		a.Title = "Indicator match: " + first.Value
	}
}

func indicatorKey(column, value string) string {
	return column + "\x00" + strings.ToLower(wire.DomainName(value))
}

// indicatorEntry reads the server's indicators (52) once. Alerts are shown
// without the name when they cannot be read.
func (d *Driver) indicatorEntry(ctx context.Context, column, value string) string {
	d.indicators.mu.Lock()
	defer d.indicators.mu.Unlock()
	if !d.indicators.read {
		d.indicators.read = true
		d.indicators.byText = map[string]string{}
		if a, err := d.session.Ask(ctx, "cannot read the indicators", "/iocs", client.Call{}); err == nil && wire.KindOf(a.Data) == '{' {
			_ = wire.EachMember(a.Data, func(name string, v []byte) error {
				var w struct {
					Type   flex.String `json:"type"`
					Values flex.String `json:"values"`
				}
				if json.Unmarshal(v, &w) == nil {
					for _, text := range wire.SplitCSV(string(w.Values)) {
						d.indicators.byText[indicatorKey(string(w.Type), text)] = name
					}
				}
				return nil
			})
		}
	}
	return d.indicators.byText[indicatorKey(column, value)]
}

// newestFirst gives the rows by the time they happened. What is not settled is
// held as JSON, in a file when it is much: a day of a busy server is more than
// memory takes.
func (d *Driver) newestFirst(what string, rows iter.Seq2[*wire.Row, error], settled func() time.Time) iter.Seq2[*wire.Row, error] {
	return func(yield func(*wire.Row, error) bool) {
		held := spill.Sorter{File: spill.In(d.o.StateDir)}
		defer held.File.Close()
		var rr wire.RowReader
		give := func(from int64) bool {
			for rec, err := range held.Since(from) {
				if err != nil {
					yield(nil, backends.FromClient(what, err))
					return false
				}
				r, err := unpackRow(&rr, rec.Data)
				if err != nil {
					yield(nil, reply.Malformed(what, err))
					return false
				}
				if !yield(r, nil) {
					return false
				}
			}
			return true
		}
		floor := settled()
		var packed []byte
		for r, err := range rows {
			if err != nil {
				if give(math.MinInt64) {
					yield(nil, err)
				}
				return
			}
			if now := settled(); !now.Equal(floor) {
				floor = now
				if !give(spill.At(floor)) {
					return
				}
			}
			packed = packRow(packed[:0], r)
			at := timeOf(r, kindOfRow(r.Table, r.Action, &r.Cells))
			if err := held.Add(spill.Record{At: spill.At(at.Time), ID: r.EventID(), Data: packed}); err != nil {
				yield(nil, backends.FromClient(what, err))
				return
			}
		}
		give(math.MinInt64)
	}
}

// packRow writes a row down: what its answer may not repeat, then its JSON.
func packRow(b []byte, r *wire.Row) []byte {
	for _, text := range []string{r.Table, r.HostID, r.Hostname} {
		b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
	}
	return append(b, r.Raw...)
}

func unpackRow(rr *wire.RowReader, b []byte) (*wire.Row, error) {
	var r wire.Row
	for _, text := range []*string{&r.Table, &r.HostID, &r.Hostname} {
		n, size := binary.Uvarint(b)
		*text, b = string(b[size:][:n]), b[size:][n:]
	}
	return &r, rr.Read(b, &r)
}
