package carbonblack

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
)

// spool keeps what a read-once queue handed out: NDJSON, one notification a
// line, appended and synced before anybody sees it.
type spool struct {
	dir, path string
	mu        sync.Mutex
}

// newSpool names the spool of a profile; "" for dir means that none may be
// written, which usable reports.
func newSpool(dir, profile string) *spool {
	s := &spool{}
	if dir != "" {
		s.dir = filepath.Join(dir, "carbonblack")
		s.path = filepath.Join(s.dir, fileName(profile)+".notifications.ndjson")
	}
	return s
}

// fileName makes a profile's name safe for a file name, different names
// staying different.
func fileName(profile string) string {
	var b strings.Builder
	for _, r := range []byte(profile) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '_':
			b.WriteByte(r)
		default:
			fmt.Fprintf(&b, "%%%02X", r)
		}
	}
	if b.Len() == 0 {
		return "%"
	}
	return b.String()
}

func (s *spool) usable() error {
	if s.path == "" {
		return backends.Invalid("cannot use alert_source: notifications",
			"there is no state directory to keep the alerts in, and the server gives each only once")
	}
	return nil
}

// add appends notifications and returns when they are on the disk.
func (s *spool) add(elements [][]byte) error {
	if len(elements) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.write(elements); err != nil {
		return &backends.Error{Kind: backends.KindOther, What: "cannot keep the alerts read from the queue", Why: err.Error(), Err: err,
			Hint: "make room or give the rights for " + s.dir}
	}
	return nil
}

func (s *spool) write(elements [][]byte) (err error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(s.path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var batch bytes.Buffer
	if torn, err := endsTorn(f); err != nil {
		return err
	} else if torn {
		// A crash cut the last line; what follows must not be glued to it.
		batch.WriteByte('\n')
	}
	for _, e := range elements {
		if err := json.Compact(&batch, e); err != nil {
			return err
		}
		batch.WriteByte('\n')
	}
	if _, err := f.Write(batch.Bytes()); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return syncDir(s.dir)
}

func endsTorn(f *os.File) (bool, error) {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return false, err
	}
	var last [1]byte
	if _, err := f.ReadAt(last[:], info.Size()-1); err != nil {
		return false, err
	}
	return last[0] != '\n', nil
}

// syncDir makes a new file's name durable; systems that cannot sync a
// directory do it by themselves.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	_ = d.Sync()
	return nil
}

// each calls f with every whole line; the line is valid during the call only.
func (s *spool) each(f func(line []byte)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	file, err := os.Open(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	r := bufio.NewReaderSize(file, 1<<20)
	for {
		line, err := r.ReadBytes('\n')
		if line = bytes.TrimSpace(line); len(line) > 0 {
			f(line)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// reject keeps the bytes of an answer that could not be read, and gives the
// file's name; "" when that was not possible either.
func (s *spool) reject(body []byte) string {
	if len(body) == 0 || os.MkdirAll(s.dir, 0o700) != nil {
		return ""
	}
	f, err := os.CreateTemp(s.dir, "rejected-"+time.Now().UTC().Format("20060102T150405Z")+"-*.bin")
	if err != nil {
		return ""
	}
	_, err = f.Write(body)
	if errors.Join(err, f.Sync(), f.Close()) != nil {
		return ""
	}
	return f.Name()
}
