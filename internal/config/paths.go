package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/edrctl/edrctl/internal/atomicfile"
	"github.com/edrctl/edrctl/internal/plaintext"
)

// Paths are the three places edrctl keeps things, each its own folder.
type Paths struct {
	Config string // holds config.yaml
	State  string // journal, spools, secrets, demo state
	Cache  string // may be deleted at any time
}

// DefaultPaths gives the places of this system: the XDG variables where they
// are set (absolute ones only, as the XDG specification says), else the
// system's own habit. It creates nothing.
func DefaultPaths(getenv func(string) string) (Paths, error) {
	return pathsFor(runtime.GOOS, getenv)
}

func pathsFor(goos string, getenv func(string) string) (Paths, error) {
	home := getenv("HOME")
	if goos == "windows" {
		home = getenv("USERPROFILE")
	}
	var missing error
	place := func(xdg string, own ...string) string {
		if dir := getenv(xdg); filepath.IsAbs(dir) {
			return filepath.Join(dir, "edrctl")
		}
		if own[0] == "" {
			if missing == nil {
				missing = &Error{Msg: "there is no home folder to keep files in", Hint: "set HOME, or " + xdg}
			}
			return ""
		}
		return filepath.Join(own...)
	}
	var p Paths
	switch goos {
	case "windows":
		roaming, local := getenv("AppData"), getenv("LocalAppData")
		if roaming == "" && home != "" {
			roaming = filepath.Join(home, "AppData", "Roaming")
		}
		if local == "" && home != "" {
			local = filepath.Join(home, "AppData", "Local")
		}
		p.Config = place("XDG_CONFIG_HOME", roaming, "edrctl")
		p.State = place("XDG_STATE_HOME", local, "edrctl", "state")
		p.Cache = place("XDG_CACHE_HOME", local, "edrctl", "cache")
	case "darwin", "ios":
		p.Config = place("XDG_CONFIG_HOME", home, "Library", "Application Support", "edrctl")
		p.State = place("XDG_STATE_HOME", home, "Library", "Application Support", "edrctl", "state")
		p.Cache = place("XDG_CACHE_HOME", home, "Library", "Caches", "edrctl")
	default:
		p.Config = place("XDG_CONFIG_HOME", home, ".config", "edrctl")
		p.State = place("XDG_STATE_HOME", home, ".local", "state", "edrctl")
		p.Cache = place("XDG_CACHE_HOME", home, ".cache", "edrctl")
	}
	return p, missing
}

// Ensure creates a folder of Paths (or one inside) with mode 0700 and takes
// the rights of others away from one that already exists.
func Ensure(dir string) error {
	if dir == "" {
		return &Error{Msg: "there is no home folder to keep files in", Hint: "set HOME"}
	}
	if err := os.MkdirAll(dir, atomicfile.DirMode); err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return os.Chmod(dir, atomicfile.DirMode)
	}
	return nil
}

// Locate tells which file to read: the flag, then EDRCTL_CONFIG, then
// config.yaml at its usual place. One that was named must exist.
func Locate(flag string, getenv func(string) string) (path string, named bool, err error) {
	for _, name := range []string{flag, getenv("EDRCTL_CONFIG")} {
		if name == "" {
			continue
		}
		path, err := filepath.Abs(name)
		if err != nil {
			return "", true, &Error{File: name, Msg: "cannot tell where this file is", Err: err}
		}
		return path, true, nil
	}
	p, err := DefaultPaths(getenv)
	if p.Config == "" {
		return "", false, err
	}
	return filepath.Join(p.Config, "config.yaml"), false, nil
}

const maxFile = 1 << 20

// Load reads a file. One that is not there is an empty configuration, unless
// it was named.
func Load(path string, named bool, opt Options) (*Config, error) {
	data, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) && !named {
		c := empty(opt)
		c.Path = path
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	return Parse(path, data, opt)
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &Error{File: path, Msg: "this file does not exist", Err: fs.ErrNotExist,
			Hint: "check --config and EDRCTL_CONFIG, or run `edrctl profile add`"}
	case err != nil:
		return nil, &Error{File: path, Msg: "cannot be read: " + reason(err), Err: err}
	case info.IsDir():
		return nil, &Error{File: path, Msg: "this is a folder, not a configuration file"}
	case info.Size() > maxFile:
		return nil, &Error{File: path, Msg: fmt.Sprintf("%d bytes are too many for a configuration", info.Size())}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, &Error{File: path, Msg: "cannot be read: " + reason(err), Err: err}
	}
	return plaintext.Bytes(data), nil
}

// reason is an error without the file name that the line says already.
func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}
