package esp

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

// Limits of a hash inspection: how many rows are read for the names, and of
// how many logs.
const (
	hashLogs = 50
	hashRows = 100
)

// InspectHash hunts a hash over all tables and all time (10), reads the names
// it was seen under, and looks it up in the indicators of the server (52).
func (d *Driver) InspectHash(ctx context.Context, hash string) (*model.HashInfo, error) {
	what := "cannot look up hash " + hash
	hash = strings.ToLower(strings.TrimSpace(hash))
	kind := ""
	switch {
	case !isHex(hash):
	case len(hash) == 32:
		kind = "md5"
	case len(hash) == 64:
		kind = "sha256"
	case len(hash) == 40:
		return nil, &backends.Error{Kind: backends.KindUnsupported, What: what, Why: "ESP hunts no SHA-1", Hint: "give the file's MD5 or SHA-256"}
	}
	if kind == "" {
		return nil, backends.Invalid(what, "it is neither an MD5 nor a SHA-256")
	}
	info := &model.HashInfo{Hash: hash, Verdict: "absent"}
	info.ID = hash
	// The comparison is exact, and agents differ in the case they write.
	req := huntRequest{Indicators: hash + "," + strings.ToUpper(hash), Type: kind}
	p, err := d.askPage(ctx, what, "/indicators/hunt", req)
	if err != nil {
		return nil, err
	}
	logs := 0
	for _, g := range p.Groups {
		h, err := readHuntHost(what, g)
		if err != nil {
			return nil, err
		}
		info.Verdict = "unknown"
		m := &model.Host{Name: string(h.Hostname)}
		m.ID = string(h.HostIdentifier)
		info.Hosts = append(info.Hosts, m)
		for _, query := range h.Queries {
			if logs++; logs > hashLogs {
				continue
			}
			if err := d.hashNames(ctx, what, req, m.ID, string(query.QueryName), info); err != nil {
				return nil, err
			}
		}
	}
	slices.Sort(info.Names)
	info.Names = slices.Compact(info.Names)
	if err := d.knownBad(ctx, what, hash, kind, info); err != nil {
		return nil, err
	}
	return info, nil
}

func (d *Driver) hashNames(ctx context.Context, what string, req huntRequest, host, query string, info *model.HashInfo) error {
	start, limit := 0, hashRows
	req.HostIdentifier, req.QueryName, req.Start, req.Limit = host, query, &start, &limit
	p, err := d.askPage(ctx, what, "/indicators/hunt", req)
	if err != nil {
		return err
	}
	for _, v := range p.Rows {
		r := row{table: query, hostID: host}
		if err := new(rowReader).readCells(v, &r); err != nil {
			return malformed(what, err)
		}
		c := &r.cells
		if name := firstOf(c.targetNewName, c.targetPath, c.imagePath, c.targetName, c.path); name != "" {
			info.Names = append(info.Names, name)
		}
		t := parseTime(c.time)
		if t.IsZero() {
			continue
		}
		if info.First.IsZero() || t.Before(info.First.Time) {
			info.First = t
		}
		if t.After(info.Last.Time) {
			info.Last = t
		}
	}
	return nil
}

// knownBad looks the hash up in the server's own indicators.
func (d *Driver) knownBad(ctx context.Context, what, hash, kind string, info *model.HashInfo) error {
	a, err := d.ask(ctx, what, "/iocs", client.Call{Method: http.MethodGet})
	if err != nil {
		return err
	}
	if kindOf(a.Data) != '{' {
		return nil
	}
	err = eachMember(a.Data, func(name string, v []byte) error {
		var ioc wireIOC
		if kindOf(v) != '{' || json.Unmarshal(v, &ioc) != nil || string(ioc.Type) != kind {
			return nil
		}
		for _, value := range csvTexts(scalar(ioc.Values)) {
			if strings.EqualFold(value, hash) {
				info.Verdict, info.Native = "malicious", "ioc "+name+" "+string(ioc.Severity)
			}
		}
		return nil
	})
	if err != nil {
		return malformed(what, err)
	}
	return nil
}

func readHuntHost(what string, v []byte) (*wireHuntHost, error) {
	var h wireHuntHost
	if err := json.Unmarshal(v, &h); err != nil {
		return nil, malformed(what, err)
	}
	if h.HostIdentifier == "" {
		return nil, backends.Malformed(what, "a host without an identifier")
	}
	return &h, nil
}
