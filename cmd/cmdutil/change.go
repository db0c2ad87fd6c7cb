package cmdutil

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/change"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/output"
	"github.com/edrctl/edrctl/internal/safetext"
)

// KindAction is an action as a row.
var KindAction = output.NewKind[model.Action]("action", []output.Column{
	{Name: "requested_at", Header: "TIME", As: output.AsTime, Drop: 4},
	{Name: "verb", Header: "VERB"},
	{Name: "host.name", Header: "HOST", Min: 8},
	{Name: "target", Header: "ON", As: output.AsPath, Min: 12, Drop: 3},
	{Name: "state", Header: "STATE", As: output.AsState},
	{Name: "native_state", Header: "NATIVE", Min: 8, Drop: 5},
	{Name: "error", Header: "ERROR", Min: 16, Drop: 2},
	{Name: "ref", Header: "REF"},
}, []output.Column{
	{Name: "requested_at", Header: "TIME", As: output.AsTime},
	{Name: "finished_at", Header: "ENDED", As: output.AsTime, Drop: 6},
	{Name: "verb", Header: "VERB"},
	{Name: "host.name", Header: "HOST", Min: 8},
	{Name: "target", Header: "ON", As: output.AsPath, Min: 12},
	{Name: "state", Header: "STATE", As: output.AsState},
	{Name: "native_state", Header: "NATIVE", Min: 8, Drop: 5},
	{Name: "exit_code", Header: "EXIT", As: output.AsNumber, Drop: 4},
	{Name: "error", Header: "ERROR", Min: 16},
	{Name: "inverse", Header: "UNDO BY", Drop: 7},
	{Name: "files", Header: "FILES", Min: 8, Drop: 8},
	{Name: "details", Header: "DETAILS", Min: 8, Drop: 9},
	{Name: "backend", As: output.AsBackend, Drop: 3},
	{Name: "ref", Header: "REF"},
})

var kindResult = output.NewKind[change.Result]("result", []output.Column{
	{Name: "verb"}, {Name: "succeeded", Min: 8}, {Name: "failed", Min: 8}, {Name: "pending", Min: 8}, {Name: "skipped", Min: 8},
}, nil)

// Planned is one step of a dry run.
type Planned struct {
	Verb     string      `json:"verb"`
	Profile  string      `json:"profile"`
	Backend  string      `json:"backend"`
	Host     *model.Host `json:"host,omitempty"`
	On       string      `json:"on,omitempty"` // what on the host
	Summary  string      `json:"summary,omitempty"`
	Requests []string    `json:"requests"`
	Inverse  string      `json:"inverse,omitempty"`
	Warnings []string    `json:"warnings,omitempty"`
	Blocked  string      `json:"blocked,omitempty"` // why it would not be sent
}

var kindPlanned = output.NewKind[Planned]("planned change", []output.Column{
	{Name: "verb"}, {Name: "host.name", Header: "HOST", Min: 8}, {Name: "summary", Min: 16}, {Name: "requests", Min: 24}, {Name: "profile"},
}, nil)

// Order is a change a command wants: Refs choose the profiles, Items resolves
// the targets.
type Order struct {
	Flags *ActFlags
	Refs  []string
	Items func(ctx context.Context, acts *change.Actor) ([]change.Item, error)
	// Print shows the result in the place of rows of actions, for people and
	// pipes when no format was chosen; nil = the rows.
	Print func(res *change.Result) error
	// Made gives the ref of what an action made, which -o id prints in the
	// place of the action's own; "" when the backend has not told it.
	Made func(a *model.Action) string
}

// RunOrder is the one path of every command that changes something: policy,
// targets, preview, a yes, sending, following, result.
func RunOrder(ctx context.Context, f *Factory, o Order) error {
	res, err := Carry(ctx, f, o)
	if err != nil || res == nil {
		return err
	}
	return f.PrintResult(ctx, o, res)
}

// Carry does everything of RunOrder but print the result. It gives nil
// without an error after a dry run.
func Carry(ctx context.Context, f *Factory, o Order) (*change.Result, error) {
	wait, err := o.Flags.WaitTime()
	if err != nil {
		return nil, err
	}
	if err := o.Flags.Allowed(f); err != nil {
		return nil, err
	}
	if _, err := f.Printer(ctx, KindAction); err != nil { // a wrong format is found before anything is sent
		return nil, err
	}
	fleet, err := f.orderFleet(ctx, o.Refs)
	if err != nil {
		return nil, err
	}
	acts, err := f.Actor(fleet, o.Flags.Case)
	if err != nil {
		return nil, err
	}
	bar := f.IO.StartProgress()
	bar.Set("reading the targets")
	items, err := o.Items(ctx, acts)
	if err != nil {
		bar.Done()
		return nil, err
	}
	for i := range items {
		items[i].Change.Queue, items[i].Change.Comment = o.Flags.Queue, o.Flags.Comment
	}
	plan := acts.Plan(ctx, items)
	bar.Done()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("nothing was sent: %w", err)
	}
	if o.Flags.DryRun {
		return nil, f.printPlan(ctx, plan)
	}
	if err := f.noneCan(plan); err != nil {
		return nil, err
	}
	if err := o.Flags.Askable(f); err != nil {
		return nil, err
	}
	if err := f.approve(ctx, plan, o.Flags); err != nil {
		return nil, err
	}
	live := newLive(f, plan)
	release := f.hold()
	res := acts.Execute(ctx, plan, change.Run{Case: o.Flags.Case, Comment: o.Flags.Comment, Wait: wait, Update: live.update})
	release()
	f.shown = live.end(f.Flags.Output != "" && f.TableOnTerminal())
	return res, nil
}

// orderFleet is the profiles that the references name, else the selected ones.
func (f *Factory) orderFleet(ctx context.Context, refs []string) (*ops.Fleet, error) {
	if len(refs) == 0 {
		return f.Fleet(ctx)
	}
	return f.FleetFor(ctx, refs)
}

// noneCan reports a plan of which nothing can be done.
func (f *Factory) noneCan(plan *change.Plan) error {
	for _, s := range plan.Steps {
		if s.Err == nil {
			return nil
		}
	}
	if len(plan.Steps) == 0 {
		return Usagef("nothing is named to be changed")
	}
	for _, s := range plan.Steps {
		f.ReportError(s.Err)
	}
	return &ExitError{CodeOf(plan.Steps[0].Err)}
}

// approve shows what would be done, applies the policy and asks.
func (f *Factory) approve(ctx context.Context, plan *change.Plan, flags *ActFlags) error {
	if err := plan.Approve(flags.MaxHosts); err != nil {
		return err
	}
	sendable := plan.Sendable()
	show := f.IO.StderrTTY() && !f.IO.Quiet()
	for _, s := range plan.Steps {
		if show || !flags.Yes {
			f.showStep(s)
		}
		if s.Blocked() != "" {
			continue
		}
		for _, w := range s.Preview.Warnings {
			f.Warn("%s: %s", s.Name(), w)
		}
	}
	if sendable == 0 {
		return nil // Execute says why, step by step
	}
	if warning, word := plan.Danger(); word != "" && !warned(plan, warning) {
		f.Warn("%s: %s", word, warning)
	}
	_, danger := plan.Danger()
	if word := plan.Typed(); word != "" && (danger == "" || !flags.Yes) { // what is typed is the second yes too
		what := safetext.Display("Type the host name to confirm:")
		if sendable > 1 {
			what = safetext.Sprintf("Type %q to confirm:", word)
		}
		return f.ConfirmTyped(ctx, flags.Yes, what, word)
	}
	question := safetext.Display("Go on?")
	if sendable > 1 {
		question = safetext.Sprintf("Go on with all %d?", sendable)
	}
	if err := f.Confirm(ctx, flags.Yes, question); err != nil {
		return err
	}
	if word := danger; word != "" && !flags.Danger {
		if !f.IO.CanPrompt() {
			return &backends.Error{
				Kind: backends.KindRefused, What: "nothing was sent", Why: word + " is dangerous, and there is no terminal to ask a second time on",
				Hint: "--yes --danger skips the question; --dry-run shows what would be sent",
			}
		}
		return f.ConfirmTyped(ctx, false, safetext.Sprintf("This is dangerous. Type %q to confirm:", word), word)
	}
	return nil
}

// warned tells whether a driver's preview says it already.
func warned(plan *change.Plan, warning string) bool {
	for _, s := range plan.Steps {
		if slices.ContainsFunc(s.Preview.Warnings, func(w string) bool { return strings.Contains(w, warning) }) {
			return true
		}
	}
	return false
}

// showStep writes the preview of a step, as people read it.
func (f *Factory) showStep(s *change.Step) {
	pal := f.IO.ErrPalette()
	var b strings.Builder
	b.WriteString(pal.Bold(f.IO.Show(f.safe(change.Words(s.Change.Verb)))) + " " + f.IO.Show(f.safe(headline(s, f.Now()))) + "\n")
	switch why := s.Blocked(); {
	case s.Err != nil:
		b.WriteString("  " + pal.Red("cannot: ") + f.IO.Show(f.safe(why)) + "\n")
	case why != "":
		b.WriteString("  " + pal.Yellow("skipped: ") + f.IO.Show(f.safe(why)) + "\n")
	default:
		line := s.Preview.Summary
		if line == "" {
			line = s.Spec.How
		}
		if s.Preview.Reversible || s.Preview.Inverse != "" {
			line += "; undo: edrctl respond undo " + s.Ref()
		}
		b.WriteString("  " + f.IO.Show(f.safe(line)) + "\n")
		if s.Preview.NotReady != "" {
			b.WriteString("  " + pal.Yellow("queued: ") + f.IO.Show(f.safe(s.Preview.NotReady)) + "\n")
		}
	}
	_, _ = fmt.Fprint(f.IO.ErrOut, b.String())
}

// headline names the target: pid 8120 on FIN-WS-014 (demo-gene, online, …).
func headline(s *change.Step, now time.Time) string {
	if s.Profile == "" {
		return s.Name()
	}
	c := s.Change
	var on []string
	if c.PID != 0 {
		on = append(on, fmt.Sprintf("pid %d", c.PID))
	}
	if c.Path != "" {
		on = append(on, c.Path)
	}
	if w := change.What(c); w != "" {
		on = append(on, w)
	}
	out := strings.Join(on, " ")
	if out != "" {
		out += " on "
	}
	if c.Host == nil {
		return out + s.Name()
	}
	facts := []string{s.Profile}
	h := c.Host
	if h.ID != "" && h.ID != h.Name {
		facts = append(facts, "host "+h.ID)
	}
	if h.OS != nil && h.OS.Name != "" {
		facts = append(facts, h.OS.Name)
	}
	if h.Online != nil {
		facts = append(facts, map[bool]string{true: "online", false: "offline"}[*h.Online])
	}
	if !h.LastSeen.IsZero() {
		facts = append(facts, "last seen "+ago(now.Sub(h.LastSeen.Time))+" ago")
	}
	return out + s.Name() + " (" + strings.Join(facts, ", ") + ")"
}

func ago(d time.Duration) string {
	switch {
	case d < time.Second:
		return "a moment"
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// printPlan writes a dry run on standard output.
func (f *Factory) printPlan(ctx context.Context, plan *change.Plan) error {
	asText := (f.Flags.Output == "" || f.Flags.Output == output.FormatTable || f.Flags.Output == output.FormatWide) &&
		f.Flags.JQ == "" && f.Flags.Template == "" && len(f.Flags.Columns) == 0
	var rows []any
	var errs []error
	for _, s := range plan.Steps {
		if s.Err != nil {
			errs = append(errs, s.Err)
			f.ReportError(s.Err)
			continue
		}
		p := &Planned{
			Verb: s.Change.Verb, Profile: s.Profile, Backend: s.Backend, Host: s.Change.Host, On: change.What(s.Change),
			Summary: s.Preview.Summary, Requests: []string{}, Inverse: s.Preview.Inverse, Warnings: s.Preview.Warnings, Blocked: s.Blocked(),
		}
		for _, r := range s.Preview.Requests {
			p.Requests = append(p.Requests, f.redactor.String(r))
		}
		rows = append(rows, p)
		if !asText {
			continue
		}
		text := fmt.Sprintf("# %s %s\n", change.Words(s.Change.Verb), headline(s, f.Now()))
		if p.Summary != "" {
			text += "# " + p.Summary + "\n"
		}
		if p.Blocked != "" {
			text += "# not sent: " + p.Blocked + "\n"
		}
		for _, w := range p.Warnings {
			text += "# warning: " + w + "\n"
		}
		for _, r := range p.Requests {
			text += r + "\n"
		}
		if _, err := fmt.Fprint(f.IO.Out, f.IO.Show(safetext.Lines(f.redactor.String(text)))); err != nil {
			return IgnoreClosed(err)
		}
	}
	if !asText && len(rows) > 0 {
		if err := PrintRows(ctx, f, kindPlanned, rows); err != nil {
			return err
		}
	}
	f.Note("nothing was sent (--dry-run)")
	switch {
	case len(errs) == 0:
		return nil
	case len(rows) > 0:
		return &ExitError{ExitPartial}
	}
	return &ExitError{CodeOf(errs[0])}
}

// printMade writes the ref of each thing that was made.
func (f *Factory) printMade(res *change.Result, made func(*model.Action) string) error {
	for _, a := range res.Succeeded {
		ref := made(a)
		if ref == "" {
			f.Note("%s does not tell the id of what it made: see edrctl respond get %s", a.Profile, a.Ref)
			continue
		}
		if _, err := fmt.Fprintln(f.IO.Out, output.Word(ref)); err != nil {
			return err
		}
	}
	return nil
}

// PrintResult writes how everything ended, and gives the exit code.
func (f *Factory) PrintResult(ctx context.Context, o Order, res *change.Result) error {
	for _, err := range res.Problems() {
		f.ReportError(err)
	}
	asked := ctx
	ctx = context.WithoutCancel(ctx) // what happened is shown, whatever has ended meanwhile
	onlyPeople := f.shown && f.TableOnTerminal() && f.Flags.Output == "" && len(f.Flags.Columns) == 0
	plain := f.Flags.Output == "" && f.Flags.JQ == "" && f.Flags.Template == "" && len(f.Flags.Columns) == 0
	var err error
	switch {
	case plain && o.Print != nil:
		err = o.Print(res)
	case o.Made != nil && f.Flags.Output == output.FormatID:
		err = f.printMade(res, o.Made)
	case onlyPeople: // the live table said it all, on the same terminal
	case !plain && (f.Flags.Output == output.FormatJSON || f.Flags.Output == output.FormatYAML || f.Flags.Output == "") && len(f.Flags.Columns) == 0:
		var w output.Writer
		if w, err = f.Printer(ctx, kindResult); err == nil {
			err = w.One(res)
		}
	default:
		var rows []any
		for _, a := range res.All() {
			rows = append(rows, a)
		}
		err = PrintRows(ctx, f, KindAction, rows)
	}
	if err != nil {
		return IgnoreClosed(err)
	}
	for _, a := range res.Skipped {
		if a.State != model.ActionSkipped {
			f.Note("%s: nothing to do: %s", targetName(a), a.NativeState)
		}
	}
	if n := len(res.Pending); n > 0 {
		f.Note("%d still under way: edrctl respond wait %s", n, res.Pending[0].Ref)
	}
	if err := Interrupted(asked); err != nil {
		return err
	}
	return ResultCode(res, o.Flags.Wait == "0" || o.Flags.Wait == "0s" || o.Flags.Wait == "")
}

// ResultCode is the exit code of a result; unwaited: nobody wanted to wait,
// so what is still under way has not failed.
func ResultCode(res *change.Result, unwaited bool) error {
	problems := res.Problems()
	bad := len(problems) + unsuccessful(res)
	switch {
	case bad > 0 && len(res.All()) > bad:
		return &ExitError{ExitPartial}
	case len(problems) > 0:
		return &ExitError{CodeOf(problems[0])}
	case bad > 0:
		return &ExitError{ExitFailure}
	case len(res.Pending) > 0 && !unwaited:
		return &ExitError{ExitPending}
	}
	return nil
}

// unsuccessful counts the commands that ran and ended with an error of their
// own: the action is done, and what it was for is not.
func unsuccessful(res *change.Result) (n int) {
	for _, a := range res.Succeeded {
		if a.ExitCode != nil && *a.ExitCode != 0 {
			n++
		}
	}
	return n
}

func targetName(a *model.Action) string {
	switch {
	case a.Host != nil && a.Host.Name != "":
		return a.Host.Name
	case a.Target != nil && a.Target.AlertID != "":
		return a.Profile + "/" + a.Target.AlertID
	case a.Host != nil && a.Host.ID != "":
		return a.Host.ID
	}
	return a.Ref
}

// Unsent tells whether a failed action was never sent.
func Unsent(a *model.Action) bool { return a.RequestedAt.IsZero() && a.State != model.ActionAmbiguous }
