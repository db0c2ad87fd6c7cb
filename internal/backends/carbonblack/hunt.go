package carbonblack

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/catalog"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/wire"
	"github.com/edrctl/edrctl/internal/model"
)

// settingHunt chooses between a hunt that misses nothing the server has and
// one that is quick on a large organisation.
const (
	settingHunt = "hunt"
	huntAll     = "all"
	huntActor   = "actor"
)

// actorMost is how many values are worth a question each; above it the events
// of the window are fetched once, which finds more besides.
const actorMost = 200

// HuntModes says where each type of indicator is searched. The server knows
// three filters that name one (§5.1), and each looks at less than an event
// shows: sha256Hash and applicationName at the acting process, ipAddress at
// the device's own address. A program that was dropped or started and did
// nothing itself would be lost, so the events are fetched and compared here,
// unless the profile asks for the quick way.
func (d *Driver) HuntModes() map[string]backends.HuntMode {
	local := func(why string) backends.HuntMode { return backends.HuntMode{Where: backends.HuntLocal, Why: why} }
	none := func(what string) backends.HuntMode {
		return backends.HuntMode{Where: backends.HuntNone, Why: "this API has no " + what + ": files are known by SHA-256, and some by MD5"}
	}
	const peer = "the server's ipAddress is the device's own address: both ends of every connection, and addresses in command lines, are compared here"
	modes := map[string]backends.HuntMode{
		"sha256":       local("the server searches the acting process only: acting process, target and file are compared here; a parent is known by its hash only where it acts itself in the window"),
		"md5":          local("the server does not search MD5, and has it for some files only: acting process, target and file are compared here"),
		"sha1":         none("SHA-1"),
		"sha512":       none("SHA-512"),
		"imphash":      none("import hash"),
		"ipv4":         local(peer),
		"ipv6":         local(peer),
		"cidr":         local(peer),
		"domain":       local("the server does not search it: peers of connections and command lines are compared here; DNS queries are not recorded"),
		"url":          local("the server does not search it: command lines are compared here; URLs of connections are not recorded"),
		"file_name":    local("the server searches the acting process only: images, targets and files are compared here"),
		"file_path":    local("the server does not search paths: those of images, targets and files are compared here"),
		"process_name": local("the server searches the acting process only: acting process and target are compared here"),
		"email":        local("the server does not search it: command lines are compared here; mail is not recorded"),
		"pipe":         {Where: backends.HuntNone, Why: "this API records no named pipes"},
	}
	if d.opt.Settings[settingHunt] == huntActor {
		for kind, param := range actorParams {
			modes[kind] = backends.HuntMode{Where: backends.HuntServer, Chunk: 1, Most: actorMost,
				Why: fmt.Sprintf("asked by %s, which finds the acting process only: a program that was dropped or started and did nothing itself is not found (profile: hunt: actor)", param)}
		}
	}
	return modes
}

// actorParams are the types the server can be asked for, about the acting
// process.
var actorParams = map[string]string{"sha256": "sha256Hash", "process_name": "applicationName"}

// Hunt asks the server for events whose acting process is an indicator.
func (d *Driver) Hunt(ctx context.Context, q backends.HuntQuery) (backends.Listing[*model.Hit], error) {
	var l backends.Listing[*model.Hit]
	what := "cannot hunt for " + q.Type
	param, ok := actorParams[q.Type]
	if !ok {
		return l, backends.Unsupported(product, what, d.HuntModes()[q.Type].Why)
	}
	w := d.window(backends.Query{Since: q.Since, Until: q.Until})
	for _, v := range q.Values {
		if q.Type == "sha256" && !wire.IsSHA256(strings.ToLower(v)) {
			return l, backends.Invalid(what, fmt.Sprintf("%q is not a SHA-256", v))
		}
		l.Plan.Requests = append(l.Plan.Requests, d.describeWindows("/event", actorQuery(param, v), w.split(eventWindow), catalog.EventRows)...)
	}
	l.Plan.Notes = []string{d.HuntModes()[q.Type].Why}
	l.Seq = func(yield func(*model.Hit, error) bool) {
		for _, v := range q.Values {
			for e, err := range scan(ctx, d, what, actorQuery(param, v), w, catalog.EventRows, readEvent(q.Raw)) {
				if err != nil {
					yield(nil, err)
					return
				}
				if !actorIs(e.Process, q.Type, v) {
					continue
				}
				if !yield(hitOf(e.Event, q.Type, v), nil) {
					return
				}
			}
		}
	}
	return l, nil
}

// actorQuery asks by lower case, all that the server compares (§5.1).
func actorQuery(param, value string) url.Values { return url.Values{param: {strings.ToLower(value)}} }

// actorIs compares again what the server found.
func actorIs(p *model.Process, kind, value string) bool {
	switch {
	case p == nil:
		return false
	case kind == "sha256":
		return p.Hash != nil && strings.EqualFold(p.Hash.SHA256, value)
	}
	return strings.EqualFold(p.Name, value) || strings.EqualFold(model.BaseName(p.Path), value)
}

func hitOf(e *model.Event, kind, value string) *model.Hit {
	p := e.Process
	h := &model.Hit{
		Indicator: model.HitIndicator{Type: kind, Value: value}, Host: e.Host,
		Process: &model.Process{UID: p.UID, PID: p.PID, Name: p.Name, Path: p.Path, CommandLine: p.CommandLine, Hash: p.Hash, User: p.User},
		First:   e.Time, Last: e.Time, Count: 1,
	}
	if e.ID != "" {
		h.Evidence = []string{e.ID}
	}
	if p.Reputation != nil {
		h.Verdict = p.Reputation.Verdict
	}
	return h
}

var _ backends.IndicatorHunter = (*Driver)(nil)
