package ioc_test

import (
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/ioc"
	"github.com/edrctl/edrctl/internal/model"
)

// A SHA-512 is hunted like the other hashes: alone, and in a STIX pattern.
func TestSHA512IsHunted(t *testing.T) {
	sum := strings.Repeat("0123456789abcdef", 8)
	event := &model.Event{File: &model.File{Path: `C:\x.exe`, Hash: &model.Hash{SHA512: sum}}}
	for name, text := range map[string]string{
		"line":    strings.ToUpper(sum) + "  x.bin\n",
		"pattern": `{"type":"indicator","id":"indicator--1","pattern":"[file:hashes.'SHA-512' = '` + sum + `' AND file:name = 'x.exe']"}`,
	} {
		l := read(t, text)
		all := l.Hunted(false)
		hit := false
		ioc.NewMatcher(all, l.Rules...).Match(event, func(ioc.Found) { hit = true })
		if !hit {
			t.Errorf("%s: %v does not match", name, strs(l))
		}
	}
	p, err := filter.Parse(filter.Hash, sum)
	f := filter.Filter{Terms: []filter.Term{{Field: filter.Hash, Any: []filter.Pattern{p}}}}
	if err != nil || !f.Match(event) {
		t.Errorf("--hash with 128 digits: %v", err)
	}
}
