package evidence

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/model"
)

// wholeNumber reads a whole number, decimal or 0x…; 0 when it is none.
func wholeNumber(s string) int64 {
	s = strings.TrimSpace(s)
	base := 10
	if len(s) > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X') {
		s, base = s[2:], 16
	}
	n, err := strconv.ParseInt(s, base, 64)
	if err == nil {
		return n
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && base == 10 && math.Abs(f) < 1<<62 && !math.IsNaN(f) {
		return int64(f)
	}
	return 0
}

func truth(s string) *bool {
	switch strings.ToLower(s) {
	case "true", "1", "yes":
		return yes(true)
	case "false", "0", "no":
		return yes(false)
	}
	return nil
}

func first(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

// portOf is a port, 0 when it cannot be one.
func portOf(n int64) int {
	if n < 0 || n > 65535 {
		return 0
	}
	return int(n)
}

// ipOf reads an address, "" when it is none or the unspecified one.
func ipOf(s string) string {
	a, err := netip.ParseAddr(strings.TrimSpace(s))
	if err != nil {
		return ""
	}
	if a = a.Unmap().WithZone(""); a.IsUnspecified() {
		return ""
	}
	return a.String()
}

// endpoint is one end of a connection, nil when nothing is known of it.
func endpoint(ip string, port int64, domain string) *model.Endpoint {
	e := model.Endpoint{IP: model.Address(ipOf(ip)), Port: portOf(port), Domain: domain}
	if e == (model.Endpoint{}) {
		return nil
	}
	return &e
}

// documentEndpoint is endpoint of a schema's document, where the unspecified
// address is what a listener is bound to.
func documentEndpoint(ip string, port int64, domain string) *model.Endpoint {
	if a, err := netip.ParseAddr(strings.TrimSpace(ip)); err == nil && a.IsUnspecified() {
		return &model.Endpoint{IP: a.Unmap().String(), Port: portOf(port), Domain: domain}
	}
	return endpoint(ip, port, domain)
}

// hashes makes a hash of what has the right length.
func hashes(md5, sha1, sha256 string) *model.Hash {
	h := model.Hash{MD5: hexOf(md5, 32), SHA1: hexOf(sha1, 40), SHA256: hexOf(sha256, 64)}
	if h == (model.Hash{}) {
		return nil
	}
	return &h
}

func hexOf(s string, length int) string {
	if len(s) != length || strings.Trim(s, "0123456789abcdefABCDEF") != "" || strings.Trim(s, "0") == "" {
		return ""
	}
	return strings.ToLower(s)
}

// contentID names a record that has no id of its own by what it says.
func contentID(raw []byte) string { return "x" + digest(raw) }

// OfContent reports whether an id was made of what its record says, because the
// record has none of its own: two records with such an id say the same and are
// two records all the same.
func OfContent(id string) bool {
	return len(id) == 1+2*digestSize && id[0] == 'x' && strings.Trim(id[1:], "0123456789abcdef") == ""
}

const digestSize = 10

func digest(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:digestSize])
}

// partsID names a record by the parts that make it one of a kind.
func partsID(parts ...string) string {
	var b [512]byte
	all := b[:0]
	for _, p := range parts {
		all = append(append(all, p...), 0)
	}
	return digest(all)
}

func userOf(name, domain, id string) *model.User {
	if name == "" && id == "" {
		return nil
	}
	if domain == "" && strings.Contains(name, `\`) {
		u := model.SplitUser(name)
		u.ID = id
		return u
	}
	return &model.User{Name: name, Domain: domain, ID: id}
}

// finishProcess names a process by its path; nil when nothing is known of it.
func finishProcess(p *model.Process) *model.Process {
	if p.Name == "" {
		p.Name = model.BaseName(p.Path)
	}
	if q := p.Parent; q != nil {
		if q.Name == "" {
			q.Name = model.BaseName(q.Path)
		}
		if *q == (model.ParentProcess{}) {
			p.Parent = nil
		}
	}
	if p.UID == "" && p.PID == 0 && p.Path == "" && p.Name == "" && p.CommandLine == "" && p.Parent == nil {
		return nil
	}
	return p
}

// layouts of times, most common first; the zone is taken from Z, an offset or,
// without either, from Options.
var zoned = [...]string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999 -0700", "2006-01-02 15:04:05.999999999 -0700 MST", "2006-01-02T15:04:05.999999999-0700", "2006-01-02 15:04:05.999999999 MST", "Mon Jan _2 15:04:05 2006 MST"}

var unzoned = [...]string{
	"2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999", "2006-01-02 15:04", "01/02/2006 15:04:05.999999999", "1/2/2006 3:04:05 PM", "1/2/2006 3:04:05.999 PM",
	"02/01/2006 15:04:05.999", "2006/01/02 15:04:05.999999999", "Jan _2 2006 15:04:05", "Mon Jan _2 15:04:05 2006", "2006-01-02",
}

// clock reads times and remembers whether one had no zone.
type clock struct {
	zone  *time.Location
	local bool
}

// read reads a time as logs write it: text with or without a zone, seconds,
// milliseconds, micro- or nanoseconds since 1970, or .NET's /Date(…)/.
func (c *clock) read(s string) (time.Time, bool) {
	t, hasZone, ok := readTime(s, c.zone)
	if ok && !hasZone {
		c.local = true
	}
	return t, ok
}

// first gives the first of the texts that is a time.
func (c *clock) first(list ...string) model.Time {
	for _, s := range list {
		if s == "" {
			continue
		}
		if t, ok := c.read(s); ok {
			return model.At(t)
		}
	}
	return model.Time{}
}

func readTime(s string, zone *time.Location) (t time.Time, hasZone, ok bool) {
	if len(s) > 64 || len(s) < 8 {
		return t, false, false
	}
	if t, hasZone, ok = isoTime(s, zone); ok {
		return t, hasZone, sane(t)
	}
	s = strings.TrimSpace(s)
	if n, found := strings.CutPrefix(s, "/Date("); found {
		n, _, _ = strings.Cut(n, ")")
		s = n
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		t, ok = epoch(f, s)
		return t, true, ok
	}
	for _, layout := range zoned {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true, sane(t)
		}
	}
	for _, layout := range unzoned {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return t, false, sane(t)
		}
	}
	return time.Time{}, false, false
}

// sane keeps out the zero times of the products: 0001, 1601, 1970.
func sane(t time.Time) bool { return t.Year() > 1970 && t.Year() < 10000 }

// epoch reads a count since 1970 by its magnitude.
func epoch(f float64, s string) (time.Time, bool) {
	if f < 1e8 || math.IsInf(f, 0) || math.IsNaN(f) {
		return time.Time{}, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	whole := err == nil
	var t time.Time
	switch {
	case f < 1e11 && whole:
		t = time.Unix(n, 0)
	case f < 1e11:
		t = time.UnixMicro(int64(math.Round(f * 1e6)))
	case f < 1e14:
		t = time.UnixMicro(int64(math.Round(f * 1e3)))
	case f < 1e17 && whole:
		t = time.UnixMicro(n)
	case f < 9e18 && whole:
		t = time.Unix(0, n)
	default:
		return time.Time{}, false
	}
	return t.UTC(), sane(t)
}

// isoTime reads "2006-01-02T15:04:05.9999999Z", with a blank for the T and
// with or without the Z: nearly all there is, ten times as fast as the rest.
func isoTime(s string, zone *time.Location) (t time.Time, hasZone, ok bool) {
	if len(s) < 19 || s[4] != '-' || s[7] != '-' || s[10] != 'T' && s[10] != ' ' || s[13] != ':' || s[16] != ':' {
		return t, false, false
	}
	year, month, day := digits(s[0:4]), digits(s[5:7]), digits(s[8:10])
	hour, minute, second := digits(s[11:13]), digits(s[14:16]), digits(s[17:19])
	if year < 0 || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60 {
		return t, false, false
	}
	nanos, i := 0, 19
	if i < len(s) && (s[i] == '.' || s[i] == ',') {
		unit := 100_000_000
		for i++; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
			nanos += int(s[i]-'0') * unit
			unit /= 10
		}
	}
	switch s[i:] {
	case "Z", " UTC", " Z", "+00:00":
		return time.Date(year, time.Month(month), day, hour, minute, second, nanos, time.UTC), true, true
	case "":
		return time.Date(year, time.Month(month), day, hour, minute, second, nanos, zone), false, true
	}
	return t, false, false
}

// digits reads a number of digits only, -1 for anything else.
func digits(s string) int {
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return -1
		}
		n = n*10 + int(s[i]-'0')
	}
	return n
}
