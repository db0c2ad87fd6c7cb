// Package completion writes the completion scripts of the shells.
package completion

import (
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
)

// Shells are the shells there is a script for, each with the name its file has
// where packages put it.
var Shells = []struct{ Name, File string }{
	{"bash", "edrctl.bash"}, {"zsh", "_edrctl"}, {"fish", "edrctl.fish"}, {"powershell", "edrctl.ps1"},
}

var (
	//go:embed scripts/edrctl.bash
	bash string
	//go:embed scripts/_edrctl
	zsh string
	//go:embed scripts/edrctl.fish
	fish string
)

// Write writes the script of a shell.
func Write(w io.Writer, shell string) error {
	switch shell {
	case "bash":
		_, err := io.WriteString(w, bash)
		return err
	case "zsh":
		_, err := io.WriteString(w, zsh)
		return err
	case "fish":
		_, err := io.WriteString(w, fish)
		return err
	case "powershell":
		return powershell(w)
	}
	return cmdutil.Usagef("unknown shell %q: want bash, zsh, fish or powershell", shell)
}

// powershell is cobra's own script. Its filter learns of words that fit by
// something else than their beginning.
func powershell(w io.Writer) error {
	var b bytes.Buffer
	if err := (&cobra.Command{Use: "edrctl"}).GenPowerShellCompletionWithDesc(&b); err != nil {
		return err
	}
	const filter = `$_.Name -like "$WordToComplete*"`
	text := b.String()
	if strings.Count(text, filter) != 1 {
		return fmt.Errorf("the script for PowerShell has no %s", filter)
	}
	text = strings.Replace(text, filter, `(($Directive -band 64) -ne 0) -or ($_.Name -like "$WordToComplete*")`, 1)
	_, err := io.WriteString(w, text)
	return err
}

const long = `Write the completion script of a shell. Packages (deb, rpm, apk, Homebrew) and
Scoop put it in its place by themselves; by hand, once:

  bash        mkdir -p ~/.local/share/bash-completion/completions
              edrctl completion bash > ~/.local/share/bash-completion/completions/edrctl
              Without the package bash-completion, in ~/.bashrc:
              source <(edrctl completion bash)
  zsh         edrctl completion zsh > "${fpath[1]}/_edrctl", then a new shell; or in
              ~/.zshrc, after compinit: source <(edrctl completion zsh)
  fish        edrctl completion fish > ~/.config/fish/completions/edrctl.fish
  PowerShell  in $PROFILE: edrctl completion powershell | Out-String | Invoke-Expression

Alerts, hosts, rules, processes, carves and actions are completed from what lists
have shown, newest first, by the reference or by a host's name or a word of the
title; from a small cache in ` + "`$XDG_CACHE_HOME/edrctl/complete`" + ` that may be
deleted at any time and holds no secret. No server is asked, unless
EDRCTL_COMPLETE_LIVE=1 is set: then for two seconds at most, with secrets from the
environment only. The keyring is never opened.`

// New builds `edrctl completion`.
func New(f *cmdutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "completion",
		Short: "Write the completion script of bash, zsh, fish or PowerShell",
		Long:  long,
		Args:  cobra.NoArgs,
		RunE:  cmdutil.ShowHelp,
	}
	for _, s := range Shells {
		cmd.AddCommand(&cobra.Command{
			Use:     s.Name,
			Short:   "Write the script for " + s.Name,
			Long:    "Write the script for " + s.Name + ". How to install it: edrctl completion --help",
			Example: "$ edrctl completion " + s.Name + " > " + s.File,
			Args:    cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error {
				return cmdutil.IgnoreClosed(Write(f.IO.Out, s.Name))
			},
		})
	}
	return cmd
}
