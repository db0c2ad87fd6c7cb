package winlog

import "testing"

func FuzzHashes(f *testing.F) {
	f.Add("sha1=6a32bcea6106e9151a5bdb4b7a8aa31c78c8c5c7,md5=2b2dc8d683acdc977f9e4109f0bbe0d9")
	f.Add("=,,==,sha256=")
	f.Fuzz(func(t *testing.T, s string) {
		h := parseHashes(s)
		if h == nil {
			return
		}
		for _, v := range []string{h.MD5, h.SHA1, h.SHA256, h.Imphash} {
			if v != "" && !isHex(v) {
				t.Errorf("%q gives %q", s, v)
			}
		}
	})
}
