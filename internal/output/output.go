// Package output writes records in every format of the program: tables for
// people, TSV for shells, JSON, NDJSON, YAML and CSV for scripts, ECS and OCSF
// documents for SIEMs, jq and Go templates over the JSON, and detail cards of
// single records. Whatever reaches a terminal or a spreadsheet has passed
// safetext; JSON carries the same bytes to a terminal and to a pipe.
package output

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/iostreams"
	"github.com/edrctl/edrctl/internal/suggest"
)

// The formats, as -o names them.
const (
	FormatTable  = "table"
	FormatWide   = "wide"
	FormatJSON   = "json"
	FormatNDJSON = "ndjson"
	FormatYAML   = "yaml"
	FormatCSV    = "csv"
	FormatECS    = "ecs"
	FormatOCSF   = "ocsf"
	FormatID     = "id"
)

var formats = []string{FormatTable, FormatWide, FormatJSON, FormatNDJSON, FormatYAML, FormatCSV, FormatECS, FormatOCSF, FormatID}

// Formats lists the values of -o.
func Formats() []string { return slices.Clone(formats) }

// Options say how to write.
type Options struct {
	Format   string           // one of Formats; "" is table, or json with JQ or Template
	Columns  []string         // dotted JSON names; nil is the kind's own choice
	JQ       string           // an expression over the JSON
	Template string           // a Go template over the JSON
	Raw      bool             // keep the vendor's JSON next to chosen Columns
	TZ       *time.Location   // zone of absolute times shown to people; nil is local
	CSVRaw   bool             // no formula guard
	Now      func() time.Time // for relative times; nil is time.Now
	Kind     Kind             // what the records are
	Next     []string         // commands to suggest under the card of an alert; nil is the usual ones
	Context  context.Context  // ends a jq expression that does not end; nil is never
}

// Writer writes records of one kind. Write is for lists; One is for a command
// that shows a single thing, and is called instead of Write and Close.
// A Writer is not safe for several goroutines.
type Writer interface {
	// Write adds one record: a pointer to, or a value of, the kind's type.
	Write(record any) error
	// One writes a single record and ends the output.
	One(record any) error
	// Flush brings everything written so far to the reader. A table stops
	// waiting for more rows to measure.
	Flush() error
	// Close ends the list: what was written is then complete and valid.
	Close() error
	// Abort ends without completing, for a command that failed as a whole:
	// what was held back is dropped, so a failure at once leaves stdout empty.
	Abort()
}

// UsageError is a request that cannot be met: an unknown format or column, a
// jq expression or template that does not work.
type UsageError struct {
	Msg string
	Err error // the cause, when there is one
}

func (e *UsageError) Error() string { return e.Msg }

func (e *UsageError) Unwrap() error { return e.Err }

func didYouMean(format string) string {
	if s := suggest.Nearest(format, formats); s != "" {
		return "; did you mean " + s + "?"
	}
	return ""
}

func usagef(format string, args ...any) *UsageError {
	err := fmt.Errorf(format, args...)
	u := &UsageError{Msg: err.Error()}
	if w, ok := err.(interface{ Unwrap() error }); ok {
		u.Err = w.Unwrap()
	}
	return u
}

// New checks opt and makes the writer. The error is a *UsageError. Nothing is
// written before the first record.
func New(ios *iostreams.Streams, opt Options) (Writer, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.TZ == nil {
		opt.TZ = time.Local
	}
	if opt.Context == nil {
		opt.Context = context.Background()
	}
	expr := opt.JQ != "" || opt.Template != ""
	switch {
	case opt.JQ != "" && opt.Template != "":
		return nil, usagef("--jq and --template exclude each other")
	case opt.Format == "" && expr:
		opt.Format = FormatJSON
	case opt.Format == "":
		opt.Format = FormatTable
	case !slices.Contains(formats, opt.Format):
		return nil, usagef("invalid --output %q: want %s%s", opt.Format, strings.Join(formats, ", "), didYouMean(opt.Format))
	case expr && (opt.Format == FormatTable || opt.Format == FormatWide):
		opt.Format = FormatJSON
	case expr && opt.Format != FormatJSON && opt.Format != FormatNDJSON:
		return nil, usagef("--jq and --template work on -o json and ndjson, not on %s", opt.Format)
	}
	cols, err := opt.Kind.columns(opt)
	if err != nil {
		return nil, err
	}
	b := base{ios: ios, opt: opt}
	switch opt.Format {
	case FormatTable, FormatWide:
		if ios.StdoutTTY() {
			return newTable(b, cols), nil
		}
		return &tsvWriter{base: b, cols: cols}, nil
	case FormatCSV:
		return newCSV(b, cols), nil
	case FormatID:
		if !opt.Kind.identified() {
			return nil, usagef("-o id: %s has no id: use another format", article(opt.Kind.Name()))
		}
		return &idWriter{base: b}, nil
	case FormatECS, FormatOCSF:
		return newDocs(b)
	}
	b.project = newProjection(opt)
	switch {
	case opt.JQ != "":
		return newJQ(b)
	case opt.Template != "":
		return newTemplate(b)
	case opt.Format == FormatYAML:
		return &yamlWriter{base: b}, nil
	case opt.Format == FormatNDJSON:
		return &ndjsonWriter{base: b}, nil
	}
	return &jsonWriter{base: b}, nil
}

// base is what all writers share.
type base struct {
	ios     *iostreams.Streams
	opt     Options
	project *projection
	buf     []byte
}

// emit writes b, which is whole lines, in one piece.
func (b *base) emit(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	_, err := b.ios.Out.Write(p)
	return err
}

func (b *base) emitString(s string) error {
	if s == "" {
		return nil
	}
	_, err := io.WriteString(b.ios.Out, s)
	return err
}

// Flush is that of every writer that holds nothing back itself.
func (b *base) Flush() error { return b.ios.Flush() }

// Abort drops nothing, where nothing is held.
func (b *base) Abort() {}

// encode gives the record's JSON, with only the chosen columns if there are
// any. The slice is valid until the next call.
func (b *base) encode(dst []byte, rec any) ([]byte, error) {
	if b.project == nil {
		return appendRecord(dst, rec)
	}
	whole, err := appendRecord(b.project.buf[:0], rec)
	if err != nil {
		return dst, err
	}
	b.project.buf = whole
	return b.project.apply(dst, whole), nil
}
