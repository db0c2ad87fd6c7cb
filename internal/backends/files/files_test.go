package files

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/evidence"
	"github.com/edrctl/edrctl/internal/evtx/evtxtest"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/winlog"
)

var day = time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)

// starts are n process starts, step apart.
func starts(n int, step time.Duration) []winlog.Record {
	all := make([]winlog.Record, n)
	for i := range all {
		at := day.Add(time.Duration(i) * step)
		all[i] = winlog.Record{
			Channel: "Microsoft-Windows-Sysmon/Operational", Provider: "Microsoft-Windows-Sysmon", EventID: 1, Time: at, Computer: "HR-07.example.org",
			Data: []winlog.Field{
				{Name: "RuleName", Value: "-"}, {Name: "UtcTime", Value: at.Format("2006-01-02 15:04:05.000")}, {Name: "ProcessGuid", Value: fmt.Sprintf("{0197231E-0000-0000-0000-%012d}", i)},
				{Name: "ProcessId", Value: fmt.Sprint(1000 + i)}, {Name: "Image", Value: `C:\Windows\System32\cmd.exe`}, {Name: "CommandLine", Value: fmt.Sprintf("cmd /c echo %d", i)}, {Name: "User", Value: `HR\ann`},
			},
		}
	}
	return all
}

// line is an event as edrctl writes it.
func line(i int, at time.Time) string {
	return fmt.Sprintf(`{"id":"own-%d","ref":"lab/own-%d","profile":"lab","backend":"gene","time":%q,"kind":"dns_query","host":{"id":"7","ref":"lab/7","name":"web-03"},"dns":{"question":{"name":"example.org"}}}`+"\n",
		i, i, at.Format("2006-01-02T15:04:05.000Z"))
}

// lines are n of them between those of starts.
func lines(n int, step time.Duration) []byte {
	var b bytes.Buffer
	for i := range n {
		b.WriteString(line(i, day.Add(time.Duration(i)*step+step/2)))
	}
	return b.Bytes()
}

func zipped(t *testing.T, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// folder writes files and gives a driver over them.
func folder(t *testing.T, content map[string][]byte) (*Driver, *[]string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range content {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	said := &[]string{}
	d, err := New(backends.Options{Settings: map[string]string{KeyPath: dir}, Warn: func(s string) { *said = append(*said, s) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		after, err := os.ReadDir(dir)
		if err != nil || len(after) != len(content) {
			t.Errorf("the evidence folder holds %v: %v", after, err)
		}
	})
	return d.(*Driver), said
}

func events(t *testing.T, d *Driver, q backends.Query) (all []*model.Event, last error) {
	t.Helper()
	l, err := d.Events(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	for e, err := range l.Seq {
		if err != nil {
			last = err
			continue
		}
		all = append(all, e)
	}
	return all, last
}

func TestRecordsOfAllFilesComeNewestFirst(t *testing.T) {
	const n = 900 // several portions, several chunks
	d, said := folder(t, map[string][]byte{"a.evtx": evtxtest.File(starts(n, time.Minute)...), "b.ndjson": lines(n, time.Minute), "c.json.gz": zipped(t, lines(n, time.Minute))})
	all, err := events(t, d, backends.Query{})
	if err != nil || len(*said) > 0 {
		t.Fatal(err, *said)
	}
	if len(all) != 2*n {
		t.Fatalf("%d events, want %d: what two files hold comes once", len(all), 2*n)
	}
	if !slices.IsSortedFunc(all, func(a, b *model.Event) int { return b.Time.Compare(a.Time.Time) }) {
		t.Error("not newest first")
	}
	newest, second := all[0], all[1]
	if newest.ID != "own-899" || newest.Profile != "" || newest.Ref != "" || newest.Host.Ref != "" || newest.Host.ID != "web-03" {
		t.Errorf("%+v %+v: the references of another profile are left", newest.Origin, newest.Host.Origin)
	}
	if second.Kind != model.KindProcessStart || second.Process == nil || second.Host.Name != "HR-07" {
		t.Errorf("%+v", second)
	}
}

func TestWindowsAreHalfOpen(t *testing.T) {
	d, _ := folder(t, map[string][]byte{"a.ndjson": []byte(line(0, day) + line(1, day.Add(time.Second)) + line(2, day.Add(2*time.Second)))})
	for _, c := range []struct {
		since, until time.Time
		want         string
	}{
		{day, time.Time{}, "own-2 own-1 own-0"}, {day.Add(1), time.Time{}, "own-2 own-1"}, {time.Time{}, day.Add(time.Second), "own-0"},
		{day.Add(time.Second), day.Add(2 * time.Second), "own-1"}, {day.Add(time.Hour), time.Time{}, ""},
	} {
		all, _ := events(t, d, backends.Query{Since: c.since, Until: c.until})
		var ids []string
		for _, e := range all {
			ids = append(ids, e.ID)
		}
		if got := strings.Join(ids, " "); got != c.want {
			t.Errorf("%v to %v: %s, want %s", c.since, c.until, got, c.want)
		}
	}
}

func TestIDsLeadBackToTheirRecords(t *testing.T) {
	content := map[string][]byte{"a.evtx": evtxtest.File(starts(300, time.Second)...), "b.ndjson.gz": zipped(t, lines(300, time.Second))}
	d, _ := folder(t, content)
	all, _ := events(t, d, backends.Query{})
	again, _ := folder(t, content) // another folder, another run
	for _, i := range []int{0, 1, 299, 598, 599} {
		e, err := again.Event(t.Context(), all[i].ID, true)
		if err != nil || e.ID != all[i].ID || !e.Time.Equal(all[i].Time.Time) || e.Process != nil && e.Raw == nil {
			t.Errorf("%s: %+v, %v", all[i].ID, e, err)
		}
	}
	if _, err := d.Event(t.Context(), "nothing", false); backends.KindOf(err) != backends.KindNotFound {
		t.Error(err)
	}
}

func TestDetectionsAreAlertsWithTheirEvents(t *testing.T) {
	d, _ := folder(t, map[string][]byte{"defender.evtx": evtxtest.File(winlog.Record{
		Channel: "Microsoft-Windows-Windows Defender/Operational", Provider: "Microsoft-Windows-Windows Defender", EventID: 1116, Time: day, Computer: "HR-07",
		Data: []winlog.Field{{Name: "Threat Name", Value: "Trojan:Win32/Test"}, {Name: "Severity Name", Value: "Severe"}, {Name: "Path", Value: `file:_C:\x.exe`}},
	}), "own.ndjson": []byte(line(1, day) + `{"id":"al-1","ref":"lab/al-1","profile":"lab","backend":"gene","time":"2026-11-20T08:00:01.000Z","title":"T","severity":"high","status":"open","host":{"name":"hr-07"},"event_ids":["own-1"]}` + "\n")})
	l, err := d.Alerts(t.Context(), backends.Query{})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for a, err := range l.Seq {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, a.ID)
		got, err := d.Alert(t.Context(), a.ID, false)
		if err != nil || got.Title != a.Title {
			t.Errorf("%s: %v %v", a.ID, got, err)
		}
		behind, err := d.AlertEvents(t.Context(), a.ID, backends.Query{})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for e, err := range behind.Seq {
			if n++; err != nil || e.AlertID != a.ID {
				t.Errorf("%s: %+v %v", a.ID, e, err)
			}
		}
		if n != 1 {
			t.Errorf("%s has %d events", a.ID, n)
		}
	}
	if len(ids) != 2 || ids[0] != "al-1" {
		t.Errorf("alerts %v", ids)
	}
	hosts, err := d.Hosts(t.Context(), backends.Query{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for h := range hosts.Seq {
		names = append(names, fmt.Sprint(h.Name, " ", *h.AlertCount, " ", h.LastSeen.Format("15:04:05")))
	}
	if got := strings.Join(names, ", "); got != "HR-07 2 08:00:01, web-03 0 08:00:00" {
		t.Errorf("hosts: %s", got)
	}
}

func TestWhatIsNotReadIsNamed(t *testing.T) {
	whole := zipped(t, lines(500, time.Second))
	log := evtxtest.File(starts(20, time.Second)...)
	copy(log[bytes.LastIndex(log, []byte("**\x00\x00"))+24:], bytes.Repeat([]byte{0xff}, 40))
	d, said := folder(t, map[string][]byte{"cut.gz": whole[:len(whole)/2], "hurt.evtx": log, "b.txt": []byte("x\ny\n"), "a.ndjson": []byte("nonsense\n" + line(1, day.Add(-time.Hour)))})
	all, err := events(t, d, backends.Query{})
	if backends.KindOf(err) != backends.KindPartial || !strings.Contains(err.Error(), "cut.gz") || len(all) < 20 {
		t.Errorf("%d events, %v", len(all), err)
	}
	if len(*said) != 2 || !strings.Contains((*said)[0], "a.ndjson:1") || !strings.Contains((*said)[1], "b.txt:1") {
		t.Errorf("said %q", *said)
	}
	l, _ := d.Events(t.Context(), backends.Query{})
	if notes := strings.Join(l.Plan.Notes, "\n"); !strings.Contains(notes, "hurt.evtx: offset ") || !strings.Contains(notes, "SHA-256 ") {
		t.Errorf("notes %s", notes)
	}
}

func TestTheTitleOfASysmonRuleIsItsTechnique(t *testing.T) {
	one := starts(1, time.Second)
	one[0].Data[0].Value = "technique_id=T1059.003,technique_name=Windows Command Shell"
	d, _ := folder(t, map[string][]byte{"a.evtx": evtxtest.File(one...)})
	l, err := d.Alerts(t.Context(), backends.Query{})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for a := range l.Seq {
		if n++; a.Title != "Windows Command Shell" || a.Rule.Name != one[0].Data[0].Value || len(a.Attack) != 1 {
			t.Errorf("%+v %+v", a, a.Rule)
		}
	}
	if n != 1 {
		t.Errorf("%d alerts", n)
	}
}

func TestProcessesAreGatheredFromEvents(t *testing.T) {
	d, _ := folder(t, map[string][]byte{"a.evtx": evtxtest.File(starts(5, time.Second)...)})
	l, err := d.Processes(t.Context(), backends.Query{})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for p, err := range l.Seq {
		if n++; err != nil || p.ID == "" || p.Started.IsZero() || p.Host == nil {
			t.Errorf("%+v %v", p, err)
		}
		if same, err := d.Process(t.Context(), p.ID, time.Time{}); err != nil || same.CommandLine != p.CommandLine {
			t.Errorf("%s: %+v %v", p.ID, same, err)
		}
	}
	if n != 5 {
		t.Errorf("%d processes", n)
	}
}

// What does not fit into the memory of texts is kept in a temporary file.
func TestLargeUnpackedFilesAreReadFromATemporaryFile(t *testing.T) {
	s, room := &store{}, &budget{left: 10}
	w := s.keep(room)
	for _, part := range []string{"0123456", "789abc", "def"} {
		if _, err := w.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	r, _, err := s.open()
	if err != nil || s.flush() != nil || s.tmp == nil || s.mem != nil {
		t.Fatal(err, s.err, s.tmp)
	}
	got := make([]byte, 4)
	if n, err := r.ReadAt(got, 8); n != 4 || string(got) != "89ab" {
		t.Errorf("%q %v", got, err)
	}
	if err := s.close(); err != nil {
		t.Error(err)
	}
}

func TestARecordIsFoundInALogThatLostBytes(t *testing.T) {
	log := evtxtest.File(starts(600, time.Second)...)
	log = append(log[:4096+60000:4096+60000], log[4096+61000:]...) // all later chunks have moved
	d, _ := folder(t, map[string][]byte{"a.evtx": log})
	all, err := events(t, d, backends.Query{})
	if err != nil || len(all) < 500 {
		t.Fatal(len(all), err)
	}
	for _, i := range []int{0, 100, len(all) - 1} {
		if e, err := d.Event(t.Context(), all[i].ID, false); err != nil || e.ID != all[i].ID {
			t.Errorf("%d: %v", i, err)
		}
	}
}

// Rows of a table mean nothing without its header, the lines of one record of
// auditd lie between those of others, a document may be one of an array: a
// record read from its place is the one that was met there first.
func TestRecordsOfEveryShapeAreReadFromTheirPlace(t *testing.T) {
	const n = 500
	var table, audit, array, pretty strings.Builder
	table.WriteString("\xef\xbb\xbfTimestamp,DeviceName,ActionType,FileName,FolderPath,ProcessCommandLine\r\n")
	array.WriteString("[")
	last := ""
	for i := range n {
		at := day.Add(time.Duration(i) * time.Second)
		fmt.Fprintf(&table, "%s,ws%d,ProcessCreated,curl.exe,\"C:\\t\",\"curl \"\"%d\n%d\"\"\"\r\n", at.Format("2006-01-02T15:04:05.000Z"), i%7, i, i)
		first := fmt.Sprintf("node=ws1 type=SYSCALL msg=audit(%d.092:%d): arch=c000003e syscall=59 success=yes exit=0 items=1 ppid=4 pid=%d auid=1000 uid=0 comm=\"sh\" exe=\"/usr/bin/dash\" key=\"exec\"\n", at.Unix(), i, i)
		audit.WriteString(first + last)
		last = fmt.Sprintf("node=ws1 type=EXECVE msg=audit(%d.092:%d): argc=2 a0=\"sh\" a1=\"n%d\"\n", at.Unix(), i, i)
		fmt.Fprintf(&array, "%s\n%s", strings.Repeat(",", min(i, 1)), strings.TrimSpace(line(i, at)))
		pretty.WriteString(strings.ReplaceAll(strings.ReplaceAll(line(i+n, at), ",\"", ",\n  \""), "{\"", "{\n  \""))
	}
	audit.WriteString(last)
	array.WriteString("\n]\n")
	for name, text := range map[string]string{"table": table.String(), "audit": audit.String(), "array": array.String(), "pretty": pretty.String()} {
		t.Run(name, func(t *testing.T) {
			want := map[string]string{}
			for it, err := range evidence.Read(t.Context(), "x", strings.NewReader(text), evidence.Options{}) {
				if err != nil || it.Err != nil {
					t.Fatal(err, it.Err)
				}
				want[it.Event.ID] = it.Event.Summary + it.Event.Time.String()
			}
			d, said := folder(t, map[string][]byte{"x": []byte(text)})
			all, err := events(t, d, backends.Query{})
			if err != nil || len(all) != n || len(want) != n || len(*said) > 0 {
				t.Fatal(err, len(all), len(want), *said)
			}
			for _, e := range all {
				if got := e.Summary + e.Time.String(); got != want[e.ID] {
					t.Fatalf("%s: %q, want %q", e.ID, got, want[e.ID])
				}
			}
			if e, err := d.Event(t.Context(), all[n/2].ID, false); err != nil || e.Summary != all[n/2].Summary {
				t.Error(e, err)
			}
		})
	}
}

// Lines of one file that say the same are that many records, each with an id; the
// same export twice is one.
func TestLinesThatSayTheSameAreAllShown(t *testing.T) {
	same := strings.Repeat(`{"EventTime":"2020-09-21 19:35:27","EventID":10,"Channel":"Microsoft-Windows-Sysmon/Operational","SourceName":"Microsoft-Windows-Sysmon","Hostname":"WS5","SourceImage":"C:\\a.exe","UtcTime":"2020-09-21 23:35:27.100"}`+"\n", 3)
	text := []byte(same + line(1, day) + line(1, day))
	d, _ := folder(t, map[string][]byte{"a.json": text, "b.json.gz": zipped(t, text)})
	all, err := events(t, d, backends.Query{})
	if err != nil || len(all) != 4 {
		t.Fatalf("%d events, want 3 that say the same and one that has an id; %v", len(all), err)
	}
	ids := map[string]bool{}
	for _, e := range all {
		ids[e.ID] = true
		got, err := d.Event(t.Context(), e.ID, false)
		if err != nil || got.ID != e.ID || !got.Time.Equal(e.Time.Time) {
			t.Errorf("%s leads to %+v, %v", e.ID, got, err)
		}
	}
	if len(ids) != 4 {
		t.Errorf("ids: %v", ids)
	}
	if _, err := d.Event(t.Context(), all[len(all)-1].ID+"-9", false); backends.KindOf(err) != backends.KindNotFound {
		t.Error(err)
	}
}
