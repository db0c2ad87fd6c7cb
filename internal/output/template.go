package output

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/template"
	"time"
	"unicode/utf8"

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
	t, err := template.New("template").Option("missingkey=zero").Funcs(templateFuncs(b.opt)).Parse(b.opt.Template)
	if err != nil {
		return nil, usagef("--template: %w", err)
	}
	return &templateWriter{base: b, t: t}, nil
}

// TemplateHelp describes the helpers of --template, for help texts.
const TemplateHelp = `json VALUE         the value as JSON
timeago TIME       how long ago: 2m ago
timefmt LAYOUT T   a time in Go's layout, in --tz
truncate N TEXT    at most N characters
join SEP LIST      the elements with SEP between them
upper, lower TEXT  in capitals, in small letters
safe TEXT          control and invisible characters made visible
default D VALUE    VALUE, or D when it is empty
pluck NAME LIST    the member NAME of each object`

func templateFuncs(opt Options) template.FuncMap {
	return template.FuncMap{
		"json": func(v any) (string, error) {
			b, err := appendRecord(nil, v)
			return string(b), err
		},
		"timeago": func(v any) (string, error) {
			t, err := templateTime(v)
			return string(Ago(t, opt.Now(), opt.TZ)), err
		},
		"timefmt": func(layout string, v any) (string, error) {
			t, err := templateTime(v)
			if err != nil || t.IsZero() {
				return "", err
			}
			return t.In(opt.TZ).Format(layout), nil
		},
		"truncate": func(n int, v any) string {
			s := templateText(v)
			if n < 0 || utf8.RuneCountInString(s) <= n {
				return s
			}
			if n == 0 {
				return ""
			}
			return string([]rune(s)[:n-1]) + "…"
		},
		"join": func(sep string, v any) string {
			list, ok := v.([]any)
			if !ok {
				return templateText(v)
			}
			parts := make([]string, len(list))
			for i, e := range list {
				parts[i] = templateText(e)
			}
			return strings.Join(parts, sep)
		},
		"upper": func(v any) string { return strings.ToUpper(templateText(v)) },
		"lower": func(v any) string { return strings.ToLower(templateText(v)) },
		"safe":  func(v any) string { return safe(templateText(v)) },
		"default": func(d, v any) any {
			if v == nil || v == "" {
				return d
			}
			return v
		},
		"pluck": func(name string, v any) []any {
			var out []any
			list, _ := v.([]any)
			for _, e := range list {
				if m, ok := e.(map[string]any); ok {
					out = append(out, m[name])
				}
			}
			return out
		},
	}
}

func templateText(v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case string:
		return x
	case json.Number:
		return x.String()
	case []any, map[string]any:
		return string(AppendJSON(nil, x))
	}
	return fmt.Sprint(v)
}

func templateTime(v any) (time.Time, error) {
	s := templateText(v)
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return t, fmt.Errorf("%.40q is no time", s)
	}
	return t, nil
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
	return generic(b)
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

// run executes over v. Absent members print nothing rather than <no value>.
func (w *templateWriter) run(v any, end string) error {
	b := limited{done: w.opt.Context.Err}
	if err := w.t.Execute(&b, v); err != nil {
		if ctxErr := w.opt.Context.Err(); ctxErr != nil {
			return ctxErr
		}
		return usagef("--template: %w", err)
	}
	s := strings.ReplaceAll(b.String(), "<no value>", "") + end
	if w.ios.StdoutTTY() {
		s = string(safetext.Lines(s))
	}
	return w.emitString(s)
}
