package cmdutil_test

import (
	"slices"
	"testing"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/audit"
	"github.com/edrctl/edrctl/internal/demo"
	"github.com/edrctl/edrctl/internal/iostreams"
	"github.com/edrctl/edrctl/internal/ops"
)

// What is done on the demo and on a real server in one run goes into two
// journals, and is read from both.
func TestTheDemosJournalIsItsOwn(t *testing.T) {
	home := t.TempDir()
	ios, _, _, _ := iostreams.Test()
	f := cmdutil.NewFactory(ios, &cmdutil.GlobalFlags{}, func(string) string { return home }) // every folder is there
	paths, err := f.Paths()
	if err != nil {
		t.Fatal(err)
	}
	acts, err := f.Actor(&ops.Fleet{Sources: []*ops.Source{{Profile: "lab"}, {Profile: "demo-esp"}}}, "IR-1")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []audit.Record{{Profile: "demo-esp", Action: "act-1"}, {Profile: "lab", Action: "act-2"}, {Profile: "demo-esp", Action: "act-3"}} {
		r.Phase, r.Verb = audit.PhaseIntent, "isolate"
		if err := acts.Journal.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	for dir, want := range map[string][]string{paths.State: {"act-2"}, demo.JournalDir(paths.State): {"act-1", "act-3"}} {
		var got []string
		for l, err := range audit.Lines(dir) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, l.Record.Action)
		}
		rep, err := audit.Verify(dir)
		if !slices.Equal(got, want) || err != nil || !rep.OK {
			t.Errorf("%s: %v, want %v; verify: %+v %v", dir, got, want, rep, err)
		}
	}
	entries, err := acts.Ledger.Entries()
	if err != nil || len(entries) != 3 || entries[1].ID != "act-2" {
		t.Errorf("both journals together: %d entries, %v", len(entries), err)
	}
	for profiles, want := range map[string]string{"lab": "act-2", "demo-esp": "act-1"} {
		acts, err := f.Actor(&ops.Fleet{Sources: []*ops.Source{{Profile: profiles}}}, "")
		if err != nil {
			t.Fatal(err)
		}
		if entries, err := acts.Ledger.Entries(); err != nil || len(entries) == 3 || entries[0].ID != want {
			t.Errorf("%s reads %d entries, %v", profiles, len(entries), err)
		}
	}
}
