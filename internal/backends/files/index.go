package files

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/evidence"
	"github.com/edrctl/edrctl/internal/model"
)

// entry is a record's place: 32 bytes, whatever the record holds.
type entry struct {
	time int64 // Unix nanoseconds; math.MinInt64 without one
	id   uint64
	off  int64  // of the plain text of its file
	file uint32 // index.files
	ord  uint16 // of the items at the same place
	kind kind
	// copy counts the records without an id of their own that say the same in one
	// file, from 1; 0 has an id.
	copy uint8
}

type kind uint8

const (
	kindEvent kind = iota
	kindAlert
	kindHost
	kindProcess
	kinds
)

// index is what is known of a profile's files.
type index struct {
	o    evidence.Options
	room *budget

	mu      sync.Mutex
	files   []*file
	entries [kinds][]entry     // newest first; replaced, never changed
	twice   int                // records that were met before
	grown   [kinds][]entry     // what was added since, as it came
	ids     map[identity]uint8 // how many of each
}

// file is one source and what it held.
type file struct {
	evidence.Source
	text store
	done chan struct{} // of standard input that is followed: closed at its end

	mu      sync.Mutex
	merged  int    // of found, are in the index
	hash    string // SHA-256 of what was read
	formats []string
	header  int64 // of a table: where its first record begins
	first   bool  // header is known

	records int
	unread  int
	samples []string // of unread, the first few
	local   int      // records whose time had no zone
	err     error    // why the rest could not be read
	found   []entry
	hosts   map[string]*model.Host
}

// maxSamples is how many unread lines of a file are named.
const maxSamples = 5

// build reads all sources, several at once.
// Standard input is read by a goroutine of its own when life is given.
func build(ctx context.Context, sources []evidence.Source, o evidence.Options, keep keeping, life context.Context) (*index, error) {
	x := &index{o: o, files: make([]*file, len(sources)), room: &budget{left: memoryOfTexts}}
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for i, s := range sources {
		f := newFile(s)
		x.files[i] = f
		if s.Name == stdin && life != nil {
			f.done = make(chan struct{})
			go f.follow(life, uint32(i), o, x.room)
			continue
		}
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if keep.load(f, uint32(i)) {
				return
			}
			if f.err = f.scan(ctx, uint32(i), o, x.room); ctx.Err() == nil {
				keep.save(f)
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, errors.Join(err, x.close())
	}
	x.arrange()
	return x, nil
}

const stdin = "-"

func newFile(s evidence.Source) *file { return &file{Source: s, hosts: map[string]*model.Host{}} }

// scan reads a file once: places, hosts, hash, and the text where the file
// itself cannot be read from the middle.
func (f *file) scan(ctx context.Context, number uint32, o evidence.Options, room *budget) (err error) {
	rc, err := f.Open()
	if err != nil {
		return err
	}
	defer rc.Close()
	sum := sha256.New()
	raw := io.TeeReader(rc, sum)
	plain, same, err := evidence.Plain(raw)
	if err != nil {
		return err
	}
	defer plain.Close()
	var in io.Reader = plain
	if _, onDisk := rc.(*os.File); onDisk && same {
		f.text.path = f.Name
	} else {
		in = io.TeeReader(plain, f.text.keep(room))
	}
	place, ord := int64(-1), 0
	for it, rerr := range evidence.Read(ctx, f.Name, in, o) {
		if rerr != nil {
			err = rerr
			break
		}
		if it.Offset != place {
			place, ord = it.Offset, 0
		}
		f.take(&it, number, ord)
		if it.Err == nil {
			ord++
		}
	}
	if _, cerr := io.Copy(io.Discard, in); err == nil {
		err = cerr
	}
	if _, cerr := io.Copy(io.Discard, raw); err == nil {
		err = cerr
	}
	f.mu.Lock()
	f.hash = hex.EncodeToString(sum.Sum(nil))
	f.mu.Unlock()
	return errors.Join(err, f.text.flush())
}

// take notes one item.
func (f *file) take(it *evidence.Item, number uint32, ord int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if it.Err != nil {
		if f.unread++; len(f.samples) < maxSamples {
			f.samples = append(f.samples, fmt.Sprintf("%s: %s", place(it, f.Name), it.Err))
		}
		return
	}
	r := it.Record()
	if r == nil {
		return
	}
	if !f.first {
		f.header, f.first = it.Offset, true
	}
	if it.Format != "" && !slices.Contains(f.formats, it.Format) {
		f.formats = append(f.formats, it.Format)
	}
	if it.Local {
		f.local++
	}
	f.records++
	id := recordID(r)
	e := entry{time: nanos(model.TimeOf(r).Time), id: backends.Hash64(id), off: it.Offset, file: number, ord: uint16(min(ord, math.MaxUint16)), kind: kindOf(it)}
	if evidence.OfContent(id) {
		e.copy = 1
	}
	f.found = append(f.found, e)
	f.meet(r)
}

// meet notes the host of a record.
func (f *file) meet(r model.Record) {
	h, ok := r.(*model.Host)
	if !ok {
		h = model.HostOf(r)
	}
	if h == nil || h.Name == "" && h.ID == "" {
		return
	}
	key := hostKey(h)
	known := f.hosts[key]
	if known == nil {
		known = &model.Host{}
		f.hosts[key] = known
	}
	learn(known, h)
	if at := model.TimeOf(r); at.After(known.LastSeen.Time) {
		known.LastSeen = at
	}
}

// arrange sorts the places, the newest first, and leaves out those of records
// that another file has too. Lines of one file that say the same are that many
// records, unless they have an id of their own.
func (x *index) arrange() {
	var all []entry
	for _, f := range x.files {
		all = append(all, f.fresh()...)
	}
	slices.SortFunc(all, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.id, b.id), cmp.Compare(a.file, b.file), cmp.Compare(a.off, b.off), cmp.Compare(a.ord, b.ord))
	})
	once := all[:0]
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].kind == all[0].kind && all[n].id == all[0].id {
			n++
		}
		before := len(once)
		once = different(once, all[:n])
		x.twice += n - (len(once) - before)
		all = all[n:]
	}
	slices.SortFunc(once, newest)
	for len(once) > 0 {
		k := once[0].kind
		end := slices.IndexFunc(once, func(e entry) bool { return e.kind != k })
		if end < 0 {
			end = len(once)
		}
		x.entries[k], once = once[:end:end], once[end:]
	}
}

// different adds the records among places with one id, ordered by file and
// place: one, or as many as the file has that says it most often.
func different(to, same []entry) []entry {
	var copies, most uint8
	for i, e := range same {
		if i == 0 || e.file != same[i-1].file {
			copies = 0
		}
		copies = min(copies, maxCopies-1) + 1
		if e.copy > 0 {
			e.copy = copies
		}
		if i == 0 || e.copy > most {
			to, most = append(to, e), e.copy
		}
	}
	return to
}

const maxCopies = math.MaxUint8

// newest orders places of a kind, the newest first.
func newest(a, b entry) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(b.time, a.time), cmp.Compare(a.file, b.file), cmp.Compare(b.off, a.off), cmp.Compare(b.ord, a.ord))
}

// all gives the places of a kind.
func (x *index) all(k kind) []entry {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.entries[k]
}

// list gives the files, for reading.
func (x *index) list() []*file {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.files)
}

// window gives the places of a kind that lie in [since, until).
func (x *index) window(k kind, since, until time.Time) []entry {
	all := x.all(k)
	if !until.IsZero() {
		end := nanos(until)
		all = all[searchBelow(all, end):]
	}
	if !since.IsZero() {
		all = all[:searchBelow(all, nanos(since))]
	}
	return all
}

// searchBelow gives the first entry that is older than at.
func searchBelow(all []entry, at int64) int {
	i, _ := slices.BinarySearchFunc(all, at, func(e entry, at int64) int {
		if e.time >= at {
			return -1
		}
		return 1
	})
	return i
}

// find gives the places of a kind with an id.
func (x *index) find(k kind, id string) []entry {
	id, copies := copyOf(id)
	h := backends.Hash64(id)
	var out []entry
	for _, e := range x.all(k) {
		if e.id == h && (copies == 0 || e.copy == copies) {
			out = append(out, e)
		}
	}
	return out
}

// withCopy is the id of a record that its file has several times.
func withCopy(id string, copies uint8) string {
	if copies < 2 {
		return id
	}
	return id + copyMark + strconv.Itoa(int(copies))
}

// copyOf takes apart what withCopy made; copies 0 is any.
func copyOf(id string) (content string, copies uint8) {
	if evidence.OfContent(id) {
		return id, 1
	}
	content, number, ok := strings.Cut(id, copyMark)
	if n, err := strconv.ParseUint(number, 10, 8); ok && err == nil && evidence.OfContent(content) {
		return content, uint8(n)
	}
	return id, 0
}

const copyMark = "-"

func (x *index) close() error {
	var errs []error
	for _, f := range x.list() {
		errs = append(errs, f.text.close())
	}
	return errors.Join(errs...)
}

// broken says which files could not be read to their end.
func (x *index) broken() error {
	var names []string
	for _, f := range x.list() {
		f.mu.Lock()
		err := f.err
		f.mu.Unlock()
		if err != nil {
			names = append(names, f.Name+": "+strings.TrimPrefix(err.Error(), "cannot read "+f.Name+": "))
		}
	}
	if len(names) == 0 {
		return nil
	}
	why := strings.Join(names[:min(len(names), 3)], "; ")
	if len(names) > 3 {
		why += fmt.Sprintf("; and %d more", len(names)-3)
	}
	return &backends.Error{Kind: backends.KindPartial, What: "cannot read all evidence", Why: why}
}

// notices are what a user should know without asking.
func (x *index) notices(zone *time.Location) []string {
	var out []string
	unread, where, foreign, which, local, files := 0, "", 0, "", 0, 0
	for _, f := range x.list() {
		f.mu.Lock()
		switch {
		case f.unread == 0:
		case f.records == 0 && f.Name != "-":
			if foreign++; which == "" {
				which = f.samples[0]
			}
		default:
			if unread += f.unread; where == "" {
				where = f.samples[0]
			}
		}
		if f.local > 0 {
			local += f.local
			files++
		}
		f.mu.Unlock()
	}
	if unread > 0 {
		noun := "line"
		if strings.Contains(where, ": offset ") {
			noun = "place"
		}
		out = append(out, fmt.Sprintf("not understood: %s, for example %s (--explain lists more)", model.Amount(unread, noun), where))
	}
	if foreign > 0 {
		out = append(out, fmt.Sprintf("%s no record: %s (--explain lists all)", model.Amount(foreign, "file holds", "files hold"), which))
	}
	if local > 0 {
		out = append(out, fmt.Sprintf("the times of %s in %s name no time zone: they are read as %s; --tz says otherwise", model.Amount(local, "record"), model.Amount(files, "file"), zone))
	}
	return out
}

// summary names every file with its hash, and what was not understood.
func (x *index) summary() []string {
	var out []string
	for _, f := range x.list() {
		out = append(out, f.summary()...)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.twice > 0 {
		out = append(out, fmt.Sprintf("%s more than once in the files: shown once", model.Amount(x.twice, "record")))
	}
	return out
}

func (f *file) summary() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	hash := "SHA-256 " + f.hash
	if f.hash == "" {
		hash = "not read to its end"
	}
	if f.err == nil && f.records == 0 && f.unread == 0 {
		return []string{fmt.Sprintf("%s: empty, %s", f.Name, hash)}
	}
	text := fmt.Sprintf("%s: %s", f.Name, model.Amount(f.records, "record"))
	if len(f.formats) > 0 {
		text += " (" + strings.Join(f.formats, ", ") + ")"
	}
	if f.unread > 0 {
		text += fmt.Sprintf(", %d not understood", f.unread)
	}
	out := append([]string{text + ", " + hash}, f.samples...)
	if more := f.unread - len(f.samples); more > 0 {
		out = append(out, fmt.Sprintf("%s: %d more not understood", f.Name, more))
	}
	return out
}

// nanos is a time that compares as int64 whatever its year is.
func nanos(t time.Time) int64 {
	switch y := t.Year(); {
	case t.IsZero():
		return math.MinInt64
	case y < 1700:
		return math.MinInt64 + 1
	case y > 2250:
		return math.MaxInt64
	}
	return t.UnixNano()
}
