// Package fake is an ESP server for the demo and the tests: the wire protocol
// of community 3.5.1 as recorded, with the differences of other editions, as
// docs/wire/esp.md tells them. It is strict: what the real server refuses it
// refuses, with the real status and text, and the real server's failures that
// look like answers are kept.
package fake

import (
	"time"
)

// Data is what the server holds when it starts. Slices are in the order of
// creation; the server numbers from 1 where an id is 0.
type Data struct {
	Users   []User
	Hosts   []Host
	Rules   []Rule
	Queries []Query
	Packs   []Pack
	Configs []Config
	Alerts  []Alert
	Carves  []Carve
	Logs    []StatusLog
	IOCs    []IOC             // empty: the server shows its demo set
	Yara    map[string]string // text by file name; for all platforms
	Tables  []Table
	Results Results // nil: none
	// Tags exist even when nothing carries them.
	Tags []string
}

// User may log in. Role is admin or analyst.
type User struct {
	ID                    int
	Name, Email, Password string
	Role                  string
}

// Host is an endpoint. A host is online when it checked in within 300 s;
// Online hosts check in all the time.
type Host struct {
	ID             int
	Identifier     string
	NodeKey        string
	Name           string
	OSName, OSVer  string
	Platform       string // the agent's word: windows, darwin, ubuntu, …
	LastIP         string
	IP, MAC        string // of the first interface; "" = network_info {}
	Online         bool
	LastCheckin    time.Time
	Enrolled       time.Time
	Tags           []string
	OsqueryVersion string
	Removed        bool
}

// Rule is a detection rule.
type Rule struct {
	ID                int
	Name, Description string
	Severity          string // INFO WARNING CRITICAL
	Status            string // ACTIVE INACTIVE; "" = ACTIVE
	Type              string // MITRE DEFAULT; "" = DEFAULT
	Alerters          []string
	Tactics           []string
	TechniqueID       string // csv
	Platform          string
	Conditions        string // JSON
	Updated           time.Time
	AlertDescription  bool
}

// Query is a scheduled query.
type Query struct {
	ID                         int
	Name, SQL                  string
	Interval                   int
	Platform, Version          string
	Description, Value         string
	Snapshot                   bool
	Tags                       []string
	Packs                      []string
	HasPlatform, HasVersionOpt bool
}

// Pack is a set of queries, by name.
type Pack struct {
	ID       int
	Name     string
	Category string
	Tags     []string
	Queries  []string
}

// Config is what agents of a platform run.
type Config struct {
	ID          int
	Name        string
	Platform    string
	Description string
	Default     bool
	Queries     string // JSON object
	Filters     string // JSON object
	Conditions  string // JSON object
	Hosts       []int
}

// Alert is one alert. Entry is the row it was raised for, Events the rows
// aggregated into it, by result id. An alert after the server's clock does
// not exist yet.
type Alert struct {
	ID        int
	Time      time.Time
	RuleID    int    // 0: not of a rule
	Severity  string // "" = JSON null
	Type      string // rule, Threat Intel
	Source    string // rule ioc virustotal ibmxforce alienvault
	Status    string // OPEN RESOLVED
	Verdict   string // "" = null
	NodeID    int
	QueryName string
	Entry     Columns
	Events    []int64
}

// Carve is a collected file.
type Carve struct {
	ID        int
	NodeID    int
	SessionID string
	GUID      string
	Content   []byte // of the archive
	Size      int64
	BlockSize int
	Status    string // COMPLETED, IN PROGRESS, …
	QueryID   int
	Created   time.Time
}

// StatusLog is a line the agent logged.
type StatusLog struct {
	NodeID   int
	Line     int
	Message  string
	Severity int
	Filename string
	Created  time.Time
	Version  string
}

// IOC is an entry of the server's own indicators.
type IOC struct{ Name, Type, Severity, Values string }

// Table is an osquery table.
type Table struct {
	Name, Description string
	Platforms         []string
	Columns           []TableColumn
}

// TableColumn is one column of a table.
type TableColumn struct {
	Name, Type, Description string
	Required                bool
}

// KV is one cell of a row.
type KV struct{ K, V string }

// Columns is a row in the order the agent wrote it.
type Columns []KV

// Get gives a cell; ok is false when the row has no such column.
func (c Columns) Get(name string) (string, bool) {
	for i := range c {
		if c[i].K == name {
			return c[i].V, true
		}
	}
	return "", false
}

// Result is one stored row of a scheduled query.
type Result struct {
	ID      int64
	Name    string // of the query
	Time    time.Time
	Action  string // added, removed, snapshot
	NodeID  int
	UUID    string
	Columns Columns
}

// Results are the stored rows, oldest first with rising ids. They are asked
// for one by one, so that half a million need no memory.
type Results interface {
	Len() int
	At(i int) Result
	TimeAt(i int) time.Time
	// KeyAt gives what counting needs without building the row.
	KeyAt(i int) (nodeID int, query string)
}

// List is Results in memory.
type List []Result

// Len is how many there are.
func (l List) Len() int { return len(l) }

// At gives one.
func (l List) At(i int) Result { return l[i] }

// TimeAt gives the time of one.
func (l List) TimeAt(i int) time.Time { return l[i].Time }

// KeyAt gives host and query of one.
func (l List) KeyAt(i int) (int, string) { return l[i].NodeID, l[i].Name }
