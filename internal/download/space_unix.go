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
	// The types differ between systems, and what is kept for root may make it negative.
	return uint64(max(int64(st.Bavail), 0)) * uint64(st.Bsize), true
}
