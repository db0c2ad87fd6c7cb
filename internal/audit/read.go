package audit

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"strings"
)

// Line is one line of the journal.
type Line struct {
	Number int
	Record Record
	Bytes  []byte // without the newline; nil when the line is too long to be a record
	Hash   string // hex SHA-256 of the whole line, without the newline
	Torn   bool   // no newline at its end: the journal's last line
	Bad    error
}

// Lines gives the journal in dir, oldest first, line by line. A line that is
// no record comes with Bad set; only a read error ends the sequence.
func Lines(dir string) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		f, err := os.Open(Path(dir))
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err != nil {
			yield(Line{}, err)
			return
		}
		defer func() { _ = f.Close() }() // only read from
		r := bufio.NewReaderSize(f, 1<<16)
		for n := 1; ; n++ {
			l, err := readLine(r)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(Line{}, err)
				return
			}
			l.Number = n
			if !yield(l, nil) {
				return
			}
		}
	}
}

// readLine reads one line and holds at most maxLine of it; io.EOF when there is
// no further line.
func readLine(r *bufio.Reader) (Line, error) {
	var l Line
	sum := sha256.New()
	size := 0
	for {
		part, err := r.ReadSlice('\n')
		body, ended := bytes.CutSuffix(part, []byte("\n"))
		size += len(part)
		sum.Write(body)
		if size <= maxLine {
			l.Bytes = append(l.Bytes, body...)
		} else {
			l.Bytes = nil
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && (!errors.Is(err, io.EOF) || size == 0) {
			return Line{}, err
		}
		l.Torn, l.Hash = !ended, hex.EncodeToString(sum.Sum(nil))
		break
	}
	if size > maxLine {
		l.Bad = errors.New("it is too long")
		return l, nil
	}
	l.Bad = json.Unmarshal(l.Bytes, &l.Record)
	if l.Bad == nil && l.Record.Seq == 0 {
		l.Bad = errors.New("it has no number")
	}
	return l, nil
}

// Finding is something wrong, or worth knowing, at a line.
type Finding struct {
	Line  int    `json:"line"`
	What  string `json:"what"`
	Fatal bool   `json:"broken"` // the chain is broken here; else a note
}

// Report is the result of Verify.
type Report struct {
	Path     string    `json:"path"`
	Records  int       `json:"records"`
	OK       bool      `json:"ok"`
	Findings []Finding `json:"findings"`
}

// Verify checks the whole chain of the journal in dir. Each of anchors is the
// hash of a record that was kept elsewhere and must be in the chain.
func Verify(dir string, anchors ...string) (Report, error) {
	v := verifier{Report: Report{Path: Path(dir), OK: true, Findings: []Finding{}}, prev: genesis, missing: map[string]bool{}}
	for _, a := range anchors {
		v.missing[strings.ToLower(a)] = true
	}
	last := 0
	for l, err := range Lines(dir) {
		if err != nil {
			return v.Report, err
		}
		last = l.Number
		v.line(l)
	}
	if v.badLine > 0 {
		v.broken(v.badLine, "is not a record")
	}
	h, known, err := ReadHead(dir)
	if err != nil {
		return v.Report, err
	}
	switch {
	case !known && v.seq > 0:
		v.broken(last, "%s is missing: records after record %d may have been cut off", headName, v.seq)
	case known && h.Seq > v.seq:
		v.broken(last, "the journal ends with record %d, but record %d was written: the end was cut off", v.seq, h.Seq)
	case known && h.Seq == v.seq && h.Hash != v.prev && !v.torn:
		v.broken(last, "the last record is not the one that was written")
	}
	for _, a := range anchors {
		if v.missing[strings.ToLower(a)] {
			v.broken(last, "no record has the hash %s: records were cut off, changed or replaced", a)
		}
	}
	return v.Report, nil
}

// verifier follows a chain line by line.
type verifier struct {
	Report
	prev    string          // hash of the line before
	seq     int64           // of the newest record
	badLine int             // a line before that is not a record, not yet reported
	torn    bool            // the last line is a write that was cut
	missing map[string]bool // anchors not seen yet
}

func (v *verifier) broken(line int, format string, args ...any) {
	v.OK = false
	v.Findings = append(v.Findings, Finding{line, fmt.Sprintf(format, args...), true})
}

func (v *verifier) note(line int, what string) {
	v.Findings = append(v.Findings, Finding{line, what, false})
}

func (v *verifier) line(l Line) {
	if l.Bad != nil {
		// A write that was cut is healed by the record after it, which says so.
		if v.badLine > 0 {
			v.broken(v.badLine, "is not a record")
		}
		v.badLine = l.Number
		if l.Torn {
			v.note(l.Number, "the last write was cut; the next one heals it")
			v.badLine, v.torn = 0, true
		}
		v.prev = l.Hash
		return
	}
	r := l.Record
	switch {
	case v.badLine > 0 && r.Healed == "" && r.Gap == "":
		v.broken(v.badLine, "is not a record")
	case v.badLine > 0:
		v.note(v.badLine, "a write that was cut, healed by the next line")
	}
	v.badLine = 0
	switch {
	case r.Gap != "":
		v.broken(l.Number, "a new chain begins here: %s", r.Gap)
	case r.Prev != v.prev:
		v.broken(l.Number, "does not follow the line before: a record was changed, removed or moved at or before this line")
	}
	if r.Gap == "" && r.Seq != v.seq+1 {
		v.broken(l.Number, "is record %d after record %d", r.Seq, v.seq)
	}
	if l.Torn {
		v.note(l.Number, "the last line is not ended; the next write heals it")
	}
	v.seq, v.prev = r.Seq, l.Hash
	delete(v.missing, l.Hash)
	v.Records++
}

// String is the finding in one line, for tables.
func (f Finding) String() string { return fmt.Sprintf("line %d: %s", f.Line, f.What) }
