// Package cmdutil is what every command shares: the factory of lazily made
// dependencies, the shared flags, and the errors with their exit codes.
package cmdutil

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/suggest"
)

// Exit codes, as docs/exit-codes.md explains them to scripts. Their meaning never
// changes.
const (
	ExitOK          = 0
	ExitFailure     = 1
	ExitUsage       = 2
	ExitPartial     = 3
	ExitAuth        = 4
	ExitUnsupported = 5
	ExitNotFound    = 6
	ExitRefused     = 7
	ExitPending     = 8
	ExitFound       = 9 // the check that was asked for found something
	ExitInterrupted = 130
)

// UsageError is a wrong flag, argument, value or configuration: exit 2.
type UsageError struct {
	Err  error
	Hint string
}

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// Usagef makes a UsageError.
func Usagef(format string, args ...any) error {
	return &UsageError{Err: fmt.Errorf(format, args...)}
}

// Unreadable is a file of the command line that cannot be read.
func Unreadable(name string, err error) error {
	var path *fs.PathError
	why := err
	switch {
	case errors.Is(err, fs.ErrNotExist):
		why = errors.New("no such file")
	case errors.Is(err, fs.ErrPermission):
		why = errors.New("permission denied")
	case errors.As(err, &path):
		why = path.Err
	}
	return Usagef("cannot read %s: %w", name, why)
}

// ExitError ends the command with a code; everything worth saying is already printed.
type ExitError struct{ Code int }

func (e *ExitError) Error() string { return fmt.Sprintf("exit %d", e.Code) }

// CodeOf gives the exit code of an error.
func CodeOf(err error) int {
	if err == nil {
		return ExitOK
	}
	var exit *ExitError
	if errors.As(err, &exit) {
		return exit.Code
	}
	var usage *UsageError
	if errors.As(err, &usage) {
		return ExitUsage
	}
	switch backends.KindOf(err) {
	case backends.KindUnsupported:
		return ExitUnsupported
	case backends.KindAuth, backends.KindForbidden:
		return ExitAuth
	case backends.KindNotFound:
		return ExitNotFound
	case backends.KindInvalid:
		return ExitUsage
	case backends.KindPartial:
		return ExitPartial
	case backends.KindRefused:
		return ExitRefused
	}
	if errors.Is(err, context.Canceled) {
		return ExitInterrupted
	}
	return ExitFailure
}

// codeOfNothing gives the exit code of an error after which nothing is printed:
// it is never ExitPartial, which promises the rest of the answer.
func codeOfNothing(err error) int {
	if code := CodeOf(err); code != ExitPartial {
		return code
	}
	return ExitFailure
}

// HintOf gives the advice that goes with an error, "" when there is none.
func HintOf(err error) string {
	var usage *UsageError
	if errors.As(err, &usage) && usage.Hint != "" {
		return usage.Hint
	}
	var hinted interface{ HintText() string }
	if errors.As(err, &hinted) {
		return hinted.HintText()
	}
	var e *backends.Error
	if errors.As(err, &e) {
		return e.Hint
	}
	return ""
}

// Interrupted is the error of a command that its user stopped. A --timeout that
// strikes is none: how everything went by then was shown, and is the result.
func Interrupted(ctx context.Context) error {
	if err := ctx.Err(); errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// Finish turns how the profiles did into the command's result: every failure
// is one line on stderr; some failed and some answered is exit 3; all failed
// is the code of the first failure.
func (f *Factory) Finish(ctx context.Context, outcomes []ops.Outcome) error {
	if err := ctx.Err(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	outcomes = f.leaveOut(outcomes)
	if notice := ops.AheadNotice(outcomes); notice != "" {
		f.Note("%s", notice)
	}
	failed := 0
	var first error
	for _, o := range outcomes {
		if o.Err == nil {
			continue
		}
		failed++
		err := o.Err
		if ctx.Err() != nil && errors.Is(err, context.DeadlineExceeded) {
			err = &backends.Error{Kind: backends.KindUnavailable, What: "gave up", Why: "the time-out of the whole command (--timeout) was reached", Err: err}
		}
		if first == nil {
			first = err
		}
		f.ReportError(&ops.ProfileError{Profile: o.Profile, Err: err})
	}
	switch {
	case failed == 0:
		return nil
	case failed < len(outcomes):
		return &ExitError{ExitPartial}
	}
	return &ExitError{CodeOf(first)}
}

// leaveOut takes out the profiles whose backend cannot do a command, with one
// notice naming them, as long as another can.
func (f *Factory) leaveOut(outcomes []ops.Outcome) []ops.Outcome {
	var able []ops.Outcome
	var left []string
	why := ""
	for _, o := range outcomes {
		narrow := errors.Is(o.Err, backends.ErrNarrow)
		if backends.KindOf(o.Err) != backends.KindUnsupported && !narrow {
			able = append(able, o)
			continue
		}
		left = append(left, o.Profile)
		var e *backends.Error
		if errors.As(o.Err, &e) && why == "" {
			why = ": " + e.What
			if narrow {
				why += ": " + e.Why + ": " + e.Hint
			}
		}
	}
	if len(left) == 0 || len(able) == 0 {
		return outcomes
	}
	f.Note("left out %s%s", strings.Join(left, ", "), why)
	return able
}

// NoneOf refuses a value of a flag that has a fixed set of them, with the
// nearest word.
func NoneOf(flag, value string, known []string) error {
	u := &UsageError{Err: fmt.Errorf("invalid --%s %q: want %s", flag, value, OneOf(known))}
	if s := suggest.Nearest(value, known); s != "" {
		u.Hint = "did you mean " + s + "?"
	}
	return u
}

// OneOfEach refuses the first of a flag's values that is none of a fixed set.
func OneOfEach(flag string, values, known []string) error {
	for _, v := range values {
		if !slices.Contains(known, v) {
			return NoneOf(flag, v, known)
		}
	}
	return nil
}

// OneOf lists words as a choice: a, b or c.
func OneOf(known []string) string {
	if len(known) < 2 {
		return strings.Join(known, "")
	}
	return strings.Join(known[:len(known)-1], ", ") + " or " + known[len(known)-1]
}

// Answered tells whether any profile answered.
func Answered(outcomes []ops.Outcome) bool {
	for _, o := range outcomes {
		if o.Err == nil {
			return true
		}
	}
	return false
}

// States are the states of an action, as flags take them.
func States() []string {
	out := make([]string, len(model.ActionStates))
	for i, s := range model.ActionStates {
		out[i] = string(s)
	}
	return out
}
