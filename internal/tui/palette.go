package tui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/tui/keys"
	"github.com/edrctl/edrctl/internal/tui/theme"
)

// command is one thing the palette can do.
type command struct {
	name string
	args string // what may follow
	help string
	run  func(s *shell, args string) (tea.Cmd, error)
}

// commands are all, in the order of suggestion.
func commands() []command {
	push := func(make func(s *shell, args string) view) func(*shell, string) (tea.Cmd, error) {
		return func(s *shell, args string) (tea.Cmd, error) {
			v, top := make(s, args), s.app.top()
			if args == "" && top.name() == v.name() && top.title() == v.title() {
				return s.refresh(top), nil // one is there already; two would take two times esc
			}
			return s.push(v), nil
		}
	}
	list := []command{
		{"alerts", "[filter]", "the live list", func(s *shell, args string) (tea.Cmd, error) {
			s.app.home()
			if v, ok := s.app.top().(*alertsView); ok && args != "" {
				if _, err := s.parseFilter(args); err != nil {
					return nil, err
				}
				return v.setFilter(s, args), nil
			}
			return nil, nil
		}},
		{"pulse", "", "everything at a glance", push(func(*shell, string) view { return newPulse() })},
		{"hosts", "[filter]", "the endpoints of all profiles", push(func(s *shell, args string) view {
			v := newHosts(s)
			v.setFilter(s, args)
			return v
		})},
		{"host", "NAME", "one host", func(s *shell, args string) (tea.Cmd, error) {
			if args == "" {
				return nil, fmt.Errorf("host needs a name")
			}
			return s.push(newHost(&model.Host{Name: args}, "")), nil
		}},
		{"events", "[filter]", "what happened, in the last hour (of evidence: ever)", push(func(s *shell, args string) view {
			return newEvents(s, "", args, s.app.recent(), time.Time{})
		})},
		{"processes", "[host]", "processes of the window", push(func(s *shell, args string) view { return newProcesses(s, args) })},
		{"alert", "REF", "one alert", func(s *shell, args string) (tea.Cmd, error) {
			a, err := s.known(args)
			if err != nil {
				return nil, err
			}
			return s.push(newAlert(a)), nil
		}},
		{"tree", "REF", "the process tree of an alert", func(s *shell, args string) (tea.Cmd, error) {
			if args == "" {
				sel := s.app.top().selection()
				if len(sel) == 0 || treeFor(sel[0]) == nil {
					return nil, fmt.Errorf("tree needs the reference of an alert")
				}
				return s.push(treeFor(sel[0])), nil
			}
			return s.push(treeFor(&model.Alert{Origin: model.Origin{Ref: args}, Process: &model.Process{}})), nil
		}},
		{"hunts", "", "the hunts of this session", push(func(*shell, string) view { return newHunts() })},
		{"hunt", "INDICATORS|@FILE", "look for indicators everywhere", func(s *shell, args string) (tea.Cmd, error) {
			s.huntPrompt(args)
			return nil, nil
		}},
		{"sigma", "[PATH]", "match Sigma rules against the events", func(s *shell, args string) (tea.Cmd, error) {
			s.openSigma(s.app.top(), args)
			return nil, nil
		}},
		{"hash", "HASH", "verdict, names and hosts of a hash", func(s *shell, args string) (tea.Cmd, error) {
			if args == "" {
				return nil, fmt.Errorf("hash needs a hash")
			}
			return s.push(newHash(args)), nil
		}},
		{"actions", "", "what was done, and how it went", push(func(s *shell, _ string) view { return newActions(s) })},
		{"in-force", "", "what is still isolated or blocked", push(func(s *shell, _ string) view { return newInForce(s) })},
		{"carves", "", "files collected from hosts", push(func(s *shell, _ string) view { return newCarves(s) })},
		{"profiles", "", "how every profile does, and why", push(func(*shell, string) view { return newProfiles() })},
		{"help", "", "all keys", func(s *shell, _ string) (tea.Cmd, error) { return s.push(newHelp(s.app.top())), nil }},
		{"filter", "EXPRESSION", "filter this list", func(s *shell, args string) (tea.Cmd, error) {
			v, ok := s.app.top().(filterable)
			if !ok {
				return nil, fmt.Errorf("this view has no filter")
			}
			if _, err := s.parseFilter(args); err != nil {
				return nil, err
			}
			s.saved.remember(args)
			return v.setFilter(s, args), nil
		}},
		{"sort", "COLUMN", "sort the alerts", func(s *shell, args string) (tea.Cmd, error) {
			v, ok := s.app.top().(*alertsView)
			if !ok {
				return nil, fmt.Errorf("sort is for the list of alerts; > and < sort here")
			}
			before, down := v.sort, v.down
			v.sort = strings.TrimPrefix(args, "-")
			c := v.column()
			if c == nil {
				v.sort, v.down = before, down
				var names []string
				for _, c := range v.table.Columns {
					names = append(names, c.ID)
				}
				return nil, fmt.Errorf("no column %q: one of %s", args, strings.Join(names, " "))
			}
			v.down = c.Down != strings.HasPrefix(args, "-")
			return v.rebuild(s), nil
		}},
		{"group", "host|rule|technique|none", "group the alerts", func(s *shell, args string) (tea.Cmd, error) {
			v, ok := s.app.top().(*alertsView)
			if !ok {
				return nil, fmt.Errorf("only alerts can be grouped")
			}
			if args == "none" {
				args = ""
			}
			if !slices.Contains(groupings, args) {
				return nil, fmt.Errorf("group by host, rule, technique or none")
			}
			v.group, v.inside = args, ""
			return v.rebuild(s), nil
		}},
		{"theme", "dark|light", "how it looks", func(s *shell, args string) (tea.Cmd, error) {
			if args != "dark" && args != "light" {
				return nil, fmt.Errorf("theme dark or theme light")
			}
			light := args == "light"
			s.app.opt.Light, s.saved.Light = &light, light
			s.app.look(func(o *theme.Options) { o.Light = light })
			return nil, nil
		}},
		{"export", "FILE", "write the process tree to a file", func(s *shell, args string) (tea.Cmd, error) {
			v, ok := s.app.top().(*treeView)
			if !ok || v.res == nil {
				return nil, fmt.Errorf("export is for process trees")
			}
			v.exportPrompt(s)
			if args != "" {
				s.app.prompt.edit.set(args)
			}
			return nil, nil
		}},
		{"refresh", "", "read everything again", func(s *shell, _ string) (tea.Cmd, error) { return s.refresh(s.app.top()), nil }},
		{"quit", "", "leave", func(s *shell, _ string) (tea.Cmd, error) { return s.app.quit(), nil }},
	}
	return list
}

// known finds an alert that is on the screen, or names one to be read.
func (s *shell) known(ref string) (*model.Alert, error) {
	if ref == "" {
		return nil, fmt.Errorf("which alert? write its reference")
	}
	if r := s.store.byRef[ref]; r != nil {
		return r.a, nil
	}
	profile, id, ok := strings.Cut(ref, "/")
	if !ok {
		return nil, fmt.Errorf("invalid reference %q: want PROFILE/ID", ref)
	}
	return &model.Alert{Origin: model.Origin{Ref: ref, ID: id, Profile: profile}, Title: ref}, nil
}

// goTo runs a line of the palette.
func (s *shell) goTo(line string) (tea.Cmd, error) {
	name, args, _ := strings.Cut(strings.TrimSpace(line), " ")
	args = strings.TrimSpace(args)
	all := commands()
	i := slices.IndexFunc(all, func(c command) bool { return c.name == strings.ToLower(name) })
	if i < 0 {
		var fits []int
		for k, c := range all {
			if strings.HasPrefix(c.name, strings.ToLower(name)) {
				fits = append(fits, k)
			}
		}
		if len(fits) == 0 {
			return nil, fmt.Errorf("unknown view or command %q; try help", name)
		}
		i = fits[0]
	}
	return all[i].run(s, args)
}

// ViewNames are the names --view takes.
func ViewNames() []string {
	return []string{"alerts", "pulse", "hosts", "events", "processes", "hunts", "actions", "carves", "profiles", "alert", "tree", "host", "hash", "help"}
}

// openPalette opens the line that reaches everything.
func (s *shell) openPalette() {
	p := newPrompt(":", "")
	p.hint = "a view or a command"
	p.history = s.saved.Palette
	p.suggest = func(v string) []string { return s.suggestions(v) }
	p.done = func(s *shell, line string, ok bool) (tea.Cmd, bool) {
		line = strings.TrimSpace(line)
		if !ok || line == "" {
			return nil, false
		}
		s.saved.Palette = remembered(s.saved.Palette, line)
		cmd, err := s.goTo(line)
		if err != nil {
			p.err = safetext.Text(err.Error())
			return nil, true
		}
		return cmd, false
	}
	s.prompt(p)
}

// suggestions complete a line: commands by beginning, then by letters in
// order; hosts and fields after the commands that take them.
func (s *shell) suggestions(line string) []string {
	name, rest, hasArgs := strings.Cut(line, " ")
	var out []string
	if !hasArgs {
		low := strings.ToLower(name)
		for _, c := range commands() {
			if strings.HasPrefix(c.name, low) && c.name != low {
				out = append(out, c.name)
			}
		}
		for _, c := range commands() {
			if low != "" && !slices.Contains(out, c.name) && c.name != low && filter.Fuzzy(low, c.name) {
				out = append(out, c.name)
			}
		}
		return out
	}
	switch name {
	case "host", "processes":
		seen := map[string]bool{}
		for _, r := range s.store.all {
			h := hostName(r.a.Host)
			if h != "" && !seen[h] && strings.HasPrefix(strings.ToLower(h), strings.ToLower(rest)) {
				seen[h] = true
				out = append(out, name+" "+h)
			}
			if len(out) >= 20 {
				break
			}
		}
		slices.Sort(out)
	case "alerts", "events", "hosts", "filter":
		i := strings.LastIndexByte(rest, ' ') + 1
		head, word := rest[:i], rest[i:]
		for _, f := range filter.ExprNames() {
			if word != "" && strings.HasPrefix(f, word) {
				out = append(out, name+" "+head+f+"=")
			}
		}
	case "theme":
		out = complete(name, rest, "dark", "light")
	case "group":
		out = complete(name, rest, "host", "rule", "technique", "none")
	case "sort":
		var ids []string
		for _, c := range alertColumns(s) {
			ids = append(ids, c.ID)
		}
		out = complete(name, rest, ids...)
	}
	return out
}

func complete(name, rest string, values ...string) []string {
	var out []string
	for _, v := range values {
		if strings.HasPrefix(v, rest) && v != rest {
			out = append(out, name+" "+v)
		}
	}
	return out
}

// refresh reads again what a view shows; on the list of alerts all profiles.
func (s *shell) refresh(v view) tea.Cmd {
	if _, ok := v.(*alertsView); ok {
		s.notify("reading all profiles again")
		return s.app.feed()
	}
	if _, ok := v.(hunted); ok {
		s.warn("a hunt is not repeated by itself; start a new one")
		return nil
	}
	s.renew(v)
	return v.open(s)
}

// helpView lists all keys that count in a view.
type helpView struct {
	viewCore
	page
	of view
}

func newHelp(of view) *helpView { return &helpView{of: of, page: page{at: -1}} }

func (v *helpView) title() string                  { return "help" }
func (v *helpView) name() string                   { return "help" }
func (v *helpView) status(*shell) safetext.Display { return v.page.status() }
func (v *helpView) command(*shell) string          { return "edrctl tui --help" }

func (v *helpView) key(s *shell, a keys.Action, _ string) (tea.Cmd, bool) {
	if a == keys.Help {
		s.app.pop()
		return nil, true
	}
	return nil, v.page.key(s, a)
}

func (v *helpView) mouse(_ *shell, m mouse) tea.Cmd {
	v.wheel(m)
	return nil
}

func (v *helpView) hints(*shell) []hint { return []hint{{action: keys.Back}} }

func (v *helpView) draw(s *shell, w, h int) []string {
	t := s.theme
	v.lines = nil
	scope := keys.Scope("")
	var scopes []keys.Scope
	if v.of != nil {
		scopes = v.of.scopes()
	}
	off := map[keys.Action]string{}
	if v.of != nil {
		for _, x := range v.of.hints(s) {
			off[x.action] = x.off
		}
	}
	for _, b := range s.keys.Bindings(scopes...) {
		if b.Scope != scope {
			scope = b.Scope
			if len(v.lines) > 0 {
				v.lines = append(v.lines, nil)
			}
			v.lines = append(v.lines, text(t.Head, safetext.Display(strings.ToUpper(string(scope)))))
		}
		shown := make([]string, len(b.Keys))
		for i, k := range b.Keys {
			shown[i] = keys.Label(k)
		}
		line := para{{t.Key, pad(safetext.Display("  "+strings.Join(shown, " ")), 16)}, {"", safetext.Text(b.Help)}}
		if why := off[b.Action]; why != "" {
			line = append(line, span{t.Warn, safetext.Text("  (not now: " + why + ")")})
		}
		v.lines = append(v.lines, line)
	}
	v.lines = append(v.lines, nil, text(t.Head, "GO TO (:)"))
	for _, c := range commands() {
		v.lines = append(v.lines, para{{t.Key, pad(safetext.Display("  "+c.name+" "+c.args), 30)}, {"", safetext.Display(c.help)}})
	}
	return v.page.draw(t, w, h)
}
