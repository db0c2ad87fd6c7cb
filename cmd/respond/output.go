package respond

import (
	"fmt"
	"io"
	"strings"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/change"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/safetext"
)

// printOutput writes what commands wrote: their standard output to ours,
// their standard error to ours, each line after the host's name when there
// are several hosts. A pipe gets the bytes as they came.
func printOutput(f *cmdutil.Factory, res *change.Result) error {
	all := res.All()
	for _, a := range all {
		prefix := ""
		if len(all) > 1 && a.Host != nil {
			prefix = a.Host.Name + ": "
		}
		if err := write(f.IO.Out, f.IO.StdoutTTY(), prefix, a.Stdout); err != nil {
			return err
		}
		if err := write(f.IO.ErrOut, true, prefix, a.Stderr); err != nil {
			return err
		}
		if a.ExitCode != nil && *a.ExitCode != 0 {
			f.Note("%sthe command ended with exit code %d", prefix, *a.ExitCode)
		}
		if a.State == model.ActionDone && len(a.Files) > 0 {
			f.Note("%scollected: edrctl carve download %s/%s", prefix, a.Profile, strings.Join(a.Files, " "+a.Profile+"/"))
		}
		if a.State != model.ActionDone {
			f.Note("%s%s %s", prefix, a.State, a.Ref)
		}
	}
	return nil
}

func write(w io.Writer, screen bool, prefix, text string) error {
	if text == "" {
		return nil
	}
	if screen {
		text = string(safetext.Lines(text))
	}
	if prefix != "" {
		var b strings.Builder
		for line := range strings.Lines(text) {
			b.WriteString(string(safetext.Text(prefix)) + line)
		}
		text = b.String()
	}
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	_, err := fmt.Fprint(w, text)
	return err
}
