// Package version tells which edrctl this is.
package version

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/output"
)

// Set by the release build (-ldflags -X); a plain build reads its own module
// information.
var (
	Version = ""
	Commit  = ""
	Date    = ""
)

var kindVersion = output.NewKind[Info]("version", []output.Column{
	{Name: "version"}, {Name: "commit"}, {Name: "date"}, {Name: "go"}, {Name: "os"}, {Name: "arch"},
}, nil)

// Info is what `edrctl version -o json` prints.
type Info struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Date    string `json:"date,omitempty"`
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

// Get finds the information out.
func Get() Info {
	i := Info{Version: Version, Commit: Commit, Date: Date, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	if b, ok := debug.ReadBuildInfo(); ok {
		if i.Version == "" {
			i.Version = b.Main.Version
		}
		for _, s := range b.Settings {
			switch {
			case s.Key == "vcs.revision" && i.Commit == "":
				i.Commit = s.Value
			case s.Key == "vcs.time" && i.Date == "":
				i.Date = s.Value
			}
		}
	}
	if i.Version == "" || i.Version == "(devel)" {
		i.Version = "dev"
	}
	return i
}

// New builds `edrctl version`.
func New(f *cmdutil.Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			i := Get()
			if f.Flags.Output == "" && f.Flags.JQ == "" && f.Flags.Template == "" {
				_, err := fmt.Fprintf(f.IO.Out, "edrctl %s (%s, %s/%s)\n", i.Version, i.Go, i.OS, i.Arch)
				return err
			}
			w, err := f.Printer(cmd.Context(), kindVersion)
			if err != nil {
				return err
			}
			return w.One(&i)
		},
	}
}
