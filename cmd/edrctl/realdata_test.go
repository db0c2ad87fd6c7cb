package main

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// sysmonManager serves the real Sysmon events of shared/data as a Gene manager
// v1.7.0 does, an endpoint for each computer.
func sysmonManager(t *testing.T) (url string, events []map[string]any) {
	t.Helper()
	dir := os.Getenv("EDRCTL_SHARED")
	if dir == "" {
		t.Skip("EDRCTL_SHARED is not set: the real Sysmon events are NOT checked")
	}
	f, err := os.Open(filepath.Join(dir, "data", "sysmon-purplesharp.gene-v1.7.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }() // only read from
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		at  time.Time
		raw []byte
	}
	logs := map[string][]row{}
	sc := bufio.NewScanner(z)
	sc.Buffer(nil, 1<<24)
	for sc.Scan() {
		var e map[string]any
		if err := json.Unmarshal(sc.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		sys := e["Event"].(map[string]any)["System"].(map[string]any)
		at, err := time.Parse(time.RFC3339Nano, sys["TimeCreated"].(map[string]any)["SystemTime"].(string))
		if err != nil {
			t.Fatal(err)
		}
		host := sys["Computer"].(string)
		logs[host] = append(logs[host], row{at, slices.Clone(sc.Bytes())})
		events = append(events, e["Event"].(map[string]any))
	}
	if sc.Err() != nil || len(events) != 22054 {
		t.Fatalf("%d events, %v", len(events), sc.Err())
	}
	uuid := map[string]string{}
	var list []any
	for i, host := range slices.Sorted(func(yield func(string) bool) {
		for h := range logs {
			if !yield(h) {
				return
			}
		}
	}) {
		id := fmt.Sprintf("00000000-0000-0000-0000-00000000000%d", i)
		uuid[id] = host
		list = append(list, map[string]any{"uuid": id, "hostname": host, "ip": "10.0.0.1", "last-connection": "2020-10-22T08:31:00Z"})
	}
	answer := func(w http.ResponseWriter, data any) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if err := json.NewEncoder(w).Encode(map[string]any{"data": data, "message": "OK", "error": ""}); err != nil {
			t.Error(err)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /endpoints", func(w http.ResponseWriter, _ *http.Request) { answer(w, list) })
	mux.HandleFunc("GET /endpoints/{id}", func(w http.ResponseWriter, r *http.Request) {
		for _, e := range list {
			if e.(map[string]any)["uuid"] == r.PathValue("id") {
				answer(w, e)
			}
		}
	})
	mux.HandleFunc("GET /endpoints/{id}/alerts", func(w http.ResponseWriter, _ *http.Request) { answer(w, []any{}) })
	mux.HandleFunc("GET /stats", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]int{"endpoint-count": len(list), "rule-count": 0})
	})
	mux.HandleFunc("GET /endpoints/{id}/logs", func(w http.ResponseWriter, r *http.Request) {
		start, err1 := time.Parse(time.RFC3339Nano, r.FormValue("start"))
		stop, err2 := time.Parse(time.RFC3339Nano, r.FormValue("stop"))
		if err1 != nil || err2 != nil {
			t.Errorf("%s: %v %v", r.URL, err1, err2)
		}
		out := []json.RawMessage{}
		for _, l := range logs[uuid[r.PathValue("id")]] {
			if !l.at.Before(start) && !l.at.After(stop) {
				out = append(out, l.raw)
			}
		}
		answer(w, out)
	})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Api-Key") != "KEYKEYKEY" {
			http.Error(w, "Not Authorized", http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv.URL, events
}

func realWorld(t *testing.T) (*world, []map[string]any) {
	url, events := sysmonManager(t)
	w := &world{t: t, home: t.TempDir(), env: map[string]string{"LANG": "C.UTF-8", "TZ": "UTC", "EDRCTL_REAL_API_KEY": "KEYKEYKEY"}}
	w.env["HOME"] = w.home
	w.config(fmt.Sprintf("profiles:\n  real: {backend: gene, url: %q}\n", url))
	return w, events
}

var realWindow = []string{"--since", "2020-10-22T08:29:00Z", "--until", "2020-10-22T08:31:00Z"}

// The SHA-256 of PurpleSharp.exe, hunted, is found where it ran.
func TestHuntFindsPurpleSharp(t *testing.T) {
	w, _ := realWorld(t)
	const sha256 = "a58c5a337e855070a95ae012a2fe14ecc724c239f54ae597d822f373c57e5228"
	r := w.run(append([]string{"hunt", "hash", sha256, "-o", "json", "--explain"}, realWindow...)...)
	var list []struct {
		Hosts, Names []string
		Count        int
	}
	if err := json.Unmarshal([]byte(r.out), &list); err != nil || r.code != 0 {
		t.Fatalf("exit %d, %v: %s", r.code, err, r.errOut)
	}
	if len(list) != 1 || !slices.Contains(list[0].Names, "PurpleSharp.exe") || len(list[0].Hosts) != 1 || !strings.HasPrefix(list[0].Hosts[0], "WORKSTATION5") {
		t.Errorf("%+v", list)
	}
	// One pass over everything, told with its number.
	if !strings.Contains(r.errOut, "22054 events") {
		t.Errorf("%s", r.errOut)
	}
}

// Every parent link of the trees agrees with the process creations in the
// data, read here a second time and independently.
func TestTreesOfRealEvents(t *testing.T) {
	w, events := realWorld(t)
	parent, image := map[string]string{}, map[string]string{}
	bare := func(v any) string { return strings.ToLower(strings.Trim(fmt.Sprint(v), "{}")) }
	for _, e := range events {
		if e["System"].(map[string]any)["EventID"] != "1" {
			continue
		}
		d := e["EventData"].(map[string]any)
		parent[bare(d["ProcessGuid"])], image[bare(d["ProcessGuid"])] = bare(d["ParentProcessGuid"]), fmt.Sprint(d["Image"])
	}
	if len(parent) != 24 {
		t.Fatalf("%d process creations", len(parent))
	}
	type node struct {
		UID      string `json:"uid"`
		Path     string `json:"path"`
		Children []node `json:"children"`
	}
	checked := 0
	var check func(n node, up string)
	check = func(n node, up string) {
		id := strings.ToLower(n.UID)
		if want, known := parent[id]; known && up != "" {
			checked++
			if want != up {
				t.Errorf("%s (%s) hangs below %s, the events say %s", id, n.Path, up, want)
			}
			if !strings.EqualFold(n.Path, image[id]) { // events write a path in different cases
				t.Errorf("%s is %s, the events say %s", id, n.Path, image[id])
			}
		}
		for _, c := range n.Children {
			check(c, id)
		}
	}
	// One process of each computer that started some, with everything around.
	list := w.run(append([]string{"events", "list", "--kind", "process_start", "-o", "json"}, realWindow...)...)
	var starts []struct {
		Ref  string
		Host struct{ Name string }
	}
	if err := json.Unmarshal([]byte(list.out), &starts); err != nil || len(starts) != 24 {
		t.Fatalf("%d starts, %v: %s", len(starts), err, list.errOut)
	}
	done := map[string]bool{}
	for _, s := range starts {
		if done[s.Host.Name] {
			continue
		}
		done[s.Host.Name] = true
		r := w.run("processes", "tree", "real/"+firstUID(t, list.out, s.Ref), "--since", "2020-10-22", "--until", "2020-10-22T08:31:00Z", "--whole", "-o", "json")
		var roots []node
		if err := json.Unmarshal([]byte(r.out), &roots); err != nil {
			var one node
			if err := json.Unmarshal([]byte(r.out), &one); err != nil {
				t.Fatalf("exit %d, %v: %.200s %s", r.code, err, r.out, r.errOut)
			}
			roots = []node{one}
		}
		for _, n := range roots {
			check(n, "")
		}
	}
	t.Logf("%d parent links of %d computers agree with the events", checked, len(done))
	if checked != 24 {
		t.Errorf("%d of 24 links are in the trees", checked)
	}
}

// firstUID gives the process id of the event with a reference.
func firstUID(t *testing.T, list, ref string) string {
	t.Helper()
	var events []struct {
		Ref     string
		Process struct {
			UID string `json:"uid"`
		}
	}
	if err := json.Unmarshal([]byte(list), &events); err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if e.Ref == ref {
			return e.Process.UID
		}
	}
	t.Fatalf("no event %s", ref)
	return ""
}
