// Package keys holds every key of the terminal interface as data. Help,
// footer, the page docs/keys.md and rebinding (`keys:` in the configuration)
// all come from the one table here.
package keys

import (
	"fmt"
	"slices"
	"strings"
)

// Action is something a key does. Its name is what the configuration uses.
type Action string

// The actions.
const (
	Quit      Action = "quit"
	ForceQuit Action = "force-quit"
	Back      Action = "back"
	Help      Action = "help"
	Palette   Action = "palette"
	LastView  Action = "last-view"
	Refresh   Action = "refresh"
	Suspend   Action = "suspend"

	Up       Action = "up"
	Down     Action = "down"
	Left     Action = "left"
	Right    Action = "right"
	Top      Action = "top"
	Bottom   Action = "bottom"
	PageUp   Action = "page-up"
	PageDown Action = "page-down"
	HalfUp   Action = "half-up"
	HalfDown Action = "half-down"
	Open     Action = "open"
	NextPane Action = "next-pane"

	Filter    Action = "filter"
	NextMatch Action = "next-match"
	PrevMatch Action = "previous-match"
	Mark      Action = "mark"
	MarkRange Action = "mark-range"
	MarkAll   Action = "mark-all"
	SortNext  Action = "sort-next"
	SortPrev  Action = "sort-previous"
	SortTurn  Action = "sort-turn"
	Copy      Action = "copy"
	CopyCmd   Action = "copy-command"

	Critical Action = "only-critical"
	High     Action = "high-and-up"
	Medium   Action = "medium-and-up"
	AnySev   Action = "any-severity"
	Backend  Action = "cycle-backend"
	ThisHost Action = "only-this-host"
	Status   Action = "cycle-status"
	Group    Action = "group"
	Preview  Action = "preview"
	Place    Action = "preview-place"
	Shrink   Action = "preview-smaller"
	Grow     Action = "preview-larger"
	Live     Action = "live"

	Tree   Action = "tree"
	Events Action = "events"
	Host   Action = "host"
	Pivot  Action = "hash-pivot"
	Hunt   Action = "hunt"
	Sigma  Action = "hunt-sigma"
	Raw    Action = "raw"
	Act    Action = "act"

	ExpandAll   Action = "expand-all"
	CollapseAll Action = "collapse-all"
	Export      Action = "export"
	Parent      Action = "parent"

	Stop Action = "stop"
)

// Scope is where a binding counts.
type Scope string

// The scopes: a view names its own, from the nearest to the widest; Global
// counts everywhere.
const (
	Global Scope = "everywhere"
	List   Scope = "lists"
	Alerts Scope = "alerts"
	Alert  Scope = "alert"
	Trees  Scope = "process tree"
	Views  Scope = "views of records"
	Hunts  Scope = "hunts"
)

// Binding is one action and its keys.
type Binding struct {
	Action Action
	Scope  Scope
	Keys   []string // the first is the one shown
	Short  string   // for the footer, one or two words
	Help   string   // for help and docs
}

// Defaults are the bindings people know from k9s, lazygit and vim.
func Defaults() []Binding {
	return []Binding{
		{Up, Global, []string{"k", "up"}, "up", "one line up"},
		{Down, Global, []string{"j", "down"}, "down", "one line down"},
		{Left, Global, []string{"h", "left"}, "left", "collapse, or to the left"},
		{Right, Global, []string{"l", "right"}, "right", "expand, or to the right"},
		{Top, Global, []string{"g", "home"}, "top", "to the first line"},
		{Bottom, Global, []string{"G", "end"}, "bottom", "to the last line"},
		{PageUp, Global, []string{"pgup", "ctrl+b"}, "page up", "one page up"},
		{PageDown, Global, []string{"pgdown", "ctrl+f"}, "page down", "one page down"},
		{HalfUp, Global, []string{"ctrl+u"}, "half up", "half a page up"},
		{HalfDown, Global, []string{"ctrl+d"}, "half down", "half a page down"},
		{Open, Global, []string{"enter"}, "open", "drill down into what is selected"},
		{Back, Global, []string{"esc"}, "back", "clear marks or the filter, then go back"},
		{NextPane, Global, []string{"tab"}, "pane", "the next pane"},
		{Filter, Global, []string{"/"}, "filter", "filter: severity>=high host~FIN !user=SYSTEM ~fuzzy words"},
		{NextMatch, Global, []string{"n"}, "next", "the next match of a search"},
		{PrevMatch, Global, []string{"N"}, "previous", "the previous match of a search"},
		{Palette, Global, []string{":"}, "go to", "every view and command by name"},
		{LastView, Global, []string{"-"}, "last view", "the view before this one"},
		{Refresh, Global, []string{"r", "ctrl+r"}, "refresh", "read again"},
		{Copy, Global, []string{"c"}, "copy", "copy the reference"},
		{CopyCmd, Global, []string{"C"}, "copy command", "copy the edrctl command that shows the same"},
		{Act, Global, []string{"x"}, "act", "what can be done with the selection"},
		{Help, Global, []string{"?", "f1"}, "help", "all keys of this view"},
		{Quit, Global, []string{"q"}, "quit", "go back; at the first view: quit"},
		{ForceQuit, Global, []string{"ctrl+c"}, "quit", "quit from anywhere"},
		{Suspend, Global, []string{"ctrl+z"}, "suspend", "to the shell; fg comes back"},

		{Mark, List, []string{"space"}, "mark", "mark the line, for actions on several"},
		{MarkRange, List, []string{"V"}, "mark range", "mark from the last mark to here"},
		{MarkAll, List, []string{"ctrl+a"}, "mark all", "mark every line, or none"},
		{SortNext, List, []string{">"}, "sort", "sort by the next column"},
		{SortPrev, List, []string{"<"}, "sort", "sort by the previous column"},
		{SortTurn, List, []string{"R"}, "reverse", "reverse the order"},

		{Tree, Views, []string{"t"}, "tree", "the process tree"},
		{Events, Views, []string{"e"}, "events", "the events around"},
		{Host, Views, []string{"H"}, "host", "the host"},
		{Pivot, Views, []string{"o"}, "hash", "who else has this hash"},
		{Hunt, Views, []string{"I"}, "hunt", "hunt the indicators of the selection"},
		{Sigma, Views, []string{"S"}, "sigma", "hunt with Sigma rules, on the selected hosts or all"},
		{Raw, Views, []string{"y"}, "raw", "the vendor's own JSON"},

		{Critical, Alerts, []string{"1"}, "critical", "only critical alerts"},
		{High, Alerts, []string{"2"}, "high+", "high and critical"},
		{Medium, Alerts, []string{"3"}, "medium+", "medium and above"},
		{AnySev, Alerts, []string{"0"}, "all", "any severity"},
		{Backend, Alerts, []string{"b"}, "backend", "one backend after the other, then all"},
		{ThisHost, Alerts, []string{"f"}, "this host", "only this host, and back"},
		{Status, Alerts, []string{"s"}, "status", "open, closed, dismissed, all"},
		{Group, Alerts, []string{"z"}, "group", "group by host, rule, technique, not at all"},
		{Preview, Alerts, []string{"p"}, "preview", "show or hide the preview"},
		{Place, Alerts, []string{"P"}, "place", "preview at the right or below"},
		{Shrink, Alerts, []string{"{"}, "smaller", "a smaller preview"},
		{Grow, Alerts, []string{"}"}, "larger", "a larger preview"},
		{Live, Alerts, []string{"w"}, "live", "hold new alerts back, and let them in"},

		{ExpandAll, Trees, []string{"e", "+", "="}, "expand", "expand everything below, and read what was not read yet"},
		{CollapseAll, Trees, []string{"_"}, "collapse", "collapse everything below"},
		{Mark, Trees, []string{"space"}, "toggle", "expand or collapse; of what was not read yet, reads a page"},
		{Parent, Trees, []string{"u"}, "parent", "to the parent process"},
		{Export, Trees, []string{"E"}, "export", "write the tree to a file: text, JSON, DOT"},

		{Stop, Hunts, []string{"X"}, "stop", "stop the hunt; what was found stays"},
	}
}

// reserved cannot be taken away: with them one always gets out.
var reserved = map[string]Action{"ctrl+c": ForceQuit, "esc": Back}

// Map is the bindings of a session.
type Map struct {
	bindings []Binding
	lookup   map[Scope]map[string]Action
}

// BindError is an action or key of the configuration that cannot be used.
type BindError struct {
	Name string // the action as written
	Why  string
}

func (e *BindError) Error() string { return fmt.Sprintf("keys: %s: %s", e.Name, e.Why) }

// New makes the map with some actions rebound.
func New(rebind map[string][]string) (*Map, error) {
	m := &Map{bindings: Defaults()}
	for name, list := range rebind {
		found := false
		for i := range m.bindings {
			b := &m.bindings[i]
			if string(b.Action) != name {
				continue
			}
			found = true
			b.Keys = nil
			for _, k := range list {
				k = normal(k)
				if why := badKey(k); why != "" {
					return nil, &BindError{name, why}
				}
				if owner, ok := reserved[k]; ok && owner != b.Action {
					return nil, &BindError{name, fmt.Sprintf("%s always means %s", k, owner)}
				}
				b.Keys = append(b.Keys, k)
			}
			for k, owner := range reserved {
				if owner == b.Action && !slices.Contains(b.Keys, k) {
					b.Keys = append(b.Keys, k)
				}
			}
		}
		if !found {
			return nil, &BindError{name, "no such action; see the page of keys"}
		}
	}
	m.lookup = map[Scope]map[string]Action{}
	for _, b := range m.bindings {
		s := m.lookup[b.Scope]
		if s == nil {
			s = map[string]Action{}
			m.lookup[b.Scope] = s
		}
		for _, k := range b.Keys {
			if other, dup := s[k]; dup && other != b.Action {
				name := string(b.Action)
				if _, chosen := rebind[name]; !chosen {
					name = string(other)
				}
				return nil, &BindError{name, fmt.Sprintf("%s is the key of %s already", k, pick(name, b.Action, other))}
			}
			s[k] = b.Action
		}
	}
	return m, nil
}

func pick(name string, a, b Action) Action {
	if string(a) == name {
		return b
	}
	return a
}

// normal accepts other spellings of keys.
func normal(k string) string {
	switch strings.ToLower(k) {
	case " ", "spacebar":
		return "space"
	case "return":
		return "enter"
	case "escape":
		return "esc"
	case "pageup":
		return "pgup"
	case "pagedown", "pgdn":
		return "pgdown"
	}
	for _, p := range []string{"ctrl-", "alt-", "shift-"} {
		if strings.HasPrefix(strings.ToLower(k), p) {
			return p[:len(p)-1] + "+" + k[len(p):]
		}
	}
	return k
}

var named = []string{
	"enter", "space", "tab", "esc", "up", "down", "left", "right", "home", "end", "pgup", "pgdown",
	"backspace", "delete", "insert",
}

func badKey(k string) string {
	base := k
	for _, p := range []string{"ctrl+", "alt+", "shift+"} {
		base = strings.TrimPrefix(base, p)
	}
	if len([]rune(base)) == 1 || slices.Contains(named, base) {
		return ""
	}
	if len(base) >= 2 && base[0] == 'f' && strings.Trim(base[1:], "0123456789") == "" {
		return ""
	}
	return fmt.Sprintf("invalid key %q: want a letter, ctrl+x, f5, or one of %s", k, strings.Join(named, " "))
}

// Find gives the action of a key in the first of the scopes that binds it.
func (m *Map) Find(key string, scopes ...Scope) (Action, bool) {
	for _, s := range scopes {
		if a, ok := m.lookup[s][key]; ok {
			return a, true
		}
	}
	a, ok := m.lookup[Global][key]
	return a, ok
}

// Bindings are all bindings that count in the scopes and everywhere, the
// nearest first.
func (m *Map) Bindings(scopes ...Scope) []Binding {
	var out []Binding
	for _, s := range append(slices.Clone(scopes), Global) {
		for _, b := range m.bindings {
			if b.Scope == s {
				out = append(out, b)
			}
		}
	}
	return out
}

// All are all bindings.
func (m *Map) All() []Binding { return m.bindings }

// Of gives the binding of an action.
func (m *Map) Of(a Action) (Binding, bool) {
	for _, b := range m.bindings {
		if b.Action == a {
			return b, true
		}
	}
	return Binding{}, false
}

// Actions lists the names of all actions.
func Actions() []string {
	var out []string
	for _, b := range Defaults() {
		if !slices.Contains(out, string(b.Action)) {
			out = append(out, string(b.Action))
		}
	}
	slices.Sort(out)
	return out
}

// Label is how a key is shown.
func Label(k string) string {
	switch k {
	case "enter":
		return "↵"
	case "up":
		return "↑"
	case "down":
		return "↓"
	case "left":
		return "←"
	case "right":
		return "→"
	}
	if c, ok := strings.CutPrefix(k, "ctrl+"); ok && len(c) == 1 {
		return "^" + strings.ToUpper(c)
	}
	return k
}

// Markdown is the page docs/keys.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString(`# Keys

<!-- Generated from internal/tui/keys; do not edit. -->

A key can be changed in the configuration by the name of its action:

` + "```yaml\nkeys:\n  quit: Q\n  down: [j, down, ctrl+n]\n```" + `

` + "`esc` and `ctrl+c`" + ` keep their meaning whatever is configured.
`)
	for _, scope := range []Scope{Global, List, Views, Alerts, Trees, Hunts} {
		fmt.Fprintf(&b, "\n## %s\n\n| key | action | what it does |\n| --- | --- | --- |\n", strings.ToUpper(string(scope[:1]))+string(scope[1:]))
		for _, x := range Defaults() {
			if x.Scope != scope {
				continue
			}
			ks := make([]string, len(x.Keys))
			for i, k := range x.Keys {
				ks[i] = "`" + k + "`"
			}
			fmt.Fprintf(&b, "| %s | `%s` | %s |\n", strings.Join(ks, " "), x.Action, strings.ReplaceAll(x.Help, "|", "\\|"))
		}
	}
	return b.String()
}
