package cmdutil

import (
	"testing"

	"github.com/edrctl/edrctl/internal/change"
	"github.com/edrctl/edrctl/internal/model"
)

// A command that ran and ended with an error of its own is not a success.
func TestExitCodeOfRemoteCommands(t *testing.T) {
	ran := func(code int64) *model.Action { return &model.Action{State: model.ActionDone, ExitCode: &code} }
	for want, list := range map[int][]*model.Action{
		ExitOK:      {ran(0), {State: model.ActionDone}},
		ExitFailure: {ran(2)},
		ExitPartial: {ran(0), ran(-1)},
	} {
		if got := CodeOf(ResultCode(&change.Result{Succeeded: list}, false)); got != want {
			t.Errorf("%v: exit %d, want %d", list, got, want)
		}
	}
}
