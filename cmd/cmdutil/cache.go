package cmdutil

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/edrctl/edrctl/internal/cache"
	"github.com/edrctl/edrctl/internal/change"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/output"
)

// Cache is where completion finds what lists have shown: never a network call.
func (f *Factory) Cache() (cache.Cache, error) {
	paths, err := f.Paths()
	if err != nil && paths.Cache == "" {
		return cache.Cache{}, err
	}
	return cache.In(paths.Cache), nil
}

// The lists that are kept of a profile, and how many entries of each one
// command adds at most: a stream of a million events costs a thousand.
const (
	RefAlert   = "alert"
	RefEvent   = "event"
	RefHost    = "host"
	RefProcess = "process"
	RefRule    = "rule"
	RefCarve   = "carve"
	RefAction  = "action"
	refTag     = "tag"
)

var keepAtMost = map[string]int{
	RefAlert: 10_000, RefHost: 10_000, RefEvent: 1000, RefProcess: 1000, RefRule: 2000, RefCarve: 1000, RefAction: 1000, refTag: 500,
}

// completionCache is what the records of one run leave for completion. Records are
// noted as they are written; the files are written when the command has ended
// and its output is out.
type completionCache struct {
	mu    sync.Mutex
	lists map[string]map[string]*cachedList // profile, kind
}

type cachedList struct {
	entries []cache.Entry
	at      map[string]int // word → place
}

// caching notes what passes through a writer.
type caching struct {
	output.Writer
	m    *completionCache
	kind string // what the records are, for those that are a vendor's own
}

func (r caching) Write(record any) error {
	r.note(record)
	return r.Writer.Write(record)
}

func (r caching) One(record any) error {
	r.note(record)
	return r.Writer.One(record)
}

func (r caching) note(record any) {
	if d, ok := record.(*output.Document); ok {
		r.m.document(r.kind, d.JSON)
		return
	}
	r.m.note(record)
}

// itemKind is the list of a vendor's own things of a noun: "item-config".
func itemKind(name string) string { return "item-" + name }

// keepItems is how many of a vendor's own things one command adds to a list.
const keepItems = 1000

// document notes a record that is the vendor's own, when it has a ref: that
// and what it is called, of all its members, may be kept.
func (m *completionCache) document(name string, text []byte) {
	var d struct {
		Ref, Profile          string
		Name, Identifier      any
		Title, Type, Platform any
	}
	if json.Unmarshal(text, &d) != nil || d.Ref == "" || d.Profile == "" || !strings.HasPrefix(d.Ref, d.Profile+"/") {
		return
	}
	var called []string
	for _, v := range []any{d.Name, d.Identifier, d.Title} {
		if s, ok := v.(string); ok {
			called = append(called, s)
		}
	}
	about, _ := d.Type.(string)
	if p, ok := d.Platform.(string); ok && about == "" {
		about = p
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.add(d.Profile, itemKind(name), cache.Entry{Word: d.Ref, Name: firstOf(called...), Help: about})
}

// note takes what can be completed later out of a record.
func (m *completionCache) note(record any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch r := record.(type) {
	case *model.Alert:
		m.add(r.Profile, RefAlert, cache.Entry{Word: r.Ref, Name: r.Title, Host: hostName(r.Host), Help: scored(r.Score, r.Severity), Time: unix(r.Time)})
		m.host(r.Profile, r.Host, r.Time)
		m.process(r.Profile, r.Process, r.Host, r.Time)
	case *model.Event:
		if m.full(r.Profile, RefEvent) {
			return
		}
		m.add(r.Profile, RefEvent, cache.Entry{Word: r.Ref, Name: actorName(r), Host: hostName(r.Host), Help: string(r.Kind), Time: unix(r.Time)})
		m.host(r.Profile, r.Host, r.Time)
	case *model.Host:
		m.host(r.Profile, r, r.LastSeen)
	case *model.Process:
		m.process(r.Profile, r, r.Host, r.Started)
	case *model.Rule:
		m.add(r.Profile, RefRule, cache.Entry{Word: r.Ref, Name: r.Name, Help: scored(r.Score, r.Severity), Time: unix(r.Updated)})
	case *model.Carve:
		m.add(r.Profile, RefCarve, cache.Entry{Word: r.Ref, Name: firstOf(r.Path, r.Name), Host: hostName(r.Host), Help: string(r.State), Time: unix(r.Created)})
	case *model.Action:
		m.action(r)
	case *change.Result:
		for _, a := range r.All() {
			m.action(a)
		}
	}
}

func (m *completionCache) action(a *model.Action) {
	e := cache.Entry{Word: a.Ref, Host: hostName(a.Host), Help: strings.TrimSpace(string(a.State) + " " + a.Verb), Time: unix(a.RequestedAt)}
	if a.Target != nil {
		e.Name = firstOf(a.Target.Path, a.Target.Name, a.Target.Address) // a command line may hold a secret
	}
	m.add(a.Profile, RefAction, e)
	m.host(a.Profile, a.Host, model.Time{})
}

// host notes an endpoint, also one that only appears in another record.
func (m *completionCache) host(profile string, h *model.Host, seen model.Time) {
	if h == nil || h.ID == "" && h.Ref == "" {
		return
	}
	e := cache.Entry{Word: h.Ref, Name: h.Name, Time: unix(seen)}
	if e.Word == "" {
		e.Word = profile + "/" + h.ID
	}
	if l := unix(h.LastSeen); l != 0 {
		e.Time = l
	}
	if h.OS != nil {
		e.Help = h.OS.Platform
	}
	if h.Isolated != nil && *h.Isolated {
		e.Help = strings.TrimSpace(e.Help + " isolated")
	}
	m.add(profile, RefHost, e)
	for _, t := range h.Tags {
		m.add(profile, refTag, cache.Entry{Word: t, Name: h.Name})
	}
}

// process notes a process by its stable id; its pid is the help.
func (m *completionCache) process(profile string, p *model.Process, h *model.Host, at model.Time) {
	if p == nil || p.UID == "" {
		return
	}
	m.add(profile, RefProcess, cache.Entry{
		Word: profile + "/" + p.UID, Name: firstOf(p.Name, model.BaseName(p.Path)), Host: hostName(h), Help: strconv.FormatInt(p.PID, 10), Time: unix(at),
	})
}

func (m *completionCache) full(profile, kind string) bool {
	l := m.lists[profile][kind]
	most, known := keepAtMost[kind]
	if !known {
		most = keepItems
	}
	return l != nil && len(l.entries) >= most
}

// add notes an entry; of two with the same word the later one stays.
func (m *completionCache) add(profile, kind string, e cache.Entry) {
	if e.Word == "" || profile == "" || m.full(profile, kind) {
		return
	}
	if m.lists == nil {
		m.lists = map[string]map[string]*cachedList{}
	}
	if m.lists[profile] == nil {
		m.lists[profile] = map[string]*cachedList{}
	}
	l := m.lists[profile][kind]
	if l == nil {
		l = &cachedList{at: map[string]int{}}
		m.lists[profile][kind] = l
	}
	if i, dup := l.at[e.Word]; dup {
		if e.Time > l.entries[i].Time {
			if e.Help == "" {
				e.Help = l.entries[i].Help
			}
			e.Word = l.entries[i].Word
			l.entries[i] = own(e)
		}
		return
	}
	e = own(e)
	l.at[e.Word] = len(l.entries)
	l.entries = append(l.entries, e)
}

// saveMemory brings what was noted to the cache. No failure of it is a failure of
// the command; what holds a secret of this run is left out.
func (f *Factory) saveMemory() {
	m := &f.completions
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.lists) == 0 {
		return
	}
	c, err := f.Cache()
	if err != nil {
		f.Debugf(err)
		return
	}
	for _, profile := range slices.Sorted(maps.Keys(m.lists)) {
		for _, kind := range slices.Sorted(maps.Keys(m.lists[profile])) {
			entries := slices.DeleteFunc(m.lists[profile][kind].entries, func(e cache.Entry) bool {
				all := e.Word + "\x00" + e.Name + "\x00" + e.Host + "\x00" + e.Help
				return f.redactor.String(all) != all
			})
			if err := c.Add(profile, kind, entries); err != nil {
				f.Debugf(err)
				return // the others will do no better
			}
		}
	}
	m.lists = nil
}

func scored(score *float64, s model.Severity) string {
	if s == "unknown" {
		s = ""
	}
	if score == nil {
		return string(s)
	}
	return strings.TrimSpace(fmt.Sprintf("%g %s", *score, s))
}

// actorName is all that is kept of what an event says: command lines, which
// stand in its summary, hold passwords.
func actorName(e *model.Event) string {
	if e.Process == nil {
		return ""
	}
	return firstOf(e.Process.Name, model.BaseName(e.Process.Path))
}

func hostName(h *model.Host) string {
	if h == nil {
		return ""
	}
	return firstOf(h.Name, h.ID)
}

func firstOf(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

func unix(t model.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// own makes an entry of its own: strings of records share the memory of whole
// answers. What the file would cut is cut now.
func own(e cache.Entry) cache.Entry {
	const limit = 640
	for _, s := range []*string{&e.Name, &e.Host, &e.Help} {
		*s = strings.Clone((*s)[:min(len(*s), limit)])
	}
	e.Word = strings.Clone(e.Word)
	return e
}
