package esp_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp"
	"github.com/edrctl/edrctl/internal/backends/esp/fake"
	"github.com/edrctl/edrctl/internal/client"
)

const password = "pass-word-1!"

// newDriver builds a driver for a profile called t at url.
func newDriver(t testing.TB, url string, change func(*backends.Options)) *esp.Driver {
	t.Helper()
	o := backends.Options{
		Profile:  "t",
		Client:   client.Config{BaseURL: url, Proxy: "none"},
		Settings: map[string]string{"username": "admin"},
		Secret: func(_ context.Context, name string) (string, error) {
			if name == "password" {
				return password, nil
			}
			return "", &backends.Error{Kind: backends.KindAuth, Why: "no " + name}
		},
	}
	if change != nil {
		change(&o)
	}
	d, err := esp.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d.(*esp.Driver)
}

// anchor is the clock of the tests that need one.
var anchor = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}

func users() []fake.User {
	return []fake.User{{ID: 1, Name: "admin", Password: password, Role: "admin"}}
}

// collect reads a sequence to its end.
func collect[T any](seq func(func(T, error) bool)) ([]T, error) {
	var out []T
	for v, err := range seq {
		if err != nil {
			return out, err
		}
		out = append(out, v)
	}
	return out, nil
}

func fakeAt(data *fake.Data) *fake.Server {
	return fake.New(data, fake.Options{Now: func() time.Time { return anchor }})
}
