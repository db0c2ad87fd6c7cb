package tui

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/edrctl/edrctl/internal/hunt"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/safetext"
)

// sigmaAsk is what a hunt with Sigma rules is over.
type sigmaAsk struct {
	path         string
	least        model.Severity
	hosts        []string // none: all
	since, until time.Time
}

// sigmaLevels are the words of the form for the least level of a rule.
var sigmaLevels = []struct {
	word  string
	least model.Severity
}{
	{"all", model.SeverityUnknown}, {"low+", model.SeverityLow}, {"medium+", model.SeverityMedium},
	{"high+", model.SeverityHigh}, {"critical", model.SeverityCritical},
}

// openSigma asks which rules are matched against which events: of the hosts
// that are selected or of all, in the window of the view.
func (s *shell) openSigma(v view, path string) {
	ask := sigmaAsk{hosts: hostsOf(v.selection())}
	ask.since, ask.until = s.windowOf(v)
	if path == "" {
		path = s.saved.Sigma
	}
	levels := oneOf("level")
	for i, l := range sigmaLevels {
		levels.words = append(levels.words, l.word)
		if l.least == model.SeverityMedium {
			levels.chosen = i
		}
	}
	f := &form{button: "Hunt", inputs: []*input{line("rules", "a file, folder, zip or tar.gz", path), levels}}
	var scope *input
	if len(ask.hosts) > 0 {
		one := ask.hosts[0]
		if len(ask.hosts) > 1 {
			one = count(len(ask.hosts), "host")
		}
		scope = oneOf("hosts", "all", one)
		if list, ok := v.(*listView[*model.Host]); ok && list.table.Marks() > 0 {
			scope.chosen = 1 // they were marked for something
		}
		f.inputs = append(f.inputs, scope)
	}
	f.send = func(s *shell, d *formDialog) (bool, tea.Cmd) {
		ask := ask
		if ask.path = home(f.at("rules")); ask.path == "" {
			d.err = "say where the rules are"
			return false, nil
		}
		if scope == nil || scope.chosen == 0 {
			ask.hosts = nil
		}
		ask.least = sigmaLevels[levels.chosen].least
		d.err, d.busy = "", "reading the rules…"
		return false, s.runAsync(func(context.Context) any {
			rules, err := s.svc.LoadSigma(ask.path, ask.least)
			return sigmaLoaded{d, ask, rules, err}
		})
	}
	s.dialog(&formDialog{c: choice{label: "hunt with Sigma rules"}, f: f, about: "in events " + s.spanText(ask.since, ask.until)})
}

// home is a path of this machine, ~ being the home.
func home(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if dir, err := os.UserHomeDir(); err == nil {
			return filepath.Join(dir, rest)
		}
	}
	return path
}

// hostsOf are the names of the hosts of records, each once.
func hostsOf(records []model.Record) []string {
	var out []string
	for _, r := range records {
		if h := hostOf(r); h != nil && hostName(h) != "" && !slices.Contains(out, hostName(h)) {
			out = append(out, hostName(h))
		}
	}
	return out
}

// windowOf is the window of a view that has one of its own, else that of the
// session.
func (s *shell) windowOf(v view) (since, until time.Time) {
	if w, ok := v.(interface {
		window() (since, until time.Time)
	}); ok {
		if since, until = w.window(); !since.IsZero() {
			return since, until
		}
	}
	return s.now().Add(-s.app.opt.Window), time.Time{}
}

// spanText says which time a window is.
func (s *shell) spanText(since, until time.Time) safetext.Display {
	if until.IsZero() {
		return safetext.Sprintf("of the last %s", age(s.now().Sub(since)))
	}
	const layout = "2006-01-02 15:04"
	return safetext.Sprintf("from %s to %s", since.In(s.zone).Format(layout), until.In(s.zone).Format(layout))
}

// sigmaLoaded says that the rules were read, or why not.
type sigmaLoaded struct {
	form  *formDialog
	ask   sigmaAsk
	rules *hunt.SigmaRules
	err   error
}

// again starts the hunt, unless its form was left.
func (m sigmaLoaded) again(s *shell) tea.Cmd {
	if !slices.Contains(s.app.dialogs, dialog(m.form)) {
		return nil
	}
	if m.form.busy = ""; m.err != nil {
		m.form.err = safetext.Text(m.err.Error())
		m.form.at = 0
		return nil
	}
	s.app.dialogs = slices.DeleteFunc(s.app.dialogs, func(d dialog) bool { return d == dialog(m.form) })
	s.saved.Sigma = m.ask.path
	return s.push(newSigma(s, m.ask, m.rules))
}
