//go:build !windows

package iostreams

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// catchBrokenPipe asks for SIGPIPE, which makes a write to a closed standard
// stream return EPIPE instead of killing the process. It is not ignored, as
// children would inherit that.
func catchBrokenPipe() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

func isBrokenPipe(err error) bool { return errors.Is(err, syscall.EPIPE) }

// understandsEscapes: every terminal of Unix does, TERM=dumb apart.
func understandsEscapes(*os.File) bool { return true }

// awaitLine waits until a line can be read from a terminal, or ctx ends: a
// read that continues after its question was given up would take the next
// answer, and put the terminal back over whoever has it then.
func awaitLine(ctx context.Context, fd int) error {
	const look = 50 * time.Millisecond
	for ctx.Err() == nil {
		var set unix.FdSet
		set.Zero()
		set.Set(fd)
		wait := unix.NsecToTimeval(look.Nanoseconds())
		n, err := unix.Select(fd+1, &set, nil, nil, &wait)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return err
		case n > 0:
			return nil
		}
	}
	return ctx.Err()
}

// readerGone tells whether the other end of a pipe was closed.
func readerGone(f *os.File) bool {
	fds := []unix.PollFd{{Fd: int32(f.Fd())}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0 && fds[0].Revents&(unix.POLLERR|unix.POLLHUP|unix.POLLNVAL) != 0
}
