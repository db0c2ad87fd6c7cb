package tui_test

import (
	"errors"
	"os/exec"
	"slices"
	"testing"

	"github.com/edrctl/edrctl/internal/tui"
	"github.com/edrctl/edrctl/internal/tui/tuitest"
)

// An expired login: the dialog comes without the view being lost, the login is
// run for that profile, the driver looks its secrets up again, and the profile
// lives again.
func TestExpiredLogin(t *testing.T) {
	f := tuitest.Shift()
	var ran []string
	d := tuitest.Start(t, f, 120, 30, func(o *tui.Options) {
		o.Login = func(profile string) *exec.Cmd {
			ran = append(ran, profile)
			return exec.Command("true")
		}
		o.Unlock = func(profile string) error {
			ran = append(ran, "unlock "+profile)
			return nil
		}
	})
	waitFor(t, func() bool { return f.Watched() == 4 })
	d.Press("j", "enter").See("▸ powershell.exe injected into spoolsv")
	f.Fail("es", tuitest.Refused("esp", "the session has expired"))
	d.Wait("log in to es").See("the session has expired", "[ Later ]", "[ Log in ]", "▸ powershell.exe injected into spoolsv")
	// Later: it is not offered again for the same refusal, and nothing is lost.
	d.Pass(2*second).Press("enter").Miss("[ Later ]").See("▸ powershell.exe injected into spoolsv", "esp◐")
	d.Press("r").Miss("[ Later ]")
	// From the view of profiles one gets back to it.
	d.Go("profiles").See("the session has expired").Press("j", "j", "j", "enter").See("[ Log in ]").Pass(2 * second).Press("tab").Pass(second)
	f.Fail("es", nil)
	d.Press("enter")
	if !slices.Equal(ran, []string{"es", "unlock es"}) || !slices.Equal(f.Renewed(), []string{"es"}) {
		t.Fatalf("ran %v, renewed %v", ran, f.Renewed())
	}
	d.Wait("esp●").See("logged in to es").Pass(5 * second).Press("esc").See("▸ powershell.exe injected into spoolsv").Press("esc").See("29 alerts")
	// The next refusal is a new one. While a line is typed the dialog waits.
	waitFor(t, func() bool { return f.Watched() == 4 })
	d.Press("/").Type("sev")
	f.Fail("es", tuitest.Refused("esp", "the session has expired"))
	d.Wait("esp ◐").Miss("[ Later ]").Press("esc").See("[ Later ]").Press("esc")
}

// A list that a profile refuses offers the login too, and is read again after
// it; a login that fails says so.
func TestLoginFromList(t *testing.T) {
	f := tuitest.Shift()
	fails := true
	d := tuitest.Start(t, f, 120, 30, func(o *tui.Options) {
		o.Login = func(string) *exec.Cmd {
			if fails {
				return exec.Command("false")
			}
			return exec.Command("true")
		}
	})
	f.FailReads("es", tuitest.Refused("esp", "the password was refused"))
	d.Go("hosts").See("log in to es", "the password was refused").Pass(2*second).Press("tab").Pass(second).Press("enter").See("the login of es", "exit status 1")
	fails = false
	d.Press("r").See("log in to es").Pass(2 * second).Press("tab").Pass(second)
	f.FailReads("es", nil)
	asked := f.Count("hosts")
	d.Press("enter").Pass(5*second).See("▸ hosts", "6 hosts")
	if f.Count("hosts") != asked+1 {
		t.Fatal("the list was not read again after the login")
	}
	// What is not a refusal offers nothing.
	f.FailReads("es", errors.New("no route to host"))
	d.Press("r").See("no route to host").Miss("[ Later ]")
}
