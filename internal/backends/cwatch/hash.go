package cwatch

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/cwatch/rules"
	"github.com/edrctl/edrctl/internal/backends/cwatch/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

// InspectHash asks for the verdict, the names and the hosts of a SHA-1; any
// other hash is refused before anything is sent.
func (d *Driver) InspectHash(ctx context.Context, hash string) (*model.HashInfo, error) {
	const what = "cannot look the hash up"
	sum, err := checkHash(hash)
	if err != nil {
		return nil, err
	}
	info := &model.HashInfo{Hash: sum, Verdict: "unknown"}
	info.ID = sum
	query := url.Values{"hash": {sum}}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		var answer struct {
			Verdict rawValue `json:"verdict"`
		}
		_, err := d.client.DoJSON(gctx, client.Call{Path: "/hash/verdict", Query: query}, &answer)
		if backends.KindOf(backends.FromClient(what, err)) == backends.KindNotFound {
			info.Verdict = "absent"
			return nil
		}
		if r := reputation(answer.Verdict); err == nil && r != nil {
			info.Verdict, info.Native = r.Verdict, r.Native
		}
		return err
	})
	list := func(path string, into *[]string) func() error {
		return func() error {
			seen := map[string]bool{}
			err := d.elements(gctx, client.Call{Path: path, Query: query}, "", func(b []byte) error {
				if s := wire.Text(b); s != "" && !seen[s] {
					seen[s] = true
					*into = append(*into, s)
				}
				return nil
			})
			if backends.KindOf(backends.FromClient(what, err)) == backends.KindNotFound {
				return nil
			}
			return err
		}
	}
	var ids []string
	g.Go(list("/hash/name", &info.Names))
	g.Go(list("/hash/seenon", &ids))
	if err := g.Wait(); err != nil {
		return nil, backends.FromClient(what, err)
	}
	if len(ids) == 0 {
		return info, nil
	}
	found, err := d.hostsByID(ctx, ids, false)
	if err != nil {
		return nil, backends.FromClient(what, err)
	}
	byID := map[string]*model.Host{}
	for _, h := range found {
		byID[h.ID] = h
	}
	for _, id := range ids {
		h := byID[id]
		if h == nil { // the endpoint is gone; that it was there is the point
			h = &model.Host{}
			h.ID = id
		}
		info.Hosts = append(info.Hosts, h)
	}
	return info, nil
}

// rawValue keeps a value as it is.
type rawValue []byte

// UnmarshalJSON keeps a copy of b.
func (v *rawValue) UnmarshalJSON(b []byte) error {
	*v = append((*v)[:0], b...)
	return nil
}

// checkHash takes what the hash routes take: a SHA-1.
func checkHash(s string) (string, error) {
	sum := strings.ToLower(strings.TrimSpace(s))
	if rules.IsHex(sum) && len(sum) == 40 {
		return sum, nil
	}
	why := "it is not a hash of 40 hexadecimal digits"
	if rules.IsHex(sum) {
		switch len(sum) {
		case 32:
			why = "it is an MD5"
		case 64:
			why = "it is a SHA-256"
		}
	}
	e := backends.Invalid(fmt.Sprintf("cannot look %q up on cWatch", s), why+"; cWatch knows files by SHA-1 only")
	e.Hint = "give the file's SHA-1"
	return "", e
}
