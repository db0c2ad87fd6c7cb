package client_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/edrctl/edrctl/internal/client"
)

type member struct{ Name, Value string }

func collect(r io.Reader, at string) (elems []string, members []member, err error) {
	for v, e := range client.Array(r, at, func(n string, v []byte) error {
		members = append(members, member{n, string(v)})
		return nil
	}) {
		if e != nil {
			return elems, members, e
		}
		elems = append(elems, string(v))
	}
	return elems, members, nil
}

func TestArray(t *testing.T) {
	deep := strings.Repeat("[", 513) + strings.Repeat("]", 513)
	tests := []struct {
		name, doc, at string
		elems         []string
		members       []member
		why           string // of the MalformedError; "" = none
	}{
		{name: "top", doc: ` [1, {"a" : [true,null]} ,"x\n\u00e9"] `, elems: []string{"1", `{"a" : [true,null]}`, `"x\n\u00e9"`}},
		{name: "empty", doc: `[]`},
		{name: "bom", doc: "\xef\xbb\xbf[ ]"},
		{name: "null top", doc: `null`},
		{name: "member", doc: `{"error":"","data":[{"a":1},2],"count":7}`, at: "data",
			elems: []string{`{"a":1}`, "2"}, members: []member{{"error", `""`}, {"count", "7"}}},
		{name: "nested", doc: `{"status":"ok","data":{"count":2,"results":[1,2],"more":{"x":[1]}},"z":null}`, at: "data.results",
			elems:   []string{"1", "2"},
			members: []member{{"status", `"ok"`}, {"data.count", "2"}, {"data.more", `{"x":[1]}`}, {"z", "null"}}},
		{name: "null member", doc: `{"data":null,"error":""}`, at: "data", members: []member{{"error", `""`}}},
		{name: "null on the way", doc: `{"data":null}`, at: "data.results"},
		{name: "escaped name", doc: `{"d\u0061ta":[1]}`, at: "data", elems: []string{"1"}},
		{name: "repeated member loses nothing", doc: `{"data":[1],"data":[2]}`, at: "data", elems: []string{"1", "2"}},
		{name: "repeated names in elements", doc: `[{"a":1,"a":2}]`, elems: []string{`{"a":1,"a":2}`}},
		{name: "not UTF-8", doc: "[\"\xff\xfe\",\"\xc3\"]", elems: []string{"\"\xff\xfe\"", "\"\xc3\""}},
		{name: "lone surrogate", doc: `["\ud800"]`, elems: []string{`"\ud800"`}},
		{name: "missing", doc: `{"error":"x"}`, at: "data", members: []member{{"error", `"x"`}}, why: `no member "data"`},
		{name: "missing below", doc: `{"data":{"count":0}}`, at: "data.results", members: []member{{"data.count", "0"}}, why: "no member"},
		{name: "object where an array should be", doc: `{"data":{"a":1},"message":"m"}`, at: "data",
			members: []member{{"data", `{"a":1}`}, {"message", `"m"`}}, why: `member "data" is an object, not an array`},
		{name: "string on the way", doc: `{"data":"x"}`, at: "data.results", members: []member{{"data", `"x"`}}, why: `member "data" is a string`},
		{name: "error document", doc: `{"error":"denied","code":3}`,
			members: []member{{"error", `"denied"`}, {"code", "3"}}, why: "an object, not an array"},
		{name: "cut array", doc: `[1,2`, elems: []string{"1"}, why: "cut"},
		{name: "cut after comma", doc: `[1,`, elems: []string{"1"}, why: "cut"},
		{name: "cut element", doc: `[{"a":1},{"a":`, elems: []string{`{"a":1}`}, why: "cut"},
		{name: "cut document", doc: `{"data":[1]`, at: "data", elems: []string{"1"}, why: "cut"},
		{name: "cut string", doc: `["abc`, why: "cut"},
		{name: "trailing comma", doc: `[1,]`, elems: []string{"1"}, why: "not JSON at byte 3"},
		{name: "trailing garbage", doc: `[1] x`, elems: []string{"1"}, why: "text after"},
		{name: "second document", doc: `[1][2]`, elems: []string{"1"}, why: "text after"},
		{name: "no comma", doc: `[1 2]`, elems: []string{"1"}, why: "not JSON at byte 3"},
		{name: "wrong bracket", doc: `[{"a":[1}]`, why: "not JSON at byte 8"},
		{name: "control character", doc: "[\"a\nb\"]", why: "not JSON at byte 3"},
		{name: "bad escape", doc: `["\x"]`, why: "not JSON"},
		{name: "bad number", doc: `[01]`, elems: []string{"0"}, why: "not JSON"},
		{name: "too deep", doc: "[" + deep + "]", why: "deeper than 512"},
		{name: "empty answer", doc: "  ", why: "empty"},
		{name: "html", doc: "<!DOCTYPE html><html><head><title>Sign in &amp; go\x1b[31m</title>", why: `an HTML page titled “Sign in & go\x1b[31m” instead of JSON`},
		{name: "words", doc: "Unauthorized", why: "not JSON at byte 0"},
	}
	for _, tt := range tests {
		for _, r := range []struct {
			name string
			wrap func(io.Reader) io.Reader
		}{{"whole", func(r io.Reader) io.Reader { return r }}, {"bytes", iotest.OneByteReader}, {"eof with data", iotest.DataErrReader}} {
			t.Run(tt.name+"/"+r.name, func(t *testing.T) {
				elems, members, err := collect(r.wrap(strings.NewReader(tt.doc)), tt.at)
				if !reflect.DeepEqual(elems, tt.elems) {
					t.Errorf("elements %q, want %q", elems, tt.elems)
				}
				if !reflect.DeepEqual(members, tt.members) {
					t.Errorf("members %q, want %q", members, tt.members)
				}
				var me *client.MalformedError
				switch {
				case tt.why == "" && err != nil:
					t.Errorf("error %v", err)
				case tt.why != "" && (!errors.As(err, &me) || !strings.Contains(me.Why, tt.why)):
					t.Errorf("error %v, want MalformedError with %q", err, tt.why)
				}
			})
		}
	}
}

func TestArrayStops(t *testing.T) {
	n := 0
	for _, err := range client.Array(strings.NewReader(`[1,2,3`), "", nil) {
		if n++; err != nil || n == 2 {
			break
		}
	}
	if n != 2 {
		t.Fatalf("went on for %d steps", n)
	}
	mine := errors.New("mine")
	for _, err := range client.Array(strings.NewReader(`{"error":"x","data":[1]}`), "data", func(string, []byte) error { return mine }) {
		if err != mine {
			t.Fatalf("got %v, want the error of other as it is", err)
		}
	}
	for _, err := range client.Array(io.MultiReader(strings.NewReader(`[1`), iotest.ErrReader(mine)), "", nil) {
		if err != nil && err != mine {
			t.Fatalf("got %v, want the reader's error as it is", err)
		}
	}
}

func TestArrayLimitsAnElement(t *testing.T) {
	big := `["` + strings.Repeat("x", 17<<20) + `"]`
	_, _, err := collect(strings.NewReader(big), "")
	var me *client.MalformedError
	if !errors.As(err, &me) || !strings.Contains(me.Why, "longer than 16 MiB") {
		t.Fatalf("got %v", err)
	}
	// Beside the array, without a reader of members, length does not matter.
	doc := `{"skip":"` + strings.Repeat("x", 17<<20) + `","data":[1]}`
	for _, err := range client.Array(strings.NewReader(doc), "data", nil) {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestLines(t *testing.T) {
	read := func(s string) (out []string, err error) {
		for v, e := range client.Lines(iotest.OneByteReader(strings.NewReader(s))) {
			if e != nil {
				return out, e
			}
			out = append(out, string(v))
		}
		return out, nil
	}
	for _, tt := range []struct {
		doc  string
		want []string
		bad  bool
	}{
		{"", nil, false},
		{"\n\n", nil, false},
		{"{\"a\":1}\n{\"a\":2}\r\n\n3", []string{`{"a":1}`, `{"a":2}`, "3"}, false},
		{"{\"a\":1}\n{\"a\":", []string{`{"a":1}`}, true},
		{"{}{}", []string{"{}"}, true},
		{"{}\nnonsense", []string{"{}"}, true},
	} {
		got, err := read(tt.doc)
		var me *client.MalformedError
		if !reflect.DeepEqual(got, tt.want) || errors.As(err, &me) != tt.bad || err != nil != tt.bad {
			t.Errorf("%q: %q, %v", tt.doc, got, err)
		}
	}
}

// Whatever Array takes is JSON to encoding/json and the same elements; what
// encoding/json takes, Array takes.
func FuzzArray(f *testing.F) {
	for _, s := range []string{`[]`, `[1,{"a":"b\u00e9"},[[]],-1.5e+3,true,null,""]`, `[1,]`, `["\ud800\"",{"a":{}}`, "[\"\xff\"]", `[1]x`, `[0.1,00]`} {
		f.Add([]byte(s), 3)
	}
	f.Fuzz(func(t *testing.T, doc []byte, step int) {
		if len(doc) > 1<<16 {
			return
		}
		if bytes.HasPrefix(doc, []byte("\xef\xbb\xbf")) {
			return
		}
		elems, _, err := collect(&stepReader{doc, max(1, step%67)}, "")
		var want []json.RawMessage
		werr := json.Unmarshal(doc, &want)
		if err == nil && werr != nil {
			t.Fatalf("took %q, which encoding/json refuses: %v", doc, werr)
		}
		if err != nil {
			var me *client.MalformedError
			if !errors.As(err, &me) {
				t.Fatalf("%q: error of type %T", doc, err)
			}
			if werr == nil && !strings.Contains(me.Why, "deeper") {
				t.Fatalf("refused %q: %v", doc, err)
			}
			return
		}
		if len(elems) != len(want) {
			t.Fatalf("%q: %d elements, want %d", doc, len(elems), len(want))
		}
		for i := range want {
			if elems[i] != string(want[i]) {
				t.Fatalf("%q: element %d is %q, want %q", doc, i, elems[i], want[i])
			}
		}
	})
}

// FuzzArrayAt: nothing that panics, and no element of a document that is not
// JSON without an error at the end.
func FuzzArrayAt(f *testing.F) {
	f.Add([]byte(`{"data":{"results":[1,2],"x":1}}`), "data.results")
	f.Add([]byte(`{"error":"","data":null}`), "data")
	f.Fuzz(func(t *testing.T, doc []byte, at string) {
		_, members, err := collect(bytes.NewReader(doc), at)
		if err == nil && !json.Valid(bytes.TrimPrefix(doc, []byte("\xef\xbb\xbf"))) {
			t.Fatalf("took %q", doc)
		}
		for _, m := range members {
			if !json.Valid([]byte(m.Value)) {
				t.Fatalf("member %q of %q", m, doc)
			}
		}
	})
}

type stepReader struct {
	b []byte
	n int
}

func (s *stepReader) Read(p []byte) (int, error) {
	if len(s.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(s.n, len(p))], s.b)
	s.b = s.b[n:]
	return n, nil
}

// document is an array of n events of about 1.2 KB.
func document(n int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"data":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"Event":{"EventData":{"CommandLine":"C:\\Windows\\System32\\svchost.exe -k netsvcs -p -s Schedule %d","Company":"Microsoft Corporation","CurrentDirectory":"C:\\Windows\\system32\\","Description":"Host Process for Windows Services","FileVersion":"10.0.19041.1 (WinBuild.160101.0800)","Hashes":"SHA1=75C5A97F521F760E32A4A9639A653EED862E9C61,MD5=9520A99E77D6196D0D09833146424113,SHA256=DD191A5B23DF92E12A8852291F9FB5ED594B76A28A5A464418442584AFD1E048,IMPHASH=247B9220E5D9B720B2C1BD2C8B3BB0B5","Image":"C:\\Windows\\System32\\svchost.exe","IntegrityLevel":"System","LogonGuid":"{49F1AF32-0000-0000-E703-000000000000}","ParentImage":"C:\\Windows\\System32\\services.exe","ParentProcessId":"640","ProcessGuid":"{49F1AF32-11B0-6108-2C00-000000000400}","ProcessId":%d,"User":"NT AUTHORITY\\SYSTEM","UtcTime":"2021-08-02 15:39:44.000"},"System":{"Channel":"Microsoft-Windows-Sysmon/Operational","Computer":"DESKTOP-LJRVE06","EventID":1,"Correlation":{},"Execution":{"ProcessID":2544,"ThreadID":3264},"Keywords":{"Value":9223372036854775808,"Name":""},"Level":{"Value":4,"Name":"Information"},"TimeCreated":{"SystemTime":"2021-08-02T15:39:44.123Z"}},"EdrData":{"Detection":null}}}`, i, i)
	}
	b.WriteString(`],"error":"","message":"OK"}`)
	return b.Bytes()
}

func BenchmarkArray(b *testing.B) {
	doc := document(5000)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for _, err := range client.Array(bytes.NewReader(doc), "data", nil) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != 5000 {
			b.Fatal(n)
		}
	}
}

// A list next to an error is not an answer: an empty one would read as "nothing there".
func TestArrayNextToAnError(t *testing.T) {
	for doc, fails := range map[string]bool{
		`{"error":"down","data":[]}`:                   true,
		`{"data":[1,2],"error":{"code":7}}`:            true,
		`{"errors":["x"],"data":[]}`:                   true,
		`{"data":[],"Error":true}`:                     true,
		`{"error":"","data":[1]}`:                      false,
		`{"error":null,"errors":[ ],"data":[1]}`:       false,
		`{"error":false,"data":[],"status":"error"}`:   false,
		`{"data":[{"error":"of the element itself"}]}`: false,
	} {
		var last error
		for _, err := range client.Array(strings.NewReader(doc), "data", nil) {
			last = err
		}
		var me *client.MalformedError
		if errors.As(last, &me) != fails {
			t.Errorf("%s: %v", doc, last)
		}
	}
}
