package cwatch

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/edrctl/edrctl/internal/model"
)

// alert reads an item of GET /alert; madeUp tells that the server gave it no
// id of its own.
func (r *reader) alert(b []byte, keepRaw bool) (a *model.Alert, madeUp bool, err error) {
	var w wireAlert
	if err := w.decode(b); err != nil {
		return nil, false, err
	}
	a = &model.Alert{}
	if a.ID = w.nativeID(); a.ID == "" {
		a.ID, madeUp = w.madeUpID(), true
	}
	var ew wireEvent
	e := &model.Event{}
	if w.event != nil {
		if err := ew.decodeEmbedded(w.event); err != nil {
			return nil, false, err
		}
		if ew.endpoint == nil {
			ew.endpoint = w.endpoint
		}
		e = r.normaliseEvent(&ew)
		a.EventCount = 1
		a.Description = e.Summary
		a.Ancestors = r.tree(ew.actor.tree)
	}
	if a.Time = model.At(instant(w.timestamp)); a.Time.IsZero() {
		a.Time = e.Time
	}
	if a.Title = text(w.name); a.Title == "" {
		a.Title = r.shared(w.policyName)
	}
	model.Unscored().Apply(a)
	if n, ok := decimal(w.score); ok {
		model.ScoreNumber(model.ScaleCWatch, n).Apply(a)
	}
	a.Status, a.StatusNative = alertStatus(&w), text(w.status)
	a.Verdict = model.VerdictUnknown
	if v, ok := boolean(w.userVerdict); ok {
		a.Verdict = model.VerdictFalsePositive
		if v {
			a.Verdict = model.VerdictTruePositive
		}
	}
	a.Category = text(w.alertType)
	a.Rule = named(r.shared(ew.adaptive), text(w.name))
	a.Policy = named(text(w.policyID), r.shared(w.policyName))
	a.Host = r.alertHost(&w, e.Host)
	a.Process = r.alertProcess(&w, e.Process)
	a.User = r.alertUser(&w, e.User)
	if a.Target = e.Target; a.Target == nil {
		if s := r.shared(w.childProcess); s != "" {
			a.Target = &model.Process{Path: s, Name: model.BaseName(s)}
			if a.Process != nil {
				a.Target.Parent = asParent(a.Process)
			}
		}
	}
	if keepRaw {
		a.Raw = json.RawMessage(bytes.Clone(b))
	}
	return a, madeUp, nil
}

// alertStatus reads isActive and, where a server sends it, dismissed. The status
// number has no published meaning and is never named (docs/wire/cwatch.md 3.5).
func alertStatus(w *wireAlert) model.Status {
	if v, ok := boolean(w.dismissed); ok && v {
		return model.StatusDismissed
	}
	switch active, ok := boolean(w.active); {
	case !ok:
		return model.StatusUnknown
	case active:
		return model.StatusOpen
	}
	return model.StatusClosed
}

func named(id, name string) *model.Named {
	if id == "" && name == "" {
		return nil
	}
	return &model.Named{ID: id, Name: name}
}

func (r *reader) alertHost(w *wireAlert, from *model.Host) *model.Host {
	h := &model.Host{}
	if from != nil {
		h = from
	}
	if s := text(w.endpoint); s != "" {
		h.ID = s
	}
	if s := r.shared(w.device); s != "" {
		h.Name = s
	}
	if h.ID == "" && h.Name == "" {
		return nil
	}
	return h
}

// alertProcess prefers what the alert says at its top over its event.
func (r *reader) alertProcess(w *wireAlert, p *model.Process) *model.Process {
	path, hash, uid := r.shared(w.path), lower(r.shared(w.hash)), text(w.instanceID)
	if p == nil {
		if path == "" && hash == "" && uid == "" {
			return nil
		}
		p = &model.Process{}
	}
	if path != "" {
		p.Path, p.Name = path, model.BaseName(path)
	}
	if hash != "" {
		p.Hash = &model.Hash{SHA1: hash}
	}
	if p.UID == "" {
		p.UID = uid
	}
	return p
}

func (r *reader) alertUser(w *wireAlert, from *model.User) *model.User {
	u := model.SplitUser(r.shared(w.user))
	if u == nil {
		return from
	}
	if u.Domain == "" && from != nil && strings.EqualFold(u.Name, from.Name) {
		u.Domain = from.Domain
	}
	return u
}
