package wire

import (
	"crypto/sha1"
	"encoding/hex"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/client/jsonwalk"
	"github.com/edrctl/edrctl/internal/winlog"
)

// Field is a value of an event document outside EventData and UserData.
type Field uint8

// The values that are read.
const (
	// System
	FieldChannel Field = iota
	FieldComputer
	FieldEventID
	FieldTask
	FieldProvider
	FieldSystemTime
	FieldProcess // System/Execution
	FieldUserID  // System/Security
	// EdrData
	FieldEndpointUUID
	FieldEndpointHost
	FieldHash
	FieldReceiptTime
	numFields
)

// span is a piece of the decoder's scratch buffer.
type span struct{ from, to int32 }

// datum is a member of EventData or UserData.
type datum struct {
	name  string
	value span
}

// attackSpan is one entry of ATTACK.
type attackSpan struct{ id, tactic, description span }

// EventDecoder reads one event document of either format after the other
// (docs/wire/gene.md 7). It walks the bytes once, collects the text of the members
// in one buffer, and makes one string of it: an event costs a handful of
// allocations however many members it has.
type EventDecoder struct {
	// Verbatim leaves values as the log has them: hashes keep their case.
	Verbatim bool

	scratch   []byte
	fields    [numFields]span
	eventData []datum
	names     map[string]string // of eventData: the same few for every event
	Record    winlog.Record     // after Finish
	sigs      []span
	actions   []span
	attack    []attackSpan
	score     float64
	hasScore  bool
	detected  bool // GeneInfo or Detection is there
	Raw       []byte
	text      string // scratch as a string, after finish
}

const noEvent = "an element of the answer is not an event"

// Walk takes one {"Event": {…}} at w. When w has no error afterwards, finish
// makes what was in it available.
func (d *EventDecoder) Walk(w *jsonwalk.Walker) {
	d.scratch = d.scratch[:0]
	d.fields = [numFields]span{}
	d.eventData = d.eventData[:0]
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
	d.Raw = w.Since(from)
}

func (d *EventDecoder) event(w *jsonwalk.Walker) {
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
func (d *EventDecoder) scalar(w *jsonwalk.Walker, f Field) {
	d.fields[f] = d.value(w)
}

func (d *EventDecoder) value(w *jsonwalk.Walker) span {
	from := len(d.scratch)
	d.scratch, _ = w.AppendScalar(d.scratch)
	return span{int32(from), int32(len(d.scratch))}
}

func (d *EventDecoder) system(w *jsonwalk.Walker) {
	if !w.Enter('{') {
		w.Skip()
		return
	}
	for first := true; w.Next('}', &first); {
		switch string(w.Key()) {
		case "Channel":
			d.scalar(w, FieldChannel)
		case "Computer":
			d.scalar(w, FieldComputer)
		case "EventID":
			d.scalar(w, FieldEventID)
		case "Task":
			d.named(w, FieldTask)
		case "Provider":
			d.named(w, FieldProvider)
		case "TimeCreated":
			d.member(w, "SystemTime", FieldSystemTime)
		case "Execution":
			d.member(w, "ProcessID", FieldProcess)
		case "Security":
			d.member(w, "UserID", FieldUserID)
		default:
			w.Skip()
		}
	}
}

// named stores the Name of an object ({"Value", "Name"}, {"Guid", "Name"}),
// or a plain value as it is.
func (d *EventDecoder) named(w *jsonwalk.Walker, f Field) { d.member(w, "Name", f) }

func (d *EventDecoder) member(w *jsonwalk.Walker, name string, f Field) {
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
func (d *EventDecoder) data(w *jsonwalk.Walker, depth int) {
	if depth > 3 || !w.Enter('{') {
		w.Skip()
		return
	}
	for first := true; w.Next('}', &first); {
		name := d.name(w.Key())
		switch w.Peek() {
		case '{':
			d.data(w, depth+1)
		case '[':
			for _, v := range d.list(w, nil) {
				d.eventData = append(d.eventData, datum{name, v})
			}
		default:
			v := d.value(w)
			if !d.Verbatim && (strings.HasSuffix(name, "Hashes") || name == "Hash") {
				lower(d.scratch[v.from:v.to])
			}
			d.eventData = append(d.eventData, datum{name, v})
		}
	}
}

// name gives the name of a member, without a copy of the usual ones.
func (d *EventDecoder) name(key []byte) string {
	if s, ok := d.names[string(key)]; ok {
		return s
	}
	s := string(key)
	if d.names == nil {
		d.names = map[string]string{}
	}
	if len(d.names) < 1000 {
		d.names[s] = s
	}
	return s
}

// lower turns ASCII letters of b to lower case, in place.
func lower(b []byte) {
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
}

func (d *EventDecoder) detection(w *jsonwalk.Walker) {
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
			d.techniques(w)
		default:
			w.Skip()
		}
	}
}

func (d *EventDecoder) list(w *jsonwalk.Walker, into []span) []span {
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

func (d *EventDecoder) techniques(w *jsonwalk.Walker) {
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

func (d *EventDecoder) edr(w *jsonwalk.Walker) {
	if !w.Enter('{') {
		w.Skip()
		return
	}
	for first := true; w.Next('}', &first); {
		switch string(w.Key()) {
		case "Endpoint":
			d.members(w, "UUID", FieldEndpointUUID, "Hostname", FieldEndpointHost)
		case "Event":
			d.members(w, "Hash", FieldHash, "ReceiptTime", FieldReceiptTime)
		default:
			w.Skip()
		}
	}
}

func (d *EventDecoder) members(w *jsonwalk.Walker, name string, f Field, other string, g Field) {
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

// Finish makes the text of the fields available. An event without a hash of
// its own gets the SHA-1 of its bytes.
func (d *EventDecoder) Finish() { d.FinishAs("") }

// FinishAs is Finish for an event whose id is known already, if it is not "".
func (d *EventDecoder) FinishAs(id string) {
	if s := d.fields[FieldHash]; s.to == s.from {
		from := len(d.scratch)
		if id != "" {
			d.scratch = append(d.scratch, id...)
		} else {
			sum := sha1.Sum(d.Raw)
			d.scratch = hex.AppendEncode(d.scratch, sum[:])
		}
		d.fields[FieldHash] = span{int32(from), int32(len(d.scratch))}
	}
	d.text = string(d.scratch)
	r := &d.Record
	r.Data = r.Data[:0]
	for _, m := range d.eventData {
		r.Data = append(r.Data, winlog.Field{Name: m.name, Value: d.cut(m.value)})
	}
	r.Channel, r.Provider, r.EventID = d.Get(FieldChannel), d.Get(FieldProvider), int(d.number(FieldEventID))
	r.Task, r.Time, r.Computer = d.Get(FieldTask), d.Time(), d.Get(FieldComputer)
	r.PID, r.UserID = d.number(FieldProcess), d.Get(FieldUserID)
	// Beta.2 and beta.3 give the signatures in another order each time
	// (docs/wire/gene.md 12, trap 10a): title and rule must not change with it.
	slices.SortFunc(d.sigs, func(x, y span) int { return strings.Compare(d.cut(x), d.cut(y)) })
	d.sigs = slices.CompactFunc(d.sigs, func(x, y span) bool { return d.cut(x) == d.cut(y) })
}

func (d *EventDecoder) cut(s span) string { return d.text[s.from:s.to] }

// Get gives the text of a field, "" when it is absent. Sysmon writes "-" for
// an empty value.
func (d *EventDecoder) Get(f Field) string {
	s := d.fields[f]
	if s.to-s.from == 1 && d.text[s.from] == '-' {
		return ""
	}
	return d.text[s.from:s.to]
}

// number gives a field as a whole number, 0 when it is none; 0x… is read too.
func (d *EventDecoder) number(f Field) int64 {
	s, base := d.Get(f), 10
	if len(s) > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X') {
		s, base = s[2:], 16
	}
	n, err := strconv.ParseInt(s, base, 64)
	if err != nil {
		return 0
	}
	return n
}

// Time is when the event happened: TimeCreated, or else UtcTime.
func (d *EventDecoder) Time() time.Time {
	if t, ok := ParseTime(d.Get(FieldSystemTime)); ok {
		return t
	}
	t, _ := ParseTime(d.Record.Get("UtcTime"))
	return t
}

// Fired tells whether a signature fired. Only such an event is a detection:
// agents that log everything send an empty list (docs/wire/gene.md 7).
func (d *EventDecoder) Fired() bool { return len(d.sigs) > 0 }

// Signatures gives the names of the rules that fired, sorted.
func (d *EventDecoder) Signatures() []string { return d.texts(d.sigs) }

// Actions gives what the agent did about it.
func (d *EventDecoder) Actions() []string { return d.texts(d.actions) }

func (d *EventDecoder) texts(list []span) []string {
	if len(list) == 0 {
		return nil
	}
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = d.cut(s)
	}
	return out
}

// Attack is an ATT&CK technique of a detection.
type Attack struct{ ID, Tactic, Description string }

// Attacks gives the ATT&CK techniques of the rules that fired.
func (d *EventDecoder) Attacks() iter.Seq[Attack] {
	return func(yield func(Attack) bool) {
		for _, a := range d.attack {
			if !yield(Attack{d.cut(a.id), d.cut(a.tactic), d.cut(a.description)}) {
				return
			}
		}
	}
}

// Criticality gives the score of the rules that fired, 0 to 10; false when
// there is none.
func (d *EventDecoder) Criticality() (float64, bool) { return d.score, d.hasScore }
