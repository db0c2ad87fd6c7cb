package output

import (
	"strings"

	"github.com/edrctl/edrctl/internal/model"
)

func ecsEvent(e *model.Event) doc {
	if e == nil {
		return nil
	}
	d := ecsBase(&e.Origin, e.Time)
	kind, ok := ecsKinds[e.Kind]
	if !ok {
		kind = ecsKinds[model.KindOther]
	}
	d.at("event.kind", "event")
	if e.Kind == model.KindInventory {
		d.at("event.kind", "state")
	}
	d.at("event.category", kind.category)
	d.at("event.type", kind.typ)
	d.at("event.action", first(e.Action, string(e.Kind)))
	d.at("event.dataset", ecsDataset(e.Backend, "event"))
	d.at("event.ingested", stamp(e.Ingested))
	d.at("event.original", string(e.Raw))
	d.at("labels.kind", string(e.Kind))
	d.at("labels.alert_id", e.AlertID)
	d.set("message", Summary(e))
	d.set("tags", e.Tags)
	ecsActors(d, e.Host, e.User, e.Process, nil)
	if t := e.Target; t != nil {
		if e.Kind == model.KindProcessStart { // the child is the subject, the actor its parent
			d.set("process", ecsProcess(t))
			d.at("process.parent", ecsParent(e.Process))
			if p := ecsProcess(e.Process); len(p) > 0 { // to tell it from a record of the child alone
				p.set("parent", ecsParent(parentOf(e.Process, nil)))
				d.at("edrctl.actor", p)
			}
			if parent := parentOf(t, nil); parent != nil && e.Process == nil {
				d.at("process.parent", ecsParent(parent))
			}
		} else {
			d.at("edrctl.target", ecsProcess(t))
		}
	}
	if f := e.File; f != nil {
		d.at("file.path", f.Path)
		d.at("file.name", first(f.Name, model.BaseName(f.Path)))
		d.at("file.size", f.Size)
		d.at("file.hash", ecsHash(f.Hash))
		d.at("edrctl.file.old_path", f.OldPath)
	}
	d.at("url.full", e.URL)
	if n := e.Network; n != nil {
		d.at("network.direction", n.Direction)
		d.at("network.transport", strings.ToLower(n.Transport))
		ecsEndpoint(d, "source", n.Source)
		ecsEndpoint(d, "destination", n.Destination)
	}
	if q := e.DNS; q != nil {
		d.at("dns.question.name", q.Question.Name)
		d.at("dns.question.type", q.Question.Type)
		d.at("dns.type", "query")
		d.at("network.protocol", "dns")
		ecsAnswers(d, q.Answers)
	}
	if r := e.Registry; r != nil {
		path := r.Path
		if r.Value != "" && !strings.HasSuffix(path, `\`+r.Value) {
			path += `\` + r.Value
		}
		d.at("registry.path", path)
		if path != r.Path {
			d.at("edrctl.registry.path", r.Path)
		}
		d.at("registry.value", r.Value)
		if r.Data != "" {
			d.at("registry.data.strings", []string{r.Data})
		}
	}
	if m := e.Module; m != nil {
		d.at("dll.path", m.Path)
		d.at("dll.name", model.BaseName(m.Path))
		d.at("dll.hash", ecsHash(m.Hash))
		if m.Signed != nil {
			d.at("dll.code_signature.exists", *m.Signed)
		}
		d.at("dll.code_signature.subject_name", m.Signature)
	}
	switch e.Kind {
	case model.KindLogon, model.KindLogoff:
		d.at("event.outcome", "success")
	case model.KindLogonFailed:
		d.at("event.outcome", "failure")
	}
	if l := e.Logon; l != nil {
		d.at("event.reason", l.Failure)
		d.at("user.target", ecsUser(l.TargetUser))
	}
	if rest := eventRest(e); len(rest) > 0 {
		d.at("edrctl.event", rest)
	}
	d.at("edrctl.sigma.rules", sigmaMatches(e.Sigma))
	if t := e.Detection; t != nil {
		if len(t.Rules) > 0 {
			d.at("rule.name", strings.Join(t.Rules, ", "))
			d.at("edrctl.detection.rules", t.Rules)
		}
		if t.Score != nil {
			d.at("event.risk_score", *t.Score)
		}
		d.at("edrctl.detection.actions", t.Actions)
		ecsThreat(d, t.Attack)
	}
	ecsRelated(d, e.Host, e.User, []*model.Process{e.Process, e.Target}, e.Network, e.File, e.DNS)
	return d
}
