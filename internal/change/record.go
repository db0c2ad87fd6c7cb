package change

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"github.com/edrctl/edrctl/internal/audit"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
)

// tell reports a copy of the action, one call at a time.
func (x *execution) tell(s *Step, act *model.Action, note string) {
	if x.run.Update == nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	c := *act
	c.Details = maps.Clone(act.Details)
	x.run.Update(Update{Step: s, Action: &c, Note: note})
}

// record writes the action down. After a failed intent nothing more is sent.
func (x *execution) record(s *Step, act *model.Action, phase audit.Phase) error {
	x.mu.Lock()
	if phase == audit.PhaseIntent && x.broken != nil {
		defer x.mu.Unlock()
		return x.broken
	}
	r := x.acts.entry(s, act, phase, x.run)
	x.mu.Unlock()
	err := x.acts.Journal.Append(r)
	if err != nil {
		x.mu.Lock()
		x.broken = err
		x.mu.Unlock()
	}
	return err
}

// maxRequest bounds what the journal keeps of one request.
const maxRequest = 16 << 10

// entry is the record of a step.
func (a *Acts) entry(s *Step, act *model.Action, phase audit.Phase, run Run) audit.Record {
	r := audit.Record{
		Case: run.Case, Action: s.Action, Profile: s.Source.Profile, Backend: s.Source.Backend, Verb: s.Change.Verb, Phase: phase,
		Targets: []audit.Target{a.auditTarget(s.Change)}, Undoes: s.Undoes, Details: map[string]string{},
	}
	if s.Preview.Inverse != "" {
		r.Details[detailInverse] = s.Preview.Inverse
	}
	if phase == audit.PhaseIntent || act.State == model.ActionSkipped { // the first record of it
		if b, err := json.Marshal(journaled(s.Change)); err == nil {
			r.Details[detailChange] = a.redact(string(b))
		}
		r.Details[detailSummary] = a.redact(s.Preview.Summary)
	}
	if phase == audit.PhaseIntent {
		r.Comment = a.redact(run.Comment)
		for _, req := range s.Preview.Requests {
			req = a.redact(req)
			if len(req) > maxRequest {
				req = fmt.Sprintf("%s… (%d bytes, sha256 %s)", strings.ToValidUTF8(req[:maxRequest], ""), len(req), sha256Hex([]byte(req)))
			}
			r.Requests = append(r.Requests, req)
		}
	} else {
		r.State, r.Error = string(act.State), a.redact(act.Error)
		if id := nativeID(act); id != "" {
			r.IDs = []string{id}
		}
		for k, v := range act.Details {
			switch {
			case k == nativeIDKey:
			case secretName(k):
				r.Details[driverDetail+k] = "***"
			default:
				r.Details[driverDetail+k] = a.redact(v)
			}
		}
		if act.NativeState != "" {
			r.Details[detailNative] = a.redact(act.NativeState)
		}
		if act.ExitCode != nil {
			r.Details[detailExit] = fmt.Sprint(*act.ExitCode)
		}
	}
	maps.DeleteFunc(r.Details, func(_, v string) bool { return v == "" })
	return r
}

// secretName tells whether a driver's detail is a secret by its name: the key
// of an endpoint just made is shown once, and never kept.
func secretName(k string) bool {
	k = strings.ToLower(k)
	for _, s := range []string{"password", "passphrase", "secret", "token", "credential", "api_key", "apikey"} {
		if strings.Contains(k, s) {
			return true
		}
	}
	return k == "key" || strings.HasSuffix(k, "_key")
}

func (a *Acts) auditTarget(c backends.Change) audit.Target {
	t := audit.Target{PID: c.PID, Path: a.redact(c.Path)}
	if c.Host != nil {
		t.Host, t.ID = c.Host.Name, c.Host.ID
	} else {
		t.ID = orElse(c.AlertID, orElse(c.CarveID, c.ActionID))
	}
	t.What = a.redact(What(c))
	return t
}

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

func sha256Hex(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
