// Package archtest holds the rules about who may import whom. The rules are
// tables; docs/architecture.md says why they are as they are, and
// .golangci.yml holds the same ones in the editor.
package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/edrctl/edrctl/"

// rooms lists, for each package, what of this module it may import. Patterns
// are paths below the module; * stands for one element, a trailing /... for
// the package and all below it. The first pattern that matches a package
// counts. A package without a room fails the test: say first what it may know.
var rooms = []struct {
	pkg  string
	may  []string
	only []string // the modules outside the standard library it may import; nil = those of `keepers` decide
}{
	// The program. Only main knows every driver.
	{pkg: "cmd/edrctl", may: []string{"cmd/cli", "internal/backends/all", "internal/iostreams"}, only: []string{}},
	{pkg: "cmd/gen", may: []string{"cmd/...", "internal/backends", "internal/backends/all", "internal/change", "internal/hunt", "internal/ops", "internal/ioc", "internal/iostreams", "internal/model", "internal/output", "internal/schema"}},
	{pkg: "cmd/cli", may: []string{"internal/model", "internal/shellquote", "cmd/...", "internal/config", "internal/secrets", "internal/iostreams", "internal/output", "internal/audit", "internal/suggest"}},
	{pkg: "cmd/tui", may: join(commands, []string{"internal/tui/..."})},
	{pkg: "cmd/hunt", may: join(commands, []string{"internal/hunt", "internal/ioc", "internal/sigma", "internal/cache"})},             // reads the files of a hunt
	{pkg: "cmd/carve", may: join(commands, []string{"internal/download"})},                                                            // verifies manifests, opens archives
	{pkg: "cmd/rules", may: join(commands, []string{"internal/generule", "internal/hunt", "internal/sigma", "internal/ruleconvert"})}, // tests and converts rules without a server
	{pkg: "cmd/demo", may: join(commands, []string{"internal/demo", "cmd/tui"})},                                                      // opens it for a first look
	{pkg: "cmd/explain", may: join(commands, []string{"internal/schema"})},
	{pkg: "cmd/profile", may: join(commands, []string{"internal/demo"})},
	// cmdutil makes what commands need on first use: it alone meets the client and the demo.
	{pkg: "cmd/cmdutil", may: join(commands, []string{"internal/demo", "internal/client", "internal/cache", "internal/plaintext", "internal/suggest", "internal/atomicfile"})},
	{pkg: "cmd/*", may: commands},

	// The terminal interface sees use cases and texts, never a command or a driver.
	{pkg: "internal/tui/...", may: []string{"internal/tui/...", "internal/ops", "internal/change", "internal/hunt", "internal/ptree", "internal/model", "internal/filter", "internal/safetext", "internal/shellquote", "internal/iostreams", "internal/suggest"}},

	// Use cases see drivers through their contract only.
	{pkg: "internal/ops", may: []string{"internal/shellquote", "internal/backends", "internal/ptree", "internal/filter", "internal/model", "internal/suggest"}},
	{pkg: "internal/change", may: []string{"internal/ops", "internal/backends", "internal/audit", "internal/download", "internal/model", "internal/shellquote"}},
	{pkg: "internal/hunt", may: []string{"internal/ops", "internal/backends", "internal/ioc", "internal/sigma", "internal/model"}},

	// A driver sees the contract, the transport and the model, and no other driver.
	{pkg: "internal/backends", may: []string{"internal/client", "internal/filter", "internal/model"}},
	{pkg: "internal/backends/all", may: []string{"internal/backends/*"}, only: []string{}},
	{pkg: "internal/backends/conformance", may: []string{"internal/backends", "internal/client", "internal/filter", "internal/model", "internal/ioc", "internal/story", "internal/faults"}},
	// Inside a driver references go down only: the driver, its catalogue, the
	// vendor's JSON. Gene's JSON carries records of Windows logs.
	{pkg: "internal/backends/gene/wire", may: []string{"internal/client/...", "internal/winlog"}, only: []string{"github.com/go-json-experiment/json"}},
	{pkg: "internal/backends/*/wire", may: []string{"internal/client/..."}, only: []string{"github.com/go-json-experiment/json"}},
	{pkg: "internal/backends/*/catalog", may: []string{"internal/backends", "internal/backends/SELF/wire"}, only: []string{}},
	// The vendor's language for queries, where it has one, is written from filters.
	{pkg: "internal/backends/*/rules", may: []string{"internal/backends", "internal/backends/SELF/wire", "internal/model", "internal/filter", "internal/domainname"}, only: []string{}},
	// ESP's replies are failures of the contract as often as answers; its
	// response actions and the guards of its calls are built on them.
	{pkg: "internal/backends/esp/reply", may: []string{"internal/backends", "internal/backends/esp/wire", "internal/client/..."}, only: []string{}},
	{pkg: "internal/backends/esp/response", may: []string{"internal/backends", "internal/backends/esp/wire", "internal/client/...", "internal/model"}, only: []string{}},
	{pkg: "internal/backends/esp/guards", may: []string{"internal/backends", "internal/backends/esp/wire", "internal/backends/esp/reply", "internal/backends/esp/catalog", "internal/backends/esp/rules", "internal/backends/esp/response", "internal/client", "internal/model", "internal/shellquote"}, only: []string{}},
	{pkg: "internal/backends/esp/session", may: []string{"internal/backends", "internal/backends/esp/wire", "internal/backends/esp/reply", "internal/client"}, only: []string{}},
	{pkg: "internal/backends/esp", may: []string{"internal/backends", "internal/backends/esp/wire", "internal/backends/esp/reply", "internal/backends/esp/catalog", "internal/backends/esp/rules", "internal/backends/esp/response", "internal/backends/esp/guards", "internal/backends/esp/session", "internal/client/...", "internal/model", "internal/filter", "internal/domainname", "internal/shellquote"}, only: []string{"github.com/coder/websocket", "golang.org/x/sync"}},
	// A fake serves its driver's catalogue and speaks its wire types; no client, no filter.
	{pkg: "internal/backends/*/fake", may: []string{"internal/backends", "internal/backends/SELF", "internal/backends/SELF/wire", "internal/backends/SELF/catalog", "internal/story", "internal/faults"}, only: []string{"github.com/coder/websocket"}},
	{pkg: "internal/backends/gene", may: []string{"internal/backends", "internal/backends/SELF/wire", "internal/backends/SELF/catalog", "internal/backends/SELF/rules", "internal/client/...", "internal/model", "internal/filter", "internal/domainname", "internal/shellquote", "internal/generule", "internal/winlog"}, only: []string{"github.com/go-json-experiment/json", "github.com/coder/websocket", "golang.org/x/sync"}},
	{pkg: "internal/backends/files", may: []string{"internal/backends", "internal/evidence", "internal/model", "internal/atomicfile"}, only: []string{}}, // no server: neither transport nor catalogue
	{pkg: "internal/backends/*", may: []string{"internal/backends", "internal/backends/SELF/wire", "internal/backends/SELF/catalog", "internal/backends/SELF/rules", "internal/client/...", "internal/model", "internal/filter", "internal/domainname", "internal/shellquote"}, only: []string{"github.com/go-json-experiment/json", "github.com/coder/websocket", "golang.org/x/sync"}},

	// The transport knows no model and no vendor.
	{pkg: "internal/client", may: []string{"internal/client/..."}},
	{pkg: "internal/client/*", may: []string{"internal/client/*"}, only: []string{"github.com/go-json-experiment/json"}},

	{pkg: "internal/output", may: []string{"internal/model", "internal/suggest", "internal/safetext", "internal/shellquote", "internal/iostreams"}},
	{pkg: "internal/output/docschema", may: []string{}, only: []string{}}, // for tests: what the published schemas allow
	{pkg: "internal/iostreams", may: []string{"internal/safetext"}},
	{pkg: "internal/safetext/...", only: []string{}},
	{pkg: "internal/model", only: []string{}},
	{pkg: "internal/schema", may: []string{"internal/model"}, only: []string{}},
	{pkg: "internal/filter", may: []string{"internal/model", "internal/domainname", "internal/ioc", "internal/suggest", "internal/shellquote"}, only: []string{}},
	{pkg: "internal/domainname", only: []string{"golang.org/x/net"}},
	{pkg: "internal/suggest", only: []string{}},
	{pkg: "internal/lazyregexp", only: []string{}},
	{pkg: "internal/recordings", only: []string{}}, // what real servers answered, for tests
	{pkg: "internal/shellquote", only: []string{}},
	{pkg: "internal/ptree", may: []string{"internal/model", "internal/safetext"}, only: []string{"github.com/charmbracelet/x/ansi"}},
	{pkg: "internal/ioc", may: []string{"internal/model", "internal/domainname"}},
	{pkg: "internal/generule", only: []string{}}, // Gene's rule language: its driver and `rules test` speak it
	{pkg: "internal/winlog", may: []string{"internal/model"}, only: []string{}},
	{pkg: "internal/evtx", may: []string{"internal/winlog"}, only: []string{}},
	{pkg: "internal/evtx/evtxtest", may: []string{"internal/winlog"}, only: []string{}}, // writes logs for tests
	{pkg: "internal/evidence", may: []string{"internal/model", "internal/winlog", "internal/evtx", "internal/client/jsonwalk"}, only: []string{"github.com/go-json-experiment/json", "github.com/klauspost/compress"}}, // files; drivers and internal/backends/files register their formats
	{pkg: "internal/sigma", may: []string{"internal/model"}},
	{pkg: "internal/ruleconvert", may: []string{"internal/sigma", "internal/generule", "internal/model"}, only: []string{}},
	{pkg: "internal/audit", may: []string{"internal/atomicfile", "internal/model"}},
	{pkg: "internal/plaintext", only: []string{}},
	{pkg: "internal/config", may: []string{"internal/atomicfile", "internal/suggest", "internal/plaintext"}},
	{pkg: "internal/secrets", may: []string{"internal/atomicfile", "internal/config"}},
	{pkg: "internal/atomicfile", only: []string{"github.com/rogpeppe/go-internal"}},
	{pkg: "internal/download", may: []string{"internal/atomicfile", "internal/safetext", "internal/model"}},
	{pkg: "internal/cache", may: []string{"internal/atomicfile"}, only: []string{}},
	{pkg: "internal/archtest", only: []string{}},

	// The demo starts the fakes. Its story and its faults are data for both.
	{pkg: "internal/demo", may: []string{"internal/backends/*/fake", "internal/story", "internal/faults", "internal/atomicfile"}},
	{pkg: "internal/story", only: []string{}},
	{pkg: "internal/faults", only: []string{}},

	{pkg: "bench/...", may: []string{"..."}},
}

// anybody may import these: they know nothing but the standard library.
var anybody = []string{"internal/lazyregexp"}

// commands is what the package of a noun may import.
var commands = []string{
	"cmd/cmdutil", "internal/ops", "internal/change", "internal/backends", "internal/output", "internal/config", "internal/secrets",
	"internal/iostreams", "internal/audit", "internal/model", "internal/filter", "internal/safetext", "internal/ptree", "internal/suggest", "internal/shellquote",
}

// keepers lists, for modules that must stay behind one room, who may import
// them. Tests count too, but for keyring, whose mock other tests start.
var keepers = []struct {
	module string
	by     []string
	tests  bool // also importable from any test
}{
	{module: "github.com/go-resty/resty", by: []string{"internal/client"}},
	{module: "github.com/zalando/go-keyring", by: []string{"internal/secrets"}, tests: true},
	{module: "filippo.io/age", by: []string{"internal/secrets"}},
	{module: "go.yaml.in/yaml", by: []string{"internal/config", "internal/output", "internal/sigma"}, tests: true},
	{module: "github.com/itchyny/gojq", by: []string{"internal/output"}},
	{module: "github.com/coder/websocket", by: []string{"internal/client", "internal/backends/*", "internal/backends/*/fake"}, tests: true},
	{module: "github.com/spf13/cobra", by: []string{"cmd/..."}},
	{module: "github.com/spf13/pflag", by: []string{"cmd/..."}},
	{module: "charm.land/bubbletea", by: []string{"internal/tui/...", "cmd/tui"}},
	{module: "charm.land/bubbles", by: []string{"internal/tui/..."}},
	{module: "charm.land/lipgloss", by: []string{"internal/tui/...", "internal/output"}},
	{module: "golang.org/x/term", by: []string{"internal/iostreams"}},
}

// forbidden modules ask the terminal for its colours when a program starts
// (five seconds on one that does not answer), or are other makes of those.
var forbidden = []string{
	"github.com/charmbracelet/bubbletea",
	"github.com/charmbracelet/bubbles",
	"github.com/charmbracelet/lipgloss",
	"github.com/charmbracelet/fang",
	"charm.land/fang",
	"charm.land/lipgloss/v2/compat",
}

type pkg struct {
	ImportPath, Dir                    string
	Imports, TestImports, XTestImports []string
}

func (p pkg) path() string { return strings.TrimPrefix(p.ImportPath, module) }

func TestImports(t *testing.T) {
	for _, p := range list(t) {
		for _, imp := range p.Imports {
			for _, wrong := range judge(p.path(), imp, false) {
				t.Errorf("%s imports %s: %s", p.path(), imp, wrong)
			}
		}
		tests := append(slices.Clone(p.TestImports), p.XTestImports...)
		for _, imp := range tests {
			for _, wrong := range judge(p.path(), imp, true) {
				t.Errorf("the tests of %s import %s: %s", p.path(), imp, wrong)
			}
		}
		if room(p.path()) < 0 {
			t.Errorf("%s has no room in the table: add what it may import", p.path())
		}
	}
}

// TestRules shows that the tables catch what they are there for.
func TestRules(t *testing.T) {
	for _, tc := range []struct {
		from, imp string
		test, ok  bool
	}{
		{"cmd/alerts", module + "internal/ops", false, true},
		{"cmd/alerts", module + "internal/tui", false, false},
		{"cmd/alerts", module + "internal/client", false, false},
		{"cmd/alerts", module + "internal/backends/esp", false, false},
		{"cmd/alerts", module + "internal/backends/all", false, false},
		{"cmd/edrctl", module + "internal/backends/all", false, true},
		{"internal/tui/views", module + "internal/tui/keys", false, true},
		{"internal/tui", module + "cmd/alerts", false, false},
		{"internal/tui", module + "internal/backends", false, false},
		{"internal/ops", module + "internal/backends", false, true},
		{"internal/ops", module + "internal/backends/gene", false, false},
		{"internal/ops", "github.com/spf13/cobra", false, false},
		{"internal/ops", module + "internal/change", false, false},
		{"internal/ops", module + "internal/hunt", false, false},
		{"internal/change", module + "internal/ops", false, true},
		{"internal/change", module + "internal/hunt", false, false},
		{"internal/hunt", module + "internal/ops", false, true},
		{"internal/hunt", module + "internal/backends/gene", false, false},
		{"internal/backends/esp", module + "internal/backends/gene", false, false},
		{"internal/backends/esp", module + "internal/client/flex", false, true},
		{"internal/backends/esp", module + "internal/output", false, false},
		{"internal/backends/esp", module + "internal/backends/esp/fake", true, true},
		{"internal/backends/esp", "github.com/spf13/pflag", false, false},
		{"internal/backends/esp/wire", module + "internal/backends/esp", false, false},
		{"internal/backends/esp/wire", module + "internal/backends", false, false},
		{"internal/backends/esp/catalog", module + "internal/backends/esp/wire", false, true},
		{"internal/backends/esp/catalog", module + "internal/backends/esp", false, false},
		{"internal/backends/cwatch/rules", module + "internal/filter", false, true},
		{"internal/backends/cwatch/rules", module + "internal/backends/cwatch", false, false},
		{"internal/backends/esp/fake", module + "internal/backends/esp", false, true},
		{"internal/backends/esp/fake", module + "internal/backends/gene", false, false},
		{"internal/backends/esp/fake", module + "internal/client", false, false},
		{"internal/backends/esp/fake", module + "internal/story", false, true},
		{"internal/backends/esp/fake", module + "internal/demo", false, false},
		{"internal/backends/esp/fake", "github.com/coder/websocket", false, true},
		{"internal/backends/esp/fake", "github.com/go-resty/resty/v2", false, false},
		{"internal/model", "time", false, true},
		{"internal/model", module + "internal/filter", false, false},
		{"internal/model", "golang.org/x/text/width", false, false},
		{"internal/client", module + "internal/model", false, false},
		{"internal/client", "github.com/go-resty/resty/v2", false, true},
		{"internal/output", "github.com/zalando/go-keyring", false, false},
		{"internal/output", "github.com/zalando/go-keyring", true, true},
		{"internal/output", "github.com/charmbracelet/lipgloss", true, false},
		{"internal/tui", "charm.land/lipgloss/v2/compat", false, false},
		{"internal/tui", "charm.land/lipgloss/v2", false, true},
		{"internal/tui", "charm.land/fang/v2", false, false},
		{"cmd/cli", "github.com/charmbracelet/fang", false, false},
	} {
		if wrong := judge(tc.from, tc.imp, tc.test); (len(wrong) == 0) != tc.ok {
			t.Errorf("%s importing %s: %q", tc.from, tc.imp, wrong)
		}
	}
}

// TestLinterKnows: what is forbidden here is forbidden in the editor too.
func TestLinterKnows(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", ".golangci.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range forbidden {
		if !bytes.Contains(data, []byte("pkg: "+m)) {
			t.Errorf(".golangci.yml does not forbid %s", m)
		}
	}
	for _, k := range keepers {
		if !bytes.Contains(data, []byte("pkg: "+k.module)) {
			t.Errorf(".golangci.yml does not hold %s", k.module)
		}
	}
}

// judge says what is wrong with an import.
func judge(from, imp string, test bool) (wrong []string) {
	for _, f := range forbidden {
		if within(imp, f) {
			wrong = append(wrong, "this module is not used (.golangci.yml says why)")
		}
	}
	for _, k := range keepers {
		if within(imp, k.module) && !matchAny(from, k.by) && !(test && k.tests) {
			wrong = append(wrong, "only "+strings.Join(k.by, ", ")+" may")
		}
	}
	i := room(from)
	if test || i < 0 {
		return wrong
	}
	to, ours := strings.CutPrefix(imp, module)
	switch {
	case ours:
		self := strings.Split(from+"///", "/")[2]
		allowed := make([]string, len(rooms[i].may))
		for j, m := range rooms[i].may {
			allowed[j] = strings.ReplaceAll(m, "SELF", self)
		}
		if !matchAny(to, allowed) && !slices.Contains(anybody, to) {
			wrong = append(wrong, "its room may not (internal/archtest)")
		}
	case strings.Contains(strings.Split(imp, "/")[0], ".") && rooms[i].only != nil:
		if !slices.ContainsFunc(rooms[i].only, func(m string) bool { return within(imp, m) }) {
			wrong = append(wrong, "its room does without this module")
		}
	}
	return wrong
}

func room(path string) int {
	return slices.IndexFunc(rooms, func(r struct {
		pkg  string
		may  []string
		only []string
	}) bool {
		return match(path, r.pkg)
	})
}

func within(imp, module string) bool { return imp == module || strings.HasPrefix(imp, module+"/") }

func matchAny(path string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return match(path, p) })
}

func match(path, pattern string) bool {
	p, have := strings.Split(pattern, "/"), strings.Split(path, "/")
	for i, want := range p {
		if want == "..." {
			return true
		}
		if i >= len(have) || want != "*" && want != have[i] {
			return false
		}
	}
	return len(p) == len(have)
}

func join(a, b []string) []string { return append(slices.Clone(a), b...) }

func list(t *testing.T) []pkg {
	t.Helper()
	goTool := filepath.Join(os.Getenv("GOROOT"), "bin", "go")
	if _, err := os.Stat(goTool); err != nil {
		goTool = "go"
	}
	// Reading the folders ties the cached result of this test to their files.
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == ".git" {
			return fs.SkipDir
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // a file another program just removed
		t.Fatal(err)
	}
	cmd := exec.Command(goTool, "list", "-e", "-json=ImportPath,Dir,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = filepath.Join("..", "..")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("go list: %v\n%s", err, errs.String())
	}
	var all []pkg
	for dec := json.NewDecoder(&out); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 10 {
		t.Fatalf("go list found %d packages only", len(all))
	}
	return all
}
