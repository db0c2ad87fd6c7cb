package change

import (
	"fmt"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
)

// nativeIDKey is where an action keeps the backend's own id.
const nativeIDKey = "native_id"

func nativeID(a *model.Action) string { return a.Details[nativeIDKey] }

// What says what on its host, or of its alert, a change is on, for people;
// without pid and path.
func What(c backends.Change) string {
	switch {
	case c.Call != nil:
		return onWhat(c.Call)
	case c.Address != "" && c.Port != 0:
		return joinAddress(c.Address, c.Port)
	case c.Address != "":
		return c.Address
	case c.Program != "":
		return c.Program
	case len(c.Command) > 0:
		return strings.Join(c.Command, " ")
	case c.Script != nil:
		return c.Script.Name
	case c.Scan != "":
		return strings.TrimSpace(c.Scan + " scan " + c.Path)
	case len(c.Tags) > 0:
		return strings.Join(c.Tags, " ")
	case c.Verdict != "" && c.Verdict != model.VerdictUnknown:
		return string(c.Verdict)
	}
	return ""
}

// onWhat names what a call is on, for people and the journal: the operation
// and the arguments in its path.
func onWhat(c *backends.Call) string {
	parts := []string{c.Label()}
	for _, p := range c.Op.Params {
		if v, ok := c.Args[p.Name]; ok && p.In == "path" && !p.Secret {
			parts = append(parts, backends.Text(v))
		}
	}
	return strings.Join(parts, " ")
}

func joinAddress(address string, port int) string {
	if strings.Contains(address, ":") {
		address = "[" + address + "]"
	}
	return fmt.Sprintf("%s:%d", address, port)
}

func actionTarget(c backends.Change) *model.ActionTarget {
	t := model.ActionTarget{AlertID: c.AlertID, PID: c.PID, Path: c.Path, Address: c.Address, Port: c.Port, Command: strings.Join(c.Command, " ")}
	switch {
	case c.Call != nil:
		t.Name = onWhat(c.Call)
	case c.Script != nil:
		t.Name = c.Script.Name
	case c.Program != "":
		t.Name = c.Program
	case len(c.Tags) > 0:
		t.Name = strings.Join(c.Tags, " ")
	case c.Scan != "":
		t.Name = c.Scan
	}
	if t == (model.ActionTarget{}) {
		return nil
	}
	return &t
}

func orElse(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
