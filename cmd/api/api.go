// Package api holds `edrctl api`: every operation of the vendors' own APIs, by
// name or by method and path, with the credentials, the pace and the safety of
// all other commands.
package api

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/suggest"
)

// options are the flags of a call.
type options struct {
	cmdutil.CallFlags
	act     cmdutil.ActFlags
	text    []string // -f name=text
	typed   []string // -F name=json
	headers []string // -H name: value
	input   string
}

func (o *options) add(cmd *cobra.Command, f *cmdutil.Factory, changes bool) {
	fs := cmd.Flags()
	cmdutil.StringArray(fs, &o.text, "field", "f", "NAME=TEXT: a parameter, by the vendor's name")
	cmdutil.StringArray(fs, &o.typed, "json-field", "F", "a parameter as JSON: NAME=JSON or NAME=@FILE")
	fs.StringVar(&o.input, "input", "", "take the whole body from a file; - is standard input")
	o.Add(cmd)
	o.AddPaging(cmd)
	if changes {
		o.act.Add(cmd, f)
		o.act.AddDanger(cmd)
	}
}

// New builds `edrctl api`.
func New(f *cmdutil.Factory) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "api {OPERATION [--PARAMETER VALUE]… | METHOD PATH [-f NAME=TEXT]…}",
		Short: "Call any operation of a backend's own API, safely",
		Long: `Call any operation of a backend's own API.

  edrctl api list                     every operation, and what it does
  edrctl api OPERATION --help         its parameters
  edrctl api OPERATION --name value   calls it; parameters are checked before anything is sent
  edrctl api METHOD PATH -f k=v       anything else of the profile's server

The profile's credentials, TLS, pace and time-outs hold. What reads is sent at once
and repeated when the server is busy. What changes something asks first, is written
to the audit journal and sent once; --dry-run shows the exact request instead.
Dangerous operations (api list marks them !) ask twice: in a script, --yes --danger.

The answer is what the server sent: indented on a terminal, untouched in a pipe.
Keys and passwords in it are masked unless --show-secrets. --jq picks from it,
-o ndjson gives its records one a line, --paginate follows the vendor's pages.
CSV and binary answers go to -O FILE, never over another file without --force.`,
		Example: `$ edrctl api -p demo-cwatch hash.verdict --hash 3e5bd12d3f3bd1d6c6b7e2e1a7e5f0c9ad0b4f11
$ edrctl api -p demo-carbonblack policies.list --jq '.results[].name'
$ edrctl api -p demo-carbonblack GET /device -f rows=5
$ edrctl api -p demo-carbonblack events.list --paginate -o ndjson --max 1000
$ edrctl api -p demo-carbonblack devices.policy --device-id 7 --policy-name Quarantine --dry-run`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			if len(args) == 1 {
				return unknownOperation(f, args[0])
			}
			if len(args) > 2 {
				return cmdutil.Usagef("want METHOD PATH, and parameters as -f name=value: %q is too much", args[2])
			}
			return o.callPath(cmd.Context(), f, args[0], args[1])
		},
		ValidArgsFunction: completeOperation(f),
	}
	o.add(cmd, f, true)
	cmdutil.StringArray(cmd.Flags(), &o.headers, "header", "H", "NAME: VALUE, with METHOD PATH")
	list := newList(f)
	cmd.AddCommand(list)
	// Only what the command line names, so that a start costs nothing for the
	// two hundred others; nil asks for the whole tree.
	if f.Args == nil || slices.Contains(f.Args, "api") {
		for _, op := range union() {
			if f.Args == nil || slices.Contains(f.Args, op.name) {
				cmd.AddCommand(newOperation(f, op))
			}
		}
	}
	return cmd
}

// named is an operation by its name, as each backend that has it has it.
type named struct {
	name string
	on   []backed
}

type backed struct {
	backend backends.Backend
	op      backends.Operation
}

// union gives the operations of all backends by name. The catalogues are
// read once in a process.
var union = sync.OnceValue(func() []named {
	at := map[string]int{}
	var out []named
	for _, b := range backends.All() {
		if b.Catalog == nil {
			continue
		}
		for _, op := range b.Catalog() {
			i, ok := at[op.Name]
			if !ok {
				i = len(out)
				at[op.Name] = i
				out = append(out, named{name: op.Name})
			}
			out[i].on = append(out[i].on, backed{b, op})
		}
	}
	slices.SortFunc(out, func(a, b named) int { return strings.Compare(a.name, b.name) })
	return out
})

// newOperation builds `edrctl api OPERATION`. It is hidden from the list of
// commands: `api list` is that list.
func newOperation(f *cmdutil.Factory, n named) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use: n.name, Hidden: true, Short: n.on[0].op.Summary, Args: cobra.NoArgs,
		DisableFlagsInUseLine: true,
	}
	o.add(cmd, f, slices.ContainsFunc(n.on, func(b backed) bool { return b.op.Mutates }))
	var params []backends.Param
	for _, b := range n.on {
		params = append(params, b.op.Params...)
	}
	flags := cmdutil.NewParamFlags(cmd, f, params, reserved)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, op, err := n.choose(f, cmd)
		if err != nil {
			return err
		}
		args, err := flags.Args(op)
		if err != nil {
			return err
		}
		return o.call(cmd.Context(), f, s, backends.Call{Op: op, Args: args}, false)
	}
	cmd.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
		_, _ = fmt.Fprint(f.IO.Out, n.help(cmd, flags)) // a reader that has gone
	})
	return cmd
}

// ownFlags are the flags of a call, of every command and of cobra: a vendor's
// parameter of that name is --param-NAME.
var ownFlags = sync.OnceValue(func() map[string]bool {
	names := cmdutil.GlobalNames()
	for _, name := range []string{
		"help", "field", "json-field", "header", "input", "output-file", "force", "show-secrets", "paginate", "max",
		"case", "comment", "dry-run", "yes", "danger",
	} {
		names[name] = true
	}
	return names
})

func reserved(name string) bool { return ownFlags()[name] }

// choose finds the profile an operation is called on: the one selected, or of
// several the only one whose backend has it.
func (n named) choose(f *cmdutil.Factory, cmd *cobra.Command) (*ops.Source, backends.Operation, error) {
	fleet, err := f.Fleet(cmd.Context())
	if err != nil {
		return nil, backends.Operation{}, err
	}
	var able []*ops.Source
	var selected []string
	for _, s := range fleet.Sources {
		if _, ok := n.operation(s.Backend); ok {
			able = append(able, s)
		}
		if !slices.Contains(selected, s.Backend) {
			selected = append(selected, s.Backend)
		}
	}
	switch len(able) {
	case 1:
		op, _ := n.operation(able[0].Backend)
		return able[0], op, nil
	case 0:
		e := backends.Unsupported(strings.Join(selected, ", "), "cannot call "+n.name, "")
		e.Why = fmt.Sprintf("it is an operation of %s, and the profile selected is of %s", n.backends(), strings.Join(selected, ", "))
		e.Hint = "choose a profile of that backend with -p; edrctl api list --backend " + selected[0] + " shows what there is"
		return nil, backends.Operation{}, e
	}
	names := make([]string, len(able))
	for i, s := range able {
		names[i] = s.Profile
	}
	return nil, backends.Operation{}, &cmdutil.UsageError{
		Err:  fmt.Errorf("%s is called on one profile, and %d selected ones have it: %s", n.name, len(able), strings.Join(names, ", ")),
		Hint: "choose one with -p",
	}
}

func (n named) operation(backend string) (backends.Operation, bool) {
	for _, b := range n.on {
		if b.backend.Name == backend {
			return b.op, true
		}
	}
	return backends.Operation{}, false
}

func (n named) backends() string {
	var out []string
	for _, b := range n.on {
		out = append(out, b.backend.Name)
	}
	return strings.Join(out, ", ")
}

func unknownOperation(f *cmdutil.Factory, name string) error {
	if strings.EqualFold(name, "get") || strings.EqualFold(name, "post") || strings.EqualFold(name, "put") || strings.EqualFold(name, "delete") || strings.EqualFold(name, "patch") {
		return cmdutil.Usagef("%s wants a path: edrctl api %s /PATH", name, strings.ToUpper(name))
	}
	var known []string
	for _, n := range union() {
		known = append(known, n.name)
	}
	u := &cmdutil.UsageError{Err: fmt.Errorf("unknown operation %q", name), Hint: "run edrctl api list --search " + firstWord(name)}
	if s := suggest.Nearest(name, known); s != "" {
		u.Hint = "did you mean " + s + "? edrctl api list shows all"
	}
	_ = f
	return u
}

func firstWord(s string) string {
	word := strings.FieldsFunc(s, func(r rune) bool { return r == '.' || r == '-' || r == '_' })
	if len(word) == 0 {
		return "WORD"
	}
	return word[0]
}
