package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var updateDocs = flag.Bool("update", false, "write what the examples of the pages print into the pages")

// Every example of the pages is run, in its order, by a reader with an empty
// home, and prints what the page shows.
//
//	go test ./cmd/edrctl -run TestDocs          checks
//	go test ./cmd/edrctl -run TestDocs -update  writes the outputs into the pages
func TestDocs(t *testing.T) {
	t.Parallel()
	if testing.Short() || raceBuilt {
		t.Skip("SKIPPED: in the short run, and under the race detector, for time; CI runs it without")
	}
	if runtime.GOOS == "windows" {
		t.Skip("SKIPPED: the pages are read in a Unix shell")
	}
	began := time.Now()
	var ran, compared atomic.Int64
	var mu sync.Mutex
	var notRun, skipped []string
	t.Run("pages", func(t *testing.T) {
		for _, name := range pages(t) {
			if isReference(name) {
				continue
			}
			t.Run(strings.ReplaceAll(strings.TrimSuffix(name, ".md"), "/", "_"), func(t *testing.T) {
				t.Parallel()
				r := &reader{t: t, page: readPage(t, name), known: aliases{}}
				r.read()
				ran.Add(int64(r.ran))
				compared.Add(int64(r.compared))
				mu.Lock()
				defer mu.Unlock()
				notRun, skipped = append(notRun, r.notRun...), append(skipped, r.skipped...)
			})
		}
	})
	t.Logf("%d examples ran, %d lines of output compared, in %s", ran.Load(), compared.Load(), time.Since(began).Round(time.Millisecond))
	t.Logf("%d examples cannot run here:", len(notRun))
	for _, x := range notRun {
		t.Log("  " + x)
	}
	if len(skipped) > 0 {
		t.Logf("SKIPPED: %d examples want a program that is not here:\n  %s", len(skipped), strings.Join(skipped, "\n  "))
	}
}

// reader follows one page.
type reader struct {
	t        *testing.T
	page     *page
	session  *session
	known    aliases
	ran      int
	compared int
	notRun   []string
	skipped  []string
	edits    []edit
}

// edit replaces lines [from, to) of the page.
type edit struct {
	from, to int
	lines    []string
}

// shells are the languages of blocks that are commands.
var shells = map[string]bool{"console": true, "sh": true, "bash": true, "shell": true, "": true, "text": true}

// called finds a command of ours in a line.
var called = regexp.MustCompile(`(^|\$ |[|;&(] *|xargs (-\S+ )*)(edrctl|go run \./cmd/edrctl)( |$)`)

func (r *reader) read() {
	for _, b := range r.page.blocks {
		switch {
		case b.notRun != "":
			r.excuse(b)
		case b.file != "":
			r.open()
			r.session.write(b.file, []byte(strings.Join(b.text, "\n")+"\n"))
		case b.lang == "console":
			r.block(b)
		case b.lang == "yaml" && strings.Contains(strings.Join(b.text, "\n"), "profiles:"):
			r.config(b)
		case shells[b.lang]:
			for i, l := range b.text {
				if called.MatchString(l) {
					r.t.Errorf("%s:%d: a command in a block that is not run: make it ```console with prompts, or mark it not-run: WHY", r.page.name, b.from+i+1)
					break
				}
			}
		}
	}
	if *updateDocs {
		r.write()
	}
}

func (r *reader) excuse(b *block) {
	n := 0
	for _, l := range b.text {
		if called.MatchString(l) || strings.HasPrefix(l, "$ ") {
			n++
		}
	}
	for range max(n, 1) {
		r.notRun = append(r.notRun, fmt.Sprintf("%s:%d: %s", r.page.name, b.line, b.notRun))
	}
}

// config has edrctl read a configuration that a page shows.
func (r *reader) config(b *block) {
	r.open()
	r.session.write("shown.yaml", []byte(strings.Join(b.text, "\n")+"\n"))
	if out, code := r.session.run("edrctl --config shown.yaml profile list; x=$?; rm shown.yaml; (exit $x)"); code != 0 {
		r.t.Errorf("%s:%d: edrctl does not take this configuration: %s", r.page.name, b.line, out)
	}
	r.ran++
}

func (r *reader) open() {
	if r.session == nil {
		r.session = newSession(r.t)
	}
}

var wantsJQ = regexp.MustCompile(`(^|[|(;] *)jq `)

func (r *reader) block(b *block) {
	r.open()
	for i, s := range b.steps {
		if wantsJQ.MatchString(s.command) || strings.HasPrefix(s.command, "sh ") && strings.Contains(r.files(), "jq ") {
			if _, err := exec.LookPath("jq"); err != nil {
				r.skipped = append(r.skipped, fmt.Sprintf("%s:%d: jq", r.page.name, s.from))
				continue
			}
		}
		out, code := r.session.run(r.known.apply(s.command))
		r.ran++
		want := 0
		if i == len(b.steps)-1 {
			want = b.exit
		}
		if code != want {
			r.t.Errorf("%s:%d: $ %s\nexit %d, want %d\n%s", r.page.name, s.from, s.command, code, want, out)
		}
		if b.exit == 0 && strings.Contains("\n"+out, "\nedrctl: ") { // also in the middle of a pipe
			r.t.Errorf("%s:%d: $ %s\nhides an error:\n%s", r.page.name, s.from, s.command, out)
		}
		shown := strings.Join(s.shown, "\n")
		got := cut(strings.Split(out, "\n"), b.head)
		if out == "" {
			got = nil
		}
		text := strings.Join(got, "\n")
		r.known.learn(shown, text)
		r.compared += len(got)
		if normal(s.command, text) == normal(s.command, shown) {
			continue
		}
		if *updateDocs {
			r.edits = append(r.edits, edit{s.from, s.to, strings.Split(r.known.back(text), "\n")})
			if text == "" {
				r.edits[len(r.edits)-1].lines = nil
			}
			continue
		}
		r.t.Errorf("%s:%d: $ %s\nprints now:\n%s\n\nthe page shows:\n%s\n\n(go test ./cmd/edrctl -run TestDocs -update writes it)", r.page.name, s.from, s.command, text, shown)
	}
}

// files is the text of the scripts of the page.
func (r *reader) files() string {
	var all strings.Builder
	for _, b := range r.page.blocks {
		if b.file != "" {
			all.WriteString(strings.Join(b.text, "\n"))
		}
	}
	return all.String()
}

// cut keeps the first n lines and shows that there were more.
func cut(lines []string, n int) []string {
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	if n == 0 || len(lines) <= n {
		return lines
	}
	return append(lines[:n:n], "…")
}

func (r *reader) write() {
	if len(r.edits) == 0 || r.t.Failed() {
		return
	}
	lines := r.page.lines
	for i := len(r.edits) - 1; i >= 0; i-- {
		e := r.edits[i]
		lines = append(lines[:e.from:e.from], append(append([]string{}, e.lines...), lines[e.to:]...)...)
	}
	if err := os.WriteFile(filepath.Join(docRoot, r.page.name), []byte(strings.Join(lines, "\n")), 0o644); err != nil {
		r.t.Fatal(err)
	}
}
