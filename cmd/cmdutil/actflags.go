package cmdutil

import (
	"os/user"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/change"
	"github.com/edrctl/edrctl/internal/lazyregexp"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/output"
)

// ActFlags are the flags of every command that changes something.
type ActFlags struct {
	Case      string
	Comment   string
	DryRun    bool
	Yes       bool
	Danger    bool // the second yes, of dangerous operations
	Queue     bool
	MaxHosts  int
	Wait      string
	HostsFile string
	FromAlert string
}

// waitToEnd is the value of --wait without a value.
const waitToEnd = "end"

// Add adds the flags of every change.
func (a *ActFlags) Add(cmd *cobra.Command, f *Factory) {
	fs := cmd.Flags()
	fs.StringVar(&a.Case, "case", f.Getenv("EDRCTL_CASE"), "case this belongs to, for the audit journal [EDRCTL_CASE]")
	fs.StringVar(&a.Comment, "comment", "", "why, for the audit journal and for backends that keep comments")
	fs.BoolVar(&a.DryRun, "dry-run", false, "show the exact requests and send none")
	fs.BoolVar(&a.Yes, "yes", false, "do not ask")
}

// AddHosts adds what commands on hosts take; fromAlert too where an alert
// says enough.
func (a *ActFlags) AddHosts(cmd *cobra.Command, fromAlert bool) {
	fs := cmd.Flags()
	fs.IntVar(&a.MaxHosts, "max-hosts", change.FreeHosts, "how many hosts this may be on")
	fs.StringVar(&a.HostsFile, "hosts-file", "", "take the hosts from a file, one a line; - is standard input")
	fs.BoolVar(&a.Queue, "queue", false, "send it also to hosts that are not ready, to be done when they are")
	if fromAlert {
		RefVar(fs, &a.FromAlert, "from-alert", "take host, pid and path from an alert")
	}
}

// AddWait adds --wait.
func (a *ActFlags) AddWait(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.Wait, "wait", "1m", "how long actions are followed; without a value to their end, 0 not at all")
	cmd.Flags().Lookup("wait").NoOptDefVal = waitToEnd
}

// WaitTime reads --wait: negative = to the end.
func (a *ActFlags) WaitTime() (time.Duration, error) {
	switch a.Wait {
	case waitToEnd:
		return -1, nil
	case "", "0", "0s":
		return 0, nil
	}
	d, err := ParseDuration(a.Wait)
	if err != nil {
		return 0, Usagef("invalid --wait %w", err)
	}
	return d, nil
}

// Countdown gives what is left of a wait, for commands that wait for several
// things one after the other; one without an end stays that.
func Countdown(wait time.Duration) func() time.Duration {
	end := time.Now().Add(wait)
	return func() time.Duration {
		if wait < 0 {
			return wait
		}
		return max(time.Until(end), 0)
	}
}

// JoinWait makes `--wait 5m` one argument: the value of --wait is optional,
// and pflag takes an optional value only after "=".
func JoinWait(args []string) []string {
	out := make([]string, 0, len(args))
	for i := 0; i < len(args); i++ {
		if args[i] == "--" {
			return append(out, args[i:]...)
		}
		if args[i] == "--wait" && i+1 < len(args) {
			if _, err := ParseDuration(args[i+1]); err == nil || args[i+1] == "0" || args[i+1] == "0s" {
				out = append(out, "--wait="+args[i+1])
				i++
				continue
			}
		}
		out = append(out, args[i])
	}
	return out
}

// ReadHosts gives the hosts of the command line and of --hosts-file.
func (a *ActFlags) ReadHosts(f *Factory, args []string) ([]string, error) {
	names, err := a.readHosts(f, args)
	if err != nil || a.DryRun {
		return names, err
	}
	// Too many are refused before any server is asked about each of them.
	different := map[string]bool{}
	for _, name := range names {
		different[strings.ToLower(name)] = true
	}
	return names, change.CheckHosts(len(different), a.MaxHosts)
}

func (a *ActFlags) readHosts(f *Factory, args []string) ([]string, error) {
	if a.HostsFile == "-" && slices.Contains(args, "-") {
		return nil, Usagef("--hosts-file - and the operand - both read standard input: give one")
	}
	names, err := ReadRefs(f, args)
	if err != nil || a.HostsFile == "" {
		return slices.Clone(names), err
	}
	r, err := f.ReadText(a.HostsFile)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }() // only read from
	more, err := change.ReadNames(r)
	if err != nil {
		return nil, Usagef("--hosts-file: %w", err)
	}
	if len(more) == 0 {
		return nil, Usagef("--hosts-file: %s names no host", a.HostsFile)
	}
	for _, name := range more {
		names = append(names, output.FromWord(name))
	}
	return names, nil
}

// ReadRefs gives the references or hosts of the command line, with those of
// standard input in place of "-". A change of nothing is a mistake.
func ReadRefs(f *Factory, args []string) ([]string, error) {
	out, err := ReadOperands(f, args)
	if err == nil && len(out) == 0 && len(args) > 0 {
		return nil, Usagef("standard input names nothing")
	}
	return out, err
}

// ReadOperands is ReadRefs for commands that only read: an empty standard
// input is an empty answer.
func ReadOperands(f *Factory, args []string) ([]string, error) {
	out := []string{}
	read := false
	for _, arg := range args {
		if arg != "-" {
			out = append(out, output.FromWord(arg))
			continue
		}
		if read {
			return nil, Usagef("standard input can be read once: give - once")
		}
		read = true
		in, err := f.ReadText("-")
		if err != nil {
			return nil, err
		}
		refs, err := change.ReadNames(in)
		if err != nil {
			return nil, Usagef("cannot read standard input: %w", err)
		}
		for _, ref := range refs {
			out = append(out, output.FromWord(ref))
		}
	}
	return out, nil
}

// Allowed refuses what needs no look at a backend to be refused: --read-only.
func (a *ActFlags) Allowed(f *Factory) error {
	if f.Flags.ReadOnly && !a.DryRun {
		return change.RefusedReadOnly("")
	}
	return nil
}

// Askable refuses what there is no way to get a yes for. It comes after the
// preview: that a backend cannot do it at all is the better answer.
func (a *ActFlags) Askable(f *Factory) error {
	if a.Yes || f.IO.CanPrompt() {
		return nil
	}
	return &backends.Error{
		Kind: backends.KindRefused, What: "nothing was sent", Why: "there is no terminal to ask on",
		Hint: "--yes skips the question; --dry-run shows what would be sent",
	}
}

// UserName is who runs this, as the journal and manifests say it.
func (f *Factory) UserName() string { return userName(f.Getenv) }

// Opened is the fleet that was opened last, nil before.
func (f *Factory) Opened() *ops.Fleet { return f.fleet }

func userName(getenv func(string) string) string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	if u := getenv("USER"); u != "" {
		return u
	}
	return getenv("USERNAME")
}

var (
	secretFlag  = lazyregexp.New(`(?i)^(-{1,2}[\w.-]*(?:password|passwd|passphrase|secret|token|api[-_]?key|apikey|credential)[\w.-]*)(=.*)?$`)
	secretValue = lazyregexp.New(`(?i)((?:password|passwd|passphrase|secret|token|api[-_]?key|authorization|x-auth-token|x-api-key)\s*[=:]\s*)("[^"]*"|'[^']*'|\S.*)`)
	urlPassword = lazyregexp.New(`(://[^/\s:@]+:)[^/\s@]+@`)
)

// CommandLine is a command line fit for the journal: what looks like a secret
// is masked, and so is every secret that was looked up.
func (f *Factory) CommandLine(args []string) string {
	const mask = "***"
	out := make([]string, 0, len(args)+1)
	hide := false
	for i, arg := range append([]string{"edrctl"}, args...) {
		switch {
		case i == 0:
		case hide:
			arg, hide = mask, false
		default:
			if m := secretFlag.FindStringSubmatch(arg); m != nil {
				hide = m[2] == ""
				arg = m[1]
				if m[2] != "" {
					arg += "=" + mask
				}
				break
			}
			arg = secretValue.ReplaceAllString(arg, "${1}"+mask)
			arg = urlPassword.ReplaceAllString(arg, "${1}"+mask+"@")
		}
		if arg == "" || strings.ContainsAny(arg, " \t\n\"'\\$`|&;<>()*?[]#~") {
			arg = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
		out = append(out, arg)
	}
	line := strings.Join(out, " ")
	if len(line) > maxCommandLine {
		line = strings.ToValidUTF8(line[:maxCommandLine], "") + "…"
	}
	return f.redactor.String(line)
}

// maxCommandLine bounds what the journal keeps of a command line.
const maxCommandLine = 8 << 10

// InFlight tells whether something is under way that should not be cut off.
func (f *Factory) InFlight() bool { return f.inFlight.Load() > 0 }

// Hold keeps the program from ending, until release, for what must be put in
// order first: the terminal.
func (f *Factory) Hold() (release func()) { return f.hold() }

// SuspendInterrupts leaves Ctrl-C to a program that has the terminal for a while: until it
// is resumed, an interrupt does not end this one. A terminal sends it to
// both at once, and the other may have ended before this one looks at it, so
// it counts as suspended a moment longer.
func (f *Factory) SuspendInterrupts() (resume func()) {
	const moment = 200 * time.Millisecond
	f.suspended.Add(1)
	return sync.OnceFunc(func() { time.AfterFunc(moment, func() { f.suspended.Add(-1) }) })
}

// Suspended tells whether interrupts are for another program, to which edrctl
// handed the terminal.
func (f *Factory) Suspended() bool { return f.suspended.Load() > 0 }

// hold marks the time in which a change is under way.
func (f *Factory) hold() (release func()) {
	f.inFlight.Add(1)
	return func() { f.inFlight.Add(-1) }
}
