package client_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/edrctl/edrctl/internal/client"
)

// One rule says what an answer holds: its first bytes, unless its label names
// a type of file.
func TestWhatAnAnswerHolds(t *testing.T) {
	const bom = "\xef\xbb\xbf"
	const page = "<!DOCTYPE html><title>Sign in</title>"
	for _, tc := range []struct {
		label, body string
		file, json  bool
		want        string // what a reader gets
		page        bool
	}{
		{"application/json", `{"a":1}`, false, true, `{"a":1}`, false},
		{"application/json; charset=utf-8", bom + `{"a":1}`, false, true, `{"a":1}`, false},
		{"application/problem+json", bom + "\n[1]", false, true, "\n[1]", false},
		{"text/html; charset=utf-8", `{"a":1}`, false, true, `{"a":1}`, false},
		{"text/html", bom + ` [ ]`, false, true, ` [ ]`, false},
		{"text/plain", bom + `{}`, false, true, `{}`, false},
		{"", bom + `{}`, false, true, `{}`, false},
		{"text/plain", "Not Authorized", false, false, "Not Authorized", false},
		{"application/json", "\xef", false, true, "\xef", false},
		{"application/json", "\xef\xbb", false, true, "\xef\xbb", false},
		{"application/json", bom, false, true, "", false},
		{"application/json", "", false, true, "", false},
		{"", "", false, false, "", false},
		{"text/html", page, false, false, "", true},
		{"application/json", bom + " \r\n" + page, false, true, "", true},
		{"", page, false, false, "", true},
		{"text/xml", "<?xml version='1.0'?><Sysmon/>", false, false, "<?xml version='1.0'?><Sysmon/>", false},
		{"application/octet-stream", bom + `{"a":1}`, true, false, bom + `{"a":1}`, false},
		{"application/octet-stream", page, true, false, page, false},
		{"text/csv", bom + "[x],y", true, false, bom + "[x],y", false},
		{"application/x-gzip", page, true, false, page, false},
		{"application/vnd.ms-excel", bom, true, false, bom, false},
	} {
		h := http.Header{}
		if tc.label != "" {
			h.Set("Content-Type", tc.label)
		}
		if client.IsFile(h) != tc.file || client.IsJSON(h, []byte(tc.body)) != tc.json {
			t.Errorf("%q as %q: file %v, JSON %v", tc.body, tc.label, client.IsFile(h), client.IsJSON(h, []byte(tc.body)))
		}
		s := &client.Stream{Header: h, Body: io.NopCloser(iotest.OneByteReader(strings.NewReader(tc.body)))}
		if got, err := s.IsJSON(); err != nil || got != tc.json && !strings.HasPrefix(tc.body, bom) {
			t.Errorf("%q as %q: an open answer: JSON %v, %v", tc.body, tc.label, got, err)
		}
		if all, err := io.ReadAll(s.Body); err != nil || string(all) != tc.body {
			t.Errorf("%q as %q: after the look: %q, %v", tc.body, tc.label, all, err)
		}
		c := newClient(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			if tc.label != "" {
				w.Header().Set("Content-Type", tc.label)
			}
			_, _ = io.WriteString(w, tc.body)
		}).URL, nil)
		for _, method := range []string{"GET", "POST"} {
			reply, err := c.Do(t.Context(), client.Call{Method: method})
			var bad *client.MalformedError
			switch {
			case tc.page:
				if !errors.As(err, &bad) || !bad.Page || bad.Action != (method == "POST") || !strings.Contains(bad.Why, "“Sign in”") {
					t.Errorf("%s %q as %q: %v, want the page refused", method, tc.body, tc.label, err)
				}
			case err != nil || string(reply.Body) != tc.want:
				t.Errorf("%s %q as %q: %+v, %v", method, tc.body, tc.label, reply, err)
			}
		}
		if reply, err := c.Do(t.Context(), client.Call{Raw: true}); err != nil || string(reply.Body) != tc.body {
			t.Errorf("raw %q as %q: %v, %v", tc.body, tc.label, reply, err)
		}
	}
}
