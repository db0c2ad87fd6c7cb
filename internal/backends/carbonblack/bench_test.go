package carbonblack_test

import (
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/fake"
)

// BenchmarkEvents reads events from the strict server over loopback.
func BenchmarkEvents(b *testing.B) {
	const n = 20_000
	d := open(b, fake.New(fleet(n, time.Second), fakeOptions()), config{})
	b.ReportAllocs()
	for b.Loop() {
		l, err := d.Events(b.Context(), backends.Query{Since: now.Add(-24 * time.Hour), Until: now})
		if err != nil {
			b.Fatal(err)
		}
		got := 0
		for _, err := range l.Seq {
			if err != nil {
				b.Fatal(err)
			}
			got++
		}
		if got != n {
			b.Fatal(got)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
