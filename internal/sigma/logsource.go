package sigma

import (
	"strings"

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
	if service, ok := services[channel]; ok {
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

// services is the service of each channel of Windows.
var services = map[string]string{
	"application": "application",
	"microsoft-windows-application-experience/program-telemetry":               "application-experience",
	"microsoft-windows-application-experience/program-compatibility-assistant": "application-experience",
	"microsoft-windows-applocker/msi and script":                               "applocker",
	"microsoft-windows-applocker/exe and dll":                                  "applocker",
	"microsoft-windows-applocker/packaged app-deployment":                      "applocker",
	"microsoft-windows-applocker/packaged app-execution":                       "applocker",
	"microsoft-windows-appmodel-runtime/admin":                                 "appmodel-runtime",
	"microsoft-windows-appxdeploymentserver/operational":                       "appxdeployment-server",
	"microsoft-windows-appxpackaging/operational":                              "appxpackaging-om",
	"microsoft-windows-bitlocker/bitlocker management":                         "bitlocker",
	"microsoft-windows-bits-client/operational":                                "bits-client",
	"microsoft-windows-capi2/operational":                                      "capi2",
	"microsoft-windows-certificateservicesclient-lifecycle-system/operational": "certificateservicesclient-lifecycle-system",
	"microsoft-windows-codeintegrity/operational":                              "codeintegrity-operational",
	"microsoft-windows-dhcp-server/operational":                                "dhcp",
	"microsoft-windows-diagnosis-scripted/operational":                         "diagnosis-scripted",
	"microsoft-windows-dns client events/operational":                          "dns-client",
	"microsoft-windows-dns-client/operational":                                 "dns-client",
	"dns server": "dns-server",
	"microsoft-windows-dns-server/analytical":                            "dns-server-analytic",
	"microsoft-windows-dns-server/audit":                                 "dns-server-audit",
	"microsoft-windows-driverframeworks-usermode/operational":            "driver-framework",
	"microsoft-windows-windows firewall with advanced security/firewall": "firewall-as",
	"microsoft-windows-hyper-v-worker":                                   "hyper-v-worker",
	"microsoft-iis-configuration/operational":                            "iis-configuration",
	"microsoft-windows-kernel-eventtracing":                              "kernel-event-tracing",
	"microsoft-windows-kernel-shimengine/operational":                    "kernel-shimengine",
	"microsoft-windows-kernel-shimengine/diagnostic":                     "kernel-shimengine",
	"microsoft-windows-ldap-client/debug":                                "ldap",
	"microsoft-windows-lsa/operational":                                  "lsa-server",
	"msexchange management":                                              "msexchange-management",
	"microsoft-windows-ntfs/operational":                                 "ntfs",
	"microsoft-windows-ntlm/operational":                                 "ntlm",
	"openssh/operational":                                                "openssh",
	"microsoft-windows-powershell/operational":                           "powershell",
	"powershellcore/operational":                                         "powershell",
	"windows powershell":                                                 "powershell-classic",
	"microsoft-windows-printservice/admin":                               "printservice-admin",
	"microsoft-windows-printservice/operational":                         "printservice-operational",
	"security": "security",
	"microsoft-windows-security-mitigations/kernel mode": "security-mitigations",
	"microsoft-windows-security-mitigations/user mode":   "security-mitigations",
	"microsoft-windows-sense/operational":                "sense",
	"microsoft-servicebus-client/operational":            "microsoft-servicebus-client",
	"microsoft-servicebus-client/admin":                  "microsoft-servicebus-client",
	"microsoft-windows-shell-core/operational":           "shell-core",
	"microsoft-windows-smbclient/security":               "smbclient-security",
	"microsoft-windows-smbclient/connectivity":           "smbclient-connectivity",
	"microsoft-windows-smbserver/connectivity":           "smbserver-connectivity",
	sysmonChannel: "sysmon",
	"system":      "system",
	"microsoft-windows-taskscheduler/operational":                        "taskscheduler",
	"microsoft-windows-terminalservices-localsessionmanager/operational": "terminalservices-localsessionmanager",
	"microsoft-windows-vhdmp/operational":                                "vhdmp",
	"microsoft-windows-windows defender/operational":                     "windefend",
	"microsoft-windows-wmi-activity/operational":                         "wmi",
}

// Has reports whether a source is a log source of Sigma.
func (s Source) Has(l LogSource) bool { return s.sources().has(l) }
