package esp_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp"
	"github.com/edrctl/edrctl/internal/model"
)

func FuzzTime(f *testing.F) {
	for _, s := range []string{"2026-11-22T02:30:05.502376", "22-11-2026 02:29:07", "11/22/2026 02/19/20", "1596557041", "1e9", "-", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got := esp.ParseTime(s); !got.IsZero() && (got.Year() < 1970 || got.Year() > 9999) {
			t.Errorf("%q is year %d", s, got.Year())
		}
	})
}

func FuzzRow(f *testing.F) {
	f.Add("win_file_events", `{"id":1,"name":"win_file_events","timestamp":"22-11-2026 02:19:20","columns":{"eid":"x","time":"1","action":"FILE_WRITE","target_path":"C:\\x"}}`)
	f.Add("certificates", `{"columns":{"a":null,"b":[1,{"c":2}]},"id":"7"}`)
	f.Add("", `{"columns":[]}`)
	f.Fuzz(func(t *testing.T, table, row string) {
		for _, read := range []func() (any, error){
			func() (any, error) { return esp.ReadRow([]byte(row)) },
			func() (any, error) { return esp.ReadColumns(table, []byte(row)) },
		} {
			v, err := read()
			if err != nil {
				continue
			}
			e := v.(*model.Event)
			if e.ID == "" || e.Kind == "" {
				t.Errorf("an event without id or kind of %q", row)
			}
			e.Raw = nil // what the server sent is not ours to mend
			if b, err := json.Marshal(e); err != nil || !json.Valid(b) {
				t.Errorf("cannot be written: %v", err)
			}
		}
	})
}

func FuzzNative(f *testing.F) {
	f.Add(`{"condition":"AND","rules":[{"field":"md5","operator":"equal","value":"x"}]}`)
	f.Add("win_file_events")
	f.Fuzz(func(t *testing.T, s string) {
		if err := esp.ParseNative(s); err != nil && backends.KindOf(err) != backends.KindInvalid {
			t.Errorf("%q: %v", s, err)
		}
		_ = esp.ReadCreate(s)
	})
}

// FuzzAnswer gives every list the same made-up answer: nothing may panic, and
// nothing but a whole document may be read as one.
func FuzzAnswer(f *testing.F) {
	f.Add(`{"status":"success","message":"","data":{"count":1,"results":[{"id":1,"columns":{}}]}}`, 200)
	f.Add(`{"status":"failure","message":"no"}`, 200)
	f.Add(`{"message":{"message":"Date format passed is invalid!"}}`, 400)
	f.Add(`<html>`, 404)
	f.Add(`{"status":"success","data":{"results":[`, 200)
	var body string
	code := 200
	rt := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, "/login") {
			_, _ = io.WriteString(w, `{"token":"T"}`)
			return
		}
		if r.Header.Get("X-Access-Token") == "" {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{}`)
			return
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	})
	url := serve(f, rt)
	f.Fuzz(func(t *testing.T, b string, c int) {
		if c < 200 || c > 499 || c == 401 || c == 429 || c >= 300 && c < 400 || c == 204 {
			c = 200
		}
		body, code = b, c
		d := newDriver(t, url, at)
		ctx := t.Context()
		whole := json.Valid([]byte(b))
		_, herr := d.HostCounts(ctx)
		_, serr := d.Schema(ctx)
		_, _ = d.Alert(ctx, "1", true)
		_, _ = d.Rule(ctx, "1", true)
		l, _ := d.Rules(ctx, backends.Query{})
		n := 0
		var rerr error
		for _, err := range l.Seq {
			if n++; err != nil {
				rerr = err
			}
			if n > 10_000 {
				t.Fatal("a list without an end")
			}
		}
		if !whole && strings.HasPrefix(strings.TrimSpace(b), "{") && (herr == nil || serr == nil || rerr == nil) {
			t.Errorf("a broken document was read: %q: %v %v %v", b, herr, serr, rerr)
		}
	})
}
