package gene

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

// field is a value of an event document outside EventData and UserData.
type field uint8

const (
	// System
	fChannel field = iota
	fComputer
	fEventID
	fTask
	fProvider
	fSystemTime
	fProcess // System/Execution
	fUserID  // System/Security
	// EdrData
	fEndpointUUID
	fEndpointHost
	fEventHash
	fReceiptTime
	nFields
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

// decoder reads one event document of either format after the other
// (docs/wire/gene.md 7). It walks the bytes once, collects the text of the members
// in one buffer, and makes one string of it: an event costs a handful of
// allocations however many members it has.
type decoder struct {
	scratch   []byte
	fields    [nFields]span
	eventData []datum
	names     map[string]string // of eventData: the same few for every event
	record    winlog.Record     // after finish
	sigs      []span
	actions   []span
	attack    []attackSpan
	score     float64
	hasScore  bool
	detected  bool // GeneInfo or Detection is there
	raw       []byte
	text      string // scratch as a string, after finish
}

const noEvent = "an element of the answer is no event"

// walk takes one {"Event": {…}} at w. When w has no error afterwards, finish
// makes what was in it available.
func (d *decoder) walk(w *jsonwalk.Walker) {
	d.scratch = d.scratch[:0]
	d.fields = [nFields]span{}
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
		case "Execution":
			d.member(w, "ProcessID", fProcess)
		case "Security":
			d.member(w, "UserID", fUserID)
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
			if strings.HasSuffix(name, "Hashes") || name == "Hash" {
				lower(d.scratch[v.from:v.to])
			}
			d.eventData = append(d.eventData, datum{name, v})
		}
	}
}

// name gives the name of a member, without a copy of the usual ones.
func (d *decoder) name(key []byte) string {
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
			d.techniques(w)
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

func (d *decoder) techniques(w *jsonwalk.Walker) {
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
func (d *decoder) finish() { d.finishAs("") }

// finishAs is finish for an event whose id is known already, if it is not "".
func (d *decoder) finishAs(id string) {
	if s := d.fields[fEventHash]; s.to == s.from {
		from := len(d.scratch)
		if id != "" {
			d.scratch = append(d.scratch, id...)
		} else {
			sum := sha1.Sum(d.raw)
			d.scratch = hex.AppendEncode(d.scratch, sum[:])
		}
		d.fields[fEventHash] = span{int32(from), int32(len(d.scratch))}
	}
	d.text = string(d.scratch)
	r := &d.record
	r.Data = r.Data[:0]
	for _, m := range d.eventData {
		r.Data = append(r.Data, winlog.Field{Name: m.name, Value: d.cut(m.value)})
	}
	r.Channel, r.Provider, r.EventID = d.get(fChannel), d.get(fProvider), int(d.number(fEventID))
	r.Task, r.Time, r.Computer = d.get(fTask), d.instant(), d.get(fComputer)
	r.PID, r.UserID = d.number(fProcess), d.get(fUserID)
	// Beta.2 and beta.3 give the signatures in another order each time
	// (docs/wire/gene.md 12, trap 10a): title and rule must not change with it.
	slices.SortFunc(d.sigs, func(x, y span) int { return strings.Compare(d.cut(x), d.cut(y)) })
	d.sigs = slices.CompactFunc(d.sigs, func(x, y span) bool { return d.cut(x) == d.cut(y) })
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
	t, _ := parseTime(d.record.Get("UtcTime"))
	return t
}

// fired tells whether a signature fired. Only such an event is a detection:
// agents that log everything send an empty list (docs/wire/gene.md 7).
func (d *decoder) fired() bool { return len(d.sigs) > 0 }

// signatures gives the names of the rules that fired, sorted.
func (d *decoder) signatures() []string { return d.texts(d.sigs) }

// actionNames gives what the agent did about it.
func (d *decoder) actionNames() []string { return d.texts(d.actions) }

func (d *decoder) texts(list []span) []string {
	if len(list) == 0 {
		return nil
	}
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = d.cut(s)
	}
	return out
}

// attack is an ATT&CK technique of a detection.
type attack struct{ ID, Tactic, Description string }

// attacks gives the ATT&CK techniques of the rules that fired.
func (d *decoder) attacks() iter.Seq[attack] {
	return func(yield func(attack) bool) {
		for _, a := range d.attack {
			if !yield(attack{d.cut(a.id), d.cut(a.tactic), d.cut(a.description)}) {
				return
			}
		}
	}
}

// criticality gives the score of the rules that fired, 0 to 10; false when
// there is none.
func (d *decoder) criticality() (float64, bool) { return d.score, d.hasScore }
