package output

import (
	"strings"

	"github.com/edrctl/edrctl/internal/model"
)

// ocsfActionRecord maps a change: verbs on hosts to the remediation classes, all else
// to Entity Management. A verb that lacks what its class requires (a process
// without pid, a file without name) is a plain Remediation Activity.
func ocsfActionRecord(x *ActionRecord, opt Options) doc {
	if x == nil {
		return nil
	}
	r, on := remedies[x.Verb]
	t := x.target()
	own := doc{}
	switch {
	case !on:
		noun, activity, name, _ := management(x.Verb)
		r = remedy{class: classEntity, activity: activity, name: name}
		own["entity"] = ocsfEntity(x, noun)
		own.set("comment", x.Comment)
	case r.class == classProcessRemediation && t.PID > 0:
		p := doc{"pid": t.PID}
		p.set("name", first(t.Name, model.BaseName(t.Path)))
		p.set("path", t.Path)
		own["process"] = p
	case r.class == classFileRemediation && t.Path != "":
		own["file"] = ocsfFile(&model.File{Path: t.Path})
		if len(own["file"].(doc)) == 0 {
			delete(own, "file")
			r.class = classRemediation
		}
	case r.class == classNetworkRemediation:
		own["connection_info"] = doc{"direction_id": 0, "direction": "Unknown"}
	default:
		r.class = classRemediation
	}
	d := ocsfBase(r.class, r.activity, &x.Origin, x.when(), opt, "host")
	for k, v := range own {
		d[k] = v
	}
	d["severity_id"], d["severity"] = 1, "Informational"
	d["activity_name"] = r.name
	if r.activity == 99 {
		d["activity_name"] = first(x.Verb, "Other")
	}
	if on {
		d["command_uid"] = first(x.ID, x.Ref, "unknown")
		if r.technique != "" {
			d["countermeasures"] = []doc{{"d3f_tactic": doc{"name": r.name}, "d3f_technique": doc{"name": r.technique}}}
		}
	}
	d.at("metadata.uid", x.uid())
	d.at("metadata.event_code", x.Verb)
	if x.uid() != x.ID {
		d.at("metadata.correlation_uid", x.ID)
	}
	d.set("message", x.message())
	d.set("device", ocsfDevice(x.Host))
	if x.User != "" {
		d["actor"] = doc{"user": doc{"name": x.User}, "app_name": "edrctl"}
	}
	d.set("start_time", millis(x.RequestedAt))
	d.set("end_time", millis(x.FinishedAt))
	d["status_id"], d["status"] = ocsfOutcome(x)
	d.set("status_code", x.NativeState)
	d.set("status_detail", x.Error)
	if ip := validIP(t.Address); ip != "" {
		d["observables"] = []doc{{"name": "target.address", "type_id": 2, "type": "IP Address", "value": ip}}
	}
	u := doc{}
	u.set("verb", x.Verb)
	u.set("state", string(x.State))
	u.set("phase", x.Phase)
	u.set("target", ocsfActionTarget(t))
	u.set("targets", x.Others)
	if x.ExitCode != nil {
		u["exit_code"] = *x.ExitCode
	}
	u.set("stdout", x.Stdout)
	u.set("stderr", x.Stderr)
	u.set("files", x.Files)
	if x.Reversible {
		u["reversible"] = true
	}
	u.set("inverse", x.Inverse)
	u.set("undoes", x.Undoes)
	u.set("case", x.Case)
	if r.class != classEntity {
		u.set("comment", x.Comment)
	}
	u.set("machine", x.Machine)
	u.set("command", x.Command)
	u.set("requests", x.Requests)
	for k, v := range u {
		d.at("unmapped."+k, v)
	}
	d.set("raw_data", string(x.Raw))
	return d
}

func ocsfActionTarget(t model.ActionTarget) doc {
	d := doc{}
	d.set("alert_id", t.AlertID)
	d.set("pid", t.PID)
	d.set("path", t.Path)
	d.set("name", t.Name)
	d.set("command", t.Command)
	d.set("address", t.Address)
	d.set("port", t.Port)
	return d
}

// ocsfEntity is the thing of the backend that was changed.
func ocsfEntity(x *ActionRecord, noun string) doc {
	e := doc{"type_id": 99, "type": noun}
	t := x.target()
	switch noun {
	case "host":
		e["type_id"], e["type"] = 1, "Device"
		e.set("device", ocsfDevice(x.Host))
	case "user":
		e["type_id"], e["type"] = 2, "User"
	case "policy":
		e["type_id"], e["type"] = 5, "Policy"
	}
	name := first(t.Name, t.Path)
	if noun == "host" && x.Host != nil {
		name = first(x.Host.Name, x.Host.ID, name)
	}
	e.set("name", name)
	e.set("uid", t.AlertID)
	if e["name"] == nil && e["uid"] == nil { // the class wants one of them
		e["name"] = first(strings.Join(x.Others, ", "), noun)
	}
	return e
}

// ocsfOutcome claims Success or Failure only when the outcome is known.
func ocsfOutcome(x *ActionRecord) (id int, name string) {
	switch x.State {
	case model.ActionDone:
		return 1, "Success"
	case model.ActionFailed:
		return 2, "Failure"
	case model.ActionAmbiguous:
		return 0, "Unknown"
	}
	if s := first(string(x.State), x.Phase); s != "" {
		return 99, s
	}
	return 0, "Unknown"
}
