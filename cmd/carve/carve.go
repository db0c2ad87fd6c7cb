// Package carve holds the commands that collect files from endpoints.
package carve

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/change"
	"github.com/edrctl/edrctl/internal/download"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/output"
	"github.com/edrctl/edrctl/internal/safetext"
)

// New builds `edrctl carve`.
func New(f *cmdutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "carve",
		Short: "Collect files from endpoints, and bring them here safely",
		Long: `Collect files from endpoints, and bring them here safely: checked against size and
hash, read-only, never over another file, each with a manifest (FILE.json) that says
where it comes from. Names from endpoints are neutralised.`,
		Args: cobra.NoArgs,
		RunE: cmdutil.ShowHelp,
	}
	cmd.AddCommand(newGet(f), newList(f), newDownload(f), newDelete(f), newVerify(f))
	return cmd
}

// fetchFlags say how files are kept.
type fetchFlags struct {
	dir, password string
	zip, extract  bool
}

func (o *fetchFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVarP(&o.dir, "output-dir", "O", ".", "folder to save to")
	fs.BoolVar(&o.zip, "zip", false, "keep each file in an AES-256 zip with the password "+download.SamplePassword+", as samples are exchanged")
	fs.StringVar(&o.password, "zip-password", "", "another password of the zip")
	fs.BoolVar(&o.extract, "extract", false, "also unpack a tar, gzip or zstd file, into FILE.d")
}

func (o *fetchFlags) check() error {
	if o.password != "" {
		o.zip = true
	}
	if o.zip && o.password == "" {
		o.password = download.SamplePassword
	}
	if o.zip && o.extract {
		return cmdutil.Usagef("--zip and --extract exclude each other")
	}
	return nil
}

// wanted is a file to bring here.
type wanted struct {
	ref    string
	action *model.Action
}

// fetch brings files here, one after the other.
func (o *fetchFlags) fetch(ctx context.Context, f *cmdutil.Factory, acts *change.Actor, files []wanted, left func() time.Duration, caseID string) (got []*model.Carve, errs []error) {
	for i, w := range files {
		bar := f.IO.StartProgress()
		m := meter{start: f.Now(), last: f.Now(), of: fmt.Sprintf("%d/%d ", i+1, len(files))}
		if len(files) == 1 {
			m.of = ""
		}
		res, err := acts.Fetch(ctx, w.ref, change.Fetch{
			Dir: o.dir, Zip: o.password, Wait: left(), Action: w.action, Case: caseID, User: f.UserName(), Machine: change.Machine(), Version: f.Version,
			Update:   func(c *model.Carve) { bar.Set(waiting(c)) },
			Progress: func(c *model.Carve, done, total int64) { bar.Set(m.line(c, done, total, f.Now())) },
		})
		bar.Done()
		if res != nil {
			got = append(got, res.Carve)
			if o.extract {
				err = errors.Join(err, o.unpack(ctx, f, res))
			}
		}
		if ctx.Err() != nil {
			return got, append(errs, ctx.Err())
		}
		if err != nil {
			f.ReportError(err)
			errs = append(errs, err)
		}
	}
	return got, errs
}

func (o *fetchFlags) unpack(ctx context.Context, f *cmdutil.Factory, res *change.Fetched) error {
	x, err := download.Extract(ctx, res.Saved.Path, download.Limits{})
	switch {
	case errors.Is(err, download.ErrNotArchive):
		f.Note("%s is not an archive: nothing to unpack", res.Saved.Path)
		return nil
	case err != nil:
		return err
	}
	for _, s := range x.Skipped {
		f.Warn("%s: %s is not unpacked: %s", res.Saved.Name, s.Name, s.Why)
	}
	f.Note("%s unpacked to %s", model.Amount(len(x.Files), "file"), x.Dir)
	return nil
}

func waiting(c *model.Carve) safetext.Display {
	s := safetext.Sprintf("%s: %s", label(c), c.State)
	if c.Progress != nil {
		s += safetext.Sprintf(" %.0f%%", *c.Progress*100)
	}
	return s
}

func label(c *model.Carve) string {
	name := c.Path
	if name == "" {
		name = c.Name
	}
	if c.Host != nil && c.Host.Name != "" {
		return c.Host.Name + " " + name
	}
	return name
}

// meter measures a download: its rate over the last seconds, and how long it
// will take.
type meter struct {
	start, last time.Time
	lastDone    int64
	rate        float64
	of          string
}

func (m *meter) line(c *model.Carve, done, total int64, now time.Time) safetext.Display {
	if d := now.Sub(m.last); d >= 500*time.Millisecond {
		rate := float64(done-m.lastDone) / d.Seconds()
		if m.rate == 0 {
			m.rate = rate
		}
		m.rate += (rate - m.rate) / 4
		m.last, m.lastDone = now, done
	}
	var b strings.Builder
	b.WriteString(m.of + label(c) + "  ")
	if total > 0 {
		fmt.Fprintf(&b, "%3d%%  %s of %s", done*100/total, size(done), size(total))
	} else {
		b.WriteString(size(done))
	}
	if m.rate > 0 {
		b.WriteString("  " + size(int64(m.rate)) + "/s")
		if total > done {
			left := time.Duration(float64(total-done)/m.rate) * time.Second
			b.WriteString("  " + left.Round(time.Second).String() + " left")
		}
	}
	return safetext.Text(b.String())
}

func size(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	v, i := float64(n)/unit, 0
	for v >= unit && i < 3 {
		v /= unit
		i++
	}
	return fmt.Sprintf("%.1f %s", v, []string{"KiB", "MiB", "GiB", "TiB"}[i])
}

// show writes what is here and what failed, which has no id, and gives the exit
// code.
func show(ctx context.Context, f *cmdutil.Factory, got, failed []*model.Carve, errs []error, before error) error {
	code := codeOf(got, errs, before)
	if f.Flags.Output == output.FormatID {
		failed = nil
	}
	if len(got)+len(failed) > 0 || cmdutil.CodeOf(code) == cmdutil.ExitOK || cmdutil.CodeOf(code) == cmdutil.ExitPartial {
		var rows []any
		for _, c := range slices.Concat(got, failed) {
			rows = append(rows, c)
		}
		if err := cmdutil.PrintRows(ctx, f, output.KindCarve, rows); err != nil {
			return err
		}
		if f.TableOnTerminal() {
			for _, c := range got {
				f.Note("saved %s  sha256 %s", c.SavedTo, c.SHA256)
			}
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return code
}

// codeOf is the exit code of the requests, which before is, and the downloads.
func codeOf(got []*model.Carve, errs []error, before error) error {
	pending := 0
	for _, err := range errs {
		var p *change.PendingError
		if errors.As(err, &p) {
			pending++
		}
	}
	switch {
	case len(errs) == 0:
		return before
	case pending == len(errs) && (before == nil || cmdutil.CodeOf(before) == cmdutil.ExitPending):
		return &cmdutil.ExitError{Code: cmdutil.ExitPending}
	case len(got) > 0 || pending > 0:
		return &cmdutil.ExitError{Code: cmdutil.ExitPartial}
	}
	return &cmdutil.ExitError{Code: cmdutil.CodeOf(errs[0])}
}

func newGet(f *cmdutil.Factory) *cobra.Command {
	var flags cmdutil.ActFlags
	var o fetchFlags
	var memdump bool
	cmd := &cobra.Command{
		Use:   "get HOST PATH…",
		Short: "Collect files from an endpoint: request, wait, download, check",
		Long: `Collect files from an endpoint: request, wait, download and check them, in one
command. With --hosts-file every operand is a path, with --from-alert the host is
the alert's, and the path that of its process when none is given. Exit 8 when a file
is still being collected after --wait: carve download gets it later.`,
		Example: `$ edrctl carve get build-07 /etc/passwd /var/log/auth.log -O case-2231
$ edrctl carve get --from-alert lab/5f1c9a --zip --case IR-2231
$ edrctl carve get SRV-DB-02 --memdump --wait 1h`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(); err != nil {
				return err
			}
			wait, err := flags.WaitTime()
			if err != nil {
				return err
			}
			order, err := getOrder(f, &flags, args, memdump)
			if err != nil {
				return err
			}
			ctx := cmd.Context()
			left := cmdutil.Countdown(wait)
			res, err := cmdutil.Carry(ctx, f, order)
			if err != nil || res == nil {
				return err
			}
			for i, err := range res.Problems() {
				if i < len(res.Failed) {
					err = uncollected(res.Failed[i], err)
				}
				f.ReportError(err)
			}
			failed := failures(res.Failed)
			var files []wanted
			for _, a := range append(res.Succeeded, res.Pending...) {
				for _, id := range a.Files {
					files = append(files, wanted{a.Profile + "/" + id, a})
				}
				switch {
				case len(a.Files) > 0:
				case a.State == model.ActionDone:
					a.Error = "no file matches the path on the host"
					f.ReportError(uncollected(a, errors.New(a.Error)))
					res.Failed = append(res.Failed, a)
					failed = append(failed, failures([]*model.Action{a})...)
				default:
					f.Note("%s is still under way: edrctl respond wait %s", a.Ref, a.Ref)
				}
			}
			acts, err := f.Actor(f.Opened(), flags.Case)
			if err != nil {
				return err
			}
			got, errs := o.fetch(ctx, f, acts, files, left, flags.Case)
			return show(ctx, f, got, failed, errs, before(res, len(got)))
		},
	}
	cmd.Flags().BoolVar(&memdump, "memdump", false, "collect the memory of the endpoint in the place of files")
	flags.Add(cmd, f)
	flags.AddHosts(cmd, true)
	flags.AddWait(cmd)
	setDefault(cmd, "wait", "15m")
	o.add(cmd)
	return cmd
}

// failures are files that were asked for and not collected, as rows.
func failures(actions []*model.Action) (out []*model.Carve) {
	for _, a := range actions {
		if a.Host == nil || a.Target == nil {
			continue // nothing was asked for: the error says why
		}
		c := &model.Carve{Host: a.Host, Path: a.Target.Path, State: model.CarveFailed, Created: a.RequestedAt, Error: a.Error}
		c.Profile, c.Backend = a.Profile, a.Backend
		out = append(out, c)
	}
	return out
}

// uncollected names what was not collected: where, from which host, which path.
func uncollected(a *model.Action, err error) error {
	what := a.Profile + ": "
	if a.Host != nil {
		what += a.Host.Name + ": "
	}
	if a.Target != nil {
		what += a.Target.Path
	}
	return &backends.Error{Kind: backends.KindOf(err), What: what, Why: strings.TrimPrefix(err.Error(), a.Profile+": "), Hint: cmdutil.HintOf(err), Err: err}
}

func setDefault(cmd *cobra.Command, flag, value string) {
	fl := cmd.Flags().Lookup(flag)
	fl.DefValue = value
	if err := fl.Value.Set(value); err != nil {
		panic(err) // a programming error: the value is ours
	}
}

// before is the exit code of the requests, before any download.
func before(res *change.Result, got int) error {
	switch errs := res.Problems(); {
	case len(errs)+len(res.Failed) > 0 && (got > 0 || len(res.Succeeded)+len(res.Pending) > 0 && len(errs) > 0):
		return &cmdutil.ExitError{Code: cmdutil.ExitPartial}
	case len(errs) > 0:
		return &cmdutil.ExitError{Code: cmdutil.CodeOf(errs[0])}
	case len(res.Failed) > 0:
		return &cmdutil.ExitError{Code: cmdutil.ExitFailure}
	case len(res.Pending) > 0 && got == 0:
		return &cmdutil.ExitError{Code: cmdutil.ExitPending}
	}
	return nil
}

func getOrder(f *cmdutil.Factory, flags *cmdutil.ActFlags, args []string, memdump bool) (cmdutil.Order, error) {
	o := cmdutil.Order{Flags: flags}
	base := backends.Change{Verb: backends.VerbCarve}
	if memdump {
		base.Verb = backends.VerbMemdump
	}
	split := func(items []change.Item, paths []string) []change.Item {
		if memdump {
			return items
		}
		return change.Split(items, func(c *backends.Change, path string) { c.Path = path }, paths)
	}
	var hosts []string
	if flags.HostsFile == "" && flags.FromAlert == "" {
		if len(args) == 0 {
			return o, cmdutil.Usagef("missing HOST and PATH")
		}
		hosts, args = args[:1], args[1:]
	}
	if memdump && len(args) > 0 {
		return o, cmdutil.Usagef("--memdump takes no path")
	}
	if !memdump && len(args) == 0 && flags.FromAlert == "" {
		return o, cmdutil.Usagef("missing PATH")
	}
	if flags.FromAlert != "" {
		if flags.HostsFile != "" {
			return o, cmdutil.Usagef("--from-alert names the host: give no other")
		}
		o.Refs = []string{flags.FromAlert}
		o.Items = func(ctx context.Context, acts *change.Actor) ([]change.Item, error) {
			a, err := change.ReadFromAlert(ctx, acts.Fleet, flags.FromAlert)
			if err != nil {
				return nil, err
			}
			paths := args
			if len(paths) == 0 && !memdump {
				if a.Path == "" {
					return nil, backends.Invalid("cannot collect from alert "+a.Alert.Ref, "it names no path: write it after the flag")
				}
				paths = []string{a.Path}
			}
			c := base
			c.Host = a.Host
			return split([]change.Item{change.NewItem(a.Source, flags.FromAlert, c)}, paths), nil
		}
		return o, nil
	}
	names, err := flags.ReadHosts(f, hosts)
	if err != nil {
		return o, err
	}
	o.Refs = names
	o.Items = func(ctx context.Context, acts *change.Actor) ([]change.Item, error) {
		items, err := change.HostItems(ctx, acts.Fleet, names, base)
		return split(items, args), err
	}
	return o, nil
}

func newDownload(f *cmdutil.Factory) *cobra.Command {
	var flags cmdutil.ActFlags
	var o fetchFlags
	cmd := &cobra.Command{
		Use:   "download REF…|-",
		Short: "Bring collected files here",
		Long: `Download collected files. The next run resumes a download that was interrupted
of the same command, where the server can; else it starts again.`,
		Example: `$ edrctl carve download prod-esp/7930F12PEQ -O case-2231 --extract
$ edrctl carve list --host build-07 -o id | edrctl carve download - -O case-2231`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(); err != nil {
				return err
			}
			wait, err := flags.WaitTime()
			if err != nil {
				return err
			}
			refs, err := cmdutil.ReadRefs(f, args)
			if err != nil {
				return err
			}
			ctx := cmd.Context()
			if _, err := f.Printer(ctx, output.KindCarve); err != nil {
				return err
			}
			fleet, err := f.FleetFor(ctx, refs)
			if err != nil {
				return err
			}
			acts, err := f.Actor(fleet, flags.Case)
			if err != nil {
				return err
			}
			var files []wanted
			for _, r := range refs {
				files = append(files, wanted{ref: r})
			}
			got, errs := o.fetch(ctx, f, acts, files, cmdutil.Countdown(wait), flags.Case)
			return show(ctx, f, got, nil, errs, nil)
		},
	}
	cmd.Flags().StringVar(&flags.Case, "case", f.Getenv("EDRCTL_CASE"), "case this belongs to, for the manifest and the journal [EDRCTL_CASE]")
	flags.AddWait(cmd)
	o.add(cmd)
	return cmd
}

func newList(f *cmdutil.Factory) *cobra.Command {
	var flags cmdutil.ListFlags
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the files collected on the backends, newest first",
		Example: `$ edrctl carve list --host build-07`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			req, err := flags.Request(f)
			if err != nil {
				return err
			}
			w, err := f.Printer(cmd.Context(), output.KindCarve)
			if err != nil {
				return err
			}
			fleet, err := f.Fleet(cmd.Context())
			if err != nil {
				return err
			}
			return cmdutil.PrintStream(cmd.Context(), f, w, fleet.Carves(cmd.Context(), req), req, "carves")
		},
	}
	flags.AddFilters(cmd, filter.Process, filter.Path, filter.CommandLine, filter.Port, filter.Domain, filter.Registry, filter.Rule, filter.KindOf, filter.User, filter.ProcessUID)
	flags.AddLimit(cmd)
	return cmd
}

func newDelete(f *cmdutil.Factory) *cobra.Command {
	var flags cmdutil.ActFlags
	cmd := &cobra.Command{
		Use:     "delete REF…|-",
		Short:   "Permanently delete collected files on the backend",
		Example: `$ edrctl carve delete prod-esp/7930F12PEQ --yes --danger`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			refs, err := cmdutil.ReadRefs(f, args)
			if err != nil {
				return err
			}
			return cmdutil.RunOrder(cmd.Context(), f, cmdutil.Order{Flags: &flags, Refs: refs, Items: func(_ context.Context, acts *change.Actor) ([]change.Item, error) {
				return change.CarveItems(acts.Fleet, refs, backends.Change{Verb: backends.VerbCarveDelete}), nil
			}})
		},
	}
	flags.Add(cmd, f)
	flags.AddDanger(cmd)
	return cmd
}
