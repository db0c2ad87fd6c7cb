package output_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/iostreams"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/output"
	"github.com/edrctl/edrctl/internal/safetext"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
	}
}

// run writes records as a list, or with one as a single thing.
func run(t *testing.T, setup func(*iostreams.Streams), opt output.Options, one bool, recs ...any) (string, error) {
	t.Helper()
	s, _, out, _ := iostreams.Test()
	if setup != nil {
		setup(s)
	}
	if opt.Now == nil {
		opt.Now = fixedNow
	}
	if opt.TZ == nil {
		opt.TZ = time.UTC
	}
	w, err := output.New(s, opt)
	if err != nil {
		return out.String(), err
	}
	for _, r := range recs {
		if one {
			err := w.One(r)
			return out.String(), err
		}
		if err := w.Write(r); err != nil {
			return out.String(), err
		}
	}
	err = w.Close()
	return out.String(), err
}

func anys[T any](list []T) []any {
	out := make([]any, len(list))
	for i := range list {
		out[i] = list[i]
	}
	return out
}

func terminal(width int) func(*iostreams.Streams) {
	return func(s *iostreams.Streams) {
		s.SetTTY(true, true, true)
		s.SetWidth(width)
		s.SetColor(iostreams.ColorNever)
	}
}

func TestGoldens(t *testing.T) {
	proc := &model.Process{Origin: model.Origin{ID: "p1", Ref: "lab/p1", Profile: "lab", Backend: "gene"}, UID: "p1", PID: 8120, Name: "rundll32.exe", Started: model.At(now.Add(-90 * time.Second)), Signed: model.Ptr(true), Host: &model.Host{Name: "FIN-WS-014"}}
	host := &model.Host{Origin: model.Origin{ID: "218616", Ref: "cb/218616", Profile: "cb", Backend: "carbonblack"}, Name: "SRV-DB-02", OS: &model.OS{Name: "Windows Server", Version: "2019"}, IP: []string{"10.20.4.20", "10.20.4.21"}, LastSeen: model.At(now.Add(-40 * time.Second)), Online: model.Ptr(true), Isolated: model.Ptr(false), Policy: &model.Named{Name: "Servers"}, Tags: []string{"db", "tier 0"}}
	carve := &model.Carve{Origin: model.Origin{ID: "c1", Ref: "esp/c1"}, Path: "/var/log/auth.log", Size: 5 << 20, State: model.CarveRunning, Progress: model.Ptr(0.5), Created: model.At(now.Add(-time.Hour))}
	score := 7.5
	rule := &model.Rule{Origin: model.Origin{ID: "r", Ref: "lab/r", Backend: "gene"}, Name: "HeurLsassAccess", Enabled: model.Ptr(true), Score: &score, Severity: model.SeverityMedium}
	for _, c := range []struct {
		name  string
		kind  output.Kind
		fmt   string
		setup func(*iostreams.Streams)
		one   bool
		recs  []any
	}{
		{"alerts-124", output.KindAlert, "table", terminal(124), false, anys(alerts())},
		{"alerts-80", output.KindAlert, "", terminal(80), false, anys(alerts())},
		{"alerts-40", output.KindAlert, "", terminal(40), false, anys(alerts())},
		{"alerts-wide-200", output.KindAlert, "wide", terminal(200), false, append(anys(alerts()), fullAlert())},
		{"alerts-colour", output.KindAlert, "", func(s *iostreams.Streams) { terminal(110)(s); s.SetColor(iostreams.ColorAlways) }, false, anys(alerts())},
		{"alerts-ascii", output.KindAlert, "", func(s *iostreams.Streams) { terminal(124)(s); s.SetUnicode(false) }, false, anys(alerts())},
		{"alerts-tsv", output.KindAlert, "table", nil, false, anys(alerts())},
		{"alerts-csv", output.KindAlert, "csv", nil, false, anys(alerts())},
		{"alerts-json", output.KindAlert, "json", nil, false, anys(alerts()[:2])},
		{"alerts-ndjson", output.KindAlert, "ndjson", nil, false, anys(alerts()[:2])},
		{"alerts-yaml", output.KindAlert, "yaml", nil, false, anys(alerts())},
		{"alerts-id", output.KindAlert, "id", nil, false, anys(alerts())},
		{"alert-card", output.KindAlert, "", terminal(110), true, []any{fullAlert()}},
		{"alert-card-ascii-60", output.KindAlert, "", func(s *iostreams.Streams) { terminal(60)(s); s.SetUnicode(false) }, true, []any{fullAlert()}},
		{"alert-json", output.KindAlert, "json", nil, true, []any{fullAlert()}},
		{"alert-yaml", output.KindAlert, "yaml", nil, true, []any{fullAlert()}},
		{"alert-lines", output.KindAlert, "", nil, true, []any{fullAlert()}},
		{"alert-ecs", output.KindAlert, "ecs", nil, true, []any{fullAlert()}},
		{"alert-ocsf", output.KindAlert, "ocsf", nil, true, []any{fullAlert()}},
		{"events-120", output.KindEvent, "", terminal(120), false, []any{sampleEvent()}},
		{"event-card", output.KindEvent, "", terminal(100), true, []any{sampleEvent()}},
		{"event-ocsf", output.KindEvent, "ocsf", nil, false, []any{sampleEvent()}},
		{"event-ecs", output.KindEvent, "ecs", nil, false, []any{sampleEvent()}},
		{"hosts-120", output.KindHost, "", terminal(120), false, []any{host}},
		{"host-card", output.KindHost, "", terminal(100), true, []any{host}},
		{"processes-120", output.KindProcess, "", terminal(120), false, []any{proc}},
		{"rules-100", output.KindRule, "", terminal(100), false, []any{rule}},
		{"carves-100", output.KindCarve, "wide", terminal(140), false, []any{carve}},
		{"count", output.KindCount.Retitle("value", "HOST"), "", terminal(80), false, []any{model.Count{Value: "FIN-WS-014", Count: 12}, &model.Count{Value: "x", Count: 3}}},
	} {
		got, err := run(t, c.setup, output.Options{Kind: c.kind, Format: c.fmt}, c.one, c.recs...)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		golden(t, c.name, got)
	}
}

func TestEmptyLists(t *testing.T) {
	for format, want := range map[string]string{
		"json": "[]\n", "ndjson": "", "yaml": "[]\n", "table": "", "wide": "", "id": "", "ecs": "", "ocsf": "",
		"csv": "time,score,severity,risk,status,backend,host.name,user,process.name,process.command_line,title,rule.name,attack,source,ref\r\n",
	} {
		for _, setup := range []func(*iostreams.Streams){nil, terminal(80)} {
			if got, err := run(t, setup, output.Options{Kind: output.KindAlert, Format: format}, false); err != nil || got != want {
				t.Errorf("%s: %q %v", format, got, err)
			}
		}
	}
	if got, err := run(t, nil, output.Options{Kind: output.KindAlert, JQ: "length"}, false); err != nil || got != "0\n" {
		t.Errorf("jq: %q %v", got, err)
	}
}

func TestAbort(t *testing.T) {
	for _, format := range output.Formats() {
		s, _, out, _ := iostreams.Test()
		w, err := output.New(s, output.Options{Kind: output.KindAlert, Format: format})
		if err != nil {
			t.Fatal(err)
		}
		w.Abort()
		if out.Len() > 0 {
			t.Errorf("%s: a failure at once wrote %q", format, out)
		}
	}
	s, _, out, _ := iostreams.Test()
	w, _ := output.New(s, output.Options{Kind: output.KindAlert, Format: "json"})
	_ = w.Write(alerts()[0])
	w.Abort()
	if json.Valid(out.Bytes()) {
		t.Errorf("an aborted array looks whole: %q", out)
	}
}

func TestColumns(t *testing.T) {
	list := anys(alerts()[:1])
	for _, c := range []struct {
		format string
		cols   []string
		want   string
	}{
		{"table", []string{"id", "host.name", "score"}, "5f1c9a7b2d3e4f5061728394a5b6c7d8e9f0ae09\tFIN-WS-014\t9\n"},
		{"table", []string{"host", "user", "time", "rule.name"}, "FIN-WS-014\tCORP\\a.moreau\t2026-11-22T02:51:20.000Z\t\n"},
		{"csv", []string{"user", "severity"}, "user,severity\r\nCORP\\a.moreau,critical\r\n"},
		{"ndjson", []string{"host.name", "score", "rule.id"}, `{"score":9,"host":{"name":"FIN-WS-014"}}` + "\n"},
		{"ndjson", []string{"user", "user.name"}, `{"user":{"name":"a.moreau","domain":"CORP"}}` + "\n"},
		{"ndjson", []string{"policy.id"}, "{}\n"},
		{"yaml", []string{"backend"}, "- backend: gene\n"},
	} {
		got, err := run(t, nil, output.Options{Kind: output.KindAlert, Format: c.format, Columns: c.cols}, false, list...)
		if err != nil || got != c.want {
			t.Errorf("%s %v: %q %v, want %q", c.format, c.cols, got, err, c.want)
		}
	}
	for _, name := range []string{"hostname", "host.nam", "", "time.wall", "ancestors.name", "HOST"} {
		for _, format := range []string{"table", "json", "csv", "id"} {
			_, err := run(t, nil, output.Options{Kind: output.KindAlert, Format: format, Columns: []string{name}}, false, list...)
			var usage *output.UsageError
			if !errors.As(err, &usage) || !strings.Contains(err.Error(), "host.name") {
				t.Errorf("column %q: %v", name, err)
			}
		}
	}
	for _, k := range modelKinds {
		valid := map[string]bool{}
		for _, n := range k.ColumnNames() {
			valid[n] = true
		}
		for _, wide := range []bool{false, true} {
			for _, n := range k.DefaultColumns(wide) {
				if !valid[n] {
					t.Errorf("default column %s of %s does not exist", n, k.Name())
				}
			}
		}
	}
}

func TestUsageErrors(t *testing.T) {
	for _, opt := range []output.Options{
		{Format: "xml"}, {Format: "csv", JQ: "."}, {JQ: ".", Template: "x"}, {JQ: ".["}, {JQ: "nosuch"}, {Template: "{{"}, {Template: "{{nosuch .}}"},
		{Format: "ocsf", Columns: []string{"id"}},
	} {
		opt.Kind = output.KindAlert
		got, err := run(t, nil, opt, false)
		var usage *output.UsageError
		if !errors.As(err, &usage) || got != "" {
			t.Errorf("%+v: %q %v", opt, got, err)
		}
	}
	for _, opt := range []output.Options{{JQ: ".[].title | tonumber"}, {Template: "{{(index . 99).x}}"}, {JQ: `error("x")`}} {
		opt.Kind = output.KindAlert
		got, err := run(t, nil, opt, false, anys(alerts())...)
		var usage *output.UsageError
		if !errors.As(err, &usage) || got != "" {
			t.Errorf("%+v: %q %v", opt, got, err)
		}
	}
	if _, err := run(t, nil, output.Options{Format: "ecs", Kind: output.KindRule}, false); err == nil {
		t.Error("ecs of rules is accepted")
	}
}

func TestJQ(t *testing.T) {
	list := anys(alerts())
	for _, c := range []struct {
		format, jq, want string
		tty              bool
	}{
		{"", ".[0].title", "LSASS memory read by rundll32\n", false},
		{"json", "map(.score) | add", "29\n", false},
		{"json", ".[4].title", "policy action \x1b[2J\u202e\n", false},
		{"json", ".[4].title", "policy action ␛[2J\\u{202e}\n", true},
		{"json", ".[4] | {title}", `{"title":"policy action \u001b[2J\u202e"}` + "\n", true},
		{"ndjson", `select(.score == 5) | .host.name`, "build-07\n", false},
		{"table", `.[] | select(.backend=="esp") | .time`, "2026-11-22T02:34:20.000Z\n", true},
		{"", "empty", "", false},
		{"", "halt", "", false},
		{"", `[.[]|.id]|length, "x", null`, "5\nx\nnull\n", false},
		{"", "$ENV|length", "0\n", false},
	} {
		setup := terminal(80)
		if !c.tty {
			setup = nil
		}
		got, err := run(t, setup, output.Options{Kind: output.KindAlert, Format: c.format, JQ: c.jq}, false, list...)
		if err != nil || got != c.want {
			t.Errorf("%s: %q %v, want %q", c.jq, got, err, c.want)
		}
	}
	if got, err := run(t, nil, output.Options{Kind: output.KindAlert, JQ: ".title"}, true, list[0]); err != nil || got != "LSASS memory read by rundll32\n" {
		t.Errorf("one: %q %v", got, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := run(t, nil, output.Options{Kind: output.KindAlert, JQ: "last(repeat(1))", Context: ctx}, false, list...); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("endless expression: %v", err)
	}
}

func TestTemplate(t *testing.T) {
	for _, c := range []struct {
		tmpl, want string
		tty        bool
	}{
		{`{{range .}}{{.score}} {{.title | truncate 8}}` + "\n" + `{{end}}`, "9 LSASS m…\n8 powersh…\n7 Remote …\n5 suspici…\n policy …\n", false},
		{`{{(index . 0).time | timeago}}`, "2m ago", false},
		{`{{(index . 0).time | timefmt "15:04"}}`, "02:51", false},
		{`{{pluck "backend" . | join ","}}`, "gene,carbonblack,cwatch,esp,carbonblack", false},
		{`{{(index . 0).host | json}}`, `{"name":"FIN-WS-014"}`, false},
		{`{{(index . 4).title}}`, "policy action \x1b[2J\u202e", false},
		{`{{(index . 4).title}}`, "policy action ␛[2J\\u{202e}", true},
		{`{{(index . 4).title | safe}}`, "policy action ␛[2J\\u{202e}", false},
		{`{{(index . 4).score | default "none"}} {{(index . 0).backend | upper}}`, "none GENE", false},
	} {
		setup := terminal(80)
		if !c.tty {
			setup = nil
		}
		got, err := run(t, setup, output.Options{Kind: output.KindAlert, Template: c.tmpl}, false, anys(alerts())...)
		if err != nil || got != c.want {
			t.Errorf("%s: %q %v, want %q", c.tmpl, got, err, c.want)
		}
	}
	got, err := run(t, nil, output.Options{Kind: output.KindAlert, Format: "ndjson", Template: "{{.id}}"}, false, anys(alerts()[1:3])...)
	if err != nil || got != "JSPJCU9K\n8812\n" {
		t.Errorf("ndjson: %q %v", got, err)
	}
}

func TestCSVGuard(t *testing.T) {
	for in, want := range map[string]string{
		"=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@x": "'@x", "\tx": "'␉x", "\rx": "'␍x", "＝1": "'＝1", "a=1": "a=1", "a,b": `"a,b"`, `q"q`: `"q""q"`, "a\nb": "a␊b",
	} {
		a := &model.Alert{Title: in}
		got, err := run(t, nil, output.Options{Kind: output.KindAlert, Format: "csv", Columns: []string{"title"}}, false, a)
		if err != nil || got != "title\r\n"+want+"\r\n" {
			t.Errorf("%q: %q %v", in, got, err)
		}
	}
	got, _ := run(t, nil, output.Options{Kind: output.KindAlert, Format: "csv", CSVRaw: true, Columns: []string{"title"}}, false, &model.Alert{Title: "=1+1"})
	if got != "title\r\n=1+1\r\n" {
		t.Errorf("--csv-raw: %q", got)
	}
}

// TestLongTablesAreNotHeld: after the measured rows everything goes out at once.
func TestLongTablesAreNotHeld(t *testing.T) {
	s, _, out, _ := iostreams.Test()
	terminal(100)(s)
	w, err := output.New(s, output.Options{Kind: output.KindAlert, Now: fixedNow})
	if err != nil {
		t.Fatal(err)
	}
	a := alerts()[0]
	for i := range 200 {
		if i == 199 && out.Len() > 0 {
			t.Fatal("written before the widths are known")
		}
		_ = w.Write(a)
	}
	if n := strings.Count(out.String(), "\n"); n != 201 {
		t.Fatalf("%d lines after 200 rows", n)
	}
	_ = w.Write(a)
	if n := strings.Count(out.String(), "\n"); n != 202 {
		t.Fatalf("row 201 is held")
	}
	s, _, out, _ = iostreams.Test()
	terminal(100)(s)
	w, _ = output.New(s, output.Options{Kind: output.KindAlert, Now: fixedNow})
	_ = w.Write(a)
	_ = w.Flush()
	_ = w.Write(a)
	_ = w.Flush()
	if n := strings.Count(out.String(), "\n"); n != 3 {
		t.Fatalf("a watched table shows %d lines", n)
	}
}

func TestTablesFitTheTerminal(t *testing.T) {
	byKind := hostileRecords()
	for i, kind := range modelKinds {
		for _, width := range []int{20, 80, 250} {
			for _, format := range []string{"table", "wide"} {
				got, err := run(t, terminal(width), output.Options{Kind: kind, Format: format}, false, byKind[i]...)
				if err != nil {
					t.Fatal(err)
				}
				for line := range strings.Lines(got) {
					if n := output.Width(strings.TrimSuffix(line, "\n")); n > width {
						t.Fatalf("%s %s at %d: a line of %d cells: %q", kind.Name(), format, width, n, line)
					}
				}
			}
		}
	}
}

type ownRow struct {
	Profile string        `json:"profile"`
	OK      bool          `json:"ok"`
	Latency time.Duration `json:"latency"`
	Notes   []string      `json:"notes,omitempty"`
	Nested  *struct {
		A int `json:"a"`
	} `json:"nested,omitempty"`
}

func TestOwnKind(t *testing.T) {
	kind := output.NewKind[ownRow]("profile", []output.Column{{Name: "profile"}, {Name: "ok", As: output.AsState}, {Name: "notes", Min: 8}}, nil)
	rows := []any{&ownRow{Profile: "lab\x1b", OK: true, Notes: []string{"a", "b"}}, ownRow{Profile: "x"}}
	for _, c := range []struct {
		format string
		setup  func(*iostreams.Streams)
		want   string
	}{
		{"", terminal(80), "PROFILE  OK   NOTES\nlab␛     yes  a, b\nx        no   -\n"},
		{"", nil, "lab␛\ttrue\ta, b\nx\tfalse\t\n"},
		{"ndjson", nil, "{\"profile\":\"lab\\u001b\",\"ok\":true,\"latency\":0,\"notes\":[\"a\",\"b\"]}\n{\"profile\":\"x\",\"ok\":false,\"latency\":0}\n"},
	} {
		if got, err := run(t, c.setup, output.Options{Kind: kind, Format: c.format}, false, rows...); err != nil || got != c.want {
			t.Errorf("%s: %q %v, want %q", c.format, got, err, c.want)
		}
	}
	if got, err := run(t, nil, output.Options{Kind: kind, Format: "id"}, false, rows...); err == nil || err.Error() != "-o id: a profile has no id: use another format" || got != "" {
		t.Errorf("-o id of a kind without ids: %q %v", got, err)
	}
	var zero output.Kind
	if _, err := run(t, nil, output.Options{Kind: zero}, false); err == nil {
		t.Error("a table of an unknown kind is accepted")
	}
	if got, err := run(t, nil, output.Options{Kind: zero, Format: "json"}, true, map[string]int{"a": 1}); err != nil || got != "{\n  \"a\": 1\n}\n" {
		t.Errorf("unknown kind as json: %q %v", got, err)
	}
}

func TestSmallThings(t *testing.T) {
	for d, want := range map[time.Duration]safetext.Display{
		0: "now", 45 * time.Second: "45s ago", 59 * time.Minute: "59m ago", 47 * time.Hour: "47h ago", 72 * time.Hour: "3d ago",
		-2 * time.Minute: "in 2m", 40 * 24 * time.Hour: "2026-10-13",
	} {
		if got := output.Ago(now.Add(-d), now, time.UTC); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
	for n, want := range map[int64]safetext.Display{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 5 << 20: "5.0 MiB", 1<<63 - 1: "8.0 EiB", -5: "-5 B"} {
		if got := output.Size(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	for in, want := range map[string]safetext.Display{
		"demo-gene/5f1c9a7b2d3e4f5061728394a5b6c7d8e9f0ae09": "demo-gene/5f1c…e09", "cb/JSPJCU9K": "cb/JSPJCU9K", "5f1c9a7b2d3e4f5061728394": "5f1c…394", "": "",
	} {
		if got := output.ShortRef(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, fmt.Errorf("x: %w", iostreams.ErrClosedPipe) }

func TestABrokenPipeEndsEveryWriter(t *testing.T) {
	for _, format := range output.Formats() {
		s, _, _, _ := iostreams.Test()
		s.Out = brokenPipe{}
		w, err := output.New(s, output.Options{Kind: output.KindAlert, Format: format})
		if err != nil {
			t.Fatal(err)
		}
		err = w.Write(alerts()[0])
		if err == nil {
			err = w.Close()
		}
		if !errors.Is(err, iostreams.ErrClosedPipe) {
			t.Errorf("%s: %v", format, err)
		}
	}
}

func FuzzJQ(f *testing.F) {
	for _, s := range []string{".", ".[0]", "map(.id)", "..|strings", "@csv", "[.[]|tojson]", "input", "def f: f; 1", "limit(3;repeat(1))", `"\(.)"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, expr string) {
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		defer cancel()
		got, err := run(t, terminal(80), output.Options{Kind: output.KindAlert, JQ: expr, Context: ctx}, false, anys(alerts())...)
		if err == nil {
			checkPlainBytes(t, expr, []byte(got), "\n")
		}
	})
}

func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"{{.}}", "{{range .}}{{.id}}{{end}}", "{{json .}}", "{{truncate -1 .}}", "{{len .}}", "{{join \",\" .}}", "{{printf \"%v\" .}}", "{{timefmt \"x\" \"y\"}}", "{{pluck \"a\" 1}}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, tmpl string) {
		if strings.Contains(tmpl, "%") { // fmt widths only cost time
			return
		}
		got, err := run(t, terminal(80), output.Options{Kind: output.KindAlert, Template: tmpl}, false, anys(alerts()[:2])...)
		if err == nil {
			checkPlainBytes(t, tmpl, []byte(got), "\n")
		}
	})
}

func FuzzColumns(f *testing.F) {
	for _, s := range []string{"id", "host.name", "host.", ".", "ancestors", "raw", "time,score", "user.name,user"} {
		f.Add(s, uint8(0))
	}
	f.Fuzz(func(t *testing.T, cols string, n uint8) {
		format := output.Formats()[int(n)%len(output.Formats())]
		got, err := run(t, terminal(60), output.Options{Kind: output.KindAlert, Format: format, Columns: strings.Split(cols, ",")}, false, anys(alerts())...)
		if err == nil {
			checkPlainBytes(t, cols, []byte(got), "\r\n")
		}
	})
}

func BenchmarkWriters(b *testing.B) {
	e := sampleEvent()
	for _, format := range []string{"ndjson", "json", "table", "csv", "ecs", "ocsf"} {
		b.Run(format, func(b *testing.B) {
			s, _, _, _ := iostreams.Test()
			s.Out = discard{}
			w, err := output.New(s, output.Options{Kind: output.KindEvent, Format: format})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				_ = w.Write(e)
			}
		})
	}
	b.Run("ndjson-columns", func(b *testing.B) {
		s, _, _, _ := iostreams.Test()
		s.Out = discard{}
		w, err := output.New(s, output.Options{Kind: output.KindEvent, Format: "ndjson", Columns: []string{"time", "kind", "host.name", "process.command_line"}})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			_ = w.Write(e)
		}
	})
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
