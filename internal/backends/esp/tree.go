package esp

import (
	"context"
	"encoding/json"
	"errors"
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
	"github.com/edrctl/edrctl/internal/model"
)

// treePage is how many rows a page of 97 has.
const treePage = 20

// The groups of 96 that tell of other processes. Where the server puts the
// end of a process differs: with its parent (enterprise) or with itself
// (3.5.1), so rows are told apart by their guids (§11).
var processGroups = []string{"PROC_CREATE", "PROC_TERMINATE"}

type treeRequest struct {
	ProcessGUID string `json:"process_guid"`
	AlertID     string `json:"alert_id,omitempty"`
	NodeID      int64  `json:"node_id"`
}

type treeChildRequest struct {
	ProcessGUID string `json:"process_guid"`
	Action      string `json:"action"`
	NodeID      int64  `json:"node_id"`
	LastTime    string `json:"last_time,omitempty"`
}

type treeGroup struct {
	Action   flex.String `json:"action"`
	Name     flex.String `json:"name"`
	Count    flex.Int    `json:"count"`
	Children []treeRow   `json:"all_children"`
}

type treeRow struct {
	Data json.RawMessage `json:"data"`
}

// treeCursor is where the next page of children begins: in which of the
// groups, and which rows of the last second were seen.
type treeCursor struct {
	Groups []treeOpen `json:"g"`
	Last   string     `json:"t,omitempty"`
	Seen   []string   `json:"e,omitempty"` // event ids of the page before
	Kids   []string   `json:"k,omitempty"` // processes of the page before
	Read   int        `json:"n,omitempty"` // rows of the first group so far
}

type treeOpen struct {
	Action string `json:"a"`
	Count  int    `json:"c"`
}

// Children gives a page of the children of a process (96, 97), or all of them
// from the result logs when the edition has no process tree or the process no
// GUID.
func (d *Driver) Children(ctx context.Context, p backends.ProcessRef, cursor string) (backends.ProcessPage, error) {
	const what = "cannot read the children of the process"
	if p.Host == nil || p.Host.ID == "" || p.UID == "" && p.PID == 0 {
		return backends.ProcessPage{}, backends.Unsupported("ESP", what, "a process without host and id has no tree on the server")
	}
	guid := wire.TrimGUID(p.UID)
	if !wire.IsGUID(guid) {
		return d.childrenFromLogs(ctx, what, p)
	}
	var page backends.ProcessPage
	var at treeCursor
	if cursor == "" {
		var err error
		at.Groups, page.Events, err = d.treeRoot(ctx, what, p, guid)
		if backends.KindOf(err) == backends.KindUnsupported {
			return d.childrenFromLogs(ctx, what, p)
		}
		if err != nil || len(at.Groups) == 0 {
			return page, err
		}
	} else if err := json.Unmarshal([]byte(cursor), &at); err != nil || len(at.Groups) == 0 {
		return page, backends.Invalid(what, "the cursor is not one of ESP's")
	}
	return d.treeStep(ctx, what, p, guid, at, page)
}

// treeRoot asks what a process did, by kind (96). The rows the server opened
// already are given as events where they are the process's own.
func (d *Driver) treeRoot(ctx context.Context, what string, p backends.ProcessRef, guid string) (open []treeOpen, own []*model.Event, err error) {
	node, err := d.nodeOf(ctx, what, p.Host.ID)
	if err != nil {
		return nil, nil, err
	}
	req := treeRequest{ProcessGUID: guid, NodeID: node}
	if p.Alert != nil && wire.IsNumber(p.Alert.ID) && p.Alert.Process != nil && strings.EqualFold(wire.TrimGUID(p.Alert.Process.UID), guid) {
		req.AlertID = p.Alert.ID
	}
	a, err := d.session.Ask(ctx, what, "/alerts/process", client.Call{Method: http.MethodPost, JSON: req, Reads: true})
	if err != nil {
		return nil, nil, err
	}
	var data struct {
		Groups []treeGroup `json:"all_children"`
	}
	if a.Data == nil {
		return nil, nil, nil
	}
	if wire.KindOf(a.Data) != '{' {
		return nil, nil, backends.Malformed(what, "the answer carries no tree")
	}
	if err := json.Unmarshal(a.Data, &data); err != nil {
		return nil, nil, reply.Malformed(what, err)
	}
	for _, g := range data.Groups {
		name := wire.FirstOf(string(g.Action), string(g.Name))
		if wire.Has(processGroups, name) {
			open = append(open, treeOpen{name, int(g.Count)})
			continue
		}
		for _, c := range g.Children {
			r, err := d.treeRow(c.Data, p)
			if err != nil {
				return nil, nil, reply.Malformed(what, err)
			}
			own = append(own, eventOf(r, false))
		}
	}
	return open, own, nil
}

func (d *Driver) treeRow(v []byte, p backends.ProcessRef) (*wire.Row, error) {
	r := &wire.Row{Table: "win_process_events", HostID: p.Host.ID, Hostname: p.Host.Name}
	if wire.KindOf(v) != '{' {
		return nil, errors.New("a row of the tree without its data")
	}
	if err := new(wire.RowReader).ReadCells(v, r); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(strings.ToUpper(r.Cells.Action), "PROC_") {
		r.Table = "windows_events" // the action says what it is
	}
	return r, nil
}

// treeStep reads one page of the first open group (97). The bound of a page
// is inclusive, so the rows of its last second come again; a page that brings
// nothing new would come for ever, and the rest is then read from the logs.
func (d *Driver) treeStep(ctx context.Context, what string, p backends.ProcessRef, guid string, at treeCursor, page backends.ProcessPage) (backends.ProcessPage, error) {
	node, err := d.nodeOf(ctx, what, p.Host.ID)
	if err != nil {
		return page, err
	}
	group := at.Groups[0]
	a, err := d.session.Ask(ctx, what, "/alerts/process/child", client.Call{Method: http.MethodPost, Reads: true, JSON: treeChildRequest{
		ProcessGUID: guid, Action: group.Action, NodeID: node, LastTime: at.Last,
	}})
	if backends.KindOf(err) == backends.KindUnsupported {
		return d.childrenFromLogs(ctx, what, p)
	}
	if err != nil {
		return page, err
	}
	var data struct {
		Rows []treeRow       `json:"child_data"`
		Last json.RawMessage `json:"last_time"`
	}
	if a.Data != nil && (wire.KindOf(a.Data) != '{' || json.Unmarshal(a.Data, &data) != nil) {
		return page, backends.Malformed(what, "the answer carries no rows")
	}
	fresh := 0
	var ids []string
	for _, v := range data.Rows {
		r, err := d.treeRow(v.Data, p)
		if err != nil {
			return page, reply.Malformed(what, err)
		}
		id := r.EventID()
		ids = append(ids, id)
		if wire.Has(at.Seen, id) {
			continue
		}
		fresh++
		d.addTreeRow(r, guid, &page)
	}
	var kids []string
	for _, c := range page.Processes {
		kids = append(kids, c.UID)
	}
	last := wire.Scalar(data.Last)
	at.Read += fresh
	full := len(data.Rows) >= treePage
	switch {
	case full && (fresh == 0 || last == "" || at.Last != "" && last == at.Last && fresh < treePage):
		// More rows in one second than a page holds.
		all, err := d.childrenFromLogs(ctx, what, p)
		if err != nil {
			return page, err
		}
		from := parseTime(last)
		for _, c := range all.Processes {
			twice := slices.ContainsFunc(page.Processes, func(x *model.Process) bool { return x.UID == c.UID })
			if !twice && !wire.Has(at.Kids, c.UID) && !c.Started.Before(from.Time) {
				page.Processes = append(page.Processes, c)
			}
		}
		return page, nil
	case full:
		at.Last, at.Seen, at.Kids = last, ids, kids
	default:
		at = treeCursor{Groups: at.Groups[1:]}
	}
	for i, g := range at.Groups {
		n := g.Count
		if i == 0 {
			n -= at.Read
		}
		if g.Action == "PROC_CREATE" {
			page.Remaining += max(n, 0)
		}
	}
	if len(at.Groups) > 0 {
		b, err := json.Marshal(at)
		if err != nil {
			return page, err
		}
		page.Next = string(b)
		if page.Remaining == 0 {
			page.Remaining = -1
		}
	}
	return page, nil
}

// addTreeRow puts a row where its guids say it belongs: a child, or something
// the process did itself.
func (d *Driver) addTreeRow(r *wire.Row, guid string, page *backends.ProcessPage) {
	e := eventOf(r, false)
	p := e.Process
	if p != nil && e.Kind == model.KindProcessStart && p.Parent != nil && strings.EqualFold(p.Parent.UID, guid) && !strings.EqualFold(p.UID, guid) {
		p.Host = e.Host
		page.Processes = append(page.Processes, p)
		return
	}
	page.Events = append(page.Events, e)
}

// childrenFromLogs finds the processes a process started in the stored rows
// (12): by the parent's GUID, or, where agents give none, by its pid between
// its start and the next start under that pid.
func (d *Driver) childrenFromLogs(ctx context.Context, what string, p backends.ProcessRef) (backends.ProcessPage, error) {
	var page backends.ProcessPage
	if guid := wire.TrimGUID(p.UID); wire.IsGUID(guid) {
		list, err := d.startedBy(ctx, what, p.Host.ID, rules.AnyOf(rules.Cond("parent_process_guid", "contains", guid)))
		page.Processes = list
		return page, err
	}
	if p.UID == "" {
		self, err := d.byPID(ctx, p)
		if err != nil || self == nil {
			return page, err
		}
		p.UID, page.Self = self.UID, self
	}
	host, pid, started, ok := splitFallback(p.UID)
	if !ok || pid == 0 {
		return page, nil
	}
	text := strconv.FormatInt(pid, 10)
	same, err := d.startedBy(ctx, what, host, rules.AnyOf(rules.Cond("pid", "equal", text)))
	if err != nil {
		return page, err
	}
	var reused time.Time
	for _, s := range same {
		if t := s.Started.Time; t.After(started) && (reused.IsZero() || t.Before(reused)) {
			reused = t
		}
	}
	list, err := d.startedBy(ctx, what, host, rules.AnyOf(rules.Cond("parent", "equal", text), rules.Cond("parent_pid", "equal", text)))
	if err != nil {
		return page, err
	}
	for _, c := range list {
		t := c.Started.Time
		if t.Before(started) || !reused.IsZero() && !t.Before(reused) || c.UID == p.UID {
			continue
		}
		if c.Parent != nil {
			c.Parent.UID = p.UID // by pid and time, as the agent names no parent
		}
		page.Processes = append(page.Processes, c)
	}
	return page, nil
}

// maxAncestors bounds the way up.
const maxAncestors = 64

// Ancestors walks up by the parents' GUIDs through the stored process starts.
// What only the child's row tells of a parent is given too, and ends the way.
func (d *Driver) Ancestors(ctx context.Context, p backends.ProcessRef) ([]*model.Process, error) {
	if p.Host == nil || p.Host.ID == "" || p.UID == "" && p.PID == 0 {
		return nil, nil
	}
	var self *model.Process
	var err error
	if p.UID != "" {
		self, err = d.findProcess(ctx, p.Host.ID, p.UID)
	} else {
		self, err = d.byPID(ctx, p)
	}
	if err != nil {
		return nil, err
	}
	if self == nil && p.Alert != nil && p.Alert.Process != nil && p.Alert.Process.UID == p.UID {
		self = p.Alert.Process
	}
	var up []*model.Process
	seen := map[string]bool{p.UID: true}
	for self != nil && self.Parent != nil && len(up) < maxAncestors {
		parent := self.Parent
		var next *model.Process
		if wire.IsGUID(parent.UID) {
			if seen[parent.UID] {
				break
			}
			seen[parent.UID] = true
			if next, err = d.findProcess(ctx, p.Host.ID, parent.UID); err != nil {
				return nil, err
			}
		} else if parent.UID == "" && parent.PID > 0 {
			if next, err = d.startedBefore(ctx, p.Host.ID, parent, self.Started.Time); err != nil {
				return nil, err
			}
			if next != nil {
				if seen[next.UID] {
					break
				}
				seen[next.UID] = true
			}
		}
		if next == nil {
			known := &model.Process{UID: parent.UID, PID: parent.PID, Path: parent.Path, Name: wire.FirstOf(parent.Name, model.BaseName(parent.Path)), CommandLine: parent.CommandLine, Host: p.Host}
			known.ID = known.UID
			if known.UID != "" || known.Path != "" {
				up = append(up, known)
			}
			break
		}
		if parent.UID == "" {
			parent.UID = next.UID
		}
		up = append(up, next)
		self = next
	}
	for i, j := 0, len(up)-1; i < j; i, j = i+1, j-1 {
		up[i], up[j] = up[j], up[i]
	}
	return up, nil
}

// byPID finds the start of a process that is known by pid alone: the last
// one under it before it was seen.
func (d *Driver) byPID(ctx context.Context, p backends.ProcessRef) (*model.Process, error) {
	seen := p.Started
	if seen.IsZero() && p.Alert != nil {
		seen = p.Alert.Time.Time
	}
	return d.startedBefore(ctx, p.Host.ID, &model.ParentProcess{PID: p.PID, Path: p.Path}, seen)
}

// startedBefore finds the last start under a pid before a time: the parent of
// a process whose agent names parents by pid.
func (d *Driver) startedBefore(ctx context.Context, host string, parent *model.ParentProcess, before time.Time) (*model.Process, error) {
	if before.IsZero() {
		return nil, nil
	}
	list, err := d.startedBy(ctx, "cannot read the parent of the process", host, rules.AnyOf(rules.Cond("pid", "equal", strconv.FormatInt(parent.PID, 10))))
	if err != nil {
		return nil, err
	}
	var best *model.Process
	for _, p := range list {
		if !p.Started.After(before) && (parent.Path == "" || p.Path == "" || strings.EqualFold(p.Path, parent.Path)) && (best == nil || p.Started.After(best.Started.Time)) {
			best = p
		}
	}
	return best, nil
}

// Process finds a process by its GUID, or by the host:pid:start edrctl names
// it with where agents give no GUID, in the stored process starts.
func (d *Driver) Process(ctx context.Context, id string, _ time.Time) (*model.Process, error) {
	p, err := d.findProcess(ctx, "", id)
	if err == nil && p == nil {
		return nil, backends.NotFound("process", id)
	}
	return p, err
}

func (d *Driver) findProcess(ctx context.Context, host, id string) (*model.Process, error) {
	what := "cannot read process " + id
	guid := wire.TrimGUID(id)
	if wire.IsGUID(guid) {
		list, err := d.startedBy(ctx, what, host, rules.AllOf(rules.Cond("process_guid", "contains", guid), rules.Cond("action", "equal", "PROC_CREATE")))
		for _, p := range list {
			if strings.EqualFold(p.UID, guid) {
				return p, err
			}
		}
		return nil, err
	}
	on, pid, started, ok := splitFallback(id)
	if !ok {
		return nil, nil
	}
	list, err := d.startedBy(ctx, what, on, rules.AllOf(rules.Cond("pid", "equal", strconv.FormatInt(pid, 10)), rules.Cond("time", "equal", strconv.FormatInt(started.Unix(), 10))))
	for _, p := range list {
		if p.UID == id {
			return p, err
		}
	}
	return nil, err
}

// splitFallback takes an id of fallbackUID apart.
func splitFallback(id string) (host string, pid int64, started time.Time, ok bool) {
	i := strings.LastIndexByte(id, ':')
	if i < 0 {
		return "", 0, started, false
	}
	j := strings.LastIndexByte(id[:i], ':')
	if j < 0 || !wire.IsNumber(id[j+1:i]) || !wire.IsNumber(id[i+1:]) {
		return "", 0, started, false
	}
	sec, err := strconv.ParseInt(id[i+1:], 10, 64)
	return id[:j], wire.PID(id[j+1 : i]), time.Unix(sec, 0), err == nil && id[:j] != ""
}

// nodeOf gives the node id of a host, removed ones included.
func (d *Driver) nodeOf(ctx context.Context, what, id string) (int64, error) {
	for _, all := range []bool{false, true} {
		if err := d.loadHosts(ctx, what, all); err != nil {
			return 0, err
		}
		d.hosts.mu.Lock()
		found := ""
		for node, h := range d.hosts.byNode {
			if h.ID == id {
				found = node
			}
		}
		d.hosts.mu.Unlock()
		if n, err := strconv.ParseInt(found, 10, 64); err == nil {
			return n, nil
		}
	}
	if n, err := strconv.ParseInt(id, 10, 64); err == nil && wire.IsNumber(id) {
		return n, nil
	}
	return 0, backends.NotFound("host", id)
}
