// Package story is the made-up intrusion the demo, the fakes and the
// conformance suite share: vendor-neutral facts, which each backend's mapping
// (internal/demo/<backend>.go) turns into that product's own wire data.
//
// The same seed and scale always give the same story with the same ids and
// hashes; only the times move with the anchor.
package story

import "time"

// Backend names, as registered.
const (
	CWatch      = "cwatch"
	CarbonBlack = "carbonblack"
	Gene        = "gene"
	ESP         = "esp"
)

// Host is one machine. It may be watched by more than one backend.
type Host struct {
	N         int // stable number, from 1
	Name      string
	Domain    string // CORP, or "" for Linux
	OS        string // "Windows 10 Enterprise", "Ubuntu 22.04", ...
	OSVersion string
	Platform  string // windows, linux, darwin
	IP        string
	ExtIP     string
	MAC       string
	User      string // who is logged on, without domain
	UUID      string
	Online    bool
	LastSeen  time.Time
	Policy    string
	Tags      []string
	Backends  []string // who watches it
}

// On tells whether backend watches the host.
func (h *Host) On(backend string) bool {
	for _, b := range h.Backends {
		if b == backend {
			return true
		}
	}
	return false
}

// Process is one run of a program.
type Process struct {
	N                            int // stable number, from 1
	Host                         *Host
	GUID                         string // 8-4-4-4-12 hex, stable
	PID                          int
	Path, Name, CommandLine, Dir string
	User, Domain                 string
	Started                      time.Time
	Ended                        time.Time // zero: still running
	MD5, SHA1, SHA256, Imphash   string
	Integrity                    string // Low Medium High System
	Signed                       bool
	Signer                       string
	Verdict                      string // safe malicious unknown
	Parent                       *Process
	Malicious                    bool // part of the intrusion
}

// Chain gives the ancestors, root first, without p itself.
func (p *Process) Chain() []*Process {
	var out []*Process
	for q := p.Parent; q != nil; q = q.Parent {
		out = append([]*Process{q}, out...)
	}
	return out
}

// Event kinds are the names of model.Kind.
type Event struct {
	N       int // stable number, from 1; unique over the story
	Time    time.Time
	Kind    string
	Host    *Host
	Process *Process // the actor
	Target  *Process // child, or the process acted upon

	FilePath, FileOldPath string
	FileSize              int64
	FileMD5, FileSHA1     string
	FileSHA256            string

	Direction             string // egress, ingress
	Transport             string // tcp, udp
	LocalIP, RemoteIP     string
	LocalPort, RemotePort int
	RemoteDomain          string
	DNSName, DNSType      string
	DNSAnswers            []string // names and addresses that were answered
	RegPath, RegValue     string
	RegData               string
	ModulePath            string
	ModuleSHA256          string
	Detected              *Rule  // the rule that fired on it, if any
	Access                string // granted access of a process_access, hex
	Malicious             bool
}

// Rule is a detection rule.
type Rule struct {
	N                        int
	ID, Name, Description    string
	Technique, TechniqueName string // T1003.001, LSASS Memory
	Tactic                   string // credential-access
	Score                    int    // 0-10, on the backend's own scale
	Severity                 string // INFO LOW WARNING CRITICAL, for label scales
	Backend                  string // whose rule it is
}

// Alert is one detection on one backend.
type Alert struct {
	N           int // stable number, from 1
	Backend     string
	Time        time.Time
	Title       string
	Description string
	Rule        *Rule
	Score       int // as Rule.Score unless the story says otherwise
	Host        *Host
	Process     *Process
	Target      *Process
	Events      []*Event // at least one, oldest first
	Status      string   // open closed dismissed
	Verdict     string   // "" true_positive false_positive
}

// Artifact is a file already collected from a host.
type Artifact struct {
	N       int
	Host    *Host
	Process *Process
	Event   *Event
	Path    string
	Content []byte
	Time    time.Time
}

// Indicator is planted on purpose: a hunt over the demo must find it exactly
// on the listed backends.
type Indicator struct {
	Type, Value string // md5 sha1 sha256 imphash ipv4 domain url file_name file_path process_name
	Note        string
	Backends    []string
}

// Story is the whole of it.
type Story struct {
	Anchor     time.Time // "now" of the story; records after it arrive as time passes
	Scale      int
	Hosts      []*Host
	Processes  []*Process // by start time
	Rules      []*Rule
	Alerts     []*Alert // oldest first
	Artifacts  []*Artifact
	Indicators []*Indicator

	events []*Event // told ones: all but the noise, by time
	pools  []pool   // by Host.N-1
}

// Events gives the events one backend saw, oldest first, noise included: all
// of them at once. Prefer EventSeq where the scale may be large. Noise events
// are computed by each call; those of the intrusion are the same pointers
// as in Alert.Events.
func (s *Story) Events(backend string) []*Event {
	out := make([]*Event, 0, s.NoiseCount()+len(s.events)/2)
	for e := range s.EventSeq(backend) {
		out = append(out, e)
	}
	return out
}

// AlertsOn gives the alerts of one backend, oldest first.
func (s *Story) AlertsOn(backend string) []*Alert {
	var out []*Alert
	for _, a := range s.Alerts {
		if a.Backend == backend {
			out = append(out, a)
		}
	}
	return out
}

// HostsOn gives the hosts of one backend.
func (s *Story) HostsOn(backend string) []*Host {
	var out []*Host
	for _, h := range s.Hosts {
		if h.On(backend) {
			out = append(out, h)
		}
	}
	return out
}
