package gene_test

import (
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/fake"
	"github.com/edrctl/edrctl/internal/demo"
)

// BenchmarkEvents reads a scaled story over loopback. The manager runs in the
// same process, so its work is in the number, too.
func BenchmarkEvents(b *testing.B) {
	for _, v := range []string{fake.V170, fake.Head} {
		b.Run(v, func(b *testing.B) {
			at := time.Now().UTC()
			f := demo.GeneServer(at, 230, fake.Options{Version: v, Key: testKey, Now: func() time.Time { return at }})
			srv := httptest.NewServer(f)
			defer srv.Close()
			defer f.Close()
			b.ReportAllocs()
			for b.Loop() {
				d, _ := open(b, srv.URL)
				l, err := d.Events(b.Context(), backends.Query{Since: at.Add(-80 * time.Hour), Until: at})
				if err != nil {
					b.Fatal(err)
				}
				n, most := 0, uint64(0)
				for _, err := range l.Seq {
					if err != nil {
						b.Fatal(err)
					}
					if n++; n%20_000 == 0 {
						var m runtime.MemStats
						runtime.ReadMemStats(&m)
						most = max(most, m.HeapInuse)
					}
				}
				b.ReportMetric(float64(n), "events")
				b.ReportMetric(float64(most)/(1<<20), "MB-heap")
			}
		})
	}
}
