package cmdutil

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"

	"github.com/edrctl/edrctl/internal/atomicfile"
	"github.com/edrctl/edrctl/internal/config"
)

// tablesFile keeps the names of live tables and their columns for completion.
const tablesFile = "tables.json"

// CachedTables gives the tables and columns the last live query met, for
// completion: never a network call.
func (f *Factory) CachedTables() []string {
	paths, err := f.Paths()
	if err != nil {
		return nil
	}
	data, err := os.ReadFile(filepath.Join(paths.Cache, tablesFile))
	if err != nil {
		return nil
	}
	var words []string
	if json.Unmarshal(data, &words) != nil {
		return nil
	}
	return words
}

// CacheTables keeps them. A cache that cannot be written is no failure.
func (f *Factory) CacheTables(words []string) {
	slices.Sort(words)
	data, err := json.Marshal(slices.Compact(words))
	if err != nil {
		f.Debugf(err)
		return
	}
	paths, err := f.Paths()
	if err != nil {
		f.Debugf(err)
		return
	}
	if err := config.Ensure(paths.Cache); err != nil {
		f.Debugf(err)
		return
	}
	f.Debugf(atomicfile.Write(filepath.Join(paths.Cache, tablesFile), data))
}
