package ops_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/ops"
)

// apiDriver is a driver of calls: it keeps what it was asked.
type apiDriver struct {
	backends.Driver
	items []string
	fails error
	sent  []string
}

func (d *apiDriver) Backend() string { return "fake" }
func (d *apiDriver) Close() error    { return nil }
func (d *apiDriver) Call(_ context.Context, c backends.Call) (*backends.Answer, error) {
	d.sent = append(d.sent, c.Label())
	return &backends.Answer{Body: io.NopCloser(strings.NewReader("{}"))}, d.fails
}

func (d *apiDriver) Items(_ context.Context, _ backends.Call) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		for _, s := range d.items {
			if !yield(json.RawMessage(s), nil) {
				return
			}
		}
		if d.fails != nil {
			yield(nil, d.fails)
		}
	}
}

func source(name string, d backends.Driver) *ops.Source {
	return ops.NewSource(name, "fake", false, func() (backends.Driver, error) { return d, nil })
}

var changingOp = backends.Operation{Name: "things.set", Method: "POST", Path: "/things/{n}", Mutates: true, Danger: "all of them", Params: []backends.Param{
	{Name: "n", In: "path", Type: "int", Required: true}, {Name: "password", In: "body", Type: "string", Secret: true},
}}

// Reading calls are asked of every profile; one that fails leaves the others,
// and what changes something never goes this way.
func TestReadingCalls(t *testing.T) {
	good, bad := &apiDriver{items: []string{"1", "2"}}, &apiDriver{items: []string{"3"}, fails: errors.New("broken")}
	f := &ops.Fleet{Sources: []*ops.Source{source("a", good), source("b", bad), source("c", &apiDriver{})}}
	read := backends.Call{Op: backends.Operation{Name: "things.list", Method: "GET", Path: "/things"}}
	calls := f.Items(t.Context(), func(s *ops.Source) (backends.Call, error) {
		if s.Profile == "c" {
			return read, backends.Unsupported("fake", "cannot list things", "")
		}
		return read, nil
	})
	got := ""
	for r := range calls.Records() {
		got += r.Source.Profile + string(r.JSON) + " "
	}
	o := calls.Outcomes()
	if got != "a1 a2 b3 " || o[0].Err != nil || o[0].Count != 2 || o[1].Err == nil || backends.KindOf(o[2].Err) != backends.KindUnsupported {
		t.Errorf("%q %+v", got, o)
	}
	for range f.Items(t.Context(), func(*ops.Source) (backends.Call, error) { return read, nil }).Records() {
		break // nobody wants more: no goroutine is left, no error told
	}
	act := backends.Call{Op: changingOp, Args: map[string]any{"n": "1"}}
	if _, err := f.Sources[0].Call(t.Context(), act); err == nil || len(good.sent) > 0 {
		t.Errorf("a change was sent as a reading: %v %v", err, good.sent)
	}
	for _, err := range f.Sources[0].Items(t.Context(), act) {
		if err == nil {
			t.Error("a change was sent as a reading")
		}
	}
	if _, err := f.Sources[1].Call(t.Context(), read); err == nil || !strings.HasPrefix(err.Error(), "b: ") {
		t.Errorf("%v", err)
	}
}
