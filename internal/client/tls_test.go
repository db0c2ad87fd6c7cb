package client_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/client"
)

type issued struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func (i issued) pem(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	key, err := x509.MarshalECPrivateKey(i.key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, b []byte) {
		if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(certFile, "CERTIFICATE", i.cert.Raw)
	write(keyFile, "EC PRIVATE KEY", key)
	return certFile, keyFile
}

// issue makes a certificate; without a parent it signs itself.
func issue(t *testing.T, parent *issued, change func(*x509.Certificate)) issued {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	tmpl := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "edr"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	if change != nil {
		change(tmpl)
	}
	by, byKey := tmpl, key
	if parent != nil {
		by, byKey = parent.cert, parent.key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, by, &key.PublicKey, byKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return issued{cert, key}
}

func isCA(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
	c.IPAddresses, c.ExtKeyUsage, c.Subject.CommonName = nil, nil, "Test CA"
}

func noSAN(c *x509.Certificate) { c.IPAddresses = nil; c.Subject.CommonName = "127.0.0.1" }

func other(c *x509.Certificate) { c.IPAddresses = nil; c.DNSNames = []string{"edr.example.org"} }

func expired(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }

func serveTLS(t *testing.T, cfg *tls.Config, leaf issued, chain ...issued) string {
	t.Helper()
	pair := tls.Certificate{Certificate: [][]byte{leaf.cert.Raw}, PrivateKey: leaf.key}
	for _, c := range chain {
		pair.Certificate = append(pair.Certificate, c.cert.Raw)
	}
	cfg.Certificates = []tls.Certificate{pair}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, okJSON) }))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.TLS = cfg
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestTLS(t *testing.T) {
	ca := issue(t, nil, isCA)
	leaf := issue(t, &ca, nil)
	foreign := issue(t, &ca, other)
	self := issue(t, nil, nil)
	bareSelf := issue(t, nil, noSAN)
	old := issue(t, &ca, expired)
	caFile, _ := ca.pem(t)
	bareFile, _ := bareSelf.pem(t)
	ownOld, ownForeign := issue(t, nil, expired), issue(t, nil, other)
	ownOther := issue(t, nil, func(c *x509.Certificate) { noSAN(c); c.Subject.CommonName = "10.1.2.3" })
	ownOldFile, _ := ownOld.pem(t)
	ownForeignFile, _ := ownForeign.pem(t)
	ownOtherFile, _ := ownOther.pem(t)
	clientCert, clientKey := leaf.pem(t)
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)

	tests := []struct {
		name  string
		srv   *tls.Config
		chain []issued
		tls   client.TLS
		text  string // "" = works
	}{
		{name: "unknown authority", chain: []issued{self}, text: "certificate signed by unknown authority: set tls.ca_file or tls.pin; the server shows pin " + client.PinOf(self.cert)},
		{name: "CA file", chain: []issued{leaf}, tls: client.TLS{CAFile: caFile}},
		{name: "CA file, other name", chain: []issued{foreign}, tls: client.TLS{CAFile: caFile}, text: "the certificate is not for 127.0.0.1 but for edr.example.org: set tls.server_name or tls.pin"},
		{name: "server name", chain: []issued{foreign}, tls: client.TLS{CAFile: caFile, ServerName: "edr.example.org"}},
		{name: "expired", chain: []issued{old}, tls: client.TLS{CAFile: caFile}, text: "has expired"},
		{name: "the file holds the server's own certificate without names", chain: []issued{bareSelf}, tls: client.TLS{CAFile: bareFile}},
		{name: "its own certificate, expired", chain: []issued{ownOld}, tls: client.TLS{CAFile: ownOldFile}, text: "has expired"},
		{name: "its own certificate, other name", chain: []issued{ownForeign}, tls: client.TLS{CAFile: ownForeignFile}, text: "is not for 127.0.0.1"},
		{name: "its own certificate, server name", chain: []issued{ownForeign}, tls: client.TLS{CAFile: ownForeignFile, ServerName: "edr.example.org"}},
		{name: "its own certificate, other subject", chain: []issued{ownOther}, tls: client.TLS{CAFile: ownOtherFile}, text: "only in its subject"},
		{name: "its own certificate, subject as server name", chain: []issued{ownOther}, tls: client.TLS{CAFile: ownOtherFile, ServerName: "10.1.2.3"}},
		{name: "no names", chain: []issued{issue(t, &ca, noSAN)}, tls: client.TLS{CAFile: caFile}, text: "only in its subject"},
		{name: "pin of a self-signed certificate", chain: []issued{self}, tls: client.TLS{Pin: client.PinOf(self.cert)}},
		{name: "pin in capitals", chain: []issued{self}, tls: client.TLS{Pin: strings.ToUpper(client.PinOf(self.cert))}},
		{name: "pin decides over name and date", chain: []issued{issue(t, nil, func(c *x509.Certificate) { other(c); expired(c) })}, text: "does not match tls.pin", tls: client.TLS{Pin: client.PinOf(self.cert)}},
		{name: "pin, other name", chain: []issued{foreign}, tls: client.TLS{Pin: client.PinOf(foreign.cert)}},
		{name: "other pin", chain: []issued{self}, tls: client.TLS{Pin: client.PinOf(leaf.cert)}, text: "does not match tls.pin: the server shows pin " + client.PinOf(self.cert)},
		{name: "other pin, insecure set too", chain: []issued{self}, tls: client.TLS{Pin: client.PinOf(leaf.cert), InsecureSkipVerify: true}, text: "does not match"},
		{name: "pin of the issuer", chain: []issued{leaf, ca}, tls: client.TLS{Pin: client.PinOf(ca.cert)}},
		{name: "pinned issuer only appended", chain: []issued{self, ca}, tls: client.TLS{Pin: client.PinOf(ca.cert)}, text: "unknown authority"},
		{name: "pinned issuer, other name", chain: []issued{foreign, ca}, tls: client.TLS{Pin: client.PinOf(ca.cert)}, text: "is not for 127.0.0.1"},
		{name: "insecure", chain: []issued{old}, tls: client.TLS{InsecureSkipVerify: true}},
		{name: "TLS 1.1", srv: &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}, chain: []issued{leaf}, tls: client.TLS{CAFile: caFile}, text: "no TLS 1.2 or newer"},
		{name: "client certificate", srv: &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}, chain: []issued{leaf}, tls: client.TLS{CAFile: caFile, ClientCert: clientCert, ClientKey: clientKey}},
		{name: "no client certificate", srv: &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}, chain: []issued{leaf}, tls: client.TLS{CAFile: caFile}, text: "set tls.client_cert"},
	}
	for _, tt := range tests {
		for _, method := range []string{"GET", "POST"} {
			t.Run(tt.name+"/"+method, func(t *testing.T) {
				cfg := tt.srv
				if cfg == nil {
					cfg = &tls.Config{}
				}
				url := serveTLS(t, cfg.Clone(), tt.chain[0], tt.chain[1:]...)
				c := newClient(t, url, func(c *client.Config, _ *client.Options) { c.TLS = tt.tls })
				clock := client.FakeClock(c)
				_, err := c.Do(t.Context(), client.Call{Method: method})
				if tt.text == "" {
					if err != nil {
						t.Fatal(err)
					}
					return
				}
				var te *client.TransportError
				if !errors.As(err, &te) || !strings.Contains(err.Error(), tt.text) {
					t.Fatalf("got %v, want %q", err, tt.text)
				}
				if te.Sent {
					t.Error("said to be sent although the handshake failed")
				}
				if len(clock.Waits) > 0 {
					t.Error("tried again")
				}
			})
		}
	}
}

func TestWrongScheme(t *testing.T) {
	self := issue(t, nil, nil)
	secure := serveTLS(t, &tls.Config{}, self)
	plain := serve(t, func(w http.ResponseWriter, r *http.Request) {})
	for url, text := range map[string]string{
		strings.Replace(secure, "https:", "http:", 1):    "use https:// in url",
		strings.Replace(plain.URL, "http:", "https:", 1): "use http:// in url",
	} {
		_, err := newClient(t, url, nil).Do(t.Context(), client.Call{Method: "POST"})
		var te *client.TransportError
		if !errors.As(err, &te) || te.Sent || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestWarnings(t *testing.T) {
	self := issue(t, nil, nil)
	var mu sync.Mutex
	var said []string
	warn := func(s string) { mu.Lock(); defer mu.Unlock(); said = append(said, s) }
	c := newClient(t, serveTLS(t, &tls.Config{}, self), func(c *client.Config, _ *client.Options) {
		c.TLS.InsecureSkipVerify, c.Warn = true, warn
	})
	if len(said) != 0 {
		t.Error("warned before the first request")
	}
	for range 3 {
		if _, err := c.Do(t.Context(), client.Call{}); err != nil {
			t.Fatal(err)
		}
	}
	if len(said) != 1 || !strings.Contains(said[0], "insecure_skip_verify") {
		t.Errorf("%q", said)
	}
	said = nil
	c = newClient(t, serve(t, func(http.ResponseWriter, *http.Request) {}).URL, func(c *client.Config, _ *client.Options) { c.Warn = warn })
	if _, err := c.Do(t.Context(), client.Call{}); err != nil || len(said) != 0 {
		t.Errorf("loopback: %v %q", err, said)
	}
	c = newClient(t, "http://edr.invalid", func(c *client.Config, _ *client.Options) { c.Warn = warn })
	client.FakeClock(c)
	_, _ = c.Do(t.Context(), client.Call{})
	if len(said) != 1 || !strings.Contains(said[0], "plain http") {
		t.Errorf("%q", said)
	}
}

func TestNewRefuses(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "no.pem")
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		cfg  client.Config
		text string
	}{
		"no url":          {client.Config{}, "url is missing"},
		"no scheme":       {client.Config{BaseURL: "example.org"}, "must start with https://"},
		"other scheme":    {client.Config{BaseURL: "ftp://example.org"}, "must start with https://"},
		"no host":         {client.Config{BaseURL: "https:///x"}, "names no host"},
		"password in url": {client.Config{BaseURL: "https://u:hunter22@example.org"}, "secrets do not belong in the config"},
		"bad url":         {client.Config{BaseURL: "https://u:hunter22@exa mple"}, "cannot be parsed"},
		"query":           {client.Config{BaseURL: "https://example.org?x=1"}, "query"},
		"pin":             {client.Config{BaseURL: "https://e.org", TLS: client.TLS{Pin: "sha1:00"}}, "64 hex digits"},
		"short pin":       {client.Config{BaseURL: "https://e.org", TLS: client.TLS{Pin: "sha256:00ff"}}, "64 hex digits"},
		"no CA file":      {client.Config{BaseURL: "https://e.org", TLS: client.TLS{CAFile: missing}}, "tls.ca_file"},
		"empty CA file":   {client.Config{BaseURL: "https://e.org", TLS: client.TLS{CAFile: empty}}, "no PEM certificate"},
		"no client cert":  {client.Config{BaseURL: "https://e.org", TLS: client.TLS{ClientCert: missing}}, "tls.client_cert"},
		"key alone":       {client.Config{BaseURL: "https://e.org", TLS: client.TLS{ClientKey: missing}}, "without tls.client_cert"},
		"proxy":           {client.Config{BaseURL: "https://e.org", Proxy: "ftp://u:hunter22@p"}, "proxy must be"},
		"bad proxy":       {client.Config{BaseURL: "https://e.org", Proxy: "http://u:hunter22@ p"}, "proxy cannot be parsed"},
	} {
		_, err := client.New(tt.cfg, client.Options{})
		if err == nil || !strings.Contains(err.Error(), tt.text) || strings.Contains(err.Error(), "hunter22") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
