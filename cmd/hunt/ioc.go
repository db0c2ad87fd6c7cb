package hunt

import (
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/ioc"
	"github.com/edrctl/edrctl/internal/ops"
)

// shownProblems is how many unusable lines are named; the rest are counted.
const shownProblems = 20

func newIOC(f *cmdutil.Factory) *cobra.Command {
	var h flags
	var files []string
	var strict, resume bool
	var checkpoint string
	cmd := &cobra.Command{
		Use:   "ioc FILE…|-",
		Short: "Hunt a list of indicators: lines, CSV, STIX 2.1 or MISP",
		Long: `Hunt a list of indicators: plain lines (mixed types, comments, defanged), CSV
with a header, STIX 2.1 bundles or MISP events. A line that is no indicator is
said with its number and the rest goes on; --strict makes it fatal.

With --checkpoint FILE what is done is kept, and --resume continues a hunt that
was cut, without repeating what is done and without losing a hit.`,
		Example: `$ edrctl hunt ioc feed.txt --since 7d
$ curl -s https://intel.example/feed.json | edrctl hunt ioc - --fail-on-hit
$ edrctl hunt ioc big.csv --since 30d --checkpoint hunt.ck --resume`,
		RunE: func(cmd *cobra.Command, args []string) error {
			files := append(slices.Clone(files), args...)
			if len(files) == 0 {
				return cmdutil.Usagef("missing FILE: a file of indicators, or - for standard input")
			}
			if resume && checkpoint == "" {
				return cmdutil.Usagef("--resume needs --checkpoint FILE")
			}
			list, err := load(f, files, strict)
			if err != nil {
				return err
			}
			var keep func(*ops.Fleet, *ops.Hunt) error
			if checkpoint != "" {
				keep = func(fleet *ops.Fleet, hunt *ops.Hunt) error {
					c, err := ops.OpenCheckpoint(checkpoint, ops.HuntID(list, fleet), hunt.Since, hunt.Until, resume)
					if err != nil {
						return &cmdutil.UsageError{Err: err}
					}
					hunt.Checkpoint, hunt.Since, hunt.Until = c, c.Since, c.Until
					if c.Done() > 0 {
						f.Note("continuing: %d parts are done already", c.Done())
					}
					return nil
				}
			}
			return h.run(cmd.Context(), f, list, keep)
		},
	}
	h.add(cmd)
	cmd.Flags().StringArrayVarP(&files, "file", "f", nil, "file of indicators, like the operand; may repeat")
	cmd.Flags().BoolVar(&strict, "strict", false, "an unusable line is an error")
	cmd.Flags().StringVar(&checkpoint, "checkpoint", "", "keep what is done in this file")
	cmd.Flags().BoolVar(&resume, "resume", false, "continue the hunt of --checkpoint")
	return cmd
}

// load reads the files and says what could not be used.
func load(f *cmdutil.Factory, files []string, strict bool) (*ioc.List, error) {
	list := ioc.NewList()
	for _, name := range files {
		r, err := f.ReadText(name)
		if err != nil {
			return nil, err
		}
		shown := name
		if name == "-" {
			shown = "standard input"
		}
		err = errors.Join(list.Read(r, shown), r.Close())
		if err != nil {
			return nil, &cmdutil.UsageError{Err: err}
		}
	}
	for i, p := range list.Problems {
		if strict {
			return nil, cmdutil.Usagef("%s", p)
		}
		if i == shownProblems {
			f.Warn("%d further places are no indicators", len(list.Problems)-i)
			break
		}
		f.Warn("%s", p)
	}
	if len(list.Indicators) == 0 {
		return nil, cmdutil.Usagef("no indicator is left to hunt")
	}
	return list, nil
}
