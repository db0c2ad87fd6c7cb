package wire

import "strings"

// Isolation is a policy: moving a device to one with QUARANTINE_DEVICE is the
// only way v3 has (§8.2), and moving it back the only way out.

// Policy is a policy of GET /policy (§8.3).
type Policy struct {
	ID     Int                    `json:"id"`
	Name   Text                   `json:"name"`
	Policy Object[PolicyDocument] `json:"policy"`
}

// PolicyDocument is the part of a policy that is read.
type PolicyDocument struct {
	SensorSettings List[PolicySetting] `json:"sensorSettings"`
}

// PolicySetting is a setting of the sensor.
type PolicySetting struct {
	Name  Text `json:"name"`
	Value Text `json:"value"`
}

// Setting gives a sensor setting, false when the policy does not have it.
func (w *Policy) Setting(name string) (string, bool) {
	for _, s := range First(w.Policy.V).SensorSettings {
		if strings.EqualFold(string(s.Name), name) {
			return string(s.Value), true
		}
	}
	return "", false
}

// PatchDevice is the body of PATCH /device/{id}.
type PatchDevice struct {
	PolicyID int64 `json:"policyId"`
}
