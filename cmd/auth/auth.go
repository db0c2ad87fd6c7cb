// Package auth keeps, checks and forgets the secrets of profiles.
package auth

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/iostreams"
	"github.com/edrctl/edrctl/internal/output"
	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/secrets"
)

// New builds `edrctl auth`.
func New(f *cmdutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "auth",
		Short: "Log in, log out, and see where secrets are kept",
		Args:  cobra.NoArgs,
		RunE:  cmdutil.ShowHelp,
	}
	cmd.AddCommand(newLogin(f), newLogout(f), newPasswd(f), newStatus(f))
	return cmd
}

// target is a configured profile with its backend.
type target struct {
	profile string
	backend backends.Backend
	secrets []backends.SecretSpec
}

// targets are the profiles named as arguments, or the selected ones. The
// demo's have no secrets to keep.
func targets(f *cmdutil.Factory, args []string) ([]target, error) {
	c, err := f.Config()
	if err != nil {
		return nil, err
	}
	names := args
	if len(args) == 0 {
		if names, err = f.Selected(); err != nil {
			return nil, err
		}
	}
	var out []target
	for _, name := range names {
		p := c.Profiles[name]
		if p == nil {
			if len(args) > 0 {
				return nil, &cmdutil.UsageError{Err: fmt.Errorf("unknown profile %q", name), Hint: "`edrctl profile list` shows the profiles"}
			}
			continue
		}
		b, err := backends.Lookup(p.Backend)
		if err != nil {
			return nil, &cmdutil.UsageError{Err: err}
		}
		wanted, err := cmdutil.SecretsOf(p)
		if err != nil {
			return nil, err
		}
		out = append(out, target{name, b, wanted})
	}
	return out, nil
}

func newLogin(f *cmdutil.Factory) *cobra.Command {
	var secret string
	var stdin, insecure, noCheck bool
	cmd := &cobra.Command{
		Use:   "login [PROFILE]",
		Short: "Check the secrets of a profile, and keep them",
		Long: `Check that the secrets of a profile work, and keep them in the keyring of the system,
or in an encrypted file where there is none. What the server refuses is not kept;
--no-check keeps secrets without asking it. Nothing is ever kept in plain text unless
--insecure-storage says so.`,
		Example: `$ edrctl auth login prod-cw
$ pass show edr/cb-siem | edrctl auth login cb --secret siem_key --stdin`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			list, err := targets(f, args)
			if err != nil {
				return err
			}
			if len(list) != 1 {
				return cmdutil.Usagef("log in to one profile at a time: edrctl auth login PROFILE")
			}
			t := list[0]
			store, err := f.Secrets()
			if err != nil {
				return err
			}
			values, err := ask(ctx, f, t, secret, stdin)
			if err != nil {
				return err
			}
			if !noCheck {
				if err := tried(ctx, f, t, values); err != nil {
					return err
				}
			}
			for _, v := range values {
				where, err := store.Set(ctx, t.profile, v.name, v.value, secrets.SetOptions{Insecure: insecure})
				if err != nil {
					return hinted(err)
				}
				f.Note("%s: %s kept in: %s", t.profile, v.name, where)
				if insecure {
					f.Warn("%s: %s is readable by everything that runs as you", t.profile, v.name)
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&secret, "secret", "", "only this secret of the backend")
	cmd.Flags().BoolVar(&stdin, "stdin", false, "read the value from standard input (with --secret where the backend has several)")
	cmd.Flags().BoolVar(&insecure, "insecure-storage", false, "keep it in a plain file, readable by everything that runs as you")
	cmd.Flags().BoolVar(&noCheck, "no-check", false, "do not try the secrets on the server")
	return cmd
}

type named struct{ name, value string }

// ask gets the values: all secrets of the backend from the terminal, or one
// from standard input.
func ask(ctx context.Context, f *cmdutil.Factory, t target, only string, stdin bool) ([]named, error) {
	var specs []backends.SecretSpec
	var known []string
	for _, s := range t.secrets {
		if s.Session {
			continue
		}
		known = append(known, s.Name)
		if only == "" || s.Name == only {
			specs = append(specs, s)
		}
	}
	if len(known) == 0 {
		return nil, cmdutil.Usagef("profile %s has no secrets: %s needs no login", t.profile, t.backend.Name)
	}
	if len(specs) == 0 {
		return nil, noSuchSecret(t, only, known)
	}
	if stdin {
		if len(specs) > 1 {
			return nil, cmdutil.Usagef("--stdin holds one secret: choose it with --secret %s", strings.Join(known, "|"))
		}
		line, err := bufio.NewReader(io.LimitReader(f.IO.In, 1<<20)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		value := strings.TrimRight(line, "\r\n")
		if value == "" {
			return nil, cmdutil.Usagef("standard input holds no secret")
		}
		return []named{{specs[0].Name, value}}, nil
	}
	var out []named
	for _, s := range specs {
		question := fmt.Sprintf("%s of %s (%s)", s.Name, t.profile, s.Help)
		if !s.Required {
			question += ", Enter for none"
		}
		value, err := f.IO.Password(ctx, safetext.Text(question+": "))
		if errors.Is(err, iostreams.ErrNoPrompt) {
			return nil, &cmdutil.UsageError{Err: err, Hint: "pipe the value in with --stdin, or set " + secrets.EnvName(t.profile, s.Name)}
		}
		if err != nil {
			return nil, err
		}
		if value != "" {
			out = append(out, named{s.Name, value})
		} else if s.Required {
			return nil, cmdutil.Usagef("%s needs its %s", t.profile, s.Name)
		}
	}
	return out, nil
}

func noSuchSecret(t target, name string, known []string) error {
	e := &cmdutil.UsageError{
		Err:  fmt.Errorf("invalid --secret %q for profile %s: unknown secret", name, t.profile),
		Hint: "one of " + strings.Join(known, ", "),
	}
	if name == cmdutil.ProxyPassword {
		e.Hint = "name the user in the profile first, as in proxy: http://USER@HOST:PORT"
	}
	return e
}

// tried checks values that are kept nowhere yet.
func tried(ctx context.Context, f *cmdutil.Factory, t target, values []named) error {
	for _, v := range values {
		f.TrySecret(t.profile, v.name, v.value)
	}
	err := check(ctx, f, t)
	if err == nil {
		return nil
	}
	return &backends.Error{Kind: backends.KindOf(err), What: t.profile + ": nothing was kept", Why: err.Error(), Err: err, Hint: notKept(err)}
}

func notKept(err error) string {
	if backends.KindOf(err) == backends.KindAuth {
		return "what was kept before is still there; --no-check keeps a secret without asking the server"
	}
	return "--no-check keeps it without asking the server"
}

// check tries the secrets; a backend with sessions logs in.
func check(ctx context.Context, f *cmdutil.Factory, t target) error {
	fleet, err := f.FleetOf(ctx, []string{t.profile})
	if err != nil {
		return err
	}
	defer func() { f.Debugf(fleet.Close()) }()
	d, err := fleet.Sources[0].Driver()
	if err != nil {
		return err
	}
	if s, ok := d.(backends.SessionKeeper); ok {
		if err := s.Login(ctx); err != nil {
			return err
		}
	}
	health, err := d.Check(ctx)
	if err != nil {
		return err
	}
	f.Note("%s: %s answers, the credentials work", t.profile, strings.TrimSpace(health.Product+" "+health.Version))
	return nil
}

func newLogout(f *cmdutil.Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "logout [PROFILE…]",
		Short: "Forget the secrets of profiles, and end their sessions",
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := targets(f, args)
			if err != nil {
				return err
			}
			store, err := f.Secrets()
			if err != nil {
				return err
			}
			for _, t := range list {
				if err := logout(cmd.Context(), f, store, t); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func logout(ctx context.Context, f *cmdutil.Factory, store *secrets.Store, t target) error {
	if slices.ContainsFunc(t.secrets, func(s backends.SecretSpec) bool { return s.Session }) {
		if err := endSession(ctx, f, store, t); err != nil {
			f.Warn("%s: the session could not be ended on the server: %v", t.profile, err)
		}
	}
	for _, s := range t.secrets {
		from, err := store.Delete(ctx, t.profile, s.Name)
		if err != nil {
			return hinted(err)
		}
		for _, l := range from {
			f.Note("%s: %s removed from: %s", t.profile, s.Name, l)
		}
		if l := store.Where(ctx, t.profile, s.Name); l.Kind == secrets.Environment {
			f.Note("%s: %s is still set in %s", t.profile, s.Name, l.Name)
		}
	}
	return nil
}

// endSession ends a session that is kept; without one there is nothing to end.
func endSession(ctx context.Context, f *cmdutil.Factory, store *secrets.Store, t target) error {
	for _, s := range t.secrets {
		if !s.Session {
			continue
		}
		if store.Where(ctx, t.profile, s.Name).Kind == secrets.None {
			return nil
		}
	}
	fleet, err := f.FleetOf(ctx, []string{t.profile})
	if err != nil {
		return err
	}
	defer func() { f.Debugf(fleet.Close()) }()
	d, err := fleet.Sources[0].Driver()
	if err != nil {
		return err
	}
	if s, ok := d.(backends.SessionKeeper); ok {
		return s.Logout(ctx)
	}
	return nil
}

var kindSecret = output.NewKind[Row]("secret", []output.Column{
	{Name: "profile"}, {Name: "secret"}, {Name: "set", As: output.AsState}, {Name: "where", Min: 12}, {Name: "variable", Min: 12, Drop: 2}, {Name: "note", Min: 8, Drop: 1},
}, nil)

// Row is one secret of `auth status`.
type Row struct {
	Profile  string `json:"profile"`
	Backend  string `json:"backend"`
	Secret   string `json:"secret"`
	Set      bool   `json:"set"`
	Required bool   `json:"required"`
	Where    string `json:"where,omitempty"`
	Variable string `json:"variable"`
	Note     string `json:"note,omitempty"`
}

func newStatus(f *cmdutil.Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "status [PROFILE…]",
		Short: "Show where each secret is kept; never the secret itself",
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && f.Flags.Profile == "" {
				f.Flags.Profile = "all"
			}
			list, err := targets(f, args)
			if err != nil {
				return err
			}
			store, err := f.Secrets()
			if err != nil {
				return err
			}
			var rows []any
			missing := false
			for _, t := range list {
				for _, s := range t.secrets {
					l := store.Where(cmd.Context(), t.profile, s.Name)
					r := &Row{
						Profile: t.profile, Backend: t.backend.Name, Secret: s.Name, Set: l.Kind != secrets.None,
						Required: s.Required, Variable: secrets.EnvName(t.profile, s.Name), Note: l.Note,
					}
					if r.Set {
						r.Where = l.String()
					}
					missing = missing || s.Required && !r.Set
					rows = append(rows, r)
				}
			}
			if err := cmdutil.PrintRows(cmd.Context(), f, kindSecret, rows); err != nil {
				return err
			}
			if missing {
				return &cmdutil.ExitError{Code: cmdutil.ExitAuth}
			}
			return nil
		},
	}
}

func hinted(err error) error {
	var known *secrets.Error
	if errors.As(err, &known) {
		return &backends.Error{Kind: backends.KindOther, What: known.Msg, Hint: known.Hint, Err: err}
	}
	return err
}
