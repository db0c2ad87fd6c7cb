package fake

import (
	"compress/gzip"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// state is everything a client can change.
type state struct {
	Endpoints []*machine                 `json:"endpoints"` // in creation order
	Index     map[string]int             `json:"index"`     // wrong after a DELETE on older versions
	Unknown   map[string]bool            `json:"unknown"`   // UUIDs asked for once (trap 2)
	Commands  map[string]*command        `json:"commands"`
	Deleted   map[string]bool            `json:"deleted"` // files commands have deleted: host|path
	Reports   map[string]time.Time       `json:"reports"` // when each was emptied last
	Archive   map[string][]archived      `json:"archive"`
	Configs   map[string]json.RawMessage `json:"configs"`
	Sysmon    map[string]json.RawMessage `json:"sysmon"`
	Tools     map[string]*tool           `json:"tools"`
	Users     []user                     `json:"users"`
	IOCs      []ioc                      `json:"iocs"`
	Shown     []storedRule               `json:"shown"` // what GET /rules gives
	Live      []storedRule               `json:"live"`  // what the engine runs
	Disk      []storedRule               `json:"disk"`
}

// reset makes the state of a fresh start. The caller holds no lock.
func (s *Server) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.st = state{
		Index: map[string]int{}, Unknown: map[string]bool{}, Commands: map[string]*command{}, Deleted: map[string]bool{},
		Reports: map[string]time.Time{}, Archive: map[string][]archived{}, Configs: map[string]json.RawMessage{},
		Sysmon: map[string]json.RawMessage{}, Tools: map[string]*tool{},
	}
	for i := range s.data.Endpoints {
		ep := s.data.Endpoints[i]
		if ep.Key == "" {
			ep.Key = stableKey(ep.UUID)
		}
		s.st.Index[ep.UUID] = len(s.st.Endpoints)
		s.st.Endpoints = append(s.st.Endpoints, &machine{Source: i, UUID: ep.UUID, Key: ep.Key, Group: ep.Group, Status: ep.Status, Criticality: ep.Criticality})
	}
	s.st.Users = []user{{UUID: "4f1acbcc-5ea8-433b-9525-5efb41731458", Identifier: "admin", Key: s.opt.Key}}
	for _, r := range s.data.Rules {
		doc := r.document(s.etw(), !s.is(V170))
		rule := storedRule{Name: r.Name, Doc: doc}
		s.st.Shown = append(s.st.Shown, rule)
	}
	sortRules(s.st.Shown)
	s.st.Live = append([]storedRule(nil), s.st.Shown...)
	s.st.Disk = append([]storedRule(nil), s.st.Shown...)
}

// State gives what clients changed, to be restored in another run.
func (s *Server) State() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return json.Marshal(s.st)
}

// Restore puts back what State gave.
func (s *Server) Restore(b []byte) error {
	var st state
	if err := json.Unmarshal(b, &st); err != nil {
		return fmt.Errorf("gene demo state: %w", err)
	}
	for _, m := range st.Endpoints {
		if m == nil || m.Source >= len(s.data.Endpoints) {
			return fmt.Errorf("gene demo state: it belongs to other data")
		}
	}
	fill(&st.Index)
	fill(&st.Unknown)
	fill(&st.Commands)
	fill(&st.Deleted)
	fill(&st.Reports)
	fill(&st.Archive)
	fill(&st.Configs)
	fill(&st.Sysmon)
	fill(&st.Tools)
	s.mu.Lock()
	defer s.mu.Unlock()
	// The admin's key is this run's.
	for i := range st.Users {
		if st.Users[i].Identifier == "admin" {
			st.Users[i].Key = s.opt.Key
		}
	}
	s.st = st
	return nil
}

func fill[K comparable, V any](m *map[K]V) {
	if *m == nil {
		*m = map[K]V{}
	}
}

// Reset forgets every change.
func (s *Server) Reset() { s.reset() }

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return uuidOf(b)
}

func uuidOf(b [16]byte) string {
	h := hex.EncodeToString(b[:])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

const alphanumeric = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

func newKey() string {
	var b [64]byte
	_, _ = rand.Read(b[:])
	for i := range b {
		b[i] = alphanumeric[int(b[i])%len(alphanumeric)]
	}
	return string(b[:])
}

// stableKey is the key of an endpoint whose data names none.
func stableKey(uuid string) string {
	plain := strings.ReplaceAll(uuid, "-", "")
	return (plain + plain + strings.Repeat("0", 64))[:64]
}

func readAll(r *http.Request) ([]byte, error) {
	body := io.LimitReader(r.Body, 64<<20)
	if r.Header.Get("Content-Encoding") != "gzip" {
		b, _ := io.ReadAll(body)
		return b, nil
	}
	zr, err := gzip.NewReader(body)
	if err != nil {
		return nil, err
	}
	b, _ := io.ReadAll(zr)
	return b, nil
}
