package change

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
)

// Names in audit.Record.Details that are ours; a driver's own come after
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

func targetKey(id, name string, j journaledChange) string {
	if id == "" {
		id = name
	}
	tags := slices.Clone(j.Tags)
	slices.Sort(tags)
	b, _ := json.Marshal([]any{id, j.AlertID, j.Address, j.Port, strings.ToLower(j.Program), tags}) // strings only
	return string(b)
}
