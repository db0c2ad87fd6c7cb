package esp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/client"
)

// Catalog is every operation of the vendor's document: 120 under the API
// base, and the download of server files beside it.
func Catalog() []backends.Operation {
	return slices.Concat(generalOperations, hostsOperations, contentOperations, rulesOperations, alertsOperations, responseOperations)
}

// outsideBase tells which operation does not live under the API base.
func outsideBase(op backends.Operation) bool { return op.Name == "downloads.get" }

// Request builds the call of an operation from named arguments, as the
// server wants it: numbers as numbers, booleans as booleans (a non-empty
// string would count as true), file parts under the name "file". Path is
// relative to the API base. Unknown and missing arguments are errors.
func Request(op backends.Operation, args map[string]any) (client.Call, error) {
	what := "cannot build " + op.Name
	known := map[string]backends.Param{}
	call := client.Call{Method: op.Method, Path: op.Path, Reads: !op.Mutates, Acts: op.Mutates}
	body := map[string]any{}
	for _, p := range op.Params {
		known[p.Name] = p
		v, given := args[p.Name]
		if !given {
			if p.Required {
				return call, backends.Invalid(what, p.Name+" is missing")
			}
			continue
		}
		if p.In == "path" {
			text := fmt.Sprint(v)
			if text == "" {
				return call, backends.Invalid(what, p.Name+" is empty")
			}
			escaped := url.PathEscape(text)
			if outsideBase(op) {
				escaped = strings.ReplaceAll(escaped, "%2F", "/")
			}
			call.Path = strings.ReplaceAll(call.Path, "{"+p.Name+"}", escaped)
			continue
		}
		value, err := typed(p, v)
		if err != nil {
			return call, backends.Invalid(what, p.Name+": "+err.Error())
		}
		switch p.In {
		case "query":
			if call.Query == nil {
				call.Query = url.Values{}
			}
			call.Query.Set(p.Name, fmt.Sprint(value))
		case "file":
			content, ok := value.([]byte)
			if !ok {
				content = []byte(fmt.Sprint(value))
			}
			name, _ := args[p.Name+"_name"].(string)
			if name == "" {
				name = "upload.txt"
			}
			call.Parts = append(call.Parts, client.Part{Name: p.Name, FileName: name, Body: content})
		default:
			if op.Body == "multipart" {
				call.Parts = append(call.Parts, client.Part{Name: p.Name, Body: []byte(fmt.Sprint(value))})
			} else {
				body[p.Name] = value
			}
		}
	}
	for name := range args {
		base := strings.TrimSuffix(name, "_name")
		if _, ok := known[name]; !ok && !(base != name && known[base].In == "file") {
			return call, backends.Invalid(what, "there is no parameter "+name)
		}
	}
	if op.Body == "json" && (len(body) > 0 || op.Method != http.MethodGet) {
		call.JSON = body
	}
	return call, nil
}

// typed brings an argument to the parameter's type; text is converted, the
// rest must fit.
func typed(p backends.Param, v any) (any, error) {
	if s, ok := v.(string); ok {
		switch p.Type {
		case "int":
			n, err := strconv.ParseInt(s, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("%q is no whole number", s)
			}
			v = n
		case "bool":
			b, err := strconv.ParseBool(s)
			if err != nil {
				return nil, fmt.Errorf("%q is neither true nor false", s)
			}
			v = b
		case "object", "array", "json":
			d := json.NewDecoder(bytes.NewReader([]byte(s)))
			d.UseNumber()
			var parsed any
			if err := d.Decode(&parsed); err != nil {
				return nil, fmt.Errorf("it is not JSON")
			}
			v = parsed
		}
	}
	if len(p.Enum) > 0 && !slices.Contains(p.Enum, fmt.Sprint(v)) {
		return nil, fmt.Errorf("%q is not one of %s", fmt.Sprint(v), strings.Join(p.Enum, " "))
	}
	return v, nil
}
