package carve

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/download"
	"github.com/edrctl/edrctl/internal/output"
)

var kindVerdict = output.NewKind[download.Verdict]("verdict", []output.Column{
	{Name: "ok", As: output.AsState}, {Name: "file", As: output.AsPath, Min: 12}, {Name: "size", As: output.AsSize, Drop: 2}, {Name: "host", Min: 8, Drop: 1},
	{Name: "path", As: output.AsPath, Min: 12, Drop: 3}, {Name: "why", Min: 16},
}, nil)

func newVerify(f *cmdutil.Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "verify [FILE|FOLDER]…",
		Short: "Check saved files against their manifests: exit 9 when one was changed",
		Example: `$ edrctl carve verify case-2231
$ edrctl carve verify evil.exe.zip -o json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{"."}
			}
			var paths []string
			for _, arg := range args {
				info, err := os.Stat(arg)
				if err != nil {
					return cmdutil.Unreadable(arg, err)
				}
				if !info.IsDir() {
					paths = append(paths, arg)
					continue
				}
				list, err := download.Manifests(arg)
				if err != nil {
					return err
				}
				if len(list) == 0 {
					f.Note("%s: no manifest is here", arg)
				}
				paths = append(paths, list...)
			}
			var rows []any
			bad := false
			for _, p := range paths {
				v, err := download.Verify(cmd.Context(), p)
				if cmd.Context().Err() != nil {
					return cmd.Context().Err()
				}
				if err != nil {
					v = &download.Verdict{Manifest: p, Why: err.Error()}
				}
				bad = bad || !v.OK
				rows = append(rows, v)
			}
			if err := cmdutil.PrintRows(cmd.Context(), f, kindVerdict, rows); err != nil {
				return err
			}
			if bad {
				return &cmdutil.ExitError{Code: cmdutil.ExitFound}
			}
			return nil
		},
	}
}
