package download

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
)

// Hashes are lower-case hex; "" = unknown.
type Hashes struct {
	MD5    string `json:"md5,omitempty"`
	SHA1   string `json:"sha1,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
}

// differs names the first hash that both know and that is not the same.
func (h Hashes) differs(got Hashes) (name, want, is string) {
	for _, c := range []struct{ name, want, got string }{{"sha256", h.SHA256, got.SHA256}, {"sha1", h.SHA1, got.SHA1}, {"md5", h.MD5, got.MD5}} {
		if c.want != "" && c.got != "" && !strings.EqualFold(strings.TrimSpace(c.want), c.got) {
			return c.name, c.want, c.got
		}
	}
	return "", "", ""
}

const (
	blockSize = 256 << 10
	blocks    = 8
)

// block is a piece of the file on its way through the hashes.
type block struct {
	data []byte
	refs atomic.Int32
}

// hashedFile writes a file and hashes it in parallel, in goroutines of their own:
// the network, the disk and the hashes work at the same time. It can be
// emptied, as a download that starts again needs.
type hashedFile struct {
	f        *os.File
	total    int64
	progress func(done, total int64)
	n        int64
	cur      *block
	free     chan *block
	lanes    []*lane
	ended    bool
	sums     Hashes
}

// lane is one goroutine and its hashes.
type lane struct {
	hashes []hash.Hash
	in     chan *block
	idle   sync.WaitGroup // of blocks under way
	done   chan struct{}
}

func newHashedFile(f *os.File, total int64, progress func(done, total int64)) *hashedFile {
	h := &hashedFile{f: f, total: total, progress: progress, free: make(chan *block, blocks)}
	for range blocks {
		h.free <- &block{}
	}
	for _, hs := range [][]hash.Hash{{md5.New()}, {sha256.New(), sha1.New()}} {
		l := &lane{hashes: hs, in: make(chan *block, blocks), done: make(chan struct{})}
		h.lanes = append(h.lanes, l)
		go func() {
			defer close(l.done)
			for b := range l.in {
				for _, x := range l.hashes {
					_, _ = x.Write(b.data) // never fails
				}
				if b.refs.Add(-1) == 0 {
					b.data = b.data[:0]
					h.free <- b
				}
				l.idle.Done()
			}
		}()
	}
	return h
}

// Write writes to the file and hands the same bytes to the hashes.
func (h *hashedFile) Write(p []byte) (int, error) {
	n, err := h.f.Write(p)
	h.hash(p[:n])
	h.n += int64(n)
	if h.progress != nil {
		h.progress(h.n, h.total)
	}
	return n, err
}

func (h *hashedFile) hash(p []byte) {
	for len(p) > 0 {
		if h.cur == nil {
			h.cur = <-h.free
			if h.cur.data == nil {
				h.cur.data = make([]byte, 0, blockSize)
			}
		}
		k := min(len(p), blockSize-len(h.cur.data))
		h.cur.data = append(h.cur.data, p[:k]...)
		p = p[k:]
		if len(h.cur.data) == blockSize {
			h.push()
		}
	}
}

// push gives the block to the lanes.
func (h *hashedFile) push() {
	b := h.cur
	h.cur = nil
	if b == nil {
		return
	}
	b.refs.Store(int32(len(h.lanes)))
	for _, l := range h.lanes {
		l.idle.Add(1)
		l.in <- b
	}
}

// Truncate empties the file: the server sends it from its start.
func (h *hashedFile) Truncate(size int64) error {
	if size != 0 {
		return errors.New("a file under download is only emptied as a whole")
	}
	if h.cur != nil {
		h.cur.data = h.cur.data[:0]
	}
	for _, l := range h.lanes {
		l.idle.Wait()
		for _, x := range l.hashes {
			x.Reset()
		}
	}
	h.n = 0
	return h.f.Truncate(0)
}

// Seek goes to the start, after Truncate.
func (h *hashedFile) Seek(offset int64, whence int) (int64, error) { return h.f.Seek(offset, whence) }

// rehash reads what is there already, and leaves the file at its end.
func (h *hashedFile) rehash(ctx context.Context, have int64) error {
	if _, err := h.f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	buf := make([]byte, blockSize)
	for left := have; left > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.ReadFull(h.f, buf[:min(int64(len(buf)), left)])
		if err != nil {
			return err
		}
		h.hash(buf[:n])
		left -= int64(n)
		h.n += int64(n)
	}
	return nil
}

// finish ends the hashes; size is what went through them.
func (h *hashedFile) finish() (Hashes, int64) {
	if h.ended {
		return h.sums, h.n
	}
	h.ended = true
	h.push()
	for _, l := range h.lanes {
		close(l.in)
		<-l.done
	}
	sum := func(x hash.Hash) string { return hex.EncodeToString(x.Sum(nil)) }
	h.sums = Hashes{MD5: sum(h.lanes[0].hashes[0]), SHA256: sum(h.lanes[1].hashes[0]), SHA1: sum(h.lanes[1].hashes[1])}
	return h.sums, h.n
}

// HashAll reads r to its end and gives its hashes and size.
func HashAll(ctx context.Context, r io.Reader) (Hashes, int64, error) {
	h := newHashedFile(nil, -1, nil)
	buf := make([]byte, blockSize)
	for {
		if err := ctx.Err(); err != nil {
			_, _ = h.finish() // ends its goroutines
			return Hashes{}, 0, err
		}
		n, err := r.Read(buf)
		h.hash(buf[:n])
		h.n += int64(n)
		if err != nil {
			sums, size := h.finish()
			if errors.Is(err, io.EOF) {
				return sums, size, nil
			}
			return Hashes{}, size, err
		}
	}
}
