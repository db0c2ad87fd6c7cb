package model

import (
	"encoding/json"
	"net"
	"strconv"
	"strings"
)

// ActionState is how far an action has come.
type ActionState string

// The states. Ambiguous: the request may or may not have reached the backend.
// Skipped: it was never sent, as the host could not take it then.
const (
	ActionQueued    ActionState = "queued"
	ActionSent      ActionState = "sent"
	ActionRunning   ActionState = "running"
	ActionDone      ActionState = "done"
	ActionFailed    ActionState = "failed"
	ActionCancelled ActionState = "cancelled"
	ActionExpired   ActionState = "expired"
	ActionAmbiguous ActionState = "ambiguous"
	ActionSkipped   ActionState = "skipped"
)

// ActionStates lists all.
var ActionStates = []ActionState{
	ActionQueued, ActionSent, ActionRunning, ActionDone, ActionFailed, ActionCancelled, ActionExpired, ActionAmbiguous, ActionSkipped,
}

// Final tells whether nothing more will happen by itself.
func (s ActionState) Final() bool {
	switch s {
	case ActionDone, ActionFailed, ActionCancelled, ActionExpired, ActionAmbiguous, ActionSkipped:
		return true
	}
	return false
}

// Action is something that was asked of a backend.
type Action struct {
	Origin
	Verb        string            `json:"verb,omitempty"`
	Host        *Host             `json:"host,omitempty"`
	Target      *ActionTarget     `json:"target,omitempty"`
	State       ActionState       `json:"state,omitempty"`
	NativeState string            `json:"native_state,omitempty"`
	RequestedAt Time              `json:"requested_at,omitzero"`
	FinishedAt  Time              `json:"finished_at,omitzero"`
	ExitCode    *int64            `json:"exit_code,omitempty"`
	Stdout      string            `json:"stdout,omitempty"`
	Stderr      string            `json:"stderr,omitempty"`
	Error       string            `json:"error,omitempty"`
	Files       []string          `json:"files,omitempty"` // carve ids of what was collected
	Reversible  bool              `json:"reversible,omitempty"`
	Inverse     string            `json:"inverse,omitempty"` // the verb that undoes it
	Details     map[string]string `json:"details,omitempty"` // what undo and lookup need, for example the former policy
	Answer      json.RawMessage   `json:"answer,omitempty"`  // the vendor's answer to a call of its own API; text that is not JSON becomes a string
	Raw         json.RawMessage   `json:"raw,omitempty"`
}

// ActionTarget is what on the host an action is on.
type ActionTarget struct {
	AlertID string `json:"alert_id,omitempty"`
	PID     int64  `json:"pid,omitempty"`
	Path    string `json:"path,omitempty"`
	Name    string `json:"name,omitempty"` // process name, script name, tag …
	Command string `json:"command,omitempty"`
	Address string `json:"address,omitempty"`
	Port    int    `json:"port,omitempty"`
}

// String is the target in one line, for tables.
func (t ActionTarget) String() string {
	var parts []string
	if t.PID != 0 {
		parts = append(parts, "pid "+strconv.FormatInt(t.PID, 10))
	}
	address := t.Address
	if address != "" && t.Port != 0 {
		address = net.JoinHostPort(address, strconv.Itoa(t.Port))
	}
	for _, s := range []string{t.Path, t.Name, t.Command, address} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	if t.AlertID != "" {
		parts = append(parts, "alert "+t.AlertID)
	}
	return strings.Join(parts, " ")
}
