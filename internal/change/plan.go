package change

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/ops"
)

// planAge is how long a preview is trusted. After it the host is read again
// before anything is sent.
const planAge = time.Minute

// parallel is how many hosts are worked on at once.
const parallel = 8

// Plan is what would be sent. Nothing was yet. It can be written to a file and
// read back: what is read must be approved, and is read again from the
// backends when it is old.
type Plan struct {
	Verb  string    `json:"verb"`
	Steps []*Step   `json:"steps"`
	Made  time.Time `json:"made"`

	approved bool
}

// Plan looks at every item by reading only. A step that cannot be done says so
// in its Err; the other steps can be executed.
func (a *Actor) Plan(ctx context.Context, items []Item) *Plan {
	p := &Plan{Made: a.now(), Steps: make([]*Step, len(items))}
	if len(items) > 0 {
		p.Verb = items[0].Change.Verb
	}
	known := sync.OnceValue(a.known)
	sem := make(chan struct{}, parallel)
	var wg sync.WaitGroup
	for i, it := range items {
		s := &Step{Item: it, Action: newActionID()}
		p.Steps[i] = s
		wg.Go(func() {
			sem <- struct{}{}
			defer func() { <-sem }()
			a.fill(ctx, s, known)
		})
	}
	wg.Wait()
	return p
}

// known is what the journal remembers; a journal that cannot be read is found
// out before anything is sent.
func (a *Actor) known() []*Entry {
	if a.Ledger == nil {
		return nil
	}
	list, err := a.Ledger.Entries()
	if err != nil {
		return nil
	}
	return list
}

// fill previews a step.
func (a *Actor) fill(ctx context.Context, s *Step, known func() []*Entry) {
	if s.Err != nil {
		return
	}
	src, err := a.source(s.Profile)
	if err != nil {
		s.Err = err
		return
	}
	s.ReadOnly = src.ReadOnly
	if s.Nothing != "" {
		s.Preview.Nothing = s.Nothing
		return
	}
	driver, spec, err := changer(src, s.Change.Verb)
	if err == nil {
		s.Spec = spec
		err = missing(spec, s.Change)
	}
	if err != nil {
		s.Err = s.inProfile(err)
		return
	}
	if s.Change.Undo == nil {
		s.remember(known())
	}
	pv, err := driver.Preview(ctx, s.Change)
	if err != nil {
		s.Err = s.inProfile(err)
		return
	}
	pv.Reversible = pv.Reversible || spec.Inverse != ""
	pv.Inverse = cmp.Or(pv.Inverse, spec.Inverse)
	s.Preview = pv
}

// remember finds the action in force that this change takes back, so that a
// plain `release HOST` knows what `isolate` found.
func (s *Step) remember(known []*Entry) {
	e := undoneBy(known, s.Profile, s.Change)
	if e == nil {
		return
	}
	s.Change.Undo = e.forDriver()
	if s.Undoes == "" {
		s.Undoes = e.ID
	}
}

// missing tells what the verb needs and was not given.
func missing(spec backends.VerbSpec, c backends.Change) error {
	has := map[string]bool{
		"host": c.Host != nil, "pid": c.PID != 0, "path": c.Path != "", "command": len(c.Command) > 0, "script": c.Script != nil,
		"address": c.Address != "", "program": c.Program != "", "scan": c.Scan != "", "tags": len(c.Tags) > 0, "verdict": c.Verdict != "",
		"alert": c.AlertID != "", "action": c.ActionID != "", "carve": c.CarveID != "", "body": len(c.Body) > 0, "comment": c.Comment != "",
		"port": c.Port != 0,
	}
	for _, need := range spec.Needs {
		// A need may name alternatives: "address|program".
		met, known := false, false
		for alt := range strings.SplitSeq(need, "|") {
			v, ok := has[alt]
			known = known || ok
			met = met || v || c.Params[alt] != ""
		}
		if known && !met {
			return backends.Invalid("cannot "+Words(c.Verb), "this backend needs the "+strings.ReplaceAll(need, "|", " or "))
		}
	}
	if c.Verb == backends.VerbRelease && c.Params[backends.ParamPolicy] != "" && !slices.Contains(spec.Takes, backends.ParamPolicy) {
		return backends.Invalid("cannot release to a policy", "this backend isolates without one: leave --policy out")
	}
	return nil
}

// Refuse marks the steps whose backend would leave out what was asked for: a
// parameter by its name in VerbSpec.Takes. Nothing is sent without it.
func (p *Plan) Refuse(params ...string) {
	for _, s := range p.Steps {
		if s.Err != nil || s.Profile == "" {
			continue
		}
		for _, name := range params {
			names := func(spec string) bool { return slices.Contains(strings.Split(spec, "|"), name) }
			if !slices.ContainsFunc(s.Spec.Takes, names) && !slices.ContainsFunc(s.Spec.Needs, names) {
				s.Err = s.inProfile(backends.Invalid("cannot "+Words(s.Change.Verb), s.Backend+" takes no "+name+": leave it out"))
				break
			}
		}
	}
}

// ready gives the driver to send a step with, or refuses what must not be
// sent. An old plan is read again.
func (a *Actor) ready(ctx context.Context, p *Plan, s *Step) (backends.Changer, error) {
	switch {
	case s.Err != nil:
		return nil, s.Err
	case !p.approved:
		return nil, &backends.Error{Kind: backends.KindRefused, What: "nothing was sent", Why: "it was not approved"}
	case s.Nothing != "":
		return nil, nil
	}
	src, err := a.source(s.Profile)
	if err != nil {
		return nil, err
	}
	driver, _, err := changer(src, s.Change.Verb)
	if err != nil {
		return nil, s.inProfile(err)
	}
	if a.now().Sub(p.Made) > planAge {
		err = s.recheck(ctx, src, driver)
	}
	return driver, err
}

// recheck reads host and preview again. What has changed meanwhile is not sent
// unseen.
func (s *Step) recheck(ctx context.Context, src *ops.Source, driver backends.Changer) error {
	if h := s.Change.Host; h != nil && h.ID != "" {
		fresh, err := src.Host(ctx, h.ID)
		if err != nil {
			return err
		}
		if fresh.Name != h.Name || fresh.ID != h.ID {
			return s.inProfile(backends.Malformed("nothing was sent", fmt.Sprintf("host %s was %q and is %q now", h.ID, h.Name, fresh.Name)))
		}
		s.Change.Host = fresh
	}
	pv, err := driver.Preview(ctx, s.Change)
	if err != nil {
		return s.inProfile(err)
	}
	if pv.Summary != s.Preview.Summary && pv.Nothing == "" {
		return s.inProfile(&backends.Error{
			Kind: backends.KindRefused, What: "nothing was sent to " + s.Name(), Why: "it changed after it was shown: now it " + pv.Summary, Hint: "run the command again",
		})
	}
	pv.Inverse = cmp.Or(pv.Inverse, s.Preview.Inverse)
	pv.Reversible = pv.Reversible || s.Preview.Reversible
	s.Preview = pv
	return nil
}

var ids = base32.NewEncoding("abcdefghijkmnpqrstuvwxyz23456789").WithPadding(base32.NoPadding)

// newActionID names an action of ours: short enough to type.
func newActionID() string {
	var b [5]byte
	_, _ = rand.Read(b[:]) // never fails
	return "act-" + ids.EncodeToString(b[:])
}
