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
			e.Raw = nil // what the server sent is not ours to fix
			if b, err := json.Marshal(e); err != nil || !json.Valid(b) {
				t.Errorf("cannot be written: %v", err)
			}
		}
	})
}

// FuzzAnswer gives every reader of answers the same made-up one: nothing may
// panic, and nothing but a whole document may be read as one. It calls the
// readers themselves: with a server in between, coverage depends on when its
// goroutines run, and the fuzzer spends its time on inputs that look new.
func FuzzAnswer(f *testing.F) {
	for _, s := range oddAnswers {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		b := []byte(body)
		whole := json.Valid(b)
		for name, err := range esp.ReadAnswer(b) {
			if err == nil && !whole && strings.HasPrefix(strings.TrimSpace(body), "{") {
				t.Errorf("%s: a broken document was read: %q", name, body)
			}
		}
		for _, code := range []int{400, 401, 404, 410, 500} {
			if err := esp.ReadError(code, b); err == nil || strings.Contains(err.Error(), "<!doctype") {
				t.Errorf("%d: %v", code, err)
			}
		}
	})
}

// FuzzFrame gives what a socket may send, and what the server keeps of
// commands and carves.
func FuzzFrame(f *testing.F) {
	f.Add(`{"node":{"id":2,"name":"x"},"data":[{"a":"1","b":null,"c":[1]}],"query_id":12,"status":0}`)
	f.Add(`{"node":{"id":3},"data":"","query_id":"14","status":"1"}`)
	f.Add(`{"count":1,"results":[{"session_id":"S","status":"COMPLETED"}]}`)
	f.Add(`{"action":"stop","target":{"process":{"name":"calc.exe","pid":"8282"}}}`)
	f.Fuzz(func(t *testing.T, s string) {
		rows, err := esp.ReadFrame([]byte(s))
		if err == nil && !json.Valid([]byte(s)) {
			t.Errorf("a broken frame was read: %q", s)
		}
		if _, jerr := json.Marshal(rows); jerr != nil && err == nil {
			t.Errorf("the rows of %q cannot be written: %v", s, jerr)
		}
		esp.ReadRest([]byte(s))
	})
}

var oddAnswers = []string{
	`{"status":"success","message":"","data":{"count":1,"results":[{"id":1,"columns":{}}]}}`,
	`{"status":"failure","message":"no"}`,
	`{"message":{"message":"Date format passed is invalid!"}}`,
	`{"errors":{"a":"b"},"message":"Input payload validation failed"}`,
	`<html>`,
	`{"status":"success","data":{"results":[`,
	`{"status":"success","data":[{"name":"t","schema":{"a":{"type":"TEXT"}}}]}`,
	`{"status":"Success"}{`,
	``,
}

// TestOddAnswers gives every list of the driver the same odd answer.
func TestOddAnswers(t *testing.T) {
	for _, code := range []int{200, 400, 404, 410} {
		for _, body := range oddAnswers {
			h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
			d := newDriver(t, serve(t, h), at)
			ctx := t.Context()
			whole := json.Valid([]byte(body))
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
			if !whole && (herr == nil || serr == nil || rerr == nil) {
				t.Errorf("a broken document was read: %q: %v %v %v", body, herr, serr, rerr)
			}
		}
	}
}
