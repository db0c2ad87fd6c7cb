package tui

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/edrctl/edrctl/internal/change"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/tui/keys"
	"github.com/edrctl/edrctl/internal/tui/theme"
	"github.com/edrctl/edrctl/internal/tui/ui"
)

// detailInForce marks, among the details of a listed action, that what it did
// still holds.
const detailInForce = "in_force"

func inForce(a *model.Action) bool { return a.Details[detailInForce] != "" }

// actionRank is the order of the list: what is under way, what is in force,
// the rest.
func actionRank(a *model.Action) int {
	switch {
	case !a.State.Final():
		return 0
	case inForce(a):
		return 1
	}
	return 2
}

// newActions is what was done from here and what the backends remember: what
// is under way first, then what is still isolated or blocked.
func newActions(s *shell) *listView[*model.Action] {
	v := actionList(s, "actions")
	v.note = "nothing was done yet"
	v.cmd = func(*shell) string { return "edrctl respond list" }
	v.read = readActions
	return v
}

// newInForce is what is still isolated or blocked: the list to undo from.
func newInForce(s *shell) *listView[*model.Action] {
	v := actionList(s, "in force")
	v.note = "nothing is isolated or blocked by what the journal of this machine knows"
	v.cmd = func(*shell) string { return "edrctl audit in-force" }
	v.read = func(ctx context.Context, s *shell, each func(*model.Action) bool) ([]ops.Outcome, error) {
		return readActions(ctx, s, func(a *model.Action) bool { return !inForce(a) || each(a) })
	}
	return v
}

func actionList(s *shell, label string) *listView[*model.Action] {
	what := textColumn("what", "ON", 30, 12, 60, func(a *model.Action) string {
		if a.Target == nil {
			return ""
		}
		return a.Target.String()
	}, dim[*model.Action])
	what.Flex = true
	v := newList(label, "actions", "action", []ui.Column[*model.Action]{
		timeColumn(s, "time", "TIME", func(a *model.Action) model.Time { return a.RequestedAt }),
		textColumn("verb", "ACTION", 14, 9, 100, func(a *model.Action) string { return change.Words(a.Verb) }, nil),
		textColumn("state", "STATE", 10, 9, 95, func(a *model.Action) string {
			if inForce(a) && a.State == model.ActionDone {
				return "in force"
			}
			return string(a.State)
		}, func(t *theme.Theme, a *model.Action) theme.Style {
			switch a.State {
			case model.ActionDone:
				if inForce(a) {
					return t.Warn
				}
				return t.OK
			case model.ActionFailed, model.ActionAmbiguous, model.ActionExpired:
				return t.Err
			case model.ActionCancelled:
				return t.Dim
			}
			return t.Accent
		}),
		textColumn("host", "HOST", 16, 10, 90, func(a *model.Action) string { return hostName(a.Host) }, nil),
		what,
		textColumn("undo", "UNDO", 8, 7, 40, func(a *model.Action) string {
			if a.Details["undone_by"] == "" && a.Reversible && (a.State == model.ActionDone || a.State == model.ActionAmbiguous) {
				return a.Inverse
			}
			return ""
		}, dim[*model.Action]),
		textColumn("by", "BY", 10, 7, 25, func(a *model.Action) string { return a.Details["user"] }, dim[*model.Action]),
		textColumn("case", "CASE", 9, 7, 22, func(a *model.Action) string { return a.Details["case"] }, dim[*model.Action]),
		backendColumn[*model.Action](s),
		textColumn("error", "NOTE", 20, 10, 20, func(a *model.Action) string { return cmp.Or(a.Error, a.NativeState) }, dim[*model.Action]),
	})
	v.table.Marker = func(t *theme.Theme, a *model.Action) (theme.Style, string) {
		switch {
		case !a.State.Final():
			return t.Accent, t.Glyphs.HalfDot
		case inForce(a):
			return t.Warn, t.Glyphs.Dot
		case a.State == model.ActionFailed, a.State == model.ActionAmbiguous, a.State == model.ActionExpired:
			return t.Err, t.Glyphs.Cross
		}
		return "", " "
	}
	v.head = func(s *shell, w int, all []*model.Action) string {
		t := s.theme
		running, force, failed := 0, 0, 0
		for _, a := range all {
			switch {
			case !a.State.Final():
				running++
			case inForce(a):
				force++
			case a.State == model.ActionFailed, a.State == model.ActionAmbiguous, a.State == model.ActionExpired:
				failed++
			}
		}
		l := ui.NewLine(t, w, "").Space(1)
		part := func(st theme.Style, what string, n int) {
			if n == 0 {
				st = t.Dim
			}
			l.Put(st, safetext.Sprintf("%s %d", what, n)).Space(2)
		}
		part(t.Accent, "under way", running)
		part(t.Warn, "in force", force)
		part(t.Err, "failed or unknown", failed)
		return l.String()
	}
	v.poll = func(all []*model.Action) bool {
		return slices.ContainsFunc(all, func(a *model.Action) bool { return !a.State.Final() })
	}
	v.enter = func(s *shell, a *model.Action) tea.Cmd { return s.push(newRecord(a)) }
	v.tips = []hint{{action: keys.Open}, {action: keys.Act, short: "undo, cancel"}, {action: keys.Host}, {action: keys.Mark}, {action: keys.Refresh}, {action: keys.Back}}
	return v
}

// readActions lists the actions, marking those in force; what is in force and
// older than the list is added.
func readActions(ctx context.Context, s *shell, each func(*model.Action) bool) ([]ops.Outcome, error) {
	list, outcomes, err := s.actor.Actions(ctx, s.now().Add(-30*24*time.Hour))
	if err != nil {
		return outcomes, err
	}
	force, err := s.actor.InForce(ctx)
	if err != nil {
		return outcomes, err
	}
	holds := map[string]*change.InForce{}
	for _, f := range force {
		holds[f.Action] = f
	}
	out := make([]*model.Action, 0, len(list)+len(force))
	for _, a := range list {
		if holds[a.Ref] != nil {
			c := *a
			c.Details = maps.Clone(a.Details)
			if c.Details == nil {
				c.Details = map[string]string{}
			}
			c.Details[detailInForce] = "yes"
			a = &c
			delete(holds, a.Ref)
		}
		out = append(out, a)
	}
	for _, f := range force {
		if holds[f.Action] != nil {
			out = append(out, oldInForce(f))
		}
	}
	slices.SortStableFunc(out, func(a, b *model.Action) int { return actionRank(a) - actionRank(b) })
	for _, a := range out {
		if !each(a) {
			break
		}
	}
	return outcomes, nil
}

// oldInForce is an action as far as the list of what is in force tells.
func oldInForce(f *change.InForce) *model.Action {
	a := &model.Action{
		Origin: model.Origin{Ref: f.Action, Profile: f.Profile, Backend: f.Backend}, Verb: f.Verb, State: model.ActionState(f.State), RequestedAt: f.Since,
		Reversible: true, Inverse: "undo", Details: map[string]string{detailInForce: "yes", "user": f.By, "case": f.Case},
	}
	_, a.ID, _ = strings.Cut(f.Action, "/")
	if f.Host != "" {
		a.Host = &model.Host{Name: f.Host}
	}
	if f.What != "" {
		a.Target = &model.ActionTarget{Name: f.What}
	}
	return a
}
