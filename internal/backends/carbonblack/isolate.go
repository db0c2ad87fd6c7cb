package carbonblack

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/catalog"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

func policyName(w *wire.Policy) model.Named {
	return model.Named{ID: wire.Number(w.ID), Name: string(w.Name)}
}

// policies reads all policies.
func (d *Driver) policies(ctx context.Context, what string) ([]wire.Policy, error) {
	var doc struct {
		Results wire.List[wire.Policy] `json:"results"`
	}
	if _, err := d.get(ctx, what, catalog.RoutePolicy, "/policy", nil, &doc); err != nil {
		return nil, err
	}
	return doc.Results, nil
}

// findPolicy finds a policy by id or exact name.
func findPolicy(what string, all []wire.Policy, want string) (*wire.Policy, error) {
	want = strings.TrimSpace(want)
	var found []*wire.Policy
	for i := range all {
		if p := &all[i]; p.ID.Set && (strings.EqualFold(string(p.Name), want) || wire.Number(p.ID) == want) {
			found = append(found, p)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		var names []string
		for _, p := range all {
			names = append(names, strconv.Quote(string(p.Name)))
		}
		e := backends.Invalid(what, fmt.Sprintf("the server has no policy %q", want))
		e.Hint = "it has " + strings.Join(names, ", ")
		return nil, e
	}
	return nil, backends.Invalid(what, fmt.Sprintf("the name %q fits %d policies: use the id", want, len(found)))
}

// policyMove is a device's way from one policy to another.
type policyMove struct {
	device   int64
	from, to model.Named
}

func (m *policyMove) path() string { return "/device/" + strconv.FormatInt(m.device, 10) }

func (m *policyMove) body() wire.PatchDevice {
	id, _ := strconv.ParseInt(m.to.ID, 10, 64) // read from a number
	return wire.PatchDevice{PolicyID: id}
}

func (m *policyMove) call() client.Call {
	return client.Call{Method: http.MethodPatch, Path: catalog.Base + m.path(), JSON: m.body()}
}

func (m *policyMove) id() string {
	return fmt.Sprintf("%s%d.%s", actionPolicy, m.device, m.to.ID)
}

func parseMoveID(id string) (device, policy string, ok bool) {
	rest, ok := strings.CutPrefix(id, actionPolicy)
	if !ok {
		return "", "", false
	}
	device, policy, ok = strings.Cut(rest, ".")
	return device, policy, ok && isDigits(device) && isDigits(policy)
}

// planMove finds out where a device would be moved, by reading. The move is
// nil when there is nothing to do.
func (d *Driver) planMove(ctx context.Context, what string, c backends.Change) (*policyMove, backends.Preview, error) {
	var pv backends.Preview
	id, err := target(what, c)
	if err != nil {
		return nil, pv, err
	}
	quarantine := strings.TrimSpace(d.opt.Settings["quarantine_policy"])
	if c.Verb == backends.VerbIsolate && quarantine == "" {
		e := backends.Invalid(what, "the profile does not say which policy isolates a device")
		e.Hint = "set quarantine_policy in the profile to the name or id of a policy that quarantines"
		return nil, pv, e
	}
	dev, _, err := d.deviceInfo(ctx, what, strconv.FormatInt(id, 10))
	if err != nil {
		return nil, pv, err
	}
	if dev.PolicyID == "" || !isDigits(string(dev.PolicyID)) {
		return nil, pv, backends.Malformed(what, "the server does not say which policy the device has")
	}
	all, err := d.policies(ctx, what)
	if err != nil {
		return nil, pv, err
	}
	m := &policyMove{device: id, from: model.Named{ID: string(dev.PolicyID), Name: string(dev.PolicyName)}}
	var to *wire.Policy
	if c.Verb == backends.VerbIsolate {
		if to, err = findPolicy(what+": quarantine_policy", all, quarantine); err != nil {
			return nil, pv, err
		}
		switch v, told := to.Setting("QUARANTINE_DEVICE"); {
		case told && !strings.EqualFold(v, "true"):
			e := backends.Invalid(what, fmt.Sprintf("the policy %q does not quarantine: its QUARANTINE_DEVICE is %q", string(to.Name), v))
			e.Hint = "set quarantine_policy in the profile to one that does"
			return nil, pv, e
		case !told:
			pv.Warnings = append(pv.Warnings, fmt.Sprintf("the server does not say whether policy %q quarantines devices", string(to.Name)))
		}
		if wire.Number(to.ID) == m.from.ID {
			pv.Nothing = fmt.Sprintf("it is in policy %q already", string(to.Name))
			return nil, pv, nil
		}
		if v, told := to.Setting("CB_LIVE_RESPONSE"); told && !strings.EqualFold(v, "true") {
			pv.Warnings = append(pv.Warnings, fmt.Sprintf("policy %q does not allow live response: while isolated, nothing can be run on or collected from the device", string(to.Name)))
		}
		if dev.Quarantined.On {
			pv.Warnings = append(pv.Warnings, "it is quarantined already, by other means than this policy")
		}
	} else {
		back, why := formerPolicy(c)
		if why = cmp.Or(why, d.notIsolated(dev, all, quarantine)); why != "" && c.Params[paramPolicy] == "" {
			pv.Nothing = why
			return nil, pv, nil
		}
		if back == "" {
			e := backends.Invalid(what, "nobody remembers which policy the device had before")
			e.Hint = "edrctl respond release --policy NAME says which it is to have now; on its own, release knows it for devices that this machine's edrctl isolated"
			return nil, pv, e
		}
		if to, err = findPolicy(what, all, back); err != nil {
			return nil, pv, err
		}
		if wire.Number(to.ID) == m.from.ID {
			pv.Nothing = fmt.Sprintf("it is in policy %q already", string(to.Name))
			return nil, pv, nil
		}
		if v, _ := to.Setting("QUARANTINE_DEVICE"); strings.EqualFold(v, "true") {
			pv.Warnings = append(pv.Warnings, fmt.Sprintf("policy %q quarantines devices too: it stays isolated", string(to.Name)))
		}
	}
	m.to = policyName(to)
	pv.Summary = fmt.Sprintf("moves it from policy %q to %q", cmp.Or(m.from.Name, m.from.ID), m.to.Name)
	pv.Reversible = true
	pv.Inverse = backends.VerbRelease
	if c.Verb == backends.VerbRelease {
		pv.Inverse = backends.VerbIsolate
	}
	if why := d.offline(dev); why != "" {
		pv.Warnings = append(pv.Warnings, why+"; it takes the policy up when it is back")
	}
	return m, pv, nil
}

// formerPolicy is where a released device goes: what the user says, or what
// isolating it found. why reports that the remembered isolation is of another device.
func formerPolicy(c backends.Change) (policy, why string) {
	if p := c.Params[paramPolicy]; p != "" {
		return p, ""
	}
	if c.Undo == nil {
		return "", ""
	}
	if h := c.Undo.Host; h != nil && c.Host != nil && h.ID != "" && h.ID != c.Host.ID {
		return "", "the action to take back is on another device"
	}
	return cmp.Or(c.Undo.Details[detailFormerID], c.Undo.Details[detailFormerName]), ""
}

// notIsolated says that a device is not in a policy that quarantines, "" when it is.
func (d *Driver) notIsolated(dev *wire.Device, all []wire.Policy, quarantine string) string {
	if dev.Quarantined.On || strings.EqualFold(string(dev.PolicyName), quarantine) && quarantine != "" || string(dev.PolicyID) == quarantine {
		return ""
	}
	for i := range all {
		if wire.Number(all[i].ID) == string(dev.PolicyID) {
			if v, _ := all[i].Setting("QUARANTINE_DEVICE"); strings.EqualFold(v, "true") {
				return ""
			}
		}
	}
	return fmt.Sprintf("it is not isolated: its policy is %q", cmp.Or(string(dev.PolicyName), string(dev.PolicyID)))
}

// move moves a device to its other policy. What undoing needs is reported before
// the request is sent, so that it is on record whatever happens.
func (d *Driver) move(ctx context.Context, what string, c backends.Change, act *model.Action, update func(*model.Action)) error {
	m, pv, err := d.planMove(ctx, what, c)
	if err != nil {
		return err
	}
	if m == nil {
		act.State, act.NativeState, act.Details[backends.DetailNothing] = model.ActionDone, pv.Nothing, pv.Nothing
		return nil
	}
	m.fill(act)
	act.RequestedAt = model.At(d.opt.Clock())
	act.State = model.ActionSent
	update(snapshot(act))
	var doc struct {
		DeviceInfo wire.Object[wire.Device] `json:"deviceInfo"`
	}
	if err := d.act(ctx, what, catalog.RouteDevice, http.MethodPatch, m.path(), m.body(), &doc); err != nil {
		return err
	}
	dev := doc.DeviceInfo.V
	if dev != nil {
		if wire.Number(dev.DeviceID) != strconv.FormatInt(m.device, 10) && dev.DeviceID.Set {
			return &backends.Error{Kind: backends.KindAmbiguous, What: what, Why: fmt.Sprintf("the server answered for device %s instead of %d", wire.Number(dev.DeviceID), m.device)}
		}
		if p := string(dev.PolicyID); p != "" && p != m.to.ID {
			return &backends.Error{Kind: backends.KindAmbiguous, What: what, Why: fmt.Sprintf("the server says it succeeded, and that the device is in policy %s", cmp.Or(string(dev.PolicyName), p))}
		}
	}
	if dev == nil || string(dev.PolicyID) != m.to.ID {
		act.NativeState = "accepted" // a 200 that does not show the device says nothing about it
		return nil
	}
	act.State, act.NativeState = model.ActionDone, "policy "+m.to.Name
	return nil
}

func (m *policyMove) fill(act *model.Action) {
	act.ID = m.id()
	act.Details[detailPolicyID], act.Details[detailPolicyName] = m.to.ID, m.to.Name
	act.Details[detailFormerID], act.Details[detailFormerName] = m.from.ID, m.from.Name
}

// readMove reports whether a device is in the policy it was moved to.
func (d *Driver) readMove(ctx context.Context, what, device, policy string) (*model.Action, error) {
	dev, _, err := d.deviceInfo(ctx, what, device)
	if err != nil {
		return nil, err
	}
	if string(dev.PolicyID) != policy {
		return nil, &backends.Error{Kind: backends.KindNotFound, What: what, Why: fmt.Sprintf(
			"the device is in policy %s and not in policy %s: it was not moved, or has been moved since", cmp.Or(string(dev.PolicyName), string(dev.PolicyID)), policy)}
	}
	return &model.Action{
		Origin: model.Origin{ID: fmt.Sprintf("%s%s.%s", actionPolicy, device, policy)}, Host: deviceHost(dev, model.At(d.opt.Clock())),
		State: model.ActionDone, NativeState: "policy " + cmp.Or(string(dev.PolicyName), policy),
		Details: map[string]string{detailPolicyID: policy, detailPolicyName: string(dev.PolicyName)},
	}, nil
}

// findMove looks up, by reading the device, whether a move happened.
func (d *Driver) findMove(ctx context.Context, c backends.Change) (*model.Action, error) {
	const what = "cannot look the change up"
	id, err := target(what, c)
	if err != nil {
		return nil, err
	}
	want := strings.TrimSpace(d.opt.Settings["quarantine_policy"])
	if c.Verb == backends.VerbRelease {
		want, _ = formerPolicy(c)
	}
	if want == "" {
		return nil, backends.Invalid(what, "it is not known which policy the device was to have")
	}
	dev, _, err := d.deviceInfo(ctx, what, strconv.FormatInt(id, 10))
	if err != nil {
		return nil, err
	}
	if string(dev.PolicyID) != want && !strings.EqualFold(string(dev.PolicyName), want) {
		return nil, nil
	}
	return d.readMove(ctx, what, strconv.FormatInt(id, 10), string(dev.PolicyID))
}
