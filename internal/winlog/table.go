package winlog

import (
	"strings"

	"github.com/edrctl/edrctl/internal/model"
)

// source is a log whose event ids mean something of their own.
type source uint8

const (
	unknown source = iota
	sysmon
	security
	system
	eventlog // Microsoft-Windows-Eventlog: 1102 in Security, 104 in System
	powershell
	powershellClassic
	defender
	taskScheduler
	wmiActivity
	bits
	kernelFile
	kernelProcess
	kernelNetwork
	dnsClient
	amsi
	smbClient
	sessionManager    // TerminalServices-LocalSessionManager
	connectionManager // TerminalServices-RemoteConnectionManager
)

// names tells a source by provider, or by channel without what follows its
// last slash; in lower case. The provider decides: forwarded records keep it
// when their channel is another.
var names = map[string]source{
	"microsoft-windows-sysmon": sysmon, "linux-sysmon": sysmon,
	"security": security, "microsoft-windows-security-auditing": security,
	"system": system, "service control manager": system,
	"microsoft-windows-eventlog":   eventlog,
	"microsoft-windows-powershell": powershell, "powershellcore": powershell,
	"windows powershell": powershellClassic, "powershell": powershellClassic,
	"microsoft-windows-windows defender": defender,
	"microsoft-windows-taskscheduler":    taskScheduler,
	"microsoft-windows-wmi-activity":     wmiActivity,
	"microsoft-windows-bits-client":      bits,
	"microsoft-windows-kernel-file":      kernelFile,
	"microsoft-windows-kernel-process":   kernelProcess,
	"microsoft-windows-kernel-network":   kernelNetwork,
	"microsoft-windows-dns-client":       dnsClient, "microsoft-windows-dns client events": dnsClient,
	"microsoft-antimalware-scan-interface": amsi, "amsi": amsi,
	"microsoft-windows-smbclient":                                smbClient,
	"microsoft-windows-terminalservices-localsessionmanager":     sessionManager,
	"microsoft-windows-terminalservices-remoteconnectionmanager": connectionManager,
}

func find(r *Record) (row, bool) {
	for _, name := range [...]string{r.Provider, r.Channel} {
		if i := strings.LastIndexByte(name, '/'); i > 0 {
			name = name[:i]
		}
		var lower [64]byte
		if len(name) > len(lower) {
			continue
		}
		for i := range len(name) {
			lower[i] = name[i]
			if 'A' <= name[i] && name[i] <= 'Z' {
				lower[i] += 'a' - 'A'
			}
		}
		s := names[string(lower[:len(name)])]
		if e, ok := table[s][r.EventID]; ok {
			return e, true
		}
		if s == smbClient { // its many events differ in why, not in what
			return row{model.KindShareAccess, "share of a server", (*mapper).smbClient}, true
		}
	}
	return row{}, false
}

// table is what each event id means. The action is Sysmon's own word, or says
// what happened as short as Windows' title of the event allows.
var table = map[source]map[int]row{
	sysmon: {
		1:   {model.KindProcessStart, "ProcessCreate", (*mapper).sysmonStart},
		2:   {model.KindFileWrite, "FileCreateTime", (*mapper).sysmonFile},
		3:   {model.KindNetworkConnect, "NetworkConnect", (*mapper).sysmonNetwork},
		4:   {model.KindOther, "ServiceStateChange", (*mapper).sysmonOther},
		5:   {model.KindProcessEnd, "ProcessTerminate", (*mapper).sysmonEnd},
		6:   {model.KindDriverLoad, "DriverLoad", (*mapper).sysmonImage},
		7:   {model.KindModuleLoad, "ImageLoad", (*mapper).sysmonImage},
		8:   {model.KindProcessInject, "CreateRemoteThread", (*mapper).sysmonBetween},
		9:   {model.KindRawRead, "RawAccessRead", (*mapper).sysmonRawRead},
		10:  {model.KindProcessAccess, "ProcessAccess", (*mapper).sysmonBetween},
		11:  {model.KindFileCreate, "FileCreate", (*mapper).sysmonFile},
		12:  {model.KindRegistryCreate, "RegistryObjectAddedOrDeleted", (*mapper).sysmonRegistry},
		13:  {model.KindRegistrySet, "RegistryValueSet", (*mapper).sysmonRegistry},
		14:  {model.KindRegistrySet, "RegistryObjectRenamed", (*mapper).sysmonRegistry},
		15:  {model.KindFileStream, "FileCreateStreamHash", (*mapper).sysmonFile},
		16:  {model.KindOther, "SysmonConfigChange", (*mapper).sysmonOther},
		17:  {model.KindPipeCreate, "PipeCreated", (*mapper).sysmonPipe},
		18:  {model.KindPipeConnect, "PipeConnected", (*mapper).sysmonPipe},
		19:  {model.KindWMI, "WmiFilter", (*mapper).sysmonWMI},
		20:  {model.KindWMI, "WmiConsumer", (*mapper).sysmonWMI},
		21:  {model.KindWMI, "WmiBinding", (*mapper).sysmonWMI},
		22:  {model.KindDNSQuery, "DnsQuery", (*mapper).sysmonDNS},
		23:  {model.KindFileDelete, "FileDelete", (*mapper).sysmonFile},
		24:  {model.KindClipboard, "ClipboardChange", (*mapper).sysmonClipboard},
		25:  {model.KindProcessTamper, "ProcessTampering", (*mapper).sysmonTamper},
		26:  {model.KindFileDelete, "FileDeleteDetected", (*mapper).sysmonFile},
		27:  {model.KindFileCreate, "FileBlockExecutable", (*mapper).sysmonFile},
		28:  {model.KindFileCreate, "FileBlockShredding", (*mapper).sysmonFile},
		29:  {model.KindFileCreate, "FileExecutableDetected", (*mapper).sysmonFile},
		255: {model.KindOther, "Error", (*mapper).sysmonOther},
	},
	eventlog: {
		104:  {model.KindLogCleared, "log cleared", (*mapper).cleared},
		1102: {model.KindLogCleared, "log cleared", (*mapper).cleared},
	},
	security: {
		1102: {model.KindLogCleared, "log cleared", (*mapper).cleared},
		4624: {model.KindLogon, "logged on", (*mapper).logon},
		4625: {model.KindLogonFailed, "logon failed", (*mapper).logon},
		4627: {model.KindLogon, "group membership of a logon", (*mapper).logon},
		4634: {model.KindLogoff, "logged off", (*mapper).logon},
		4647: {model.KindLogoff, "logged off by the user", (*mapper).logon},
		4648: {model.KindLogon, "logon with explicit credentials", (*mapper).explicit},
		4656: {model.KindOther, "handle requested", (*mapper).objectAccess},
		4657: {model.KindRegistrySet, "registry value changed", (*mapper).registryValue},
		4658: {model.KindOther, "handle closed", (*mapper).namedObject},
		4660: {model.KindFileDelete, "object deleted", (*mapper).namedObject},
		4661: {model.KindOther, "handle requested", (*mapper).objectAccess},
		4662: {model.KindOther, "object operation", (*mapper).namedObject},
		4663: {model.KindOther, "object accessed", (*mapper).objectAccess},
		4670: {model.KindOther, "permissions changed", (*mapper).namedObject},
		4672: {model.KindPrivilege, "special privileges of a logon", (*mapper).privilege},
		4673: {model.KindPrivilege, "privileged service called", (*mapper).privilege},
		4674: {model.KindPrivilege, "privileged operation", (*mapper).privilege},
		4688: {model.KindProcessStart, "process created", (*mapper).newProcess},
		4689: {model.KindProcessEnd, "process exited", (*mapper).exitedProcess},
		4697: {model.KindServiceInstall, "service installed", (*mapper).installedService},
		4698: {model.KindTaskChange, "task created", (*mapper).securityTask},
		4699: {model.KindTaskChange, "task deleted", (*mapper).securityTask},
		4700: {model.KindTaskChange, "task enabled", (*mapper).securityTask},
		4701: {model.KindTaskChange, "task disabled", (*mapper).securityTask},
		4702: {model.KindTaskChange, "task updated", (*mapper).securityTask},
		4703: {model.KindPrivilege, "token rights adjusted", (*mapper).privilege},
		4704: {model.KindPrivilege, "user right assigned", (*mapper).privilege},
		4705: {model.KindPrivilege, "user right removed", (*mapper).privilege},
		4720: {model.KindAccountChange, "user created", (*mapper).accountChange},
		4722: {model.KindAccountChange, "user enabled", (*mapper).accountChange},
		4723: {model.KindAccountChange, "password change attempted", (*mapper).accountChange},
		4724: {model.KindAccountChange, "password reset attempted", (*mapper).accountChange},
		4725: {model.KindAccountChange, "user disabled", (*mapper).accountChange},
		4726: {model.KindAccountChange, "user deleted", (*mapper).accountChange},
		4727: {model.KindAccountChange, "global group created", (*mapper).accountChange},
		4728: {model.KindAccountChange, "member added to global group", (*mapper).accountChange},
		4729: {model.KindAccountChange, "member removed from global group", (*mapper).accountChange},
		4730: {model.KindAccountChange, "global group deleted", (*mapper).accountChange},
		4731: {model.KindAccountChange, "local group created", (*mapper).accountChange},
		4732: {model.KindAccountChange, "member added to local group", (*mapper).accountChange},
		4733: {model.KindAccountChange, "member removed from local group", (*mapper).accountChange},
		4734: {model.KindAccountChange, "local group deleted", (*mapper).accountChange},
		4735: {model.KindAccountChange, "local group changed", (*mapper).accountChange},
		4737: {model.KindAccountChange, "global group changed", (*mapper).accountChange},
		4738: {model.KindAccountChange, "user changed", (*mapper).accountChange},
		4739: {model.KindAccountChange, "domain policy changed", (*mapper).accountChange},
		4740: {model.KindAccountChange, "user locked out", (*mapper).accountChange},
		4741: {model.KindAccountChange, "computer created", (*mapper).accountChange},
		4742: {model.KindAccountChange, "computer changed", (*mapper).accountChange},
		4743: {model.KindAccountChange, "computer deleted", (*mapper).accountChange},
		4754: {model.KindAccountChange, "universal group created", (*mapper).accountChange},
		4755: {model.KindAccountChange, "universal group changed", (*mapper).accountChange},
		4756: {model.KindAccountChange, "member added to universal group", (*mapper).accountChange},
		4757: {model.KindAccountChange, "member removed from universal group", (*mapper).accountChange},
		4758: {model.KindAccountChange, "universal group deleted", (*mapper).accountChange},
		4767: {model.KindAccountChange, "user unlocked", (*mapper).accountChange},
		4768: {model.KindLogon, "ticket-granting ticket requested", (*mapper).ticket},
		4769: {model.KindLogon, "service ticket requested", (*mapper).ticket},
		4771: {model.KindLogonFailed, "pre-authentication failed", (*mapper).ticket},
		4776: {model.KindLogon, "credentials validated", (*mapper).ticket},
		4778: {model.KindLogon, "session reconnected", (*mapper).logon},
		4779: {model.KindLogoff, "session disconnected", (*mapper).logon},
		4781: {model.KindAccountChange, "user renamed", (*mapper).accountChange},
		5140: {model.KindShareAccess, "share accessed", (*mapper).share},
		5142: {model.KindShareAccess, "share added", (*mapper).share},
		5143: {model.KindShareAccess, "share changed", (*mapper).share},
		5144: {model.KindShareAccess, "share deleted", (*mapper).share},
		5145: {model.KindShareAccess, "share access checked", (*mapper).share},
		5154: {model.KindNetworkListen, "listening permitted", (*mapper).filtered},
		5156: {model.KindNetworkConnect, "connection permitted", (*mapper).filtered},
		5157: {model.KindNetworkConnect, "connection blocked", (*mapper).filtered},
		5158: {model.KindNetworkListen, "bind permitted", (*mapper).filtered},
	},
	system: {
		104:  {model.KindLogCleared, "log cleared", (*mapper).cleared},
		7036: {model.KindOther, "service state changed", (*mapper).serviceState},
		7040: {model.KindOther, "service start type changed", (*mapper).serviceState},
		7045: {model.KindServiceInstall, "service installed", (*mapper).installedService},
	},
	powershell: {
		4103: {model.KindScriptBlock, "pipeline executed", (*mapper).scriptModule},
		4104: {model.KindScriptBlock, "script block compiled", (*mapper).scriptBlock},
	},
	powershellClassic: {
		400: {model.KindScriptBlock, "engine started", (*mapper).scriptEngine},
		403: {model.KindScriptBlock, "engine stopped", (*mapper).scriptEngine},
		600: {model.KindScriptBlock, "provider started", (*mapper).scriptEngine},
		800: {model.KindScriptBlock, "pipeline executed", (*mapper).scriptModule},
	},
	defender: {
		1006: {model.KindMalware, "malware found", (*mapper).malware},
		1007: {model.KindMalware, "malware acted upon", (*mapper).malware},
		1008: {model.KindMalware, "action on malware failed", (*mapper).malware},
		1009: {model.KindMalware, "quarantined item restored", (*mapper).malware},
		1015: {model.KindMalware, "suspicious behaviour found", (*mapper).malware},
		1116: {model.KindMalware, "malware detected", (*mapper).malware},
		1117: {model.KindMalware, "malware acted upon", (*mapper).malware},
		1118: {model.KindMalware, "action on malware failed", (*mapper).malware},
		1119: {model.KindMalware, "action on malware failed", (*mapper).malware},
		1121: {model.KindMalware, "blocked by attack surface reduction", (*mapper).malware},
		5001: {model.KindMalware, "real-time protection disabled", (*mapper).protection},
		5004: {model.KindMalware, "real-time protection configured", (*mapper).protection},
		5007: {model.KindMalware, "protection configured", (*mapper).protection},
		5010: {model.KindMalware, "scanning for malware disabled", (*mapper).protection},
		5012: {model.KindMalware, "scanning for viruses disabled", (*mapper).protection},
		5013: {model.KindMalware, "tamper protection blocked a change", (*mapper).protection},
	},
	taskScheduler: {
		106: {model.KindTaskChange, "task registered", (*mapper).task},
		129: {model.KindTaskChange, "task process created", (*mapper).task},
		140: {model.KindTaskChange, "task updated", (*mapper).task},
		141: {model.KindTaskChange, "task deleted", (*mapper).task},
		142: {model.KindTaskChange, "task disabled", (*mapper).task},
		200: {model.KindTaskChange, "task action started", (*mapper).task},
		201: {model.KindTaskChange, "task action completed", (*mapper).task},
	},
	wmiActivity: {
		5857: {model.KindWMI, "provider loaded", (*mapper).wmi},
		5858: {model.KindWMI, "operation failed", (*mapper).wmi},
		5859: {model.KindWMI, "subscription started", (*mapper).wmi},
		5860: {model.KindWMI, "temporary subscription", (*mapper).wmi},
		5861: {model.KindWMI, "permanent subscription", (*mapper).wmi},
	},
	bits: {
		3:  {model.KindFileDownload, "transfer job created", (*mapper).transfer},
		59: {model.KindFileDownload, "transfer started", (*mapper).transfer},
		60: {model.KindFileDownload, "transfer stopped", (*mapper).transfer},
		61: {model.KindFileDownload, "transfer stopped with an error", (*mapper).transfer},
	},
	kernelFile: {
		10: {model.KindFileCreate, "NameCreate", (*mapper).kernelFile},
		11: {model.KindFileDelete, "NameDelete", (*mapper).kernelFile},
		12: {model.KindFileCreate, "Create", (*mapper).kernelFile},
		13: {model.KindOther, "Cleanup", (*mapper).kernelFile},
		14: {model.KindOther, "Close", (*mapper).kernelFile},
		15: {model.KindFileRead, "Read", (*mapper).kernelFile},
		16: {model.KindFileWrite, "Write", (*mapper).kernelFile},
		17: {model.KindFileWrite, "SetInformation", (*mapper).kernelFile},
		18: {model.KindFileDelete, "SetDelete", (*mapper).kernelFile},
		19: {model.KindFileRename, "Rename", (*mapper).kernelFile},
		26: {model.KindFileDelete, "DeletePath", (*mapper).kernelFile},
		27: {model.KindFileRename, "RenamePath", (*mapper).kernelFile},
		30: {model.KindFileCreate, "CreateNewFile", (*mapper).kernelFile},
	},
	kernelProcess: {
		1: {model.KindProcessStart, "ProcessStart", (*mapper).kernelProcessStart},
		2: {model.KindProcessEnd, "ProcessStop", (*mapper).kernelProcessEnd},
		5: {model.KindModuleLoad, "ImageLoad", (*mapper).kernelImage},
	},
	kernelNetwork: {
		10: {model.KindNetworkConnect, "sent over TCP", (*mapper).kernelNetwork},
		11: {model.KindNetworkConnect, "received over TCP", (*mapper).kernelNetwork},
		12: {model.KindNetworkConnect, "connected", (*mapper).kernelNetwork},
		13: {model.KindNetworkConnect, "disconnected", (*mapper).kernelNetwork},
		14: {model.KindNetworkConnect, "retransmitted", (*mapper).kernelNetwork},
		15: {model.KindNetworkConnect, "accepted", (*mapper).kernelNetwork},
		16: {model.KindNetworkConnect, "reconnected", (*mapper).kernelNetwork},
		26: {model.KindNetworkConnect, "sent over TCP", (*mapper).kernelNetwork},
		27: {model.KindNetworkConnect, "received over TCP", (*mapper).kernelNetwork},
		28: {model.KindNetworkConnect, "connected", (*mapper).kernelNetwork},
		29: {model.KindNetworkConnect, "disconnected", (*mapper).kernelNetwork},
		30: {model.KindNetworkConnect, "retransmitted", (*mapper).kernelNetwork},
		31: {model.KindNetworkConnect, "accepted", (*mapper).kernelNetwork},
		32: {model.KindNetworkConnect, "reconnected", (*mapper).kernelNetwork},
		42: {model.KindNetworkConnect, "sent over UDP", (*mapper).kernelNetwork},
		43: {model.KindNetworkConnect, "received over UDP", (*mapper).kernelNetwork},
		58: {model.KindNetworkConnect, "sent over UDP", (*mapper).kernelNetwork},
		59: {model.KindNetworkConnect, "received over UDP", (*mapper).kernelNetwork},
	},
	dnsClient: {
		3006: {model.KindDNSQuery, "query", (*mapper).resolver},
		3008: {model.KindDNSQuery, "query completed", (*mapper).resolver},
		3016: {model.KindDNSQuery, "cache lookup", (*mapper).resolver},
		3018: {model.KindDNSQuery, "cache response", (*mapper).resolver},
		3020: {model.KindDNSQuery, "query response", (*mapper).resolver},
	},
	amsi: {
		1101: {model.KindAMSI, "scanned", (*mapper).scanned},
	},
	sessionManager: {
		21: {model.KindLogon, "session logon", (*mapper).session},
		22: {model.KindLogon, "shell started", (*mapper).session},
		23: {model.KindLogoff, "session logoff", (*mapper).session},
		24: {model.KindLogoff, "session disconnected", (*mapper).session},
		25: {model.KindLogon, "session reconnected", (*mapper).session},
	},
	connectionManager: {
		1149: {model.KindLogon, "remote connection authenticated", (*mapper).session},
	},
}
