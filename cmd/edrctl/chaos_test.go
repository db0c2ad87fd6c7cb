package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/edrctl/edrctl/cmd/cli"
	"github.com/edrctl/edrctl/internal/demo"
	"github.com/edrctl/edrctl/internal/faults"
	"github.com/edrctl/edrctl/internal/iostreams"
)

// spoiled are the faults of a server that the suite tries: each in every answer,
// and those that a program may meet half-way also after the first answer.
var spoiled = []string{
	"503", "5xx", "403", "429:retry-after=60", "503:body=html", "expired-token", "expired-token:every=2",
	"html", "html:after=1", "garbage", "garbage:after=1", "empty", "empty:after=1",
	"hang", "hang:after=1", "hang=50%", "hang=50%:after=1", "latency=5s", "latency=100ms", "slow=10ms",
	"reset-before", "reset-before:after=1", "reset-after", "reset-after:after=1",
	"cut=50%", "cut=50%:after=1", "cut=1000", "cut=50%:clean", "cut=50%:clean,after=1", "trailing", "bom", "label=text/html",
}

// misled are the faults of its records.
var misled = []string{"late=1h", "early=2h", "moving-pages", "moving-pages=repeat", "moving-pages=none", "busy-day=50", "random-order"}

// Every fault, every command that reads, every backend: each ends soon after the
// time it was given, with the whole answer or with an error. What it printed is
// JSON where the exit code says so, and a list that failed never looks whole.
func TestChaos(t *testing.T) {
	if raceBuilt || testing.Short() {
		t.Skip("SKIPPED: short, or under the race detector, for time; CI runs it without")
	}
	for _, backend := range demo.Backends {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			newChaos(t, backend).run(t)
		})
	}
}

// chaos is one backend's healthy server, and what the commands print from it.
type chaos struct {
	backend  string
	now      time.Time
	healthy  http.Handler
	profile  string
	env      map[string]string
	commands [][]string
	whole    map[string]printed

	mu      sync.Mutex
	slowest time.Duration
	where   string
	codes   map[int]int
}

type printed struct {
	code     int
	out, err string
	took     time.Duration
}

func newChaos(t *testing.T, backend string) *chaos {
	c := &chaos{backend: backend, now: time.Now().UTC().Truncate(time.Second), whole: map[string]printed{}, codes: map[int]int{}}
	url := c.serve(t, "", func(h http.Handler) http.Handler {
		c.healthy = h
		return h
	})
	record := func(args ...string) map[string]any {
		p := c.edrctl(t, url, append(args, "-o", "json", "--jq", "[.[] | select(.host.name and .process.uid)][0] // .[0]")...)
		var doc map[string]any
		if err := json.Unmarshal([]byte(p.out), &doc); err != nil || p.code != 0 {
			t.Fatalf("%s %v: exit %d, %s%s", backend, args, p.code, p.out, p.err)
		}
		return doc
	}
	alert := record("alerts", "list", "--since", "3d")
	event := record("events", "list", "--since", "3d", "--limit", "200")
	host := record("hosts", "list")
	hash := strings.Repeat("a1", 20)
	list := filepath.Join(t.TempDir(), "list.txt")
	writeFile(t, list, "203.0.113.66\n"+hash+"\n")
	c.commands = [][]string{
		{"alerts", "list"}, {"alerts", "count", "--by", "rule"}, {"alerts", "get", text(alert, "ref")}, {"alerts", "get", text(alert, "ref"), "--events"},
		{"alerts", "tree", text(alert, "ref")},
		{"events", "list"}, {"events", "count", "--by", "kind"}, {"events", "get", text(event, "ref")},
		{"hosts", "list"}, {"hosts", "get", text(host, "ref")}, {"processes", "list", "--host", text(host, "name")},
		{"rules", "list"}, {"carve", "list"}, {"respond", "list"},
		{"hunt", "ioc", list}, {"hunt", "hash", hash}, {"doctor"},
	}
	for i, args := range c.commands {
		if slices.Contains([]string{"alerts list", "alerts count", "events list", "events count", "hunt ioc"}, strings.Join(args[:min(2, len(args))], " ")) {
			// A window that stands still.
			c.commands[i] = append(args, "--since", c.now.Add(-20*time.Hour).Format(time.RFC3339), "--until", c.now.Add(-time.Minute).Format(time.RFC3339))
		}
	}
	for _, args := range c.commands {
		c.whole[strings.Join(args, " ")] = c.edrctl(t, url, args...)
	}
	return c
}

func text(doc map[string]any, name string) string {
	s, _ := doc[name].(string)
	return s
}

// serve starts the demo's server of the backend with faults of its records.
func (c *chaos) serve(t *testing.T, spec string, wrap func(http.Handler) http.Handler) string {
	t.Helper()
	url, secrets, settings, stop, err := demo.Faulty(spec)(context.Background(), c.backend, func() time.Time { return c.now }, 1, wrap)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stop() })
	c.env = map[string]string{"HOME": t.TempDir(), "TZ": "UTC"}
	for name, v := range secrets {
		c.env["EDRCTL_X_"+strings.ToUpper(name)] = v
	}
	var p strings.Builder
	fmt.Fprintf(&p, "profiles:\n  x: {backend: %s, url: %q, proxy: none", c.backend, "URL")
	for _, k := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&p, ", %s: %s", k, settings[k])
	}
	c.profile = p.String() + "}\n"
	return url
}

// edrctl runs the program in this process.
func (c *chaos) edrctl(t *testing.T, url string, args ...string) printed {
	t.Helper()
	config := filepath.Join(t.TempDir(), "config.yaml")
	writeFile(t, config, strings.Replace(c.profile, "URL", url, 1))
	io, _, out, errOut := iostreams.Test()
	if !slices.Contains(args, "-o") {
		args = append(slices.Clone(args), "-o", "json")
	}
	began := time.Now()
	code := cli.Main(append([]string{"--config", config, "-p", "x", "--timeout", "2s"}, args...), io, func(key string) string { return c.env[key] })
	return printed{code: code, out: out.String(), err: errOut.String(), took: time.Since(began)}
}

func (c *chaos) run(t *testing.T) {
	var wg sync.WaitGroup
	sem := make(chan struct{}, 16)
	try := func(fault string, args []string, url func() (string, func())) {
		wg.Add(1)
		sem <- struct{}{}
		go func() {
			defer func() { <-sem; wg.Done() }()
			u, done := url()
			defer done()
			c.judge(t, fault, args, c.edrctl(t, u, args...))
		}()
	}
	for _, fault := range spoiled {
		spec, err := faults.Parse(fault)
		if err != nil {
			t.Fatal(err)
		}
		for _, args := range c.commands {
			try(fault, args, func() (string, func()) {
				s := httptest.NewServer(spec.Wrap(c.backend, c.healthy))
				return s.URL, func() { s.CloseClientConnections(); go s.Close() }
			})
		}
	}
	wg.Wait()
	for _, fault := range misled {
		url := c.serve(t, fault, nil)
		for _, args := range c.commands {
			try(fault, args, func() (string, func()) { return url, func() {} })
		}
		wg.Wait()
	}
	t.Logf("%d faults, %d commands; exit codes %v; slowest %s: %s", len(spoiled)+len(misled), len(c.commands), c.codes, c.slowest.Round(time.Millisecond), c.where)
}

// cleanError is how every error begins.
var cleanError = regexp.MustCompile(`(?m)^edrctl: `)

// judge holds one run to the rules.
func (c *chaos) judge(t *testing.T, fault string, args []string, p printed) {
	c.mu.Lock()
	defer c.mu.Unlock()
	line := strings.Join(args, " ")
	where := fmt.Sprintf("%s, %s: edrctl %s: exit %d after %s", c.backend, fault, line, p.code, p.took.Round(time.Millisecond))
	if p.took > c.slowest {
		c.slowest, c.where = p.took, where
	}
	c.codes[p.code]++
	whole := c.whole[line]
	report := args[0] == "doctor" || args[0] == "hunt" // what failed is its answer; what was found is worth having
	switch {
	case p.took > 4*time.Second:
		t.Errorf("%s: it had 2 s", where)
	case (p.code == 0 || p.code == 3 || p.code == 9) && !json.Valid([]byte(p.out)):
		t.Errorf("%s: not JSON: %.200q", where, p.out)
	case p.code != 0 && p.code != 3 && p.code != 9 && !report && p.out != whole.out && strings.HasPrefix(p.out, "[") && json.Valid([]byte(p.out)):
		t.Errorf("%s: a list that failed looks whole: %.200q", where, p.out)
	case p.code == 0 && p.out != whole.out && p.err == "" && args[0] != "doctor" && !slices.Contains(misled, fault):
		t.Errorf("%s: it prints another answer than a healthy server gives, and reports nothing (%d bytes instead of %d)", where, len(p.out), len(whole.out))
	case p.code != 0 && p.code != whole.code && p.code != 9 && !cleanError.MatchString(p.err) && args[0] != "doctor":
		t.Errorf("%s: no error is reported: %q", where, p.err)
	}
	if m := goism.FindString(p.err); m != "" || strings.Contains(p.err, "goroutine ") || strings.Contains(p.err, "<html") {
		t.Errorf("%s: %q in what a user reads:\n%s", where, m, p.err)
	}
}
