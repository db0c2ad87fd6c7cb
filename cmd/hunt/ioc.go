package hunt

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/hunt"
	"github.com/edrctl/edrctl/internal/ioc"
	"github.com/edrctl/edrctl/internal/ops"
)

// iocFlags are the flags of hunt ioc.
type iocFlags struct {
	flags
	files         []string
	strict        bool
	listOnly      bool
	unread        bool
	text          bool
	allAttributes bool
	checkpoint    string
	resume        bool
}

func newIOC(f *cmdutil.Factory) *cobra.Command {
	var h iocFlags
	cmd := &cobra.Command{
		Use:   "ioc FILE…|-",
		Short: "Hunt the indicators in lists, feeds and reports",
		Long: `Hunt the indicators in files as people bring them: hash lists, CSV, STIX, MISP,
OpenIOC, feeds in JSON, block lists, and reports in Markdown, AsciiDoc, HTML or
plain text, defanged or not, packed or not. What a file is is found out from
its content. A folder means all files in it.

--list shows what was understood and hunts nothing; --list --unread shows what
was not. The summary counts both. A file that is something else (a PDF, YARA
rules, source code) is refused with what to do instead.

With --checkpoint FILE what is done is kept, and --resume continues a hunt that
was cut, without repeating what is done and without losing a hit.`,
		Example: `$ edrctl hunt ioc feed.txt --since 7d
$ pdftotext report.pdf - | edrctl hunt ioc --text -
$ edrctl hunt ioc report.md --list -o json
$ curl -s https://intel.example/feed.json | edrctl hunt ioc - --fail-on-hit
$ edrctl hunt ioc big.csv --since 30d --checkpoint hunt.ck --resume`,
		RunE: func(cmd *cobra.Command, args []string) error { return h.do(cmd, f, args) },
	}
	h.add(cmd)
	cmdutil.StringArray(cmd.Flags(), &h.files, "file", "f", "file of indicators, or - for standard input; may repeat")
	cmd.Flags().BoolVar(&h.listOnly, "list", false, "print the indicators and where each would be searched; hunt nothing")
	cmd.Flags().BoolVar(&h.unread, "unread", false, "with --list: print what was not understood instead")
	cmd.Flags().BoolVar(&h.text, "text", false, "read the files as prose: search every line")
	cmd.Flags().BoolVar(&h.allAttributes, "all-attributes", false, "hunt MISP attributes with to_ids false and STIX observables, too")
	cmd.Flags().BoolVar(&h.common, "common", false, "hunt well-known harmless values, too: private addresses, empty files, public resolvers")
	cmd.Flags().BoolVar(&h.strict, "strict", false, "fail when a line, cell or object gives nothing")
	cmd.Flags().StringVar(&h.checkpoint, "checkpoint", "", "keep what is done in this file")
	cmd.Flags().BoolVar(&h.resume, "resume", false, "continue the hunt of --checkpoint")
	return cmd
}

func (h *iocFlags) do(cmd *cobra.Command, f *cmdutil.Factory, args []string) error {
	names := append(h.files, args...)
	switch {
	case len(names) == 0:
		return cmdutil.Usagef("missing FILE: name a file of indicators, or - for standard input")
	case h.resume && h.checkpoint == "":
		return cmdutil.Usagef("--resume needs --checkpoint FILE")
	case h.unread && !h.listOnly:
		return cmdutil.Usagef("--unread needs --list")
	}
	ctx := cmd.Context()
	if h.listOnly && h.unread {
		return h.printUnread(ctx, f, names)
	}
	r, err := h.read(f, names, nil)
	if err != nil {
		return err
	}
	if h.listOnly {
		if err := h.printList(ctx, f, r.list); err != nil {
			return err
		}
		return r.partial()
	}
	if len(r.list.Hunted(h.common)) == 0 {
		return r.nothingToHunt()
	}
	return worse(h.run(ctx, f, r.list, h.keep(f, r.list)), r.partial())
}

// worse keeps the result of the hunt, unless it was a success and a file was left out.
func worse(hunt, files error) error {
	if hunt != nil {
		return hunt
	}
	return files
}

// keep opens the checkpoint; nil when the hunt is not kept.
func (h *iocFlags) keep(f *cmdutil.Factory, list *ioc.List) func(*ops.Fleet, *hunt.Hunt) error {
	if h.checkpoint == "" {
		return nil
	}
	return func(fleet *ops.Fleet, q *hunt.Hunt) error {
		c, err := hunt.OpenCheckpoint(h.checkpoint, hunt.ID(list, fleet), q.Span, h.resume)
		if err != nil {
			return &cmdutil.UsageError{Err: err}
		}
		q.Checkpoint, q.Span = c, c.Span
		if c.Done() > 0 {
			f.Note("continuing: %d parts are done already", c.Done())
		}
		return nil
	}
}

// isRefused tells an error that says that a file is something else.
func isRefused(err error) (*ioc.RefusedError, bool) {
	var no *ioc.RefusedError
	return no, errors.As(err, &no)
}
