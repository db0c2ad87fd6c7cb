package client

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	dumpBody   = 8 << 10
	dumpMargin = 4 << 10
)

// debugMu keeps the blocks of concurrent requests whole: clients of a run
// share one writer.
var debugMu sync.Mutex

// record collects one request for the wire log; nil when that is off.
type record struct {
	c     *Client
	a     *attempt
	start time.Time
	req   *http.Request

	mu   sync.Mutex
	resp *http.Response
	took time.Duration // to the header
	head []byte
	n    int64
}

func (c *Client) newRecord(a *attempt, req *http.Request) *record {
	if c.cfg.Debug == nil {
		return nil
	}
	return &record{c: c, a: a, start: time.Now(), req: req}
}

func (r *record) answered(resp *http.Response) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.resp, r.took = resp, time.Since(r.start)
	r.resp = &http.Response{Proto: resp.Proto, StatusCode: resp.StatusCode, Status: resp.Status, Header: resp.Header.Clone()}
}

func (r *record) body(p []byte) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n += int64(len(p))
	if room := dumpBody + dumpMargin - len(r.head); room > 0 {
		r.head = append(r.head, p[:min(room, len(p))]...)
	}
}

func (r *record) failed(err error) { r.done(err) }

// done writes the block, in one Write.
func (r *record) done(err error) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	red := r.c.red
	var b strings.Builder
	kind := "read"
	if r.a.acts {
		kind = "action"
	}
	fmt.Fprintf(&b, "-- %s %s (%s, try %d)\n", r.req.Method, line(red.text(r.req.URL.String())), kind, r.a.try)
	dumpHeader(&b, "> ", red.header(r.req.Header))
	if len(r.a.body) > 0 {
		head := r.a.body[:min(len(r.a.body), dumpBody+dumpMargin)]
		dumpText(&b, "> ", red.dump(head, dumpBody, len(head) < len(r.a.body)), int64(len(r.a.body)))
	}
	if r.resp != nil {
		fmt.Fprintf(&b, "< %s %s (header after %s)\n", r.resp.Proto, line(red.String(r.resp.Status)), round(r.took))
		dumpHeader(&b, "< ", red.header(r.resp.Header))
		dumpText(&b, "< ", red.dump(r.head, dumpBody, int64(len(r.head)) < r.n), r.n)
	}
	if err != nil {
		fmt.Fprintf(&b, "! %s\n", line(red.text(shorten(bare(err)))))
	}
	fmt.Fprintf(&b, "-- took %s\n", round(time.Since(r.start)))
	debugMu.Lock()
	defer debugMu.Unlock()
	_, _ = r.c.cfg.Debug.Write([]byte(b.String()))
}

func round(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }

func dumpHeader(b *strings.Builder, lead string, h http.Header) {
	names := make([]string, 0, len(h))
	for k := range h {
		names = append(names, k)
	}
	slices.Sort(names)
	for _, k := range names {
		for _, v := range h[k] {
			fmt.Fprintf(b, "%s%s: %s\n", lead, line(k), line(v))
		}
	}
}

// dumpText shows a body on lines of its own, with everything that a terminal
// would act on escaped.
func dumpText(b *strings.Builder, lead string, body []byte, total int64) {
	if total == 0 {
		return
	}
	b.WriteString(lead + "\n")
	for _, l := range strings.Split(strings.TrimRight(string(body), "\n"), "\n") {
		b.WriteString(lead + line(l) + "\n")
	}
	if total > int64(len(body)) && total > dumpBody {
		fmt.Fprintf(b, "%s… %d bytes in all\n", lead, total)
	}
}

func line(s string) string { return printable([]byte(s), len(s)) }
