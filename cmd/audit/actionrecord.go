package audit

import (
	"fmt"

	journal "github.com/edrctl/edrctl/internal/audit"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/output"
)

// actionRecord gives a record of the journal as ECS and OCSF documents know it.
func actionRecord(rec any) *output.ActionRecord {
	var r journal.Record
	switch x := rec.(type) {
	case *journal.Record:
		r = *x
	case journal.Record:
		r = x
	}
	d := &output.ActionRecord{
		Action: model.Action{
			Origin: model.Origin{ID: r.Action, Profile: r.Profile, Backend: r.Backend},
			Verb:   r.Verb, State: model.ActionState(r.State), Error: r.Error,
		},
		UID: fmt.Sprintf("%s/%d", r.Action, r.Seq), Time: r.Time, Phase: string(r.Phase),
		User: r.User, Machine: r.Host, Command: r.Command, Case: r.Case, Comment: r.Comment, Undoes: r.Undoes, Requests: r.Requests,
	}
	if r.Action != "" && r.Profile != "" {
		d.Ref = r.Profile + "/" + r.Action
	}
	for i, t := range r.Targets {
		if i > 0 {
			d.Others = append(d.Others, t.String())
			continue
		}
		if t.Host != "" {
			d.Host = &model.Host{Name: t.Host, Origin: model.Origin{ID: t.ID}}
		}
		d.Target = &model.ActionTarget{PID: t.PID, Path: t.Path, Name: t.What}
		if t.Host == "" {
			d.Target.AlertID = t.ID
		}
	}
	return d
}
