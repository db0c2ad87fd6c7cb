package ioc

import (
	"net/netip"
	"strings"
	"sync"
)

// isCommon tells well-known harmless values: they are in many lists by
// mistake, and would hit everywhere.
func isCommon(t Type, v string) bool {
	switch t {
	case MD5, SHA1, SHA256, SHA512, Imphash:
		return commonHashes()[v] || v[0] == '0' && strings.Trim(v, "0") == ""
	case IPv4, IPv6:
		a, err := netip.ParseAddr(v)
		return err == nil && commonAddress(a)
	case CIDR:
		p, err := netip.ParsePrefix(v)
		if err != nil {
			return false
		}
		a := p.Addr()
		return p.Bits() < 8 || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast()
	case Domain:
		return commonDomain(v)
	case URL:
		host := hostOf(v)
		if a, err := netip.ParseAddr(host); err == nil {
			return commonAddress(a)
		}
		if host == "localhost" || reservedName(host) {
			return true
		}
		// The start page of a site everybody visits; a page below it can be anything.
		_, rest, _ := strings.Cut(v, "://")
		return commonNames()[strings.TrimPrefix(host, "www.")] && strings.TrimSuffix(rest, "/") == host
	case Email:
		_, host, _ := strings.Cut(v, "@")
		return reservedName(host)
	}
	return false
}

func commonAddress(a netip.Addr) bool {
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsUnspecified() || a.IsMulticast() ||
		a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) || resolvers()[a.String()]
}

func commonDomain(v string) bool {
	return reservedName(v) || commonNames()[strings.TrimPrefix(v, "www.")] || strings.Count(v, ".") < 4 && isSuffix(v)
}

// reservedName tells the names that documentation uses. .example itself is
// not one of them: exercises and the demo hunt for names below it.
func reservedName(v string) bool {
	i := strings.LastIndexByte(v, '.')
	switch v[i+1:] {
	case "com", "org", "net":
		parent := v[:max(i, 0)]
		return strings.HasSuffix(parent, "example") && (len(parent) == len("example") || parent[len(parent)-len("example")-1] == '.')
	case "localhost":
		return true
	case "localdomain":
		parent := v[:max(i, 0)]
		return parent == "localhost" || strings.HasSuffix(parent, ".localhost")
	}
	return false
}

var resolvers = sync.OnceValue(func() map[string]bool {
	return map[string]bool{
		"8.8.8.8": true, "8.8.4.4": true, "1.1.1.1": true, "1.0.0.1": true, "9.9.9.9": true, "149.112.112.112": true, "208.67.222.222": true, "208.67.220.220": true,
		"64.6.64.6": true, "64.6.65.6": true, "4.2.2.1": true, "4.2.2.2": true, "77.88.8.8": true, "77.88.8.1": true, "94.140.14.14": true, "94.140.15.15": true,
		"114.114.114.114": true, "223.5.5.5": true, "223.6.6.6": true, "180.76.76.76": true, "119.29.29.29": true, "185.228.168.9": true, "76.76.2.0": true,
		"2001:4860:4860::8888": true, "2001:4860:4860::8844": true, "2606:4700:4700::1111": true, "2606:4700:4700::1001": true, "2620:fe::fe": true, "2620:fe::9": true,
	}
})

// commonNames are names whose every visitor would be a hit.
var commonNames = sync.OnceValue(func() map[string]bool {
	m := map[string]bool{}
	for _, n := range strings.Fields(`google.com microsoft.com windows.com windowsupdate.com update.microsoft.com office.com office365.com live.com
		outlook.com bing.com apple.com icloud.com amazon.com amazonaws.com facebook.com twitter.com x.com linkedin.com youtube.com github.com githubusercontent.com
		virustotal.com wikipedia.org cloudflare.com mozilla.org yahoo.com gmail.com instagram.com whatsapp.com akamai.net akamaized.net gstatic.com
		googleapis.com msftncsi.com msftconnecttest.com digicert.com verisign.com sectigo.com letsencrypt.org adobe.com mitre.org attack.mitre.org`) {
		m[n] = true
	}
	return m
})

// commonHashes are of the empty file, of one NUL, blank or newline, and of "hello".
var commonHashes = sync.OnceValue(func() map[string]bool {
	m := map[string]bool{}
	for _, h := range strings.Fields(`d41d8cd98f00b204e9800998ecf8427e da39a3ee5e6b4b0d3255bfef95601890afd80709
		e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
		cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e
		93b885adfe0da089cdf634904fd59f71 5ba93c9db0cff93f52b521d7420e43f6eda2784f 6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d
		7215ee9c7d9dc229d2921a40e899ec5f b858cb282617fb0956d960215c8e84d1ccf909c6 36a9e7f1c95b82ffb99743e0c5c4ce95d83c9a430aac59f84ef3cbfab6145068
		68b329da9893e34099c7d8ad5cb9c940 adc83b19e793491b1c6ea0fd8b46cd9f32e592fc 01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b
		81051bcc2cf1bedf378224b0a93e2877 ba8ab5a0280b953aa97435ff8946cbcbb2755a27 7eb70257593da06f682a3ddda54a9d260d4fc514f645237f5ca74b08f8da61a6`) {
		m[h] = true
	}
	return m
})
