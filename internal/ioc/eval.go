package ioc

import (
	"fmt"
	"net/netip"
	stdpath "path"
	"strconv"
	"strings"
	"sync"

	"github.com/edrctl/edrctl/internal/model"
)

// extract gives the values of one property in an event.
type extract func(e *model.Event) []string

// files are the files an event shows: images, targets, files and modules.
func files(e *model.Event) []*model.File {
	var out []*model.File
	for _, p := range [...]*model.Process{e.Process, e.Target} {
		if p != nil {
			out = append(out, &model.File{Path: p.Path, Name: p.Name, Hash: p.Hash})
		}
	}
	if e.File != nil {
		out = append(out, e.File)
	}
	if e.Module != nil {
		out = append(out, &model.File{Path: e.Module.Path, Hash: e.Module.Hash})
	}
	return out
}

// properties are the STIX paths that events can answer.
var properties = sync.OnceValue(func() map[string]extract {
	return map[string]extract{
		"ipv4-addr:value": addresses, "ipv6-addr:value": addresses,
		"domain-name:value": names,
		"event:time": func(e *model.Event) []string {
			if e.Time.IsZero() {
				return nil
			}
			return []string{e.Time.UTC().Format(eventTime)}
		},
		"url:value": func(e *model.Event) []string { return urlsOf(e) },
		"network-traffic:dst_ref.value": func(e *model.Event) []string {
			if e.Network == nil || e.Network.Destination == nil {
				return nil
			}
			return filled(e.Network.Destination.IP, e.Network.Destination.Domain)
		},
		"network-traffic:src_ref.value": func(e *model.Event) []string {
			if e.Network == nil || e.Network.Source == nil {
				return nil
			}
			return filled(e.Network.Source.IP, e.Network.Source.Domain)
		},
		"network-traffic:dst_port": func(e *model.Event) []string {
			if e.Network == nil || e.Network.Destination == nil || e.Network.Destination.Port == 0 {
				return nil
			}
			return []string{strconv.Itoa(e.Network.Destination.Port)}
		},
		"network-traffic:src_port": func(e *model.Event) []string {
			if e.Network == nil || e.Network.Source == nil || e.Network.Source.Port == 0 {
				return nil
			}
			return []string{strconv.Itoa(e.Network.Source.Port)}
		},
		"network-traffic:protocols[*]": func(e *model.Event) []string {
			if e.Network == nil {
				return nil
			}
			return filled(e.Network.Transport)
		},
		"process:name": func(e *model.Event) []string { return processes(e, func(p *model.Process) string { return nameOf(p) }) },
		"process:command_line": func(e *model.Event) []string {
			return processes(e, func(p *model.Process) string { return p.CommandLine })
		},
		"process:cwd": func(e *model.Event) []string {
			return processes(e, func(p *model.Process) string { return p.WorkingDirectory })
		},
		"process:pid": func(e *model.Event) []string {
			return processes(e, func(p *model.Process) string {
				if p.PID == 0 {
					return ""
				}
				return fmt.Sprint(p.PID)
			})
		},
		"process:parent_ref.name": func(e *model.Event) []string {
			return processes(e, func(p *model.Process) string {
				if p.Parent == nil {
					return ""
				}
				if p.Parent.Name != "" {
					return p.Parent.Name
				}
				return model.BaseName(p.Parent.Path)
			})
		},
		"process:parent_ref.command_line": func(e *model.Event) []string {
			return processes(e, func(p *model.Process) string {
				if p.Parent == nil {
					return ""
				}
				return p.Parent.CommandLine
			})
		},
		"windows-registry-key:key": func(e *model.Event) []string {
			if e.Registry == nil {
				return nil
			}
			return filled(e.Registry.Path)
		},
		"windows-registry-key:values[*].data": func(e *model.Event) []string {
			if e.Registry == nil {
				return nil
			}
			return filled(e.Registry.Data)
		},
		"windows-registry-key:values[*].name": func(e *model.Event) []string {
			if e.Registry == nil {
				return nil
			}
			return filled(e.Registry.Value)
		},
	}
})

// fileProperty tells the properties of files: they must hold on one file.
func fileProperty(key string) func(f *model.File) string {
	object, property, _ := strings.Cut(key, ":")
	switch object {
	case "file":
	case "process":
		var ok bool
		if property, ok = strings.CutPrefix(property, "binary_ref."); !ok {
			if property, ok = strings.CutPrefix(property, "image_ref."); !ok {
				return nil
			}
		}
	default:
		return nil
	}
	hash := func(get func(h *model.Hash) string) func(f *model.File) string {
		return func(f *model.File) string {
			if f.Hash == nil {
				return ""
			}
			return get(f.Hash)
		}
	}
	switch property {
	case "name":
		return func(f *model.File) string {
			if f.Path != "" {
				return model.BaseName(f.Path)
			}
			return f.Name
		}
	case "parent_directory_ref.path":
		return func(f *model.File) string { return folder(f.Path) }
	case "path":
		return func(f *model.File) string { return f.Path }
	case "size":
		return func(f *model.File) string {
			if f.Size == 0 {
				return ""
			}
			return fmt.Sprint(f.Size)
		}
	case "hashes.md5":
		return hash(func(h *model.Hash) string { return h.MD5 })
	case "hashes.sha1":
		return hash(func(h *model.Hash) string { return h.SHA1 })
	case "hashes.sha256":
		return hash(func(h *model.Hash) string { return h.SHA256 })
	case "hashes.sha512":
		return hash(func(h *model.Hash) string { return h.SHA512 })
	case "hashes.imphash":
		return hash(func(h *model.Hash) string { return h.Imphash })
	}
	return nil
}

func folder(p string) string {
	if i := strings.LastIndexAny(p, `\/`); i > 0 {
		return p[:i]
	}
	return ""
}

func filled(ss ...string) []string {
	out := ss[:0]
	for _, s := range ss {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

func processes(e *model.Event, get func(p *model.Process) string) []string {
	var out []string
	for _, p := range [...]*model.Process{e.Process, e.Target} {
		if p != nil {
			if v := get(p); v != "" {
				out = append(out, v)
			}
		}
	}
	return out
}

func nameOf(p *model.Process) string {
	if p.Name != "" {
		return p.Name
	}
	return model.BaseName(p.Path)
}

func addresses(e *model.Event) []string {
	var out []string
	if e.DNS != nil {
		for _, a := range e.DNS.Answers {
			out = append(out, filled(a.Data)...)
		}
	}
	if e.Network == nil {
		return out
	}
	for _, x := range [...]*model.Endpoint{e.Network.Source, e.Network.Destination} {
		if x != nil && x.IP != "" {
			out = append(out, x.IP)
		}
	}
	return out
}

func names(e *model.Event) []string {
	var out []string
	if e.DNS != nil {
		out = append(out, filled(e.DNS.Question.Name)...)
		for _, a := range e.DNS.Answers {
			out = append(out, filled(a.Data)...)
		}
	}
	if e.Network != nil && e.Network.Destination != nil {
		out = append(out, filled(e.Network.Destination.Domain)...)
	}
	for _, u := range urlsOf(e) {
		out = append(out, hostOf(u))
	}
	return out
}

func urlsOf(e *model.Event) []string {
	out := filled(e.URL)
	for _, p := range [...]*model.Process{e.Process, e.Target} {
		if p == nil || !strings.Contains(p.CommandLine, "://") {
			continue
		}
		for _, f := range scan(p.CommandLine, scanNotes, nil) {
			if f.typ == URL {
				out = append(out, f.text)
			}
		}
	}
	return out
}

// unsupported names the first property that no event has; "" when the
// expression can be decided. A part of an OR may be undecidable: the others
// still are.
func (e *expr) unsupported() string {
	if e.refused != "" {
		return e.refused
	}
	if e.cmp != nil {
		if properties()[e.cmp.key] == nil && fileProperty(e.cmp.key) == nil {
			return "the pattern asks for " + e.cmp.path + ", which no event has"
		}
		if e.cmp.op == "ISSUPERSET" {
			return "the pattern uses ISSUPERSET, which is not supported"
		}
		return ""
	}
	for _, k := range e.kids {
		if why := k.unsupported(); why != "" {
			return why
		}
	}
	return ""
}

// holds evaluates an expression on one event. File properties that are joined
// by AND must hold on one and the same file.
func (e *expr) holds(ev *model.Event) bool {
	if e.cmp == nil && e.op == '|' {
		for _, k := range e.kids {
			if k.holds(ev) {
				return true
			}
		}
		return false
	}
	if e.usesFile() {
		for _, f := range files(ev) {
			if e.holdsOn(ev, f) {
				return true
			}
		}
		return false
	}
	return e.holdsOn(ev, nil)
}

func (e *expr) usesFile() bool {
	if e.cmp != nil {
		return fileProperty(e.cmp.key) != nil
	}
	for _, k := range e.kids {
		if k.usesFile() {
			return true
		}
	}
	return false
}

func (e *expr) holdsOn(ev *model.Event, f *model.File) bool {
	if c := e.cmp; c != nil {
		var have []string
		if get := fileProperty(c.key); get != nil {
			if f != nil {
				have = filled(get(f))
			}
		} else if get := properties()[c.key]; get != nil {
			have = get(ev)
		}
		return c.holds(have)
	}
	for _, k := range e.kids {
		if k.holdsOn(ev, f) != (e.op == '&') {
			return e.op == '|'
		}
	}
	return e.op == '&'
}

// holds compares. A property the event does not have makes every comparison
// false, NOT included: nothing is known of it.
func (c *comparison) holds(have []string) bool {
	if c.op == "EXISTS" {
		return (len(have) > 0) != c.not
	}
	for _, h := range have {
		if c.one(h) != (c.not || c.op == "!=") {
			return true
		}
	}
	return false
}

func (c *comparison) one(have string) bool {
	switch c.op {
	case "=", "!=", "IN":
		for _, v := range c.values {
			if sameValue(c.key, have, v) {
				return true
			}
		}
		return false
	case "LIKE":
		return like(strings.ToLower(have), strings.ToLower(c.values[0]))
	case "MATCHES":
		return c.re.MatchString(have)
	case "ISSUBSET":
		p, err := netip.ParsePrefix(c.values[0])
		a, err2 := netip.ParseAddr(have)
		return err == nil && err2 == nil && p.Contains(a.Unmap())
	case "<", ">", "<=", ">=":
		return ordered(have, c.op, c.values[0])
	}
	return false
}

// sameValue compares as the thing is compared: hosts know no case, paths of
// Windows neither.
func sameValue(key, have, want string) bool {
	if strings.EqualFold(have, want) {
		return true
	}
	switch key {
	case "domain-name:value":
		a, ok := domain(have)
		b, ok2 := domain(want)
		return ok && ok2 && (a == b || strings.HasSuffix(a, "."+b))
	case "windows-registry-key:key":
		a, _ := registry(have)
		b, _ := registry(want)
		return a != "" && strings.EqualFold(a, b)
	case "file:name":
		return strings.EqualFold(have, stdpath.Base(strings.ReplaceAll(want, `\`, "/")))
	}
	return false
}

func ordered(have, op, want string) bool {
	a, err := strconv.ParseFloat(have, 64)
	b, err2 := strconv.ParseFloat(want, 64)
	cmp := strings.Compare(have, want)
	if err == nil && err2 == nil {
		switch {
		case a < b:
			cmp = -1
		case a > b:
			cmp = 1
		default:
			cmp = 0
		}
	}
	switch op {
	case "<":
		return cmp < 0
	case ">":
		return cmp > 0
	case "<=":
		return cmp <= 0
	}
	return cmp >= 0
}

// like matches SQL's LIKE: % is any text, _ any character.
func like(s, pattern string) bool {
	star, mark := -1, 0
	i, k := 0, 0
	for i < len(s) {
		switch {
		case k < len(pattern) && pattern[k] == '%':
			star, mark = k, i
			k++
		case k < len(pattern) && (pattern[k] == '_' || pattern[k] == s[i]):
			i++
			k++
		case star >= 0:
			mark++
			i, k = mark, star+1
		default:
			return false
		}
	}
	for k < len(pattern) && pattern[k] == '%' {
		k++
	}
	return k == len(pattern)
}

// anchors are values one of which an event must show for the expression to
// hold; nil when there are none, so that every event must be looked at.
func (e *expr) anchors() []value {
	if e.cmp != nil {
		if e.cmp.not {
			return nil
		}
		vs := e.cmp.plain()
		for _, v := range vs {
			if v.typ == URL || v.typ == Email || v.typ == Registry || v.typ == PathPattern || !v.typ.Huntable() {
				return nil
			}
		}
		return vs
	}
	var best []value
	for i, k := range e.kids {
		vs := k.anchors()
		if e.op == '|' {
			if vs == nil {
				return nil
			}
			best = append(best, vs...)
			continue
		}
		if i == 0 || best == nil || vs != nil && len(vs) < len(best) {
			if vs != nil {
				best = vs
			}
		}
	}
	return best
}
