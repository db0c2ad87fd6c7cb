//go:build !windows

package iostreams

import (
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// catchBrokenPipe asks for SIGPIPE, which makes a write to a closed standard
// stream return EPIPE instead of killing the process. It is not ignored, as
// children would inherit that.
func catchBrokenPipe() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

func isBrokenPipe(err error) bool { return errors.Is(err, syscall.EPIPE) }

// understandsEscapes: every terminal of Unix does, TERM=dumb apart.
func understandsEscapes(*os.File) bool { return true }
