package gene

import (
	"bytes"
	"compress/flate"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// spool keeps blocks of bytes until they are read back, in a file that nobody
// else can open: 0600, without a name where the system allows that, gone when
// it is closed. Where no file can be written the blocks stay in memory,
// compressed. put and get may run at the same time as other gets.
type spool struct {
	dir string // "" = no file may be written

	mu     sync.Mutex
	file   *os.File
	name   string // to be removed with it; "" = it has none any more
	size   int64
	broken bool // the file could not be made or written
	pack   *flate.Writer
}

// kept is where a block is.
type kept struct {
	at     int64
	size   int
	memory []byte // compressed, when it is not in the file
}

// put keeps a copy of block.
func (s *spool) put(block []byte) (kept, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil && !s.broken {
		s.broken = s.create() != nil
	}
	if !s.broken {
		k := kept{at: s.size, size: len(block)}
		if _, err := s.file.WriteAt(block, s.size); err == nil {
			s.size += int64(len(block))
			return k, nil
		}
		s.broken = true // a full disk: what was written can still be read
	}
	var out bytes.Buffer
	if s.pack == nil {
		s.pack, _ = flate.NewWriter(&out, flate.BestSpeed) // the level is a valid one
	} else {
		s.pack.Reset(&out)
	}
	if _, err := s.pack.Write(block); err != nil {
		return kept{}, err
	}
	if err := s.pack.Close(); err != nil {
		return kept{}, err
	}
	return kept{size: len(block), memory: bytes.Clone(out.Bytes())}, nil
}

func (s *spool) create() error {
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
func (s *spool) get(k kept, buf []byte) ([]byte, error) {
	if cap(buf) < k.size {
		buf = make([]byte, k.size)
	}
	buf = buf[:k.size]
	if k.memory != nil {
		zr := unpackers.Get().(io.ReadCloser)
		defer unpackers.Put(zr)
		if err := zr.(flate.Resetter).Reset(bytes.NewReader(k.memory), nil); err != nil {
			return nil, err
		}
		_, err := io.ReadFull(zr, buf)
		return buf, err
	}
	_, err := s.file.ReadAt(buf, k.at)
	return buf, err
}

// unpackers are kept: each owns a window of 32 KiB.
var unpackers = sync.Pool{New: func() any { return flate.NewReader(bytes.NewReader(nil)) }}

func (s *spool) close() {
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

// spoolDir is where this driver's spools are; "" = none may be written.
func (d *Driver) spoolDir() string {
	if d.o.StateDir == "" {
		return ""
	}
	return filepath.Join(d.o.StateDir, "spool")
}
