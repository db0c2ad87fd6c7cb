package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

var (
	link    = regexp.MustCompile(`!?\[(?:[^\[\]]|\\.)*\]\(([^()\s]+)\)`)
	inCode  = regexp.MustCompile("`[^`]*`")
	heading = regexp.MustCompile(`^#{1,6} +(.*)$`)
	htmlID  = regexp.MustCompile(`(?:id|name)="([^"]+)"`)
)

// slug is the anchor that renderers make of a heading: small letters, words
// joined with hyphens, punctuation gone.
func slug(title string) string {
	title = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`).ReplaceAllString(title, "$1")
	var b strings.Builder
	for _, r := range strings.ToLower(strings.TrimSpace(title)) {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '_', r == '-':
			b.WriteRune(r)
		case r == ' ':
			b.WriteByte('-')
		}
	}
	return b.String()
}

// prose calls f for each line of a page that is not in a block.
func prose(t *testing.T, name string, f func(line int, text string)) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(docRoot, name))
	if err != nil {
		t.Fatal(err)
	}
	inside := ""
	for i, l := range strings.Split(string(text), "\n") {
		m := fence.FindStringSubmatch(l)
		switch {
		case inside != "" && strings.TrimSpace(l) == inside:
			inside = ""
		case inside != "":
		case m != nil:
			inside = m[2]
		default:
			f(i+1, l)
		}
	}
}

func anchors(t *testing.T, name string) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	prose(t, name, func(_ int, l string) {
		if m := heading.FindStringSubmatch(l); m != nil {
			out[slug(m[1])] = true
		}
		for _, m := range htmlID.FindAllStringSubmatch(l, -1) {
			out[m[1]] = true
		}
	})
	return out
}

// Every relative link of every page leads to a file that is there, and to a
// heading in it.
func TestDocsLinks(t *testing.T) {
	known := map[string]map[string]bool{}
	links := 0
	list := pages(t)
	for _, f := range []string{"CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"} {
		if _, err := os.Stat(filepath.Join(docRoot, f)); err == nil {
			list = append(list, f)
		}
	}
	reached := map[string]bool{"README.md": true}
	for _, name := range list {
		prose(t, name, func(line int, l string) {
			for _, m := range link.FindAllStringSubmatch(inCode.ReplaceAllString(l, "x"), -1) {
				to := m[1]
				if strings.Contains(to, "://") || strings.HasPrefix(to, "mailto:") {
					continue
				}
				links++
				file, anchor, _ := strings.Cut(to, "#")
				target := name
				if file != "" {
					target = filepath.ToSlash(filepath.Join(filepath.Dir(name), file))
				}
				info, err := os.Stat(filepath.Join(docRoot, target))
				if err != nil {
					t.Errorf("%s:%d: %s leads nowhere", name, line, to)
					continue
				}
				reached[target] = true
				if anchor == "" || info.IsDir() || !strings.HasSuffix(target, ".md") {
					continue
				}
				if known[target] == nil {
					known[target] = anchors(t, target)
				}
				if !known[target][anchor] {
					t.Errorf("%s:%d: %s has no heading #%s", name, line, target, anchor)
				}
			}
		})
	}
	for _, name := range list {
		dir := filepath.ToSlash(filepath.Dir(name))
		if !reached[name] && !reached[dir] && strings.HasPrefix(name, "docs/") {
			t.Errorf("%s: no page leads to it", name)
		}
	}
	t.Logf("%d relative links of %d pages lead somewhere", links, len(list))
}
