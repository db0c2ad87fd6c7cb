// Package audit is the journal of everything edrctl changed: NDJSON, one
// record a line, appended and synced to disk, each line carrying the SHA-256
// of the line before. A record that was changed, removed or moved breaks the
// chain, and Verify names the line. Several edrctl processes append to one
// unbroken chain.
package audit

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/atomicfile"
	"github.com/edrctl/edrctl/internal/model"
)

// File names inside the state folder.
const (
	fileName = "audit.jsonl"
	headName = "audit.head"
	lockName = "audit.lock"
)

// Phase is how far an action has come when a record is written.
type Phase string

// The phases of an action, in their order. A record of another kind of thing
// (a download, a secret stored) has only an outcome.
const (
	PhaseIntent  Phase = "intent"  // before the request is sent
	PhaseSent    Phase = "sent"    // the backend answered the request
	PhaseOutcome Phase = "outcome" // how it ended, as far as was waited for
)

// Target is one thing an action is on.
type Target struct {
	Host string `json:"host,omitempty"` // name
	ID   string `json:"id,omitempty"`   // the backend's id of the host, or of the alert
	PID  int64  `json:"pid,omitempty"`
	Path string `json:"path,omitempty"`
	What string `json:"what,omitempty"` // address, program, verdict …
}

// String is the target in one line, for tables.
func (t Target) String() string {
	s := t.Host
	if s == "" {
		s = t.ID
	}
	if t.PID != 0 {
		s += fmt.Sprintf(" pid %d", t.PID)
	}
	for _, part := range []string{t.Path, t.What} {
		if part != "" {
			s += " " + part
		}
	}
	return strings.TrimSpace(s)
}

// Record is one line. Seq, Prev, Time and who ran it are filled in by Append.
type Record struct {
	Seq     int64      `json:"seq"`
	Prev    string     `json:"prev"` // hex SHA-256 of the line before, without its newline
	Time    model.Time `json:"time"`
	User    string     `json:"user,omitempty"`
	Host    string     `json:"host,omitempty"` // this machine
	PID     int        `json:"pid,omitempty"`
	Command string     `json:"command,omitempty"` // the command line, redacted
	Version string     `json:"version,omitempty"`

	Case     string            `json:"case,omitempty"`
	Action   string            `json:"action,omitempty"` // joins the records of one action
	Profile  string            `json:"profile,omitempty"`
	Backend  string            `json:"backend,omitempty"`
	Verb     string            `json:"verb,omitempty"`
	Phase    Phase             `json:"phase,omitempty"`
	Targets  []Target          `json:"targets,omitempty"`
	Requests []string          `json:"requests,omitempty"` // redacted
	IDs      []string          `json:"request_ids,omitempty"`
	State    string            `json:"state,omitempty"` // of the action: done failed ambiguous …
	Comment  string            `json:"comment,omitempty"`
	Error    string            `json:"error,omitempty"`
	Undoes   string            `json:"undoes,omitempty"` // the action this one takes back
	Details  map[string]string `json:"details,omitempty"`
	Healed   string            `json:"healed,omitempty"` // why the line before is not a record: a write that was cut
	Gap      string            `json:"gap,omitempty"`    // what was missing before this record when it was written: a new chain begins here
}

// Who is what every record says of the run.
type Who struct {
	User, Host, Command, Version, Case string
	PID                                int
}

// Journal appends to the journal in a folder.
type Journal struct {
	dir string
	who Who
	now func() time.Time
}

// Open gives the journal in dir; nothing is read or written yet.
func Open(dir string, who Who, now func() time.Time) *Journal {
	return &Journal{dir: dir, who: who, now: now}
}

// Who is who writes it.
func (j *Journal) Who() Who { return j.who }

// Path is the file of the journal in dir.
func Path(dir string) string { return filepath.Join(dir, fileName) }

// Archive moves the journal of dir, with its head, into a new folder below it
// named by the time; false when there is no journal.
func Archive(dir string, at time.Time) (done bool, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("cannot archive the audit journal: %w", err)
		}
	}()
	if _, err := os.Lstat(Path(dir)); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	unlock, err := atomicfile.Lock(filepath.Join(dir, lockName))
	if err != nil {
		return false, err
	}
	defer unlock()
	to := filepath.Join(dir, "until-"+at.UTC().Format("20060102T150405.000Z"))
	if err := os.Mkdir(to, 0o700); err != nil {
		return false, err
	}
	for _, name := range []string{fileName, headName} {
		if err := os.Rename(filepath.Join(dir, name), filepath.Join(to, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
	}
	return true, nil
}

// Head is the newest record of a journal. It is kept next to the journal, so
// that lines cut off its end are missed; a copy kept elsewhere (syslog, a ticket)
// is an anchor for Verify.
type Head struct {
	Seq  int64      `json:"seq"`
	Hash string     `json:"hash"` // hex SHA-256 of its line, without the newline
	Time model.Time `json:"time,omitzero"`
}

var genesis = strings.Repeat("0", sha256.Size*2)

func hashOf(line []byte) string {
	sum := sha256.Sum256(line)
	return hex.EncodeToString(sum[:])
}

// Append writes one record and syncs it to the disk. When it returns an error
// the action must not be sent.
func (j *Journal) Append(r Record) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("cannot write the audit journal: %w", err)
		}
	}()
	if err := os.MkdirAll(j.dir, 0o700); err != nil {
		return err
	}
	unlock, err := atomicfile.Lock(filepath.Join(j.dir, lockName))
	if err != nil {
		return err
	}
	defer unlock()
	f, err := os.OpenFile(Path(j.dir), os.O_RDWR|os.O_CREATE, atomicfile.FileMode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	end, err := j.findEnd(f)
	if err != nil {
		return err
	}
	r.Seq, r.Prev, r.Healed, r.Gap = end.seq+1, end.hash, end.healed, end.gap
	r.Time = model.At(j.now())
	r.User, r.Host, r.PID, r.Command, r.Version = j.who.User, j.who.Host, j.who.PID, j.who.Command, j.who.Version
	if r.Case == "" {
		r.Case = j.who.Case
	}
	line, err := encode(r)
	if err != nil {
		return err
	}
	out := append(line, '\n')
	if end.torn {
		out = append([]byte("\n"), out...)
	}
	if _, err := f.WriteAt(out, end.size); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return writeHead(j.dir, Head{Seq: r.Seq, Hash: hashOf(line), Time: r.Time})
}

// end is what the next record follows.
type end struct {
	seq    int64  // of the newest record
	hash   string // of the line before
	torn   bool   // the file does not end with a newline
	size   int64
	healed string // see Record
	gap    string
}

// findEnd reads the end of the journal and compares it with the head, so that
// a record appended after a truncation never hides it.
func (j *Journal) findEnd(f *os.File) (end, error) {
	last, torn, size, err := lastLine(f)
	if err != nil {
		return end{}, err
	}
	e := end{hash: genesis, torn: torn, size: size}
	if last != nil {
		e.hash = hashOf(last)
		var before Record
		if json.Unmarshal(last, &before) == nil && before.Seq > 0 {
			e.seq = before.Seq
			if torn {
				e.healed = "the line before was not ended"
			}
		} else {
			e.healed = "the line before is a write that was cut"
			e.seq = seqBefore(f, size-int64(len(last))-1)
		}
	}
	h, known, err := ReadHead(j.dir)
	if err != nil {
		return end{}, err
	}
	if !known && last == nil {
		// Before the first record, so that a head is missing only when somebody
		// took it away, wherever a crash falls.
		if err := writeHead(j.dir, Head{Hash: genesis}); err != nil {
			return end{}, err
		}
	}
	if gap := gapBefore(h, known, e); gap != "" {
		e.gap, e.seq, e.hash, e.healed = gap, max(h.Seq, e.seq), cmp.Or(h.Hash, e.hash), ""
	}
	return e, nil
}

// gapBefore tells what is missing at the end of a journal, "" when it is whole.
// The head is written after the line: a crash between the two leaves it one behind.
func gapBefore(h Head, known bool, e end) string {
	switch {
	case !known && e.seq > 0:
		return fmt.Sprintf("%s was missing after record %d: later records may have been cut off", headName, e.seq)
	case known && h.Seq == e.seq+1:
		return fmt.Sprintf("record %d was missing: the end had been cut off", h.Seq)
	case known && h.Seq > e.seq:
		return fmt.Sprintf("records %d to %d were missing: the end had been cut off", e.seq+1, h.Seq)
	case known && h.Seq == e.seq && e.healed == "" && h.Hash != e.hash:
		return fmt.Sprintf("record %d was not the one that was written", h.Seq)
	}
	return ""
}

func encode(r Record) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// maxLine bounds one record.
const maxLine = 16 << 20

// lastLine reads the last line from the end, without its newline; torn when
// it has none. nil for an empty journal.
func lastLine(f *os.File) (line []byte, torn bool, size int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return nil, false, 0, err
	}
	size = info.Size()
	line, torn, err = lineEndingAt(f, size)
	return line, torn, size, err
}

// lineEndingAt reads the line that ends at offset end.
func lineEndingAt(f *os.File, end int64) (line []byte, torn bool, err error) {
	if end <= 0 {
		return nil, false, nil
	}
	for n := int64(1 << 12); ; n *= 4 {
		n = min(n, end)
		buf := make([]byte, n)
		if _, err := f.ReadAt(buf, end-n); err != nil && !errors.Is(err, io.EOF) {
			return nil, false, err
		}
		body, whole := bytes.CutSuffix(buf, []byte("\n"))
		if i := bytes.LastIndexByte(body, '\n'); i >= 0 {
			return body[i+1:], !whole, nil
		}
		if n == end {
			return body, !whole, nil
		}
		if n > maxLine {
			return nil, false, errors.New("its last line is too long to be a record")
		}
	}
}

// seqBefore finds the number of the last readable record that ends before end.
func seqBefore(f *os.File, end int64) int64 {
	for end > 0 {
		line, _, err := lineEndingAt(f, end)
		if err != nil || line == nil {
			return 0
		}
		var r Record
		if json.Unmarshal(line, &r) == nil && r.Seq > 0 {
			return r.Seq
		}
		end -= int64(len(line)) + 1
	}
	return 0
}

// ReadHead gives the newest record of the journal in dir as it was written, with
// number 0 before the first one; ok is false when there is no head.
func ReadHead(dir string) (h Head, ok bool, err error) {
	b, err := os.ReadFile(filepath.Join(dir, headName))
	if errors.Is(err, fs.ErrNotExist) {
		return Head{}, false, nil
	}
	if err != nil {
		return Head{}, false, err
	}
	if json.Unmarshal(b, &h) != nil || h.Seq < 0 || len(h.Hash) != sha256.Size*2 {
		return Head{}, false, nil
	}
	return h, true, nil
}

func writeHead(dir string, h Head) error {
	b, err := json.Marshal(h)
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, headName), append(b, '\n'))
}
