package auth

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/change"
	"github.com/edrctl/edrctl/internal/iostreams"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/secrets"
)

// The operations by which a backend changes, and tries, the password of its
// user, and the secret that is that password.
const (
	opChange       = "auth.password.change"
	opLogin        = "auth.login"
	secretPassword = "password"
)

// settle is how long a new login stays away from the end of the old sessions:
// servers that count in seconds would take it for one of them.
const settle = 1100 * time.Millisecond

func newPasswd(f *cmdutil.Factory) *cobra.Command {
	var act cmdutil.ActFlags
	var stdin bool
	cmd := &cobra.Command{
		Use:   "passwd [PROFILE]",
		Short: "Change the password of a profile's user, here and on the server (" + changing + ")",
		Long: `Change the password of the user a profile logs in as, and keep the new one where
the old one was kept: in the keyring, or the encrypted file. The old one is
tried first. Every session of the user ends, also those of the console and of
other programs; edrctl logs in again.

The passwords are asked for without being shown, the new one twice, or read
from standard input: two lines, the old one and the new one. When the answer
is lost, edrctl tries both and reports which one works now.`,
		Example: `$ edrctl auth passwd prod-esp
$ pass show esp/old-and-new | edrctl auth passwd prod-esp --password-stdin --yes`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: cmdutil.CompleteNothing,
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := targets(f, args)
			if err != nil {
				return err
			}
			if len(list) != 1 {
				return &cmdutil.UsageError{
					Err:  errors.New("change one password at a time: edrctl auth passwd PROFILE"),
					Hint: "the demo's passwords are its own and stay",
				}
			}
			return passwd(cmd.Context(), f, list[0], &act, stdin)
		},
	}
	act.Add(cmd, f)
	cmd.Flags().BoolVar(&stdin, "password-stdin", false, "read the old and the new password from standard input, each on a line of its own")
	return cmd
}

// changing is what changers gives. Going through four catalogues for a line of help
// would slow every start; a test compares them.
const changing = "esp"

// changers lists the backends whose users have passwords of their own.
func changers() []string {
	var out []string
	for _, b := range backends.All() {
		if b.Catalog == nil {
			continue
		}
		if _, ok := backends.OperationNamed(b.Catalog(), opChange); ok {
			out = append(out, b.Name)
		}
	}
	return out
}

func passwd(ctx context.Context, f *cmdutil.Factory, t target, act *cmdutil.ActFlags, stdin bool) error {
	op, ok := backends.OperationNamed(t.backend.Catalog(), opChange)
	if !ok {
		return backends.Unsupported(t.backend.Name, "cannot change the password of "+t.profile, "backends with passwords: "+strings.Join(changers(), " "))
	}
	fleet, err := f.FleetOf(ctx, []string{t.profile})
	if err != nil {
		return err
	}
	defer func() { f.Debugf(fleet.Close()) }()
	s := fleet.Sources[0]
	if s.ReadOnly && !act.DryRun { // before anybody types a password
		return change.RefusedReadOnly(t.profile)
	}
	store, err := f.Secrets()
	if err != nil {
		return err
	}
	old, next, err := passwords(ctx, f, t, stdin)
	if err != nil {
		return err
	}
	call := backends.Call{Op: op, Args: map[string]any{"old_password": old, "new_password": next}}
	act.Danger = true // asked once, with the new password typed twice, is enough
	res, err := cmdutil.Carry(ctx, f, cmdutil.Order{Flags: act, Refs: []string{t.profile + "/"}, Items: func(_ context.Context, a *change.Actor) ([]change.Item, error) {
		return []change.Item{change.CallItem(a.Fleet.Sources[0], call)}, nil
	}})
	if err != nil || res == nil {
		return err
	}
	for i, err := range res.Errs() {
		f.ReportError(err)
		if res.Failed[i].State == model.ActionAmbiguous {
			which(ctx, f, t, old, next)
		}
	}
	if len(res.Succeeded) == 0 {
		return cmdutil.ResultCode(res, true)
	}
	f.Note("%s: the password is changed; every session of the user has ended", t.profile)
	return renew(ctx, f, store, t, next)
}

// passwords asks for the old password and twice for the new one, or reads
// both from standard input.
func passwords(ctx context.Context, f *cmdutil.Factory, t target, stdin bool) (old, next string, err error) {
	if stdin {
		r := bufio.NewReader(io.LimitReader(f.IO.In, 1<<20))
		for _, into := range []*string{&old, &next} {
			line, err := r.ReadString('\n')
			if err != nil && !errors.Is(err, io.EOF) {
				return "", "", err
			}
			*into = strings.TrimRight(line, "\r\n")
		}
		if old == "" || next == "" {
			return "", "", cmdutil.Usagef("standard input holds not two lines: the old password and the new one")
		}
	} else {
		again := ""
		for _, q := range []struct {
			text string
			into *string
		}{{"old password of " + t.profile, &old}, {"new password", &next}, {"new password, again", &again}} {
			*q.into, err = f.IO.Password(ctx, safetext.Text(q.text+": "))
			if errors.Is(err, iostreams.ErrNoPrompt) {
				return "", "", &cmdutil.UsageError{Err: err, Hint: "--password-stdin reads the old and the new one, each on a line of its own"}
			}
			if err != nil {
				return "", "", err
			}
			if *q.into == "" {
				return "", "", cmdutil.Usagef("the password is empty; nothing was sent")
			}
		}
		if again != next {
			return "", "", cmdutil.Usagef("the two new passwords differ; nothing was sent")
		}
	}
	if old == next {
		return "", "", cmdutil.Usagef("the new password is the old one; nothing was sent")
	}
	return old, next, nil
}

// renew keeps the new password where the old one was, and logs in with it.
func renew(ctx context.Context, f *cmdutil.Factory, store *secrets.Store, t target, next string) error {
	at := store.Where(ctx, t.profile, secretPassword)
	switch at.Kind {
	case secrets.Environment:
		f.Warn("%s: the password is in %s, which still holds the old one: change it there", t.profile, at.Name)
		return nil
	case secrets.None:
		f.Note("%s: the old password was kept nowhere, and the new one is not either", t.profile)
		return nil
	}
	where, err := store.Set(ctx, t.profile, secretPassword, next, secrets.SetOptions{Insecure: at.Kind == secrets.Plain})
	if err != nil {
		f.Warn("%s: the password is changed on the server, and the new one could not be kept: edrctl auth login %s", t.profile, t.profile)
		return hinted(err)
	}
	f.Note("%s: %s kept in: %s", t.profile, secretPassword, where)
	timer := time.NewTimer(settle)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
	}
	return check(ctx, f, t)
}

// which says which of the two passwords the server takes now.
func which(ctx context.Context, f *cmdutil.Factory, t target, old, next string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	for _, p := range []struct{ name, value string }{{"new", next}, {"old", old}} {
		err := tryLogin(ctx, f, t, p.value)
		switch {
		case err == nil:
			f.Warn("%s: the %s password is the one that holds", t.profile, p.name)
			if p.name == "new" {
				f.Note("%s: edrctl auth login %s keeps it", t.profile, t.profile)
			}
			return
		case backends.KindOf(err) != backends.KindAuth:
			f.Warn("%s: which password holds could not be found out: %v", t.profile, err)
			return
		}
	}
	f.Warn("%s: neither the old nor the new password is taken", t.profile)
}

// tryLogin logs in with a password, and keeps nothing of it.
func tryLogin(ctx context.Context, f *cmdutil.Factory, t target, password string) error {
	op, ok := backends.OperationNamed(t.backend.Catalog(), opLogin)
	if !ok {
		return fmt.Errorf("%s has no login", t.backend.Name)
	}
	fleet, err := f.FleetOf(ctx, []string{t.profile})
	if err != nil {
		return err
	}
	defer func() { f.Debugf(fleet.Close()) }()
	a, err := fleet.Sources[0].Call(ctx, backends.Call{Op: op, Args: map[string]any{"password": password}})
	if err != nil {
		return err
	}
	return a.Body.Close()
}
