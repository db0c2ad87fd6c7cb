package config

import (
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/edrctl/edrctl/internal/lazyregexp"
	"github.com/edrctl/edrctl/internal/suggest"
)

var (
	profileKeys = []string{"backend", "url", "read_only", "proxy", "headers", "rate", "timeout", "tls"}
	rateKeys    = []string{"per_second", "concurrent"}
	tlsKeys     = []string{"ca_file", "pin", "server_name", "client_cert", "client_key", "insecure_skip_verify"}

	secretKey    = lazyregexp.New(`(?i)(passw|passphrase|secret|token|credential|bearer|^auth|api[_-]?key|^pass$|^pwd$|^key$|[_-]key$)`)
	secretHeader = lazyregexp.New(`(?i)^(proxy-)?authorization$|^cookie$|token|api-?key|secret|passw`)
	headerName   = lazyregexp.New("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")
)

func (p *parser) profile(key, n *yaml.Node) (*Profile, error) {
	name := key.Value
	what := "profile " + name
	entries, err := p.pairs(n, what)
	if err != nil {
		return nil, err
	}
	prof := &Profile{Name: name, Line: key.Line}
	fields := map[string]*yaml.Node{}
	for _, e := range entries {
		fields[e.key.Value] = e.value
	}
	specs, err := p.backend(prof, key, fields["backend"], entries)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if err := p.field(prof, specs, e); err != nil {
			return nil, err
		}
	}
	for _, s := range specs {
		if _, set := prof.Settings[s.Name]; s.Required && !set {
			return nil, at(key, "%s needs %s for backend %s", what, s.Name, prof.Backend)
		}
	}
	if (prof.TLS.ClientCert == "") != (prof.TLS.ClientKey == "") {
		return nil, at(fields["tls"], "%s: tls.client_cert and tls.client_key go together", what)
	}
	return prof, nil
}

func (p *parser) backend(prof *Profile, key, n *yaml.Node, entries []pair) ([]KeySpec, error) {
	known := slices.Sorted(maps.Keys(p.opt.Backends))
	if n == nil {
		// A misspelt key is the likelier cause, and has a line of its own.
		for _, e := range entries {
			if suggest.Nearest(e.key.Value, []string{"backend"}) != "" {
				return nil, at(e.key, "profile %s: unknown key %s", prof.Name, quote(e.key.Value)).hint("did you mean backend?")
			}
		}
		return nil, at(key, "profile %s has no backend", prof.Name).hint("%s", did("", known))
	}
	var err error
	if prof.Backend, err = scalar(n, "profile "+prof.Name+": backend"); err != nil {
		return nil, err
	}
	specs, ok := p.opt.Backends[prof.Backend]
	if !ok && p.opt.Backends != nil {
		return nil, at(n, "profile %s: unknown backend %s", prof.Name, quote(prof.Backend)).hint("%s", did(prof.Backend, known))
	}
	return specs, nil
}

func (p *parser) field(prof *Profile, specs []KeySpec, e pair) (err error) {
	key := e.key.Value
	what := "profile " + prof.Name + ": " + key
	switch key {
	case "backend":
	case "url":
		prof.URL, err = p.url(prof, e.value, what)
	case "read_only":
		prof.ReadOnly, err = boolean(e.value, what)
	case "proxy":
		prof.Proxy, err = proxy(prof, e.value, what)
	case "headers":
		prof.Headers, err = p.headers(e.value, what)
	case "rate":
		err = p.rate(prof, e.value, what)
	case "timeout":
		prof.Timeout, err = duration(e.value, what)
	case "tls":
		err = p.tls(prof, e.value, what)
	default:
		return p.setting(prof, specs, e)
	}
	return err
}

func (p *parser) url(prof *Profile, n *yaml.Node, what string) (string, error) {
	s, err := scalar(n, what)
	if err != nil {
		return "", err
	}
	u, bad := checkURL(s)
	if bad != "" {
		return "", at(n, "%s %s", what, bad)
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		p.c.Warnings = append(p.c.Warnings, fmt.Sprintf("profile %s sends its secrets unencrypted: its url is http, not https", prof.Name))
	}
	return strings.TrimRight(s, "/"), nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

func proxy(prof *Profile, n *yaml.Node, what string) (string, error) {
	s, err := scalar(n, what)
	if err != nil || s == "none" {
		return s, err
	}
	u, perr := url.Parse(s)
	switch {
	case perr != nil || u.Host == "" || !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme):
		return "", at(n, "%s must be a URL (http, https or socks5) or none", what)
	case hasPassword(u):
		return "", at(n, "%s has a password in it, and secrets are never kept in the configuration", what).
			hint("keep the user name, remove the password, and run `edrctl auth login %s --secret proxy_password`", prof.Name)
	}
	return s, nil
}

func hasPassword(u *url.URL) bool {
	_, has := u.User.Password()
	return has
}

func (p *parser) headers(n *yaml.Node, what string) (map[string]string, error) {
	entries, err := p.pairs(n, what)
	if err != nil {
		return nil, err
	}
	out := make(map[string]string, len(entries))
	for _, e := range entries {
		name := e.key.Value
		if !headerName.MatchString(name) {
			return nil, at(e.key, "%s: %s is not a valid header name", what, quote(name))
		}
		if secretHeader.MatchString(name) {
			return nil, at(e.key, "%s: %s carries a secret, and secrets do not belong in the configuration", what, name).
				hint("run `edrctl auth login`")
		}
		value, err := scalar(e.value, what+" "+name)
		if err != nil {
			return nil, err
		}
		out[name] = value
	}
	return out, nil
}

func (p *parser) rate(prof *Profile, n *yaml.Node, what string) error {
	entries, err := p.pairs(n, what)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := what + "." + e.key.Value
		switch e.key.Value {
		case "per_second":
			s, err := scalar(e.value, name)
			if err != nil {
				return err
			}
			v, err := strconv.ParseFloat(s, 64)
			if err != nil || !(v > 0 && v <= 10000) {
				return at(e.value, "%s must be a number above 0 and at most 10000, not %s", name, quote(s))
			}
			prof.Rate.PerSecond = v
		case "concurrent":
			s, err := scalar(e.value, name)
			if err != nil {
				return err
			}
			v, err := strconv.Atoi(s)
			if err != nil || v < 1 || v > 1000 {
				return at(e.value, "%s must be a whole number from 1 to 1000, not %s", name, quote(s))
			}
			prof.Rate.Concurrent = v
		default:
			return at(e.key, "%s: unknown key %s", what, quote(e.key.Value)).hint("%s", did(e.key.Value, rateKeys))
		}
	}
	return nil
}

func duration(n *yaml.Node, what string) (time.Duration, error) {
	s, err := scalar(n, what)
	if err != nil {
		return 0, err
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 || d > 24*time.Hour {
		return 0, at(n, "%s must be a time span up to 24h, not %s", what, quote(s)).hint("write it as 30s or 2m")
	}
	return d, nil
}

func (p *parser) tls(prof *Profile, n *yaml.Node, what string) error {
	entries, err := p.pairs(n, what)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := what + "." + e.key.Value
		if !slices.Contains(tlsKeys, e.key.Value) {
			return at(e.key, "%s: unknown key %s", what, quote(e.key.Value)).hint("%s", did(e.key.Value, tlsKeys))
		}
		if e.key.Value == "insecure_skip_verify" {
			if prof.TLS.InsecureSkipVerify, err = boolean(e.value, name); err != nil {
				return err
			}
			continue
		}
		s, err := scalar(e.value, name)
		if err != nil {
			return err
		}
		switch e.key.Value {
		case "ca_file":
			prof.TLS.CAFile = p.path(s)
		case "client_cert":
			prof.TLS.ClientCert = p.path(s)
		case "client_key":
			prof.TLS.ClientKey = p.path(s)
		case "server_name":
			prof.TLS.ServerName = s
		case "pin":
			if prof.TLS.Pin, err = pin(s); err != nil {
				return at(e.value, "%s: %v", name, err).
					hint("sha256: and the 64 hex digits of the SHA-256 of the server's DER public key")
			}
		}
	}
	return nil
}

// pin takes the digest in upper or lower case, with or without colons.
func pin(s string) (string, error) {
	digest, ok := strings.CutPrefix(s, "sha256:")
	if !ok {
		return "", errors.New("a pin starts with sha256")
	}
	digest = strings.ToLower(strings.ReplaceAll(digest, ":", ""))
	if raw, err := hex.DecodeString(digest); err != nil || len(raw) != 32 {
		return "", errors.New("a pin ends with 64 hex digits")
	}
	return "sha256:" + digest, nil
}

// path makes ~/ the home folder and counts relative names from the folder of
// the configuration, so that a profile works from any working folder.
func (p *parser) path(s string) string {
	if rest, ok := strings.CutPrefix(s, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	if filepath.IsAbs(s) || p.file == "" {
		return s
	}
	return filepath.Join(filepath.Dir(p.file), s)
}

// setting is a key of the backend, or one that nobody knows.
func (p *parser) setting(prof *Profile, specs []KeySpec, e pair) error {
	key := e.key.Value
	known := slices.Clone(profileKeys)
	for _, s := range specs {
		known = append(known, s.Name)
	}
	i := slices.IndexFunc(specs, func(s KeySpec) bool { return s.Name == key })
	if i < 0 && secretKey.MatchString(key) {
		return at(e.key, "profile %s: %s looks like a secret, and secrets do not belong in the configuration", prof.Name, quote(key)).
			hint("remove the line and run `edrctl auth login %s`", prof.Name)
	}
	if i < 0 && p.opt.Backends != nil {
		for other, keys := range p.opt.Backends {
			if slices.ContainsFunc(keys, func(s KeySpec) bool { return s.Name == key }) {
				return at(e.key, "profile %s: %s is a key of backend %s, not of %s", prof.Name, key, other, prof.Backend)
			}
		}
		return at(e.key, "profile %s: unknown key %s", prof.Name, quote(key)).hint("%s", did(key, known))
	}
	what := "profile " + prof.Name + ": " + key
	value, err := scalar(e.value, what)
	if err != nil {
		return err
	}
	if i >= 0 {
		spec := specs[i]
		if _, err := strconv.ParseInt(value, 10, 64); spec.Number && err != nil {
			return at(e.value, "%s must be a whole number, not %s", what, quote(value))
		}
		if len(spec.Enum) > 0 && !slices.Contains(spec.Enum, value) {
			return at(e.value, "%s cannot be %s", what, quote(value)).hint("one of %s", strings.Join(spec.Enum, ", "))
		}
	}
	if prof.Settings == nil {
		prof.Settings = map[string]string{}
	}
	prof.Settings[key] = value
	return nil
}
