package files

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/evidence"
)

// watched starts a watch and gives what it yields.
func watched(t *testing.T, d *Driver) <-chan string {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ids, done := make(chan string), make(chan struct{})
	l, err := d.WatchEvents(ctx, backends.Query{})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(done)
		for e, err := range l.Seq {
			if err != nil {
				t.Error(err)
				return
			}
			select {
			case ids <- e.ID:
			case <-ctx.Done():
				return
			}
		}
	}()
	t.Cleanup(func() { stop(); <-done })
	return ids
}

func next(t *testing.T, ids <-chan string, want string) {
	t.Helper()
	select {
	case got := <-ids:
		if got != want {
			t.Errorf("%s came, want %s", got, want)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("%s did not come", want)
	}
}

func TestWhatIsAddedToAFileIsWatched(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.ndjson")
	put := func(text string) {
		t.Helper()
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	put(line(1, day))
	d, err := New(backends.Options{Settings: map[string]string{KeyPath: path}})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	ids := watched(t, d.(*Driver))
	put(line(2, day.Add(-time.Hour))) // older than what is there
	next(t, ids, "own-2")
	put(line(3, day))
	next(t, ids, "own-3")
	if err := os.WriteFile(path, []byte(line(4, day)), 0o600); err != nil { // the file begins again
		t.Fatal(err)
	}
	next(t, ids, "own-4")
	all, err := events(t, d.(*Driver), backends.Query{Follow: true})
	if err != nil || len(all) != 1 {
		t.Errorf("%d events, %v: the old ones are gone", len(all), err)
	}
}

func TestStandardInputIsWatchedAsItGrows(t *testing.T) {
	in, out := io.Pipe()
	before := evidence.Stdin
	evidence.Stdin = in
	t.Cleanup(func() { evidence.Stdin = before })
	d, err := New(backends.Options{Settings: map[string]string{KeyPath: "-"}})
	if err != nil {
		t.Fatal(err)
	}
	ids := watched(t, d.(*Driver))
	for i, id := range []string{"own-0", "own-1"} {
		if _, err := io.WriteString(out, line(i, day.Add(time.Duration(i)*time.Second))); err != nil {
			t.Fatal(err)
		}
		next(t, ids, id)
	}
	all, err := events(t, d.(*Driver), backends.Query{Follow: true})
	if err != nil || len(all) != 2 {
		t.Errorf("%d events so far, %v", len(all), err)
	}
	go func() {
		_, _ = io.Copy(out, strings.NewReader(line(2, day)))
		_ = out.Close()
	}()
	if all, err = events(t, d.(*Driver), backends.Query{}); err != nil || len(all) != 3 { // waits for the end
		t.Errorf("%d events at the end, %v", len(all), err)
	}
	next(t, ids, "own-2")
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}
