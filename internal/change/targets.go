package change

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
)

// FreeHosts is how many hosts one order may be on without saying so.
const FreeHosts = 10

// maxNames bounds a list of targets.
const maxNames = 100_000

// ReadNames reads a list of targets: one a line, # begins a comment. Only the
// first word of a line counts, so that a table can be given as it is.
func ReadNames(r io.Reader) ([]string, error) {
	var out []string
	s := bufio.NewScanner(r)
	s.Buffer(nil, 64<<10)
	for s.Scan() {
		line := strings.TrimSpace(strings.TrimPrefix(s.Text(), "\ufeff")) // several files may have been joined
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if strings.IndexByte(line, 0) >= 0 {
			return nil, backends.Invalid("cannot read the list", "it is not a text file")
		}
		if i := strings.IndexByte(line, '\t'); i > 0 {
			line = strings.TrimSpace(line[:i])
		}
		if len(out) == maxNames {
			return nil, backends.Invalid("cannot read the list", fmt.Sprintf("it has more than %d lines", maxNames))
		}
		out = append(out, line)
	}
	return out, s.Err()
}

// HostItems reads every named host from its backend and gives a change of it
// each, like base. A host named twice is changed once. Where several profiles
// know a name, the change goes to the one that can do it. A name that still
// fits two hosts is an error for the whole order, as nothing may happen on the
// wrong one; one that cannot be read stays in its item.
func HostItems(ctx context.Context, f *ops.Fleet, names []string, base backends.Change) ([]Item, error) {
	r := &ops.HostFinder{Fleet: f, Removed: removedFor(base.Verb), Many: len(names) > FreeHosts}
	can := func(s *ops.Source) bool { return canChange(s, base.Verb) }
	var items []Item
	seen := map[string]bool{}
	for _, name := range names {
		s, h, err := r.One(ctx, name, can)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if backends.KindOf(err) == backends.KindInvalid {
			return nil, err
		}
		it := Item{Label: name, Change: base, Err: err}
		if s != nil {
			it = NewItem(s, name, base)
			it.Err = err
		}
		if err == nil {
			if key := s.Profile + "/" + hostKey(h); seen[key] {
				continue
			} else {
				seen[key] = true
			}
			it.Change.Host = h
		}
		items = append(items, it)
	}
	return items, nil
}

// FromAlert is what an alert says of where an action would be.
type FromAlert struct {
	Alert  *model.Alert
	Source *ops.Source
	Host   *model.Host // freshly read
	PID    int64
	Path   string
}

// ReadFromAlert reads the alert, and the host it names, for --from-alert.
func ReadFromAlert(ctx context.Context, f *ops.Fleet, ref string) (*FromAlert, error) {
	a, err := f.Alert(ctx, ref, false, false)
	if err != nil {
		return nil, err
	}
	s, _, err := f.Resolve(ref)
	if err != nil {
		return nil, err
	}
	out := &FromAlert{Alert: a, Source: s}
	if a.Process != nil {
		out.PID, out.Path = a.Process.PID, a.Process.Path
	}
	name := hostKey(a.Host)
	if name == "" {
		return nil, ops.InProfile(s, backends.Invalid("cannot act on alert "+a.ID, "it names no host"))
	}
	r := &ops.HostFinder{Fleet: &ops.Fleet{Sources: []*ops.Source{s}}}
	_, out.Host, err = r.One(ctx, s.Profile+"/"+name, nil)
	if backends.KindOf(err) == backends.KindNotFound && a.Host.Name != "" && a.Host.Name != name {
		_, out.Host, err = r.One(ctx, s.Profile+"/"+a.Host.Name, nil)
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// SystemPath tells whether a path is of the operating system: an alert often
// names the system's own program that was abused, which nobody wants deleted.
func SystemPath(path string) bool {
	p := strings.ToLower(strings.ReplaceAll(path, `\`, "/"))
	p = strings.TrimPrefix(p, "//?/")
	if len(p) > 2 && p[1] == ':' {
		p = p[2:]
	}
	for _, dir := range []string{
		"/windows/", "/program files/windows ", "/program files/common files/microsoft", "/device/harddiskvolume", "/systemroot/", "%systemroot%",
		"/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/", "/usr/lib", "/lib", "/system/", "/applications/utilities/",
	} {
		if strings.HasPrefix(p, dir) {
			return true
		}
	}
	return false
}

// AlertItems gives a change of each alert, like base. An alert named twice is
// changed once.
func AlertItems(f *ops.Fleet, refs []string, base backends.Change) []Item {
	return idItems(f, refs, func(id string) backends.Change {
		c := base
		c.AlertID = id
		return c
	})
}

// CarveItems gives a change of each collected file, like base.
func CarveItems(f *ops.Fleet, refs []string, base backends.Change) []Item {
	return idItems(f, refs, func(id string) backends.Change {
		c := base
		c.CarveID = id
		return c
	})
}

func idItems(f *ops.Fleet, refs []string, change func(id string) backends.Change) []Item {
	var items []Item
	seen := map[string]bool{}
	for _, ref := range refs {
		s, id, err := f.Resolve(ref)
		if err != nil {
			items = append(items, Item{Label: ref, Err: err})
			continue
		}
		if key := s.Profile + "/" + id; !seen[key] {
			seen[key] = true
			items = append(items, NewItem(s, s.Profile+"/"+id, change(id)))
		}
	}
	return items
}

// ProfileItems gives the change once for every profile: what is made on a
// backend, and is on no host.
func ProfileItems(f *ops.Fleet, change backends.Change) []Item {
	items := make([]Item, len(f.Sources))
	for i, s := range f.Sources {
		items[i] = NewItem(s, s.Profile, change)
	}
	return items
}

// CallItem is a changing call as an item of Actor: previewed with the guards
// of its driver, approved, journaled and sent once.
func CallItem(s *ops.Source, c backends.Call) Item {
	return NewItem(s, s.Profile, backends.Change{Verb: backends.VerbCall, Call: &c})
}

// Split opens an item in one a value, for verbs that take one path at a time.
func Split(items []Item, set func(*backends.Change, string), values []string) []Item {
	var out []Item
	for _, it := range items {
		if it.Err != nil {
			out = append(out, it)
			continue
		}
		for _, v := range values {
			one := it
			set(&one.Change, v)
			out = append(out, one)
		}
	}
	return out
}

// removedFor says which hosts a change of hosts is for.
func removedFor(verb string) ops.RemovedHosts {
	switch verb {
	case backends.VerbHostEnable:
		return ops.RemovedFirst
	case backends.VerbHostRemove, backends.VerbHostDelete:
		return ops.RemovedToo
	}
	return ops.RemovedNever
}

// canChange tells whether the backend of a profile has a verb. One that cannot
// be opened may have it.
func canChange(s *ops.Source, verb string) bool {
	d, err := s.Driver()
	if err != nil {
		return true
	}
	c, ok := d.(backends.Changer)
	if !ok {
		return false
	}
	_, ok = backends.VerbOf(c, verb)
	return ok
}
