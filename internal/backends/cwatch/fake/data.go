// Package fake is cWatch EDR's server (API v0.0.2) over made-up data: for the
// demo and for tests. It refuses what the real one refuses, and it can
// misbehave in every way docs/wire/cwatch.md knows or fears.
package fake

import (
	"sort"
	"strings"
)

// Data is what a server holds.
type Data struct {
	Customer  int64
	Endpoints []Endpoint
	Alerts    []Alert // any order
	Processes []Process
	Files     map[string]File // by SHA-1, lower case
	Events    Events
}

// Endpoint is an element of GET /endpoint.
type Endpoint struct {
	ID       int64
	Name     string
	Version  string
	OS       string
	LoggedOn string
	Status   string // online, offline, disconnected
}

// Process is an element of GET /process; the last three say what it can be
// found by besides.
type Process struct {
	ID     string `json:"id"`
	PID    int64  `json:"pid"`
	Name   string `json:"process_name"`
	Path   string `json:"process_path"`
	Device string `json:"device_name"`
	User   string `json:"process_user"`
	Hash   string `json:"process_hash"`

	FileHashes     []string `json:"-"`
	FileNames      []string `json:"-"`
	DestinationIPs []string `json:"-"`
}

// File is what the server knows of a hash.
type File struct {
	Verdict   int
	Names     []string
	Endpoints []int64
}

// Node is one process of a parent tree.
type Node struct {
	PID          int64  `json:"prcsPID"`
	CreationTime string `json:"prcsCreationTime"`
	UserName     string `json:"prcsUserName"`
	UserDomain   string `json:"prcsUserDomain"`
	Path         string `json:"prcsPath"`
	Hash         string `json:"prcsHash"`
	Verdict      int    `json:"prcsVerdict"`
}

// Event is a row of GET /events. A group's fields are nil in other groups.
type Event struct {
	CustomerID   int64   `json:"customer_id"`
	Timestamp    int64   `json:"timestamp"` // milliseconds; written in the server's unit
	Sequence     int64   `json:"sequence"`
	BaseType     int     `json:"base_event_type"`
	UserDomain   string  `json:"process_user_domain"`
	Device       string  `json:"process_device_name"`
	EndpointID   int64   `json:"endpoint_id"`
	Group        int     `json:"event_group"`
	Hash         string  `json:"process_hash"`
	InstanceID   string  `json:"process_instance_id"`
	PID          int64   `json:"process_pid"`
	Path         string  `json:"process_path"`
	ParentTree   []Node  `json:"process_parent_tree"`
	CreationTime string  `json:"process_creation_time"`
	LoggedOn     string  `json:"process_logged_on_user"`
	UserName     string  `json:"process_user_name"`
	Verdict      int     `json:"process_verdict"`
	EventTime    string  `json:"event_time"`
	ID           string  `json:"id"`
	Adaptive     *string `json:"adaptive_event_type,omitempty"`

	*Child
	*Network
	*Registry
	*FileChange
	*Browser
	TargetName *string `json:"target_name,omitempty"`
}

// Child is the process group's part of an event.
type Child struct {
	ChildInstanceID  string `json:"child_process_instance_id"`
	ChildPID         int64  `json:"child_process_pid"`
	ChildPath        string `json:"child_process_path"`
	ChildCommandLine string `json:"child_process_command_line"`
	ChildElevation   int    `json:"child_process_elevation_type"`
	ChildHash        string `json:"child_process_hash"`
	ChildIsPacked    bool   `json:"child_process_is_packed"`
	ChildIsSigned    bool   `json:"child_process_is_signed"`
	ChildVerdict     int    `json:"child_process_verdict"`
}

// Network is the network group's part.
type Network struct {
	SourceIP        string `json:"network_source_ip"`
	SourcePort      int    `json:"network_source_port"`
	DestinationIP   string `json:"network_destination_ip"`
	DestinationPort int    `json:"network_destination_port"`
	Protocol        int    `json:"network_transfer_protocol"` // 0 NONE, 1 TCP, 2 UDP
}

// Registry is the registry group's part.
type Registry struct {
	KeyPath   string `json:"registry_key_path"`
	ValueName string `json:"registry_value_name"`
	ValueData string `json:"registry_value_data"`
}

// FileChange is the file group's part.
type FileChange struct {
	FilePath    string `json:"file_path"`
	FileHash    string `json:"file_hash"`
	FileOldPath string `json:"file_old_path"`
}

// Browser is the browser group's part.
type Browser struct {
	DownloadURL     string `json:"browser_download_url"`
	BrowserFilePath string `json:"browser_file_path"`
	BrowserFileHash string `json:"browser_file_hash"`
}

// Events are the server's events in the order of time, oldest first. Rows
// may be built when they are asked for, so that a large store costs little.
type Events interface {
	Len() int
	Millis(i int) int64 // time of row i, epoch milliseconds
	Row(i int) *Event
	Find(id string) (i int, ok bool)
}

// EventList is a store of ready rows.
type EventList struct {
	rows []*Event
	byID map[string]int
}

// NewEventList sorts rows by Timestamp and indexes them.
func NewEventList(rows []*Event) *EventList {
	l := &EventList{rows: append([]*Event(nil), rows...), byID: make(map[string]int, len(rows))}
	sort.SliceStable(l.rows, func(i, j int) bool { return l.rows[i].Timestamp < l.rows[j].Timestamp })
	for i, e := range l.rows {
		l.byID[e.ID] = i
	}
	return l
}

// Len is the number of rows.
func (l *EventList) Len() int { return len(l.rows) }

// Millis is the time of row i.
func (l *EventList) Millis(i int) int64 { return l.rows[i].Timestamp }

// Row gives row i.
func (l *EventList) Row(i int) *Event { return l.rows[i] }

// Find gives the index of a row.
func (l *EventList) Find(id string) (int, bool) {
	i, ok := l.byID[id]
	return i, ok
}

// Alert is an alert as the server keeps it: what POST /alert takes, and what
// triage changes.
type Alert struct {
	ID             string    `json:"id"`
	CustomerID     int64     `json:"customerID"`
	Timestamp      int64     `json:"timestamp"` // milliseconds; written in the server's unit
	EndpointID     int64     `json:"endpointID"`
	ExpirationDate int64     `json:"expirationDate"`
	IsActive       bool      `json:"isActive"`
	Name           string    `json:"alertName"`
	Status         int       `json:"status"`
	UserVerdict    *bool     `json:"userVerdict"`
	Type           int       `json:"type"`
	ProcessHash    string    `json:"processHash"`
	ProcessPath    string    `json:"processPath"`
	Device         string    `json:"device"`
	User           string    `json:"user"`
	Data           AlertData `json:"data"`
	Dismissed      bool      `json:"-"`
	Feedback       string    `json:"-"`
	FalsePositive  bool      `json:"-"`
}

// AlertData is the data member of an alert. Score is nil for none.
type AlertData struct {
	ChildProcess      string      `json:"childProcess"`
	Score             *float64    `json:"score"`
	PolicyID          int64       `json:"policyID"`
	PolicyName        string      `json:"policyName"`
	ProcessInstanceID string      `json:"processInstanceID"`
	Event             *AlertEvent `json:"event,omitempty"`
}

// AlertEvent is the event inside an alert.
type AlertEvent struct {
	Process         AlertProcess `json:"process"`
	EventTime       string       `json:"eventTime"`
	EventGroup      int          `json:"eventGroup"`
	BaseEventType   int          `json:"baseEventType"`
	Adaptive        string       `json:"adaptiveEventType"`
	EndpointID      int64        `json:"endpointID"`
	CustomerID      int64        `json:"customerID"`
	ChildInstanceID string       `json:"childPrcsInstanceID"`
	ChildPID        int64        `json:"childPrcsPID"`
	ChildPath       string       `json:"childPrcsPath"`
	ChildElevation  int          `json:"childPrcsElevationType"`
	ChildCmdLine    string       `json:"childPrcsCmdLine"`
	ChildHash       string       `json:"childPrcsHash"`
	ChildVerdict    int          `json:"childPrcsVerdict"`
	ChildIsSigned   bool         `json:"childPrcsIsSigned"`
	ChildIsPacked   bool         `json:"childPrcsIsPacked"`
}

// AlertProcess is the acting process inside an alert.
type AlertProcess struct {
	InstanceID   string `json:"prcsInstanceID"`
	PID          int64  `json:"prcsPID"`
	CreationTime string `json:"prcsCreationTime"`
	UserName     string `json:"prcsUserName"`
	UserDomain   string `json:"prcsUserDomain"`
	Path         string `json:"prcsPath"`
	Hash         string `json:"prcsHash"`
	Verdict      int    `json:"prcsVerdict"`
	DeviceName   string `json:"prcsDeviceName"`
	LoggedOnUser string `json:"prcsLoggedOnUser"`
	ParentTree   []Node `json:"prcsParentTree"`
}

func containsFold(s, part string) bool {
	return strings.Contains(strings.ToLower(s), strings.ToLower(part))
}
