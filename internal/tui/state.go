package tui

import (
	"encoding/json"
	"slices"
)

// State is what is remembered between sessions, for one selection of
// profiles. It holds settings and filters typed, never data.
type State struct {
	Light   bool        `json:"light,omitempty"`
	Filters []string    `json:"filters,omitempty"` // typed, oldest first
	Alerts  *AlertsView `json:"alerts,omitempty"`
	Palette []string    `json:"palette,omitempty"` // commands, oldest first
	Sigma   string      `json:"sigma,omitempty"`   // where the rules of the last hunt were
}

// AlertsView is how the list of alerts was left.
type AlertsView struct {
	Sort      string `json:"sort,omitempty"`
	Down      bool   `json:"down,omitempty"`
	NoPreview bool   `json:"no_preview,omitempty"`
	Below     bool   `json:"below,omitempty"`
	Share     int    `json:"share,omitempty"`
	Filter    string `json:"filter,omitempty"`
}

const maxRemembered = 50

func (s *State) alerts() AlertsView {
	if s.Alerts == nil {
		return AlertsView{}
	}
	return *s.Alerts
}

func (s *State) setAlerts(v AlertsView) { s.Alerts = &v }

// remember keeps a filter line, the latest last.
func (s *State) remember(line string) { s.Filters = remembered(s.Filters, line) }

func remembered(list []string, line string) []string {
	if line == "" {
		return list
	}
	list = append(slices.DeleteFunc(slices.Clone(list), func(x string) bool { return x == line }), line)
	if len(list) > maxRemembered {
		list = list[len(list)-maxRemembered:]
	}
	return list
}

// States are the states of all selections, as they stand in the state file.
type States map[string]*State

// ParseStates reads the state file. One that cannot be read is as good as
// none: nothing in it is worth an error.
func ParseStates(b []byte) States {
	out := States{}
	if json.Unmarshal(b, &out) != nil {
		return States{}
	}
	return out
}

// Marshal writes the state file.
func (s States) Marshal() ([]byte, error) { return json.MarshalIndent(s, "", "  ") }
