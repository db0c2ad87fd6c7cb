package change

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"github.com/edrctl/edrctl/internal/audit"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
)

// maxRequest bounds what the journal keeps of one request.
const maxRequest = 16 << 10

// auditRecord is the record of a step in the journal.
func (a *Actor) auditRecord(s *Step, act *model.Action, phase audit.Phase, incident, comment string) audit.Record {
	r := audit.Record{
		Case: incident, Action: s.Action, Profile: s.Profile, Backend: s.Backend, Verb: s.Change.Verb, Phase: phase,
		Targets: []audit.Target{a.auditTarget(s.Change)}, Undoes: s.Undoes, Details: map[string]string{detailInverse: s.Preview.Inverse},
	}
	if phase != audit.PhaseIntent {
		a.addState(&r, act)
	} else {
		r.Comment, r.Requests = a.redact(comment), a.auditRequests(s)
	}
	if phase == audit.PhaseIntent || act.State == model.ActionSkipped { // the first record of it
		if b, err := json.Marshal(journaled(s.Change)); err == nil {
			r.Details[detailChange] = a.redact(string(b))
		}
		r.Details[detailSummary] = a.redact(s.Preview.Summary)
	}
	maps.DeleteFunc(r.Details, func(_, v string) bool { return v == "" })
	return r
}

// auditRequests are the requests that a step will send, bounded in length.
func (a *Actor) auditRequests(s *Step) (out []string) {
	for _, req := range s.Preview.Requests {
		req = a.redact(req)
		if len(req) > maxRequest {
			req = fmt.Sprintf("%s… (%d bytes, sha256 %s)", strings.ToValidUTF8(req[:maxRequest], ""), len(req), sha256Hex([]byte(req)))
		}
		out = append(out, req)
	}
	return out
}

// addState adds how far an action came.
func (a *Actor) addState(r *audit.Record, act *model.Action) {
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
	r.Details[detailNative] = a.redact(act.NativeState)
	if act.ExitCode != nil {
		r.Details[detailExit] = fmt.Sprint(*act.ExitCode)
	}
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

func (a *Actor) auditTarget(c backends.Change) audit.Target {
	t := audit.Target{PID: c.PID, Path: a.redact(c.Path)}
	if c.Host != nil {
		t.Host, t.ID = c.Host.Name, c.Host.ID
	} else {
		t.ID = cmp.Or(c.AlertID, c.CarveID, c.ActionID)
	}
	t.What = a.redact(What(c))
	return t
}

// redact masks secrets in what is journaled.
func (a *Actor) redact(s string) string {
	if a.Redact == nil {
		return s
	}
	return a.Redact(s)
}

// recordGone writes down that what s would take back is not in force any more:
// somebody released the host in the console.
func (a *Actor) recordGone(s *Step, why string) error {
	gone := map[string]string{detailGone: a.redact(why)}
	list, err := a.Ledger.Entries()
	if err != nil {
		return err
	}
	for _, e := range list {
		// One that is on its way may come into force yet.
		if e.ID == s.Undoes && e.Profile == s.Profile && e.mayBeInForce() && e.State.Final() {
			return a.Journal.Append(audit.Record{
				Action: e.ID, Profile: e.Profile, Backend: e.Backend, Verb: e.Verb, Phase: audit.PhaseOutcome, Case: e.Case, State: string(e.State),
				Targets: []audit.Target{e.target}, Details: gone,
			})
		}
	}
	return nil
}
