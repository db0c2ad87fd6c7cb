package carbonblack

// The vendor's types, as docs/wire/carbonblack.md §5-§8 gives them. Times are epoch
// milliseconds; 0 and null mean "never".

// wireEvent is an event of a list and of both shapes of the detail (§5.2,
// §5.3): the seed's detail says processHash, parentHash, targetHash,
// threatScore and killChainStatus where every other answer says selectedApp,
// parentApp, targetApp, alertScore and attackStage.
type wireEvent struct {
	EventID          text                `json:"eventId"`
	EventTime        whole               `json:"eventTime"`
	CreateTime       whole               `json:"createTime"`
	EventType        text                `json:"eventType"`
	ShortDescription text                `json:"shortDescription"`
	LongDescription  text                `json:"longDescription"`
	ThreatIndicators texts               `json:"threatIndicators"`
	AttackStage      text                `json:"attackStage"`
	KillChainStatus  text                `json:"killChainStatus"`
	AlertScore       whole               `json:"alertScore"`
	ThreatScore      whole               `json:"threatScore"`
	AlertCategory    text                `json:"alertCategory"`
	IncidentID       text                `json:"incidentId"`
	RegistryValue    exact               `json:"registryValue"`
	ProcessDetails   object[wireDetails] `json:"processDetails"`
	SelectedApp      object[wireApp]     `json:"selectedApp"`
	ParentApp        object[wireApp]     `json:"parentApp"`
	TargetApp        object[wireApp]     `json:"targetApp"`
	ProcessHash      object[wireApp]     `json:"processHash"`
	ParentHash       object[wireApp]     `json:"parentHash"`
	TargetHash       object[wireApp]     `json:"targetHash"`
	NetFlow          object[wireFlow]    `json:"netFlow"`
	DeviceDetails    object[wireSeenOn]  `json:"deviceDetails"`
}

// key identifies the event for paging.
func (e *wireEvent) key() (id string, ms int64) { return string(e.EventID), e.EventTime.n }

// wireHead is the part of an event that tells whether it belongs to an alert.
type wireHead struct {
	EventID    text  `json:"eventId"`
	EventTime  whole `json:"eventTime"`
	IncidentID text  `json:"incidentId"`
	AlertScore whole `json:"alertScore"`

	raw []byte // kept only when the event belongs to an alert
}

func (e *wireHead) key() (id string, ms int64) { return string(e.EventID), e.EventTime.n }

// wireDetails is processDetails.
type wireDetails struct {
	UserName               text  `json:"userName"`
	FullUserName           text  `json:"fullUserName"` // DOMAIN\user
	ProcessID              whole `json:"processId"`
	PrivatePID             text  `json:"privatePid"`
	Name                   exact `json:"name"`
	CommandLine            exact `json:"commandLine"`
	MilisSinceProcessStart whole `json:"milisSinceProcessStart"` // the server's spelling
	ParentPID              whole `json:"parentPid"`
	ParentPrivatePID       text  `json:"parentPrivatePid"`
	ParentName             exact `json:"parentName"`
	ParentCommandLine      exact `json:"parentCommandLine"`
	TargetPID              whole `json:"targetPid"`
	TargetPrivatePID       text  `json:"targetPrivatePid"`
	TargetName             exact `json:"targetName"`
	TargetCommandLine      exact `json:"targetCommandLine"`
}

// wireApp is selectedApp, parentApp, targetApp and their other names.
type wireApp struct {
	ApplicationName     exact `json:"applicationName"` // may hold a full path
	ApplicationPath     exact `json:"applicationPath"`
	SHA256Hash          text  `json:"sha256Hash"`
	MD5Hash             text  `json:"md5Hash"`
	ReputationProperty  text  `json:"reputationProperty"`
	EffectiveReputation text  `json:"effectiveReputation"`
}

// wireFlow is netFlow: always there, with null members; ports are strings.
type wireFlow struct {
	SourceAddress   text  `json:"sourceAddress"`
	SourcePort      whole `json:"sourcePort"`
	DestAddress     text  `json:"destAddress"`
	DestPort        whole `json:"destPort"`
	PeerIPAddress   text  `json:"peerIpAddress"`
	PeerIPV4Address text  `json:"peerIpV4Address"`
	PeerFQDN        text  `json:"peerFqdn"`
	Service         text  `json:"service"` // TCP/443
}

// wireSeenOn is deviceDetails of an event, and deviceInfo of a notification.
type wireSeenOn struct {
	DeviceID           whole `json:"deviceId"`
	DeviceName         text  `json:"deviceName"` // may carry DOMAIN\
	DeviceHostName     text  `json:"deviceHostName"`
	DeviceType         text  `json:"deviceType"`
	DeviceVersion      text  `json:"deviceVersion"`
	DeviceIPAddress    text  `json:"deviceIpAddress"`
	DeviceIPV4Address  text  `json:"deviceIpV4Address"`
	InternalIPAddress  text  `json:"internalIpAddress"`
	ExternalIPAddress  text  `json:"externalIpAddress"`
	LoginUserName      text  `json:"loginUserName"`
	DeviceOwnerName    text  `json:"deviceOwnerName"`
	Email              text  `json:"email"`
	PolicyID           text  `json:"policyId"`
	PolicyName         text  `json:"policyName"` // from 2018
	GroupName          text  `json:"groupName"`  // the policy, in 2017
	TargetPriorityType text  `json:"targetPriorityType"`
	AgentLocation      text  `json:"agentLocation"`
}

// wireProcess is a row of GET /process (§6). It names no device.
type wireProcess struct {
	ApplicationName exact `json:"applicationName"`
	ApplicationPath exact `json:"applicationPath"`
	ProcessID       whole `json:"processId"`
	PrivatePID      text  `json:"privatePid"`
	SHA256Hash      text  `json:"sha256Hash"`
	NumEvents       whole `json:"numEvents"`
}

// wireAlert is GET /alert/{id} (§7.1): no wrapper key.
type wireAlert struct {
	DeviceInfo object[wireAlertDevice] `json:"deviceInfo"`
	Events     list[wireAlertEvent]    `json:"events"`
	ThreatInfo object[wireThreat]      `json:"threatInfo"`
}

// wireAlertDevice is deviceInfo of an alert. The policy is group and groupId
// in 2017, policyName and policyId from 2018.
type wireAlertDevice struct {
	DeviceID      whole `json:"deviceId"`
	DeviceName    text  `json:"deviceName"`
	DeviceType    text  `json:"deviceType"`
	OSVersion     text  `json:"osVersion"`
	SensorVersion text  `json:"sensorVersion"`
	Status        text  `json:"status"`
	Importance    text  `json:"importance"`
	UserName      text  `json:"userName"`
	Group         text  `json:"group"`
	GroupID       text  `json:"groupId"`
	PolicyName    text  `json:"policyName"`
	PolicyID      text  `json:"policyId"`
	ADGroupName   text  `json:"adGroupName"`
}

// wireAlertEvent is an event inside an alert: flat, and processHash is a
// string here. processPPid and parentPPid are the private pids of process and
// parent, on old macOS sensors the plain pid.
type wireAlertEvent struct {
	EventID           text  `json:"eventId"`
	EventTime         whole `json:"eventTime"`
	EventType         text  `json:"eventType"`
	ApplicationPath   exact `json:"applicationPath"`
	ProcessID         whole `json:"processId"`
	ProcessPPID       text  `json:"processPPid"`
	ProcessHash       text  `json:"processHash"`
	ProcessMD5Hash    text  `json:"processMd5Hash"`
	CommandLine       exact `json:"commandLine"`
	UserName          text  `json:"userName"`
	ParentPID         whole `json:"parentPid"`
	ParentPPID        text  `json:"parentPPid"`
	ParentName        exact `json:"parentName"`
	ParentHash        text  `json:"parentHash"`
	ParentCommandLine exact `json:"parentCommandLine"`
	LongDescription   text  `json:"longDescription"`
	ThreatIndicators  texts `json:"threatIndicators"`
	KillChainStatus   text  `json:"killChainStatus"`
	PolicyState       text  `json:"policyState"`
}

// wireThreat is threatInfo: threatScore in an alert, score in a notification.
type wireThreat struct {
	ThreatID    text                `json:"threatId"`
	IncidentID  text                `json:"incidentId"`
	ThreatScore whole               `json:"threatScore"`
	Score       whole               `json:"score"`
	Summary     text                `json:"summary"`
	Time        whole               `json:"time"`
	Indicators  list[wireIndicator] `json:"indicators"`
}

type wireIndicator struct {
	ApplicationName exact `json:"applicationName"`
	IndicatorName   text  `json:"indicatorName"` // a TTP
	SHA256Hash      text  `json:"sha256Hash"`
}

// wireNotification is one element of GET /notification (§7.3).
type wireNotification struct {
	Type             text                `json:"type"` // missing: THREAT when threatInfo is there
	EventTime        whole               `json:"eventTime"`
	EventID          text                `json:"eventId"`
	EventDescription text                `json:"eventDescription"`
	URL              text                `json:"url"`
	RuleName         text                `json:"ruleName"`
	DeviceInfo       object[wireSeenOn]  `json:"deviceInfo"`
	ThreatInfo       object[wireThreat]  `json:"threatInfo"`
	ThreatHunterInfo object[wireHunter]  `json:"threatHunterInfo"`
	PolicyAction     object[wireBlocked] `json:"policyAction"`
}

// wireHunter is threatHunterInfo.
type wireHunter struct {
	IncidentID  text                `json:"incidentId"`
	Score       whole               `json:"score"`
	Summary     text                `json:"summary"`
	Time        whole               `json:"time"`
	Indicators  list[wireIndicator] `json:"indicators"`
	Count       whole               `json:"count"`
	Dismissed   flag                `json:"dismissed"`
	MD5         text                `json:"md5"`
	SHA256      text                `json:"sha256"`
	PolicyID    text                `json:"policyId"`
	ProcessPath exact               `json:"processPath"`
	ProcessGUID text                `json:"processGuid"`
	ReportName  text                `json:"reportName"`
	ReportID    text                `json:"reportId"`
	Reputation  text                `json:"reputation"`
	Status      text                `json:"status"`
	WatchLists  list[wireWatchList] `json:"watchLists"`
}

type wireWatchList struct {
	ID   text `json:"id"`
	Name text `json:"name"`
}

// wireBlocked is policyAction: what a policy denied or ended; it has no score.
type wireBlocked struct {
	Action          text  `json:"action"` // TERMINATE, DENY or null
	ApplicationName exact `json:"applicationName"`
	Reputation      text  `json:"reputation"`
	SHA256Hash      text  `json:"sha256Hash"`
}

// wireDevice is a row of GET /device and its detail (§8.1), the main ones of
// up to 97 keys.
type wireDevice struct {
	DeviceID              whole `json:"deviceId"`
	Name                  text  `json:"name"`
	Status                text  `json:"status"`
	DeviceType            text  `json:"deviceType"`
	OSVersion             text  `json:"osVersion"`
	SensorVersion         text  `json:"sensorVersion"`
	LastContact           whole `json:"lastContact"`
	LastInternalIPAddress text  `json:"lastInternalIpAddress"`
	LastExternalIPAddress text  `json:"lastExternalIpAddress"`
	MACAddress            text  `json:"macAddress"` // 12 hex digits
	PolicyID              text  `json:"policyId"`
	PolicyName            text  `json:"policyName"`
	Quarantined           flag  `json:"quarantined"`
	Email                 text  `json:"email"`
	LoginUserName         text  `json:"loginUserName"`
	ADGroupName           text  `json:"adGroupName"`
	SensorStates          texts `json:"sensorStates"` // §11.8
}
