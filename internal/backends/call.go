package backends

import (
	"context"
	"encoding/json"
	"io"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// VerbCall is the change that a Call is: an operation of the vendor's own API
// that changes something (`edrctl api`, and the commands of administration
// that rest on it).
const VerbCall = "api"

// Call is one request to a backend's own API: an operation of the catalogue,
// or one made up of a method and a path (Op.Name is "" then).
type Call struct {
	Op    Operation
	Args  map[string]any // by Param.Name: text (brought to the parameter's type), a JSON value, or a File
	Query url.Values     // next to Args; of a made-up operation
	Body  []byte         // the whole body, in the place of arguments In body; nil = none given
	Type  string         // content type of Body; "" = application/json
}

// Danger is why this call asks twice; "" when it does not.
func (c Call) Danger() string {
	asked := func(name string) bool {
		return c.Args[name] != nil && Text(c.Args[name]) != "" && Text(c.Args[name]) != "false"
	}
	if len(c.Op.DangerWith) == 0 || slices.ContainsFunc(c.Op.DangerWith, asked) || c.Body != nil && c.Op.Body != "raw" {
		return c.Op.Danger
	}
	return ""
}

// Makes gives the names of what the call makes, where its answer does not.
func (c Call) Makes() []string {
	for _, arg := range c.Op.Makes {
		v, ok := c.Args[arg]
		if f, isFile := v.(File); isFile {
			return []string{f.Name}
		}
		if !ok || Text(v) == "" {
			continue
		}
		var members map[string]json.RawMessage
		if json.Unmarshal([]byte(Text(v)), &members) == nil {
			return slices.Sorted(maps.Keys(members))
		}
		return []string{Text(v)}
	}
	return nil
}

// File is an argument In file.
type File struct {
	Name    string
	Content []byte
}

// Answer is what a reading call brought. The caller closes Body.
type Answer struct {
	Status      int
	ContentType string
	FileName    string // the server's name for it, cleaned to its last element; "" = none
	Body        io.ReadCloser
}

// Caller reaches every operation of the vendor's API. What changes something
// goes through Changer with VerbCall and Change.Call, where Preview applies
// the guards of the operation (reads what must be merged, refuses what can
// never work) and Apply sends it once; Action.Answer is what came back.
type Caller interface {
	// Call sends a call that only reads and gives the body as the server sent
	// it. A failure that comes as HTTP 200 is an error like any other.
	Call(ctx context.Context, c Call) (*Answer, error)
	// Items gives the records of a reading call, following the vendor's pages
	// to the end: the elements of its list, or the one object there is.
	// Limits a user gave as arguments (limit, rows …) are the page size then.
	Items(ctx context.Context, c Call) iter.Seq2[json.RawMessage, error]
}

// Resource is a noun by which a backend is administered: packs, users, yara …
// Its commands are made from it (`edrctl packs list`), on top of the
// operations of the catalogue.
type Resource struct {
	Noun    string // "packs"; "hosts config" below a noun there is already
	Title   string // for people, in the help: what these are on this backend
	ID      string // member that names an item, for `-o id`
	Columns []string
	Verbs   []ResourceVerb
}

// ResourceVerb is one command of a resource.
type ResourceVerb struct {
	Name     string         // list, get, add, update, remove …
	Op       string         // name of the operation
	Operands []string       // parameters given by position; the last may end in "..." to repeat the call for each
	Fixed    map[string]any // parameters that are always the same
	From     string         // parameter or "" = whole body that -f FILE fills
	Short    string         // help; "" = the operation's summary
	Columns  []string       // of this verb's rows; nil = the resource's
	Example  string         // what follows the command in the example of its help; "" = made from the operands
}

// OperationNamed finds an operation of a catalogue.
func OperationNamed(catalog []Operation, name string) (Operation, bool) {
	for _, op := range catalog {
		if op.Name == name {
			return op, true
		}
	}
	return Operation{}, false
}

// MatchOperation finds the operation a method and a path belong to, and the
// arguments in the path, so that what is known of an operation (that it
// changes something although it is a GET, that it is dangerous) holds as well
// for a user who writes it out. Of several, the one with the fewest parameters
// in its path is it: /rules/add before /rules/{id}.
//
// Servers read a path more kindly than it is written: doubled slashes, escapes
// and capitals in its fixed parts do not hide an operation, and HEAD reaches
// what GET does.
func MatchOperation(catalog []Operation, method, path string) (Operation, map[string]any, bool) {
	given := slices.DeleteFunc(strings.Split(path, "/"), func(s string) bool { return s == "" })
	head := strings.EqualFold(method, http.MethodHead)
	var best Operation
	var bestArgs map[string]any
	found := false
	for _, op := range catalog {
		if !strings.EqualFold(op.Method, method) && (!head || op.Method != http.MethodGet) {
			continue
		}
		args, ok := matchPath(op.Path, given)
		if ok && (!found || len(args) < len(bestArgs)) {
			best, bestArgs, found = op, args, true
		}
	}
	if found && head {
		best.Method, best.Returns = http.MethodHead, "empty"
	}
	return best, bestArgs, found
}

func matchPath(template string, given []string) (map[string]any, bool) {
	want := strings.Split(strings.Trim(template, "/"), "/")
	if len(want) != len(given) {
		return nil, false
	}
	args := map[string]any{}
	for i, w := range want {
		v, err := url.PathUnescape(given[i])
		if err != nil || v == "" {
			return nil, false
		}
		name, isParam := strings.CutPrefix(w, "{")
		if !isParam {
			if !strings.EqualFold(w, v) {
				return nil, false
			}
			continue
		}
		args[strings.TrimSuffix(name, "}")] = v
	}
	return args, true
}

// Adhoc is an operation made of a method and a path that is in no catalogue.
// Everything but GET and HEAD counts as changing something.
func Adhoc(method, path string) Operation {
	method = strings.ToUpper(method)
	reads := method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
	op := Operation{Method: method, Path: path, Summary: method + " " + path, Mutates: !reads}
	if !reads {
		op.Body = "json"
	}
	return op
}

// Label names a call for people and the journal.
func (c Call) Label() string {
	if c.Op.Name != "" {
		return c.Op.Name
	}
	return c.Op.Method + " " + c.Op.Path
}

// secretMask stands for a secret wherever a call is shown or written down.
const secretMask = "[redacted]"

// Masked is the call with its secret arguments hidden: what is previewed,
// journaled and printed. It still builds.
func (c Call) Masked() Call {
	secret := map[string]bool{}
	for _, p := range c.Op.Params {
		if p.Secret {
			secret[p.Name] = true
		}
	}
	if len(secret) == 0 {
		return c
	}
	args := make(map[string]any, len(c.Args))
	for name, v := range c.Args {
		if secret[name] {
			v = masked(v)
		}
		args[name] = v
	}
	c.Args = args
	if c.Body != nil {
		c.Body = maskBody(c.Body, secret)
	}
	return c
}

func masked(v any) any {
	switch t := v.(type) {
	case File:
		return File{Name: t.Name, Content: []byte(secretMask)}
	case map[string]any:
		out := make(map[string]any, len(t))
		for k := range t {
			out[k] = secretMask
		}
		return out
	case []any:
		return []any{secretMask}
	}
	return secretMask
}

// maskBody hides the members of a JSON object that are secret; what is no
// object is hidden whole.
func maskBody(body []byte, secret map[string]bool) []byte {
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return []byte(`"` + secretMask + `"`)
	}
	for name := range members {
		if secret[name] {
			members[name] = json.RawMessage(`"` + secretMask + `"`)
		}
	}
	out, err := json.Marshal(members)
	if err != nil {
		return []byte(`"` + secretMask + `"`)
	}
	return out
}

// Secrets gives the texts of the call's secret arguments, for a redactor.
func (c Call) Secrets() []string {
	var out []string
	var members map[string]json.RawMessage
	if c.Body != nil {
		_ = json.Unmarshal(c.Body, &members) // what is not an object has no members
	}
	for _, p := range c.Op.Params {
		if !p.Secret {
			continue
		}
		switch v := c.Args[p.Name].(type) {
		case nil:
		case File:
			out = append(out, string(v.Content))
		case map[string]any:
			for _, m := range v {
				out = append(out, Text(m))
			}
		default:
			out = append(out, Text(v))
		}
		var text string
		if json.Unmarshal(members[p.Name], &text) == nil {
			out = append(out, text)
		}
	}
	return slices.DeleteFunc(out, func(s string) bool { return s == "" })
}

// Param finds a parameter by its exact name.
func (o Operation) Param(name string) (Param, bool) {
	for _, p := range o.Params {
		if p.Name == name {
			return p, true
		}
	}
	return Param{}, false
}
