package output_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/output"
	"github.com/edrctl/edrctl/internal/safetext"
)

// reference is what AppendJSON promises: encoding/json without HTML escaping,
// with invisible characters as \uXXXX.
func reference(t *testing.T, rec any) string {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(rec); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	s := strings.TrimSuffix(b.String(), "\n")
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			out.WriteString(`\ufffd`)
		case !safetext.Hidden(r):
			out.WriteString(s[:n])
		case r > 0xFFFF:
			fmt.Fprintf(&out, `\u%04x\u%04x`, 0xD800+(r-0x10000)>>10, 0xDC00+(r-0x10000)&0x3FF)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
		s = s[n:]
	}
	return out.String()
}

func TestAppendJSONEqualsEncodingJSON(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 400 {
		for _, rec := range records(r) {
			want := reference(t, rec)
			if got := string(output.AppendJSON(nil, rec)); got != want {
				t.Fatalf("%T:\n got %s\nwant %s", rec, got, want)
			}
			if got := string(output.AppendJSON([]byte("x"), reflect.ValueOf(rec).Elem().Interface())); got != "x"+want {
				t.Fatalf("%T by value: %s", rec, got)
			}
		}
	}
}

// TestAppendJSONKnowsEveryField fails when a field is added to the model and
// forgotten here, also if the random records should happen to leave it empty.
func TestAppendJSONKnowsEveryField(t *testing.T) {
	for _, rec := range records(rand.New(rand.NewPCG(3, 4))) {
		full(reflect.ValueOf(rec).Elem(), 5)
		if got, want := string(output.AppendJSON(nil, rec)), reference(t, rec); got != want {
			t.Errorf("%T:\n got %s\nwant %s", rec, got, want)
		}
	}
}

// full sets every field to something that is written.
func full(v reflect.Value, depth int) {
	switch x := v.Addr().Interface().(type) {
	case *model.Time:
		*x = model.At(time.Unix(1, 5e6))
		return
	case *json.RawMessage:
		*x = json.RawMessage(`{"v":1}`)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			full(v.Field(i), depth)
		}
	case reflect.Pointer:
		v.SetZero()
		if depth > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			full(v.Elem(), depth-1)
		}
	case reflect.Slice:
		v.SetZero()
		if depth > 0 {
			v.Set(reflect.MakeSlice(v.Type(), 2, 2))
			full(v.Index(0), depth-1)
			full(v.Index(1), depth-1)
		}
	case reflect.String:
		v.SetString("x")
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Float64:
		v.SetFloat(1.5)
	case reflect.Bool:
		v.SetBool(true)
	}
}

func TestAppendJSONOther(t *testing.T) {
	type row struct {
		A string         `json:"a"`
		M map[string]any `json:"m,omitempty"`
	}
	if got := string(output.AppendJSON(nil, row{A: "<\x1b\u009b\x7f\u202e\U000e0041>"})); got != `{"a":"<\u001b\u009b\u007f\u202e\udb40\udc41>"}` {
		t.Errorf("row: %s", got)
	}
	if got := string(output.AppendJSON(nil, (*model.Alert)(nil))); got != "null" {
		t.Errorf("nil: %s", got)
	}
	if got := string(output.AppendJSON(nil, make(chan int))); got != "null" {
		t.Errorf("channel: %s", got)
	}
	a := &model.Alert{Raw: json.RawMessage("not json\x1b")}
	if got := string(output.AppendJSON(nil, a)); got != `{"raw":"not json\u001b"}` {
		t.Errorf("broken raw: %s", got)
	}
	h := &model.Host{Origin: model.Origin{ID: "1"}, LastSeen: model.Time{Time: time.Date(12345, 1, 2, 3, 4, 5, 0, time.UTC)}}
	if got := string(output.AppendJSON(nil, h)); got != `{"id":"1","last_seen":"12345-01-02T03:04:05.000Z"}` {
		t.Errorf("far year: %s", got)
	}
}

func FuzzAppendJSONText(f *testing.F) {
	for _, s := range hostile {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, s, raw string) {
		e := &model.Event{Summary: s, Tags: []string{s}}
		if json.Valid([]byte(raw)) {
			e.Raw = json.RawMessage(raw)
		}
		got := output.AppendJSON(nil, e)
		if !json.Valid(got) {
			t.Fatalf("not JSON: %q", got)
		}
		if want := reference(t, e); string(got) != want {
			t.Fatalf("got %s want %s", got, want)
		}
		for _, r := range string(got) {
			if safetext.Hidden(r) {
				t.Fatalf("%U in %q", r, got)
			}
		}
	})
}

func sampleEvent() *model.Event {
	return &model.Event{
		Origin:  model.Origin{ID: "b1946ac92492d2347c6235b4d2611184", Ref: "lab/b1946ac92492d2347c6235b4d2611184", Profile: "lab", Backend: "gene"},
		Time:    model.At(time.Date(2026, 11, 22, 2, 51, 7, 123456700, time.UTC)),
		Kind:    model.KindProcessStart,
		Action:  "Process Create (rule: ProcessCreate)",
		Summary: `rundll32.exe C:\Users\Public\d.dll,Start`,
		Host:    &model.Host{Name: "FIN-WS-014.corp.example", Origin: model.Origin{ID: "03e31275-2277-d8e0-bb5f-480fac7ee4ef"}},
		User:    &model.User{Name: "a.moreau", Domain: "CORP"},
		Process: &model.Process{
			UID: "515cd0d1-7669-6040-0e00-000000007300", PID: 8120, Name: "rundll32.exe", Path: `C:\Windows\System32\rundll32.exe`,
			CommandLine: `"C:\Windows\System32\rundll32.exe" C:\Users\Public\d.dll,Start`, WorkingDirectory: `C:\Users\a.moreau\`,
			Started: model.At(time.Date(2026, 11, 22, 2, 51, 7, 0, time.UTC)), Integrity: "High",
			Hash:   &model.Hash{MD5: "dd81d91ff3b0763c392422865c9ac12e", SHA256: "b5c78bef3883e3099f7ef844da1446db29107e5c0223b97f29e7fafab5527f15"},
			Parent: &model.ParentProcess{UID: "515cd0d1-7668-6040-0d00-000000007300", PID: 8044, Name: "powershell.exe", Path: `C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe`},
		},
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	e := sampleEvent()
	buf := output.AppendJSON(nil, e)
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(buf)))
		for b.Loop() {
			buf = output.AppendJSON(buf[:0], e)
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(buf)))
		var out bytes.Buffer
		enc := json.NewEncoder(&out)
		enc.SetEscapeHTML(false)
		for b.Loop() {
			out.Reset()
			_ = enc.Encode(e)
		}
	})
}
