// Package faults makes a server misbehave on demand: it reads a SPEC and
// wraps an http.Handler with it. The demo, the tests of every driver and the
// benchmarks use the same ones.
//
// # SPEC
//
// A SPEC is a list of faults separated by semicolons:
//
//	fault[=value][:option[=value],…][@scope…]
//
// Faults that answer in the server's place:
//
//	429 503 …     that status (400-599) with a JSON body
//	5xx           500, 502, 503, 504 in turn
//	expired-token credentials are refused: 401, or 403 where the product says
//	              403. Only the first request unless an option says otherwise;
//	              a log-in is never refused.
//	html          200 with a web page, as a captive portal or login page
//	garbage       200 with bytes that are not JSON, called JSON
//	empty         200 without a body
//	hang          nothing is ever answered
//	reset-before  the connection is reset and the request never handled
//	reset-after   the request is handled, then the connection reset
//
// Faults that let the server answer, and spoil it:
//
//	cut=50%       the body ends there although its length promised more;
//	cut=1000      a number counts bytes. With option clean the length is right
//	              and only the document is cut
//	hang=50%      the body stops there and the connection stays open
//	trailing      bytes that belong to no document follow the body
//	bom           JSON begins with a byte order mark
//	label=TYPE    JSON is labelled as TYPE, for example text/html
//	slow=10ms     each chunk of the body waits this long (option bytes, 1024)
//	latency=100ms the answer begins this much later
//	no-effect     a request that changes something is answered as a success,
//	              and nothing changes
//
// Faults of the records themselves, which the fakes act out (Conduct):
//
//	late=1h       records reach the server this long after their time
//	early=2h      clocks are ahead: records carry a time this much too late
//	moving-pages  lists move while their pages are read. With a value only in
//	              this way: order (another order in every answer), resolve
//	              (a colleague resolves the alerts of each page), repeat
//	              (every page is the first), none (records are counted, and
//	              none is given)
//	busy-day=500  an answer that has to read more than so many events does
//	              not begin before the client gives up
//	random-order  the signatures of a detection come in any order
//
// They take a backend as scope, and late and early the option host=NAME: one
// host instead of all.
//
// Options choose the requests the fault applies to, counted from the first
// one in its scope; without any, all of them:
//
//	first=N       only the first N
//	after=N       not the first N
//	every=N       each Nth
//	nth=N         only the Nth
//
// and, for statuses, retry-after=SECONDS and body=html.
//
// A scope narrows a fault: @gene to one backend, @/alerts to paths that
// contain it, @GET to a method. Several must all hold: @esp@POST@/alerts.
//
// Example: 429:retry-after=1,every=3;5xx:first=2@esp;cut=50%@/events
package faults

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Spec is a parsed SPEC. The zero Spec spoils nothing.
type Spec struct {
	text  string
	rules []rule
}

type kind uint8

const (
	status kind = iota
	anyServerError
	expired
	page
	garbage
	empty
	hang
	resetBefore
	resetAfter
	cutBody
	trailing
	bom
	label
	slow
	latency
	noEffect
	late
	early
	movingPages
	busyDay
	randomOrder
)

var kinds = map[string]kind{
	"5xx": anyServerError, "expired-token": expired, "html": page, "garbage": garbage, "empty": empty, "hang": hang,
	"reset-before": resetBefore, "reset-after": resetAfter, "cut": cutBody, "trailing": trailing, "bom": bom, "label": label, "slow": slow, "latency": latency,
	"no-effect": noEffect, "late": late, "early": early, "moving-pages": movingPages, "busy-day": busyDay, "random-order": randomOrder,
}

type rule struct {
	kind    kind
	code    int
	at      amount
	delay   time.Duration
	chunk   int
	clean   bool
	asHTML  bool
	retry   string
	first   int
	after   int
	every   int
	nth     int
	backend string
	paths   []string
	method  string
	pages   string // of moving-pages
	host    string // of late and early
	media   string // of label
	events  int    // of busy-day
}

// amount is a part of a body: bytes, or a percentage when percent is set.
type amount struct {
	n       int
	percent bool
	set     bool
}

func (a amount) of(size int) int {
	if !a.percent {
		return min(a.n, size)
	}
	return size * a.n / 100
}

// Empty tells whether s spoils nothing.
func (s Spec) Empty() bool { return len(s.rules) == 0 }

// String is the SPEC as it was given.
func (s Spec) String() string { return s.text }

// Parse reads a SPEC. An error names the part that cannot be read.
func Parse(text string) (Spec, error) {
	s := Spec{text: text}
	for part := range strings.SplitSeq(text, ";") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		r, err := parseRule(part)
		if err != nil {
			return Spec{}, fmt.Errorf("fault %q: %w", part, err)
		}
		s.rules = append(s.rules, r)
	}
	return s, nil
}

func parseRule(part string) (rule, error) {
	var r rule
	body, scopes, scoped := strings.Cut(part, "@")
	if scoped {
		for sc := range strings.SplitSeq(scopes, "@") {
			if err := r.scope(strings.TrimSpace(sc)); err != nil {
				return r, err
			}
		}
	}
	head, options, _ := strings.Cut(body, ":")
	name, value, hasValue := strings.Cut(strings.TrimSpace(head), "=")
	if err := r.name(name, value, hasValue); err != nil {
		return r, err
	}
	for opt := range strings.SplitSeq(options, ",") {
		if opt = strings.TrimSpace(opt); opt == "" {
			continue
		}
		key, val, _ := strings.Cut(opt, "=")
		if err := r.option(key, val); err != nil {
			return r, err
		}
	}
	if r.conduct() && (len(r.paths) > 0 || r.method != "" || r.first+r.after+r.every+r.nth > 0) {
		return r, fmt.Errorf("a fault of the records holds for a whole backend: it takes no path, method or count")
	}
	if r.host != "" && r.kind != late && r.kind != early {
		return r, fmt.Errorf("host=NAME is an option of late and early only")
	}
	if r.kind == expired && r.first == 0 && r.every == 0 && r.nth == 0 && r.after == 0 {
		r.first = 1
	}
	return r, nil
}

func (r *rule) name(name, value string, hasValue bool) error {
	k, known := kinds[name]
	if !known {
		n, err := strconv.Atoi(name)
		if err != nil || n < 400 || n > 599 {
			return fmt.Errorf("unknown fault %q: want a status from 400 to 599, or one of %s", name, names())
		}
		k, r.code = status, n
	}
	r.kind, r.chunk = k, 1024
	switch k {
	case cutBody, hang:
		if !hasValue {
			if k == cutBody {
				return fmt.Errorf("where: cut=50%% or cut=BYTES")
			}
			return nil
		}
		num, pct := strings.CutSuffix(value, "%")
		n, err := strconv.Atoi(num)
		if err != nil || n < 0 || pct && n > 100 {
			return fmt.Errorf("%q is neither a percentage nor a number of bytes", value)
		}
		r.at = amount{n, pct, true}
	case movingPages:
		if hasValue && !slices.Contains(pageMoves, value) {
			return fmt.Errorf("%q: one of %s", value, strings.Join(pageMoves, ", "))
		}
		r.pages = value
	case label:
		if !strings.Contains(value, "/") {
			return fmt.Errorf("%q is not a media type such as text/html", value)
		}
		r.media = value
	case busyDay:
		n, err := strconv.Atoi(value)
		if hasValue && (err != nil || n < 1) {
			return fmt.Errorf("%q is not a number of events from 1", value)
		}
		r.events = n
		if !hasValue {
			r.events = 500
		}
	case slow, latency, late, early:
		d, err := time.ParseDuration(value)
		if err != nil || d < 0 {
			return fmt.Errorf("invalid duration %q: want one such as 100ms", value)
		}
		r.delay = d
	default:
		if hasValue {
			return fmt.Errorf("it takes no value")
		}
	}
	return nil
}

func (r *rule) option(key, val string) error {
	number := func(into *int) error {
		n, err := strconv.Atoi(val)
		if err != nil || n < 1 {
			return fmt.Errorf("%s=%q: not a number from 1", key, val)
		}
		*into = n
		return nil
	}
	switch key {
	case "first":
		return number(&r.first)
	case "after":
		return number(&r.after)
	case "every":
		return number(&r.every)
	case "nth":
		return number(&r.nth)
	case "bytes":
		return number(&r.chunk)
	case "host":
		if val == "" {
			return fmt.Errorf("host= needs a name")
		}
		r.host = val
		return nil
	case "clean":
		r.clean = true
		return nil
	case "retry-after":
		if n, err := strconv.Atoi(val); err != nil || n < 0 {
			if _, err := http.ParseTime(val); err != nil {
				return fmt.Errorf("retry-after=%q: seconds or an HTTP date", val)
			}
		}
		r.retry = val
		return nil
	case "body":
		if val != "html" && val != "json" {
			return fmt.Errorf("body=%q: html or json", val)
		}
		r.asHTML = val == "html"
		return nil
	}
	return fmt.Errorf("unknown option %q: want first, after, every, nth, retry-after, body, bytes, clean or host", key)
}

func (r *rule) scope(sc string) error {
	switch {
	case sc == "":
		return fmt.Errorf("an empty scope")
	case strings.HasPrefix(sc, "/"):
		r.paths = append(r.paths, sc)
	case strings.ToUpper(sc) == sc:
		r.method = sc
	default:
		r.backend = sc
	}
	return nil
}

func names() string {
	out := make([]string, 0, len(kinds))
	for n := range kinds {
		out = append(out, n)
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// applies tells whether the fault is in scope for a request.
func (r *rule) applies(backend string, req *http.Request) bool {
	if r.backend != "" && r.backend != backend || r.method != "" && r.method != req.Method {
		return false
	}
	for _, p := range r.paths {
		if !strings.Contains(req.URL.Path, p) {
			return false
		}
	}
	switch r.kind {
	case expired:
		return !strings.HasSuffix(req.URL.Path, "/login")
	case noEffect:
		return req.Method != http.MethodGet && !strings.HasSuffix(req.URL.Path, "/login")
	}
	return !r.conduct()
}

// hits tells whether the nth request in scope (from 1) is spoilt.
func (r *rule) hits(n int) bool {
	switch {
	case r.nth > 0 && n != r.nth, r.first > 0 && n > r.first, n <= r.after:
		return false
	case r.every > 0:
		return (n-r.after)%r.every == 0
	}
	return true
}
