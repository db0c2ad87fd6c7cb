package hunt

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/output"
	"github.com/edrctl/edrctl/internal/sigma"
)

// sigmaPrinter writes what a hunt with rules found.
type sigmaPrinter struct {
	w      output.Writer // nil for a layer
	out    io.Writer
	by     bool
	events bool
	found  int // events that were written
}

func (h *sigmaFlags) printer(ctx context.Context, f *cmdutil.Factory) (*sigmaPrinter, error) {
	p := &sigmaPrinter{out: f.IO.Out, by: h.by != "", events: h.events}
	if f.Flags.Output == formatNavigator {
		return p, nil
	}
	kind := output.KindSigmaHit
	switch {
	case h.events:
		kind = output.KindEvent
	case p.by:
		kind = kindTechnique
	}
	var err error
	p.w, err = f.Printer(ctx, kind)
	return p, err
}

func (p *sigmaPrinter) abort() {
	if p.w != nil {
		p.w.Abort()
	}
}

func (p *sigmaPrinter) print(hits []*model.SigmaHit) error {
	var err error
	switch {
	case p.w == nil:
		return writeLayer(p.out, hits)
	case p.events:
	case p.by:
		for _, t := range techniques(hits) {
			if err = p.w.Write(t); err != nil {
				return err
			}
		}
	default:
		for _, h := range hits {
			if err = p.w.Write(h); err != nil {
				return err
			}
		}
	}
	return p.w.Close()
}

// technique sums up the hits of one ATT&CK technique.
type technique struct {
	Technique string         `json:"technique"`
	Tactics   []string       `json:"tactics,omitempty"`
	Level     model.Severity `json:"level,omitempty"`
	Rules     int            `json:"rules"`
	Hosts     int            `json:"hosts"`
	Count     int            `json:"count"`
	First     model.Time     `json:"first_seen,omitzero"`
	Last      model.Time     `json:"last_seen,omitzero"`
	Titles    []string       `json:"rule_titles,omitempty"`
}

var kindTechnique = output.NewKind[technique]("technique", []output.Column{
	{Name: "technique"}, {Name: "level", As: output.AsSeverity}, {Name: "rules", As: output.AsNumber}, {Name: "hosts", As: output.AsNumber},
	{Name: "count", As: output.AsNumber}, {Name: "last_seen", Header: "LAST", As: output.AsTime, Drop: 1}, {Name: "rule_titles", Header: "RULES", Min: 20},
}, nil)

// untagged is where hits of rules without a technique are counted.
const untagged = "none"

// techniques sums up, the worst level first.
func techniques(hits []*model.SigmaHit) []*technique {
	byID := map[string]*technique{}
	rules, hosts := map[[2]string]bool{}, map[[2]string]bool{}
	for _, h := range hits {
		ids := map[string]string{}
		for _, a := range h.Attack {
			if a.Technique.ID != "" {
				ids[a.Technique.ID] = a.Tactic
			}
		}
		if len(ids) == 0 {
			ids[untagged] = ""
		}
		for id, tactic := range ids {
			t := byID[id]
			if t == nil {
				t = &technique{Technique: id}
				byID[id] = t
			}
			t.add(h, tactic, rules, hosts)
		}
	}
	return slices.SortedFunc(maps.Values(byID), func(a, b *technique) int {
		return cmp.Or(cmp.Compare(b.Level.Rank(), a.Level.Rank()), cmp.Compare(b.Hosts, a.Hosts), cmp.Compare(a.Technique, b.Technique))
	})
}

func (t *technique) add(h *model.SigmaHit, tactic string, rules, hosts map[[2]string]bool) {
	t.Count += h.Count
	if key := [2]string{t.Technique, cmp.Or(h.Rule.ID, h.Rule.Title)}; !rules[key] {
		rules[key] = true
		t.Rules++
		t.Titles = append(t.Titles, h.Rule.Title)
	}
	if h.Host != nil {
		if key := [2]string{t.Technique, strings.ToLower(cmp.Or(h.Host.Name, h.Host.ID))}; !hosts[key] {
			hosts[key] = true
			t.Hosts++
		}
	}
	if tactic != "" && !slices.Contains(t.Tactics, tactic) {
		t.Tactics = append(t.Tactics, tactic)
	}
	if h.Rule.Level.Rank() > t.Level.Rank() {
		t.Level = h.Rule.Level
	}
	if t.First.IsZero() || h.First.Before(t.First.Time) {
		t.First = h.First
	}
	if h.Last.After(t.Last.Time) {
		t.Last = h.Last
	}
}

// layer is a layer of the ATT&CK Navigator (format 4.5).
type layer struct {
	Name        string            `json:"name"`
	Versions    map[string]string `json:"versions"`
	Domain      string            `json:"domain"`
	Description string            `json:"description"`
	Techniques  []layerTechnique  `json:"techniques"`
	Gradient    layerGradient     `json:"gradient"`
}

type layerTechnique struct {
	ID      string `json:"techniqueID"`
	Score   int    `json:"score"` // hosts
	Comment string `json:"comment,omitempty"`
	Enabled bool   `json:"enabled"`
}

type layerGradient struct {
	Colors []string `json:"colors"`
	Min    int      `json:"minValue"`
	Max    int      `json:"maxValue"`
}

func writeLayer(w io.Writer, hits []*model.SigmaHit) error {
	l := layer{
		Name: "edrctl hunt sigma", Versions: map[string]string{"layer": "4.5", "navigator": "5.1.0", "attack": "17"}, Domain: "enterprise-attack",
		Description: "Techniques whose rules matched; the score is the number of hosts", Techniques: []layerTechnique{},
		Gradient: layerGradient{Colors: []string{"#ffe766", "#ff6666"}, Min: 0, Max: 1},
	}
	for _, t := range techniques(hits) {
		if t.Technique == untagged {
			continue
		}
		l.Techniques = append(l.Techniques, layerTechnique{t.Technique, t.Hosts, fmt.Sprintf("%s: %d events: %s", t.Level, t.Count, strings.Join(t.Titles, "; ")), true})
		l.Gradient.Max = max(l.Gradient.Max, t.Hosts)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(l)
}

// noteReach says on how many profiles the rules can match at all, and why the
// others never can. It gives the number of profiles on which some rule can.
func noteReach(f *cmdutil.Factory, rules []*sigma.Rule, fleet *ops.Fleet, explain bool) (profiles int) {
	told := map[string]int{} // backend → rules that can match
	for _, s := range fleet.Sources {
		reach, limited := sigma.ReachOf(s.Backend)
		if !limited {
			profiles++
			continue
		}
		if able, ok := told[s.Backend]; ok {
			if able > 0 {
				profiles++
			}
			continue
		}
		why := map[string]int{}
		able := 0
		for _, r := range rules {
			missing := reach.Missing(r)
			if missing == "" {
				able++
				continue
			}
			why[missing]++
			if explain {
				f.Note("%s: %q (%s) can never match: %s", s.Backend, r.Title, r.Key(), missing)
			}
		}
		line := fmt.Sprintf("%s: %d of %d rules can match", s.Backend, able, len(rules))
		if able < len(rules) {
			line += fmt.Sprintf("; %d never: %s", len(rules)-able, mostOf(why, 4))
		}
		f.Note("%s", line)
		if told[s.Backend] = able; able > 0 {
			profiles++
		}
	}
	return profiles
}

// mostOf names the commonest reasons.
func mostOf(why map[string]int, most int) string {
	keys := slices.SortedFunc(maps.Keys(why), func(a, b string) int { return cmp.Or(cmp.Compare(why[b], why[a]), cmp.Compare(a, b)) })
	var parts []string
	rest := 0
	for i, k := range keys {
		if i < most {
			parts = append(parts, fmt.Sprintf("%d %s", why[k], k))
		} else {
			rest += why[k]
		}
	}
	if rest > 0 {
		parts = append(parts, fmt.Sprintf("%d for other reasons", rest))
	}
	return strings.Join(parts, ", ")
}
