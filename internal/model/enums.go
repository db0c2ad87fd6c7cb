package model

import "strings"

// Severity is the label that means the same on every backend.
type Severity string

// The severities, least first; unknown is for unscored alerts.
const (
	SeverityUnknown       Severity = "unknown"
	SeverityInformational Severity = "informational"
	SeverityLow           Severity = "low"
	SeverityMedium        Severity = "medium"
	SeverityHigh          Severity = "high"
	SeverityCritical      Severity = "critical"
)

// Severities lists all, least first (unknown before all), in OCSF id order.
var Severities = []Severity{
	SeverityUnknown, SeverityInformational, SeverityLow, SeverityMedium, SeverityHigh, SeverityCritical,
}

// Rank orders severities; it is the OCSF severity_id (0 unknown ... 5 critical).
func (s Severity) Rank() int {
	for i, v := range Severities {
		if v == s {
			return i
		}
	}
	return 0
}

// Status is the triage state of an alert.
type Status string

// The statuses.
const (
	StatusOpen      Status = "open"
	StatusClosed    Status = "closed"
	StatusDismissed Status = "dismissed"
	StatusUnknown   Status = "unknown"
)

// Statuses lists all.
var Statuses = []Status{StatusOpen, StatusClosed, StatusDismissed, StatusUnknown}

// Verdict is what an analyst decided about an alert.
type Verdict string

// The verdicts.
const (
	VerdictTruePositive  Verdict = "true_positive"
	VerdictFalsePositive Verdict = "false_positive"
	VerdictUnknown       Verdict = "unknown"
)

// CarveState is how far a carve has come.
type CarveState string

// The carve states.
const (
	CarveRequested CarveState = "requested"
	CarveRunning   CarveState = "running"
	CarveComplete  CarveState = "complete"
	CarveFailed    CarveState = "failed"
)

// Kind is what happened in an event: a closed set (docs/events.md).
type Kind string

// The kinds.
const (
	KindProcessStart   Kind = "process_start"
	KindProcessEnd     Kind = "process_end"
	KindProcessAccess  Kind = "process_access"
	KindProcessInject  Kind = "process_inject"
	KindProcessTamper  Kind = "process_tamper"
	KindFileCreate     Kind = "file_create"
	KindFileWrite      Kind = "file_write"
	KindFileDelete     Kind = "file_delete"
	KindFileRead       Kind = "file_read"
	KindFileCopy       Kind = "file_copy"
	KindFileRename     Kind = "file_rename"
	KindFileStream     Kind = "file_stream"
	KindFileDownload   Kind = "file_download"
	KindNetworkConnect Kind = "network_connect"
	KindNetworkListen  Kind = "network_listen"
	KindDNSQuery       Kind = "dns_query"
	KindRegistrySet    Kind = "registry_set"
	KindRegistryDelete Kind = "registry_delete"
	KindRegistryCreate Kind = "registry_create"
	KindModuleLoad     Kind = "module_load"
	KindDriverLoad     Kind = "driver_load"
	KindPipeCreate     Kind = "pipe_create"
	KindPipeConnect    Kind = "pipe_connect"
	KindRawRead        Kind = "raw_read"
	KindDeviceAccess   Kind = "device_access"
	KindHook           Kind = "hook"
	KindAPICall        Kind = "api_call"
	KindWMI            Kind = "wmi"
	KindClipboard      Kind = "clipboard"
	KindLogon          Kind = "logon"
	KindLogonFailed    Kind = "logon_failed"
	KindLogoff         Kind = "logoff"
	KindPrivilege      Kind = "privilege"
	KindAccountChange  Kind = "account_change"
	KindServiceInstall Kind = "service_install"
	KindTaskChange     Kind = "task_change"
	KindScriptBlock    Kind = "script_block"
	KindLogCleared     Kind = "log_cleared"
	KindShareAccess    Kind = "share_access"
	KindAMSI           Kind = "amsi"
	KindMalware        Kind = "malware"
	KindInventory      Kind = "inventory"
	KindOther          Kind = "other"
)

// Kinds lists all.
var Kinds = []Kind{
	KindProcessStart, KindProcessEnd, KindProcessAccess, KindProcessInject, KindProcessTamper,
	KindFileCreate, KindFileWrite, KindFileDelete, KindFileRead, KindFileCopy, KindFileRename, KindFileStream, KindFileDownload,
	KindNetworkConnect, KindNetworkListen, KindDNSQuery,
	KindRegistrySet, KindRegistryDelete, KindRegistryCreate,
	KindModuleLoad, KindDriverLoad, KindPipeCreate, KindPipeConnect, KindRawRead, KindDeviceAccess, KindHook, KindAPICall,
	KindWMI, KindClipboard,
	KindLogon, KindLogonFailed, KindLogoff, KindPrivilege, KindAccountChange,
	KindServiceInstall, KindTaskChange, KindScriptBlock, KindLogCleared, KindShareAccess,
	KindAMSI, KindMalware, KindInventory, KindOther,
}

// ParseKind reads a kind, in any case.
func ParseKind(s string) (Kind, bool) {
	for _, k := range Kinds {
		if strings.EqualFold(s, string(k)) {
			return k, true
		}
	}
	return "", false
}

// ParseSeverity reads a severity, in any case; "info" and "crit" are accepted.
func ParseSeverity(s string) (Severity, bool) {
	switch strings.ToLower(s) {
	case "info":
		return SeverityInformational, true
	case "med":
		return SeverityMedium, true
	case "crit":
		return SeverityCritical, true
	}
	for _, v := range Severities {
		if strings.EqualFold(s, string(v)) {
			return v, true
		}
	}
	return "", false
}

// ParseStatus reads a status, in any case.
func ParseStatus(s string) (Status, bool) {
	for _, v := range Statuses {
		if strings.EqualFold(s, string(v)) {
			return v, true
		}
	}
	return "", false
}
