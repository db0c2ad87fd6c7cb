package main

import (
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/change"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/output"
)

// filled is a record with a valid value in every field.
func filled[T any]() *T {
	rec := new(T)
	fillAll(reflect.ValueOf(rec).Elem(), "", 6)
	return rec
}

// samples are values of fields that have to be of a form, by the end of their
// dotted names.
var samples = []struct{ name, value string }{
	{"ip", "10.0.0.1"}, {"address", "203.0.113.9"}, {"mac", "00:11:22:33:44:55"},
	{"md5", strings.Repeat("a", 32)}, {"sha1", strings.Repeat("b", 40)}, {"sha256", strings.Repeat("c", 64)}, {"sha512", strings.Repeat("e", 128)}, {"imphash", strings.Repeat("d", 32)},
	{"direction", "egress"}, {"transport", "tcp"}, {"os.platform", "windows"}, {"os.name", "Windows 10"}, {"integrity", "High"}, {"tactic", "execution"}, {"technique.id", "T1059.001"},
	{"backend", "gene"}, {"path", `C:\Users\Public\sample.exe`}, {"registry.path", `HKLM\Software\Run`}, {"registry.value", "sample"}, {"host.user", `CORP\ada`},
	{"verb", "kill"}, {"kind", string(model.KindProcessStart)}, {"indicator.type", "ipv4"},
	{"severity", string(model.SeverityHigh)}, {"status", string(model.StatusOpen)}, {"verdict", string(model.VerdictTruePositive)}, {"state", string(model.ActionDone)},
}

func sampleOf(name string) string {
	best, value := "", name
	for _, s := range samples {
		if (name == s.name || strings.HasSuffix(name, "."+s.name)) && len(s.name) > len(best) {
			best, value = s.name, s.value
		}
	}
	return value
}

func fillAll(v reflect.Value, name string, depth int) {
	if t, ok := v.Addr().Interface().(*model.Time); ok {
		*t = model.At(mappingNow.Add(-time.Hour))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			sf := v.Type().Field(i)
			tag, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
			if tag == "raw" || tag == "events" || tag == "answer" || tag == "details" {
				continue
			}
			at := strings.TrimPrefix(name+"."+tag, ".")
			if sf.Anonymous {
				at = name
			}
			fillAll(v.Field(i), at, depth)
		}
	case reflect.Pointer:
		if depth > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fillAll(v.Elem(), name, depth-1)
		}
	case reflect.Slice:
		if depth > 0 {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			fillAll(v.Index(0), name, depth-1)
		}
	case reflect.String:
		v.SetString(sampleOf(name))
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Float64:
		v.SetFloat(7)
	case reflect.Bool:
		v.SetBool(true)
	}
}

// opposites of values that stand for themselves.
var opposites = map[string]string{
	"egress": "ingress", "tcp": "udp", "windows": "linux", "High": "Low", "execution": "persistence", "T1059.001": "T1003.002", "gene": "esp",
	string(model.SeverityHigh): string(model.SeverityLow), string(model.StatusOpen): string(model.StatusClosed),
	string(model.VerdictTruePositive): string(model.VerdictFalsePositive), string(model.ActionDone): string(model.ActionFailed),
}

// vary gives a value another valid one.
func vary(v reflect.Value) bool {
	switch x := v.Addr().Interface().(type) {
	case *model.Time:
		*x = model.At(x.Add(-time.Minute))
		return true
	case *bool:
		*x = !*x
		return true
	}
	switch v.Kind() {
	case reflect.Pointer:
		return !v.IsNil() && vary(v.Elem())
	case reflect.String:
		v.SetString(another(v.String()))
		return true
	case reflect.Int, reflect.Int64:
		v.SetInt(v.Int() + 1)
		return true
	case reflect.Float64:
		v.SetFloat(v.Float() + 1)
		return true
	}
	return false
}

func another(s string) string {
	if o, ok := opposites[s]; ok {
		return o
	}
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Next().String()
	}
	if _, err := net.ParseMAC(s); err == nil {
		return "00:11:22:33:44:66"
	}
	if n := len(s); n >= 32 && strings.Trim(s, "abcdef") == "" {
		return s[:n-1] + "0"
	}
	if dir, file, ok := strings.Cut(s, "sample"); ok {
		return dir + "other" + file
	}
	return s + "2"
}

// clear takes a value away.
func clear(v reflect.Value) bool {
	v.SetZero()
	return true
}

// events are full events of the kinds that differ in their class.
func events() []any {
	var out []any
	for _, k := range []model.Kind{
		model.KindProcessEnd, model.KindProcessStart, model.KindFileWrite, model.KindNetworkConnect, model.KindDNSQuery, model.KindRegistrySet, model.KindModuleLoad,
		model.KindDriverLoad, model.KindPipeCreate, model.KindLogonFailed, model.KindAccountChange, model.KindServiceInstall, model.KindTaskChange,
		model.KindScriptBlock, model.KindLogCleared, model.KindShareAccess,
	} {
		out = append(out, eventOf(k))
	}
	return out
}

// eventOf is a full event of a kind.
func eventOf(k model.Kind) *model.Event {
	e := filled[model.Event]()
	e.Kind = k
	if k == model.KindAccountChange { // the class depends on what was changed
		e.Object.Type = "user"
	}
	return e
}

func hits() []any {
	var out []any
	for _, i := range [][2]string{{"ipv4", "203.0.113.9"}, {"sha256", strings.Repeat("c", 64)}, {"domain", "evil.example"}, {"file_name", "sample.dll"}} {
		h := filled[model.Hit]()
		h.Indicator.Type, h.Indicator.Value = i[0], i[1]
		out = append(out, h)
	}
	return out
}

func actions() []any {
	var out []any
	for _, verb := range []string{backends.VerbKill, backends.VerbDeleteFile, backends.VerbBlock, backends.VerbRun, backends.VerbHostEdit} {
		a := filled[model.Action]()
		a.Verb = verb
		out = append(out, a)
	}
	return out
}

// kindTable runs an event of every kind.
func kindTable() (string, error) {
	var b strings.Builder
	b.WriteString("| kind | ECS category, type | OCSF class, activity |\n| --- | --- | --- |\n")
	for _, k := range model.Kinds {
		e := eventOf(k)
		row, err := documentRow(output.KindEvent, e)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "| `%s` | %s\n", k, row)
	}
	return b.String(), nil
}

// verbDocuments runs an action of every verb.
func verbDocuments() (string, error) {
	var b strings.Builder
	b.WriteString("| command | ECS category, type | OCSF class, activity |\n| --- | --- | --- |\n")
	kind := output.NewKind[model.Action]("action", nil, nil)
	for _, verb := range backends.AllVerbs {
		a := filled[model.Action]()
		a.Verb = verb
		row, err := documentRow(kind, a)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "| `%s` | %s\n", change.Command(verb), row)
	}
	return b.String(), nil
}

func documentRow(kind output.Kind, rec any) (string, error) {
	_, ecs, err := document(kind, output.FormatECS, rec)
	if err != nil {
		return "", err
	}
	_, ocsf, err := document(kind, output.FormatOCSF, rec)
	if err != nil {
		return "", err
	}
	event := ecs["event"].(map[string]any)
	words := func(v any) string { return strings.Trim(fmt.Sprint(v), "[]") }
	return fmt.Sprintf("%s, %s | %s (%v), %v |", words(event["category"]), words(event["type"]), ocsf["class_name"], ocsf["class_uid"], ocsf["activity_name"]), nil
}
