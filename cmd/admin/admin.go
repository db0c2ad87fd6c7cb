// Package admin makes the commands by which backends are administered (packs,
// users, yara …) from what their drivers say of themselves: the nouns and
// verbs of backends.Resource, on top of the operations of the catalogues. A
// noun that several backends have is one command; there is no command here
// that is written by hand.
package admin

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/backends"
)

// impl is a verb as one backend has it.
type impl struct {
	backend  string
	resource backends.Resource
	verb     backends.ResourceVerb
	op       backends.Operation
}

// operand is a parameter given by position.
type operand struct {
	param    backends.Param
	repeated bool
}

// operands gives the verb's operands, with their parameters.
func (i impl) operands() []operand {
	out := make([]operand, 0, len(i.verb.Operands))
	for _, name := range i.verb.Operands {
		name, repeated := strings.CutSuffix(name, "...")
		p, _ := i.op.Param(name)
		p.Name = name
		p.Required = p.Required && name != i.verb.From // -f may fill it
		out = append(out, operand{p, repeated})
	}
	return out
}

// columns gives the columns of the verb's rows.
func (i impl) columns() []string {
	if i.verb.Columns != nil {
		return i.verb.Columns
	}
	return i.resource.Columns
}

// summary says what the verb does, on this backend.
func (i impl) summary() string {
	if i.verb.Short != "" {
		return i.verb.Short
	}
	return upper(i.op.Summary)
}

func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// noun is all that the backends say of one noun.
type noun struct {
	name  string
	has   []named  // in the order of the backends
	path  string   // how it is typed: "admin packs", "rules"
	verbs []string // in the order they were first named; after load
	impls map[string][]impl
}

type named struct {
	backend  backends.Backend
	resource backends.Resource
}

// gather reads the resources of every registered backend.
func gather() []*noun {
	var out []*noun
	byName := map[string]*noun{}
	for _, b := range backends.All() {
		if b.Resources == nil {
			continue
		}
		for _, r := range b.Resources() {
			n := byName[r.Noun]
			if n == nil {
				n = &noun{name: r.Noun}
				byName[r.Noun] = n
				out = append(out, n)
			}
			n.has = append(n.has, named{b, r})
		}
	}
	// What one backend has as a verb (hosts config HOST) and another as a noun
	// (hosts config set) is one noun, and the verb its get.
	for _, n := range out {
		for i := range n.has {
			r := &n.has[i].resource
			for k := 0; k < len(r.Verbs); k++ {
				v := r.Verbs[k]
				inner := byName[r.Noun+" "+v.Name]
				if inner == nil {
					continue
				}
				r.Verbs = slices.Delete(slices.Clone(r.Verbs), k, k+1)
				k--
				v.Name = "get"
				inner.has = append(inner.has, named{n.has[i].backend, backends.Resource{
					Noun: inner.name, Title: v.Short, ID: r.ID, Columns: r.Columns, Verbs: []backends.ResourceVerb{v},
				}})
			}
		}
	}
	return out
}

// load finds the operations of the verbs. What names no operation is a
// mistake of its driver, held by a test, and left out.
func (n *noun) load(catalog func(backends.Backend) map[string]backends.Operation) {
	n.impls = map[string][]impl{}
	for _, h := range n.has {
		ops := catalog(h.backend)
		for _, v := range h.resource.Verbs {
			op, ok := ops[v.Op]
			if !ok {
				continue
			}
			if n.impls[v.Name] == nil {
				n.verbs = append(n.verbs, v.Name)
			}
			n.impls[v.Name] = append(n.impls[v.Name], impl{h.backend.Name, h.resource, v, op})
		}
	}
}

// Add puts the commands of administration into the tree below root: new nouns
// in group, new verbs under nouns there are. A command that is there already
// stays: it is the normalised one. The verbs of a noun are made only when the
// command line can mean them, so that a start costs nothing for the others.
func Add(root *cobra.Command, f *cmdutil.Factory, group string) {
	reserved := func(name string) bool { return root.PersistentFlags().Lookup(name) != nil }
	catalogs := map[string]map[string]backends.Operation{}
	catalog := func(b backends.Backend) map[string]backends.Operation {
		if catalogs[b.Name] == nil {
			catalogs[b.Name] = map[string]backends.Operation{}
			for _, op := range b.Catalog() {
				catalogs[b.Name][op.Name] = op
			}
		}
		return catalogs[b.Name]
	}
	daily := map[string]bool{"iocs": true} // nouns of analysts stay at the top
	for _, c := range root.Commands() {
		daily[c.Name()] = true
	}
	vendor := newAdmin(group)
	root.AddCommand(vendor)
	for _, n := range gather() {
		words := strings.Fields(n.name)
		if wanted(f.Args, words[0]) {
			n.load(catalog)
		}
		n.path = n.name
		if !daily[words[0]] {
			n.path = "admin " + n.name
			n.place(vendor, f, reserved, false)
		}
		n.place(root, f, reserved, !daily[words[0]])
		if words[0] == "iocs" {
			child(root, "iocs").GroupID = group
		}
	}
}

// newAdmin is the command that holds the nouns of administration.
func newAdmin(group string) *cobra.Command {
	return &cobra.Command{
		Use: "admin", Short: "Administer the servers: packs, configurations, users, settings", GroupID: group,
		Long: `Administer the servers, in the terms of each product: packs, configurations, users,
settings and what else its API keeps. edrctl rules and edrctl iocs are at the top level.`,
		Example: "$ edrctl admin packs list -p demo-esp",
		Args:    cobra.NoArgs, RunE: cmdutil.ShowHelp,
	}
}

// place puts a noun below parent, with its verbs once they are loaded. A hidden
// one is the earlier spelling, without admin.
func (n *noun) place(parent *cobra.Command, f *cmdutil.Factory, reserved func(string) bool, hidden bool) {
	words := strings.Fields(n.name)
	for depth, word := range words {
		c := child(parent, word)
		if c == nil {
			c = newNoun(word, words[:depth+1], n)
			c.Hidden = depth == 0 && hidden
			parent.AddCommand(c)
		}
		parent = c
		if n.impls == nil {
			return // its first word is enough
		}
	}
	for _, v := range n.verbs {
		if child(parent, v) == nil {
			parent.AddCommand(newVerb(f, n, v, reserved))
		}
	}
}

// wanted tells whether a command line may mean a noun: it names it, asks for
// completions of which the noun may be a part, or there is none, and the whole
// tree is wanted.
func wanted(args []string, noun string) bool {
	return args == nil || slices.Contains(args, noun)
}

func child(parent *cobra.Command, name string) *cobra.Command {
	for _, c := range parent.Commands() {
		if c.Name() == name {
			return c
		}
	}
	return nil
}

func newNoun(word string, path []string, n *noun) *cobra.Command {
	c := &cobra.Command{Use: word, Args: cobra.NoArgs, RunE: cmdutil.ShowHelp}
	var titles, names []string
	for _, h := range n.has {
		if slices.Contains(names, h.backend.Name) {
			continue
		}
		names = append(names, h.backend.Name)
		if !slices.Contains(titles, h.resource.Title) && h.resource.Title != "" {
			titles = append(titles, h.resource.Title)
		}
	}
	does := "Show "
	if n.changes() {
		does = "Manage "
	}
	c.Short = does + strings.Join(titles, "; ") + " (" + strings.Join(names, ", ") + ")"
	if len(titles) == 0 {
		c.Short = "Administer " + strings.Join(path, " ")
	}
	c.Long = does + strings.Join(titles, "; ") + ".\n\nBackends: " + strings.Join(names, ", ") + `.

Rows carry ref, profile and backend along with the vendor's own fields.`
	return c
}

// changes tells whether a verb of the noun does more than read.
func (n *noun) changes() bool {
	for _, h := range n.has {
		for _, v := range h.resource.Verbs {
			switch word, _, _ := strings.Cut(v.Name, "-"); word {
			case "add", "update", "set", "delete", "remove", "upload", "assign", "reset", "purge", "scan":
				return true
			}
		}
	}
	return false
}

// backendsOf lists the backends that have a verb.
func backendsOf(impls []impl) []string {
	out := make([]string, len(impls))
	for i, im := range impls {
		out[i] = im.backend
	}
	return out
}

// newVerb makes the command of one verb of all backends that have it.
func newVerb(f *cmdutil.Factory, n *noun, name string, reserved func(string) bool) *cobra.Command {
	impls := n.impls[name]
	v := &verb{f: f, noun: n.name, path: n.path, name: name, impls: impls}
	cmd := &cobra.Command{
		Use:               strings.TrimSpace(name + " " + usage(impls)),
		Short:             impls[0].summary() + " (" + strings.Join(backendsOf(impls), ", ") + ")",
		Long:              v.long(),
		Example:           v.examples(),
		Args:              v.count,
		ValidArgsFunction: cmdutil.CompleteItems(f),
		RunE:              v.run,
	}
	fs := cmd.Flags()
	if v.takesFile() {
		fs.StringVarP(&v.file, "file", "f", "", "read it from a file, JSON or YAML; - is standard input")
	}
	if v.mutates() {
		v.act.Add(cmd, f)
		if v.dangerous() {
			v.act.AddDanger(cmd)
		}
	}
	if v.saves() {
		v.call.Add(cmd)
	} else if v.hides() {
		fs.BoolVar(&v.call.ShowSecrets, "show-secrets", false, "show keys and passwords, masked otherwise")
	}
	if !v.mutates() && !v.saves() {
		fs.IntVar(&v.limit, "limit", 0, "stop after this many rows; 0 shows all")
	}
	v.params = cmdutil.NewParamFlags(cmd, f, v.flagParams(), reserved)
	v.secrets = v.secretParams()
	return cmd
}

// usage is the operands of a verb, as its help shows them.
func usage(impls []impl) string {
	var best []operand
	for _, i := range impls {
		if o := i.operands(); len(o) > len(best) {
			best = o
		}
	}
	var words []string
	for _, o := range best {
		w := o.word()
		if o.repeated {
			w += "…"
		}
		if !o.param.Required {
			w = "[" + w + "]"
		}
		words = append(words, w)
	}
	return strings.Join(words, " ")
}

// word is how the help names an operand. The products' words for a host are one
// here.
func (o operand) word() string {
	switch w := strings.ToUpper(strings.ReplaceAll(cmdutil.FlagName(o.param.Name), "-", "_")); w {
	case "HOST_IDENTIFIER":
		return "HOST"
	case "HOST_IDENTIFIERS":
		return "HOST,…"
	default:
		return w
	}
}

func (v *verb) long() string {
	var b strings.Builder
	same := true
	for _, i := range v.impls {
		same = same && i.summary() == v.impls[0].summary()
	}
	if same {
		fmt.Fprintf(&b, "%s. On %s.", strings.TrimSuffix(v.impls[0].summary(), "."), strings.Join(backendsOf(v.impls), ", "))
	} else {
		b.WriteString("By backend:\n")
		for _, i := range v.impls {
			fmt.Fprintf(&b, "\n  %s  %s", i.backend, i.summary())
		}
	}
	for _, i := range v.impls {
		for _, o := range i.operands() {
			if o.param.Help != "" {
				fmt.Fprintf(&b, "\n%s: %s.", o.word(), strings.TrimSuffix(o.param.Help, "."))
			}
		}
		if i.op.Since != "" || i.op.Until != "" {
			b.WriteString("\n" + i.needs())
		}
		if i.dangerous() {
			fmt.Fprintf(&b, "\nDangerous on %s: %s.", i.backend, i.op.Danger)
		}
	}
	if v.mutates() {
		b.WriteString("\n\nThis changes a backend: edrctl shows it and asks first, records it in the journal,\nand sends it once.")
	}
	return b.String()
}

// needs says which versions or editions of a backend have an operation.
func (i impl) needs() string {
	switch {
	case i.op.Since == "enterprise":
		return "Enterprise edition only (" + i.backend + ")."
	case i.op.Since == "":
		return "Up to " + i.op.Until + " (" + i.backend + ")."
	case i.op.Until == "":
		return "Since " + i.op.Since + " (" + i.backend + ")."
	}
	return "From " + i.op.Since + " to " + i.op.Until + " (" + i.backend + ")."
}

func (v *verb) examples() string {
	var out []string
	for _, i := range v.impls {
		rest := i.verb.Example
		if rest == "" {
			rest = usage([]impl{i})
			if v.takesFile() && len(i.operands()) == 0 {
				rest = "-f FILE"
			}
			if i.op.Mutates {
				rest += " --dry-run"
			}
		}
		out = append(out, strings.Join(strings.Fields(fmt.Sprintf("$ edrctl %s %s -p demo-%s", v.path, v.name, i.backend)), " ")+orBlank(rest))
	}
	return strings.Join(out, "\n")
}

func orBlank(s string) string {
	if s = strings.TrimSpace(s); s == "" {
		return ""
	}
	return " " + s
}
