package client

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/edrctl/edrctl/internal/lazyregexp"
)

const mask = "[redacted]"

// minSecret is the shortest secret that is masked wherever it is: a
// shorter one would mask half of every answer. minForms is the shortest whose
// encoded forms are masked too.
const (
	minSecret = 4
	minForms  = 6
)

// Redactor knows the secrets of a run and takes them out of text: as they
// are, URL-escaped, JSON-escaped, in hex and in base64, also inside a longer
// base64 text such as a Basic credential. Safe for concurrent use; a nil
// Redactor changes nothing.
type Redactor struct {
	mu    sync.Mutex
	forms map[string]struct{}
	rep   atomic.Pointer[strings.Replacer]
}

// NewRedactor makes one that knows no secret yet.
func NewRedactor() *Redactor { return &Redactor{forms: map[string]struct{}{}} }

// Add makes secrets known. Empty ones and those under 4 bytes are ignored.
func (r *Redactor) Add(secret ...string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	grown := false
	for _, s := range secret {
		for _, s := range []string{s, strings.TrimSpace(s)} {
			if len(s) < minSecret {
				continue
			}
			if _, known := r.forms[s]; known {
				continue
			}
			grown = true
			for _, f := range formsOf(s) {
				r.forms[f] = struct{}{}
			}
		}
	}
	if !grown {
		return
	}
	all := make([]string, 0, len(r.forms))
	for f := range r.forms {
		all = append(all, f)
	}
	// At one place the longest form wins, or the rest of it would stay.
	slices.SortFunc(all, func(a, b string) int {
		if d := len(b) - len(a); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	pairs := make([]string, 0, 2*len(all))
	for _, f := range all {
		pairs = append(pairs, f, mask)
	}
	r.rep.Store(strings.NewReplacer(pairs...))
}

func formsOf(s string) []string {
	forms := []string{s}
	if len(s) < minForms {
		return forms
	}
	add := func(f string) {
		if len(f) >= minForms {
			forms = append(forms, f)
		}
	}
	for _, esc := range []string{url.QueryEscape(s), url.PathEscape(s)} {
		add(esc)
		add(lowerEscapes(esc))
	}
	once := jsonForms(s)
	for _, f := range once {
		add(f)
		for _, g := range jsonForms(f) { // JSON inside a JSON string
			add(g)
		}
	}
	add(hex.EncodeToString([]byte(s)))
	add(strings.ToUpper(hex.EncodeToString([]byte(s))))
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		whole := enc.EncodeToString([]byte(s))
		add(whole)
		// Inside a longer text the secret starts at one of three places of a
		// group of three bytes; only groups it fills alone are always the same.
		for shift := range 3 {
			skip := (3 - shift) % 3
			if len(s)-skip < minForms {
				continue
			}
			core := s[skip:]
			add(enc.EncodeToString([]byte(core[:len(core)/3*3])))
		}
	}
	return forms
}

func jsonForms(s string) []string {
	var forms []string
	for _, escapeHTML := range []bool{false, true} {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(escapeHTML)
		if enc.Encode(s) != nil {
			continue
		}
		f := strings.TrimSuffix(b.String(), "\n")
		f = f[1 : len(f)-1]
		forms = append(forms, f, strings.ReplaceAll(f, "/", `\/`))
	}
	return forms
}

// lowerEscapes turns %2F into %2f and leaves the rest.
func lowerEscapes(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], bytes.ToLower(b[i+1:i+3]))
			i += 2
		}
	}
	return string(b)
}

// String masks every known secret in s.
func (r *Redactor) String(s string) string {
	if r == nil {
		return s
	}
	rep := r.rep.Load()
	if rep == nil {
		return s
	}
	return rep.Replace(s)
}

// Bytes masks every known secret in b, which is not changed.
func (r *Redactor) Bytes(b []byte) []byte {
	if r == nil || r.rep.Load() == nil {
		return b
	}
	return []byte(r.String(string(b)))
}

// secretHeaders carry credentials whatever their value.
var secretHeaders = map[string]bool{
	"Authorization": true, "Proxy-Authorization": true, "Cookie": true, "Set-Cookie": true,
	"X-Auth-Token": true, "X-Access-Token": true, "Api-Key": true, "X-Api-Key": true, "Apikey": true,
	"X-Csrf-Token": true, "X-Xsrf-Token": true,
}

// header is a copy fit to be shown.
func (r *Redactor) header(h http.Header) http.Header {
	out := make(http.Header, len(h))
	for k, vs := range h {
		for _, v := range vs {
			if secretHeaders[http.CanonicalHeaderKey(k)] {
				v = mask
			}
			out[k] = append(out[k], r.String(v))
		}
	}
	return out
}

// secretNames are members and parameters that hold credentials in some
// vendor's API: ESP's passwords, tokens and node keys, cWatch's activation and
// uninstall codes, the Gene manager's endpoint keys.
const secretNames = `(?:[a-z0-9]+[_-])*(?:password|passwd|passphrase|secret|token)|` +
	`[a-z]*(?:password|passwd)|(?:access|auth|refresh|session|csrf|id|client)(?:token|secret|key)|token[_-]?value|` +
	`key|(?:api|node|access|private|secret|siem|live_response|endpoint|enroll|aws|vt|ibm)[_-]?(?:[a-z]+[_-])?key|enroll_secret|authorization|` +
	`uninstall[_-]?code|activation[_-]?code|deregistration[_-]?code|registration[_-]?code`

var (
	secretMember = lazyregexp.New(`(?i)(\\?"(?:` + secretNames + `)\\?"\s*:\s*)("(?:[^"\\]|\\.)*(?:"|\\?$)|\\"(?:[^"\\])*(?:\\"|$)|[^\s,}\]\[{"\\]+)`)
	secretParam  = lazyregexp.New(`(?i)((?:^|[?&;])(?:` + secretNames + `)=)([^&;\s"]+)`)
)

// text masks known secrets and values under telling names.
func (r *Redactor) text(s string) string {
	s = r.String(s)
	s = secretMember.ReplaceAllString(s, `${1}"`+mask+`"`)
	return secretParam.ReplaceAllString(s, `${1}`+mask)
}

// dump masks b and cuts it to most bytes. cut says that b is itself the head
// of something longer: then its end may hold half a secret and is dropped.
func (r *Redactor) dump(b []byte, most int, cut bool) []byte {
	s := r.text(string(b))
	if cut {
		s = s[:max(0, len(s)-max(len(b)-most, 0))]
	}
	if len(s) > most {
		s = s[:most]
	}
	return []byte(s)
}
