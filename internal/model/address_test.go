package model_test

import (
	"testing"

	"github.com/edrctl/edrctl/internal/model"
)

func TestAddress(t *testing.T) {
	for in, want := range map[string]string{
		"2001:0db8:0:0::1": "2001:db8::1", "2001:0DB8:0000:0000:0000:0000:0000:0001": "2001:db8::1", "2001:db8::1": "2001:db8::1",
		"::ffff:192.0.2.1": "192.0.2.1", "::FFFF:C000:0201": "192.0.2.1", "fe80:0::1%eth0": "fe80::1%eth0", "::1": "::1",
		"192.0.2.1": "192.0.2.1", "": "", "a:b": "a:b", "192.0.2.1:443": "192.0.2.1:443", "evil.example": "evil.example",
	} {
		if got := model.Address(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
