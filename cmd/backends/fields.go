package backends

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/output"
	"github.com/edrctl/edrctl/internal/suggest"
)

var kindFields = output.NewKind[FieldRow]("filled field", []output.Column{
	{Name: "backend"}, {Name: "record"}, {Name: "kind", Min: 8}, {Name: "field", Min: 16}, {Name: "filled"},
}, nil)

// FieldRow is one field that a driver fills in one kind of record.
type FieldRow struct {
	Backend string        `json:"backend"`
	Record  string        `json:"record"`
	Kind    model.Kind    `json:"kind,omitempty"`
	Field   string        `json:"field"`
	Filled  backends.Fill `json:"filled"`
}

func newFields(f *cmdutil.Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "fields [NAME]",
		Short: "Show which fields each product fills",
		Long: `Show which fields of alerts, events, processes and hosts a product fills, for each
kind of event: always or sometimes. A field that is not listed is never filled, so
a filter or a rule that needs it can never match there.`,
		Example: `$ edrctl backends fields gene
$ edrctl backends fields -o json --jq '.[] | select(.kind == "dns_query") | "\(.backend) \(.field)"'`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeName,
		RunE: func(cmd *cobra.Command, args []string) error {
			list := backends.All()
			if len(args) > 0 {
				b, err := lookup(args[0])
				if err != nil {
					return err
				}
				list = []backends.Backend{b}
			}
			var rows []any
			for _, b := range list {
				for _, r := range FieldRows(b) {
					rows = append(rows, &r)
				}
			}
			return cmdutil.PrintRows(cmd.Context(), f, kindFields, rows)
		},
	}
}

// FieldRows lists what a driver fills.
func FieldRows(b backends.Backend) []FieldRow {
	var rows []FieldRow
	for _, f := range b.Fields {
		for _, part := range []struct {
			names string
			fill  backends.Fill
		}{{f.Always, backends.FillAlways}, {f.Sometimes, backends.FillSometimes}} {
			for name := range strings.FieldsSeq(part.names) {
				rows = append(rows, FieldRow{Backend: b.Name, Record: f.Record, Kind: f.Kind, Field: name, Filled: part.fill})
			}
		}
	}
	return rows
}

func completeName(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return names(), cobra.ShellCompDirectiveNoFileComp
}

// lookup finds a backend that a user named.
func lookup(name string) (backends.Backend, error) {
	b, err := backends.Lookup(name)
	if err == nil {
		return b, nil
	}
	u := &cmdutil.UsageError{Err: fmt.Errorf("unknown backend %q", name), Hint: "want one of " + strings.Join(names(), " ")}
	if s := suggest.Nearest(name, names()); s != "" {
		u.Hint = "did you mean " + s + "?"
	}
	return b, u
}
