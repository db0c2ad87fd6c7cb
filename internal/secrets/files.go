package secrets

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"filippo.io/age"

	"github.com/edrctl/edrctl/internal/atomicfile"
)

// entry is one stored secret; the key is profile/secret.
type entry struct {
	Stamp time.Time `json:"stamp"`
	Value string    `json:"value"`
}

// content is both files, the encrypted one after decryption.
type content struct {
	Version int              `json:"version"`
	Entries map[string]entry `json:"entries"`
}

const (
	maxFile = 4 << 20
	// cost is log2 of the scrypt work factor of a new file: 16 MiB and about
	// 50 ms, since every command pays it (age's default of 18 costs 0.8 s and
	// 256 MiB). minPassphrase makes up for the difference; docs/security.md
	// argues both. maxCost bounds what a file may demand.
	cost          = 14
	maxCost       = 20
	minPassphrase = 12
	minDistinct   = 5
)

// --- the encrypted file

// encrypted is secrets.age and its index, which lists the names and the times
// stored but no value: so a secret that is not in the file, or is newer
// elsewhere, costs no passphrase.
type encrypted struct {
	path, index string
	passphrase  func(ctx context.Context, ask, fresh bool, again int) (string, bool, error)
	cost        int

	mu      sync.Mutex
	digest  string // of the ciphertext that entries came from
	entries map[string]entry
	pass    string
}

// index is the unencrypted list. It counts only for the ciphertext it was
// written with.
type index struct {
	Version int                  `json:"version"`
	File    string               `json:"sha256"`
	Names   map[string]time.Time `json:"names"`
}

// names gives what the file holds, and false when that cannot be known
// without decrypting it.
func (f *encrypted) names() (map[string]time.Time, bool) {
	data, err := readLimited(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, true
	}
	if err != nil {
		return nil, false
	}
	list, err := readLimited(f.index)
	if err != nil {
		return nil, false
	}
	var ix index
	if json.Unmarshal(list, &ix) != nil || ix.File != digest(data) {
		return nil, false
	}
	return ix.Names, true
}

// open decrypts the file, once for each content it has.
func (f *encrypted) open(ctx context.Context, ask bool) (map[string]entry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.decrypt(ctx, ask)
}

func (f *encrypted) decrypt(ctx context.Context, ask bool) (map[string]entry, error) {
	data, err := readLimited(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]entry{}, nil
	}
	if err != nil {
		return nil, &Error{Msg: "cannot read " + f.path + ": " + reason(err), Err: err}
	}
	sum := digest(data)
	if f.entries != nil && f.digest == sum {
		return f.entries, nil
	}
	for try := 0; ; try++ {
		pass, prompted := f.pass, false
		if try > 0 || pass == "" {
			if pass, prompted, err = f.passphrase(ctx, ask, false, try); err != nil {
				return nil, err
			}
		}
		entries, err := unseal(data, pass)
		switch {
		case err == nil:
			f.pass, f.digest, f.entries = pass, sum, entries
			if _, known := f.names(); !known {
				_ = f.list() // it only saves a passphrase next time
			}
			return entries, nil
		case !errors.Is(err, age.ErrIncorrectIdentity):
			return nil, &Error{Msg: fmt.Sprintf("%s is damaged: %s", f.path, strings.Join(strings.Fields(err.Error()), " ")), Err: err,
				Hint: "restore it from a backup, or delete it and run `edrctl auth login` again"}
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case !prompted && try == 0 && pass == f.pass && f.pass != "":
			f.pass = "" // the file was rewritten with another passphrase
		case !prompted || try >= 2:
			return nil, &Error{Msg: "the passphrase does not open " + f.path, Err: err,
				Hint: "check EDRCTL_PASSPHRASE and EDRCTL_PASSPHRASE_FILE; if it is lost, delete the file and run `edrctl auth login` again"}
		}
	}
}

func unseal(data []byte, pass string) (map[string]entry, error) {
	id, err := age.NewScryptIdentity(pass)
	if err != nil {
		return nil, err
	}
	id.SetMaxWorkFactor(maxCost)
	r, err := age.Decrypt(bytes.NewReader(data), id)
	if err != nil {
		return nil, err
	}
	clear, err := io.ReadAll(io.LimitReader(r, maxFile))
	if err != nil {
		return nil, err
	}
	return decode(clear)
}

func decode(data []byte) (map[string]entry, error) {
	var c content
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, errors.New("its content is not JSON")
	}
	if c.Version != 1 {
		return nil, fmt.Errorf("it has format %d, and this edrctl knows 1", c.Version)
	}
	if c.Entries == nil {
		c.Entries = map[string]entry{}
	}
	return c.Entries, nil
}

// change reads, changes and writes the file under a lock against other
// processes. do tells whether it changed anything.
func (f *encrypted) change(ctx context.Context, ask bool, do func(map[string]entry) bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	// The passphrase comes before the lock: a person may take long.
	if _, err := f.decrypt(ctx, ask); err != nil {
		return err
	}
	if f.pass == "" {
		var err error
		if f.pass, _, err = f.passphrase(ctx, ask, true, 0); err != nil {
			return err
		}
	}
	release, err := lock(ctx, f.path+".lock")
	if err != nil {
		return err
	}
	defer release()
	entries, err := f.decrypt(ctx, ask) // it may have changed meanwhile
	if err != nil {
		return err
	}
	next := make(map[string]entry, len(entries)+1)
	for k, v := range entries {
		next[k] = v
	}
	if !do(next) {
		return nil
	}
	if len(next) == 0 {
		f.entries, f.digest = nil, ""
		return errors.Join(gone(os.Remove(f.path)), gone(os.Remove(f.index)))
	}
	data, err := seal(next, f.pass, f.cost)
	if err != nil {
		return &Error{Msg: "cannot encrypt " + f.path + ": " + err.Error(), Err: err}
	}
	if err := atomicfile.Write(f.path, data); err != nil {
		return &Error{Msg: "cannot write " + f.path + ": " + reason(err), Err: err}
	}
	f.entries, f.digest = next, digest(data)
	return f.list()
}

// list writes the index of what was read or written last.
func (f *encrypted) list() error {
	ix := index{Version: 1, File: f.digest, Names: map[string]time.Time{}}
	for k, v := range f.entries {
		ix.Names[k] = v.Stamp
	}
	data, err := json.Marshal(ix)
	if err == nil {
		err = atomicfile.Write(f.index, data)
	}
	if err != nil {
		return &Error{Msg: "cannot write " + f.index + ": " + reason(err), Err: err}
	}
	return nil
}

func seal(entries map[string]entry, pass string, cost int) ([]byte, error) {
	clear, err := json.Marshal(content{1, entries})
	if err != nil {
		return nil, err
	}
	to, err := age.NewScryptRecipient(pass)
	if err != nil {
		return nil, err
	}
	to.SetWorkFactor(cost)
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(clear); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// --- the passphrase

// canUnlock tells whether a passphrase can be had; ask allows a prompt.
func (s *Store) canUnlock(ask bool) bool {
	s.file.mu.Lock()
	known := s.file.pass != ""
	s.file.mu.Unlock()
	return known || s.opt.Getenv("EDRCTL_PASSPHRASE") != "" || s.opt.Getenv("EDRCTL_PASSPHRASE_FILE") != "" || ask && s.opt.Prompt != nil
}

// weak says why a passphrase must not protect a new file, "" when it may.
func weak(pass string) string {
	distinct := map[rune]bool{}
	for _, r := range pass {
		distinct[r] = true
	}
	switch {
	case utf8.RuneCountInString(pass) < minPassphrase:
		return fmt.Sprintf("the passphrase is too short: use at least %d characters, such as four random words", minPassphrase)
	case len(distinct) < minDistinct:
		return "the passphrase repeats itself: use four random words"
	}
	return ""
}

// passphrase gets it from the environment, a file or a person; fresh means
// that it is for a new file and is typed twice. prompted tells that a person
// typed it, who may try again.
func (s *Store) passphrase(ctx context.Context, ask, fresh bool, again int) (pass string, prompted bool, err error) {
	given := func(v, source string) (string, bool, error) {
		s.redact(v)
		if why := weak(v); fresh && why != "" {
			return "", false, &Error{Msg: source + ": " + why}
		}
		return v, false, nil
	}
	if v := s.opt.Getenv("EDRCTL_PASSPHRASE"); v != "" {
		return given(v, "EDRCTL_PASSPHRASE")
	}
	if path := s.opt.Getenv("EDRCTL_PASSPHRASE_FILE"); path != "" {
		data, err := readLimited(path)
		if err != nil {
			return "", false, &Error{Msg: "cannot read EDRCTL_PASSPHRASE_FILE " + path + ": " + reason(err), Err: err}
		}
		line, _, _ := strings.Cut(string(data), "\n")
		if line = strings.TrimRight(line, "\r"); line == "" {
			return "", false, &Error{Msg: "EDRCTL_PASSPHRASE_FILE " + path + " has no passphrase on its first line"}
		}
		return given(line, "EDRCTL_PASSPHRASE_FILE "+path)
	}
	if !ask || s.opt.Prompt == nil {
		return "", false, &Error{Msg: s.file.path + " needs its passphrase", Err: ErrLocked,
			Hint: "set EDRCTL_PASSPHRASE_FILE or EDRCTL_PASSPHRASE, or run this on a terminal"}
	}
	question := "Passphrase of the encrypted secrets:"
	if fresh {
		question = "New passphrase to encrypt secrets with:"
	} else if again > 0 {
		question = "Wrong passphrase. Again:"
	}
	for {
		if pass, err = s.opt.Prompt(ctx, question); err != nil {
			return "", true, err
		}
		s.redact(pass)
		if pass == "" {
			return "", true, &Error{Msg: "no passphrase was given"}
		}
		if !fresh {
			return pass, true, nil
		}
		if why := weak(pass); why != "" {
			question = strings.ToUpper(why[:1]) + why[1:] + ". New passphrase:"
			continue
		}
		second, err := s.opt.Prompt(ctx, "The same again:")
		if err != nil {
			return "", true, err
		}
		if second == pass {
			return pass, true, nil
		}
		s.redact(second)
		question = "They differ. New passphrase:"
	}
}

// --- the plain file

func (s *Store) plainPath() string { return filepath.Join(s.opt.StateDir, "secrets.insecure.json") }

func (s *Store) readPlain() (map[string]entry, error) {
	path := s.plainPath()
	data, err := readLimited(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, &Error{Msg: "cannot read " + path + ": " + reason(err), Err: err}
	}
	if info, err := os.Stat(path); err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		s.open.Do(func() {
			s.warnf("%s can be read by other users: run chmod 600 on it and change the secrets in it", path)
		})
	}
	entries, err := decode(data)
	if err != nil {
		return nil, &Error{Msg: fmt.Sprintf("%s is damaged: %v", path, err), Err: err, Hint: "delete it and run `edrctl auth login` again"}
	}
	return entries, nil
}

func (s *Store) changePlain(ctx context.Context, do func(map[string]entry)) error {
	path := s.plainPath()
	release, err := lock(ctx, path+".lock")
	if err != nil {
		return err
	}
	defer release()
	entries, err := s.readPlain()
	if err != nil {
		return err
	}
	if entries == nil {
		entries = map[string]entry{}
	}
	do(entries)
	if len(entries) == 0 {
		return gone(os.Remove(path))
	}
	data, err := json.MarshalIndent(content{1, entries}, "", "  ")
	if err == nil {
		err = atomicfile.Write(path, append(data, '\n'))
	}
	if err != nil {
		return &Error{Msg: "cannot write " + path + ": " + reason(err), Err: err}
	}
	return nil
}

func (s *Store) removePlain(ctx context.Context, profile, secret string) (had bool, err error) {
	if s.opt.StateDir == "" {
		return false, nil
	}
	entries, err := s.readPlain()
	if _, had = entries[key(profile, secret)]; err != nil || !had {
		return false, err
	}
	return true, s.changePlain(ctx, func(m map[string]entry) { delete(m, key(profile, secret)) })
}

// --- small things

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func readLimited(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, errors.New("it is a folder")
	}
	if info.Size() > maxFile {
		return nil, errors.New("it is too big")
	}
	return os.ReadFile(path)
}

func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// staleLock is how old a lock may be before its owner counts as dead: no
// change takes longer than a few seconds.
const staleLock = 30 * time.Second

// lock holds a file against other processes until release is called.
func lock(ctx context.Context, path string) (release func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), atomicfile.DirMode); err != nil {
		return nil, &Error{Msg: "cannot create " + filepath.Dir(path) + ": " + reason(err), Err: err}
	}
	for {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, atomicfile.FileMode)
		if err == nil {
			return func() { _ = os.Remove(path) }, f.Close()
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, &Error{Msg: "cannot write " + path + ": " + reason(err), Err: err}
		}
		if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > staleLock {
			_ = os.Remove(path)
			continue
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}
