package files

import (
	"bytes"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/edrctl/edrctl/internal/evidence"
)

// memoryOfTexts is how much unpacked text a profile holds in memory; beyond
// it, it goes to a temporary file, which nobody else can open.
const memoryOfTexts = 64 << 20

type budget struct {
	mu   sync.Mutex
	left int
}

func (b *budget) take(n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n > b.left {
		return false
	}
	b.left -= n
	return true
}

// store gives the text of a file from any offset: the file itself, or what was
// unpacked of it.
type store struct {
	path string // the file itself

	mu   sync.Mutex // what follows grows while it is read
	mem  []byte
	tmp  *os.File
	size int64
	room *budget
	err  error
}

// keep makes the store take what is written to the result.
func (s *store) keep(room *budget) io.Writer {
	s.room = room
	return (*keeper)(s)
}

type keeper store

func (s *keeper) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return len(p), nil // told by flush
	}
	s.size += int64(len(p))
	if s.tmp == nil {
		if s.room.take(len(p)) {
			s.mem = append(s.mem, p...)
			return len(p), nil
		}
		if s.tmp, s.err = os.CreateTemp("", "edrctl-evidence-*"); s.err != nil {
			return len(p), nil
		}
		_ = os.Remove(s.tmp.Name()) // where a system allows it, it goes with this process
		if _, s.err = s.tmp.Write(s.mem); s.err != nil {
			return len(p), nil
		}
		s.mem = nil
	}
	_, s.err = s.tmp.Write(p)
	return len(p), nil
}

func (s *store) flush() error { return s.err }

// open gives the text to read anywhere.
func (s *store) open() (io.ReaderAt, io.Closer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.path != "":
		f, err := os.Open(s.path)
		return f, f, err
	case s.tmp != nil:
		return s.tmp, io.NopCloser(nil), nil
	}
	return bytes.NewReader(s.mem), io.NopCloser(nil), nil
}

func (s *store) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mem = nil
	if s.tmp == nil {
		return nil
	}
	name := s.tmp.Name()
	err := s.tmp.Close()
	_ = os.Remove(name) // where it could not be removed while it was open
	s.tmp = nil
	return err
}

const (
	chunkSize   = 64 << 10 // of an event log
	chunksBegin = 4096
)

// from gives the text from a record's offset on, in a form that can be read by
// itself, and what to add to the offsets in it.
func (f *file) from(r io.ReaderAt, off int64) (io.Reader, int64) {
	rest := func(at int64) io.Reader { return io.NewSectionReader(r, at, 1<<62-at) }
	f.mu.Lock()
	formats, header := f.formats, f.header
	f.mu.Unlock()
	switch {
	case len(formats) == 1 && formats[0] == evidence.FormatEVTX:
		at := chunkOf(r, off)
		return rest(at), at
	case slices.ContainsFunc(formats, evidence.Table):
		return io.MultiReader(io.NewSectionReader(r, 0, header), rest(off)), off - header
	}
	return rest(off), off
}

// chunkOf finds the chunk of a record: at its place by the file's size, or, in
// a file that lost bytes, the last one before the record.
func chunkOf(r io.ReaderAt, off int64) int64 {
	magic := []byte("ElfChnk\x00")
	at := max(0, off-chunksBegin)/chunkSize*chunkSize + chunksBegin
	head := make([]byte, len(magic))
	if n, _ := r.ReadAt(head, at); n == len(magic) && bytes.Equal(head, magic) && at <= off {
		return at
	}
	from := max(0, off-chunkSize)
	buf := make([]byte, off-from)
	n, _ := r.ReadAt(buf, from)
	if i := bytes.LastIndex(buf[:n], magic); i >= 0 {
		return from + int64(i)
	}
	return from
}
