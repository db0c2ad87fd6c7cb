package gene_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene"
	"github.com/edrctl/edrctl/internal/backends/gene/fake"
	"github.com/edrctl/edrctl/internal/client"
)

const testKey = "unit-test-key-0123456789-abcdefghij"

// now is the clock of these tests.
var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return now }

// told collects the warnings of a driver.
type told struct {
	mu   sync.Mutex
	text []string
}

func (w *told) add(s string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text = append(w.text, s)
}

func (w *told) has(part string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.text, func(s string) bool { return strings.Contains(s, part) })
}

// open builds a driver on url.
func open(t testing.TB, url string) (*gene.Driver, *told) {
	t.Helper()
	warned := &told{}
	d, err := gene.New(backends.Options{
		Profile: "lab", Client: client.Config{BaseURL: url, Timeout: 10 * time.Second},
		Secret: func(context.Context, string) (string, error) { return testKey, nil },
		Now:    clock, Warn: warned.add,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d.(*gene.Driver), warned
}

// serve starts a handler and a driver on it.
func serve(t testing.TB, h http.Handler) (*gene.Driver, *told) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return open(t, srv.URL)
}

// start serves data as one version of the manager.
func start(t testing.TB, data *fake.Data, opt fake.Options) (*gene.Driver, *told, *fake.Server) {
	t.Helper()
	opt.Key = testKey
	if opt.Now == nil {
		opt.Now = clock
	}
	f := fake.New(data, opt)
	t.Cleanup(f.Close)
	d, warned := serve(t, f)
	return d, warned, f
}

// collect reads a listing to its end.
func collect[T any](t testing.TB, l backends.Listing[T], err error) []T {
	t.Helper()
	out, err := drain(l, err)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func drain[T any](l backends.Listing[T], err error) ([]T, error) {
	if err != nil {
		return nil, err
	}
	return seq(l.Seq)
}

func seq[T any](s iter.Seq2[T, error]) ([]T, error) {
	var out []T
	for v, err := range s {
		if err != nil {
			return out, err
		}
		out = append(out, v)
	}
	return out, nil
}

// shared gives a file of the reference material, or skips loudly.
func shared(t testing.TB, parts ...string) string {
	t.Helper()
	dir := os.Getenv("EDRCTL_SHARED")
	if dir == "" {
		t.Skip("SKIPPED: EDRCTL_SHARED is not set, the recordings of the real manager are not checked")
	}
	return filepath.Join(append([]string{dir}, parts...)...)
}

// realEvents reads the recorded Sysmon events, a line each.
func realEvents(t testing.TB) [][]byte {
	t.Helper()
	f, err := os.Open(shared(t, "data", "sysmon-purplesharp.gene-v1.7.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	zr, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	sc := bufio.NewScanner(zr)
	sc.Buffer(nil, 4<<20)
	var out [][]byte
	for sc.Scan() {
		out = append(out, slices.Clone(sc.Bytes()))
	}
	if err := sc.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// memLog is a fake.Log in memory.
type memLog struct {
	meta   []fake.Meta
	events []fake.Event
}

func (l *memLog) Len() int                  { return len(l.meta) }
func (l *memLog) Meta(i int) fake.Meta      { return l.meta[i] }
func (l *memLog) Fill(i int, e *fake.Event) { *e = l.events[i] }
func (l *memLog) put(m fake.Meta, e fake.Event) {
	if e.Hash == "" {
		e.Hash = fmt.Sprintf("%040x", len(l.meta)+1)
	}
	if e.Channel == "" {
		e.Channel, e.Provider = sysmon, "Microsoft-Windows-Sysmon"
	}
	if e.RecordID == 0 {
		e.RecordID = len(l.meta) + 1
	}
	l.meta, l.events = append(l.meta, m), append(l.events, e)
}

const sysmon = "Microsoft-Windows-Sysmon/Operational"

const (
	uuid1 = "03e31275-2277-d8e0-bb5f-480fac7ee4ef"
	uuid2 = "6831c0db-2401-5233-e04c-6a477a6025a8"
	uuid3 = "d7d5aca8-13f7-b70f-5eed-dc23e78176cb"
)

func machines() []fake.Endpoint {
	return []fake.Endpoint{
		{UUID: uuid1, Hostname: "ALPHA", IP: "10.0.0.1", Online: true, OSProduct: "Windows 10 Pro", OSVersion: "10.0.19045"},
		{UUID: uuid2, Hostname: "BRAVO", IP: "10.0.0.2", LastSeen: now.Add(-2 * time.Hour)},
		{UUID: uuid3, Hostname: "CHARLIE", IP: "10.0.0.3"},
	}
}

// busy makes n events over the last d on two machines, each tenth a detection.
func busy(n int, d time.Duration) *fake.Data {
	log := &memLog{}
	for i := range n {
		at := now.Add(-d).Add(time.Duration(i) * d / time.Duration(n)).Truncate(time.Microsecond)
		e := fake.Event{Computer: []string{"ALPHA.corp.example", "BRAVO"}[i%2], EventID: 11, Data: []fake.KV{
			{K: "Image", V: `C:\Windows\explorer.exe`},
			{K: "ProcessGuid", V: "{515cd0d1-00f6-6040-4400-0000000" + fmt.Sprintf("%05x", i%50) + "}"},
			{K: "ProcessId", V: strconv.Itoa(100 + i%50)},
			{K: "TargetFilename", V: `C:\Users\a\file` + strconv.Itoa(i) + `.txt`},
			{K: "UtcTime", V: at.Format("2006-01-02 15:04:05.000")},
		}}
		if i%10 == 3 {
			e.Signatures, e.Criticality = []string{"Rule" + strconv.Itoa(i%3)}, i%11
			e.Attack = []fake.Attack{{ID: "T1105", Tactic: "command-and-control", Description: "Ingress Tool Transfer", Reference: "https://attack.mitre.org/techniques/T1105/"}}
		}
		log.put(fake.Meta{Time: at, Endpoint: i % 2, Detection: len(e.Signatures) > 0}, e)
	}
	return &fake.Data{Endpoints: machines(), Log: log}
}

func newestFirst(t testing.TB, times []time.Time) {
	t.Helper()
	for i := 1; i < len(times); i++ {
		if times[i].After(times[i-1]) {
			t.Fatalf("record %d (%v) is newer than the one before it (%v)", i, times[i], times[i-1])
		}
	}
}
