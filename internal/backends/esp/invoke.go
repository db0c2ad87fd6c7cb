package esp

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/client"
)

// Answer is what an operation of the catalogue brought.
type Answer struct {
	Message     string          // of the envelope; "" when there is none
	Data        json.RawMessage // "data" of the envelope; nil when absent or null
	Body        []byte          // the whole body: CSV, files, or the envelope
	ContentType string
}

// Invoke sends an operation of the catalogue and reads the envelope: a
// failure that comes as HTTP 200 is an error like any other. Operations that
// change something are sent once.
func (d *Driver) Invoke(ctx context.Context, op backends.Operation, args map[string]any) (*Answer, error) {
	what := "cannot call " + op.Name
	call, err := Request(op, args)
	if err != nil {
		return nil, err
	}
	if outsideBase(op) {
		rep, err := d.c.Do(context.WithValue(ctx, noToken{}, true), call)
		var st *client.StatusError
		if errors.As(err, &st) && st.Code == http.StatusNotFound {
			return nil, backends.NotFound("file", call.Path)
		}
		if err != nil {
			return nil, fromClient(what, err)
		}
		return &Answer{Body: rep.Body, ContentType: rep.Header.Get("Content-Type")}, nil
	}
	rep, err := d.do(ctx, what, call.Path, call)
	if err != nil {
		return nil, err
	}
	a, err := parseAnswer(what, rep)
	if err != nil {
		return nil, err
	}
	return &Answer{Message: a.Message, Data: a.Data, Body: rep.Body, ContentType: rep.Header.Get("Content-Type")}, nil
}
