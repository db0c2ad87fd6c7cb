// Package fake is a Gene (WHIDS) manager for the demo, the conformance suite
// and benchmarks: it accepts and refuses what the real one does, with the
// real one's status, body and known misbehaviour (docs/wire/gene.md), in four of
// its versions.
package fake

import (
	"encoding/json"
	"time"
)

// Data is what the manager knows when it starts. It is not changed.
type Data struct {
	Endpoints []Endpoint
	Log       Log
	Rules     []Rule
	Artifacts []Artifact
	// Files are what agents find when a command fetches files, by host name
	// and path; "" as host name stands for every host.
	Files map[string]map[string][]byte
}

// Endpoint is a machine with an agent.
type Endpoint struct {
	UUID        string
	Hostname    string
	IP          string
	Group       string
	Status      string
	Key         string
	Criticality int
	OSProduct   string // "Windows 10 Pro"; "" = never sent
	OSVersion   string
	Online      bool      // its agent polls all the time
	LastSeen    time.Time // last connection of one that does not; zero = never
}

// Log is every event the agents sent, in the order they arrived. It may be
// very long: events are made when they are asked for.
type Log interface {
	Len() int
	// Meta tells what is needed to find event i.
	Meta(i int) Meta
	// Fill describes event i in e, whose slices it may use again.
	Fill(i int, e *Event)
}

// Meta is the part of an event that is looked for.
type Meta struct {
	Time      time.Time
	Endpoint  int  // index in Data.Endpoints
	Detection bool // has a Detection (or GeneInfo), maybe with an empty Signature
}

// Event is one event, independent of the two formats.
type Event struct {
	Channel     string
	Provider    string
	Computer    string
	EventID     int
	RecordID    int
	Hash        string // 40 hex
	Data        []KV   // EventData, sorted by name; values are JSON strings
	UserData    []KV   // instead of Data, for events of other channels
	Signatures  []string
	Criticality int
	Attack      []Attack
	Actions     []string
}

// KV is one member of EventData.
type KV struct{ K, V string }

// Attack is one ATT&CK entry of a detection or a rule.
type Attack struct {
	ID          string `json:"ID"`
	Tactic      string `json:"Tactic"`
	Description string `json:"Description,omitempty"`
	Reference   string `json:"Reference"`
}

// Rule is a detection rule in the vendor's own words, for either schema.
type Rule struct {
	Name        string
	Tags        []string
	Channel     string
	EventIDs    []int
	Attack      []Attack
	Criticality int
	Filter      bool
	Matches     []string
	Condition   string
	Actions     []string
}

// document is the rule as a manager of schema 1 or 2 keeps it.
func (r Rule) document(schema2, actions bool) json.RawMessage {
	type meta struct {
		EventIDs    *[]int            `json:"EventIDs,omitempty"`
		Channels    *[]string         `json:"Channels,omitempty"`
		Events      *map[string][]int `json:"Events,omitempty"`
		Computers   []string          `json:"Computers"`
		Attack      []Attack          `json:"ATTACK,omitempty"`
		Criticality int               `json:"Criticality"`
		Disable     bool              `json:"Disable"`
		Filter      bool              `json:"Filter"`
		Schema      string            `json:"Schema,omitempty"`
	}
	doc := struct {
		Name      string    `json:"Name"`
		Tags      []string  `json:"Tags"`
		Meta      meta      `json:"Meta"`
		Matches   []string  `json:"Matches"`
		Condition string    `json:"Condition"`
		Actions   *[]string `json:"Actions,omitempty"`
	}{
		Name: r.Name, Tags: r.Tags, Matches: r.Matches, Condition: r.Condition,
		Meta: meta{Computers: []string{}, Attack: r.Attack, Criticality: r.Criticality, Filter: r.Filter},
	}
	if doc.Matches == nil {
		doc.Matches = []string{}
	}
	if schema2 {
		doc.Meta.Events, doc.Meta.Schema = &map[string][]int{r.Channel: r.EventIDs}, "2.0.0"
	} else {
		doc.Meta.EventIDs, doc.Meta.Channels = &r.EventIDs, &[]string{r.Channel}
	}
	if actions {
		doc.Actions = &r.Actions
	}
	b, _ := json.Marshal(doc)
	return b
}

// Artifact is a file an agent sent after an alert.
type Artifact struct {
	Endpoint    int
	ProcessGUID string // without braces
	EventHash   string
	Name        string
	Content     []byte // as stored: .gz names hold gzip
	Time        time.Time
}
