package winlog

import (
	"encoding/binary"
	"net/netip"
	"strconv"

	"github.com/edrctl/edrctl/internal/model"
)

// Records of the kernel's own traces. The process that logged a record is the
// one that acted; agents that know more of it add Image, ProcessName or User.

func (m *mapper) kernelActor() {
	m.usual()
	if m.process.PID == 0 {
		m.process.PID = m.PID
	}
}

func (m *mapper) kernelFile() {
	m.kernelActor()
	path := m.Get("FileName", "FilePath")
	f := m.file(path)
	if f == nil {
		return
	}
	switch m.EventID {
	case 12: // opened: the highest byte of the options is the disposition
		if options := m.Get("CreateOptions"); options != "" {
			switch number(options) >> 24 {
			case 1: // FILE_OPEN: it was there
				m.e.Kind = model.KindFileRead
			case 4, 5: // overwritten
				m.e.Kind = model.KindFileWrite
			}
		}
	case 19, 27:
		if to := m.Get("NewFileName", "NewName", "FilePath"); to != "" && to != path {
			f.OldPath, f.Path, f.Name = path, to, model.BaseName(to)
		}
	}
	m.say(f.Path)
}

func (m *mapper) kernelProcessStart() {
	m.setUser(model.SplitUser(m.Get("User")))
	p, q := &m.process, &m.parent
	p.PID = m.Number("ProcessID")
	p.Path = m.Get("ImageName")
	p.CommandLine = m.Get("CommandLine")
	p.Started = m.e.Time
	q.PID = m.Number("ParentProcessID")
	q.Path = m.Get("ParentImage")
	if m.e.Summary = p.CommandLine; m.e.Summary == "" {
		m.e.Summary = p.Path
	}
}

func (m *mapper) kernelProcessEnd() {
	m.kernelProcessStart()
	m.parent = model.ParentProcess{}
	m.process.Started, m.process.Ended = model.Time{}, m.e.Time
}

func (m *mapper) kernelImage() {
	m.kernelActor()
	m.process.PID = m.Number("ProcessID")
	if path := m.Get("ImageName"); path != "" {
		m.e.Module = &model.Module{Path: path}
		m.e.Summary = path
	}
}

// kernelNetwork: addresses are text, or a number in network order that was
// read as a little-endian one.
func (m *mapper) kernelNetwork() {
	m.kernelActor()
	if pid := m.Number("PID"); pid != 0 {
		m.process.PID = pid
	}
	n := &model.Network{Transport: "tcp", Direction: "egress"}
	if m.EventID >= 42 {
		n.Transport = "udp"
	}
	src := end(traceAddress(m.Get("saddr")), m.Number("sport"), "")
	dst := end(traceAddress(m.Get("daddr")), m.Number("dport"), "")
	switch m.EventID {
	case 11, 15, 27, 31, 43, 59: // received, accepted: the other end is daddr
		n.Direction = "ingress"
		src, dst = dst, src
	}
	n.Source, n.Destination = src, dst
	m.e.Network = n
	m.say(endpointText(src), "→", endpointText(dst))
}

func traceAddress(s string) string {
	if n, err := strconv.ParseUint(s, 10, 32); err == nil {
		var b [4]byte
		binary.LittleEndian.PutUint32(b[:], uint32(n))
		return address(netip.AddrFrom4(b).String())
	}
	return address(s)
}

// resolver is the DNS client: it logs from within the process that asks.
func (m *mapper) resolver() {
	m.execution()
	if who := m.Get("User"); who != "" {
		m.setUser(model.SplitUser(who))
	}
	if image := m.Get("Image"); image != "" {
		m.process.Path = image
	}
	m.dns()
}
