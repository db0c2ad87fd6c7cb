package client_test

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/client/jsonwalk"
)

// walkRaw gives the elements as they are written.
func walkRaw(r io.Reader, at string) (elems []string, err error) {
	read := func(w *jsonwalk.Walker) (string, error) { return string(w.Raw()), w.Err() }
	for v, err := range client.Walk(r, at, read, nil) {
		if err != nil {
			return elems, err
		}
		elems = append(elems, v)
	}
	return elems, nil
}

func TestWalkGivesWhatArrayGives(t *testing.T) {
	for _, doc := range []string{
		`{"data":[{"a":1}, {"b":[true,null]} ,-1.5e3],"count":7}`, `{"data":null}`, `{"data":[]}`, `{"data":[1`, `{"data":[{"a":}]}`, `{"data":[1,]}`,
		`{"data":[{"a":"b"}]}x`, `{"error":"no","data":[1]}`, `{"data":{"a":1}}`, `{}`, ``, `<html><title>Sign in</title>`, "{\"data\":[\"\xff\"]}",
		`{"data":["` + strings.Repeat("x", 200<<10) + `",{"y":"` + strings.Repeat("z", 70<<10) + `"},7]}`,
	} {
		for name, wrap := range map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader { return r }, "bytes": iotest.OneByteReader, "eof with data": iotest.DataErrReader,
		} {
			want, _, wantErr := collect(wrap(strings.NewReader(doc)), "data")
			got, err := walkRaw(wrap(strings.NewReader(doc)), "data")
			if !slices.Equal(got, want) || (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
				t.Errorf("%s of %.60q:\n%.200q %v, want\n%.200q %v", name, doc, got, err, want, wantErr)
			}
		}
	}
}

func TestWalkEndsWithWhatReadSays(t *testing.T) {
	mine := errors.New("mine")
	n := 0
	for _, err := range client.Walk(strings.NewReader(`[1,2,3]`), "", func(w *jsonwalk.Walker) (int, error) {
		if w.Raw(); w.Offset() > 0 && n == 1 {
			return 0, mine
		}
		return 0, w.Err()
	}, nil) {
		if n++; n == 2 && err != mine || n > 2 {
			t.Fatalf("step %d: %v", n, err)
		}
	}
	for range client.Walk(strings.NewReader(`[1,2,3]`), "", func(w *jsonwalk.Walker) (int, error) { w.Skip(); return 0, w.Err() }, nil) {
		break // what is not wanted is not read
	}
}

func FuzzWalk(f *testing.F) {
	for _, s := range []string{`[]`, `[1,{"a":"b\u00e9"},[[]],-1.5e+3,true,null,""]`, `[1,]`, `["\ud800\"",{"a":{}}`, "[\"\xff\"]", `[1]x`, `[0.1,00]`} {
		f.Add([]byte(s), 3)
	}
	f.Fuzz(func(t *testing.T, doc []byte, step int) {
		if len(doc) > 1<<16 {
			return
		}
		step = max(1, step%67)
		want, _, wantErr := collect(&stepReader{doc, step}, "")
		got, err := walkRaw(&stepReader{doc, step}, "")
		if err != nil && strings.Contains(err.Error(), "deep") {
			return // a walker goes less deep than a scanner
		}
		if !slices.Equal(got, want) || (err == nil) != (wantErr == nil) {
			t.Fatalf("%q: %q %v, want %q %v", doc, got, err, want, wantErr)
		}
	})
}
