package esp

import (
	"context"
	"hash/maphash"
	"iter"
	"net/netip"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/rules"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/model"
)

// How many values one request takes. Values compared exactly travel as a file
// and end in one IN (…); texts become one condition a column, each a pattern
// the server tries on every row.
const (
	chunkExact     = 500
	chunkAddresses = 50
	chunkTexts     = 20
	// mostTexts is where reading the window once becomes cheaper than asking.
	mostTexts = 200
)

// maxHuntWindows is how many windows a hunt asks for; of a longer span the
// routes without a window are asked instead.
const maxHuntWindows = 4

// indicatorSearch is how the server is asked for one type of indicator. Columns of
// activity search (15) are asked in the window, all others over all time (12).
type indicatorSearch struct {
	exact     string // the column of 9, 10 and 13
	spellings func(value string) []string
	search    []string // columns of 15
	column    []string // other columns, for 12
	same      []string // columns of 12 that are the value, spelled like exact
	text      func(value string) string
	chunk     int
	most      int
	why       string
}

var indicatorSearches = map[string]indicatorSearch{
	"md5":    {exact: "md5", spellings: bothCases, chunk: chunkExact, why: "column md5 of every table, state tables included"},
	"sha256": {exact: "sha256", spellings: bothCases, chunk: chunkExact, why: "column sha256 of every table, state tables included"},
	"sha1": {column: []string{"sha1"}, text: like, chunk: chunkTexts, most: mostTexts,
		why: "column sha1 of every table, over all time and narrowed here: ESP's own hunt takes no SHA-1"},
	"ipv4": {exact: "remote_address", spellings: spellIPv4, same: []string{"local_address"}, column: []string{"url", "cmdline"}, text: likeAuthority, chunk: chunkAddresses,
		why: "both ends of connections and lookups, and hosts of URLs in command lines; local addresses and URLs are asked over all time"},
	"ipv6": {exact: "remote_address", spellings: spellIPv6, same: []string{"local_address"}, column: []string{"url", "cmdline"}, text: likeAuthority, chunk: chunkAddresses,
		why: "as ipv4; the server compares text, so addresses are asked for in short and in full, in small letters and in capitals"},
	"cidr": {search: []string{"remote_address"}, column: []string{"local_address", "url", "cmdline"}, text: likeRange, chunk: chunkTexts, most: mostTexts,
		why: "as ipv4: the server narrows by the leading numbers of an IPv4 range, the range itself is compared here"},
	"domain": {search: []string{"domain_name"}, column: []string{"url", "cmdline"}, text: like, chunk: chunkTexts, most: mostTexts,
		why: "lookups and connections by name, the name and all below it; URLs and command lines over all time"},
	"url": {column: []string{"url", "cmdline"}, text: likeURL, chunk: chunkTexts, most: mostTexts,
		why: "columns url and cmdline, over all time and narrowed here"},
	"email": {column: []string{"cmdline"}, text: like, chunk: chunkTexts, most: mostTexts,
		why: "command lines, over all time and narrowed here: ESP records no mail"},
	"file_name": {search: pathsInWindow, column: pathsOfAllTime, text: like, chunk: chunkTexts, most: mostTexts,
		why: "names of images, files and modules; columns the activity search does not take (path, image_path, …) are asked over all time"},
	"file_path": {search: pathsInWindow, column: pathsOfAllTime, text: like, chunk: chunkTexts, most: mostTexts,
		why: "paths of images, files and modules; columns the activity search does not take (path, image_path, …) are asked over all time"},
	"process_name": {search: pathsInWindow, column: []string{"path", "src_path", "name"}, text: like, chunk: chunkTexts, most: mostTexts,
		why: "names of images of processes that started, acted or were acted upon"},
}

var (
	pathsInWindow  = []string{"process_name", "target_path", "target_name"}
	pathsOfAllTime = []string{"path", "target_new_name", "image_path", "src_path"}
)

// HuntModes says where each type of indicator is searched: all on the server
// but the import hash and SHA-512, which no table of ESP has.
func (d *Driver) HuntModes() map[string]backends.HuntMode {
	out := map[string]backends.HuntMode{
		"sha512":  {Where: backends.HuntNone, Why: "no table of ESP's agents has a SHA-512: give the MD5, SHA-1 or SHA-256 of the same file"},
		"imphash": {Where: backends.HuntNone, Why: "no table of ESP's agents has an import hash"},
	}
	for name, k := range indicatorSearches {
		out[name] = backends.HuntMode{Where: backends.HuntServer, Why: k.why, Chunk: k.chunk, Most: k.most}
	}
	return out
}

// Hunt searches the stored results of all hosts for values of one type. The
// server narrows; each row is compared here before it counts.
func (d *Driver) Hunt(ctx context.Context, q backends.HuntQuery) (backends.Listing[*model.Hit], error) {
	var l backends.Listing[*model.Hit]
	what := "cannot hunt for " + q.Type
	k, ok := indicatorSearches[q.Type]
	if !ok {
		return l, backends.Unsupported("ESP", what, d.HuntModes()[q.Type].Why)
	}
	if len(q.Values) == 0 {
		l.Seq = func(func(*model.Hit, error) bool) {}
		return l, nil
	}
	for _, v := range q.Values {
		if strings.ContainsAny(v, "\r\n") || v == "" {
			return l, backends.Invalid(what, "a value is empty or has more than one line")
		}
	}
	m := newValueMatcher(q.Type, q.Values)
	asks := k.queries(d, what, q, &l.Plan)
	l.Seq = func(yield func(*model.Hit, error) bool) {
		seen := newRowSet()
		for _, rows := range asks {
			for r, err := range rows(ctx) {
				if err != nil {
					yield(nil, err)
					return
				}
				e := eventOf(r, false)
				if !e.Time.IsZero() && (e.Time.Before(q.Since) || !q.Until.IsZero() && !e.Time.Before(q.Until)) {
					continue
				}
				if len(asks) > 1 && !seen.add(r) {
					continue
				}
				for _, h := range m.hits(r, e) {
					if !yield(h, nil) {
						return
					}
				}
			}
		}
	}
	return l, nil
}

// queries are the questions that together bring every row that may show one of
// the values; what they are is written into the plan.
func (k indicatorSearch) queries(d *Driver, what string, q backends.HuntQuery, plan *backends.Plan) (out []func(context.Context) iter.Seq2[*wire.Row, error]) {
	long := len(d.reported(q.Since, q.Until)) > maxHuntWindows
	if long {
		plan.Notes = append(plan.Notes, "the span is long: the routes over all time are asked, and times are compared here")
	}
	look := func(l lookup) {
		plan.Requests = append(plan.Requests, l.plan()...)
		out = append(out, l.rows)
	}
	within := func(s *search) {
		plan.Requests = append(plan.Requests, s.plan().Requests...)
		out = append(out, s.rows)
	}
	if k.exact != "" {
		var values []string
		for _, v := range q.Values {
			values = append(values, k.spellings(v)...)
		}
		if long {
			look(d.byValues(what, k.exact, values))
		} else {
			s := d.search(backends.Query{Since: q.Since, Until: q.Until}, rules.Query{})
			s.what, s.column, s.file = what, k.exact, []byte(strings.Join(values, "\n")+"\n")
			within(s)
		}
		if len(k.same)+len(k.column) > 0 {
			g := k.conditions(k.column, q.Values)
			for _, c := range k.same {
				for _, v := range values {
					g.Rules = append(g.Rules, rules.Cond(c, "equal", v))
				}
			}
			look(d.byConditions(what, g))
		}
		return out
	}
	columns := k.column
	if long {
		columns = slices.Concat(k.search, k.column)
	} else if len(k.search) > 0 {
		s := d.search(backends.Query{Since: q.Since, Until: q.Until}, rules.Query{})
		s.what, s.req.Conditions = what, k.conditions(k.search, q.Values)
		within(s)
	}
	if len(columns) > 0 {
		look(d.byConditions(what, k.conditions(columns, q.Values)))
	}
	return out
}

func (k indicatorSearch) conditions(columns, values []string) rules.Group {
	g := rules.AnyOf()
	for _, c := range columns {
		open := false
		for _, v := range values {
			text := k.text(v)
			if text == "" {
				open = true
				continue
			}
			g.Rules = append(g.Rules, rules.Cond(c, "contains", text))
		}
		if open {
			g.Rules = append(g.Rules, rules.Cond(c, "is_not_empty", "-"))
		}
	}
	return g
}

// bothCases: the server compares exactly, and agents write hashes in either case.
func bothCases(v string) []string {
	lower, upper := strings.ToLower(v), strings.ToUpper(v)
	if lower == upper {
		return []string{lower}
	}
	return []string{lower, upper}
}

func spellIPv4(v string) []string { return []string{v, "::ffff:" + v} }

func spellIPv6(v string) []string {
	a, err := netip.ParseAddr(v)
	if err != nil {
		return []string{v}
	}
	return slices.Concat(bothCases(a.String()), bothCases(a.StringExpanded()))
}

// like is a text for the server's ILIKE that matches at least v: what it may
// take otherwise becomes _, one character of any kind.
func like(v string) string {
	var b strings.Builder
	for _, r := range v {
		if r >= 0x7f || r < 0x20 || r == '\\' || r == '\'' {
			r = '_'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// likeURL leaves out what agents write or leave out: the scheme and the last slash.
func likeURL(v string) string {
	if _, rest, ok := strings.Cut(v, "://"); ok {
		v = rest
	}
	return like(strings.TrimSuffix(v, "/"))
}

// likeAuthority is an address as a URL names it.
func likeAuthority(v string) string {
	if strings.Contains(v, ":") {
		return like("://[" + v)
	}
	return like("://" + v)
}

// likeRange is the text every address of an IPv4 range begins with; "" when
// there is none.
func likeRange(v string) string {
	p, err := netip.ParsePrefix(v)
	if err != nil || !p.Addr().Is4() || p.Bits() < 8 {
		return ""
	}
	parts := strings.SplitN(p.Masked().Addr().String(), ".", 4)
	return strings.Join(parts[:min(p.Bits()/8, 3)], ".") + "."
}

// rowSet knows rows that two questions brought. A row is known by the
// agent's event id, or by its cells: the two answers name it differently.
type rowSet struct {
	seed maphash.Seed
	seen map[uint64]struct{}
}

func newRowSet() *rowSet {
	return &rowSet{seed: maphash.MakeSeed(), seen: map[uint64]struct{}{}}
}

func (s *rowSet) add(r *wire.Row) bool {
	var h maphash.Hash
	h.SetSeed(s.seed)
	c := &r.Cells
	list := []string{r.HostID, r.Table, c.EID, c.Time, c.Action, c.PID, c.Path, c.ProcessName, c.Cmdline, c.TargetPath, c.TargetName, c.ImagePath, c.DomainName, c.URL, c.RemoteAddress, c.RemotePort, c.MD5, c.SHA256}
	if wire.IsGUID(c.EID) {
		list = []string{r.HostID, c.EID}
	}
	for _, v := range list {
		_, _ = h.WriteString(v) // a maphash never fails
		_ = h.WriteByte(0)
	}
	sum := h.Sum64()
	if _, dup := s.seen[sum]; dup {
		return false
	}
	s.seen[sum] = struct{}{}
	return true
}

// valueMatcher is the values of one type, to be found in rows.
type valueMatcher struct {
	kind   string
	values map[string]string // as compared -> as asked
	ranges map[netip.Prefix]string
}

func newValueMatcher(kind string, values []string) *valueMatcher {
	p := &valueMatcher{kind: kind, values: make(map[string]string, len(values)), ranges: map[netip.Prefix]string{}}
	for _, v := range values {
		switch kind {
		case "ipv4", "ipv6":
			if a, err := netip.ParseAddr(v); err == nil {
				p.values[a.Unmap().WithZone("").String()] = v
			}
		case "cidr":
			if r, err := netip.ParsePrefix(v); err == nil {
				p.ranges[r.Masked()] = v
			}
		case "url":
			p.values[bareURL(v)] = v
		default:
			p.values[strings.ToLower(v)] = v
		}
	}
	return p
}

// hits are the hits of one row, each thing once.
func (p *valueMatcher) hits(r *wire.Row, e *model.Event) (out []*model.Hit) {
	var keys []string
	give := func(value string, proc *model.Process, f *model.File) {
		h := &model.Hit{
			Indicator: model.HitIndicator{Type: p.kind, Value: value}, Host: e.Host, Process: briefProcess(proc), File: f,
			First: e.Time, Last: e.Time, Count: 1,
		}
		if wire.IsGUID(e.ID) || wire.IsNumber(e.ID) {
			h.Evidence = []string{e.ID}
		}
		if e.Time.IsZero() {
			h.Note = "a state, for which ESP tells no time: it may lie outside the window"
		}
		if k := h.Key(); !slices.Contains(keys, k) {
			keys = append(keys, k)
			out = append(out, h)
		}
	}
	find := func(value string, proc *model.Process, f *model.File) {
		if value == "" {
			return
		}
		if asked, ok := p.values[strings.ToLower(value)]; ok {
			give(asked, proc, f)
		}
	}
	c := &r.Cells
	actor, target, file := e.Process, e.Target, fileOf(e)
	if e.Kind == model.KindInventory {
		actor, file = stateOf(c)
	}
	switch p.kind {
	case "md5", "sha1", "sha256":
		sum := map[string]string{"md5": c.MD5, "sha1": c.SHA1, "sha256": c.SHA256}[p.kind]
		find(sum, actor, file)
	case "ipv4", "ipv6", "cidr":
		list := []string{c.RemoteAddress, c.LocalAddress, hostOfURL(c.URL)}
		for _, u := range urlsIn(c.Cmdline) {
			list = append(list, hostOfURL(u))
		}
		for _, s := range list {
			p.address(s, func(asked string) { give(asked, actor, nil) })
		}
	case "domain":
		names := []string{wire.DomainName(c.DomainName), hostOfURL(c.URL)}
		for _, u := range urlsIn(c.Cmdline) {
			names = append(names, hostOfURL(u))
		}
		for _, n := range names {
			for n != "" {
				find(n, actor, nil)
				_, n, _ = strings.Cut(n, ".")
			}
		}
	case "url":
		for _, u := range append(urlsIn(c.Cmdline), c.URL) {
			if u != "" {
				find(bareURL(u), actor, nil)
			}
		}
	case "email":
		for _, w := range strings.FieldsFunc(c.Cmdline, func(r rune) bool { return strings.ContainsRune(" \t\r\n\"'<>,;:=()", r) }) {
			if strings.Contains(w, "@") {
				find(w, actor, nil)
			}
		}
	case "process_name":
		for _, proc := range []*model.Process{actor, target} {
			if proc != nil {
				find(wire.FirstOf(proc.Name, model.BaseName(proc.Path)), proc, nil)
			}
		}
	default:
		part := func(s string) string { return s }
		if p.kind == "file_name" {
			part = model.BaseName
		}
		for _, proc := range []*model.Process{actor, target} {
			if proc != nil {
				find(part(proc.Path), proc, nil)
			}
		}
		if file != nil {
			find(part(file.Path), actor, file)
			find(part(file.OldPath), actor, file)
		}
	}
	return out
}

func (p *valueMatcher) address(s string, give func(asked string)) {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return
	}
	a = a.Unmap().WithZone("")
	if asked, ok := p.values[a.String()]; ok {
		give(asked)
	}
	for r, asked := range p.ranges {
		if r.Contains(a) {
			give(asked)
		}
	}
}

// fileOf is the file or module an event is about.
func fileOf(e *model.Event) *model.File {
	switch {
	case e.File != nil:
		return e.File
	case e.Module != nil:
		return &model.File{Path: e.Module.Path, Name: model.BaseName(e.Module.Path), Hash: e.Module.Hash}
	}
	return nil
}

// stateOf reads what a row of a state table is about: a process when it has a
// pid, else a file.
func stateOf(c *wire.Cells) (*model.Process, *model.File) {
	path := wire.FirstOf(c.Path, c.TargetPath, c.ImagePath)
	if pid := wire.PID(c.PID); pid > 0 {
		return &model.Process{PID: pid, Path: path, Name: wire.FirstOf(c.Name, model.BaseName(path)), CommandLine: c.Cmdline, Hash: hashOf(c)}, nil
	}
	if path == "" {
		return nil, nil
	}
	return nil, &model.File{Path: path, Name: model.BaseName(path), Hash: hashOf(c)}
}

// briefProcess is a process as a hit names it.
func briefProcess(p *model.Process) *model.Process {
	if p == nil {
		return nil
	}
	return &model.Process{
		UID: p.UID, PID: p.PID, Name: wire.FirstOf(p.Name, model.BaseName(p.Path)), Path: p.Path,
		CommandLine: p.CommandLine, Hash: p.Hash, User: p.User,
	}
}

// bareURL is a URL as it is compared: small letters, no scheme, no last slash.
func bareURL(u string) string {
	if _, rest, ok := strings.Cut(u, "://"); ok {
		u = rest
	}
	return strings.TrimSuffix(strings.ToLower(u), "/")
}

// urlsIn finds the URLs of a command line.
func urlsIn(s string) (out []string) {
	for {
		i := strings.Index(s, "://")
		if i < 0 {
			return out
		}
		start := i
		for start > 0 && isSchemeByte(s[start-1]) {
			start--
		}
		end := i + 3
		for end < len(s) && strings.IndexByte(" \t\r\n\"'`<>|)],;", s[end]) < 0 {
			end++
		}
		out = append(out, s[start:end])
		s = s[end:]
	}
}

func isSchemeByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '+' || c == '-' || c == '.'
}

// hostOfURL is the host of a URL without its port, "" when it has none.
func hostOfURL(u string) string {
	_, host, ok := strings.Cut(u, "://")
	if !ok {
		return ""
	}
	if i := strings.IndexAny(host, "/?#"); i >= 0 {
		host = host[:i]
	}
	host = host[strings.LastIndexByte(host, '@')+1:]
	if rest, six := strings.CutPrefix(host, "["); six {
		host, _, _ = strings.Cut(rest, "]")
	} else {
		host, _, _ = strings.Cut(host, ":")
	}
	return strings.TrimSuffix(strings.ToLower(host), ".")
}
