package gene_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/fake"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

func carveOf(path string) backends.Change {
	return backends.Change{Verb: backends.VerbCarve, Host: named("ALPHA"), Path: path}
}

// Files a command brings are carves, whole and with their hash.
func TestFetchedFiles(t *testing.T) {
	each(t, func(t *testing.T, v string) {
		data := lab()
		d, _, _ := tapped(t, data, fake.Options{Version: v})
		for path, want := range data.Files["ALPHA"] {
			if strings.Contains(path, `"`) {
				continue
			}
			a, err := d.Apply(t.Context(), carveOf(path), nil)
			if err != nil || len(a.Files) != 1 {
				t.Fatalf("%s: %+v, %v", path, a, err)
			}
			if c, err := d.Carve(t.Context(), a.Files[0]); err != nil || c.State == model.CarveFailed || c.Path != path {
				t.Fatalf("%s: %+v, %v", path, c, err)
			}
			a = finished(t, d, a)
			if a.State != model.ActionDone || len(a.Files) != 1 || a.Stdout != "" {
				t.Fatalf("%s: %+v", path, a)
			}
			c, err := d.Carve(t.Context(), a.Files[0])
			if err != nil || c.State != model.CarveComplete || c.Size != int64(len(want)) || c.Host.Name != "ALPHA" || c.Name == "" {
				t.Fatalf("%s: %+v, %v", path, c, err)
			}
			var got bytes.Buffer
			n, resumed, err := d.Download(t.Context(), a.Files[0], 0, &got)
			if err != nil || resumed || n != int64(len(want)) || !bytes.Equal(got.Bytes(), want) {
				t.Errorf("%s: %d bytes of %d, %v", path, n, len(want), err)
			}
			if sum := sha256.Sum256(want); len(want) > 0 && c.SHA256 != hex.EncodeToString(sum[:]) {
				t.Errorf("%s: sha256 %s", path, c.SHA256)
			}
		}
		a := done(t, d, carveOf(`C:\nope`))
		if a.State != model.ActionFailed || len(a.Files) != 0 || !strings.Contains(a.Error, "cannot find") {
			t.Errorf("a file that is not there: %+v", a)
		}
	})
}

// Two files of one host, one command after the other: the second takes the
// slot of the first, whose file is kept.
func TestFilesAreKeptWhenTheirSlotIsTaken(t *testing.T) {
	d, _, p := tapped(t, lab(), fake.Options{AgentDelay: 50 * time.Millisecond})
	a, err := d.Apply(t.Context(), carveOf(`C:\a.txt`), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := d.Apply(t.Context(), carveOf(`C:\big.bin`), nil) // waits for the first
	if err != nil {
		t.Fatal(err)
	}
	finished(t, d, b)
	c, err := d.Carve(t.Context(), a.Files[0])
	if err != nil || c.Size != 5 || c.State != model.CarveComplete || c.Path != `C:\a.txt` || len(c.SHA256) != 64 || c.Created.IsZero() {
		t.Fatalf("%+v, %v", c, err)
	}
	var got bytes.Buffer
	if _, _, err := d.Download(t.Context(), a.Files[0], 0, &got); err != nil || got.String() != "alpha" {
		t.Errorf("%q, %v", got.String(), err)
	}
	got.Reset()
	if n, _, err := d.Download(t.Context(), b.Files[0], 0, &got); err != nil || n != 1<<20 {
		t.Errorf("%d, %v", n, err)
	}
	// Another run knows nothing of the first: it is gone, and that is reported.
	post(t, p, "/endpoints/"+uuid1+"/command", `{"command-line":"foreign"}`)
	d2, _ := serve(t, p)
	_, err = d2.Carve(t.Context(), a.Files[0])
	if backends.KindOf(err) != backends.KindNotFound {
		t.Errorf("%v", err)
	}
	if _, _, err = d2.Download(t.Context(), b.Files[0], 0, &got); backends.KindOf(err) != backends.KindNotFound {
		t.Errorf("%v", err)
	}
}

func shelf() *fake.Data {
	const guid, hash, md5 = "515cd0d1-ab35-60e4-827c-000000004e00", "f7f8ff469c846b5dafe2bf25682ba16ebc748bd0", "7a64ce0c2f72ef3baf3b78c3fff7f378"
	data := lab()
	for _, h := range []string{hash, md5} {
		for name, content := range map[string]string{
			"event.json.gz": "\x1f\x8b\x08\x00rest", "two chunks.bin": strings.Repeat("A", 100_000), "50%2f #?.txt": "hello\n",
			"report.json": `{"data":[1,2]}`, "liar.json": `{"data":null,"message":"NOK","error":""}`, "empty": "",
		} {
			data.Artifacts = append(data.Artifacts, fake.Artifact{ProcessGUID: guid, EventHash: h, Name: name, Content: []byte(content), Time: now.Add(-time.Hour)})
		}
	}
	return data
}

func TestArtifactsAreCarves(t *testing.T) {
	each(t, func(t *testing.T, v string) {
		data := shelf()
		d, _, p := tapped(t, data, fake.Options{Version: v})
		id := func(a fake.Artifact) string { return uuid1 + "/" + a.ProcessGUID + "/" + a.EventHash + "/" + a.Name }
		if v == fake.V170 {
			if _, err := d.Carve(t.Context(), id(data.Artifacts[0])); backends.KindOf(err) != backends.KindUnsupported {
				t.Errorf("%v", err)
			}
			return
		}
		for _, a := range data.Artifacts {
			if v == fake.Beta && len(a.EventHash) != 32 {
				continue
			}
			c, err := d.Carve(t.Context(), id(a))
			if err != nil || c.ID != id(a) || c.State != model.CarveComplete || v == fake.Head && c.Size != int64(len(a.Content)) {
				t.Fatalf("%s: %+v, %v", a.Name, c, err)
			}
			var got bytes.Buffer
			n, _, err := d.Download(t.Context(), id(a), 0, &got)
			if err != nil || n != int64(len(a.Content)) || got.String() != string(a.Content) {
				t.Errorf("%s: %d of %d bytes, %v", a.Name, n, len(a.Content), err)
			}
			// Gone on with from the middle, it begins again in a file, and is
			// refused where it cannot.
			f, err := os.CreateTemp(t.TempDir(), "part")
			if err != nil {
				t.Fatal(err)
			}
			_, _ = f.WriteString("old")
			if n, resumed, err := d.Download(t.Context(), id(a), 3, f); err != nil || resumed || n != int64(len(a.Content)) {
				t.Errorf("%s from the middle: %d, %v", a.Name, n, err)
			}
			if b, _ := os.ReadFile(f.Name()); string(b) != string(a.Content) {
				t.Errorf("%s from the middle: %d bytes", a.Name, len(b))
			}
			_ = f.Close()
			if _, _, err := d.Download(t.Context(), id(a), 3, &got); !errors.Is(err, client.ErrRestart) {
				t.Errorf("%s into a pipe from the middle: %v", a.Name, err)
			}
		}
		known := data.Artifacts[len(data.Artifacts)-1]
		known.Name = "nope"
		bad := []string{id(known), uuid2 + strings.TrimPrefix(id(known), uuid1), "x", "", "a/b/c/d", uuid1 + "/../../rules/save", uuid1 + "/" + known.ProcessGUID + "/abc/../../../rules",
			uuid1 + "/" + known.ProcessGUID + "/" + known.EventHash + "/..", uuid1 + "/command/" + uuid2 + "/" + uuid3, uuid1 + "/command/x/y"}
		for _, id := range bad {
			if _, err := d.Carve(t.Context(), id); backends.KindOf(err) != backends.KindNotFound {
				t.Errorf("carve %q: %v", id, err)
			}
			if n, _, err := d.Download(t.Context(), id, 0, io.Discard); n != 0 || backends.KindOf(err) != backends.KindNotFound {
				t.Errorf("download %q: %d, %v", id, n, err)
			}
		}
		for _, s := range p.seen {
			if strings.Contains(s, "..") || strings.Contains(s, "/rules") {
				t.Errorf("asked for %s", s)
			}
		}
	})
}

// A download that is cut is an error, whatever came.
func TestCutDownloads(t *testing.T) {
	d, _, p := tapped(t, shelf(), fake.Options{})
	p.instead = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/artifacts/") && !strings.HasSuffix(r.URL.Path, "/command") || r.Method != "GET" {
			return false
		}
		whole := httptest.NewRecorder()
		p.Handler.ServeHTTP(whole, r)
		body := whole.Body.Bytes()
		if len(body) < 50_000 {
			_, _ = w.Write(body)
			return true
		}
		w.Header().Set("Content-Type", whole.Header().Get("Content-Type"))
		_, _ = w.Write(body[:len(body)/2])
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		panic(http.ErrAbortHandler)
	}
	for _, a := range shelf().Artifacts {
		if a.Name != "two chunks.bin" {
			continue
		}
		n, _, err := d.Download(t.Context(), uuid1+"/"+a.ProcessGUID+"/"+a.EventHash+"/"+a.Name, 0, io.Discard)
		if err == nil {
			t.Errorf("%d bytes of a cut file, and no error", n)
		}
	}
	a, err := d.Apply(t.Context(), carveOf(`C:\big.bin`), nil)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	if got, err := d.Action(t.Context(), a.ID); err == nil {
		t.Errorf("a cut command is %+v", got)
	}
	if n, _, err := d.Download(t.Context(), a.Files[0], 0, io.Discard); err == nil {
		t.Errorf("%d bytes of a cut file, and no error", n)
	}
	// A full disk is the writer's own error.
	p.instead = nil
	full := errors.New("disk full")
	if _, _, err := d.Download(t.Context(), a.Files[0], 0, failing{full}); !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// A large file of a command goes through without being held.
func TestLargeFetchIsStreamed(t *testing.T) {
	const size = 96 << 20
	command, file := "11111111-2222-3333-4444-555555555555", "11111111-2222-3333-4444-666666666666"
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if !strings.HasSuffix(r.URL.Path, "/command") {
			fmt.Fprintf(w, `{"data":[{"uuid":%q,"hostname":"ALPHA","last-connection":"0001-01-01T00:00:00Z"}],"message":"OK","error":""}`, uuid1)
			return
		}
		fmt.Fprintf(w, `{"data":{"uuid":%q,"name":"hostname","args":null,"drop":[],"fetch":{"C:\\x":{"uuid":%q,"name":"","data":"`, command, file)
		chunk := bytes.Repeat([]byte("QUJD"), 1<<14)
		for range size / len(chunk) {
			_, _ = w.Write(chunk)
		}
		_, _ = io.WriteString(w, `","error":""}},"stdout":null,"stderr":null,"error":"","sent":true,"completed":true,"timeout":0,"sent-time":"2026-11-22T11:00:00Z"},"message":"OK","error":""}`)
	})
	srv := httptest.NewServer(h)
	defer srv.Close()
	d, _ := quick(t, srv.URL)
	id := uuid1 + "/command/" + command + "/" + file
	c, err := d.Carve(t.Context(), id)
	if err != nil || c.Size != size/4*3 || c.Path != `C:\x` {
		t.Fatalf("%+v, %v", c, err)
	}
	var n counted
	if got, _, err := d.Download(t.Context(), id, 0, &n); err != nil || got != int64(n) || got != size/4*3 {
		t.Errorf("%d, %v", got, err)
	}
}

type counted int64

func (c *counted) Write(p []byte) (int, error) {
	*c += counted(len(p))
	return len(p), nil
}

// A file that was deleted by a command is not there any more.
func TestDeletedFile(t *testing.T) {
	d, _, _ := tapped(t, lab(), fake.Options{})
	gone := backends.Change{Verb: backends.VerbDeleteFile, Host: named("ALPHA"), Path: `c:\A.txt`}
	if a := done(t, d, gone); a.State != model.ActionDone {
		t.Fatalf("%+v", a)
	}
	if a := done(t, d, carveOf(`C:\a.txt`)); a.State != model.ActionFailed {
		t.Errorf("collected after it was deleted: %+v", a)
	}
	if a := done(t, d, gone); a.State != model.ActionFailed || !strings.Contains(a.Error, "no such file") {
		t.Errorf("deleted twice: %+v", a)
	}
}
