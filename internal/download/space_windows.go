package download

import "golang.org/x/sys/windows"

// free tells how many bytes a user may still write in dir; ok is false when
// the system does not say.
func free(dir string) (bytes uint64, ok bool) {
	p, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, false
	}
	if err := windows.GetDiskFreeSpaceEx(p, &bytes, nil, nil); err != nil {
		return 0, false
	}
	return bytes, true
}
