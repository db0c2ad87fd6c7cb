package ioc_test

import (
	"strings"
	"testing"
)

// The text of a page is read, and nothing of its markup.
func TestHTMLText(t *testing.T) {
	page := `<!DOCTYPE html><html><head><title>Report</title><style>a{b:url(style.evil.test)}</style>
<script>if (1<b && x == "</p>") { load("script.evil.test") }</script></head><body>
<!-- comment.evil.test --><p class="x>y" data-a='attribute.evil.test'>It called <b>a[.]evil</b>[.]test &amp; b.evil&#46;test, 5 < 6</p>
<a href="https://link.evil.test/">the report</a><table><tr><td>c.evil.test</td><td>192.0.2.7</td></tr></table><br/>d.evil.test</body></html>`
	l := read(t, page)
	got := strings.Join(strs(l), " ")
	if want := "domain:a.evil.test domain:b.evil.test domain:c.evil.test ipv4:192.0.2.7 domain:d.evil.test"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
