package gene

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/wire"
	"github.com/edrctl/edrctl/internal/shellquote"
)

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
			return nil, backends.Invalid(what, "the body is no object of a user")
		}
		name = u.Identifier
	}
	if strings.TrimSpace(name) == "" {
		return nil, backends.Invalid(what, "the identifier is empty")
	}
	if id := backends.Text(c.Args["uuid"]); id != "" && !wire.IsUUID(id) {
		return nil, backends.Invalid(what, id+" is no UUID: the manager would make another one")
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
			return unclear(what, "the answer holds no user "+name)
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

func sameUser(what string, data json.RawMessage, want wire.User) error {
	var got wire.User
	if json.Unmarshal(data, &got) != nil || got.UUID != want.UUID {
		return unclear(what, "the answer is not of user "+want.Identifier)
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
