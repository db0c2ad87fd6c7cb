package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// docRoot is the root of the repository, seen from this package.
const docRoot = "../.."

// block is a fenced block of a page.
//
// The word after the fence is the language; what follows says what to do:
//
//	```console               commands after "$ ", each followed by its output
//	```console exit=5        the last command of the block ends with that code
//	```console head=8        the output is cut after eight lines
//	```console not-run: WHY  cannot be run here, because
//	```sh file=ticket.sh     a file the commands below find
type block struct {
	line    int // of the fence, from 1
	lang    string
	info    string
	text    []string
	from    int // index of the first line of text in the page
	steps   []step
	file    string
	head    int
	exit    int
	notRun  string
	inFence string
}

// step is a command and the output the page shows for it.
type step struct {
	command  string
	shown    []string
	from, to int // lines of the shown output in the page
}

type page struct {
	name   string // below the root
	lines  []string
	blocks []*block
}

var fence = regexp.MustCompile("^( *)(```+|~~~+) *([A-Za-z0-9]*)(.*)$")

func readPage(t *testing.T, name string) *page {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(docRoot, name))
	if err != nil {
		t.Fatal(err)
	}
	p := &page{name: name, lines: strings.Split(string(text), "\n")}
	var open *block
	for i, l := range p.lines {
		m := fence.FindStringSubmatch(l)
		switch {
		case open != nil && strings.TrimSpace(l) == open.inFence:
			open.parse(t, p.name)
			p.blocks = append(p.blocks, open)
			open = nil
		case open != nil:
			open.text = append(open.text, l)
		case m != nil:
			open = &block{line: i + 1, from: i + 1, inFence: m[2], lang: m[3], info: strings.TrimSpace(m[4])}
		}
	}
	if open != nil {
		t.Errorf("%s:%d: the block is not closed", name, open.line)
	}
	return p
}

var option = regexp.MustCompile(`^(file|head|exit)=(\S+)$`)

func (b *block) parse(t *testing.T, page string) {
	t.Helper()
	info, why, no := strings.Cut(b.info, "not-run:")
	if no {
		if b.notRun = strings.TrimSpace(why); b.notRun == "" {
			t.Errorf("%s:%d: not-run: needs its reason", page, b.line)
		}
	}
	for _, word := range strings.Fields(info) {
		m := option.FindStringSubmatch(word)
		if m == nil {
			t.Errorf("%s:%d: %q means nothing here", page, b.line, word)
			continue
		}
		n := 0
		for _, c := range m[2] {
			n = n*10 + int(c-'0')
		}
		switch m[1] {
		case "file":
			b.file = m[2]
		case "head":
			b.head = n
		case "exit":
			b.exit = n
		}
	}
	if b.lang == "console" {
		b.parseSteps(t, page)
	}
}

func (b *block) parseSteps(t *testing.T, page string) {
	for i, l := range b.text {
		at := b.from + i
		last := len(b.steps) - 1
		switch {
		case strings.HasPrefix(l, "$ "):
			b.steps = append(b.steps, step{command: l[2:], from: at + 1, to: at + 1})
		case last < 0:
			t.Errorf("%s:%d: output before any command", page, at+1)
			return
		case strings.HasPrefix(l, "> ") && len(b.steps[last].shown) == 0:
			s := &b.steps[last]
			s.command += "\n" + l[2:]
			s.from, s.to = at+1, at+1
		default:
			s := &b.steps[last]
			s.shown, s.to = append(s.shown, l), at+1
		}
	}
	for i := range b.steps { // blank lines before the next prompt are for the eye
		s := &b.steps[i]
		for len(s.shown) > 0 && strings.TrimSpace(s.shown[len(s.shown)-1]) == "" {
			s.shown = s.shown[:len(s.shown)-1]
			s.to--
		}
	}
}

// pages lists all pages of the repository for people, the reference apart.
func pages(t *testing.T) []string {
	t.Helper()
	out := []string{"README.md"}
	err := filepath.WalkDir(filepath.Join(docRoot, "docs"), func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(docRoot, path)
		if err == nil && strings.HasSuffix(path, ".md") {
			out = append(out, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

func isReference(page string) bool { return strings.HasPrefix(page, "docs/reference/") }

// What differs between two runs of one example: times, how long it took, ids
// made by chance, ports, versions.
var varying = []struct {
	re *regexp.Regexp
	by string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?( ?UTC|Z|[+-]\d\d:\d\d)?`), "TIME"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d%3A\d\d%3A\d\d(\.\d+)?Z`), "TIME"},
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\d\b`), "DATE"},
	{regexp.MustCompile(`\b(?:179[56]|182[67])\d{9}\b`), "MILLIS"},
	{regexp.MustCompile(`\b\d+[smhd] ago`), "AGO"},
	{regexp.MustCompile(`just now`), "AGO"},
	{regexp.MustCompile(`\b(\d+m)?\d+(\.\d+)? ?(ns|µs|ms|s)\b`), "TOOK"},
	{regexp.MustCompile(`\bact-[a-z2-9]{8}\b`), "act-X"},
	{regexp.MustCompile(`\b[0-9A-F]{10}([0-9a-f]{8}-[0-9a-f-]*)?`), "CARVE"},
	{regexp.MustCompile(`\b[0-9a-f]{64}\b`), "SHA256"},
	{regexp.MustCompile(`\b127\.0\.0\.1:\d+`), "127.0.0.1:PORT"},
	{regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`), "UUID"},
	{regexp.MustCompile(`\bgo1\.[0-9.a-z]+`), "GO"},
	{regexp.MustCompile(`  +`), "  "},
	{regexp.MustCompile(` +\n`), "\n"},
}

// normal is what a command printed, without what differs between two runs.
// Where several programs or profiles write at once, the order of lines does.
func normal(command, text string) string {
	for _, v := range varying {
		text = v.re.ReplaceAllString(text, v.by)
	}
	text = strings.TrimRight(text, " \n")
	if strings.Contains(command, " | ") || strings.Contains(command, "--explain") {
		lines := strings.Split(text, "\n")
		slices.Sort(lines)
		text = strings.Join(lines, "\n")
	}
	return text
}

var chance = regexp.MustCompile(`\b(act-[a-z2-9]{8}|[0-9A-F]{10})\b`)

// aliases maps ids that were made by chance, as a page shows them, to those of
// this run.
type aliases map[string]string

func (a aliases) learn(shown, got string) {
	s, g := chance.FindAllString(shown, -1), chance.FindAllString(got, -1)
	if len(s) != len(g) {
		return
	}
	for i := range s {
		if _, known := a[s[i]]; !known {
			a[s[i]] = g[i]
		}
	}
}

func (a aliases) apply(command string) string {
	return chance.ReplaceAllStringFunc(command, func(id string) string {
		if x, ok := a[id]; ok {
			return x
		}
		return id
	})
}

// back writes the ids of this run as the page calls them.
func (a aliases) back(out string) string {
	return chance.ReplaceAllStringFunc(out, func(id string) string {
		for shown, real := range a {
			if real == id {
				return shown
			}
		}
		return id
	})
}
