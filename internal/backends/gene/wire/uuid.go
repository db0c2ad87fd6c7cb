package wire

import "github.com/edrctl/edrctl/internal/lazyregexp"

var uuidForm = lazyregexp.New(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// IsUUID tells whether a text has the form of a UUID.
func IsUUID(s string) bool { return uuidForm.MatchString(s) }
