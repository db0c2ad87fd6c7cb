package respond

import (
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/change"
)

func newKill(f *cmdutil.Factory) *cobra.Command {
	t := &targets{}
	var path string
	cmd := &cobra.Command{
		Use:   "kill HOST PID",
		Short: "End a process",
		Long: notes(`End a process. Pids are used again by other processes: with --path, or from an
alert, the process must have that path too, where the backend can check it.`, fromAlertNote(", pid and path")),
		Example: `$ edrctl respond kill FIN-WS-014 8120 --path 'C:\Users\Public\d.exe'
$ edrctl respond kill --from-alert prod-cw/8812 --case IR-2231`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c := backends.Change{Verb: backends.VerbKill, Path: path}
			rest, err := t.hostAnd(args, "PID")
			if err != nil {
				return err
			}
			if len(rest) > 0 || t.flags.FromAlert == "" {
				s, err := one(rest, "PID")
				if err != nil {
					return err
				}
				if c.PID, err = strconv.ParseInt(s, 10, 64); err != nil || c.PID <= 0 {
					return cmdutil.Usagef("invalid PID %q: want a whole number above 0", s)
				}
			}
			t.alert = func(c *backends.Change, a *change.FromAlert) error {
				if c.PID == 0 {
					c.PID = a.PID
				}
				if c.Path == "" && c.PID == a.PID {
					c.Path = a.Path
				}
				if c.PID == 0 {
					return backends.Invalid("cannot kill from alert "+a.Alert.Ref, "it names no pid: write it after the flag")
				}
				return nil
			}
			return t.run(cmd.Context(), f, c)
		},
	}
	cmd.Flags().StringVar(&path, "path", "", "path the process must have")
	t.add(cmd, f)
	return cmd
}

func newDeleteFile(f *cmdutil.Factory) *cobra.Command {
	t := &targets{}
	cmd := &cobra.Command{
		Use:   "delete-file HOST PATH",
		Short: "Delete a file on an endpoint",
		Long: notes(`Permanently delete a file on an endpoint. Collect it first with edrctl carve get.`, fromAlertNote(" and the path of its process"),
			`A program of the operating system is never taken from an alert.`),
		Example: `$ edrctl respond delete-file FIN-WS-014 'C:\Users\Public\d.dll'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c := backends.Change{Verb: backends.VerbDeleteFile}
			rest, err := t.hostAnd(args, "PATH")
			if err != nil {
				return err
			}
			if len(rest) > 0 || t.flags.FromAlert == "" {
				if c.Path, err = one(rest, "PATH"); err != nil {
					return err
				}
				if strings.TrimSpace(c.Path) == "" {
					return cmdutil.Usagef("the path is empty")
				}
			}
			t.alert = func(c *backends.Change, a *change.FromAlert) error {
				if c.Path != "" {
					return nil
				}
				switch c.Path = a.Path; {
				case c.Path == "":
					return backends.Invalid("cannot delete a file from alert "+a.Alert.Ref, "it names no path: write it after the flag")
				case change.SystemPath(c.Path):
					return backends.Invalid("cannot delete "+c.Path, "it is the operating system's own: write the path out if you mean it")
				}
				return nil
			}
			return t.run(cmd.Context(), f, c)
		},
	}
	t.add(cmd, f)
	return cmd
}

func newRun(f *cmdutil.Factory) *cobra.Command {
	t := &targets{}
	var limit string
	cmd := &cobra.Command{
		Use:   "run HOST -- COMMAND…",
		Short: "Run a command on an endpoint and show what it wrote",
		Long: `Run a command on an endpoint, each argument arriving as it is written here, and
show what it wrote. Without -o the command's output is standard output, each line
after the host's name when there are several.`,
		Example: `$ edrctl respond run FIN-WS-014 -- netstat -ano
$ edrctl respond run --hosts-file hosts.txt --yes -- whoami /all`,
		RunE: func(cmd *cobra.Command, args []string) error {
			dash := cmd.ArgsLenAtDash()
			if dash < 0 || dash == len(args) {
				return cmdutil.Usagef("write the command after --: edrctl respond run HOST -- COMMAND…")
			}
			t.args = args[:dash]
			if err := t.noHostTwice(); err != nil {
				return err
			}
			c := backends.Change{Verb: backends.VerbRun, Command: args[dash:]}
			return t.runWithOutput(cmd, f, c, limit)
		},
	}
	cmd.Flags().StringVar(&limit, "run-for", "", "how long the command may run on the endpoint, for example 5m")
	t.add(cmd, f)
	return cmd
}

func newScript(f *cmdutil.Factory) *cobra.Command {
	t := &targets{}
	var limit string
	cmd := &cobra.Command{
		Use:     "script HOST FILE",
		Short:   "Run a local script on an endpoint and show what it wrote",
		Example: `$ edrctl respond script build-07 collect.sh --run-for 10m`,
		RunE: func(cmd *cobra.Command, args []string) error {
			rest, err := t.hostAnd(args, "FILE")
			if err != nil {
				return err
			}
			name, err := one(rest, "FILE")
			if err != nil {
				return err
			}
			content, err := readScript(f, name)
			if err != nil {
				return err
			}
			c := backends.Change{Verb: backends.VerbScript, Script: &backends.Script{Name: filepath.Base(name), Content: content}}
			return t.runWithOutput(cmd, f, c, limit)
		},
	}
	cmd.Flags().StringVar(&limit, "run-for", "", "how long the script may run on the endpoint, for example 5m")
	t.add(cmd, f)
	return cmd
}

// maxScript bounds a script.
const maxScript = 8 << 20

func readScript(f *cmdutil.Factory, name string) ([]byte, error) {
	r, err := f.ReadInput(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }() // only read from
	b, err := io.ReadAll(io.LimitReader(r, maxScript+1))
	switch {
	case err != nil:
		return nil, cmdutil.Usagef("cannot read %s: %w", name, err)
	case len(b) == 0:
		return nil, cmdutil.Usagef("%s is empty", name)
	case len(b) > maxScript:
		return nil, cmdutil.Usagef("%s is larger than %d MiB", name, maxScript>>20)
	}
	return b, nil
}

func (t *targets) noHostTwice() error {
	if len(t.args) == 0 && t.flags.HostsFile == "" && t.flags.FromAlert == "" {
		return cmdutil.Usagef("missing HOST: give it, --hosts-file or --from-alert")
	}
	return nil
}

func (t *targets) runWithOutput(cmd *cobra.Command, f *cmdutil.Factory, c backends.Change, limit string) error {
	if limit != "" {
		d, err := cmdutil.ParseDuration(limit)
		if err != nil {
			return cmdutil.Usagef("invalid --run-for %w", err)
		}
		c.Timeout = d.Round(time.Millisecond)
	}
	o, err := t.order(f, c)
	if err != nil {
		return err
	}
	o.Print = func(res *change.Result) error { return printOutput(f, res) }
	return cmdutil.RunOrder(cmd.Context(), f, o)
}

// hostsVerb builds a verb that takes nothing but hosts.
func hostsVerb(f *cmdutil.Factory, verb, short, long, example string) *cobra.Command {
	t := &targets{}
	cmd := &cobra.Command{
		Use:     verb + " HOST…",
		Short:   short,
		Long:    long,
		Example: example,
		RunE: func(cmd *cobra.Command, args []string) error {
			t.args = args
			return t.run(cmd.Context(), f, backends.Change{Verb: verb})
		},
	}
	t.add(cmd, f)
	return cmd
}

func newIsolate(f *cmdutil.Factory) *cobra.Command {
	return hostsVerb(f, backends.VerbIsolate, "Cut endpoints off the network", notes(
		`Cut endpoints off the network, but for their backend. What was changed is kept in
the journal: edrctl respond release, or undo, puts it back, and edrctl audit
in-force lists what is still isolated.`, fromAlertNote("")),
		`$ edrctl respond isolate --from-alert cb/JSPJCU9K --case IR-2231
$ edrctl respond isolate --hosts-file hosts.txt --max-hosts 40 --yes --wait 10m`)
}

func newRelease(f *cmdutil.Factory) *cobra.Command {
	t := &targets{}
	var policy string
	cmd := &cobra.Command{
		Use:   "release HOST…",
		Short: "Let isolated endpoints back on the network",
		Long: notes(`Let isolated endpoints back on the network, as they were before: this machine's
journal knows how. --policy names the policy that a device is to have where only
another machine's journal does (Carbon Black).`, fromAlertNote("")),
		Example: `$ edrctl respond release SRV-DB-02
$ edrctl respond release SRV-DB-02 --policy Servers`,
		RunE: func(cmd *cobra.Command, args []string) error {
			t.args = args
			c := backends.Change{Verb: backends.VerbRelease}
			if policy != "" {
				c.Params = map[string]string{backends.ParamPolicy: policy}
			}
			return t.run(cmd.Context(), f, c)
		},
	}
	cmd.Flags().StringVar(&policy, "policy", "", "policy the device is to have then, by name or id")
	t.add(cmd, f)
	return cmd
}

func newRestart(f *cmdutil.Factory) *cobra.Command {
	return hostsVerb(f, backends.VerbRestartAgent, "Restart the agent of endpoints", "", `$ edrctl respond restart-agent build-07`)
}

func newBlock(f *cmdutil.Factory, undo bool) *cobra.Command {
	t := &targets{}
	verb, short := backends.VerbBlock, "Block an address or a program on an endpoint"
	if undo {
		verb, short = backends.VerbUnblock, "Take a block of an address or a program away"
	}
	cmd := &cobra.Command{
		Use:   verb + " HOST ADDRESS[:PORT]|PROGRAM",
		Short: short,
		Example: `$ edrctl respond ` + verb + ` build-07 203.0.113.9:443
$ edrctl respond ` + verb + ` build-07 /usr/bin/nc`,
		RunE: func(cmd *cobra.Command, args []string) error {
			rest, err := t.hostAnd(args, "ADDRESS or PROGRAM")
			if err != nil {
				return err
			}
			s, err := one(rest, "ADDRESS or PROGRAM")
			if err != nil {
				return err
			}
			c := backends.Change{Verb: verb}
			if c.Address, c.Port, c.Program, err = change.BlockTarget(s); err != nil {
				return &cmdutil.UsageError{Err: err}
			}
			return t.run(cmd.Context(), f, c)
		},
	}
	t.add(cmd, f)
	return cmd
}

func newScan(f *cmdutil.Factory) *cobra.Command {
	t := &targets{}
	kinds := []string{"quick", "full", "custom"}
	cmd := &cobra.Command{
		Use:   "scan HOST quick|full|custom [PATH]",
		Short: "Scan an endpoint for malware",
		Example: `$ edrctl respond scan FIN-WS-014 quick --wait
$ edrctl respond scan FIN-WS-014 custom 'C:\Users\Public'`,
		ValidArgs: kinds,
		RunE: func(cmd *cobra.Command, args []string) error {
			rest, err := t.hostAnd(args, "quick, full or custom")
			if err != nil {
				return err
			}
			c := backends.Change{Verb: backends.VerbScan}
			switch {
			case len(rest) == 1 && (rest[0] == "quick" || rest[0] == "full"):
			case len(rest) == 2 && rest[0] == "custom" && rest[1] != "":
				c.Path = rest[1]
			case len(rest) >= 1 && rest[0] == "custom":
				return cmdutil.Usagef("a custom scan takes one PATH")
			default:
				return cmdutil.Usagef("missing kind of scan: want quick, full or custom PATH")
			}
			c.Scan = rest[0]
			return t.run(cmd.Context(), f, c)
		},
	}
	t.add(cmd, f)
	return cmd
}
