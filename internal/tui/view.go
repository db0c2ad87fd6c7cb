package tui

import (
	"context"
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/tui/keys"
	"github.com/edrctl/edrctl/internal/tui/theme"
)

// view is one full screen: what is between header and footer. A view is
// changed by Update alone; what takes time it asks of a command through
// shell.do, and the answer comes back to it by id and generation.
type view interface {
	core() *viewCore
	title() string                    // its breadcrumb
	name() string                     // its name in the palette, "" when it cannot be called by name
	scopes() []keys.Scope             // nearest first
	open(s *shell) tea.Cmd            // once, when it is pushed
	update(s *shell, msg any) tea.Cmd // an answer to what it asked
	key(s *shell, a keys.Action, key string) (tea.Cmd, bool)
	draw(s *shell, w, h int) []string // exactly h lines of w columns
	hints(s *shell) []hint            // the keys that matter now
	mouse(s *shell, m mouse) tea.Cmd
	status(s *shell) safetext.Display // right end of the footer
	selection() []model.Record        // what actions are on
	command(s *shell) string          // the edrctl command that shows the same
}

// hint is one key of the footer. A key that cannot be used now stays and says
// why.
type hint struct {
	action keys.Action
	off    string // why it cannot be used now; "" = it can
	short  string // instead of the binding's own word
}

// mouse is a click or a turn of the wheel inside a view.
type mouse struct {
	x, y   int
	click  bool
	double bool
	wheel  int
	drag   bool
	end    bool // of a drag
}

// viewCore is what every view has: who it is and what it waits for.
type viewCore struct {
	id     int
	gen    int
	ctx    context.Context
	cancel context.CancelFunc
	busy   int
	began  time.Time
	what   string // what it waits for
	w, h   int    // of the last frame
}

func (c *viewCore) core() *viewCore                { return c }
func (c *viewCore) name() string                   { return "" }
func (c *viewCore) scopes() []keys.Scope           { return nil }
func (c *viewCore) open(*shell) tea.Cmd            { return nil }
func (c *viewCore) update(*shell, any) tea.Cmd     { return nil }
func (c *viewCore) mouse(*shell, mouse) tea.Cmd    { return nil }
func (c *viewCore) status(*shell) safetext.Display { return "" }
func (c *viewCore) selection() []model.Record      { return nil }

// answer is the result of a command, addressed to the view that asked.
type answer struct {
	view, gen int
	msg       any
	done      bool // nothing more follows
}

// failed is an answer that is an error.
type failed struct {
	what string
	err  error
}

// shell is what views share: sizes, theme, keys, clock, the service, and what
// they may do to the screen. It never holds a command of cobra or a driver.
type shell struct {
	app   *App
	svc   Service
	store *store
	pump  *pump
	theme *theme.Theme
	keys  *keys.Map
	now   func() time.Time
	zone  *time.Location
	ctx   context.Context
	ids   int
	actor Actor
	saved *State

	filters filter.Saved // what @name means in a filter line
}

// parseFilter reads a filter line.
func (s *shell) parseFilter(line string) (filter.Expr, error) {
	return filter.ParseExpr(line, s.filters)
}

// do asks something of the service in a command. Its answer reaches v unless
// v has gone or asked again since.
func (s *shell) do(v view, what string, f func(ctx context.Context) any) tea.Cmd {
	c := v.core()
	if c.busy == 0 {
		c.began = s.now()
	}
	c.busy++
	c.what = what
	id, gen, ctx := c.id, c.gen, c.ctx
	return func() (msg tea.Msg) {
		defer func() {
			if p := recover(); p != nil {
				msg = answer{id, gen, failed{what, fmt.Errorf("it broke: %v", p)}, true}
			}
		}()
		return answer{id, gen, f(ctx), true}
	}
}

// renew forgets what v has asked for: a new context, and late answers are dropped.
func (s *shell) renew(v view) {
	c := v.core()
	if c.cancel != nil {
		c.cancel()
	}
	c.gen++
	c.busy = 0
	c.ctx, c.cancel = context.WithCancel(s.ctx)
}

// push opens a view on top.
func (s *shell) push(v view) tea.Cmd {
	s.ids++
	c := v.core()
	c.id = s.ids
	s.renew(v)
	s.app.last = s.app.stack
	s.app.stack = append(s.app.stack[:len(s.app.stack):len(s.app.stack)], v)
	return v.open(s)
}

// toast shows one line for a few seconds.
func (s *shell) toast(st theme.Style, text safetext.Display) {
	s.app.toastText, s.app.toastStyle, s.app.toastUntil = text, st, s.now().Add(4*time.Second)
}

func (s *shell) notify(text safetext.Display) { s.toast(s.theme.OK, text) }
func (s *shell) warn(text safetext.Display)   { s.toast(s.theme.Warn, text) }
func (s *shell) fail(what string, err error) {
	s.toast(s.theme.Err, safetext.Sprintf("%s: %s", what, err))
}

// prompt opens the line at the bottom.
func (s *shell) prompt(p *prompt) { s.app.prompt = p }

// dialog opens a dialog on top of everything.
func (s *shell) dialog(d dialog) {
	d.opened(s)
	s.app.dialogs = append(s.app.dialogs, d)
}

// copy puts a text of our own on the clipboard of the terminal (OSC 52).
func (s *shell) copy(text, what string) tea.Cmd {
	if text == "" {
		s.warn("nothing to copy here")
		return nil
	}
	clean := string(safetext.Lines(text))
	s.notify(safetext.Sprintf("copied %s", what))
	return tea.SetClipboard(clean)
}
