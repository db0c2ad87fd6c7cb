package version_test

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/edrctl/edrctl/cmd/version"
)

func TestFrom(t *testing.T) {
	platform := runtime.GOOS + "/" + runtime.GOARCH
	here := func(i version.Info) version.Info {
		i.Go, i.OS, i.Arch, i.Platform = runtime.Version(), runtime.GOOS, runtime.GOARCH, platform
		return i
	}
	const commit, date = "0123456789abcdef0123456789abcdef01234567", "2026-11-22T01:02:03Z"
	vcs := func(mainVersion, modified string) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: mainVersion}, Settings: []debug.BuildSetting{
			{Key: "-trimpath", Value: "true"}, {Key: "vcs.revision", Value: commit}, {Key: "vcs.time", Value: date}, {Key: "vcs.modified", Value: modified},
		}}
	}
	for name, tc := range map[string]struct {
		flags [3]string // what the linker was given
		build *debug.BuildInfo
		want  version.Info
		line  string
	}{
		"release": {
			[3]string{"1.2.3", commit, date}, vcs("v1.2.3", "false"),
			version.Info{Version: "1.2.3", Commit: commit, Date: date},
			"edrctl 1.2.3 (0123456789ab, 2026-11-22, " + runtime.Version() + ", " + platform + ")",
		},
		"release, nothing in the binary": {
			[3]string{"1.2.3", commit, date}, nil, version.Info{Version: "1.2.3", Commit: commit, Date: date},
			"edrctl 1.2.3 (0123456789ab, 2026-11-22, " + runtime.Version() + ", " + platform + ")",
		},
		"go install @v1.2.3": {
			[3]string{}, &debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}}, version.Info{Version: "1.2.3"},
			"edrctl 1.2.3 (" + runtime.Version() + ", " + platform + ")",
		},
		"go build in a clone": {
			[3]string{}, vcs("v0.0.0-20261122010203-0123456789ab+dirty", "true"),
			version.Info{Version: "0.0.0-20261122010203-0123456789ab+dirty", Commit: commit, Date: date, Modified: true},
			"edrctl 0.0.0-20261122010203-0123456789ab+dirty (0123456789ab, 2026-11-22, " + runtime.Version() + ", " + platform + ")",
		},
		"go run": {
			[3]string{}, &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, version.Info{Version: "dev"},
			"edrctl dev (" + runtime.Version() + ", " + platform + ")",
		},
		"nothing known": {[3]string{"", "abc", "rubbish"}, nil, version.Info{Version: "dev", Commit: "abc", Date: "rubbish"}, "edrctl dev (abc, " + runtime.Version() + ", " + platform + ")"},
	} {
		t.Run(name, func(t *testing.T) {
			old := [3]string{version.Version, version.Commit, version.Date}
			version.Version, version.Commit, version.Date = tc.flags[0], tc.flags[1], tc.flags[2]
			defer func() { version.Version, version.Commit, version.Date = old[0], old[1], old[2] }()
			got := version.From(tc.build)
			if diff := cmp.Diff(here(tc.want), got); diff != "" {
				t.Errorf("From (-want +got):\n%s", diff)
			}
			if got.String() != tc.line {
				t.Errorf("String = %q, want %q", got, tc.line)
			}
		})
	}
}
