// Package docschema holds documents of -o ecs and -o ocsf to the published
// schemas. It is for tests; the program does not link it.
package docschema

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// OCSF is the Open Cybersecurity Schema Framework: classes and objects resolved
// through extends, profiles and the Windows extension.
type OCSF struct {
	problems []string
	known    map[string]resolved
	patterns map[string]*regexp.Regexp
	files    map[string]map[string]any
	dict     map[string]map[string]any
	types    map[string]map[string]any
	objects  map[string]string // name to file
	classes  map[int]string
}

// LoadOCSF reads the published schema: a tar.gz of its repository.
func LoadOCSF(file string) (*OCSF, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	zr, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	s := &OCSF{known: map[string]resolved{}, patterns: map[string]*regexp.Regexp{}, files: map[string]map[string]any{}, dict: map[string]map[string]any{}, types: map[string]map[string]any{}, objects: map[string]string{}, classes: map[int]string{}}
	for tr := tar.NewReader(zr); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		name := path.Clean(h.Name)
		if !strings.HasSuffix(name, ".json") {
			continue
		}
		var m map[string]any
		if err := json.NewDecoder(tr).Decode(&m); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		s.files[name] = m
	}
	for _, f := range []string{"dictionary.json", "extensions/windows/dictionary.json"} {
		for k, v := range s.files[f]["attributes"].(map[string]any) {
			s.dict[k] = v.(map[string]any)
		}
	}
	for k, v := range s.files["dictionary.json"]["types"].(map[string]any)["attributes"].(map[string]any) {
		s.types[k] = v.(map[string]any)
	}
	categories := s.files["categories.json"]["attributes"].(map[string]any)
	for f, m := range s.files {
		name, _ := m["name"].(string)
		switch {
		case strings.Contains(f, "objects/") && (s.objects[name] == "" || strings.HasPrefix(f, "objects/")):
			s.objects[name] = f
		case strings.Contains(f, "events/") && m["uid"] != nil:
			ext := 0
			if strings.HasPrefix(f, "extensions/windows/") {
				ext = 2
			}
			category := s.category(f, name)
			c, ok := categories[category].(map[string]any)
			if !ok {
				continue
			}
			s.classes[ext*100000+int(c["uid"].(float64))*1000+int(m["uid"].(float64))] = f
		case f == "events/base_event.json":
			s.classes[0] = f
		}
	}
	return s, nil
}

func (s *OCSF) parent(file string) string {
	ext, _ := s.files[file]["extends"].(string)
	if ext == "" {
		return ""
	}
	for f, m := range s.files {
		if m["name"] == ext && f != file && (strings.HasPrefix(f, "objects/") == strings.Contains(file, "objects/")) && !strings.HasPrefix(f, "profiles") && !strings.HasPrefix(f, "extensions") {
			return f
		}
	}
	return ""
}

func (s *OCSF) category(file, _ string) string {
	for f := file; f != ""; f = s.parent(f) {
		if c, ok := s.files[f]["category"].(string); ok {
			return c
		}
	}
	return ""
}

type resolved struct {
	attrs       map[string]*attribute
	constraints []map[string]any
}

type attribute struct {
	required bool
	enum     map[string]bool
}

// attributes gathers those of a file and what it extends and includes.
func (s *OCSF) attributes(file string) (attrs map[string]*attribute, constraints []map[string]any) {
	if k, ok := s.known[file]; ok {
		return k.attrs, k.constraints
	}
	defer func() { s.known[file] = resolved{attrs, constraints} }()
	attrs = map[string]*attribute{}
	var chain []string
	for f := file; f != ""; f = s.parent(f) {
		chain = append([]string{f}, chain...)
	}
	add := func(m map[string]any) {
		for k, v := range m {
			if k == "$include" {
				continue
			}
			def, _ := v.(map[string]any)
			a := attrs[k]
			if a == nil {
				a = &attribute{enum: map[string]bool{}}
				if e, ok := s.dict[k]["enum"].(map[string]any); ok {
					for id := range e {
						a.enum[id] = true
					}
				}
				attrs[k] = a
			}
			if r, ok := def["requirement"].(string); ok {
				a.required = r == "required"
			}
			if e, ok := def["enum"].(map[string]any); ok {
				for id := range e {
					a.enum[id] = true
				}
			}
		}
	}
	for _, f := range chain {
		m, _ := s.files[f]["attributes"].(map[string]any)
		if inc, ok := m["$include"].([]any); ok {
			for _, i := range inc {
				p, _ := s.files[i.(string)]["attributes"].(map[string]any)
				add(p)
				for k := range p {
					if own, overridden := m[k]; !overridden || own == nil {
						attrs[k].required = false // profiles apply when named
					}
				}
			}
		}
		add(m)
	}
	if c, ok := s.files[file]["constraints"].(map[string]any); ok {
		constraints = append(constraints, c)
	}
	return attrs, constraints
}

func (s *OCSF) check(where, file string, obj map[string]any) {
	attrs, constraints := s.attributes(file)
	for k, a := range attrs {
		if _, ok := obj[k]; a.required && !ok {
			s.wrong("%s lacks %s", where, k)
		}
	}
	for _, c := range constraints {
		for rule, list := range c {
			n := 0
			for _, k := range list.([]any) {
				if _, ok := obj[k.(string)]; ok {
					n++
				}
			}
			if n == 0 || rule == "just_one" && n > 1 {
				s.wrong("%s: %s of %v, has %d", where, rule, list, n)
			}
		}
	}
	for k, v := range obj {
		a := attrs[k]
		if a == nil {
			s.wrong("%s has no attribute %s in %s", where, k, file)
			continue
		}
		s.value(where+"."+k, k, a, v)
	}
}

func (s *OCSF) value(where, name string, a *attribute, v any) {
	def := s.dict[name]
	list, isList := v.([]any)
	if want, _ := def["is_array"].(bool); want != isList {
		s.wrong("%s: array %v, want %v", where, isList, want)
		return
	}
	if !isList {
		list = []any{v}
	}
	for _, x := range list {
		typ, _ := def["type"].(string)
		if m, ok := x.(map[string]any); ok {
			if name == "unmapped" {
				continue
			}
			f := s.objects[typ]
			if f == "" {
				s.wrong("%s is an object, want %s", where, typ)
				continue
			}
			s.check(where, f, m)
			continue
		}
		base, pattern, limit := typ, "", 0.0
		if d := s.types[typ]; d != nil {
			pattern, _ = d["regex"].(string)
			limit, _ = d["max_len"].(float64)
			if b, ok := d["type"].(string); ok {
				base = b
			}
		}
		n, isNum := x.(float64)
		text, isText := x.(string)
		good := false
		switch base {
		case "integer_t", "long_t":
			good = isNum && n == math.Trunc(n)
		case "float_t":
			good = isNum
		case "boolean_t":
			_, good = x.(bool)
		case "string_t":
			good = isText && (limit == 0 || float64(len(text)) <= limit) && (pattern == "" || s.pattern(pattern).MatchString(text))
		case "json_t":
			good = true
		}
		if !good {
			s.wrong("%s is %T %v, want %s", where, x, x, typ)
		}
		if name == "class_uid" || name == "category_uid" || strings.HasSuffix(where, "observables.type_id") {
			continue // their enumeration is computed when the schema is compiled
		}
		if len(a.enum) > 0 && isNum && !a.enum[fmt.Sprint(int(n))] {
			s.wrong("%s: %v is not in its enumeration", where, n)
		}
	}
}

// wrong notes what a document lacks or has too much.
func (s *OCSF) wrong(format string, args ...any) {
	s.problems = append(s.problems, fmt.Sprintf(format, args...))
}

// Check holds a decoded document to its class, and gives the class and what is
// wrong. It is not for several goroutines at once.
func (s *OCSF) Check(doc map[string]any) (class int, problems []string) {
	s.problems = nil
	number := func(name string) int {
		n, ok := doc[name].(float64)
		if !ok {
			s.wrong("%s is not a number", name)
		}
		return int(n)
	}
	class = number("class_uid")
	file := s.classes[class]
	if file == "" {
		return class, append(s.problems, fmt.Sprintf("there is no class %d", class))
	}
	s.check(strconv.Itoa(class), file, doc)
	if got, want := number("type_uid"), class*100+number("activity_id"); got != want {
		s.wrong("type_uid %d, want %d", got, want)
	}
	return class, s.problems
}

func (s *OCSF) pattern(text string) *regexp.Regexp {
	re := s.patterns[text]
	if re == nil {
		re = regexp.MustCompile(text)
		s.patterns[text] = re
	}
	return re
}
