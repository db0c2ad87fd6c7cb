package tui

import (
	"context"
	"time"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/tui/theme"
	"github.com/edrctl/edrctl/internal/tui/ui"
)

// newActions is what was done from here and what the backends remember.
func newActions(s *shell) *listView[*model.Action] {
	what := textColumn("what", "ON", 30, 12, 60, func(a *model.Action) string {
		switch {
		case a.Target == nil:
			return ""
		case a.Target.AlertID != "":
			return "alert " + a.Target.AlertID
		case a.Target.Path != "":
			return a.Target.Path
		case a.Target.Command != "":
			return a.Target.Command
		case a.Target.Name != "":
			return a.Target.Name
		}
		return a.Target.Address
	}, dim[*model.Action])
	what.Flex = true
	v := newList("actions", "actions", "action", []ui.Column[*model.Action]{
		timeColumn(s, "time", "TIME", func(a *model.Action) model.Time { return a.RequestedAt }),
		textColumn("verb", "ACTION", 14, 9, 100, func(a *model.Action) string { return ops.Words(a.Verb) }, nil),
		textColumn("state", "STATE", 10, 9, 95, func(a *model.Action) string { return string(a.State) }, func(t *theme.Theme, a *model.Action) theme.Style {
			switch a.State {
			case model.ActionDone:
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
			if a.Reversible && a.State == model.ActionDone {
				return a.Inverse
			}
			return ""
		}, dim[*model.Action]),
		backendColumn[*model.Action](s),
		textColumn("error", "NOTE", 20, 10, 20, func(a *model.Action) string { return a.Error }, dim[*model.Action]),
	})
	v.note = "nothing was done yet"
	v.cmd = func(*shell) string { return "edrctl respond list" }
	v.read = func(ctx context.Context, s *shell, each func(*model.Action) bool) ([]ops.Outcome, error) {
		list, outcomes, err := s.actor.Actions(ctx, s.now().Add(-30*24*time.Hour))
		for _, a := range list {
			if !each(a) {
				break
			}
		}
		return outcomes, err
	}
	return v
}
