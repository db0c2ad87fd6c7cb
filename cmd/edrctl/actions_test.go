package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/model"
)

// actionsIn reads the sets of a result.
func actionsIn(t *testing.T, out string) (sets struct{ Succeeded, Failed, Pending, Skipped []*model.Action }) {
	t.Helper()
	if err := json.Unmarshal([]byte(out), &sets); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return sets
}

// A --timeout that strikes after the server acted changes nothing of what
// happened: JSON, exit code and text say the same.
func TestTimeoutAfterTheServerActed(t *testing.T) {
	w := newWorld(t, "latency=3500ms@cwatch@PUT", "cwatch")
	ref := strings.TrimSpace(w.run("alerts", "list", "--status", "open", "--limit", "1", "-o", "id").out)
	r := w.run("alerts", "close", ref, "--yes", "-o", "json", "--timeout", "3s")
	sets := actionsIn(t, r.out)
	if r.code != 0 || len(sets.Succeeded) != 1 || sets.Succeeded[0].State != model.ActionDone || strings.Contains(r.errOut, "deadline") {
		t.Errorf("exit %d: %s\n%s", r.code, r.out, r.errOut)
	}
	// One that strikes before anything was sent says so, in words.
	r = w.run("alerts", "close", ref, "--yes", "-o", "json", "--timeout", "1ms")
	if r.code == 0 || r.out != "" || !strings.Contains(r.errOut, "nothing was sent: timed out after 1ms") || strings.Contains(r.errOut, "deadline") {
		t.Errorf("exit %d: %q\n%s", r.code, r.out, r.errOut)
	}
	journal, err := os.ReadFile(filepath.Join(w.home, ".local", "state", "edrctl", "audit.jsonl"))
	if err != nil || strings.Count(string(journal), `"phase":"outcome"`) != 1 || strings.Contains(string(journal), "deadline") {
		t.Errorf("%v: %s", err, journal)
	}
}

// Another machine's isolation is released to the policy that is named.
func TestReleaseToANamedPolicy(t *testing.T) {
	w := newWorld(t, "", "carbonblack")
	if r := w.run("respond", "isolate", "SRV-DB-01", "--yes"); r.code != 0 {
		t.Fatalf("isolate: exit %d: %s", r.code, r.errOut)
	}
	if err := os.RemoveAll(filepath.Join(w.home, ".local", "state", "edrctl")); err != nil { // the other machine
		t.Fatal(err)
	}
	if r := w.run("respond", "release", "SRV-DB-01", "--yes"); r.code == 0 || !strings.Contains(r.errOut, "--policy NAME") {
		t.Errorf("release: exit %d: %s", r.code, r.errOut)
	}
	r := w.run("respond", "release", "SRV-DB-01", "--policy", "Servers", "--yes", "-o", "json")
	if sets := actionsIn(t, r.out); r.code != 0 || len(sets.Succeeded) != 1 || sets.Succeeded[0].Details["policy"] != "Servers" {
		t.Errorf("exit %d: %s\n%s", r.code, r.out, r.errOut)
	}
}

// A host that is offline is skipped, not failed; that is not a success, and the
// journal knows it.
func TestOfflineHostIsSkipped(t *testing.T) {
	w := newWorld(t, "", "gene")
	r := w.run("respond", "run", "FIN-LT-008", "--yes", "-o", "json", "--", "whoami")
	sets := actionsIn(t, r.out)
	if r.code != 1 || len(sets.Skipped) != 1 || len(sets.Failed) != 0 || sets.Skipped[0].State != model.ActionSkipped || !strings.Contains(r.errOut, "--queue") {
		t.Fatalf("exit %d: %s\n%s", r.code, r.out, r.errOut)
	}
	r = w.run("respond", "get", sets.Skipped[0].Ref, "-o", "json", "--jq", ".[]? // . | .state + \" \" + .host.name + \" \" + .native_state")
	if r.code != 0 || !strings.HasPrefix(r.out, "skipped FIN-LT-008 the agent was last seen") {
		t.Errorf("exit %d: %s\n%s", r.code, r.out, r.errOut)
	}
}
