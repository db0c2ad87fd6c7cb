package client_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/client"
)

func TestRedactorKnowsEveryForm(t *testing.T) {
	secret := `p/A<ß"&w+0 rd\é/7`
	r := client.NewRedactor()
	r.Add(secret, "", "abc")
	js, _ := json.Marshal(secret)
	twice, _ := json.Marshal(string(js))
	b64 := base64.StdEncoding.EncodeToString
	forms := map[string]string{
		"as it is":       secret,
		"query":          url.QueryEscape(secret),
		"path":           url.PathEscape(secret),
		"lower query":    strings.ToLower(url.QueryEscape("p/")) + "",
		"JSON":           string(js),
		"JSON in JSON":   string(twice),
		"hex":            hex.EncodeToString([]byte(secret)),
		"base64":         b64([]byte(secret)),
		"basic":          b64([]byte("user:" + secret)),
		"basic, 1 more":  b64([]byte("user1:" + secret)),
		"basic, 2 more":  b64([]byte("user12:" + secret + "tail")),
		"base64url":      base64.URLEncoding.EncodeToString([]byte(secret)),
		"inside a text":  "x" + secret + "y" + secret,
		"query of a URL": "https://h/?a=" + url.QueryEscape(secret) + "&b=1",
	}
	delete(forms, "lower query")
	for name, text := range forms {
		got := r.String(text)
		if got == text || !strings.Contains(got, "[redacted]") {
			t.Errorf("%s: %q stays", name, got)
		}
		if strings.HasPrefix(name, "basic") {
			// What stays of a base64 text must not decode to most of the secret.
			left := strings.ReplaceAll(got, "[redacted]", "")
			if len(left) > len(text)-b64len(secret)+8 {
				t.Errorf("%s: %q leaves too much", name, got)
			}
		}
		if string(r.Bytes([]byte(text))) != got {
			t.Errorf("%s: Bytes differs", name)
		}
	}
	if got := r.String("abc abcd"); got != "abc abcd" {
		t.Errorf("a secret too short was masked: %q", got)
	}
	var none *client.Redactor
	none.Add("secret")
	if none.String("secret") != "secret" || string(none.Bytes([]byte("secret"))) != "secret" {
		t.Error("a nil redactor changes text")
	}
}

func b64len(s string) int { return base64.RawStdEncoding.EncodedLen(len(s)) }

func TestDumpMasksTellingNames(t *testing.T) {
	for in, want := range map[string]string{
		`{"password":"x1","a":2}`:                             `{"password":"[redacted]","a":2}`,
		`{"old_password" : "x\"1"}`:                           `{"old_password" : "[redacted]"}`,
		`{"token":"abc","node_key":null,"uninstallCode":123}`: `{"token":"[redacted]","node_key":"[redacted]","uninstallCode":"[redacted]"}`,
		`{"activationCode":"A","Secret":"s","accessToken":1}`: `{"activationCode":"[redacted]","Secret":"[redacted]","accessToken":"[redacted]"}`,
		`{"key":"abc","keys":[1],"monkey":"m"}`:               `{"key":"[redacted]","keys":[1],"monkey":"m"}`,
		`{"token":{"a":1},"next_key":"k"}`:                    `{"token":{"a":1},"next_key":"k"}`,
		`{"password":"cut her`:                                `{"password":"[redacted]"`,
		`{"body":"{\"password\":\"x1\"}"}`:                    `{"body":"{\"password\":"[redacted]"}"}`,
		`username=a&password=b1&x=2`:                          `username=a&password=[redacted]&x=2`,
		`{"command_line":"net use /token_count 1"}`:           `{"command_line":"net use /token_count 1"}`,
	} {
		if got := string(client.Dump(client.NewRedactor(), []byte(in), 1000, false)); got != want {
			t.Errorf("%s\n got %s\nwant %s", in, got, want)
		}
	}
}

func TestNoSecretComesOut(t *testing.T) {
	const secret = "s3cr3t/With+Chars="
	echo := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Echo", r.Header.Get("X-Api-Key"))
		w.Header().Set("Set-Cookie", "session=unknown-to-us")
		switch r.URL.Path {
		case "/html":
			w.WriteHeader(403)
			fmt.Fprintf(w, "<html><title>%s</title>%s</html>", secret, secret)
			return
		case "/ok":
		default:
			w.WriteHeader(400)
		}
		pad := strings.Repeat(" ", 4090-int(r.URL.Path[len(r.URL.Path)-1]%9))
		fmt.Fprintf(w, `{"echo":%q,"q":%q,%s"again":%q,"esc":"\u001b[31m`+"\x9b\x1b"+`"}`, secret, r.URL.RawQuery, pad, secret)
	})
	var log bytes.Buffer
	red := client.NewRedactor()
	red.Add(secret)
	c := newClient(t, echo.URL, func(c *client.Config, o *client.Options) {
		c.Redactor, c.Debug = red, &log
		o.Authorize = func(_ context.Context, r *http.Request) error {
			r.Header.Set("X-Api-Key", secret)
			r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("me:"+secret)))
			return nil
		}
	})
	leaks := func(what, s string) {
		t.Helper()
		for _, f := range []string{secret, secret[:12], url.QueryEscape(secret), "unknown-to-us", "me:"} {
			if strings.Contains(s, f) {
				t.Errorf("%s shows %q:\n%s", what, f, s)
			}
		}
	}
	for i := range 9 {
		call := client.Call{Path: fmt.Sprintf("/bad%d", i), Method: "POST", Query: url.Values{"k": {secret}}, JSON: map[string]string{"x": secret}}
		_, err := c.Do(t.Context(), call)
		var se *client.StatusError
		if !errors.As(err, &se) {
			t.Fatal(err)
		}
		if len(se.Body) > 4<<10 {
			t.Errorf("%d bytes of body kept", len(se.Body))
		}
		leaks("error", fmt.Sprint(err, se.URL, se.Header, string(se.Body)))
		leaks("Describe", c.Describe(call))
	}
	_, err := c.Do(t.Context(), client.Call{Path: "/html"})
	var se *client.StatusError
	if !errors.As(err, &se) || string(se.Body) != "an HTML page titled “[redacted]”" {
		t.Errorf("%v %s", err, se.Body)
	}
	if _, err := c.Do(t.Context(), client.Call{Path: "/ok/" + url.PathEscape(secret)}); err == nil {
		t.Error("wanted a 400")
	} else {
		leaks("path", fmt.Sprintf("%v %#v", err, err))
	}
	leaks("wire log", log.String())
	for _, r := range log.String() {
		if r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 {
			t.Fatalf("control character %q in the wire log", r)
		}
	}
	for _, want := range []string{"-- POST ", "(action, try 1)", "> X-Api-Key: [redacted]", "< HTTP/1.1 400 Bad Request", "-- took ", `\x1b`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in the wire log", want)
		}
	}
}

// A credential that nobody made known, for example from a profile's headers,
// is learnt from its header before a server can echo it.
func TestHeadersAreLearnt(t *testing.T) {
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(400)
		fmt.Fprintf(w, "bad credential %s", strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	})
	c := newClient(t, srv.URL, func(c *client.Config, _ *client.Options) {
		c.Headers = map[string]string{"Authorization": "Bearer from-the-profile"}
	})
	_, err := c.Do(t.Context(), client.Call{})
	var se *client.StatusError
	if !errors.As(err, &se) || string(se.Body) != "bad credential [redacted]" {
		t.Errorf("%v %s", err, se.Body)
	}
}

func TestDescribe(t *testing.T) {
	c := newClient(t, "https://example.org/base", nil)
	for _, tt := range []struct {
		call client.Call
		want string
	}{
		{client.Call{Path: "/alert", Query: url.Values{"alertTime": {"1 2"}, "a": {"x"}}}, "GET /alert?a=x&alertTime=1+2"},
		{client.Call{Path: "alert?x=1", Query: url.Values{"a": {"x"}}}, "GET /alert?x=1&a=x"},
		{client.Call{Method: "post", Path: "/hosts", JSON: map[string]any{"cmd": "a<b>&", "password": "p"}}, `POST /hosts {"cmd":"a<b>&","password":"[redacted]"}`},
		{client.Call{Method: "PUT", Path: "/f", Body: []byte{0, 0xff, 1}}, "PUT /f (3 bytes)"},
		{client.Call{Method: "POST", Path: "/f", Body: []byte("a\x1b[2J")}, `POST /f a\x1b[2J`},
		{client.Call{Method: "POST", Path: "/up", Parts: []client.Part{{Name: "file", FileName: "x.txt", Body: make([]byte, 2048)}, {Name: "token", Body: []byte("t")}, {Name: "os", Body: []byte("linux")}}},
			"POST /up multipart file=@x.txt(2 KiB) token=[redacted] os=linux"},
	} {
		if got := c.Describe(tt.call); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

// A secret is never seen, whatever is around it and wherever the text is cut.
func FuzzRedact(f *testing.F) {
	f.Add([]byte("a"), []byte("b"), "hunter22secret", 10)
	f.Add([]byte(`{"password":"`), []byte(`"}`), `pass"word\`, 20)
	f.Fuzz(func(t *testing.T, before, after []byte, secret string, most int) {
		if len(secret) < 8 || len(secret) > 1000 || strings.TrimSpace(secret) != secret || strings.Contains("[redacted]", secret) || most < 0 || most > 1<<16 {
			return
		}
		if strings.Contains(string(before), secret[:4]) || strings.Contains(string(after), secret[:4]) || strings.Contains(secret, "[redacted]") {
			return
		}
		r := client.NewRedactor()
		r.Add(secret)
		text := string(before) + secret + string(after)
		if strings.Count(text, secret) != 1 {
			return
		}
		if got := r.String(text); strings.Contains(got, secret) {
			t.Fatalf("%q shows %q", got, secret)
		}
		client.Dump(r, []byte(text), most, true)
	})
}

func FuzzHTMLPage(f *testing.F) {
	f.Add([]byte("<html><title>a<b>c</title>"))
	f.Add([]byte("\xef\xbb\xbf <!DOCTYPE html><h1 x=\"\xff\">&lt;script&gt;</h1>"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got := client.HTMLPage(b, "", nil)
		if strings.ContainsAny(got, "<>") || strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }) || len(got) > 2000 {
			t.Fatalf("%q", got)
		}
	})
}
