package conformance

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
)

// readBody takes the body and puts it back.
func readBody(r *http.Request) []byte {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil
	}
	r.Body = io.NopCloser(bytes.NewReader(b))
	return b
}

// editAnswer lets next answer and changes the body.
func editAnswer(w http.ResponseWriter, r *http.Request, next http.Handler, edit func([]byte) []byte) {
	rec := httptest.NewRecorder()
	next.ServeHTTP(rec, r)
	b := edit(rec.Body.Bytes())
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(rec.Code)
	_, _ = w.Write(b)
}

const (
	unknownField = "zz_vendor_news"
	unknownValue = "kept-7f3a"
)

// addUnknown puts a field no documentation knows into every JSON object that
// holds a text or a flag; objects of objects or of numbers alone are maps by
// id or by name and are left alone.
func addUnknown(b []byte) []byte {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return b
	}
	out, err := json.Marshal(extend(v))
	if err != nil {
		return b
	}
	return out
}

func extend(v any) any {
	switch v := v.(type) {
	case map[string]any:
		record := false
		for k, x := range v {
			switch x.(type) {
			case string, bool, nil:
				record = true
			}
			v[k] = extend(x)
		}
		if record {
			v[unknownField] = unknownValue
		}
	case []any:
		for i := range v {
			v[i] = extend(v[i])
		}
	}
	return v
}

// planned tells whether a recorded request is the one a plan line describes.
// "…" in a line stands for what is not known yet; a base path may precede.
func planned(line string, r request) bool {
	method, rest, ok := strings.Cut(line, " ")
	if !ok || method != r.method {
		return false
	}
	target, body, _ := strings.Cut(rest, " ")
	path, query, _ := strings.Cut(target, "?")
	gotPath, gotQuery, _ := strings.Cut(r.uri, "?")
	if !samePath(path, gotPath) {
		return false
	}
	want, err1 := url.ParseQuery(query)
	got, err2 := url.ParseQuery(gotQuery)
	if err1 != nil || err2 != nil {
		return false
	}
	open := strings.Contains(target, "…")
	for k, vs := range want {
		if strings.Contains(k, "…") {
			continue
		}
		for i, v := range vs {
			if strings.Contains(v, "…") {
				continue
			}
			if i >= len(got[k]) || got[k][i] != v {
				return false
			}
		}
	}
	for k := range got {
		if _, ok := want[k]; !ok && !open {
			return false
		}
	}
	body = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(body), "…"))
	if !strings.HasPrefix(body, "{") && !strings.HasPrefix(body, "[") {
		return true
	}
	var a, b any
	if json.Unmarshal([]byte(body), &a) != nil {
		return strings.Contains(body, "…") || bytes.Contains(r.body, []byte(body))
	}
	if json.Unmarshal(r.body, &b) != nil {
		return false
	}
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}

func samePath(want, got string) bool {
	w, g := strings.Split(strings.Trim(want, "/"), "/"), strings.Split(strings.Trim(got, "/"), "/")
	if len(w) > len(g) {
		return false
	}
	g = g[len(g)-len(w):]
	for i := range w {
		if w[i] != g[i] && !strings.ContainsAny(w[i], "…{<") {
			return false
		}
	}
	return true
}
