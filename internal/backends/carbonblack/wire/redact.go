package wire

import (
	"bytes"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// WithoutMembers copies a JSON value without the object members of the given
// names, at any depth; nothing else changes but blanks.
func WithoutMembers(b []byte, names []string) ([]byte, error) {
	var out bytes.Buffer
	dec := jsontext.NewDecoder(bytes.NewReader(b), lenient)
	enc := jsontext.NewEncoder(&out, lenient, jsontext.PreserveRawStrings(true))
	for {
		kind, length := dec.StackIndex(dec.StackDepth())
		atName := kind == '{' && length%2 == 0 && dec.PeekKind() == '"'
		if !atName {
			// Numbers are copied as they are written: their precision is the vendor's.
			switch dec.PeekKind() {
			case '0', '"', 't', 'f', 'n':
				v, err := dec.ReadValue()
				if err != nil {
					return nil, err
				}
				if err := enc.WriteValue(v); err != nil {
					return nil, err
				}
				continue
			}
		}
		tok, err := dec.ReadToken()
		if err == io.EOF {
			return bytes.TrimSpace(out.Bytes()), nil
		}
		if err != nil {
			return nil, err
		}
		if atName && slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, tok.String()) }) {
			if err := dec.SkipValue(); err != nil {
				return nil, err
			}
			continue
		}
		if err := enc.WriteToken(tok); err != nil {
			return nil, err
		}
	}
}

// DeviceSecrets must never leave the driver (§8.1).
var DeviceSecrets = []string{"uninstallCode", "activationCode", "encodedActivationCode"}
