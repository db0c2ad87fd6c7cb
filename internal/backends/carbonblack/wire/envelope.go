package wire

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Envelope is around every answer (§3).
type Envelope struct {
	Success      *bool  `json:"success"`
	Message      string `json:"message"`
	ErrorMessage string `json:"errorMessage"`
	Total        int64  `json:"totalResults"`
}

// RefusalError is the failure an answer with status 200 may carry, "" for none: success
// false, or the key errorMessage in any reply (§3.1).
func (e *Envelope) RefusalError() string {
	if e.ErrorMessage == "" && (e.Success == nil || *e.Success) {
		return ""
	}
	why := "the server refused"
	if m := strings.TrimSpace(e.ErrorMessage); m != "" {
		why += ": " + m
	} else if m := strings.TrimSpace(e.Message); m != "" {
		why += ": " + m
	}
	return why
}

// Member reads one member of the envelope as it goes by.
func (e *Envelope) Member(name string, value []byte) error {
	var into any
	switch name {
	case "success":
		into = &e.Success
	case "message":
		into = &e.Message
	case "errorMessage":
		into = &e.ErrorMessage
	case "totalResults":
		into = &e.Total
	default:
		return nil
	}
	// A member of another type says nothing; the results decide.
	_ = json.Unmarshal(value, into)
	return nil
}

// DecodeEnvelope reads what is around an answer that was read whole.
func DecodeEnvelope(body []byte, env *Envelope) error {
	trimmed := bytes.TrimSpace(body)
	if trimmed[0] != '{' {
		return errors.New("the answer is not a JSON object")
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(trimmed, &members); err != nil {
		return fmt.Errorf("the answer is not JSON: %w", err)
	}
	for name, value := range members {
		_ = env.Member(name, value)
	}
	return nil
}

// NotFoundMessage is what the body of a 404 says: JSON, or for live response a plain
// line that begins with Sensor or Session (§3.1).
func NotFoundMessage(body []byte) string {
	var env Envelope
	if json.Unmarshal(body, &env) == nil {
		return strings.TrimSpace(cmp.Or(env.Message, env.ErrorMessage))
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
	if strings.HasPrefix(line, "Sensor") || strings.HasPrefix(line, "Session") {
		return line
	}
	return ""
}

// HeadRecorder keeps the first bytes of a body: a page without elements is
// short, and whether its results were null or [] decides what it means.
type HeadRecorder struct {
	r    io.Reader
	head []byte
}

// NewHeadRecorder records what is read from r.
func NewHeadRecorder(r io.Reader) *HeadRecorder { return &HeadRecorder{r: r} }

// Read reads on.
func (h *HeadRecorder) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	if room := 8<<10 - len(h.head); room > 0 {
		h.head = append(h.head, p[:min(n, room)]...)
	}
	return n, err
}

// ResultsNull reports whether results was null, or missing.
func (h *HeadRecorder) ResultsNull() bool {
	var doc struct {
		Results json.RawMessage `json:"results"`
	}
	if json.Unmarshal(h.head, &doc) != nil {
		return true // cannot be reported: take the reading that looks further
	}
	return len(doc.Results) == 0 || string(doc.Results) == "null"
}
