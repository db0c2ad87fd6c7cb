package story

import (
	"slices"
	"time"
)

// span is how far back the noise goes; ahead is how long new records keep
// arriving after the anchor.
const (
	span  = 72 * time.Hour
	ahead = 12 * time.Hour
)

// New builds the story as of anchor (cut to milliseconds). scale
// multiplies the noise events only, at least 1, or is Quiet: hosts, processes,
// rules and alerts are the same at every scale. Noise is made when Events or EventSeq
// asks for it, so New costs the same at every scale (about a millisecond).
func New(anchor time.Time, scale int) *Story {
	b := &builder{
		s:      &Story{Anchor: anchor.UTC().Truncate(time.Millisecond), Scale: noiseScale(scale)},
		images: make(map[string]image, 64),
		pids:   make(map[*Host]int, len(fleet)),
	}
	b.buildHosts()
	b.buildRules()
	b.buildPools()
	b.intrusion()
	b.background()
	b.hostile()
	b.future()
	b.finish()
	b.s.Indicators = b.indicators()
	return b.s
}

// Quiet is the scale of a story without noise: a fifth of the events of scale
// 1, for tests that read all of them hundreds of times.
const Quiet = -1

func noiseScale(scale int) int {
	if scale == Quiet {
		return 0
	}
	return max(scale, 1)
}

// builder holds what is only needed while the story is written.
type builder struct {
	s      *Story
	hosts  map[string]*Host
	rules  map[string]*Rule
	images map[string]image
	pids   map[*Host]int
	procs  int
	// slabs keep the number of allocations low: a demo command pays for the
	// story each time it starts.
	slabE []Event
	slabP []Process
	slabA []Alert
}

// mins is m minutes before the anchor (negative: after it).
func (b *builder) mins(m float64) time.Time {
	return b.s.Anchor.Add(-time.Duration(m * float64(time.Minute))).Truncate(time.Millisecond)
}

func (b *builder) image(name string) image {
	i, ok := b.images[name]
	if !ok {
		i = imageOf(name)
		b.images[name] = i
	}
	return i
}

// prog is what a process runs: where it lies, and whose it is.
type prog struct {
	path    string
	cmd     string
	user    string // "" = the host's user
	integ   string // "" = Medium
	signer  string // "" = unsigned
	content string // names the hashes; "" = the path
	verdict string // "" = safe when signed, else unknown
	dir     string
	pid     int // 0 = next free one
}

// spawn makes a process without an event of its start.
func (b *builder) spawn(h *Host, parent *Process, at time.Time, p prog) *Process {
	if len(b.slabP) == 0 {
		b.slabP = make([]Process, 128)
	}
	q := &b.slabP[0]
	b.slabP = b.slabP[1:]
	b.procs++
	r := newRng(uint64(b.procs), uint64(h.N))
	if p.content == "" {
		p.content = p.path
	}
	img := b.image(p.content)
	*q = Process{
		N: b.procs, Host: h, GUID: guid(r.next(), r.next()), PID: p.pid,
		Path: p.path, Name: base(p.path), CommandLine: p.cmd, Dir: p.dir,
		User: p.user, Started: at,
		MD5: img.md5, SHA1: img.sha1, SHA256: img.sha256, Imphash: img.imphash,
		Integrity: p.integ, Signed: p.signer != "", Signer: p.signer, Verdict: p.verdict, Parent: parent,
	}
	if q.PID == 0 {
		q.PID = b.pid(h, r)
	}
	if q.CommandLine == "" {
		q.CommandLine = q.Path
	}
	if q.User == "" {
		q.User = h.User
	}
	q.Domain = h.Domain
	if q.Domain != "" && (q.User == "SYSTEM" || q.User == "LOCAL SERVICE" || q.User == "NETWORK SERVICE") {
		q.Domain = "NT AUTHORITY"
	}
	if h.Platform != "windows" {
		q.Imphash, q.Integrity = "", ""
	} else if q.Integrity == "" {
		q.Integrity = "Medium"
		if q.User == "SYSTEM" {
			q.Integrity = "System"
		}
	}
	if q.Verdict == "" {
		q.Verdict = "unknown"
		if q.Signed {
			q.Verdict = "safe"
		}
	}
	if q.Dir == "" {
		q.Dir = dirOf(q.Path)
	}
	b.s.Processes = append(b.s.Processes, q)
	return q
}

// pid hands out rising process ids: multiples of four on Windows.
func (b *builder) pid(h *Host, r *rng) int {
	n, ok := b.pids[h]
	if !ok {
		n = 800
	}
	n += 4 * (1 + r.intn(30))
	b.pids[h] = n
	if h.Platform != "windows" {
		return n + r.intn(4)
	}
	return n
}

// event records something p did. The caller fills the rest.
func (b *builder) event(kind string, p *Process, at time.Time) *Event {
	if len(b.slabE) == 0 {
		b.slabE = make([]Event, 256)
	}
	e := &b.slabE[0]
	b.slabE = b.slabE[1:]
	*e = Event{N: len(b.s.events) + 1, Time: at, Kind: kind, Host: p.Host, Process: p, Malicious: p.Malicious}
	b.s.events = append(b.s.events, e)
	return e
}

// start runs a program and records it: the parent is the actor, the child the
// target.
func (b *builder) start(parent *Process, at time.Time, p prog) (*Process, *Event) {
	q := b.spawn(parent.Host, parent, at, p)
	e := b.event("process_start", parent, at)
	e.Target = q
	return q, e
}

// alert raises one alert at the time of its last event, which carries the
// rule. Gene and cWatch alerts stand for exactly one event.
func (b *builder) alert(backend, rule string, events ...*Event) *Alert {
	r := b.rules[backend+"/"+rule]
	if r == nil {
		panic("story: no rule " + backend + "/" + rule)
	}
	if len(b.slabA) == 0 {
		b.slabA = make([]Alert, 128)
	}
	a := &b.slabA[0]
	b.slabA = b.slabA[1:]
	last := events[len(events)-1]
	if last.Detected == nil {
		last.Detected = r
	}
	*a = Alert{
		N: len(b.s.Alerts) + 1, Backend: backend, Time: last.Time, Title: r.Name, Description: r.Description,
		Rule: r, Score: r.Score, Host: last.Host, Process: last.Process, Target: last.Target,
		Events: events, Status: "open",
	}
	if backend == CarbonBlack {
		a.Title = r.Description
	}
	b.s.Alerts = append(b.s.Alerts, a)
	return a
}

// finish puts everything in the order the types promise. Numbers were given
// in the order of telling, which does not change with the anchor.
func (b *builder) finish() {
	slices.SortStableFunc(b.s.events, byTime)
	slices.SortStableFunc(b.s.Alerts, func(x, y *Alert) int { return x.Time.Compare(y.Time) })
	slices.SortStableFunc(b.s.Processes, func(x, y *Process) int { return x.Started.Compare(y.Started) })
}

func byTime(x, y *Event) int { return x.Time.Compare(y.Time) }

func cut(path string) int {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' || path[i] == '\\' {
			return i
		}
	}
	return -1
}

func base(path string) string { return path[cut(path)+1:] }

func dirOf(path string) string {
	i := cut(path)
	switch {
	case i < 0:
		return ""
	case path[i] == '/':
		return path[:max(i, 1)]
	}
	return path[:i+1]
}
