package story

import (
	"iter"
	"slices"
	"strconv"
	"time"
)

// recorded says which kinds each product records at all. Events of other
// kinds on its hosts are not part of what it saw.
var recorded = map[string][]string{
	CWatch: {"process_start", "network_listen", "network_connect", "registry_set", "registry_delete", "file_write",
		"file_delete", "file_download", "file_copy", "device_access", "hook", "process_access", "process_inject"},
	CarbonBlack: {"process_start", "process_access", "process_inject", "file_create", "file_read", "network_connect",
		"network_listen", "registry_set", "registry_create", "registry_delete", "api_call", "hook", "device_access"},
	Gene: {"process_start", "process_end", "process_access", "process_inject", "file_create", "file_write", "file_delete",
		"network_connect", "dns_query", "registry_set", "registry_create", "registry_delete", "module_load", "device_access"},
	ESP: {"process_start", "process_end", "process_access", "process_inject", "file_create", "file_write", "file_delete",
		"network_connect", "network_listen", "dns_query", "registry_set", "registry_create", "registry_delete", "module_load"},
}

// Kinds lists the event kinds a backend records.
func Kinds(backend string) []string { return recorded[backend] }

// Sees tells whether backend recorded e: it watches the host and records the kind.
func Sees(backend string, e *Event) bool {
	return e.Host.On(backend) && slices.Contains(recorded[backend], e.Kind)
}

// noisePerBackend makes about 2,000 events in all at scale 1, the intrusion included.
const noisePerBackend = 430

// firstNoise keeps the numbers of noise clear of the told events'. They stay
// dense: a mapping may index by them.
const firstNoise = 10_000

// NoiseCount is how many noise events one backend has; it grows with Scale.
func (s *Story) NoiseCount() int { return noisePerBackend * s.Scale }

// EventSeq gives what Events gives, one at a time and without keeping any:
// the way to go through a large scale in constant memory.
func (s *Story) EventSeq(backend string) iter.Seq[*Event] {
	return func(yield func(*Event) bool) {
		told := s.events
		n := s.newNoise(backend)
		next := n.at(0)
		for _, e := range told {
			if !Sees(backend, e) {
				continue
			}
			for next != nil && next.Time.Before(e.Time) {
				if !yield(next) {
					return
				}
				next = n.at(next.N - n.first + 1)
			}
			if !yield(e) {
				return
			}
		}
		for next != nil {
			if !yield(next) {
				return
			}
			next = n.at(next.N - n.first + 1)
		}
	}
}

// noise is the harmless traffic of one backend's fleet: event i is computed
// from i alone.
type noise struct {
	s       *Story
	backend string
	stream  uint64
	first   int
	count   int
	begin   time.Time
	step    time.Duration
	pools   []*pool
	images  map[string]image
	slab    []Event
}

func (s *Story) newNoise(backend string) *noise {
	n := &noise{s: s, backend: backend, stream: streamOf("noise " + backend), count: s.NoiseCount(), images: map[string]image{}}
	at := slices.Index([]string{CWatch, CarbonBlack, Gene, ESP}, backend)
	if at < 0 {
		n.count = 0
		return n
	}
	n.first = firstNoise + at*n.count
	n.begin = s.Anchor.Add(-span)
	n.step = span / time.Duration(max(n.count, 1))
	for i := range s.pools {
		if s.pools[i].host.On(backend) {
			n.pools = append(n.pools, &s.pools[i])
		}
	}
	return n
}

func (n *noise) image(name string) image {
	i, ok := n.images[name]
	if !ok {
		if len(n.images) > 4096 {
			clear(n.images)
		}
		i = imageOf(name)
		n.images[name] = i
	}
	return i
}

// at computes event i, nil past the end.
func (n *noise) at(i int) *Event {
	if i >= n.count {
		return nil
	}
	r := newRng(n.stream, uint64(i))
	at := n.begin.Add(time.Duration(i)*n.step + time.Duration(r.intn(int(max(n.step*9/10, 1))))).Truncate(time.Millisecond)
	h := r.intn(len(n.pools))
	po := n.pools[h]
	for !po.host.Online && po.host.LastSeen.Before(at) { // a machine that is off does not chatter: its neighbour does
		h = (h + 1) % len(n.pools)
		po = n.pools[h]
	}
	if len(n.slab) == 0 {
		n.slab = make([]Event, 32)
	}
	e := &n.slab[0]
	n.slab = n.slab[1:]
	e.N, e.Host, e.Time = n.first+i, po.host, at
	n.fill(e, po, r)
	return e
}

var (
	peers = []struct {
		ip     string
		domain string
		port   int
	}{
		{"192.0.2.80", "update.software.example", 443}, {"192.0.2.81", "www.news.example", 443}, {"192.0.2.82", "cdn.fonts.example", 443},
		{"192.0.2.83", "mail.corp.example", 993}, {"10.20.1.2", "srv-dc-01.corp.example", 389}, {"10.20.1.11", "srv-fs-01.corp.example", 445},
		{"192.0.2.84", "meet.teams.example", 443}, {"192.0.2.85", "registry.packages.example", 443}, {"10.20.10.20", "git-01.corp.example", 22},
		{"10.20.1.32", "srv-db-02.corp.example", 1433}, {"192.0.2.123", "time.clock.example", 123}, {"192.0.2.90", "storage.photos.example", 443},
	}
	winChildren = []prog{
		{path: system32 + "conhost.exe", cmd: `\??\C:\Windows\system32\conhost.exe 0x4`, signer: microsoft},
		{path: system32 + "backgroundTaskHost.exe", cmd: `"C:\Windows\system32\backgroundTaskHost.exe" -ServerName:App.AppXmtcan0h2tfbfy7k9kn8hbxb6dmzz1zh0.mca`, signer: microsoft},
		{path: `C:\Program Files (x86)\Google\Update\GoogleUpdate.exe`, cmd: `"C:\Program Files (x86)\Google\Update\GoogleUpdate.exe" /ua /installsource scheduler`, signer: "Google LLC"},
		{path: system32 + "taskhostw.exe", cmd: "taskhostw.exe Install $(Arg0)", signer: microsoft},
		{path: system32 + "WerFault.exe", cmd: system32 + "WerFault.exe -u -p 6120 -s 1044", signer: microsoft},
		{path: progFiles + `Git\cmd\git.exe`, cmd: "git fetch --prune origin", signer: "Johannes Schindelin"},
		{path: progFiles + `Adobe\Acrobat DC\Acrobat\Acrobat.exe`, cmd: `"C:\Program Files\Adobe\Acrobat DC\Acrobat\Acrobat.exe" "C:\Users\Public\Documents\Minutes.pdf"`, signer: "Adobe Inc."},
		{path: progFiles + `Microsoft Office\root\Office16\EXCEL.EXE`, cmd: `"C:\Program Files\Microsoft Office\root\Office16\EXCEL.EXE" "\\SRV-FS-01\finance$\2026\budget.xlsx"`, signer: "Microsoft Corporation"},
		{path: system32 + "gpupdate.exe", cmd: "gpupdate /target:computer", signer: microsoft},
	}
	nixChildren = []prog{
		{path: "/usr/bin/dash", cmd: "/bin/sh -c command -v debian-sa1 > /dev/null && debian-sa1 1 1", signer: "dpkg"},
		{path: "/usr/bin/python3.10", cmd: "python3 -m pytest -q tests/", signer: "dpkg"},
		{path: "/usr/bin/git", cmd: "git clone --depth 1 ssh://git@git-01/platform/api.git", signer: "dpkg"},
		{path: "/usr/bin/gcc-11", cmd: "cc -O2 -c -o build/parser.o src/parser.c", signer: "dpkg"},
		{path: "/usr/bin/apt-get", cmd: "apt-get -qq update", signer: "dpkg"},
		{path: "/usr/bin/docker", cmd: "docker build -t registry.packages.example/api:latest .", signer: "dpkg"},
		{path: "/usr/sbin/logrotate", cmd: "/usr/sbin/logrotate /etc/logrotate.conf", signer: "dpkg"},
		{path: "/usr/bin/node", cmd: "node ./node_modules/.bin/webpack --mode production", signer: "dpkg"},
	}
	macChildren = []prog{
		{path: "/usr/libexec/trustd", signer: "Apple"},
		{path: "/usr/bin/mdfind", cmd: "mdfind -name moodboard", signer: "Apple"},
		{path: "/usr/sbin/softwareupdate", cmd: "softwareupdate --list", signer: "Apple"},
		{path: "/Applications/Figma.app/Contents/Frameworks/Figma Helper.app/Contents/MacOS/Figma Helper", signer: "Figma, Inc."},
	}
	macFiles = []string{"/Users/%u/Library/Caches/com.apple.Safari/%n.db", "/Users/%u/Documents/poster-%n.fig", "/private/var/folders/zz/%n/T/tmp", "/Users/%u/Downloads/brief-%n.pdf"}
	winFiles = []string{
		`C:\Users\%u\AppData\Local\Temp\~DF%n.tmp`, `C:\Users\%u\Documents\notes-%n.docx`, `C:\Windows\SoftwareDistribution\Download\%n\cab.tmp`,
		`C:\Users\%u\AppData\Local\Microsoft\Edge\User Data\Default\Cache\f_%n`, `C:\ProgramData\Microsoft\Windows Defender\Scans\mpcache-%n.bin`, `C:\Users\%u\Downloads\report-%n.pdf`,
	}
	nixFiles = []string{"/var/log/journal/%n.journal", "/tmp/go-build%n/b001/exe", "/home/deploy/src/build/obj-%n.o", "/var/lib/apt/lists/partial/%n", "/srv/builds/%n/artifact.tar.gz", "/var/lib/docker/overlay2/%n/diff"}
	winKeys  = [][3]string{
		{`HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update`, "LastCheckTime", "0x67405a11"},
		{`HKCU\Software\Microsoft\Office\16.0\Common\Identity`, "SignedInAt", "1"},
		{`HKCU\Software\Microsoft\Windows\CurrentVersion\Explorer\RecentDocs`, "MRUListEx", "05 00 00 00"},
		{`HKLM\SYSTEM\CurrentControlSet\Services\bam\State\UserSettings`, "SequenceNumber", "0x0000012a"},
		{`HKLM\SOFTWARE\Microsoft\Windows Defender\Signature Updates`, "SignaturesLastUpdated", "0x01db3c5e"},
	}
	winModules = []string{system32 + "kernel32.dll", system32 + "ntdll.dll", system32 + "crypt32.dll", system32 + "winhttp.dll", progFiles + `Microsoft Office\root\Office16\mso.dll`, system32 + `drivers\tcpip.sys`}
	nixModules = []string{"/usr/lib/x86_64-linux-gnu/libssl.so.3", "/usr/lib/x86_64-linux-gnu/libc.so.6", "/usr/lib/x86_64-linux-gnu/libpq.so.5.14"}
)

// share is how common a kind is among the noise, in parts of the sum.
var share = map[string]int{
	"process_start": 26, "process_end": 10, "network_connect": 22, "dns_query": 14, "file_create": 9, "file_write": 9,
	"file_read": 6, "file_delete": 5, "file_download": 3, "file_copy": 2, "registry_set": 8, "registry_create": 2,
	"registry_delete": 2, "module_load": 8, "network_listen": 2, "device_access": 2, "hook": 1, "process_access": 3,
	"api_call": 3, "process_inject": 1,
}

func (n *noise) kind(windows bool, r *rng) string {
	list := recorded[n.backend]
	usable := func(k string) bool {
		if windows {
			return true
		}
		switch k {
		case "registry_set", "registry_create", "registry_delete", "process_access", "process_inject", "hook", "device_access":
			return false
		case "module_load": // osquery has no image loads outside Windows
			return false
		}
		return true
	}
	sum := 0
	for _, k := range list {
		if usable(k) {
			sum += share[k]
		}
	}
	v := r.intn(sum)
	for _, k := range list {
		if !usable(k) {
			continue
		}
		if v -= share[k]; v < 0 {
			return k
		}
	}
	return "process_start"
}

func (n *noise) fill(e *Event, po *pool, r *rng) {
	windows := po.host.Platform == "windows"
	e.Kind = n.kind(windows, r)
	e.Process = pick(r, po.system)
	if len(po.users) > 0 && r.intn(3) > 0 {
		e.Process = pick(r, po.users)
	}
	switch e.Kind {
	case "process_start", "process_end":
		list := byPlatform(po.host, winChildren, nixChildren, macChildren)
		c := pick(r, list)
		img := n.image(c.path)
		child := &Process{
			N: e.N, Host: po.host, GUID: guid(r.next(), r.next()), PID: 4 * (200 + r.intn(8000)),
			Path: c.path, Name: base(c.path), CommandLine: c.cmd, Dir: dirOf(c.path), User: e.Process.User, Domain: e.Process.Domain,
			Started: e.Time, MD5: img.md5, SHA1: img.sha1, SHA256: img.sha256, Imphash: img.imphash,
			Integrity: e.Process.Integrity, Signed: true, Signer: c.signer, Verdict: "safe", Parent: e.Process,
		}
		if !windows {
			child.Imphash = ""
		}
		if e.Kind == "process_start" {
			e.Target = child
			return
		}
		child.Started, child.Ended = e.Time.Add(-time.Duration(1+r.intn(600))*time.Second), e.Time
		e.Process = child
	case "process_access", "process_inject", "api_call":
		e.Target, e.Access = pick(r, po.system), pick(r, []string{"0x1000", "0x1400", "0x1410"})
		if e.Kind == "process_inject" { // security products do this all day
			e.Process = pick(r, po.system)
		}
	case "file_create", "file_write", "file_read", "file_delete", "file_download", "file_copy":
		list := byPlatform(po.host, winFiles, nixFiles, macFiles)
		num := strconv.FormatUint(r.next()>>44, 16)
		e.FilePath = expand(pick(r, list), po.host.User, num)
		e.FileSize = int64(r.intn(4 << 20))
		img := n.image("file " + strconv.Itoa(r.intn(500)))
		e.FileMD5, e.FileSHA1, e.FileSHA256 = img.md5, img.sha1, img.sha256
		if e.Kind == "file_copy" {
			e.FileOldPath = `\\SRV-FS-01\public\` + base(e.FilePath)
		}
	case "network_connect":
		p := pick(r, peers)
		e.Direction, e.Transport, e.LocalIP, e.LocalPort = "egress", "tcp", po.host.IP, 49152+r.intn(16000)
		e.RemoteIP, e.RemotePort, e.RemoteDomain = p.ip, p.port, p.domain
		if p.port == 123 {
			e.Transport = "udp"
		}
	case "network_listen":
		e.Direction, e.Transport, e.LocalIP, e.LocalPort = "ingress", "tcp", "0.0.0.0", pick(r, []int{135, 445, 3389, 5985, 8080})
	case "dns_query":
		e.DNSName, e.DNSType = pick(r, peers).domain, pick(r, []string{"A", "A", "AAAA"})
	case "registry_set", "registry_create", "registry_delete":
		k := pick(r, winKeys)
		e.RegPath, e.RegValue = k[0], k[1]
		if e.Kind == "registry_set" {
			e.RegData = k[2]
		}
	case "module_load":
		list := winModules
		if !windows {
			list = nixModules
		}
		e.ModulePath = pick(r, list)
		e.ModuleSHA256 = n.image(e.ModulePath).sha256
	case "device_access":
		e.FilePath = pick(r, []string{`\Device\Harddisk0\DR0`, `\Device\Screen`, `\Device\Microphone`})
		if n.backend == Gene {
			e.FilePath = `\Device\HarddiskVolume3`
		}
	case "hook":
		e.ModulePath = progFiles + `Accessibility Tools\hook64.dll`
	}
}

func byPlatform[T any](h *Host, windows, linux, darwin T) T {
	switch h.Platform {
	case "windows":
		return windows
	case "darwin":
		return darwin
	}
	return linux
}

func expand(pattern, user, num string) string {
	out := make([]byte, 0, len(pattern)+24)
	for i := 0; i < len(pattern); i++ {
		if pattern[i] == '%' && i+1 < len(pattern) {
			switch pattern[i+1] {
			case 'u':
				out = append(out, user...)
				i++
				continue
			case 'n':
				out = append(out, num...)
				i++
				continue
			}
		}
		out = append(out, pattern[i])
	}
	return string(out)
}
