package change

import (
	"fmt"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/ops"
)

// CallWord is what a call of the vendor's API is called for people.
const CallWord = "call"

// CallItem is a changing call as an item of Acts: previewed with the guards
// of its driver, approved, journaled and sent once.
func CallItem(s *ops.Source, c backends.Call) Item {
	return Item{Label: s.Profile, Source: s, Change: backends.Change{Verb: backends.VerbCall, Call: &c}}
}

// onWhat names what a call is on, for people and the journal: the operation
// and the arguments in its path.
func onWhat(c *backends.Call) string {
	parts := []string{c.Label()}
	for _, p := range c.Op.Params {
		if v, ok := c.Args[p.Name]; ok && p.In == "path" && !p.Secret {
			parts = append(parts, backends.Text(v))
		}
	}
	return strings.Join(parts, " ")
}

// final are the verbs that delete what edrctl cannot give back: the rule of
// backends.Operation.Danger, for those that are no calls.
var final = map[string]string{
	backends.VerbHostDelete:  "deletes the host and what the backend knows of it for good",
	backends.VerbCarveDelete: "deletes the collected file for good",
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

// journaledCall is a call as it is journaled: what was called and its
// arguments, secrets masked, contents by their size.
func journaledCall(c *backends.Call) map[string]string {
	if c == nil {
		return nil
	}
	out := map[string]string{"operation": c.Label()}
	for name, v := range c.Masked().Args {
		if f, ok := v.(backends.File); ok {
			v = fmt.Sprintf("%s (%d bytes)", f.Name, len(f.Content))
		}
		out["arg."+name] = backends.Text(v)
	}
	return out
}
