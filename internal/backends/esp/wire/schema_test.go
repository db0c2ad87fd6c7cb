package wire_test

import (
	"slices"
	"testing"

	"github.com/edrctl/edrctl/internal/backends/esp/wire"
)

func TestReadCreate(t *testing.T) {
	got := wire.ReadCreate("CREATE TABLE certificates(`common_name` TEXT, \"ca\" INTEGER);")
	if want := []wire.Column{{Name: "common_name", Type: "TEXT"}, {Name: "ca", Type: "INTEGER"}}; !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := wire.ReadCreate("select 1"); got != nil {
		t.Errorf("a query has columns: %+v", got)
	}
}

// Any statement: no panic.
func FuzzReadCreate(f *testing.F) {
	f.Add("CREATE TABLE t (a TEXT, b BIGINT HIDDEN, PRIMARY KEY (a)) WITHOUT ROWID;")
	f.Fuzz(func(_ *testing.T, s string) { _ = wire.ReadCreate(s) })
}
