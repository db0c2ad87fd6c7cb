package gene

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/shellquote"
)

// iocEntry is an indicator of the store (docs/wire/gene.md 11).
type iocEntry struct {
	UUID   string `json:"uuid"`
	GUUID  string `json:"guuid"`
	Source string `json:"source"`
	Value  string `json:"value"`
	Type   string `json:"type"`
}

// iocTypes are the manager's, with the length of those that are hashes.
var iocTypes = map[string]int{"md5": 32, "sha1": 40, "sha256": 64, "imphash": 32, "domain": 0, "hostname": 0, "ip-dst": 0}

// derived is a UUID made of texts: the same of the same, so that adding twice
// is one entry (RFC 9562, version 5).
func derived(texts ...string) string {
	sum := sha1.Sum([]byte("edrctl\x00gene\x00" + strings.Join(texts, "\x00")))
	b := sum[:16]
	b[6], b[8] = b[6]&0x0f|0x50, b[8]&0x3f|0x80
	s := hex.EncodeToString(b)
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// iocType tells what a value is; "" when it is none the store takes.
func iocType(value string) string {
	if _, err := netip.ParseAddr(value); err == nil {
		return "ip-dst"
	}
	if _, err := hex.DecodeString(value); err == nil {
		switch len(value) {
		case 32:
			return "md5"
		case 40:
			return "sha1"
		case 64:
			return "sha256"
		}
	}
	if strings.Contains(value, ".") && !strings.ContainsAny(value, " /:@\\") {
		return "domain"
	}
	return ""
}

// normal brings an entry into the form the store keeps, or says what is wrong.
func (e *iocEntry) normal() error {
	e.Value, e.Source, e.Type = strings.TrimSpace(e.Value), strings.TrimSpace(e.Source), strings.ToLower(strings.TrimSpace(e.Type))
	if e.Value == "" {
		return errors.New("it has no value")
	}
	if e.Type == "" {
		if e.Type = iocType(e.Value); e.Type == "" {
			return fmt.Errorf("%q: what it is cannot be told: name its type", e.Value)
		}
	}
	length, known := iocTypes[e.Type]
	if !known {
		return fmt.Errorf("%q: the store has no type %s: it has md5 sha1 sha256 imphash domain hostname ip-dst", e.Value, e.Type)
	}
	if e.Source == "" {
		return fmt.Errorf("%q: it has no source", e.Value)
	}
	if length > 0 {
		e.Value = strings.ToLower(e.Value)
		if b, err := hex.DecodeString(e.Value); err != nil || 2*len(b) != length {
			return fmt.Errorf("%q is no %s", e.Value, e.Type)
		}
	}
	if _, err := netip.ParseAddr(e.Value); e.Type == "ip-dst" && err != nil {
		return fmt.Errorf("%q is no address", e.Value)
	}
	if e.GUUID == "" {
		e.GUUID = derived("source", e.Source)
	}
	if e.UUID == "" {
		e.UUID = derived("ioc", e.Source, e.Type, e.Value)
	}
	for _, u := range []string{e.UUID, e.GUUID} {
		if !uuidForm.MatchString(u) {
			return fmt.Errorf("%q: %s is no UUID", e.Value, u)
		}
	}
	return nil
}

// sameIndicator tells entries that mean the same, whatever their UUIDs.
func (e iocEntry) same(o iocEntry) bool {
	return e.Value == o.Value && e.Type == o.Type && e.Source == o.Source
}

func (d *Driver) iocs(ctx context.Context, query ...string) ([]iocEntry, error) {
	var list []iocEntry
	_, err := d.get(ctx, "/iocs", queryOf(query...), &list)
	return list, err
}

// wantedIOCs reads the entries of iocs.add: an array of objects or of values,
// or values by themselves.
func wantedIOCs(c backends.Call) ([]iocEntry, error) {
	var out []iocEntry
	add := func(e iocEntry) {
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
	text := bytes.TrimSpace(given(c, "iocs"))
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
		var e iocEntry
		if json.Unmarshal(doc, &e.Value) != nil {
			dec := json.NewDecoder(bytes.NewReader(doc))
			dec.DisallowUnknownFields()
			if err := dec.Decode(&e); err != nil {
				return nil, fmt.Errorf("entry %d is no object of uuid, guuid, source, value, type", i+1)
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
		if err := want[i].normal(); err != nil {
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
	var send []iocEntry
	replaced := 0
	for _, w := range want {
		if slices.ContainsFunc(have, w.same) || slices.ContainsFunc(send, w.same) {
			continue
		}
		if slices.ContainsFunc(have, func(h iocEntry) bool { return h.UUID == w.UUID }) {
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
		var kept []iocEntry
		if err := json.Unmarshal(data, &kept); err != nil || len(kept) != len(send) {
			return unclear(what, "the answer does not hold what was stored")
		}
		return nil
	}
	p.tell()
	return p, nil
}

// planIOCDelete is iocs.delete: what matches is read first and shown. The
// criteria of the list are joined by or, those of the deletion by and.
func (d *Driver) planIOCDelete(ctx context.Context, what string, c backends.Call) (*callPlan, error) {
	crit := iocEntry{
		UUID: backends.Text(c.Args["uuid"]), GUUID: backends.Text(c.Args["guuid"]), Source: backends.Text(c.Args["source"]),
		Value: backends.Text(c.Args["value"]), Type: backends.Text(c.Args["type"]),
	}
	if crit == (iocEntry{}) {
		return nil, backends.Invalid(what, "say which: value, type, source, guuid or uuid; all that are given must match")
	}
	if crit.Type == "" {
		if kind := iocType(crit.Value); iocTypes[kind] > 0 {
			crit.Value = strings.ToLower(crit.Value) // hashes are kept so
		}
	} else if iocTypes[crit.Type] > 0 {
		crit.Value = strings.ToLower(crit.Value)
	}
	have, err := d.iocs(ctx)
	if err != nil {
		return nil, err
	}
	eq := func(want, is string) bool { return want == "" || want == is }
	var gone []iocEntry
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
	req := client.Call{Method: http.MethodDelete, Path: "/iocs", Query: queryOf("uuid", crit.UUID, "guuid", crit.GUUID, "source", crit.Source, "value", crit.Value, "type", crit.Type)}
	p.steps = []callStep{{req: req, does: fmt.Sprintf("deletes %d of the %d indicators of the store: %s", len(gone), len(have), strings.Join(shown, ", "))}}
	p.check = func(data json.RawMessage) error {
		var out []iocEntry
		if err := json.Unmarshal(data, &out); err != nil {
			return unclear(what, "the answer does not hold what was deleted")
		}
		if len(out) != len(gone) {
			return &backends.Error{What: what, Why: fmt.Sprintf("the manager deleted %d indicators, and %d were shown: somebody else changed the store meanwhile", len(out), len(gone))}
		}
		return nil
	}
	p.tell()
	return p, nil
}

// mgrUser is a user of the admin API.
type mgrUser struct {
	UUID        string `json:"uuid"`
	Identifier  string `json:"identifier"`
	Key         string `json:"key"`
	Group       string `json:"group"`
	Description string `json:"description"`
}

// users reads the users; their keys are masked from then on.
func (d *Driver) users(ctx context.Context) ([]mgrUser, error) {
	var list []mgrUser
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
		var u mgrUser
		if err := json.Unmarshal(c.Body, &u); err != nil {
			return nil, backends.Invalid(what, "the body is no object of a user")
		}
		name = u.Identifier
	}
	if strings.TrimSpace(name) == "" {
		return nil, backends.Invalid(what, "the identifier is empty")
	}
	if id := backends.Text(c.Args["uuid"]); id != "" && !uuidForm.MatchString(id) {
		return nil, backends.Invalid(what, id+" is no UUID: the manager would make another one")
	}
	list, err := d.users(ctx)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(list, func(u mgrUser) bool { return u.Identifier == name }) {
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
		var u mgrUser
		if json.Unmarshal(data, &u) != nil || u.Identifier != name {
			return unclear(what, "the answer holds no user "+name)
		}
		return nil
	}
	return p, nil
}

// findUser finds a user by UUID, or by the identifier.
func (d *Driver) findUser(ctx context.Context, id string) (mgrUser, []mgrUser, error) {
	list, err := d.users(ctx)
	if err != nil {
		return mgrUser{}, nil, err
	}
	for _, u := range list {
		if u.UUID == id || u.Identifier == id {
			return u, list, nil
		}
	}
	return mgrUser{}, list, backends.NotFound("user", id)
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
	newKey := truthOf(c.Args["newkey"])
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

func sameUser(what string, data json.RawMessage, want mgrUser) error {
	var got mgrUser
	if json.Unmarshal(data, &got) != nil || got.UUID != want.UUID {
		return unclear(what, "the answer is not of user "+want.Identifier)
	}
	return nil
}

func (d *Driver) ownKey(u mgrUser) bool {
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

// planReportDelete begins a report anew. Newer managers keep the old one in
// the archive, older ones forget it.
func (d *Driver) planReportDelete(ctx context.Context, what string, c backends.Call) (*callPlan, error) {
	ep, err := d.lookUp(ctx, what, backends.Text(c.Args["uuid"]))
	if err != nil {
		return nil, err
	}
	c.Args["uuid"] = ep.UUID
	var r *report
	if err := d.alone(ctx, func() error {
		_, err := d.get(ctx, "/endpoints/"+ep.UUID+"/report", nil, &r)
		return err
	}); err != nil {
		return nil, err
	}
	p, err := onePlan(c, "begins the report of "+nameOf(ep)+" anew")
	if err != nil {
		return nil, err
	}
	switch {
	case r == nil:
		p.nothing = "there is no report of " + nameOf(ep)
	case r.Identifier != ep.UUID:
		return nil, d.wrongIndex(what, ep, endpoint{UUID: r.Identifier})
	default:
		p.summary = fmt.Sprintf("%s (it counts %d alerts)", p.summary, int(r.AlertCount))
	}
	if !d.flavour().systemInfo {
		p.warnings = append(p.warnings, "releases before v1.8.0-beta.3 keep no archive: the report is gone then")
	}
	return p, nil
}

// planToolSet stores the program that agents install and run.
func (d *Driver) planToolSet(ctx context.Context, what string, c backends.Call) (*callPlan, error) {
	content := given(c, "binary")
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
		p.warnings = append(p.warnings, "it is no Windows program (it does not begin with MZ)")
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
	text := bytes.TrimSpace(given(c, "config"))
	if len(text) == 0 {
		return nil, backends.Invalid(what, "the configuration is empty")
	}
	if c.Args["format"] == nil && text[0] == '<' {
		c.Args["format"] = "xml"
	}
	version := ""
	if backends.Text(c.Args["format"]) == "xml" {
		var err error
		if version, err = sysmonVersion(text); err != nil {
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

// sysmonVersion checks that text is a whole Sysmon configuration, and gives
// its schemaversion.
func sysmonVersion(text []byte) (string, error) {
	dec := xml.NewDecoder(bytes.NewReader(text))
	version, depth := "", 0
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", fmt.Errorf("it is no whole XML document: %w", err)
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if depth++; depth > 1 || version != "" {
				continue
			}
			if t.Name.Local != "Sysmon" {
				return "", fmt.Errorf("its root is %s, not Sysmon", t.Name.Local)
			}
			for _, a := range t.Attr {
				if a.Name.Local == "schemaversion" {
					version = a.Value
				}
			}
			if version == "" {
				return "", errors.New("its root has no schemaversion")
			}
		case xml.EndElement:
			depth--
		}
	}
	if version == "" {
		return "", errors.New("it holds no Sysmon element")
	}
	return version, nil
}
