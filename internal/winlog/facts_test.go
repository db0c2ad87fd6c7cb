package winlog

import (
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/model"
)

// facts lists what an event says, by short names for tables of tests.
func facts(e *model.Event) map[string]string {
	f := map[string]string{"summary": e.Summary, "user": fullName(e.User), "url": e.URL, "tags": strings.Join(e.Tags, ",")}
	if p := e.Process; p != nil {
		f["process"], f["pid"], f["line"] = p.Path, strconv.FormatInt(p.PID, 10), p.CommandLine
	}
	if p := e.Target; p != nil {
		f["target"], f["target_line"] = p.Path, p.CommandLine
	}
	if n := e.Network; n != nil {
		f["direction"], f["transport"] = n.Direction, n.Transport
		for side, end := range map[string]*model.Endpoint{"src": n.Source, "dst": n.Destination} {
			if end != nil {
				f[side], f[side+"_port"], f[side+"_domain"] = end.IP, strconv.Itoa(end.Port), end.Domain
			}
		}
	}
	if d := e.DNS; d != nil {
		var list []string
		for _, a := range d.Answers {
			list = append(list, strings.TrimSpace(a.Type+" "+a.Data))
		}
		f["question"], f["qtype"], f["answers"] = d.Question.Name, d.Question.Type, strings.Join(list, ",")
	}
	if r := e.Registry; r != nil {
		f["registry"], f["value"], f["data"] = r.Path, r.Value, r.Data
	}
	if l := e.Logon; l != nil {
		f["logon"], f["target_user"], f["failure"] = l.Type, fullName(l.TargetUser), l.Failure
	}
	if x := e.File; x != nil {
		f["file"] = x.Path
	}
	if x := e.Module; x != nil {
		f["module"], f["signature"] = x.Path, x.Signature
	}
	if x := e.Pipe; x != nil {
		f["pipe"] = x.Name
	}
	if x := e.Access; x != nil {
		f["access"], f["trace"] = x.Granted, x.CallTrace
	}
	if x := e.Script; x != nil {
		f["script"] = x.Text
	}
	if x := e.Object; x != nil {
		f["object"] = x.Name
	}
	return f
}
