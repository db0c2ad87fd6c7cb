package ops

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
)

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
func (f *Fleet) HostItems(ctx context.Context, names []string, base backends.Change) ([]Item, error) {
	r := &hostFinder{fleet: f, removed: removedFor(base.Verb), many: len(names) > FreeHosts}
	can := func(s *Source) bool { return s.canChange(base.Verb) }
	var items []Item
	seen := map[string]bool{}
	for _, name := range names {
		s, h, err := r.one(ctx, name, can)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if backends.KindOf(err) == backends.KindInvalid {
			return nil, err
		}
		it := Item{Label: name, Source: s, Change: base, Err: err}
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
	Source *Source
	Host   *model.Host // freshly read
	PID    int64
	Path   string
}

// ReadFromAlert reads the alert, and the host it names, for --from-alert.
func (f *Fleet) ReadFromAlert(ctx context.Context, ref string) (*FromAlert, error) {
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
		return nil, InProfile(s, backends.Invalid("cannot act on alert "+a.ID, "it names no host"))
	}
	r := &hostFinder{fleet: &Fleet{Sources: []*Source{s}}}
	_, out.Host, err = r.one(ctx, s.Profile+"/"+name, nil)
	if backends.KindOf(err) == backends.KindNotFound && a.Host.Name != "" && a.Host.Name != name {
		_, out.Host, err = r.one(ctx, s.Profile+"/"+a.Host.Name, nil)
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
func (f *Fleet) AlertItems(refs []string, base backends.Change) []Item {
	return f.idItems(refs, func(id string) backends.Change {
		c := base
		c.AlertID = id
		return c
	})
}

// CarveItems gives a change of each collected file, like base.
func (f *Fleet) CarveItems(refs []string, base backends.Change) []Item {
	return f.idItems(refs, func(id string) backends.Change {
		c := base
		c.CarveID = id
		return c
	})
}

func (f *Fleet) idItems(refs []string, change func(id string) backends.Change) []Item {
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
			items = append(items, Item{Label: s.Profile + "/" + id, Source: s, Change: change(id)})
		}
	}
	return items
}

// ProfileItems gives the change once for every profile: what is made on a
// backend, and is on no host.
func (f *Fleet) ProfileItems(change backends.Change) []Item {
	items := make([]Item, len(f.Sources))
	for i, s := range f.Sources {
		items[i] = Item{Label: s.Profile, Source: s, Change: change}
	}
	return items
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
