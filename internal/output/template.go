package output

import (
	"fmt"
	"strings"
	"text/template"

	"github.com/edrctl/edrctl/internal/safetext"
)

// templateWriter runs a Go template: with json over the whole array (One: over
// the object), with ndjson over each record, followed by a new line.
type templateWriter struct {
	base
	t   *template.Template
	all []any
}

// maxTemplateOutput ends a template that would write for ever.
const maxTemplateOutput = 256 << 20

func newTemplate(b base) (Writer, error) {
	t, err := template.New("template").Funcs(templateFuncs(b.opt)).Parse(b.opt.Template)
	if err != nil {
		return nil, usagef("--template: %w", templateError(err))
	}
	forgive(t)
	return &templateWriter{base: b, t: t}, nil
}

func (w *templateWriter) Write(rec any) error {
	v, err := w.value(rec)
	if err != nil {
		return err
	}
	if w.opt.Format == FormatNDJSON {
		return w.run(v, "\n")
	}
	w.all = append(w.all, v)
	return nil
}

func (w *templateWriter) One(rec any) error {
	v, err := w.value(rec)
	if err != nil {
		return err
	}
	if err := w.run(v, ""); err != nil {
		return err
	}
	return w.Flush()
}

func (w *templateWriter) Close() error {
	if w.opt.Format != FormatNDJSON {
		all := w.all
		if all == nil {
			all = []any{}
		}
		w.all = nil
		if err := w.run(all, ""); err != nil {
			return err
		}
	}
	return w.Flush()
}

func (w *templateWriter) Abort() { w.all = nil }

func (w *templateWriter) value(rec any) (any, error) {
	b, err := w.encode(w.buf[:0], rec)
	if err != nil {
		return nil, err
	}
	w.buf = b
	v, err := generic(b)
	return plainNumbers(v), err
}

// limited is a string builder with an end, also in time.
type limited struct {
	strings.Builder
	done func() error
}

func (l *limited) Write(p []byte) (int, error) {
	if err := l.done(); err != nil {
		return 0, err
	}
	if l.Len()+len(p) > maxTemplateOutput {
		return 0, fmt.Errorf("more than %d MiB of output", maxTemplateOutput>>20)
	}
	return l.Builder.Write(p)
}

// run executes over v. Absent members print nothing.
func (w *templateWriter) run(v any, end string) error {
	b := limited{done: w.opt.Context.Err}
	if err := w.t.Execute(&b, v); err != nil {
		if ctxErr := w.opt.Context.Err(); ctxErr != nil {
			return ctxErr
		}
		return usagef("--template: %w", templateError(err))
	}
	s := b.String() + end
	if w.ios.StdoutTTY() {
		s = string(safetext.Lines(s))
	}
	return w.emitString(s)
}

// templateError is what is wrong with a template, without the names that
// text/template puts in front.
func templateError(err error) error {
	text := err.Error()
	if rest, ok := strings.CutPrefix(text, "template: template:"); ok {
		line, what, _ := strings.Cut(rest, ": ")
		return fmt.Errorf("line %s: %s", line, what)
	}
	return err
}
