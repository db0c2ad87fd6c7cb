package cmdutil

import (
	"os"
	"slices"

	"github.com/edrctl/edrctl/internal/audit"
	"github.com/edrctl/edrctl/internal/change"
	"github.com/edrctl/edrctl/internal/demo"
	"github.com/edrctl/edrctl/internal/ops"
)

// WhichJournal is the rule of JournalDirs, for help texts.
const WhichJournal = `
The demo has a journal of its own, which edrctl demo reset archives. It is the one that
is read when only demo profiles are selected: -p demo, -p demo-gene, EDRCTL_PROFILE.`

// journals writes each record where it belongs: what is done on the demo is
// no evidence, and never gets among it.
type journals struct {
	*audit.Journal
	demo *audit.Journal
}

// Append implements change.Recorder.
func (j journals) Append(r audit.Record) error {
	if isDemo(r.Profile) {
		return j.demo.Append(r)
	}
	return j.Journal.Append(r)
}

func isDemo(profile string) bool {
	_, ok := demo.BackendOf(profile)
	return ok
}

// JournalDirs gives the folders of the journals that hold what is done on
// profiles: the demo's own, that of this machine, or both, the machine's first.
func (f *Factory) JournalDirs(profiles []string) ([]string, error) {
	paths, err := f.Paths()
	if err != nil {
		return nil, err
	}
	var dirs []string
	if len(profiles) == 0 || slices.ContainsFunc(profiles, func(p string) bool { return !isDemo(p) }) {
		dirs = append(dirs, paths.State)
	}
	if slices.ContainsFunc(profiles, isDemo) {
		dirs = append(dirs, demo.JournalDir(paths.State))
	}
	return dirs, nil
}

// SelectedJournals gives the folders of the journals of the selected profiles,
// and the profiles that -p names: EDRCTL_PROFILE chooses backends to ask, and
// the journal, but not what of it is shown.
func (f *Factory) SelectedJournals(named bool) (dirs, only []string, err error) {
	selected, err := f.Selected()
	if err != nil && named {
		return nil, nil, err
	}
	if dirs, err = f.JournalDirs(selected); err != nil { // without any profile: this machine's
		return nil, nil, err
	}
	if named {
		only = selected
	}
	return dirs, only, nil
}

// Actor is the one path of changes, over fleet and the journals of its profiles.
func (f *Factory) Actor(fleet *ops.Fleet, caseID string) (*change.Actor, error) {
	paths, err := f.Paths()
	if err != nil {
		return nil, err
	}
	var profiles []string
	for _, s := range fleet.Sources {
		profiles = append(profiles, s.Profile)
	}
	dirs, err := f.JournalDirs(profiles)
	if err != nil {
		return nil, err
	}
	host, _ := os.Hostname() // "" is recorded when the system does not know
	who := audit.Who{
		User: userName(f.Getenv), Host: host, PID: os.Getpid(), Command: f.CommandLine(f.Args), Case: caseID, Version: f.Version,
	}
	return &change.Actor{
		Fleet:   fleet,
		Journal: journals{audit.Open(paths.State, who, f.Now), audit.Open(demo.JournalDir(paths.State), who, f.Now)},
		Ledger:  &change.Ledger{Dir: dirs[0], Also: dirs[1:]}, Redact: f.redactor.String, Now: f.Now,
	}, nil
}
