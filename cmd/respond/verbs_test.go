package respond

import (
	"testing"

	"github.com/edrctl/edrctl/internal/change"
)

func TestBlockTarget(t *testing.T) {
	for in, want := range map[string]struct {
		address string
		port    int
		program string
		bad     bool
	}{
		"203.0.113.9":               {address: "203.0.113.9"},
		"203.0.113.9:443":           {address: "203.0.113.9", port: 443},
		"::ffff:203.0.113.9":        {address: "203.0.113.9"},
		"2001:db8::1":               {address: "2001:db8::1"},
		"[2001:db8::1]:22":          {address: "2001:db8::1", port: 22},
		"[2001:db8::1]":             {address: "2001:db8::1"},
		"203.0.113.7/24":            {address: "203.0.113.0/24"},
		"/usr/bin/nc":               {program: "/usr/bin/nc"},
		`C:\Windows\System32\a.exe`: {program: `C:\Windows\System32\a.exe`},
		"evil.exe":                  {program: "evil.exe"},
		"999.1.1.1":                 {bad: true},
		"10.0.0.1:99999":            {bad: true},
		"10.0.0.1:0":                {bad: true},
		"":                          {bad: true},
		" ":                         {bad: true},
	} {
		address, port, program, err := change.BlockTarget(in)
		if (err != nil) != want.bad || address != want.address || port != want.port || program != want.program {
			t.Errorf("%q: %q %d %q %v", in, address, port, program, err)
		}
	}
}

func FuzzBlockTarget(f *testing.F) {
	f.Add("10.0.0.1:80")
	f.Fuzz(func(t *testing.T, s string) {
		address, port, program, err := change.BlockTarget(s)
		if err == nil && (address == "") == (program == "") || port < 0 || port > 65535 {
			t.Errorf("%q: %q %d %q", s, address, port, program)
		}
	})
}
