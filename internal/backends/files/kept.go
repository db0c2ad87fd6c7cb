package files

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/edrctl/edrctl/internal/atomicfile"
	"github.com/edrctl/edrctl/internal/model"
)

// What is worth keeping, and how long.
const (
	minKept = 1 << 20
	keepFor = 30 * 24 * time.Hour
)

// keeping is the folder of the indexes of files that were read before. A file
// is the same one when its name, size, time and content are, and this program
// is. What cannot be kept or read is made again, without a word.
type keeping struct {
	dir  string // "" keeps nothing
	zone string
}

// kept is an index of one file; its entries follow the JSON.
type kept struct {
	Hash    string                 `json:"hash"`
	Formats []string               `json:"formats"`
	Header  int64                  `json:"header"`
	Records int                    `json:"records"`
	Unread  int                    `json:"unread"`
	Samples []string               `json:"samples"`
	Local   int                    `json:"local"`
	Hosts   map[string]*model.Host `json:"hosts"`
}

// path is where the index of a file is kept, "" when it is not.
func (k keeping) path(f *file) string {
	if k.dir == "" || f.Size < minKept {
		return ""
	}
	program, err := os.Executable()
	if err != nil {
		return ""
	}
	info, err := os.Stat(program)
	if err != nil {
		return ""
	}
	name, err := filepath.Abs(f.Name)
	if err != nil {
		return ""
	}
	key := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%d\x00%s\x00%d\x00%d", name, f.Size, f.ModTime.UnixNano(), k.zone, info.Size(), info.ModTime().UnixNano()))
	return filepath.Join(k.dir, hex.EncodeToString(key[:16])+".idx")
}

// load takes the index of a file from the folder and reports whether it could.
func (k keeping) load(f *file, number uint32) bool {
	path := k.path(f)
	if path == "" {
		return false
	}
	data, err := os.ReadFile(path)
	if err != nil || len(data) < 4 {
		return false
	}
	n := int64(binary.LittleEndian.Uint32(data))
	if n > int64(len(data)-4) || (int64(len(data))-4-n)%entrySize != 0 {
		return false
	}
	var have kept
	if json.Unmarshal(data[4:4+n], &have) != nil || have.Hash == "" || have.Hash != hashOf(f.Name) {
		return false
	}
	f.hash, f.formats, f.header, f.first = have.Hash, have.Formats, have.Header, true
	f.records, f.unread, f.samples, f.local = have.Records, have.Unread, have.Samples, have.Local
	if have.Hosts != nil {
		f.hosts = have.Hosts
	}
	for data = data[4+n:]; len(data) > 0; data = data[entrySize:] {
		f.found = append(f.found, getEntry(data, number))
	}
	f.text.path = f.Name
	return true
}

// save keeps the index of a file that was read to its end.
func (k keeping) save(f *file) {
	path := k.path(f)
	if path == "" || f.text.path == "" || f.err != nil {
		return
	}
	head, err := json.Marshal(kept{f.hash, f.formats, f.header, f.records, f.unread, f.samples, f.local, f.hosts})
	if err != nil || os.MkdirAll(k.dir, 0o700) != nil {
		return
	}
	data := binary.LittleEndian.AppendUint32(nil, uint32(len(head)))
	data = append(data, head...)
	for _, e := range f.found {
		data = putEntry(data, e)
	}
	if atomicfile.Write(path, data) == nil {
		k.tidy()
	}
}

// tidy removes what was not made lately.
func (k keeping) tidy() {
	all, err := filepath.Glob(filepath.Join(k.dir, "*.idx"))
	if err != nil {
		return
	}
	for _, path := range all {
		if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > keepFor {
			_ = os.Remove(path)
		}
	}
}

func hashOf(name string) string {
	f, err := os.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return ""
	}
	return hex.EncodeToString(sum.Sum(nil))
}

const entrySize = 28

func putEntry(b []byte, e entry) []byte {
	le := binary.LittleEndian
	b = le.AppendUint64(b, uint64(e.time))
	b = le.AppendUint64(b, e.id)
	b = le.AppendUint64(b, uint64(e.off))
	return append(le.AppendUint16(b, e.ord), byte(e.kind), e.copy)
}

func getEntry(b []byte, number uint32) entry {
	le := binary.LittleEndian
	return entry{time: int64(le.Uint64(b)), id: le.Uint64(b[8:]), off: int64(le.Uint64(b[16:])), ord: le.Uint16(b[24:]), kind: min(kind(b[26]), kinds-1), copy: b[27], file: number}
}
