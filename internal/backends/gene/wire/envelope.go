package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// MalformedError is an answer that is not what the manager's API promises.
type MalformedError struct{ Why string }

func (e *MalformedError) Error() string { return e.Why }

// AnswerError is an error that came as HTTP 200, in the envelope.
type AnswerError struct{ Text string }

func (e *AnswerError) Error() string { return e.Text }

// UnknownEndpoint tells the error of a UUID the manager does not know; its
// first letter differs from route to route.
func (e *AnswerError) UnknownEndpoint() bool {
	return len(e.Text) > 17 && strings.EqualFold(e.Text[:17], "unknown endpoint:")
}

// IsEmptyStore tells the error of an empty store, which names a path of the
// server's own disk (trap 12; beta.2 also for logs).
func IsEmptyStore(err error) bool {
	var said *AnswerError
	return errors.As(err, &said) && strings.HasSuffix(said.Text, "no such file or directory")
}

// DecodeEnvelope reads {"data", "message", "error"} and gives data. A body
// may hold two envelopes one after the other (trap 20): an error in either
// is the answer.
func DecodeEnvelope(body []byte) (json.RawMessage, error) {
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
			return nil, &MalformedError{Why: "the answer is cut or no JSON"}
		case n == 2:
			return nil, &MalformedError{Why: "something follows the answer"}
		}
		if err := json.Unmarshal(doc, &env); err != nil || env.Error == nil || env.Message == nil {
			return nil, &MalformedError{Why: "the answer is not the manager's envelope of data, message and error: is this a Gene (WHIDS) manager?"}
		}
		if *env.Error != "" {
			return nil, &AnswerError{Text: *env.Error}
		}
		if n == 0 && env.Data != nil {
			data = *env.Data
		}
	}
}
