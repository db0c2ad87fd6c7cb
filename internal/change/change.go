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

	"github.com/edrctl/edrctl/internal/audit"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
)

// FreeHosts is how many hosts one order may be on without saying so.
const FreeHosts = 10

// planAge is how long what a preview found is taken for true. After it the
// host is read again before anything is sent.
const planAge = time.Minute

// parallel is how many hosts are worked on at once.
const parallel = 8

// Recorder is where changes are written down: *audit.Journal.
type Recorder interface {
	Append(r audit.Record) error
}

// Acts is the one path of everything that changes a backend:
//
//	items (targets.go) → Plan (reads only) → Approve (policy) → Execute
//
// Execute journals the intent, sends exactly once, looks up what became of a
// change whose answer was lost, follows it and journals the outcome. It asks
// nobody anything: showing the plan and getting a yes is the caller's.
type Acts struct {
	Fleet   *ops.Fleet
	Journal Recorder
	Ledger  *Ledger             // what the journal remembers
	Redact  func(string) string // masks secrets in what is journaled; nil = nothing is masked
	Now     func() time.Time    // nil = time.Now
}

// Item is one change that is wanted, on one target.
type Item struct {
	Label   string // how the target was named, for messages
	Source  *ops.Source
	Change  backends.Change
	Undoes  string // id (act-…) of the action it takes back
	Err     error  // why the target could not be resolved
	Nothing string // why there is nothing to do, when that is known beforehand
}

// Step is an item that was looked at: what it would do, or why it cannot.
type Step struct {
	Item
	Action  string // id of the action it will be: act-…
	Spec    backends.VerbSpec
	Preview backends.Preview

	driver backends.Changer
}

// Ref is the reference of the action the step will be.
func (s *Step) Ref() string {
	if s.Source == nil {
		return s.Action
	}
	return s.Source.Profile + "/" + s.Action
}

// Name is the target for people: the host's name, else the alert's or other id.
func (s *Step) Name() string {
	c := s.Change
	switch {
	case c.Host != nil && c.Host.Name != "":
		return c.Host.Name
	case c.Host != nil && c.Host.ID != "":
		return c.Host.ID
	case s.Label != "":
		return s.Label
	case c.AlertID != "":
		return c.AlertID
	case c.CarveID != "":
		return c.CarveID
	}
	return c.ActionID
}

// Blocked says why the step will not be sent, "" when it will.
func (s *Step) Blocked() string {
	switch {
	case s.Err != nil:
		return s.Err.Error()
	case s.Preview.Nothing != "":
		return s.Preview.Nothing
	case s.Preview.NotReady != "" && !s.Change.Queue:
		return s.Preview.NotReady
	}
	return ""
}

// Plan is what would be sent. Nothing was yet.
type Plan struct {
	Steps    []*Step
	made     time.Time
	approved bool
}

// Sendable counts the steps that would be sent.
func (p *Plan) Sendable() int {
	n := 0
	for _, s := range p.Steps {
		if s.Blocked() == "" {
			n++
		}
	}
	return n
}

// Hosts counts the different hosts the plan is on.
func (p *Plan) Hosts() int {
	seen := map[string]bool{}
	for _, s := range p.Steps {
		if s.Err == nil && s.Change.Host != nil && s.Source != nil {
			seen[s.Source.Profile+"/"+hostKey(s.Change.Host)] = true
		}
	}
	return len(seen)
}

func hostKey(h *model.Host) string {
	if h == nil {
		return ""
	}
	if h.ID != "" {
		return h.ID
	}
	return h.Name
}

// Verb is the verb of the plan.
func (p *Plan) Verb() string {
	for _, s := range p.Steps {
		return s.Change.Verb
	}
	return ""
}

// heavy are the verbs that are confirmed by typing: what they take away is
// missed at once.
var heavy = map[string]bool{
	backends.VerbIsolate: true, backends.VerbDeleteFile: true,
	backends.VerbHostDelete: true, backends.VerbHostRemove: true,
}

// Typed is the word that must be typed to go on, "" when yes or no is enough:
// the name of the host, or how many hosts it is on.
func (p *Plan) Typed() string {
	if !heavy[p.Verb()] {
		return ""
	}
	var only *Step
	n := 0
	for _, s := range p.Steps {
		if s.Blocked() == "" {
			only = s
			n++
		}
	}
	switch n {
	case 0:
		return ""
	case 1:
		return only.Name()
	}
	return fmt.Sprintf("%d hosts", p.Hosts())
}

// ReadOnly gives the refusal when a profile of the plan may only be read.
func (p *Plan) ReadOnly() error {
	for _, s := range p.Steps {
		if s.Source != nil && s.Source.ReadOnly && s.Err == nil {
			return RefusedReadOnly(s.Source.Profile)
		}
	}
	return nil
}

// RefusedReadOnly is the refusal of a change under --read-only ("" for
// profile) or on a profile that may only be read.
func RefusedReadOnly(profile string) error {
	e := &backends.Error{
		Kind: backends.KindRefused, What: "nothing was sent", Why: "--read-only (or EDRCTL_READ_ONLY) is on",
		Hint: "--dry-run shows what would be sent",
	}
	if profile != "" {
		e.Why = "profile " + profile + " is read-only"
	}
	return e
}

// Approve applies the policy that needs nobody's answer: read-only profiles
// and the number of hosts. Execute sends nothing of a plan that was not
// approved. maxHosts 0 is FreeHosts.
func (p *Plan) Approve(maxHosts int) error {
	if err := p.ReadOnly(); err != nil {
		return err
	}
	if err := CheckHosts(p.Hosts(), maxHosts); err != nil {
		return err
	}
	p.approved = true
	return nil
}

// CheckHosts refuses a change of n hosts where only maxHosts are allowed; 0 is
// FreeHosts.
func CheckHosts(n, maxHosts int) error {
	if maxHosts <= 0 {
		maxHosts = FreeHosts
	}
	if n <= maxHosts {
		return nil
	}
	return &backends.Error{
		Kind: backends.KindRefused, What: "nothing was sent", Why: fmt.Sprintf("this is on %d hosts, and %d are allowed", n, maxHosts),
		Hint: fmt.Sprintf("--max-hosts %d allows it", n),
	}
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

// Command is what a user types for a verb.
func Command(verb string) string {
	switch verb {
	case backends.VerbCall:
		return "api"
	case backends.VerbCarve:
		return "carve get"
	case backends.VerbMemdump:
		return "carve get --memdump"
	case backends.VerbCarveDelete:
		return "carve delete"
	case backends.VerbActionDelete:
		return "respond delete"
	}
	if noun, v, ok := strings.Cut(verb, "."); ok {
		return noun + "s " + v
	}
	return "respond " + verb
}

// Words is a verb for people, as in "cannot close alert".
func Words(verb string) string {
	if noun, v, ok := strings.Cut(verb, "."); ok {
		return v + " " + noun
	}
	switch verb {
	case backends.VerbCall:
		return CallWord
	case backends.VerbCarve:
		return "collect files"
	case backends.VerbMemdump:
		return "dump memory"
	}
	return strings.ReplaceAll(verb, "-", " ")
}

var ids = base32.NewEncoding("abcdefghijkmnpqrstuvwxyz23456789").WithPadding(base32.NoPadding)

// newActionID names an action of ours: short enough to type.
func newActionID() string {
	var b [5]byte
	_, _ = rand.Read(b[:]) // never fails
	return "act-" + ids.EncodeToString(b[:])
}

func (a *Acts) now() time.Time {
	if a.Now != nil {
		return a.Now()
	}
	return time.Now()
}

func (a *Acts) redact(s string) string {
	if a.Redact == nil {
		return s
	}
	return a.Redact(s)
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
