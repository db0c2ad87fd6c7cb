package carbonblack_test

import (
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/conformance"
	"github.com/edrctl/edrctl/internal/model"
)

// TestFields counts what the recordings of lists and of single records hold.
func TestFields(t *testing.T) {
	var more []model.Record
	one := func(r model.Record, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		more = append(more, r)
	}
	for _, name := range []string{"event_list.seed.json", "event_list.fixture2020.json", "event_list.soar2018.recomposed.json"} {
		l, err := onePage(t, name).Events(t.Context(), everything)
		if err != nil {
			t.Fatal(err)
		}
		for e, err := range l.Seq {
			one(e, err)
		}
	}
	for _, name := range []string{"event_detail.seed.json", "event_detail.fixture2020.json", "event_detail.network.soar2018.recomposed.json"} {
		one(open(t, answer(recording(t, name)), config{}).Event(t.Context(), "x", false))
	}
	one(open(t, answer(recording(t, "alert_detail.seed.json")), config{}).Alert(t.Context(), "JSPJCU9K", false))
	one(open(t, answer(recording(t, "alert_detail.soar2018.recomposed.json")), config{}).Alert(t.Context(), "N9MSZL9A", false))
	l, err := open(t, answer(recording(t, "device_list.by_hostname.json")), config{}).Hosts(t.Context(), backends.Query{})
	if err != nil {
		t.Fatal(err)
	}
	for h, err := range l.Seq {
		one(h, err)
	}
	q := everything
	q.Filter = where(t, "process", "=any", "hash", strings.Repeat("a", 64))
	for _, name := range []string{"process_list.seed.json", "process_list.soar2018.recomposed.json"} {
		l, err := open(t, answer(recording(t, name)), config{}).Processes(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for p, err := range l.Seq {
			one(p, err)
		}
	}
	conformance.RunFields(t, harness, more, false)
}
