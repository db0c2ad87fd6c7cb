package session

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/client"
)

// Path is a path under the API base.
func (s *Session) Path(p string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.base + p
}

func (s *Session) baseIsKnown() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.baseKnown
}

func (s *Session) setBase(base string, known bool) {
	s.mu.Lock()
	s.base, s.baseKnown = base, known
	s.mu.Unlock()
}

// Probe finds the API base: GET hosts/count without credentials answers 401
// in JSON at the right place and HTML elsewhere (§2).
func (s *Session) Probe(ctx context.Context) error {
	if s.baseIsKnown() {
		return nil
	}
	s.probeMu.Lock()
	defer s.probeMu.Unlock()
	if s.baseIsKnown() {
		return nil
	}
	const what = "cannot find the API"
	ctx = Anonymous(ctx)
	looks := ""
	for _, base := range s.candidates() {
		rep, err := s.c.Do(ctx, client.Call{Path: base + "/hosts/count", Raw: true})
		if err == nil {
			if wire.KindOf(rep.Body) == '{' {
				s.found(base)
				return nil
			}
			looks = looksLike(rep.Header, rep.Body)
			continue
		}
		var st *client.StatusError
		if !errors.As(err, &st) {
			var bad *client.MalformedError
			if errors.As(err, &bad) {
				looks = "something that is not ESP"
				continue
			}
			return backends.FromClient(what, err)
		}
		if st.Code == http.StatusUnauthorized && wire.KindOf(st.Body) == '{' {
			s.found(base)
			return nil
		}
		if st.Code >= 500 {
			return backends.FromClient(what, err)
		}
		looks = looksLike(st.Header, st.Body)
	}
	e := backends.Malformed(what, "no ESP API under this address: it looks like "+looks)
	e.Hint = "give the server's address as url; base_path names the API when it lives elsewhere; old editions listen on port 5000"
	return e
}

// candidates are the bases to try, the remembered one first.
func (s *Session) candidates() []string {
	first := s.Path("")
	out := []string{first}
	for _, b := range wire.BasePaths {
		if b != first {
			out = append(out, b)
		}
	}
	return out
}

func (s *Session) found(base string) {
	changed := s.Path("") != base
	s.setBase(base, true)
	if f := s.baseFile(); changed && f != "" {
		// Only a hint for the next run: not being able to keep it costs one request.
		_ = os.WriteFile(f, []byte(base+"\n"), 0o600)
	}
}

// baseFile is where the base found is remembered, "" when nothing may be
// written. Its name holds a digest, as profile names and URLs are not file names.
func (s *Session) baseFile() string {
	if s.o.StateDir == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(s.o.Profile + "\x00" + s.o.Client.BaseURL))
	return filepath.Join(s.o.StateDir, "esp-base-"+hex.EncodeToString(sum[:8]))
}

// RecallBase reads the remembered base; what is not one of ours is ignored.
func (s *Session) RecallBase() {
	s.recall.Do(func() {
		f := s.baseFile()
		if f == "" || s.baseIsKnown() {
			return
		}
		b, err := os.ReadFile(f)
		if err != nil || len(b) > 200 {
			return
		}
		got := strings.TrimSpace(string(b))
		for _, known := range wire.BasePaths {
			if got == known {
				s.setBase(known, false)
			}
		}
	})
}

func looksLike(h http.Header, body []byte) string {
	server := h.Get("Server")
	low := strings.ToLower(string(body[:min(len(body), 4096)]))
	switch {
	case wire.KindOf(body) == '{':
		return "another JSON API"
	case strings.Contains(low, "<html") || strings.Contains(low, "<!doctype"):
		if server != "" {
			return "a web site (" + wire.Short(server) + ")"
		}
		return "a web site"
	case server != "":
		return wire.Short(server)
	}
	return "something else"
}

// confirmBase remembers that the base answered as ESP does.
func (s *Session) confirmBase(h http.Header) {
	if strings.HasPrefix(h.Get("Content-Type"), "application/json") {
		s.confirm()
	}
}

func (s *Session) confirm() {
	s.mu.Lock()
	s.baseKnown = true
	s.mu.Unlock()
}

// splitBase takes the API base off a URL that names it, and the console's
// path off one copied from a browser (https://host/esp-ui/).
func splitBase(raw string) (server, prefix string, err error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", "", backends.Invalid("the profile's url", "it is not a URL")
	}
	p := strings.TrimRight(u.Path, "/")
	if i := strings.Index(p, "/services/api/"); i >= 0 || strings.HasPrefix(p, "/services/api/") {
		prefix, p = p, ""
	} else if strings.HasPrefix(p, "/esp-ui") {
		p = ""
	}
	u.Path, u.RawPath, u.RawQuery, u.Fragment = p, "", "", ""
	return u.String(), prefix, nil
}
