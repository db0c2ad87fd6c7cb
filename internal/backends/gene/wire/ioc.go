package wire

import (
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// IOC is an indicator of the store (docs/wire/gene.md 11).
type IOC struct {
	UUID   string `json:"uuid"`
	GUUID  string `json:"guuid"`
	Source string `json:"source"`
	Value  string `json:"value"`
	Type   string `json:"type"`
}

// iocTypes are the manager's, with the length of those that are hashes.
var iocTypes = map[string]int{"md5": 32, "sha1": 40, "sha256": 64, "imphash": 32, "domain": 0, "hostname": 0, "ip-dst": 0}

// IsHashType tells the types whose values are hashes; the store keeps those in
// lower case.
func IsHashType(kind string) bool { return iocTypes[kind] > 0 }

// derivedUUID is a UUID made of texts: the same of the same, so that adding twice
// is one entry (RFC 9562, version 5).
func derivedUUID(texts ...string) string {
	sum := sha1.Sum([]byte("edrctl\x00gene\x00" + strings.Join(texts, "\x00")))
	b := sum[:16]
	b[6], b[8] = b[6]&0x0f|0x50, b[8]&0x3f|0x80
	s := hex.EncodeToString(b)
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// TypeOfIOC tells what a value is; "" when it is none the store takes.
func TypeOfIOC(value string) string {
	if _, err := netip.ParseAddr(value); err == nil {
		return "ip-dst"
	}
	if _, err := hex.DecodeString(value); err == nil {
		switch len(value) {
		case 32:
			return "md5"
		case 40:
			return "sha1"
		case 64:
			return "sha256"
		}
	}
	if strings.Contains(value, ".") && !strings.ContainsAny(value, " /:@\\") {
		return "domain"
	}
	return ""
}

// Normalise brings an entry into the form the store keeps, or says what is wrong.
func (e *IOC) Normalise() error {
	e.Value, e.Source, e.Type = strings.TrimSpace(e.Value), strings.TrimSpace(e.Source), strings.ToLower(strings.TrimSpace(e.Type))
	if e.Value == "" {
		return errors.New("it has no value")
	}
	if e.Type == "" {
		if e.Type = TypeOfIOC(e.Value); e.Type == "" {
			return fmt.Errorf("%q: unknown type of indicator: name its type", e.Value)
		}
	}
	length, known := iocTypes[e.Type]
	if !known {
		return fmt.Errorf("%q: the store has no type %s: it has md5 sha1 sha256 imphash domain hostname ip-dst", e.Value, e.Type)
	}
	if e.Source == "" {
		return fmt.Errorf("%q: it has no source", e.Value)
	}
	if length > 0 {
		e.Value = strings.ToLower(e.Value)
		if b, err := hex.DecodeString(e.Value); err != nil || 2*len(b) != length {
			return fmt.Errorf("%q is not a %s", e.Value, e.Type)
		}
	}
	if _, err := netip.ParseAddr(e.Value); e.Type == "ip-dst" && err != nil {
		return fmt.Errorf("%q is not an address", e.Value)
	}
	if e.GUUID == "" {
		e.GUUID = derivedUUID("source", e.Source)
	}
	if e.UUID == "" {
		e.UUID = derivedUUID("ioc", e.Source, e.Type, e.Value)
	}
	for _, u := range []string{e.UUID, e.GUUID} {
		if !IsUUID(u) {
			return fmt.Errorf("%q: %s is not a UUID", e.Value, u)
		}
	}
	return nil
}

// Same tells entries that mean the same, whatever their UUIDs.
func (e IOC) Same(o IOC) bool {
	return e.Value == o.Value && e.Type == o.Type && e.Source == o.Source
}
