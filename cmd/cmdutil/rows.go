package cmdutil

import (
	"context"

	"github.com/edrctl/edrctl/internal/output"
)

// PrintRows writes rows of a command's own type.
func PrintRows(ctx context.Context, f *Factory, kind output.Kind, rows []any) error {
	w, err := f.Printer(ctx, kind)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if err := w.Write(r); err != nil {
			return IgnoreClosed(err)
		}
	}
	return IgnoreClosed(w.Close())
}
