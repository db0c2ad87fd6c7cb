package hunt

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"github.com/edrctl/edrctl/internal/ioc"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/sigma"
)

// Checkpoint keeps what a hunt has done in a file: a header that says which
// hunt it is, then a line for each unit that is done, with its hits, synced
// before the next unit begins. A line that was cut by a crash is a unit that
// is not done.
type Checkpoint struct {
	Span Span // of the hunt; --since 24h of a resumed hunt means the first run's

	mu    sync.Mutex
	file  *os.File
	size  int64 // of what is whole
	units map[string]checkpointUnit
}

type checkpointHeader struct {
	Hunt string `json:"hunt"` // hash of indicators and profiles
	Span
}

// sigmaFound is what one unit of a hunt with rules found.
type sigmaFound struct {
	Hits     []*model.SigmaHit   `json:"hits,omitempty"`
	Observed []sigma.Observation `json:"observed,omitempty"` // for correlations
}

type checkpointUnit struct {
	Unit  string       `json:"unit"`
	Hits  []*model.Hit `json:"hits"`
	Sigma *sigmaFound  `json:"sigma,omitempty"` // of a hunt with rules
}

// ID identifies a hunt by its indicators and profiles.
func ID(list *ioc.List, f *ops.Fleet) string {
	h := sha256.New()
	for _, s := range f.Sources {
		fmt.Fprintf(h, "%s\x00%s\x00", s.Profile, s.Backend)
	}
	for _, i := range list.All() {
		fmt.Fprintf(h, "%s\x00%s\x00%d\x00%d\x00", i.Type, i.Value, i.Port, i.Rule)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// ErrCheckpoint says that a checkpoint file cannot be used.
var ErrCheckpoint = errors.New("cannot use the checkpoint")

// OpenCheckpoint begins a checkpoint in path, or with resume continues the one
// that is there. With resume a file that is not there yet, or that a crash cut
// within its first line, is begun: so the same command can be run until it is
// done.
func OpenCheckpoint(path, hunt string, span Span, resume bool) (*Checkpoint, error) {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w %s: %w", ErrCheckpoint, path, fmt.Errorf(format, args...))
	}
	if !resume {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			return nil, bad("it exists; continue it with --resume, or remove it")
		}
		if err != nil {
			return nil, bad("%w", err)
		}
		c := &Checkpoint{file: f, Span: span, units: map[string]checkpointUnit{}}
		return c, c.write(checkpointHeader{hunt, span.utc()})
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return OpenCheckpoint(path, hunt, span, false)
	}
	if err != nil {
		return nil, bad("%w", err)
	}
	c := &Checkpoint{file: f, units: map[string]checkpointUnit{}}
	c.size, err = c.read(hunt)
	if err == nil {
		// What follows the last whole line is a write that was cut.
		err = c.rewind()
	}
	if err == nil && c.size == 0 {
		c.Span = span
		err = c.write(checkpointHeader{hunt, span.utc()})
	}
	if err != nil {
		return nil, errors.Join(bad("%w", err), f.Close())
	}
	return c, nil
}

// read takes the whole lines and gives the offset behind them.
func (c *Checkpoint) read(hunt string) (whole int64, err error) {
	r := bufio.NewReaderSize(c.file, 1<<16)
	for n := 0; ; n++ {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			if start := []byte(`{"hunt":"` + hunt); n == 0 && !bytes.HasPrefix(start, line) && !bytes.HasPrefix(line, start) {
				return 0, errors.New("it is not a checkpoint of this hunt")
			}
			return whole, nil
		}
		if err != nil {
			return 0, err
		}
		if n == 0 {
			var h checkpointHeader
			if json.Unmarshal(line, &h) != nil || h.Hunt == "" {
				return 0, errors.New("it is not a checkpoint of a hunt")
			}
			if h.Hunt != hunt {
				return 0, errors.New("it is of another hunt: its indicators or profiles differ")
			}
			c.Span = h.Span
		} else {
			var u checkpointUnit
			if err := json.Unmarshal(line, &u); err != nil {
				return 0, fmt.Errorf("line %d is broken: %w", n+1, err)
			}
			c.units[u.Unit] = u
		}
		whole += int64(len(line))
	}
}

// Done is how many units were done before.
func (c *Checkpoint) Done() int { return len(c.units) }

// done gives the hits of a unit that a run before has done.
func (c *Checkpoint) done(name string) (checkpointUnit, bool) {
	if c == nil {
		return checkpointUnit{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	u, ok := c.units[name]
	return u, ok
}

func (c *Checkpoint) record(u checkpointUnit) error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.write(u)
}

func (c *Checkpoint) write(v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := c.file.Write(b.Bytes())
	if err == nil {
		err = c.file.Sync()
	}
	if err != nil {
		// A line that is half there would spoil what others write after it.
		return fmt.Errorf("%w: %w", ErrCheckpoint, errors.Join(err, c.rewind()))
	}
	c.size += int64(b.Len())
	return nil
}

// rewind drops what follows the last whole line.
func (c *Checkpoint) rewind() error {
	if err := c.file.Truncate(c.size); err != nil {
		return err
	}
	_, err := c.file.Seek(c.size, io.SeekStart)
	return err
}

// Close closes the file; it stays.
func (c *Checkpoint) Close() error {
	if c == nil {
		return nil
	}
	return c.file.Close()
}
