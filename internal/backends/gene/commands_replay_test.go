package gene_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
)

// TestReplayCommands reads every recorded state of a command through the
// driver and compares it with the recording, decoded on its own.
func TestReplayCommands(t *testing.T) {
	read, ends := 0, map[model.ActionState]int{}
	for _, e := range exchanges(t) {
		m := onEndpoint.FindStringSubmatch(e.path)
		if e.Request.Method != "GET" || m == nil || m[2] != "/command" || e.Response.Status != 200 {
			continue
		}
		var want struct {
			Data *struct {
				UUID, Error     string
				Stdout, Stderr  any
				Sent, Completed bool
				Fetch           map[string]struct{ UUID, Data, Error string }
			}
			Error string
		}
		if err := json.Unmarshal(e.body, &want); err != nil {
			t.Fatalf("%s %s: %v", e.set, e.Name, err)
		}
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path == e.path:
				_, _ = w.Write(e.body)
			case r.URL.Path == "/endpoints":
				fmt.Fprintf(w, `{"data":[{"uuid":%q}],"message":"OK","error":""}`, m[1])
			default:
				fmt.Fprintf(w, `{"data":{"uuid":%q},"message":"OK","error":""}`, m[1])
			}
		}))
		d, _ := quick(t, srv.URL)
		id := uuid2
		if want.Data != nil {
			id = want.Data.UUID
		}
		a, err := d.Action(t.Context(), m[1]+"/run/"+id)
		if want.Data == nil {
			if err == nil {
				t.Errorf("%s %s: %+v", e.set, e.Name, a)
			}
			srv.Close()
			continue
		}
		if err != nil {
			t.Fatalf("%s %s: %v", e.set, e.Name, err)
		}
		state := model.ActionQueued
		switch w := want.Data; {
		case w.Completed && w.Error != "" && !strings.HasPrefix(w.Error, "exit status "):
			state = model.ActionFailed
		case w.Completed:
			state = model.ActionDone
		case w.Sent:
			state = model.ActionRunning
		}
		ends[a.State]++
		if a.State != state || a.State.Final() && a.Stdout != plain(want.Data.Stdout) && want.Data.Stdout != nil || a.Stderr != plain(want.Data.Stderr) {
			t.Errorf("%s %s: %+v, want %s", e.set, e.Name, a, state)
		}
		for path, f := range want.Data.Fetch {
			id := m[1] + "/command/" + want.Data.UUID + "/" + f.UUID
			if slices.Contains(a.Files, id) != (f.Error == "") {
				t.Errorf("%s %s: files %v", e.set, e.Name, a.Files)
			}
			var got bytes.Buffer
			_, _, err := d.Download(t.Context(), id, 0, &got)
			if whole := f.Error == "" && want.Data.Completed; whole != (err == nil) || got.String() != plain(f.Data) {
				t.Errorf("%s %s: %s: %q, %v", e.set, e.Name, path, got.String(), err)
			}
		}
		srv.Close()
		read++
	}
	if read < 16 || ends[model.ActionDone] == 0 || ends[model.ActionRunning] == 0 || ends[model.ActionQueued] == 0 {
		t.Errorf("%d states of commands: %v", read, ends)
	}
	t.Logf("%d states of commands: %v", read, ends)
}

func plain(v any) string {
	text, _ := v.(string)
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return text
	}
	return string(b)
}

// TestReplayDownloads fetches every recorded raw artifact, and every recorded
// refusal of one, through the driver.
func TestReplayDownloads(t *testing.T) {
	files, refusals := 0, 0
	for _, e := range exchanges(t) {
		m := onEndpoint.FindStringSubmatch(e.path)
		if e.Request.Method != "GET" || m == nil || !strings.HasPrefix(m[2], "/artifacts/") || e.Response.Status == 0 || e.q.Has("gunzip") {
			continue
		}
		refused := bytes.HasPrefix(e.body, []byte(`{"data":null,"message":"NOK"`)) || e.Response.Status != 200
		raw := slices.Contains([]string{"1", "true", "True"}, e.q.Get("raw"))
		if !raw && !refused {
			continue
		}
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("raw") != "true" {
				t.Errorf("%s: asked for %s", e.Name, r.URL)
			}
			for _, k := range []string{"Content-Type", "Location"} {
				if v := e.Response.Headers[k]; v != "" {
					w.Header().Set(k, v)
				}
			}
			w.WriteHeader(e.Response.Status)
			_, _ = w.Write(e.body)
		}))
		d, _ := quick(t, srv.URL)
		var got bytes.Buffer
		_, _, err := d.Download(t.Context(), m[1]+strings.TrimPrefix(m[2], "/artifacts"), 0, &got)
		switch {
		case refused && (err == nil || got.Len() > 0):
			t.Errorf("%s %s: %d bytes of what was refused, %v", e.set, e.Name, got.Len(), err)
		case refused && e.Response.Status == 200 && backends.KindOf(err) != backends.KindNotFound:
			t.Errorf("%s %s: %v", e.set, e.Name, err)
		case !refused && (err != nil || !bytes.Equal(got.Bytes(), e.body)):
			t.Errorf("%s %s: %d bytes of %d, %v", e.set, e.Name, got.Len(), len(e.body), err)
		}
		if refused {
			refusals++
		} else {
			files++
		}
		srv.Close()
	}
	if files < 6 || refusals < 6 {
		t.Errorf("%d files and %d refusals", files, refusals)
	}
	t.Logf("%d files and %d refusals", files, refusals)
}
