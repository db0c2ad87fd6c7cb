package gene

import (
	"crypto/sha1"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/edrctl/edrctl/internal/client/jsonwalk"
)

// field is a value of an event document that normalise.go looks at.
type field uint8

const (
	// System
	fChannel field = iota
	fComputer
	fEventID
	fTask
	fProvider
	fSystemTime
	// EdrData
	fEndpointUUID
	fEndpointHost
	fEventHash
	fReceiptTime
	// EventData, UserData
	fAncestors
	fCommandLine
	fCurrentDirectory
	fDestinationHostname
	fDestinationIP
	fDestinationPort
	fDetails
	fDevice
	fEventType
	fGrantedAccess
	fHash
	fHashes
	fImage
	fImageHashes
	fImageLoaded
	fInitiated
	fIntegrityLevel
	fNewName
	fParentCommandLine
	fParentImage
	fParentProcessGUID
	fParentProcessID
	fPipeName
	fPreviousCreation
	fProcessGUID
	fProcessID
	fProtocol
	fQueryName
	fQueryType
	fSigned
	fSize
	fSourceHashes
	fSourceHostname
	fSourceIP
	fSourceImage
	fSourcePort
	fSourceProcessGUID
	fSourceProcessID
	fSourceUser
	fSubjectDomain
	fSubjectUser
	fTargetFilename
	fTargetHashes
	fTargetImage
	fTargetObject
	fTargetProcessGUID
	fTargetProcessID
	fTargetUser
	fTargetUserName
	fTargetDomainName
	fThreatScore
	fUser
	fUtcTime
	nFields
)

// dataField tells which field a member of EventData or UserData is.
func dataField(key []byte) (field, bool) {
	switch string(key) {
	case "Ancestors":
		return fAncestors, true
	case "CommandLine":
		return fCommandLine, true
	case "CurrentDirectory":
		return fCurrentDirectory, true
	case "DestinationHostname":
		return fDestinationHostname, true
	case "DestinationIp":
		return fDestinationIP, true
	case "DestinationPort":
		return fDestinationPort, true
	case "Details":
		return fDetails, true
	case "Device":
		return fDevice, true
	case "EventType":
		return fEventType, true
	case "GrantedAccess":
		return fGrantedAccess, true
	case "Hash":
		return fHash, true
	case "Hashes":
		return fHashes, true
	case "Image":
		return fImage, true
	case "ImageHashes":
		return fImageHashes, true
	case "ImageLoaded":
		return fImageLoaded, true
	case "Initiated":
		return fInitiated, true
	case "IntegrityLevel":
		return fIntegrityLevel, true
	case "NewName":
		return fNewName, true
	case "ParentCommandLine":
		return fParentCommandLine, true
	case "ParentImage":
		return fParentImage, true
	case "ParentProcessGuid", "ParentProcessGUID":
		return fParentProcessGUID, true
	case "ParentProcessId":
		return fParentProcessID, true
	case "PipeName":
		return fPipeName, true
	case "PreviousCreationUtcTime":
		return fPreviousCreation, true
	case "ProcessGuid", "ProcessGUID":
		return fProcessGUID, true
	case "ProcessId":
		return fProcessID, true
	case "ProcessThreatScore":
		return fThreatScore, true
	case "Protocol":
		return fProtocol, true
	case "QueryName":
		return fQueryName, true
	case "QueryType":
		return fQueryType, true
	case "Signed":
		return fSigned, true
	case "FileSize", "TargetSize":
		return fSize, true
	case "SourceHashes":
		return fSourceHashes, true
	case "SourceHostname":
		return fSourceHostname, true
	case "SourceIp":
		return fSourceIP, true
	case "SourceImage":
		return fSourceImage, true
	case "SourcePort":
		return fSourcePort, true
	case "SourceProcessGUID", "SourceProcessGuid":
		return fSourceProcessGUID, true
	case "SourceProcessId":
		return fSourceProcessID, true
	case "SourceUser":
		return fSourceUser, true
	case "SubjectDomainName":
		return fSubjectDomain, true
	case "SubjectUserName":
		return fSubjectUser, true
	case "TargetFilename":
		return fTargetFilename, true
	case "TargetHashes":
		return fTargetHashes, true
	case "TargetImage":
		return fTargetImage, true
	case "TargetObject":
		return fTargetObject, true
	case "TargetProcessGUID", "TargetProcessGuid":
		return fTargetProcessGUID, true
	case "TargetProcessId":
		return fTargetProcessID, true
	case "TargetUser":
		return fTargetUser, true
	case "TargetUserName":
		return fTargetUserName, true
	case "TargetDomainName":
		return fTargetDomainName, true
	case "User":
		return fUser, true
	case "UtcTime":
		return fUtcTime, true
	}
	return 0, false
}

// span is a piece of the decoder's scratch buffer.
type span struct{ from, to int32 }

// attackSpan is one entry of ATTACK.
type attackSpan struct{ id, tactic, description span }

// decoder reads one event document of either format after the other
// (wire/gene.md 7). It walks the bytes once, collects the text of the members
// it knows in one buffer, and makes one string of it: an event costs a
// handful of allocations however many members it has.
type decoder struct {
	scratch  []byte
	fields   [nFields]span
	sigs     []span
	actions  []span
	attack   []attackSpan
	score    float64
	hasScore bool
	detected bool // GeneInfo or Detection is there
	raw      []byte
	text     string // scratch as a string, after finish
}

const noEvent = "an element of the answer is no event"

// walk takes one {"Event": {…}} at w. When w has no error afterwards, finish
// makes what was in it available.
func (d *decoder) walk(w *jsonwalk.Walker) {
	d.scratch = d.scratch[:0]
	d.fields = [nFields]span{}
	d.sigs, d.actions, d.attack = d.sigs[:0], d.actions[:0], d.attack[:0]
	d.score, d.hasScore, d.detected = 0, false, false
	w.Peek()
	from := w.Offset()
	if !w.Enter('{') {
		w.Fail(noEvent)
		return
	}
	found := false
	for first := true; w.Next('}', &first); {
		if key := w.Key(); string(key) == "Event" && w.Enter('{') {
			found = true
			d.event(w)
		} else {
			w.Skip()
		}
	}
	if w.Err() != nil {
		return
	}
	if !found {
		w.Fail(noEvent)
		return
	}
	d.raw = w.Since(from)
}

func (d *decoder) event(w *jsonwalk.Walker) {
	for first := true; w.Next('}', &first); {
		switch string(w.Key()) {
		case "System":
			d.system(w)
		case "EventData", "UserData":
			d.data(w, 0)
		case "GeneInfo", "Detection":
			d.detection(w)
		case "EdrData":
			d.edr(w)
		default:
			w.Skip()
		}
	}
}

// scalar stores a value as text; an object or array is skipped.
func (d *decoder) scalar(w *jsonwalk.Walker, f field) {
	d.fields[f] = d.value(w)
}

func (d *decoder) value(w *jsonwalk.Walker) span {
	from := len(d.scratch)
	d.scratch, _ = w.AppendScalar(d.scratch)
	return span{int32(from), int32(len(d.scratch))}
}

func (d *decoder) system(w *jsonwalk.Walker) {
	if !w.Enter('{') {
		w.Skip()
		return
	}
	for first := true; w.Next('}', &first); {
		switch string(w.Key()) {
		case "Channel":
			d.scalar(w, fChannel)
		case "Computer":
			d.scalar(w, fComputer)
		case "EventID":
			d.scalar(w, fEventID)
		case "Task":
			d.named(w, fTask)
		case "Provider":
			d.named(w, fProvider)
		case "TimeCreated":
			d.member(w, "SystemTime", fSystemTime)
		default:
			w.Skip()
		}
	}
}

// named stores the Name of an object ({"Value", "Name"}, {"Guid", "Name"}),
// or a plain value as it is.
func (d *decoder) named(w *jsonwalk.Walker, f field) { d.member(w, "Name", f) }

func (d *decoder) member(w *jsonwalk.Walker, name string, f field) {
	if w.Peek() != '{' {
		d.scalar(w, f)
		return
	}
	if !w.Enter('{') {
		return
	}
	for first := true; w.Next('}', &first); {
		if string(w.Key()) == name {
			d.scalar(w, f)
		} else {
			w.Skip()
		}
	}
}

// data stores the members of EventData; in UserData they may lie in an object
// one or two levels deeper (for example LogFileCleared of event 1102).
func (d *decoder) data(w *jsonwalk.Walker, depth int) {
	if depth > 3 || !w.Enter('{') {
		w.Skip()
		return
	}
	for first := true; w.Next('}', &first); {
		f, known := dataField(w.Key())
		switch {
		case known:
			d.scalar(w, f)
			if f == fHashes || f == fHash || f == fImageHashes || f == fSourceHashes || f == fTargetHashes {
				lower(d.scratch[d.fields[f].from:d.fields[f].to])
			}
		case w.Peek() == '{':
			d.data(w, depth+1)
		default:
			w.Skip()
		}
	}
}

// lower turns ASCII letters of b to lower case, in place.
func lower(b []byte) {
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
}

func (d *decoder) detection(w *jsonwalk.Walker) {
	if !w.Enter('{') {
		w.Skip()
		return
	}
	d.detected = true
	for first := true; w.Next('}', &first); {
		switch string(w.Key()) {
		case "Signature":
			d.sigs = d.list(w, d.sigs)
		case "Actions":
			d.actions = d.list(w, d.actions)
		case "Criticality":
			s := d.value(w)
			n, err := strconv.ParseFloat(string(d.scratch[s.from:s.to]), 64)
			d.score, d.hasScore = n, err == nil
		case "ATTACK":
			d.attacks(w)
		default:
			w.Skip()
		}
	}
}

func (d *decoder) list(w *jsonwalk.Walker, into []span) []span {
	if !w.Enter('[') {
		w.Skip()
		return into
	}
	for first := true; w.Next(']', &first); {
		if s := d.value(w); s.to > s.from {
			into = append(into, s)
		}
	}
	return into
}

func (d *decoder) attacks(w *jsonwalk.Walker) {
	if !w.Enter('[') {
		w.Skip()
		return
	}
	for first := true; w.Next(']', &first); {
		if !w.Enter('{') {
			w.Skip()
			continue
		}
		var a attackSpan
		for one := true; w.Next('}', &one); {
			switch string(w.Key()) {
			case "ID":
				a.id = d.value(w)
			case "Tactic":
				a.tactic = d.value(w)
			case "Description":
				a.description = d.value(w)
			default:
				w.Skip()
			}
		}
		d.attack = append(d.attack, a)
	}
}

func (d *decoder) edr(w *jsonwalk.Walker) {
	if !w.Enter('{') {
		w.Skip()
		return
	}
	for first := true; w.Next('}', &first); {
		switch string(w.Key()) {
		case "Endpoint":
			d.members(w, "UUID", fEndpointUUID, "Hostname", fEndpointHost)
		case "Event":
			d.members(w, "Hash", fEventHash, "ReceiptTime", fReceiptTime)
		default:
			w.Skip()
		}
	}
}

func (d *decoder) members(w *jsonwalk.Walker, name string, f field, other string, g field) {
	if !w.Enter('{') {
		w.Skip()
		return
	}
	for first := true; w.Next('}', &first); {
		switch key := w.Key(); {
		case string(key) == name:
			d.scalar(w, f)
		case string(key) == other:
			d.scalar(w, g)
		default:
			w.Skip()
		}
	}
}

// finish makes the text of the fields available. An event without a hash of
// its own gets the SHA-1 of its bytes.
func (d *decoder) finish() {
	if s := d.fields[fEventHash]; s.to == s.from {
		sum := sha1.Sum(d.raw)
		from := len(d.scratch)
		d.scratch = hex.AppendEncode(d.scratch, sum[:])
		d.fields[fEventHash] = span{int32(from), int32(len(d.scratch))}
	}
	d.text = string(d.scratch)
}

func (d *decoder) cut(s span) string { return d.text[s.from:s.to] }

// get gives the text of a field, "" when it is absent. Sysmon writes "-" for
// an empty value.
func (d *decoder) get(f field) string {
	s := d.fields[f]
	if s.to-s.from == 1 && d.text[s.from] == '-' {
		return ""
	}
	return d.text[s.from:s.to]
}

// number gives a field as a whole number, 0 when it is none; 0x… is read too.
func (d *decoder) number(f field) int64 {
	s, base := d.get(f), 10
	if len(s) > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X') {
		s, base = s[2:], 16
	}
	n, err := strconv.ParseInt(s, base, 64)
	if err != nil {
		return 0
	}
	return n
}

// instant is when the event happened: TimeCreated, or else UtcTime.
func (d *decoder) instant() time.Time {
	if t, ok := parseTime(d.get(fSystemTime)); ok {
		return t
	}
	t, _ := parseTime(d.get(fUtcTime))
	return t
}

// parseTime reads RFC 3339 with any number of decimals, and Sysmon's UtcTime
// ("2021-03-03 21:34:46.769", without a zone: UTC). The zero time of Go means
// never and is not ok.
func parseTime(s string) (time.Time, bool) {
	if t, ok := fastTime(s); ok {
		return t, !t.IsZero()
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t.UTC(), !t.IsZero()
	}
	return time.Time{}, false
}

// fastTime reads the forms that end in Z or have no zone.
func fastTime(s string) (time.Time, bool) {
	if len(s) < 19 || s[4] != '-' || s[7] != '-' || s[10] != 'T' && s[10] != ' ' || s[13] != ':' || s[16] != ':' {
		return time.Time{}, false
	}
	digits := func(from, to int) int {
		n := 0
		for _, c := range []byte(s[from:to]) {
			if c < '0' || c > '9' {
				return -1 << 20
			}
			n = n*10 + int(c-'0')
		}
		return n
	}
	year, month, day := digits(0, 4), digits(5, 7), digits(8, 10)
	hour, minute, sec := digits(11, 13), digits(14, 16), digits(17, 19)
	if year < 0 || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || sec < 0 || sec > 59 {
		return time.Time{}, false
	}
	rest := s[19:]
	nano := 0
	if rest != "" && rest[0] == '.' {
		i, scale := 1, 100_000_000
		for ; i < len(rest) && rest[i] >= '0' && rest[i] <= '9'; i++ {
			nano += int(rest[i]-'0') * scale
			scale /= 10
		}
		if i == 1 {
			return time.Time{}, false
		}
		rest = rest[i:]
	}
	if rest != "Z" && (rest != "" || s[10] != ' ') {
		return time.Time{}, false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, sec, nano, time.UTC)
	return t, t.Day() == day
}
