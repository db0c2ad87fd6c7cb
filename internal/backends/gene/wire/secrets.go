package wire

import (
	"encoding/json"
	"strings"

	"github.com/edrctl/edrctl/internal/client/jsonwalk"
)

// WithoutSecrets copies a JSON value leaving out every member that is a key:
// of an endpoint, a user, or inside an agent's configuration (trap 16).
func WithoutSecrets(raw []byte) json.RawMessage {
	var w jsonwalk.Walker
	w.Reset(raw)
	out := scrub(nil, &w)
	if w.Err() != nil {
		return nil
	}
	return out
}

func scrub(out []byte, w *jsonwalk.Walker) []byte {
	comma := false
	switch {
	case w.Enter('{'):
		out = append(out, '{')
		for first := true; w.Next('}', &first); {
			key := string(w.Key())
			switch strings.ToLower(key) {
			case "key", "endpoint-key", "server-key", "config":
				w.Skip()
				continue
			}
			if comma {
				out = append(out, ',')
			}
			comma = true
			name, _ := json.Marshal(key)
			out = append(append(out, name...), ':')
			out = scrub(out, w)
		}
		return append(out, '}')
	case w.Enter('['):
		out = append(out, '[')
		for first := true; w.Next(']', &first); {
			if comma {
				out = append(out, ',')
			}
			comma = true
			out = scrub(out, w)
		}
		return append(out, ']')
	}
	return append(out, w.Raw()...)
}
