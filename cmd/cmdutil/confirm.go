package cmdutil

import (
	"context"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/safetext"
)

// Confirm asks before something that needs a yes. --yes answers it; without a
// terminal and without --yes it is refused (exit 7).
func (f *Factory) Confirm(ctx context.Context, yes bool, question safetext.Display) error {
	if yes {
		return nil
	}
	if !f.IO.CanPrompt() {
		return &backends.Error{Kind: backends.KindRefused, What: string(question), Why: "there is no terminal to ask on", Hint: "--yes skips the question"}
	}
	ok, err := f.IO.Confirm(ctx, question)
	if err != nil {
		return err
	}
	if !ok {
		return &backends.Error{Kind: backends.KindRefused, What: "not done", Why: "it was declined"}
	}
	return nil
}

// ConfirmTyped asks for a word to be typed before something that is missed at
// once when it was wrong; like Confirm otherwise.
func (f *Factory) ConfirmTyped(ctx context.Context, yes bool, question safetext.Display, word string) error {
	if yes {
		return nil
	}
	if !f.IO.CanPrompt() {
		return f.Confirm(ctx, false, "not done")
	}
	ok, err := f.IO.ConfirmTyped(ctx, question, word)
	if err != nil {
		return err
	}
	if !ok {
		return &backends.Error{Kind: backends.KindRefused, What: "not done", Why: "something else was typed"}
	}
	return nil
}
