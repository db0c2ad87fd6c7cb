package carbonblack

import "strings"

// Isolation is a policy: moving a device to one with QUARANTINE_DEVICE is the
// only way v3 has (§8.2), and moving it back the only way out.

// wirePolicy is a policy of GET /policy (§8.3).
type wirePolicy struct {
	ID     whole            `json:"id"`
	Name   text             `json:"name"`
	Policy object[wireRule] `json:"policy"`
}

type wireRule struct {
	SensorSettings list[wireSetting] `json:"sensorSettings"`
}

type wireSetting struct {
	Name  text `json:"name"`
	Value text `json:"value"`
}

// setting gives a sensor setting, false when the policy does not have it.
func (w *wirePolicy) setting(name string) (string, bool) {
	for _, s := range first(w.Policy.v).SensorSettings {
		if strings.EqualFold(string(s.Name), name) {
			return string(s.Value), true
		}
	}
	return "", false
}

// patchDevice is the body of PATCH /device/{id}.
type patchDevice struct {
	PolicyID int64 `json:"policyId"`
}
