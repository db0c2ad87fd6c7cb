package story

import "strconv"

// hostileName is text an attacker would love to see printed: ANSI escapes, a
// carriage return, a bidi override, a zero-width joiner, C1, HTML. It is
// valid UTF-8, so JSON carries it unharmed.
const hostileName = "quarterly\x1b[31m\x1b]0;owned\x07 report\r OK \u202egpj.exe\u202c <b onmouseover=x()>bold</b> \u200b\u200d\u009b2J"

// ruleSpec is one rule; score is on the backend's own scale.
type ruleSpec struct {
	backend, key, name, description string
	technique                       string
	score                           int
	severity                        string // "" = the word closest to score
}

// Techniques by id, as MITRE ATT&CK for Enterprise names them.
var techniques = map[string][2]string{
	"T1566.001": {"Spearphishing Attachment", "initial-access"},
	"T1204.002": {"Malicious File", "execution"},
	"T1059.001": {"PowerShell", "execution"},
	"T1059.003": {"Windows Command Shell", "execution"},
	"T1059.004": {"Unix Shell", "execution"},
	"T1218.005": {"Mshta", "defense-evasion"},
	"T1218.011": {"Rundll32", "defense-evasion"},
	"T1027.010": {"Command Obfuscation", "defense-evasion"},
	"T1036.005": {"Match Legitimate Resource Name or Location", "defense-evasion"},
	"T1070.001": {"Clear Windows Event Logs", "defense-evasion"},
	"T1112":     {"Modify Registry", "defense-evasion"},
	"T1548.002": {"Bypass User Account Control", "privilege-escalation"},
	"T1547.001": {"Registry Run Keys / Startup Folder", "persistence"},
	"T1053.005": {"Scheduled Task", "persistence"},
	"T1053.003": {"Cron", "persistence"},
	"T1543.003": {"Windows Service", "persistence"},
	"T1098.004": {"SSH Authorized Keys", "persistence"},
	"T1055.001": {"Dynamic-link Library Injection", "privilege-escalation"},
	"T1055.002": {"Portable Executable Injection", "privilege-escalation"},
	"T1003.001": {"LSASS Memory", "credential-access"},
	"T1003.002": {"Security Account Manager", "credential-access"},
	"T1003.003": {"NTDS", "credential-access"},
	"T1003.008": {"/etc/passwd and /etc/shadow", "credential-access"},
	"T1552.004": {"Private Keys", "credential-access"},
	"T1056.001": {"Keylogging", "collection"},
	"T1087.002": {"Domain Account", "discovery"},
	"T1082":     {"System Information Discovery", "discovery"},
	"T1046":     {"Network Service Discovery", "discovery"},
	"T1021.002": {"SMB/Windows Admin Shares", "lateral-movement"},
	"T1021.004": {"SSH", "lateral-movement"},
	"T1569.002": {"Service Execution", "execution"},
	"T1047":     {"Windows Management Instrumentation", "execution"},
	"T1105":     {"Ingress Tool Transfer", "command-and-control"},
	"T1071.001": {"Web Protocols", "command-and-control"},
	"T1071.004": {"DNS", "command-and-control"},
	"T1074.001": {"Local Data Staging", "collection"},
	"T1560.001": {"Archive via Utility", "collection"},
	"T1052.001": {"Exfiltration over USB", "exfiltration"},
	"T1567.002": {"Exfiltration to Cloud Storage", "exfiltration"},
	"T1048.003": {"Exfiltration Over Unencrypted Non-C2 Protocol", "exfiltration"},
	"T1490":     {"Inhibit System Recovery", "impact"},
}

var ruleSpecs = []ruleSpec{
	// cWatch: alert names as the product's own policies word them.
	{CWatch, "office-child", "Suspicious Process Hierarchy", "An office program started a script host.", "T1204.002", 6, ""},
	{CWatch, "ps-flag", "Suspicious Powershell Flag", "PowerShell was started hidden, without profile or with an encoded command.", "T1059.001", 5, ""},
	{CWatch, "ps-remote", "Remote Powershell Execution", "A PowerShell command came from another machine.", "T1059.001", 7, ""},
	{CWatch, "untrusted", "Run Untrusted Executable", "A program without a verdict was started.", "T1204.002", 4, ""},
	{CWatch, "uac", "Disable User Account Control", "EnableLUA was set to 0.", "T1548.002", 9, ""},
	{CWatch, "runkey", "Add Autorun Entry", "A program was registered to start at logon.", "T1547.001", 7, ""},
	{CWatch, "memread", "Read Memory of Security Process", "Another process read the memory of lsass.exe.", "T1003.001", 10, ""},
	{CWatch, "inject", "Code Injection into System Process", "Code was written into a process of the system.", "T1055.001", 8, ""},
	{CWatch, "keyboard", "Keyboard Access by Untrusted Process", "An untrusted process listens to the keyboard.", "T1056.001", 6, ""},
	{CWatch, "usb", "Mass Copy to USB Disk", "Many files were copied to a removable disk.", "T1052.001", 5, ""},
	{CWatch, "service-stop", "Stop Service", "A service was stopped.", "T1490", 5, ""},
	{CWatch, "service", "Start Service", "A service was started.", "T1569.002", 2, ""},
	{CWatch, "admin-tool", "Use of Administration Tool", "An administration tool was used by a person.", "T1082", 1, ""},
	{CWatch, "info", "Policy Audit", "A watched setting was read.", "T1112", 0, ""},
	{CWatch, "hostile", "Odd File Name: " + hostileName, "A file name holds control characters.", "T1036.005", 2, ""},

	// Carbon Black: one TTP and the analytics' summary.
	{CarbonBlack, "psexec", "RUN_SERVICE_REMOTE", "psexesvc.exe was installed from HR-LT-221 and ran cmd.exe as SYSTEM.", "T1569.002", 7, ""},
	{CarbonBlack, "inject", "INJECT_CODE", "powershell.exe injected into spoolsv", "T1055.002", 8, ""},
	{CarbonBlack, "lsass", "READ_SECURITY_DATA", "procdump64.exe read the memory of lsass.exe.", "T1003.001", 9, ""},
	{CarbonBlack, "ntds", "DUMP_NTDS", "ntdsutil.exe made a copy of the domain's credential database.", "T1003.003", 10, ""},
	{CarbonBlack, "wmi", "RUN_WMI_REMOTE", "wmiprvse.exe started powershell.exe for another machine.", "T1047", 6, ""},
	{CarbonBlack, "stage", "PACK_DATA", "7z.exe packed shared folders into ProgramData with a password.", "T1560.001", 6, ""},
	{CarbonBlack, "exfil", "NETWORK_ACCESS", "rclone.exe sent data to a storage service never seen before.", "T1567.002", 9, ""},
	{CarbonBlack, "beacon", "BEACON", "MsEdgeUpd.exe calls a known command and control address.", "T1071.001", 5, ""},
	{CarbonBlack, "logs", "CLEAR_EVENT_LOG", "wevtutil.exe cleared the Security log.", "T1070.001", 7, ""},
	{CarbonBlack, "discovery", "ENUMERATE_PROCESSES", "net.exe listed the domain's administrators.", "T1087.002", 4, ""},
	{CarbonBlack, "shadow", "DELETE_SHADOW_COPY", "vssadmin.exe deleted shadow copies.", "T1490", 8, ""},
	{CarbonBlack, "script", "RUN_SYSTEM_UTILITY", "A script ran a system utility.", "T1059.003", 3, ""},
	{CarbonBlack, "admin", "RUN_ANOTHER_APP", "An administration tool was used.", "T1082", 2, ""},
	{CarbonBlack, "pup", "DETECTED_PUP_APP", "A potentially unwanted program was started.", "T1204.002", 1, ""},
	{CarbonBlack, "hostile", "ODD_FILE_NAME", "Odd file name " + hostileName, "T1036.005", 1, ""},

	// Gene: rule names as its rule authors spell them.
	{Gene, "office", "SuspOfficeChild", "Office program started a script host.", "T1204.002", 7, ""},
	{Gene, "psenc", "PowershellEncoded", "PowerShell with an encoded command.", "T1059.001", 8, ""},
	{Gene, "lsass", "HeurLsassAccess", "Suspicious access right on lsass.", "T1003.001", 10, ""},
	{Gene, "comsvcs", "ComsvcsMiniDump", "comsvcs.dll used to write a process dump.", "T1003.001", 10, ""},
	{Gene, "rundll", "RundllUserDir", "rundll32 loaded a library from a folder anyone can write.", "T1218.011", 8, ""},
	{Gene, "mshta", "MshtaRemote", "mshta fetched its script from the network.", "T1218.005", 9, ""},
	{Gene, "runkey", "NewRunKey", "Run key set.", "T1547.001", 6, ""},
	{Gene, "task", "NewScheduledTask", "Scheduled task made on the command line.", "T1053.005", 6, ""},
	{Gene, "beacon", "BeaconLike", "Regular connections to one address.", "T1071.001", 5, ""},
	{Gene, "dnstun", "DnsTunnel", "Long random names below one domain.", "T1071.004", 7, ""},
	{Gene, "inject", "RemoteThreadForeign", "A thread was started in another process.", "T1055.001", 8, ""},
	{Gene, "unsigned", "UnsignedModule", "An unsigned library was loaded by a signed program.", "T1036.005", 4, ""},
	{Gene, "discovery", "DomainDiscovery", "Domain groups listed.", "T1087.002", 3, ""},
	{Gene, "newexe", "NewExeInUserDir", "Executable written below a profile.", "T1105", 2, ""},
	{Gene, "info", "InfoRemoteSession", "A remote session began.", "T1021.002", 0, ""},
	{Gene, "hostile", "OddName " + hostileName, "File name with control characters.", "T1036.005", 1, ""},

	// ESP: labels instead of numbers.
	{ESP, "curlsh", "suspicious curl | sh", "A download was piped into a shell.", "T1059.004", 5, "WARNING"},
	{ESP, "sshkey", "new ssh authorized key", "authorized_keys of root was changed.", "T1098.004", 9, "CRITICAL"},
	{ESP, "sshlat", "ssh from a workstation", "A workstation logged on to a build machine.", "T1021.004", 5, "WARNING"},
	{ESP, "shadow", "read of /etc/shadow", "A process that is no login service read /etc/shadow.", "T1003.008", 9, "CRITICAL"},
	{ESP, "cron", "cron entry by a shell", "A shell wrote into /etc/cron.d.", "T1053.003", 5, "WARNING"},
	{ESP, "privkey", "private keys collected", "Private keys were read by tar.", "T1552.004", 9, "CRITICAL"},
	{ESP, "dnsexf", "data in dns names", "Long names below one domain.", "T1048.003", 9, "CRITICAL"},
	{ESP, "wmi", "wmi remote execution", "wmiprvse.exe started a shell.", "T1047", 5, "WARNING"},
	{ESP, "svc", "new windows service", "A service was made from a user's folder.", "T1543.003", 5, "WARNING"},
	{ESP, "scan", "port scan from inside", "Many ports of one network were tried.", "T1046", 3, "LOW"},
	{ESP, "intel", "threat intel match", "An address is on a list.", "T1071.001", 3, "LOW"},
	{ESP, "sudo", "sudo to root", "A person became root.", "T1082", 1, "INFO"},
	{ESP, "hostile", "odd file name " + hostileName, "A file name holds control characters.", "T1036.005", 1, "INFO"},
}

func (b *builder) buildRules() {
	b.rules = make(map[string]*Rule, len(ruleSpecs))
	list := make([]Rule, len(ruleSpecs))
	espID := 100
	for i, sp := range ruleSpecs {
		t := techniques[sp.technique]
		r := &list[i]
		*r = Rule{
			N: i + 1, Name: sp.name, Description: sp.description, Backend: sp.backend,
			Technique: sp.technique, TechniqueName: t[0], Tactic: t[1],
			Score: sp.score, Severity: sp.severity,
		}
		switch sp.backend {
		case CWatch:
			r.ID = guidOf("rule " + sp.backend + sp.key) // adaptive event type: a GUID
		case ESP:
			r.ID = strconv.Itoa(espID)
			espID++
		default:
			r.ID = sp.name
		}
		if r.Severity == "" {
			r.Severity = label(sp.score)
		}
		b.rules[sp.backend+"/"+sp.key] = r
		b.s.Rules = append(b.s.Rules, r)
	}
}

// label is the closest of ESP's words to a number.
func label(score int) string {
	switch {
	case score <= 1:
		return "INFO"
	case score <= 3:
		return "LOW"
	case score <= 7:
		return "WARNING"
	}
	return "CRITICAL"
}
