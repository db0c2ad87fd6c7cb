package sigma

import (
	"slices"
	"strings"
	"sync"

	"github.com/edrctl/edrctl/internal/model"
)

// Source is where an event comes from: the log that it was read from, or the
// kind that a product gave it.
type Source struct {
	Product  string // windows, linux, macos; "" = unknown
	Channel  string
	Provider string
	EventID  int // of a log with a channel or provider
	Kind     model.Kind
}

type classKey = Source

func (s Source) isLog() bool { return s.Channel != "" || s.Provider != "" }

// sources is the log sources of Sigma that a source is.
type sources struct {
	product    string
	categories []string
	services   []string
}

func (s *sources) has(l LogSource) bool {
	return (l.Product == "" || l.Product == s.product) &&
		(l.Category == "" || contains(s.categories, l.Category)) &&
		(l.Service == "" || contains(s.services, l.Service)) &&
		l != LogSource{}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// sources follows the taxonomy of the specification: by channel and event id
// where the log is one that it names, else by the kind of the event.
func (s Source) sources() *sources {
	out := &sources{product: s.Product}
	channel, provider := strings.ToLower(s.Channel), strings.ToLower(s.Provider)
	channel = strings.TrimPrefix(channel, "wineventlog:")
	switch provider {
	case "microsoft-windows-sysmon", "linux-sysmon":
		channel = sysmonChannel
	}
	if channel == "linux-sysmon/operational" {
		channel = sysmonChannel
	}
	if service, ok := services()[channel]; ok {
		out.services = append(out.services, service)
	}
	if s.Product != "windows" && channel != "" {
		out.services = append(out.services, channel) // auditd, sshd, aaa, …
	}
	if names, ok := logCategories[logEvent{channel, s.EventID}]; ok && s.isLog() {
		out.categories = names
		return out
	}
	if channel != sysmonChannel {
		out.categories = kindCategories[s.Kind]
	}
	return out
}

// byKind reports whether the log sources of an event follow from its kind: its
// fields are then those of the normalised event as well.
func (s Source) byKind() bool {
	if !s.isLog() {
		return true
	}
	src := s.sources()
	cats := kindCategories[s.Kind]
	return len(cats) > 0 && len(src.categories) == len(cats) && &src.categories[0] == &cats[0]
}

const sysmonChannel = "microsoft-windows-sysmon/operational"

type logEvent struct {
	channel string
	id      int
}

// logCategories is which categories an event id of a channel is.
var logCategories = map[logEvent][]string{
	{sysmonChannel, 1}:   {"process_creation"},
	{sysmonChannel, 2}:   {"file_change"},
	{sysmonChannel, 3}:   {"network_connection"},
	{sysmonChannel, 4}:   {"sysmon_status"},
	{sysmonChannel, 5}:   {"process_termination"},
	{sysmonChannel, 6}:   {"driver_load"},
	{sysmonChannel, 7}:   {"image_load"},
	{sysmonChannel, 8}:   {"create_remote_thread"},
	{sysmonChannel, 9}:   {"raw_access_thread"},
	{sysmonChannel, 10}:  {"process_access"},
	{sysmonChannel, 11}:  {"file_event"},
	{sysmonChannel, 12}:  {"registry_add", "registry_delete", "registry_event"},
	{sysmonChannel, 13}:  {"registry_set", "registry_event"},
	{sysmonChannel, 14}:  {"registry_rename", "registry_event"},
	{sysmonChannel, 15}:  {"create_stream_hash"},
	{sysmonChannel, 16}:  {"sysmon_status"},
	{sysmonChannel, 17}:  {"pipe_created"},
	{sysmonChannel, 18}:  {"pipe_created"},
	{sysmonChannel, 19}:  {"wmi_event"},
	{sysmonChannel, 20}:  {"wmi_event"},
	{sysmonChannel, 21}:  {"wmi_event"},
	{sysmonChannel, 22}:  {"dns_query"},
	{sysmonChannel, 23}:  {"file_delete"},
	{sysmonChannel, 24}:  {"clipboard_capture"},
	{sysmonChannel, 25}:  {"process_tampering"},
	{sysmonChannel, 26}:  {"file_delete_detected", "file_delete"},
	{sysmonChannel, 27}:  {"file_block_executable"},
	{sysmonChannel, 28}:  {"file_block_shredding"},
	{sysmonChannel, 29}:  {"file_executable_detected"},
	{sysmonChannel, 255}: {"sysmon_error"},

	{"windows powershell", 400}:                              {"ps_classic_start"},
	{"windows powershell", 600}:                              {"ps_classic_provider_start"},
	{"windows powershell", 800}:                              {"ps_classic_script"},
	{"microsoft-windows-powershell/operational", 4103}:       {"ps_module"},
	{"powershellcore/operational", 4103}:                     {"ps_module"},
	{"microsoft-windows-powershell/operational", 4104}:       {"ps_script"},
	{"powershellcore/operational", 4104}:                     {"ps_script"},
	{"microsoft-windows-windows defender/operational", 1116}: {"antivirus"},
	{"microsoft-windows-windows defender/operational", 1117}: {"antivirus"},
}

// kindCategories is which categories a kind of event is.
var kindCategories = map[model.Kind][]string{
	model.KindProcessStart:   {"process_creation"},
	model.KindProcessEnd:     {"process_termination"},
	model.KindProcessAccess:  {"process_access"},
	model.KindProcessInject:  {"create_remote_thread"},
	model.KindProcessTamper:  {"process_tampering"},
	model.KindFileCreate:     {"file_event"},
	model.KindFileWrite:      {"file_event"},
	model.KindFileDelete:     {"file_delete"},
	model.KindFileRead:       {"file_access"},
	model.KindFileRename:     {"file_rename"},
	model.KindFileStream:     {"create_stream_hash"},
	model.KindNetworkConnect: {"network_connection"},
	model.KindDNSQuery:       {"dns_query"},
	model.KindRegistrySet:    {"registry_set", "registry_event"},
	model.KindRegistryDelete: {"registry_delete", "registry_event"},
	model.KindRegistryCreate: {"registry_add", "registry_event"},
	model.KindModuleLoad:     {"image_load"},
	model.KindDriverLoad:     {"driver_load"},
	model.KindPipeCreate:     {"pipe_created"},
	model.KindPipeConnect:    {"pipe_created"},
	model.KindRawRead:        {"raw_access_thread"},
	model.KindWMI:            {"wmi_event"},
	model.KindClipboard:      {"clipboard_capture"},
	model.KindScriptBlock:    {"ps_script"},
	model.KindMalware:        {"antivirus"},
}

// channels is the channels of Windows that Sigma knows, as Windows spells them,
// with the service that each is.
var channels = [...]struct{ name, service string }{
	{"Application", "application"},
	{"Microsoft-Windows-Application-Experience/Program-Telemetry", "application-experience"},
	{"Microsoft-Windows-Application-Experience/Program-Compatibility-Assistant", "application-experience"},
	{"Microsoft-Windows-AppLocker/MSI and Script", "applocker"},
	{"Microsoft-Windows-AppLocker/EXE and DLL", "applocker"},
	{"Microsoft-Windows-AppLocker/Packaged app-Deployment", "applocker"},
	{"Microsoft-Windows-AppLocker/Packaged app-Execution", "applocker"},
	{"Microsoft-Windows-AppModel-Runtime/Admin", "appmodel-runtime"},
	{"Microsoft-Windows-AppXDeploymentServer/Operational", "appxdeployment-server"},
	{"Microsoft-Windows-AppxPackaging/Operational", "appxpackaging-om"},
	{"Microsoft-Windows-BitLocker/BitLocker Management", "bitlocker"},
	{"Microsoft-Windows-Bits-Client/Operational", "bits-client"},
	{"Microsoft-Windows-CAPI2/Operational", "capi2"},
	{"Microsoft-Windows-CertificateServicesClient-Lifecycle-System/Operational", "certificateservicesclient-lifecycle-system"},
	{"Microsoft-Windows-CodeIntegrity/Operational", "codeintegrity-operational"},
	{"Microsoft-Windows-DHCP-Server/Operational", "dhcp"},
	{"Microsoft-Windows-Diagnosis-Scripted/Operational", "diagnosis-scripted"},
	{"Microsoft-Windows-DNS Client Events/Operational", "dns-client"},
	{"Microsoft-Windows-DNS-Client/Operational", "dns-client"},
	{"DNS Server", "dns-server"},
	{"Microsoft-Windows-DNS-Server/Analytical", "dns-server-analytic"},
	{"Microsoft-Windows-DNS-Server/Audit", "dns-server-audit"},
	{"Microsoft-Windows-DriverFrameworks-UserMode/Operational", "driver-framework"},
	{"Microsoft-Windows-Windows Firewall With Advanced Security/Firewall", "firewall-as"},
	{"Microsoft-Windows-Hyper-V-Worker", "hyper-v-worker"},
	{"Microsoft-IIS-Configuration/Operational", "iis-configuration"},
	{"Microsoft-Windows-Kernel-EventTracing", "kernel-event-tracing"},
	{"Microsoft-Windows-Kernel-ShimEngine/Operational", "kernel-shimengine"},
	{"Microsoft-Windows-Kernel-ShimEngine/Diagnostic", "kernel-shimengine"},
	{"Microsoft-Windows-LDAP-Client/Debug", "ldap"},
	{"Microsoft-Windows-LSA/Operational", "lsa-server"},
	{"MSExchange Management", "msexchange-management"},
	{"Microsoft-Windows-Ntfs/Operational", "ntfs"},
	{"Microsoft-Windows-NTLM/Operational", "ntlm"},
	{"OpenSSH/Operational", "openssh"},
	{"Microsoft-Windows-PowerShell/Operational", "powershell"},
	{"PowerShellCore/Operational", "powershell"},
	{"Windows PowerShell", "powershell-classic"},
	{"Microsoft-Windows-PrintService/Admin", "printservice-admin"},
	{"Microsoft-Windows-PrintService/Operational", "printservice-operational"},
	{"Security", "security"},
	{"Microsoft-Windows-Security-Mitigations/Kernel Mode", "security-mitigations"},
	{"Microsoft-Windows-Security-Mitigations/User Mode", "security-mitigations"},
	{"Microsoft-Windows-SENSE/Operational", "sense"},
	{"Microsoft-ServiceBus-Client/Operational", "microsoft-servicebus-client"},
	{"Microsoft-ServiceBus-Client/Admin", "microsoft-servicebus-client"},
	{"Microsoft-Windows-Shell-Core/Operational", "shell-core"},
	{"Microsoft-Windows-SmbClient/Security", "smbclient-security"},
	{"Microsoft-Windows-SmbClient/Connectivity", "smbclient-connectivity"},
	{"Microsoft-Windows-SMBServer/Connectivity", "smbserver-connectivity"},
	{"Microsoft-Windows-Sysmon/Operational", "sysmon"},
	{"System", "system"},
	{"Microsoft-Windows-TaskScheduler/Operational", "taskscheduler"},
	{"Microsoft-Windows-TerminalServices-LocalSessionManager/Operational", "terminalservices-localsessionmanager"},
	{"Microsoft-Windows-VHDMP/Operational", "vhdmp"},
	{"Microsoft-Windows-Windows Defender/Operational", "windefend"},
	{"Microsoft-Windows-WMI-Activity/Operational", "wmi"},
}

// services is the service of each channel, by its name in lower case.
var services = sync.OnceValue(func() map[string]string {
	out := make(map[string]string, len(channels))
	for _, c := range channels {
		out[strings.ToLower(c.name)] = c.service
	}
	return out
})

// WindowsLogs gives the events of the logs of Windows that a log source is, by
// channel; no event ids are all of the channel. The logs are those that the
// taxonomy names: a log that tells the same under other fields is none of them.
func (l LogSource) WindowsLogs() map[string][]int {
	out := map[string][]int{}
	if l.Product != "" && l.Product != "windows" {
		return out
	}
	for _, c := range channels {
		lower := strings.ToLower(c.name)
		if l.Category == "" {
			if l.Service == c.service {
				out[c.name] = nil
			}
			continue
		}
		for log := range logCategories {
			if log.channel != lower {
				continue
			}
			src := Source{Product: "windows", Channel: c.name, EventID: log.id}
			if src.sources().has(LogSource{"windows", l.Category, l.Service}) {
				out[c.name] = append(out[c.name], log.id)
			}
		}
		slices.Sort(out[c.name])
	}
	return out
}

// Has reports whether a source is a log source of Sigma.
func (s Source) Has(l LogSource) bool { return s.sources().has(l) }
