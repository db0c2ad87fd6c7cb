package winlog

import (
	"strings"
	"testing"
)

// Sensors other than Sysmon write a SHA-512 into the same field.
func TestSHA512(t *testing.T) {
	sum := strings.Repeat("0a", 64)
	for _, s := range []string{"SHA512=" + strings.ToUpper(sum), "MD5=" + strings.Repeat("0a", 16) + ",SHA512=" + sum, sum} {
		if h := parseHashes(s); h == nil || h.SHA512 != sum {
			t.Errorf("%s: %+v", s, h)
		}
	}
	if h := parseHashes("SHA512=" + sum[2:]); h != nil {
		t.Errorf("126 digits: %+v", h)
	}
}

func FuzzHashes(f *testing.F) {
	f.Add("sha1=6a32bcea6106e9151a5bdb4b7a8aa31c78c8c5c7,md5=2b2dc8d683acdc977f9e4109f0bbe0d9")
	f.Add("=,,==,sha256=")
	f.Fuzz(func(t *testing.T, s string) {
		h := parseHashes(s)
		if h == nil {
			return
		}
		for _, v := range []string{h.MD5, h.SHA1, h.SHA256, h.SHA512, h.Imphash} {
			if v != "" && !isHex(v) {
				t.Errorf("%q gives %q", s, v)
			}
		}
	})
}
