package esp

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/client/jsonwalk"
)

// answer is what the server said, read as docs/wire/esp.md §5 tells: the status
// code first, the content type second, the word in "status" last, because
// most failures arrive as HTTP 200.
type answer struct {
	Message string                     // "" when the server sent none
	Data    json.RawMessage            // nil when absent or null
	Top     map[string]json.RawMessage // every other member of the envelope
	Body    []byte                     // the whole body, for CSV and files
	JSON    bool
	Header  http.Header
}

// eachMember walks the one JSON object in body and hands every member to f;
// the value is a part of body. Anything but exactly one complete object is an
// error. Text that is not UTF-8 and repeated names are not: endpoints write
// what they like into the database, and one row must not hide a page.
func eachMember(body []byte, f func(name string, value []byte) error) error {
	var w jsonwalk.Walker
	w.Reset(body)
	if !w.Enter('{') {
		return wrongKind(&w, "an object")
	}
	for first := true; w.Next('}', &first); {
		name := string(w.Key())
		v := w.Raw()
		if w.Err() != nil {
			break
		}
		if err := f(name, v); err != nil {
			return err
		}
	}
	return closed(&w)
}

// eachElement walks the one JSON array in body.
func eachElement(body []byte, f func(value []byte) error) error {
	var w jsonwalk.Walker
	w.Reset(body)
	if !w.Enter('[') {
		return wrongKind(&w, "a list")
	}
	for first := true; w.Next(']', &first); {
		v := w.Raw()
		if w.Err() != nil {
			break
		}
		if err := f(v); err != nil {
			return err
		}
	}
	return closed(&w)
}

func wrongKind(w *jsonwalk.Walker, want string) error {
	if err := w.Err(); err != nil {
		return err
	}
	return errors.New("JSON without " + want + " where one was expected")
}

func closed(w *jsonwalk.Walker) error {
	if err := w.Err(); err != nil {
		return err
	}
	if !w.AtEnd() {
		return errors.New("something follows the JSON document")
	}
	return w.Err()
}

func kindOf(v []byte) byte {
	v = bytes.TrimSpace(v)
	if len(v) == 0 {
		return 0
	}
	if c := v[0]; c == '-' || c >= '0' && c <= '9' {
		return '0'
	}
	return v[0]
}

// parseAnswer reads a 2xx reply. A failure the server reports in the
// envelope is an *backends.Error.
func parseAnswer(what string, rep *client.Reply) (*answer, error) {
	a := &answer{Body: rep.Body, Header: rep.Header}
	if !client.IsJSON(rep.Header, rep.Body) {
		return a, nil
	}
	a.JSON = true
	var status string
	a.Top = map[string]json.RawMessage{}
	err := eachMember(rep.Body, func(name string, v []byte) error {
		switch name {
		case "status":
			status = scalar(v)
		case "message":
			a.Message = messageText(v)
		case "data":
			if kindOf(v) != 'n' {
				a.Data = v
			}
		default:
			a.Top[name] = v
		}
		return nil
	})
	if err != nil {
		return nil, malformed(what, err)
	}
	if status != "" && !strings.EqualFold(status, "success") {
		return nil, failure(what, a.Message)
	}
	return a, nil
}

func malformed(what string, err error) error {
	e := backends.Malformed(what, "the answer is not what ESP promises: "+short(err.Error()))
	e.Err = err
	return e
}

// failure turns the message of a failure envelope into an error; the texts
// decide only between "there is no such thing" and "the server refuses it".
func failure(what, message string) error {
	if message == "" {
		message = "the server reports a failure without a reason"
	}
	e := &backends.Error{Kind: backends.KindOther, What: what, Why: "the server says: " + short(message)}
	low := strings.ToLower(message)
	switch {
	case strings.Contains(low, "username/password"):
		e.Kind = backends.KindAuth
	case strings.Contains(low, "api key passed is invalid"):
		e.Kind = backends.KindAuth
	case containsAny(low, "no alert", "does not exist", "doesn't exist", "no host present", "there is no host", "not present with", "no carve", "no rule present", "no query present", "identifier does not", "correct host identifier", "session id does not", "is not available with"):
		e.Kind = backends.KindNotFound
	case containsAny(low, "unsupported", "invalid", "not valid", "should be", "please", "required", "already", "must "):
		e.Kind = backends.KindInvalid
	}
	return e
}

func containsAny(s string, list ...string) bool {
	for _, x := range list {
		if strings.Contains(s, x) {
			return true
		}
	}
	return false
}

// fromClient explains a transport error with what ESP says in the body of an
// error status: nested messages, validation errors, and HTML, which is never
// shown.
func fromClient(what string, err error) error {
	var st *client.StatusError
	if !errors.As(err, &st) {
		return backends.FromClient(what, err)
	}
	out := backends.FromClient(what, err)
	var e *backends.Error
	if !errors.As(out, &e) || e.Err != err {
		return out
	}
	switch text := errorText(st.Body); {
	case st.Code == http.StatusNotFound && text == "":
		e.Kind = backends.KindUnsupported
		e.Why = "this edition of ESP does not have the route (404 from " + st.Host + ")"
		e.Hint = "alert graphs, process trees and response actions exist in the enterprise edition only"
	case st.Code == http.StatusGone:
		e.Kind = backends.KindUnsupported
		e.Why = short(text)
	case st.Code == http.StatusUnauthorized:
		e.Hint = "run edrctl auth login for this profile"
	case st.Code == http.StatusForbidden:
		e.Why = "the user's role is not allowed to do this (403 from " + st.Host + ")"
		e.Hint = "it needs the admin role"
	case text != "":
		e.Why += ": " + short(text)
	}
	return e
}

// errorText finds the reason in the body of an error status; HTML gives "".
func errorText(body []byte) string {
	if kindOf(body) != '{' {
		return ""
	}
	var msg string
	var fields []string
	err := eachMember(body, func(name string, v []byte) error {
		switch name {
		case "message":
			msg = messageText(v)
		case "errors":
			if kindOf(v) == '{' {
				return eachMember(v, func(field string, why []byte) error {
					fields = append(fields, field+": "+scalar(why))
					return nil
				})
			}
		}
		return nil
	})
	if err != nil {
		return ""
	}
	if len(fields) > 0 {
		return strings.Join(fields, "; ")
	}
	return msg
}

// messageText reads "message": a string, an object that nests it once more,
// or an object field -> reason (CE 4.0).
func messageText(v []byte) string {
	if kindOf(v) != '{' {
		return scalar(v)
	}
	var parts []string
	err := eachMember(v, func(name string, inner []byte) error {
		text := messageText(inner)
		if name != "message" && text != "" {
			text = name + ": " + text
		}
		if text != "" {
			parts = append(parts, text)
		}
		return nil
	})
	if err != nil {
		return ""
	}
	return strings.Join(parts, "; ")
}

// scalar is the text of a JSON value: the string's content, "" for null,
// the literal otherwise.
func scalar(v []byte) string {
	v = bytes.TrimSpace(v)
	switch kindOf(v) {
	case 0, 'n':
		return ""
	case '"':
		return unquote(v)
	}
	return string(v)
}

func unquote(v []byte) string {
	var w jsonwalk.Walker
	w.Reset(v)
	return string(w.AppendString(nil))
}

// short keeps a server's text to one line of a sensible length; it is not
// made safe to print, the caller's Display type does that.
func short(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 300 {
		s = strings.ToValidUTF8(s[:300], "") + "…"
	}
	return s
}
