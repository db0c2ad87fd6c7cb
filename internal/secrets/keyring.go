package secrets

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/zalando/go-keyring"
)

// ringTimeout bounds each call: a locked collection whose prompt cannot be
// shown would wait for ever.
const ringTimeout = 3 * time.Second

// TooBigError says that a secret does not fit into the keyring of this system.
type TooBigError struct{ Secret string }

func (e *TooBigError) Error() string {
	return fmt.Sprintf("the %s is too big for the keyring of this system", e.Secret)
}

// unavailable says that there is no keyring to ask.
type unavailable struct {
	why      string
	expected bool // there is none here, which is nothing to tell about
}

func (e *unavailable) Error() string { return "no keyring: " + e.why }

// One process asks a broken keyring once: the reason it gave stands for the
// rest of the run. turn lets one call at it at a time, so that four profiles
// wait three seconds for a locked one and not twelve.
var (
	ringDown atomic.Pointer[unavailable]
	turn     = make(chan struct{}, 1)
	timeout  = ringTimeout
	system   = runtime.GOOS
	provider = struct {
		get    func(service, user string) (string, error)
		set    func(service, user, value string) error
		forget func(service, user string) error
	}{keyring.Get, keyring.Set, keyring.Delete}
)

type ringEntry struct {
	value string
	stamp time.Time
}

// The stamp travels with the value, so that a secret put there by another tool
// (no stamp) still reads, as the oldest.
const ringPrefix = "edrctl1:"

func (e ringEntry) String() string {
	return ringPrefix + strconv.FormatInt(e.stamp.UnixMicro(), 36) + ":" + e.value
}

func parseRing(s string) ringEntry {
	if rest, ok := strings.CutPrefix(s, ringPrefix); ok {
		if stamp, value, ok := strings.Cut(rest, ":"); ok {
			if n, err := strconv.ParseInt(stamp, 36, 64); err == nil {
				return ringEntry{value, time.UnixMicro(n).UTC()}
			}
		}
	}
	return ringEntry{value: strings.TrimRight(s, "\r\n")}
}

// reachable tells whether asking is safe. Without a session bus the library
// would start one (dbus-launch) and leave it behind.
func reachable(getenv func(string) string) *unavailable {
	switch system {
	case "windows", "darwin":
		return nil
	case "linux", "freebsd", "openbsd", "netbsd", "dragonfly":
	default:
		return &unavailable{"this system has none", true}
	}
	switch bus := getenv("DBUS_SESSION_BUS_ADDRESS"); {
	case strings.HasPrefix(bus, "autolaunch:"), strings.HasPrefix(bus, "disabled:"):
		return &unavailable{"there is no session bus", true}
	case bus != "":
		return nil
	}
	if dir := getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		if _, err := os.Stat(filepath.Join(dir, "bus")); err == nil {
			return nil
		}
	}
	return &unavailable{"there is no session bus", true}
}

// ring runs one call under the time-out. A call that is late goes on by
// itself; what it answers is dropped.
func ring(ctx context.Context, getenv func(string) string, call func() (string, error)) (string, error) {
	if off := reachable(getenv); off != nil {
		return "", off
	}
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if off := ringDown.Load(); off != nil {
		return "", off
	}
	type answer struct {
		value string
		err   error
	}
	done := make(chan answer, 1)
	go func() {
		v, err := call()
		done <- answer{v, err}
	}()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case a := <-done:
		if a.err == nil || errors.Is(a.err, keyring.ErrNotFound) || errors.Is(a.err, keyring.ErrSetDataTooBig) {
			return a.value, a.err
		}
		off := &unavailable{why: strings.Join(strings.Fields(a.err.Error()), " ")}
		ringDown.Store(off)
		return "", off
	case <-timer.C:
		off := &unavailable{why: fmt.Sprintf("it did not answer within %v; it may be locked", timeout)}
		ringDown.Store(off)
		return "", off
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func service(profile string) string { return "edrctl:" + profile }

// ringGet gives an empty entry, and no error, for a secret that is not there.
func ringGet(ctx context.Context, getenv func(string) string, profile, secret string) (ringEntry, error) {
	get := provider.get
	v, err := ring(ctx, getenv, func() (string, error) { return get(service(profile), secret) })
	if errors.Is(err, keyring.ErrNotFound) {
		return ringEntry{}, nil
	}
	if err != nil {
		return ringEntry{}, err
	}
	return parseRing(v), nil
}

func ringSet(ctx context.Context, getenv func(string) string, profile, secret string, e ringEntry) error {
	set := provider.set
	_, err := ring(ctx, getenv, func() (string, error) { return "", set(service(profile), secret, e.String()) })
	if errors.Is(err, keyring.ErrSetDataTooBig) {
		return &TooBigError{secret}
	}
	return err
}

func ringDelete(ctx context.Context, getenv func(string) string, profile, secret string) (had bool, err error) {
	forget := provider.forget
	_, err = ring(ctx, getenv, func() (string, error) { return "", forget(service(profile), secret) })
	if errors.Is(err, keyring.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
