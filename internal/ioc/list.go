// Package ioc reads lists of indicators of compromise in the forms people
// bring them, and matches events against all of them at once. A source goes
// through one pipeline, a file a stage: sniff.go and decode.go (what is it,
// and its text), the formats (stix.go, misp.go, json.go, xml.go, table.go,
// html.go), lines.go and scan.go (lines, cells and prose), refang.go and
// classify.go (what a value is), normalise.go, common.go, and match.go.
// Nothing is dropped without being counted: of every source the report says
// how many lines or objects it has, how many gave an indicator, how many are
// comments, headings or markup, and how many gave nothing, with the reason.
package ioc

import (
	"fmt"
	"hash/maphash"
	"iter"
	"strings"
)

// Indicator is one thing to look for.
type Indicator struct {
	Type   Type
	Value  string // normalised: lower-case hash, canonical address, refanged URL …
	Object string // STIX id or MISP uuid it came from; "" for lines
	Line   int32  // line of the source; 0 when it has none
	Source uint16 // index into List.Sources
	Port   uint16 // the port it was listed with; 0 when none
	Group  int32  // indicators of one sample or one name have one number; 0 when alone
	Rule   int32  // 1 + index into List.Rules of the pattern it is a part of; 0 when it is hunted by itself
	Common bool   // a well-known harmless value
}

// String is type:value, as a plain list may write it.
func (i Indicator) String() string { return i.Type.String() + ":" + i.Value }

// Unread is text that gave no indicator, or one that cannot be used.
type Unread struct {
	Source string
	Line   int
	Object string
	Text   string // cut
	Why    string
}

func (p Unread) String() string {
	place := p.Source
	if p.Line > 0 {
		place += fmt.Sprintf(":%d", p.Line)
	}
	if p.Object != "" {
		place += " " + p.Object
	}
	if p.Text == "" {
		return place + ": " + p.Why
	}
	return fmt.Sprintf("%s: %q: %s", place, p.Text, p.Why)
}

// Report says what was understood of one source. Total is Understood + Skipped
// + Unread.
type Report struct {
	Name       string
	Format     string
	Unit       string // lines, objects, attributes
	Total      int
	Understood int // gave at least one indicator
	Skipped    int // blank, comment, heading, header, markup
	Unread     int // gave nothing
	References int // links to reports, left out
}

// Options say how sources are read.
type Options struct {
	Text          bool // free prose: every line is searched
	AllAttributes bool // MISP attributes with to_ids false, and STIX observables(), too
	// OnUnread gets every unread text; the list itself keeps the first ones.
	OnUnread func(Unread)
}

// List is what was read, each indicator once.
type List struct {
	Options
	Sources    []string
	Reports    []Report
	Rules      []*Rule // patterns that need more than one comparison
	Unread     []Unread
	UnreadBy   map[string]int // how many gave nothing, by reason
	Duplicates int            // how many were there already

	records recordStore
	objects []string
	groups  int32
	table   hashTable
	text    arena
}

// keptUnread is how many unread texts a list keeps itself.
const keptUnread = 10_000

// NewList makes an empty list.
func NewList() *List {
	return &List{UnreadBy: map[string]int{}, table: hashTable{seed: maphash.MakeSeed()}}
}

// Len is how many indicators there are.
func (l *List) Len() int { return l.records.n }

// At gives one.
func (l *List) At(i int) Indicator {
	r := l.records.at(i)
	ind := Indicator{
		Type: r.typ, Value: l.text.get(r.value, r.length), Line: r.line, Source: r.source, Port: r.port,
		Group: r.group, Rule: r.rule, Common: r.common,
	}
	if r.object > 0 {
		ind.Object = l.objects[r.object-1]
	}
	return ind
}

// All yields every indicator with its index.
func (l *List) All() iter.Seq2[int, Indicator] {
	return func(yield func(int, Indicator) bool) {
		for i := range l.records.n {
			if !yield(i, l.At(i)) {
				return
			}
		}
	}
}

// Hunted are the ones a hunt looks for: what events have a field for, and the
// common ones only when they are wanted. A pattern is one of them, by its
// first value; one that cannot be evaluated is none.
func (l *List) Hunted(common bool) []Indicator {
	var out []Indicator
	ruled := map[int32]bool{}
	for _, i := range l.All() {
		if i.Rule > 0 {
			if ruled[i.Rule] || l.Refused(i) {
				continue
			}
			ruled[i.Rule] = true
		} else if !i.Type.Huntable() || i.Common && !common {
			continue
		}
		out = append(out, i)
	}
	return out
}

// Refused tells an indicator that is only a part of a pattern which cannot be
// evaluated.
func (l *List) Refused(i Indicator) bool { return i.Rule > 0 && l.Rules[i.Rule-1].Refused != "" }

// Place says where an indicator came from.
func (l *List) Place(i Indicator) string {
	if int(i.Source) >= len(l.Sources) {
		return ""
	}
	switch {
	case i.Object != "":
		return l.Sources[i.Source] + " " + i.Object
	case i.Line > 0:
		return fmt.Sprintf("%s:%d", l.Sources[i.Source], i.Line)
	}
	return l.Sources[i.Source]
}

// Put adds an indicator that was parsed already, from a source of its own.
func (l *List) Put(t Type, value, source string) {
	if len(l.Sources) >= maxSources {
		return
	}
	l.Sources = append(l.Sources, source)
	l.add(Indicator{Type: t, Value: value, Source: uint16(len(l.Sources) - 1)}) // #nosec G115 -- bounded above
}

// add keeps an indicator unless it is there already.
func (l *List) add(i Indicator) {
	h := l.table.hash(i.Type, i.Value)
	for at := range l.table.candidates(h) {
		r := l.records.at(at)
		if r.typ == i.Type && r.port == i.Port && r.rule == i.Rule && l.text.get(r.value, r.length) == i.Value {
			l.Duplicates++
			if r.group == 0 {
				r.group = i.Group
			}
			return
		}
	}
	r := kept{typ: i.Type, line: i.Line, source: i.Source, port: i.Port, group: i.Group, rule: i.Rule, common: i.Common || isCommon(i.Type, i.Value)}
	r.value, r.length = l.text.keep(i.Value)
	if i.Object != "" {
		if n := len(l.objects); n == 0 || l.objects[n-1] != i.Object {
			l.objects = append(l.objects, strings.Clone(i.Object))
		}
		r.object = int32(len(l.objects)) // #nosec G115 -- fewer than bytes read
	}
	at := l.records.add(r)
	l.table.put(h, at, l.records.n)
}

// newGroup gives the number of a new group.
func (l *List) newGroup() int32 {
	l.groups++
	return l.groups
}

// kept is an indicator as it is kept: no pointers, so that millions of them
// cost the collector nothing.
type kept struct {
	value, length uint32
	line          int32
	object        int32
	group         int32
	rule          int32
	source, port  uint16
	typ           Type
	common        bool
}

const recordBlock = 1 << 13

// recordStore grows without copying.
type recordStore struct {
	blocks []*[recordBlock]kept
	n      int
}

func (s *recordStore) at(i int) *kept { return &s.blocks[i/recordBlock][i%recordBlock] }

func (s *recordStore) add(r kept) int {
	if s.n == len(s.blocks)*recordBlock {
		s.blocks = append(s.blocks, new([recordBlock]kept))
	}
	*s.at(s.n) = r
	s.n++
	return s.n - 1
}

// hashTable finds records by type and value: open addressing over their
// indices and hashes.
type hashTable struct {
	seed  maphash.Seed
	slots []slot
}

type slot struct{ hash, at uint32 } // at is 1 + index

func (t *hashTable) hash(typ Type, value string) uint32 {
	return uint32(maphash.String(t.seed, value)) ^ uint32(typ)*0x9e3779b1 // #nosec G115 -- folded on purpose
}

func (t *hashTable) candidates(h uint32) iter.Seq[int] {
	return func(yield func(int) bool) {
		if len(t.slots) == 0 {
			return
		}
		mask := uint32(len(t.slots) - 1) // #nosec G115 -- a power of two below 2^31
		for i := h & mask; t.slots[i].at != 0; i = (i + 1) & mask {
			if t.slots[i].hash == h && !yield(int(t.slots[i].at-1)) {
				return
			}
		}
	}
}

func (t *hashTable) put(h uint32, at, n int) {
	if 4*n > 3*len(t.slots) {
		old := t.slots
		t.slots = make([]slot, max(1<<10, 2*len(old)))
		for _, s := range old {
			if s.at != 0 {
				t.place(s)
			}
		}
	}
	t.place(slot{hash: h, at: uint32(at + 1)}) // #nosec G115 -- bounded by memory
}

func (t *hashTable) place(s slot) {
	mask := uint32(len(t.slots) - 1) // #nosec G115 -- as above
	i := s.hash & mask
	for t.slots[i].at != 0 {
		i = (i + 1) & mask
	}
	t.slots[i] = s
}

// arena keeps many short strings in few large blocks.
type arena struct {
	blocks [][]byte
}

const arenaBlock = 1 << 16

// keep gives where s is kept and how long it is. No value is longer than a block.
func (a *arena) keep(s string) (at, length uint32) {
	s = s[:min(len(s), arenaBlock)]
	if n := len(a.blocks); n == 0 || len(a.blocks[n-1])+len(s) > arenaBlock {
		a.blocks = append(a.blocks, make([]byte, 0, arenaBlock))
	}
	b := &a.blocks[len(a.blocks)-1]
	start := len(*b)
	*b = append(*b, s...)
	return uint32((len(a.blocks)-1)*arenaBlock + start), uint32(len(s)) // #nosec G115 -- 4 GB of values do not fit
}

func (a *arena) get(at, length uint32) string {
	b := a.blocks[at/arenaBlock][at%arenaBlock:]
	return bytesAsString(b[:length:length])
}
