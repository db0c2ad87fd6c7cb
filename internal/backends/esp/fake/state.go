package fake

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
)

// state is all that calls change. It is JSON, so that a demo keeps it.
type state struct {
	Passwords  map[int]string   `json:"passwords"`
	DeadTokens map[string]bool  `json:"dead_tokens"`
	TokensFrom map[int]int64    `json:"tokens_from"`
	Alerts     map[int]alertNow `json:"alerts"`
	Hosts      map[int]hostNow  `json:"hosts"`
	Rules      []Rule           `json:"rules"`
	Queries    []Query          `json:"queries"`
	Packs      []Pack           `json:"packs"`
	Configs    []Config         `json:"configs"`
	Carves     []Carve          `json:"carves"`
	Tags       []string         `json:"tags"`
	IOCs       []IOC            `json:"iocs"`
	Yara       map[string]string
	YaraOn     map[string][]string // file -> platforms
	Settings   map[string]string   `json:"settings"`
	APIKeys    map[string]string   `json:"api_keys"`
	Engines    map[string]bool     `json:"engines"`
	MinMatch   int                 `json:"min_match"`
	Email      json.RawMessage     `json:"email"`
	Purged     time.Time           `json:"purged"` // results before it are gone
	NextID     map[string]int      `json:"next_id"`
	Actions    []action            `json:"actions"`
	Files      map[string]string   `json:"files"` // downloads
}

type alertNow struct {
	Status  string    `json:"status"`
	Verdict string    `json:"verdict"`
	Comment string    `json:"comment"`
	Updated time.Time `json:"updated"`
}

type hostNow struct {
	Tags    []string `json:"tags"`
	Removed bool     `json:"removed"`
	Deleted bool     `json:"deleted"`
	Config  int      `json:"config"`
}

// newState copies what can change, and numbers what has no number.
func newState(d *Data) state {
	st := state{
		Passwords: map[int]string{}, DeadTokens: map[string]bool{}, TokensFrom: map[int]int64{},
		Alerts: map[int]alertNow{}, Hosts: map[int]hostNow{},
		Rules: slices.Clone(d.Rules), Queries: slices.Clone(d.Queries), Packs: slices.Clone(d.Packs),
		Configs: slices.Clone(d.Configs), Carves: slices.Clone(d.Carves), IOCs: slices.Clone(d.IOCs),
		Yara: map[string]string{}, YaraOn: map[string][]string{},
		Settings: map[string]string{"purge_data_duration": "60", "alert_aggregation_duration": "60"},
		APIKeys:  map[string]string{}, Engines: map[string]bool{"Bkav": false, "Sophos ML": false}, MinMatch: 3,
		NextID: map[string]int{}, Files: map[string]string{},
	}
	for i := range d.Users {
		if d.Users[i].ID == 0 {
			d.Users[i].ID = i + 1
		}
	}
	for i := range st.Rules {
		if st.Rules[i].ID == 0 {
			st.Rules[i].ID = i + 1
		}
	}
	for i := range st.Queries {
		if st.Queries[i].ID == 0 {
			st.Queries[i].ID = i + 1
		}
	}
	for i := range st.Packs {
		if st.Packs[i].ID == 0 {
			st.Packs[i].ID = i + 1
		}
	}
	for i := range st.Configs {
		if st.Configs[i].ID == 0 {
			st.Configs[i].ID = i + 1
		}
	}
	for i := range st.Carves {
		if st.Carves[i].ID == 0 {
			st.Carves[i].ID = i + 1
		}
	}
	for name, text := range d.Yara {
		st.Yara[name], st.YaraOn[name] = text, []string{"windows", "linux", "darwin"}
	}
	for _, h := range d.Hosts {
		st.Hosts[h.ID] = hostNow{Tags: slices.Clone(h.Tags), Removed: h.Removed}
		for _, t := range h.Tags {
			st.addTag(t)
		}
	}
	for _, t := range d.Tags {
		st.addTag(t)
	}
	return st
}

func (st *state) addTag(t string) bool {
	if slices.Contains(st.Tags, t) {
		return false
	}
	st.Tags = append(st.Tags, t)
	return true
}

// next numbers a new thing above all there are.
func (st *state) next(kind string, top int) int {
	n := max(st.NextID[kind], top) + 1
	st.NextID[kind] = n
	return n
}

// State gives all that was changed, for Restore.
func (s *Server) State() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return json.Marshal(&s.st)
}

// Restore puts a state back. The state of another product, or a broken one,
// is an error and changes nothing.
func (s *Server) Restore(b []byte) error {
	st := newState(s.data)
	yara, on := st.Yara, st.YaraOn
	st.Yara, st.YaraOn = nil, nil // decoding into them would bring deleted files back
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.DisallowUnknownFields()
	if err := d.Decode(&st); err != nil {
		return errors.New("the state is not one of this server: " + err.Error())
	}
	if st.Yara == nil {
		st.Yara, st.YaraOn = yara, on
	}
	s.mu.Lock()
	s.st = st
	s.cache = resultCache{}
	s.mu.Unlock()
	return nil
}
