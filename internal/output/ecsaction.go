package output

import (
	"github.com/edrctl/edrctl/internal/model"
)

// ecsActionRecord maps a change: event.category and type say what it was done to,
// event.outcome only what is known.
func ecsActionRecord(x *ActionRecord) doc {
	if x == nil {
		return nil
	}
	d := ecsBase(&x.Origin, x.when())
	category, typ := []string{"configuration"}, ""
	if r, ok := remedies[x.Verb]; ok {
		category, typ = r.category, r.typ
	} else {
		_, _, _, typ = management(x.Verb)
	}
	t := x.target()
	d.at("event.id", x.uid())
	d.at("event.kind", "event")
	d.at("event.category", category)
	d.at("event.type", []string{typ})
	d.at("event.action", x.Verb)
	d.at("event.provider", "edrctl")
	d.at("event.dataset", ecsDataset(x.Backend, "action"))
	d.at("event.start", stamp(x.RequestedAt))
	d.at("event.end", stamp(x.FinishedAt))
	d.at("event.reason", x.Comment)
	d.at("event.original", string(x.Raw))
	switch x.State {
	case model.ActionDone:
		d.at("event.outcome", "success")
	case model.ActionFailed:
		d.at("event.outcome", "failure")
	default:
		d.at("event.outcome", "unknown")
	}
	d.set("message", x.message())
	d.at("error.message", x.Error)
	d.set("host", ecsHost(x.Host))
	d.at("user.name", x.User)
	p := doc{}
	p.set("pid", t.PID)
	if x.Verb == "kill" {
		p.set("name", first(t.Name, model.BaseName(t.Path)))
		p.set("executable", t.Path)
	} else {
		d.at("file.path", t.Path)
		d.at("file.name", model.BaseName(t.Path))
		d.at("edrctl.target.name", t.Name)
	}
	p.set("command_line", t.Command)
	if x.ExitCode != nil {
		p["exit_code"] = *x.ExitCode
	}
	d.set("process", p)
	d.at("destination.address", t.Address)
	d.at("destination.ip", validIP(t.Address))
	d.at("destination.port", t.Port)
	d.at("labels.state", string(x.State))
	d.at("labels.state_native", x.NativeState)
	d.at("labels.phase", x.Phase)
	d.at("labels.case", x.Case)
	d.at("labels.action", x.ID)
	d.at("labels.alert_id", t.AlertID)
	d.at("labels.machine", x.Machine)
	d.at("labels.undoes", x.Undoes)
	d.at("labels.inverse", x.Inverse)
	d.at("edrctl.targets", x.Others)
	d.at("edrctl.stdout", x.Stdout)
	d.at("edrctl.stderr", x.Stderr)
	d.at("edrctl.files", x.Files)
	d.at("edrctl.command", x.Command)
	d.at("edrctl.requests", x.Requests)
	if x.Reversible {
		d.at("edrctl.reversible", true)
	}
	ecsRelated(d, x.Host, &model.User{Name: x.User}, nil, nil, nil, nil)
	if ip := validIP(t.Address); ip != "" {
		var ips []string
		if related, ok := d["related"].(doc); ok {
			ips, _ = related["ip"].([]string)
		}
		d.at("related.ip", append(ips, ip))
	}
	return d
}
