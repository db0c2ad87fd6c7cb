package cwatch

import (
	"context"
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/cwatch/rules"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

// How many values of one type are worth asking for one by one: q knows no OR,
// so a hash costs ten requests, an address two, a text up to six.
const (
	mostHashes    = 200
	mostAddresses = 500
	mostTexts     = 40
)

// HuntModes says where each type of indicator is searched.
func (d *Driver) HuntModes() map[string]backends.HuntMode {
	none := backends.HuntMode{Where: backends.HuntNone, Why: "SHA-1 is the only hash of cWatch's API"}
	local := func(why string) backends.HuntMode {
		return backends.HuntMode{Where: backends.HuntLocal, Why: why}
	}
	// One by one: q knows no OR, and a hash is reported on by itself.
	exact := func(most int, why string) backends.HuntMode {
		return backends.HuntMode{Where: backends.HuntServer, Why: why, Chunk: 1, Most: most}
	}
	// All together: where the server's ~ cannot be used they share one scan.
	text := func(why string) backends.HuntMode {
		why += "; ~ narrows on the server once it has shown that it means \"contains\", and the comparison is made here"
		return backends.HuntMode{Where: backends.HuntServer, Why: why, Chunk: mostTexts, Most: mostTexts}
	}
	return map[string]backends.HuntMode{
		"md5": none, "sha256": none, "sha512": none, "imphash": none,
		"sha1":         exact(mostHashes, "events (q on "+strings.Join(indicatorSearches["sha1"].exact, ", ")+"), GET /process by process_hash and file_hash, and /hash/verdict, /name and /seenon; GET /process and /seenon tell no times"),
		"ipv4":         exact(mostAddresses, "connections (q on network_destination_ip, network_source_ip), not command lines"),
		"ipv6":         local("q takes IPv4 only: the connections of the window are compared here"),
		"cidr":         local("q knows no ranges: the connections of the window are compared here"),
		"domain":       text("hosts of downloads and of URLs in command lines of started processes; cWatch records no DNS"),
		"url":          text("downloads and command lines of started processes"),
		"file_name":    text("names of images, files and downloads"),
		"file_path":    text("paths of images, files and downloads"),
		"process_name": text("names of images"),
		"email":        local("command lines of started processes: cWatch records no mail"),
		"pipe":         {Where: backends.HuntNone, Why: "cWatch records no named pipes"},
	}
}

// indicatorSearch is how one type is searched: the terms the server compares exactly,
// the fields it is asked with ~, and what an event shows.
type indicatorSearch struct {
	exact []string
	text  []string
	show  func(e *model.Event, value string, see func(p *model.Process, f *model.File))
}

var (
	imageFields = []string{"process_path", "child_process_path", "target_name"}
	pathFields  = append([]string{"file_path", "file_old_path", "browser_file_path"}, imageFields...)
	linkFields  = []string{"browser_download_url", "child_process_command_line"}
)

var indicatorSearches = map[string]indicatorSearch{
	"sha1":         {exact: []string{"process_hash", "child_process_hash", "file_hash", "browser_file_hash"}, show: showHash},
	"ipv4":         {exact: []string{"network_destination_ip", "network_source_ip"}, show: showAddress},
	"domain":       {text: linkFields, show: showDomain},
	"url":          {text: linkFields, show: showURL},
	"file_name":    {text: pathFields, show: showFileName},
	"file_path":    {text: pathFields, show: showFilePath},
	"process_name": {text: imageFields, show: showProcessName},
}

// terms are the queries that together hold every event showing value; none
// when nothing in it can be asked for.
func (k indicatorSearch) terms(value string) (out []string, err error) {
	if len(k.exact) > 0 {
		v, err := rules.Quote(value)
		if err != nil {
			return nil, err
		}
		for _, f := range k.exact {
			out = append(out, f+" = "+v)
		}
		return out, nil
	}
	runs := rules.PlainRuns(value)
	if len(runs) == 0 {
		return nil, nil
	}
	for _, f := range k.text {
		all := make([]string, len(runs))
		for i, run := range runs {
			all[i] = f + " ~ '" + run + "'"
		}
		out = append(out, strings.Join(all, " AND "))
	}
	return out, nil
}

// Hunt searches values of one type: events of the window, and for SHA-1 what
// the server knows of the hash and of processes besides.
func (d *Driver) Hunt(ctx context.Context, q backends.HuntQuery) (backends.Listing[*model.Hit], error) {
	var l backends.Listing[*model.Hit]
	what := "cannot hunt for " + q.Type
	k, ok := indicatorSearches[q.Type]
	if !ok {
		return l, backends.Unsupported(product, what, d.HuntModes()[q.Type].Why)
	}
	since, until := d.window(backends.Query{Since: q.Since, Until: q.Until})
	h := &hunt{d: d, kind: q.Type, indicatorSearch: k, scan: scan{d: d, since: since, until: until, size: pageSize}}
	w := h.scan.span()
	if len(k.exact) == 0 {
		probe := h.scan
		probe.size = smallPage
		l.Plan.Requests = append(l.Plan.Requests, d.client.Describe(probe.call(w, "", "")),
			d.client.Describe(probe.call(w, "id = '…' AND process_path ~ '…'", "")))
	}
	for _, v := range q.Values {
		if q.Type == "sha1" {
			var err error
			if v, err = checkHash(v); err != nil {
				return l, err
			}
		}
		terms, err := k.terms(v)
		if err != nil {
			return l, err
		}
		if terms == nil {
			terms = []string{""}
		}
		h.values = append(h.values, v)
		for _, one := range terms {
			l.Plan.Requests = append(l.Plan.Requests, d.client.Describe(h.scan.call(w, one, ""))+"&next_key=…")
		}
		if q.Type == "sha1" {
			for _, c := range [...]client.Call{
				processCall("process_hash", v), processCall("file_hash", v),
				hashCall("/hash/verdict", v), hashCall("/hash/name", v), hashCall("/hash/seenon", v),
			} {
				l.Plan.Requests = append(l.Plan.Requests, d.client.Describe(c))
			}
			l.Plan.Requests = append(l.Plan.Requests, "GET /endpoint?endpointIDs=…")
		}
	}
	l.Seq = func(yield func(*model.Hit, error) bool) {
		err := h.run(ctx, func(h *model.Hit) error {
			if !yield(h, nil) {
				return errStopped
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStopped) {
			yield(nil, backends.FromClient(what, err))
		}
	}
	return l, nil
}

func processCall(by, sum string) client.Call {
	return client.Call{Path: "/process", Query: url.Values{by: {sum}}}
}

func hashCall(path, sum string) client.Call {
	return client.Call{Path: path, Query: url.Values{"hash": {sum}}}
}

// hunt is one call of Hunt.
type hunt struct {
	indicatorSearch
	d      *Driver
	kind   string
	values []string
	scan   scan
}

// run gives what was seen of every value. What was seen before a failure is
// given before the failure.
func (h *hunt) run(ctx context.Context, give func(*model.Hit) error) error {
	contains := true
	if len(h.exact) == 0 {
		var err error
		if contains, err = h.d.tildeContains(ctx, &h.scan, []string{""}); err != nil {
			return err
		}
	}
	var rest []string // to be looked for in the whole window, all at once
	for _, v := range h.values {
		terms, err := h.terms(v)
		switch {
		case err != nil:
			return err
		case terms == nil || !contains:
			rest = append(rest, v)
			continue
		}
		s := h.sightings(v)
		if h.kind == "sha1" {
			err = h.hash(ctx, v, terms, s)
		} else {
			err = h.events(ctx, terms, []*sightings{s})
		}
		if err := s.give(give, err); err != nil {
			return err
		}
	}
	if len(rest) == 0 {
		return nil
	}
	all := make([]*sightings, len(rest))
	for i, v := range rest {
		all[i] = h.sightings(v)
	}
	err := h.events(ctx, []string{""}, all)
	for _, s := range all {
		if gerr := s.give(give, nil); gerr != nil {
			return gerr
		}
	}
	return err
}

// events looks through the events of the queries for every value of all.
func (h *hunt) events(ctx context.Context, queries []string, all []*sightings) error {
	for e, err := range h.scan.merged(ctx, queries) {
		if err != nil {
			return err
		}
		if !inWindow(e.Time, h.scan.since, h.scan.until) {
			continue
		}
		for _, s := range all {
			h.show(e, s.value, func(p *model.Process, f *model.File) { s.add(e, p, f) })
		}
	}
	return nil
}

const untimed = "cWatch tells no time for it: it may lie outside the window"

// hash looks a SHA-1 up everywhere at once: in events, in the list of
// processes, and on the hash routes.
func (h *hunt) hash(ctx context.Context, sum string, terms []string, s *sightings) error {
	var info *model.HashInfo
	var images, users []*model.Process
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return h.events(gctx, terms, []*sightings{s}) })
	g.Go(func() (err error) {
		info, err = h.d.InspectHash(gctx, sum)
		return err
	})
	g.Go(func() (err error) {
		images, err = h.d.processesBy(gctx, "process_hash", sum)
		return err
	})
	g.Go(func() (err error) {
		users, err = h.d.processesBy(gctx, "file_hash", sum)
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	known := ""
	if len(info.Names) > 0 {
		known = "; the server knows it as " + strings.Join(info.Names[:min(len(info.Names), 5)], ", ")
	}
	place := func(p *model.Process) *model.Host {
		if p.Host == nil {
			return nil
		}
		hosts := slices.Clone(info.Hosts)
		for _, hit := range s.order {
			hosts = append(hosts, hit.Host)
		}
		for _, host := range hosts {
			if host != nil && host.Name != "" && strings.EqualFold(host.Name, p.Host.Name) {
				return &model.Host{Origin: model.Origin{ID: host.ID}, Name: host.Name}
			}
		}
		return p.Host
	}
	for _, list := range [...]struct {
		rows []*model.Process
		file *model.File
	}{{images, nil}, {users, &model.File{Hash: &model.Hash{SHA1: sum}}}} {
		for _, p := range list.rows {
			if !s.has(p.UID, list.file != nil) {
				s.put(&model.Hit{Host: place(p), Process: brief(p), File: list.file, Note: "from the list of processes: " + untimed})
			}
		}
	}
	for _, host := range info.Hosts {
		if !slices.ContainsFunc(s.order, func(o *model.Hit) bool { return o.Host != nil && o.Host.ID == host.ID }) {
			s.put(&model.Hit{Host: &model.Host{Origin: model.Origin{ID: host.ID}, Name: host.Name}, Note: "from /hash/seenon: " + untimed + known})
		}
	}
	if info.Native != "" {
		for _, hit := range s.order {
			hit.Verdict = info.Verdict
		}
	}
	return nil
}

// processesBy lists the processes GET /process finds by a hash.
func (d *Driver) processesBy(ctx context.Context, by, sum string) (out []*model.Process, err error) {
	var r reader
	err = d.elements(ctx, processCall(by, sum), "", func(b []byte) error {
		p, err := r.run(b, false)
		if err != nil {
			return errRow("process")
		}
		out = append(out, p)
		return nil
	})
	return out, err
}

// sightings are the hits of one value, one for each host and process or file.
type sightings struct {
	kind, value string
	byKey       map[string]*model.Hit
	last        map[string]string // key -> event counted last
	order       []*model.Hit
}

func (h *hunt) sightings(value string) *sightings {
	return &sightings{kind: h.kind, value: value, byKey: map[string]*model.Hit{}, last: map[string]string{}}
}

// add counts one event for a process or file.
func (s *sightings) add(e *model.Event, p *model.Process, f *model.File) {
	hit := &model.Hit{
		Process: brief(p), File: f, First: e.Time, Last: e.Time, Count: 1, Evidence: []string{e.ID},
	}
	if e.Host != nil {
		host := *e.Host
		hit.Host = &host
	}
	if f == nil && p != nil && p.Reputation != nil && isImage(s.kind) {
		hit.Verdict = p.Reputation.Verdict
	}
	hit.Indicator = model.HitIndicator{Type: s.kind, Value: s.value}
	key := hit.Key()
	if s.last[key] == e.ID {
		return
	}
	s.last[key] = e.ID
	if old := s.byKey[key]; old != nil {
		old.Merge(hit)
		return
	}
	s.put(hit)
}

func (s *sightings) put(hit *model.Hit) {
	hit.Indicator = model.HitIndicator{Type: s.kind, Value: s.value}
	if s.byKey[hit.Key()] != nil {
		return
	}
	s.byKey[hit.Key()] = hit
	s.order = append(s.order, hit)
}

// has reports whether a process was seen already, as the image or with a file.
func (s *sightings) has(uid string, file bool) bool {
	return slices.ContainsFunc(s.order, func(h *model.Hit) bool {
		return h.Process != nil && h.Process.UID == uid && (h.File != nil) == file
	})
}

// give hands the hits on, and then err.
func (s *sightings) give(to func(*model.Hit) error, err error) error {
	for _, hit := range s.order {
		if gerr := to(hit); gerr != nil {
			return gerr
		}
	}
	return err
}

// isImage reports whether an indicator of this type is what a process runs, so
// that the process's reputation is the indicator's.
func isImage(kind string) bool {
	return kind == "sha1" || kind == "file_name" || kind == "file_path" || kind == "process_name"
}

// brief is a process as a hit names it.
func brief(p *model.Process) *model.Process {
	if p == nil {
		return nil
	}
	return &model.Process{UID: p.UID, PID: p.PID, Name: p.Name, Path: p.Path, CommandLine: p.CommandLine, Hash: p.Hash, User: p.User}
}

func showHash(e *model.Event, sum string, see func(*model.Process, *model.File)) {
	for _, p := range [...]*model.Process{e.Process, e.Target} {
		if p != nil && p.Hash != nil && p.Hash.SHA1 == sum {
			see(p, nil)
		}
	}
	if f := e.File; f != nil && f.Hash != nil && f.Hash.SHA1 == sum {
		see(e.Process, f)
	}
}

func showAddress(e *model.Event, value string, see func(*model.Process, *model.File)) {
	want, err := netip.ParseAddr(value)
	if err != nil || e.Network == nil {
		return
	}
	for _, end := range [...]*model.Endpoint{e.Network.Source, e.Network.Destination} {
		if end == nil {
			continue
		}
		if a, err := netip.ParseAddr(end.IP); err == nil && a.Unmap() == want.Unmap() {
			see(e.Process, nil)
		}
	}
}

// showPaths compares every path of an event.
func showPaths(e *model.Event, same func(path string) bool, see func(*model.Process, *model.File)) {
	for _, p := range [...]*model.Process{e.Process, e.Target} {
		if p != nil && same(p.Path) {
			see(p, nil)
		}
	}
	if f := e.File; f != nil && (same(f.Path) || same(f.OldPath)) {
		see(e.Process, f)
	}
}

func showFilePath(e *model.Event, value string, see func(*model.Process, *model.File)) {
	showPaths(e, func(p string) bool { return p != "" && strings.EqualFold(p, value) }, see)
}

func showFileName(e *model.Event, value string, see func(*model.Process, *model.File)) {
	showPaths(e, func(p string) bool { return p != "" && strings.EqualFold(model.BaseName(p), value) }, see)
}

func showProcessName(e *model.Event, value string, see func(*model.Process, *model.File)) {
	for _, p := range [...]*model.Process{e.Process, e.Target} {
		if p != nil && p.Name != "" && strings.EqualFold(p.Name, value) {
			see(p, nil)
		}
	}
}

// links gives the URLs of an event: of a download, and in command lines.
func links(e *model.Event, each func(link string, p *model.Process, f *model.File)) {
	if e.URL != "" {
		each(e.URL, e.Process, e.File)
	}
	for _, p := range [...]*model.Process{e.Process, e.Target} {
		if p == nil {
			continue
		}
		for s := p.CommandLine; ; {
			i := strings.Index(s, "://")
			if i < 0 {
				break
			}
			start := i
			for start > 0 && isSchemeByte(s[start-1]) {
				start--
			}
			end := i + 3
			for end < len(s) && strings.IndexByte(" \t\r\n\"'`<>|)],;", s[end]) < 0 {
				end++
			}
			each(s[start:end], p, nil)
			s = s[end:]
		}
	}
}

func isSchemeByte(c byte) bool {
	return rules.IsPlain(rune(c)) || c == '+' || c == '-' || c == '.'
}

// showURL compares whole URLs; an indicator without a scheme stands for any,
// and a slash at the end does not count.
func showURL(e *model.Event, value string, see func(*model.Process, *model.File)) {
	value = strings.TrimSuffix(value, "/")
	schemed := strings.Contains(value, "://")
	links(e, func(link string, p *model.Process, f *model.File) {
		if !schemed {
			_, link, _ = strings.Cut(link, "://")
		}
		if strings.EqualFold(strings.TrimSuffix(link, "/"), value) {
			see(p, f)
		}
	})
}

// showDomain compares hosts: the name itself and every name below it.
func showDomain(e *model.Event, value string, see func(*model.Process, *model.File)) {
	links(e, func(link string, p *model.Process, f *model.File) {
		_, host, _ := strings.Cut(link, "://")
		if i := strings.IndexAny(host, "/?#"); i >= 0 {
			host = host[:i]
		}
		if i := strings.LastIndexByte(host, '@'); i >= 0 {
			host = host[i+1:]
		}
		host, _, _ = strings.Cut(host, ":")
		host = strings.ToLower(strings.TrimSuffix(host, "."))
		if host == value || strings.HasSuffix(host, "."+value) {
			see(p, f)
		}
	})
}
