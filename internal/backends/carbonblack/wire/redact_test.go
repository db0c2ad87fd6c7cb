package wire

import "testing"

func TestWithoutMembers(t *testing.T) {
	for in, want := range map[string]string{
		`{"a":1,"uninstallCode":"x","b":{"UninstallCode":{"deep":[1]},"c":12345678901234567890}}`: `{"a":1,"b":{"c":12345678901234567890}}`,
		`[{"uninstallCode":null}, 1.50, "uninstallCode"]`:                                         `[{},1.50,"uninstallCode"]`,
		`{"uninstall\u0043ode":"x","k":"\u00e9"}`:                                                 `{"k":"\u00e9"}`,
		`"x"`: `"x"`,
	} {
		got, err := WithoutMembers([]byte(in), DeviceSecrets)
		if err != nil || string(got) != want {
			t.Errorf("%s: %s %v", in, got, err)
		}
	}
	if _, err := WithoutMembers([]byte(`{"a":`), DeviceSecrets); err == nil {
		t.Error("cut JSON")
	}
}
