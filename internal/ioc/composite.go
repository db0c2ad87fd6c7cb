package ioc

import "strings"

// part is one half of a composite type: a type, or the port of the one before.
type part struct {
	typ  Type
	port bool
}

// composite reads the types that hold two values: filename|sha256, ip-dst|port,
// domain|ip, malware-sample; nil for any other.
func composite(kind string) []part {
	kind = strings.ToLower(strings.TrimSpace(kind))
	if kind == "malware-sample" {
		return []part{{typ: FileName}, {typ: MD5}}
	}
	sep := "|"
	if !strings.Contains(kind, sep) {
		sep = ":"
	}
	words := strings.Split(kind, sep)
	if len(words) != 2 {
		return nil
	}
	out := make([]part, 2)
	for i, w := range words {
		if strings.TrimSpace(w) == "port" {
			out[i].port = true
			continue
		}
		t, ok := ParseType(w)
		if !ok && !(i == 1 && out[0].typ == Registry) {
			return nil
		}
		out[i].typ = t
	}
	return out
}

// compositeValues reads a value of a composite type: A|B or HOST:PORT.
func compositeValues(parts []part, text string) (out []value) {
	s, ok := bare(text)
	if !ok {
		return nil
	}
	a, b, found := cutLast(s, "|")
	if !found && parts[1].port {
		if a, b, found = cutLast(s, ":"); strings.Contains(b, "]") {
			a, b, found = s, "", false
		}
	}
	if !found {
		a, b = s, ""
	}
	first := parts[0].typ
	vs, err := readValue(strings.TrimSpace(a), first)
	if err == nil {
		out = append(out, vs[0])
	}
	b = strings.TrimSpace(b)
	switch {
	case b == "":
	case parts[1].port:
		if p, ok := portOf(b); ok && len(out) > 0 {
			out[0].port = p
		}
	case first == Registry: // regkey|value: the data of the key
	default:
		if vs, err := readValue(b, parts[1].typ); err == nil {
			out = append(out, vs[0])
		}
	}
	return out
}

func cutLast(s, sep string) (a, b string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
