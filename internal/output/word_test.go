package output

import (
	"testing"
	"testing/quick"
)

func TestWord(t *testing.T) {
	for id, want := range map[string]string{
		"p/5f1c": "p/5f1c", "p/EVIL HOST": "p/EVIL%20HOST", "p/bücher": "p/b%C3%BCcher", "p/100%": "p/100%", "p/%41": "p/%41",
		"p/a%20b": "p/a%2520b", "p/tab\tline\n": "p/tab%09line%0A", "p/\xff": "p/%FF",
	} {
		if got := Word(id); got != want {
			t.Errorf("%q: %q, want %q", id, got, want)
		}
		if back := FromWord(Word(id)); back != id {
			t.Errorf("%q comes back as %q", id, back)
		}
	}
}

func TestEveryWordComesBack(t *testing.T) {
	comesBack := func(id string) bool {
		w := Word(id)
		for _, c := range []byte(w) {
			if c <= ' ' || c >= 0x7f {
				return false
			}
		}
		return FromWord(w) == id
	}
	if err := quick.Check(comesBack, nil); err != nil {
		t.Error(err)
	}
	for a := range 256 { // a literal % in front of two hexadecimal digits is the hard case
		for _, id := range []string{string([]byte{'%', byte(a), '0'}), string([]byte{'%', '2', byte(a)}), "%25" + string([]byte{byte(a)})} {
			if !comesBack(id) {
				t.Errorf("%q becomes %q, and that %q", id, Word(id), FromWord(Word(id)))
			}
		}
	}
}

func TestFormulaBehindBlanks(t *testing.T) {
	for in, want := range map[string]string{"  =1+1": "'  =1+1", "\u00a0@x": "'\u00a0@x", "\n-1": "'\n-1", "  plain": "  plain", "": ""} {
		if got := guardFormula(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
