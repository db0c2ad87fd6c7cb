package wire

import (
	"strings"

	"github.com/edrctl/edrctl/internal/client/jsonwalk"
)

// EventReader reads events without reflection: lists hold hundreds of
// thousands of them, and most of their strings (types, names, paths, hashes,
// reputations) come again and again. It means exactly what decode means; a
// test and a fuzz target hold the two together. It is not safe for use by
// several goroutines.
type EventReader struct {
	w     jsonwalk.Walker
	buf   []byte
	known map[string]string
}

const (
	internMost = 8192 // strings kept to be shared
	internLen  = 160  // longer ones seldom come twice
)

// members calls f with the name of each member of an object; f must take the
// value. It reports false after skipping something that is no object.
func (r *EventReader) members(f func(name []byte)) bool {
	if !r.w.Enter('{') {
		r.w.Skip()
		return false
	}
	for first := true; r.w.Next('}', &first); {
		f(r.w.Key())
	}
	return r.w.Err() == nil
}

func (r *EventReader) text() Text {
	switch c := r.w.Peek(); {
	case c == '"':
		r.buf = r.w.AppendString(r.buf[:0])
		return r.share()
	case c == '-' || c >= '0' && c <= '9':
		return Text(r.w.Raw())
	}
	r.w.Skip()
	return ""
}

// exact reads a text whose blanks are part of it.
func (r *EventReader) exact() Exact {
	if r.w.Peek() != '"' {
		return Exact(r.text())
	}
	r.buf = r.w.AppendString(r.buf[:0])
	return exactly(r.shared())
}

func (r *EventReader) share() Text { return Text(strings.TrimSpace(r.shared())) }

// shared gives what is in the buffer, a short one that was seen before
// without a copy.
func (r *EventReader) shared() string {
	if len(r.buf) > internLen {
		return string(r.buf)
	}
	if s, ok := r.known[string(r.buf)]; ok {
		return s
	}
	if r.known == nil || len(r.known) >= internMost {
		r.known = make(map[string]string, 512)
	}
	s := string(r.buf)
	r.known[s] = s
	return s
}

func (r *EventReader) whole() (out Int) {
	switch c := r.w.Peek(); {
	case c == '-' || c >= '0' && c <= '9':
		if raw := r.w.Raw(); len(raw) < 19 {
			if n, ok := smallInt(raw); ok {
				return Int{n, true}
			}
			out.N, out.Set = parseInt(string(raw))
		} else {
			out.N, out.Set = parseInt(string(raw))
		}
	case c == '"':
		r.buf = r.w.AppendString(r.buf[:0])
		out.N, out.Set = parseInt(strings.TrimSpace(string(r.buf)))
	default:
		r.w.Skip()
	}
	return out
}

// smallInt reads up to 18 digits.
func smallInt(b []byte) (n int64, ok bool) {
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, len(b) > 0
}

func (r *EventReader) texts() (out Texts) {
	switch r.w.Peek() {
	case '"':
		if t := r.text(); t != "" {
			out = Texts{string(t)}
		}
	case '[':
		if !r.w.Enter('[') {
			return nil
		}
		for first := true; r.w.Next(']', &first); {
			if t := r.text(); t != "" {
				out = append(out, string(t))
			}
		}
	default:
		r.w.Skip()
	}
	return out
}

// Event reads one event.
func (r *EventReader) Event(b []byte, e *Event) error {
	r.w.Reset(b)
	if r.w.Peek() != '{' {
		r.w.Fail("an object was expected")
		return r.w.Err()
	}
	r.members(func(name []byte) {
		switch string(name) {
		case "eventId":
			e.EventID = r.text()
		case "eventTime":
			e.EventTime = r.whole()
		case "createTime":
			e.CreateTime = r.whole()
		case "eventType":
			e.EventType = r.text()
		case "shortDescription":
			e.ShortDescription = r.text()
		case "longDescription":
			e.LongDescription = r.text()
		case "threatIndicators":
			e.ThreatIndicators = r.texts()
		case "attackStage":
			e.AttackStage = r.text()
		case "killChainStatus":
			e.KillChainStatus = r.text()
		case "alertScore":
			e.AlertScore = r.whole()
		case "threatScore":
			e.ThreatScore = r.whole()
		case "alertCategory":
			e.AlertCategory = r.text()
		case "incidentId":
			e.IncidentID = r.text()
		case "registryValue":
			e.RegistryValue = r.exact()
		case "processDetails":
			e.ProcessDetails.V = r.details()
		case "selectedApp":
			e.SelectedApp.V = r.app()
		case "parentApp":
			e.ParentApp.V = r.app()
		case "targetApp":
			e.TargetApp.V = r.app()
		case "processHash":
			e.ProcessHash.V = r.app()
		case "parentHash":
			e.ParentHash.V = r.app()
		case "targetHash":
			e.TargetHash.V = r.app()
		case "netFlow":
			e.NetFlow.V = r.flow()
		case "deviceDetails":
			e.DeviceDetails.V = r.seenOn()
		default:
			r.w.Skip()
		}
	})
	return r.w.Err()
}

// Head reads what tells whether an event belongs to an alert.
func (r *EventReader) Head(b []byte, e *EventHead) error {
	r.w.Reset(b)
	if r.w.Peek() != '{' {
		r.w.Fail("an object was expected")
		return r.w.Err()
	}
	r.members(func(name []byte) {
		switch string(name) {
		case "eventId":
			e.EventID = r.text()
		case "eventTime":
			e.EventTime = r.whole()
		case "incidentId":
			e.IncidentID = r.text()
		case "alertScore":
			e.AlertScore = r.whole()
		default:
			r.w.Skip()
		}
	})
	return r.w.Err()
}

func (r *EventReader) details() *ProcessDetails {
	var d ProcessDetails
	if !r.members(func(name []byte) {
		switch string(name) {
		case "userName":
			d.UserName = r.text()
		case "fullUserName":
			d.FullUserName = r.text()
		case "processId":
			d.ProcessID = r.whole()
		case "privatePid":
			d.PrivatePID = r.text()
		case "name":
			d.Name = r.exact()
		case "commandLine":
			d.CommandLine = r.exact()
		case "milisSinceProcessStart":
			d.MilisSinceProcessStart = r.whole()
		case "parentPid":
			d.ParentPID = r.whole()
		case "parentPrivatePid":
			d.ParentPrivatePID = r.text()
		case "parentName":
			d.ParentName = r.exact()
		case "parentCommandLine":
			d.ParentCommandLine = r.exact()
		case "targetPid":
			d.TargetPID = r.whole()
		case "targetPrivatePid":
			d.TargetPrivatePID = r.text()
		case "targetName":
			d.TargetName = r.exact()
		case "targetCommandLine":
			d.TargetCommandLine = r.exact()
		default:
			r.w.Skip()
		}
	}) {
		return nil
	}
	return &d
}

func (r *EventReader) app() *App {
	var a App
	if !r.members(func(name []byte) {
		switch string(name) {
		case "applicationName":
			a.ApplicationName = r.exact()
		case "applicationPath":
			a.ApplicationPath = r.exact()
		case "sha256Hash":
			a.SHA256Hash = r.text()
		case "md5Hash":
			a.MD5Hash = r.text()
		case "reputationProperty":
			a.ReputationProperty = r.text()
		case "effectiveReputation":
			a.EffectiveReputation = r.text()
		default:
			r.w.Skip()
		}
	}) {
		return nil
	}
	return &a
}

func (r *EventReader) flow() *NetFlow {
	var n NetFlow
	if !r.members(func(name []byte) {
		switch string(name) {
		case "sourceAddress":
			n.SourceAddress = r.text()
		case "sourcePort":
			n.SourcePort = r.whole()
		case "destAddress":
			n.DestAddress = r.text()
		case "destPort":
			n.DestPort = r.whole()
		case "peerIpAddress":
			n.PeerIPAddress = r.text()
		case "peerIpV4Address":
			n.PeerIPV4Address = r.text()
		case "peerFqdn":
			n.PeerFQDN = r.text()
		case "service":
			n.Service = r.text()
		default:
			r.w.Skip()
		}
	}) {
		return nil
	}
	return &n
}

func (r *EventReader) seenOn() *EventDevice {
	var s EventDevice
	if !r.members(func(name []byte) {
		switch string(name) {
		case "deviceId":
			s.DeviceID = r.whole()
		case "deviceName":
			s.DeviceName = r.text()
		case "deviceHostName":
			s.DeviceHostName = r.text()
		case "deviceType":
			s.DeviceType = r.text()
		case "deviceVersion":
			s.DeviceVersion = r.text()
		case "deviceIpAddress":
			s.DeviceIPAddress = r.text()
		case "deviceIpV4Address":
			s.DeviceIPV4Address = r.text()
		case "internalIpAddress":
			s.InternalIPAddress = r.text()
		case "externalIpAddress":
			s.ExternalIPAddress = r.text()
		case "loginUserName":
			s.LoginUserName = r.text()
		case "deviceOwnerName":
			s.DeviceOwnerName = r.text()
		case "email":
			s.Email = r.text()
		case "policyId":
			s.PolicyID = r.text()
		case "policyName":
			s.PolicyName = r.text()
		case "groupName":
			s.GroupName = r.text()
		case "targetPriorityType":
			s.TargetPriorityType = r.text()
		case "agentLocation":
			s.AgentLocation = r.text()
		default:
			r.w.Skip()
		}
	}) {
		return nil
	}
	return &s
}
