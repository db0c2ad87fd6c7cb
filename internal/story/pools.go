package story

import "time"

// pool is a host's long-running, harmless processes: the actors of its noise
// and the roots of the intrusion's chains.
type pool struct {
	host   *Host
	by     map[string]*Process
	users  []*Process // programs people use
	system []*Process // services
	shell  *Process   // explorer.exe, or a login shell
}

const (
	microsoft = "Microsoft Windows"
	system32  = `C:\Windows\System32\`
	progFiles = `C:\Program Files\`
)

// poolSpec is one process of a pool; parent names an earlier one.
type poolSpec struct {
	key, parent string
	p           prog
	kind        byte // s service, u used by people, r neither
}

var windowsBase = []poolSpec{
	{"smss", "", prog{path: system32 + "smss.exe", user: "SYSTEM", signer: microsoft}, 'r'},
	{"wininit", "smss", prog{path: system32 + "wininit.exe", user: "SYSTEM", signer: microsoft}, 'r'},
	{"services", "wininit", prog{path: system32 + "services.exe", user: "SYSTEM", signer: microsoft}, 'r'},
	{"lsass", "wininit", prog{path: system32 + "lsass.exe", user: "SYSTEM", signer: microsoft, pid: 700}, 'r'},
	{"svchost", "services", prog{path: system32 + "svchost.exe", cmd: system32 + "svchost.exe -k netsvcs -p -s Schedule", user: "SYSTEM", signer: microsoft}, 's'},
	{"rpcss", "services", prog{path: system32 + "svchost.exe", cmd: system32 + "svchost.exe -k DcomLaunch -p", user: "SYSTEM", signer: microsoft}, 's'},
	{"dnscache", "services", prog{path: system32 + "svchost.exe", cmd: system32 + "svchost.exe -k NetworkService -p -s Dnscache", user: "NETWORK SERVICE", signer: microsoft}, 's'},
	{"spoolsv", "services", prog{path: system32 + "spoolsv.exe", user: "SYSTEM", signer: microsoft}, 's'},
	{"defender", "services", prog{path: `C:\ProgramData\Microsoft\Windows Defender\Platform\4.18.24090.11-0\MsMpEng.exe`, user: "SYSTEM", signer: microsoft}, 's'},
	{"wuauserv", "services", prog{path: system32 + "svchost.exe", cmd: system32 + "svchost.exe -k wusvcs -p -s WaaSMedicSvc", user: "SYSTEM", signer: microsoft}, 's'},
	{"winlogon", "smss", prog{path: system32 + "winlogon.exe", user: "SYSTEM", signer: microsoft}, 'r'},
}

var windowsDesk = []poolSpec{
	{"explorer", "winlogon", prog{path: `C:\Windows\explorer.exe`, signer: microsoft, pid: 4120}, 'u'},
	{"outlook", "explorer", prog{path: progFiles + `Microsoft Office\root\Office16\OUTLOOK.EXE`, signer: "Microsoft Corporation"}, 'u'},
	{"edge", "explorer", prog{path: `C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe`, cmd: `"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe" --profile-directory=Default`, signer: "Microsoft Corporation"}, 'u'},
	{"chrome", "explorer", prog{path: progFiles + `Google\Chrome\Application\chrome.exe`, signer: "Google LLC"}, 'u'},
	{"teams", "explorer", prog{path: progFiles + `WindowsApps\MSTeams_24295.605.3225.8804_x64__8wekyb3d8bbwe\ms-teams.exe`, signer: "Microsoft Corporation"}, 'u'},
	{"onedrive", "explorer", prog{path: progFiles + `Microsoft OneDrive\OneDrive.exe`, cmd: `"C:\Program Files\Microsoft OneDrive\OneDrive.exe" /background`, signer: "Microsoft Corporation"}, 'u'},
}

var windowsServer = []poolSpec{
	{"explorer", "winlogon", prog{path: `C:\Windows\explorer.exe`, user: "adm_vogel", signer: microsoft}, 'u'},
	{"mmc", "explorer", prog{path: system32 + "mmc.exe", cmd: system32 + `mmc.exe "C:\Windows\system32\services.msc"`, user: "adm_vogel", signer: microsoft, integ: "High"}, 'u'},
	{"wmiprvse", "rpcss", prog{path: system32 + `wbem\WmiPrvSE.exe`, cmd: system32 + `wbem\wmiprvse.exe -secured -Embedding`, user: "NETWORK SERVICE", signer: microsoft}, 's'},
	{"backupagent", "services", prog{path: progFiles + `Northvault\Agent\nvagent.exe`, user: "SYSTEM", signer: "Northvault Ltd"}, 's'},
}

var linuxBase = []poolSpec{
	{"systemd", "", prog{path: "/usr/lib/systemd/systemd", cmd: "/sbin/init splash", user: "root", signer: "dpkg", pid: 1}, 'r'},
	{"sshd", "systemd", prog{path: "/usr/sbin/sshd", cmd: "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups", user: "root", signer: "dpkg"}, 's'},
	{"cron", "systemd", prog{path: "/usr/sbin/cron", cmd: "/usr/sbin/cron -f -P", user: "root", signer: "dpkg"}, 's'},
	{"journald", "systemd", prog{path: "/usr/lib/systemd/systemd-journald", user: "root", signer: "dpkg"}, 's'},
	{"resolved", "systemd", prog{path: "/usr/lib/systemd/systemd-resolved", user: "systemd-resolve", signer: "dpkg"}, 's'},
	{"dockerd", "systemd", prog{path: "/usr/bin/dockerd", cmd: "/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock", user: "root", signer: "dpkg"}, 's'},
	{"login", "sshd", prog{path: "/usr/sbin/sshd", cmd: "sshd: deploy@pts/0", user: "deploy", signer: "dpkg"}, 'r'},
	{"bash", "login", prog{path: "/usr/bin/bash", cmd: "-bash", user: "deploy", signer: "dpkg"}, 'u'},
	{"runner", "systemd", prog{path: "/usr/bin/gitlab-runner", cmd: "/usr/bin/gitlab-runner run --config /etc/gitlab-runner/config.toml", user: "root", signer: "dpkg"}, 's'},
}

var macBase = []poolSpec{
	{"launchd", "", prog{path: "/sbin/launchd", user: "root", signer: "Apple", pid: 1}, 'r'},
	{"mdworker", "launchd", prog{path: "/System/Library/Frameworks/CoreServices.framework/Versions/A/Frameworks/Metadata.framework/Versions/A/Support/mdworker_shared", signer: "Apple"}, 's'},
	{"softwareupdated", "launchd", prog{path: "/System/Library/CoreServices/Software Update.app/Contents/Resources/softwareupdated", user: "root", signer: "Apple"}, 's'},
	{"safari", "launchd", prog{path: "/Applications/Safari.app/Contents/MacOS/Safari", signer: "Apple"}, 'u'},
	{"zsh", "launchd", prog{path: "/bin/zsh", cmd: "-zsh", signer: "Apple"}, 'u'},
	{"figma", "launchd", prog{path: "/Applications/Figma.app/Contents/MacOS/Figma", signer: "Figma, Inc."}, 'u'},
}

// extras are what makes a host different from its neighbours.
var extras = map[string][]poolSpec{
	"database": {{"sqlservr", "services", prog{path: progFiles + `Microsoft SQL Server\MSSQL15.MSSQLSERVER\MSSQL\Binn\sqlservr.exe`, cmd: `"C:\Program Files\Microsoft SQL Server\MSSQL15.MSSQLSERVER\MSSQL\Binn\sqlservr.exe" -sMSSQLSERVER`, signer: "Microsoft Corporation", integ: "High"}, 's'}},
	"web":      {{"w3wp", "services", prog{path: system32 + `inetsrv\w3wp.exe`, cmd: `c:\windows\system32\inetsrv\w3wp.exe -ap "OrderPortal" -v "v4.0"`, signer: microsoft, integ: "High"}, 's'}},
	"dev":      {{"code", "explorer", prog{path: progFiles + `Microsoft VS Code\Code.exe`, signer: "Microsoft Corporation"}, 'u'}},
	"build":    {{"make", "runner", prog{path: "/usr/bin/make", cmd: "make -j8 release", signer: "dpkg"}, 'u'}},
}

var linuxExtras = map[string][]poolSpec{
	"web":      {{"nginx", "systemd", prog{path: "/usr/sbin/nginx", cmd: "nginx: worker process", user: "www-data", signer: "dpkg"}, 's'}},
	"database": {{"postgres", "systemd", prog{path: "/usr/lib/postgresql/14/bin/postgres", cmd: "postgres: 14/main: checkpointer", user: "postgres", signer: "dpkg"}, 's'}},
	"scm":      {{"gitaly", "systemd", prog{path: "/usr/bin/gitaly", cmd: "/usr/bin/gitaly serve /etc/gitaly/config.toml", user: "git", signer: "dpkg"}, 's'}},
	"build":    extras["build"],
}

func (b *builder) buildPools() {
	b.s.pools = make([]pool, len(b.s.Hosts))
	for i, h := range b.s.Hosts {
		po := &b.s.pools[i]
		*po = pool{host: h, by: make(map[string]*Process, 20)}
		boot := b.mins(float64((5*24+i)*60) + float64(i*7))
		var sets [][]poolSpec
		more := extras
		switch {
		case h.Platform == "darwin":
			sets = [][]poolSpec{macBase}
		case h.Platform == "linux":
			sets, more = [][]poolSpec{linuxBase}, linuxExtras
		case h.OS == srv19 || h.OS == srv22:
			sets = [][]poolSpec{windowsBase, windowsServer}
		default:
			sets = [][]poolSpec{windowsBase, windowsDesk}
		}
		for _, t := range h.Tags {
			sets = append(sets, more[t])
		}
		at := boot // nothing starts before its parent
		for _, set := range sets {
			for _, sp := range set {
				p := b.spawn(h, po.by[sp.parent], at, sp.p)
				at = at.Add(900 * time.Millisecond)
				po.by[sp.key] = p
				switch sp.kind {
				case 's':
					po.system = append(po.system, p)
				case 'u':
					po.users = append(po.users, p)
				}
			}
		}
		po.shell = po.by["explorer"]
		if po.shell == nil {
			po.shell = po.by["bash"]
		}
		if po.shell == nil {
			po.shell = po.by["zsh"]
		}
	}
}

// proc gives a pool process of a host by its key.
func (b *builder) proc(host, key string) *Process {
	p := b.s.pools[b.hosts[host].N-1].by[key]
	if p == nil {
		panic("story: " + host + " runs no " + key)
	}
	return p
}
