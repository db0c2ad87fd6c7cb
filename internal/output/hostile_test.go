package output_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/edrctl/edrctl/internal/iostreams"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/output"
	"github.com/edrctl/edrctl/internal/safetext"
)

var modelKinds = []output.Kind{
	output.KindAlert, output.KindEvent, output.KindProcess, output.KindHost, output.KindRule, output.KindReport,
	output.KindCarve, output.KindHash, output.KindCount,
}

// checkPlainBytes fails on anything a terminal would act upon.
func checkPlainBytes(t *testing.T, what string, b []byte, allowed string) {
	t.Helper()
	if !utf8.Valid(b) {
		i := 0
		for r, n := utf8.DecodeRune(b); r != utf8.RuneError || n != 1; r, n = utf8.DecodeRune(b[i:]) {
			i += n
		}
		t.Fatalf("%s: not UTF-8: %q", what, b[max(0, i-60):min(len(b), i+20)])
	}
	for i, r := range string(b) {
		if strings.ContainsRune(allowed, r) || r == 0xFE0F || r == 0xFE0E || r == 0x200D {
			continue
		}
		if safetext.Hidden(r) {
			t.Fatalf("%s: %U in %q", what, r, b[max(0, i-60):min(len(b), i+20)])
		}
	}
}

func hostileRecords() [][]any {
	r := rand.New(rand.NewPCG(5, 6))
	byKind := make([][]any, len(modelKinds))
	for range 15 {
		for i, rec := range records(r) {
			byKind[i] = append(byKind[i], rec)
		}
	}
	// Every text of the corpus is in every string field once.
	for _, s := range hostile {
		for i, rec := range records(r) {
			setStrings(reflect.ValueOf(rec).Elem(), s)
			byKind[i] = append(byKind[i], rec)
		}
	}
	return byKind
}

func setStrings(v reflect.Value, s string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(s)
	case reflect.Pointer:
		if !v.IsNil() {
			setStrings(v.Elem(), s)
		}
	case reflect.Struct:
		if _, ok := v.Interface().(model.Time); ok {
			return
		}
		for i := range v.NumField() {
			setStrings(v.Field(i), s)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return
		}
		for i := range v.Len() {
			setStrings(v.Index(i), s)
		}
	}
}

func TestHostileTextOverEveryRenderer(t *testing.T) {
	byKind := hostileRecords()
	for i, kind := range modelKinds {
		for _, format := range output.Formats() {
			for _, tty := range []bool{false, true} {
				for _, single := range []bool{false, true} {
					renderHostile(t, kind, format, tty, single, byKind[i])
				}
			}
		}
	}
}

func renderHostile(t *testing.T, kind output.Kind, format string, tty, single bool, recs []any) {
	t.Helper()
	what := kind.Name() + " as " + format
	opt := output.Options{Format: format, Kind: kind, Now: fixedNow, TZ: time.UTC, Raw: true}
	s, _, out, _ := iostreams.Test()
	s.SetTTY(tty, tty, tty)
	s.SetWidth(100)
	s.SetColor(iostreams.ColorNever)
	w, err := output.New(s, opt)
	if err != nil {
		noID := format == output.FormatID && kind.Name() == output.KindCount.Name()
		if format == output.FormatECS || format == output.FormatOCSF || noID {
			return
		}
		t.Fatal(err)
	}
	for _, rec := range recs {
		if single {
			if w, err = output.New(s, opt); err == nil {
				err = w.One(rec)
			}
		} else {
			err = w.Write(rec)
		}
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	if !single {
		if err := w.Close(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	b := out.Bytes()
	switch {
	case format == output.FormatCSV:
		checkPlainBytes(t, what, b, "\r\n")
		if bytes.Count(b, []byte{'\r'}) != bytes.Count(b, []byte{'\n'}) {
			t.Fatalf("%s: a bare CR or LF", what)
		}
		if single {
			return
		}
		rows, err := csv.NewReader(out).ReadAll()
		if err != nil || len(rows) != len(recs)+1 {
			t.Fatalf("%s: %d rows of %d: %v", what, len(rows), len(recs), err)
		}
		for _, row := range rows[1:] {
			for _, c := range row {
				if c != "" && strings.ContainsAny(c[:1], "=+@\t\r") {
					t.Fatalf("%s: formula %q", what, c)
				}
			}
		}
		return
	case (format == output.FormatTable || format == output.FormatWide) && !tty:
		checkPlainBytes(t, what, b, "\t\n")
		if !single && bytes.Count(b, []byte{'\n'}) != len(recs) {
			t.Fatalf("%s: rows were forged", what)
		}
		return
	}
	checkPlainBytes(t, what, b, "\n")
	if single {
		return
	}
	switch format {
	case output.FormatTable, output.FormatWide:
		if n := bytes.Count(b, []byte{'\n'}); n != len(recs)+1 {
			t.Fatalf("%s: %d lines of %d rows", what, n, len(recs))
		}
	case output.FormatJSON:
		var got []json.RawMessage
		if err := json.Unmarshal(b, &got); err != nil || len(got) != len(recs) {
			t.Fatalf("%s: %d of %d: %v", what, len(got), len(recs), err)
		}
	case output.FormatYAML:
		var got []map[string]any
		if err := yaml.Unmarshal(b, &got); err != nil || len(got) != len(recs) {
			t.Fatalf("%s: %d of %d: %v", what, len(got), len(recs), err)
		}
		for i, rec := range recs {
			sameAsJSON(t, what, rec, got[i])
		}
	}
}

// sameAsJSON: YAML says the same as JSON does.
func sameAsJSON(t *testing.T, what string, rec any, got map[string]any) {
	t.Helper()
	var want any
	if err := json.Unmarshal(output.AppendJSON(nil, rec), &want); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var back any
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back, want) {
		t.Fatalf("%s:\n got %s\nwant %s", what, b, output.AppendJSON(nil, rec))
	}
}

// TestJSONIsTheSameForATerminal: byte for byte.
func TestJSONIsTheSameForATerminal(t *testing.T) {
	byKind := hostileRecords()
	for i, kind := range modelKinds {
		for _, format := range []string{output.FormatJSON, output.FormatNDJSON, output.FormatYAML, output.FormatCSV} {
			var got [2]string
			for j, tty := range []bool{false, true} {
				s, _, out, _ := iostreams.Test()
				s.SetTTY(tty, tty, tty)
				w, err := output.New(s, output.Options{Format: format, Kind: kind, Now: fixedNow})
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range byKind[i] {
					if err := w.Write(r); err != nil {
						t.Fatal(err)
					}
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				got[j] = out.String()
			}
			if got[0] != got[1] {
				t.Errorf("%s of %s differs on a terminal", format, kind.Name())
			}
		}
	}
}
