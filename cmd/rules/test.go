package rules

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/generule"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/output"
)

// geneBackend is the backend whose rule language is known here.
const geneBackend = "gene"

const (
	maxRuleFile = 64 << 20
	maxEvent    = 16 << 20 // of one line of --events
	maxExamples = 5        // events named for a rule
)

// Tested is what is known of one rule without a server.
type Tested struct {
	Name     string   `json:"name"`
	ID       string   `json:"id,omitempty"` // of a Sigma rule
	Verdict  string   `json:"verdict"`      // ok, warning, error, failed
	Schema   int      `json:"schema"`       // 1 or 2, 0 for a Schema that is not a version
	Errors   []string `json:"errors"`
	Warnings []string `json:"warnings"`
	Failures []string `json:"failures,omitempty"`  // expectations that do not hold
	Fires    *int     `json:"fires,omitempty"`     // events on which it would fire
	MayFire  *int     `json:"may_fire,omitempty"`  // those of which only the manager can tell
	Examples []string `json:"examples,omitempty"`  // the first events on which it would, by ref or number of the line
	Missed   *int     `json:"missed,omitempty"`    // events on which the manager says it fired, and it would not here
	Problems string   `json:"problems,omitempty"`  // errors and warnings, for people
	Seen     *int     `json:"events_of,omitempty"` // events that were looked at
}

var kindTested = output.NewKind[Tested]("rule test", []output.Column{
	{Name: "verdict", As: output.AsState}, {Name: "name", Min: 12}, {Name: "schema", Drop: 5},
	{Name: "fires", As: output.AsNumber, Drop: 2}, {Name: "may_fire", Header: "MAY", As: output.AsNumber, Drop: 4},
	{Name: "examples", Min: 12, Drop: 6}, {Name: "problems", Min: 24},
}, nil)

// testFlags are what `rules test` is asked.
type testFlags struct {
	list        cmdutil.ListFlags
	file        string
	events      string
	recent      bool
	shouldMatch []string
	shouldNot   []string
	pipeline    string
}

func newTest(f *cmdutil.Factory) *cobra.Command {
	var flags testFlags
	cmd := &cobra.Command{
		Use:   "test -f FILE",
		Short: "Check rules here, and see on which events they would fire (Sigma, gene, esp)",
		Long: `Check rules without adding them. Rules of the Gene engine (gene): the whole
language is checked here, in both schemas: edrctl reports what an engine would
refuse or silently drop. A refused rule can harm a manager: test before you add.
Rules of conditions (esp, with an ESP profile selected): edrctl reports what the
server would accept but never fire, and how to write it correctly. Sigma rules
can be a file, a folder or an archive.

With --events the rules are tried on a file of events, as events list --raw -o
ndjson writes it, Sigma rules on evidence of any format that --from reads; with
--recent on the events the selected profiles have now, narrowed by the usual
filters. What a container of the manager holds is not known here: such a rule
may fire.

For Sigma rules --should-match and --should-not name evidence, or a profile: each
rule has to match one event at least, or none. Exit 9 when a rule has an error or
an expectation fails.`,
		Example: `$ edrctl rules test -f rules.gen
$ edrctl rules test -f rules.gen --recent -p demo-gene --since 2h
$ edrctl rules test -f rule.json --recent -p demo-esp --since 2h
$ edrctl events list -p demo-gene --raw -o ndjson | edrctl rules test -f rules.gen --events - -o json
$ edrctl rules test -f encoded.yml --should-match attack.ndjson --should-not benign.ndjson`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return flags.do(cmd.Context(), f) },
	}
	fs := cmd.Flags()
	fs.StringVarP(&flags.file, "file", "f", "", "rules: objects one after the other, a JSON array, or Sigma; - is standard input")
	fs.StringVar(&flags.events, "events", "", "try them on the events of this file (ndjson); - is standard input")
	fs.BoolVar(&flags.recent, "recent", false, "try them on the events of the selected profiles")
	fs.StringArrayVar(&flags.shouldMatch, "should-match", nil, "evidence, or a profile, of which each Sigma rule has to match an event (repeatable)")
	fs.StringArrayVar(&flags.shouldNot, "should-not", nil, "evidence, or a profile, of which no Sigma rule may match an event (repeatable)")
	fs.StringVar(&flags.pipeline, "pipeline", "", "processing pipeline with the values of placeholders of Sigma (vars)")
	flags.list.AddTime(cmd)
	flags.list.AddFilters(cmd, filter.File) // --file is the rules
	return cmd
}

func (c *testFlags) expects() bool { return len(c.shouldMatch)+len(c.shouldNot) > 0 }
func (c *testFlags) tries() bool   { return c.events != "" || c.recent || c.expects() }

func (c *testFlags) check() error {
	switch {
	case c.file == "":
		return cmdutil.Usagef("say which rules: -f FILE, or - for standard input")
	case c.file == "-" && c.events == "-":
		return cmdutil.Usagef("rules and events cannot both come from standard input")
	case c.recent && c.events != "":
		return cmdutil.Usagef("--events and --recent exclude each other")
	}
	return nil
}

func (c *testFlags) do(ctx context.Context, f *cmdutil.Factory) error {
	if err := c.check(); err != nil {
		return err
	}
	sigmaRules, text, err := openSigma(f, c.file, c.pipeline)
	switch {
	case err != nil:
		return err
	case sigmaRules != nil:
		return c.testSigma(ctx, f, sigmaRules)
	case c.expects():
		return cmdutil.Usagef("--should-match and --should-not are for Sigma rules, and %s holds others", c.file)
	}
	text = asJSON(text)
	if list := ofConditions(text); list != nil {
		return testConditions(ctx, f, list, c.events, c.recent, &c.list)
	}
	return c.testGene(ctx, f, text)
}

// testGene checks rules of the Gene engine, and tries them.
func (c *testFlags) testGene(ctx context.Context, f *cmdutil.Factory, text []byte) error {
	t, err := readRules(c.file, text)
	if err != nil {
		return err
	}
	w, err := f.Printer(ctx, kindTested)
	if err != nil {
		return err
	}
	var partial error
	switch {
	case c.events != "":
		err = t.fromFile(f, c.events)
	case c.recent:
		partial, err = t.fromProfiles(ctx, f, &c.list)
	}
	if err != nil {
		return err
	}
	for _, r := range t.rows() {
		if err := w.Write(r); err != nil {
			return cmdutil.IgnoreClosed(err)
		}
	}
	if err := w.Close(); err != nil {
		return cmdutil.IgnoreClosed(err)
	}
	return t.end(f, partial)
}

// trial is rules being tried.
type trial struct {
	rules  []*generule.Parsed
	engine *generule.Engine
	events int
	tried  bool
	by     map[string]*Tested
}

// asJSON turns YAML into JSON.
func asJSON(text []byte) []byte {
	if first := bytes.TrimSpace(text); len(first) > 0 && first[0] != '{' && first[0] != '[' {
		if doc, yerr := output.YAMLToJSON(text); yerr == nil && (doc[0] == '{' || doc[0] == '[') {
			return doc
		}
	}
	return text
}

func readRules(name string, text []byte) (*trial, error) {
	rules, err := generule.Parse(text)
	if err != nil {
		return nil, cmdutil.Usagef("%s: %w", name, err)
	}
	t := &trial{rules: rules, engine: generule.NewEngine(rules), by: map[string]*Tested{}}
	return t, nil
}

// on tries the rules on one event.
func (t *trial) on(doc []byte, label string) error {
	ev, err := generule.ReadEvent(doc)
	if err != nil {
		return err
	}
	t.events++
	var fires []string
	for _, v := range t.engine.On(ev) {
		r := t.of(v.Rule)
		if v.Fires == generule.Unknown {
			*r.MayFire++
			fires = append(fires, v.Rule)
			continue
		}
		fires = append(fires, v.Rule)
		if *r.Fires++; len(r.Examples) < maxExamples {
			r.Examples = append(r.Examples, label)
		}
	}
	for _, name := range ev.Fired {
		if slices.ContainsFunc(t.rules, func(p *generule.Parsed) bool { return p.Name == name && !p.Meta.Filter }) && !slices.Contains(fires, name) {
			*t.of(name).Missed++
		}
	}
	return nil
}

func (t *trial) of(name string) *Tested {
	r := t.by[name]
	if r == nil {
		r = &Tested{Fires: new(int), MayFire: new(int), Missed: new(int)}
		t.by[name] = r
	}
	return r
}

func (t *trial) fromFile(f *cmdutil.Factory, name string) error {
	t.tried = true
	return eachEvent(f, name, t.on)
}

// eachEvent gives the events of a file: objects one a line, or a JSON array.
func eachEvent(f *cmdutil.Factory, name string, on func(doc []byte, label string) error) error {
	r, err := f.ReadText(name)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // only read from
	in := bufio.NewReaderSize(r, 64<<10)
	first, _ := in.Peek(1)
	if len(first) == 1 && first[0] == '[' { // -o json
		dec := json.NewDecoder(in)
		if _, err := dec.Token(); err != nil {
			return cmdutil.Usagef("%s: not valid JSON", name)
		}
		for n := 1; dec.More(); n++ {
			var doc json.RawMessage
			if err := dec.Decode(&doc); err != nil {
				return cmdutil.Usagef("%s: event %d is not valid JSON", name, n)
			}
			if err := on(doc, labelOf(doc, n)); err != nil {
				return cmdutil.Usagef("%s: event %d: %w", name, n, err)
			}
		}
		if _, err := dec.Token(); err != nil {
			return cmdutil.Usagef("%s: it is cut", name)
		}
		return nil
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 64<<10), maxEvent)
	n := 0
	for lines.Scan() {
		n++
		doc := bytes.TrimSpace(lines.Bytes())
		if len(doc) == 0 {
			continue
		}
		if err := on(doc, labelOf(doc, n)); err != nil {
			return cmdutil.Usagef("%s: line %d: %w", name, n, err)
		}
	}
	if err := lines.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			return cmdutil.Usagef("%s: line %d is longer than %d MiB", name, n+1, maxEvent>>20)
		}
		return cmdutil.Usagef("cannot read %s: %w", name, err)
	}
	return nil
}

// labelOf names an event of a file: by its ref, else by its place.
func labelOf(doc []byte, n int) string {
	var rec struct {
		Ref string `json:"ref"`
	}
	if json.Unmarshal(doc, &rec) == nil && rec.Ref != "" {
		return rec.Ref
	}
	return fmt.Sprintf("#%d", n)
}

// fromProfiles tries the rules on what the selected profiles of the Gene
// manager have. partial is the exit code when one of several failed.
func (t *trial) fromProfiles(ctx context.Context, f *cmdutil.Factory, flags *cmdutil.ListFlags) (partial, err error) {
	req, err := flags.Request(f)
	if err != nil {
		return nil, err
	}
	req.Raw, req.Limit = true, 0
	all, err := f.Fleet(ctx)
	if err != nil {
		return nil, err
	}
	fleet := &ops.Fleet{}
	for _, s := range all.Sources {
		if s.Backend == geneBackend {
			fleet.Sources = append(fleet.Sources, s)
		}
	}
	if len(fleet.Sources) == 0 {
		return nil, backends.Unsupported(all.Sources[0].Backend, "cannot try Gene's rules on its events", "select a profile of the Gene manager with -p")
	}
	t.tried = true
	st := fleet.Events(ctx, req)
	var wrong error
	for ev := range st.Records() {
		if err := t.on(ev.Raw, ev.Ref); err != nil && wrong == nil {
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

// rows gives a row for each rule, in the order of the file.
func (t *trial) rows() []*Tested {
	out := make([]*Tested, 0, len(t.rules))
	for _, p := range t.rules {
		r := &Tested{Name: p.Name, Verdict: "ok", Schema: p.Version(), Errors: p.Errors, Warnings: p.Warnings}
		if r.Errors == nil {
			r.Errors = []string{}
		}
		if r.Warnings == nil {
			r.Warnings = []string{}
		}
		all := append(slices.Clone(p.Errors), p.Warnings...)
		switch {
		case len(p.Errors) > 0:
			r.Verdict = "error"
		case len(p.Warnings) > 0:
			r.Verdict = "warning"
		}
		if t.tried && len(p.Errors) == 0 {
			had := t.of(p.Name)
			r.Fires, r.MayFire, r.Examples, r.Missed, r.Seen = had.Fires, had.MayFire, had.Examples, had.Missed, &t.events
			if *had.Missed > 0 {
				all = append(all, fmt.Sprintf("it fired on the manager for %s on which it would not fire here: the manager has another version of the rule", model.Amount(*had.Missed, "event")))
			}
		}
		for i, s := range all {
			if i > 0 {
				r.Problems += "; "
			}
			r.Problems += s
		}
		out = append(out, r)
	}
	return out
}

// end says how it went, and gives the exit code.
func (t *trial) end(f *cmdutil.Factory, partial error) error {
	bad := 0
	for _, p := range t.rules {
		if len(p.Errors) > 0 {
			bad++
		}
	}
	says := fmt.Sprintf("%s, %d with errors", model.Amount(len(t.rules), "rule"), bad)
	if t.tried {
		says += " · tried on " + model.Amount(t.events, "event")
	}
	f.Note("%s", says)
	if bad > 0 {
		return &cmdutil.ExitError{Code: cmdutil.ExitFound}
	}
	return partial
}
