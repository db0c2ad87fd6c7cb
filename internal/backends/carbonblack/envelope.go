package carbonblack

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// envelope is around every answer (§3).
type envelope struct {
	Success      *bool  `json:"success"`
	Message      string `json:"message"`
	ErrorMessage string `json:"errorMessage"`
	Total        int64  `json:"totalResults"`
}

// refusal is the failure an answer with status 200 may carry, "" for none: success
// false, or the key errorMessage in any reply (§3.1).
func (e *envelope) refusal() string {
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

// member reads one member of the envelope as it goes by.
func (e *envelope) member(name string, value []byte) error {
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

func decodeEnvelope(body []byte, env *envelope) error {
	trimmed := bytes.TrimSpace(body)
	if trimmed[0] != '{' {
		return errors.New("the answer is not a JSON object")
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(trimmed, &members); err != nil {
		return fmt.Errorf("the answer is not JSON: %w", err)
	}
	for name, value := range members {
		_ = env.member(name, value)
	}
	return nil
}

// saidBy is what the body of a 404 says: JSON, or for live response a plain
// line that begins with Sensor or Session (§3.1).
func saidBy(body []byte) string {
	var env envelope
	if json.Unmarshal(body, &env) == nil {
		return strings.TrimSpace(cmp.Or(env.Message, env.ErrorMessage))
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
	if strings.HasPrefix(line, "Sensor") || strings.HasPrefix(line, "Session") {
		return line
	}
	return ""
}

// headKeeper keeps the first bytes of a body: a page without elements is
// short, and whether its results were null or [] decides what it means.
type headKeeper struct {
	r    io.Reader
	kept []byte
}

func newHeadKeeper(r io.Reader) *headKeeper { return &headKeeper{r: r} }

func (h *headKeeper) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	if room := 8<<10 - len(h.kept); room > 0 {
		h.kept = append(h.kept, p[:min(n, room)]...)
	}
	return n, err
}

func (h *headKeeper) resultsNull() bool {
	var doc struct {
		Results json.RawMessage `json:"results"`
	}
	if json.Unmarshal(h.kept, &doc) != nil {
		return true // cannot be told: take the reading that looks further
	}
	return len(doc.Results) == 0 || string(doc.Results) == "null"
}
