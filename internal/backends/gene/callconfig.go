package gene

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/wire"
)

// planConfigSet replaces an agent's configuration. The manager takes what it
// is given for the whole, and the agent takes it over: members that are not
// given keep their values, and masked keys become the real ones again.
func (d *Driver) planConfigSet(ctx context.Context, what string, c backends.Call) (*callPlan, error) {
	ep, err := d.confirmed(ctx, what, &c)
	if err != nil {
		return nil, err
	}
	text := bytes.TrimSpace(given(c, "config"))
	if len(text) == 0 {
		return nil, backends.Invalid(what, "the configuration is empty: the agent would take over an empty one")
	}
	delete(c.Args, "config")
	if backends.Text(c.Args["format"]) == "toml" {
		if bytes.Contains(text, []byte("***")) || bytes.Contains(text, []byte("[redacted]")) {
			return nil, backends.Invalid(what, "it holds a masked key (***), with which the agent could not reach the manager")
		}
		c.Body, c.Type = text, "application/toml"
		p, err := onePlan(c, "replaces the whole configuration of "+nameOf(ep))
		if err == nil {
			p.warnings = append(p.warnings, "what the TOML does not say is empty then: read it first with --format toml")
		}
		return p, err
	}
	want, err := wire.DecodeObject(text)
	if err != nil || len(want) == 0 {
		return nil, backends.Invalid(what, "the configuration is no JSON object with anything in it")
	}
	var doc json.RawMessage
	if _, err := d.get(ctx, "/endpoints/"+ep.UUID+"/config", nil, &doc); err != nil {
		return nil, err
	}
	has, err := wire.DecodeObject(doc)
	if err != nil {
		has = map[string]any{}
	}
	d.hideKeys(has)
	whole := truthOf(c.Args["replace"])
	delete(c.Args, "replace")
	merged := wire.MergeConfig(has, want, whole)
	if masked := wire.FindMaskedKey(merged, ""); masked != "" {
		return nil, backends.Invalid(what, masked+" is masked, and the manager has no value for it")
	}
	before, after := wire.CanonicalJSON(has), wire.CanonicalJSON(merged)
	changed := wire.ChangedSettings("", has, merged, nil)
	says := fmt.Sprintf("changes %d settings of %s: %s", len(changed), nameOf(ep), strings.Join(changed[:min(6, len(changed))], ", "))
	if len(changed) > 6 {
		says += ", …"
	}
	c.Body, c.Type = after, "application/json"
	p, err := onePlan(c, says)
	if err != nil {
		return nil, err
	}
	switch {
	case len(has) == 0:
		p.summary = "gives " + nameOf(ep) + " its first configuration"
		p.warnings = append(p.warnings, "the manager has none of this agent yet: what is not in it is empty there")
	case bytes.Equal(before, after):
		p.nothing = "the configuration of " + nameOf(ep) + " is so already"
	}
	if whole && len(has) > 0 {
		for _, name := range slices.Sorted(maps.Keys(has)) {
			if _, ok := want[name]; !ok {
				p.warnings = append(p.warnings, name+" is not in it, and is empty then")
			}
		}
	}
	return p, nil
}

// hideKeys makes the keys of a configuration known to the redactor.
func (d *Driver) hideKeys(v any) {
	switch t := v.(type) {
	case map[string]any:
		for k, m := range t {
			if s, ok := m.(string); ok && strings.HasSuffix(strings.ToLower(k), "key") {
				d.redactor.Add(s)
			}
			d.hideKeys(m)
		}
	case []any:
		for _, m := range t {
			d.hideKeys(m)
		}
	}
}

func (d *Driver) planConfigDelete(ctx context.Context, what string, c backends.Call) (*callPlan, error) {
	ep, err := d.confirmed(ctx, what, &c)
	if err != nil {
		return nil, err
	}
	p, err := onePlan(c, "forgets the configuration of "+nameOf(ep)+": its agent sends its own again")
	if err != nil {
		return nil, err
	}
	var doc json.RawMessage
	if _, err := d.get(ctx, "/endpoints/"+ep.UUID+"/config", nil, &doc); err != nil {
		return nil, err
	}
	if len(doc) == 0 {
		p.nothing = "the manager has no configuration of " + nameOf(ep)
	}
	return p, nil
}
