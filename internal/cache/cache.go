// Package cache keeps what lists have shown, per profile, for completion: a
// few words and what they mean. It holds no secret, may be deleted at any
// time, and a failure to write it is no failure of a command.
package cache

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"github.com/edrctl/edrctl/internal/atomicfile"
)

// Entry is a word to complete, with what it means.
type Entry struct {
	Word string `json:"w"`
	Help string `json:"h,omitempty"`
}

// Cache is a folder of lists.
type Cache struct{ dir string }

// In gives the cache in dir; nothing is read yet.
func In(dir string) Cache { return Cache{dir} }

// maxEntries bounds one list: a completion nobody reads to its end.
const maxEntries = 500

func (c Cache) file(profile, kind string) string {
	clean := strings.NewReplacer("/", "_", `\`, "_", ":", "_", "..", "_").Replace(profile)
	return filepath.Join(c.dir, "complete", clean+"."+kind+".json")
}

// Put replaces a list.
func (c Cache) Put(profile, kind string, entries []Entry) error {
	if len(entries) > maxEntries {
		entries = entries[:maxEntries]
	}
	data, err := json.Marshal(entries)
	if err != nil {
		return err
	}
	file := c.file(profile, kind)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return atomicfile.Write(file, data)
}

// Get gives a list, nil when there is none.
func (c Cache) Get(profile, kind string) []Entry {
	data, err := os.ReadFile(c.file(profile, kind))
	if err != nil {
		return nil
	}
	var out []Entry
	if json.Unmarshal(data, &out) != nil {
		return nil
	}
	return out
}
