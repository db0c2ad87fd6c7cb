package faults_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/faults"
)

const answer = `{"data":["0123456789","0123456789","0123456789"]}`

// serve starts a server that counts its requests behind the faults of spec.
func serve(t *testing.T, spec, backend string) (*httptest.Server, *atomic.Int64) {
	t.Helper()
	s, err := faults.Parse(spec)
	if err != nil {
		t.Fatal(err)
	}
	handled := new(atomic.Int64)
	srv := httptest.NewServer(s.Wrap(backend, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		handled.Add(1)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
		_, _ = io.WriteString(w, answer)
	})))
	t.Cleanup(srv.Close)
	return srv, handled
}

// get gives the status and body, and the error of either.
func get(t *testing.T, url string) (int, http.Header, string, error) {
	t.Helper()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("{}"))
	tr := &http.Transport{DisableKeepAlives: true}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return 0, nil, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, string(b), err
}

func TestAnswers(t *testing.T) {
	for _, tc := range []struct {
		spec, backend string
		codes         []int // 0: no answer
		bodyErr       bool
		body          string // a part of it
		handled       int64
	}{
		{"", "gene", []int{200, 200}, false, answer, 2},
		{"429:retry-after=1,every=3", "gene", []int{200, 200, 429, 200, 200, 429}, false, "", 4},
		{"5xx:first=5", "gene", []int{500, 502, 503, 504, 500, 200}, false, "", 1},
		{"503:after=1", "gene", []int{200, 503, 503}, false, "on demand", 1},
		{"503:nth=2", "gene", []int{200, 503, 200}, false, answer, 2},
		{"503:body=html", "gene", []int{503}, false, "<html>", 0},
		{"503@esp", "gene", []int{200}, false, answer, 1},
		{"503@gene@/al@POST", "gene", []int{503}, false, "", 0},
		{"503@/events", "gene", []int{200}, false, answer, 1},
		{"503@GET", "gene", []int{200}, false, answer, 1},
		{"expired-token", "gene", []int{403, 200}, false, answer, 1},
		{"expired-token", "esp", []int{401, 200}, false, answer, 1},
		{"expired-token:every=2", "cwatch", []int{200, 401, 200, 401}, false, "Unauthorized", 2},
		{"html", "gene", []int{200}, false, "Sign in", 0},
		{"garbage", "gene", []int{200}, false, "garbage", 0},
		{"empty", "gene", []int{200}, false, "", 0},
		{"reset-before:first=1", "gene", []int{0, 200}, false, "", 1},
		{"reset-after", "gene", []int{0}, false, "", 1},
		{"cut=50%", "gene", []int{200}, true, `{"data":["`, 1},
		{"cut=100%", "gene", []int{200}, true, answer, 1},
		{"cut=7:clean", "gene", []int{200}, false, `{"data"`, 1},
		{"trailing", "gene", []int{200}, false, answer + "\n{", 1},
		{"slow=1ms:bytes=10;latency=1ms", "gene", []int{200}, false, answer, 1},
	} {
		t.Run(tc.spec+"/"+tc.backend, func(t *testing.T) {
			srv, handled := serve(t, tc.spec, tc.backend)
			for i, want := range tc.codes {
				code, header, body, err := get(t, srv.URL+"/alerts")
				if code != want {
					t.Fatalf("request %d: status %d (%v), want %d", i+1, code, err, want)
				}
				if code == 0 {
					continue
				}
				if (err != nil) != tc.bodyErr {
					t.Errorf("request %d: reading the body: %v", i+1, err)
				}
				if i == len(tc.codes)-1 && !strings.Contains(body, tc.body) {
					t.Errorf("body %q lacks %q", body, tc.body)
				}
				if strings.Contains(tc.spec, "retry-after") && code == 429 && header.Get("Retry-After") != "1" {
					t.Errorf("no Retry-After")
				}
			}
			if n := handled.Load(); n != tc.handled {
				t.Errorf("the server handled %d requests, want %d", n, tc.handled)
			}
		})
	}
}

// board is a server with one thing to change.
type board struct{ text string }

func (b *board) State() ([]byte, error)     { return []byte(b.text), nil }
func (b *board) Restore(state []byte) error { b.text = string(state); return nil }
func (b *board) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		b.text = "changed"
	}
	_, _ = io.WriteString(w, `{"deviceInfo":"`+b.text+`"}`)
}

func TestNoEffect(t *testing.T) {
	s, err := faults.Parse("no-effect:first=1@/a")
	if err != nil {
		t.Fatal(err)
	}
	for backend, want := range map[string]string{"esp": `{"deviceInfo":"changed"}`, "carbonblack": `{"success":true,"message":"Success"}`} {
		b := &board{text: "as it was"}
		h := s.Wrap(backend, b)
		send := func(method, path string) string {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader("{}")))
			return w.Body.String()
		}
		if got := send(http.MethodPatch, "/a"); got != want || b.text != "as it was" {
			t.Errorf("%s: answered %s, and the server holds %q", backend, got, b.text)
		}
		if got := send(http.MethodPatch, "/a"); got != `{"deviceInfo":"changed"}` || b.text != "changed" {
			t.Errorf("%s: the second change: answered %s, and the server holds %q", backend, got, b.text)
		}
	}
}

func TestConduct(t *testing.T) {
	s, err := faults.Parse("late=1h;early=2h:host=WS-1;late=3h:host=WS-2@gene;moving-pages;busy-day@gene;random-order@gene")
	if err != nil {
		t.Fatal(err)
	}
	gene, esp := s.Conduct("gene"), s.Conduct("esp")
	for _, tc := range []struct {
		c    faults.Conduct
		host string
		want time.Duration
	}{{gene, "ws-1", -2 * time.Hour}, {gene, "WS-2", 3 * time.Hour}, {gene, "WS-3", time.Hour}, {esp, "WS-2", time.Hour}} {
		if got := tc.c.Lag(tc.host); got != tc.want {
			t.Errorf("%s lags by %v, want %v", tc.host, got, tc.want)
		}
	}
	if gene.Ahead() != 2*time.Hour || !gene.Skewed() || gene.BusyDay != 500 || !gene.RandomOrder || esp.BusyDay != 0 || esp.RandomOrder {
		t.Errorf("gene %+v, esp %+v", gene, esp)
	}
	for way, want := range map[string]bool{faults.PagesOrder: true, faults.PagesResolve: true, faults.PagesRepeat: false} {
		if gene.Moves(way) != want {
			t.Errorf("moving-pages without a value: %s is %v", way, !want)
		}
	}
}

func TestLogInIsNeverRefused(t *testing.T) {
	srv, _ := serve(t, "expired-token:first=9", "esp")
	if code, _, _, _ := get(t, srv.URL+"/esp/login"); code != 200 {
		t.Errorf("log-in got %d", code)
	}
}

func TestHangEndsWithTheClient(t *testing.T) {
	for _, spec := range []string{"hang", "hang=50%", "latency=1h", "slow=1h"} {
		srv, _ := serve(t, spec, "gene")
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		req, _ := http.NewRequestWithContext(ctx, http.MethodPost, srv.URL, strings.NewReader("{}"))
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", spec, err)
		}
		srv.CloseClientConnections()
	}
}

func TestBadSpecs(t *testing.T) {
	for _, spec := range []string{"200", "600", "nonsense", "cut", "cut=x", "cut=120%", "slow=fast", "latency", "429:retry-after=soon",
		"429:never", "late", "early=soon", "late=1h@/events", "early=1h:first=2", "moving-pages=away", "busy-day=0", "random-order=1", "503:host=A", "late=1h:host=", "503:first=0", "503:every=x", "garbage=1", "503@", "503:body=pdf", "hang=-1"} {
		if s, err := faults.Parse(spec); err == nil {
			t.Errorf("%q was taken as %v", spec, s)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: more than one line: %v", spec, err)
		}
	}
	if s, err := faults.Parse(" ; ;"); err != nil || !s.Empty() {
		t.Errorf("blanks: %v %v", s, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("429:retry-after=1,every=3;5xx:first=2@esp;cut=50%@/events;slow=10ms")
	f.Add("expired-token@gene@POST;hang=1;reset-after;;")
	f.Fuzz(func(t *testing.T, spec string) {
		s, err := faults.Parse(spec)
		if err == nil && s.String() != spec {
			t.Errorf("%q became %q", spec, s.String())
		}
	})
}
