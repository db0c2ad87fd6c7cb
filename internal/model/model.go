package model

import "encoding/json"

// Origin says where a record comes from. Drivers set ID only; the fan-out
// stamps the rest.
type Origin struct {
	ID      string `json:"id,omitempty"`      // the vendor's own id
	Ref     string `json:"ref,omitempty"`     // <profile>/<id>
	Profile string `json:"profile,omitempty"` // the profile it was read through
	Backend string `json:"backend,omitempty"` // cwatch, carbonblack, gene, esp
}

// GetOrigin gives the origin of any record that embeds one, to read or stamp.
func (o *Origin) GetOrigin() *Origin { return o }

// Alert is one detection as an analyst triages it.
type Alert struct {
	Origin
	Time         Time            `json:"time,omitzero"`
	Title        string          `json:"title,omitempty"`
	Description  string          `json:"description,omitempty"`
	Score        *float64        `json:"score,omitempty"` // 0-10; nil: the backend gave none
	Severity     Severity        `json:"severity,omitempty"`
	Risk         *int            `json:"risk,omitempty"` // 0-100, comparable across vendors; nil when unscored
	ScoreNative  *NativeScore    `json:"score_native,omitempty"`
	Status       Status          `json:"status,omitempty"`
	StatusNative string          `json:"status_native,omitempty"`
	Verdict      Verdict         `json:"verdict,omitempty"`
	Category     string          `json:"category,omitempty"`
	Source       string          `json:"source,omitempty"`
	Rule         *Named          `json:"rule,omitempty"`
	Policy       *Named          `json:"policy,omitempty"`
	Attack       []Attack        `json:"attack,omitempty"`
	Indicators   []Indicator     `json:"indicators,omitempty"`
	Host         *Host           `json:"host,omitempty"`
	User         *User           `json:"user,omitempty"`
	Process      *Process        `json:"process,omitempty"`
	Target       *Process        `json:"target,omitempty"`    // the child or object process
	Ancestors    []*Process      `json:"ancestors,omitempty"` // root first
	EventCount   int             `json:"event_count,omitempty"`
	EventIDs     []string        `json:"event_ids,omitempty"`
	URL          string          `json:"url,omitempty"`
	Events       []*Event        `json:"events,omitempty"` // only with alerts get --events
	Raw          json.RawMessage `json:"raw,omitempty"`    // the vendor's JSON, only when asked for
}

// Event is one observed action on a host.
type Event struct {
	Origin
	Time      Time            `json:"time,omitzero"`
	Ingested  Time            `json:"ingested,omitzero"`
	Kind      Kind            `json:"kind,omitempty"`
	Action    string          `json:"action,omitempty"` // the vendor's word
	Summary   string          `json:"summary,omitempty"`
	Host      *Host           `json:"host,omitempty"`
	User      *User           `json:"user,omitempty"`
	Process   *Process        `json:"process,omitempty"` // the actor
	Target    *Process        `json:"target,omitempty"`  // the process acted upon, or the child
	File      *File           `json:"file,omitempty"`
	Network   *Network        `json:"network,omitempty"`
	DNS       *DNS            `json:"dns,omitempty"`
	Registry  *Registry       `json:"registry,omitempty"`
	Module    *Module         `json:"module,omitempty"`
	Pipe      *Pipe           `json:"pipe,omitempty"`
	Access    *Access         `json:"access,omitempty"`
	Logon     *Logon          `json:"logon,omitempty"`
	Script    *Script         `json:"script,omitempty"`
	Object    *Object         `json:"object,omitempty"`
	URL       string          `json:"url,omitempty"` // where a file was downloaded from
	Tags      []string        `json:"tags,omitempty"`
	Detection *Detection      `json:"detection,omitempty"`
	AlertID   string          `json:"alert_id,omitempty"`
	Sigma     []SigmaMatch    `json:"sigma,omitempty"` // only with hunt sigma --events
	Raw       json.RawMessage `json:"raw,omitempty"`
	Log       *LogRecord      `json:"-"` // only when asked for
}

// Process is a process, known by its stable UID (never by pid alone).
type Process struct {
	Origin
	UID              string          `json:"uid,omitempty"`
	PID              int64           `json:"pid,omitempty"`
	Name             string          `json:"name,omitempty"`
	Path             string          `json:"path,omitempty"`
	CommandLine      string          `json:"command_line,omitempty"`
	WorkingDirectory string          `json:"working_directory,omitempty"`
	Started          Time            `json:"started,omitzero"`
	Ended            Time            `json:"ended,omitzero"`
	User             *User           `json:"user,omitempty"`
	Hash             *Hash           `json:"hash,omitempty"`
	OriginalFileName string          `json:"original_file_name,omitempty"` // these five are of the image's version resource
	Description      string          `json:"description,omitempty"`
	Product          string          `json:"product,omitempty"`
	Company          string          `json:"company,omitempty"`
	FileVersion      string          `json:"file_version,omitempty"`
	Integrity        string          `json:"integrity,omitempty"`
	Elevation        string          `json:"elevation,omitempty"`
	Signed           *bool           `json:"signed,omitempty"`
	Packed           *bool           `json:"packed,omitempty"`
	Reputation       *Reputation     `json:"reputation,omitempty"`
	Parent           *ParentProcess  `json:"parent,omitempty"`
	EventCount       int             `json:"event_count,omitempty"`
	Host             *Host           `json:"host,omitempty"`
	Raw              json.RawMessage `json:"raw,omitempty"`
}

// ParentProcess is what a process record says of its parent.
type ParentProcess struct {
	UID         string `json:"uid,omitempty"`
	PID         int64  `json:"pid,omitempty"`
	Name        string `json:"name,omitempty"`
	Path        string `json:"path,omitempty"`
	CommandLine string `json:"command_line,omitempty"`
}

// Host is an endpoint under watch.
type Host struct {
	Origin
	Name         string          `json:"name,omitempty"`
	Domain       string          `json:"domain,omitempty"`
	OS           *OS             `json:"os,omitempty"`
	IP           []string        `json:"ip,omitempty"`
	MAC          []string        `json:"mac,omitempty"`
	User         string          `json:"user,omitempty"`
	AgentVersion string          `json:"agent_version,omitempty"`
	LastSeen     Time            `json:"last_seen,omitzero"`
	Online       *bool           `json:"online,omitempty"` // nil: unknown
	State        string          `json:"state,omitempty"`  // the vendor's word
	Isolated     *bool           `json:"isolated,omitempty"`
	Policy       *Named          `json:"policy,omitempty"`
	Tags         []string        `json:"tags,omitempty"`
	AlertCount   *int            `json:"alert_count,omitempty"`
	ReportScore  *float64        `json:"report_score,omitempty"` // unbounded and relative (Gene): never a score
	Raw          json.RawMessage `json:"raw,omitempty"`
}

// Rule is a detection rule kept by a backend.
type Rule struct {
	Origin
	Name        string          `json:"name,omitempty"`
	Description string          `json:"description,omitempty"`
	Type        string          `json:"type,omitempty"`
	Enabled     *bool           `json:"enabled,omitempty"`
	Score       *float64        `json:"score,omitempty"`
	Severity    Severity        `json:"severity,omitempty"`
	Attack      []Attack        `json:"attack,omitempty"`
	Condition   string          `json:"condition,omitempty"`
	Tags        []string        `json:"tags,omitempty"`
	Updated     Time            `json:"updated,omitzero"`
	Raw         json.RawMessage `json:"raw,omitempty"`
}

// Report is what a backend thinks of a host over a span of time.
type Report struct {
	Origin
	Host       *Host           `json:"host,omitempty"`
	Start      Time            `json:"start,omitzero"`
	End        Time            `json:"end,omitzero"`
	Score      float64         `json:"report_score"`
	AlertCount int             `json:"alert_count"`
	Signatures []Count         `json:"signatures,omitempty"`
	Attack     []Attack        `json:"attack,omitempty"`
	Raw        json.RawMessage `json:"raw,omitempty"`
}

// Carve is a file collected, or being collected, from a host.
type Carve struct {
	Origin
	Host     *Host           `json:"host,omitempty"`
	Path     string          `json:"path,omitempty"`
	Size     int64           `json:"size,omitempty"`
	State    CarveState      `json:"state,omitempty"`
	Progress *float64        `json:"progress,omitempty"` // 0-1
	Created  Time            `json:"created,omitzero"`
	Name     string          `json:"name,omitempty"`
	SHA256   string          `json:"sha256,omitempty"`
	SavedTo  string          `json:"saved_to,omitempty"`
	Error    string          `json:"error,omitempty"` // why it failed
	Raw      json.RawMessage `json:"raw,omitempty"`
}

// HashInfo is everything one backend knows about a file hash.
type HashInfo struct {
	Origin
	Hash    string   `json:"hash"`
	Verdict string   `json:"verdict,omitempty"` // safe malicious unknown absent
	Native  string   `json:"native,omitempty"`
	Names   []string `json:"names,omitempty"`
	Hosts   []*Host  `json:"hosts,omitempty"`
	First   Time     `json:"first_seen,omitzero"`
	Last    Time     `json:"last_seen,omitzero"`
}

// Count is one bucket of a count.
type Count struct {
	Value string `json:"value"`
	Count int    `json:"count"`
}

// Named is an id with its human name.
type Named struct {
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
}

// NativeScore is the vendor's own score, unchanged.
type NativeScore struct {
	Value *float64 `json:"value,omitempty"`
	Label string   `json:"label,omitempty"`
	Scale string   `json:"scale,omitempty"` // for example "0-10", "1-10", "INFO|LOW|WARNING|CRITICAL"
}

// Attack is one MITRE ATT&CK technique, with the tactic it serves.
type Attack struct {
	Technique Named  `json:"technique,omitzero"`
	Tactic    string `json:"tactic,omitempty"`
}

// Indicator is a value that identifies something: a hash, an address, a TTP.
type Indicator struct {
	Name  string `json:"name,omitempty"`
	Value string `json:"value,omitempty"`
	Type  string `json:"type,omitempty"`
}

// User is an account.
type User struct {
	Name   string `json:"name,omitempty"`
	Domain string `json:"domain,omitempty"`
	ID     string `json:"id,omitempty"`
}

// OS is an operating system.
type OS struct {
	Name     string `json:"name,omitempty"`
	Version  string `json:"version,omitempty"`
	Platform string `json:"platform,omitempty"` // windows, linux, darwin
}

// Hash is a file's hashes, lower-case hex.
type Hash struct {
	MD5     string `json:"md5,omitempty"`
	SHA1    string `json:"sha1,omitempty"`
	SHA256  string `json:"sha256,omitempty"`
	SHA512  string `json:"sha512,omitempty"`
	Imphash string `json:"imphash,omitempty"`
}

// Reputation is what the vendor thinks of an image.
type Reputation struct {
	Verdict string `json:"verdict,omitempty"` // safe malicious unknown absent
	Native  string `json:"native,omitempty"`
}

// File is the file acted upon.
type File struct {
	Path    string `json:"path,omitempty"`
	OldPath string `json:"old_path,omitempty"`
	Name    string `json:"name,omitempty"`
	Size    int64  `json:"size,omitempty"`
	Hash    *Hash  `json:"hash,omitempty"`
}

// Network is a connection or a listener.
type Network struct {
	Direction   string    `json:"direction,omitempty"` // ingress, egress
	Transport   string    `json:"transport,omitempty"` // tcp, udp, ...
	Source      *Endpoint `json:"source,omitempty"`
	Destination *Endpoint `json:"destination,omitempty"`
}

// Endpoint is one end of a connection.
type Endpoint struct {
	IP     string `json:"ip,omitempty"`
	Port   int    `json:"port,omitempty"`
	Domain string `json:"domain,omitempty"`
}

// DNS is a lookup of a name, with what was answered.
type DNS struct {
	Question DNSQuestion `json:"question,omitzero"`
	Answers  []DNSAnswer `json:"answers,omitempty"`
}

// DNSAnswer is one record of an answer: an address or a name.
type DNSAnswer struct {
	Type string `json:"type,omitempty"` // A, AAAA, CNAME, ...
	Data string `json:"data,omitempty"`
}

// DNSQuestion is what was asked.
type DNSQuestion struct {
	Name string `json:"name,omitempty"`
	Type string `json:"type,omitempty"`
}

// Registry is the key or value acted upon.
type Registry struct {
	Path  string `json:"path,omitempty"`
	Value string `json:"value,omitempty"`
	Data  string `json:"data,omitempty"`
}

// Module is a loaded image or driver.
type Module struct {
	Path      string `json:"path,omitempty"`
	Hash      *Hash  `json:"hash,omitempty"`
	Signed    *bool  `json:"signed,omitempty"`
	Signature string `json:"signature,omitempty"` // who signed it
}

// Pipe is a named pipe.
type Pipe struct {
	Name string `json:"name,omitempty"`
}

// Access is how a process or an object was opened.
type Access struct {
	Granted   string `json:"granted,omitempty"` // the access mask, as the source wrote it
	CallTrace string `json:"call_trace,omitempty"`
}

// Logon is a logon, a logoff, or the use of credentials. The account that
// logged on is the target user; the user of the event is the account that
// acted, or the same one.
type Logon struct {
	Type       string `json:"type,omitempty"` // interactive, network, remote_interactive, ... (LogonTypes)
	TargetUser *User  `json:"target_user,omitempty"`
	Package    string `json:"package,omitempty"` // NTLM, Kerberos, Negotiate, ...
	Failure    string `json:"failure,omitempty"` // why it failed
}

// Script is the text that an interpreter ran, or that was scanned for malware.
type Script struct {
	Text string `json:"text,omitempty"`
}

// Object is a thing acted upon that has a name and no field of its own.
type Object struct {
	Type string `json:"type,omitempty"` // service, task, share, user, group, threat, log, wmi, ...
	Name string `json:"name,omitempty"`
}

// Detection is what the backend's rules said about an event.
type Detection struct {
	Rules   []string `json:"rules,omitempty"`
	Score   *float64 `json:"score,omitempty"`
	Attack  []Attack `json:"attack,omitempty"`
	Actions []string `json:"actions,omitempty"`
}

// Ptr gives the address of a copy of v, for the optional fields above.
func Ptr[T any](v T) *T { return &v }

// BaseName is the last part of a path with either kind of separator.
func BaseName(path string) string {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' || path[i] == '\\' {
			return path[i+1:]
		}
	}
	return path
}

// SplitUser reads DOMAIN\user; without a domain only the name is set. It is
// nil for an empty string.
func SplitUser(s string) *User {
	if s == "" {
		return nil
	}
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			return &User{Domain: s[:i], Name: s[i+1:]}
		}
	}
	return &User{Name: s}
}
