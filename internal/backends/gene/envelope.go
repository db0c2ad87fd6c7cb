package gene

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// malformedError is an answer that is not what the manager's API promises.
type malformedError struct{ Why string }

func (e *malformedError) Error() string { return e.Why }

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
			return nil, &malformedError{Why: "the answer is cut or no JSON"}
		case n == 2:
			return nil, &malformedError{Why: "something follows the answer"}
		}
		if err := json.Unmarshal(doc, &env); err != nil || env.Error == nil || env.Message == nil {
			return nil, &malformedError{Why: "the answer is not the manager's envelope of data, message and error: is this a Gene (WHIDS) manager?"}
		}
		if *env.Error != "" {
			return nil, &answerError{text: *env.Error}
		}
		if n == 0 && env.Data != nil {
			data = *env.Data
		}
	}
}
