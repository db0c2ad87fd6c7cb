package rules

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/hunt"
	"github.com/edrctl/edrctl/internal/lazyregexp"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/sigma"
)

// sigmaMember is what a document of Sigma has and a rule of no product.
var sigmaMember = lazyregexp.New(`(?m)^(detection|correlation|logsource):`)

// sigmaTest is Sigma rules being tested.
type sigmaTest struct {
	rules    []*sigma.Rule
	rows     []*Tested
	byID     map[string]*Tested // by rule id, or by title without one
	problems int
	seen     int
	partial  error
}

// openSigma reads Sigma rules of a file, a folder or an archive; nil when what
// is named holds others.
func openSigma(f *cmdutil.Factory, name, pipeline string) (*sigmaTest, []byte, error) {
	var text []byte
	if info, err := os.Stat(name); err != nil || !info.IsDir() {
		if text, err = readBytes(f, name); err != nil {
			return nil, nil, err
		}
		start := bytes.TrimSpace(text)
		archive := bytes.HasPrefix(text, []byte("PK\x03\x04")) || bytes.HasPrefix(text, []byte("\x1f\x8b"))
		if !archive && (len(start) == 0 || start[0] == '{' || start[0] == '[' || !sigmaMember.MatchString(string(start))) {
			return nil, text, nil
		}
	}
	opts, err := sigmaOptions(f, pipeline)
	if err != nil {
		return nil, nil, err
	}
	loaded, err := sigma.Load([]string{name}, bytes.NewReader(text), opts)
	if err != nil {
		return nil, nil, cmdutil.Usagef("cannot read the rules: %w", err)
	}
	t := newSigmaTest(loaded)
	if len(t.rows) == 0 {
		return nil, nil, cmdutil.Usagef("%s holds no Sigma rule", name)
	}
	return t, nil, nil
}

func newSigmaTest(loaded *sigma.Loaded) *sigmaTest {
	t := &sigmaTest{rules: loaded.Rules, byID: map[string]*Tested{}, problems: len(loaded.Problems)}
	reported := sigma.Reported(loaded.Rules)
	for _, r := range loaded.Rules {
		if !reported[r] {
			continue
		}
		row := &Tested{Name: r.Title, ID: r.ID, Verdict: "ok", Errors: []string{}, Warnings: []string{}}
		t.rows = append(t.rows, row)
		t.byID[sigmaKey(r.ID, r.Title)] = row
	}
	for _, p := range loaded.Problems {
		name := p.Rule
		if name == "" {
			name = p.File
		}
		t.rows = append(t.rows, &Tested{Name: name, Verdict: "error", Errors: []string{p.Error()}, Warnings: []string{}, Problems: p.Error()})
	}
	return t
}

func sigmaKey(id, title string) string {
	if id != "" {
		return id
	}
	return "\x00" + title
}

// testSigma tests rules on the events that the flags name.
func (c *testFlags) testSigma(ctx context.Context, f *cmdutil.Factory, t *sigmaTest) error {
	w, err := f.Printer(ctx, kindTested)
	if err != nil {
		return err
	}
	switch {
	case c.events != "":
		err = c.try(ctx, f, t, []string{c.events}, t.note)
	case c.recent:
		err = c.tryProfiles(ctx, f, t, t.note)
	}
	if err == nil && len(c.shouldMatch) > 0 {
		err = c.try(ctx, f, t, c.shouldMatch, func(hits map[*Tested]*model.SigmaHit, events int) {
			t.note(hits, events)
			for _, r := range t.rows {
				if hits[r] == nil && r.Verdict != "error" {
					r.fail(fmt.Sprintf("matches none of the %d events of --should-match", events))
				}
			}
		})
	}
	if err == nil && len(c.shouldNot) > 0 {
		err = c.try(ctx, f, t, c.shouldNot, func(hits map[*Tested]*model.SigmaHit, events int) {
			t.seen += events
			for r, h := range hits {
				r.fail(fmt.Sprintf("matches %d of the %d events of --should-not: %s", h.Count, events, strings.Join(h.Refs, " ")))
			}
		})
	}
	if err != nil {
		return err
	}
	failed := 0
	for _, r := range t.rows {
		if len(r.Failures) > 0 {
			failed++
		}
		if err := w.Write(r); err != nil {
			return cmdutil.IgnoreClosed(err)
		}
	}
	if err := w.Close(); err != nil {
		return cmdutil.IgnoreClosed(err)
	}
	says := fmt.Sprintf("%d rules, %d with errors", len(t.rows), t.problems)
	if c.tries() {
		says += fmt.Sprintf(", %d failed · tried on %d events", failed, t.seen)
	}
	f.Note("%s", says)
	if failed+t.problems > 0 {
		return &cmdutil.ExitError{Code: cmdutil.ExitFound}
	}
	return t.partial
}

// note keeps on which events the rules fire.
func (t *sigmaTest) note(hits map[*Tested]*model.SigmaHit, events int) {
	t.seen += events
	for _, r := range t.rows {
		if r.Verdict == "error" {
			continue
		}
		if r.Fires == nil {
			r.Fires, r.Seen = new(int), new(int)
		}
		*r.Seen += events
		if h := hits[r]; h != nil {
			*r.Fires += h.Count
			r.Examples = append(r.Examples, h.Refs...)
			r.Examples = r.Examples[:min(len(r.Examples), maxExamples)]
		}
	}
}

// fail notes an expectation that does not hold.
func (r *Tested) fail(why string) {
	r.Verdict = "failed"
	r.Failures = append(r.Failures, why)
	r.Problems = strings.Join(r.Failures, "; ")
}

// try matches the rules against the events of evidence files and profiles.
func (c *testFlags) try(ctx context.Context, f *cmdutil.Factory, t *sigmaTest, names []string, take func(map[*Tested]*model.SigmaHit, int)) error {
	fleet, err := f.EvidenceFleet(ctx, names)
	if err != nil {
		return err
	}
	return c.match(ctx, f, t, fleet, take)
}

func (c *testFlags) tryProfiles(ctx context.Context, f *cmdutil.Factory, t *sigmaTest, take func(map[*Tested]*model.SigmaHit, int)) error {
	fleet, err := f.Fleet(ctx)
	if err != nil {
		return err
	}
	return c.match(ctx, f, t, fleet, take)
}

// match gives what each rule found, and the number of events.
func (c *testFlags) match(ctx context.Context, f *cmdutil.Factory, t *sigmaTest, fleet *ops.Fleet, take func(map[*Tested]*model.SigmaHit, int)) error {
	req, err := c.list.Request(f)
	if err != nil {
		return err
	}
	req.Limit, req.DefaultLimit = 0, false // every event is matched
	q := hunt.Sigma{Rules: t.rules, Request: req, Span: hunt.Span{Since: req.Since, Until: req.Until, Began: f.Now()}}
	found, sum, err := hunt.RunSigma(ctx, fleet, q)
	if err != nil {
		return err
	}
	partial := f.Finish(ctx, sum.Outcomes)
	if partial != nil && cmdutil.CodeOf(partial) != cmdutil.ExitPartial {
		return partial
	}
	if partial != nil {
		t.partial = partial
	}
	hits := map[*Tested]*model.SigmaHit{}
	for _, h := range found {
		r := t.byID[sigmaKey(h.Rule.ID, h.Rule.Title)]
		switch had := hits[r]; {
		case r == nil:
		case had == nil:
			hits[r] = h
		default:
			had.Count += h.Count
			had.Refs = append(had.Refs, h.Refs...)
			had.Refs = had.Refs[:min(len(had.Refs), maxExamples)]
		}
	}
	take(hits, sum.Events)
	return nil
}

// readBytes reads a file of rules.
func readBytes(f *cmdutil.Factory, name string) ([]byte, error) {
	r, err := f.ReadText(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }() // only read from
	text, err := io.ReadAll(io.LimitReader(r, maxRuleFile+1))
	switch {
	case err != nil:
		return nil, cmdutil.Usagef("cannot read %s: %w", name, err)
	case len(text) > maxRuleFile:
		return nil, cmdutil.Usagef("%s has more than %d MiB", name, maxRuleFile>>20)
	}
	return text, nil
}
