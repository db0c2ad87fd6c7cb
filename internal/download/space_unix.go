//go:build linux || darwin || freebsd

package download

import "golang.org/x/sys/unix"

// free tells how many bytes a user may still write in dir; ok is false when
// the system does not say.
func free(dir string) (bytes uint64, ok bool) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, false
	}
	avail := int64(st.Bavail) //nolint:unconvert // its type differs between systems
	if avail < 0 {
		return 0, true
	}
	return uint64(avail) * uint64(st.Bsize), true
}
