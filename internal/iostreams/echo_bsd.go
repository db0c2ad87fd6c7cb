//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package iostreams

import "golang.org/x/sys/unix"

// echoOff stops the terminal from showing what is typed, which it gives a line
// at a time. What was typed ahead stays in its buffer.
func echoOff(fd int) error {
	t, err := unix.IoctlGetTermios(fd, unix.TIOCGETA)
	if err != nil {
		return err
	}
	t.Lflag = t.Lflag&^unix.ECHO | unix.ICANON | unix.ISIG
	t.Iflag |= unix.ICRNL
	return unix.IoctlSetTermios(fd, unix.TIOCSETA, t)
}
