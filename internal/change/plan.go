package change

import (
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

// planAge is how long what a preview found is taken for true. After it the
// host is read again before anything is sent.
const planAge = time.Minute

// Plan is what would be sent. Nothing was yet.
type Plan struct {
	Steps    []*Step
	made     time.Time
	approved bool
}

// Verb is the verb of the plan.
func (p *Plan) Verb() string {
	for _, s := range p.Steps {
		return s.Change.Verb
	}
	return ""
}

// Plan looks at every item by reading only. What cannot be done stands in the
// step's Err; the other steps can go on.
func (a *Acts) Plan(ctx context.Context, items []Item) *Plan {
	p := &Plan{made: a.now(), Steps: make([]*Step, len(items))}
	known := sync.OnceValue(a.known)
	sem := make(chan struct{}, parallel)
	var wg sync.WaitGroup
	for i, it := range items {
		s := &Step{Item: it, Action: newActionID()}
		p.Steps[i] = s
		wg.Go(func() {
			sem <- struct{}{}
			defer func() { <-sem }()
			a.look(ctx, s, known)
		})
	}
	wg.Wait()
	return p
}

// known is what the journal remembers; a journal that cannot be read is found
// out before anything is sent.
func (a *Acts) known() []*Entry {
	if a.Ledger == nil {
		return nil
	}
	list, err := a.Ledger.Entries()
	if err != nil {
		return nil
	}
	return list
}

// look fills a step in.
func (a *Acts) look(ctx context.Context, s *Step, known func() []*Entry) {
	if s.Err != nil {
		return
	}
	if s.Nothing != "" {
		s.Preview.Nothing = s.Nothing
		return
	}
	s.driver, s.Spec, s.Err = changer(s.Source, s.Change.Verb)
	if s.Err == nil {
		s.Err = missing(s.Spec, s.Change)
	}
	if s.Err != nil {
		s.Err = ops.InProfile(s.Source, s.Err)
		return
	}
	if s.Change.Undo == nil {
		s.remember(known())
	}
	pv, err := s.driver.Preview(ctx, s.Change)
	if err != nil {
		s.Err = ops.InProfile(s.Source, err)
		return
	}
	if !pv.Reversible && s.Spec.Inverse != "" {
		pv.Reversible = true
	}
	if pv.Inverse == "" {
		pv.Inverse = s.Spec.Inverse
	}
	s.Preview = pv
}

// remember finds the action in force that this change takes back, so that a
// plain `release HOST` knows what `isolate` found.
func (s *Step) remember(known []*Entry) {
	e := undoneBy(known, s.Source.Profile, s.Change)
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
		if s.Err != nil || s.Source == nil {
			continue
		}
		for _, name := range params {
			names := func(spec string) bool { return slices.Contains(strings.Split(spec, "|"), name) }
			if !slices.ContainsFunc(s.Spec.Takes, names) && !slices.ContainsFunc(s.Spec.Needs, names) {
				s.Err = ops.InProfile(s.Source, backends.Invalid("cannot "+Words(s.Change.Verb), s.Source.Backend+" takes no "+name+": leave it out"))
				break
			}
		}
	}
}

// lookAgain reads host and preview again when the plan is old. What has
// changed meanwhile is not sent unseen.
func (a *Acts) lookAgain(ctx context.Context, s *Step) error {
	if s.Nothing != "" {
		return nil
	}
	if h := s.Change.Host; h != nil && a.Fleet != nil && h.ID != "" {
		fresh, err := s.Source.Host(ctx, h.ID)
		if err != nil {
			return err
		}
		if fresh.Name != h.Name || fresh.ID != h.ID {
			return ops.InProfile(s.Source, backends.Malformed("nothing was sent", fmt.Sprintf("host %s was %q and is %q now", h.ID, h.Name, fresh.Name)))
		}
		s.Change.Host = fresh
	}
	pv, err := s.driver.Preview(ctx, s.Change)
	if err != nil {
		return ops.InProfile(s.Source, err)
	}
	if pv.Summary != s.Preview.Summary && pv.Nothing == "" {
		return ops.InProfile(s.Source, &backends.Error{
			Kind: backends.KindRefused, What: "nothing was sent to " + s.Name(), Why: "it changed after it was shown: now it " + pv.Summary, Hint: "run the command again",
		})
	}
	if pv.Inverse == "" {
		pv.Inverse = s.Preview.Inverse
	}
	pv.Reversible = pv.Reversible || s.Preview.Reversible
	s.Preview = pv
	return nil
}

// changer finds the driver of a verb, or says what its backend can do instead.
func changer(s *ops.Source, verb string) (backends.Changer, backends.VerbSpec, error) {
	d, err := s.Driver()
	if err != nil {
		return nil, backends.VerbSpec{}, err
	}
	c, ok := d.(backends.Changer)
	if ok {
		if spec, can := backends.VerbOf(c, verb); can {
			return c, spec, nil
		}
	}
	var can []string
	if ok {
		for _, v := range c.Verbs() {
			can = append(can, Command(v.Verb))
		}
	}
	hint := s.Backend + " changes nothing: " + ops.Instead(s.Backend, d)
	if len(can) > 0 {
		hint = s.Backend + " can do: " + strings.Join(can, ", ")
	}
	return nil, backends.VerbSpec{}, backends.Unsupported(s.Backend, "cannot "+Words(verb), hint)
}

// CanChange tells whether a profile can be asked for a verb, and how its
// backend does it. The error is fit to be shown as the reason why not. It
// reaches no server.
func CanChange(f *ops.Fleet, profile, verb string) (how string, err error) {
	for _, s := range f.Sources {
		if s.Profile != profile {
			continue
		}
		if s.ReadOnly {
			return "", RefusedReadOnly(profile)
		}
		_, spec, err := changer(s, verb)
		return spec.How, err
	}
	return "", backends.Invalid("cannot "+Words(verb), "profile "+profile+" is not among the selected ones")
}

var ids = base32.NewEncoding("abcdefghijkmnpqrstuvwxyz23456789").WithPadding(base32.NoPadding)

// newActionID names an action of ours: short enough to type.
func newActionID() string {
	var b [5]byte
	_, _ = rand.Read(b[:]) // never fails
	return "act-" + ids.EncodeToString(b[:])
}
