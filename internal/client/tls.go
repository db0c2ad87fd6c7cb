package client

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// PinOf is the pin of a certificate: "sha256:" and the lower-case hex SHA-256
// of its DER SubjectPublicKeyInfo, as the Gene manager prints it
// (docs/wire/gene.md §1).
func PinOf(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// trust decides whether a server's certificate is the right one.
type trust struct {
	pin      string
	roots    *x509.CertPool // nil = the system's
	exact    []*x509.Certificate
	client   []tls.Certificate
	insecure bool
	sni      string
}

func (c *Client) trust() (*trust, error) {
	t := &trust{sni: c.cfg.TLS.ServerName, insecure: c.cfg.TLS.InsecureSkipVerify}
	if p := strings.TrimSpace(c.cfg.TLS.Pin); p != "" {
		pin, err := parsePin(p)
		if err != nil {
			return nil, err
		}
		t.pin, t.insecure = pin, false
	}
	c.insecure = t.insecure
	if f := c.cfg.TLS.CAFile; f != "" {
		pemData, err := os.ReadFile(f)
		if err != nil {
			return nil, fmt.Errorf("tls.ca_file: %w", err)
		}
		t.roots = x509.NewCertPool()
		for rest := pemData; ; {
			var block *pem.Block
			if block, rest = pem.Decode(rest); block == nil {
				break
			}
			if block.Type != "CERTIFICATE" {
				continue
			}
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("tls.ca_file %s: a certificate in it cannot be parsed: %w", f, err)
			}
			t.roots.AddCert(cert)
			t.exact = append(t.exact, cert)
		}
		if len(t.exact) == 0 {
			return nil, fmt.Errorf("tls.ca_file %s: holds no PEM certificate", f)
		}
	}
	certFile, keyFile := c.cfg.TLS.ClientCert, c.cfg.TLS.ClientKey
	switch {
	case certFile == "" && keyFile != "":
		return nil, errors.New("tls.client_key is set without tls.client_cert")
	case certFile != "":
		if keyFile == "" {
			keyFile = certFile
		}
		pair, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			return nil, fmt.Errorf("tls.client_cert: %w", err)
		}
		t.client = []tls.Certificate{pair}
	}
	return t, nil
}

func parsePin(p string) (string, error) {
	algo, digits, ok := strings.Cut(p, ":")
	if !ok || !strings.EqualFold(algo, "sha256") {
		return "", errors.New(`tls.pin must be "sha256:" and 64 hex digits (SHA-256 of the DER public key)`)
	}
	raw, err := hex.DecodeString(strings.ToLower(strings.ReplaceAll(digits, ":", "")))
	if err != nil || len(raw) != sha256.Size {
		return "", errors.New(`tls.pin must be "sha256:" and 64 hex digits (SHA-256 of the DER public key)`)
	}
	return "sha256:" + hex.EncodeToString(raw), nil
}

// config hands the whole decision to verify: the standard check can neither
// let a pin decide nor accept the very certificate in ca_file when it has no
// subjectAltName, as the ESP installer makes it (docs/wire/esp.md §2).
func (t *trust) config(name string) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ServerName:         t.sni,
		Certificates:       t.client,
		NextProtos:         []string{"http/1.1"},
		InsecureSkipVerify: true,
		VerifyConnection: func(cs tls.ConnectionState) error {
			if t.insecure {
				return nil
			}
			return t.verify(cs.PeerCertificates, name)
		},
	}
}

func (t *trust) verify(chain []*x509.Certificate, name string) error {
	if len(chain) == 0 {
		return &advice{text: "the server showed no certificate", handshake: true}
	}
	if t.pin != "" {
		return t.verifyPin(chain, name)
	}
	for _, c := range t.exact {
		if bytes.Equal(c.Raw, chain[0].Raw) {
			return verifyExact(chain[0], name, time.Now())
		}
	}
	opts := x509.VerifyOptions{Roots: t.roots, DNSName: name, Intermediates: x509.NewCertPool()}
	for _, c := range chain[1:] {
		opts.Intermediates.AddCert(c)
	}
	if _, err := chain[0].Verify(opts); err != nil {
		return &certError{err: err, leaf: chain[0]}
	}
	return nil
}

// verifyExact checks the name and the dates of a certificate that ca_file itself
// holds. One without a subjectAltName is for the name in its subject, which
// crypto/x509 no longer looks at.
func verifyExact(leaf *x509.Certificate, name string, now time.Time) error {
	if now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
		return &certError{err: x509.CertificateInvalidError{Cert: leaf, Reason: x509.Expired}, leaf: leaf}
	}
	if len(leaf.DNSNames)+len(leaf.IPAddresses) == 0 && strings.EqualFold(strings.Trim(name, "[]"), leaf.Subject.CommonName) {
		return nil
	}
	if err := leaf.VerifyHostname(name); err != nil {
		return &certError{err: err, leaf: leaf}
	}
	return nil
}

// verifyPin: the pinned leaf is enough. A pinned issuer counts only when the
// leaf is really signed by it and bears the server's name: anyone can append a
// foreign certificate to the chain, and a public CA signs for anyone.
func (t *trust) verifyPin(chain []*x509.Certificate, name string) error {
	if PinOf(chain[0]) == t.pin {
		return nil
	}
	for i, c := range chain[1:] {
		if PinOf(c) != t.pin {
			continue
		}
		opts := x509.VerifyOptions{
			Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), DNSName: name,
			KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		}
		opts.Roots.AddCert(c)
		for _, m := range chain[1 : i+1] {
			opts.Intermediates.AddCert(m)
		}
		if _, err := chain[0].Verify(opts); err != nil {
			return &certError{err: err, leaf: chain[0]}
		}
		return nil
	}
	return &advice{
		text:      "the certificate does not match tls.pin: the server shows pin " + PinOf(chain[0]) + ", the profile wants " + t.pin,
		handshake: true,
	}
}

// certError keeps the certificate next to the verifier's error, for its pin.
type certError struct {
	err  error
	leaf *x509.Certificate
}

func (e *certError) Error() string { return e.err.Error() }
func (e *certError) Unwrap() error { return e.err }

// advice is a failure told in plain words with what to set. It is never worth
// a second try.
type advice struct {
	text      string
	err       error
	handshake bool // it ended the TLS handshake: the request was not taken
}

func (a *advice) Error() string { return a.text }
func (a *advice) Unwrap() error { return a.err }

// explain recognises TLS and scheme trouble; nil for everything else.
func explain(err error, name string) *advice {
	var a *advice
	if errors.As(err, &a) {
		return a
	}
	tlsAdvice := func(text string) *advice { return &advice{text: text, err: err, handshake: true} }
	var ce *certError
	if errors.As(err, &ce) {
		return tlsAdvice(certAdvice(ce, name))
	}
	var verify *tls.CertificateVerificationError
	if errors.As(err, &verify) && len(verify.UnverifiedCertificates) > 0 {
		// Only a proxy's certificate is checked by crypto/tls itself.
		return tlsAdvice("the proxy's certificate is not trusted by this system: " + printable([]byte(verify.Err.Error()), 200))
	}
	var rh tls.RecordHeaderError
	text := err.Error()
	switch {
	case strings.Contains(text, "server gave HTTP response to HTTPS client"),
		errors.As(err, &rh) && string(rh.RecordHeader[:4]) == "HTTP":
		return tlsAdvice("the server speaks plain HTTP on this port: use http:// in url")
	case errors.As(err, &rh):
		return tlsAdvice("the server does not speak TLS on this port")
	case strings.Contains(text, "protocol version not supported"), strings.Contains(text, "unsupported protocol version"):
		return tlsAdvice("the server offers no TLS 1.2 or newer")
	}
	var alert tls.AlertError
	if errors.As(err, &alert) || strings.Contains(text, "remote error: tls:") {
		switch t := text; {
		case strings.Contains(t, "certificate required"), strings.Contains(t, "bad certificate"),
			strings.Contains(t, "unknown certificate authority"), strings.Contains(t, "unsupported certificate"),
			strings.Contains(t, "expired certificate"), strings.Contains(t, "revoked certificate"),
			strings.Contains(t, "unknown certificate"):
			return tlsAdvice("the server refuses the client certificate (" + alertName(t) + "): set tls.client_cert and tls.client_key")
		case strings.Contains(t, "handshake failure"):
			return tlsAdvice("no common TLS parameters with the server, or it wants a client certificate: see tls.client_cert")
		case strings.Contains(t, "unrecognized name"):
			return tlsAdvice("the server does not know the name " + name + ": set tls.server_name")
		}
	}
	return nil
}

func alertName(t string) string {
	if i := strings.LastIndex(t, "tls: "); i >= 0 {
		return printable([]byte(t[i+5:]), 60)
	}
	return "alert"
}

func certAdvice(ce *certError, name string) string {
	pin := "the server shows pin " + PinOf(ce.leaf)
	var host x509.HostnameError
	var inv x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	var noRoots x509.SystemRootsError
	switch {
	case errors.As(ce.err, &unknown):
		return "certificate signed by unknown authority: set tls.ca_file or tls.pin; " + pin
	case errors.As(ce.err, &host):
		return "the certificate is not for " + name + namesOf(ce.leaf) + ": set tls.server_name or tls.pin; " + pin
	case errors.As(ce.err, &inv) && inv.Reason == x509.Expired:
		if now := time.Now(); now.Before(ce.leaf.NotBefore) {
			return "the certificate is valid only from " + ce.leaf.NotBefore.UTC().Format(time.RFC3339) + ": check this machine's clock, or set tls.pin; " + pin
		}
		return "the certificate, or one that signed it, has expired (" + ce.leaf.NotAfter.UTC().Format(time.RFC3339) + "): renew it, or set tls.pin; " + pin
	case errors.As(ce.err, &noRoots):
		return "this system has no list of trusted authorities: set tls.ca_file or tls.pin; " + pin
	}
	return "the certificate is not accepted (" + printable([]byte(strings.TrimPrefix(ce.err.Error(), "x509: ")), 160) + "): set tls.ca_file or tls.pin; " + pin
}

// namesOf lists whom a certificate is for; the names are the server's text.
func namesOf(c *x509.Certificate) string {
	var names []string
	for _, n := range c.DNSNames {
		names = append(names, printable([]byte(n), 80))
	}
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	more := ""
	if len(names) > 4 {
		names, more = names[:4], ", …"
	}
	switch {
	case len(names) > 0:
		return " but for " + strings.Join(names, ", ") + more
	case c.Subject.CommonName != "":
		return " (it names " + printable([]byte(c.Subject.CommonName), 80) + " only in its subject)"
	}
	return ""
}
