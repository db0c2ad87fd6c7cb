package client_test

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/edrctl/edrctl/internal/client"
)

// endless is an answer of many copies of the same events.
func endless(w io.Writer, copies int) {
	doc := document(1000)
	inner := doc[len(`{"data":[`) : len(doc)-len(`],"error":"","message":"OK"}`)]
	_, _ = io.WriteString(w, `{"data":[`)
	for i := range copies {
		if i > 0 {
			_, _ = io.WriteString(w, ",")
		}
		if _, err := w.Write(inner); err != nil {
			return
		}
	}
	_, _ = io.WriteString(w, `],"error":"","message":"OK"}`)
}

// Memory does not grow with the answer.
func TestConstantMemory(t *testing.T) {
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) { endless(w, 24) })
	c := newClient(t, srv.URL, nil)
	s, err := c.Open(t.Context(), client.Call{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Body.Close()
	var m runtime.MemStats
	var first, most uint64
	n := 0
	for _, err := range client.Array(s.Body, "data", nil) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n%3000 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&m)
			if first == 0 {
				first = m.HeapAlloc
			}
			most = max(most, m.HeapAlloc)
		}
	}
	if n != 24000 {
		t.Errorf("%d elements", n)
	}
	if most > first+8<<20 {
		t.Errorf("the heap grew from %d to %d KiB", first>>10, most>>10)
	}
}

// A stream may be closed while it is read.
func TestCloseBreaksARead(t *testing.T) {
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "[1,")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	s, err := newClient(t, srv.URL, nil).Open(t.Context(), client.Call{})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	started := make(chan struct{})
	wg.Go(func() {
		b := make([]byte, 10)
		_, _ = io.ReadFull(s.Body, b[:3])
		close(started)
		if _, err := s.Body.Read(b); err == nil || err == io.EOF {
			t.Errorf("read ended with %v", err)
		}
	})
	<-started
	s.Body.Close()
	wg.Wait()
}

// Every real Sysmon event passes through Lines and Array byte for byte.
func TestRealEvents(t *testing.T) {
	shared := os.Getenv("EDRCTL_SHARED")
	if shared == "" {
		t.Skip("EDRCTL_SHARED is not set: the recorded Sysmon events are not at hand")
	}
	f, err := os.Open(filepath.Join(shared, "data", "sysmon-purplesharp.gene-v1.7.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	lines := bufio.NewScanner(strings.NewReader(string(raw)))
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		if l := strings.TrimSpace(lines.Text()); l != "" {
			want = append(want, l)
		}
	}
	i := 0
	for v, err := range client.Lines(strings.NewReader(string(raw))) {
		if err != nil {
			t.Fatal(err)
		}
		if string(v) != want[i] || !json.Valid(v) {
			t.Fatalf("line %d differs", i)
		}
		i++
	}
	elems, _, err := collect(strings.NewReader("["+strings.Join(want, ",")+"]"), "")
	if err != nil || len(elems) != len(want) || i != len(want) {
		t.Fatalf("%d lines, %d elements of %d: %v", i, len(elems), len(want), err)
	}
	t.Logf("%d events", i)
}

func BenchmarkStream(b *testing.B) {
	srv := serve(b, func(w http.ResponseWriter, r *http.Request) { endless(w, 50) })
	c := newClient(b, srv.URL, nil)
	b.SetBytes(50 * int64(len(document(1000))))
	for b.Loop() {
		s, err := c.Open(b.Context(), client.Call{})
		if err != nil {
			b.Fatal(err)
		}
		for _, err := range client.Array(s.Body, "data", nil) {
			if err != nil {
				b.Fatal(err)
			}
		}
		s.Body.Close()
	}
}

func BenchmarkStandardDecoder(b *testing.B) {
	doc := document(5000)
	doc = doc[len(`{"data":`) : len(doc)-len(`,"error":"","message":"OK"}`)]
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		dec := json.NewDecoder(strings.NewReader(string(doc)))
		if _, err := dec.Token(); err != nil {
			b.Fatal(err)
		}
		for dec.More() {
			var v json.RawMessage
			if err := dec.Decode(&v); err != nil {
				b.Fatal(err)
			}
		}
	}
}
