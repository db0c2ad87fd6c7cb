package ioc

import "strings"

// markup reads the lines that Markdown, AsciiDoc and block lists have around
// their values, and rows of tables. done is false for anything else.
func (r *reader) markup(s string, at place) (o outcome, why string, done bool) {
	switch {
	case strings.HasPrefix(s, "|") && !strings.HasPrefix(s, "||"):
		o, why = r.row(s, at)
		return o, why, true
	case s[0] == '!' && !strings.HasPrefix(s, "!["), strings.HasPrefix(s, "[Adblock"), strings.HasPrefix(s, "@@"):
		return isMarkup, "", true // AdBlock: comments and exceptions
	case s[0] == ':' && strings.IndexByte(s[1:], ':') > 0, s[0] == '[' && strings.HasSuffix(s, "]") && isAttributeLine(s),
		strings.HasPrefix(s, "image::"), strings.HasPrefix(s, "include::"), strings.HasPrefix(s, "```"), strings.HasPrefix(s, "!["), strings.HasPrefix(s, "toc::"),
		strings.HasPrefix(s, "<!--") && strings.HasSuffix(s, "-->"):
		return isMarkup, "", true
	}
	if title, ok := heading(s); ok {
		if !r.style.prose && s[0] == '#' {
			return isMarkup, "", true // a comment of a list
		}
		r.heading(title)
		r.found = scan(title, scanNotes, r.found[:0])
		if o, _ := r.addFound(r.found, at, title); o == gaveIndicator {
			return o, "", true
		}
		return isMarkup, "", true
	}
	if strings.HasSuffix(s, ":") && len(s) < 200 {
		title := bullet(strings.TrimRight(s, ":"))
		r.heading(title)
		r.found = scan(title, scanNotes, r.found[:0])
		if o, _ := r.addFound(r.found, at, title); o == gaveIndicator {
			return o, "", true
		}
		return isMarkup, "", true
	}
	if strings.Contains(s, "](") || strings.Contains(s, "link:") {
		o, why = r.linked(s, at)
		return o, why, true
	}
	return gaveNothing, "", false
}

// isAttributeLine tells [options="header"] and [cols=…] of AsciiDoc.
func isAttributeLine(s string) bool {
	return strings.ContainsAny(s, `="%,`) && !mayBeValue(s) || strings.Trim(s, "[]abcdefghijklmnopqrstuvwxyz#.") == ""
}

func mayBeValue(s string) bool {
	return len(scan(s, scanField, nil)) > 0
}

// heading reads "# title" and "== title".
func heading(s string) (string, bool) {
	switch s[0] {
	case '#':
		return strings.TrimLeft(s, "# "), true
	case '=':
		t := strings.TrimLeft(s, "=")
		return strings.TrimSpace(t), strings.HasPrefix(t, " ")
	case '.':
		return s[1:], len(s) > 2 && isLetter(s[1]) && strings.IndexByte(s, ' ') > 0
	}
	return "", false
}

// heading notes whether what follows is a list of references.
func (r *reader) heading(title string) {
	w := strings.ToLower(strings.Trim(title, " *_:"))
	r.refs = false
	for _, p := range [...]string{"reference", "source", "further reading", "link", "additional reading", "blog", "credits", "see also", "original reference", "more information", "resources"} {
		if strings.HasPrefix(w, p) || strings.HasSuffix(w, " references") {
			r.refs = true
		}
	}
}

// linked reads a line with links: their text counts, their target is a
// reference, listed as common, unless it is defanged.
func (r *reader) linked(s string, at place) (outcome, string) {
	var text strings.Builder
	var targets []string
	for rest := s; ; {
		i := strings.Index(rest, "](")
		if i < 0 {
			text.WriteString(rest)
			break
		}
		end := strings.IndexByte(rest[i+2:], ')')
		if end < 0 {
			text.WriteString(rest)
			break
		}
		text.WriteString(rest[:i])
		text.WriteString("] ")
		targets = append(targets, rest[i+2:i+2+end])
		rest = rest[i+3+end:]
	}
	r.found = scan(strings.ReplaceAll(text.String(), "link:", " "), scanProse, r.found[:0])
	links := 0
	for _, t := range targets {
		if mayBeDefanged(t) && isDefanged(markDefanged(t)) {
			r.found = scan(t, scanField, r.found)
			continue
		}
		links++
		if u, ok := normalURL(t); ok && strings.Contains(u, "://") {
			r.found = append(r.found, found{value: value{typ: URL, text: u, common: true}, link: true})
		}
	}
	o, why := r.addFound(r.found, at, s)
	if o == gaveNothing && links > 0 {
		return isReference, ""
	}
	return o, why
}

// row reads a row of a Markdown or AsciiDoc table.
func (r *reader) row(s string, at place) (outcome, string) {
	if isRuler(s) {
		if strings.Contains(s, "=") {
			r.table, r.heads = !r.table, nil
		}
		return isMarkup, ""
	}
	cells := strings.Split(strings.Trim(s, "| \t"), "|")
	if r.heads == nil {
		if heads, ok := headRow(cells); ok {
			r.heads = heads
			return isMarkup, ""
		}
	}
	return r.cells(cells, r.heads, scanField, at, s)
}

// headRow reads a row of words that name columns; types of the columns.
func headRow(cells []string) ([]Type, bool) {
	heads, known := make([]Type, len(cells)), 0
	for i, c := range cells {
		c = stripTicks(strings.TrimSpace(c))
		if len(c) > 48 || mayBeValue(c) {
			return nil, false
		}
		if t, ok := labelType(c); ok {
			heads[i] = t
			known++
		}
	}
	return heads, known > 0 || len(cells) > 1
}

// cells reads the cells of a row together: its hashes are one sample.
func (r *reader) cells(cells []string, heads []Type, mode scanMode, at place, text string) (outcome, string) {
	all := r.found[:0]
	for i, c := range cells {
		if strings.Contains(c, "](") {
			c = strings.Replace(c[:strings.Index(c, "](")], "[", " ", 1)
		}
		want := None
		if i < len(heads) {
			want = heads[i]
		}
		all = r.cell(c, want, mode, all)
	}
	r.found = all
	return r.addFound(all, at, text)
}

// cell reads one cell: as one value of the column's type, as one value of any
// type, or as a text with values in it.
func (r *reader) cell(c string, want Type, mode scanMode, out []found) []found {
	c = strings.TrimSpace(c)
	if c == "" || c == "-" || strings.EqualFold(c, "n/a") || strings.EqualFold(c, "none") || strings.EqualFold(c, "unknown") {
		return out
	}
	s, ok := bare(stripTicks(c))
	if ok && s != "" && len(s) <= maxValue {
		defanged := s != c
		if vs, err := readCell(s, want, mode); err == nil {
			for _, v := range vs {
				out = append(out, found{value: v, defanged: defanged, link: !defanged && (mode == scanNotes || want == None)})
			}
			if vs[0].typ == FileName || vs[0].typ == FilePath || vs[0].typ == PathPattern {
				out = appendHashIn(out, s)
			}
			return out
		}
	}
	return scan(c, mode, out)
}

// readCell reads the whole of a cell. A column's type is a hint: what does not
// fit it is read as what it is. File names and what cannot be hunted count
// only in a column of that type.
func readCell(s string, want Type, mode scanMode) ([]value, error) {
	switch want {
	case None:
		vs, err := classify(s)
		if err != nil {
			return nil, err
		}
		if mode != scanField && (vs[0].typ == FileName || vs[0].typ == Domain) {
			return nil, errNot
		}
		return vs, nil
	case FileName, ProcessName, FilePath, PathPattern:
		if vs, err := classify(s); err == nil && vs[0].typ != Domain {
			if vs[0].typ == FileName {
				vs[0].typ = want
				if want == FilePath || want == PathPattern {
					vs[0].typ = FileName
				}
			}
			return vs[:1], nil
		}
		if extensionEnd(s) == len(s) && !strings.ContainsAny(s, `/\:`) {
			if want != ProcessName {
				want = FileName
			}
			return []value{{typ: want, text: s}}, nil
		}
		return nil, errNot
	}
	if want.Huntable() {
		if vs, err := readValue(s, want); err == nil {
			return vs, nil
		}
		return readCell(s, None, mode)
	}
	if vs, err := classify(s); err == nil && vs[0].typ != FileName && vs[0].typ != Domain && want != Certificate && want != CommandLine {
		return vs, nil
	}
	if want == Mutex || want == UserAgent || want == SSDeep || want == TLSH || want == Certificate || (want == JA3 || want == JARM || want == Hash) && isHexText(s) {
		return []value{{typ: want, text: s}}, nil
	}
	return nil, errNot
}
