package evidence

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
)

// publicLines are the JSON lines of one public set.
func publicLines(b *testing.B, name string) []byte {
	b.Helper()
	sources, err := Files([]string{shared(b, "evidence", "otrf.tar")})
	if err != nil {
		b.Fatal(err)
	}
	for _, s := range sources {
		if !strings.Contains(s.Name, name) {
			continue
		}
		r, err := s.Open()
		if err != nil {
			b.Fatal(err)
		}
		defer r.Close()
		all, err := io.ReadAll(r)
		if err != nil {
			b.Fatal(err)
		}
		return all
	}
	b.Fatalf("there is no set %s", name)
	return nil
}

func bench(b *testing.B, data []byte, o Options) {
	b.Helper()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		for it, err := range Read(context.Background(), "f", bytes.NewReader(data), o) {
			if err != nil || it.Err != nil {
				b.Fatal(err, it.Err)
			}
			n++
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
}

// nxlog's lines of one attack, 1.2 kB each, half of it the message.
func BenchmarkFlat(b *testing.B) { bench(b, publicLines(b, "reg_disable_eventlog"), Options{}) }

// The same with the fields of the log kept, as rules need them.
func BenchmarkFlatLog(b *testing.B) {
	bench(b, publicLines(b, "reg_disable_eventlog"), Options{Log: true})
}

func BenchmarkFormats(b *testing.B) {
	for name, s := range samples {
		if name != "auditd" {
			b.Run(name, func(b *testing.B) { bench(b, []byte(strings.Repeat(s+"\n", 1000)), Options{}) })
		}
	}
}
