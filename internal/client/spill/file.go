// Package spill keeps what is too much for memory in a file of its own until it
// is read back, and sorts there.
package spill

import (
	"bytes"
	"compress/flate"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// File keeps blocks of bytes until they are read back, in a file that nobody
// else can open: 0600, without a name where the system allows that, gone when
// it is closed. Where no file can be written the blocks stay in memory,
// compressed. Put and Get may run at the same time as other Gets.
type File struct {
	Dir string // "" = no file may be written

	mu         sync.Mutex
	file       *os.File
	name       string // to be removed with it; "" = it has none any more
	size       int64
	broken     bool // the file could not be made or written
	compressor *flate.Writer
}

// Block is where a block of bytes is.
type Block struct {
	at         int64
	size       int
	compressed []byte // compressed, when it is not in the file
}

// In is a file below a state folder; "" = none may be written.
func In(stateDir string) *File {
	if stateDir == "" {
		return &File{}
	}
	return &File{Dir: filepath.Join(stateDir, "spool")}
}

// Put keeps a copy of block.
func (s *File) Put(block []byte) (Block, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil && !s.broken {
		s.broken = s.create() != nil
	}
	if !s.broken {
		k := Block{at: s.size, size: len(block)}
		if _, err := s.file.WriteAt(block, s.size); err == nil {
			s.size += int64(len(block))
			return k, nil
		}
		s.broken = true // a full disk: what was written can still be read
	}
	var out bytes.Buffer
	if s.compressor == nil {
		s.compressor, _ = flate.NewWriter(&out, flate.BestSpeed) // the level is a valid one
	} else {
		s.compressor.Reset(&out)
	}
	if _, err := s.compressor.Write(block); err != nil {
		return Block{}, err
	}
	if err := s.compressor.Close(); err != nil {
		return Block{}, err
	}
	return Block{size: len(block), compressed: bytes.Clone(out.Bytes())}, nil
}

func (s *File) create() error {
	if s.Dir == "" {
		return os.ErrNotExist
	}
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(s.Dir, "*.spool") // mode 0600
	if err != nil {
		return err
	}
	s.file, s.name = f, f.Name()
	if os.Remove(s.name) == nil {
		s.name = "" // it lives as long as it is open
	}
	return nil
}

// Get reads a block into buf, or into a longer buffer.
func (s *File) Get(k Block, buf []byte) ([]byte, error) {
	if cap(buf) < k.size {
		buf = make([]byte, k.size)
	}
	buf = buf[:k.size]
	if k.compressed != nil {
		zr := decompressors.Get().(io.ReadCloser)
		defer decompressors.Put(zr)
		if err := zr.(flate.Resetter).Reset(bytes.NewReader(k.compressed), nil); err != nil {
			return nil, err
		}
		_, err := io.ReadFull(zr, buf)
		return buf, err
	}
	_, err := s.file.ReadAt(buf, k.at)
	return buf, err
}

// decompressors are reused: each owns a window of 32 KiB.
var decompressors = sync.Pool{New: func() any { return flate.NewReader(bytes.NewReader(nil)) }}

// clear forgets every block: their place is used again.
func (s *File) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.size = 0
}

// Close gives the file back to the system.
func (s *File) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return
	}
	_ = s.file.Close()
	if s.name != "" {
		_ = os.Remove(s.name) // systems that keep open files
	}
	s.file, s.broken = nil, true
}
