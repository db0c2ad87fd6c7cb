package faults

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Injector applies a Spec to one server and counts what it did.
type Injector struct {
	spec    Spec
	backend string

	mu    sync.Mutex
	seen  []int // requests in scope, by rule
	fired int

	undoing sync.Mutex // one request without effect at a time
}

// stateful is a server whose changes can be taken back.
type stateful interface {
	State() ([]byte, error)
	Restore([]byte) error
}

// New makes an injector for the server of a backend. Counts start at zero.
func (s Spec) New(backend string) *Injector {
	return &Injector{spec: s, backend: backend, seen: make([]int, len(s.rules))}
}

// Wrap puts the faults of s before next.
func (s Spec) Wrap(backend string, next http.Handler) http.Handler {
	if s.Empty() {
		return next
	}
	return s.New(backend).Wrap(next)
}

// Fired is how many requests were spoilt so far.
func (in *Injector) Fired() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.fired
}

// choose gives the rules that spoil a request, and for each how many came before.
func (in *Injector) choose(req *http.Request) (hit []*rule, count []int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for i := range in.spec.rules {
		r := &in.spec.rules[i]
		if !r.applies(in.backend, req) {
			continue
		}
		in.seen[i]++
		if r.hits(in.seen[i]) {
			hit, count = append(hit, r), append(count, in.seen[i])
		}
	}
	if len(hit) > 0 {
		in.fired++
	}
	return hit, count
}

// Wrap puts the faults before next. Delays come first, then the first fault
// that answers in the server's place; the others spoil the server's answer,
// which is then held in memory. A WebSocket upgrade is only delayed, refused
// or reset.
func (in *Injector) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		hit, count := in.choose(req)
		if len(hit) == 0 {
			next.ServeHTTP(w, req)
			return
		}
		upgrade := req.Header.Get("Upgrade") != ""
		if !upgrade {
			// net/http notices that a client left only once the body is read.
			body, err := io.ReadAll(req.Body)
			if err != nil {
				return
			}
			req.Body = io.NopCloser(bytes.NewReader(body))
		}
		var spoil []*rule
		undo := false
		for i, r := range hit {
			switch r.kind {
			case latency:
				if !wait(req, r.delay) {
					return
				}
			case noEffect:
				undo = true
			case cutBody, trailing, bom, label, slow, resetAfter:
				spoil = append(spoil, r)
			case hang:
				if r.at.set {
					spoil = append(spoil, r)
					continue
				}
				stall(req)
			default:
				r.answer(w, req, in.backend, count[i])
				return
			}
		}
		if len(spoil) == 0 && !undo || upgrade {
			next.ServeHTTP(w, req)
			return
		}
		var rec recorder
		if undo {
			in.withoutEffect(next, &rec, req)
		} else {
			next.ServeHTTP(&rec, req)
		}
		rec.spoil(w, req, spoil)
	})
}

// withoutEffect lets next answer, then takes back what it changed. Carbon
// Black's answer to a change describes the device: without an effect it is
// bare, since a server that describes the new state has it.
func (in *Injector) withoutEffect(next http.Handler, rec *recorder, req *http.Request) {
	s, ok := next.(stateful)
	if !ok {
		next.ServeHTTP(rec, req)
		return
	}
	in.undoing.Lock()
	defer in.undoing.Unlock()
	before, err := s.State()
	next.ServeHTTP(rec, req)
	if err == nil {
		err = s.Restore(before)
	}
	if err != nil {
		*rec = recorder{}
		rec.WriteHeader(http.StatusInternalServerError)
		return
	}
	if rec.code == http.StatusOK && in.backend == "carbonblack" && req.Method == http.MethodPatch {
		rec.body.Reset()
		_, _ = rec.body.WriteString(`{"success":true,"message":"Success"}`)
	}
}

// answer stands in for the server.
func (r *rule) answer(w http.ResponseWriter, req *http.Request, backend string, count int) {
	code := r.code
	switch r.kind {
	case anyServerError:
		code = []int{500, 502, 503, 504}[(count-1)%4]
	case expired:
		refuse(w, backend)
		return
	case page:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, webPage)
		return
	case garbage:
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "\x00\xff\xfe{]garbage\x1b[2J")
		return
	case empty:
		w.Header().Set("Content-Type", "application/json")
		return
	case resetBefore:
		reset(w)
		return
	}
	if r.retry != "" {
		w.Header().Set("Retry-After", r.retry)
	}
	if r.asHTML {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(code)
		_, _ = io.WriteString(w, webPage)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = fmt.Fprintf(w, `{"message":"fault on demand: %d"}`, code)
}

const webPage = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><h1>Sign in to the network</h1></body></html>\n"

// refuse answers as the product does when credentials ran out.
func refuse(w http.ResponseWriter, backend string) {
	switch backend {
	case "gene": // docs/wire/gene.md 2
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, "Not Authorized\n")
	case "esp": // docs/wire/esp.md 3
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"message": {"message": "This API key used to authenticate is expired!"}}`+"\n")
	default:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"success":false,"message":"Unauthorized"}`)
	}
}

// wait sleeps unless the client goes away first.
func wait(req *http.Request, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-req.Context().Done():
		return false
	}
}

// stall holds the connection open until the client gives up.
func stall(req *http.Request) {
	<-req.Context().Done()
	panic(http.ErrAbortHandler)
}

// reset drops the connection with a TCP reset; without a way to do so
// (HTTP/2) the stream is aborted.
func reset(w http.ResponseWriter) {
	h, ok := w.(http.Hijacker)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	conn, _, err := h.Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// recorder holds the answer of the server before it is spoilt.
type recorder struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header {
	if r.header == nil {
		r.header = http.Header{}
	}
	return r.header
}

func (r *recorder) WriteHeader(code int) {
	if r.code == 0 && code >= 200 {
		r.code = code
	}
}

func (r *recorder) Write(b []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(b)
}

// Flush lets handlers that stream run; nothing leaves before they are done.
func (r *recorder) Flush() {}

// isJSON tells whether the answer is a document, not a file that holds one.
func (r *recorder) isJSON() bool {
	t := bytes.TrimLeft(r.body.Bytes(), " \t\r\n")
	return len(t) > 0 && (t[0] == '{' || t[0] == '[') && r.Header().Get("Content-Type") != "application/octet-stream"
}

func (r *recorder) spoil(w http.ResponseWriter, req *http.Request, rules []*rule) {
	body, end, clean, stop := r.body.Bytes(), r.body.Len(), true, false
	var delay time.Duration
	chunk := len(body) + 1
	for _, f := range rules {
		switch f.kind {
		case resetAfter:
			reset(w)
			return
		case trailing:
			body = append(bytes.Clone(body), "\n{\"more\":"...)
			end = len(body)
		case bom:
			if r.isJSON() {
				body = append([]byte("\xef\xbb\xbf"), body...)
				end = len(body)
			}
		case label:
			if r.isJSON() {
				r.Header().Set("Content-Type", f.media)
			}
		case slow:
			delay, chunk = f.delay, f.chunk
		case cutBody:
			end, clean = f.at.of(len(body)), f.clean
		case hang:
			end, clean, stop = f.at.of(len(body)), false, true
		}
	}
	for k, v := range r.Header() {
		if k != "Content-Length" {
			w.Header()[k] = v
		}
	}
	if clean {
		w.Header().Set("Content-Length", strconv.Itoa(end))
	} else {
		w.Header().Set("Content-Length", strconv.Itoa(max(len(body), end+1)))
	}
	if r.code == 0 {
		r.code = http.StatusOK
	}
	w.WriteHeader(r.code)
	flusher, _ := w.(http.Flusher)
	for at := 0; at < end; at += chunk {
		if delay > 0 && !wait(req, delay) {
			return
		}
		if _, err := w.Write(body[at:min(at+chunk, end)]); err != nil {
			return
		}
		if flusher != nil && (delay > 0 || !clean) {
			flusher.Flush()
		}
	}
	if stop {
		stall(req)
	}
	if !clean {
		panic(http.ErrAbortHandler)
	}
}
