// Package config reads and edits the file of profiles,
// config.yaml, strictly, so that a misspelt key is an error with its line and a suggestion
// and never a setting that is silently not there.
//
// It knows no backend: which keys a backend has comes in as data.
package config

import (
	"errors"
	"fmt"
	"time"
)

// Config is the whole file.
type Config struct {
	Path     string              // the file it was read from; "" when there is none
	Default  []string            // names, @groups or virtual names used when nothing is selected
	Groups   map[string][]string // profile names by group
	Profiles map[string]*Profile
	Order    []string            // profile names as they stand in the file
	Keys     map[string][]string // keys of the terminal interface by action
	Filters  map[string]string   // saved filter expressions by name
	Warnings []string            // one line each: legal, but worth saying

	virtual      func(string) ([]string, bool)
	virtualNames []string
}

// Profile is one server and how it is spoken to. Zero values mean "not set".
type Profile struct {
	Name     string
	Line     int // in the file; 0 when it does not come from one
	Backend  string
	URL      string // without a trailing slash
	ReadOnly bool
	Proxy    string // URL, perhaps with a user name, or "none" for a direct connection
	Headers  map[string]string
	Rate     Rate
	Timeout  time.Duration
	TLS      TLS
	Settings map[string]string // the backend's own keys
}

// Rate overrides the pace of the driver.
type Rate struct {
	PerSecond  float64
	Concurrent int
}

// TLS is how the server is recognised. File names are absolute, or as written
// when the configuration was not read from a file.
type TLS struct {
	CAFile             string
	Pin                string // "sha256:" and 64 lower-case hex digits
	ServerName         string
	ClientCert         string
	ClientKey          string
	InsecureSkipVerify bool
}

// KeySpec is one key that a backend adds to its profiles.
type KeySpec struct {
	Name     string
	Enum     []string // allowed values; nil = any
	Required bool
	Number   bool // a whole number
}

// Options is what the caller knows and this package does not.
type Options struct {
	// Backends are the known backends and their keys. nil accepts any backend
	// and any further scalar key, for callers that only list names.
	Backends map[string][]KeySpec
	// Virtual resolves names that exist without any configuration (the demo).
	// Such a name cannot be used for a profile. nil = there are none.
	Virtual func(name string) (profiles []string, ok bool)
	// VirtualNames are suggested for a misspelt name.
	VirtualNames []string
}

// Error is one clear line about the configuration: where, what, and what to do.
type Error struct {
	File string
	Line int // 0 = the whole file
	Msg  string
	Hint string
	Err  error
}

func (e *Error) Error() string {
	switch {
	case e.File == "":
		return e.Msg
	case e.Line == 0:
		return e.File + ": " + e.Msg
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Msg)
}

func (e *Error) Unwrap() error { return e.Err }

// ErrNoProfiles is in the chain of the error Select returns when there is
// nothing to choose from.
var ErrNoProfiles = errors.New("no profile is configured")

// ErrUnknownProfile is in the chain of errors about a name that is not a profile.
var ErrUnknownProfile = errors.New("unknown profile")
