package gene

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/wire"
	"github.com/edrctl/edrctl/internal/shellquote"
)

func (d *Driver) planEndpointAdd(ctx context.Context, _ string, c backends.Call) (*callPlan, error) {
	list, err := d.endpoints(ctx, false)
	if err != nil {
		return nil, err
	}
	p, err := onePlan(c, "adds an endpoint; the manager chooses its UUID and key")
	if err != nil {
		return nil, err
	}
	if v, err := d.version(ctx, list); err == nil && v == "v1.7.0" {
		p.warnings = append(p.warnings, "this manager forgets the endpoint when it is restarted: write UUID and key into its configuration file")
	}
	p.note = "keep its key: the agent needs it"
	return p, nil
}

func (d *Driver) planEndpointUpdate(ctx context.Context, what string, c backends.Call) (*callPlan, error) {
	ep, err := d.confirmed(ctx, what, &c)
	if err != nil {
		return nil, err
	}
	e := editBody{Group: backends.Text(c.Args["group"]), Status: backends.Text(c.Args["status"])}
	for _, name := range []string{"group", "status"} {
		if v, ok := c.Args[name]; ok && backends.Text(v) == "" {
			return nil, backends.Invalid(what, name+" cannot be made empty: the manager would leave it as it is")
		}
	}
	if v, ok := c.Args["criticality"]; ok {
		n, err := strconv.Atoi(backends.Text(v))
		if err != nil || n < 0 || n > 10 {
			return nil, backends.Invalid(what, fmt.Sprintf("criticality is a number from 0 to 10, not %q", backends.Text(v)))
		}
		e.Criticality = &n
	}
	if err := d.editable(what, e); err != nil {
		return nil, err
	}
	newKey := isTrue(c.Args["newkey"])
	says := e.describe()
	if newKey {
		says = strings.TrimPrefix(says+", a new key", ", ")
	}
	if says == "" && c.Body == nil {
		return nil, backends.Invalid(what, "say what to set: group, status, criticality or newkey")
	}
	p, err := onePlan(c, "gives "+nameOf(ep)+" "+says)
	if err != nil {
		return nil, err
	}
	if !newKey && c.Body == nil && e.appliedTo(ep) {
		p.nothing = nameOf(ep) + " has " + e.describe() + " already"
	}
	if newKey {
		p.warnings = append(p.warnings, "the agent with the old key is refused from then on")
	}
	if newKey {
		p.note = "edrctl api endpoints.get " + shellquote.Flag("uuid", ep.UUID) + " --show-secrets shows the new key"
	}
	p.check = d.ofEndpoint(what, "that has "+says+" now", ep)
	return p, nil
}

func (d *Driver) planEndpointDelete(ctx context.Context, what string, c backends.Call) (*callPlan, error) {
	ep, err := d.confirmed(ctx, what, &c)
	if err != nil {
		return nil, err
	}
	p, err := onePlan(c, "deletes "+nameOf(ep)+" and its key: its agent is refused from then on")
	if err != nil {
		return nil, err
	}
	breaks, err := d.breaksIndex(ctx, ep)
	if err != nil {
		return nil, err
	}
	if breaks {
		p.warnings, p.note = append(p.warnings, breaksText), breaksText
	}
	p.check = d.ofEndpoint(what, "that is deleted", ep)
	return p, nil
}

// planCommand gives an endpoint a command as the manager's own API takes it:
// one line, split there.
func (d *Driver) planCommand(ctx context.Context, what string, c backends.Call) (*callPlan, error) {
	ep, err := d.confirmed(ctx, what, &c)
	if err != nil {
		return nil, err
	}
	line := backends.Text(c.Args["command-line"])
	if c.Body != nil {
		var b struct {
			Line string `json:"command-line"`
		}
		if err := json.Unmarshal(c.Body, &b); err != nil {
			return nil, backends.Invalid(what, "the body is not a JSON object")
		}
		line = b.Line
	}
	fetch, _ := c.Args["fetch-files"].([]any)
	if strings.TrimSpace(line) == "" && len(fetch) == 0 && c.Args["drop-files"] == nil && c.Body == nil {
		return nil, backends.Invalid(what, "say what to run: command-line, fetch-files or drop-files")
	}
	if err := writable(what, line); err != nil {
		return nil, err
	}
	p, err := onePlan(c, fmt.Sprintf("gives %s the command line %q", nameOf(ep), line))
	if err != nil {
		return nil, err
	}
	if strings.Contains(line, `\`) && !strings.Contains(line, `'`) {
		p.warnings = append(p.warnings, `the manager drops backslashes outside single quotes: write 'C:\Windows\x.exe' in them, or use edrctl respond run, which does`)
	}
	if n, err := strconv.ParseInt(backends.Text(c.Args["timeout"]), 10, 64); err == nil && n > 0 && n < 1_000_000_000 {
		p.warnings = append(p.warnings, fmt.Sprintf("timeout %d is in nanoseconds: less than a second", n))
	}
	if s, err := d.slot(ctx, ep.UUID, nil); err != nil {
		return nil, d.fail("cannot read the endpoint's command", err)
	} else if s != nil && !bool(s.Completed) {
		p.summary += ", in the place of " + s.Title()
		p.warnings = append(p.warnings, "it replaces "+s.Title()+", which is not over: its result is lost")
	}
	p.check = d.ofEndpoint(what, fmt.Sprintf("%q may run there", line), ep)
	return p, nil
}

// planReportDelete begins a report again. Newer managers keep the old one in
// the archive, older ones forget it.
func (d *Driver) planReportDelete(ctx context.Context, what string, c backends.Call) (*callPlan, error) {
	ep, err := d.lookUp(ctx, what, backends.Text(c.Args["uuid"]))
	if err != nil {
		return nil, err
	}
	c.Args["uuid"] = ep.UUID
	var r *wire.Report
	if err := d.serialised(ctx, func() error {
		_, err := d.get(ctx, "/endpoints/"+ep.UUID+"/report", nil, &r)
		return err
	}); err != nil {
		return nil, err
	}
	p, err := onePlan(c, "resets the report of "+nameOf(ep))
	if err != nil {
		return nil, err
	}
	switch {
	case r == nil:
		p.nothing = "there is no report of " + nameOf(ep)
	case r.Identifier != ep.UUID:
		return nil, d.wrongIndex(what, ep, byUUID(r.Identifier))
	default:
		p.summary = fmt.Sprintf("%s (it counts %d alerts)", p.summary, int(r.AlertCount))
	}
	if !d.flavour().systemInfo {
		p.warnings = append(p.warnings, "releases before v1.8.0-beta.3 keep no archive: the report is gone then")
	}
	return p, nil
}

// planConfigSet replaces an agent's configuration. The manager takes what it
// is given for the whole, and the agent takes it over: members that are not
// given keep their values, and masked keys become the real ones again.
func (d *Driver) planConfigSet(ctx context.Context, what string, c backends.Call) (*callPlan, error) {
	ep, err := d.confirmed(ctx, what, &c)
	if err != nil {
		return nil, err
	}
	text := bytes.TrimSpace(bodyText(c, "config"))
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
		return nil, backends.Invalid(what, "the configuration is not a JSON object with anything in it")
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
	whole := isTrue(c.Args["replace"])
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
