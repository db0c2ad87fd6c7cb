package hunt

import (
	"fmt"
	"slices"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/sigma"
)

// SigmaRules are the rules of a hunt, and what became of the others.
type SigmaRules struct {
	Rules   []*sigma.Rule
	Files   int
	Refused []string // why each rule that cannot be used was refused
	Never   int      // of Rules: those that can match on none of the backends
}

// LoadSigmaRules reads rules from a file, folder or archive and keeps those of
// a level and up; backends are those that will be asked. It is an error when no
// rule is left.
func LoadSigmaRules(path string, least model.Severity, backends []string) (*SigmaRules, error) {
	loaded, err := sigma.Load([]string{path}, nil, sigma.Options{})
	if err != nil {
		return nil, fmt.Errorf("cannot read rules: %w", err)
	}
	out := &SigmaRules{Files: loaded.Files}
	for _, p := range loaded.Problems {
		out.Refused = append(out.Refused, p.Error())
	}
	switch {
	case len(loaded.Rules) == 0 && len(out.Refused) > 0:
		return nil, fmt.Errorf("no rule could be loaded, %d were refused: %s", len(out.Refused), out.Refused[0])
	case len(loaded.Rules) == 0:
		return nil, fmt.Errorf("no Sigma rule in %s", path)
	}
	out.Rules = sigma.Choose(loaded.Rules, func(r *sigma.Rule) bool { return r.Level.Rank() >= least.Rank() })
	if len(out.Rules) == 0 {
		return nil, fmt.Errorf("no rule of level %s or above, %d below", least, len(loaded.Rules))
	}
	for _, r := range out.Rules {
		if !slices.ContainsFunc(backends, func(b string) bool { return canMatch(b, r) }) {
			out.Never++
		}
	}
	return out, nil
}

func canMatch(backend string, r *sigma.Rule) bool {
	reach, limited := sigma.ReachOf(backend)
	return !limited || reach.Missing(r) == ""
}

// Description is what the author says about the rule of a hit.
func (s *SigmaRules) Description(h *model.SigmaHit) string {
	for _, r := range s.Rules {
		if r.ID == h.Rule.ID && r.Title == h.Rule.Title {
			return r.Description
		}
	}
	return ""
}
