package winlog

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/model"
)

// listed are the ids that must have a kind of their own, by channel. Handles
// and objects that are neither file, key nor process have none: objects of
// the directory or of LSASS, for example.
var listed = map[string][]int{
	"security":           {4624, 4625, 4634, 4648, 4660, 4672, 4688, 4689, 4697, 4698, 4699, 4700, 4701, 4702, 4720, 4722, 4724, 4726, 4728, 4732, 4738, 4740, 4756, 5140, 5145, 5156, 1102},
	"system":             {7045, 104},
	"windows powershell": {400, 600},
	"microsoft-windows-powershell/operational":       {4103, 4104},
	"microsoft-windows-windows defender/operational": {1116, 1117, 5001},
	"microsoft-windows-taskscheduler/operational":    {106, 140, 141, 200},
	"microsoft-windows-wmi-activity/operational":     {5857, 5858, 5859, 5860, 5861},
	"microsoft-windows-bits-client/operational":      {59, 60},
	"microsoft-windows-sysmon/operational":           {1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29},
}

// Real records of 44 simulated attacks, as a forwarder writes them: every
// listed id has a kind, what the record names is in the event, and a few
// chosen ones say what their authors describe.
func TestPublicEventLogs(t *testing.T) {
	shared := os.Getenv("EDRCTL_SHARED")
	if shared == "" {
		t.Skip("SKIPPED: real event logs: set EDRCTL_SHARED to the folder that holds data/")
	}
	chosen := map[string]func(*model.Event) bool{
		"4688 rundll32 by powershell": func(e *model.Event) bool {
			p := e.Process
			return e.Kind == model.KindProcessStart && p.PID == 0x12d8 && p.Name == "rundll32.exe" && strings.Contains(p.CommandLine, "comsvcs.dll MiniDump") &&
				p.Parent != nil && p.Parent.PID == 0x17d4 && p.Parent.Name == "powershell.exe" && fullName(e.User) == `WORKSTATION5\wardog`
		},
		"4624 of WEC$ from 172.18.38.6": func(e *model.Event) bool {
			return e.Kind == model.KindLogon && e.Network != nil && e.Network.Source.IP == "172.18.38.6" && e.Logon != nil && fullName(e.Logon.TargetUser) == `THESHIRE.LOCAL\WEC$`
		},
	}
	kinds, n := map[string]int{}, 0
	eachPublic(t, filepath.Join(shared, "data", "evidence", "otrf.tar"), func(r *Record) {
		n++
		e := Event(r)
		channel := strings.ToLower(r.Channel)
		if slices.Contains(listed[channel], r.EventID) {
			kinds[fmt.Sprint(channel, " ", r.EventID)]++
			if e.Kind == model.KindOther {
				t.Errorf("%s %d is of kind other: %v", r.Channel, r.EventID, r.Data)
			}
		}
		if strings.Contains(e.Summary, "%%") || e.Summary == "" {
			t.Errorf("%s %d: summary %q", r.Channel, r.EventID, e.Summary)
		}
		if p := e.Process; p != nil && channel == "security" && r.EventID == 4688 && (p.PID != number(r.Get("NewProcessId")) || p.Path != r.Get("NewProcessName")) {
			t.Errorf("4688 of %q names %d %s", r.Get("NewProcessName"), p.PID, p.Path)
		}
		if r.EventID == 22 && channel == "microsoft-windows-sysmon/operational" && e.DNS != nil {
			for _, a := range e.DNS.Answers {
				if strings.Contains(a.Data, "ffff:") || strings.Contains(a.Data, "type:") || a.Data == "" {
					t.Errorf("answers of %q: %+v", r.Get("QueryResults"), e.DNS.Answers)
				}
			}
		}
		for name, is := range chosen {
			if e.Process != nil && is(e) || e.Process == nil && e.Logon != nil && e.Kind == model.KindLogon && is(e) {
				delete(chosen, name)
			}
		}
	})
	if n < 8_000 || len(kinds) < 30 {
		t.Errorf("%d records, of the listed ids %v", n, slices.Sorted(maps.Keys(kinds)))
	}
	for name := range chosen {
		t.Errorf("not found: %s", name)
	}
}

// eachPublic reads JSON lines of the zips of a tar.
func eachPublic(t *testing.T, path string, each func(*Record)) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for archive := tar.NewReader(f); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(h.Name, ".zip") || !strings.Contains(h.Name, "/windows/") {
			continue
		}
		b, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range z.File {
			if !strings.HasSuffix(entry.Name, ".json") {
				continue
			}
			r, err := entry.Open()
			if err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(r)
			lines.Buffer(nil, 8<<20)
			for n := 0; lines.Scan(); n++ {
				// Sysmon is most of it and all alike: a part is enough for a test.
				if sysmon := bytes.Contains(lines.Bytes(), []byte("Sysmon/Operational")); sysmon && n%8 != 0 && !bytes.Contains(lines.Bytes(), []byte("QueryResults")) {
					continue
				}
				if rec := flat(lines.Bytes()); rec != nil {
					each(rec)
				}
			}
			if err := errors.Join(lines.Err(), r.Close()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// flat reads a record whose fields are side by side, as nxlog writes it.
func flat(line []byte) *Record {
	var all map[string]any
	if json.Unmarshal(line, &all) != nil {
		return nil
	}
	text := func(name string) string { s, _ := all[name].(string); return s }
	id, _ := all["EventID"].(float64)
	r := &Record{Channel: text("Channel"), Provider: text("SourceName"), EventID: int(id), Computer: text("Hostname"), Message: text("Message")}
	if r.Channel == "" || id == 0 {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if s, ok := all[name].(string); ok && name != "Message" {
			r.Data = append(r.Data, Field{Name: name, Value: s})
		}
	}
	return r
}
