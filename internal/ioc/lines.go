package ioc

import (
	"errors"
	"io"
	"strings"
	"sync"
	"unicode/utf8"
)

// Limits of what a list may hold.
const (
	maxSources = 1 << 16
	maxLine    = 1 << 20
)

// place is a place in a source.
type place struct {
	line   int
	object string
}

// reader reads one source into a list.
type reader struct {
	l      *List
	name   string
	source uint16
	rep    *Report
	style  style
	found  []found // reused
	heads  []Type  // types of the table's columns, from its header
	table  bool    // inside of an AsciiDoc table
	refs   bool    // below a heading "References"
}

// style is what the beginning of a text shows of the whole.
type style struct {
	prose    bool // sentences and headings: a report, not a list
	markdown bool
}

// take adds values and tells whether there was one.
func (r *reader) take(at place, group int32, rule int32, vs ...value) bool {
	ok := false
	for _, v := range vs {
		if v.text == "" || len(v.text) > maxValue {
			continue
		}
		r.l.add(Indicator{Type: v.typ, Value: v.text, Port: v.port, Line: int32(min(at.line, 1<<31-1)), Object: at.object, Source: r.source, Group: group, Rule: rule, Common: v.common}) // #nosec G115 -- bounded here
		ok = true
	}
	return ok
}

// unread counts a line or object that gave nothing, with the reason.
func (r *reader) unread(at place, text, why string) {
	r.rep.Unread++
	r.l.UnreadBy[why]++
	if len(r.l.Unread) >= keptUnread && r.l.OnUnread == nil {
		return
	}
	text = strings.TrimSpace(text)
	if len(text) > 160 {
		cut := 160
		for cut > 0 && !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut] + "…"
	}
	u := Unread{Source: r.name, Line: at.line, Object: at.object, Text: strings.Clone(text), Why: why}
	if r.l.OnUnread != nil {
		r.l.OnUnread(u)
	}
	if len(r.l.Unread) < keptUnread {
		r.l.Unread = append(r.l.Unread, u)
	}
}

// outcome of a line or cell.
type outcome uint8

const (
	gaveNothing outcome = iota
	gaveIndicator
	isMarkup // blank, comment, heading, header
	isReference
)

// count books a line in the report.
func (r *reader) count(o outcome, at place, text, why string) {
	r.rep.Total++
	switch o {
	case gaveIndicator:
		r.rep.Understood++
	case isMarkup:
		r.rep.Skipped++
	case isReference:
		r.rep.Skipped++
		r.rep.References++
	default:
		r.unread(at, text, why)
	}
}

// whyNothing is the reason for text without an indicator in it.
const whyNothing = "no indicator found"

// readLines reads a text line by line.
func (r *reader) readLines(src *lineReader) error {
	for {
		line, n, err := src.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		at := place{line: n}
		if errors.Is(err, errTooLong) {
			r.count(gaveNothing, at, line, "the line is too long")
			continue
		}
		if err != nil {
			return err
		}
		// The plain value of a long list needs no copy and no ceremony.
		if vs, err := plain(line); err == nil {
			r.take(at, 0, 0, vs)
			r.rep.Total++
			r.rep.Understood++
			continue
		}
		if strings.IndexByte(line, '[') > 0 && strings.IndexByte(line, ' ') < 0 && len(line) < 300 {
			if vs, err := plain(Refang(line)); err == nil {
				r.take(at, 0, 0, vs)
				r.rep.Total++
				r.rep.Understood++
				continue
			}
		}
		o, why := r.line(line, at)
		r.count(o, at, line, why)
	}
}

// plain reads the commonest lines: a bare hash, IPv4 address or name.
func plain(line string) (value, error) {
	line = strings.TrimSpace(line)
	if len(line) < 4 || len(line) > 253 {
		return value{}, errNot
	}
	if t, v, ok := hash(line); ok {
		return value{typ: t, text: v}, nil
	}
	if line[0] >= '0' && line[0] <= '9' && len(line) <= 15 {
		if t, v, port, ok := address(line); ok {
			return value{typ: t, text: v, port: port}, nil
		}
	}
	if !isAlnum(line[0]) {
		return value{}, errNot
	}
	dot := -1
	for i := 0; i < len(line); i++ {
		c := line[i]
		if c == '.' {
			dot = i
		} else if !isAlnum(c) && c != '-' && c != '_' {
			return value{}, errNot
		}
	}
	if dot < 1 || fileExtensions()[line[dot+1:]] {
		return value{}, errNot
	}
	d, ok := domain(line)
	if !ok || !knownSuffix(d) {
		return value{}, errNot
	}
	return value{typ: Domain, text: d}, nil
}

// line reads one line of a list or report.
func (r *reader) line(raw string, at place) (outcome, string) {
	s := strings.TrimSpace(strings.ReplaceAll(raw, "\x00", ""))
	s = strings.TrimLeft(s, "\ufeff\u200b\u200e\u00a0")
	if s == "" || isRuler(s) {
		return isMarkup, ""
	}
	if o, why, done := r.markup(s, at); done {
		return o, why
	}
	if v, ok := blockRule(s); ok {
		return yes(r.take(at, 0, 0, v...)), ""
	}
	if s = uncomment(s, r.style.prose || r.l.Text); s == "" {
		return isMarkup, ""
	}
	item := bullet(s)
	name, isSum := sumLine(item)
	if !isSum && r.cellValue(item, None, at) {
		return gaveIndicator, ""
	}
	if isSum {
		return yes(r.sum(item, name, at)), ""
	}
	if label, rest, ok := labelled(item); ok {
		if t, known := labelType(label); known {
			if o, ok := r.labelledValue(rest, t, at); ok {
				return o, ""
			}
		}
	}
	mode := scanField
	if r.style.prose || r.l.Text {
		mode = scanProse
	}
	return r.scanned(item, mode, at)
}

// labelledValue reads what follows "SHA256:" or "File location:".
func (r *reader) labelledValue(rest string, t Type, at place) (outcome, bool) {
	rest = strings.TrimSpace(rest)
	if rest == "" {
		return isMarkup, true
	}
	if !t.Huntable() {
		if t == Mutex || t == UserAgent || t == SSDeep || t == TLSH || t == JA3 || t == JARM {
			return yes(r.take(at, 0, 0, value{typ: t, text: stripTicks(rest)})), true
		}
		return gaveNothing, false
	}
	switch t {
	case FileName, ProcessName, FilePath, PathPattern:
		// A label is a word of the language: what follows must look like the thing.
		v := stripTicks(rest)
		if isPath(v) || registryLike(v) {
			break
		}
		if extensionEnd(v) != len(v) || strings.ContainsAny(v, ",;:") {
			return gaveNothing, false
		}
		if t == FilePath {
			t = FileName
		}
	case Email, URL, Domain, IPv4, IPv6, CIDR:
		t = None
	}
	if r.cellValue(rest, t, at) {
		return gaveIndicator, true
	}
	return gaveNothing, false
}

func registryLike(s string) bool { _, ok := registry(s); return ok }

// scanned searches a line; its hashes are one sample when each is of another kind.
func (r *reader) scanned(s string, mode scanMode, at place) (outcome, string) {
	r.found = scan(s, mode, r.found[:0])
	return r.addFound(r.found, at, s)
}

// addFound adds what was found, but for links to reports.
func (r *reader) addFound(fs []found, at place, text string) (outcome, string) {
	group := r.sampleGroup(fs)
	links, ok := 0, false
	for _, f := range fs {
		if f.link && f.typ == URL {
			switch r.linkOf(f.text) {
			case linkOwn:
				links++
				continue
			case linkCommon:
				f.common = true
			}
		}
		g := int32(0)
		if f.typ.IsHash() {
			g = group
		}
		ok = r.take(at, g, 0, f.value) || ok
	}
	switch {
	case ok:
		return gaveIndicator, ""
	case links > 0:
		return isReference, ""
	}
	if _, err := classify(strings.TrimSpace(text)); err != nil && !errors.Is(err, errNot) && !r.l.Text {
		return gaveNothing, err.Error()
	}
	if r.l.Text && !isSuspicious(text) {
		return isMarkup, ""
	}
	return gaveNothing, whyNothing
}

// isSuspicious tells text that looks as if an indicator was meant: defanged or hash-like.
func isSuspicious(s string) bool {
	if mayBeDefanged(s) && isDefanged(markDefanged(s)) {
		return true
	}
	run := 0
	for i := 0; i < len(s); i++ {
		if isHexDigit(s[i]) {
			if run++; run >= 28 {
				return true
			}
		} else {
			run = 0
		}
	}
	return false
}

// sampleGroup gives a group number when the hashes found are of one sample.
func (r *reader) sampleGroup(fs []found) int32 {
	var seen [numTypes]string
	kinds := 0
	for _, f := range fs {
		if !f.typ.IsHash() {
			continue
		}
		switch seen[f.typ] {
		case "":
			seen[f.typ] = f.text
			kinds++
		case f.text:
		default:
			return 0 // two of one kind: two samples
		}
	}
	if kinds < 2 {
		return 0
	}
	return r.l.newGroup()
}

// cellValue reads a whole text as one value.
func (r *reader) cellValue(s string, want Type, at place) bool {
	s, ok := bare(stripTicks(s))
	if !ok || s == "" || len(s) > maxValue {
		return false
	}
	vs, err := prefixed(s, want)
	if err != nil {
		return false
	}
	if want == None && r.style.prose && len(vs) == 1 && vs[0].typ == URL && strings.Contains(s, "://") && r.linkOf(vs[0].text) != linkIndicator {
		return false
	}
	group := int32(0)
	if len(vs) > 1 && vs[0].typ != CIDR {
		group = r.l.newGroup()
	}
	return r.take(at, group, 0, vs...)
}

func yes(ok bool) outcome {
	if ok {
		return gaveIndicator
	}
	return gaveNothing
}

// stripTicks takes Markdown's and AsciiDoc's code and emphasis marks off.
func stripTicks(s string) string {
	for {
		t := strings.TrimSpace(s)
		switch {
		case len(t) > 2 && (t[0] == '`' || t[0] == '*' || t[0] == '+' || t[0] == '_' && t[len(t)-1] == '_') && t[len(t)-1] == t[0]:
			t = t[1 : len(t)-1]
		case len(t) > 2 && (strings.HasSuffix(t, ",") || strings.HasSuffix(t, ";")):
			t = t[:len(t)-1]
		}
		if t == s {
			return s
		}
		s = t
	}
}

// uncomment cuts comments off. #, ; and // begin one at the start of a line
// and, in lists, behind a blank, unless what follows is one more value.
func uncomment(s string, prose bool) string {
	if s[0] == '#' || s[0] == ';' || strings.HasPrefix(s, "//") || strings.HasPrefix(s, "<!--") {
		return ""
	}
	for _, mark := range [...]string{" #", "\t#", " ; ", " // "} {
		if prose {
			break
		}
		i := strings.Index(s, mark)
		if i <= 0 {
			continue
		}
		if _, _, err := Parse(s[i+len(mark):], None); err != nil {
			s = s[:i]
		}
	}
	return strings.TrimRight(s, " \t,;")
}

// bullet takes list marks and numbering off the start of a line.
func bullet(s string) string {
	for {
		t := strings.TrimLeft(s, " \t")
		switch {
		case len(t) > 1 && strings.IndexByte("-*+>.", t[0]) >= 0 && (t[1] == ' ' || t[1] == '\t' || t[1] == t[0]):
			t = t[1:]
		case strings.HasPrefix(t, "•"), strings.HasPrefix(t, "–"), strings.HasPrefix(t, "·"), strings.HasPrefix(t, "→"), strings.HasPrefix(t, "○"), strings.HasPrefix(t, "▪"), strings.HasPrefix(t, "●"), strings.HasPrefix(t, "—"):
			_, n := utf8.DecodeRuneInString(t)
			t = t[n:]
		default:
			if n := numbering(t); n > 0 {
				t = t[n:]
			}
		}
		if t = strings.TrimLeft(t, " \t"); t == s {
			return s
		}
		s = t
	}
}

// numbering is the length of "1. ", "12) " or "[3] ".
func numbering(s string) int {
	i := 0
	open := strings.HasPrefix(s, "[") || strings.HasPrefix(s, "(")
	if open {
		i++
	}
	start := i
	for i < len(s) && i < start+4 && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	if i == start || i+1 >= len(s) {
		return 0
	}
	if (s[i] == ')' || !open && s[i] == '.' || open && s[i] == ']') && s[i+1] == ' ' {
		return i + 2
	}
	return 0
}

// isRuler tells lines of signs only.
func isRuler(s string) bool {
	for i := 0; i < len(s); i++ {
		if strings.IndexByte("-=_*~#+|.:<> \t`", s[i]) < 0 {
			return false
		}
	}
	return true
}

// sumLine reads "HASH  NAME", "HASH *NAME" and "SHA256 (NAME) = HASH", as the
// checksum tools of Unix and BSD print them. It gives the name.
func sumLine(s string) (string, bool) {
	if open := strings.Index(s, " ("); open > 1 && open < 12 {
		if end := strings.LastIndex(s, ") = "); end > open {
			if t, ok := ParseType(s[:open]); ok && t.IsHash() {
				return s[open+2 : end], true
			}
		}
	}
	i := strings.IndexAny(s, " \t")
	if i < 32 {
		return "", false
	}
	if _, _, ok := hash(strings.TrimPrefix(s[:i], `\`)); !ok {
		return "", false
	}
	name := strings.TrimSpace(s[i:])
	if s[0] == '\\' { // the tool escaped the name
		name = strings.ReplaceAll(name, `\\`, `\`)
	}
	return strings.TrimPrefix(name, "*"), name != ""
}

// sum adds the hash of a checksum line, and its name when it is a path or a
// name with an extension that means something.
func (r *reader) sum(s, name string, at place) bool {
	digest, _, _ := strings.Cut(strings.TrimPrefix(s, `\`), " ")
	digest, _, _ = strings.Cut(digest, "\t")
	if _, _, ok := hash(digest); !ok {
		digest = s[strings.LastIndexByte(s, ' ')+1:]
	}
	t, v, ok := hash(digest)
	if !ok {
		return false
	}
	name = strings.Trim(name, "\"'`")
	switch {
	case isPath(name):
		g := r.l.newGroup()
		return r.take(at, g, 0, append([]value{{typ: t, text: v}}, path(name)...)...)
	case extensionEnd(name) == len(name) && !strings.ContainsAny(name, `/\:,;`) && !strings.Contains(strings.ToLower(name), v[:16]):
		g := r.l.newGroup()
		return r.take(at, g, 0, value{typ: t, text: v}, value{typ: FileName, text: name})
	}
	fs := append([]found{{value: value{typ: t, text: v}}}, scan(name, scanNotes, nil)...)
	o, _ := r.addFound(fs, at, s)
	return o == gaveIndicator
}

// labelled cuts "label: value".
func labelled(s string) (label, rest string, ok bool) {
	i := strings.IndexByte(s, ':')
	if i < 2 || i > 60 || i+1 >= len(s) || s[i+1] != ' ' && s[i+1] != '\t' && s[i+1] != '`' {
		if i = strings.Index(s, " = "); i < 2 || i > 40 {
			return "", "", false
		}
		return s[:i], s[i+3:], true
	}
	return s[:i], s[i+1:], true
}

// labelType reads a label: the whole of it, or its last words.
func labelType(label string) (Type, bool) {
	label = strings.Trim(label, " *_`\"'")
	for range 4 {
		if t, ok := ParseType(label); ok {
			return t, true
		}
		i := strings.IndexByte(label, ' ')
		if i < 0 {
			return None, false
		}
		label = label[i+1:]
	}
	return None, false
}

// blockRule reads lines of block lists: AdBlock's ||name^, hosts files, dnsmasq and unbound.
func blockRule(s string) ([]value, bool) {
	switch {
	case strings.HasPrefix(s, "||"):
		end := strings.IndexAny(s[2:], "^/$:*")
		if end < 0 {
			end = len(s) - 2
		}
		host := s[2 : 2+end]
		if vs := addressOrHost(host); vs != nil {
			return vs, true
		}
		if d, ok := domain(host); ok {
			return []value{{typ: Domain, text: d}}, true
		}
	case strings.HasPrefix(s, "address=/"), strings.HasPrefix(s, "server=/"), strings.HasPrefix(s, "local=/"):
		_, rest, _ := strings.Cut(s, "/")
		host, _, _ := strings.Cut(rest, "/")
		if d, ok := domain(host); ok {
			return []value{{typ: Domain, text: d}}, true
		}
	case s[0] == '0' || s[0] == '1' || s[0] == ':':
		fields := strings.Fields(s)
		if len(fields) < 2 || !sinkholes()[fields[0]] {
			return nil, false
		}
		var out []value
		for _, f := range fields[1:] {
			if f[0] == '#' {
				break
			}
			d, ok := domain(f)
			if !ok {
				return nil, false
			}
			out = append(out, value{typ: Domain, text: d})
		}
		return out, len(out) > 0
	}
	return nil, false
}

var sinkholes = sync.OnceValue(func() map[string]bool {
	return map[string]bool{"0.0.0.0": true, "127.0.0.1": true, "127.0.1.1": true, "::1": true, "::": true, "0": true}
})
