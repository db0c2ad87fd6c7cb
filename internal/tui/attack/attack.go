// Package attack knows the names of MITRE ATT&CK Enterprise techniques (v18)
// and tactics. ATT&CK is © The MITRE Corporation, used under its terms of use.
package attack

import (
	_ "embed"
	"strings"
	"sync"
)

// Technique is one technique or sub-technique.
type Technique struct {
	ID, Name string
	Tactics  []string // short names, for example credential-access
	Revoked  bool     // old rules still name these
}

// Tactic is a column of the matrix.
type Tactic struct{ Short, Name string }

// Tactics are all, in the order of an intrusion.
var Tactics = []Tactic{
	{"reconnaissance", "Reconnaissance"},
	{"resource-development", "Resource Development"},
	{"initial-access", "Initial Access"},
	{"execution", "Execution"},
	{"persistence", "Persistence"},
	{"privilege-escalation", "Privilege Escalation"},
	{"defense-evasion", "Defense Evasion"},
	{"credential-access", "Credential Access"},
	{"discovery", "Discovery"},
	{"lateral-movement", "Lateral Movement"},
	{"collection", "Collection"},
	{"command-and-control", "Command and Control"},
	{"exfiltration", "Exfiltration"},
	{"impact", "Impact"},
}

//go:embed techniques.txt
var text string

var table = sync.OnceValue(func() map[string]Technique {
	m := make(map[string]Technique, 900)
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimRight(line, "\n"), "|")
		if len(f) != 4 {
			continue
		}
		t := Technique{ID: f[0], Name: f[1], Revoked: f[3] != ""}
		if f[2] != "" {
			t.Tactics = strings.Split(f[2], ",")
		}
		m[t.ID] = t
	}
	return m
})

// Find looks a technique up by its id, in any case.
func Find(id string) (Technique, bool) {
	t, ok := table()[strings.ToUpper(strings.TrimSpace(id))]
	return t, ok
}
