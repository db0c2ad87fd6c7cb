package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
)

// Line is one line of the journal.
type Line struct {
	Number int
	Record Record
	Bytes  []byte
	Torn   bool // no newline at its end: the journal's last line
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
			line, err := r.ReadBytes('\n')
			if err != nil && !errors.Is(err, io.EOF) {
				yield(Line{}, err)
				return
			}
			if len(line) == 0 {
				return
			}
			body, whole := bytes.CutSuffix(line, []byte("\n"))
			l := Line{Number: n, Bytes: body, Torn: !whole}
			l.Bad = json.Unmarshal(body, &l.Record)
			if l.Bad == nil && l.Record.Seq == 0 {
				l.Bad = errors.New("it has no number")
			}
			if !yield(l, nil) {
				return
			}
		}
	}
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

// Verify checks the whole chain of the journal in dir.
func Verify(dir string) (Report, error) {
	rep := Report{Path: Path(dir), OK: true, Findings: []Finding{}}
	broken := func(line int, format string, args ...any) {
		rep.OK = false
		rep.Findings = append(rep.Findings, Finding{line, fmt.Sprintf(format, args...), true})
	}
	note := func(line int, what string) { rep.Findings = append(rep.Findings, Finding{line, what, false}) }

	prev, seq, pendingBad, last := genesis, int64(0), 0, 0
	lastHash := ""
	for l, err := range Lines(dir) {
		if err != nil {
			return rep, err
		}
		last = l.Number
		if l.Bad != nil {
			// A write that was cut is healed by the record after it, which says so.
			if pendingBad > 0 {
				broken(pendingBad, "is no record")
			}
			pendingBad = l.Number
			if l.Torn {
				note(l.Number, "the last write was cut; the next one heals it")
				pendingBad = 0
			}
			prev = hashOf(l.Bytes)
			continue
		}
		r := l.Record
		switch {
		case pendingBad > 0 && r.Healed == "":
			broken(pendingBad, "is no record")
		case pendingBad > 0:
			note(pendingBad, "a write that was cut, healed by the next line")
		}
		pendingBad = 0
		if r.Prev != prev {
			broken(l.Number, "does not follow the line before: a record was changed, removed or moved at or before this line")
		}
		if r.Seq != seq+1 {
			broken(l.Number, "is record %d after record %d", r.Seq, seq)
		}
		if l.Torn {
			note(l.Number, "the last line is not ended; the next write heals it")
		}
		seq, prev = r.Seq, hashOf(l.Bytes)
		lastHash = prev
		rep.Records++
	}
	if pendingBad > 0 {
		broken(pendingBad, "is no record")
	}
	h, known, err := readHead(dir)
	if err != nil {
		return rep, err
	}
	switch {
	case known && h.Seq > seq:
		broken(last, "the journal ends with record %d, but record %d was written: the end was cut off", seq, h.Seq)
	case known && h.Seq == seq && h.Hash != lastHash:
		broken(last, "the last record is not the one that was written")
	}
	return rep, nil
}

// String is the finding in one line, for tables.
func (f Finding) String() string { return fmt.Sprintf("line %d: %s", f.Line, f.What) }
