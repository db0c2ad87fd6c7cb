package tui

import (
	"cmp"
	"strings"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/tui/ui"
)

// eventSummary is one line of an event: the backend's own, or made of what it
// acted on.
func eventSummary(e *model.Event) safetext.Display {
	var parts []string
	if e.Process != nil {
		parts = append(parts, processName(e.Process))
	}
	what := ""
	switch {
	case loggedKinds[e.Kind]: // the summary says whom or what it touched
		return ui.Text(cmp.Or(e.Summary, e.Action))
	case e.Target != nil:
		what = cmp.Or(e.Target.CommandLine, e.Target.Path, e.Target.Name)
	case e.Pipe != nil:
		what = e.Pipe.Name
	case e.DNS != nil:
		what = e.DNS.Question.Name
	case e.Network != nil && e.Network.Destination != nil:
		d := e.Network.Destination
		what = cmp.Or(d.Domain, d.IP)
		if d.Port > 0 {
			what += safePort(d.Port)
		}
	case e.File != nil:
		what = cmp.Or(e.File.Path, e.File.Name)
	case e.Registry != nil:
		what = strings.TrimSpace(e.Registry.Path + " " + e.Registry.Value)
	case e.Module != nil:
		what = e.Module.Path
	case e.Kind == model.KindProcessStart && e.Process != nil:
		what = e.Process.CommandLine
	}
	if what != "" {
		parts = append(parts, what)
	}
	if len(parts) < 2 && e.Summary != "" {
		parts = []string{e.Summary}
	}
	return ui.Text(strings.Join(parts, "  "))
}

// loggedKinds come from operating system logs: their summary tells more than
// any one field.
var loggedKinds = map[model.Kind]bool{
	model.KindLogon: true, model.KindLogonFailed: true, model.KindLogoff: true, model.KindPrivilege: true, model.KindAccountChange: true,
	model.KindServiceInstall: true, model.KindTaskChange: true, model.KindScriptBlock: true, model.KindLogCleared: true,
	model.KindShareAccess: true, model.KindAMSI: true, model.KindMalware: true, model.KindWMI: true, model.KindClipboard: true,
}

func safePort(p int) string { return ":" + string(safetext.Sprintf("%d", p)) }

// logDetails adds what operating system logs record besides files and connections.
func logDetails(c *detailWriter, e *model.Event) {
	if o := e.Object; o != nil {
		c.section("object")
		c.field(ui.Text(cmp.Or(o.Type, "name")), ui.Text(o.Name), "")
	}
	if p := e.Pipe; p != nil {
		c.section("pipe")
		c.field("name", ui.Text(p.Name), "")
	}
	if a := e.Access; a != nil {
		c.section("access")
		c.field("granted", ui.Text(a.Granted), "")
		c.field("calls", ui.Text(a.CallTrace), "")
	}
	if l := e.Logon; l != nil {
		c.section("logon")
		if l.TargetUser != nil {
			c.field("account", ui.Text(fullUser(l.TargetUser)), "")
		}
		c.field("type", ui.Text(strings.ReplaceAll(l.Type, "_", " ")), "")
		c.field("package", ui.Text(l.Package), "")
		c.field("failure", ui.Text(l.Failure), c.s.theme.Warn)
	}
	if s := e.Script; s != nil {
		c.section("script")
		c.field("text", ui.Text(s.Text), "")
	}
}

func eventDetails(c *detailWriter, e *model.Event) {
	c.field("kind", ui.Text(string(e.Kind)), c.s.theme.Accent)
	c.field("action", ui.Text(e.Action), "")
	c.field("when", c.s.moment(e.Time), "")
	c.field("where", hostLine(e.Host), "")
	if e.User != nil {
		c.field("who", ui.Text(fullUser(e.User)), "")
	}
	c.field("summary", ui.Text(e.Summary), "")
	if d := e.Detection; d != nil {
		c.field("rules", ui.Text(strings.Join(d.Rules, ", ")), c.s.theme.Warn)
		for _, x := range d.Attack {
			c.field("technique", ui.Text(techniqueName(x)), c.s.theme.Accent)
		}
	}
	if f := e.File; f != nil {
		c.section("file")
		c.field("path", ui.Text(cmp.Or(f.Path, f.Name)), "")
		c.field("before", ui.Text(f.OldPath), "")
		c.hash(f.Hash)
	}
	if n := e.Network; n != nil {
		c.section("network")
		end := func(label safetext.Display, x *model.Endpoint) {
			if x == nil {
				return
			}
			c.field(label, ui.Text(strings.TrimSpace(x.IP+safePort(x.Port)+" "+x.Domain)), "")
		}
		c.field("flow", ui.Text(strings.TrimSpace(n.Direction+" "+n.Transport)), "")
		end("from", n.Source)
		end("to", n.Destination)
	}
	if e.DNS != nil {
		c.section("dns")
		c.field("question", ui.Text(e.DNS.Question.Name+" "+e.DNS.Question.Type), "")
		for _, a := range e.DNS.Answers {
			c.field("answer", ui.Text(strings.TrimSpace(a.Type+" "+a.Data)), "")
		}
	}
	if r := e.Registry; r != nil {
		c.section("registry")
		c.field("key", ui.Text(r.Path), "")
		c.field("value", ui.Text(r.Value), "")
		c.field("data", ui.Text(r.Data), "")
	}
	if m := e.Module; m != nil {
		c.section("module")
		c.field("path", ui.Text(m.Path), "")
		c.field("signer", ui.Text(m.Signature), "")
		c.hash(m.Hash)
	}
	logDetails(c, e)
	if e.Process != nil {
		c.section("process")
		c.process(e.Process)
	}
	if e.Target != nil {
		c.section("target")
		c.process(e.Target)
	}
	c.blank()
	c.field("id", ui.Text(e.Ref), c.s.theme.Dim)
}
