// Command panicker opens the terminal interface on a service that breaks when
// a frame is drawn. It is built by the test of the real terminal only.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/tui"
	"github.com/edrctl/edrctl/internal/tui/tuitest"
)

type breaking struct {
	*tuitest.Fake
	from time.Time
}

func (b breaking) Profiles() []tui.Profile {
	if time.Since(b.from) > 500*time.Millisecond {
		panic("it broke on \x1b[31mpurpose")
	}
	return b.Fake.Profiles()
}

func main() {
	app, err := tui.New(context.Background(), tui.Options{Service: breaking{tuitest.Shift(), time.Now()}})
	if err != nil {
		os.Exit(3)
	}
	if _, err := tea.NewProgram(app, tea.WithoutSignalHandler()).Run(); err != nil {
		os.Exit(4)
	}
	if err := app.Err(); err != nil && strings.Contains(app.Trace(), "panicker") {
		_, _ = fmt.Fprintln(os.Stderr, safetext.Text(err.Error()))
		os.Exit(9)
	}
}
