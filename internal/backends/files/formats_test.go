package files

import (
	"io/fs"
	"testing"

	_ "github.com/edrctl/edrctl/internal/backends/carbonblack"
	_ "github.com/edrctl/edrctl/internal/backends/cwatch"
	_ "github.com/edrctl/edrctl/internal/backends/esp"
	_ "github.com/edrctl/edrctl/internal/backends/gene"
	"github.com/edrctl/edrctl/internal/evidence"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/recordings"
)

// What servers really answered is read when it lies in a file, through the
// drivers of their products: all forms, whole records.
func TestAnswersOfServersInFiles(t *testing.T) {
	products()
	want := map[string]map[string]int{
		"carbonblack": {"carbonblack event": 6, "carbonblack alert": 2, "carbonblack notification": 5, "carbonblack device": 7},
		"cwatch":      {"cwatch event": 9, "cwatch alert": 4, "cwatch endpoint": 3},
		"esp":         {"esp result": 11, "esp alert": 3, "esp host": 4},
		"gene":        {"gene": 4674, "windows": 240},
	}
	for _, product := range []string{"carbonblack", "cwatch", "esp", "gene"} {
		files := recordings.Of(product)
		counts := map[string]int{}
		err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			f, err := files.Open(name)
			if err != nil {
				return err
			}
			defer f.Close()
			for it, err := range evidence.Read(t.Context(), name, f, evidence.Options{Raw: true}) {
				if err != nil {
					t.Errorf("%s: %v", name, err)
					break
				}
				if it.Err != nil {
					continue // bodies of other kinds: programs, texts, lists of rules
				}
				rec := it.Record()
				counts[it.Format]++
				if o := rec.GetOrigin(); o.ID == "" && it.Format != "carbonblack alert" && it.Format != "cwatch endpoint" {
					t.Errorf("%s: a record of %s without an id: %+v", name, it.Format, rec)
				}
				if e, ok := rec.(*model.Event); ok && (e.Kind == "" || len(e.Raw) == 0) {
					t.Errorf("%s: %+v", name, e)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for format, n := range want[product] {
			if counts[format] != n {
				t.Errorf("%s: %d records of %s, want %d (%v)", product, counts[format], format, n, counts)
			}
		}
	}
}
