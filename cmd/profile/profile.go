// Package profile lists and edits the profiles of the configuration.
package profile

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/config"
	"github.com/edrctl/edrctl/internal/demo"
	"github.com/edrctl/edrctl/internal/output"
)

// New builds `edrctl profile`.
func New(f *cmdutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "profile",
		Short: "List, add, remove and choose profiles",
		Args:  cobra.NoArgs,
		RunE:  cmdutil.ShowHelp,
	}
	cmd.AddCommand(newList(f), newAdd(f), newRemove(f), newUse(f))
	return cmd
}

var kindProfile = output.NewKind[Row]("profile", []output.Column{
	{Name: "name"}, {Name: "backend"}, {Name: "url", Min: 16}, {Name: "read_only", As: output.AsState},
	{Name: "default", As: output.AsState}, {Name: "groups", Min: 8, Drop: 1},
}, nil)

// Row is one profile of `profile list`.
type Row struct {
	Name     string   `json:"name"`
	Backend  string   `json:"backend"`
	URL      string   `json:"url,omitempty"`
	ReadOnly bool     `json:"read_only"`
	Default  bool     `json:"default"`
	Groups   []string `json:"groups,omitempty"`
}

func newList(f *cmdutil.Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the profiles of the configuration, and the demo's",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := f.Config()
			if err != nil {
				return err
			}
			var rows []any
			for _, name := range c.Order {
				p := c.Profiles[name]
				r := &Row{Name: name, Backend: p.Backend, URL: p.URL, ReadOnly: p.ReadOnly}
				r.Default = slices.Contains(c.Default, name) || len(c.Default) == 0 && len(c.Order) == 1
				for g, members := range c.Groups {
					if slices.Contains(members, name) {
						r.Groups = append(r.Groups, g)
						r.Default = r.Default || slices.Contains(c.Default, "@"+g)
					}
				}
				slices.Sort(r.Groups)
				rows = append(rows, r)
			}
			for _, name := range demo.Profiles() {
				b, _ := demo.BackendOf(name)
				rows = append(rows, &Row{Name: name, Backend: b, Groups: []string{"demo"}})
			}
			return cmdutil.PrintRows(cmd.Context(), f, kindProfile, rows)
		},
	}
}

func newAdd(f *cmdutil.Factory) *cobra.Command {
	var p config.Profile
	var settings []string
	var replace bool
	cmd := &cobra.Command{
		Use:   "add NAME --backend BACKEND [--url URL]",
		Short: "Add a profile to the configuration",
		Long: `Add a profile to the configuration. Secrets are never kept there: run
edrctl auth login NAME afterwards, or set them in the environment.`,
		Example: `$ edrctl profile add prod-cw --backend cwatch --set customer_id=42
$ edrctl profile add lab --backend gene --url https://127.0.0.1:8001 --pin sha256:…`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			b, err := backends.Lookup(p.Backend)
			if err != nil {
				return &cmdutil.UsageError{Err: err}
			}
			p.Name = args[0]
			if p.URL == "" {
				p.URL = b.DefaultURL
			}
			if p.URL == "" {
				return cmdutil.Usagef("--url is needed: %s has no address of its own", b.Title)
			}
			p.Settings = map[string]string{}
			for _, s := range settings {
				k, v, ok := strings.Cut(s, "=")
				if !ok {
					return cmdutil.Usagef("--set %s: write KEY=VALUE", s)
				}
				p.Settings[k] = v
			}
			if err := f.EditConfig(func(path string, o config.Options) error { return config.AddProfile(path, &p, replace, o) }); err != nil {
				return err
			}
			f.Note("added %s; next: edrctl auth login %s, then edrctl -p %s doctor", p.Name, p.Name, p.Name)
			return nil
		},
	}
	cmd.Flags().StringVar(&p.Backend, "backend", "", "product: cwatch, carbonblack, gene or esp")
	cmd.Flags().StringVar(&p.URL, "url", "", "address of the server")
	cmd.Flags().BoolVar(&p.ReadOnly, "profile-read-only", false, "refuse everything that changes this backend, always")
	cmd.Flags().StringVar(&p.TLS.CAFile, "ca-file", "", "PEM file of the certificate authority")
	cmd.Flags().StringVar(&p.TLS.Pin, "pin", "", "pin of the server's public key: sha256:HEX")
	cmd.Flags().StringVar(&p.Proxy, "proxy", "", "proxy to the server, as http://USER@HOST:PORT, or none; auth login keeps its password")
	cmdutil.StringArray(cmd.Flags(), &settings, "set", "", "a key of the backend: KEY=VALUE (for example customer_id=42, username=admin)")
	cmd.Flags().BoolVar(&replace, "replace", false, "replace a profile of the same name")
	if err := cmd.MarkFlagRequired("backend"); err != nil {
		panic(err) // the flag was just added
	}
	return cmd
}

func newRemove(f *cmdutil.Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "remove NAME",
		Short: "Remove a profile from the configuration; its secrets stay until auth logout",
		Args:  cobra.ExactArgs(1),

		ValidArgsFunction: cmdutil.CompleteOwnProfiles(f),
		RunE: func(_ *cobra.Command, args []string) error {
			return f.EditConfig(func(path string, o config.Options) error { return config.RemoveProfile(path, args[0], o) })
		},
	}
}

func newUse(f *cmdutil.Factory) *cobra.Command {
	return &cobra.Command{
		Use:     "use NAME…",
		Short:   "Choose the profiles used when -p is absent",
		Example: `$ edrctl profile use prod-cw prod-esp`,
		Args:    cobra.MinimumNArgs(1),

		ValidArgsFunction: cmdutil.CompleteSelections(f),
		RunE: func(_ *cobra.Command, args []string) error {
			return f.EditConfig(func(path string, o config.Options) error { return config.UseProfiles(path, args, o) })
		},
	}
}
