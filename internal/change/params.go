package change

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
)

// What people write for the parameters of a change, read the same way by the
// command line and by the screen. The errors say what is wrong with the text.

// BlockTarget reads ADDRESS, ADDRESS:PORT, [IPv6]:PORT, a network, or else the
// path or name of a program.
func BlockTarget(s string) (address string, port int, program string, err error) {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		if ap.Port() == 0 {
			return "", 0, "", fmt.Errorf("%q: port 0 is none", s)
		}
		return ap.Addr().Unmap().String(), int(ap.Port()), "", nil
	}
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return a.Unmap().String(), 0, "", nil
	}
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked().String(), 0, "", nil
	}
	looksLikeAddress := strings.Trim(s, "0123456789.:/") == ""
	switch {
	case strings.TrimSpace(s) == "":
		return "", 0, "", fmt.Errorf("missing ADDRESS or PROGRAM")
	case looksLikeAddress:
		return "", 0, "", fmt.Errorf("%q is not an address", s)
	}
	return "", 0, s, nil
}

// SplitCommand reads a line as the arguments of a command: words, and texts in
// single or double quotes. A backslash stands for itself, for in paths it does;
// only before a double quote inside double quotes it makes that quote a letter.
func SplitCommand(line string) ([]string, error) {
	var out []string
	var word strings.Builder
	in := rune(0)    // the quote one is inside of
	began := false   // a word, which may be empty: ""
	escaped := false // the last rune was a backslash in double quotes
	for _, r := range line {
		switch {
		case escaped:
			escaped = false
			if r != '"' {
				word.WriteRune('\\')
			}
			if r == '\\' {
				escaped = true
				continue
			}
			word.WriteRune(r)
		case in == '"' && r == '\\':
			escaped = true
		case in != 0 && r == in:
			in = 0
		case in != 0:
			word.WriteRune(r)
		case r == '"' || r == '\'':
			in, began = r, true
		case r == ' ' || r == '\t':
			if began {
				out = append(out, word.String())
				word.Reset()
				began = false
			}
		default:
			word.WriteRune(r)
			began = true
		}
	}
	if in != 0 {
		return nil, fmt.Errorf("the quote %c is not closed", in)
	}
	if began {
		out = append(out, word.String())
	}
	return out, nil
}

// maxScript bounds a script.
const maxScript = 8 << 20

// ReadScript reads a local file to run on hosts, under its own name.
func ReadScript(path string) (*backends.Script, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read from
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a file", path)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxScript+1))
	switch {
	case err != nil:
		return nil, err
	case len(b) == 0:
		return nil, fmt.Errorf("%s is empty", path)
	case len(b) > maxScript:
		return nil, fmt.Errorf("%s is larger than %d MiB", path, maxScript>>20)
	}
	return &backends.Script{Name: filepath.Base(path), Content: b}, nil
}
