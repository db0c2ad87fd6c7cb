package cmdutil

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/config"
	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/secrets"
)

// Secrets is where secrets are looked up and kept. Without a home there are no
// files, and what the environment and the keyring hold is still found.
func (f *Factory) Secrets() (*secrets.Store, error) {
	f.secretsOnce.Do(func() {
		paths, err := f.Paths()
		if paths.State != "" {
			err = nil
		}
		o := secrets.Options{
			Getenv: f.Getenv, StateDir: paths.State, NoFiles: err, Redact: f.redactor.Add, Now: f.Now,
			Warn: func(msg string) { f.Warn("%s", msg) },
		}
		if f.IO.CanPrompt() {
			o.Prompt = func(ctx context.Context, question string) (string, error) {
				return f.IO.Password(ctx, safetext.Text(question+" "))
			}
		}
		f.secrets = secrets.New(o)
	})
	return f.secrets, f.secretsErr
}

// ProxyPassword is the secret of a profile whose proxy wants a user name.
const ProxyPassword = "proxy_password"

// SecretsOf lists what a profile may keep secret: what its backend wants, and
// the password of the user that its proxy names.
func SecretsOf(p *config.Profile) ([]backends.SecretSpec, error) {
	b, err := backends.Lookup(p.Backend)
	if err != nil {
		return nil, &UsageError{Err: err}
	}
	u, err := url.Parse(p.Proxy)
	if err != nil || u.User == nil {
		return b.Secrets, nil
	}
	return append(slices.Clone(b.Secrets), backends.SecretSpec{
		Name: ProxyPassword, Help: fmt.Sprintf("of %s at the proxy %s", u.User.Username(), u.Host), Required: true,
	}), nil
}

// TrySecret makes drivers that are built from now on use a value that is kept
// nowhere yet.
func (f *Factory) TrySecret(profile, secret, value string) {
	if f.trial == nil {
		f.trial = map[string]string{}
	}
	f.redactor.Add(value)
	f.trial[profile+"/"+secret] = value
}

// lookupSecret finds a secret of a profile; a missing one says what to set or
// run.
func (f *Factory) lookupSecret(ctx context.Context, store *secrets.Store, profile, secret string) (string, error) {
	if v, ok := f.trial[profile+"/"+secret]; ok {
		return v, nil
	}
	v, err := store.Get(ctx, profile, secret)
	var missing *secrets.NotFoundError
	if errors.As(err, &missing) {
		return "", &backends.Error{
			Kind: backends.KindAuth, Why: err.Error(), Err: err,
			Hint: missing.Hint(),
		}
	}
	if err != nil {
		e := &backends.Error{Kind: backends.KindAuth, What: "cannot read the " + secret, Why: err.Error(), Err: err}
		var known *secrets.Error
		if errors.As(err, &known) {
			e.Hint = known.Hint
		}
		return "", e
	}
	return v, nil
}

// saveSecret keeps what a driver was given for a password: a session token.
// Where no safe place takes it without a question it stays in memory only.
func (f *Factory) saveSecret(store *secrets.Store, profile string) func(context.Context, string, string) (bool, error) {
	return func(ctx context.Context, secret, value string) (bool, error) {
		f.redactor.Add(value)
		if value == "" {
			_, err := store.Delete(ctx, profile, secret)
			return err == nil, err
		}
		if _, err := store.Set(ctx, profile, secret, value, secrets.SetOptions{Quiet: true}); err != nil {
			if errors.Is(err, secrets.ErrNoStore) {
				return false, nil
			}
			return false, err
		}
		return true, nil
	}
}
