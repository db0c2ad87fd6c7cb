// Package version tells which edrctl this is.
package version

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/output"
)

// Set by the release build (-ldflags -X, .goreleaser.yml); any other build
// reads what Go wrote into the binary.
var (
	Version = "" // 1.2.3
	Commit  = "" // the whole hash
	Date    = "" // of the commit, RFC 3339
)

var kindVersion = output.NewKind[Info]("version", []output.Column{
	{Name: "version"}, {Name: "commit"}, {Name: "date"}, {Name: "go"}, {Name: "platform"},
}, nil)

// Info is what `edrctl version -o json` prints.
type Info struct {
	Version  string `json:"version"`            // 1.2.3, a pseudo-version, or dev
	Commit   string `json:"commit,omitempty"`   // the whole hash
	Date     string `json:"date,omitempty"`     // of the commit, RFC 3339, UTC
	Modified bool   `json:"modified,omitempty"` // built from a tree with changes that are not committed
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
	Platform string `json:"platform"` // os/arch
}

// Get finds the information out.
func Get() Info {
	build, _ := debug.ReadBuildInfo()
	return From(build)
}

// From is Get for what Go wrote into a binary; build may be nil.
func From(build *debug.BuildInfo) Info {
	i := Info{
		Version: Version, Commit: Commit, Date: Date,
		Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	if build != nil {
		if i.Version == "" {
			i.Version = build.Main.Version
		}
		for _, s := range build.Settings {
			switch {
			case s.Key == "vcs.revision" && i.Commit == "":
				i.Commit = s.Value
			case s.Key == "vcs.time" && i.Date == "":
				i.Date = s.Value
			case s.Key == "vcs.modified":
				i.Modified = s.Value == "true"
			}
		}
	}
	// Modules have a v before the number, releases and packages have none.
	i.Version = strings.TrimPrefix(i.Version, "v")
	if i.Version == "" || i.Version == "(devel)" {
		i.Version = "dev"
	}
	return i
}

// String is the line of `edrctl version`.
func (i Info) String() string {
	about := []string{}
	if i.Commit != "" {
		about = append(about, i.Commit[:min(12, len(i.Commit))])
	}
	if day, _, ok := strings.Cut(i.Date, "T"); ok {
		about = append(about, day)
	}
	return fmt.Sprintf("edrctl %s (%s)", i.Version, strings.Join(append(about, i.Go, i.Platform), ", "))
}

// New builds `edrctl version`.
func New(f *cmdutil.Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show the version",
		Example: `  edrctl version
  edrctl version -o json --jq .commit`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			i := Get()
			if f.Flags.Output == "" && f.Flags.JQ == "" && f.Flags.Template == "" {
				_, err := fmt.Fprintln(f.IO.Out, i)
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
