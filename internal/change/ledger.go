package change

import (
	"fmt"
	"slices"
	"strings"

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
			Action: e.Ref(), Profile: e.Profile, Backend: e.Backend, Verb: e.Verb, Host: orElse(e.target.Host, e.target.ID), What: e.target.What,
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
		e.take(r)
	}
	for _, e := range out {
		e.settle()
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
			e.UndoneBy = orElse(byName[e.ID], byTarget[e.Profile+" "+e.Inverse+" "+key])
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
