package change

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/edrctl/edrctl/internal/audit"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/shellquote"
)

// Ledger reads the journal as a list of actions: each with how far it came,
// what is needed to look it up again, and whether it was taken back.
type Ledger struct {
	Dir  string   // of the journal
	Also []string // folders of journals that are read too
}

// Entries gives every action of the journal, oldest first.
func (l *Ledger) Entries() ([]*Entry, error) {
	out, err := entriesOf(l.Dir)
	for _, dir := range l.Also {
		if err != nil {
			return nil, err
		}
		var more []*Entry
		more, err = entriesOf(dir)
		out = append(out, more...)
	}
	if err != nil {
		return nil, err
	}
	if len(l.Also) > 0 {
		slices.SortStableFunc(out, func(x, y *Entry) int { return x.Requested.Compare(y.Requested) })
	}
	markUndone(out)
	return out, nil
}

// Get finds an action by profile/act-… or act-….
func (l *Ledger) Get(ref string) (*Entry, error) {
	profile, id, found := strings.Cut(ref, "/")
	if !found {
		profile, id = "", ref
	}
	list, err := l.Entries()
	if err != nil {
		return nil, err
	}
	for _, e := range list {
		if e.ID == id && (profile == "" || e.Profile == profile) {
			return e, nil
		}
	}
	return nil, backends.NotFound("action", ref)
}

// InForce is something that is still changed on an endpoint.
type InForce struct {
	Action  string     `json:"action"` // its reference
	Profile string     `json:"profile"`
	Backend string     `json:"backend"`
	Verb    string     `json:"verb"`
	Host    string     `json:"host,omitempty"`
	What    string     `json:"what,omitempty"` // address, program, alert …
	Since   model.Time `json:"since,omitzero"`
	By      string     `json:"by,omitempty"`
	Case    string     `json:"case,omitempty"`
	State   string     `json:"state"` // of the action; ambiguous: it may be in force
	Undo    string     `json:"undo"`  // the command that takes it back
}

// InForce lists what is still isolated or blocked, oldest first; all adds
// everything else that can be taken back.
func (l *Ledger) InForce(all bool) ([]*InForce, error) {
	list, err := l.Entries()
	if err != nil {
		return nil, err
	}
	var out []*InForce
	for _, e := range list {
		if !e.mayBeInForce() || !all && e.Verb != backends.VerbIsolate && e.Verb != backends.VerbBlock {
			continue
		}
		out = append(out, &InForce{
			Action: e.Ref(), Profile: e.Profile, Backend: e.Backend, Verb: e.Verb, Host: cmp.Or(e.target.Host, e.target.ID), What: e.target.What,
			Since: model.At(e.Requested), By: e.User, Case: e.Case, State: string(e.State), Undo: shellquote.Join("edrctl respond undo", e.Ref()),
		})
	}
	return out, nil
}

// entriesOf reads the journal of one folder.
func entriesOf(dir string) ([]*Entry, error) {
	var out []*Entry
	byID := map[string]*Entry{}
	for line, err := range audit.Lines(dir) {
		if err != nil {
			return nil, fmt.Errorf("cannot read the audit journal: %w", err)
		}
		if line.Bad != nil || line.Record.Action == "" {
			continue
		}
		r := line.Record
		e := byID[r.Action]
		if e == nil {
			e = &Entry{ID: r.Action}
			byID[r.Action] = e
			out = append(out, e)
		}
		e.add(r)
	}
	for _, e := range out {
		e.conclude()
	}
	return out, nil
}

// markUndone finds, for each reversible action, the next one that took it
// back: by name, or by its inverse on the same target.
func markUndone(list []*Entry) {
	byName, byTarget := map[string]string{}, map[string]string{}
	for _, e := range slices.Backward(list) {
		key := e.key()
		if e.Inverse != "" {
			e.UndoneBy = cmp.Or(byName[e.ID], byTarget[e.Profile+" "+e.Inverse+" "+key])
		}
		if e.State == model.ActionDone {
			byTarget[e.Profile+" "+e.Verb+" "+key] = e.ID
			if e.Undoes != "" {
				byName[e.Undoes] = e.ID
			}
		}
	}
}

// undoneBy finds the newest action in force that c would take back.
func undoneBy(list []*Entry, profile string, c backends.Change) *Entry {
	id, name := "", ""
	if c.Host != nil {
		id, name = c.Host.ID, c.Host.Name
	} else if c.AlertID != "" {
		id = c.AlertID
	}
	key := targetKey(id, name, journaled(c))
	for _, e := range slices.Backward(list) {
		if e.Profile == profile && e.Inverse == c.Verb && e.UndoneBy == "" && e.mayBeInForce() && e.key() == key {
			return e
		}
	}
	return nil
}

// Entry is one action of the journal.
type Entry struct {
	ID        string // act-…
	Profile   string
	Backend   string
	Verb      string
	User      string
	Machine   string
	PID       int
	Case      string
	Comment   string
	Requested time.Time
	Finished  time.Time
	State     model.ActionState
	Unknown   bool   // edrctl ended before it wrote how the action went
	NativeID  string // the backend's id of it
	Summary   string
	Error     string
	Inverse   string
	Undoes    string
	UndoneBy  string // act-… of the action that took it back
	Gone      string // why it is not in force although nothing of ours took it back
	Details   map[string]string

	target audit.Target
	change journaledChange
}

// Change is what was asked, with a host that has only id and name.
func (e *Entry) Change() backends.Change {
	j := e.change
	c := backends.Change{
		Verb: e.Verb, PID: j.PID, Path: j.Path, Command: j.Command, Address: j.Address, Port: j.Port, Program: j.Program, Scan: j.Scan,
		Tags: j.Tags, Verdict: j.Verdict, AlertID: j.AlertID, ActionID: j.ActionID, CarveID: j.CarveID, Params: j.Params, Comment: e.Comment,
	}
	if j.Script != "" {
		c.Script = &backends.Script{Name: j.Script}
	}
	c.Host = e.host()
	return c
}

func (e *Entry) host() *model.Host {
	if e.change.HostID == "" && e.change.HostName == "" {
		return nil
	}
	h := &model.Host{Name: e.change.HostName}
	h.ID, h.Profile, h.Backend = e.change.HostID, e.Profile, e.Backend
	if h.ID != "" {
		h.Ref = e.Profile + "/" + h.ID
	}
	return h
}

// Ref is profile/act-….
func (e *Entry) Ref() string { return e.Profile + "/" + e.ID }

// Final tells whether nothing more is to be found out about it.
func (e *Entry) Final() bool { return e.State.Final() && e.State != model.ActionAmbiguous }

// Action is the entry as the normalised object. Details hold the driver's own
// and, next to them, who did it and why.
func (e *Entry) Action() *model.Action {
	a := &model.Action{
		Origin: model.Origin{ID: e.ID, Ref: e.Ref(), Profile: e.Profile, Backend: e.Backend},
		Verb:   e.Verb, Host: e.host(), Target: actionTarget(e.Change()), State: e.State, Error: e.Error,
		RequestedAt: model.At(e.Requested), FinishedAt: model.At(e.Finished),
		Inverse: e.Inverse, Reversible: e.Inverse != "", Details: maps.Clone(e.Details),
	}
	if e.Verb == backends.VerbCall {
		a.Target = &model.ActionTarget{Name: e.target.What}
	}
	if e.Unknown {
		a.NativeState = "unknown: edrctl ended before the outcome was written"
	}
	if a.Details == nil {
		a.Details = map[string]string{}
	}
	if v, ok := a.Details[detailNative]; ok {
		if a.NativeState == "" {
			a.NativeState = v
		}
		delete(a.Details, detailNative)
	}
	if v, err := strconv.ParseInt(a.Details[detailExit], 10, 64); err == nil {
		a.ExitCode = &v
		delete(a.Details, detailExit)
	}
	for k, v := range map[string]string{
		"native_id": e.NativeID, "user": e.User, "case": e.Case, "comment": e.Comment, "undoes": e.Undoes, "undone_by": e.UndoneBy, "gone": e.Gone, "summary": e.Summary,
	} {
		if v != "" {
			a.Details[k] = v
		}
	}
	if len(a.Details) == 0 {
		a.Details = nil
	}
	return a
}

// forDriver is the action as its driver knows it: with the backend's id.
func (e *Entry) forDriver() *model.Action {
	a := e.Action()
	a.ID, a.Ref = e.NativeID, ""
	a.Details = maps.Clone(e.Details)
	return a
}

// add adds what a record says.
func (e *Entry) add(r audit.Record) {
	if gone := r.Details[detailGone]; gone != "" && e.Verb != "" {
		e.Gone = gone // found out later: it says nothing of how the action went
		return
	}
	if r.Phase == audit.PhaseIntent || e.Verb == "" {
		e.Profile, e.Backend, e.Verb, e.User, e.Machine, e.PID = r.Profile, r.Backend, r.Verb, r.User, r.Host, r.PID
		e.Case, e.Comment, e.Undoes, e.Requested = r.Case, r.Comment, r.Undoes, r.Time.Time
		if len(r.Targets) > 0 {
			e.target = r.Targets[0]
		}
		_ = json.Unmarshal([]byte(r.Details[detailChange]), &e.change) // without it less is known
	}
	e.PID, e.Machine = r.PID, r.Host
	if len(r.IDs) > 0 && r.IDs[0] != "" {
		e.NativeID = r.IDs[0]
	}
	if r.Phase != audit.PhaseIntent {
		e.State, e.Error = model.ActionState(r.State), r.Error
	}
	if r.Phase == audit.PhaseOutcome {
		e.Finished = time.Time{}
		if e.State.Final() {
			e.Finished = r.Time.Time
		}
	}
	for k, v := range r.Details {
		switch name, driver := strings.CutPrefix(k, driverDetail); {
		case driver, k == detailNative, k == detailExit:
			if e.Details == nil {
				e.Details = map[string]string{}
			}
			e.Details[name] = v
		case k == detailInverse:
			e.Inverse = v
		case k == detailSummary:
			e.Summary = v
		}
	}
}

// conclude marks an action as ambiguous when the process that sent it ended
// before it wrote the outcome.
func (e *Entry) conclude() {
	if e.State != "" {
		return
	}
	e.State = model.ActionSent
	if !e.followed() {
		e.State, e.Unknown = model.ActionAmbiguous, true
	}
}

// inFlight are the actions this process is sending.
var inFlight sync.Map

// followed tells whether the process that sent the action still runs here.
func (e *Entry) followed() bool {
	if _, ours := inFlight.Load(e.ID); ours {
		return true
	}
	here, err := os.Hostname()
	if err != nil || e.Machine != here || e.PID <= 0 || e.PID == os.Getpid() {
		return false
	}
	p, err := os.FindProcess(e.PID)
	return err == nil && p.Signal(syscall.Signal(0)) == nil
}

// key is what two actions share that undo each other.
func (e *Entry) key() string { return targetKey(e.target.ID, e.target.Host, e.change) }

func (e *Entry) mayBeInForce() bool {
	if e.Inverse == "" || e.UndoneBy != "" || e.Gone != "" || e.Details[backends.DetailNothing] != "" {
		return false
	}
	switch e.State {
	case model.ActionFailed, model.ActionCancelled, model.ActionExpired, model.ActionSkipped:
		return false
	}
	return true
}
