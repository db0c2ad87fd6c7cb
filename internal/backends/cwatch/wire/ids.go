package wire

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// idKeys are where an alert's id may be; the listing's schema has none, its
// siblings want one (docs/wire/cwatch.md 3.5).
var idKeys = [...]string{"id", "alertID", "alertId", "_id", "uuid"}

func putID(ids *[len(idKeys)][]byte, key, v []byte) {
	for i, k := range idKeys {
		if string(key) == k {
			ids[i] = v
		}
	}
}

// NativeID is the id the server gave, "" for none.
func (a *Alert) NativeID() string {
	for _, list := range [...]*[len(idKeys)][]byte{&a.ids, &a.dataIDs} {
		for _, v := range list {
			if s := Text(v); s != "" {
				return s
			}
		}
	}
	return ""
}

// MadeUpID is the display key of an alert whose server gave no id. It rests
// on what triage does not change, so that it stays.
func (w *Alert) MadeUpID() string {
	facts := slices.Concat(w.Name, []byte{0}, w.expiration, []byte{0}, Canonical(w.data))
	return MadeUpID(Text(w.Endpoint), Text(w.Timestamp), facts)
}

// MadeUpID names an alert to which the server gave no id, by its endpoint, its time
// and what it says.
func MadeUpID(endpoint, timestamp string, facts []byte) string {
	sum := sha256.Sum256(facts)
	if endpoint == "" {
		endpoint = "0"
	}
	if timestamp == "" {
		timestamp = "0"
	}
	return endpoint + "-" + timestamp + "-" + hex.EncodeToString(sum[:4])
}

// IsMadeUp reports whether id has the form of a made-up one, and which
// timestamp it carries.
func IsMadeUp(id string) (timestamp int64, ok bool) {
	parts := strings.Split(id, "-")
	if len(parts) != 3 || len(parts[2]) != 8 {
		return 0, false
	}
	if _, err := hex.DecodeString(parts[2]); err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(parts[1], 10, 64)
	return n, err == nil && n >= 0
}

// Canonical writes a value with sorted keys and without white space, so that
// the same facts give the same bytes in every answer.
func Canonical(b []byte) []byte {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return b
	}
	out, err := json.Marshal(v)
	if err != nil {
		return b
	}
	return out
}
