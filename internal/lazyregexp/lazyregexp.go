// Package lazyregexp compiles the regular expressions of package variables when
// they are first used. Most commands need none of them, and compiling all of them
// took a quarter of every start.
package lazyregexp

import (
	"os"
	"regexp"
	"strings"
	"sync"
)

// Regexp is a regular expression that is compiled when it is first used.
type Regexp struct{ get func() *regexp.Regexp }

// inTest: tests compile every expression at once, so that a wrong one is found
// without being used.
var inTest = len(os.Args) > 0 && strings.HasSuffix(strings.TrimSuffix(os.Args[0], ".exe"), ".test")

// New returns the expression, which must compile.
func New(expr string) Regexp {
	re := Regexp{sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })}
	if inTest {
		re.get()
	}
	return re
}

// MatchString is that of [regexp.Regexp].
func (re Regexp) MatchString(s string) bool { return re.get().MatchString(s) }

// FindString is that of [regexp.Regexp].
func (re Regexp) FindString(s string) string { return re.get().FindString(s) }

// FindStringSubmatch is that of [regexp.Regexp].
func (re Regexp) FindStringSubmatch(s string) []string { return re.get().FindStringSubmatch(s) }

// FindSubmatch is that of [regexp.Regexp].
func (re Regexp) FindSubmatch(b []byte) [][]byte { return re.get().FindSubmatch(b) }

// ReplaceAllString is that of [regexp.Regexp].
func (re Regexp) ReplaceAllString(s, with string) string { return re.get().ReplaceAllString(s, with) }

// FindAllString is that of [regexp.Regexp].
func (re Regexp) FindAllString(s string, n int) []string { return re.get().FindAllString(s, n) }

// FindAllStringSubmatch is that of [regexp.Regexp].
func (re Regexp) FindAllStringSubmatch(s string, n int) [][]string {
	return re.get().FindAllStringSubmatch(s, n)
}
