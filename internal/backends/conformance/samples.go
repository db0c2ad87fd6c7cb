package conformance

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
)

//go:embed samples/*.json
var sampleFiles embed.FS

// Sample is a valid call of one operation on the standard intrusion. Texts
// that begin with $ stand for what another operation answers, or for a time:
//
//	"$devices.list results.0.deviceId"   a member of the answer of another sample
//	"$now-24h ms"                        a time before now: ms, s, rfc3339 or date
//	"$file name.txt content"             a file to upload
//	"$unique word"                       the word with a number of its own; # in a file is one, too
//	"$:name"                             a value of Let, made once for a call
//	"$live.commands.issue{sessionId=:s} id"   another sample with this argument
type Sample struct {
	Let   map[string]any `json:"let"`
	Args  map[string]any `json:"args"`
	Input string         `json:"input"` // the whole body, in the place of arguments in it
	Times int            `json:"times"` // as a prerequisite: called so often, the last answer counts
	// Skip says why this operation cannot be called on the standard intrusion.
	Skip  string `json:"skip"`
	Fails string `json:"fails"` // why the right answer is an error here
	Last  bool   `json:"last"`  // it takes away what other calls rest on: the password
}

// SampleFile is a file of a sample, to be uploaded.
type SampleFile struct{ Name, Content string }

// Samples gives the valid calls of a backend, by operation; those of one of
// its versions ("" = the newest) may be others.
func Samples(backend, version string) (map[string]Sample, error) {
	names := []string{backend}
	if version != "" {
		names = append(names, backend+"-"+version)
	}
	out := map[string]Sample{}
	for i, name := range names {
		b, err := sampleFiles.ReadFile("samples/" + name + ".json")
		if i > 0 && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = json.Unmarshal(b, &out)
		}
		if err != nil {
			return nil, fmt.Errorf("samples of %s: %w", name, err)
		}
	}
	return out, nil
}

// Resolver turns samples into arguments. Do calls an operation and gives the
// JSON of its answer.
type Resolver struct {
	Samples map[string]Sample
	Now     time.Time
	Given   map[string]string // what a profile holds: "$password", "$username"
	Do      func(op string, args map[string]any, input string) ([]byte, error)

	unique int
}

type scope map[string]any

// Ordered gives the operations of a catalogue in the order they can be called
// in: those that take away what others rest on come last.
func Ordered(catalog []backends.Operation, samples map[string]Sample) []backends.Operation {
	out := slices.Clone(catalog)
	slices.SortStableFunc(out, func(a, b backends.Operation) int {
		switch la, lb := samples[a.Name].Last, samples[b.Name].Last; {
		case la == lb:
			return 0
		case la:
			return 1
		}
		return -1
	})
	return out
}

// Args gives the arguments and the body of the sample of an operation, after
// calling what it rests on.
func (r *Resolver) Args(op string) (map[string]any, string, error) { return r.args(op, nil) }

func (r *Resolver) args(op string, with map[string]any) (map[string]any, string, error) {
	s, ok := r.Samples[op]
	if !ok {
		return nil, "", fmt.Errorf("%s has no sample", op)
	}
	args, in := map[string]any{}, scope{}
	var err error
	for _, name := range sortedNames(s.Let) {
		if in[name], err = r.value(s.Let[name], in); err != nil {
			return nil, "", fmt.Errorf("%s of %s: %w", name, op, err)
		}
	}
	for _, name := range sortedNames(s.Args) {
		if v, given := with[name]; given {
			args[name] = v
			continue
		}
		if args[name], err = r.value(s.Args[name], in); err != nil {
			return nil, "", fmt.Errorf("%s of %s: %w", name, op, err)
		}
	}
	input := s.Input
	if strings.HasPrefix(input, "$") {
		v, err := r.value(input, in)
		if err != nil {
			return nil, "", err
		}
		input = fmt.Sprint(v)
	}
	return args, input, nil
}

func sortedNames(m map[string]any) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func (r *Resolver) value(v any, in scope) (any, error) {
	switch t := v.(type) {
	case string:
		return r.text(t, in)
	case []any:
		out := make([]any, len(t))
		for i, e := range t {
			var err error
			if out[i], err = r.value(e, in); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		out := map[string]any{}
		for _, k := range sortedNames(t) {
			var err error
			if out[k], err = r.value(t[k], in); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return v, nil
}

func (r *Resolver) text(s string, in scope) (any, error) {
	rest, ok := strings.CutPrefix(s, "$")
	if !ok || strings.HasPrefix(rest, "$") {
		return rest, nil // $$ is a $
	}
	if strings.HasPrefix(rest, "$") {
		return rest, nil // $$ is a dollar
	}
	head, tail, _ := strings.Cut(rest, " ")
	if name, ok := strings.CutPrefix(head, ":"); ok {
		v, known := in[name]
		if !known {
			return nil, fmt.Errorf("there is no %s", s)
		}
		return v, nil
	}
	switch {
	case r.Given[head] != "":
		return r.Given[head], nil
	case head == "unique":
		r.unique++
		return tail + "-" + strconv.Itoa(r.unique), nil
	case head == "file":
		name, content, _ := strings.Cut(tail, " ")
		r.unique++
		content = strings.ReplaceAll(content, "#", strconv.Itoa(r.unique))
		return SampleFile{name, content}, nil
	case strings.HasPrefix(head, "now"):
		return r.moment(strings.TrimPrefix(head, "now"), tail)
	}
	op, more, _ := strings.Cut(strings.TrimSuffix(head, "}"), "{")
	with := map[string]any{}
	for pair := range strings.SplitSeq(more, ",") {
		name, ref, ok := strings.Cut(pair, "=:")
		if ok {
			with[name] = in[ref]
		}
	}
	return r.answer(op, tail, with)
}

func (r *Resolver) moment(offset, form string) (any, error) {
	at := r.Now
	if offset != "" {
		d, err := time.ParseDuration(offset)
		if err != nil {
			return nil, err
		}
		at = at.Add(d)
	}
	switch form {
	case "ms":
		return strconv.FormatInt(at.UnixMilli(), 10), nil
	case "s":
		return strconv.FormatInt(at.Unix(), 10), nil
	case "date":
		return at.UTC().Format(time.DateOnly), nil
	}
	return at.UTC().Format("2006-01-02T15:04:05.000Z"), nil
}

// answer calls another operation by its sample and takes a member.
func (r *Resolver) answer(op, path string, with map[string]any) (any, error) {
	args, input, err := r.args(op, with)
	if err != nil {
		return nil, err
	}
	var body []byte
	for range max(r.Samples[op].Times, 1) {
		if body, err = r.Do(op, args, input); err != nil {
			return nil, fmt.Errorf("calling %s first: %w", op, err)
		}
	}
	if path == "" {
		return "", nil // only that it was called
	}
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("the answer of %s: %w", op, err)
	}
	v = member(v, strings.FieldsFunc(path, func(c rune) bool { return c == '.' }))
	switch t := v.(type) {
	case nil:
		return nil, fmt.Errorf("the answer of %s has no %s: %.300s", op, path, body)
	case json.Number:
		return t.String(), nil
	}
	return v, nil
}

// member walks a path: names, indexes, * for the first member by name, @ for
// that name itself, ? for the first element that has the rest, and #name for
// the first member that has name.
func member(v any, path []string) any {
	if len(path) == 0 || v == nil {
		return v
	}
	switch t := v.(type) {
	case map[string]any:
		names := sortedNames(t)
		if path[0] == "*" && len(names) > 0 {
			return member(t[names[0]], path[1:])
		}
		if path[0] == "@" && len(names) > 0 {
			return names[0]
		}
		if inner, ok := strings.CutPrefix(path[0], "#"); ok {
			for _, n := range names {
				if m := member(t[n], append([]string{inner}, path[1:]...)); m != nil && m != "" {
					return m
				}
			}
			return nil
		}
		return member(t[path[0]], path[1:])
	case []any:
		if path[0] == "?" {
			for _, e := range t {
				if m := member(e, path[1:]); m != nil && m != "" {
					return m
				}
			}
			return nil
		}
		if i, err := strconv.Atoi(path[0]); err == nil && i < len(t) {
			return member(t[i], path[1:])
		}
	}
	return nil
}
