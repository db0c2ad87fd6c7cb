package change_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/audit"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/change"
	"github.com/edrctl/edrctl/internal/model"
)

// onDisk is a backend that outlives the process: its requests are lines of a
// file, so that what was sent before a kill is seen after it.
type onDisk struct {
	*acting
	wire    string
	content []byte
}

func newOnDisk(dir string) *onDisk {
	return &onDisk{acting: newActing(4), wire: filepath.Join(dir, "wire"), content: bytes.Repeat([]byte("evidence "), 100_000)}
}

func nap() { time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond) }

func (d *onDisk) Apply(_ context.Context, c backends.Change, update func(*model.Action)) (*model.Action, error) {
	nap()
	f, err := os.OpenFile(d.wire, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintln(f, c.Path)
	if err := f.Close(); err != nil {
		return nil, err
	}
	nap()
	a := &model.Action{Origin: model.Origin{ID: "n-" + c.Path}, State: model.ActionSent}
	update(a)
	nap()
	return a, err
}

func (d *onDisk) seen(what string) int {
	b, _ := os.ReadFile(d.wire)
	return strings.Count(string(b), what+"\n")
}

func (d *onDisk) Action(_ context.Context, id string) (*model.Action, error) {
	if d.seen(strings.TrimPrefix(id, "n-")) == 0 {
		return nil, backends.NotFound("action", id)
	}
	nap()
	return &model.Action{Origin: model.Origin{ID: id}, State: model.ActionDone}, nil
}

func (d *onDisk) FindAction(_ context.Context, c backends.Change, _ time.Time) (*model.Action, error) {
	if d.seen(c.Path) == 0 {
		return nil, nil
	}
	return &model.Action{Origin: model.Origin{ID: "n-" + c.Path}, State: model.ActionSent}, nil
}

func (d *onDisk) Carve(_ context.Context, id string) (*model.Carve, error) {
	return &model.Carve{Origin: model.Origin{ID: id}, Name: "evidence.bin", Size: int64(len(d.content)), State: model.CarveComplete}, nil
}

func (d *onDisk) Download(_ context.Context, _ string, offset int64, w io.Writer) (int64, bool, error) {
	var n int64
	for rest := d.content[offset:]; len(rest) > 0; {
		k, err := w.Write(rest[:min(len(rest), 60_000)])
		n += int64(k)
		if err != nil {
			return n, offset > 0, err
		}
		rest = rest[k:]
		nap()
	}
	return n, offset > 0, nil
}

func crashActs(dir string) (*change.Actor, *onDisk) {
	d := newOnDisk(dir)
	host, _ := os.Hostname()
	return &change.Actor{
		Fleet: fleet(d), Ledger: &change.Ledger{Dir: dir}, Journal: audit.Open(dir, audit.Who{User: "ana", Host: host, PID: os.Getpid()}, time.Now),
	}, d
}

// crashChild changes four hosts and brings a file here, until it is killed.
func crashChild(dir, run string) {
	a, d := crashActs(dir)
	var items []change.Item
	for _, h := range d.hosts {
		items = append(items, change.NewItem(a.Fleet.Sources[0], "", backends.Change{Verb: backends.VerbKill, PID: 7, Path: run + "-" + h.ID, Host: h}))
	}
	p := a.Plan(context.Background(), items)
	if err := p.Approve(0); err != nil {
		panic(err)
	}
	fmt.Println("ready")
	go func() {
		_, _ = a.Fetch(context.Background(), "p0/file", change.Fetch{Dir: filepath.Join(dir, "files")})
	}()
	a.Execute(context.Background(), p, change.Run{Wait: -1})
	_, _ = a.Fetch(context.Background(), "p0/other", change.Fetch{Dir: filepath.Join(dir, "files")})
}

// Killed at any moment: the journal verifies, no final file is wrong, nothing
// left without an intent, and what was in flight is shown as unknown and can
// be looked up.
func TestKilledAtRandomPoints(t *testing.T) {
	runs := crashRuns
	if testing.Short() {
		runs = 20
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	unknown, foundAgain, noTrace := 0, 0, 0
	for run := range runs {
		name := fmt.Sprintf("run%d", run)
		cmd := exec.Command(exe)
		cmd.Env = append(os.Environ(), "CHANGE_TEST_CRASH="+dir, "CHANGE_TEST_RUN="+name)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		_, _ = io.ReadFull(out, make([]byte, 6))
		time.Sleep(time.Duration(rand.IntN(40_000)) * time.Microsecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()

		a, d := crashActs(dir)
		verified(t, a)
		list, err := a.Ledger.Entries()
		if err != nil {
			t.Fatal(err)
		}
		intents := map[string]bool{}
		for _, e := range list {
			c := e.Change()
			intents[c.Path] = true
			if n := d.seen(c.Path); n > 1 {
				t.Fatalf("%s was sent %d times", c.Path, n)
			}
			if !strings.HasPrefix(c.Path, name+"-") || e.Final() {
				continue
			}
			if e.Unknown {
				unknown++
			}
			got, err := a.Action(t.Context(), e.Ref(), time.Minute, nil)
			switch sent := d.seen(c.Path) == 1; {
			case err != nil:
				t.Errorf("%s: %v", c.Path, err)
			case sent && got.State != model.ActionDone:
				t.Errorf("%s was sent and is %s: %s", c.Path, got.State, got.Error)
			case !sent && got.State != model.ActionAmbiguous:
				t.Errorf("%s left no trace and is %s", c.Path, got.State)
			case sent:
				foundAgain++
			default:
				noTrace++
			}
		}
		wire, _ := os.ReadFile(d.wire)
		for line := range strings.Lines(string(wire)) {
			if !intents[strings.TrimSpace(line)] {
				t.Errorf("%q was sent without an intent", line)
			}
		}
		verified(t, a)
		wrongFiles(t, filepath.Join(dir, "files"), d.content)
	}
	t.Logf("%d runs: %d unknown, %d found again, %d without a trace", runs, unknown, foundAgain, noTrace)
	if unknown == 0 || foundAgain == 0 {
		t.Error("no run was killed with an action in flight")
	}
	// What the killed ones left of a file is resumed.
	a, d := crashActs(dir)
	for _, ref := range []string{"p0/file", "p0/other"} {
		if _, err := a.Fetch(t.Context(), ref, change.Fetch{Dir: filepath.Join(dir, "files")}); err != nil {
			t.Error(err)
		}
	}
	wrongFiles(t, filepath.Join(dir, "files"), d.content)
}

// wrongFiles finds final files that are not what they should be.
func wrongFiles(t *testing.T, dir string, content []byte) {
	t.Helper()
	list, _ := os.ReadDir(dir)
	want := sha256.Sum256(content)
	for _, e := range list {
		if strings.HasSuffix(e.Name(), ".json") || strings.HasSuffix(e.Name(), ".part") {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		got := sha256.Sum256(b)
		if err != nil || got != want {
			t.Fatalf("%s: %d bytes, sha256 %s, %v", e.Name(), len(b), hex.EncodeToString(got[:]), err)
		}
	}
}
