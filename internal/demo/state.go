package demo

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/edrctl/edrctl/internal/atomicfile"
	"github.com/edrctl/edrctl/internal/story"
)

const (
	fileName    = "demo.json"
	fileVersion = 1
	// staleAfter is when the story is put again around the present: arrivals
	// are kept for twice as long.
	staleAfter = 6 * time.Hour
)

// file is what stays of the demo between two commands: when it was, the keys
// its servers take, and what users changed.
type file struct {
	Version int                          `json:"version"`
	Anchor  time.Time                    `json:"anchor"`
	Keys    map[string]map[string]string `json:"keys"`
	State   map[string]json.RawMessage   `json:"state,omitempty"`

	dir     string
	changed bool
}

// load reads the state, or makes a new one. A file that cannot be understood
// counts as none: nothing in it is worth refusing to run for. The story is
// put around now again when it has become stale; ids do not depend on when.
func load(dir string, now time.Time) (*file, error) {
	f := &file{dir: dir}
	if dir != "" {
		b, err := os.ReadFile(f.path())
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if json.Unmarshal(b, f) != nil || f.Version != fileVersion {
			*f = file{dir: dir}
		}
	}
	f.Version = fileVersion
	if age := now.Sub(f.Anchor); f.Anchor.IsZero() || age > staleAfter || age < -time.Minute {
		f.Anchor, f.changed = now.UTC().Truncate(time.Millisecond), true
	}
	if f.Keys == nil {
		f.Keys, f.changed = map[string]map[string]string{}, true
	}
	for _, b := range Backends {
		if f.Keys[b] == nil {
			f.Keys[b], f.changed = newKeys(b), true
		}
	}
	return f, nil
}

// newKeys makes keys nobody else knows, in the shape of the product's own.
func newKeys(backend string) map[string]string {
	switch backend {
	case story.CWatch:
		return map[string]string{"token": rand.Text()}
	case story.CarbonBlack: // SECRET/ID
		pair := func() string { return rand.Text()[:20] + "/" + rand.Text()[:10] }
		return map[string]string{"api_key": pair(), "siem_key": pair(), "live_response_key": pair()}
	case story.Gene:
		return map[string]string{"api_key": (rand.Text() + rand.Text() + rand.Text())[:64]}
	default:
		return map[string]string{"password": rand.Text()}
	}
}

func (f *file) path() string { return filepath.Join(f.dir, fileName) }

// keep writes the file when it differs from the one on disk.
func (f *file) keep() error {
	if !f.changed {
		return nil
	}
	b, err := json.Marshal(f)
	if err != nil {
		return err
	}
	if err := atomicfile.Write(f.path(), b); err != nil {
		return err
	}
	f.changed = false
	return nil
}

// merge writes down changed states. The file is read again first: another
// command may have changed another product's state meanwhile.
func (f *file) merge(changed map[string][]byte) error {
	var disk file
	if b, err := os.ReadFile(f.path()); err == nil && json.Unmarshal(b, &disk) == nil && disk.Version == fileVersion {
		f.State = disk.State
	}
	if f.State == nil {
		f.State = map[string]json.RawMessage{}
	}
	for b, s := range changed {
		f.State[b] = s
	}
	f.changed = true
	return f.keep()
}

// JournalDir is where the journal of the demo is, in the folder that state is
// kept in: what happens on the demo is not evidence.
func JournalDir(dir string) string { return filepath.Join(dir, "demo") }

// Reset forgets the state kept in dir: the next demo starts over.
func Reset(dir string) error {
	err := os.Remove(filepath.Join(dir, fileName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
