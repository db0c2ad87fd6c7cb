package wire

import (
	"hash/maphash"
	"strings"

	"github.com/edrctl/edrctl/internal/client/jsonwalk"
)

// EventReader reads events without reflection: lists hold hundreds of
// thousands of them, and most of their strings (types, names, paths, hashes,
// reputations) come again and again. It means exactly what Decode means; a
// test and a fuzz target hold the two together. It is not safe for use by
// several goroutines.
type EventReader struct {
	w     *jsonwalk.Walker // where the event is read from
	own   jsonwalk.Walker
	buf   []byte
	seed  maphash.Seed
	known []knownString

	// The blocks of the event that was read last.
	details ProcessDetails
	apps    [6]App
	flow    NetFlow
	device  EventDevice
}

// knownString is a string as it was written, with its quotes, and its text.
type knownString struct{ written, text string }

const (
	knownMost = 4096 // strings remembered; a newer one takes the place of an older one
	knownLen  = 1024 // longer ones are not
)

// start steps into the event that w is on.
func (r *EventReader) start(w *jsonwalk.Walker) bool {
	r.w = w
	if w.Peek() != '{' {
		w.Fail("an object was expected")
	}
	return w.Enter('{')
}

// enter steps into an object; something else is skipped.
func (r *EventReader) enter() bool {
	if r.w.Enter('{') {
		return true
	}
	r.w.Skip()
	return false
}

func (r *EventReader) text() Text {
	switch c := r.w.Peek(); {
	case c == '"':
		return Text(strings.TrimSpace(r.str()))
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
	return exactly(r.str())
}

// str takes a string; one that was seen before is neither decoded nor copied.
func (r *EventReader) str() string {
	raw := r.w.Raw()
	if len(raw) > knownLen || len(raw) < 2 {
		return string(r.decode(raw))
	}
	if r.known == nil {
		r.known, r.seed = make([]knownString, knownMost), maphash.MakeSeed()
	}
	k := &r.known[maphash.Bytes(r.seed, raw)%knownMost]
	if k.written == string(raw) {
		return k.text
	}
	k.written = string(raw)
	k.text = k.written[1 : len(raw)-1]
	if text := r.decode(raw); string(text) != k.text {
		k.text = string(text)
	}
	return k.text
}

// decode gives the text of a string, valid until the next one.
func (r *EventReader) decode(raw []byte) []byte {
	var w jsonwalk.Walker
	w.Reset(raw)
	r.buf = w.AppendString(r.buf[:0])
	return r.buf
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
		out.N, out.Set = parseInt(strings.TrimSpace(r.str()))
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

// Event reads one event. Its blocks are valid until the next one is read.
func (r *EventReader) Event(b []byte, e *Event) error {
	r.own.Reset(b)
	r.Walk(&r.own, e)
	return r.own.Err()
}

// Walk reads the event that a walker is on.
func (r *EventReader) Walk(w *jsonwalk.Walker, e *Event) {
	*e = Event{}
	if !r.start(w) {
		return
	}
	for first := true; r.w.Next('}', &first); {
		switch string(r.w.Key()) {
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
			e.ProcessDetails.V = r.readDetails()
		case "selectedApp":
			e.SelectedApp.V = r.readApp(0)
		case "parentApp":
			e.ParentApp.V = r.readApp(1)
		case "targetApp":
			e.TargetApp.V = r.readApp(2)
		case "processHash":
			e.ProcessHash.V = r.readApp(3)
		case "parentHash":
			e.ParentHash.V = r.readApp(4)
		case "targetHash":
			e.TargetHash.V = r.readApp(5)
		case "netFlow":
			e.NetFlow.V = r.readFlow()
		case "deviceDetails":
			e.DeviceDetails.V = r.readDevice()
		default:
			r.w.Skip()
		}
	}
}

// Head reads what reports whether an event belongs to an alert.
func (r *EventReader) Head(b []byte, e *EventHead) error {
	r.own.Reset(b)
	r.WalkHead(&r.own, e)
	return r.own.Err()
}

// WalkHead reads the head of the event that a walker is on.
func (r *EventReader) WalkHead(w *jsonwalk.Walker, e *EventHead) {
	*e = EventHead{}
	if !r.start(w) {
		return
	}
	for first := true; r.w.Next('}', &first); {
		switch string(r.w.Key()) {
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
	}
}

func (r *EventReader) readDetails() *ProcessDetails {
	if !r.enter() {
		return nil
	}
	d := &r.details
	*d = ProcessDetails{}
	for first := true; r.w.Next('}', &first); {
		switch string(r.w.Key()) {
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
	}
	return d
}

func (r *EventReader) readApp(i int) *App {
	if !r.enter() {
		return nil
	}
	a := &r.apps[i]
	*a = App{}
	for first := true; r.w.Next('}', &first); {
		switch string(r.w.Key()) {
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
	}
	return a
}

func (r *EventReader) readFlow() *NetFlow {
	if !r.enter() {
		return nil
	}
	n := &r.flow
	*n = NetFlow{}
	for first := true; r.w.Next('}', &first); {
		switch string(r.w.Key()) {
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
	}
	return n
}

func (r *EventReader) readDevice() *EventDevice {
	if !r.enter() {
		return nil
	}
	s := &r.device
	*s = EventDevice{}
	for first := true; r.w.Next('}', &first); {
		switch string(r.w.Key()) {
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
	}
	return s
}
