package output

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/itchyny/gojq"

	"github.com/edrctl/edrctl/internal/safetext"
)

// jqWriter runs a jq expression: with json on the whole array (One: on the
// object), with ndjson on each record. Strings are printed raw, other values
// as one line of JSON.
type jqWriter struct {
	base
	code *gojq.Code
	all  []any
}

func newJQ(b base) (Writer, error) {
	q, err := gojq.Parse(b.opt.JQ)
	if err != nil {
		if err.Error() == io.ErrUnexpectedEOF.Error() { // in a type of gojq's own
			err = errors.New("the expression ends too early")
		}
		return nil, usagef("--jq: %w", err)
	}
	// No environment and no input function: an expression sees the records only.
	code, err := gojq.Compile(q)
	if err != nil {
		return nil, usagef("--jq: %w", err)
	}
	return &jqWriter{base: b, code: code}, nil
}

func (w *jqWriter) Write(rec any) error {
	v, err := w.value(rec)
	if err != nil {
		return err
	}
	if w.opt.Format == FormatNDJSON {
		return w.run(v)
	}
	w.all = append(w.all, v)
	return nil
}

func (w *jqWriter) One(rec any) error {
	v, err := w.value(rec)
	if err != nil {
		return err
	}
	if err := w.run(v); err != nil {
		return err
	}
	return w.Flush()
}

func (w *jqWriter) Close() error {
	if w.opt.Format != FormatNDJSON {
		all := w.all
		if all == nil {
			all = []any{}
		}
		w.all = nil
		if err := w.run(all); err != nil {
			return err
		}
	}
	return w.Flush()
}

func (w *jqWriter) Abort() { w.all = nil }

func (w *jqWriter) value(rec any) (any, error) {
	b, err := w.encode(w.buf[:0], rec)
	if err != nil {
		return nil, err
	}
	w.buf = b
	return generic(b)
}

// generic decodes JSON into the types jq and templates work on.
func generic(b []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("cannot read back the JSON of a record: %w", err)
	}
	return v, nil
}

func (w *jqWriter) run(v any) error {
	iter := w.code.RunWithContext(w.opt.Context, v)
	for {
		out, ok := iter.Next()
		if !ok {
			return nil
		}
		if err, failed := out.(error); failed {
			if ctxErr := w.opt.Context.Err(); ctxErr != nil {
				return ctxErr
			}
			var halt *gojq.HaltError
			if errors.As(err, &halt) && halt.Value() == nil {
				return nil
			}
			return usagef("--jq: %w", err)
		}
		if err := w.print(out); err != nil {
			return err
		}
	}
}

func (w *jqWriter) print(v any) error {
	if s, ok := v.(string); ok {
		if w.ios.StdoutTTY() {
			s = string(safetext.Lines(s))
		}
		return w.emitString(s + "\n")
	}
	b, err := gojq.Marshal(v)
	if err != nil {
		return usagef("--jq: %w", err)
	}
	return w.emit(append(appendEscaped(nil, b), '\n'))
}
