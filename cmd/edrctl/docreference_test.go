package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// endless are examples of help texts that cannot be run to an end, and why.
var endless = []struct {
	re  *regexp.Regexp
	why string
}{
	{regexp.MustCompile(`\btui\b`), "a full-screen program, which is tested in a pseudo-terminal"},
	{regexp.MustCompile(`\bwatch\b`), "it runs until Ctrl-C"},
	{regexp.MustCompile(`demo serve`), "it serves until Ctrl-C"},
	{regexp.MustCompile(`^edrctl demo$`), "a full-screen program, which is tested in a pseudo-terminal"},
	{regexp.MustCompile(`\bstreams?\b|stream\.|--follow`), "it runs until Ctrl-C"},
	{regexp.MustCompile(`^(pass|curl|kubectl|brew|source|pdftotext|echo.*>>) `), "needs other programs or the network"},
	{regexp.MustCompile(`completion (bash|zsh|fish|powershell).*(>|Out-String)|source <\(`), "writes into the folders of your shell"},
	{regexp.MustCompile(`auth (login|passwd)`), "asks for a secret"},
}

// exampleFiles are the files that examples of help texts name.
var exampleFiles = map[string]string{
	"feed.txt": "203.0.113.66\n", "big.csv": "type,value\nipv4,203.0.113.66\n", "collect.sh": "id\n", "hosts.txt": "build-07\n",
	"alert.json": `{"timestamp":1795313100000,"endpointID":30001,"alertName":"x"}`,
	"rules.gen":  `{"Name":"X","Tags":[],"Meta":{"Events":{"Microsoft-Windows-Sysmon/Operational":[1]},"Criticality":7,"Schema":"2.0.0"},"Matches":["$a: Image ~= 'x'"],"Condition":"$a"}`,
	"rule.json":  `{"name":"x","severity":"CRITICAL","type":"DEFAULT","conditions":{"condition":"AND","rules":[{"field":"query_name","operator":"equal","value":"processes"}]}}`,
	"sample":     "x", "suspicious.exe": "x",
}

// Every example of every help text, which the reference shows too, runs: on the
// demo, whose servers answer under the names that examples use. What such an
// example names may not exist there (6), or need a yes (7); it is never a wrong
// call (2), and nothing ends with an error of its own (1).
func TestHelpExamplesRun(t *testing.T) {
	t.Parallel()
	if testing.Short() || raceBuilt {
		t.Skip("SKIPPED: in the short run, and under the race detector, for time; CI runs it without")
	}
	w := newWorld(t, "")
	config, err := os.ReadFile(w.env["EDRCTL_CONFIG"])
	if err != nil {
		t.Fatal(err)
	}
	// The demo's four servers under the names of the examples.
	text := string(config)
	for _, m := range regexp.MustCompile(`(?m)^  demo-(\w+)-served: *(\{.*\})$`).FindAllStringSubmatch(text, -1) {
		for _, alias := range map[string][]string{"cwatch": {"prod-cw"}, "carbonblack": {"cb", "prod-cb"}, "gene": {"lab"}, "esp": {"prod-esp", "esp"}}[m[1]] {
			text += fmt.Sprintf("  %s: %s\n", alias, m[2])
			for k, v := range maps.Clone(w.env) {
				if rest, ok := strings.CutPrefix(k, "EDRCTL_DEMO_"+strings.ToUpper(m[1])+"_SERVED_"); ok {
					w.env["EDRCTL_"+strings.ToUpper(strings.ReplaceAll(alias, "-", "_"))+"_"+rest] = v
				}
			}
		}
	}
	env := []string{"EDRCTL_PROFILE=prod-cw,cb,lab,prod-esp"}
	for k, v := range w.env {
		if k != "HOME" && k != "EDRCTL_CONFIG" {
			env = append(env, k+"="+v)
		}
	}
	var mu sync.Mutex
	codes := map[int]int{}
	var skipped, schematic, wanting []string
	t.Run("nouns", func(t *testing.T) {
		for _, noun := range commandTree().Commands() {
			t.Run(noun.Name(), func(t *testing.T) {
				t.Parallel()
				s := newSession(t, env...)
				for name, content := range exampleFiles {
					s.write(name, []byte(content))
				}
				if noun.Name() == "profile" {
					s.write("config.yaml", []byte("profiles:\n  prod-esp: {backend: esp, url: https://esp.example.org, username: analyst}\n"))
					s.run("export EDRCTL_CONFIG=$HOME/config.yaml")
				} else {
					s.write("config.yaml", []byte(text))
					s.run("export EDRCTL_CONFIG=$HOME/config.yaml; unset " + clockVariable)
				}
				everyCommand(noun, func(c *cobra.Command) {
					for line := range strings.Lines(c.Example) {
						command, ok := strings.CutPrefix(strings.TrimSpace(line), "$ ")
						if !ok {
							continue
						}
						if why := unrunnable(command); why != "" {
							mu.Lock()
							skipped = append(skipped, command+": "+why)
							mu.Unlock()
							continue
						}
						// For time: silent hosts are not waited for, and a month of
						// windows, asked at the pace servers take, is three days.
						typed := strings.Replace(command, "hunt query ", "hunt query --wait 1s ", 1)
						typed = strings.Replace(typed, "--since 30d", "--since 3d", 1)
						began := time.Now()
						out, code := s.run("unset " + clockVariable + "; " + typed)
						if took := time.Since(began); took > 5*time.Second {
							t.Logf("%s: $ %s", took.Round(time.Second), command)
						}
						mu.Lock()
						codes[code]++
						switch {
						case code == 2 && standsFor.MatchString(command):
							schematic = append(schematic, command)
						case slices.Contains([]int{0, 3, 5, 6, 7, 8}, code), code == 123 && strings.Contains(command, "xargs"):
						case code <= 2 && excused.MatchString(out):
							wanting = append(wanting, command)
						default:
							t.Errorf("%s: $ %s\nexit %d\n%s", c.CommandPath(), command, code, out)
						}
						mu.Unlock()
					}
				})
			})
		}
	})
	t.Logf("examples of help texts by exit code: %v", codes)
	t.Logf("%d stand for a call of their form (a word in capitals stands for a value):\n  %s", len(schematic), strings.Join(schematic, "\n  "))
	t.Logf("%d want what the demo has not:\n  %s", len(wanting), strings.Join(wanting, "\n  "))
	t.Logf("%d were not run:\n  %s", len(skipped), strings.Join(skipped, "\n  "))
}

// standsFor is an operand that stands for a value of yours.
var standsFor = regexp.MustCompile(` \[?[A-Z]{4,}(_[A-Z]+)*…?\]?( |$)|sha256:…`)

// excused are errors that say something about the demo, not about the example:
// a file of yours that is not here, a name two products know, what a server
// said.
var excused = regexp.MustCompile(`no such file|: it fits | server says: | 500 Internal Server Error |standard input names nothing`)

func unrunnable(command string) string {
	for _, e := range endless {
		if e.re.MatchString(command) {
			return e.why
		}
	}
	for _, program := range []string{"jq", "duckdb", "vector", "dot"} {
		if regexp.MustCompile(`\| *` + program + `\b`).MatchString(command) {
			if _, err := exec.LookPath(program); err != nil {
				return "needs " + program
			}
		}
	}
	return ""
}
