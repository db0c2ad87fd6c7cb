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
		if e, ok := table[names[string(lower[:len(name)])]][r.EventID]; ok {
			return e, true
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
}
