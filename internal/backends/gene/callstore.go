package gene

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/shellquote"
)

// planToolSet stores the program that agents install and run.
func (d *Driver) planToolSet(ctx context.Context, what string, c backends.Call) (*callPlan, error) {
	content := bodyText(c, "binary")
	if len(content) == 0 {
		return nil, backends.Invalid(what, "the program is empty")
	}
	sum := sha256.Sum256(content)
	hash := hex.EncodeToString(sum[:])
	var has struct {
		Metadata struct {
			SHA256 string `json:"sha256"`
		} `json:"metadata"`
	}
	req, err := backends.Build(c)
	if err != nil {
		return nil, err
	}
	if _, err := d.get(ctx, req.Path, nil, &has); err != nil && !noObject(err) {
		return nil, err
	}
	tool, _, _ := strings.Cut(c.Op.Name, ".")
	p, err := onePlan(c, fmt.Sprintf("stores a %s of %d bytes, sha256 %s: every agent installs and runs it", tool, len(content), hash))
	if err != nil {
		return nil, err
	}
	switch {
	case has.Metadata.SHA256 == hash:
		p.nothing = "the manager keeps exactly this program"
	case has.Metadata.SHA256 != "":
		p.warnings = append(p.warnings, "it replaces the one with sha256 "+has.Metadata.SHA256)
	}
	if !bytes.HasPrefix(content, []byte("MZ")) {
		p.warnings = append(p.warnings, "it is not a Windows program (it does not begin with MZ)")
	}
	p.check = func(data json.RawMessage) error {
		if json.Unmarshal(data, &has) != nil || has.Metadata.SHA256 != hash {
			return &backends.Error{What: what, Why: "the manager took it, but keeps something else: its sha256 is not " + hash}
		}
		return nil
	}
	return p, nil
}

func noObject(err error) bool { return err != nil && strings.Contains(err.Error(), "no object found") }

// planStoredDelete deletes what the manager keeps for agents, when it does.
func (d *Driver) planStoredDelete(ctx context.Context, _ string, c backends.Call) (*callPlan, error) {
	p, err := onePlan(c, "deletes what the manager keeps under "+c.Op.Path)
	if err != nil {
		return nil, err
	}
	var doc json.RawMessage
	req := p.steps[0].req
	p.summary = "deletes it from the manager (" + req.Path + ")"
	if _, err := d.get(ctx, req.Path, req.Query, &doc); noObject(err) {
		p.nothing = "the manager keeps none"
	} else if err != nil {
		return nil, err
	}
	return p, nil
}

// planSysmonSet stores a Sysmon configuration, which agents install.
func (d *Driver) planSysmonSet(_ context.Context, what string, c backends.Call) (*callPlan, error) {
	text := bytes.TrimSpace(bodyText(c, "config"))
	if len(text) == 0 {
		return nil, backends.Invalid(what, "the configuration is empty")
	}
	if c.Args["format"] == nil && text[0] == '<' {
		c.Args["format"] = "xml"
	}
	version := ""
	if backends.Text(c.Args["format"]) == "xml" {
		var err error
		if version, err = wire.SysmonVersion(text); err != nil {
			return nil, backends.Invalid(what, err.Error())
		}
		c.Type = "application/xml"
	} else {
		var doc struct {
			Version string `json:"schemaversion"`
		}
		if err := json.Unmarshal(text, &doc); err != nil {
			return nil, backends.Invalid(what, "it is neither XML nor a JSON object")
		}
		if version = doc.Version; version == "" {
			return nil, backends.Invalid(what, "it has no schemaversion, under which it could be read again")
		}
	}
	delete(c.Args, "config")
	c.Body = text
	return onePlan(c, "stores the Sysmon configuration of schema "+version+": agents install it")
}

func (d *Driver) iocs(ctx context.Context, query ...string) ([]wire.IOC, error) {
	var list []wire.IOC
	_, err := d.get(ctx, "/iocs", wire.QueryOf(query...), &list)
	return list, err
}

// wantedIOCs reads the entries of iocs.add: an array of objects or of values,
// or values by themselves.
func wantedIOCs(c backends.Call) ([]wire.IOC, error) {
	var out []wire.IOC
	add := func(e wire.IOC) {
		if e.Source == "" {
			e.Source = backends.Text(c.Args["source"])
		}
		if e.Type == "" {
			e.Type = backends.Text(c.Args["type"])
		}
		if e.GUUID == "" {
			e.GUUID = backends.Text(c.Args["guuid"])
		}
		out = append(out, e)
	}
	text := bytes.TrimSpace(bodyText(c, "iocs"))
	if len(text) > 0 && text[0] != '[' {
		text = append(append([]byte("["), text...), ']')
	}
	var docs []json.RawMessage
	if len(text) > 0 {
		if err := json.Unmarshal(text, &docs); err != nil {
			return nil, errors.New("want a JSON array of objects of value, type, source, or of values")
		}
	}
	for i, doc := range docs {
		var e wire.IOC
		if json.Unmarshal(doc, &e.Value) != nil {
			dec := json.NewDecoder(bytes.NewReader(doc))
			dec.DisallowUnknownFields()
			if err := dec.Decode(&e); err != nil {
				return nil, fmt.Errorf("entry %d is not an object of uuid, guuid, source, value, type", i+1)
			}
		}
		add(e)
	}
	return out, nil
}

// planIOCs is iocs.add. The store takes all or nothing, so every entry is
// checked here; what it has already is not sent again.
func (d *Driver) planIOCs(ctx context.Context, what string, c backends.Call) (*callPlan, error) {
	want, err := wantedIOCs(c)
	if err != nil {
		return nil, backends.Invalid(what, err.Error())
	}
	var problems []string
	for i := range want {
		if err := want[i].Normalise(); err != nil {
			problems = append(problems, err.Error())
		}
	}
	switch {
	case len(problems) > 0:
		return nil, backends.Invalid(what+": nothing was sent", strings.Join(problems, "; "))
	case len(want) == 0:
		return nil, backends.Invalid(what, "no indicator is given")
	}
	have, err := d.iocs(ctx)
	if err != nil {
		return nil, err
	}
	var send []wire.IOC
	replaced := 0
	for _, w := range want {
		if slices.ContainsFunc(have, w.Same) || slices.ContainsFunc(send, w.Same) {
			continue
		}
		if slices.ContainsFunc(have, func(h wire.IOC) bool { return h.UUID == w.UUID }) {
			replaced++
		}
		send = append(send, w)
	}
	p := &callPlan{}
	if len(send) == 0 {
		p.nothing = "the store has them all"
		return p, nil
	}
	does := fmt.Sprintf("adds %d indicators to the store", len(send))
	if n := len(want) - len(send); n > 0 {
		does += fmt.Sprintf(" (it has %d of them already)", n)
	}
	if replaced > 0 {
		p.warnings = append(p.warnings, fmt.Sprintf("%d of them have the UUID of another one in the store, which they replace", replaced))
	}
	p.steps = []callStep{{req: client.Call{Method: http.MethodPost, Path: "/iocs", JSON: send}, does: does}}
	p.check = func(data json.RawMessage) error {
		var kept []wire.IOC
		if err := json.Unmarshal(data, &kept); err != nil || len(kept) != len(send) {
			return ambiguous(what, "the answer does not hold what was stored")
		}
		return nil
	}
	p.summarise()
	return p, nil
}

// planIOCDelete is iocs.delete: what matches is read first and shown. The
// criteria of the list are joined by or, those of the deletion by and.
func (d *Driver) planIOCDelete(ctx context.Context, what string, c backends.Call) (*callPlan, error) {
	crit := wire.IOC{
		UUID: backends.Text(c.Args["uuid"]), GUUID: backends.Text(c.Args["guuid"]), Source: backends.Text(c.Args["source"]),
		Value: backends.Text(c.Args["value"]), Type: backends.Text(c.Args["type"]),
	}
	if crit == (wire.IOC{}) {
		return nil, backends.Invalid(what, "say which: value, type, source, guuid or uuid; all that are given must match")
	}
	if crit.Type == "" {
		if kind := wire.TypeOfIOC(crit.Value); wire.IsHashType(kind) {
			crit.Value = strings.ToLower(crit.Value) // hashes are kept so
		}
	} else if wire.IsHashType(crit.Type) {
		crit.Value = strings.ToLower(crit.Value)
	}
	have, err := d.iocs(ctx)
	if err != nil {
		return nil, err
	}
	eq := func(want, is string) bool { return want == "" || want == is }
	var gone []wire.IOC
	for _, h := range have {
		if eq(crit.UUID, h.UUID) && eq(crit.GUUID, h.GUUID) && eq(crit.Source, h.Source) && eq(crit.Value, h.Value) && eq(crit.Type, h.Type) {
			gone = append(gone, h)
		}
	}
	p := &callPlan{}
	if len(gone) == 0 {
		p.nothing = "nothing in the store matches"
		return p, nil
	}
	var shown []string
	for _, g := range gone[:min(5, len(gone))] {
		shown = append(shown, g.Value+" ("+g.Source+")")
	}
	if len(gone) > 5 {
		shown = append(shown, "…")
	}
	req := client.Call{Method: http.MethodDelete, Path: "/iocs", Query: wire.QueryOf("uuid", crit.UUID, "guuid", crit.GUUID, "source", crit.Source, "value", crit.Value, "type", crit.Type)}
	p.steps = []callStep{{req: req, does: fmt.Sprintf("deletes %d of the %d indicators of the store: %s", len(gone), len(have), strings.Join(shown, ", "))}}
	p.check = func(data json.RawMessage) error {
		var out []wire.IOC
		if err := json.Unmarshal(data, &out); err != nil {
			return ambiguous(what, "the answer does not hold what was deleted")
		}
		if len(out) != len(gone) {
			return &backends.Error{What: what, Why: fmt.Sprintf("the manager deleted %d indicators, and %d were shown: somebody else changed the store meanwhile", len(out), len(gone))}
		}
		return nil
	}
	p.summarise()
	return p, nil
}

// users reads the users; their keys are masked from then on.
func (d *Driver) users(ctx context.Context) ([]wire.User, error) {
	var list []wire.User
	if _, err := d.get(ctx, "/users", nil, &list); err != nil {
		return nil, err
	}
	for _, u := range list {
		d.redactor.Add(u.Key)
	}
	return list, nil
}

func (d *Driver) planUserAdd(ctx context.Context, what string, c backends.Call) (*callPlan, error) {
	name := backends.Text(c.Args["identifier"])
	if c.Body != nil {
		var u wire.User
		if err := json.Unmarshal(c.Body, &u); err != nil {
			return nil, backends.Invalid(what, "the body is not an object of a user")
		}
		name = u.Identifier
	}
	if strings.TrimSpace(name) == "" {
		return nil, backends.Invalid(what, "the identifier is empty")
	}
	if id := backends.Text(c.Args["uuid"]); id != "" && !wire.IsUUID(id) {
		return nil, backends.Invalid(what, id+" is not a UUID: the manager would make another one")
	}
	list, err := d.users(ctx)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(list, func(u wire.User) bool { return u.Identifier == name }) {
		return nil, backends.Invalid(what, "there is a user "+name+" already")
	}
	p, err := onePlan(c, "makes user "+name)
	if err != nil {
		return nil, err
	}
	if c.Args["key"] == nil {
		p.note = "its key is shown this once, and masked from now on"
	}
	p.check = func(data json.RawMessage) error {
		var u wire.User
		if json.Unmarshal(data, &u) != nil || u.Identifier != name {
			return ambiguous(what, "the answer holds no user "+name)
		}
		return nil
	}
	return p, nil
}

// findUser finds a user by UUID, or by the identifier.
func (d *Driver) findUser(ctx context.Context, id string) (wire.User, []wire.User, error) {
	list, err := d.users(ctx)
	if err != nil {
		return wire.User{}, nil, err
	}
	for _, u := range list {
		if u.UUID == id || u.Identifier == id {
			return u, list, nil
		}
	}
	return wire.User{}, list, backends.NotFound("user", id)
}

func (d *Driver) planUserUpdate(ctx context.Context, what string, c backends.Call) (*callPlan, error) {
	u, _, err := d.findUser(ctx, backends.Text(c.Args["uuid"]))
	if err != nil {
		return nil, err
	}
	c.Args["uuid"] = u.UUID
	var says []string
	same := c.Body == nil
	for name, has := range map[string]string{"group": u.Group, "description": u.Description, "key": u.Key} {
		v, ok := c.Args[name]
		switch {
		case !ok:
		case backends.Text(v) == "":
			return nil, backends.Invalid(what, name+" cannot be made empty: the manager would leave it as it is")
		case name == "key":
			same = same && backends.Text(v) == has
			says = append(says, "its key")
		default:
			same = same && backends.Text(v) == has
			says = append(says, fmt.Sprintf("%s %q in the place of %q", name, backends.Text(v), has))
		}
	}
	slices.Sort(says)
	newKey := isTrue(c.Args["newkey"])
	switch {
	case newKey:
		says, same = append(says, "a new key"), false
	case len(says) == 0 && c.Body == nil:
		return nil, backends.Invalid(what, "say what to set: group, description, key or newkey")
	}
	p, err := onePlan(c, "gives user "+u.Identifier+" "+strings.Join(says, ", "))
	if err != nil {
		return nil, err
	}
	if same {
		p.nothing = "user " + u.Identifier + " is so already"
		return p, nil
	}
	if (newKey || c.Args["key"] != nil) && d.ownKey(u) {
		p.warnings = append(p.warnings, "this is the user whose key this profile uses: it is refused from then on, until edrctl auth login -p "+d.o.Profile+" is given the new one")
	}
	if newKey {
		p.note = shellquote.Join("edrctl users get --show-secrets", u.Identifier) + " shows the new key"
	}
	p.check = func(data json.RawMessage) error { return sameUser(what, data, u) }
	return p, nil
}

func sameUser(what string, data json.RawMessage, want wire.User) error {
	var got wire.User
	if json.Unmarshal(data, &got) != nil || got.UUID != want.UUID {
		return ambiguous(what, "the answer is not of user "+want.Identifier)
	}
	return nil
}

func (d *Driver) ownKey(u wire.User) bool {
	d.keyMu.Lock()
	defer d.keyMu.Unlock()
	return d.key != "" && u.Key == d.key
}

func (d *Driver) planUserDelete(ctx context.Context, what string, c backends.Call) (*callPlan, error) {
	u, list, err := d.findUser(ctx, backends.Text(c.Args["uuid"]))
	if err != nil {
		return nil, err
	}
	if len(list) == 1 {
		return nil, &backends.Error{Kind: backends.KindRefused, What: what + ": nothing was sent", Why: u.Identifier + " is the last user: nobody could reach the manager any more", Hint: "make another user first: edrctl users add"}
	}
	c.Args["uuid"] = u.UUID
	p, err := onePlan(c, "deletes user "+u.Identifier+": its key is refused from then on")
	if err != nil {
		return nil, err
	}
	if d.ownKey(u) {
		p.warnings = append(p.warnings, "this is the user whose key this profile uses: the profile cannot reach the manager any more")
	}
	p.check = func(data json.RawMessage) error { return sameUser(what, data, u) }
	return p, nil
}
