package output

import (
	"bytes"
	"encoding/json"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/model"
)

// docsWriter writes one ECS or OCSF document a line.
type docsWriter struct {
	base
	convert func(rec any, opt Options) doc
}

func newDocs(b base) (Writer, error) {
	w := &docsWriter{base: b, convert: ecsDocument}
	if b.opt.Format == FormatOCSF {
		w.convert = ocsfDocument
	}
	if len(b.opt.Columns) > 0 {
		return nil, usagef("-o %s writes whole documents: --columns does not go with it", b.opt.Format)
	}
	if b.opt.Kind.hasDocuments() {
		return w, nil
	}
	return nil, usagef("-o %s has no document for %s: it is for alerts, events, hosts, processes, hits, actions and the journal", b.opt.Format, article(b.opt.Kind.Name()))
}

func (w *docsWriter) Write(rec any) error {
	if record := w.opt.Kind.spec.actionRecord; record != nil {
		rec = record(rec)
	}
	d := w.convert(rec, w.opt)
	if d == nil {
		return usagef("-o %s has no document for %T", w.opt.Format, rec)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(d); err != nil {
		return err
	}
	w.buf = append(appendEscaped(w.buf[:0], bytes.TrimSuffix(b.Bytes(), []byte{'\n'})), '\n')
	return w.emit(w.buf)
}

func (w *docsWriter) One(rec any) error {
	if err := w.Write(rec); err != nil {
		return err
	}
	return w.Flush()
}

func (w *docsWriter) Close() error { return w.Flush() }

// doc is one object of a document under construction.
type doc map[string]any

// set adds a member unless it says nothing: "", 0, nil, an empty list or
// object. Values for which 0 means something are assigned directly.
func (d doc) set(key string, v any) {
	switch x := v.(type) {
	case nil:
		return
	case string:
		if x == "" {
			return
		}
	case int:
		if x == 0 {
			return
		}
	case int64:
		if x == 0 {
			return
		}
	case doc:
		if len(x) == 0 {
			return
		}
	case []doc:
		if len(x) == 0 {
			return
		}
	case []string:
		if len(x) == 0 {
			return
		}
	case json.RawMessage:
		if len(x) == 0 {
			return
		}
	}
	d[key] = v
}

// at sets a member below nested objects: d.at("a.b.c", v).
func (d doc) at(path string, v any) {
	head, rest, nested := strings.Cut(path, ".")
	if !nested {
		d.set(head, v)
		return
	}
	kid, ok := d[head].(doc)
	if !ok {
		kid = doc{}
	}
	kid.at(rest, v)
	d.set(head, kid)
}

// millis is a time as OCSF writes it; nil when there is none.
func millis(t model.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

// stamp is a time as ECS writes it; "" when there is none.
func stamp(t model.Time) string { return t.String() }

// validIP gives the canonical form of an address, "" for what is none.
func validIP(s string) string {
	a, err := netip.ParseAddr(strings.TrimSpace(s))
	if err != nil {
		return ""
	}
	return a.Unmap().WithZone("").String()
}

func validIPs(list []string) []string {
	var out []string
	for _, s := range list {
		if ip := validIP(s); ip != "" && !slices.Contains(out, ip) {
			out = append(out, ip)
		}
	}
	return out
}

// validMAC gives six octets joined with sep, in capitals as ECS asks.
func validMAC(s, sep string) string {
	clean := strings.Map(func(r rune) rune {
		if strings.ContainsRune(":-. ", r) {
			return -1
		}
		return r
	}, s)
	if len(clean) != 12 {
		return ""
	}
	parts := make([]string, 6)
	for i := range parts {
		parts[i] = clean[2*i : 2*i+2]
	}
	if _, err := net.ParseMAC(strings.Join(parts, ":")); err != nil {
		return ""
	}
	return strings.ToUpper(strings.Join(parts, sep))
}

// platform is windows, linux or darwin, as far as the host says.
func platform(h *model.Host) string {
	if h == nil || h.OS == nil {
		return ""
	}
	s := strings.ToLower(first(h.OS.Platform, h.OS.Name))
	switch {
	case strings.Contains(s, "darwin"), strings.Contains(s, "mac"):
		return "darwin"
	case strings.Contains(s, "win"):
		return "windows"
	case s == "":
		return ""
	case strings.Contains(s, "linux"), strings.Contains(s, "ubuntu"), strings.Contains(s, "debian"), strings.Contains(s, "rhel"),
		strings.Contains(s, "red hat"), strings.Contains(s, "centos"), strings.Contains(s, "fedora"), strings.Contains(s, "suse"), strings.Contains(s, "amzn"):
		return "linux"
	}
	return ""
}

// product names what a backend is, for SIEMs.
func product(backend string) (name, vendor string) {
	switch backend {
	case "cwatch":
		return "cWatch EDR", "Comodo"
	case "carbonblack":
		return "Carbon Black Cloud", "Carbon Black"
	case "gene":
		return "WHIDS", "0xrawsec"
	case "esp":
		return "Endpoint Security Platform", "EclecticIQ"
	}
	return first(backend, "unknown"), ""
}

// tacticIDs are the tactics of ATT&CK Enterprise by their short names.
var tacticIDs = map[string]string{
	"reconnaissance": "TA0043", "resource-development": "TA0042", "initial-access": "TA0001", "execution": "TA0002",
	"persistence": "TA0003", "privilege-escalation": "TA0004", "defense-evasion": "TA0005", "credential-access": "TA0006",
	"discovery": "TA0007", "lateral-movement": "TA0008", "collection": "TA0009", "command-and-control": "TA0011",
	"exfiltration": "TA0010", "impact": "TA0040",
}

func tacticID(name string) string {
	return tacticIDs[strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), " ", "-")]
}

// parentOf gives the parent of a process, however the record tells it.
func parentOf(p *model.Process, ancestors []*model.Process) *model.Process {
	if n := len(ancestors); n > 0 && ancestors[n-1] != nil {
		return ancestors[n-1]
	}
	if p == nil || p.Parent == nil || *p.Parent == (model.ParentProcess{}) {
		return nil
	}
	return &model.Process{UID: p.Parent.UID, PID: p.Parent.PID, Name: p.Parent.Name, Path: p.Parent.Path, CommandLine: p.Parent.CommandLine}
}

// imageRest is what a product says of a process and neither schema has a field
// for.
func imageRest(p *model.Process) doc {
	d := doc{}
	if p == nil {
		return d
	}
	d.set("elevation", p.Elevation)
	if p.Packed != nil {
		d["packed"] = *p.Packed
	}
	if r := p.Reputation; r != nil {
		d.at("reputation.verdict", r.Verdict)
		d.at("reputation.native", r.Native)
	}
	return d
}

// eventRest is what neither schema has a field for: pipes, access rights,
// logons, scripts and named objects.
func eventRest(e *model.Event) doc {
	d := doc{}
	if x := e.Pipe; x != nil {
		d.at("pipe.name", x.Name)
	}
	if x := e.Access; x != nil {
		d.at("access.granted", x.Granted)
		d.at("access.call_trace", x.CallTrace)
	}
	if x := e.Logon; x != nil {
		d.at("logon.type", x.Type)
		d.at("logon.package", x.Package)
		d.at("logon.failure", x.Failure)
		d.at("logon.target_user", ecsUser(x.TargetUser))
	}
	if x := e.Script; x != nil {
		d.at("script.text", x.Text)
	}
	if x := e.Object; x != nil {
		d.at("object.type", x.Type)
		d.at("object.name", x.Name)
	}
	if x := e.Module; x != nil {
		d.at("module.signature", x.Signature)
		if x.Signed != nil {
			d.at("module.signed", *x.Signed)
		}
	}
	return d
}

// answerData lists what a lookup was answered with.
func answerData(d *model.DNS) []string {
	var out []string
	for _, a := range d.Answers {
		if a.Data != "" {
			out = append(out, a.Data)
		}
	}
	return out
}
