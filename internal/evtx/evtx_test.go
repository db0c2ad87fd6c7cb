package evtx

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/edrctl/edrctl/internal/evtx/evtxtest"
	"github.com/edrctl/edrctl/internal/winlog"
)

var day = time.Date(2026, 11, 20, 8, 0, 0, 123456700, time.UTC)

// sample gives n records, about 150 of which fill a chunk.
func sample(n int) []winlog.Record {
	all := make([]winlog.Record, n)
	for i := range all {
		all[i] = winlog.Record{
			Channel: "Microsoft-Windows-Sysmon/Operational", Provider: "Microsoft-Windows-Sysmon", EventID: 1, Time: day.Add(time.Duration(i) * time.Second),
			Computer: "HR-07.example.org", PID: 3208, UserID: "S-1-5-18",
			Data: []winlog.Field{{Name: "Image", Value: `C:\Windows\cmd.exe`}, {Name: "CommandLine", Value: fmt.Sprintf("cmd /c echo ä€😀 %d", i)}, {Name: "Empty"}},
		}
	}
	return all
}

func all(t *testing.T, file []byte) (records []*Record, damage []*Error) {
	t.Helper()
	for r, err := range Read(t.Context(), bytes.NewReader(file)) {
		var bad *Error
		switch {
		case err == nil:
			records = append(records, r)
		case errors.As(err, &bad):
			damage = append(damage, bad)
		default:
			t.Fatal(err)
		}
	}
	return records, damage
}

func TestRecordsOfSeveralChunksComeInOrder(t *testing.T) {
	want := sample(900)
	got, damage := all(t, evtxtest.File(want...))
	if len(damage) > 0 || len(got) != len(want) {
		t.Fatalf("%d records, damage %v", len(got), damage)
	}
	for i, r := range got {
		if d := cmp.Diff(want[i], r.Record); d != "" || r.ID != uint64(i+1) {
			t.Fatalf("record %d: %s", r.ID, d)
		}
	}
}

func TestDataWithoutNamesAreNumbered(t *testing.T) {
	got, _ := all(t, evtxtest.File(winlog.Record{Provider: "Service Control Manager", EventID: 7036, Time: day, Data: []winlog.Field{{Value: "a"}, {Name: "b", Value: "c"}, {Value: "d"}}}))
	want := []winlog.Field{{Name: "param1", Value: "a"}, {Name: "b", Value: "c"}, {Name: "param2", Value: "d"}}
	if d := cmp.Diff(want, got[0].Data); d != "" {
		t.Error(d)
	}
}

func TestOneRecordIsReadByItsOffset(t *testing.T) {
	file := evtxtest.File(sample(300)...)
	records, _ := all(t, file)
	var d Decoder
	for _, r := range []*Record{records[0], records[170], records[299]} {
		base := headerSize + (r.Offset-headerSize)/chunkSize*chunkSize
		one, err := d.One(file[base:base+chunkSize], base, r.Offset)
		if err != nil || cmp.Diff(r, one) != "" {
			t.Errorf("%v: %s", err, cmp.Diff(r, one))
		}
	}
	if _, err := d.One(file[headerSize:headerSize+chunkSize], headerSize, headerSize+600); err == nil {
		t.Error("a record was read where none is")
	}
}

// What is damaged is named with its place, and the records around it are read.
func TestDamagedFilesGiveWhatIsReadable(t *testing.T) {
	records := sample(400)
	whole := evtxtest.File(records...)
	clean, _ := all(t, whole)
	second := 0 // the first record of the second chunk
	for clean[second].Offset < headerSize+chunkSize {
		second++
	}
	for name, c := range map[string]struct {
		change func([]byte) []byte
		lost   int
		place  int64
		says   string
	}{
		"no header":            {func(f []byte) []byte { return f[headerSize:] }, 0, 0, "header is missing"},
		"header checksum":      {func(f []byte) []byte { f[20]++; return f }, 0, 0, "checksum of the file header"},
		"chunk magic":          {func(f []byte) []byte { f[headerSize]++; return f }, 0, headerSize, "no chunk begins"},
		"chunk header":         {func(f []byte) []byte { f[headerSize+130]++; return f }, 0, headerSize, "chunk's header"},
		"free space":           {func(f []byte) []byte { f[headerSize+51] = 0xff; return f }, 0, headerSize, "chunk's header"},
		"a record's signature": {func(f []byte) []byte { f[clean[9].Offset]++; return f }, 1, clean[9].Offset, "no record begins"},
		"a record's size":      {func(f []byte) []byte { f[clean[9].Offset+6] = 0x7f; return f }, 1, clean[9].Offset, "cannot be"},
		"over the end": {func(f []byte) []byte {
			binary.LittleEndian.PutUint32(f[clean[second-1].Offset+4:], 60_000)
			return f
		}, 1, clean[second-1].Offset, "over the end of its chunk"},
		"a token": {func(f []byte) []byte { f[clean[9].Offset+recordHead+4] = 0x3e; return f }, 1, clean[9].Offset, "unknown token"},
		"cut off": {func(f []byte) []byte { return f[:clean[second+9].Offset+20] }, len(clean) - second - 9, clean[second+9].Offset + 20, "cut off"},
		"lost bytes": {func(f []byte) []byte {
			return append(f[:headerSize+chunkSize-8000:headerSize+chunkSize-8000], f[headerSize+chunkSize-7000:]...)
		}, -10, headerSize + chunkSize - 1000, "cut off"},
		"zeroed chunk":  {func(f []byte) []byte { clear(f[headerSize : headerSize+chunkSize]); return f }, second, -1, ""},
		"only a header": {func(f []byte) []byte { return f[:headerSize] }, len(clean), -1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, damage := all(t, c.change(bytes.Clone(whole)))
			if c.lost >= 0 && len(got) != len(clean)-c.lost || c.lost < 0 && len(got) < len(clean)+c.lost {
				t.Errorf("%d of %d records, want %d lost; damage %v", len(got), len(clean), c.lost, damage)
			}
			found := c.place < 0
			for _, e := range damage {
				found = found || e.Offset == c.place && strings.Contains(e.Why, c.says)
			}
			if !found {
				t.Errorf("damage %v, want one at %d: %s", damage, c.place, c.says)
			}
			if c.place < 0 && len(damage) > 0 {
				t.Errorf("damage %v", damage)
			}
		})
	}
	if got, _ := all(t, whole); len(got) != len(clean) {
		t.Error("a case changed the file of the others")
	}
}

// A log that was not closed has records that its chunk's header does not count.
func TestRecordsOfALogThatWasNotClosed(t *testing.T) {
	file := evtxtest.File(sample(20)...)
	records, _ := all(t, file)
	chunk := file[headerSize:]
	binary.LittleEndian.PutUint32(chunk[48:], uint32(records[10].Offset-headerSize))
	evtxtest.Seal(chunk)
	if got, damage := all(t, file); len(got) != 10 || len(damage) > 0 {
		t.Errorf("closed: %d records, %v: what lies behind the end is old", len(got), damage)
	}
	file[120] = dirtyFlag
	if got, damage := all(t, file); len(got) != 20 || len(damage) > 0 {
		t.Errorf("not closed: %d records, %v", len(got), damage)
	}
}

func TestOtherFilesAreRefused(t *testing.T) {
	for _, file := range []string{"", "PK\x03\x04", strings.Repeat("{}\n", 5000)} {
		for r, err := range Read(t.Context(), strings.NewReader(file)) {
			if r != nil || !errors.Is(err, ErrNotEVTX) {
				t.Errorf("%.10q: %v, %v", file, r, err)
			}
		}
	}
}

func TestValuesAreWrittenAsWindowsDoes(t *testing.T) {
	for _, c := range []struct {
		typ  uint8
		raw  string
		want string
	}{
		{typeString, "a\x00\xac\x20\x3d\xd8\x00\xde\x00\x00", "a€😀"},
		{typeString, "\x3d\xd8a\x00", "�a"},
		{typeANSI, "h\xe4\x00", "hä"},
		{typeInt8, "\xff", "-1"}, {typeUint8, "\xff", "255"}, {typeInt16, "\xfe\xff", "-2"}, {typeUint16, "\xfe\xff", "65534"},
		{typeInt32, "\xff\xff\xff\xff", "-1"}, {typeUint32, "\xff\xff\xff\xff", "4294967295"},
		{typeInt64, "\xff\xff\xff\xff\xff\xff\xff\xff", "-1"}, {typeUint64, "\xff\xff\xff\xff\xff\xff\xff\xff", "18446744073709551615"},
		{typeReal32, "\x00\x00\xc0\x3f", "1.5"}, {typeReal64, "\x00\x00\x00\x00\x00\x00\xf8\xbf", "-1.5"},
		{typeBool, "\x01\x00\x00\x00", "true"}, {typeBool, "\x00\x00\x00\x00", "false"},
		{typeBinary, "\x00\xab", "00AB"},
		{typeGUID, "\x1e\x23\x97\x01\x24\xc4\xe1\x69\xc9\x22\x00\x00\x00\x00\x08\x00", "{0197231E-C424-69E1-C922-000000000800}"},
		{typeSize, "\x00\x10\x00\x00\x00\x00\x00\x00", "0x1000"}, {typeHex32, "\x3c\x8c\x05\x00", "0x58c3c"}, {typeHex64, "\x00\x00\x00\x00\x00\x00\x00\x80", "0x8000000000000000"},
		{typeFileTime, "\x00\x80\x3e\xd5\xde\xb1\x9d\x01", "1970-01-01T00:00:00.0000000Z"},
		{typeSystemTime, "\xea\x07\x0b\x00\x05\x00\x14\x00\x08\x00\x01\x00\x02\x00\x03\x00", "2026-11-20T08:01:02.0030000Z"},
		{typeSID, "\x01\x02\x00\x00\x00\x00\x00\x05\x20\x00\x00\x00\x20\x02\x00\x00", "S-1-5-32-544"},
		{typeSID, "\x01\x09", "0109"}, {typeInt32, "\x01", "01"}, {0x77, "\x01", "01"},
	} {
		if got := string(appendValue(nil, c.typ, []byte(c.raw))); got != c.want {
			t.Errorf("type 0x%02x of %q is %q, want %q", c.typ, c.raw, got, c.want)
		}
	}
}

// The input is what a record holds; its frame is put around it.
func FuzzRecord(f *testing.F) {
	for _, r := range []winlog.Record{sample(1)[0], {EventID: 1, Provider: "p", Time: day, Data: []winlog.Field{{Value: "x"}}}} {
		chunk := evtxtest.File(r)[headerSize:]
		f.Add(chunk[firstRecord+recordHead : binary.LittleEndian.Uint32(chunk[48:])-4])
	}
	f.Fuzz(func(t *testing.T, xml []byte) {
		if len(xml) > chunkSize-firstRecord-recordHead-4 {
			return
		}
		file := make([]byte, firstRecord+recordHead, firstRecord+recordHead+len(xml)+4)
		copy(file, chunkMagic)
		copy(file[firstRecord:], recordMagic)
		size := uint32(recordHead + len(xml) + 4)
		binary.LittleEndian.PutUint32(file[firstRecord+4:], size)
		file = binary.LittleEndian.AppendUint32(append(file, xml...), size)
		var d Decoder
		for _, data := range [][]byte{file, xml} {
			records, damage := d.Chunk(data, 0)
			for _, r := range records {
				if one, err := d.One(data, 0, r.Offset); err != nil || one.EventID != r.EventID {
					t.Errorf("one record at %d: %v", r.Offset, err)
				}
			}
			for _, e := range damage {
				if e.Offset < 0 || e.Offset > int64(len(data)) {
					t.Errorf("damage at %d of %d", e.Offset, len(data))
				}
			}
			read := 0
			for p := range pieces(bytes.NewReader(data)) {
				read += len(p.data)
			}
			if read > len(data) {
				t.Errorf("%d bytes of %d", read, len(data))
			}
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	file := evtxtest.File(sample(1000)...)
	var d Decoder
	b.SetBytes(chunkSize)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		records, _ := d.Chunk(file[headerSize:headerSize+chunkSize], headerSize)
		n += len(records)
	}
	b.ReportMetric(float64(n)/float64(b.N), "records/chunk")
}

// Public logs decoded by one processor.
func BenchmarkPublicSamples(b *testing.B) {
	files := shared(b, "evidence/evtx-samples.tar.gz")
	var d Decoder
	size := 0
	for _, f := range files {
		size += len(f) - headerSize
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		for _, f := range files {
			for at := headerSize; at+chunkSize <= len(f); at += chunkSize {
				d.Chunk(f[at:at+chunkSize], int64(at))
			}
		}
	}
}
