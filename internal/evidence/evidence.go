// Package evidence reads the files that analysts have: it tells a format by
// what is in the file, never by its name, and gives normalised records. It
// knows no server and writes nothing. What it cannot understand it says, with
// file and line, so that records and unread lines add up to what was there.
package evidence

import (
	"context"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/edrctl/edrctl/internal/model"
)

// Item is one record of an evidence file: exactly one of Event, Alert, Host
// and Process is set, or Err for what was not understood. A record that is a
// detection gives its event and then its alert, both with the same place.
type Item struct {
	File   string
	Format string
	Offset int64 // of the text: decompressed, in UTF-8
	Line   int   // from 1; 0 in binary files

	Event   *model.Event
	Alert   *model.Alert
	Host    *model.Host
	Process *model.Process
	Err     error // why the line was not understood

	// Local tells that the record's time had no zone, so that Options.Zone
	// decided.
	Local bool
}

// Options say how to read.
type Options struct {
	Zone *time.Location // of times that name none; nil is UTC
	Log  bool           // keep Event.Log
	Raw  bool           // keep the record as it was, where it is JSON
}

func (o Options) zone() *time.Location {
	if o.Zone == nil {
		return time.UTC
	}
	return o.Zone
}

// Record is the record that an item holds, nil when it has none.
func (it *Item) Record() model.Record {
	switch {
	case it.Event != nil:
		return it.Event
	case it.Alert != nil:
		return it.Alert
	case it.Host != nil:
		return it.Host
	case it.Process != nil:
		return it.Process
	}
	return nil
}

// Format is a way in which records are written.
type Format struct {
	Name string
	// Detect tells whether a JSON document is a record of this format. It must
	// take no other format's documents.
	Detect func(Value) bool
	// Decode gives what the document says; an Item's place is filled in by the
	// caller.
	Decode func(Value, Options) ([]Item, error)
}

// Binary is a file format that begins with a magic number and reads itself.
type Binary struct {
	Name  string
	Magic string
	Read  func(ctx context.Context, r io.Reader, o Options) iter.Seq2[Item, error]
}

var (
	registered []*Format
	binaries   []*Binary
)

// Register adds the format of a product, which is tried before the ones built
// in. It is for init functions: readers do not lock.
func Register(f Format) { registered = append(registered, &f) }

// RegisterBinary adds a binary format.
func RegisterBinary(b Binary) { binaries = append(binaries, &b) }

// builtin are tried in this order.
var builtin = []*Format{
	{Name: "windows", Detect: isWindows, Decode: decodeWindows},
	{Name: "flat", Detect: isFlat, Decode: decodeFlat},
	{Name: "edrctl", Detect: isOwn, Decode: decodeOwn},
	{Name: "ocsf", Detect: isOCSF, Decode: decodeOCSF},
	{Name: "winlogbeat", Detect: isWinlogbeat, Decode: decodeWinlogbeat},
	{Name: "ecs", Detect: isECS, Decode: decodeECS},
	{Name: "osquery", Detect: isOsquery, Decode: decodeOsquery},
	{Name: "laurel", Detect: isLaurel, Decode: decodeLaurel},
	{Name: "defender", Detect: isDefender, Decode: decodeDefender},
	{Name: "cb-forwarder", Detect: isForwarder, Decode: decodeForwarder},
}

// errorf is an error about a line: a sentence for the user.
func errorf(format string, a ...any) error { return fmt.Errorf(format, a...) }

func yes(v bool) *bool { return &v }
