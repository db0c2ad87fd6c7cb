// Package atomicfile replaces private files whole or not at all: a reader, or
// a crash, sees the old content or the new one and never a part.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// Modes of everything edrctl keeps for itself.
const (
	FileMode fs.FileMode = 0o600
	DirMode  fs.FileMode = 0o700
)

// Write puts data at path with mode 0600, creating missing folders with 0700.
// When path is a symbolic link, the file it names is replaced and the link
// stays; a link that names nothing is followed too.
func Write(path string, data []byte) error {
	target, err := resolve(path)
	if err != nil {
		return err
	}
	dir := filepath.Dir(target)
	if err := os.MkdirAll(dir, DirMode); err != nil {
		return err
	}
	// The temporary file is in the same folder: a rename never crosses a file system.
	f, err := os.CreateTemp(dir, "."+filepath.Base(target)+".*.tmp")
	if err != nil {
		return err
	}
	name := f.Name()
	if err := fill(f, data); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	if err := os.Rename(name, target); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}

// Lock holds the lock file at path, made with mode 0600 whatever the umask, until
// unlock is called; a second process waits.
func Lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, FileMode)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	return lockedfile.MutexAt(path).Lock()
}

func fill(f *os.File, data []byte) error {
	_, err := f.Write(data)
	if err == nil {
		err = f.Chmod(FileMode)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// resolve follows symbolic links, also one whose target does not exist yet.
func resolve(path string) (string, error) {
	for range 40 {
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return path, nil
		}
		if err != nil {
			return "", err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			if info.IsDir() {
				return "", fmt.Errorf("%s is a folder", path)
			}
			return path, nil
		}
		to, err := os.Readlink(path)
		if err != nil {
			return "", err
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		path = to
	}
	return "", fmt.Errorf("%s: too many symbolic links", path)
}
