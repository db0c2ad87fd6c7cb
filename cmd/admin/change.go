package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/change"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/output"
)

// maxFile bounds what -f reads.
const maxFile = 256 << 20

// change takes the calls of one profile down the one path of changes.
func (v *verb) change(ctx context.Context, fleet *ops.Fleet, args []string) error {
	s, err := v.one(fleet)
	if err != nil {
		return err
	}
	calls, i, err := v.calls(s, args)
	if err != nil {
		return err
	}
	if err := v.prepared(ctx, calls); err != nil {
		return err
	}
	items := make([]change.Item, len(calls))
	for n, c := range calls {
		items[n] = change.CallItem(s, c)
	}
	format := v.f.Flags.Output
	kind := v.kind(&ops.Fleet{Sources: []*ops.Source{s}})
	if !v.act.DryRun {
		if _, err := v.f.Printer(ctx, kind); err != nil { // a wrong format is found before anything is sent
			return err
		}
		if format == output.FormatID {
			v.f.Flags.Output = ""
		}
	}
	columns := v.f.Flags.Columns
	v.f.Flags.Columns = nil
	res, err := cmdutil.Carry(ctx, v.f, cmdutil.Order{Flags: &v.act, Refs: []string{s.Profile + "/"}, Items: func(context.Context, *change.Actor) ([]change.Item, error) {
		return items, nil
	}})
	v.f.Flags.Output, v.f.Flags.Columns = format, columns
	if err != nil || res == nil {
		return err
	}
	for _, err := range res.Problems() {
		v.f.ReportError(err)
	}
	for _, a := range res.Skipped {
		v.f.Note("%s: nothing to do: %s", a.Profile, a.NativeState)
	}
	for _, a := range res.Succeeded {
		if note := a.Details["note"]; note != "" {
			v.f.Note("%s: %s", a.Profile, note)
		}
	}
	if err := v.answers(ctx, s, i, kind, res); err != nil {
		return cmdutil.IgnoreClosed(err)
	}
	if err := cmdutil.Interrupted(ctx); err != nil {
		return err
	}
	return cmdutil.ResultCode(res, true)
}

// answers shows the records that the changes brought back: what was made, as
// the backend keeps it. A backend that only says that it is done leaves a line
// for people.
func (v *verb) answers(ctx context.Context, s *ops.Source, i impl, kind output.Kind, res *change.Result) error {
	var docs []*output.Document
	for _, a := range res.Succeeded {
		for _, item := range made(a, i.resource.ID) {
			d, err := v.row(ops.Found{Source: s, JSON: item}, i)
			if err != nil {
				return err
			}
			docs = append(docs, d)
		}
	}
	if len(docs) == 0 && v.f.Flags.Output == "" && v.f.Flags.JQ == "" && v.f.Flags.Template == "" {
		if len(res.Succeeded) > 0 && res.Succeeded[0].Details["note"] == "" { // a note has said more
			v.f.Note("%s: %s: done", s.Profile, v.command())
		}
		return nil
	}
	w, err := v.f.Printer(ctx, kind)
	if err != nil {
		return err
	}
	format := v.f.Flags.Output
	object := format == output.FormatJSON || format == output.FormatYAML || format == "" && (v.f.Flags.JQ != "" || v.f.Flags.Template != "")
	if object && len(docs) == 1 && len(res.All()) == 1 {
		return w.One(docs[0])
	}
	for _, d := range docs {
		if format == output.FormatID && !d.Has("ref") {
			v.f.Note("%s: %s: the answer has no id", s.Profile, v.command())
			continue
		}
		if err := w.Write(d); err != nil {
			return err
		}
	}
	return w.Close()
}

// made gives the records of what an action made: those of its answer, or,
// where that only says that it is done, the names that were given.
func made(a *model.Action, id string) []json.RawMessage {
	items := records(created(a.Answer))
	names := a.Details[backends.DetailMakes]
	if len(items) > 0 || names == "" {
		return items
	}
	var said struct {
		Message string `json:"message"`
	}
	_ = json.Unmarshal(a.Answer, &said) // an answer without a message says none
	for name := range strings.SplitSeq(names, "\n") {
		if item, err := json.Marshal(map[string]string{id: name, "message": said.Message}); err == nil {
			items = append(items, item)
		}
	}
	return items
}

// created takes the id of what was made out of an answer that is little more:
// a number as data, or one member such as rule_id or policyId next to message
// and status or success.
func created(answer json.RawMessage) json.RawMessage {
	var m map[string]json.RawMessage
	if json.Unmarshal(answer, &m) != nil || m["status"] == nil && m["success"] == nil || m["message"] == nil || m["id"] != nil {
		return answer
	}
	var id json.RawMessage
	for name, v := range m {
		if name == "data" && isID(v) && v[0] != '"' || (strings.HasSuffix(name, "_id") || strings.HasSuffix(name, "Id")) && isID(v) {
			if id != nil {
				return answer
			}
			id = v
		}
	}
	if id == nil {
		return answer
	}
	delete(m, "data")
	m["id"] = id
	b, err := json.Marshal(m)
	if err != nil {
		return answer
	}
	return b
}

// isID tells whether a JSON value is a whole number, or text.
func isID(v json.RawMessage) bool {
	if len(v) == 0 || v[0] == '"' {
		return len(v) > 2
	}
	_, err := strconv.ParseUint(string(v), 10, 64)
	return err == nil
}

// records finds the records in the answer of a change: vendors wrap them in
// data or results, or send them as they are. An answer without any is none.
func records(answer json.RawMessage) []json.RawMessage {
	answer = bytes.TrimSpace(answer)
	for range 2 {
		var wrap map[string]json.RawMessage
		if len(answer) == 0 || answer[0] != '{' || json.Unmarshal(answer, &wrap) != nil {
			break
		}
		inner, found := json.RawMessage(nil), false
		for _, name := range []string{"data", "results"} {
			if x, ok := wrap[name]; ok && !found {
				inner, found = bytes.TrimSpace(x), true
			}
		}
		_, message := wrap["message"]
		_, status := wrap["status"]
		if !found && (message || status) && len(wrap) <= 2 {
			return nil // it only says that it is done
		}
		if !found || string(inner) == "null" {
			if found {
				return nil
			}
			break
		}
		answer = inner
	}
	switch {
	case len(answer) == 0 || string(answer) == "null":
		return nil
	case answer[0] == '[':
		var list []json.RawMessage
		if json.Unmarshal(answer, &list) == nil {
			return list
		}
	case answer[0] == '{':
		return []json.RawMessage{answer}
	}
	return nil
}

// fill puts what -f reads into the call.
func (v *verb) fill(c *backends.Call, i impl) error {
	if v.file == "" {
		return nil
	}
	if !i.takesFile() {
		return cmdutil.Usagef("--file: %s of %s takes none", v.command(), i.backend)
	}
	text, err := v.read1()
	if err != nil {
		return err
	}
	text = vendorOnly(text, i.backend)
	if i.verb.From != "" {
		p, ok := i.op.Param(i.verb.From)
		if !ok {
			return fmt.Errorf("%s has no parameter %s", i.op.Name, i.verb.From)
		}
		switch p.Type {
		case "file":
			name := filepath.Base(v.file)
			if v.file == "-" {
				name = "stdin"
			}
			c.Args[p.Name] = backends.File{Name: name, Content: text}
		case "json", "object", "array":
			if i.op.Body == "raw" && p.In == "body" {
				// The driver reads it: several documents in one file, too.
				if c.Body, err = v.document(text, true); err != nil {
					return err
				}
				return nil
			}
			doc, err := v.document(text, false)
			if err != nil {
				return err
			}
			c.Args[p.Name] = string(doc)
		default:
			if i.op.Body == "raw" && p.In == "body" {
				c.Body, c.Type = text, "text/plain"
				return nil
			}
			c.Args[p.Name] = strings.TrimRight(string(text), "\r\n")
		}
		return nil
	}
	doc, err := v.document(text, false)
	if err != nil {
		return err
	}
	return merge(c, i, doc)
}

// merge makes arguments of a file's members; a flag goes before them. What
// the operation does not know is refused when the call is built.
func merge(c *backends.Call, i impl, doc []byte) error {
	var members map[string]json.RawMessage
	if json.Unmarshal(doc, &members) != nil || members == nil {
		c.Body = doc
		return nil
	}
	for name, raw := range members {
		p, known := i.op.Param(name)
		if _, given := c.Args[name]; given || known && p.In == "path" {
			continue
		}
		var val any
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.UseNumber()
		if err := dec.Decode(&val); err != nil {
			return cmdutil.Usagef("invalid --file: %s is not valid JSON", name)
		}
		if val == nil {
			continue
		}
		if p.Type == "json" || p.Type == "object" {
			val = string(raw)
			if p.Type == "json" && len(raw) > 0 && raw[0] == '"' {
				_ = json.Unmarshal(raw, &val) // text stays text
			}
		}
		c.Args[name] = val
	}
	return nil
}

// vendorOnly takes ref, profile and backend off what a command of ours wrote
// (list or get with -o json or ndjson), so that it can be edited and sent back.
// What is not that stays as it is.
func vendorOnly(text []byte, backend string) []byte {
	dec := json.NewDecoder(bytes.NewReader(text))
	var out [][]byte
	changed := false
	for {
		var doc json.RawMessage
		if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return text
		}
		var list []json.RawMessage
		if doc[0] == '[' && json.Unmarshal(doc, &list) == nil {
			whole := true
			for n := range list {
				var ours bool
				list[n], ours = stripped(list[n], backend)
				whole = whole && ours
			}
			if b, err := json.Marshal(list); err == nil && whole && len(list) > 0 {
				doc, changed = b, true
			}
		} else if d, ours := stripped(doc, backend); ours {
			doc, changed = d, true
		}
		out = append(out, doc)
	}
	if !changed {
		return text
	}
	return bytes.Join(out, []byte("\n"))
}

func stripped(doc json.RawMessage, backend string) (json.RawMessage, bool) {
	var m map[string]json.RawMessage
	if json.Unmarshal(doc, &m) != nil || m["profile"] == nil || string(m["backend"]) != `"`+backend+`"` {
		return doc, false
	}
	delete(m, "ref")
	delete(m, "profile")
	delete(m, "backend")
	b, err := json.Marshal(m)
	if err != nil {
		return doc, false
	}
	return b, true
}

// read1 reads -f once, however many calls are made of it.
func (v *verb) read1() ([]byte, error) {
	if v.content != nil {
		return *v.content, nil
	}
	r, err := v.f.ReadInput(v.file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }() // only read from
	b, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	switch {
	case err != nil:
		return nil, cmdutil.Usagef("cannot read %s: %w", v.file, err)
	case len(b) > maxFile:
		return nil, cmdutil.Usagef("%s has more than %d MiB", v.file, maxFile>>20)
	case len(bytes.TrimSpace(b)) == 0:
		return nil, cmdutil.Usagef("%s is empty", v.file)
	}
	v.content = &b
	return b, nil
}

// document gives the JSON of a file that is JSON or YAML. several lets JSON
// documents follow each other.
func (v *verb) document(text []byte, several bool) ([]byte, error) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	first := bytes.TrimSpace(text)[0]
	if json.Valid(text) || several && (first == '{' || first == '[') && sequence(text) {
		return text, nil
	}
	doc, err := output.YAMLToJSON(text)
	if err != nil || doc[0] != '{' && doc[0] != '[' {
		if err == nil {
			err = errors.New("it is neither an object nor a list")
		}
		return nil, cmdutil.Usagef("%s is neither JSON nor YAML that can be sent: %w", v.file, err)
	}
	return doc, nil
}

// sequence tells whether text is JSON documents one after the other.
func sequence(text []byte) bool {
	dec := json.NewDecoder(bytes.NewReader(text))
	for {
		var doc json.RawMessage
		if err := dec.Decode(&doc); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}
