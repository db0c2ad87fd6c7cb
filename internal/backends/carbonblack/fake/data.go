// Package fake is a Carbon Black Endpoint Standard server of API v3 for the
// demo and the tests: as strict as the real one (docs/wire/carbonblack.md), with
// its read-once queues, caps and nulls, over data it is given.
package fake

// Data is everything the server knows. Times are epoch milliseconds.
type Data struct {
	OrgID         int64
	OrgName       string
	Devices       []Device
	Events        Events  // nil: none
	Alerts        []Alert // their events are the only ones GET /event/{id} shows
	Notifications []Notification
	AuditLogs     []AuditLog
	Policies      []Policy
	// Files gives the files of a device for live response, by path; nil: none.
	Files func(deviceID int64) map[string][]byte
	// Processes gives the running processes of a device for live response.
	Processes func(deviceID int64) []LiveProcess
}

// Events are all events, oldest first. Event may be called by several
// goroutines at once; it may compute what it gives.
type Events interface {
	Len() int
	Time(i int) int64
	Event(i int) Event
}

// Slice is Events held in memory.
type Slice []Event

// Len is the number of events.
func (s Slice) Len() int { return len(s) }

// Time is when event i happened.
func (s Slice) Time(i int) int64 { return s[i].Time }

// Event gives event i.
func (s Slice) Event(i int) Event { return s[i] }

// Device is a device; its policy is by id.
type Device struct {
	ID                            int64
	Name, Type, OSVersion         string // Type: WINDOWS MAC LINUX
	SensorVersion                 string
	InternalIP, ExternalIP, MAC   string // MAC: 12 hex digits
	Email, LoginUser, ADGroup     string
	Status                        string // REGISTERED, DEREGISTERED, …
	PolicyID                      int64
	TargetPriority                string // LOW MEDIUM HIGH MISSION_CRITICAL
	LastContact, Registered       int64
	LiveResponse                  bool // the sensor takes live response
	UninstallCode, ActivationCode string
	Quarantined                   bool // by other means than its policy
	Location                      string
}

// App is selectedApp, parentApp or targetApp; the zero App is all null.
type App struct{ Name, Path, SHA256, MD5, Reputation, Effective string }

// Proc is one of the three processes of an event.
type Proc struct {
	PID              int64
	PrivatePID, Name string
	CommandLine      string
}

// Event is one event as the list shows it.
type Event struct {
	ID                        string
	Time, Created             int64
	Type                      string
	Short, Long               string // with markup
	TTPs                      []string
	Stage, Category, Incident string
	Score                     int64
	Registry                  string
	Device                    *Device
	User                      string // DOMAIN\user
	Started                   int64  // of the acting process
	Process, Parent, Target   Proc
	App, ParentApp, TargetApp App
	SourceIP, DestIP, PeerIP  string
	SourcePort, DestPort      int
	PeerFQDN, Service         string
}

// Indicator is a TTP seen in a program.
type Indicator struct{ App, TTP, SHA256 string }

// Alert is what GET /alert/{incident} gives.
type Alert struct {
	Incident, ThreatID string
	Score              int64
	Summary            string
	Time               int64
	Device             *Device
	Events             []Event
	Indicators         []Indicator
	PolicyState        string
}

// Notification is queued for the SIEM key. Body is its JSON; Time says from
// when on it is in the queue, Host whose it is.
type Notification struct {
	Time int64
	Host string
	Body []byte
}

// AuditLog is one audit record.
type AuditLog struct {
	ID, Login, ClientIP, Description string
	Time                             int64
}

// Policy is a policy; Quarantine and LiveResponse are two of its sensor settings.
type Policy struct {
	ID                       int64
	Name, Description        string
	Priority                 string
	System                   bool
	Quarantine, LiveResponse bool
	Revision                 int64
	Rules                    []Rule
}

// Rule is a rule of a policy.
type Rule struct {
	ID          int64       `json:"id"`
	Required    bool        `json:"required"`
	Action      string      `json:"action"`
	Operation   string      `json:"operation"`
	Application Application `json:"application"`
}

// Application is what a rule applies to.
type Application struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// LiveProcess is a running process as `process list` gives it.
type LiveProcess struct {
	PID, Parent       int64
	Path, CommandLine string
	User, SID         string
	Created           int64 // ms
	GUID, ParentGUID  string
}
