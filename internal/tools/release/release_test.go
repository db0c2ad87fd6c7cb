package release

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goreleaser/goreleaser/v2/pkg/config"
	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/apk"
	_ "github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm"
	"go.yaml.in/yaml/v3"
)

// root is the checkout.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// description is .goreleaser.yml; an unknown key is an error.
func description(t *testing.T) config.Project {
	t.Helper()
	p, err := config.Load(filepath.Join(root(t), ".goreleaser.yml"))
	if err != nil {
		t.Fatalf("goreleaser refuses .goreleaser.yml: %v", err)
	}
	return p
}

func run(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.String()
}

func TestDescription(t *testing.T) {
	p := description(t)
	if len(p.Builds) != 1 {
		t.Fatalf("%d builds", len(p.Builds))
	}
	b := p.Builds[0]
	if !slices.Equal(b.Goos, []string{"linux", "darwin", "windows", "freebsd"}) || !slices.Equal(b.Goarch, []string{"amd64", "arm64"}) {
		t.Errorf("built for %v × %v", b.Goos, b.Goarch)
	}
	if !slices.Contains(b.Env, "CGO_ENABLED=0") || !slices.Contains(b.Flags, "-trimpath") || !slices.Contains(b.Flags, "-buildvcs=true") || b.ModTimestamp == "" {
		t.Errorf("not static or not reproducible: %v %v %q", b.Env, b.Flags, b.ModTimestamp)
	}
	exists := func(what, pattern string) {
		t.Helper()
		if strings.HasPrefix(pattern, "manuals/") { // written first
			if !slices.Contains(p.Before.Hooks, "go run ./cmd/gen manuals manuals") {
				t.Errorf("%s: nothing writes %s", what, pattern)
			}
			return
		}
		if found, err := filepath.Glob(filepath.Join(root(t), pattern)); err != nil || len(found) == 0 {
			t.Errorf("%s: %s is not there", what, pattern)
		}
	}
	for _, a := range p.Archives {
		for _, f := range a.Files {
			exists("archive", f.Source)
			if f.Info.MTime == "" || f.Info.Owner == "" {
				t.Errorf("archive: %s has no fixed time or owner", f.Source)
			}
		}
	}
	for _, n := range p.NFPMs {
		if !slices.Equal(n.Formats, []string{"deb", "rpm", "apk"}) {
			t.Errorf("packages %v", n.Formats)
		}
		for _, c := range n.Contents {
			if c.Type != "dir" {
				exists("package", c.Source)
			}
			if c.FileInfo.MTime == "" {
				t.Errorf("package: %s has no fixed time", c.Destination)
			}
		}
	}
	if len(p.Casks) != 1 || len(p.Scoops) != 1 || len(p.DockersV2) != 1 || len(p.SBOMs) != 2 || len(p.Signs) != 1 || len(p.DockerSigns) != 1 {
		t.Fatalf("cask %d, scoop %d, image %d, SBOM %d, signatures %d, %d", len(p.Casks), len(p.Scoops), len(p.DockersV2), len(p.SBOMs), len(p.Signs), len(p.DockerSigns))
	}
	cask := p.Casks[0]
	for _, f := range append(cask.Manpages, cask.Completions.Bash, cask.Completions.Zsh, cask.Completions.Fish) {
		exists("cask", f)
	}
}

// The image holds the binary and nothing that could run next to it, and runs as
// a user without rights.
func TestDockerfile(t *testing.T) {
	d := description(t).DockersV2[0]
	data, err := os.ReadFile(filepath.Join(root(t), d.Dockerfile))
	if err != nil {
		t.Fatal(err)
	}
	given := map[string][]string{}
	for line := range strings.Lines(string(data)) {
		if word, rest, ok := strings.Cut(strings.TrimSpace(line), " "); ok && word != "#" {
			given[word] = append(given[word], rest)
		}
	}
	if len(given["FROM"]) != 1 || !strings.HasPrefix(given["FROM"][0], "gcr.io/distroless/static-") || len(given["RUN"])+len(given["ADD"]) > 0 {
		t.Errorf("the image is not minimal: %q", given)
	}
	if !slices.Equal(given["USER"], []string{"65532:65532"}) {
		t.Errorf("the image runs as %q", given["USER"])
	}
	for _, c := range given["COPY"] {
		src := strings.Fields(c)[0]
		if src != "$TARGETPLATFORM/edrctl" && !slices.Contains(d.ExtraFiles, src) {
			t.Errorf("the image copies %s, which it is not given", src)
		}
	}
}

// What runs in CI is named by the hash of a commit, the version next to it, and
// has no more rights than it needs.
func TestWorkflows(t *testing.T) {
	list, err := filepath.Glob(filepath.Join(root(t), ".github", "workflows", "*.yml"))
	if err != nil || len(list) < 2 {
		t.Fatalf("workflows: %v, %v", list, err)
	}
	uses := regexp.MustCompile(`(?m)^\s*(?:- )?uses:\s*(\S+)(.*)$`)
	pinned := regexp.MustCompile(`^[\w.-]+/[\w./-]+@[0-9a-f]{40}$`)
	version := regexp.MustCompile(`^ # v\d+\.\d+\.\d+$`)
	seen := map[string]string{}
	for _, file := range list {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(file)
		for _, m := range uses.FindAllStringSubmatch(string(data), -1) {
			if !pinned.MatchString(m[1]) || !version.MatchString(m[2]) {
				t.Errorf("%s: %s%s is not pinned to a commit with its version next to it", name, m[1], m[2])
			}
			action, commit, _ := strings.Cut(m[1], "@")
			if other := seen[action]; other != "" && other != commit+m[2] {
				t.Errorf("%s: %s is used in two versions", name, action)
			}
			seen[action] = commit + m[2]
		}
		var w struct {
			Permissions map[string]string `yaml:"permissions"`
			Jobs        map[string]struct {
				Permissions map[string]string `yaml:"permissions"`
				Timeout     int               `yaml:"timeout-minutes"`
				Environment string            `yaml:"environment"`
			} `yaml:"jobs"`
		}
		if err := yaml.Unmarshal(data, &w); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if w.Permissions == nil || len(w.Permissions) > 0 {
			t.Errorf("%s: a job gets %v without asking", name, w.Permissions)
		}
		for job, j := range w.Jobs {
			if j.Permissions == nil || j.Timeout == 0 {
				t.Errorf("%s: %s has no permissions or no time-out of its own", name, job)
			}
			for what, right := range j.Permissions {
				if right == "write" && (name != "release.yml" || j.Environment != "release") {
					t.Errorf("%s: %s may write %s", name, job, what)
				}
			}
		}
	}
}

func TestReleaseNotes(t *testing.T) {
	script := filepath.Join(root(t), ".github", "release-notes")
	log := filepath.Join(t.TempDir(), "CHANGELOG.md")
	text := "# Changelog\n\n## [Unreleased]\n\n## [1.10.0] - 2026-12-01\n\n### Added\n\n- ten\n\n## [1.1.0] - 2026-11-01\n\n- one\n\n[1.1.0]: https://example.org\n"
	if err := os.WriteFile(log, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for version, want := range map[string]string{
		"v1.10.0": "### Added\n\n- ten\n", "v1.1.0": "- one\n", "v1.10.0-rc.1": "### Added\n\n- ten\n", "v1.1": "", "v2.0.0": "", "vUnreleased": "",
	} {
		out, err := exec.Command(script, version, log).Output()
		if string(out) != want || (err != nil) != (want == "") {
			t.Errorf("%s: %q, %v; want %q", version, out, err, want)
		}
	}
	// What is not released yet is described already.
	if out, err := exec.Command(script, "vUnreleased").Output(); err != nil || len(out) == 0 {
		t.Errorf("CHANGELOG.md: %q, %v", out, err)
	}
}

// TestModule: `go install …@latest` refuses a module that replaces others.
func TestModule(t *testing.T) {
	var mod struct {
		Module           struct{ Path string }
		Replace, Exclude []any
	}
	if err := json.Unmarshal([]byte(run(t, root(t), nil, "go", "mod", "edit", "-json")), &mod); err != nil {
		t.Fatal(err)
	}
	if mod.Module.Path != "github.com/edrctl/edrctl" || len(mod.Replace)+len(mod.Exclude) > 0 {
		t.Errorf("%+v", mod)
	}
}

// built is the binary of a release of what is committed, for this machine.
type built struct {
	clone, binary, commit, date string
}

// The version that the test gives to what it builds.
const testVersion = "9.8.7"

func build(t *testing.T, env ...string) built {
	t.Helper()
	b := built{clone: filepath.Join(t.TempDir(), "clone")}
	run(t, "", nil, "git", "clone", "-q", root(t), b.clone)
	b.commit = strings.TrimSpace(run(t, b.clone, nil, "git", "rev-parse", "HEAD"))
	stamp := strings.TrimSpace(run(t, b.clone, nil, "git", "log", "-1", "--format=%cI"))
	at, err := time.Parse(time.RFC3339, stamp)
	if err != nil {
		t.Fatal(err)
	}
	b.date = at.UTC().Format(time.RFC3339)
	b.binary = filepath.Join(b.clone, "dist", "edrctl")
	p := description(t)
	for _, hook := range p.Before.Hooks { // what the packages hold is written first
		run(t, b.clone, nil, "sh", "-c", hook)
	}
	d := p.Builds[0]
	flags := strings.NewReplacer("{{ .Version }}", testVersion, "{{ .FullCommit }}", b.commit, "{{ .CommitDate }}", b.date).Replace(strings.Join(d.Ldflags, " "))
	if strings.Contains(flags, "{{") {
		t.Fatalf("ldflags hold what this test does not know: %s", flags)
	}
	args := append([]string{"build"}, d.Flags...)
	run(t, b.clone, append(env, d.Env...), "go", append(args, "-ldflags", flags, "-o", b.binary, d.Main)...)
	return b
}

func sum(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

type version struct {
	Version, Commit, Date, Go, Platform string
	Modified                            bool
}

func versionOf(t *testing.T, binary string) (v version) {
	t.Helper()
	if err := json.Unmarshal([]byte(run(t, "", []string{"HOME="}, binary, "version", "-o", "json")), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// One commit is one binary: built in another folder, by another user's home,
// with nothing compiled before.
func TestReproducible(t *testing.T) {
	first := build(t)
	second := build(t, "GOCACHE="+t.TempDir(), "TZ=Asia/Tokyo", "LANG=de_DE.UTF-8", "USER=somebody")
	if a, b := sum(t, first.binary), sum(t, second.binary); a != b {
		t.Errorf("two builds of %s differ:\n%s\n%s", first.commit, a, b)
	} else {
		t.Logf("two builds of %.12s: sha256 %s", first.commit, a)
	}
	want := version{Version: testVersion, Commit: first.commit, Date: first.date, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if got := versionOf(t, first.binary); got != want {
		t.Errorf("it calls itself %+v, want %+v", got, want)
	}
	data, err := os.ReadFile(first.binary)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{first.clone, root(t), os.Getenv("HOME") + "/"} {
		if len(secret) > 3 && bytes.Contains(data, []byte(secret)) {
			t.Errorf("the binary names a folder of the machine: %s", secret)
		}
	}
	if runtime.GOOS != "linux" {
		return
	}
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	libraries, _ := f.ImportedLibraries()
	if f.Section(".interp") != nil || len(libraries) > 0 || f.Section(".symtab") != nil {
		t.Errorf("not static or not stripped: %v", libraries)
	}
	t.Run("packages", func(t *testing.T) { testPackages(t, first) })
	t.Run("image", func(t *testing.T) { testImage(t, first) })
}

// `go install` in a clone, which is what `go install …@latest` does with a
// module: the version comes from what Go wrote into the binary.
func TestGoInstall(t *testing.T) {
	clone, bin := filepath.Join(t.TempDir(), "clone"), t.TempDir()
	run(t, "", nil, "git", "clone", "-q", root(t), clone)
	run(t, clone, []string{"GOBIN=" + bin, "CGO_ENABLED=0"}, "go", "install", "-buildvcs=auto", "./cmd/edrctl") // auto is what it is where nobody set another
	head := strings.TrimSpace(run(t, clone, nil, "git", "rev-parse", "HEAD"))
	v := versionOf(t, filepath.Join(bin, "edrctl"))
	if v.Commit != head || v.Date == "" || v.Modified || v.Version == "dev" || strings.HasPrefix(v.Version, "v") {
		t.Errorf("it calls itself %+v", v)
	}
}

// testImage runs the binary as the image does: no home, no shell, no library,
// no user of that number.
func testImage(t *testing.T, b built) {
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: an empty root needs root")
	}
	dir := t.TempDir()
	for p := dir; p != "/" && p != "."; p = filepath.Dir(p) { // t.TempDir is private to root
		_ = os.Chmod(p, 0o755)
	}
	if err := os.MkdirAll(filepath.Join(dir, "tmp"), 0o777|fs.ModeSticky); err != nil {
		t.Fatal(err)
	}
	_ = os.Chmod(filepath.Join(dir, "tmp"), 0o777|fs.ModeSticky)
	copyFile(t, b.binary, filepath.Join(dir, "edrctl"))
	for _, args := range [][]string{{"version"}, {"-p", "demo", "alerts", "list", "-o", "json"}} {
		cmd := exec.Command("/edrctl", args...)
		cmd.Dir, cmd.Env = "/", []string{"HOME=/tmp"}
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: dir, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
		out, err := cmd.CombinedOutput()
		if errors.Is(err, syscall.EPERM) {
			t.Skip("SKIPPED: an empty root is not allowed here")
		}
		if err != nil || len(out) == 0 {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// pack builds one package as goreleaser does.
func pack(t *testing.T, b built, p config.NFPM, format string) string {
	t.Helper()
	at, err := time.Parse(time.RFC3339, b.date)
	if err != nil {
		t.Fatal(err)
	}
	var contents files.Contents
	for _, c := range p.Contents {
		source := c.Source
		if source != "" {
			source = filepath.Join(b.clone, source)
		}
		contents = append(contents, &files.Content{
			Source: source, Destination: c.Destination, Type: c.Type, Packager: c.Packager,
			FileInfo: &files.ContentFileInfo{Owner: c.FileInfo.Owner, Group: c.FileInfo.Group, Mode: c.FileInfo.Mode, MTime: at},
		})
	}
	contents = append(contents, &files.Content{
		Source: b.binary, Destination: filepath.Join(p.Bindir, "edrctl"), FileInfo: &files.ContentFileInfo{Mode: 0o755, MTime: at},
	})
	info := nfpm.WithDefaults(&nfpm.Info{
		Name: p.PackageName, Arch: runtime.GOARCH, Platform: "linux", Version: testVersion, Section: p.Section, Priority: p.Priority,
		Maintainer: p.Maintainer, Description: p.Description, Vendor: p.Vendor, Homepage: p.Homepage, License: p.License, MTime: at,
		Overridables: nfpm.Overridables{
			Recommends: p.Recommends, Depends: p.Dependencies, Umask: p.Umask, Contents: contents, RPM: nfpm.RPM{BuildHost: p.RPM.BuildHost},
		},
	})
	if err := nfpm.PrepareForPackager(info, format); err != nil {
		t.Fatal(err)
	}
	packager, err := nfpm.Get(format)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), packager.ConventionalFileName(info))
	out, err := os.Create(path)
	if err == nil {
		err = errors.Join(packager.Package(info, out), out.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// expected lists what a package of a format installs.
func expected(t *testing.T, b built, p config.NFPM, format string) []string {
	t.Helper()
	list := []string{"/usr/bin/edrctl"}
	for _, c := range p.Contents {
		if c.Type == "dir" || c.Packager != "" && c.Packager != format {
			continue
		}
		if !strings.HasSuffix(c.Destination, "/") {
			list = append(list, c.Destination)
			continue
		}
		found, err := filepath.Glob(filepath.Join(b.clone, c.Source))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			list = append(list, c.Destination+filepath.Base(f))
		}
	}
	slices.Sort(list)
	return list
}

// testPackages installs each package in an empty root, looks that every file
// is there, runs the program, removes the package, and looks that all is gone.
func testPackages(t *testing.T, b built) {
	p := description(t).NFPMs[0]
	for _, format := range p.Formats {
		t.Run(format, func(t *testing.T) {
			file := pack(t, b, p, format)
			if again := pack(t, b, p, format); sum(t, file) != sum(t, again) {
				t.Error("built twice it differs")
			}
			want := expected(t, b, p, format)
			dir := t.TempDir()
			remove := install(t, format, file, dir)
			var got []string
			for f, mode := range tree(t, dir) {
				if !strings.HasPrefix(f, "/usr/") {
					continue // the database of the packages
				}
				if mode.Type() == 0 {
					got = append(got, f)
				}
				if fine := mode.Perm() == 0o644 || mode.Perm() == 0o755; !fine || mode.Type() == 0 && (mode.Perm() == 0o755) != (f == "/usr/bin/edrctl") {
					t.Errorf("%s has mode %v", f, mode)
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("installed %v\nwant %v", got, want)
			}
			if v := versionOf(t, filepath.Join(dir, "usr/bin/edrctl")); v.Version != testVersion {
				t.Errorf("the installed program calls itself %+v", v)
			}
			if remove == nil {
				return
			}
			remove()
			for f, mode := range tree(t, dir) {
				// Folders of the system, which other packages use too, are not ours to remove.
				if strings.HasPrefix(f, "/usr/") && (mode.IsRegular() || strings.Contains(f, "edrctl")) {
					t.Errorf("left after removal: %s", f)
				}
			}
			t.Logf("%d files installed, run, removed", len(want))
		})
	}
}

func tree(t *testing.T, dir string) map[string]fs.FileMode {
	t.Helper()
	all := map[string]fs.FileMode{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && path != dir {
			all[strings.TrimPrefix(path, dir)] = info.Mode()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// install installs a package file under dir; remove is nil where only its
// content can be unpacked here.
func install(t *testing.T, format, file, dir string) (remove func()) {
	t.Helper()
	has := func(program string) bool { _, err := exec.LookPath(program); return err == nil }
	switch {
	case format == "deb" && has("dpkg") && os.Getuid() == 0:
		state := filepath.Join(dir, "var/lib/dpkg")
		for _, sub := range []string{"info", "updates", "triggers"} {
			if err := os.MkdirAll(filepath.Join(state, sub), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		for _, f := range []string{"status", "available"} {
			if err := os.WriteFile(filepath.Join(state, f), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		dpkg := func(args ...string) string {
			return run(t, "", nil, "dpkg", append([]string{"--root=" + dir, "--force-not-root,bad-path,script-chrootless", "--log=" + dir + "/dpkg.log"}, args...)...)
		}
		dpkg("--install", file)
		if s := dpkg("--status", "edrctl"); !strings.Contains(s, "Status: install ok installed") || !strings.Contains(s, "Version: "+testVersion) || !strings.Contains(s, "Recommends: ca-certificates") {
			t.Errorf("dpkg says:\n%s", s)
		}
		return func() { dpkg("--purge", "edrctl") }
	case format == "rpm" && has("rpm") && os.Getuid() == 0:
		rpm := func(args ...string) string {
			return run(t, "", nil, "rpm", append([]string{"--root", dir, "--dbpath", "/var/lib/rpm"}, args...)...)
		}
		rpm("--initdb")
		rpm("--nodeps", "--ignorearch", "--nosignature", "-i", file)
		rpm("--verify", "--nodeps", "edrctl")
		if s := rpm("-q", "--qf", "%{VERSION} %{LICENSE} %{BUILDHOST}", "edrctl"); s != testVersion+" Apache-2.0 edrctl" {
			t.Errorf("rpm says: %s", s)
		}
		return func() { rpm("-e", "edrctl") }
	case format == "apk":
		unpackAPK(t, file, dir)
		return nil
	}
	t.Skipf("SKIPPED, NOT INSTALLED: no %s here, or not root", map[string]string{"deb": "dpkg", "rpm": "rpm"}[format])
	return nil
}

// unpackAPK unpacks what apk would install: an .apk is gzipped tars one after
// another, of which those whose names begin with a dot are about the package.
func unpackAPK(t *testing.T, file, dir string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	about := map[string]string{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, h.Name)
		switch {
		case strings.HasPrefix(h.Name, "."):
			about[h.Name] = string(data)
			continue
		case h.Typeflag == tar.TypeDir:
			err = os.MkdirAll(path, 0o755)
		default:
			if h.Uid != 0 || h.Gid != 0 {
				t.Errorf("%s belongs to %d:%d", h.Name, h.Uid, h.Gid)
			}
			if err = os.MkdirAll(filepath.Dir(path), 0o755); err == nil {
				err = os.WriteFile(path, data, h.FileInfo().Mode().Perm())
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, line := range []string{"pkgname = edrctl", "pkgver = " + testVersion, "license = Apache-2.0"} {
		if !strings.Contains(about[".PKGINFO"], line) {
			t.Errorf("the package does not say %q, of %v", line, slices.Collect(maps.Keys(about)))
		}
	}
}
