package wire

import "strings"

// Link is a file named in a description: <link hash="sha256">name</link>.
type Link struct{ Hash, Name string }

// The tags descriptions contain (docs/wire/carbonblack.md §10.2). Everything else
// in angle brackets is text, written by whoever wrote the command line.
var markupTags = []string{"<share>", "</share>", "<accent>", "</accent>", "</link>"}

const linkOpen = `<link hash="`

// PlainText gives the plain text of a description and the files it links.
// It is not HTML: quotes, backslashes and other brackets are literal. A link
// without a well-formed hash is dropped like the rest of the markup.
func PlainText(s string) (plain string, links []Link) {
	if !strings.Contains(s, "<") {
		return strings.TrimSpace(s), nil
	}
	var b strings.Builder
	b.Grow(len(s))
	open := -1 // where the text of the open link begins in b
	var hash string
	closeLink := func() {
		if open >= 0 && IsSHA256(hash) {
			links = append(links, Link{Hash: hash, Name: b.String()[open:]})
		}
		open = -1
	}
scan:
	for len(s) > 0 {
		i := strings.IndexByte(s, '<')
		if i < 0 {
			b.WriteString(s)
			break
		}
		b.WriteString(s[:i])
		s = s[i:]
		if strings.HasPrefix(s, linkOpen) {
			if value, rest, ok := strings.Cut(s[len(linkOpen):], `">`); ok && len(value) <= 128 {
				closeLink()
				open, hash, s = b.Len(), strings.ToLower(value), rest
				continue
			}
		}
		for _, tag := range markupTags {
			if strings.HasPrefix(s, tag) {
				if tag == "</link>" {
					closeLink()
				}
				s = s[len(tag):]
				continue scan
			}
		}
		b.WriteByte('<')
		s = s[1:]
	}
	closeLink()
	return strings.TrimSpace(b.String()), links
}

// Unquoted is a description without what is in double quotes: the server's
// own words, free of names and command lines an attacker chose.
func Unquoted(plain string) string {
	var b strings.Builder
	for i, part := range strings.Split(plain, `"`) {
		if i%2 == 0 {
			b.WriteString(part)
		}
	}
	return strings.ToLower(b.String())
}

// CalledFunction is the API a description says was called, "" for none.
func CalledFunction(plain string) string {
	const before = `by calling the function "`
	i := strings.LastIndex(plain, before)
	if i < 0 {
		return ""
	}
	name, _, ok := strings.Cut(plain[i+len(before):], `"`)
	if !ok || len(name) > 64 {
		return ""
	}
	return name
}

// IsSHA256 reports whether s is a SHA-256 in lower case.
func IsSHA256(s string) bool { return len(s) == 64 && IsHex(s) }

// IsHex reports whether s has nothing but hexadecimal digits in lower case.
func IsHex(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f') {
			return false
		}
	}
	return true
}
