// Package files is the driver for evidence files: what analysts have on disk
// instead of a server. internal/evidence reads the formats; this package keeps
// an index of places, not of records, so that a folder of any size is listed
// newest first in bounded memory. Nothing is executed, and nothing is written
// next to the evidence.
package files

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/evidence"
)

// Name is the registered name, and the name of the profile that --from makes.
const Name = "files"

// The keys of a profile.
const (
	KeyPath = "path"
	KeyZone = "time_zone"
)

func init() {
	backends.Register(backends.Backend{
		Name:  Name,
		Title: "Evidence files",
		Keys: []backends.KeySpec{
			{Name: KeyPath, Help: "file, folder or pattern; several one a line", Required: true},
			{Name: KeyZone, Help: "time zone of times that name none (default: that of --tz)"},
		},
		Archive: true,
		Limits:  backends.Limits{Precision: time.Nanosecond, Push: true},
		New:     New,
		Catalog: func() []backends.Operation { return nil },
		Pushes:  func() []backends.Push { return nil },
	})
}

// Driver reads the files of one profile. It is safe for concurrent use.
type Driver struct {
	o     backends.Options
	paths []string
	zone  *time.Location

	mu    sync.Mutex
	index *index
	once  sync.Map           // texts already told to the user
	life  context.Context    //nolint:containedctx // of what is read while others ask: until Close
	end   context.CancelFunc // ends it
}

// New builds a driver. It does no I/O.
func New(o backends.Options) (backends.Driver, error) {
	d := &Driver{o: o, zone: time.UTC}
	d.life, d.end = context.WithCancel(context.Background())
	for line := range strings.Lines(o.Settings[KeyPath]) {
		if line = strings.TrimSpace(line); line != "" {
			d.paths = append(d.paths, line)
		}
	}
	if len(d.paths) == 0 {
		return nil, backends.Invalid("invalid "+KeyPath, "want a file or folder")
	}
	if name := o.Settings[KeyZone]; name != "" {
		z, err := time.LoadLocation(name)
		if err != nil {
			return nil, backends.Invalid(fmt.Sprintf("invalid %s %q", KeyZone, name), "want UTC or a name like Europe/Paris")
		}
		d.zone = z
	}
	return d, nil
}

// Backend is "files".
func (d *Driver) Backend() string { return Name }

// Close forgets what was read.
func (d *Driver) Close() error {
	d.end()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.index == nil {
		return nil
	}
	err := d.index.close()
	d.index = nil
	return err
}

// Check reads the files.
func (d *Driver) Check(ctx context.Context) (backends.Health, error) {
	began := time.Now()
	x, err := d.indexed(ctx, false)
	if err != nil {
		return backends.Health{}, err
	}
	return backends.Health{Product: "Evidence files", RoundTrip: time.Since(began), Notes: x.summary()}, nil
}

// indexed reads all files once. Who follows them gets what is there now, and
// later what was added; who does not waits for the end of standard input.
func (d *Driver) indexed(ctx context.Context, follow bool) (*index, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.index != nil {
		if follow {
			return d.index, d.index.refresh(ctx)
		}
		return d.index, d.index.settle(ctx)
	}
	products()
	sources, err := evidence.Files(d.paths)
	if err != nil {
		return nil, &backends.Error{Kind: backends.KindNotFound, What: err.Error()}
	}
	x, err := build(ctx, sources, evidence.Options{Zone: d.zone}, d.keeping(), d.follower(follow))
	if err != nil {
		return nil, err
	}
	d.index = x
	for _, text := range x.notices(d.zone) {
		d.tell(text)
	}
	return x, nil
}

func (d *Driver) keeping() keeping {
	if d.o.CacheDir == "" {
		return keeping{}
	}
	return keeping{dir: filepath.Join(d.o.CacheDir, "evidence"), zone: d.zone.String()}
}

// follower gives the life of a reader of standard input that nobody waits
// for; nil when it is read to its end first.
func (d *Driver) follower(follow bool) context.Context {
	if follow {
		return d.life
	}
	return nil
}

// tell says something to the user, once.
func (d *Driver) tell(text string) {
	if _, told := d.once.LoadOrStore(text, true); !told && d.o.Warn != nil {
		d.o.Warn(text)
	}
}
