package gene

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/client/jsonwalk"
)

// answerError is an error that came as HTTP 200, in the envelope.
type answerError struct{ text string }

func (e *answerError) Error() string { return e.text }

// unknownEndpoint tells the error of a UUID the manager does not know; its
// first letter differs from route to route.
func (e *answerError) unknownEndpoint() bool {
	return len(e.text) > 17 && strings.EqualFold(e.text[:17], "unknown endpoint:")
}

// nothingThere tells the error of an empty store, which names a path of the
// server's own disk (trap 12; beta.2 also for logs).
func nothingThere(err error) bool {
	var said *answerError
	return errors.As(err, &said) && strings.HasSuffix(said.text, "no such file or directory")
}

// decodeEnvelope reads {"data", "message", "error"} and gives data. A body
// may hold two envelopes one after the other (trap 20): an error in either
// is the answer.
func decodeEnvelope(body []byte) (json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	var data json.RawMessage
	for n := 0; ; n++ {
		var env struct {
			Data    *json.RawMessage `json:"data"`
			Message *string          `json:"message"`
			Error   *string          `json:"error"`
		}
		var doc json.RawMessage
		err := dec.Decode(&doc)
		switch {
		case err == io.EOF && n > 0:
			return data, nil
		case err != nil:
			return nil, backends.Malformed("", "the answer is cut or no JSON")
		case n == 2:
			return nil, backends.Malformed("", "something follows the answer")
		}
		if err := json.Unmarshal(doc, &env); err != nil || env.Error == nil || env.Message == nil {
			return nil, backends.Malformed("", "the answer is not the manager's envelope of data, message and error: is this a Gene (WHIDS) manager?")
		}
		if *env.Error != "" {
			return nil, &answerError{text: *env.Error}
		}
		if n == 0 && env.Data != nil {
			data = *env.Data
		}
	}
}

// get reads a small document into data; a null there leaves it as it was.
func (d *Driver) get(ctx context.Context, path string, q url.Values, data any) (*client.Reply, error) {
	reply, err := d.c.Do(ctx, client.Call{Path: path, Query: q})
	if err != nil {
		return nil, err
	}
	raw, err := decodeEnvelope(reply.Body)
	if err != nil {
		return reply, err
	}
	if len(raw) == 0 || string(raw) == "null" {
		return reply, nil
	}
	if err := json.Unmarshal(raw, data); err != nil {
		return reply, backends.Malformed("", "data of the answer is not of the promised shape")
	}
	return reply, nil
}

// withoutSecrets copies a JSON value leaving out every member that is a key:
// of an endpoint, a user, or inside an agent's configuration (trap 16).
func withoutSecrets(raw []byte) json.RawMessage {
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
