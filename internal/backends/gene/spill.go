package gene

import (
	"bytes"
	"compress/flate"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// spillFile keeps blocks of bytes until they are read back, in a file that nobody
// else can open: 0600, without a name where the system allows that, gone when
// it is closed. Where no file can be written the blocks stay in memory,
// compressed. put and get may run at the same time as other gets.
type spillFile struct {
	dir string // "" = no file may be written

	mu         sync.Mutex
	file       *os.File
	name       string // to be removed with it; "" = it has none any more
	size       int64
	broken     bool // the file could not be made or written
	compressor *flate.Writer
}

// blockRef is where a block is.
type blockRef struct {
	at         int64
	size       int
	compressed []byte // compressed, when it is not in the file
}

// put keeps a copy of block.
func (s *spillFile) put(block []byte) (blockRef, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil && !s.broken {
		s.broken = s.create() != nil
	}
	if !s.broken {
		k := blockRef{at: s.size, size: len(block)}
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
		return blockRef{}, err
	}
	if err := s.compressor.Close(); err != nil {
		return blockRef{}, err
	}
	return blockRef{size: len(block), compressed: bytes.Clone(out.Bytes())}, nil
}

func (s *spillFile) create() error {
	if s.dir == "" {
		return os.ErrNotExist
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(s.dir, "gene-*.spool") // mode 0600
	if err != nil {
		return err
	}
	s.file, s.name = f, f.Name()
	if os.Remove(s.name) == nil {
		s.name = "" // it lives as long as it is open
	}
	return nil
}

// get reads a block into buf, or into a longer buffer.
func (s *spillFile) get(k blockRef, buf []byte) ([]byte, error) {
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

func (s *spillFile) close() {
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

// spillDir is where this driver's spools are; "" = none may be written.
func (d *Driver) spillDir() string {
	if d.o.StateDir == "" {
		return ""
	}
	return filepath.Join(d.o.StateDir, "spool")
}
