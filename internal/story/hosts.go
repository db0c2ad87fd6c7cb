package story

import (
	"fmt"
	"time"
)

// hostSpec is one machine of the made-up company, in the order of Host.N.
type hostSpec struct {
	name, user, os, version, platform, ip, policy string
	backends                                      []string
	tags                                          []string
	seen                                          time.Duration // before the anchor; over 15 minutes means offline
}

const (
	win10  = "Windows 10 Enterprise"
	win11  = "Windows 11 Enterprise"
	srv19  = "Windows Server 2019 Standard"
	srv22  = "Windows Server 2022 Standard"
	ubuntu = "Ubuntu 22.04"
	debian = "Debian 12"
	macos  = "macOS 15"
)

// The four fleets: people's laptops with cWatch, servers with Carbon Black,
// finance and engineering workstations with Gene, build and web machines with
// ESP. Two machines run two sensors: FIN-WS-014 and SRV-APP-03.
var fleet = []hostSpec{
	{"FIN-WS-014", "a.moreau", win10, "10.0.19045", "windows", "10.20.4.14", "Finance", []string{Gene, CWatch}, []string{"finance"}, 40 * time.Second},
	{"HR-LT-221", "k.ivanova", win11, "10.0.22631", "windows", "10.20.6.121", "Laptops", []string{CWatch}, []string{"hr"}, 20 * time.Second},
	{"HR-LT-224", "j.okafor", win11, "10.0.22631", "windows", "10.20.6.124", "Laptops", []string{CWatch}, []string{"hr"}, 90 * time.Second},
	{"HR-WS-207", "p.lindqvist", win10, "10.0.19045", "windows", "10.20.6.7", "Workstations", []string{CWatch}, []string{"hr"}, 26 * time.Hour},
	{"LEG-LT-031", "s.haddad", win11, "10.0.22631", "windows", "10.20.7.31", "Laptops", []string{CWatch}, []string{"legal"}, 3 * time.Minute},
	{"MKT-LT-118", "d.petrov", win11, "10.0.26100", "windows", "10.20.8.118", "Laptops", []string{CWatch}, []string{"marketing"}, 2 * time.Minute},
	{"MKT-WS-103", "l.garcia", win10, "10.0.19045", "windows", "10.20.8.3", "Workstations", []string{CWatch}, []string{"marketing"}, 9 * time.Hour},
	{"EXEC-LT-002", "m.bauer", win11, "10.0.26100", "windows", "10.20.2.2", "Executives", []string{CWatch}, []string{"vip"}, time.Minute},

	{"SRV-DB-02", "svc_sql", srv19, "10.0.17763", "windows", "10.20.1.32", "Servers", []string{CarbonBlack}, []string{"database"}, 40 * time.Second},
	{"SRV-DB-01", "svc_sql", srv19, "10.0.17763", "windows", "10.20.1.31", "Servers", []string{CarbonBlack}, []string{"database"}, 30 * time.Second},
	{"SRV-FS-01", "svc_backup", srv22, "10.0.20348", "windows", "10.20.1.11", "Servers", []string{CarbonBlack}, []string{"files"}, 50 * time.Second},
	{"SRV-DC-01", "svc_dc", srv22, "10.0.20348", "windows", "10.20.1.2", "Domain controllers", []string{CarbonBlack}, []string{"tier0"}, 15 * time.Second},
	{"SRV-APP-03", "svc_web", srv22, "10.0.20348", "windows", "10.20.1.43", "Servers", []string{CarbonBlack, ESP}, []string{"web", "production"}, 35 * time.Second},
	{"SRV-MX-01", "svc_mail", srv19, "10.0.17763", "windows", "10.20.1.25", "Servers", []string{CarbonBlack}, []string{"mail"}, 70 * time.Second},
	{"SRV-BKP-01", "svc_backup", srv19, "10.0.17763", "windows", "10.20.1.60", "Servers", []string{CarbonBlack}, []string{"backup"}, 2 * 24 * time.Hour},
	{"MAC-DES-05", "e.rossi", macos, "15.1", "darwin", "10.20.9.5", "Design", []string{CarbonBlack}, []string{"design"}, 4 * time.Minute},

	{"FIN-WS-011", "c.duval", win10, "10.0.19045", "windows", "10.20.4.11", "Finance", []string{Gene}, []string{"finance"}, 25 * time.Second},
	{"FIN-WS-022", "t.nakamura", win10, "10.0.19045", "windows", "10.20.4.22", "Finance", []string{Gene}, []string{"finance"}, 10 * time.Second},
	{"FIN-LT-008", "r.silva", win11, "10.0.22631", "windows", "10.20.4.108", "Finance", []string{Gene}, []string{"finance"}, 31 * time.Hour},
	{"ENG-WS-101", "h.virtanen", win11, "10.0.26100", "windows", "10.20.5.101", "Engineering", []string{Gene}, []string{"dev"}, 45 * time.Second},
	{"ENG-WS-107", "b.oconnor", win11, "10.0.26100", "windows", "10.20.5.107", "Engineering", []string{Gene}, []string{"dev"}, 12 * time.Second},
	{"SALES-LT-054", "n.fischer", win11, "10.0.22631", "windows", "10.20.3.54", "Sales", []string{Gene}, []string{"sales"}, 5 * time.Minute},

	{"build-07", "root", ubuntu, "22.04.5", "linux", "10.20.10.7", "linux-default", []string{ESP}, []string{"build"}, 18 * time.Second},
	{"build-08", "ci", ubuntu, "22.04.5", "linux", "10.20.10.8", "linux-default", []string{ESP}, []string{"build"}, 22 * time.Second},
	{"git-01", "git", debian, "12.8", "linux", "10.20.10.20", "linux-default", []string{ESP}, []string{"scm"}, 33 * time.Second},
	{"web-03", "www-data", debian, "12.8", "linux", "10.20.11.3", "linux-default", []string{ESP}, []string{"web"}, 48 * time.Second},
	{"db-pg-01", "postgres", ubuntu, "22.04.5", "linux", "10.20.11.12", "linux-default", []string{ESP}, []string{"database"}, 20 * time.Hour},
	{"WIN-JMP-01", "o.jensen", srv22, "10.0.20348", "windows", "10.20.10.99", "windows-default", []string{ESP}, []string{"jump"}, 27 * time.Second},
}

func (b *builder) buildHosts() {
	b.hosts = make(map[string]*Host, len(fleet))
	for i, f := range fleet {
		r := newRng(streamOf(f.name))
		h := &Host{
			N: i + 1, Name: f.name, OS: f.os, OSVersion: f.version, Platform: f.platform,
			IP: f.ip, ExtIP: fmt.Sprintf("192.0.2.%d", 10+i%4), User: f.user, Policy: f.policy,
			MAC:      fmt.Sprintf("02:ed:%02x:%02x:%02x:%02x", r.intn(256), r.intn(256), r.intn(256), i+1),
			UUID:     guid(r.next(), r.next()),
			Online:   f.seen < 15*time.Minute,
			LastSeen: b.s.Anchor.Add(-f.seen), Tags: f.tags, Backends: f.backends,
		}
		if f.platform == "windows" {
			h.Domain = "CORP"
		}
		b.hosts[f.name] = h
		b.s.Hosts = append(b.s.Hosts, h)
	}
}
