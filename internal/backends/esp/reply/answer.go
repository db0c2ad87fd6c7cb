// Package reply reads the replies of ESP's servers in the terms of the
// contract: the envelope around an answer, pages of lists, and failures.
package reply

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"path"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/client"
)

// Answer is what the server said, read as docs/wire/esp.md §5 tells: the status
// code first, the content type second, the word in "status" last, because
// most failures arrive as HTTP 200.
type Answer struct {
	Message string                     // "" when the server sent none
	Data    json.RawMessage            // nil when absent or null
	Top     map[string]json.RawMessage // every other member of the envelope
	Body    []byte                     // the whole body, for CSV and files
	JSON    bool
	Header  http.Header
}

// ParseAnswer reads a 2xx reply. A failure the server reports in the
// envelope is an *backends.Error.
func ParseAnswer(what string, rep *client.Reply) (*Answer, error) {
	a := &Answer{Body: rep.Body, Header: rep.Header}
	if !client.IsJSON(rep.Header, rep.Body) {
		return a, nil
	}
	a.JSON = true
	var status string
	a.Top = map[string]json.RawMessage{}
	err := wire.EachMember(rep.Body, func(name string, v []byte) error {
		switch name {
		case "status":
			status = wire.Scalar(v)
		case "message":
			a.Message = wire.MessageText(v)
		case "data":
			if wire.KindOf(v) != 'n' {
				a.Data = v
			}
		default:
			a.Top[name] = v
		}
		return nil
	})
	if err != nil {
		return nil, Malformed(what, err)
	}
	if status != "" && !strings.EqualFold(status, "success") {
		return nil, failure(what, a.Message)
	}
	return a, nil
}

// Malformed is the error of an answer that cannot be read.
func Malformed(what string, err error) error {
	e := backends.Malformed(what, "the answer is not what ESP promises: "+wire.Short(err.Error()))
	e.Err = err
	return e
}

// failure turns the message of a failure envelope into an error; the texts
// decide only between "there is no such thing" and "the server refuses it".
func failure(what, message string) error {
	if message == "" {
		message = "the server reports a failure without a reason"
	}
	e := &backends.Error{Kind: backends.KindOther, What: what, Why: "the server says: " + wire.Short(message)}
	low := strings.ToLower(message)
	switch {
	case strings.Contains(low, "username/password"):
		e.Kind = backends.KindAuth
	case strings.Contains(low, "api key passed is invalid"):
		e.Kind = backends.KindAuth
	case wire.ContainsAny(low, "no alert", "does not exist", "doesn't exist", "no host present", "there is no host", "not present with", "no carve", "no rule present", "no query present", "identifier does not", "correct host identifier", "session id does not", "is not available with"):
		e.Kind = backends.KindNotFound
	case wire.ContainsAny(low, "unsupported", "invalid", "not valid", "should be", "please", "required", "already", "must "):
		e.Kind = backends.KindInvalid
	}
	return e
}

// FromClient explains a transport error with what ESP says in the body of an
// error status: nested messages, validation errors, and HTML, which is never
// shown.
func FromClient(what string, err error) error {
	var st *client.StatusError
	if !errors.As(err, &st) {
		return backends.FromClient(what, err)
	}
	out := backends.FromClient(what, err)
	var e *backends.Error
	if !errors.As(out, &e) || e.Err != err {
		return out
	}
	switch text := wire.ErrorText(st.Body); {
	case st.Code == http.StatusNotFound && text == "":
		e.Kind = backends.KindUnsupported
		e.Why = "this edition of ESP does not have the route (404 from " + st.Host + ")"
		e.Hint = "alert graphs, process trees and response actions exist in the enterprise edition only"
	case st.Code == http.StatusGone:
		e.Kind = backends.KindUnsupported
		e.Why = wire.Short(text)
	case st.Code == http.StatusUnauthorized:
		e.Hint = "run edrctl auth login for this profile"
	case st.Code == http.StatusForbidden:
		e.Why = "the user's role is not allowed to do this (403 from " + st.Host + ")"
		e.Hint = "it needs the admin role"
	case text != "":
		e.Why += ": " + wire.Short(text)
	}
	return e
}

// ReadHuntHost reads a host that has rows of what was asked for.
func ReadHuntHost(what string, v []byte) (*wire.HuntHost, error) {
	var h wire.HuntHost
	if err := json.Unmarshal(v, &h); err != nil {
		return nil, Malformed(what, err)
	}
	if h.HostIdentifier == "" {
		return nil, backends.Malformed(what, "a host without an identifier")
	}
	return &h, nil
}

// maxAnswer bounds a JSON answer, which is read whole before it is given on:
// only its end tells whether it is complete.
const maxAnswer = 256 << 20

// ReadAll reads the body of an answer to its end.
func ReadAll(what string, s *client.Stream) (*client.Reply, error) {
	defer s.Body.Close()
	body, err := io.ReadAll(io.LimitReader(s.Body, maxAnswer+1))
	if err != nil {
		return nil, backends.FromClient(what, err)
	}
	if len(body) > maxAnswer {
		return nil, backends.Malformed(what, "the answer is longer than 256 MiB")
	}
	return &client.Reply{Status: s.Status, Header: s.Header, Body: body}, nil
}

// FileName is the server's name for a file, its last element only. Names of
// exports hold blanks and colons, not always quoted (§8).
func FileName(h http.Header) string {
	_, rest, found := strings.Cut(h.Get("Content-Disposition"), "filename=")
	if !found {
		return ""
	}
	if _, params, err := mime.ParseMediaType(h.Get("Content-Disposition")); err == nil && params["filename"] != "" {
		rest = params["filename"]
	}
	rest = path.Base(strings.ReplaceAll(strings.Trim(strings.TrimSpace(rest), `"`), `\`, "/"))
	rest = strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || strings.ContainsRune(`<>:"|?*`, r) {
			return '_'
		}
		return r
	}, rest)
	if strings.Trim(rest, "._ /") == "" {
		return ""
	}
	return rest
}

// RawAnswer is the vendor's answer of a change as it is kept: JSON as it came,
// other text as a string.
func RawAnswer(a *Answer) json.RawMessage {
	if a.JSON && json.Valid(a.Body) {
		return append(json.RawMessage(nil), bytes.TrimSpace(a.Body)...)
	}
	b, err := json.Marshal(string(a.Body))
	if err != nil {
		return nil
	}
	return b
}
