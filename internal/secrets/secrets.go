// Package secrets keeps the secrets of profiles and finds them again: in the
// environment, the keyring of the system, an encrypted file, and in a plain
// file only where the user asked for it.
//
// Nothing is read before it is asked for. Every value read or written goes to
// the redactor of the run first.
package secrets

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/edrctl/edrctl/internal/config"
)

// Options is what a Store is made of. Only Getenv is needed.
type Options struct {
	Getenv func(string) string
	// StateDir is the folder of the two files; "" = there are none, and NoFiles
	// says why.
	StateDir string
	NoFiles  error
	// Prompt asks for a passphrase without showing it; the question ends with a
	// colon. nil = nobody is there.
	Prompt func(ctx context.Context, question string) (string, error)
	// Redact learns every secret. nil = nobody wants to know.
	Redact func(secret ...string)
	// Warn gets one line. nil = dropped.
	Warn func(string)
	Now  func() time.Time // nil = time.Now
}

// Store finds and keeps secrets. It is safe for concurrent use.
type Store struct {
	opt  Options
	file encrypted
	mu   sync.Mutex // one change of the files at a time
	warn sync.Once  // that a secret is not encrypted
	open sync.Once  // that others can read it
}

// New makes a Store; it reads nothing.
func New(opt Options) *Store {
	if opt.Getenv == nil {
		opt.Getenv = os.Getenv
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	s := &Store{opt: opt}
	if opt.StateDir != "" {
		s.file = encrypted{
			path:       filepath.Join(opt.StateDir, "secrets.age"),
			index:      filepath.Join(opt.StateDir, "secrets.index.json"),
			passphrase: s.passphrase,
			cost:       cost,
		}
	}
	return s
}

// Kind is where a secret is kept.
type Kind string

// The places.
const (
	None        Kind = ""
	Environment Kind = "environment"
	Keyring     Kind = "keyring"
	Encrypted   Kind = "encrypted file"
	Plain       Kind = "plain file"
)

// Location tells where a secret is.
type Location struct {
	Kind   Kind
	Name   string    // the variable, or the file
	Stored time.Time // zero when that is not known
	Note   string    // what is unknown, and why; mostly ""
}

func (l Location) String() string {
	switch {
	case l.Kind == None:
		return "not set"
	case l.Name == "":
		return string(l.Kind)
	}
	return string(l.Kind) + " " + l.Name
}

// NotFoundError says that a secret is nowhere, and what would set it.
type NotFoundError struct {
	Profile, Secret string
	Note            string // why a place could not be asked; "" mostly
	Locked          bool   // the keyring could not be asked until somebody unlocks it
}

func (e *NotFoundError) Error() string {
	msg := fmt.Sprintf("no %s for profile %s", e.Secret, e.Profile)
	if e.Note != "" {
		msg += " (" + e.Note + ")"
	}
	return msg
}

// Hint is what to do about it.
func (e *NotFoundError) Hint() string {
	hint := "set " + EnvName(e.Profile, e.Secret) + " or run: edrctl auth login " + e.Profile
	if e.Locked {
		return "unlock the keyring and try again, or " + hint
	}
	return hint
}

// ErrNoStore is in the chain of the error Set returns when there is no place
// that keeps secrets safe.
var ErrNoStore = errors.New("no place that keeps secrets safe")

// ErrLocked is in the chain of the error for an encrypted file whose
// passphrase nobody can be asked for.
var ErrLocked = errors.New("locked")

// Error is a failure with a line of advice.
type Error struct {
	Msg  string
	Hint string
	Err  error
}

func (e *Error) Error() string { return e.Msg }
func (e *Error) Unwrap() error { return e.Err }

// EnvName is the variable that carries a secret: EDRCTL_PROD_CW_TOKEN for the
// token of prod-cw.
func EnvName(profile, secret string) string {
	return "EDRCTL_" + config.EnvStem(profile) + "_" + config.EnvStem(secret)
}

func key(profile, secret string) string { return profile + "/" + secret }

func (s *Store) redact(values ...string) {
	if s.opt.Redact == nil {
		return
	}
	for _, v := range values {
		if v != "" {
			s.opt.Redact(v)
		}
	}
}

func (s *Store) warnf(format string, args ...any) {
	if s.opt.Warn != nil {
		s.opt.Warn(fmt.Sprintf(format, args...))
	}
}

// Get gives a secret: from the environment, else the one stored last in the
// keyring, the encrypted file or the plain file. One that is nowhere is a
// *NotFoundError. It asks for the passphrase only when the encrypted file
// holds the newest value, or may.
func (s *Store) Get(ctx context.Context, profile, secret string) (string, error) {
	if v := s.env(profile, secret); v != "" {
		s.redact(v)
		return v, nil
	}
	c := s.candidates(ctx, profile, secret)
	if c.ring.value != "" {
		s.redact(c.ring.value)
	}
	if c.plain.Value != "" {
		s.redact(c.plain.Value)
	}
	best := c.best()
	if best.Kind == Plain {
		s.warn.Do(func() {
			s.warnf("secrets are read from %s, which is not encrypted: `edrctl auth login` without --insecure-storage moves them", s.plainPath())
		})
	}
	switch {
	case best.Kind == Keyring && !c.maybe:
		return c.ring.value, nil
	case best.Kind == Plain && !c.maybe:
		return c.plain.Value, nil
	case best.Kind == None && !c.maybe:
		return "", c.missing(profile, secret)
	}
	entries, err := s.file.open(ctx, true)
	if err != nil {
		// What the file holds is not known; another place that has the secret will do.
		if c.maybe && best.Kind != None {
			return c.other(best), nil
		}
		return "", err
	}
	e, ok := entries[key(profile, secret)]
	if ok {
		s.redact(e.Value)
	}
	switch {
	case ok && (best.Kind == None || best.Kind == Encrypted || !e.Stamp.Before(best.Stored)):
		return e.Value, nil
	case best.Kind == Keyring || best.Kind == Plain:
		return c.other(best), nil
	}
	return "", c.missing(profile, secret)
}

func (c candidates) missing(profile, secret string) error {
	return &NotFoundError{Profile: profile, Secret: secret, Note: c.note, Locked: c.locked}
}

func (s *Store) env(profile, secret string) string {
	return strings.TrimRight(s.opt.Getenv(EnvName(profile, secret)), "\r\n")
}

// Where tells what Get would use, without asking for a passphrase.
func (s *Store) Where(ctx context.Context, profile, secret string) Location {
	if s.env(profile, secret) != "" {
		return Location{Kind: Environment, Name: EnvName(profile, secret)}
	}
	c := s.candidates(ctx, profile, secret)
	s.redact(c.ring.value, c.plain.Value)
	best := c.best()
	if c.maybe && s.canUnlock(false) {
		if entries, err := s.file.open(ctx, false); err == nil {
			if e, ok := entries[key(profile, secret)]; ok && !e.Stamp.Before(best.Stored) {
				return Location{Kind: Encrypted, Name: s.file.path, Stored: e.Stamp}
			}
			c.maybe = false
		}
	}
	best.Note = c.note
	if c.maybe && best.Kind == None {
		best.Note = "perhaps in " + s.file.path + ", which needs its passphrase"
	}
	return best
}

// candidates is what can be known without a passphrase.
type candidates struct {
	ring   ringEntry
	plain  entry
	enc    Location
	maybe  bool // the encrypted file is there and its index cannot be trusted
	note   string
	locked bool   // the keyring
	file   string // of plain
}

func (s *Store) candidates(ctx context.Context, profile, secret string) candidates {
	var c candidates
	var err error
	if c.ring, err = ringGet(ctx, s.opt.Getenv, profile, secret); err != nil {
		var off *unavailable
		if errors.As(err, &off) && !off.expected {
			c.note, c.locked = err.Error(), off.locked
		}
	}
	if s.opt.StateDir == "" {
		return c
	}
	c.file = s.plainPath()
	if plain, err := s.readPlain(); err != nil {
		c.note = err.Error()
	} else {
		c.plain = plain[key(profile, secret)]
	}
	names, known := s.file.names()
	c.maybe = !known
	if stamp, ok := names[key(profile, secret)]; ok {
		c.enc = Location{Kind: Encrypted, Name: s.file.path, Stored: stamp}
	}
	return c
}

// best is the newest; on a tie the safer place.
func (c candidates) best() Location {
	var best Location
	if c.ring.value != "" {
		best = Location{Kind: Keyring, Stored: c.ring.stamp}
	}
	if c.enc.Kind != None && (best.Kind == None || c.enc.Stored.After(best.Stored)) {
		best = c.enc
	}
	if c.plain.Value != "" && (best.Kind == None || c.plain.Stamp.After(best.Stored)) {
		best = Location{Kind: Plain, Name: c.file, Stored: c.plain.Stamp}
	}
	return best
}

func (c candidates) other(l Location) string {
	if l.Kind == Plain {
		return c.plain.Value
	}
	return c.ring.value
}

// SetOptions says how a secret may be stored.
type SetOptions struct {
	// Insecure stores it in the plain file (--insecure-storage).
	Insecure bool
	// Quiet never asks for a passphrase: for secrets edrctl keeps by itself.
	Quiet bool
}

// Set keeps a secret: in the keyring, else in the encrypted file when a
// passphrase can be had, else not at all (ErrNoStore). Older copies elsewhere
// are removed where that needs no passphrase; the newest counts in any case.
func (s *Store) Set(ctx context.Context, profile, secret, value string, opt SetOptions) (Location, error) {
	if value == "" {
		return Location{}, &Error{Msg: "an empty " + secret + " cannot be stored"}
	}
	s.redact(value)
	s.mu.Lock()
	defer s.mu.Unlock()
	// Whole microseconds: a value that is written and read again must compare equal.
	stamp := s.opt.Now().UTC().Truncate(time.Microsecond)
	if opt.Insecure {
		if s.opt.StateDir == "" {
			return Location{}, s.noFiles(secret, profile)
		}
		if err := s.changePlain(ctx, func(m map[string]entry) { m[key(profile, secret)] = entry{stamp, value} }); err != nil {
			return Location{}, err
		}
		_, _ = ringDelete(ctx, s.opt.Getenv, profile, secret)
		return Location{Kind: Plain, Name: s.plainPath(), Stored: stamp}, nil
	}
	ringErr := ringSet(ctx, s.opt.Getenv, profile, secret, ringEntry{value, stamp})
	if ringErr == nil {
		_, err := s.removePlain(ctx, profile, secret)
		return Location{Kind: Keyring, Stored: stamp}, err
	}
	if ctx.Err() != nil {
		return Location{}, ctx.Err()
	}
	if s.opt.StateDir == "" || !s.canUnlock(!opt.Quiet) {
		return Location{}, noStore(ringErr, secret, profile)
	}
	err := s.file.change(ctx, !opt.Quiet, func(m map[string]entry) bool {
		m[key(profile, secret)] = entry{stamp, value}
		return true
	})
	if err != nil {
		return Location{}, err
	}
	_, err = s.removePlain(ctx, profile, secret)
	return Location{Kind: Encrypted, Name: s.file.path, Stored: stamp}, err
}

func noStore(why error, secret, profile string) error {
	hint := fmt.Sprintf("set %s for each run; or EDRCTL_PASSPHRASE_FILE (or EDRCTL_PASSPHRASE) for an encrypted file; or log in with --insecure-storage for a plain one",
		EnvName(profile, secret))
	var off *unavailable
	if errors.As(why, &off) && off.locked {
		hint = "unlock the keyring and try again; or " + hint
	}
	return &Error{Msg: fmt.Sprintf("cannot store the %s of profile %s: %v", secret, profile, why), Hint: hint, Err: ErrNoStore}
}

// noFiles is noStore where a file was asked for and there is no folder.
func (s *Store) noFiles(secret, profile string) error {
	why := s.opt.NoFiles
	if why == nil {
		why = errors.New("there is no folder for files")
	}
	return noStore(why, secret, profile)
}

// Delete removes a secret from every place that stores it and tells which
// had it. A variable of the environment stays; Where still shows it.
func (s *Store) Delete(ctx context.Context, profile, secret string) ([]Location, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var from []Location
	had, err := ringDelete(ctx, s.opt.Getenv, profile, secret)
	if had {
		from = append(from, Location{Kind: Keyring})
	}
	var off *unavailable
	if errors.As(err, &off) {
		err = nil // it cannot give the secret back either, for now
		if !off.expected {
			s.warnf("the keyring could not be asked, and may still hold the %s of %s (%s)", secret, profile, off.Error())
		}
	}
	if s.opt.StateDir == "" {
		return from, err
	}
	gone, perr := s.removePlain(ctx, profile, secret)
	if gone {
		from = append(from, Location{Kind: Plain, Name: s.plainPath()})
	}
	names, known := s.file.names()
	_, listed := names[key(profile, secret)]
	if listed || !known {
		ferr := s.file.change(ctx, true, func(m map[string]entry) bool {
			_, had := m[key(profile, secret)]
			delete(m, key(profile, secret))
			listed = had
			return had
		})
		if ferr == nil && listed {
			from = append(from, Location{Kind: Encrypted, Name: s.file.path})
		}
		err = errors.Join(err, ferr)
	}
	return from, errors.Join(err, perr)
}
