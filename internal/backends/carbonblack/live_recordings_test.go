package carbonblack_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
)

func TestRequestsEqualTheRecordings(t *testing.T) {
	for _, tc := range []struct{ verb, command, recording string }{
		{"kill", "kill", "request.cblr_kill.json"},
		{"kill", "process list", "request.cblr_process_list.json"},
		{"delete-file", "delete file", "request.cblr_delete_file.json"},
		{"carve", "get file", "request.cblr_get_file.json"},
		{"run", "create process", "request.cblr_create_process.json"},
		{"memdump", "memdump", "request.cblr_memdump.json"},
	} {
		t.Run(tc.verb+" "+tc.command, func(t *testing.T) {
			want := strings.ReplaceAll(string(recording(t, tc.recording)), "1:2468", "1:100")
			want = strings.ReplaceAll(want, "cblr.Ab3dEf6hIj9k.tmp", "cblr.RANDOM.tmp")
			r := newRig(t, "", nil, nil)
			if _, err := r.Apply(t.Context(), changes(r.host)[tc.verb], nil); err != nil {
				t.Fatal(err)
			}
			got := r.tap.commands(tc.command)
			if len(got) == 0 {
				t.Fatal("it was not sent")
			}
			sameJSON(t, randomName.ReplaceAllString(got[0], "cblr.RANDOM."), want)
		})
	}
	t.Run("session", func(t *testing.T) {
		r := newRig(t, "", nil, nil)
		if _, err := r.Apply(t.Context(), changes(r.host)["kill"], nil); err != nil {
			t.Fatal(err)
		}
		_ = r.Close()
		sent := r.tap.sent()
		sameJSON(t, sent[0].body, strings.ReplaceAll(string(recording(t, "request.cblr_session_open.json")), "2468", "100"))
		sameJSON(t, sent[len(sent)-1].body, strings.ReplaceAll(string(recording(t, "request.cblr_session_close.json")), "2468", "100"))
	})
	t.Run("policy", func(t *testing.T) {
		r := newRig(t, "", nil, nil)
		if _, err := r.Apply(t.Context(), changes(r.host)["isolate"], nil); err != nil {
			t.Fatal(err)
		}
		sent := r.tap.sent()
		if len(sent) != 1 || sent[0].method != "PATCH" || sent[0].path != "/integrationServices/v3/device/100" {
			t.Fatalf("%v", sent)
		}
		sameJSON(t, sent[0].body, strings.ReplaceAll(string(recording(t, "request.device_patch_policy.json")), "12864", "2"))
	})
}

func sameJSON(t *testing.T, got, want string) {
	t.Helper()
	var a, b any
	if json.Unmarshal([]byte(got), &a) != nil || json.Unmarshal([]byte(want), &b) != nil {
		t.Fatalf("no JSON: %s, %s", got, want)
	}
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	if string(x) != string(y) {
		t.Errorf("sent %s\nwant %s", x, y)
	}
}

// The recorded commands, replayed as the server's answers.
func TestRecordedCommands(t *testing.T) {
	for _, tc := range []struct {
		verb, name string
		state      model.ActionState
		why        string
	}{
		{"kill", "kill", model.ActionDone, ""},
		{"delete-file", "delete_file", model.ActionDone, ""},
		{"carve", "get_file", model.ActionDone, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			suffix := ".json"
			if tc.name == "get_file" {
				suffix = ".synthetic.json"
			}
			pending, complete := recording(t, "cblr_command_"+tc.name+".pending"+suffix), recording(t, "cblr_command_"+tc.name+".complete"+suffix)
			h := replay(t, pending, complete)
			d := open(t, h, config{})
			c := changes(&model.Host{Origin: model.Origin{ID: "2468"}, OS: &model.OS{Platform: "windows"}})[tc.verb]
			if tc.verb == "kill" {
				c.PID, c.Path = 303, "/usr/bin/proc1" // the recorded list has bare names
				c.Host.OS.Platform = "linux"
			}
			act, err := d.Apply(t.Context(), c, nil)
			if err != nil || act.State != tc.state {
				t.Fatalf("%+v %v", act, err)
			}
			if tc.name == "get_file" && (len(act.Files) != 1 || act.Files[0] != "1:2468.5.10203") {
				t.Errorf("%v", act.Files)
			}
		})
	}
	t.Run("error", func(t *testing.T) {
		h := replay(t, recording(t, "cblr_command_delete_file.pending.json"), recording(t, "cblr_command_delete_file.error.json"))
		d := open(t, h, config{})
		act, err := d.Apply(t.Context(), changes(&model.Host{Origin: model.Origin{ID: "2468"}})["delete-file"], nil)
		if err == nil || act.Error != "no such file or process: File not found (0x80070002)" {
			t.Errorf("%q %v", act.Error, err)
		}
	})
	t.Run("session over", func(t *testing.T) {
		body := recording(t, "cblr_error_404_session.synthetic.json")
		d := open(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write(body)
		}), config{})
		_, err := d.Action(t.Context(), "lr.1:2468.5")
		if backends.KindOf(err) != backends.KindNotFound {
			t.Errorf("%v", err)
		}
	})
	t.Run("file info", func(t *testing.T) {
		done, info := recording(t, "cblr_command_get_file.complete.synthetic.json"), recording(t, "cblr_file_info.synthetic.json")
		device := recording(t, "device_detail.json")
		d := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			switch {
			case strings.Contains(r.URL.Path, "/file/"):
				_, _ = w.Write(info)
			case strings.Contains(r.URL.Path, "/command/"):
				_, _ = w.Write(done)
			default:
				_, _ = w.Write(device)
			}
		}), config{})
		c, err := d.Carve(t.Context(), "1:2468.5.10203")
		if err != nil || c.State != model.CarveComplete || c.Size != 1234 || c.Path != `C:\TEMP\foo.txt` || *c.Progress != 1 || c.Created.UnixMilli() != 1502126700000 {
			t.Errorf("%+v %v", c, err)
		}
	})
}

// replay plays a sensor of the recordings: a pending session that becomes
// active, the recorded process list, and a command that completes.
func replay(t *testing.T, pending, complete []byte) http.Handler {
	opened, active, closed := recording(t, "cblr_session_pending.json"), recording(t, "cblr_session_active.json"), recording(t, "cblr_session_closed.json")
	list, listed := recording(t, "cblr_command_process_list.pending.json"), recording(t, "cblr_command_process_list.complete.json")
	var mu sync.Mutex
	polls := 0
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.Method == "PUT":
			_, _ = w.Write(closed)
		case strings.HasSuffix(r.URL.Path, "/session/2468"):
			_, _ = w.Write(opened)
		case strings.HasSuffix(r.URL.Path, "/command") && bytes.Contains(body, []byte("process list")):
			_, _ = w.Write(list)
		case strings.HasSuffix(r.URL.Path, "/command"):
			_, _ = w.Write(pending)
		case strings.HasSuffix(r.URL.Path, "/command/10"):
			_, _ = w.Write(listed)
		case strings.Contains(r.URL.Path, "/command/"):
			_, _ = w.Write(complete)
		case polls == 0:
			polls++
			_, _ = w.Write(opened)
		default:
			_, _ = w.Write(active)
		}
	})
}
