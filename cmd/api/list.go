package api

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/output"
)

// Listed is one operation as `api list` shows it.
type Listed struct {
	Name    string        `json:"name"`
	Backend string        `json:"backend"`
	Method  string        `json:"method"`
	Path    string        `json:"path"`
	Summary string        `json:"summary"`
	Effect  string        `json:"effect"` // reads, changes, changes!
	Danger  string        `json:"danger,omitempty"`
	Since   string        `json:"since,omitempty"`
	Until   string        `json:"until,omitempty"`
	Paging  string        `json:"paging,omitempty"`
	Returns string        `json:"returns,omitempty"`
	Secret  string        `json:"secret,omitempty"` // the key it needs
	Section string        `json:"section,omitempty"`
	Params  []ListedParam `json:"params"`
}

// ListedParam is one parameter of a listed operation.
type ListedParam struct {
	Name     string   `json:"name"`
	Flag     string   `json:"flag"`
	In       string   `json:"in"`
	Type     string   `json:"type"`
	Required bool     `json:"required,omitempty"`
	Default  string   `json:"default,omitempty"`
	Enum     []string `json:"enum,omitempty"`
	Secret   bool     `json:"secret,omitempty"`
	Help     string   `json:"help,omitempty"`
}

var kindOperation = output.NewKind[Listed]("operation", []output.Column{
	{Name: "name"}, {Name: "backend", As: output.AsBackend, Drop: 2}, {Name: "effect", Drop: 1}, {Name: "method", Drop: 3},
	{Name: "path", Min: 16, As: output.AsPath}, {Name: "summary", Min: 20}, {Name: "since", Drop: 4},
}, []output.Column{
	{Name: "name"}, {Name: "backend", As: output.AsBackend}, {Name: "effect"}, {Name: "method"}, {Name: "path", Min: 16, As: output.AsPath},
	{Name: "summary", Min: 20}, {Name: "since", Drop: 4}, {Name: "until", Drop: 5}, {Name: "returns", Drop: 6}, {Name: "paging", Drop: 7}, {Name: "secret", Drop: 8},
	{Name: "section", Min: 10, Drop: 9},
})

func newList(f *cmdutil.Factory) *cobra.Command {
	var backend, search string
	var changes bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List every operation of the backends' APIs; needs no profile and no network",
		Long: `List every operation of the backends' APIs: its name, method and path, what it does,
whether it changes something (! = dangerous, asks twice) and which release has it first.
It needs no profile and no network; -p lists those of the profiles' backends only. -o json adds the parameters of each.`,
		Example: `$ edrctl api list --backend esp --search rule
$ edrctl api list --changes
$ edrctl api list -o json --jq '.[] | select(.danger) | .name'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if backend != "" {
				if _, err := backends.Lookup(backend); err != nil {
					return cmdutil.NoneOf("backend", backend, backendNames())
				}
			}
			chosen := []string{backend}
			if backend == "" && cmd.Flags().Changed("profile") {
				var err error
				if chosen, err = f.SelectedBackends(); err != nil {
					return err
				}
			}
			var list []*Listed
			for _, b := range chosen {
				list = append(list, operations(b)...)
			}
			var rows []any
			for _, l := range list {
				if l.matches(search) && (!changes || l.Effect != "reads") {
					rows = append(rows, l)
				}
			}
			if len(rows) == 0 && search != "" {
				f.Note("no operation matches %q", search)
			}
			return cmdutil.PrintRows(cmd.Context(), f, kindOperation, rows)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&backend, "backend", "", "only this backend's")
	fs.StringVar(&search, "search", "", "only those whose name, path, text or parameters hold these words")
	fs.BoolVar(&changes, "changes", false, "only those that change something")
	_ = cmd.RegisterFlagCompletionFunc("backend", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return backendNames(), cobra.ShellCompDirectiveNoFileComp
	}) // the flag was just added
	return cmd
}

func backendNames() []string {
	var names []string
	for _, b := range backends.All() {
		names = append(names, b.Name)
	}
	return names
}

// operations lists the catalogues, backend by backend, by name.
func operations(backend string) []*Listed {
	var out []*Listed
	for _, b := range backends.All() {
		if b.Catalog == nil || backend != "" && b.Name != backend {
			continue
		}
		list := b.Catalog()
		slices.SortStableFunc(list, func(x, y backends.Operation) int { return strings.Compare(x.Name, y.Name) })
		for _, op := range list {
			out = append(out, listed(b.Name, op))
		}
	}
	return out
}

func listed(backend string, op backends.Operation) *Listed {
	l := &Listed{
		Name: op.Name, Backend: backend, Method: op.Method, Path: op.Path, Summary: op.Summary, Effect: effect(op), Danger: op.Danger,
		Since: op.Since, Until: op.Until, Paging: op.Paging, Returns: op.Returns, Secret: op.Key, Section: op.Section, Params: []ListedParam{},
	}
	if l.Returns == "" {
		l.Returns = "json"
	}
	for _, p := range op.Params {
		flag := cmdutil.FlagName(p.Name)
		if reserved(flag) {
			flag = "param-" + flag
		}
		l.Params = append(l.Params, ListedParam{
			Name: p.Name, Flag: "--" + flag, In: p.In, Type: p.Type, Required: p.Required, Default: p.Default, Enum: p.Enum, Secret: p.Secret, Help: p.Help,
		})
	}
	return l
}

func effect(op backends.Operation) string {
	switch {
	case op.Danger != "":
		return "changes!"
	case op.Mutates:
		return "changes"
	}
	return "reads"
}

// matches tells whether all words of a search are in what is known of it.
func (l *Listed) matches(search string) bool {
	text := strings.ToLower(strings.Join([]string{l.Name, l.Method + " " + l.Path, l.Summary, l.Section, l.Danger}, "\n"))
	for _, p := range l.Params {
		text += "\n" + strings.ToLower(p.Name)
	}
	for word := range strings.FieldsSeq(strings.ToLower(search)) {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

// completeOperation completes the names of operations, with what they do.
func completeOperation(_ *cmdutil.Factory) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var out []string
		for _, n := range union() {
			out = append(out, n.name+"\t"+n.on[0].op.Summary+" ("+n.backends()+")")
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

// help is the page of one operation: what it is on each backend, then its
// parameters and the flags of every call.
func (n named) help(cmd *cobra.Command, flags *cmdutil.ParamFlags) string {
	var b strings.Builder
	for _, x := range n.on {
		op := x.op
		fmt.Fprintf(&b, "%s\n\n  %s: %s %s\n", op.Summary, x.backend.Name, op.Method, op.Path)
		switch {
		case op.Danger != "":
			fmt.Fprintf(&b, "  changes something, and asks twice: %s\n", op.Danger)
		case op.Mutates:
			b.WriteString("  changes something: edrctl asks first, sends it once and records it in the audit journal\n")
		default:
			b.WriteString("  reads\n")
		}
		var facts []string
		if op.Since != "" {
			facts = append(facts, "since "+op.Since)
		}
		if op.Until != "" {
			facts = append(facts, "until "+op.Until)
		}
		if op.Key != "" {
			facts = append(facts, "needs the secret "+op.Key)
		}
		if op.Paging != "" {
			facts = append(facts, "paged: --paginate follows "+op.Paging)
		}
		if op.Returns == "csv" || op.Returns == "binary" {
			facts = append(facts, "answers with "+op.Returns+": -O FILE keeps it")
		}
		if op.Returns == "websocket" {
			facts = append(facts, "a stream: one record a line until Ctrl-C or --max")
		}
		if op.Section != "" && !strings.HasPrefix(op.Section, "wire/") && !strings.HasPrefix(op.Section, "beyond") {
			facts = append(facts, fmt.Sprintf("in the vendor's document: %q", op.Section))
		}
		if len(facts) > 0 {
			fmt.Fprintf(&b, "  %s\n", strings.Join(facts, "; "))
		}
		b.WriteByte('\n')
	}
	required, optional := flags.Usage(n.on[0].op)
	for _, x := range n.on[1:] {
		r, o := flags.Usage(x.op)
		required, optional = mergeLines(required, r), mergeLines(optional, o)
	}
	fmt.Fprintf(&b, "Usage:\n  %s", cmd.CommandPath())
	for _, line := range required {
		name, _, _ := strings.Cut(strings.TrimSpace(line), "  ")
		b.WriteString(" " + name)
	}
	if len(optional) > 0 {
		b.WriteString(" [--PARAMETER VALUE]…")
	}
	b.WriteString(" [flags]\n")
	if len(required) > 0 {
		b.WriteString("\nRequired parameters:\n" + strings.Join(required, "\n") + "\n")
	}
	if len(optional) > 0 {
		b.WriteString("\nParameters:\n" + strings.Join(optional, "\n") + "\n")
	}
	b.WriteString("\nFlags of every call:\n" + flags.OtherUsage(cmd))
	b.WriteString("\nGlobal flags (-p, -o, --jq, --read-only …): see edrctl --help\n")
	return b.String()
}

func mergeLines(a, b []string) []string {
	for _, line := range b {
		if !slices.Contains(a, line) {
			a = append(a, line)
		}
	}
	return a
}
