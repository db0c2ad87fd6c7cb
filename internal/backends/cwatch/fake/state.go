package fake

import (
	"encoding/json"
	"reflect"
)

// state is what users changed: triage of the data's own alerts, and alerts
// they created.
type state struct {
	Triage  map[string]triage `json:"triage,omitempty"`
	Created []created         `json:"created,omitempty"`
	Next    int               `json:"next"`
}

type triage struct {
	IsActive      bool   `json:"is_active"`
	Dismissed     bool   `json:"dismissed,omitempty"`
	Status        int    `json:"status"`
	UserVerdict   *bool  `json:"user_verdict,omitempty"`
	Feedback      string `json:"feedback,omitempty"`
	FalsePositive bool   `json:"false_positive,omitempty"`
}

type created struct {
	Alert  Alert  `json:"alert"`
	Triage triage `json:"triage"`
}

func triageOf(a *Alert) triage {
	return triage{a.IsActive, a.Dismissed, a.Status, a.UserVerdict, a.Feedback, a.FalsePositive}
}

func (t triage) apply(a *Alert) {
	a.IsActive, a.Dismissed, a.Status = t.IsActive, t.Dismissed, t.Status
	a.UserVerdict, a.Feedback, a.FalsePositive = t.UserVerdict, t.Feedback, t.FalsePositive
}

// State gives what users changed since the data was loaded.
func (s *Server) State() ([]byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	st := state{Triage: map[string]triage{}, Next: s.next}
	for i, a := range s.alerts {
		if i >= len(s.data.Alerts) {
			st.Created = append(st.Created, created{*a, triageOf(a)})
			continue
		}
		if was := triageOf(&s.data.Alerts[i]); !reflect.DeepEqual(was, triageOf(a)) {
			st.Triage[a.ID] = triageOf(a)
		}
	}
	return json.Marshal(st)
}

// Restore puts back what State gave, over the data as it was loaded. Alerts
// that are no longer there are left out.
func (s *Server) Restore(b []byte) error {
	var st state
	if err := json.Unmarshal(b, &st); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reset()
	for id, t := range st.Triage {
		if a := s.byID[id]; a != nil {
			t.apply(a)
		}
	}
	for _, c := range st.Created {
		if c.Alert.ID == "" || s.byID[c.Alert.ID] != nil {
			continue
		}
		a := c.Alert
		c.Triage.apply(&a)
		s.alerts = append(s.alerts, &a)
		s.byID[a.ID] = &a
	}
	s.next = max(st.Next, 1)
	return nil
}
