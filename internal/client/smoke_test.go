package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/client"
)

func TestSmoke(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/x/ok":
			fmt.Fprintf(w, `{"a":%q,"m":%q}`, r.URL.RawQuery, r.Method+r.Header.Get("X-K"))
		case "/x/no":
			w.WriteHeader(404)
			fmt.Fprint(w, `{"error":"supersecret"}`)
		}
	}))
	defer srv.Close()
	var dbg strings.Builder
	red := client.NewRedactor()
	red.Add("supersecret")
	c, err := client.New(client.Config{BaseURL: srv.URL + "/x/", Debug: &dbg, Redactor: red}, client.Options{
		Authorize: func(_ context.Context, r *http.Request) error { r.Header.Set("X-K", "supersecret"); return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var out struct{ A, M string }
	if _, err := c.DoJSON(t.Context(), client.Call{Path: "/ok", Query: map[string][]string{"q": {"a b"}}}, &out); err != nil {
		t.Fatal(err)
	}
	t.Log(out)
	_, err = c.Do(t.Context(), client.Call{Method: "POST", Path: "/no", JSON: map[string]string{"password": "abcdef", "a": "<"}})
	var se *client.StatusError
	if !errors.As(err, &se) {
		t.Fatal(err)
	}
	t.Log(string(se.Body))
	t.Log(dbg.String())
	t.Log(c.Describe(client.Call{Method: "POST", Path: "/no", JSON: map[string]string{"password": "abcdef", "a": "<"}}))
}
