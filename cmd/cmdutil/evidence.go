package cmdutil

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/config"
	"github.com/edrctl/edrctl/internal/demo"
	"github.com/edrctl/edrctl/internal/ops"
)

// FilesProfile is the profile that --from makes, and the backend it is of.
const FilesProfile = "files"

// UseFrom makes --from the selection: alone, or with the profiles that -p
// names on the command line. EDRCTL_PROFILE is for servers and does not count.
func (f *Factory) UseFrom(named bool) error {
	g := f.Flags
	if len(g.From) == 0 {
		return nil
	}
	for _, path := range g.From {
		if strings.TrimSpace(path) == "" {
			return Usagef("invalid --from %q: want a file, a folder or - for standard input", path)
		}
	}
	switch {
	case !named || g.Profile == "":
		g.Profile = FilesProfile
	case !slices.Contains(strings.Split(g.Profile, ","), FilesProfile):
		g.Profile += "," + FilesProfile
	}
	return nil
}

// addFrom puts the profile of --from into the configuration that was read.
func (f *Factory) addFrom(c *config.Config) {
	if len(f.Flags.From) == 0 {
		return
	}
	if c.Profiles == nil {
		c.Profiles = map[string]*config.Profile{}
	}
	c.Profiles[FilesProfile] = f.filesProfile(f.Flags.From)
}

// filesProfile is the profile of evidence files.
func (f *Factory) filesProfile(from []string) *config.Profile {
	paths := make([]string, len(from))
	for i, p := range from {
		paths[i] = home(p)
	}
	settings := map[string]string{"path": strings.Join(paths, "\n")}
	if f.Flags.TZ != "" && f.Flags.TZ != "local" {
		settings["time_zone"] = f.Flags.TZ
	}
	return &config.Profile{Name: FilesProfile, Backend: FilesProfile, ReadOnly: true, Settings: settings}
}

// EvidenceFleet opens evidence that a command names in a flag of its own: paths,
// or profiles where there is no such path.
func (f *Factory) EvidenceFleet(ctx context.Context, names []string) (*ops.Fleet, error) {
	var paths, profiles []string
	c, err := f.Config()
	for _, name := range names {
		_, absent := os.Lstat(home(name))
		_, isDemo := demo.BackendOf(name)
		if absent != nil && (isDemo || err == nil && c.Profiles[name] != nil) {
			profiles = append(profiles, name)
		} else {
			paths = append(paths, name)
		}
	}
	fleet := &ops.Fleet{}
	if len(profiles) > 0 {
		if fleet, err = f.FleetOf(ctx, profiles); err != nil {
			return nil, err
		}
	}
	if len(paths) > 0 {
		p := f.filesProfile(paths)
		s, err := f.source(&config.Config{Profiles: map[string]*config.Profile{p.Name: p}}, p.Name)
		if err != nil {
			return nil, err
		}
		fleet.Sources = append(fleet.Sources, s)
	}
	return fleet, nil
}

// home spells out ~, which a shell leaves alone in --from=~/case.
func home(path string) string {
	rest, ok := strings.CutPrefix(path, "~/")
	if !ok {
		return path
	}
	dir, err := os.UserHomeDir()
	if err != nil {
		return path
	}
	return filepath.Join(dir, rest)
}

// OnlyArchives tells whether all selected profiles hold records of any age, so
// that without --since all of them are meant.
func (f *Factory) OnlyArchives() bool {
	c, err := f.Config()
	if err != nil {
		return false
	}
	selected, err := c.Select(f.Flags.Profile)
	if err != nil || len(selected) == 0 {
		return false
	}
	for _, name := range selected {
		p := c.Profiles[name]
		if _, isDemo := demo.BackendOf(name); p == nil || isDemo && p.Backend == "" {
			return false
		}
		if b, err := backends.Lookup(p.Backend); err != nil || !b.Archive {
			return false
		}
	}
	return true
}
