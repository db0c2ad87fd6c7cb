package secrets

import (
	"testing"
	"time"
)

// Cheap makes encryption fast and forgets what is known about the keyring.
func Cheap(t *testing.T, s *Store) *Store {
	t.Helper()
	s.file.cost = 8
	return s
}

// Hurry does for a process of its own what Cheap and FreshKeyring do for a test.
func Hurry(s *Store, limit time.Duration) {
	s.file.cost, timeout = 8, limit
}

// FreshKeyring forgets that the keyring failed, sets the system and the
// time-out of a call, and puts everything back after the test.
func FreshKeyring(t *testing.T, goos string, limit time.Duration) {
	t.Helper()
	oldSystem, oldTimeout, oldProvider, oldSetenv := system, timeout, provider, setenv
	ringDown.Store(nil)
	system, timeout = goos, limit
	setenv = func(string, string) error { return nil } // the process of the tests keeps its own
	t.Cleanup(func() {
		system, timeout, provider, setenv = oldSystem, oldTimeout, oldProvider, oldSetenv
		ringDown.Store(nil)
	})
}

// ReplaceKeyring answers every call of the keyring with f.
func ReplaceKeyring(f func(op string) error) {
	provider.get = func(string, string) (string, error) { return "", f("get") }
	provider.set = func(string, string, string) error { return f("set") }
	provider.forget = func(string, string) error { return f("delete") }
}
