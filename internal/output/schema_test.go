package output_test

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/iostreams"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/output"
	"github.com/edrctl/edrctl/internal/output/docschema"
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
			e.DNS = &model.DNS{Question: model.DNSQuestion{Name: "evil.example", Type: "A"}, Answers: []model.DNSAnswer{{Type: "CNAME", Data: "cdn.evil.example"}, {Type: "A", Data: "203.0.113.7"}}}
			e.Pipe, e.Access, e.Script = &model.Pipe{Name: `\evil`}, &model.Access{Granted: "0x1410", CallTrace: "ntdll.dll+1"}, &model.Script{Text: "IEX"}
			e.Logon = &model.Logon{Type: "network", TargetUser: &model.User{Name: "bob", Domain: "CORP"}, Package: "NTLM", Failure: "wrong password"}
			e.Object = &model.Object{Type: "user", Name: `CORP\bob`}
			e.Action = "user created"
			e.Registry = &model.Registry{Path: `HKLM\Software\Run\x`, Data: "y"}
			e.Module = &model.Module{Path: `C:\m.dll`, Signed: model.Ptr(true), Signature: "Evil Corp"}
			if k == model.KindServiceInstall && e.Target != nil {
				e.Target.CommandLine = "svc.exe -k"
			}
			out["event"] = append(out["event"], e)
			if k == model.KindAccountChange {
				group := *e
				group.Object = &model.Object{Type: "group", Name: "Administrators"}
				out["event"] = append(out["event"], &group)
			}
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
	out["sigma hit"] = []any{
		&model.SigmaHit{
			Origin: model.Origin{ID: "sigma-1", Ref: "p/sigma-1", Profile: "p", Backend: "gene"}, Host: host, First: model.At(now), Last: model.At(now), Count: 3,
			Rule:   model.SigmaRule{ID: "r", Title: "a rule", Level: model.SeverityHigh, Status: "test", Author: "somebody", Tags: []string{"attack.t1059"}},
			Attack: []model.Attack{{Technique: model.Named{ID: "T1059"}, Tactic: "execution"}}, Score: model.Ptr(8.0), Refs: []string{"p/e1"}, Matched: []string{"selection"},
			Group: []model.SigmaGroup{{Field: "host.name", Value: "ws"}},
		},
		&model.SigmaHit{},
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
	out["action"], out["journal"] = actionRecords(r)
	return out
}

// actionRecords are actions and journal records of every verb and state, whole, bare
// and at random.
func actionRecords(r *rand.Rand) (actions, journal []any) {
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
				journal = append(journal, &output.ActionRecord{Action: *x, UID: "act/1", Phase: "intent", User: "ada", Case: "IR-1", Comment: "why", Requests: []string{"POST /x"}, Others: []string{"WS-2"}},
					&output.ActionRecord{Action: *x})
			}
		}
	}
	return actions, journal
}

var kindsByName = map[string]output.Kind{
	"alert": output.KindAlert, "event": output.KindEvent, "host": output.KindHost, "process": output.KindProcess, "hit": output.KindHit, "sigma hit": output.KindSigmaHit,
	"action":  output.NewKind[model.Action]("action", nil, nil),
	"journal": output.NewKind[output.ActionRecord]("record", nil, nil).WithActionRecords(func(rec any) *output.ActionRecord { return rec.(*output.ActionRecord) }),
}

func TestECSFields(t *testing.T) {
	schema, err := docschema.LoadECS(filepath.Join(shared(t), "schemas", "ecs-fields.csv"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for name, recs := range schemaRecords() {
		for _, d := range documents(t, output.FormatECS, kindsByName[name], recs...) {
			n++
			if wrong := schema.Check(d); len(wrong) > 0 {
				t.Fatalf("%s: %s\nin %v", name, strings.Join(wrong, "; "), d)
			}
		}
	}
	t.Logf("%d documents", n)
}

func TestOCSFDocumentsFollowTheSchema(t *testing.T) {
	schema, err := docschema.LoadOCSF(filepath.Join(shared(t), "schemas", "ocsf-schema-1.8.0.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]int{}
	for name, recs := range schemaRecords() {
		for _, d := range documents(t, output.FormatOCSF, kindsByName[name], recs...) {
			class, wrong := schema.Check(d)
			seen[class]++
			if len(wrong) > 0 {
				j, _ := json.Marshal(d)
				t.Fatalf("%s: %s\nin %s", name, strings.Join(wrong, "; "), j)
			}
		}
	}
	for _, uid := range []int{0, 1001, 1005, 1007, 2004, 4001, 4003, 5001, 5040, 201001, 201002, 201003, 1002, 1006, 1008, 1009, 3001, 3002, 3006, 4006, 201004, 3004, 7001, 7002, 7003, 7004} {
		if seen[uid] == 0 {
			t.Errorf("no document of class %d was made", uid)
		}
	}
	t.Logf("documents by class: %v", seen)
}

// The checks would say so: each of these documents is wrong in one way.
func TestTheSchemasFindWhatIsWrong(t *testing.T) {
	schema, err := docschema.LoadOCSF(filepath.Join(shared(t), "schemas", "ocsf-schema-1.8.0.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	ecs, err := docschema.LoadECS(filepath.Join(shared(t), "schemas", "ecs-fields.csv"))
	if err != nil {
		t.Fatal(err)
	}
	kill := &model.Action{Origin: model.Origin{ID: "act-1"}, Verb: "kill", State: model.ActionDone, Target: &model.ActionTarget{PID: 7}, Host: &model.Host{Name: "WS-1"}}
	for what, spoil := range map[string]func(map[string]any){
		"a required attribute is missing":    func(d map[string]any) { delete(d, "command_uid") },
		"an unknown attribute":               func(d map[string]any) { d["colour"] = "red" },
		"a value outside of the enumeration": func(d map[string]any) { d["activity_id"] = 77.0 },
		"a wrong type":                       func(d map[string]any) { d["time"] = "now" },
		"an object that names nothing":       func(d map[string]any) { d["process"] = map[string]any{} },
		"a type_uid that does not fit":       func(d map[string]any) { d["type_uid"] = 1.0 },
	} {
		d := documents(t, output.FormatOCSF, kindsByName["action"], kill)[0]
		if _, wrong := schema.Check(d); len(wrong) > 0 {
			t.Fatalf("before: %v", wrong)
		}
		if spoil(d); func() []string { _, w := schema.Check(d); return w }() == nil {
			t.Errorf("OCSF: %s: not found", what)
		}
	}
	for what, spoil := range map[string]func(map[string]any){
		"an unknown field":          func(d map[string]any) { d["event"].(map[string]any)["colour"] = "red" },
		"a list where one is asked": func(d map[string]any) { d["message"] = []any{"x"} },
		"no address":                func(d map[string]any) { d["destination"] = map[string]any{"ip": "nowhere"} },
		"a type of another category": func(d map[string]any) {
			d["event"].(map[string]any)["type"] = []any{"protocol"}
		},
	} {
		d := documents(t, output.FormatECS, kindsByName["action"], kill)[0]
		if wrong := ecs.Check(d); len(wrong) > 0 {
			t.Fatalf("before: %v", wrong)
		}
		if spoil(d); len(ecs.Check(d)) == 0 {
			t.Errorf("ECS: %s: not found", what)
		}
	}
}
