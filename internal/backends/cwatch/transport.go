package cwatch

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/client"
)

// authorize puts the token on a request. The customer header is documented
// on half of the routes; it is sent on all (docs/wire/cwatch.md 1).
func (d *Driver) authorize(ctx context.Context, r *http.Request) error {
	token, err := d.accessToken(ctx)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if d.customer != "" && r.Header.Get("edr-customerid") == "" {
		r.Header.Set("edr-customerid", d.customer)
	}
	if r.Header.Get("Accept") == "" {
		r.Header.Set("Accept", "application/json")
	}
	return nil
}

// accessToken looks the token up once, without the word that names its kind.
func (d *Driver) accessToken(ctx context.Context) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.token != "" {
		return d.token, nil
	}
	if d.opt.Secret == nil {
		return "", &backends.Error{Kind: backends.KindAuth, Why: "no token is configured"}
	}
	s, err := d.opt.Secret(ctx, "token")
	if err != nil {
		return "", err
	}
	s = strings.TrimSpace(s)
	if len(s) > 7 && strings.EqualFold(s[:7], "bearer ") {
		s = strings.TrimSpace(s[7:])
	}
	if s == "" || strings.ContainsAny(s, "\r\n\x00") {
		return "", &backends.Error{Kind: backends.KindAuth, Why: "the token is empty or has line breaks in it"}
	}
	d.redactor.Add(s)
	d.token = s
	return s, nil
}

// elements streams the array at the dotted path of a GET's answer.
func (d *Driver) elements(ctx context.Context, call client.Call, at string, each func(b []byte) error) error {
	stream, err := d.client.Open(ctx, call)
	if err != nil {
		return err
	}
	defer stream.Body.Close()
	for b, err := range client.Array(stream.Body, at, nil) {
		if err != nil {
			return err
		}
		if err := each(b); err != nil {
			return err
		}
	}
	return nil
}

// errStopped ends a reading whose caller has enough.
var errStopped = errors.New("stopped")

// errRow is an element that is not an object.
func errRow(what string) error {
	return backends.Malformed("", "an element of the answer is not of type "+what)
}
