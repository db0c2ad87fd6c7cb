package tui

import (
	"fmt"
	"runtime/debug"
)

// Err is what broke the screen, nil when it was left in peace.
func (a *App) Err() error { return a.broken }

// Trace is where that was, for those who fix it.
func (a *App) Trace() string { return a.trace }

// guard, deferred, ends the session in order when something breaks: the
// terminal is put back, and the caller shows the error after it. Tests see the
// panic itself.
func (a *App) guard(then func()) {
	if a.opt.Manual {
		return
	}
	if p := recover(); p != nil {
		if a.broken == nil {
			a.broken, a.trace = fmt.Errorf("%v", p), string(debug.Stack())
		}
		then()
	}
}
