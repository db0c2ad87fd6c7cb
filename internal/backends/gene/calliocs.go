package gene

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/wire"
	"github.com/edrctl/edrctl/internal/client"
)

func (d *Driver) iocs(ctx context.Context, query ...string) ([]wire.IOC, error) {
	var list []wire.IOC
	_, err := d.get(ctx, "/iocs", wire.QueryOf(query...), &list)
	return list, err
}

// wantedIOCs reads the entries of iocs.add: an array of objects or of values,
// or values by themselves.
func wantedIOCs(c backends.Call) ([]wire.IOC, error) {
	var out []wire.IOC
	add := func(e wire.IOC) {
		if e.Source == "" {
			e.Source = backends.Text(c.Args["source"])
		}
		if e.Type == "" {
			e.Type = backends.Text(c.Args["type"])
		}
		if e.GUUID == "" {
			e.GUUID = backends.Text(c.Args["guuid"])
		}
		out = append(out, e)
	}
	text := bytes.TrimSpace(given(c, "iocs"))
	if len(text) > 0 && text[0] != '[' {
		text = append(append([]byte("["), text...), ']')
	}
	var docs []json.RawMessage
	if len(text) > 0 {
		if err := json.Unmarshal(text, &docs); err != nil {
			return nil, errors.New("want a JSON array of objects of value, type, source, or of values")
		}
	}
	for i, doc := range docs {
		var e wire.IOC
		if json.Unmarshal(doc, &e.Value) != nil {
			dec := json.NewDecoder(bytes.NewReader(doc))
			dec.DisallowUnknownFields()
			if err := dec.Decode(&e); err != nil {
				return nil, fmt.Errorf("entry %d is no object of uuid, guuid, source, value, type", i+1)
			}
		}
		add(e)
	}
	return out, nil
}

// planIOCs is iocs.add. The store takes all or nothing, so every entry is
// checked here; what it has already is not sent again.
func (d *Driver) planIOCs(ctx context.Context, what string, c backends.Call) (*callPlan, error) {
	want, err := wantedIOCs(c)
	if err != nil {
		return nil, backends.Invalid(what, err.Error())
	}
	var problems []string
	for i := range want {
		if err := want[i].Normalise(); err != nil {
			problems = append(problems, err.Error())
		}
	}
	switch {
	case len(problems) > 0:
		return nil, backends.Invalid(what+": nothing was sent", strings.Join(problems, "; "))
	case len(want) == 0:
		return nil, backends.Invalid(what, "no indicator is given")
	}
	have, err := d.iocs(ctx)
	if err != nil {
		return nil, err
	}
	var send []wire.IOC
	replaced := 0
	for _, w := range want {
		if slices.ContainsFunc(have, w.Same) || slices.ContainsFunc(send, w.Same) {
			continue
		}
		if slices.ContainsFunc(have, func(h wire.IOC) bool { return h.UUID == w.UUID }) {
			replaced++
		}
		send = append(send, w)
	}
	p := &callPlan{}
	if len(send) == 0 {
		p.nothing = "the store has them all"
		return p, nil
	}
	does := fmt.Sprintf("adds %d indicators to the store", len(send))
	if n := len(want) - len(send); n > 0 {
		does += fmt.Sprintf(" (it has %d of them already)", n)
	}
	if replaced > 0 {
		p.warnings = append(p.warnings, fmt.Sprintf("%d of them have the UUID of another one in the store, which they replace", replaced))
	}
	p.steps = []callStep{{req: client.Call{Method: http.MethodPost, Path: "/iocs", JSON: send}, does: does}}
	p.check = func(data json.RawMessage) error {
		var kept []wire.IOC
		if err := json.Unmarshal(data, &kept); err != nil || len(kept) != len(send) {
			return unclear(what, "the answer does not hold what was stored")
		}
		return nil
	}
	p.tell()
	return p, nil
}

// planIOCDelete is iocs.delete: what matches is read first and shown. The
// criteria of the list are joined by or, those of the deletion by and.
func (d *Driver) planIOCDelete(ctx context.Context, what string, c backends.Call) (*callPlan, error) {
	crit := wire.IOC{
		UUID: backends.Text(c.Args["uuid"]), GUUID: backends.Text(c.Args["guuid"]), Source: backends.Text(c.Args["source"]),
		Value: backends.Text(c.Args["value"]), Type: backends.Text(c.Args["type"]),
	}
	if crit == (wire.IOC{}) {
		return nil, backends.Invalid(what, "say which: value, type, source, guuid or uuid; all that are given must match")
	}
	if crit.Type == "" {
		if kind := wire.TypeOfIOC(crit.Value); wire.IsHashType(kind) {
			crit.Value = strings.ToLower(crit.Value) // hashes are kept so
		}
	} else if wire.IsHashType(crit.Type) {
		crit.Value = strings.ToLower(crit.Value)
	}
	have, err := d.iocs(ctx)
	if err != nil {
		return nil, err
	}
	eq := func(want, is string) bool { return want == "" || want == is }
	var gone []wire.IOC
	for _, h := range have {
		if eq(crit.UUID, h.UUID) && eq(crit.GUUID, h.GUUID) && eq(crit.Source, h.Source) && eq(crit.Value, h.Value) && eq(crit.Type, h.Type) {
			gone = append(gone, h)
		}
	}
	p := &callPlan{}
	if len(gone) == 0 {
		p.nothing = "nothing in the store matches"
		return p, nil
	}
	var shown []string
	for _, g := range gone[:min(5, len(gone))] {
		shown = append(shown, g.Value+" ("+g.Source+")")
	}
	if len(gone) > 5 {
		shown = append(shown, "…")
	}
	req := client.Call{Method: http.MethodDelete, Path: "/iocs", Query: wire.QueryOf("uuid", crit.UUID, "guuid", crit.GUUID, "source", crit.Source, "value", crit.Value, "type", crit.Type)}
	p.steps = []callStep{{req: req, does: fmt.Sprintf("deletes %d of the %d indicators of the store: %s", len(gone), len(have), strings.Join(shown, ", "))}}
	p.check = func(data json.RawMessage) error {
		var out []wire.IOC
		if err := json.Unmarshal(data, &out); err != nil {
			return unclear(what, "the answer does not hold what was deleted")
		}
		if len(out) != len(gone) {
			return &backends.Error{What: what, Why: fmt.Sprintf("the manager deleted %d indicators, and %d were shown: somebody else changed the store meanwhile", len(out), len(gone))}
		}
		return nil
	}
	p.tell()
	return p, nil
}
