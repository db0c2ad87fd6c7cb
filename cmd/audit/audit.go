// Package audit holds the commands on the journal of what edrctl changed.
package audit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"iter"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	journal "github.com/edrctl/edrctl/internal/audit"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/change"
	"github.com/edrctl/edrctl/internal/output"
)

// New builds `edrctl audit`.
func New(f *cmdutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Read and check the journal of everything edrctl changed",
		Long: `Read and check the journal of everything edrctl changed from this machine: before
each change what was meant to be sent, after it how it went. Every record carries
the hash of the one before; a record that was changed, removed or moved is found.
` + cmdutil.WhichJournal,
		Args: cobra.NoArgs,
		RunE: cmdutil.ShowHelp,
	}
	cmd.AddCommand(newList(f), newVerify(f), newHead(f), newInForce(f))
	return cmd
}

var kindRecord = output.NewKind[journal.Record]("record", []output.Column{
	{Name: "time", As: output.AsTime},
	{Name: "user", Min: 6, Drop: 5},
	{Name: "case", Min: 6, Drop: 6},
	{Name: "verb"},
	{Name: "phase"},
	{Name: "targets", Min: 12},
	{Name: "state", As: output.AsState},
	{Name: "error", Min: 12, Drop: 4},
	{Name: "profile", Drop: 3},
	{Name: "action", Drop: 2},
}, []output.Column{
	{Name: "seq", As: output.AsNumber},
	{Name: "time", As: output.AsTime},
	{Name: "user", Min: 6, Drop: 5},
	{Name: "host", Header: "FROM", Min: 6, Drop: 9},
	{Name: "pid", As: output.AsNumber, Drop: 10},
	{Name: "case", Min: 6, Drop: 6},
	{Name: "profile", Drop: 3},
	{Name: "verb"},
	{Name: "phase"},
	{Name: "targets", Min: 12},
	{Name: "requests", Min: 12, Drop: 8},
	{Name: "request_ids", Header: "IDS", Min: 8, Drop: 7},
	{Name: "state", As: output.AsState},
	{Name: "error", Min: 12, Drop: 4},
	{Name: "undoes", Drop: 11},
	{Name: "comment", Min: 8, Drop: 12},
	{Name: "action", Drop: 2},
}).WithActionRecords(actionRecord)

func newList(f *cmdutil.Factory) *cobra.Command {
	var since, until, caseID, action, user, search string
	var verbs, phases, states, hosts []string
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the records of the journal, newest first",
		Long:  "List the records of the journal, newest first.\n" + cmdutil.WhichJournal,
		Example: `$ edrctl audit list --case IR-2231 -o csv
$ edrctl audit list --since 7d --phase outcome --state failed,ambiguous`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			zone, err := f.Zone()
			if err != nil {
				return err
			}
			from, err := cmdutil.ParseTime(since, f.Now(), zone)
			if err != nil {
				return cmdutil.Usagef("invalid --since %w", err)
			}
			to := f.Now().AddDate(100, 0, 0)
			if until != "" {
				if to, err = cmdutil.ParseTime(until, f.Now(), zone); err != nil {
					return cmdutil.Usagef("invalid --until %w", err)
				}
			}
			if err := checkWords(verbs, phases, states); err != nil {
				return err
			}
			dirs, profiles, err := f.SelectedJournals(cmd.Flags().Changed("profile"))
			if err != nil {
				return err
			}
			byDefault := !cmd.Flags().Changed("limit") && f.TableOnTerminal()
			if byDefault {
				limit = cmdutil.DefaultLimit
			}
			var rows []*journal.Record
			for l, err := range linesOf(dirs) {
				if err != nil {
					return err
				}
				r := l.Record
				switch {
				case l.Bad != nil:
					f.Warn("line %d of the journal is not a record; run edrctl audit verify", l.Number)
					continue
				case r.Time.Before(from), !r.Time.Before(to):
					continue
				case caseID != "" && r.Case != caseID, user != "" && !strings.EqualFold(r.User, user):
					continue
				case action != "" && r.Action != action[strings.LastIndexByte(action, '/')+1:]:
					continue
				case !in(verbs, r.Verb), !in(phases, string(r.Phase)), !in(states, r.State), !in(profiles, r.Profile):
					continue
				case len(hosts) > 0 && !slices.ContainsFunc(r.Targets, func(t journal.Target) bool { return onHost(t, hosts) }):
					continue
				case search != "" && !strings.Contains(strings.ToLower(string(l.Bytes)), strings.ToLower(search)):
					continue
				}
				rows = append(rows, &r)
			}
			if len(dirs) > 1 {
				slices.SortStableFunc(rows, func(x, y *journal.Record) int { return x.Time.Compare(y.Time.Time) })
			}
			slices.Reverse(rows)
			if limit > 0 && len(rows) > limit {
				rows = rows[:limit]
				defer f.NoteCut("records", byDefault)
			}
			return cmdutil.PrintRows(cmd.Context(), f, kindRecord, anys(rows))
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&since, "since", "520w", "from when: a duration back from now, RFC 3339, or a date")
	fs.Lookup("since").DefValue = "the beginning"
	fs.StringVar(&until, "until", "", "until when")
	fs.StringVar(&caseID, "case", "", "only of this case")
	cmdutil.RefVar(fs, &action, "action", "only of this action: its ref or act-…")
	fs.StringVar(&user, "user", "", "only by this user")
	fs.StringVar(&search, "search", "", "only records with this text anywhere")
	cmdutil.StringSlice(fs, &verbs, "verb", "only these verbs")
	cmdutil.StringSlice(fs, &phases, "phase", "only these phases: intent sent outcome")
	cmdutil.StringSlice(fs, &states, "state", "only these states of the action")
	cmdutil.StringSlice(fs, &hosts, "host", "only on these hosts")
	fs.IntVar(&limit, "limit", 0, "how many at most (100 on a terminal, else all)")
	return cmd
}

// checkWords refuses values that no record has.
func checkWords(verbs, phases, states []string) error {
	if err := cmdutil.OneOfEach("verb", verbs, change.JournalVerbs()); err != nil {
		return err
	}
	known := []string{string(journal.PhaseIntent), string(journal.PhaseSent), string(journal.PhaseOutcome)}
	if err := cmdutil.OneOfEach("phase", phases, known); err != nil {
		return err
	}
	return cmdutil.OneOfEach("state", states, cmdutil.States())
}

// linesOf reads one journal after the other.
func linesOf(dirs []string) iter.Seq2[journal.Line, error] {
	return func(yield func(journal.Line, error) bool) {
		for _, dir := range dirs {
			for l, err := range journal.Lines(dir) {
				if !yield(l, err) {
					return
				}
			}
		}
	}
}

func anys[T any](list []T) []any {
	out := make([]any, len(list))
	for i, x := range list {
		out[i] = x
	}
	return out
}

// oneJournal is the folder of the journal that a command on a whole one is
// about: of several the one of this machine.
func oneJournal(cmd *cobra.Command, f *cmdutil.Factory) (string, error) {
	dirs, _, err := f.SelectedJournals(cmd.Flags().Changed("profile"))
	if err != nil {
		return "", err
	}
	if len(dirs) > 1 {
		f.Note("the demo has a journal of its own: -p demo reads it")
	}
	return dirs[0], nil
}

func in(list []string, v string) bool { return len(list) == 0 || slices.Contains(list, v) }

func onHost(t journal.Target, hosts []string) bool {
	return slices.ContainsFunc(hosts, func(h string) bool {
		return strings.EqualFold(t.ID, h) || strings.Contains(strings.ToLower(t.Host), strings.ToLower(h))
	})
}

var kindReport = output.NewKind[journal.Report]("report", []output.Column{
	{Name: "ok", As: output.AsState}, {Name: "records", As: output.AsNumber}, {Name: "findings", Min: 16}, {Name: "path", As: output.AsPath, Min: 12},
}, nil)

func newVerify(f *cmdutil.Factory) *cobra.Command {
	var expect []string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check the chain of the journal: exit 9 when a record was changed, removed or moved",
		Long: `Check the chain of the journal. A record that was changed, removed or moved is exit
code 9.
` + cmdutil.WhichJournal,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := oneJournal(cmd, f)
			if err != nil {
				return err
			}
			w, err := f.Printer(cmd.Context(), kindReport)
			if err != nil {
				return err
			}
			for _, h := range expect {
				if b, err := hex.DecodeString(h); err != nil || len(b) != sha256.Size {
					return cmdutil.Usagef("invalid --expect %q: want the 64 hex digits that edrctl audit head printed", h)
				}
			}
			rep, err := journal.Verify(dir, expect...)
			if err != nil {
				return err
			}
			if err := w.One(&rep); err != nil {
				return cmdutil.IgnoreClosed(err)
			}
			for _, x := range rep.Findings {
				if x.Fatal {
					f.Warn("line %d: %s", x.Line, x.What)
				} else {
					f.Note("line %d: %s", x.Line, x.What)
				}
			}
			if !rep.OK {
				f.ReportError(&backends.Error{What: "the journal was tampered with", Why: rep.Path, Hint: "the lines above say where; records before them are good"})
				return &cmdutil.ExitError{Code: cmdutil.ExitFound}
			}
			return nil
		},
	}
	cmdutil.StringSlice(cmd.Flags(), &expect, "expect", "hash of a record that must be in the chain, as edrctl audit head printed it earlier")
	return cmd
}

var kindHead = output.NewKind[journal.Head]("head", []output.Column{
	{Name: "seq", As: output.AsNumber}, {Name: "hash"}, {Name: "time", As: output.AsTime},
}, nil)

func newHead(f *cmdutil.Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "head",
		Short: "Print the number and hash of the newest record, to keep elsewhere",
		Long: `Print the number and hash of the newest record. Whoever can write to this machine
can also replace the whole journal; a hash kept elsewhere, in syslog or in a ticket,
shows that: edrctl audit verify --expect HASH fails when that record is gone.
` + cmdutil.WhichJournal,
		Example: `$ edrctl audit head
$ edrctl audit head --jq .hash | logger -t edrctl-audit`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := oneJournal(cmd, f)
			if err != nil {
				return err
			}
			h, ok, err := journal.ReadHead(dir)
			if err != nil {
				return err
			}
			if !ok || h.Seq == 0 {
				return &backends.Error{Kind: backends.KindNotFound, What: "no journal head", Why: "nothing was changed from this machine yet", Hint: "edrctl audit verify checks that no journal was cut off; -p demo reads the demo's own journal"}
			}
			w, err := f.Printer(cmd.Context(), kindHead)
			if err != nil {
				return err
			}
			return cmdutil.IgnoreClosed(w.One(&h))
		},
	}
}

var kindInForce = output.NewKind[change.InForce]("thing in force", []output.Column{
	{Name: "since", As: output.AsTime}, {Name: "verb"}, {Name: "host", Min: 8}, {Name: "what", Min: 8, Drop: 3}, {Name: "state", As: output.AsState, Drop: 5},
	{Name: "by", Min: 6, Drop: 4}, {Name: "case", Min: 6, Drop: 6}, {Name: "undo", Min: 24},
}, nil)

func newInForce(f *cmdutil.Factory) *cobra.Command {
	var all, check bool
	cmd := &cobra.Command{
		Use:   "in-force",
		Short: "List what is still isolated or blocked, by whom, since when, and how to undo it",
		Long: `List what is still isolated or blocked, by whom, since when, and the command that
undoes it, as far as this machine's journal knows. What somebody else took back, in the
console or from another machine, leaves the list when undoing it finds nothing to undo,
and with --check, which asks the products by reading.
` + cmdutil.WhichJournal,
		Example: `$ edrctl audit in-force
$ edrctl audit in-force --check
$ edrctl audit in-force --jq '.[].action' | xargs edrctl respond undo`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dirs, profiles, err := f.SelectedJournals(cmd.Flags().Changed("profile"))
			if err != nil {
				return err
			}
			if check {
				if err := checkInForce(cmd.Context(), f, all); err != nil {
					return err
				}
			}
			list, err := (&change.Ledger{Dir: dirs[0], Also: dirs[1:]}).InForce(all)
			if err != nil {
				return err
			}
			var rows []any
			for _, x := range list {
				if in(profiles, x.Profile) {
					rows = append(rows, x)
				}
			}
			return cmdutil.PrintRows(cmd.Context(), f, kindInForce, rows)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "also everything else that can be taken back")
	cmd.Flags().BoolVar(&check, "check", false, "ask the products first, by reading, what is not in force any more")
	return cmd
}

// checkInForce asks the products of what the journal takes to be in force.
func checkInForce(ctx context.Context, f *cmdutil.Factory, all bool) error {
	fleet, err := f.Fleet(ctx)
	if err != nil {
		return err
	}
	acts, err := f.Actor(fleet, "")
	if err != nil {
		return err
	}
	return acts.CheckInForce(ctx, all, f.ReportError)
}
