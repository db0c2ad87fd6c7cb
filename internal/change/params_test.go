package change_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/change"
)

func TestSplitCommand(t *testing.T) {
	for line, want := range map[string][]string{
		``:                               nil,
		`netstat -ano`:                   {"netstat", "-ano"},
		`  a   b `:                       {"a", "b"},
		`type C:\Users\Public\a.txt`:     {"type", `C:\Users\Public\a.txt`},
		`"C:\Program Files\x.exe" '' ""`: {`C:\Program Files\x.exe`, "", ""},
		`sh -c 'echo "hi"'`:              {"sh", "-c", `echo "hi"`},
		`say "he said \"no\" \\srv\x"`:   {"say", `he said "no" \\srv\x`},
		`a"b c"d`:                        {"ab cd"},
	} {
		got, err := change.SplitCommand(line)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q %v, want %q", line, got, err, want)
		}
	}
	for _, bad := range []string{`"a`, `a 'b`, `"a\"`} {
		if got, err := change.SplitCommand(bad); err == nil {
			t.Errorf("%s: %q", bad, got)
		}
	}
}

// What has neither quotes nor white space comes back as it was written.
func FuzzSplitCommand(f *testing.F) {
	f.Add(`"C:\a b" 'x y' z`)
	f.Add(`\\srv\share\"`)
	f.Fuzz(func(t *testing.T, line string) {
		got, err := change.SplitCommand(line)
		if err != nil {
			return
		}
		if !strings.ContainsAny(line, `"' `+"\t") && line != "" && !slices.Equal(got, []string{strings.ToValidUTF8(line, "�")}) && slices.Equal([]rune(line), []rune(strings.ToValidUTF8(line, "�"))) {
			t.Fatalf("%q: %q", line, got)
		}
		for _, w := range got {
			again, err := change.SplitCommand("'" + w + "'")
			if !strings.Contains(w, "'") && (err != nil || !slices.Equal(again, []string{w})) {
				t.Fatalf("%q does not survive being quoted: %q %v", w, again, err)
			}
		}
	})
}

func TestBlockTarget(t *testing.T) {
	for _, c := range []struct {
		in, address string
		port        int
		program     string
		bad         bool
	}{
		{"203.0.113.9", "203.0.113.9", 0, "", false}, {"203.0.113.9:443", "203.0.113.9", 443, "", false},
		{"[2001:db8::1]:53", "2001:db8::1", 53, "", false}, {"10.1.2.3/8", "10.0.0.0/8", 0, "", false},
		{"/usr/bin/nc", "", 0, "/usr/bin/nc", false}, {`C:\x\nc.exe`, "", 0, `C:\x\nc.exe`, false},
		{"203.0.113.9:0", "", 0, "", true}, {"203.0.113", "", 0, "", true}, {" ", "", 0, "", true},
	} {
		a, p, prog, err := change.BlockTarget(c.in)
		if a != c.address || p != c.port || prog != c.program || (err != nil) != c.bad {
			t.Errorf("%q: %q %d %q %v", c.in, a, p, prog, err)
		}
	}
}
