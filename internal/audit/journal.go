// Package audit is the journal of everything edrctl changed: NDJSON, one
// record a line, appended and synced to disk, each line carrying the SHA-256
// of the line before. A record that was changed, removed or moved breaks the
// chain, and Verify names the line. Several edrctl processes append to one
// unbroken chain.
package audit

import (
	"bytes"
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

	"github.com/rogpeppe/go-internal/lockedfile"

	"github.com/edrctl/edrctl/internal/atomicfile"
)

// File names inside the state folder.
const (
	fileName = "audit.jsonl"
	headName = "audit.head"
	lockName = "audit.lock"
)

// Phase is where an action stands when a record is written.
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
	Seq     int64     `json:"seq"`
	Prev    string    `json:"prev"` // hex SHA-256 of the line before, without its newline
	Time    time.Time `json:"time"`
	User    string    `json:"user,omitempty"`
	Host    string    `json:"host,omitempty"` // this machine
	PID     int       `json:"pid,omitempty"`
	Command string    `json:"command,omitempty"` // the command line, redacted
	Version string    `json:"version,omitempty"`

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
	Healed   string            `json:"healed,omitempty"` // why the line before is no record: a write that was cut
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

// head is the newest record, kept beside the journal so that lines cut off
// its end are missed.
type head struct {
	Seq  int64  `json:"seq"`
	Hash string `json:"hash"`
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
	unlock, err := lockedfile.MutexAt(filepath.Join(j.dir, lockName)).Lock()
	if err != nil {
		return err
	}
	defer unlock()
	f, err := os.OpenFile(Path(j.dir), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	last, torn, size, err := lastLine(f)
	if err != nil {
		return err
	}
	r.Seq, r.Prev = 1, genesis
	if last != nil {
		r.Prev = hashOf(last)
		var before Record
		if json.Unmarshal(last, &before) == nil && before.Seq > 0 {
			r.Seq = before.Seq + 1
		} else {
			r.Healed = "the line before is a write that was cut"
			r.Seq = j.seqBefore(f, size-int64(len(last))-1) + 1
		}
		if torn && r.Healed == "" {
			r.Healed = "the line before was not ended"
		}
	}
	r.Time = j.now().UTC()
	r.User, r.Host, r.PID, r.Command, r.Version = j.who.User, j.who.Host, j.who.PID, j.who.Command, j.who.Version
	if r.Case == "" {
		r.Case = j.who.Case
	}
	line, err := encode(r)
	if err != nil {
		return err
	}
	var out []byte
	if torn {
		out = append(out, '\n')
	}
	out = append(append(out, line...), '\n')
	if _, err := f.WriteAt(out, size); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	h, err := json.Marshal(head{r.Seq, hashOf(line)})
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(j.dir, headName), append(h, '\n'))
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
func (j *Journal) seqBefore(f *os.File, end int64) int64 {
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

// readHead gives what was the newest record when it was written; ok is false
// when nothing is known.
func readHead(dir string) (h head, ok bool, err error) {
	b, err := os.ReadFile(filepath.Join(dir, headName))
	if errors.Is(err, fs.ErrNotExist) {
		return h, false, nil
	}
	if err != nil {
		return h, false, err
	}
	return h, json.Unmarshal(b, &h) == nil && h.Seq > 0, nil
}
