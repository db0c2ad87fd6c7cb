package rules

import (
	"bytes"
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/output"
	"github.com/edrctl/edrctl/internal/ruleconvert"
	"github.com/edrctl/edrctl/internal/sigma"
)

// convertFlags are what `rules convert` is asked.
type convertFlags struct {
	to       string
	schema   int
	pipeline string
}

func newConvert(f *cmdutil.Factory) *cobra.Command {
	var flags convertFlags
	cmd := &cobra.Command{
		Use:   "convert --to BACKEND RULE…",
		Short: "Convert Sigma rules into rules of a product",
		Long: `Convert Sigma rules into the rules of a product, for rules add -f -. RULE is a
file, a folder, a zip or tar.gz archive, or - for standard input.

A rule is converted only when the product's rule means the same. For any other
rule edrctl prints what would be lost, and converts nothing of it.

Title, id, author, licence, level and ATT&CK techniques are kept where the
product has a field for them. Categories of Sigma are read as the events of
Sysmon: Gene's rules do not see a process that only the Security log tells of.
Rules for ESP (esp) cover started programs on Windows.

Exit 3 when some rules were not converted, 5 when none was, 2 when no rule could
be loaded.`,
		Example: `$ edrctl rules convert --to gene encoded.yml
$ edrctl rules convert --to gene encoded.yml | edrctl rules add -f - -p demo-gene --dry-run
$ edrctl rules convert --to gene --schema 1 rules/ > sigma.gen`,
		RunE: func(cmd *cobra.Command, paths []string) error {
			return flags.do(cmd.Context(), f, paths)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&flags.to, "to", "", "backend whose rules are written: "+strings.Join(ruleconvert.Names(), ", "))
	fs.IntVar(&flags.schema, "schema", 2, "schema of Gene's rules: 1 for managers up to v1.8.0-beta.1, 2 for later ones")
	fs.StringVar(&flags.pipeline, "pipeline", "", "processing pipeline with the values of placeholders (vars)")
	return cmd
}

func (c *convertFlags) check(paths []string) error {
	switch {
	case c.to == "":
		return cmdutil.Usagef("missing --to BACKEND: one of %s", strings.Join(ruleconvert.Names(), ", "))
	case ruleconvert.Targets[c.to] == nil:
		return cmdutil.NoneOf("to", c.to, ruleconvert.Names())
	case c.schema != 1 && c.schema != 2:
		return cmdutil.NoneOf("schema", strconv.Itoa(c.schema), []string{"1", "2"})
	case len(paths) == 0:
		return cmdutil.Usagef("missing RULE: name a file, a folder or an archive of Sigma rules")
	}
	return nil
}

func (c *convertFlags) do(_ context.Context, f *cmdutil.Factory, paths []string) error {
	if err := c.check(paths); err != nil {
		return err
	}
	loaded, err := loadSigma(f, paths, c.pipeline)
	if err != nil {
		return err
	}
	converted, refused := 0, len(loaded.Problems)
	reported := sigma.Reported(loaded.Rules)
	names := map[string]bool{}
	for _, r := range loaded.Rules {
		if !reported[r] {
			continue
		}
		if title := strings.ToLower(r.Title); names[title] && r.ID != "" {
			r.Title += " " + r.ID // names are unique on a server
		} else {
			names[title] = true
		}
		doc, err := ruleconvert.Targets[c.to](r, ruleconvert.Options{GeneSchema: c.schema})
		if err != nil {
			refused++
			f.Warn("not converted: %s", (&sigma.RuleError{File: r.File, Line: r.Line, Rule: r.Key(), Reason: err.Error()}).Error())
			continue
		}
		converted++
		if err := output.CopyJSON(f.IO.Out, bytes.NewReader(append(doc, '\n')), output.Copy{Indent: f.IO.StdoutTTY()}); err != nil {
			return cmdutil.IgnoreClosed(err)
		}
	}
	f.Note("%d of %d rules converted for %s", converted, converted+refused, c.to)
	switch {
	case converted == 0:
		return &cmdutil.ExitError{Code: cmdutil.ExitUnsupported}
	case refused > 0:
		return &cmdutil.ExitError{Code: cmdutil.ExitPartial}
	}
	return nil
}

// loadSigma reads Sigma rules; each that is refused is a warning. An error is
// that there is none to go on with.
func loadSigma(f *cmdutil.Factory, paths []string, pipeline string) (*sigma.Loaded, error) {
	opts, err := sigmaOptions(f, pipeline)
	if err != nil {
		return nil, err
	}
	loaded, err := sigma.Load(paths, f.IO.In, opts)
	if err != nil {
		return nil, cmdutil.Usagef("cannot read the rules: %w", err)
	}
	for _, p := range loaded.Problems {
		f.Warn("rule refused: %s", p)
	}
	if len(loaded.Rules) == 0 {
		return nil, cmdutil.Usagef("no Sigma rule could be loaded from %s", strings.Join(paths, " "))
	}
	return loaded, nil
}

// sigmaOptions reads the pipeline with the values of placeholders.
func sigmaOptions(f *cmdutil.Factory, pipeline string) (opts sigma.Options, err error) {
	if pipeline == "" {
		return opts, nil
	}
	data, err := readBytes(f, pipeline)
	if err != nil {
		return opts, err
	}
	if opts.Placeholders, err = sigma.ReadPipeline(pipeline, data); err != nil {
		return opts, cmdutil.Usagef("--pipeline: %w", err)
	}
	return opts, nil
}
