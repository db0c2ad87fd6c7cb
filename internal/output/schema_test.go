package output_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/iostreams"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/output"
)

func shared(t *testing.T) string {
	dir := os.Getenv("EDRCTL_SHARED")
	if dir == "" {
		t.Skip("SKIPPED: EDRCTL_SHARED is not set, so the documents were not checked against the ECS and OCSF schemas")
	}
	return dir
}

// documents writes records in a format and gives the decoded lines.
func documents(t *testing.T, format string, kind output.Kind, recs ...any) []map[string]any {
	t.Helper()
	s, _, out, _ := iostreams.Test()
	w, err := output.New(s, output.Options{Format: format, Kind: kind, Now: fixedNow})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range recs {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	checkPlainBytes(t, format, out.Bytes(), "\n")
	var docs []map[string]any
	for line := range strings.Lines(out.String()) {
		var d map[string]any
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		docs = append(docs, d)
	}
	if len(docs) != len(recs) {
		t.Fatalf("%d documents of %d records", len(docs), len(recs))
	}
	return docs
}

// schemaRecords are real-looking and random records of the four kinds with
// documents.
func schemaRecords() map[string][]any {
	r := rand.New(rand.NewPCG(7, 7))
	out := map[string][]any{"alert": {fullAlert()}, "event": {sampleEvent()}}
	for _, a := range alerts() {
		out["alert"] = append(out["alert"], a)
	}
	host := &model.Host{Origin: model.Origin{ID: "h1"}, Name: "WS-1", IP: []string{"10.0.0.1", "junk"}, MAC: []string{"00-11-22-33-44-55", "001122334455", "x"}, OS: &model.OS{Name: "Windows 10", Platform: "windows"}}
	actor := &model.Process{UID: "a", PID: 10, Path: `C:\a.exe`, Integrity: "High", Parent: &model.ParentProcess{PID: 1, Name: "init"}}
	for _, k := range model.Kinds {
		for _, e := range []*model.Event{
			{Host: host, Process: actor, Target: &model.Process{PID: 11, Name: "b.exe"}, User: &model.User{Name: "u"}},
			{Host: host, Process: actor},
			{Process: actor},
			{},
		} {
			e.Kind, e.ID, e.Time, e.Backend = k, "e1", model.At(now), "gene"
			e.File = &model.File{Path: `C:\x\y.docx`, Hash: &model.Hash{MD5: "d41d8cd98f00b204e9800998ecf8427e"}}
			e.Network = &model.Network{Direction: "egress", Transport: "TCP", Source: &model.Endpoint{IP: "10.0.0.1", Port: 5}, Destination: &model.Endpoint{IP: "bad", Domain: "evil.example", Port: 443}}
			e.DNS = &model.DNS{Question: model.DNSQuestion{Name: "evil.example", Type: "A"}}
			e.Registry = &model.Registry{Path: `HKLM\Software\Run\x`, Data: "y"}
			e.Module = &model.Module{Path: `C:\m.dll`}
			out["event"] = append(out["event"], e)
		}
	}
	out["host"] = []any{host}
	out["process"] = []any{actor}
	for _, i := range [][2]string{
		{"md5", "d41d8cd98f00b204e9800998ecf8427e"}, {"sha256", strings.Repeat("ab", 32)}, {"imphash", "d41d8cd98f00b204e9800998ecf8427e"},
		{"ipv4", "203.0.113.7"}, {"ipv6", "2001:db8::1"}, {"cidr", "203.0.113.0/24"}, {"domain", "evil.example"}, {"url", "http://evil.example/x"},
		{"file_name", "d.dll"}, {"file_path", `C:\d.dll`}, {"process_name", "rclone.exe"}, {"email", "a@evil.example"},
	} {
		out["hit"] = append(out["hit"],
			&model.Hit{
				Origin: model.Origin{ID: "hit-1", Ref: "p/hit-1", Profile: "p", Backend: "gene"}, Indicator: model.HitIndicator{Type: i[0], Value: i[1], Source: "feed.txt:3"},
				Host: host, Process: actor, File: &model.File{Path: `C:\d.dll`}, First: model.At(now), Last: model.At(now), Count: 3, Evidence: []string{"p/e1"},
			},
			&model.Hit{Indicator: model.HitIndicator{Type: i[0], Value: i[1]}})
	}
	for range 80 {
		a, e, h, p := &model.Alert{}, &model.Event{}, &model.Host{}, &model.Process{}
		for _, x := range []any{a, e, h, p} {
			fill(r, reflect.ValueOf(x).Elem(), 4)
		}
		a.Severity, a.Status = model.Severities[r.IntN(len(model.Severities))], model.Statuses[r.IntN(len(model.Statuses))]
		e.Kind = model.Kinds[r.IntN(len(model.Kinds))]
		out["alert"], out["event"] = append(out["alert"], a), append(out["event"], e)
		out["host"], out["process"] = append(out["host"], h), append(out["process"], p)
	}
	out["action"], out["deed"] = deeds(r)
	return out
}

// deeds are actions and journal records of every verb and state, whole, bare
// and at random.
func deeds(r *rand.Rand) (actions, journal []any) {
	verbs := []string{
		"kill", "delete-file", "isolate", "release", "run", "script", "block", "unblock", "scan", "restart-agent", "carve", "memdump", "carve.delete",
		"alert.close", "alert.dismiss", "alert.reopen", "alert.create", "host.tag", "host.untag", "host.add", "host.remove", "host.enable", "host.delete",
		"host.edit", "action.delete", "cancel", "api", "rule.add", "user.delete", "policy.update", "unheard.of", "",
	}
	for _, verb := range verbs {
		for _, state := range append([]model.ActionState{""}, model.ActionStates...) {
			a := &model.Action{
				Origin: model.Origin{ID: "act-19f2mk7q", Ref: "p/act-19f2mk7q", Profile: "p", Backend: "esp"}, Verb: verb, State: state, NativeState: "completed",
				Host: &model.Host{Origin: model.Origin{ID: "h1"}, Name: "WS-1", IP: []string{"10.0.0.1"}}, RequestedAt: model.At(now), FinishedAt: model.At(now),
				Target:   &model.ActionTarget{PID: 7, Path: `C:\Users\Public\d.exe`, Name: "d.exe", Command: "whoami", Address: "203.0.113.9", Port: 443},
				ExitCode: model.Ptr(int64(0)), Stdout: "out\x1b[31m", Error: "why", Files: []string{"c1"}, Reversible: true, Inverse: "release",
			}
			bare := &model.Action{Verb: verb, State: state}
			wild := &model.Action{}
			fill(r, reflect.ValueOf(wild).Elem(), 4)
			wild.Verb, wild.State = verb, state
			for _, x := range []*model.Action{a, bare, wild} {
				actions = append(actions, x)
				journal = append(journal, &output.Deed{Action: *x, UID: "act/1", Phase: "intent", User: "ada", Case: "IR-1", Comment: "why", Requests: []string{"POST /x"}, Others: []string{"WS-2"}},
					&output.Deed{Action: *x})
			}
		}
	}
	return actions, journal
}

var kindsByName = map[string]output.Kind{
	"alert": output.KindAlert, "event": output.KindEvent, "host": output.KindHost, "process": output.KindProcess, "hit": output.KindHit,
	"action": output.NewKind[model.Action]("action", nil, nil),
	"deed":   output.NewKind[output.Deed]("record", nil, nil).WithDeeds(func(rec any) *output.Deed { return rec.(*output.Deed) }),
}

func TestECSFields(t *testing.T) {
	f, err := os.Open(filepath.Join(shared(t), "schemas", "ecs-fields.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	type field struct {
		typ   string
		array bool
	}
	fields := map[string]field{}
	for _, r := range rows[1:] {
		fields[r[3]] = field{r[4], r[6] == "array"}
	}
	var walk func(prefix string, v any)
	walk = func(prefix string, v any) {
		if prefix == "labels" || prefix == "edrctl" {
			return
		}
		if m, ok := v.(map[string]any); ok && fields[prefix].typ != "flattened" {
			for k, x := range m {
				walk(strings.TrimPrefix(prefix+"."+k, "."), x)
			}
			return
		}
		def, ok := fields[prefix]
		if !ok {
			t.Errorf("%s is no ECS field", prefix)
			return
		}
		list, isList := v.([]any)
		if isList != def.array {
			t.Errorf("%s: array %v, want %v", prefix, isList, def.array)
		}
		if !isList {
			list = []any{v}
		}
		for _, x := range list {
			var good bool
			switch def.typ {
			case "long":
				n, isNum := x.(float64)
				good = isNum && n == math.Trunc(n)
			case "float":
				_, good = x.(float64)
			case "boolean":
				_, good = x.(bool)
			case "ip":
				_, err := netip.ParseAddr(fmt.Sprint(x))
				good = err == nil
			case "date":
				_, err := time.Parse(time.RFC3339Nano, fmt.Sprint(x))
				good = err == nil
			default:
				_, good = x.(string)
			}
			if !good {
				t.Errorf("%s is %T %v, want %s", prefix, x, x, def.typ)
			}
		}
	}
	for name, recs := range schemaRecords() {
		for _, d := range documents(t, output.FormatECS, kindsByName[name], recs...) {
			walk("", d)
			if t.Failed() {
				t.Fatalf("in %v", d)
			}
		}
	}
}

// ocsf is the schema as the test needs it: classes and objects resolved
// through extends, profiles and the Windows extension.
type ocsf struct {
	t       *testing.T
	files   map[string]map[string]any
	dict    map[string]map[string]any
	types   map[string]map[string]any
	objects map[string]string // name to file
	classes map[int]string
}

func loadOCSF(t *testing.T) *ocsf {
	raw, err := os.ReadFile(filepath.Join(shared(t), "schemas", "ocsf-schema-1.8.0.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	zr, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	s := &ocsf{t: t, files: map[string]map[string]any{}, dict: map[string]map[string]any{}, types: map[string]map[string]any{}, objects: map[string]string{}, classes: map[int]string{}}
	for tr := tar.NewReader(zr); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		name := path.Clean(h.Name)
		if !strings.HasSuffix(name, ".json") {
			continue
		}
		var m map[string]any
		if err := json.NewDecoder(tr).Decode(&m); err != nil {
			t.Fatalf("%s: %v", name, err)
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
	return s
}

func (s *ocsf) parent(file string) string {
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

func (s *ocsf) category(file, _ string) string {
	for f := file; f != ""; f = s.parent(f) {
		if c, ok := s.files[f]["category"].(string); ok {
			return c
		}
	}
	return ""
}

type attribute struct {
	required bool
	enum     map[string]bool
}

// attributes gathers those of a file and what it extends and includes.
func (s *ocsf) attributes(file string) (attrs map[string]*attribute, constraints []map[string]any) {
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

func (s *ocsf) check(where, file string, obj map[string]any) {
	attrs, constraints := s.attributes(file)
	for k, a := range attrs {
		if _, ok := obj[k]; a.required && !ok {
			s.t.Errorf("%s lacks %s", where, k)
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
				s.t.Errorf("%s: %s of %v, has %d", where, rule, list, n)
			}
		}
	}
	for k, v := range obj {
		a := attrs[k]
		if a == nil {
			s.t.Errorf("%s has no attribute %s in %s", where, k, file)
			continue
		}
		s.value(where+"."+k, k, a, v)
	}
}

func (s *ocsf) value(where, name string, a *attribute, v any) {
	def := s.dict[name]
	list, isList := v.([]any)
	if want, _ := def["is_array"].(bool); want != isList {
		s.t.Errorf("%s: array %v, want %v", where, isList, want)
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
				s.t.Errorf("%s is an object, want %s", where, typ)
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
			good = isText && (limit == 0 || float64(len(text)) <= limit) && (pattern == "" || regexp.MustCompile(pattern).MatchString(text))
		case "json_t":
			good = true
		}
		if !good {
			s.t.Errorf("%s is %T %v, want %s", where, x, x, typ)
		}
		if name == "class_uid" || name == "category_uid" || strings.HasSuffix(where, "observables.type_id") {
			continue // their enumeration is computed when the schema is compiled
		}
		if len(a.enum) > 0 && isNum && !a.enum[fmt.Sprint(int(n))] {
			s.t.Errorf("%s: %v is not in its enumeration", where, n)
		}
	}
}

func TestOCSFDocumentsFollowTheSchema(t *testing.T) {
	s := loadOCSF(t)
	seen := map[int]int{}
	for name, recs := range schemaRecords() {
		for _, d := range documents(t, output.FormatOCSF, kindsByName[name], recs...) {
			uid := int(d["class_uid"].(float64))
			seen[uid]++
			file := s.classes[uid]
			if file == "" {
				t.Fatalf("no class %d", uid)
			}
			s.check(fmt.Sprint(name, " ", uid), file, d)
			if got, want := int(d["type_uid"].(float64)), uid*100+int(d["activity_id"].(float64)); got != want {
				t.Errorf("type_uid %d, want %d", got, want)
			}
			if t.Failed() {
				j, _ := json.Marshal(d)
				t.Fatalf("in %s", j)
			}
		}
	}
	for _, uid := range []int{0, 1001, 1005, 1007, 2004, 4001, 4003, 5001, 5040, 201001, 201002, 201003, 3004, 7001, 7002, 7003, 7004} {
		if seen[uid] == 0 {
			t.Errorf("no document of class %d was made", uid)
		}
	}
	t.Logf("documents by class: %v", seen)
}
