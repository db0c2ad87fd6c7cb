// Package cli is the root of the command tree, and the one place where an
// error becomes an exit code.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/cmd/version"
	"github.com/edrctl/edrctl/internal/iostreams"
)

// grace is how long a command may take to end after Ctrl-C before the program
// ends without it.
const grace = 150 * time.Millisecond

// graceOfChange is how long a change that is under way may take to end: to
// read the answer, look up what became of it, and write it in the journal.
const graceOfChange = 30 * time.Second

// Main runs one command line and gives the exit code. It can be called many
// times in one process, as the script tests do.
func Main(args []string, io *iostreams.Streams, getenv func(string) string) int {
	flags := &cmdutil.GlobalFlags{}
	f := cmdutil.NewFactory(io, flags, getenv)
	ctx, stop := interruptible(f.Suspended)
	defer stop()
	f.Args, f.Version = args, version.Get().Version
	log.SetFlags(0)
	log.SetOutput(libraryLog{f})
	root := NewRoot(f)
	root.SetArgs(cmdutil.JoinWait(args))

	done := make(chan int, 1)
	go func() { done <- run(ctx, root, f) }()
	select {
	case code := <-done:
		return code
	case <-ctx.Done():
	}
	stop() // a second Ctrl-C kills at once
	for wait := grace; ; wait = graceOfChange {
		select {
		case code := <-done:
			return code
		case <-time.After(wait):
		}
		if wait != grace || !f.InFlight() {
			return cmdutil.ExitInterrupted
		}
		f.Note("finishing the change that is under way; Ctrl-C again leaves it")
	}
}

// libraryLog is where libraries log, net/http above all: what they quote is the
// server's and may hold a secret, so it is redacted and shows under --debug only.
type libraryLog struct{ f *cmdutil.Factory }

func (l libraryLog) Write(p []byte) (int, error) {
	l.f.Debugf(errors.New(strings.TrimRight(string(p), "\n")))
	return len(p), nil
}

// interruptible gives a context that ends with the first signal that asks the
// program to. An interrupt while interrupts are suspended is for the program that has the terminal.
// After stop the next signal kills at once.
func interruptible(suspended func() bool) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // under nohup it stays ignored
		signal.Notify(signals, syscall.SIGHUP)
	}
	over := make(chan struct{})
	go func() {
		for {
			select {
			case s := <-signals:
				if s == os.Interrupt && suspended() {
					continue
				}
				cancel()
				return
			case <-over:
				return
			}
		}
	}()
	return ctx, sync.OnceFunc(func() {
		signal.Stop(signals)
		close(over)
		cancel()
	})
}

func run(ctx context.Context, root *cobra.Command, f *cmdutil.Factory) int {
	defer f.Close()
	err := root.ExecuteContext(ctx)
	if cerr := f.IO.Close(); err == nil && cerr != nil && !iostreams.IsBrokenPipe(cerr) {
		err = cerr
	}
	if iostreams.IsBrokenPipe(err) {
		return cmdutil.ExitOK
	}
	if err == nil {
		return cmdutil.ExitOK
	}
	if text, ok := strings.CutPrefix(err.Error(), "required flag(s) "); ok {
		name, _, _ := strings.Cut(strings.TrimPrefix(text, `"`), `"`)
		err = &cmdutil.UsageError{Err: fmt.Errorf("missing --%s", name)}
	}
	if ctx.Err() != nil {
		return cmdutil.ExitInterrupted
	}
	var exit *cmdutil.ExitError
	if errors.As(err, &exit) {
		return exit.Code
	}
	if path := (*fs.PathError)(nil); errors.As(err, &path) && path.Path == "/dev/stdout" {
		err = fmt.Errorf("cannot write the output: %w", path.Err)
	}
	f.ReportError(err)
	return cmdutil.CodeOf(err)
}
