package evidence

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/model"
)

func shared(t testing.TB, name ...string) string {
	t.Helper()
	root := os.Getenv("EDRCTL_SHARED")
	if root == "" {
		t.Skip("SKIPPED: public evidence: set EDRCTL_SHARED to the folder that holds data/")
	}
	return filepath.Join(append([]string{root, "data"}, name...)...)
}

// readAll reads every source and gives the items by source.
func readAll(t testing.TB, o Options, paths ...string) map[string][]Item {
	t.Helper()
	sources, err := Files(paths)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]Item{}
	for _, s := range sources {
		r, err := s.Open()
		if err != nil {
			t.Fatal(err)
		}
		out[s.Name] = nil
		for it, err := range Read(context.Background(), s.Name, r, o) {
			if err != nil {
				t.Errorf("%s: %v", s.Name, err)
				break
			}
			out[s.Name] = append(out[s.Name], it)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	return out
}

// Every line of the 44 public archives is a record with the kind that its
// channel and event id have; the packet captures in them are named as such.
func TestPublicArchives(t *testing.T) {
	kinds := map[string]map[model.Kind]int{}
	counts := map[string]int{}
	for name, items := range readAll(t, Options{Log: true}, shared(t, "evidence", "otrf.tar")) {
		for _, it := range items {
			switch {
			case it.Err != nil && (strings.HasSuffix(name, ".cap") || strings.HasSuffix(name, ".pcapng")):
				counts["captures"]++
			case it.Err != nil:
				t.Errorf("%s:%d: %v", name, it.Line, it.Err)
			case it.Alert != nil:
				counts["alerts"]++
			default:
				counts[it.Format]++
				e := it.Event
				if e.Time.IsZero() || e.ID == "" || e.Summary == "" || it.Format == "flat" && (e.Host.Name == "" || e.Log.EventID == 0) {
					t.Fatalf("%s:%d: %+v", name, it.Line, e)
				}
				if y := e.Time.Year(); y < 2020 || y > 2022 {
					t.Fatalf("%s:%d: time %v of %s", name, it.Line, e.Time, e.Log.Text)
				}
				if it.Local {
					counts["local"]++
				}
				key := fmt.Sprint(e.Log.Channel, " ", e.Log.EventID)
				if kinds[key] == nil {
					kinds[key] = map[model.Kind]int{}
				}
				kinds[key][e.Kind]++
			}
		}
	}
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		t.Log(k, kinds[k])
	}
	t.Log(counts)
}

// The regression cases of a public rule set: documents pretty-printed, some
// files with several of them. All are Windows records that name their channel.
func TestPublicDocuments(t *testing.T) {
	n := 0
	for name, items := range readAll(t, Options{Log: true}, shared(t, "sigma", "sigma-regression.tar.gz")) {
		if !strings.HasSuffix(name, ".json") {
			continue
		}
		for _, it := range items {
			if it.Err != nil || it.Format != "windows" {
				t.Errorf("%s:%d: %s %v", name, it.Line, it.Format, it.Err)
				continue
			}
			if e := it.Event; e != nil {
				n++
				if e.Log.EventID == 0 || e.Log.Channel == "" || e.Host.Name == "" || len(e.Log.Data) == 0 || e.Time.IsZero() || it.Local {
					t.Errorf("%s:%d: %+v", name, it.Line, e.Log)
				}
			}
		}
		if len(items) == 0 {
			t.Errorf("%s: nothing read", name)
		}
	}
	if n < 106 {
		t.Errorf("%d records", n)
	}
	t.Log(n, "records")
}
