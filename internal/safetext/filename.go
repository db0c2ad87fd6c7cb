package safetext

import (
	"strings"
	"unicode/utf8"
)

// maxFileName is the length of a name in bytes. Common file systems allow 255;
// the rest is left for suffixes such as ".part" and numbers.
const maxFileName = 200

// maxExtension is the longest extension, dot included, that shortening keeps.
const maxExtension = 24

// FileName turns a name that came from an endpoint or a server into one that
// can be created in any folder of any of our operating systems: one path
// element, no separators, no "..", no control or invisible character, no
// device name of Windows, no leading dot or dash, no trailing dot or space, at
// most 200 bytes with the extension kept, never empty. It does not take the
// base name of a path; separators become "_", so two paths keep two names.
// The file must still be opened inside an os.Root.
func FileName(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		switch {
		case r == utf8.RuneError, strings.ContainsRune(`/\:*?"<>|`, r), separatorLike(r):
			r = '_'
		case !Plain(r) && !isMark(r):
			r = '_'
		case r == 0xA0 || r == 0x202F || r == 0x3000: // would be trimmed by nobody
			r = ' '
		}
		b.WriteRune(r)
	}
	name := trimName(b.String())
	if len(name) > maxFileName {
		name = trimName(shorten(name))
	}
	if name == "" {
		return "unnamed"
	}
	if c := name[0]; c == '.' || c == '-' || c == '~' {
		name = "_" + name[1:]
	}
	if reservedName(name) {
		name = "_" + name
		if len(name) > maxFileName { // the underscore may be one byte too many
			name = trimName(shorten(name))
		}
	}
	return name
}

// trimName takes away what Windows would drop silently.
func trimName(s string) string {
	return strings.TrimRight(strings.TrimLeft(s, " "), " .")
}

// shorten cuts the middle part of a name, at a rune boundary.
func shorten(name string) string {
	ext := ""
	if i := strings.LastIndexByte(name, '.'); i > 0 && len(name)-i <= maxExtension {
		ext = name[i:]
	}
	n := maxFileName - len(ext)
	for n > 0 && !utf8.RuneStart(name[n]) {
		n--
	}
	return strings.TrimRight(name[:n], " .") + ext
}

// separatorLike tells whether r looks like, or normalises to, a separator or dots.
func separatorLike(r rune) bool {
	switch r {
	case 0x2044, 0x2215, 0x29F8, 0xFF0F, 0x2216, 0x29F5, 0x29F9, 0xFE68, 0xFF3C, 0xFF1A, 0xFE55, 0x2236, 0xA789, 0x2024, 0x2025, 0x2026, 0xFE52, 0xFF0E, 0xFE30:
		return true
	}
	return false
}

// reservedName tells whether Windows would open a device for name. The
// extension does not matter, nor do spaces before it.
func reservedName(name string) bool {
	base, _, _ := strings.Cut(name, ".")
	base = strings.ToUpper(strings.TrimRight(base, " "))
	switch base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$":
		return true
	}
	digit, ok := strings.CutPrefix(base, "COM")
	if !ok {
		digit, ok = strings.CutPrefix(base, "LPT")
	}
	if !ok {
		return false
	}
	switch digit {
	case "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "¹", "²", "³":
		return true
	}
	return false
}
