package evidence

import (
	"strings"

	"github.com/edrctl/edrctl/internal/model"
)

// Rows of Defender's advanced hunting (the Device*Events tables), as CSV of
// the portal, as JSON of its API, or as the streaming API sends them.

// columns are the named values of a row, whatever it was written in.
type columns interface{ Str(names ...string) string }

func isDefender(v Value) bool {
	if p := v.Get("properties"); p.Kind() == '{' && strings.HasPrefix(v.Str("category"), "AdvancedHunting-") {
		v = p
	}
	return v.Has("ActionType") && (v.Has("DeviceName") || v.Has("DeviceId")) || v.Has("AlertId") && v.Has("Title") && v.Has("Severity")
}

func decodeDefender(v Value, o Options) ([]Item, error) {
	row := v
	if p := v.Get("properties"); p.Kind() == '{' && v.Has("category") {
		row = p
	}
	items := defenderRow(row, v.Raw(), o)
	if o.Raw {
		for i := range items {
			items[i].setRaw(append([]byte(nil), row.Raw()...))
		}
	}
	return items, nil
}

// defenderKinds tells the kind by ActionType.
var defenderKinds = map[string]model.Kind{
	"ProcessCreated": model.KindProcessStart, "ProcessCreatedUsingWmiQuery": model.KindProcessStart,
	"ConnectionSuccess": model.KindNetworkConnect, "ConnectionFailed": model.KindNetworkConnect, "ConnectionRequest": model.KindNetworkConnect, "ConnectionFound": model.KindNetworkConnect,
	"ConnectionAttempt": model.KindNetworkConnect, "InboundConnectionAccepted": model.KindNetworkConnect, "ConnectionAcknowledged": model.KindNetworkConnect, "InboundInternetScanInspected": model.KindNetworkConnect,
	"HttpConnectionInspected": model.KindNetworkConnect, "SslConnectionInspected": model.KindNetworkConnect, "ListeningConnectionCreated": model.KindNetworkListen, "DnsConnectionInspected": model.KindDNSQuery, "DnsQueryResponse": model.KindDNSQuery,
	"FileCreated": model.KindFileCreate, "FileModified": model.KindFileWrite, "FileRenamed": model.KindFileRename, "FileDeleted": model.KindFileDelete, "SensitiveFileRead": model.KindFileRead, "BrowserLaunchedToOpenUrl": model.KindOther,
	"RegistryValueSet": model.KindRegistrySet, "RegistryValueDeleted": model.KindRegistryDelete, "RegistryKeyDeleted": model.KindRegistryDelete, "RegistryKeyCreated": model.KindRegistryCreate, "RegistryKeyRenamed": model.KindRegistrySet,
	"ImageLoaded": model.KindModuleLoad, "DriverLoad": model.KindDriverLoad,
	"LogonSuccess": model.KindLogon, "LogonAttempted": model.KindLogon, "LogonFailed": model.KindLogonFailed,
	"OpenProcessApiCall": model.KindProcessAccess, "ReadProcessMemoryApiCall": model.KindProcessAccess, "CreateRemoteThreadApiCall": model.KindProcessInject, "QueueUserApcRemoteApiCall": model.KindProcessInject,
	"SetThreadContextRemoteApiCall": model.KindProcessInject, "NtMapViewOfSectionRemoteApiCall": model.KindProcessInject, "NtAllocateVirtualMemoryRemoteApiCall": model.KindProcessInject, "WriteProcessMemoryApiCall": model.KindProcessInject,
	"PowerShellCommand": model.KindScriptBlock, "ScriptContent": model.KindScriptBlock, "AmsiScriptDetection": model.KindAMSI, "AmsiScriptContent": model.KindAMSI,
	"AntivirusDetection": model.KindMalware, "AntivirusReport": model.KindMalware, "AntivirusDetectionActionType": model.KindMalware,
	"ServiceInstalled": model.KindServiceInstall, "ScheduledTaskCreated": model.KindTaskChange, "ScheduledTaskUpdated": model.KindTaskChange, "ScheduledTaskDeleted": model.KindTaskChange, "ScheduledTaskEnabled": model.KindTaskChange, "ScheduledTaskDisabled": model.KindTaskChange,
	"UserAccountCreated": model.KindAccountChange, "UserAccountDeleted": model.KindAccountChange, "UserAccountModified": model.KindAccountChange, "UserAccountAddedToLocalGroup": model.KindAccountChange, "UserAccountRemovedFromLocalGroup": model.KindAccountChange, "SecurityGroupCreated": model.KindAccountChange, "SecurityGroupDeleted": model.KindAccountChange,
	"SecurityLogCleared": model.KindLogCleared, "NamedPipeEvent": model.KindPipeConnect, "UsbDriveMounted": model.KindDeviceAccess, "PnpDeviceConnected": model.KindDeviceAccess, "GetClipboardData": model.KindClipboard, "WmiBindEventFilterToConsumer": model.KindWMI, "RemoteWmiOperation": model.KindWMI,
	"TamperingAttempt": model.KindProcessTamper, "LdapSearch": model.KindOther,
}

func defenderRow(r columns, raw []byte, o Options) []Item {
	c := clock{zone: o.zone()}
	when := c.first(r.Str("Timestamp", "TimeGenerated", "Timestamp [UTC]", "TimeGenerated [UTC]"))
	if r.Str("Timestamp [UTC]", "TimeGenerated [UTC]") != "" {
		c.local = false
	}
	host := defenderHost(r)
	if r.Str("ActionType") == "" {
		return []Item{{Alert: defenderAlertRow(r, when, host), Local: c.local}}
	}
	e := &model.Event{Time: when, Host: host, Action: r.Str("ActionType")}
	e.ID = contentID(raw)
	if id := r.Str("ReportId"); id != "" && r.Str("DeviceId") != "" {
		e.ID = partsID("defender", r.Str("DeviceId"), id, when.String())
	}
	var ok bool
	if e.Kind, ok = defenderKinds[e.Action]; !ok {
		e.Kind = model.KindOther
	}
	initiator := defenderProcess(r, &c)
	e.User = userOf(r.Str("InitiatingProcessAccountName"), r.Str("InitiatingProcessAccountDomain"), r.Str("InitiatingProcessAccountSid"))
	if initiator != nil {
		initiator.User = e.User
	}
	e.Process = initiator
	defenderObjects(r, e, initiator, &c)
	if e.Summary == "" {
		e.Summary = e.Action
	}
	if o.Log {
		e.Log = &model.LogRecord{Product: e.Host.OS.Platform, Channel: "defender", Provider: "Microsoft Defender", Computer: host.Name}
		if l, ok := r.(interface{ fields() []model.LogField }); ok {
			e.Log.Data = l.fields()
		}
	}
	return []Item{{Event: e, Local: c.local}}
}

func (v Value) fields() []model.LogField {
	var out []model.LogField
	for k, m := range v.Members() {
		if s := m.Text(); s != "" {
			out = append(out, model.LogField{Name: k, Value: s})
		}
	}
	return out
}

func defenderHost(r columns) *model.Host {
	h := &model.Host{OS: &model.OS{Platform: "windows"}}
	h.ID = r.Str("DeviceId", "MachineId")
	h.Name, h.Domain = splitHost(r.Str("DeviceName", "ComputerName", "MachineName"))
	if p := r.Str("OSPlatform"); p != "" {
		h.OS.Name = p
		switch p := strings.ToLower(p); {
		case strings.Contains(p, "linux"):
			h.OS.Platform = "linux"
		case strings.Contains(p, "mac"):
			h.OS.Platform = "darwin"
		}
	}
	return h
}

// defenderProcess is who acted.
func defenderProcess(r columns, c *clock) *model.Process {
	const who = "InitiatingProcess"
	return finishProcess(&model.Process{
		UID: r.Str(who + "UniqueId"), PID: wholeNumber(r.Str(who + "Id")), Name: r.Str(who + "FileName"), Path: joinPath(r.Str(who+"FolderPath"), r.Str(who+"FileName")), CommandLine: r.Str(who + "CommandLine"),
		Started: c.first(r.Str(who + "CreationTime")), Hash: hashes(r.Str(who+"MD5"), r.Str(who+"SHA1"), r.Str(who+"SHA256")), Integrity: r.Str(who + "IntegrityLevel"), Elevation: r.Str(who + "TokenElevation"),
		OriginalFileName: r.Str(who + "VersionInfoOriginalFileName"), Description: r.Str(who + "VersionInfoFileDescription"), Product: r.Str(who + "VersionInfoProductName"), Company: r.Str(who + "VersionInfoCompanyName"), FileVersion: r.Str(who + "VersionInfoProductVersion"),
		Parent: &model.ParentProcess{PID: wholeNumber(r.Str(who + "ParentId")), Name: r.Str(who + "ParentFileName")},
	})
}

// joinPath: FolderPath mostly has the file's name already.
func joinPath(folder, name string) string {
	if folder == "" || name == "" || strings.HasSuffix(strings.ToLower(folder), strings.ToLower(name)) {
		return folder
	}
	sep := `\`
	if strings.HasPrefix(folder, "/") {
		sep = "/"
	}
	return strings.TrimSuffix(folder, sep) + sep + name
}

func defenderObjects(r columns, e *model.Event, initiator *model.Process, c *clock) {
	file := &model.File{Path: joinPath(r.Str("FolderPath"), r.Str("FileName")), Name: r.Str("FileName"), Size: wholeNumber(r.Str("FileSize")), Hash: hashes(r.Str("MD5"), r.Str("SHA1"), r.Str("SHA256"))}
	if old := joinPath(r.Str("PreviousFolderPath"), r.Str("PreviousFileName")); old != "" {
		file.OldPath = old
	}
	if file.Path == "" && file.Name != "" {
		file.Path = file.Name
	}
	account := userOf(r.Str("AccountName"), r.Str("AccountDomain"), r.Str("AccountSid"))
	switch e.Kind {
	case model.KindProcessStart:
		p := &model.Process{
			UID: r.Str("ProcessUniqueId"), PID: wholeNumber(r.Str("ProcessId")), Name: file.Name, Path: file.Path, CommandLine: r.Str("ProcessCommandLine"), Started: c.first(r.Str("ProcessCreationTime")), Hash: file.Hash, User: account,
			Integrity: r.Str("ProcessIntegrityLevel"), Elevation: r.Str("ProcessTokenElevation"), OriginalFileName: r.Str("ProcessVersionInfoOriginalFileName"), Description: r.Str("ProcessVersionInfoFileDescription"),
			Product: r.Str("ProcessVersionInfoProductName"), Company: r.Str("ProcessVersionInfoCompanyName"), FileVersion: r.Str("ProcessVersionInfoProductVersion"),
		}
		if p.Started.IsZero() {
			p.Started = e.Time
		}
		if q := initiator; q != nil {
			p.Parent = &model.ParentProcess{UID: q.UID, PID: q.PID, Name: q.Name, Path: q.Path, CommandLine: q.CommandLine}
		}
		e.Process = finishProcess(p)
		if account != nil {
			e.User = account
		}
		e.Summary = first(p.CommandLine, p.Path)
	case model.KindProcessAccess, model.KindProcessInject, model.KindProcessTamper:
		e.Target = finishProcess(&model.Process{PID: wholeNumber(r.Str("ProcessId")), Name: file.Name, Path: file.Path, CommandLine: r.Str("ProcessCommandLine"), Hash: file.Hash})
		e.Summary = e.Action + " " + file.Path
	case model.KindModuleLoad, model.KindDriverLoad:
		e.Module = &model.Module{Path: file.Path, Hash: file.Hash}
		e.Summary = file.Path
	case model.KindRegistrySet, model.KindRegistryCreate, model.KindRegistryDelete:
		e.Registry = &model.Registry{Path: r.Str("RegistryKey", "PreviousRegistryKey"), Value: r.Str("RegistryValueName", "PreviousRegistryValueName"), Data: r.Str("RegistryValueData")}
		e.Summary = e.Registry.Path
	case model.KindLogon, model.KindLogonFailed, model.KindLogoff:
		e.Logon = &model.Logon{TargetUser: account, Type: strings.ToLower(r.Str("LogonType")), Package: r.Str("Protocol"), Failure: r.Str("FailureReason")}
		if from := endpoint(r.Str("RemoteIP"), wholeNumber(r.Str("RemotePort")), r.Str("RemoteDeviceName")); from != nil {
			e.Network = &model.Network{Direction: "ingress", Source: from}
		}
		return
	default:
		if file.Path != "" || file.Hash != nil {
			e.File = file
			e.Summary = e.Action + " " + file.Path
		}
		if account != nil && e.User == nil {
			e.User = account
		}
	}
	defenderNetwork(r, e)
}

func defenderNetwork(r columns, e *model.Event) {
	url := r.Str("RemoteUrl")
	domain := url
	if _, rest, ok := strings.Cut(domain, "://"); ok {
		domain = rest
	}
	domain, _, _ = strings.Cut(domain, "/")
	domain, _, _ = strings.Cut(domain, ":")
	local, remote := endpoint(r.Str("LocalIP"), wholeNumber(r.Str("LocalPort")), ""), endpoint(r.Str("RemoteIP"), wholeNumber(r.Str("RemotePort")), domain)
	if local == nil && remote == nil {
		return
	}
	n := &model.Network{Direction: "egress", Transport: strings.ToLower(r.Str("Protocol")), Source: local, Destination: remote}
	n.Transport = strings.TrimSuffix(strings.TrimSuffix(n.Transport, "ipv6"), "ipv4")
	if strings.HasPrefix(e.Action, "Inbound") || e.Action == "ConnectionAttempt" {
		n.Direction, n.Source, n.Destination = "ingress", remote, local
	}
	if e.Kind == model.KindNetworkListen {
		n.Direction = ""
	}
	e.Network = n
	if e.Kind == model.KindDNSQuery {
		e.DNS = &model.DNS{Question: model.DNSQuestion{Name: domain}}
	}
	if remote != nil && e.Summary == "" {
		e.Summary = e.Action + " " + first(remote.Domain, remote.IP)
	}
}

func defenderAlertRow(r columns, when model.Time, host *model.Host) *model.Alert {
	a := &model.Alert{
		Time: when, Title: r.Str("Title", "AlertName"), Status: model.StatusUnknown, Verdict: model.VerdictUnknown, Category: r.Str("Category"), Source: first(r.Str("DetectionSource", "ServiceSource"), "Microsoft Defender"),
	}
	a.ID = r.Str("AlertId")
	if host.Name != "" || host.ID != "" {
		a.Host = host
	}
	scoreBy(a, r.Str("Severity"), "Informational|Low|Medium|High")
	for _, id := range technique().FindAllString(r.Str("AttackTechniques"), -1) {
		a.Attack = append(a.Attack, model.Attack{Technique: model.Named{ID: id}})
	}
	a.Rule = &model.Named{Name: a.Title}
	return a
}
