package backends

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/client"
)

// Build makes the request of a call, as the catalogue describes the
// operation: required arguments are there, each is of its type and one of its
// values, nothing is left over. Path is relative to the API base. What is
// wrong is an error of KindInvalid that names the parameter; nothing is sent.
func Build(c Call) (client.Call, error) {
	op := c.Op
	what := "cannot call " + c.Label()
	call := client.Call{Method: op.Method, Path: op.Path, Reads: !op.Mutates, Acts: op.Mutates, Query: url.Values{}}
	body := map[string]any{}
	for _, p := range op.Params {
		v, given := c.Args[p.Name]
		if !given {
			if p.Required && p.Default == "" && !(c.Body != nil && p.In != "path" && p.In != "query" && p.In != "header") {
				return call, Invalid(what, p.Name+" is missing")
			}
			if !p.Required || p.Default == "" {
				continue
			}
			v = p.Default
		}
		value, err := p.Value(v)
		if err != nil {
			return call, Invalid(what, "invalid "+WrongValue(p.Name, err))
		}
		switch p.In {
		case "path":
			text := Text(value)
			if text == "" || text == "." || text == ".." {
				return call, Invalid(what, p.Name+" is empty, or . or ..")
			}
			call.Path = strings.ReplaceAll(call.Path, "{"+p.Name+"}", url.PathEscape(text))
		case "query":
			call.Query.Set(p.Name, Text(value))
		case "header":
			if call.Header == nil {
				call.Header = http.Header{}
			}
			text := Text(value)
			if strings.ContainsAny(text, "\r\n\x00") {
				return call, Invalid(what, p.Name+" holds a line break, which no header may")
			}
			call.Header.Set(p.Name, text)
		case "file":
			f, ok := value.(File)
			if !ok {
				return call, Invalid(what, p.Name+" is a file")
			}
			if op.Body == "raw" {
				call.Body, call.ContentType = f.Content, "application/octet-stream"
				continue
			}
			call.Parts = append(call.Parts, client.Part{Name: p.Name, FileName: orElse(f.Name, "upload"), Body: f.Content})
		case "local": // for the guards of the operation; never sent
		default:
			if op.Body == "multipart" {
				call.Parts = append(call.Parts, client.Part{Name: p.Name, Body: []byte(Text(value))})
			} else {
				body[p.Name] = value
			}
		}
	}
	for _, name := range sortedKeys(c.Args) {
		if !slices.ContainsFunc(op.Params, func(p Param) bool { return p.Name == name }) {
			return call, Invalid(what, "there is no parameter "+name)
		}
	}
	for name, values := range c.Query {
		call.Query[name] = values
	}
	switch {
	case c.Body != nil && (len(body) > 0 || len(call.Parts) > 0 || call.Body != nil):
		return call, Invalid(what, "the body is given twice: whole and as parameters")
	case c.Body != nil:
		call.Body, call.ContentType = c.Body, orElse(c.Type, "application/json")
	case op.Body == "json" && (len(body) > 0 || op.Method != http.MethodGet), len(body) > 0:
		call.JSON = body
	}
	if len(call.Query) == 0 {
		call.Query = nil
	}
	return call, nil
}

// WrongValue joins the name of a parameter and the error of its Value, to follow
// the word "invalid".
func WrongValue(name string, err error) string {
	if why := err.Error(); strings.HasPrefix(why, `"`) { // it begins with the value
		return name + " " + why
	}
	return name + ": " + err.Error()
}

// Value converts an argument to the parameter's type. Text is parsed; a value
// of another type must fit.
func (p Param) Value(v any) (any, error) {
	s, isText := v.(string)
	var err error
	switch p.Type {
	case "int":
		v, err = wholeNumber(v)
	case "number":
		v, err = number(v)
	case "bool":
		v, err = boolean(v)
	case "time":
		if !isText {
			return nil, errors.New("want a time as text")
		}
		if _, terr := time.Parse(time.RFC3339, s); terr != nil {
			err = fmt.Errorf("%q: want a time such as 2026-11-22T02:03:04Z", s)
		}
	case "array":
		v, err = array(v)
	case "object", "json":
		if isText {
			if v, err = decodeJSON(s); err != nil {
				break
			}
		}
		if _, ok := v.(map[string]any); !ok && p.Type == "object" {
			err = errors.New("want a JSON object")
		}
	case "file":
		if _, ok := v.(File); !ok {
			err = errors.New("want a file")
		}
	default:
		switch t := v.(type) {
		case string, json.Number, bool, int, int64, float64:
			v = Text(v)
		case []any: // as vendors answer what they ask for as text with commas
			v, err = joined(t)
		default:
			err = errors.New("want text")
		}
	}
	if err != nil {
		return nil, err
	}
	if len(p.Enum) > 0 {
		if _, list := v.([]any); !list && !slices.Contains(p.Enum, Text(v)) {
			return nil, fmt.Errorf("%q: want one of %s", Text(v), strings.Join(p.Enum, ", "))
		}
	}
	return v, nil
}

// joined is a list as a text with commas.
func joined(list []any) (any, error) {
	for _, e := range list {
		switch e.(type) {
		case string, json.Number, bool, int, int64, float64:
		default:
			return nil, errors.New("want text")
		}
		if strings.Contains(Text(e), ",") {
			return nil, fmt.Errorf("%q holds a comma, which separates the items of this list", Text(e))
		}
	}
	return Text(list), nil
}

func wholeNumber(v any) (any, error) {
	n, err := strconv.ParseInt(Text(v), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%q: want a whole number", Text(v))
	}
	return n, nil
}

func number(v any) (any, error) {
	text := Text(v)
	if _, err := strconv.ParseFloat(text, 64); err != nil || !json.Valid([]byte(text)) {
		return nil, fmt.Errorf("%q: want a number", text)
	}
	return json.Number(text), nil
}

func boolean(v any) (any, error) {
	switch Text(v) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return nil, fmt.Errorf("%q: want true or false", Text(v))
}

// array takes a JSON array, or texts separated by commas.
func array(v any) (any, error) {
	switch t := v.(type) {
	case []any:
		return t, nil
	case string:
		if strings.HasPrefix(strings.TrimSpace(t), "[") {
			parsed, err := decodeJSON(t)
			if err != nil {
				return nil, err
			}
			if list, ok := parsed.([]any); ok {
				return list, nil
			}
			return nil, errors.New("want a JSON array")
		}
		var out []any
		for part := range strings.SplitSeq(t, ",") {
			if part = strings.TrimSpace(part); part != "" {
				out = append(out, part)
			}
		}
		if out == nil {
			return nil, errors.New("the list is empty")
		}
		return out, nil
	}
	return nil, errors.New("want a list")
}

func decodeJSON(s string) (any, error) {
	d := json.NewDecoder(bytes.NewReader([]byte(s)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, errors.New("not valid JSON")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("unexpected text after the JSON")
	}
	return v, nil
}

// Text is an argument as it is in a path, a query or a form: lists with
// commas, objects as JSON.
func Text(v any) string {
	switch t := v.(type) {
	case nil:
		return ""
	case string:
		return t
	case []any:
		parts := make([]string, len(t))
		for i, e := range t {
			parts[i] = Text(e)
		}
		return strings.Join(parts, ",")
	case map[string]any:
		b, _ := json.Marshal(t)
		return string(b)
	case float64:
		return strconv.FormatFloat(t, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func sortedKeys(m map[string]any) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
