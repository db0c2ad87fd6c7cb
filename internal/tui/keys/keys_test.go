package keys

import (
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the page of keys")

// The page of keys is made from the table, and says what the table says.
func TestPage(t *testing.T) {
	const page = "../../../docs/keys.md"
	if *update {
		if err := os.WriteFile(page, []byte(Markdown()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != Markdown() {
		t.Fatal("docs/keys.md is not what the table says: go test ./internal/tui/keys -update")
	}
}

// Every action has a key, a short word and a help; no scope binds a key twice.
func TestDefaults(t *testing.T) {
	if _, err := New(nil); err != nil {
		t.Fatal(err)
	}
	for _, b := range Defaults() {
		if len(b.Keys) == 0 || b.Short == "" || b.Help == "" {
			t.Errorf("%+v", b)
		}
		for _, k := range b.Keys {
			if why := badKey(k); why != "" || normal(k) != k {
				t.Errorf("%s: %s %s", b.Action, k, why)
			}
		}
	}
}

func FuzzRebind(f *testing.F) {
	f.Add("quit", "Q")
	f.Add("down", "ctrl-n")
	f.Fuzz(func(t *testing.T, name, key string) {
		m, err := New(map[string][]string{name: {key}})
		if err != nil {
			return
		}
		for k, want := range reserved {
			if a, ok := m.Find(k); !ok || a != want {
				t.Fatalf("%s lost its meaning: %s", k, a)
			}
		}
	})
}
