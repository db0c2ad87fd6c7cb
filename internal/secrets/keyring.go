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
	locked   bool // it is there, and somebody has to unlock it
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
	setenv = os.Setenv
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

const busVariable = "DBUS_SESSION_BUS_ADDRESS"

// reachable tells whether asking is safe. Without a session bus the library
// would start one (dbus-launch) and leave it behind. It looks for a bus in the
// environment and in /run/user only; one in $XDG_RUNTIME_DIR elsewhere is
// given to it through the environment.
func reachable(getenv func(string) string) *unavailable {
	switch system {
	case "windows", "darwin":
		return nil
	case "linux", "freebsd", "openbsd", "netbsd", "dragonfly":
	default:
		return &unavailable{why: "this system has none", expected: true}
	}
	switch bus := getenv(busVariable); {
	case strings.HasPrefix(bus, "autolaunch:"), strings.HasPrefix(bus, "disabled:"):
		return &unavailable{why: "there is no session bus", expected: true}
	case bus != "":
		return nil
	}
	if dir := getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		socket := filepath.Join(dir, "bus")
		if _, err := os.Stat(socket); err == nil && setenv(busVariable, "unix:path="+busEscape(socket)) == nil {
			return nil
		}
	}
	return &unavailable{why: "there is no session bus", expected: true}
}

// busEscape writes a path as a value of a D-Bus address: all but the optionally
// escaped bytes of the D-Bus specification as %xx.
func busEscape(path string) string {
	var b strings.Builder
	for _, c := range []byte(path) {
		if c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || strings.IndexByte(`-_/.\*`, c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return b.String()
}

// ring runs one call under the time-out. A call that is late continues by
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
		// The library trusts the shape of what comes over the bus, and that the
		// bus stays: it panics when one that waits for a prompt goes away.
		defer func() {
			if r := recover(); r != nil {
				done <- answer{err: fmt.Errorf("its answer was not understood (%v)", r)}
			}
		}()
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
		off := explain(a.err)
		ringDown.Store(off)
		return "", off
	case <-timer.C:
		off := &unavailable{why: fmt.Sprintf("it did not answer within %v; it may be locked", timeout), locked: true}
		ringDown.Store(off)
		return "", off
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// explain says in one line why the keyring failed.
func explain(err error) *unavailable {
	msg := strings.Join(strings.Fields(err.Error()), " ")
	switch {
	// A build without cgo on FreeBSD and DragonFly.
	case strings.HasPrefix(msg, "unsupported platform"):
		return &unavailable{why: "this system has none", expected: true}
	// What go-keyring says when the question was declined or could not be shown.
	case strings.Contains(msg, "failed to unlock"), strings.Contains(msg, "is locked"), strings.Contains(msg, "org.freedesktop.Secret.Error.IsLocked"):
		return &unavailable{why: "it is locked (" + msg + ")", locked: true}
	}
	return &unavailable{why: msg}
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
