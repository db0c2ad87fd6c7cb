package story

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
)

// seed is fixed: every machine gets the same story. Changing it changes
// every id, so the demo's recorded sessions and screenshots with it.
const seed = 0x5eed_ed2c_71e5

// rng is splitmix64: tiny, fast, and the same on every platform and Go
// release, which math/rand's own sources do not promise for derived methods.
type rng uint64

func newRng(parts ...uint64) *rng {
	r := rng(seed)
	for _, p := range parts {
		r ^= rng(p * 0x9e3779b97f4a7c15)
		r.next()
	}
	return &r
}

func (r *rng) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return z ^ (z >> 31)
}

// intn gives a number in [0, n).
func (r *rng) intn(n int) int { return int((r.next() >> 11) % uint64(n)) }

func pick[T any](r *rng, list []T) T { return list[r.intn(len(list))] }

// word folds a name into a stream number.
func streamOf(s string) uint64 {
	h := uint64(1469598103934665603)
	for i := 0; i < len(s); i++ {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

const hexDigits = "0123456789abcdef"

// guid is an 8-4-4-4-12 identifier from two words.
func guid(a, b uint64) string {
	var raw [16]byte
	for i := range 8 {
		raw[i], raw[8+i] = byte(a>>(56-8*i)), byte(b>>(56-8*i))
	}
	var out [36]byte
	n := 0
	for i, c := range raw {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			out[n] = '-'
			n++
		}
		out[n], out[n+1] = hexDigits[c>>4], hexDigits[c&15]
		n += 2
	}
	return string(out[:])
}

// guidOf is a stable identifier for a name.
func guidOf(s string) string {
	r := newRng(streamOf(s))
	return guid(r.next(), r.next())
}

// image is what is known of a program file wherever it lies.
type image struct{ md5, sha1, sha256, imphash string }

// imageOf makes up hashes for a named content: hashes of the name, so that
// they belong to no real file.
func imageOf(name string) image {
	b := []byte("edrctl demo content: " + name)
	m, s1, s2 := md5.Sum(b), sha1.Sum(b), sha256.Sum256(b)
	i := md5.Sum(append(b, " imports"...))
	return image{hex.EncodeToString(m[:]), hex.EncodeToString(s1[:]), hex.EncodeToString(s2[:]), hex.EncodeToString(i[:])}
}
