package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/backends"
)

// creations are commands that make something, by backend, and for each the
// arguments after the verb; every # is a number that no other run
// has, and every · a blank.
var creations = map[string]string{
	"cwatch alerts create":           "-f alert#.json",
	"carbonblack policies add":       "-f policy#.json",
	"carbonblack policies rules add": "6521 -f rule#.json",
	"gene rules add":                 "-f gene#.json",
	"gene iocs add":                  "evil#.example --source IR-1",
	"gene users add":                 "alice-# --group soc",
	"gene hosts add":                 "",
	"esp rules add":                  "-f esp#.json",
	"esp iocs add":                   "bad-# --type remote_address --values 192.0.2.#",
	"esp queries add":                "ports-# --query select·#; --interval 60",
	"esp queries tags add":           "1 tag-#",
	"esp packs add":                  "doors-# -f pack#.json",
	"esp packs upload":               "-f up#.json --category Monitoring",
	"esp packs tags add":             "all-events-pack tag-#",
	"esp configs add":                `web-# --platform linux --queries {"process_events":{"query":"select·1;","interval":5,"status":true}}`,
	"esp tags add":                   "t-#",
	"esp yara add":                   "-f look#.yara --platform linux",
}

// creationFiles are what they read.
var creationFiles = map[string]string{
	"alert#.json":  `{"timestamp":179531310000#,"endpointID":30001,"alertName":"by hand #"}`,
	"policy#.json": `{"name":"IR #","description":"x","priorityLevel":"LOW","version":2,"policy":{}}`,
	"rule#.json":   `{"action":"TERMINATE","operation":"RUN","required":false,"application":{"type":"NAME_PATH","value":"evil#.exe"}}`,
	"gene#.json":   `{"Name":"Rule#","Meta":{"Events":{"Microsoft-Windows-Sysmon/Operational":[1]},"Criticality":5,"Schema":"2.0.0"},"Matches":["$a: Image ~= 'evil'"],"Condition":"$a"}`,
	"esp#.json":    `{"name":"curl #","severity":"WARNING","conditions":{"condition":"AND","rules":[{"field":"column","operator":"column_contains","value":["cmdline","curl#"]}]}}`,
	"pack#.json":   `{"queries":{"q#":{"query":"select #;","interval":60}}}`,
	"up#.json":     `{"queries":{"u#":{"query":"select #;","interval":60}}}`,
	"look#.yara":   "rule x { condition: true }",
}

// Every command of the catalogues that makes something says what it made: an id
// in JSON, its ref with -o id, and the id in the text.
func TestCreationsPrintTheIDInEveryFormat(t *testing.T) {
	if raceBuilt {
		t.Skip("SKIPPED: under the race detector, for time; CI runs it without")
	}
	home, dir := t.TempDir(), t.TempDir()
	run := func(number string, format, name, args string) string {
		backend, command, _ := strings.Cut(name, " ")
		line := append([]string{"-p", "demo-" + backend}, strings.Fields(command)...)
		for _, a := range strings.Fields(strings.ReplaceAll(args, "#", number)) {
			if at := slices.IndexFunc([]string{".json", ".yara"}, func(end string) bool { return strings.HasSuffix(a, end) }); at >= 0 {
				a = filepath.Join(dir, a)
			}
			line = append(line, strings.ReplaceAll(a, "·", " "))
		}
		line = append(line, "--yes")
		if format != "" {
			line = append(line, "-o", format)
		}
		code, out, errOut := runIn(home, map[string]string{"TZ": "UTC"}, line...)
		if code != 0 {
			t.Errorf("%q: exit %d: %s", line, code, errOut)
		}
		return out
	}
	for _, name := range creating() {
		args, ok := creations[name]
		if !ok {
			t.Errorf("%s makes something, and is not tried: give it arguments in creations", name)
			continue
		}
		backend, _, _ := strings.Cut(name, " ")
		for number, format := range map[string]string{"1": "", "2": "json", "3": "id"} {
			for file, text := range creationFiles {
				if err := os.WriteFile(filepath.Join(dir, strings.ReplaceAll(file, "#", number)), []byte(strings.ReplaceAll(text, "#", number)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			out := run(number, format, name, args)
			switch format {
			case "json":
				if !json.Valid([]byte(out)) || !strings.Contains(out, `"ref": "demo-`+backend+"/") && !strings.Contains(out, `"alert_id": "`) {
					t.Errorf("%s -o json has no id: %s", name, out)
				}
			case "id":
				if line := strings.TrimSuffix(out, "\n"); !strings.HasPrefix(line, "demo-"+backend+"/") || strings.ContainsAny(line, " \n") || strings.Contains(line, "/act-") {
					t.Errorf("%s -o id: %q", name, out)
				}
			default:
				if first, _, _ := strings.Cut(out, "\t"); strings.TrimSpace(first) == "" || backend == "cwatch" && !strings.Contains(out, "by hand 1 alert ") {
					t.Errorf("%s shows no id: %q", name, out)
				}
			}
		}
	}
}

// creating gives the commands that make something: the verbs of the resources
// whose operation adds or uploads, and the two typed verbs.
func creating() []string {
	out := []string{"cwatch alerts create", "gene hosts add"}
	for _, b := range backends.All() {
		if b.Resources == nil {
			continue
		}
		catalog := b.Catalog()
		for _, r := range b.Resources() {
			for _, v := range r.Verbs {
				op, _ := backends.OperationNamed(catalog, v.Op)
				last := op.Name[strings.LastIndexByte(op.Name, '.')+1:]
				if op.Mutates && slices.Contains([]string{"add", "create", "upload", "new"}, last) && (v.Name == "add" || v.Name == "create" || v.Name == "upload") {
					out = append(out, b.Name+" "+r.Noun+" "+v.Name)
				}
			}
		}
	}
	return out
}
