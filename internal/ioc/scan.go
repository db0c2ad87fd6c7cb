package ioc

import (
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// found is a value in a text, and how it was written.
type found struct {
	value
	defanged bool
	link     bool // a link that was not defanged
}

// how a text is scanned.
type scanMode uint8

const (
	scanField scanMode = iota // a cell or a line of a list: names count when their ending exists
	scanProse                 // sentences: undefanged names count only where prose has them as indicators
	scanNotes                 // free text next to indicators: undefanged names and links do not count
)

// scan finds the indicators in a text: hashes, addresses, URLs, e-mail
// addresses, names, paths and registry keys. File names do not count here:
// sentences and notes are full of harmless ones.
func scan(s string, mode scanMode, out []found) []found {
	if mayBeDefanged(s) {
		s = markDefanged(s)
	}
	for i := 0; i < len(s); {
		n := separator(s[i:])
		if n > 0 {
			i += n
			continue
		}
		if end := pathEnd(s, i); end > i {
			if vs := pathIn(s[i:end]); vs != nil {
				for _, v := range vs {
					out = append(out, found{value: v})
				}
				out = appendHashIn(out, s[i:end])
				i = end
				continue
			}
		}
		end, isURL := wordEnd(s, i)
		if end == i {
			i++
			continue
		}
		w := s[i:end]
		if isURL {
			out = appendURL(out, w)
		} else {
			out = appendWord(out, w, mode)
		}
		i = end
	}
	return out
}

// separator is how many bytes at the start of s separate words.
func separator(s string) int {
	switch c := s[0]; {
	case c <= ' ':
		if c == markDot || c == markAt || c == markColon {
			return 0
		}
		return 1
	case strings.IndexByte("\"'`<>|,;(){}[]=*!^\x7f", c) >= 0:
		if c == '[' && len(s) > 3 && (isHexDigit(s[1]) || s[1] == ':') && strings.IndexByte(s[:min(len(s), 48)], ':') > 0 && strings.IndexByte(s[:min(len(s), 48)], ']') > 0 {
			if t, _, _, ok := address(s[:strings.IndexByte(s, ']')+1]); ok && t == IPv6 {
				return 0
			}
		}
		return 1
	case c >= utf8.RuneSelf:
		r, n := utf8.DecodeRuneInString(s)
		if !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) {
			return n
		}
	}
	return 0
}

func isHexDigit(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// wordEnd finds the end of the word at i; a URL reaches further than a word.
// When a URL begins inside of the word, the word ends before it.
func wordEnd(s string, i int) (end int, isURL bool) {
	if s[i] == '[' {
		if k := strings.IndexByte(s[i:], ']'); k > 0 {
			e := i + k + 1
			if e < len(s) && s[e] == ':' {
				for e++; e < len(s) && s[e] >= '0' && s[e] <= '9'; e++ {
				}
			}
			return e, false
		}
	}
	for end = i; end < len(s); {
		c := s[end]
		if (c == ':' || c == markColon) && strings.HasPrefix(s[end+1:], "//") && end+3 < len(s) {
			start := end
			for start > i && isScheme(s[start-1]) && s[start-1] != '.' {
				start--
			}
			for start < end && !isLetter(s[start]) { // ++http://…, -http://…
				start++
			}
			switch {
			case start == end:
			case start > i:
				return start, false
			default:
				return quotedEnd(s, i, urlEnd(s, end+3)), true
			}
		}
		if n := separator(s[end:]); n > 0 {
			return end, false
		}
		if c >= utf8.RuneSelf {
			_, n := utf8.DecodeRuneInString(s[end:])
			end += n
			continue
		}
		end++
	}
	return end, false
}

// urlEnd finds where a URL whose host begins at i ends.
func urlEnd(s string, i int) int {
	end := i
	for end < len(s) {
		c := s[end]
		if c <= ' ' && c != markDot && c != markAt && c != markColon || strings.IndexByte("\"`<>|^\x7f\\", c) >= 0 {
			break
		}
		if (c == ',' || c == ';') && nextScheme(s[end+1:]) {
			break
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[end:])
			if strings.ContainsRune("“”‘’«»…—–\u200e\u00a0\u200b\ufffd\u3000，。；）（、", r) {
				break
			}
			end += n
			continue
		}
		end++
	}
	return end
}

// quotedEnd ends a URL that begins behind a single quote at the next one: that
// is how scripts have them.
func quotedEnd(s string, i, end int) int {
	if i == 0 || s[i-1] != '\'' {
		return end
	}
	if k := strings.IndexByte(s[i:end], '\''); k > 0 {
		return i + k
	}
	return end
}

func nextScheme(s string) bool {
	s = strings.TrimLeft(s, " ")
	return strings.HasPrefix(s, "http") || strings.HasPrefix(s, "ftp:")
}

// trimURL takes off what belongs to the sentence: punctuation, closing
// brackets that were not opened, markup.
func trimURL(s string) string {
	for s != "" {
		c := s[len(s)-1]
		switch {
		case strings.IndexByte(".,;:!?'*_~+\\", c) >= 0:
		case c == ')' && strings.Count(s, "(") < strings.Count(s, ")"),
			c == ']' && strings.Count(s, "[") < strings.Count(s, "]"),
			c == '}' && strings.Count(s, "{") < strings.Count(s, "}"):
		case c == markDot:
		default:
			return s
		}
		s = s[:len(s)-1]
	}
	return s
}

func appendURL(out []found, w string) []found {
	w = trimURL(w)
	defanged := isDefanged(w)
	link := !defanged
	if i := strings.IndexByte(w, '['); i > 0 && link && !strings.Contains(w, "://[") {
		if strings.IndexByte(w, ']') < 0 || strings.HasSuffix(w, "]") { // AsciiDoc: URL[text]
			w = w[:i]
			if strings.HasSuffix(w, "/") || strings.IndexByte(w, '.') > 0 {
				return append(out, found{value: value{typ: URL, text: w}, link: true, defanged: false})
			}
		}
	}
	if v, ok := normalURL(unmark(w)); ok {
		for _, x := range withHost(v) {
			out = append(out, found{value: x, defanged: defanged, link: link})
		}
	}
	return out
}

// appendWord reads one word that is not a URL.
func appendWord(out []found, w string, mode scanMode) []found {
	w = strings.Trim(w, "'.*~:!?+#$&/\\-–")
	for len(w) > 2 && w[0] == '_' && w[len(w)-1] == '_' {
		w = w[1 : len(w)-1]
	}
	w = strings.TrimRight(w, "@%")
	if len(w) < 4 || len(w) > maxValue {
		return out
	}
	if v, ok := wordValue(w, mode); ok {
		return append(out, v...)
	}
	// label:value and value:note, name@address, a/b
	if i := strings.IndexByte(w, ':'); i > 0 && i < len(w)-1 {
		for _, part := range [...]string{w[:i], w[i+1:]} {
			if v, ok := wordValue(part, mode); ok {
				out = append(out, v...)
			}
		}
		return out
	}
	if i := strings.IndexByte(w, '/'); i >= 0 && strings.IndexByte(w[:i], '.') >= 0 {
		return out // a hash in the path of an address is not one of a file
	}
	return appendHashIn(out, w)
}

// appendHashIn finds hashes in names: sandboxes and reports name samples so.
func appendHashIn(out []found, w string) []found {
	if len(w) < 33 {
		return out
	}
	for i := 0; i < len(w); {
		k := i
		for k < len(w) && isAlnum(w[k]) {
			k++
		}
		if t, v, ok := hash(w[i:k]); ok && mixed(v) {
			out = append(out, found{value: value{typ: t, text: v}})
		}
		i = k + 1
	}
	return out
}

// mixed tells hex that has letters and digits, as hashes do.
func mixed(h string) bool {
	return strings.ContainsAny(h, "abcdef") && strings.ContainsAny(h, "0123456789")
}

// wordValue reads a word: what it must not be taken for in prose is left out.
func wordValue(w string, mode scanMode) ([]found, bool) {
	defanged := isDefanged(w)
	plain := w
	if defanged {
		plain = unmark(w)
	}
	if t, v, ok := hash(plain); ok {
		return []found{{value: value{typ: t, text: v}}}, mixed(v)
	}
	if vs := addressOrHost(plain); vs != nil {
		if vs[0].typ != Domain || defanged || mode != scanNotes && knownSuffix(vs[0].text) {
			if vs[0].typ == IPv6 && !likelyIPv6(plain) {
				return nil, false
			}
			var out []found
			for _, v := range vs {
				out = append(out, found{value: v, defanged: defanged})
			}
			return out, true
		}
	}
	if strings.IndexByte(plain, '@') > 0 {
		if v, ok := email(plain); ok {
			return []found{{value: value{typ: Email, text: v}, defanged: defanged}}, true
		}
		return nil, false
	}
	if i := strings.IndexByte(plain, '/'); i > 0 {
		if v, ok := normalURL(plain); ok && (defanged || mode != scanNotes && likelyHost(plain[:i], mode)) {
			var out []found
			for _, x := range withHost(v) {
				out = append(out, found{value: x, defanged: defanged})
			}
			return out, true
		}
		return nil, false
	}
	if strings.IndexByte(plain, '.') <= 0 {
		if t, ok := other(plain); ok && (t == CVE || t == TLSH || t == Wallet && len(plain) > 30) {
			return []found{{value: value{typ: t, text: plain}}}, true
		}
		return nil, false
	}
	d, ok := domain(plain)
	if !ok {
		return nil, false
	}
	if defanged {
		top := d[strings.LastIndexByte(d, '.')+1:]
		return []found{{value: value{typ: Domain, text: d}, defanged: true}}, knownSuffix(d) || allLetters(top) && !fileExtensions()[top]
	}
	if mode == scanNotes || !likelyHost(plain, mode) {
		return nil, false
	}
	return []found{{value: value{typ: Domain, text: d}}}, true
}

func allLetters(s string) bool {
	for i := 0; i < len(s); i++ {
		if !isLetter(s[i]) {
			return false
		}
	}
	return true
}

// likelyIPv6 leaves out times (12:30:45) and MAC addresses.
func likelyIPv6(s string) bool {
	return strings.Contains(s, "::") && len(s) > 4 || strings.Count(s, ":") == 7
}

// likelyHost tells a name that was written as one from names of files, of
// programming interfaces (System.Net) and abbreviations.
func likelyHost(s string, mode scanMode) bool {
	d, ok := domain(s)
	if !ok || !knownSuffix(d) || isSuffix(d) || s[0] == '_' && strings.Count(s, ".") == 1 {
		return false
	}
	dot := strings.LastIndexByte(s, '.')
	ext := strings.ToLower(s[dot+1:])
	if fileExtensions()[ext] || codeEndings()[ext] && strings.IndexByte(s[:dot], '.') < 0 {
		return false
	}
	if upper := strings.ToUpper(s); s != d && s != upper && hasUpper(s[dot+1:]) {
		return false // Newtonsoft.Net, Win32/Agent.CO
	}
	if mode == scanProse && s != d && hasUpper(s) && s != strings.ToUpper(s) && strings.Count(s, ".") == 1 {
		return false // Booking.com, Socket.io
	}
	return true
}

// codeEndings are top-level domains that in a text end the name of a script or
// source file.
var codeEndings = sync.OnceValue(func() map[string]bool {
	return map[string]bool{"sh": true, "pl": true, "md": true, "rs": true, "ps": true, "app": true, "vi": true, "java": true, "mm": true, "cc": false}
})

func hasUpper(s string) bool { return strings.IndexFunc(s, unicode.IsUpper) >= 0 }

// pathIn reads a path or registry key that was found in a text.
func pathIn(s string) []value {
	s = unmark(strings.TrimRight(s, " .,;:!?)]}'*"))
	if v, ok := registry(s); ok {
		return []value{{typ: Registry, text: v}}
	}
	if isPipe(s) {
		return []value{{typ: Pipe, text: pipe(s)}}
	}
	if !isPath(s) {
		return nil
	}
	return path(s)
}

// longestPath is how far the end of a path is looked for.
const longestPath = 1024

// pathEnd finds the end of the path or registry key that begins at i; 0 when
// none does. Blanks belong to a path as long as it continues behind them.
func pathEnd(s string, i int) int {
	if i > 0 && (isAlnum(s[i-1]) || s[i-1] == '\\') || !startsPath(s[i:]) {
		return 0
	}
	end := min(len(s), i+longestPath)
	if i > 0 && strings.IndexByte("\"'`", s[i-1]) >= 0 {
		if k := strings.IndexByte(s[i:end], s[i-1]); k > 0 {
			return i + k
		}
	}
	for k := i; k < end; k++ {
		switch c := s[k]; {
		case c == '\t' || c == '"' || c == '`' || c == '|' || c == '\n':
			end = k
		case c == ' ' && k+1 < len(s) && strings.IndexByte(" -([{<>=/", s[k+1]) >= 0:
			end = k
		case (c == ',' || c == ';') && (k+1 == len(s) || s[k+1] == ' ' || isPath(s[k+1:])):
			end = k
		case c == '\'' && (k+1 == len(s) || s[k+1] == ' '):
			end = k
		}
	}
	text := s[i:end]
	last := strings.LastIndexAny(text, `\/`)
	for k := last + 1; k < len(text); k++ {
		if text[k] != ' ' {
			continue
		}
		// A blank in the last part: the file name ends at the first extension.
		if ext := extensionEnd(text[last+1:]); ext > 0 {
			return i + last + 1 + ext
		}
		return i + k
	}
	// A blank in a folder belongs to the path; a sentence that continues with
	// another path does not.
	for k := 0; k+2 < len(text); k++ {
		if text[k] == ' ' && startsPath(text[k+1:]) {
			return i + k
		}
		if text[k] == ' ' && k > 4 && extensionEnd(lastPart(text[:k])) == len(lastPart(text[:k])) {
			return i + k
		}
	}
	return end
}

func lastPart(s string) string { return s[strings.LastIndexAny(s, `\/`)+1:] }

// extensionEnd is where a file name ends, by its known extension; 0 when it has none.
func extensionEnd(s string) int {
	for i := 1; i < len(s); i++ {
		if s[i] != '.' {
			continue
		}
		k := i + 1
		for k < len(s) && (isAlnum(s[k]) || s[k] == '_') {
			k++
		}
		if (k == len(s) || s[k] != '.') && fileExtensions()[strings.ToLower(s[i+1:k])] {
			return k
		}
	}
	return 0
}

// startsPath tells whether a path or registry key begins here, in a text.
func startsPath(s string) bool {
	switch c := s[0]; {
	case isLetter(c) && len(s) > 3 && s[1] == ':' && s[2] == '\\':
		return s[3] > ' '
	case c == 'H' || c == 'h':
		if len(s) > 5 && (s[1] == 'K' || s[1] == 'k') {
			_, ok := registry(s[:min(len(s), 60)])
			return ok && (s[4] == '\\' || s[3] == '\\' || s[4] == '_' || s[4] == ':')
		}
		return false
	case c == '%', c == '$', c == '\\', c == '~':
		return isPath(s) && strings.ContainsAny(s[:min(len(s), 40)], `\/`) && (c != '\\' || s[1] == '\\' || isPipe(s))
	case c == '/':
		rest := s[1:]
		i := strings.IndexByte(rest, '/')
		return i > 0 && unixRoots()[rest[:i]] && len(rest) > i+1 && rest[i+1] > ' '
	}
	return false
}

var unixRoots = sync.OnceValue(func() map[string]bool {
	m := map[string]bool{}
	for _, r := range strings.Fields(`tmp var usr etc home opt bin sbin lib lib64 root dev Library Applications Users private data system Volumes mnt proc run boot srv flash sdcard vendor`) {
		m[r] = true
	}
	return m
})
