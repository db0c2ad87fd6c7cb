package evtx

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/winlog"
)

// shared gives the files of an archive of public logs, by name.
func shared(t testing.TB, archive string) map[string][]byte {
	t.Helper()
	dir := os.Getenv("EDRCTL_SHARED")
	if dir == "" {
		t.Skip("SKIPPED: public event logs: set EDRCTL_SHARED to the folder that holds data/")
	}
	f, err := os.Open(filepath.Join(dir, "data", archive))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(h.Name, ".evtx") || strings.HasSuffix(h.Name, ".json") {
			if files[h.Name], err = io.ReadAll(r); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// counted is how many records the headers of the chunks promise.
func counted(file []byte) (n int) {
	for at := headerSize; at+chunkSize <= len(file); at += chunkSize {
		if bytes.HasPrefix(file[at:], []byte(chunkMagic)) {
			n += int(binary.LittleEndian.Uint64(file[at+16:]) - binary.LittleEndian.Uint64(file[at+8:]) + 1)
		}
	}
	return n
}

// read gives all records of a file and fails on damage.
func read(t *testing.T, name string, file []byte) (all []*Record) {
	t.Helper()
	for r, err := range Read(t.Context(), bytes.NewReader(file)) {
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		all = append(all, r)
	}
	return all
}

func TestPublicSamplesGiveAsManyRecordsAsTheirChunksSay(t *testing.T) {
	files := shared(t, "evidence/evtx-samples.tar.gz")
	total := 0
	for _, name := range slices.Sorted(maps.Keys(files)) {
		all := read(t, name, files[name])
		if want := counted(files[name]); len(all) != want {
			t.Errorf("%s: %d records, its chunks say %d", name, len(all), want)
		}
		total += len(all)
		for _, r := range all {
			if r.Provider == "" || r.Computer == "" || r.ID == 0 || r.Time.IsZero() {
				t.Errorf("%s: offset %d: %+v", name, r.Offset, r)
			}
		}
	}
	if len(files) != 88 || total != 3182 {
		t.Errorf("%d files with %d records", len(files), total)
	}
}

// The regression cases of SigmaHQ hold the same records as EVTX and as JSON
// that another program made.
func TestPublicRecordsEqualTheirJSON(t *testing.T) {
	files := shared(t, "sigma/sigma-regression.tar.gz")
	compared := 0
	for _, name := range slices.Sorted(maps.Keys(files)) {
		text, ok := files[strings.TrimSuffix(name, ".evtx")+".json"]
		if !ok || !strings.HasSuffix(name, ".evtx") {
			continue
		}
		byID := map[uint64]*Record{}
		for _, r := range read(t, name, files[name]) {
			byID[r.ID] = r
		}
		for dec := json.NewDecoder(bytes.NewReader(text)); ; {
			var doc struct{ Event map[string]json.RawMessage }
			if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(name, err)
			}
			var id struct{ EventRecordID uint64 }
			if err := json.Unmarshal(doc.Event["System"], &id); err != nil {
				t.Fatal(name, err)
			}
			r := byID[id.EventRecordID]
			if r == nil {
				t.Errorf("%s: record %d is missing", name, id.EventRecordID)
				continue
			}
			compare(t, name, r, doc.Event)
			compared++
		}
	}
	if compared < 106 {
		t.Errorf("%d records compared", compared)
	}
}

type plainField = winlog.Field

func compare(t *testing.T, name string, r *Record, event map[string]json.RawMessage) {
	t.Helper()
	flat := map[string]string{}
	flatten(flat, "", decodeAny(t, event["System"]))
	got := map[string]string{
		"Provider/Name": r.Provider, "EventID": itoa(r.EventID), "Level": itoa(r.Level), "Version": itoa(r.Version), "Opcode": itoa(r.Opcode),
		"Keywords": r.Keywords, "Execution/ProcessID": itoa(int(r.PID)), "Channel": r.Channel, "Computer": r.Computer, "Security/UserID": r.UserID,
	}
	if at, err := time.Parse(time.RFC3339Nano, flat["TimeCreated/SystemTime"]); err != nil || !at.Truncate(time.Microsecond).Equal(r.Time.Truncate(time.Microsecond)) {
		t.Errorf("%s: record %d: time %v, want %v %v", name, r.ID, r.Time, at, err)
	}
	for k, v := range got {
		if k == "EventID" && flat[k] == "" {
			k = "EventID/#text"
		}
		if flat[k] != v {
			t.Errorf("%s: record %d: %s is %q, want %q", name, r.ID, k, v, flat[k])
		}
	}
	for _, part := range []string{"EventData", "UserData"} {
		if event[part] == nil {
			continue
		}
		var want []plainField
		leaves(t, &want, json.NewDecoder(bytes.NewReader(event[part])), "")
		if len(want) != len(r.Data) {
			t.Errorf("%s: record %d: %d fields, want %d\n%v\n%v", name, r.ID, len(r.Data), len(want), r.Data, want)
			continue
		}
		for i, w := range want {
			if g := r.Data[i]; g.Name != w.Name || loose(g.Value) != loose(w.Value) {
				t.Errorf("%s: record %d: %+v, want %+v", name, r.ID, g, w)
			}
		}
	}
}

// loose forgives what the other program spells in its own way.
func loose(s string) string {
	return strings.ToUpper(strings.Trim(strings.TrimSpace(s), "{}"))
}
