package ops

import (
	"errors"

	"github.com/edrctl/edrctl/internal/backends"
)

// What a screen needs to know of an error, for rooms that do not see the
// driver contract.

// Unable tells whether err says that a backend cannot do this at all.
func Unable(err error) bool { return backends.KindOf(err) == backends.KindUnsupported }

// NeedsLogin tells whether err says that credentials are missing, refused or
// expired.
func NeedsLogin(err error) bool { return backends.KindOf(err) == backends.KindAuth }

// Hopeless tells whether asking again cannot help.
func Hopeless(err error) bool {
	switch backends.KindOf(err) {
	case backends.KindUnsupported, backends.KindAuth, backends.KindForbidden, backends.KindInvalid:
		return true
	}
	return false
}

// Advice is the one line of advice that goes with an error, "" without one.
func Advice(err error) string {
	var e *backends.Error
	if errors.As(err, &e) {
		return e.Hint
	}
	return ""
}

// Refused is the error of a backend that does not accept a login, for
// services made in tests.
func Refused(backend, why string) error {
	return &backends.Error{Kind: backends.KindAuth, What: backend + " refused", Why: why}
}
