package carbonblack

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/catalog"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/wire"
	"github.com/edrctl/edrctl/internal/model"
)

// inspectMost bounds how many events one hash is read from: a system program
// has millions.
const inspectMost = 20_000

// InspectHash tells what the events of the retention time say of a SHA-256:
// the newest reputation, the names and hosts it was seen with. The server
// looks at the acting process only; a file that was never run is "absent".
func (d *Driver) InspectHash(ctx context.Context, hash string) (*model.HashInfo, error) {
	const what = "cannot look the hash up"
	h := strings.ToLower(strings.TrimSpace(hash))
	if !wire.IsSHA256(h) {
		return nil, backends.Invalid(what, fmt.Sprintf("Carbon Black v3 searches by SHA-256 only (64 hex digits), not by %q", hash))
	}
	info := &model.HashInfo{Origin: model.Origin{ID: h}, Hash: h, Verdict: "absent"}
	hosts := map[string]bool{}
	n := 0
	for e, err := range scan(ctx, d, what, url.Values{"sha256Hash": {h}}, d.window(backends.Query{}), catalog.EventRows, readEvent(false)) {
		if err != nil {
			return nil, err
		}
		if n++; n > inspectMost {
			d.warn(fmt.Sprintf("%s has more than %d events: names, hosts and times are of the newest of them", h, inspectMost))
			info.First = model.Time{}
			break
		}
		p := e.Process
		if p == nil || p.Hash == nil || p.Hash.SHA256 != h {
			continue
		}
		if info.Verdict == "absent" {
			info.Verdict, info.Last = "unknown", e.Time
		}
		if r := p.Reputation; r != nil && info.Native == "" {
			info.Verdict, info.Native = r.Verdict, r.Native
		}
		info.First = e.Time
		if p.Name != "" && !slices.ContainsFunc(info.Names, func(s string) bool { return strings.EqualFold(s, p.Name) }) {
			info.Names = append(info.Names, p.Name)
		}
		if e.Host != nil && !hosts[e.Host.ID+"\x00"+e.Host.Name] {
			hosts[e.Host.ID+"\x00"+e.Host.Name] = true
			info.Hosts = append(info.Hosts, e.Host)
		}
	}
	return info, nil
}
