// Package wire reads and writes what a Carbon Black server speaks: its JSON in
// all its shapes, process keys and the markup of descriptions
// (docs/wire/carbonblack.md).
package wire

// The vendor's types, as docs/wire/carbonblack.md §5-§8 gives them. Times are epoch
// milliseconds; 0 and null mean "never".

// Event is an event of a list and of both shapes of the detail (§5.2,
// §5.3): the seed's detail says processHash, parentHash, targetHash,
// threatScore and killChainStatus where every other answer says selectedApp,
// parentApp, targetApp, alertScore and attackStage.
type Event struct {
	EventID          Text                   `json:"eventId"`
	EventTime        Int                    `json:"eventTime"`
	CreateTime       Int                    `json:"createTime"`
	EventType        Text                   `json:"eventType"`
	ShortDescription Text                   `json:"shortDescription"`
	LongDescription  Text                   `json:"longDescription"`
	ThreatIndicators Texts                  `json:"threatIndicators"`
	AttackStage      Text                   `json:"attackStage"`
	KillChainStatus  Text                   `json:"killChainStatus"`
	AlertScore       Int                    `json:"alertScore"`
	ThreatScore      Int                    `json:"threatScore"`
	AlertCategory    Text                   `json:"alertCategory"`
	IncidentID       Text                   `json:"incidentId"`
	RegistryValue    Exact                  `json:"registryValue"`
	ProcessDetails   Object[ProcessDetails] `json:"processDetails"`
	SelectedApp      Object[App]            `json:"selectedApp"`
	ParentApp        Object[App]            `json:"parentApp"`
	TargetApp        Object[App]            `json:"targetApp"`
	ProcessHash      Object[App]            `json:"processHash"`
	ParentHash       Object[App]            `json:"parentHash"`
	TargetHash       Object[App]            `json:"targetHash"`
	NetFlow          Object[NetFlow]        `json:"netFlow"`
	DeviceDetails    Object[EventDevice]    `json:"deviceDetails"`
}

// Key identifies the event for paging.
func (e *Event) Key() (id string, ms int64) { return string(e.EventID), e.EventTime.N }

// EventHead is the part of an event that reports whether it belongs to an alert.
type EventHead struct {
	EventID    Text `json:"eventId"`
	EventTime  Int  `json:"eventTime"`
	IncidentID Text `json:"incidentId"`
	AlertScore Int  `json:"alertScore"`

	Raw []byte // kept only when the event belongs to an alert
}

// Key identifies the event for paging.
func (e *EventHead) Key() (id string, ms int64) { return string(e.EventID), e.EventTime.N }

// ProcessDetails is processDetails.
type ProcessDetails struct {
	UserName               Text  `json:"userName"`
	FullUserName           Text  `json:"fullUserName"` // DOMAIN\user
	ProcessID              Int   `json:"processId"`
	PrivatePID             Text  `json:"privatePid"`
	Name                   Exact `json:"name"`
	CommandLine            Exact `json:"commandLine"`
	MilisSinceProcessStart Int   `json:"milisSinceProcessStart"` // the server's spelling
	ParentPID              Int   `json:"parentPid"`
	ParentPrivatePID       Text  `json:"parentPrivatePid"`
	ParentName             Exact `json:"parentName"`
	ParentCommandLine      Exact `json:"parentCommandLine"`
	TargetPID              Int   `json:"targetPid"`
	TargetPrivatePID       Text  `json:"targetPrivatePid"`
	TargetName             Exact `json:"targetName"`
	TargetCommandLine      Exact `json:"targetCommandLine"`
}

// App is selectedApp, parentApp, targetApp and their other names.
type App struct {
	ApplicationName     Exact `json:"applicationName"` // may hold a full path
	ApplicationPath     Exact `json:"applicationPath"`
	SHA256Hash          Text  `json:"sha256Hash"`
	MD5Hash             Text  `json:"md5Hash"`
	ReputationProperty  Text  `json:"reputationProperty"`
	EffectiveReputation Text  `json:"effectiveReputation"`
}

// NetFlow is netFlow: always there, with null members; ports are strings.
type NetFlow struct {
	SourceAddress   Text `json:"sourceAddress"`
	SourcePort      Int  `json:"sourcePort"`
	DestAddress     Text `json:"destAddress"`
	DestPort        Int  `json:"destPort"`
	PeerIPAddress   Text `json:"peerIpAddress"`
	PeerIPV4Address Text `json:"peerIpV4Address"`
	PeerFQDN        Text `json:"peerFqdn"`
	Service         Text `json:"service"` // TCP/443
}

// EventDevice is deviceDetails of an event, and deviceInfo of a notification.
type EventDevice struct {
	DeviceID           Int  `json:"deviceId"`
	DeviceName         Text `json:"deviceName"` // may carry DOMAIN\
	DeviceHostName     Text `json:"deviceHostName"`
	DeviceType         Text `json:"deviceType"`
	DeviceVersion      Text `json:"deviceVersion"`
	DeviceIPAddress    Text `json:"deviceIpAddress"`
	DeviceIPV4Address  Text `json:"deviceIpV4Address"`
	InternalIPAddress  Text `json:"internalIpAddress"`
	ExternalIPAddress  Text `json:"externalIpAddress"`
	LoginUserName      Text `json:"loginUserName"`
	DeviceOwnerName    Text `json:"deviceOwnerName"`
	Email              Text `json:"email"`
	PolicyID           Text `json:"policyId"`
	PolicyName         Text `json:"policyName"` // from 2018
	GroupName          Text `json:"groupName"`  // the policy, in 2017
	TargetPriorityType Text `json:"targetPriorityType"`
	AgentLocation      Text `json:"agentLocation"`
}

// Process is a row of GET /process (§6). It names no device.
type Process struct {
	ApplicationName Exact `json:"applicationName"`
	ApplicationPath Exact `json:"applicationPath"`
	ProcessID       Int   `json:"processId"`
	PrivatePID      Text  `json:"privatePid"`
	SHA256Hash      Text  `json:"sha256Hash"`
	NumEvents       Int   `json:"numEvents"`
}

// Alert is GET /alert/{id} (§7.1): no wrapper key.
type Alert struct {
	DeviceInfo Object[AlertDevice] `json:"deviceInfo"`
	Events     List[AlertEvent]    `json:"events"`
	ThreatInfo Object[Threat]      `json:"threatInfo"`
}

// AlertDevice is deviceInfo of an alert. The policy is group and groupId
// in 2017, policyName and policyId from 2018.
type AlertDevice struct {
	DeviceID      Int  `json:"deviceId"`
	DeviceName    Text `json:"deviceName"`
	DeviceType    Text `json:"deviceType"`
	OSVersion     Text `json:"osVersion"`
	SensorVersion Text `json:"sensorVersion"`
	Status        Text `json:"status"`
	Importance    Text `json:"importance"`
	UserName      Text `json:"userName"`
	Group         Text `json:"group"`
	GroupID       Text `json:"groupId"`
	PolicyName    Text `json:"policyName"`
	PolicyID      Text `json:"policyId"`
	ADGroupName   Text `json:"adGroupName"`
}

// AlertEvent is an event inside an alert: flat, and processHash is a
// string here. processPPid and parentPPid are the private pids of process and
// parent, on old macOS sensors the plain pid.
type AlertEvent struct {
	EventID           Text  `json:"eventId"`
	EventTime         Int   `json:"eventTime"`
	EventType         Text  `json:"eventType"`
	ApplicationPath   Exact `json:"applicationPath"`
	ProcessID         Int   `json:"processId"`
	ProcessPPID       Text  `json:"processPPid"`
	ProcessHash       Text  `json:"processHash"`
	ProcessMD5Hash    Text  `json:"processMd5Hash"`
	CommandLine       Exact `json:"commandLine"`
	UserName          Text  `json:"userName"`
	ParentPID         Int   `json:"parentPid"`
	ParentPPID        Text  `json:"parentPPid"`
	ParentName        Exact `json:"parentName"`
	ParentHash        Text  `json:"parentHash"`
	ParentCommandLine Exact `json:"parentCommandLine"`
	LongDescription   Text  `json:"longDescription"`
	ThreatIndicators  Texts `json:"threatIndicators"`
	KillChainStatus   Text  `json:"killChainStatus"`
	PolicyState       Text  `json:"policyState"`
}

// Threat is threatInfo: threatScore in an alert, score in a notification.
type Threat struct {
	ThreatID    Text            `json:"threatId"`
	IncidentID  Text            `json:"incidentId"`
	ThreatScore Int             `json:"threatScore"`
	Score       Int             `json:"score"`
	Summary     Text            `json:"summary"`
	Time        Int             `json:"time"`
	Indicators  List[Indicator] `json:"indicators"`
}

// Indicator is one of threatInfo.
type Indicator struct {
	ApplicationName Exact `json:"applicationName"`
	IndicatorName   Text  `json:"indicatorName"` // a TTP
	SHA256Hash      Text  `json:"sha256Hash"`
}

// Notification is one element of GET /notification (§7.3).
type Notification struct {
	Type             Text                 `json:"type"` // missing: THREAT when threatInfo is there
	EventTime        Int                  `json:"eventTime"`
	EventID          Text                 `json:"eventId"`
	EventDescription Text                 `json:"eventDescription"`
	URL              Text                 `json:"url"`
	RuleName         Text                 `json:"ruleName"`
	DeviceInfo       Object[EventDevice]  `json:"deviceInfo"`
	ThreatInfo       Object[Threat]       `json:"threatInfo"`
	ThreatHunterInfo Object[HunterInfo]   `json:"threatHunterInfo"`
	PolicyAction     Object[PolicyAction] `json:"policyAction"`
}

// HunterInfo is threatHunterInfo.
type HunterInfo struct {
	IncidentID  Text            `json:"incidentId"`
	Score       Int             `json:"score"`
	Summary     Text            `json:"summary"`
	Time        Int             `json:"time"`
	Indicators  List[Indicator] `json:"indicators"`
	Count       Int             `json:"count"`
	Dismissed   Flag            `json:"dismissed"`
	MD5         Text            `json:"md5"`
	SHA256      Text            `json:"sha256"`
	PolicyID    Text            `json:"policyId"`
	ProcessPath Exact           `json:"processPath"`
	ProcessGUID Text            `json:"processGuid"`
	ReportName  Text            `json:"reportName"`
	ReportID    Text            `json:"reportId"`
	Reputation  Text            `json:"reputation"`
	Status      Text            `json:"status"`
	WatchLists  List[WatchList] `json:"watchLists"`
}

// WatchList is a list that a hit came from.
type WatchList struct {
	ID   Text `json:"id"`
	Name Text `json:"name"`
}

// PolicyAction is policyAction: what a policy denied or ended; it has no score.
type PolicyAction struct {
	Action          Text  `json:"action"` // TERMINATE, DENY or null
	ApplicationName Exact `json:"applicationName"`
	Reputation      Text  `json:"reputation"`
	SHA256Hash      Text  `json:"sha256Hash"`
}

// Device is a row of GET /device and its detail (§8.1), the main ones of
// up to 97 keys.
type Device struct {
	DeviceID              Int   `json:"deviceId"`
	Name                  Text  `json:"name"`
	Status                Text  `json:"status"`
	DeviceType            Text  `json:"deviceType"`
	OSVersion             Text  `json:"osVersion"`
	SensorVersion         Text  `json:"sensorVersion"`
	LastContact           Int   `json:"lastContact"`
	LastInternalIPAddress Text  `json:"lastInternalIpAddress"`
	LastExternalIPAddress Text  `json:"lastExternalIpAddress"`
	MACAddress            Text  `json:"macAddress"` // 12 hex digits
	PolicyID              Text  `json:"policyId"`
	PolicyName            Text  `json:"policyName"`
	Quarantined           Flag  `json:"quarantined"`
	Email                 Text  `json:"email"`
	LoginUserName         Text  `json:"loginUserName"`
	ADGroupName           Text  `json:"adGroupName"`
	SensorStates          Texts `json:"sensorStates"` // §11.8
}
