package esp

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
)

// The requests of 105-112, member by member as the vendor's document has them.
type (
	openC2File struct {
		Action   string `json:"action"`
		Actuator string `json:"actuator_id"`
		Target   string `json:"target"`
		FileName string `json:"file_name"`
		FileHash string `json:"file_hash,omitempty"`
	}
	openC2Process struct {
		Action   string `json:"action"`
		Actuator string `json:"actuator_id"`
		Target   string `json:"target"`
		Name     string `json:"process_name,omitempty"`
		PID      string `json:"pid"`
	}
	scanRequest struct {
		HostIdentifier string `json:"host_identifier"`
		ScanType       int    `json:"scan_type"`
		FilePath       string `json:"file_path"`
	}
	commandRequest struct {
		CommandID string `json:"command_id"`
	}
)

var responseVerbs = []verb{
	{
		VerbSpec: backends.VerbSpec{
			Verb: backends.VerbKill, Needs: []string{"host", "pid"}, Takes: []string{"path"},
			How: "stops the process by pid and, where the path is given, name (OpenC2 stop process)",
		},
		enterprise: true, took: tookCommand,
		orders: func(_ *Driver, c backends.Change) ([]order, error) {
			if c.PID <= 0 {
				return nil, wrong("it needs the pid")
			}
			return []order{{http.MethodPost, "/response/add", openC2Process{"stop", c.Host.ID, "process", model.BaseName(c.Path), strconv.FormatInt(c.PID, 10)}}}, nil
		},
		look: lookKill,
	},
	{
		VerbSpec: backends.VerbSpec{
			Verb: backends.VerbDeleteFile, Needs: []string{"host", "path"}, Takes: []string{"md5"},
			How: "deletes the file (OpenC2 delete file); with its MD5 only when that fits",
		},
		enterprise: true, took: tookCommand,
		orders: func(_ *Driver, c backends.Change) ([]order, error) {
			sum := strings.ToLower(c.Params["md5"])
			switch {
			case c.Path == "" || strings.ContainsAny(c.Path, "\r\n\x00"):
				return nil, wrong("it needs the full path of the file")
			case sum != "" && (len(sum) != 32 || !isHex(sum)):
				return nil, wrong("md5 is no MD5")
			}
			return []order{{http.MethodPost, "/response/add", openC2File{"delete", c.Host.ID, "file", c.Path, sum}}}, nil
		},
		look: func(_ context.Context, _ *Driver, c backends.Change, p *backends.Preview) error {
			p.Summary = "deletes " + c.Path
			return nil
		},
	},
	{
		VerbSpec: backends.VerbSpec{
			Verb: backends.VerbIsolate, Needs: []string{"host"}, Inverse: backends.VerbRelease,
			How: "adds two rules to the Windows firewall that block everything, in and out",
		},
		enterprise: true, windows: true, took: tookCommand,
		orders: func(_ *Driver, c backends.Change) ([]order, error) {
			// In before out: the agent fetches the second with the first in force.
			return []order{blockOrder(c, openC2Rule{Name: ruleIsolate + "-in", Direction: directionIn}), blockOrder(c, openC2Rule{Name: ruleIsolate + "-out", Direction: directionOut})}, nil
		},
		look: func(_ context.Context, _ *Driver, _ backends.Change, p *backends.Preview) error {
			p.Summary = "blocks all connections of the host, in and out"
			p.Warnings = append(p.Warnings, "the vendor does not say that the agent's own connection is spared: if it is not, release needs access to the host itself (rules "+ruleIsolate+"-in and -out of the Windows firewall)")
			return nil
		},
	},
	{
		VerbSpec: backends.VerbSpec{
			Verb: backends.VerbRelease, Needs: []string{"host"}, Inverse: backends.VerbIsolate,
			How: "removes the two rules isolate added to the Windows firewall",
		},
		enterprise: true, windows: true, took: tookCommand,
		orders: func(_ *Driver, c backends.Change) ([]order, error) {
			names := undoneRules(c)
			if names == nil {
				names = []string{ruleIsolate + "-in", ruleIsolate + "-out"}
			}
			return deleteRules(c, names), nil
		},
		look: func(_ context.Context, _ *Driver, _ backends.Change, p *backends.Preview) error {
			p.Summary = "lets the host talk again: removes the rules that block everything"
			return nil
		},
	},
	{
		VerbSpec: backends.VerbSpec{
			Verb: backends.VerbBlock, Needs: []string{"host", "address|program"}, Takes: []string{"port", "address", "program", "direction", "protocol"}, Inverse: backends.VerbUnblock,
			How: "adds a rule to the Windows firewall for an address (or range) or a program: direction out (default), in or both; protocol any (default), tcp or udp",
		},
		enterprise: true, windows: true, took: tookCommand,
		orders: func(_ *Driver, c backends.Change) ([]order, error) {
			rules, err := blockRules(c)
			var out []order
			for _, r := range rules {
				out = append(out, blockOrder(c, r))
			}
			return out, err
		},
		look: func(_ context.Context, _ *Driver, c backends.Change, p *backends.Preview) error {
			p.Summary = "blocks " + ruleObject(c)
			return nil
		},
	},
	{
		VerbSpec: backends.VerbSpec{
			Verb: backends.VerbUnblock, Needs: []string{"host", "address|program"}, Takes: []string{"port", "address", "program", "direction", "protocol"}, Inverse: backends.VerbBlock,
			How: "removes the rule block added to the Windows firewall, found by its name",
		},
		enterprise: true, windows: true, took: tookCommand,
		orders: func(_ *Driver, c backends.Change) ([]order, error) {
			names := undoneRules(c)
			if names == nil {
				rules, err := blockRules(c)
				if err != nil {
					return nil, err
				}
				for _, r := range rules {
					names = append(names, r.Name)
				}
			}
			return deleteRules(c, names), nil
		},
		look: func(_ context.Context, _ *Driver, c backends.Change, p *backends.Preview) error {
			p.Summary = "unblocks " + ruleObject(c)
			return nil
		},
	},
	{
		VerbSpec: backends.VerbSpec{
			Verb: backends.VerbRun, Needs: []string{"host", "command"},
			How: "runs the command as a live response script (batch on Windows, shell elsewhere) and reads its output from the socket",
		},
		enterprise: true, took: tookCommand, after: followOutput,
		orders: func(_ *Driver, c backends.Change) ([]order, error) {
			kind, content, err := commandScript(c)
			if err != nil {
				return nil, err
			}
			return []order{{http.MethodPost, "/response/live_response", scriptRequest{
				HostIdentifier: c.Host.ID, Content: content, FileType: kind, File: model.Ptr(""), SaveScript: "false",
			}}}, nil
		},
		look: func(_ context.Context, _ *Driver, c backends.Change, p *backends.Preview) error {
			p.Summary = "runs " + strings.Join(c.Command, " ")
			return nil
		},
	},
	{
		VerbSpec: backends.VerbSpec{
			Verb: backends.VerbScript, Needs: []string{"host", "script"}, Takes: []string{"file_type", "params", "save"},
			How: "runs the script; its type follows the name's ending (.bat .cmd .ps1 .sh) unless file_type says another number; save=true keeps it on the server",
		},
		enterprise: true, took: tookCommand,
		orders: func(_ *Driver, c backends.Change) ([]order, error) {
			req, err := scriptOf(c)
			return []order{{http.MethodPost, "/response/custom-action", req}}, err
		},
		look: func(_ context.Context, _ *Driver, c backends.Change, p *backends.Preview) error {
			p.Summary = "runs the script " + c.Script.Name
			return nil
		},
		after: learnCommand,
	},
	{
		VerbSpec: backends.VerbSpec{
			Verb: backends.VerbScan, Needs: []string{"host", "scan"}, Takes: []string{"path"},
			How: "starts a scan of Windows Defender: quick, full, or custom with a path",
		},
		enterprise: true, windows: true, took: tookCommand,
		orders: func(_ *Driver, c backends.Change) ([]order, error) {
			kind, known := map[string]int{"quick": 1, "full": 2, "custom": 3}[c.Scan]
			switch {
			case !known:
				return nil, wrong("a scan is quick, full or custom")
			case kind == 3 && c.Path == "":
				return nil, wrong("a custom scan needs the path")
			case kind != 3 && c.Path != "":
				return nil, wrong("only a custom scan takes a path")
			}
			return []order{{http.MethodPost, "/defender-management/scan-now", scanRequest{c.Host.ID, kind, c.Path}}}, nil
		},
		look: func(_ context.Context, _ *Driver, c backends.Change, p *backends.Preview) error {
			p.Summary = strings.TrimSpace("starts a " + c.Scan + " scan of Windows Defender " + c.Path)
			return nil
		},
		after: learnCommand,
	},
	{
		VerbSpec:   backends.VerbSpec{Verb: backends.VerbRestartAgent, Needs: []string{"host"}, How: "restarts the agent on the host"},
		enterprise: true, took: tookCommand,
		orders: func(_ *Driver, c backends.Change) ([]order, error) {
			return []order{{http.MethodPost, "/response/restart-agent", hostRequest{c.Host.ID}}}, nil
		},
		after: learnCommand,
	},
	{
		VerbSpec:   backends.VerbSpec{Verb: backends.VerbCancel, Needs: []string{"action"}, Sync: true, How: "asks the server to cancel a command that has not run yet"},
		enterprise: true,
		orders: func(_ *Driver, c backends.Change) ([]order, error) {
			ids := commandIDs(c)
			if ids == nil {
				return nil, wrong("ESP cancels response commands only, and " + strconv.Quote(c.ActionID) + " is none")
			}
			var out []order
			for _, id := range ids {
				out = append(out, order{http.MethodPost, "/response/cancel", commandRequest{id}})
			}
			return out, nil
		},
		look: lookCancel,
		find: func(ctx context.Context, d *Driver, c backends.Change, _ time.Time) (*model.Action, error) {
			a, err := d.Action(ctx, c.ActionID)
			if err != nil || !strings.HasPrefix(a.NativeState, "cancel") {
				return nil, err
			}
			return d.done(a.NativeState), nil
		},
	},
	{
		VerbSpec:   backends.VerbSpec{Verb: backends.VerbActionDelete, Needs: []string{"action"}, Sync: true, How: "deletes the record of an action for good; it undoes nothing"},
		enterprise: true,
		orders: func(_ *Driver, c backends.Change) ([]order, error) {
			id := c.ActionID
			if !isOpenC2(id) && c.Undo != nil {
				id = c.Undo.Details["openc2_id"]
			}
			if !isOpenC2(id) {
				return nil, wrong("it needs the number of the action (openc2_id), which respond get shows")
			}
			return []order{{http.MethodDelete, "/response/" + id + "/delete", nil}}, nil
		},
		look: func(ctx context.Context, d *Driver, c backends.Change, p *backends.Preview) error {
			a, err := d.Action(ctx, c.ActionID)
			if err == nil {
				p.Summary = "deletes the record of " + a.Verb + " (" + a.NativeState + ")"
				if !a.State.Final() {
					p.Warnings = append(p.Warnings, "it has not ended: deleting the record does not cancel it")
				}
			}
			return err
		},
		find: func(ctx context.Context, d *Driver, c backends.Change, _ time.Time) (*model.Action, error) {
			_, err := d.Action(ctx, c.ActionID)
			if backends.KindOf(err) == backends.KindNotFound {
				return d.done("the record is gone"), nil
			}
			return nil, err
		},
	},
}

// lookKill compares the pid with the last process the server saw under it.
func lookKill(ctx context.Context, d *Driver, c backends.Change, p *backends.Preview) error {
	p.Summary = strings.TrimSpace("stops process " + strconv.FormatInt(c.PID, 10) + " " + c.Path)
	list, err := d.startedBy(ctx, whatOf(c), c.Host.ID, anyOf(cond("pid", "equal", strconv.FormatInt(c.PID, 10))))
	if err != nil {
		return err
	}
	var last *model.Process
	for _, s := range list {
		if last == nil || s.Started.After(last.Started.Time) {
			last = s
		}
	}
	switch {
	case last == nil:
		p.Warnings = append(p.Warnings, "the server saw no process start under this pid: what runs there now is not known")
	case c.Path != "" && last.Path != "" && !strings.EqualFold(last.Path, c.Path):
		return &backends.Error{Kind: backends.KindInvalid, What: whatOf(c), Why: "the last process the server saw under pid " + strconv.FormatInt(c.PID, 10) + " is " + last.Path + ", not " + c.Path}
	case c.Path == "":
		p.Summary = strings.TrimSpace(p.Summary + " " + last.Path)
		p.Warnings = append(p.Warnings, "without the path only the pid is compared; the last process seen under it started "+last.Started.String())
	}
	return nil
}

// tookCommand reads the ids of a command: openc2_id is the action on all its
// hosts, command_id that on one.
func tookCommand(_ *Driver, a *answer, act *model.Action) {
	openc2, command := scalar(a.Top["openc2_id"]), scalar(a.Top["command_id"])
	if !isOpenC2(openc2) {
		openc2 = ""
	}
	if !isCommandID(command) {
		command = ""
	}
	id := firstOf(command, openc2)
	if act.ID != "" && id != "" {
		id = act.ID + "+" + id
	}
	act.ID = firstOf(id, act.ID)
	detail(act, "openc2_id", openc2)
	detail(act, "command_id", command)
}

// isOpenC2 tells the number of an action from a command's id.
func isOpenC2(s string) bool { return isNumber(s) && s != "0" }

// isCommandID tells whether s may stand in the path of 103: 32 hex digits in
// every example, but no promise.
func isCommandID(s string) bool {
	return len(s) > 18 && len(s) <= 64 && isPlain(s, "") && !strings.ContainsAny(s, "./:")
}

// commandIDs are the commands of the action to cancel.
func commandIDs(c backends.Change) (out []string) {
	ids := strings.Split(c.ActionID, "+")
	for _, id := range ids {
		if isOpenC2(id) && c.Undo != nil && len(ids) == 1 {
			id = c.Undo.Details["command_id"]
		}
		if !isCommandID(id) {
			return nil
		}
		out = append(out, id)
	}
	return out
}

func lookCancel(ctx context.Context, d *Driver, c backends.Change, p *backends.Preview) error {
	a, err := d.Action(ctx, c.ActionID)
	if err != nil {
		return d.explain(err)
	}
	p.Summary = "cancels " + a.Verb + " (" + a.NativeState + ")"
	if a.State.Final() {
		p.Nothing = "it has ended already: " + a.NativeState
	}
	return nil
}

// learnCommand finds the id of the command on the one host when the answer
// named only the action, or nothing. Not finding it is no failure.
func learnCommand(ctx context.Context, d *Driver, c backends.Change, act *model.Action, update func(*model.Action)) error {
	if isCommandID(act.ID) {
		return nil
	}
	if isOpenC2(act.ID) {
		if u, err := d.Action(ctx, act.ID); err == nil && isCommandID(u.Details["command_id"]) {
			act.ID = u.Details["command_id"]
			detail(act, "command_id", act.ID)
		}
	} else if u, err := findResponse(ctx, d, c, act.RequestedAt.Time); err == nil && u != nil {
		act.ID, act.State, act.NativeState = u.ID, u.State, u.NativeState
		for k, v := range u.Details {
			detail(act, k, v)
		}
	}
	update(act)
	return nil
}
