package cwatch

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/edrctl/edrctl/internal/backends/cwatch/wire"
	"github.com/edrctl/edrctl/internal/model"
)

// alert reads an item of GET /alert; madeUp reports that the server gave it no
// id of its own.
func (r *reader) alert(b []byte, keepRaw bool) (a *model.Alert, madeUp bool, err error) {
	var w wire.Alert
	if err := w.Decode(b); err != nil {
		return nil, false, err
	}
	a = &model.Alert{}
	if a.ID = w.NativeID(); a.ID == "" {
		a.ID, madeUp = w.MadeUpID(), true
	}
	var ew wire.Event
	e := &model.Event{}
	if w.Event != nil {
		if err := ew.DecodeEmbedded(w.Event); err != nil {
			return nil, false, err
		}
		if ew.Endpoint == nil {
			ew.Endpoint = w.Endpoint
		}
		e = r.normaliseEvent(&ew)
		a.EventCount = 1
		a.Description = e.Summary
		a.Ancestors = r.tree(ew.Actor.ParentTree)
	}
	if a.Time = model.At(wire.Time(w.Timestamp)); a.Time.IsZero() {
		a.Time = e.Time
	}
	if a.Title = wire.Text(w.Name); a.Title == "" {
		a.Title = r.shared(w.PolicyName)
	}
	model.Unscored().Apply(a)
	if n, ok := wire.Float(w.Score); ok {
		model.ScoreNumber(model.ScaleCWatch, n).Apply(a)
	}
	a.Status, a.StatusNative = alertStatus(&w), wire.Text(w.Status)
	a.Verdict = model.VerdictUnknown
	if v, ok := wire.Bool(w.UserVerdict); ok {
		a.Verdict = model.VerdictFalsePositive
		if v {
			a.Verdict = model.VerdictTruePositive
		}
	}
	a.Category = wire.Text(w.AlertType)
	a.Rule = named(r.shared(ew.Adaptive), wire.Text(w.Name))
	a.Policy = named(wire.Text(w.PolicyID), r.shared(w.PolicyName))
	a.Host = r.alertHost(&w, e.Host)
	a.Process = r.alertProcess(&w, e.Process)
	a.User = r.alertUser(&w, e.User)
	if a.Target = e.Target; a.Target == nil {
		if s := r.shared(w.ChildProcess); s != "" {
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
func alertStatus(w *wire.Alert) model.Status {
	if v, ok := wire.Bool(w.Dismissed); ok && v {
		return model.StatusDismissed
	}
	switch active, ok := wire.Bool(w.Active); {
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

func (r *reader) alertHost(w *wire.Alert, from *model.Host) *model.Host {
	h := &model.Host{}
	if from != nil {
		h = from
	}
	if s := wire.Text(w.Endpoint); s != "" {
		h.ID = s
	}
	if s := r.shared(w.Device); s != "" {
		h.Name = s
	}
	if h.ID == "" && h.Name == "" {
		return nil
	}
	return h
}

// alertProcess prefers what the alert says at its top over its event.
func (r *reader) alertProcess(w *wire.Alert, p *model.Process) *model.Process {
	path, hash, uid := r.shared(w.Path), lower(r.shared(w.Hash)), wire.Text(w.InstanceID)
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

func (r *reader) alertUser(w *wire.Alert, from *model.User) *model.User {
	u := model.SplitUser(r.shared(w.User))
	if u == nil {
		return from
	}
	if u.Domain == "" && from != nil && strings.EqualFold(u.Name, from.Name) {
		u.Domain = from.Domain
	}
	return u
}
