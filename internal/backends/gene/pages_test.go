package gene_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/fake"
	"github.com/edrctl/edrctl/internal/faults"
)

// skip counts what is stored in the hour before the window too, so that pages
// stay the same for a while: they are not the end. Neither are those of a
// manager that ignores skip.
func TestPagesOfALogThatStayTheSame(t *testing.T) {
	const n, minutes = 600, 55
	since := now.Add(-20 * time.Minute)
	data := busy(n, minutes*time.Minute)
	want := 0
	for i := range data.Log.Len() {
		if m := data.Log.Meta(i); m.Endpoint == 0 && m.Time.After(since) {
			want++
		}
	}
	repeat, err := faults.Parse("moving-pages=repeat")
	if err != nil {
		t.Fatal(err)
	}
	for name, conduct := range map[string]faults.Conduct{"overlapping": {}, "repeated": repeat.Conduct("gene")} {
		d, _, _ := start(t, data, fake.Options{Version: fake.Head, Conduct: conduct})
		c := callOf(t, "logs.list", "uuid", uuid1, "limit", "7", "since", since.Format(time.RFC3339Nano), "until", now.Format(time.RFC3339Nano))
		if got := items(t, d, c); len(got) != want {
			t.Errorf("%s: %d events, want %d", name, len(got), want)
		}
	}
	// A full page that never changes is not a whole list.
	page := []byte(`{"data":[` + strings.Repeat(`,{"Event":{"EdrData":{"Event":{"Hash":"a"}}}}`, 10_000)[1:] + `],"message":"OK","error":""}`)
	d, _, p := tapped(t, data, fake.Options{Version: fake.Head})
	p.instead = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/logs") {
			return false
		}
		_, _ = w.Write(page)
		return true
	}
	err = nil
	for _, err = range d.Items(t.Context(), callOf(t, "logs.list", "uuid", uuid1)) {
	}
	if backends.KindOf(err) != backends.KindPartial {
		t.Errorf("the same page for ever: %v", err)
	}
}
