package output

import (
	"bytes"
	"encoding/json"
)

// docsWriter writes one ECS or OCSF document a line.
type docsWriter struct {
	base
	convert func(rec any) (any, bool)
}

func newDocs(b base) (Writer, error) {
	w := &docsWriter{base: b, convert: ecsDocument}
	if b.opt.Format == FormatOCSF {
		w.convert = func(rec any) (any, bool) { return ocsfDocument(rec, b.opt.Now()) }
	}
	switch b.opt.Kind.spec {
	case KindAlert.spec, KindEvent.spec, KindHost.spec, KindProcess.spec:
		return w, nil
	}
	return nil, usagef("-o %s has no document for %s: it is for alerts, events, hosts and processes", b.opt.Format, article(b.opt.Kind.Name()))
}

func (w *docsWriter) Write(rec any) error {
	doc, ok := w.convert(rec)
	if !ok {
		return usagef("-o %s has no document for %T", w.opt.Format, rec)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(doc); err != nil {
		return err
	}
	w.buf = append(appendEscaped(w.buf[:0], bytes.TrimSuffix(b.Bytes(), []byte{'\n'})), '\n')
	return w.emit(w.buf)
}

func (w *docsWriter) One(rec any) error {
	if err := w.Write(rec); err != nil {
		return err
	}
	return w.Flush()
}

func (w *docsWriter) Close() error { return w.Flush() }
