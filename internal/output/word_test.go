package output

import "testing"

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

func TestFormulaBehindBlanks(t *testing.T) {
	for in, want := range map[string]string{"  =1+1": "'  =1+1", "\u00a0@x": "'\u00a0@x", "\n-1": "'\n-1", "  plain": "  plain", "": ""} {
		if got := guardFormula(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
