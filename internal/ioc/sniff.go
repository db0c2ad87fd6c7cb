package ioc

import (
	"bytes"
	stdpath "path"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"
)

// RefusedError says what a source is, and what to do with it instead.
type RefusedError struct {
	Name string
	Kind string // "a PDF", "YARA rules"
	Do   string // what to do
}

func (e *RefusedError) Error() string {
	return e.Name + ": is " + e.Kind + ", not a list of indicators"
}

// binaries are recognised by how they begin.
var binaries = []struct{ magic, kind, do string }{
	{"%PDF", "a PDF", "pdftotext %s - | edrctl hunt ioc -"},
	{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Office document (or MSI)", "save it as text or CSV: libreoffice --headless --convert-to csv %s"},
	{"\x89PNG", "an image", "type or OCR its text into a file: tesseract %s - | edrctl hunt ioc -"},
	{"\xff\xd8\xff", "an image", "type or OCR its text into a file: tesseract %s - | edrctl hunt ioc -"},
	{"GIF8", "an image", "type or OCR its text into a file: tesseract %s - | edrctl hunt ioc -"},
	{"BM", "an image", "type or OCR its text into a file: tesseract %s - | edrctl hunt ioc -"},
	{"RIFF", "an image or a sound", "give its text instead"},
	{"II*\x00", "an image", "type or OCR its text into a file: tesseract %s - | edrctl hunt ioc -"},
	{"MM\x00*", "an image", "type or OCR its text into a file: tesseract %s - | edrctl hunt ioc -"},
	{"\x00\x00\x01\x00", "an image", "give its text instead"},
	{"MZ", "a Windows executable", "hunt its hash: edrctl hunt hash \"$(sha256sum < %s | cut -d' ' -f1)\""},
	{"\x7fELF", "an executable", "hunt its hash: edrctl hunt hash \"$(sha256sum < %s | cut -d' ' -f1)\""},
	{"\xcf\xfa\xed\xfe", "an executable", "hunt its hash: edrctl hunt hash \"$(sha256sum < %s | cut -d' ' -f1)\""},
	{"\xce\xfa\xed\xfe", "an executable", "hunt its hash: edrctl hunt hash \"$(sha256sum < %s | cut -d' ' -f1)\""},
	{"\xca\xfe\xba\xbe", "an executable", "hunt its hash: edrctl hunt hash \"$(sha256sum < %s | cut -d' ' -f1)\""},
	{"Rar!", "a RAR archive", "unpack it and give the files"},
	{"7z\xbc\xaf", "a 7z archive", "unpack it and give the files"},
	{"\xfd7zXZ", "xz data", "xz -dc %s | edrctl hunt ioc -"},
	{"\x28\xb5\x2f\xfd", "zstd data", "zstd -dc %s | edrctl hunt ioc -"},
	{"BZh", "bzip2 data", "bzip2 -dc %s | edrctl hunt ioc -"},
	{"SQLite format 3", "an SQLite database", "export the table: sqlite3 -csv %s 'select …' | edrctl hunt ioc -"},
	{"\xd4\xc3\xb2\xa1", "a packet capture", "export its addresses: tshark -r %s -T fields -e ip.dst | sort -u | edrctl hunt ioc -"},
	{"\xa1\xb2\xc3\xd4", "a packet capture", "export its addresses: tshark -r %s -T fields -e ip.dst | sort -u | edrctl hunt ioc -"},
	{"\x0a\x0d\x0d\x0a", "a packet capture", "export its addresses: tshark -r %s -T fields -e ip.dst | sort -u | edrctl hunt ioc -"},
	{"ElfFile", "a Windows event log", "read it as evidence: edrctl --from %s events list"},
	{"L\x00\x00\x00\x01\x14\x02", "a Windows shortcut", "hunt its hash"},
	{"PAR1", "a Parquet file", "export it as CSV"},
	{`{\rtf`, "an RTF document", "save it as plain text"},
}

// refuseBinary recognises what is not text.
func refuseBinary(head []byte, name string) *RefusedError {
	for _, b := range binaries {
		if !bytes.HasPrefix(head, []byte(b.magic)) {
			continue
		}
		if len(b.magic) == 2 && isText(head) { // MZ and BM begin words, too
			continue
		}
		return &RefusedError{Name: name, Kind: b.kind, Do: strings.ReplaceAll(b.do, "%s", quoteName(name))}
	}
	if !isText(head) {
		return &RefusedError{Name: name, Kind: "binary data", Do: "hunt its hash, or give the text in it: strings " + quoteName(name) + " | edrctl hunt ioc --text -"}
	}
	return nil
}

func quoteName(name string) string {
	if strings.ContainsAny(name, " '\"()$&;") {
		return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
	}
	return name
}

// isText tells text from data by its control characters.
func isText(head []byte) bool {
	bad := 0
	for _, c := range head {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' && c != '\f' && c != '\v' && c != 0x1b && c != 0x1a {
			bad++
		}
	}
	if utf8.Valid(head[:max(0, len(head)-utf8.UTFMax)]) {
		return bad*20 <= len(head)
	}
	return bad*100 <= len(head)
}

var (
	yaraRule = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?m)^\s*(?:(?:private|global)\s+)*rule\s+\w+\s*(?::[\w\s]+)?\s*\{?\s*$|^\s*rule\s+\w+[^\n{]*\{`)
	})
	yaraBody = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?m)^\s*(?:condition|strings|meta)\s*:`)
	})
	netRule = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?m)^\s*#?\s*(?:alert|drop|pass|reject|log|rejectsrc|rejectdst|rejectboth)\s+(?:tcp|udp|icmp|ip|http|http2|tls|dns|ftp|smb|ssh|smtp|any|file|tcp-pkt|tcp-stream)\s.*(?:sid\s*:|msg\s*:|->)`)
	})
	sigmaSource = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?m)^logsource\s*:`)
	})
	sigmaDetect = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?m)^detection\s*:`)
	})
	codeStart = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?m)^(?:#!\s*/|<\?php|<%@?|#include\s*[<"]|package\s+\w+;?$|using\s+[\w.]+;$|import\s+[\w.]+(?:\s+as\s+\w+)?;?$|from\s+[\w.]+\s+import\s|use\s+strict;|my\s+[%$@]\w+\s*=|def\s+\w+\(.*\)\s*:|class\s+\w+.*[:{]\s*$|function\s+\w+\s*\(.*\{?$|(?:public|private|static)\s+\w+.*[({]\s*$|(?:const|let|var)\s+\w+\s*=.*;$|\s+return\s.*;?$|meta:\s*$|seq:\s*$|instances:\s*$|enums:\s*$|%\{$|try:$|if\s+__name__)`)
	})
)

// codeNames are the extensions of source files.
var codeNames = sync.OnceValue(func() map[string]bool {
	return wordSet("py pl rb c cc cpp h hpp cs go rs java js ts php sh bash ps1 psm1 bat cmd vbs vba aspx asp jsp lua ksy swift kt m r scala asm s tpl")
})

// refuseRules recognises rules and source code: what they mean is not a list
// of values, and the values in them are often no indicators.
func refuseRules(head, name string) *RefusedError {
	ext := strings.TrimPrefix(strings.ToLower(stdpath.Ext(strings.ReplaceAll(name, `\`, "/"))), ".")
	switch {
	case yaraRule().MatchString(head) && yaraBody().MatchString(head) && !mostlyProse(head, ext):
		return &RefusedError{Name: name, Kind: "YARA rules", Do: "scan hosts with them, where the product can: edrctl rules list; or hunt the hashes they name with hunt hash"}
	case sigmaSource().MatchString(head) && sigmaDetect().MatchString(head):
		return &RefusedError{Name: name, Kind: "a Sigma rule", Do: "edrctl hunt sigma " + quoteName(name)}
	case matchesMost(netRule(), head):
		return &RefusedError{Name: name, Kind: "Suricata or Snort rules", Do: "they need a network sensor; hunt the addresses and names in them with hunt ip and hunt domain"}
	case strings.HasPrefix(head, "-----BEGIN "):
		return &RefusedError{Name: name, Kind: "a key or certificate", Do: "give its fingerprint as a list, if your product records it"}
	}
	starts := len(codeStart().FindAllStringIndex(head, 200))
	lines := strings.Count(head, "\n") + 1
	if strings.HasPrefix(head, "#!/") || strings.HasPrefix(head, "<?php") || strings.HasPrefix(head, "<%@") || codeNames()[ext] && (starts > 0 || lines > 3) ||
		ext == "" && starts > 5 && starts*12 > lines {
		return &RefusedError{Name: name, Kind: "source code", Do: "to search it as text: edrctl hunt ioc --text - < " + quoteName(name)}
	}
	return nil
}

// mostlyProse tells a report that shows a rule among other things.
func mostlyProse(head, ext string) bool {
	if ext == "yar" || ext == "yara" || ext == "rule" {
		return false
	}
	i := yaraRule().FindStringIndex(head)
	return i != nil && (ext == "md" || ext == "adoc" || ext == "html" || i[0] > len(head)/3)
}

// matchesMost tells whether most of the lines that are not comments are such rules.
func matchesMost(re *regexp.Regexp, head string) bool {
	rules, other := 0, 0
	for line := range strings.Lines(head) {
		t := strings.TrimSpace(line)
		switch {
		case re.MatchString(t):
			rules++
		case t == "" || t[0] == '#':
		default:
			other++
		}
	}
	return rules > 0 && rules >= other
}

// styleOf tells reports from lists: sentences, headings and labels.
func styleOf(head, name string) (s style) {
	lines, prose := 0, 0
	for line := range strings.Lines(head) {
		t := strings.TrimSpace(line)
		if t == "" {
			continue
		}
		lines++
		if n := len(strings.Fields(t)); n > 5 && t[0] != '#' && t[0] != '!' || n > 1 && (strings.HasSuffix(t, ":") || isTitle(t)) {
			prose++
		}
		if strings.HasPrefix(t, "## ") || strings.HasPrefix(t, "|") || strings.HasPrefix(t, "```") || strings.HasPrefix(t, "== ") || strings.HasPrefix(t, "* `") || strings.HasPrefix(t, "|===") {
			s.markdown = true
		}
	}
	switch strings.ToLower(stdpath.Ext(name)) {
	case ".md", ".adoc", ".asciidoc", ".rst", ".html", ".htm":
		s.markdown = true
	}
	s.prose = s.markdown || prose*20 > lines || prose > 20
	return s
}

func isTitle(t string) bool { return strings.HasPrefix(t, "= ") || strings.HasPrefix(t, "== ") }
