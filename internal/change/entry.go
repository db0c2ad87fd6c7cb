package change

import (
	"crypto/sha256"
	"encoding/hex"
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
)

// Names in audit.Record.Details that are ours; a driver's own stand behind
// driverDetail.
const (
	detailChange  = "change"  // JSON of what was asked, enough to look it up
	detailInverse = "inverse" // the verb that undoes it
	detailSummary = "summary" // the preview's line
	detailNative  = "native_state"
	detailExit    = "exit_code"
	detailGone    = "gone" // why what it did is not in force any more, although nothing of ours took it back
	driverDetail  = "driver."
)

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
// and, beside them, who did it and why.
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

// take adds what a record says.
func (e *Entry) take(r audit.Record) {
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

// settle names what was never written: the process that sent it is gone.
func (e *Entry) settle() {
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

func targetKey(id, name string, j journaledChange) string {
	if id == "" {
		id = name
	}
	tags := slices.Clone(j.Tags)
	slices.Sort(tags)
	b, _ := json.Marshal([]any{id, j.AlertID, j.Address, j.Port, strings.ToLower(j.Program), tags}) // strings only
	return string(b)
}

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

// journaledChange is backends.Change as it is journaled. The content of
// scripts and bodies stays out.
type journaledChange struct {
	PID      int64             `json:"pid,omitempty"`
	Path     string            `json:"path,omitempty"`
	Command  []string          `json:"command,omitempty"`
	Script   string            `json:"script,omitempty"`
	SHA256   string            `json:"script_sha256,omitempty"`
	Address  string            `json:"address,omitempty"`
	Port     int               `json:"port,omitempty"`
	Program  string            `json:"program,omitempty"`
	Scan     string            `json:"scan,omitempty"`
	Tags     []string          `json:"tags,omitempty"`
	Verdict  model.Verdict     `json:"verdict,omitempty"`
	AlertID  string            `json:"alert_id,omitempty"`
	ActionID string            `json:"action_id,omitempty"`
	CarveID  string            `json:"carve_id,omitempty"`
	Params   map[string]string `json:"params,omitempty"`
	HostID   string            `json:"host_id,omitempty"`
	HostName string            `json:"host_name,omitempty"`
	Call     map[string]string `json:"call,omitempty"`
}

func journaled(c backends.Change) journaledChange {
	j := journaledChange{
		PID: c.PID, Path: c.Path, Command: c.Command, Address: c.Address, Port: c.Port, Program: c.Program, Scan: c.Scan, Tags: c.Tags,
		Verdict: c.Verdict, AlertID: c.AlertID, ActionID: c.ActionID, CarveID: c.CarveID, Params: c.Params, Call: journaledCall(c.Call),
	}
	if c.Script != nil {
		j.Script, j.SHA256 = c.Script.Name, sha256Hex(c.Script.Content)
	}
	if c.Host != nil {
		j.HostID, j.HostName = c.Host.ID, c.Host.Name
	}
	return j
}

// journaledCall is a call as it is journaled: what was called and its
// arguments, secrets masked, contents by their size.
func journaledCall(c *backends.Call) map[string]string {
	if c == nil {
		return nil
	}
	out := map[string]string{"operation": c.Label()}
	for name, v := range c.Masked().Args {
		if f, ok := v.(backends.File); ok {
			v = fmt.Sprintf("%s (%d bytes)", f.Name, len(f.Content))
		}
		out["arg."+name] = backends.Text(v)
	}
	return out
}

func sha256Hex(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
