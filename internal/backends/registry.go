package backends

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/edrctl/edrctl/internal/client"
)

// Backend is a registered product.
type Backend struct {
	Name       string // config value of `backend:`
	Title      string // for people
	DefaultURL string
	Secrets    []SecretSpec
	Keys       []KeySpec
	Limits     Limits
	Archive    bool // its records are of any age: without a beginning all of them are meant
	New        func(Options) (Driver, error)
	Catalog    func() []Operation
	Resources  func() []Resource // nil = none
	Pushes     func() []Push     // the filters the server evaluates
	Fields     []Fields          // which fields of the model it fills
}

// SecretSpec is one secret a profile of this backend may have.
type SecretSpec struct {
	Name     string // token, api_key, ...
	Help     string
	Required bool
	Session  bool // kept by edrctl itself, not asked for at login
}

// KeySpec is one backend key of the config.
type KeySpec struct {
	Name     string
	Help     string
	Enum     []string
	Required bool
	Number   bool
}

// Limits are numbers worth printing (`backends matrix -o wide`).
type Limits struct {
	PageSize   int           // records a request at most; 0 = unpaged
	Cap        int           // records the server ever gives for one query; 0 = none known
	MaxWindow  time.Duration // longest span one query may have; 0 = none known
	LookBack   time.Duration // how long the server keeps records; 0 = unknown
	Precision  time.Duration // of its clock
	Push       bool          // streams alerts or events
	Concurrent int           // requests at once that are wise
}

// Options is everything a driver is built from.
type Options struct {
	Profile  string
	Client   client.Config
	Settings map[string]string // backend keys of the config, checked against Keys
	// Secret looks a secret up (environment, keyring, encrypted file). A
	// missing one is an *Error of KindAuth that says what to set or run. It
	// may ask the keyring: call it lazily.
	Secret func(ctx context.Context, name string) (string, error)
	// SaveSecret keeps a session secret where secrets are kept; it reports
	// false when it could only be kept in memory. nil = memory only.
	SaveSecret func(ctx context.Context, name, value string) (bool, error)
	Now        func() time.Time // nil = time.Now
	CacheDir   string           // for what can be made again; "" = nothing is kept
	StateDir   string           // for spools; "" = none may be written
	Warn       func(string)     // one line to the user; nil = dropped
}

// Clock gives o.Now or time.Now.
func (o Options) Clock() time.Time {
	if o.Now != nil {
		return o.Now()
	}
	return time.Now()
}

var (
	mu       sync.RWMutex
	registry = map[string]Backend{}
)

// Register adds a backend; each driver calls it in an init that does nothing else.
func Register(b Backend) {
	mu.Lock()
	defer mu.Unlock()
	if _, dup := registry[b.Name]; dup {
		panic("backend registered twice: " + b.Name)
	}
	registry[b.Name] = b
}

// Lookup finds a backend by name.
func Lookup(name string) (Backend, error) {
	mu.RLock()
	defer mu.RUnlock()
	b, ok := registry[name]
	if !ok {
		return Backend{}, fmt.Errorf("unknown backend %q: want one of %s", name, strings.Join(slices.Sorted(maps.Keys(registry)), ", "))
	}
	return b, nil
}

// All gives every backend, by name.
func All() []Backend {
	mu.RLock()
	defer mu.RUnlock()
	out := make([]Backend, 0, len(registry))
	for _, name := range slices.Sorted(maps.Keys(registry)) {
		out = append(out, registry[name])
	}
	return out
}
