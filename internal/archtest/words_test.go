package archtest

import (
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// banned are phrases that a native speaker would not write, Go's own error texts,
// and references that only the authors could follow.
var banned = []struct{ phrase, write string }{
	{`\b(?:is|are|was|were) no (?:[^lm]|l[^o]|m[^o])`, `"is not a", "unknown X" or "invalid X"`}, // "no longer" and "no more" are fine
	{`\b(?:is|are|be|were|been) (?:said|told)\b(?: [^a]|[^ ]|$)`, `"edrctl reports"`},
	{`\banew\b`, `"again"`},
	{`\bonce more\b(?: [^t]|[^ ]|$)`, `"again"`}, // "once more than two" is fine
	{`\bgo(?:es|ne) on\b`, `"continues", "resumed"`},
	{`\bbeside\b`, `"next to", "with", "besides"`},
	{`\bin spite of\b`, `"even with", "despite"`},
	{`\bfor good\b`, `"permanently"`},
	{`\bst(?:ands?|ood)\b(?: [^fias]| i[^n]|[.,;:]|$)`, `"is", "are"`}, // not "stands for", "stand in for", "stand alone", "stand still"
	{`\bmends?\b`, `"fix"`},
	{`\bthe house\b`, `what is meant`},
	{`\bthe way of the data\b`, `"data flow"`},
	{`\b(?:a|one) find\b`, `"a match"`},
	{`\blook-ups?\b`, `"lookup"`},
	{`\bturns? it round\b`, `"reverses"`},
	{`\bWhich one is it\b`, `"Check the version"`},
	{`\bA terminal is asked\b`, `"on a terminal, edrctl asks"`},
	{`strconv\.\w+: parsing|context deadline exceeded|requires at least \d arg|accepts \d arg`, `what was wrong and what is wanted`},
	{`\bcontract(?: section)? \d|wire/normalised|\bissue \d`, `the fact itself: the repository does not have that document`},
}

// there is how English says "is no".
var there = regexp.MustCompile(`\b[Tt]?here (?:is|are|was|were) no\b`)

// allowed are texts that quote somebody else, by file and part of the line.
var allowed = map[string][]string{
	"docs/wire/carbonblack.md":            {"(cbapi issue 223)"},           // a public tracker
	"cmd/cmdutil/factory.go":              {`"context deadline exceeded"`}, // the text that is replaced
	"internal/backends/gene/fake/logs.go": {`"Failed to parse skip`},       // what the server answers
}

// TestWords reads the comments and strings of all sources, the pages of the
// documentation and the test scripts.
func TestWords(t *testing.T) {
	alternatives := make([]string, len(banned))
	for i, b := range banned {
		alternatives[i] = b.phrase
	}
	any := regexp.MustCompile(strings.Join(alternatives, "|"))
	root := filepath.Join("..", "..")
	files := 0
	check := func(path string, line int, text string) {
		text = there.ReplaceAllString(text, "none")
		m := any.FindString(text)
		if m == "" {
			return
		}
		for _, part := range allowed[path] {
			if strings.Contains(text, part) {
				return
			}
		}
		for _, b := range banned {
			if regexp.MustCompile(b.phrase).MatchString(text) {
				t.Errorf("%s:%d: %q: write %s: %s", path, line, strings.TrimSpace(m), b.write, strings.TrimSpace(text))
			}
		}
	}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		path, _ := filepath.Rel(root, name)
		path = filepath.ToSlash(path)
		if d.IsDir() {
			if path == ".git" || strings.HasPrefix(path, "docs/reference") {
				return fs.SkipDir
			}
			return nil
		}
		var each func(src []byte, check func(line int, text string))
		switch {
		case path == "internal/archtest/words_test.go":
			return nil
		case strings.HasSuffix(path, ".go"):
			each = goTexts
		case strings.HasSuffix(path, ".md"), strings.HasSuffix(path, ".txtar"), strings.HasSuffix(path, ".yml"):
			each = lines
		default:
			return nil
		}
		src, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		files++
		each(src, func(line int, text string) { check(path, line, text) })
		return nil
	})
	if err != nil || files < 300 {
		t.Fatalf("%d files, %v", files, err)
	}
}

func lines(src []byte, check func(line int, text string)) {
	n := 0
	for line := range strings.Lines(string(src)) {
		n++
		check(n, line)
	}
}

// goTexts gives the comments and string literals of a source file, by lines.
func goTexts(src []byte, check func(line int, text string)) {
	var s scanner.Scanner
	fset := token.NewFileSet()
	file := fset.AddFile("", fset.Base(), len(src))
	s.Init(file, src, nil, scanner.ScanComments)
	for {
		pos, tok, lit := s.Scan()
		switch tok {
		case token.EOF:
			return
		case token.COMMENT, token.STRING:
			first := file.Line(pos)
			for i, line := range strings.Split(lit, "\n") {
				check(first+i, line)
			}
		}
	}
}
