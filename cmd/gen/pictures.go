package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	cmdtui "github.com/edrctl/edrctl/cmd/tui"
	"github.com/edrctl/edrctl/internal/iostreams"
)

// pictureTime is when the pictures are taken: the demo's intrusion is shown
// around it, so that every run draws the same.
var pictureTime = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

// pictures draws the frames docs/tui.md shows: the program itself over the
// demo, its servers and drivers included, with a clock that stands still and a
// state folder of its own.
func pictures(dir string) (err error) {
	home, err := os.MkdirTemp("", "edrctl-gen-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(home)) }()
	env := map[string]string{"HOME": home, "XDG_CONFIG_HOME": home, "XDG_STATE_HOME": home, "XDG_CACHE_HOME": home}
	getenv := func(k string) string { return env[k] }
	io, _, _, _ := iostreams.Test()
	io.SetEnv(getenv)
	io.SetUnicode(true)
	io.SetColor("always")
	f := cmdutil.NewFactory(io, &cmdutil.GlobalFlags{Profile: "demo", TZ: "UTC"}, getenv)
	f.Now = func() time.Time { return pictureTime }
	defer f.Close()
	ctx, stop := context.WithTimeout(context.Background(), 2*time.Minute)
	defer stop()
	list, err := cmdtui.Pictures(ctx, f)
	if err != nil {
		return err
	}
	for _, p := range list {
		if err := writeChanged(filepath.Join(dir, p.Name+".svg"), []byte(p.SVG)); err != nil {
			return err
		}
	}
	return nil
}

// writeChanged writes a file that does not say the same already.
func writeChanged(path string, data []byte) error {
	if old, err := os.ReadFile(path); err == nil && string(old) == string(data) {
		return nil
	}
	return os.WriteFile(path, data, 0o644)
}
