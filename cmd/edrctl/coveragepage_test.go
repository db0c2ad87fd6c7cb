package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/backends"
)

// covered is what was found for one server.
type covered struct {
	target *coverTarget
	api    map[string]string // by operation: the command that reached it
	first  map[string]string // the first-class one
	unrun  map[string]bool   // of first: it is there and names the operation, and was not run
}

// firstClass finds out which commands other than `api` reach which operation:
// by running those that read, and from the resources for administration.
func (c *covered) firstClass(t *testing.T) {
	t.Helper()
	x := c.target
	catalog := x.backend.Catalog()
	ref := func(args ...string) string {
		code, out, _ := x.run(append(args, "-o", "id")...)
		first, _, _ := strings.Cut(out, "\n")
		if code != 0 || first == "" {
			return "none"
		}
		return first
	}
	alert := ref("alerts", "list", "--since", "80h")
	host := ref("hosts", "list")
	if _, out, _ := x.run("hosts", "list", "--jq", "map(select(.online)) | .[0].ref // empty"); strings.TrimSpace(out) != "" {
		host = strings.TrimSpace(out)
	}
	event := ref("events", "list", "--since", "80h", "--limit", "1")
	carve := ref("carve", "list")
	best := map[string]int{}
	for _, line := range [][]string{
		// What does one thing comes before what does several.
		{"hosts", "list"}, {"hosts", "get", host}, {"hosts", "report"}, {"hosts", "report", host},
		{"rules", "list"}, {"rules", "get", "no-such-rule"},
		{"events", "list", "--since", "80h", "--limit", "3"}, {"events", "get", event}, {"events", "count", "--by", "process.path"},
		{"alerts", "list", "--since", "80h"}, {"alerts", "get", alert}, {"alerts", "get", alert, "--events"}, {"alerts", "count", "--by", "rule"},
		{"processes", "list", "--since", "24h", "--limit", "3"},
		{"hunt", "hash", strings.Repeat("ab", 20)}, {"hunt", "hash", strings.Repeat("ab", 16)},
		{"carve", "list"}, {"respond", "list"}, {"processes", "tree", alert}, {"alerts", "tree", alert},
		{"alerts", "close", alert, "--yes"}, {"alerts", "dismiss", alert, "--yes"},
		{"hosts", "tag", host, "seen", "--yes"}, {"hosts", "untag", host, "seen", "--yes"},
		{"respond", "isolate", host, "--yes", "--wait", "0"}, {"respond", "release", host, "--yes", "--wait", "0"},
		{"respond", "kill", host, "4711", "--yes", "--wait", "0"}, {"respond", "delete-file", host, `C:\x.exe`, "--yes", "--wait", "0"},
		{"respond", "scan", host, "quick", "--yes", "--wait", "0"}, {"respond", "restart-agent", host, "--yes", "--wait", "0"},
		{"respond", "run", host, "--yes", "--wait", "0", "--", "hostname"},
		{"carve", "get", host, `C:\Windows\win.ini`, "--yes", "--wait", "0", "-O", t.TempDir()},
		{"carve", "download", carve, "-O", t.TempDir()}, {"carve", "delete", carve, "--yes", "--danger"},
		{"hosts", "remove", host, "--yes"}, {"hosts", "enable", host, "--yes"}, {"hosts", "delete", host, "--yes", "--danger"},
		{"doctor"},
	} {
		x.rec.take()
		_, _, _ = x.run(line...) // what it reaches counts, not how it ends
		reached := map[string]bool{}
		for _, e := range x.rec.take() {
			if op, _, ok := x.operationOf(e); ok && op.Name != "auth.login" { // every command begins with it
				reached[op.Name] = true
			}
		}
		for name := range reached {
			// The first is named, unless one of the operation's own name reaches it.
			if fit := nameFit(name, line); c.first[name] == "" || fit > best[name] {
				c.first[name], best[name] = "edrctl "+strings.Join(line[:min(2, len(line))], " "), fit
			}
		}
	}
	if x.backend.Resources == nil {
		return
	}
	for _, r := range x.backend.Resources() {
		for _, v := range r.Verbs {
			if _, ok := backends.OperationNamed(catalog, v.Op); !ok {
				t.Errorf("%s %s needs %s, which is not an operation", r.Noun, v.Name, v.Op)
			}
			line := append(strings.Fields(r.Noun), v.Name)
			if code, _, stderr := x.run(append(line, "--help")...); code != 0 {
				t.Errorf("%s: there is no such command: %s", strings.Join(line, " "), stderr)
			}
			c.first[v.Op] = "edrctl " + strings.Join(line, " ")
			c.unrun[v.Op] = !x.reaches(v, line)
		}
	}
}

// reaches runs a command of administration that only reads and needs nothing
// to be named, and tells whether its operation arrived at the server.
func (x *coverTarget) reaches(v backends.ResourceVerb, line []string) bool {
	op, _ := backends.OperationNamed(x.backend.Catalog(), v.Op)
	if op.Mutates || op.Danger != "" || op.Returns == "websocket" || len(v.Operands) > 0 || x.absent(op) != "" {
		return false
	}
	x.rec.take()
	_, _, _ = x.run(line...) // what it reaches counts, not how it ends
	for _, e := range x.rec.take() {
		if got, _, ok := x.operationOf(e); ok && got.Name == v.Op {
			return true
		}
	}
	return false
}

// nameFit tells how far the words of a command are those of an operation:
// alerts get and alerts.get.
func nameFit(op string, line []string) int {
	noun, verb, _ := strings.Cut(op, ".")
	if noun == "detections" { // Gene's newer word
		noun = "alerts"
	}
	switch {
	case len(line) > 1 && line[0] == noun && line[1] == verb:
		return 2
	case line[0] == noun:
		return 1
	}
	return 0
}

// coveragePage is docs/coverage.md.
func coveragePage(all []*covered) []byte {
	var b bytes.Buffer
	b.WriteString(`# Coverage

Every operation of the vendors' documents, and the commands that reach it. This page is
written by a test (` + "`go test ./cmd/edrctl -run TestCoverage -update`" + `), and the test fails when
it is not true any more: each operation is called through the command line with valid
input, exactly it must arrive at a strict server with the parameters its document has, and
its answer must be shown; and with invalid input, which must be refused before anything is
sent. Where an answer is an error on the server of the test, the operation says why.

A first-class command was seen to reach its operation too, except where a * follows it:
that one is a command of administration which changes something or needs something to be
named. The test looks that it is there and rests on this operation, and does not run it.

| backend | in the vendor's document | beyond it, of the server | reached |
| --- | ---: | ---: | ---: |
`)
	for _, c := range all {
		in, beyond := 0, 0
		for _, op := range c.target.backend.Catalog() {
			switch {
			case c.target.absent(op) != "":
			case undocumented(op):
				beyond++
			default:
				in++
			}
		}
		fmt.Fprintf(&b, "| %s | %d | %d | %d of %d |\n", c.target.label, in, beyond, len(c.api), in+beyond)
	}
	for _, backend := range backends.All() {
		if len(backend.Catalog()) == 0 {
			continue // no server
		}
		var of []*covered
		for _, c := range all {
			if c.target.backend.Name == backend.Name {
				of = append(of, c)
			}
		}
		fmt.Fprintf(&b, "\n## %s\n\n| operation | request | by name | first-class command |%s\n| --- | --- | --- | --- |%s\n",
			backend.Title, versionsHead(of), strings.Repeat(" --- |", len(versionsOf(of))))
		ops := backend.Catalog()
		slices.SortStableFunc(ops, func(a, b backends.Operation) int { return strings.Compare(a.Name, b.Name) })
		for _, op := range ops {
			api, first, unrun, fails := "", "", false, ""
			cells := ""
			for _, c := range of {
				if api == "" {
					api = c.api[op.Name]
				}
				if first == "" || unrun && c.first[op.Name] != "" {
					first, unrun = c.first[op.Name], c.unrun[op.Name]
				}
				if why := c.target.samples[op.Name].Fails; why != "" {
					fails = why
				}
				if c.target.version != "" {
					why := c.target.absent(op)
					if why == "" {
						why = "yes"
					}
					cells += " " + why + " |"
				}
			}
			if first != "" {
				first = "`" + first + "`"
			}
			if unrun {
				first += " *"
			}
			mark := ""
			switch {
			case op.Danger != "":
				mark = " (asks twice)"
			case op.Mutates:
				mark = " (changes)"
			}
			if fails != "" {
				mark += " (error: " + fails + ")"
			}
			fmt.Fprintf(&b, "| %s%s | `%s %s` | `%s` | %s |%s\n", op.Name, mark, op.Method, op.Path, api, first, cells)
		}
	}
	return b.Bytes()
}

// undocumented tells an operation that clients and servers have and the
// vendor's document has not.
func undocumented(op backends.Operation) bool {
	return strings.HasPrefix(op.Section, "wire/") || strings.HasPrefix(op.Section, "beyond") || op.Name == "downloads.get"
}

func versionsOf(of []*covered) []string {
	var out []string
	for _, c := range of {
		if c.target.version != "" {
			out = append(out, c.target.version)
		}
	}
	return out
}

func versionsHead(of []*covered) string {
	s := ""
	for _, v := range versionsOf(of) {
		s += " " + v + " |"
	}
	return s
}
