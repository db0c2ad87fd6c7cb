package hunt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/hunt"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/sigma"
)

// sigmaFlags are the flags of hunt sigma.
type sigmaFlags struct {
	list       cmdutil.ListFlags
	rules      ruleFlags
	events     bool
	by         string
	failOnHit  bool
	checkpoint string
	resume     bool
}

// formatNavigator is a layer for the ATT&CK Navigator, which only this command
// writes.
const formatNavigator = "navigator"

func newSigma(f *cmdutil.Factory) *cobra.Command {
	var h sigmaFlags
	cmd := &cobra.Command{
		Use:   "sigma PATH…",
		Short: "Match Sigma rules against the events of all selected profiles",
		Long: `Match Sigma rules against the events of all selected profiles, or of evidence
files (--from), in one pass. PATH is a file, a folder, or a zip or tar.gz
archive of rules. All of the Sigma specification 2.1 is understood, correlations
included; a rule that asks for more is refused and the others are used.

The result is one hit for each rule and host: when it was seen first and last,
how often, up to five events, and the selections that matched. --events prints
the matching events themselves. The summary on stderr says how many rules can
match on each profile at all: a rule that needs a field or a log that a product
does not keep never can, which is not the same as no hit.

Show the author of a rule with its hits, as the licence of the public rules
asks: -o wide and JSON do.`,
		Example: `$ edrctl hunt sigma rules/ --since 7d
$ edrctl --from ./case/ hunt sigma sigma_all_rules.zip --level high,critical
$ edrctl hunt sigma rules/ --tag 'attack.t1059*' --events -o ndjson
$ edrctl hunt sigma rules/ --by technique
$ edrctl hunt sigma rules/ -o navigator > layer.json
$ edrctl hunt sigma rules/ --since 30d --checkpoint sigma.ck --resume`,
		RunE: func(cmd *cobra.Command, args []string) error { return h.do(cmd.Context(), f, args) },
	}
	h.list.AddTime(cmd)
	h.list.AddFilters(cmd, filter.Rule)
	h.rules.add(cmd)
	cmd.Flags().BoolVar(&h.events, "events", false, "print the events that match, each with its rules in sigma[]")
	cmd.Flags().StringVar(&h.by, "by", "", "sum up by technique")
	cmd.Flags().BoolVar(&h.failOnHit, "fail-on-hit", false, "exit 9 on a match")
	cmd.Flags().StringVar(&h.checkpoint, "checkpoint", "", "keep what is done in this file")
	cmd.Flags().BoolVar(&h.resume, "resume", false, "continue the hunt of --checkpoint")
	return cmd
}

func (h *sigmaFlags) check(f *cmdutil.Factory, args []string) error {
	navigator := f.Flags.Output == formatNavigator
	switch {
	case len(args) == 0:
		return cmdutil.Usagef("missing PATH: name a file, a folder or an archive of Sigma rules")
	case h.by != "" && h.by != "technique":
		return cmdutil.NoneOf("by", h.by, []string{"technique"})
	case h.resume && h.checkpoint == "":
		return cmdutil.Usagef("--resume needs --checkpoint FILE")
	case h.events && (h.by != "" || h.checkpoint != "" || navigator):
		return cmdutil.Usagef("--events does not go with --by, --checkpoint and -o navigator, which are about hits")
	case navigator && (h.by != "" || f.Flags.JQ != "" || f.Flags.Template != "" || len(f.Flags.Columns) > 0):
		return cmdutil.Usagef("-o navigator writes a whole layer: it does not go with --by, --jq, --template and --columns")
	}
	return nil
}

func (h *sigmaFlags) do(ctx context.Context, f *cmdutil.Factory, args []string) error {
	if err := h.check(f, args); err != nil {
		return err
	}
	loaded, err := h.rules.load(f, args, h.list.Explain)
	if err != nil {
		return err
	}
	req, err := h.list.Request(f)
	if err != nil {
		return err
	}
	req.Limit, req.DefaultLimit = 0, false // every event is matched
	p, err := h.printer(ctx, f)
	if err != nil {
		return err
	}
	fleet, err := f.Fleet(ctx)
	if err != nil {
		return err
	}
	now := f.Now()
	q := hunt.Sigma{Rules: loaded, Request: req, Span: hunt.Span{Since: req.Since, Until: req.Until, Began: now}}
	if h.checkpoint != "" {
		if q.Checkpoint, err = hunt.OpenCheckpoint(h.checkpoint, hunt.SigmaID(loaded, req, fleet), q.Span, h.resume); err != nil {
			return &cmdutil.UsageError{Err: err}
		}
		defer func() { f.Debugf(q.Checkpoint.Close()) }()
		if q.Span = q.Checkpoint.Span; q.Checkpoint.Done() > 0 {
			f.Note("continuing: %d parts are done already", q.Checkpoint.Done())
		}
	}
	if h.events {
		q.Event = func(e *model.Event) error { p.found++; return p.w.Write(e) }
	}
	if noteReach(f, loaded, fleet, h.list.Explain) == 0 {
		return &backends.Error{
			Kind: backends.KindUnsupported, What: "nothing was searched", Why: "none of the rules can match on the selected profiles",
			Hint: "--explain names what each rule lacks; choose other rules, or other profiles with -p",
		}
	}
	return h.run(ctx, f, fleet, q, p)
}

func (h *sigmaFlags) run(ctx context.Context, f *cmdutil.Factory, fleet *ops.Fleet, q hunt.Sigma, p *sigmaPrinter) error {
	bar := f.IO.StartProgress()
	start := time.Now()
	q.Progress = func(s hunt.SigmaSummary) {
		line := fmt.Sprintf("matching %d rules: %d events", len(q.Rules), s.Events)
		if sec := time.Since(start).Seconds(); sec >= 1 {
			line += fmt.Sprintf(" (%.0f/s)", float64(s.Events)/sec)
		}
		bar.Set(safetext.Text(fmt.Sprintf("%s, %d hits", line, s.Hits)))
	}
	hits, sum, err := hunt.RunSigma(ctx, fleet, q)
	bar.Done()
	if err != nil {
		if errors.Is(err, hunt.ErrCheckpoint) {
			return err
		}
		return cmdutil.IgnoreClosed(err)
	}
	err = f.Finish(ctx, sum.Outcomes)
	if err != nil && cmdutil.CodeOf(err) != cmdutil.ExitPartial && len(hits) == 0 {
		p.abort()
		return err
	}
	f.Note("%s", h.summary(q, hits, sum))
	if werr := p.print(hits); werr != nil {
		return cmdutil.IgnoreClosed(werr)
	}
	if h.failOnHit && len(hits)+p.found > 0 {
		return &cmdutil.ExitError{Code: cmdutil.ExitFound}
	}
	return err
}

// summary is one line on what was done. An event was "evaluated" for a rule
// when it had the literals that the rule needs.
func (h *sigmaFlags) summary(q hunt.Sigma, hits []*model.SigmaHit, sum hunt.SigmaSummary) string {
	from := "all times up"
	if !q.Span.Since.IsZero() {
		from = q.Span.Since.Format(time.RFC3339)
	}
	line := fmt.Sprintf("%d events, %d rules evaluated on them, %d hits, %s to %s", sum.Events, sum.Evaluated, len(hits), from, q.Span.End().Format(time.RFC3339))
	if h.events && sum.Fulfilled > 0 {
		line += fmt.Sprintf("; %d of the hits are correlations, not events: run without --events", sum.Fulfilled)
	}
	return line
}

// ruleFlags choose the rules.
type ruleFlags struct {
	level, status, tag, product, category, rule, exclude []string
	levelMin                                             string
	pipeline                                             string
}

func (r *ruleFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	cmdutil.StringSlice(fs, &r.level, "level", "levels of rules: informational low medium high critical")
	fs.StringVar(&r.levelMin, "level-min", "", "least level of rules")
	cmdutil.StringSlice(fs, &r.status, "status", "statuses of rules: stable test experimental deprecated unsupported")
	cmdutil.StringArray(fs, &r.tag, "tag", "", "tags of rules, with * and ?: 'attack.t1059*'")
	cmdutil.StringSlice(fs, &r.product, "product", "products of log sources: windows linux macos …")
	cmdutil.StringSlice(fs, &r.category, "category", "categories of log sources: process_creation registry_set …")
	cmdutil.StringArray(fs, &r.rule, "rule", "", "id, name or title of rules, with * and ?")
	cmdutil.StringArray(fs, &r.exclude, "exclude", "", "leave out rules by id, name, title or file, with * and ?")
	fs.StringVar(&r.pipeline, "pipeline", "", "processing pipeline with the values of placeholders (vars)")
}

// levels are those that a rule can have.
func levels() []string {
	var out []string
	for _, s := range model.Severities[1:] {
		out = append(out, string(s))
	}
	return out
}

var statuses = []string{"stable", "test", "experimental", "deprecated", "unsupported"}

func (r *ruleFlags) check() error {
	if err := cmdutil.OneOfEach("level", r.level, levels()); err != nil {
		return err
	}
	if r.levelMin != "" && !slices.Contains(levels(), r.levelMin) {
		return cmdutil.NoneOf("level-min", r.levelMin, levels())
	}
	return cmdutil.OneOfEach("status", r.status, statuses)
}

// load reads the rules and chooses among them.
func (r *ruleFlags) load(f *cmdutil.Factory, paths []string, explain bool) ([]*sigma.Rule, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	var opts sigma.Options
	if r.pipeline != "" {
		data, err := os.ReadFile(r.pipeline)
		if err != nil {
			return nil, cmdutil.Usagef("--pipeline: %w", cmdutil.Unreadable(r.pipeline, err))
		}
		if opts.Placeholders, err = sigma.ReadPipeline(r.pipeline, data); err != nil {
			return nil, cmdutil.Usagef("--pipeline: %w", err)
		}
	}
	loaded, err := sigma.Load(paths, f.IO.In, opts)
	if err != nil {
		return nil, cmdutil.Usagef("cannot read rules: %w", err)
	}
	if explain || len(loaded.Rules) == 0 {
		for _, p := range loaded.Problems {
			f.Warn("refused: %v", p)
		}
	}
	if len(loaded.Rules) == 0 {
		return nil, cmdutil.Usagef("no rule could be loaded: %d were refused in %d files", len(loaded.Problems), loaded.Files)
	}
	chosen := sigma.Choose(loaded.Rules, r.wants)
	line := fmt.Sprintf("rules: %d loaded from %d files", len(loaded.Rules), loaded.Files)
	if n := len(loaded.Problems); n > 0 {
		line += fmt.Sprintf(", %d refused", n)
		if !explain {
			line += " (--explain says why)"
		}
	}
	if len(chosen) < len(loaded.Rules) {
		line += fmt.Sprintf(", %d chosen", len(chosen))
	}
	f.Note("%s", line)
	if len(chosen) == 0 {
		return nil, cmdutil.Usagef("no rule is left: none of the %d that were loaded is what the flags ask for", len(loaded.Rules))
	}
	return chosen, nil
}

func (r *ruleFlags) wants(rule *sigma.Rule) bool {
	l := rule.LogSource
	names := []string{rule.ID, rule.Name, rule.Title}
	return (len(r.level) == 0 || slices.Contains(r.level, string(rule.Level))) &&
		(r.levelMin == "" || rule.Level.Rank() >= model.Severity(r.levelMin).Rank()) &&
		(len(r.status) == 0 || slices.Contains(r.status, rule.Status)) &&
		anyMatches(r.tag, rule.Tags) && anyMatches(r.product, []string{l.Product}) && anyMatches(r.category, []string{l.Category}) &&
		anyMatches(r.rule, names) && (len(r.exclude) == 0 || !anyMatches(r.exclude, append(names, rule.File)))
}

// anyMatches reports whether one of the values is what one of the patterns
// says; no pattern is any value.
func anyMatches(patterns, values []string) bool {
	for _, p := range patterns {
		for _, v := range values {
			if v != "" && sigma.MatchText(p, v) {
				return true
			}
		}
	}
	return len(patterns) == 0
}
