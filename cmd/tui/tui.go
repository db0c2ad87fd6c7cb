// Package tui opens the terminal interface.
package tui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/charmbracelet/colorprofile"
	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/filter"
	screen "github.com/edrctl/edrctl/internal/tui"
	"github.com/edrctl/edrctl/internal/tui/keys"
)

// options are the flags.
type options struct {
	view, filter, ref string
	replay            string
	since, interval   string
	dated             bool // --since was given
	theme             string
}

// New builds `edrctl tui`.
func New(f *cmdutil.Factory) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "tui",
		Short: "Watch alerts of all profiles live, and follow them to their cause",
		Long: `The terminal interface: alerts of all selected profiles as they arrive, the
worst first, one key to the story behind each, one dialog to act. ? shows all
keys, : goes to any view, esc goes back, q quits.

--replay FILE opens alerts and events saved earlier (alerts list -o ndjson
--raw), for hand-over and training; nothing is reached and nothing can be
changed.`,
		Example: `$ edrctl tui -p demo
$ edrctl tui --filter 'severity>=high host~FIN'
$ edrctl tui --view hosts
$ edrctl tui --replay night-shift.ndjson`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.dated = cmd.Flags().Changed("since")
			return Run(cmd.Context(), f, o)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&o.view, "view", "", "where to start: "+strings.Join(screen.ViewNames(), " "))
	fs.StringVar(&o.filter, "filter", "", "filter of that view, as / takes it")
	cmdutil.RefVar(fs, &o.ref, "ref", "what --view alert, tree, host or hash shows")
	fs.StringVar(&o.replay, "replay", "", "an NDJSON file of alerts and events instead of the profiles")
	fs.StringVar(&o.since, "since", "24h", "how far back alerts are read")
	fs.StringVar(&o.interval, "interval", "5s", "between two looks at backends that do not push")
	fs.StringVar(&o.theme, "theme", "auto", "auto, dark or light")
	if err := cmd.RegisterFlagCompletionFunc("view", cobra.FixedCompletions(screen.ViewNames(), cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // a programming error: the flag was just added
	}
	return cmd
}

// Open opens it with defaults, for shortcuts like `edrctl demo`.
func Open(ctx context.Context, f *cmdutil.Factory) error {
	return Run(ctx, f, options{since: "24h", interval: "5s", theme: "auto"})
}

// Run opens the interface and returns when it is left.
func Run(ctx context.Context, f *cmdutil.Factory, o options) error {
	if !f.IO.StdoutTTY() || !f.IO.StdinTTY() {
		return cmdutil.Usagef("the tui needs a terminal on standard input and output; alerts list and alerts watch work without one")
	}
	opt, err := prepare(ctx, f, o)
	if err != nil {
		return err
	}
	states, path, name := load(f, o)
	opt.State = states[name]
	app, err := screen.New(ctx, opt)
	if err != nil {
		return err
	}
	defer app.Close()
	if o.replay == "" {
		if selected, err := f.Selected(); err == nil {
			if err := unlock(ctx, f, selected); err != nil {
				return err
			}
		}
	}
	release := silenceNotes(f)
	defer release()
	_, err = tea.NewProgram(app, programOptions(ctx, f)...).Run()
	release()
	if o.replay == "" {
		states[name] = app.State()
		f.Debugf(save(path, states))
	}
	switch {
	case app.Err() != nil:
		f.Debugf(errors.New(app.Trace()))
		return brokenError{app.Err()}
	case errors.Is(err, tea.ErrProgramPanic):
		return brokenError{err}
	case ctx.Err() != nil:
		return ctx.Err() // a signal or --timeout
	}
	return err
}

// brokenError is a defect that ended the screen.
type brokenError struct{ error }

func (e brokenError) Error() string {
	return "the screen broke, and the terminal was put back: " + e.error.Error()
}
func (e brokenError) Unwrap() error  { return e.error }
func (brokenError) HintText() string { return "this is a defect of edrctl; --debug shows where" }

// silenceNotes keeps notes and warnings of the layers below off the screen while it is
// open, and the program from ending before the terminal was put back.
func silenceNotes(f *cmdutil.Factory) (release func()) {
	before := f.Flags.Quiet
	f.IO.SetQuiet(true)
	f.IO.SetNoInput(true) // the keys are the screen's
	let := f.Hold()
	return sync.OnceFunc(func() {
		f.IO.SetQuiet(before)
		f.IO.SetNoInput(f.Flags.NoInput)
		let()
	})
}

// framesPerSecond is how often the renderer looks whether there is a new frame,
// also when nothing happens. Sixty looks a second alone cost 0.8 % of a core;
// with forty a key shows 12 ms later on average, 25 ms at most.
const framesPerSecond = 40

// anyAge reaches back beyond all evidence.
const anyAge = 100 * 365 * 24 * time.Hour

func programOptions(ctx context.Context, f *cmdutil.Factory) []tea.ProgramOption {
	opts := []tea.ProgramOption{
		tea.WithContext(ctx),
		tea.WithoutSignalHandler(), // they end ctx: one way out
		tea.WithFPS(framesPerSecond),
	}
	if !f.IO.OutColor() {
		opts = append(opts, tea.WithColorProfile(colorprofile.ASCII))
	}
	return opts
}

// prepare checks everything that can be checked before the screen opens.
func prepare(ctx context.Context, f *cmdutil.Factory, o options) (screen.Options, error) {
	opt := screen.Options{View: o.view, Filter: o.filter, Ref: o.ref, Now: f.Now, ASCII: !f.IO.Unicode(), NoColor: !f.IO.OutColor()}
	if o.view != "" && !slices.Contains(screen.ViewNames(), o.view) {
		return opt, cmdutil.Usagef("invalid --view %q: want one of %s", o.view, strings.Join(screen.ViewNames(), " "))
	}
	switch o.theme {
	case "auto":
	case "dark", "light":
		light := o.theme == "light"
		opt.Light = &light
	default:
		return opt, cmdutil.Usagef("invalid --theme %q: want auto, dark or light", o.theme)
	}
	var err error
	if opt.Window, err = cmdutil.ParseDuration(o.since); err != nil {
		return opt, cmdutil.Usagef("invalid --since %w", err)
	}
	if !o.dated && o.replay == "" && f.OnlyArchives() {
		opt.Archive, opt.Window = true, anyAge
	}
	if opt.Interval, err = cmdutil.ParseDuration(o.interval); err != nil {
		return opt, cmdutil.Usagef("invalid --interval %w", err)
	}
	if opt.Zone, err = f.Zone(); err != nil {
		return opt, err
	}
	c, err := f.Config()
	if err != nil {
		return opt, err
	}
	if _, err := filter.ParseExpr(o.filter, c.Filters); err != nil {
		return opt, cmdutil.Usagef("invalid --filter %q: %w", o.filter, err)
	}
	opt.Filters = c.Filters
	if opt.Keys, err = keys.New(c.Keys); err != nil {
		return opt, keyError(c.Path, err)
	}
	if o.replay != "" {
		return replay(f, o, opt)
	}
	fleet, err := f.Fleet(ctx)
	if err != nil {
		return opt, err
	}
	opt.Service = screen.NewService(fleet)
	acts, err := f.Actor(fleet, "")
	if err != nil {
		return opt, err
	}
	opt.Actor = screen.NewActor(acts)
	if self, err := os.Executable(); err == nil {
		config := f.Flags.Config
		opt.Login = func(profile string) *exec.Cmd {
			args := []string{"auth", "login", profile}
			if config != "" {
				args = append(args, "--config", config)
			}
			return exec.Command(self, args...) //nolint:gosec // this program itself
		}
		opt.SuspendInterrupts = f.SuspendInterrupts
		opt.Unlock = func(profile string) error {
			ctx, stop := signal.NotifyContext(ctx, os.Interrupt) // it ends the question only
			defer stop()
			f.IO.SetNoInput(f.Flags.NoInput)
			defer f.IO.SetNoInput(true)
			return unlock(ctx, f, []string{profile})
		}
	}
	return opt, nil
}

func replay(f *cmdutil.Factory, o options, opt screen.Options) (screen.Options, error) {
	if o.replay == "-" {
		return opt, cmdutil.Usagef("--replay needs a file: standard input is the keyboard")
	}
	in, err := f.ReadInput(o.replay)
	if err != nil {
		return opt, err
	}
	defer func() { f.Debugf(in.Close()) }()
	svc, latest, span, err := screen.Replay(in, o.replay)
	if err != nil {
		return opt, &cmdutil.UsageError{Err: err}
	}
	opt.Service, opt.Window, opt.Replay = svc, span, o.replay
	// The clock stops at the end of what was saved.
	started := f.Now()
	now := f.Now
	opt.Now = func() time.Time { return latest.Add(now().Sub(started)) }
	return opt, nil
}

// keyError adds where in the configuration a key is.
func keyError(path string, err error) error {
	var b *keys.BindError
	u := &cmdutil.UsageError{Err: err, Hint: "see docs/keys.md, or ? in the tui"}
	if !errors.As(err, &b) || path == "" {
		return u
	}
	text, rerr := os.ReadFile(path)
	if rerr != nil {
		return u
	}
	in := regexp.MustCompile(`(^|[\s{,])["']?` + regexp.QuoteMeta(b.Name) + `["']?\s*:`)
	inside := false
	for i, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, "keys:") {
			inside = true
		} else if line != "" && !strings.HasPrefix(line, " ") && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "\t") {
			inside = false
		}
		if inside && in.MatchString(line) {
			u.Err = fmt.Errorf("%s:%d: %w", path, i+1, err)
			break
		}
	}
	return u
}

// load reads what was remembered of the selected profiles.
func load(f *cmdutil.Factory, o options) (states screen.States, path, name string) {
	name = "replay"
	if o.replay == "" {
		if selected, err := f.Selected(); err == nil {
			name = strings.Join(selected, ",")
		}
	}
	paths, err := f.Paths()
	if err != nil {
		return screen.States{}, "", name
	}
	path = filepath.Join(paths.State, "tui.json")
	b, err := os.ReadFile(path)
	if err != nil {
		return screen.States{}, path, name
	}
	return screen.ParseStates(b), path, name
}

// save writes the state file whole, or not at all.
func save(path string, states screen.States) error {
	if path == "" {
		return nil
	}
	b, err := states.Marshal()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "tui-*.json")
	if err != nil {
		return err
	}
	_, err = tmp.Write(b)
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}
