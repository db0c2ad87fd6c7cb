package ioc_test

import (
	"strings"
	"testing"
)

// Programs write JSON, XML and HTML without a line break: a source is known by
// its beginning, however long its first line is.
func TestLongSourcesOfOneLine(t *testing.T) {
	const many = 5000
	for format, text := range map[string]string{
		"json":    "[" + strings.Repeat(`{"ioc":"evil.example.test","type":"domain"},`, many) + `{"ioc":"evil.example.test","type":"domain"}]`,
		"stix":    `{"type":"bundle","objects":[` + strings.Repeat(`{"type":"indicator","pattern":"[domain-name:value = 'evil.example.test']"},`, many) + `{"type":"identity"}]}`,
		"openioc": `<?xml version="1.0"?><ioc><definition>` + iocGroup("OR", strings.Repeat(iocItem("DnsEntryItem/Host", "is", "evil.example.test"), many)) + `</definition></ioc>`,
		"html":    "<html><body>" + strings.Repeat("<p>evil.example[.]test</p>", many) + "</body></html>",
	} {
		l := read(t, text)
		if got := strings.Join(strs(l), " "); got != "domain:evil.example.test" || l.Reports[0].Format != format {
			t.Errorf("%s: %s, %+v", format, got, l.Reports[0])
		}
	}
}
