package fake

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// The q grammar of docs/wire/cwatch.md 7: terms joined by AND, nothing else.

var errQuery = errors.New("invalid query string")

// names of base_event_type, 1 to 22.
var baseTypeNames = []string{
	"Create Process", "Network Listen", "Network Connection", "Delete Registry Key", "Delete Registry Value",
	"Set Registry Value", "Write File", "Delete File", "Browser Download", "File Copy from Shared Folder",
	"File Copy from USB Disk", "Email Download", "File Copy to Shared Folder", "File Copy to USB Disk",
	"Access Raw Disk", "Access Keyboard", "Access Screen", "Set Windows Hook", "Virtual Memory Access",
	"Access Microphone", "Code Injection", "Open Process",
}

const misspelt = "File Copy from hared Folder"

var groupNames = []string{"PROCESS", "NETWORK", "REGISTRY", "FILE", "DEFENSEPLUS", "BROWSER"}

// GroupOf gives the event_group number of a base_event_type, 1 to 6 in the
// document's order.
func GroupOf(baseType int) int {
	switch {
	case baseType == 1:
		return 1
	case baseType == 2 || baseType == 3:
		return 2
	case baseType >= 4 && baseType <= 6:
		return 3
	case baseType == 9:
		return 6
	case baseType >= 15:
		return 5
	}
	return 4
}

type valueKind uint8

const (
	asText valueKind = iota
	asNumber
	asIP
	asTime
	asEnum
)

// field is one queryable field.
type field struct {
	ops    string // of "= != ~ < > <= >=", separated by spaces
	kind   valueKind
	names  func(o Options) []string      // of an enum, in the order of its numbers
	first  int                           // number of the first name
	text   func(e *Event) (string, bool) // asText, asIP, asTime
	number func(e *Event) (int64, bool)  // asNumber, asEnum
}

func text(f func(e *Event) *string) func(*Event) (string, bool) {
	return func(e *Event) (string, bool) {
		if s := f(e); s != nil {
			return *s, true
		}
		return "", false
	}
}

func child[T any](f func(*Child) T) func(*Event) (T, bool) {
	return func(e *Event) (v T, ok bool) {
		if e.Child == nil {
			return v, false
		}
		return f(e.Child), true
	}
}

func network[T any](f func(*Network) T) func(*Event) (T, bool) {
	return func(e *Event) (v T, ok bool) {
		if e.Network == nil {
			return v, false
		}
		return f(e.Network), true
	}
}

func registry(f func(*Registry) string) func(*Event) (string, bool) {
	return func(e *Event) (string, bool) {
		if e.Registry == nil {
			return "", false
		}
		return f(e.Registry), true
	}
}

func change(f func(*FileChange) string) func(*Event) (string, bool) {
	return func(e *Event) (string, bool) {
		if e.FileChange == nil {
			return "", false
		}
		return f(e.FileChange), true
	}
}

func browser(f func(*Browser) string) func(*Event) (string, bool) {
	return func(e *Event) (string, bool) {
		if e.Browser == nil {
			return "", false
		}
		return f(e.Browser), true
	}
}

const (
	equality = "= !="
	textual  = "= != ~"
)

var fields = map[string]field{
	"event_group": {ops: equality, kind: asEnum, first: 1, names: func(Options) []string { return groupNames },
		number: func(e *Event) (int64, bool) { return int64(e.Group), true }},
	"base_event_type": {ops: equality, kind: asEnum, first: 1, names: typeNames,
		number: func(e *Event) (int64, bool) { return int64(e.BaseType), true }},
	"child_process_elevation_type": {ops: equality, kind: asEnum,
		names:  func(Options) []string { return []string{"TYPE0", "TYPE1", "TYPE2", "TYPE3"} },
		number: child(func(c *Child) int64 { return int64(c.ChildElevation) })},
	"network_transfer_protocol": {ops: equality, kind: asEnum,
		names:  func(Options) []string { return []string{"NONE", "TCP", "UDP"} },
		number: network(func(n *Network) int64 { return int64(n.Protocol) })},

	"id":                  {ops: "=", text: text(func(e *Event) *string { return &e.ID })},
	"adaptive_event_type": {ops: equality, text: text(func(e *Event) *string { return e.Adaptive })},
	"process_hash":        {ops: equality, text: text(func(e *Event) *string { return &e.Hash })},
	"child_process_hash":  {ops: equality, text: child(func(c *Child) string { return c.ChildHash })},
	"registry_value_name": {ops: equality, text: registry(func(r *Registry) string { return r.ValueName })},
	"file_hash":           {ops: equality, text: change(func(f *FileChange) string { return f.FileHash })},
	"browser_file_hash":   {ops: equality, text: browser(func(b *Browser) string { return b.BrowserFileHash })},

	"process_pid":              {ops: equality, kind: asNumber, number: func(e *Event) (int64, bool) { return e.PID, true }},
	"child_process_pid":        {ops: equality, kind: asNumber, number: child(func(c *Child) int64 { return c.ChildPID })},
	"network_source_port":      {ops: equality, kind: asNumber, number: network(func(n *Network) int64 { return int64(n.SourcePort) })},
	"network_destination_port": {ops: equality, kind: asNumber, number: network(func(n *Network) int64 { return int64(n.DestinationPort) })},

	"network_source_ip":      {ops: equality, kind: asIP, text: network(func(n *Network) string { return n.SourceIP })},
	"network_destination_ip": {ops: equality, kind: asIP, text: network(func(n *Network) string { return n.DestinationIP })},

	"process_creation_time": {ops: "= != > < <= >=", kind: asTime, text: text(func(e *Event) *string { return &e.CreationTime })},

	"process_path":               {ops: textual, text: text(func(e *Event) *string { return &e.Path })},
	"process_user_name":          {ops: textual, text: text(func(e *Event) *string { return &e.UserName })},
	"process_user_domain":        {ops: textual, text: text(func(e *Event) *string { return &e.UserDomain })},
	"process_logged_on_user":     {ops: textual, text: text(func(e *Event) *string { return &e.LoggedOn })},
	"process_device_name":        {ops: textual, text: text(func(e *Event) *string { return &e.Device })},
	"child_process_path":         {ops: textual, text: child(func(c *Child) string { return c.ChildPath })},
	"child_process_command_line": {ops: textual, text: child(func(c *Child) string { return c.ChildCommandLine })},
	"registry_key_path":          {ops: textual, text: registry(func(r *Registry) string { return r.KeyPath })},
	"registry_value_data":        {ops: textual, text: registry(func(r *Registry) string { return r.ValueData })},
	"file_path":                  {ops: textual, text: change(func(f *FileChange) string { return f.FilePath })},
	"file_old_path":              {ops: textual, text: change(func(f *FileChange) string { return f.FileOldPath })},
	"browser_download_url":       {ops: textual, text: browser(func(b *Browser) string { return b.DownloadURL })},
	"browser_file_path":          {ops: textual, text: browser(func(b *Browser) string { return b.BrowserFilePath })},
	"target_name":                {ops: textual, text: text(func(e *Event) *string { return e.TargetName })},
}

func typeNames(o Options) []string {
	if !o.MisspeltType {
		return baseTypeNames
	}
	names := append([]string(nil), baseTypeNames...)
	names[9] = misspelt
	return names
}

// condition tells whether an event satisfies one term. An event without the
// field satisfies only !=.
type condition func(e *Event) bool

// parseQuery reads q; an empty one has no terms.
func parseQuery(q string, o Options) ([]condition, error) {
	rest := strings.TrimSpace(q)
	if rest == "" {
		return nil, nil
	}
	var out []condition
	for {
		c, after, err := parseTerm(rest, o)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
		rest = strings.TrimLeft(after, " ")
		if rest == "" {
			return out, nil
		}
		if after == rest || !strings.HasPrefix(rest, "AND ") {
			return nil, errQuery
		}
		rest = strings.TrimLeft(rest[len("AND "):], " ")
	}
}

func parseTerm(s string, o Options) (condition, string, error) {
	n := 0
	for n < len(s) && (s[n] >= 'a' && s[n] <= 'z' || s[n] == '_') {
		n++
	}
	f, ok := fields[s[:n]]
	if !ok {
		return nil, "", errQuery
	}
	s = strings.TrimLeft(s[n:], " ")
	op := ""
	for _, candidate := range []string{"<=", ">=", "!=", "=", "<", ">", "~"} {
		if strings.HasPrefix(s, candidate) {
			op = candidate
			break
		}
	}
	if op == "" || !allowed(f.ops, op) {
		return nil, "", errQuery
	}
	value, quoted, rest, err := parseValue(strings.TrimLeft(s[len(op):], " "), o)
	if err != nil {
		return nil, "", err
	}
	c, err := f.condition(op, value, quoted, o)
	return c, rest, err
}

func allowed(ops, op string) bool {
	for _, o := range strings.Fields(ops) {
		if o == op {
			return true
		}
	}
	return false
}

// parseValue reads a quoted text or a bare number.
func parseValue(s string, o Options) (value string, quoted bool, rest string, err error) {
	if strings.HasPrefix(s, "'") {
		end := strings.IndexByte(s[1:], '\'')
		if end < 0 {
			return "", false, "", errQuery
		}
		value, rest = s[1:1+end], s[2+end:]
		if rest != "" && rest[0] != ' ' {
			return "", false, "", errQuery
		}
		if o.DoubledBackslash {
			plain := strings.ReplaceAll(value, `\\`, "\x00")
			if strings.Contains(plain, `\`) {
				return "", false, "", errQuery
			}
			value = strings.ReplaceAll(plain, "\x00", `\`)
		}
		return value, true, rest, nil
	}
	end := strings.IndexByte(s, ' ')
	if end < 0 {
		end = len(s)
	}
	if end == 0 {
		return "", false, "", errQuery
	}
	return s[:end], false, s[end:], nil
}

func (f field) condition(op, value string, quoted bool, o Options) (condition, error) {
	switch f.kind {
	case asNumber:
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || quoted || n < 0 {
			return nil, errQuery
		}
		return f.numeric(op, n), nil
	case asEnum:
		if !quoted {
			return nil, errQuery
		}
		for i, name := range f.names(o) {
			if name == value {
				return f.numeric(op, int64(i+f.first)), nil
			}
		}
		return nil, errQuery
	case asIP:
		a, err := netip.ParseAddr(value)
		if err != nil || !quoted || !a.Is4() {
			return nil, errQuery
		}
		return f.textual(op, func(s string) bool {
			b, err := netip.ParseAddr(s)
			return err == nil && a == b
		}), nil
	case asTime:
		t, err := time.Parse(time.RFC3339Nano, value)
		if err != nil || !quoted {
			return nil, errQuery
		}
		return func(e *Event) bool {
			s, ok := f.text(e)
			u, err := time.Parse(time.RFC3339Nano, s)
			if !ok || err != nil {
				return op == "!="
			}
			switch c := u.Compare(t); op {
			case "=":
				return c == 0
			case "!=":
				return c != 0
			case "<":
				return c < 0
			case "<=":
				return c <= 0
			case ">":
				return c > 0
			default:
				return c >= 0
			}
		}, nil
	}
	if !quoted {
		return nil, errQuery
	}
	if op == "~" {
		return f.textual("=", o.tilde(value)), nil
	}
	return f.textual(op, func(s string) bool { return s == value }), nil
}

func (f field) numeric(op string, want int64) condition {
	return func(e *Event) bool {
		n, ok := f.number(e)
		return (ok && n == want) == (op == "=")
	}
}

func (f field) textual(op string, match func(string) bool) condition {
	return func(e *Event) bool {
		s, ok := f.text(e)
		return (ok && match(s)) == (op == "=")
	}
}

// tilde is the meaning of ~.
func (o Options) tilde(value string) func(string) bool {
	switch o.Tilde {
	case TildeWildcard:
		return func(s string) bool { return wildcard(strings.ToLower(value), strings.ToLower(s)) }
	case TildeCaseSensitive:
		return func(s string) bool { return strings.Contains(s, value) }
	}
	lower := strings.ToLower(value)
	return func(s string) bool { return strings.Contains(strings.ToLower(s), lower) }
}

// wildcard matches * over the whole text.
func wildcard(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return s == pattern
	}
	if !strings.HasPrefix(s, parts[0]) {
		return false
	}
	s = s[len(parts[0]):]
	last := len(parts) - 1
	for _, p := range parts[1:last] {
		i := strings.Index(s, p)
		if i < 0 {
			return false
		}
		s = s[i+len(p):]
	}
	return strings.HasSuffix(s, parts[last])
}
