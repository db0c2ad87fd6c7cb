package rules

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
)

// ofConditions tells a rule that is an object with conditions, or a list of
// such, from a rule of the Gene engine; each is given as JSON.
func ofConditions(text []byte) []json.RawMessage {
	text = bytes.TrimSpace(text)
	var list []json.RawMessage
	switch {
	case len(text) == 0 || text[0] != '[':
		list = append(list, text)
	case json.Unmarshal(text, &list) != nil:
		return nil
	}
	for _, rule := range list {
		var m map[string]json.RawMessage
		if json.Unmarshal(rule, &m) != nil || m["conditions"] == nil {
			return nil
		}
	}
	return list
}

// reader finds the selected profiles whose backend reads such rules, and one
// of their drivers.
func reader(ctx context.Context, f *cmdutil.Factory) (*ops.Fleet, backends.RuleReader, error) {
	all, err := f.Fleet(ctx)
	if err != nil {
		return nil, nil, err
	}
	fleet := &ops.Fleet{}
	var read backends.RuleReader
	for _, s := range all.Sources {
		d, err := s.Driver()
		if err != nil {
			return nil, nil, err
		}
		if r, ok := d.(backends.RuleReader); ok {
			fleet.Sources = append(fleet.Sources, s)
			read = r
		}
	}
	if read == nil {
		return nil, nil, backends.Unsupported(all.Sources[0].Backend, "cannot read a rule of conditions", "select an ESP profile with -p")
	}
	return fleet, read, nil
}

// testConditions checks rules of conditions, and tries them on the events of
// a file or of the selected profiles.
func testConditions(ctx context.Context, f *cmdutil.Factory, rules []json.RawMessage, events string, recent bool, flags *cmdutil.ListFlags) error {
	fleet, read, err := reader(ctx, f)
	if err != nil {
		return err
	}
	w, err := f.Printer(ctx, kindTested)
	if err != nil {
		return err
	}
	var trials []backends.RuleTrial
	var rows []*Tested
	bad, seen := 0, 0
	for _, text := range rules {
		t, err := read.ReadRule(text)
		if err != nil {
			return err
		}
		r := &Tested{Name: t.Name, Verdict: "ok", Errors: append([]string{}, t.Errors...), Warnings: append([]string{}, t.Warnings...)}
		r.Problems = strings.Join(append(append([]string{}, t.Errors...), t.Warnings...), "; ")
		switch {
		case len(t.Errors) > 0:
			r.Verdict = "error"
			bad++
		case len(t.Warnings) > 0:
			r.Verdict = "warning"
		}
		if t.On != nil && (recent || events != "") {
			r.Fires, r.MayFire, r.Seen = new(int), new(int), &seen
		}
		trials, rows = append(trials, t), append(rows, r)
	}
	on := func(doc []byte, label string) error {
		seen++
		for i, t := range trials {
			if t.On == nil {
				continue
			}
			fires, sure, err := t.On(doc)
			switch r := rows[i]; {
			case err != nil:
				return err
			case fires && !sure:
				*r.MayFire++
			case fires:
				if *r.Fires++; len(r.Examples) < maxExamples {
					r.Examples = append(r.Examples, label)
				}
			}
		}
		return nil
	}
	var partial error
	switch {
	case events != "":
		err = eachEvent(f, events, on)
	case recent:
		partial, err = onProfiles(ctx, f, fleet, flags, on)
	}
	if err != nil {
		return err
	}
	for _, r := range rows {
		if err := w.Write(r); err != nil {
			return cmdutil.IgnoreClosed(err)
		}
	}
	if err := w.Close(); err != nil {
		return cmdutil.IgnoreClosed(err)
	}
	says := fmt.Sprintf("%s, %d with errors", model.Amount(len(rows), "rule"), bad)
	if events != "" || recent {
		says += " · tried on " + model.Amount(seen, "event")
	}
	f.Note("%s", says)
	if bad > 0 {
		return &cmdutil.ExitError{Code: cmdutil.ExitFound}
	}
	return partial
}

// onProfiles tries on the events the profiles have. partial is the exit code
// when one of several failed.
func onProfiles(ctx context.Context, f *cmdutil.Factory, fleet *ops.Fleet, flags *cmdutil.ListFlags, on func(doc []byte, label string) error) (partial, err error) {
	req, err := flags.Request(f)
	if err != nil {
		return nil, err
	}
	req.Raw, req.Limit = true, 0
	st := fleet.Events(ctx, req)
	var wrong error
	for ev := range st.Records() {
		if err := on(ev.Raw, ev.Ref); err != nil && wrong == nil {
			wrong = fmt.Errorf("event %s: %w", ev.Ref, err)
		}
	}
	partial = f.Finish(ctx, st.Outcomes())
	if partial != nil && cmdutil.CodeOf(partial) != cmdutil.ExitPartial {
		return nil, partial
	}
	if wrong != nil {
		f.Warn("%s", wrong)
	}
	return partial, nil
}
