package backends_test

import (
	"slices"
	"testing"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
)

func TestFill(t *testing.T) {
	b := backends.Backend{Fields: []backends.Fields{
		{Record: "event", Kind: model.KindProcessStart, Always: "id process.path", Sometimes: "process.hash"},
		{Record: "event", Kind: model.KindDNSQuery, Always: "id process.path dns"},
		{Record: "alert", Always: "id"},
	}}
	for _, c := range []struct {
		record string
		kind   model.Kind
		name   string
		want   backends.Fill
	}{
		{"event", model.KindProcessStart, "process.path", backends.FillAlways},
		{"event", model.KindProcessStart, "process.hash", backends.FillSometimes},
		{"event", model.KindProcessStart, "dns", backends.FillNever},
		{"event", model.KindProcessStart, "process", backends.FillAlways},
		{"event", model.KindAMSI, "id", backends.FillNever},
		{"event", "", "id", backends.FillAlways},
		{"event", "", "dns", backends.FillSometimes},
		{"event", "", "process.hash", backends.FillSometimes},
		{"event", "", "file", backends.FillNever},
		{"alert", "", "id", backends.FillAlways},
		{"host", "", "id", backends.FillNever},
	} {
		if got := b.Fill(c.record, c.kind, c.name); got != c.want {
			t.Errorf("%s %s %s: %s, want %s", c.record, c.kind, c.name, got, c.want)
		}
	}
	if got := b.Kinds(); !slices.Equal(got, []model.Kind{model.KindProcessStart, model.KindDNSQuery}) {
		t.Errorf("kinds: %v", got)
	}
}
