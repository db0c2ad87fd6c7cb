package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/output"
)

// verb is one command, on every backend that has it.
type verb struct {
	f       *cmdutil.Factory
	noun    string
	path    string // "admin packs"
	name    string
	impls   []impl
	params  *cmdutil.ParamFlags
	secrets []string // names of flags that hold secrets
	act     cmdutil.ActFlags
	call    cmdutil.CallFlags
	file    string
	limit   int

	content *[]byte // of file, once read
}

func (v *verb) command() string { return v.noun + " " + v.name }

func (v *verb) mutates() bool {
	return slices.ContainsFunc(v.impls, func(i impl) bool { return i.op.Mutates })
}

func (v *verb) dangerous() bool { return slices.ContainsFunc(v.impls, impl.dangerous) }

// dangerous tells whether the verb can be dangerous, with what is fixed of it.
func (i impl) dangerous() bool {
	free := func(name string) bool {
		fixed, ok := i.verb.Fixed[name]
		return !ok || backends.Text(fixed) != "false"
	}
	return i.op.Danger != "" && (len(i.op.DangerWith) == 0 || slices.ContainsFunc(i.op.DangerWith, free))
}

// saves tells whether the answer is a file, not rows.
func (v *verb) saves() bool {
	return slices.ContainsFunc(v.impls, func(i impl) bool { return i.op.Returns == "binary" || i.op.Returns == "csv" })
}

func (v *verb) hides() bool {
	return slices.ContainsFunc(v.impls, func(i impl) bool { return len(i.op.Hides) > 0 })
}

// takesFile tells whether -f fills the body or a part of it.
func (v *verb) takesFile() bool { return slices.ContainsFunc(v.impls, impl.takesFile) }

func (i impl) takesFile() bool {
	if i.verb.From != "" {
		return true
	}
	return i.op.Mutates && slices.ContainsFunc(i.op.Params, func(p backends.Param) bool {
		_, fixed := i.verb.Fixed[p.Name]
		return (p.In == "body" || p.In == "file") && !fixed && !i.isOperand(p.Name)
	})
}

func (i impl) isOperand(name string) bool {
	return slices.ContainsFunc(i.operands(), func(o operand) bool { return o.param.Name == name })
}

// flagParams is the union of what the backends' operations take as flags.
func (v *verb) flagParams() []backends.Param {
	var out []backends.Param
	at := map[string]int{}
	for _, i := range v.impls {
		for _, p := range i.op.Params {
			if _, fixed := i.verb.Fixed[p.Name]; fixed || i.isOperand(p.Name) || p.Name == i.verb.From {
				continue
			}
			if k, ok := at[p.Name]; ok {
				q := &out[k]
				if q.Type != p.Type {
					q.Type = "string"
				}
				q.Required = q.Required && p.Required
				if !slices.Equal(q.Enum, p.Enum) {
					q.Enum = nil
				}
				continue
			}
			at[p.Name] = len(out)
			if len(v.impls) > 1 && p.Required {
				p.Required, p.Help = false, strings.TrimPrefix(p.Help+"; "+i.backend+" needs it", "; ")
			}
			out = append(out, p)
		}
	}
	return out
}

func (v *verb) secretParams() []string {
	var out []string
	for _, p := range v.flagParams() {
		if p.Secret {
			out = append(out, cmdutil.FlagName(p.Name))
		}
	}
	return out
}

// count refuses a number of operands that no backend takes.
func (v *verb) count(_ *cobra.Command, args []string) error {
	var first error
	for _, i := range v.impls {
		err := i.fits(args)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}

func (i impl) fits(args []string) error {
	list := i.operands()
	need, most := 0, len(list)
	for _, o := range list {
		if o.param.Required {
			need++
		}
		if o.repeated {
			most = -1
		}
	}
	switch {
	case len(args) < need:
		return fmt.Errorf("missing %s", strings.ToUpper(cmdutil.FlagName(list[len(args)].param.Name)))
	case most == 0 && len(args) > 0:
		return fmt.Errorf("%q: it takes no operands", args[0])
	case most >= 0 && len(args) > most:
		return fmt.Errorf("%q: it takes at most %d operands", args[most], most)
	}
	return nil
}

// of finds the verb of a backend.
func (v *verb) of(backend string) (impl, error) {
	for _, i := range v.impls {
		if i.backend == backend {
			return i, nil
		}
	}
	return impl{}, backends.Unsupported(backend, "cannot "+v.name+" "+v.noun, "these can: "+strings.Join(backendsOf(v.impls), ", "))
}

func (v *verb) run(cmd *cobra.Command, args []string) error {
	ctx := cmd.Context()
	for _, name := range v.secrets {
		if fl := cmd.Flags().Lookup(name); fl != nil && fl.Changed && fl.Value.String() != "-" {
			v.f.Warn("--%s on the command line is seen by everybody on this machine and kept by the shell: --%s - reads it from standard input", name, name)
		}
	}
	if v.takesMany() {
		read := cmdutil.ReadOperands
		if v.mutates() {
			read = cmdutil.ReadRefs
		}
		given, err := read(v.f, args)
		if err != nil {
			return err
		}
		if len(given) == 0 && len(args) > 0 {
			return cmdutil.PrintRows(ctx, v.f, v.kind(&ops.Fleet{}), nil)
		}
		args = given
	}
	fleet, err := v.fleet(ctx, args)
	if err != nil {
		return err
	}
	switch {
	case v.mutates():
		return v.change(ctx, fleet, args)
	case v.saves():
		return v.save(ctx, fleet, args)
	}
	return v.read(ctx, fleet, args)
}

// fleet is the selected profiles, or those that the operands name as refs.
func (v *verb) fleet(ctx context.Context, args []string) (*ops.Fleet, error) {
	if len(args) == 0 {
		return v.f.Fleet(ctx)
	}
	return v.f.FleetFor(ctx, args)
}

// calls makes the calls of one profile: one, or one for each repeated operand.
func (v *verb) calls(s *ops.Source, args []string) ([]backends.Call, impl, error) {
	i, err := v.of(s.Backend)
	if err != nil {
		return nil, i, err
	}
	if err := i.fits(args); err != nil {
		return nil, i, cmdutil.Usagef("%s: %w", i.backend, err)
	}
	base, err := v.params.Args(i.op)
	if err != nil {
		return nil, i, err
	}
	for name, val := range i.verb.Fixed {
		base[name] = val
	}
	call := backends.Call{Op: i.op, Args: base}
	if err := v.fill(&call, i); err != nil {
		return nil, i, err
	}
	var repeat []any
	list := i.operands()
	name := ""
	for k, o := range list {
		if k >= len(args) {
			break
		}
		given := args[k : k+1]
		if o.repeated {
			given = args[k:]
		}
		values := make([]any, len(given))
		for n, a := range given {
			values[n] = strings.TrimPrefix(a, s.Profile+"/")
		}
		switch {
		case o.repeated && o.param.Type == "array":
			base[o.param.Name] = values
		case o.repeated:
			name, repeat = o.param.Name, values
		default:
			base[o.param.Name] = values[0]
		}
	}
	if repeat == nil {
		return []backends.Call{call}, i, nil
	}
	out := make([]backends.Call, len(repeat))
	for n, val := range repeat {
		c := call
		c.Args = map[string]any{name: val}
		for k, a := range base {
			c.Args[k] = a
		}
		out[n] = c
	}
	return out, i, nil
}

// prepared checks calls before anything is sent.
func (v *verb) prepared(ctx context.Context, calls []backends.Call) error {
	for n := range calls {
		if err := v.f.FillSecrets(ctx, &calls[n]); err != nil {
			return err
		}
		if _, err := backends.Build(calls[n]); err != nil {
			return err
		}
	}
	return nil
}

// read shows the records of every profile that has them.
func (v *verb) read(ctx context.Context, fleet *ops.Fleet, args []string) error {
	rounds := 1
	all := make([][]backends.Call, len(fleet.Sources))
	errs := make([]error, len(fleet.Sources))
	kind := v.kind(fleet)
	w, err := v.f.Printer(ctx, kind)
	if err != nil {
		return err
	}
	for k, s := range fleet.Sources {
		calls, _, err := v.calls(s, args)
		if err == nil {
			err = v.prepared(ctx, calls)
		}
		all[k], errs[k] = calls, err
		rounds = max(rounds, len(calls))
	}
	single := v.name != "list" && len(fleet.Sources) == 1 && rounds == 1 && (v.f.ForPeople() || !v.takesMany())
	outcomes := make([]ops.Outcome, len(fleet.Sources))
	var held *output.Document
	shown := 0
	missing := slices.Clone(v.f.Flags.Columns)
	var werr error
	for round := range rounds {
		found := fleet.Items(ctx, func(s *ops.Source) (backends.Call, error) {
			k := slices.Index(fleet.Sources, s)
			switch {
			case errs[k] != nil:
				return backends.Call{}, errs[k]
			case round >= len(all[k]):
				return backends.Call{}, errNothing
			}
			return all[k][round], nil
		})
		for r := range found.Records() {
			i, err := v.of(r.Source.Backend)
			if err != nil {
				continue
			}
			doc, err := v.row(r, i)
			if err != nil {
				werr = err
				break
			}
			missing = slices.DeleteFunc(missing, doc.Has)
			if single && shown == 0 {
				held = doc
			} else {
				if held != nil {
					werr, held, single = w.Write(held), nil, false
				}
				if werr == nil {
					werr = w.Write(doc)
				}
			}
			if shown++; werr != nil || v.limit > 0 && shown >= v.limit {
				break
			}
		}
		for k, o := range found.Outcomes() {
			if o.Err != nil && o.Err != errNothing && outcomes[k].Err == nil {
				outcomes[k].Err = o.Err
			}
			outcomes[k].Profile, outcomes[k].Backend = o.Profile, o.Backend
			outcomes[k].Count += o.Count
		}
		if werr != nil || v.limit > 0 && shown >= v.limit {
			break
		}
	}
	if werr != nil {
		return cmdutil.IgnoreClosed(werr)
	}
	err = v.f.Finish(ctx, outcomes)
	if err != nil && cmdutil.CodeOf(err) != cmdutil.ExitPartial {
		w.Abort()
		return err
	}
	if held != nil {
		werr = w.One(held)
	} else {
		werr = w.Close()
	}
	if werr = cmdutil.IgnoreClosed(werr); werr != nil {
		return werr
	}
	// A member that no row has is a slip of the fingers more often than not.
	if shown > 0 {
		for _, name := range missing {
			v.f.Warn("--columns: no row has %s; -o json shows what there is", name)
		}
	}
	if v.f.TableOnTerminal() && held == nil {
		noun := v.noun
		if shown == 1 {
			noun = strings.TrimSuffix(noun, "s")
		}
		v.f.Note("%d %s", shown, noun)
	}
	return err
}

// errNothing marks a profile that has no call in a round.
var errNothing = backends.Invalid("", "nothing to call")

// kind is how rows look: the columns of the backends that are asked.
func (v *verb) kind(fleet *ops.Fleet) output.Kind {
	var cols []string
	several := map[string]bool{}
	for _, s := range fleet.Sources {
		several[s.Profile] = true
		if i, err := v.of(s.Backend); err == nil {
			for _, c := range i.columns() {
				if !slices.Contains(cols, c) {
					cols = append(cols, c)
				}
			}
		}
	}
	var table []output.Column
	if len(several) > 1 {
		table = append(table, output.Column{Name: "profile"})
	}
	for n, c := range cols {
		table = append(table, output.Column{Name: c, Min: 8, Drop: n})
	}
	wide := append([]output.Column{{Name: "profile"}, {Name: "backend"}}, table[len(table)-len(cols):]...)
	wide = append(wide, output.Column{Name: "ref", As: output.AsRef})
	if len(cols) == 0 {
		table, wide = []output.Column{{Name: "profile"}, {Name: "value", Min: 16}}, nil
	}
	return output.NewDocumentKind(strings.TrimSuffix(v.noun, "s"), "ref", table, wide)
}

// row is a record with ref, profile and backend in front. Members of the
// vendor's own of these names stay, and ours give way.
func (v *verb) row(r ops.Found, i impl) (*output.Document, error) {
	item, err := output.HideIn(r.JSON, v.itemHides(i.op))
	if err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(item, &members) != nil || members == nil {
		b, _ := json.Marshal(map[string]any{"profile": r.Source.Profile, "backend": r.Source.Backend, "value": item})
		return &output.Document{JSON: b}, nil
	}
	head := []byte{'{'}
	put := func(name, value string) {
		if _, own := members[name]; own || value == "" {
			return
		}
		b, _ := json.Marshal(value)
		head = append(append(append(head, `"`+name+`":`...), b...), ',')
	}
	put("ref", ref(r.Source.Profile, i.resource.ID, members))
	put("profile", r.Source.Profile)
	put("backend", r.Source.Backend)
	body := item[1:]
	if len(members) == 0 {
		head = head[:max(1, len(head)-1)]
	}
	return &output.Document{JSON: append(head, body...)}, nil
}

func ref(profile, id string, members map[string]json.RawMessage) string {
	raw, ok := members[id]
	if !ok || len(raw) == 0 {
		return ""
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		if s = string(raw); s == "null" || s[0] == '{' || s[0] == '[' {
			return ""
		}
	}
	if s == "" {
		return ""
	}
	return profile + "/" + s
}

// takesMany tells whether the last operand may be given several times: its
// answer is then a list, also when one was given.
func (v *verb) takesMany() bool {
	return slices.ContainsFunc(v.impls, func(i impl) bool {
		return slices.ContainsFunc(i.operands(), func(o operand) bool { return o.repeated })
	})
}

// itemHides is what is masked in one record: what is behind the * of the
// members the operation hides in its answer.
func (v *verb) itemHides(op backends.Operation) []string {
	if v.call.ShowSecrets {
		return nil
	}
	var out []string
	for _, h := range op.Hides {
		for ok := true; ok; _, h, ok = strings.Cut(h, ".") {
			out = append(out, h)
		}
	}
	return out
}

// save writes an answer that is a file: of one profile.
func (v *verb) save(ctx context.Context, fleet *ops.Fleet, args []string) error {
	s, err := v.one(fleet)
	if err != nil {
		return err
	}
	calls, _, err := v.calls(s, args)
	if err != nil {
		return err
	}
	if len(calls) != 1 {
		return cmdutil.Usagef("one at a time: its answer is a file")
	}
	return cmdutil.RunCall(ctx, v.f, s, calls[0], &v.call, nil)
}

// one is the profile a change is for: the only one that is selected, or the
// only one of those whose backend has the verb.
func (v *verb) one(fleet *ops.Fleet) (*ops.Source, error) {
	var can []*ops.Source
	var names []string
	for _, s := range fleet.Sources {
		if _, err := v.of(s.Backend); err == nil {
			can = append(can, s)
			names = append(names, s.Profile)
		}
	}
	switch {
	case len(can) == 1:
		return can[0], nil
	case len(can) == 0 && len(fleet.Sources) > 0:
		_, err := v.of(fleet.Sources[0].Backend)
		return nil, &ops.ProfileError{Profile: fleet.Sources[0].Profile, Err: err}
	case len(can) == 0:
		return nil, cmdutil.Usagef("missing profile: -p NAME")
	}
	return nil, &cmdutil.UsageError{
		Err:  fmt.Errorf("%s changes one backend at a time, and several profiles are selected", v.command()),
		Hint: "choose one with -p: " + strings.Join(names, ", "),
	}
}
