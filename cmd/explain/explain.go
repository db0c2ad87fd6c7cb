// Package explain tells what the fields of the printed records mean.
package explain

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/output"
	"github.com/edrctl/edrctl/internal/schema"
	"github.com/edrctl/edrctl/internal/suggest"
)

// formatSchema is a format that only this command has.
const formatSchema = "jsonschema"

var (
	kindKind  = output.NewKind[kindRow]("kind", []output.Column{{Name: "kind"}, {Name: "description", Min: 20}}, nil)
	kindField = output.NewKind[fieldRow]("field", []output.Column{
		{Name: "name", Header: "FIELD", Min: 12}, {Name: "type", Min: 8}, {Name: "description", Min: 20},
	}, []output.Column{
		{Name: "name", Header: "FIELD", Min: 12}, {Name: "type", Min: 8}, {Name: "description", Min: 20}, {Name: "values", Min: 12}, {Name: "backends", Min: 12},
	})
)

// fieldRow is a field and the backends that fill it, where that is known.
type fieldRow struct {
	schema.Field
	Backends []string `json:"backends,omitempty"`
}

// filledBy lists the backends that fill a field always or sometimes.
func filledBy(kind, field string) (names []string) {
	for _, b := range backends.All() {
		if b.Fill(kind, "", field) != backends.FillNever {
			names = append(names, b.Name)
		}
	}
	return names
}

type kindRow struct {
	Kind        string `json:"kind"`
	Description string `json:"description"`
}

// New builds `edrctl explain`.
func New(f *cmdutil.Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "explain [KIND[.FIELD]]",
		Short: "Explain the fields of the records that edrctl prints",
		Long: `Explain what the fields of a record mean: their type, their unit, and the words
they can hold. Names are those of the JSON, as --columns, --jq and --template
take them. Without KIND, list the kinds of records.

-o wide adds the words that a field can hold and the backends that fill it.
-o jsonschema prints the JSON Schema of one record.`,
		Example: `$ edrctl explain
$ edrctl explain alert.score
$ edrctl explain event.process -o wide
$ edrctl explain alert -o jsonschema`,
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return names(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return listKinds(cmd.Context(), f)
			}
			name, field, inside := strings.Cut(args[0], ".")
			kind, ok := schema.Lookup(strings.ToLower(name))
			if !ok {
				return unknown("kind", name, names())
			}
			if f.Flags.Output == formatSchema {
				return printSchema(f, kind, inside)
			}
			return fields(cmd.Context(), f, kind, field)
		},
	}
}

func listKinds(ctx context.Context, f *cmdutil.Factory) error {
	if f.Flags.Output == formatSchema {
		return cmdutil.Usagef("-o jsonschema: name one kind: %s", strings.Join(names(), " "))
	}
	var rows []any
	for _, k := range schema.Kinds {
		rows = append(rows, &kindRow{k.Name, k.Text})
	}
	return cmdutil.PrintRows(ctx, f, kindKind, rows)
}

func printSchema(f *cmdutil.Factory, kind schema.Kind, inside bool) error {
	if inside {
		return cmdutil.Usagef("-o jsonschema describes a whole %s: leave out the field", kind.Name)
	}
	b, err := json.MarshalIndent(kind.JSONSchema(), "", "  ")
	if err != nil {
		return err
	}
	_, err = f.IO.Out.Write(append(b, '\n'))
	return cmdutil.IgnoreClosed(err)
}

// fields prints the named field and those inside it; all without a name.
func fields(ctx context.Context, f *cmdutil.Factory, kind schema.Kind, name string) error {
	name = strings.TrimSuffix(strings.ToLower(name), "[]")
	var rows []any
	var known []string
	for _, field := range kind.Fields() {
		known = append(known, field.Name)
		if name == "" || field.Name == name || strings.HasPrefix(field.Name, name+".") {
			rows = append(rows, &fieldRow{field, filledBy(kind.Name, field.Name)})
		}
	}
	if len(rows) == 0 {
		return unknown("field of "+kind.Name, name, known)
	}
	if len(rows) == 1 && f.Flags.Output == "" && len(f.Flags.Columns) == 0 && f.Flags.JQ == "" && f.Flags.Template == "" {
		f.Flags.Output = output.FormatWide // the words it can hold are what was asked for
	}
	return cmdutil.PrintRows(ctx, f, kindField, rows)
}

func names() []string {
	var out []string
	for _, k := range schema.Kinds {
		out = append(out, k.Name)
	}
	return out
}

func unknown(what, name string, known []string) error {
	u := &cmdutil.UsageError{Err: fmt.Errorf("unknown %s %q", what, name)}
	if near := suggest.Nearest(name, known); near != "" {
		u.Hint = "did you mean " + near + "?"
	} else if len(known) < 20 {
		u.Hint = "want one of " + strings.Join(known, " ")
	}
	return u
}
