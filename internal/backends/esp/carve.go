package esp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/reply"
	"github.com/edrctl/edrctl/internal/backends/esp/response"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

// A carve that is asked for is an action "carve:<query id>:<host>" until the
// server gives it a session; from then on it is known by that.
const (
	carveAction   = "carve:"
	sessionAction = "session:"
)

// peekAnswer is how long one look at the socket lasts that tells whether
// nothing matched: answers wait there for whoever asks.
const peekAnswer = 1500 * time.Millisecond

var carveVerbs = []verb{
	{
		VerbSpec: backends.VerbSpec{
			Verb: backends.VerbCarve, Needs: []string{"host", "path"},
			How: "asks the host for the files by a live query; % in the path stands for anything, several files come as one archive (tar, or zst)",
		},
		orders: func(_ *Driver, c backends.Change) ([]order, error) {
			sql, err := carveSQL(c.Path)
			if err != nil {
				return nil, err
			}
			return []order{{http.MethodPost, "/distributed/add", wire.LiveRequest{Query: sql, Nodes: c.Host.ID, Description: "edrctl carve"}}}, nil
		},
		preview: func(ctx context.Context, d *Driver, c backends.Change, p *backends.Preview) error {
			p.Summary = "collects " + c.Path
			if strings.Contains(c.Path, "%") {
				p.Warnings = append(p.Warnings, "% stands for anything: every file that matches is collected, as one archive")
			}
			h, err := d.listed(ctx, response.What(c), c.Host, wire.ListRequest{})
			switch {
			case err != nil:
				return err
			case h == nil:
				p.NotReady = "the host is removed: it is sent no queries"
			case h.Online != nil && !*h.Online:
				p.NotReady = "the host is offline, and ESP keeps no query for later"
			}
			return nil
		},
		readAnswer: func(_ *Driver, a *reply.Answer, act *model.Action) {
			var s wire.LiveStarted
			if wire.KindOf(a.Data) == '{' && json.Unmarshal(a.Data, &s) == nil && wire.IsNumber(string(s.QueryID)) && act.Host != nil {
				act.ID = carveAction + string(s.QueryID) + ":" + act.Host.ID
				response.SetDetail(act, "query_id", string(s.QueryID))
			}
		},
		find: findCarve,
	},
	{
		VerbSpec: backends.VerbSpec{
			Verb: backends.VerbCarveDelete, Needs: []string{"carve"}, Sync: true,
			How: "permanently deletes the collected archive from the server (admin only)",
		},
		orders: func(_ *Driver, c backends.Change) ([]order, error) {
			if c.CarveID == "" {
				return nil, response.Invalid("it names no carve")
			}
			return []order{{http.MethodPost, "/carves/delete", wire.SessionRequest{SessionID: c.CarveID}}}, nil
		},
		preview: func(ctx context.Context, d *Driver, c backends.Change, p *backends.Preview) error {
			carve, err := d.Carve(ctx, c.CarveID)
			if err != nil {
				return err
			}
			p.Summary = fmt.Sprintf("deletes the archive %s (%d bytes)", wire.FirstOf(carve.Name, carve.ID), carve.Size)
			return nil
		},
		find: func(ctx context.Context, d *Driver, c backends.Change, _ time.Time) (*model.Action, error) {
			_, err := d.Carve(ctx, c.CarveID)
			if backends.KindOf(err) == backends.KindNotFound {
				return d.doneAction("the archive is gone"), nil
			}
			return nil, err
		},
	},
}

// carveSQL is the query that makes an agent collect files (§12). With LIKE an
// agent expands { } [ ] ? * and ~ of a path as well, so a path is compared as
// it is unless it has the % of a pattern. Quotes are doubled, as SQL wants them.
func carveSQL(path string) (string, error) {
	if path == "" || strings.ContainsFunc(path, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
		return "", response.Invalid("the path is empty or holds control characters")
	}
	compare := "="
	if strings.Contains(path, "%") {
		compare = "like"
	}
	return "select * from carves where carve=1 and path " + compare + " '" + strings.ReplaceAll(path, "'", "''") + "';", nil
}

// findCarve looks for a carve of the host that began after the request left:
// queries themselves cannot be listed.
func findCarve(ctx context.Context, d *Driver, c backends.Change, sent time.Time) (*model.Action, error) {
	what := response.What(c)
	start, limit := 0, reply.ListPage
	p, err := d.session.AskPage(ctx, what, "/carves", wire.ListRequest{HostIdentifier: c.Host.ID, Start: &start, Limit: &limit})
	if err != nil {
		return nil, err
	}
	var found *model.Carve
	for _, v := range p.Rows {
		m, err := d.carve(ctx, what, v)
		if err != nil {
			return nil, err
		}
		if !m.Created.Before(sent.Add(-clockSlack)) {
			found = m // newest first: the oldest since then is the nearest
		}
	}
	if found == nil {
		return nil, nil
	}
	return carveProgress(sessionAction+found.ID, found), nil
}

// carveProgress is a carve as the action that asked for it.
func carveProgress(id string, c *model.Carve) *model.Action {
	act := &model.Action{Verb: backends.VerbCarve, Host: c.Host, State: model.ActionRunning, NativeState: string(c.State), RequestedAt: c.Created, Files: []string{c.ID}}
	act.ID = id
	if c.State == model.CarveComplete {
		act.State = model.ActionDone
	}
	return act
}

// pollCarve reads how a carve is doing (45). Before the agent begins, the
// socket tells whether nothing matched: then nothing will ever come.
func (d *Driver) pollCarve(ctx context.Context, id string) (*model.Action, error) {
	what := "cannot read action " + id
	query, host, ok := strings.Cut(strings.TrimPrefix(id, carveAction), ":")
	if !ok || !wire.IsNumber(query) || host == "" {
		return nil, backends.NotFound("action", id)
	}
	a, err := d.session.Ask(ctx, what, "/carves/query", client.Call{Method: http.MethodPost, JSON: wire.CarveQueryRequest{QueryID: query, HostIdentifier: host}, Reads: true})
	act := &model.Action{Verb: backends.VerbCarve, State: model.ActionSent, NativeState: "Carve not started", Host: d.knownHost(host)}
	act.ID = id
	response.SetDetail(act, "query_id", query)
	var be *backends.Error
	switch {
	case errors.As(err, &be) && strings.Contains(strings.ToLower(be.Why), "not started"):
		rows, failed := d.carveAnswer(ctx, query)
		switch {
		case failed != "":
			act.State, act.Error, act.NativeState = model.ActionFailed, failed, "query failed"
		case rows == 0:
			act.State, act.Error, act.NativeState = model.ActionFailed, "no file matches the path on the host", "no match"
		}
		return act, nil
	case errors.As(err, &be) && strings.Contains(strings.ToLower(be.Why), "query id"):
		return nil, backends.NotFound("action", id)
	case err != nil:
		return nil, err
	}
	v := wire.CarveObject(a.Data)
	if v == nil {
		return act, nil
	}
	c, err := d.carve(ctx, what, v)
	if err != nil {
		return nil, err
	}
	return carveProgress(id, c), nil
}

// carveAnswer looks once at what the agent answered to the carve's query:
// how many files matched, -1 while that is not known, and why it failed.
func (d *Driver) carveAnswer(ctx context.Context, query string) (rows int, failed string) {
	d.carveMu.Lock()
	defer d.carveMu.Unlock()
	if n, known := d.carveRows[query]; known {
		return n, ""
	}
	ctx, cancel := context.WithTimeout(ctx, peekAnswer)
	defer cancel()
	rows = -1
	s := socket{d: d, paths: livePaths, first: query}
	// Without the socket the carve itself will tell; its absence is not an error.
	_ = s.listen(ctx, func(msg []byte) (bool, error) {
		var f wire.LiveAnswer
		if err := json.Unmarshal(msg, &f); err != nil || f.QueryID != "" && string(f.QueryID) != query {
			return true, nil
		}
		list, err := f.Rows()
		if err != nil {
			return true, nil
		}
		rows = len(list)
		if f.Status != 0 {
			failed = wire.FirstOf(wire.Short(string(f.Message)), "the query failed on the host (status "+strconv.Itoa(int(f.Status))+")")
		}
		return false, nil
	})
	if rows >= 0 && failed == "" {
		if d.carveRows == nil {
			d.carveRows = map[string]int{}
		}
		d.carveRows[query] = rows
	}
	return rows, failed
}

// Carve reads one carve by its session id (43).
func (d *Driver) Carve(ctx context.Context, id string) (*model.Carve, error) {
	what := "cannot read carve " + id
	if id == "" {
		return nil, backends.NotFound("carve", id)
	}
	var found *model.Carve
	req := wire.ListRequest{}
	if !strings.ContainsAny(id, `%_\'`) {
		req.SearchTerm = id
	}
	err := reply.OffsetPages(ctx, what, reply.ListPage, func(ctx context.Context, start, limit int) (*reply.Page, error) {
		r := req
		r.Start, r.Limit = &start, &limit
		return d.session.AskPage(ctx, what, "/carves", r)
	}, func(v []byte) (bool, error) {
		c, err := d.carve(ctx, what, v)
		if err == nil && c.ID == id {
			found = c
		}
		return found == nil, err
	})
	if err == nil && found == nil {
		return nil, backends.NotFound("carve", id)
	}
	return found, err
}

// Download writes the archive of a carve from offset on (44). The first byte
// is asked for alone before: only that answer tells a file from the server's
// JSON and HTML, which must not end in it.
func (d *Driver) Download(ctx context.Context, id string, offset int64, w io.Writer) (int64, bool, error) {
	what := "cannot download carve " + id
	c, err := d.Carve(ctx, id)
	if err != nil {
		return 0, false, err
	}
	if c.State != model.CarveComplete {
		return 0, false, &backends.Error{Kind: backends.KindUnavailable, What: what, Why: "it is not complete yet"}
	}
	call := client.Call{Path: d.session.Path("/carves/download/" + url.PathEscape(id))}
	size, err := d.probeFile(ctx, what, call)
	if err != nil {
		return 0, false, err
	}
	if size < 0 {
		size = c.Size
	}
	if c.Size > 0 && size != c.Size {
		return 0, false, backends.Malformed(what, fmt.Sprintf("the file has %d bytes, the carve %d", size, c.Size))
	}
	n, resumed, err := d.c.Download(ctx, call, offset, w)
	if err != nil {
		if errors.Is(err, client.ErrRestart) {
			return n, resumed, err
		}
		return n, resumed, reply.FromClient(what, err)
	}
	got := n
	if resumed {
		got += offset
	}
	if size > 0 && got != size {
		return n, resumed, backends.Malformed(what, fmt.Sprintf("%d of %d bytes came", got, size))
	}
	return n, resumed, nil
}

// probeFile asks for the first byte of a file and gives the file's length, -1
// when the server does not tell.
func (d *Driver) probeFile(ctx context.Context, what string, call client.Call) (int64, error) {
	call.Header = http.Header{"Range": {"bytes=0-0"}, "Accept-Encoding": {"identity"}}
	s, err := d.c.Open(ctx, call)
	if err != nil {
		return 0, reply.FromClient(what, err)
	}
	defer func() { _ = s.Body.Close() }()
	if !client.IsFile(s.Header) {
		body, _ := io.ReadAll(io.LimitReader(s.Body, 4096))
		if _, err := reply.ParseAnswer(what, &client.Reply{Header: s.Header, Body: body}); err != nil {
			return 0, err
		}
		return 0, backends.Malformed(what, "the answer is not a file")
	}
	if s.Status == http.StatusPartialContent {
		_, total, _ := strings.Cut(s.Header.Get("Content-Range"), "/")
		if n, err := strconv.ParseInt(total, 10, 64); err == nil && n >= 0 {
			return n, nil
		}
		return -1, nil
	}
	if n, err := strconv.ParseInt(s.Header.Get("Content-Length"), 10, 64); err == nil {
		return n, nil
	}
	return -1, nil
}

// Carves lists the carves (43), newest first. The id of a carve is its
// session_id, which download and delete take.
func (d *Driver) Carves(ctx context.Context, q backends.Query) (backends.Listing[*model.Carve], error) {
	const what = "cannot list carves"
	limit := reply.ListPage
	req := wire.ListRequest{Start: new(int), Limit: &limit}
	l := backends.Listing[*model.Carve]{Plan: backends.Plan{
		Requests: []string{d.session.Describe(http.MethodPost, "/carves", req) + " …"}, Residual: q.Filter,
	}}
	l.Seq = func(yield func(*model.Carve, error) bool) {
		seen, stopped := map[string]bool{}, false
		err := reply.OffsetPages(ctx, what, reply.ListPage, func(ctx context.Context, start, limit int) (*reply.Page, error) {
			r := req
			r.Start, r.Limit = &start, &limit
			return d.session.AskPage(ctx, what, "/carves", r)
		}, func(v []byte) (bool, error) {
			c, err := d.carve(ctx, what, v)
			if err != nil {
				return false, err
			}
			if seen[c.ID] || !q.Since.IsZero() && c.Created.Before(q.Since) || !q.Until.IsZero() && !c.Created.Before(q.Until) {
				return true, nil
			}
			seen[c.ID] = true
			if q.Raw {
				c.Raw = append(json.RawMessage(nil), v...)
			}
			stopped = !yield(c, nil)
			return !stopped, nil
		})
		if err != nil && !stopped {
			yield(nil, err)
		}
	}
	return l, nil
}

func (d *Driver) carve(ctx context.Context, what string, v []byte) (*model.Carve, error) {
	var w wire.Carve
	if err := json.Unmarshal(v, &w); err != nil {
		return nil, reply.Malformed(what, err)
	}
	c := &model.Carve{Size: int64(w.Size), Name: string(w.Archive), Created: parseTime(string(w.CreatedAt)), State: carveState(string(w.Status))}
	c.ID = wire.FirstOf(string(w.SessionID), string(w.ID))
	if c.ID == "" {
		return nil, backends.Malformed(what, "a carve without a session id")
	}
	if c.State == model.CarveComplete {
		c.Progress = model.Ptr(1.0)
	}
	h, err := d.hostOf(ctx, what, string(w.NodeID), string(w.Hostname))
	if err != nil {
		return nil, err
	}
	c.Host = h
	return c, nil
}

// carveState reads the server's constants; it has no failed state (§12).
func carveState(s string) model.CarveState {
	switch strings.ToUpper(s) {
	case "COMPLETED":
		return model.CarveComplete
	case "IN PROGRESS", "BUILDING":
		return model.CarveRunning
	}
	return model.CarveRequested
}
