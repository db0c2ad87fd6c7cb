// Package download brings files that may be malware to this machine: written
// to NAME.part inside one folder that cannot be left, hashed while they are
// written, checked, made read-only, renamed only when they are whole and never
// over another file, each with a manifest that says where it comes from.
package download

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/safetext"
)

// fileMode of everything that is collected: evidence, and not to be run.
const fileMode fs.FileMode = 0o400

// Source writes a file from offset on to w. resumed false with offset > 0
// means that it started over: w was emptied first (it is a Truncater).
type Source func(ctx context.Context, offset int64, w io.Writer) (n int64, resumed bool, err error)

// Job is one file to bring here.
type Job struct {
	Name     string                  // as the endpoint or server calls it; neutralised here
	Identity string                  // what makes it the same file in a later run: the reference of the carve
	Size     int64                   // as the server says; negative = unknown
	Hashes   Hashes                  // as the vendor says; what it does not say is ""
	Progress func(done, total int64) // total negative = unknown; may be nil
	Manifest Manifest                // what is known beforehand; the rest is filled in
	Zip      string                  // password of an AES-256 zip to keep the file in; "" = the file as it is
	Now      func() time.Time
}

// Saved is a file that is here, whole.
type Saved struct {
	Name     string // inside the folder
	Path     string
	Manifest string // path of its manifest
	Size     int64
	Hashes   Hashes
	Resumed  int64 // bytes an earlier run had brought
}

// Error is a download that did not end well. Part says what is kept of it.
type Error struct {
	Name string
	Part string // path of the part that the next run continues with; "" = none
	Err  error
}

func (e *Error) Error() string {
	s := "cannot save " + e.Name + ": " + e.Err.Error()
	if e.Part != "" {
		s += " (what arrived is kept in " + e.Part + "; the next run resumes it)"
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// ErrWrongContent is a file that is not what the server or vendor said: its
// size or hash differs. It is not kept under its name.
var ErrWrongContent = errors.New("the content is not what was announced")

// state is kept next to a part, to know whose it is.
type state struct {
	Identity string `json:"identity"`
	Size     int64  `json:"size"`
	Version  string `json:"version,omitempty"` // of the content, as the server names it: an ETag or a date
}

// Save brings a file into dir, which is made when it is missing.
func Save(ctx context.Context, dir string, job Job, from Source) (*Saved, error) {
	if job.Now == nil {
		job.Now = time.Now
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	s := &saver{dir: dir, root: root, job: job}
	if err := s.claim(); err != nil {
		return nil, &Error{Name: string(safetext.Text(job.Name)), Err: err}
	}
	defer s.release()
	out, err := s.save(ctx, from)
	if err != nil {
		e := &Error{Name: s.name, Err: err}
		if s.kept() {
			e.Part = filepath.Join(dir, s.part())
		}
		return nil, e
	}
	return out, nil
}

type saver struct {
	dir   string
	root  *os.Root
	job   Job
	name  string // of the final file
	held  *lockedfile.File
	state state // of the part, as it is on the disk
	done  bool
	wrong bool
}

func (s *saver) part() string      { return s.name + ".part" }
func (s *saver) stateFile() string { return s.name + ".part.json" }

// final is what the file will be called.
func (s *saver) final() string {
	if s.job.Zip != "" {
		return s.name + ".zip"
	}
	return s.name
}

// maxSameName bounds how often one name is counted on.
const maxSameName = 10_000

// claim finds a name that is free, or whose part an earlier run of the same
// file left, and locks it.
func (s *saver) claim() error {
	base := safetext.FileName(s.job.Name)
	ext := filepath.Ext(base)
	if len(ext) > 10 {
		ext = ""
	}
	stem := strings.TrimSuffix(base, ext)
	for i := 1; i <= maxSameName; i++ {
		s.name = base
		if i > 1 {
			s.name = fmt.Sprintf("%s-%d%s", stem, i, ext)
		}
		if s.taken(s.final()) || s.taken(s.final()+".json") {
			continue
		}
		ok, err := s.lock()
		if err != nil {
			return err
		}
		if ok {
			return nil
		}
	}
	return fmt.Errorf("there are %d files of this name", maxSameName)
}

func (s *saver) taken(name string) bool {
	_, err := s.root.Lstat(name)
	return !errors.Is(err, fs.ErrNotExist)
}

// lock takes the name's state file; ok is false when it belongs to another
// file's download.
func (s *saver) lock() (ok bool, err error) {
	// The lock goes by path, not through the root: nothing may be a link.
	for _, name := range []string{s.stateFile(), s.part()} {
		if info, err := s.root.Lstat(name); err == nil && !info.Mode().IsRegular() {
			return false, nil
		}
	}
	if !s.taken(s.stateFile()) && s.taken(s.part()) {
		return false, nil // somebody else's .part
	}
	f, err := lockedfile.OpenFile(filepath.Join(s.dir, s.stateFile()), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return false, err
	}
	var was state
	b, err := io.ReadAll(io.LimitReader(f, 1<<16))
	if err == nil && len(b) > 0 && json.Unmarshal(b, &was) == nil && was.Identity != s.job.Identity {
		return false, f.Close()
	}
	if s.taken(s.final()) { // made while we waited for the lock
		return false, f.Close()
	}
	if err != nil {
		return false, errors.Join(err, f.Close())
	}
	s.held, s.state = f, state{s.job.Identity, s.job.Size, was.Version}
	if !s.resumable(was) {
		s.state.Version = ""
		if err := s.root.Remove(s.part()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, errors.Join(err, f.Close())
		}
	}
	if err := s.writeState(); err != nil {
		return false, errors.Join(err, f.Close())
	}
	return true, nil
}

// resumable tells whether a part of an earlier run can be continued: it must be
// of the same file, and either the server names the version that it is of, or a
// hash will tell at the end whether two versions were mixed.
func (s *saver) resumable(was state) bool {
	return was.Identity != "" && was.Size == s.job.Size && (was.Version != "" || s.job.Hashes != Hashes{})
}

func (s *saver) writeState() error {
	b, err := json.Marshal(s.state)
	if err != nil {
		return err
	}
	if err := s.held.Truncate(0); err != nil {
		return err
	}
	_, err = s.held.WriteAt(b, 0)
	return err
}

// versionedFile is the part with the version that its content is of.
type versionedFile struct {
	*hashedFile
	s *saver
}

func (v versionedFile) Version() string { return v.s.state.Version }

// SetVersion writes it down before any content follows.
func (v versionedFile) SetVersion(version string) error {
	v.s.state.Version = version
	return v.s.writeState()
}

// release gives the name back. The part stays for the next run unless it is
// empty or wrong.
func (s *saver) release() {
	if s.done || !s.kept() {
		_ = s.root.Remove(s.part())
		_ = s.root.Remove(s.stateFile())
	}
	_ = s.held.Close()
}

func (s *saver) kept() bool {
	if s.wrong || s.done {
		return false
	}
	info, err := s.root.Lstat(s.part())
	return err == nil && info.Size() > 0
}

func (s *saver) save(ctx context.Context, from Source) (*Saved, error) {
	f, err := s.root.OpenFile(s.part(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	w, have, err := s.begin(ctx, f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	resumed := have
	if s.job.Size < 0 || have < s.job.Size || s.job.Size == 0 {
		var ok bool
		_, ok, err = from(ctx, have, versionedFile{w, s})
		if !ok {
			resumed = 0
		}
	}
	sums, size := w.finish()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if err := s.check(f, size, sums); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if err := f.Chmod(fileMode); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return nil, err
	}
	out := &Saved{Name: s.final(), Path: filepath.Join(s.dir, s.final()), Size: size, Hashes: sums, Resumed: resumed}
	m := s.job.Manifest
	m.Format, m.Name, m.File, m.Size, m.Hashes, m.Downloaded = ManifestFormat, s.job.Name, s.final(), size, sums, model.At(s.job.Now())
	if s.job.Zip != "" {
		z, err := s.zip(ctx, m)
		if err != nil {
			return nil, err
		}
		m.Zip = z
	} else if err := s.publish(s.part(), s.final()); err != nil {
		return nil, err
	}
	s.done = true
	out.Manifest = filepath.Join(s.dir, s.final()+".json")
	return out, s.writeManifest(m)
}

// begin hashes what an earlier run brought, and checks that the rest fits on
// the disk.
func (s *saver) begin(ctx context.Context, f *os.File) (*hashedFile, int64, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	have := info.Size()
	if s.job.Size >= 0 && have > s.job.Size {
		if err := f.Truncate(0); err != nil {
			return nil, 0, err
		}
		have = 0
	}
	if s.job.Size >= 0 {
		need := s.job.Size - have
		if s.job.Zip != "" {
			need += s.job.Size
		}
		if err := room(s.dir, need); err != nil {
			return nil, 0, err
		}
	}
	w := newHashedFile(f, s.job.Size, s.job.Progress)
	if err := w.rehash(ctx, have); err != nil {
		_, _ = w.finish() // ends its goroutines; the error is reported already
		return nil, 0, err
	}
	return w, have, nil
}

// check compares what came with what was announced.
func (s *saver) check(f *os.File, size int64, sums Hashes) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	switch {
	case info.Size() != size:
		err = fmt.Errorf("%w: %d bytes came and %d are in the file", ErrWrongContent, size, info.Size())
	case s.job.Size >= 0 && size != s.job.Size:
		if size < s.job.Size {
			// The rest can still come.
			return fmt.Errorf("%w: it ends after %d of %d bytes", ErrWrongContent, size, s.job.Size)
		}
		err = fmt.Errorf("%w: it has %d bytes, not %d", ErrWrongContent, size, s.job.Size)
	default:
		if name, want, got := s.job.Hashes.differs(sums); name != "" {
			err = fmt.Errorf("%w: its %s is %s, not %s", ErrWrongContent, name, got, want)
		}
	}
	s.wrong = err != nil
	return err
}

// publish gives a whole file its name, never over another.
func (s *saver) publish(part, final string) error {
	err := s.root.Link(part, final)
	switch {
	case err == nil:
		return s.root.Remove(part)
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s exists meanwhile", final)
	}
	// No hard links on this file system.
	if s.taken(final) {
		return fmt.Errorf("%s exists meanwhile", final)
	}
	return s.root.Rename(part, final)
}
