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

// FreshKeyring forgets that the keyring failed, sets the system and the
// time-out of a call, and puts everything back after the test.
func FreshKeyring(t *testing.T, goos string, limit time.Duration) {
	t.Helper()
	oldSystem, oldTimeout, oldProvider := system, timeout, provider
	ringDown.Store(nil)
	system, timeout = goos, limit
	t.Cleanup(func() {
		system, timeout, provider = oldSystem, oldTimeout, oldProvider
		ringDown.Store(nil)
	})
}

// ReplaceKeyring answers every call of the keyring with f.
func ReplaceKeyring(f func(op string) error) {
	provider.get = func(string, string) (string, error) { return "", f("get") }
	provider.set = func(string, string, string) error { return f("set") }
	provider.forget = func(string, string) error { return f("delete") }
}
