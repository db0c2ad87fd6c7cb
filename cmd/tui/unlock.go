package tui

import (
	"context"
	"os"
	"path/filepath"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/secrets"
)

// encryptedFile is where secrets lie when there is no keyring.
const encryptedFile = "secrets.age"

// unlock asks for the passphrase of the encrypted secrets while the terminal
// is still, or again, an ordinary one: under the screen nothing can be asked.
// Without that file, or without a secret of these profiles in it, it asks
// nothing. The profile that needs a secret reports that it cannot be read.
func unlock(ctx context.Context, f *cmdutil.Factory, profiles []string) error {
	paths, err := f.Paths()
	if err != nil {
		return nil // whoever needs a secret says so
	}
	if _, err := os.Stat(filepath.Join(paths.State, encryptedFile)); err != nil {
		return nil
	}
	c, err := f.Config()
	if err != nil {
		return err
	}
	store, err := f.Secrets()
	if err != nil {
		return nil
	}
	for _, name := range profiles {
		p := c.Profiles[name]
		if p == nil {
			continue // of the demo
		}
		wanted, err := cmdutil.SecretsOf(p)
		if err != nil {
			return err
		}
		for _, s := range wanted {
			switch store.Where(ctx, name, s.Name).Kind {
			case secrets.Encrypted, secrets.None:
				_, err := store.Get(ctx, name, s.Name)
				f.Debugf(err)
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	return nil
}
