package winlog

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/model"
)

// wellKnown names the accounts that Windows logs by SID alone.
var wellKnown = map[string]string{
	"S-1-5-18": "SYSTEM", "S-1-5-19": "LOCAL SERVICE", "S-1-5-20": "NETWORK SERVICE", "S-1-5-7": "ANONYMOUS LOGON",
}

// number reads a whole number, decimal or 0x…; 0 when it is none.
func number(s string) int64 {
	base := 10
	if len(s) > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X') {
		s, base = s[2:], 16
	}
	n, err := strconv.ParseInt(s, base, 64)
	if err != nil {
		return 0
	}
	return n
}

// truth reads true and false, nil for anything else.
func truth(s string) *bool {
	switch strings.ToLower(s) {
	case "true", "1":
		return model.Ptr(true)
	case "false", "0":
		return model.Ptr(false)
	}
	return nil
}

// processUID strips the braces of a process GUID; the all-zero one is none.
func processUID(guid string) string {
	guid = strings.TrimSuffix(strings.TrimPrefix(guid, "{"), "}")
	if strings.Trim(guid, "0-") == "" {
		return ""
	}
	return guid
}

// parseHashes reads Sysmon's "SHA1=…,MD5=…,SHA256=…,IMPHASH=…" (any order,
// any case; a bare hash is recognised by its length). nil when there is none.
func parseHashes(s string) *model.Hash {
	if s == "" {
		return nil
	}
	var h model.Hash
	s = strings.ToLower(s)
	for part := range strings.SplitSeq(s, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			name, value = "", name
		}
		if !isHex(value) || strings.Trim(value, "0") == "" {
			continue
		}
		switch name {
		case "md5":
			put(&h.MD5, value, 32)
		case "sha1":
			put(&h.SHA1, value, 40)
		case "sha256":
			put(&h.SHA256, value, 64)
		case "sha512":
			put(&h.SHA512, value, 128)
		case "imphash":
			put(&h.Imphash, value, 32)
		case "":
			put(&h.MD5, value, 32)
			put(&h.SHA1, value, 40)
			put(&h.SHA256, value, 64)
			put(&h.SHA512, value, 128)
		}
	}
	if h == (model.Hash{}) {
		return nil
	}
	return &h
}

func put(into *string, value string, length int) {
	if len(value) == length {
		*into = value
	}
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return s != ""
}

// address reads an IP address as Windows writes them: ::ffff:1.2.3.4 is
// 1.2.3.4, a zone is left out, LOCAL and the unspecified address are none.
func address(s string) string {
	a, err := netip.ParseAddr(strings.TrimSpace(s))
	if err != nil {
		return ""
	}
	if a = a.Unmap().WithZone(""); a.IsUnspecified() {
		return ""
	}
	return a.String()
}

// end is one end of a connection, nil when nothing is known of it.
func end(ip string, port int64, domain string) *model.Endpoint {
	if port < 0 || port > 65535 {
		port = 0
	}
	if ip == "" && port == 0 && domain == "" {
		return nil
	}
	return &model.Endpoint{IP: model.Address(ip), Port: int(port), Domain: domain}
}

// transport names an IP protocol number.
func transport(s string) string {
	switch s {
	case "1":
		return "icmp"
	case "6":
		return "tcp"
	case "17":
		return "udp"
	case "58":
		return "icmpv6"
	}
	return s
}

// dnsTypes names the record types that Windows writes as numbers.
var dnsTypes = map[string]string{
	"1": "A", "2": "NS", "5": "CNAME", "6": "SOA", "12": "PTR", "15": "MX", "16": "TXT", "28": "AAAA", "33": "SRV", "64": "SVCB", "65": "HTTPS", "255": "ANY",
}

func dnsType(s string) string {
	if name, ok := dnsTypes[s]; ok {
		return name
	}
	return s
}

// answers reads QueryResults: "type:  5 alias.example;::ffff:192.0.2.1;".
func answers(s string) []model.DNSAnswer {
	var out []model.DNSAnswer
	for part := range strings.SplitSeq(s, ";") {
		part = strings.TrimSpace(part)
		if part == "" || part == "-" {
			continue
		}
		if rest, ok := strings.CutPrefix(part, "type:"); ok {
			typ, data, _ := strings.Cut(strings.TrimSpace(rest), " ")
			if data = strings.TrimSpace(data); data != "" {
				out = append(out, model.DNSAnswer{Type: dnsType(typ), Data: data})
			}
			continue
		}
		switch a, err := netip.ParseAddr(part); {
		case err != nil:
			out = append(out, model.DNSAnswer{Data: part})
		case a.Unmap().Is4():
			out = append(out, model.DNSAnswer{Type: "A", Data: a.Unmap().String()})
		default:
			out = append(out, model.DNSAnswer{Type: "AAAA", Data: a.WithZone("").String()})
		}
	}
	return out
}

// fullName writes DOMAIN\name.
func fullName(u *model.User) string {
	switch {
	case u == nil:
		return ""
	case u.Name == "":
		return u.ID
	case u.Domain == "":
		return u.Name
	}
	return u.Domain + `\` + u.Name
}

// program is the executable a command line starts, "" when unknown.
func program(line string) string {
	line = strings.TrimSpace(line)
	if rest, ok := strings.CutPrefix(line, `"`); ok {
		path, _, _ := strings.Cut(rest, `"`)
		return path
	}
	if i := strings.Index(strings.ToLower(line), ".exe"); i >= 0 && (len(line) == i+4 || line[i+4] == ' ') {
		return line[:i+4]
	}
	path, _, _ := strings.Cut(line, " ")
	return path
}

// launches is what a service or a task will start: not yet a process, so it
// has neither pid nor start.
func launches(line, path string, u *model.User) *model.Process {
	if line == "" && path == "" {
		return nil
	}
	if path == "" {
		path = program(line)
	}
	return &model.Process{Path: path, Name: model.BaseName(path), CommandLine: line, User: u}
}

// words joins the lines of a list of privileges or accesses.
func words(s string) string { return strings.Join(strings.Fields(s), " ") }

// element gives the text of the first <name>…</name> of a task's XML.
func element(xml, name string) string {
	if strings.Contains(xml, "&lt;") { // some forwarders escape it again
		xml = unescape(xml)
	}
	_, rest, ok := strings.Cut(xml, "<"+name+">")
	if !ok {
		return ""
	}
	text, _, ok := strings.Cut(rest, "</"+name+">")
	if !ok {
		return ""
	}
	return strings.TrimSpace(unescape(text))
}

var entities = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&quot;", `"`, "&apos;", "'", "&amp;", "&")

func unescape(s string) string { return entities.Replace(s) }

// utcTime reads Sysmon's UtcTime ("2021-03-03 21:34:46.769": UTC).
func utcTime(s string) (time.Time, bool) {
	t, err := time.Parse("2006-01-02 15:04:05", s)
	return t, err == nil && !t.IsZero()
}
