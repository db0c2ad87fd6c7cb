package change

import (
	"fmt"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
)

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

// ReadOnly gives the refusal when a profile of the plan may only be read.
func (p *Plan) ReadOnly() error {
	for _, s := range p.Steps {
		if s.ReadOnly && s.Err == nil {
			return RefusedReadOnly(s.Profile)
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

// Hosts counts the different hosts the plan is on.
func (p *Plan) Hosts() int {
	seen := map[string]bool{}
	for _, s := range p.Steps {
		if s.Err == nil && s.Change.Host != nil && s.Profile != "" {
			seen[s.Profile+"/"+hostKey(s.Change.Host)] = true
		}
	}
	return len(seen)
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

// heavy are the verbs that are confirmed by typing: what they take away is
// missed at once.
var heavy = map[string]bool{
	backends.VerbIsolate: true, backends.VerbDeleteFile: true,
	backends.VerbHostDelete: true, backends.VerbHostRemove: true,
}

// Typed is the word that must be typed to go on, "" when yes or no is enough:
// the name of the host, or how many hosts it is on.
func (p *Plan) Typed() string {
	var only *Step
	n := 0
	for _, s := range p.Steps {
		if heavy[s.Change.Verb] && s.Blocked() == "" {
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
	return model.Amount(p.Hosts(), "host")
}

// final are the verbs that delete what edrctl cannot give back: the rule of
// backends.Operation.Danger, for those that are not calls.
var final = map[string]string{
	backends.VerbHostDelete:  "permanently deletes the host and what the backend knows of it",
	backends.VerbCarveDelete: "permanently deletes the collected file",
}

// Danger gives the warning of the plan's dangerous operations, and the word
// that must be typed to send them: the operation's name. "" = none is.
func (p *Plan) Danger() (warning, word string) {
	for _, s := range p.Steps {
		if why := final[s.Change.Verb]; why != "" && s.Blocked() == "" {
			return why, Words(s.Change.Verb)
		}
		c := s.Change.Call
		if s.Blocked() != "" || c == nil || c.Danger() == "" {
			continue
		}
		return c.Danger(), c.Label()
	}
	return "", ""
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
