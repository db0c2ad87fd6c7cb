// Package backends shows what the products edrctl talks to can do.
package backends

import (
	"cmp"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/output"
)

// New builds `edrctl backends`.
func New(f *cmdutil.Factory) *cobra.Command {
	list := newList(f)
	cmd := &cobra.Command{
		Use:   "backends",
		Short: "Show the supported products and what each can do",
		Args:  cobra.NoArgs,
		RunE:  list.RunE,
	}
	cmd.AddCommand(list, newMatrix(f), newFields(f), newOperations(f))
	return cmd
}

var (
	kindBackend = output.NewKind[Row]("backend", []output.Column{
		{Name: "name"}, {Name: "title", Min: 12}, {Name: "secrets", Min: 10}, {Name: "settings", Min: 10}, {Name: "operations", As: output.AsNumber},
	}, nil)
	kindCapability = output.NewKind[MatrixRow]("capability", []output.Column{
		{Name: "capability"}, {Name: "commands", Min: 16}, {Name: "backends"},
	}, nil)
	kindOperation = output.NewKind[Operation]("operation", []output.Column{
		{Name: "name"}, {Name: "method"}, {Name: "path", Min: 16}, {Name: "mutates", As: output.AsState}, {Name: "summary", Min: 16},
	}, nil)
)

// Row is one backend of `backends list`.
type Row struct {
	Name       string   `json:"name"`
	Title      string   `json:"title"`
	DefaultURL string   `json:"default_url,omitempty"`
	Secrets    []string `json:"secrets"`
	Settings   []string `json:"settings,omitempty"`
	Operations int      `json:"operations"`
}

func newList(f *cmdutil.Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the supported products",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var rows []any
			for _, b := range backends.All() {
				r := &Row{Name: b.Name, Title: b.Title, DefaultURL: b.DefaultURL, Operations: len(b.Catalog())}
				for _, s := range b.Secrets {
					if !s.Session {
						r.Secrets = append(r.Secrets, s.Name)
					}
				}
				for _, k := range b.Keys {
					r.Settings = append(r.Settings, k.Name)
				}
				rows = append(rows, r)
			}
			return cmdutil.PrintRows(cmd.Context(), f, kindBackend, rows)
		},
	}
}

// MatrixRow is one capability and who has it.
type MatrixRow struct {
	Capability string   `json:"capability"`
	Commands   []string `json:"commands"`
	Backends   []string `json:"backends"`
}

// Matrix derives the capability matrix from the drivers.
func Matrix() ([]MatrixRow, error) {
	drivers := map[string]backends.Driver{}
	for _, b := range backends.All() {
		d, err := b.Blank()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", b.Name, err)
		}
		drivers[b.Name] = d
	}
	var rows []MatrixRow
	for _, c := range backends.Capabilities {
		r := MatrixRow{Capability: c.Name, Commands: c.Commands, Backends: []string{}}
		for _, b := range backends.All() {
			if c.Can(drivers[b.Name]) {
				r.Backends = append(r.Backends, b.Name)
			}
		}
		rows = append(rows, r)
	}
	return rows, nil
}

func newMatrix(f *cmdutil.Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "matrix",
		Short: "Show which product can do what, as the drivers themselves say",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			matrix, err := Matrix()
			if err != nil {
				return err
			}
			rows := make([]any, len(matrix))
			for i := range matrix {
				rows[i] = &matrix[i]
			}
			return cmdutil.PrintRows(cmd.Context(), f, kindCapability, rows)
		},
	}
}

// Operation is one row of `backends operations`.
type Operation struct {
	Name    string `json:"name"`
	Method  string `json:"method"`
	Path    string `json:"path"`
	Summary string `json:"summary"`
	Mutates bool   `json:"mutates"`
	Danger  string `json:"danger,omitempty"`
	Since   string `json:"since,omitempty"`
	Until   string `json:"until,omitempty"`
	Section string `json:"section,omitempty"`
}

func newOperations(f *cmdutil.Factory) *cobra.Command {
	return &cobra.Command{
		Use:               "operations NAME",
		Hidden:            true, // edrctl api list --backend NAME
		Short:             "List every operation of a product's API",
		Example:           `$ edrctl backends operations esp -o json | jq '.[] | select(.mutates) | .name'`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeName,
		RunE: func(cmd *cobra.Command, args []string) error {
			b, err := lookup(args[0])
			if err != nil {
				return err
			}
			var rows []any
			for _, o := range b.Catalog() {
				rows = append(rows, &Operation{
					Name: o.Name, Method: cmp.Or(o.Method, "GET"), Path: o.Path, Summary: o.Summary,
					Mutates: o.Mutates, Danger: o.Danger, Since: o.Since, Until: o.Until, Section: o.Section,
				})
			}
			return cmdutil.PrintRows(cmd.Context(), f, kindOperation, rows)
		},
	}
}

func names() []string {
	var out []string
	for _, b := range backends.All() {
		out = append(out, b.Name)
	}
	return out
}
