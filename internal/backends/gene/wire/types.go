// Package wire is the JSON of a Gene (WHIDS) manager: envelope, types, events,
// times, and the files inside the answer of a command.
package wire

import (
	"encoding/json"

	"github.com/edrctl/edrctl/internal/client/flex"
)

// The manager's own types (docs/wire/gene.md), as far as they are read. Log events
// are not among them: EventDecoder reads those without reflection.

// Endpoint is an Endpoint object (docs/wire/gene.md 4). Fields that a version does
// not have are nil or empty.
type Endpoint struct {
	UUID           string        `json:"uuid"`
	Hostname       string        `json:"hostname"`
	IP             string        `json:"ip"`
	Group          *string       `json:"group"`       // beta.2 and later
	Criticality    *flex.Int     `json:"criticality"` // beta.3 and later
	Key            string        `json:"key"`
	Command        *CommandState `json:"command"`
	Score          *flex.Float   `json:"score"` // 0-100, bounded
	Status         string        `json:"status"`
	SystemInfo     *SystemInfo   `json:"system-info"` // beta.7 and later
	LastEvent      string        `json:"last-event"`
	LastDetection  string        `json:"last-detection"`
	LastConnection string        `json:"last-connection"`
}

// SystemInfo is what the agent says of its machine.
type SystemInfo struct {
	EDR *struct {
		Version flex.String `json:"version"`
		Commit  flex.String `json:"commit"`
	} `json:"edr"`
	OS struct {
		Name    flex.String `json:"name"`
		Build   flex.String `json:"build"`
		Version flex.String `json:"version"`
		Product flex.String `json:"product"`
		Edition flex.String `json:"edition"`
	} `json:"os"`
}

// CommandState is the part of a Command object that tells how far it is
// (docs/wire/gene.md 5).
type CommandState struct {
	UUID      string    `json:"uuid"`
	Name      string    `json:"name"`
	Sent      flex.Bool `json:"sent"`
	Completed flex.Bool `json:"completed"`
}

// Stats is the answer of GET /stats.
type Stats struct {
	Endpoints flex.Int `json:"endpoint-count"`
	Rules     flex.Int `json:"rule-count"`
}

// Report is a Report object (docs/wire/gene.md 8).
type Report struct {
	Identifier       string                     `json:"identifier"`
	AlertCount       flex.Int                   `json:"alert-count"`
	CountBySignature map[string]json.RawMessage `json:"count-by-signature"`
	Techniques       []string                   `json:"techniques"`
	Tactics          []string                   `json:"tactics"`
	Score            flex.Float                 `json:"score"`
	Start            string                     `json:"start-time"`
	Stop             string                     `json:"stop-time"`
}

// Artifact is a set of files collected for one event. Files are names before
// beta.4 and objects since (docs/wire/gene.md 9).
type Artifact struct {
	Creation     string         `json:"creation"`
	Modification string         `json:"modification"`
	Update       string         `json:"update"`
	ProcessGUID  string         `json:"process-guid"`
	EventHash    string         `json:"event-hash"`
	Files        []ArtifactFile `json:"files"`
}

// ArtifactFile is one file of an artifact.
type ArtifactFile struct {
	Name      string   `json:"name"`
	Size      flex.Int `json:"size"`
	Timestamp string   `json:"timestamp"`
}

// UnmarshalJSON reads either form.
func (f *ArtifactFile) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &f.Name)
	}
	type plain ArtifactFile
	return json.Unmarshal(b, (*plain)(f))
}

// Rule is a Gene rule of schema 1 or 2 (docs/wire/gene.md 10).
type Rule struct {
	Name string   `json:"Name"`
	Tags []string `json:"Tags"`
	Meta struct {
		EventIDs    []flex.Int            `json:"EventIDs"`
		Channels    []string              `json:"Channels"`
		Events      map[string][]flex.Int `json:"Events"`
		Criticality flex.Float            `json:"Criticality"`
		Disable     flex.Bool             `json:"Disable"`
		Filter      flex.Bool             `json:"Filter"`
		Attack      []struct {
			ID          flex.String `json:"ID"`
			Tactic      flex.String `json:"Tactic"`
			Description flex.String `json:"Description"`
		} `json:"ATTACK"`
	} `json:"Meta"`
	Matches   []string `json:"Matches"`
	Condition string   `json:"Condition"`
}

// User is a user of the admin API.
type User struct {
	UUID        string `json:"uuid"`
	Identifier  string `json:"identifier"`
	Key         string `json:"key"`
	Group       string `json:"group"`
	Description string `json:"description"`
}
