package guards

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/lazyregexp"
	"github.com/edrctl/edrctl/internal/model"
)

// directory reads all hosts that are not removed, fresh.
func (g *Call) directory(ctx context.Context) ([]*model.Host, error) {
	return g.server.ListHosts(ctx, g.What)
}

func guardHost(summary, more string) guard {
	return func(ctx context.Context, g *Call) error {
		id := g.text("host")
		h, err := g.server.Host(ctx, id, false)
		if err != nil {
			return err
		}
		g.Preview.Summary = fmt.Sprintf(summary, h.Name)
		if more != "" {
			g.Preview.Summary += "; " + more
		}
		removed, known, err := g.server.HostRemoved(ctx, g.What, h)
		if err != nil {
			return err
		}
		switch op := g.Op.Name; {
		case known && removed && op == "hosts.remove":
			g.Preview.Nothing = "it is removed already"
		case known && !removed && op == "hosts.enable":
			g.Preview.Nothing = "it is not removed"
		case op == "hosts.delete":
			g.warn("alerts, results and carves of the host are deleted with it; hosts.remove only hides it")
		}
		g.Done = func(ctx context.Context) (bool, error) {
			if g.Op.Name == "hosts.delete" {
				_, err := g.server.Host(ctx, h.ID, false)
				if backends.KindOf(err) == backends.KindNotFound {
					return true, nil
				}
				return false, err
			}
			removed, known, err := g.server.HostRemoved(ctx, g.What, h)
			return known && removed == (g.Op.Name == "hosts.remove"), err
		}
		return nil
	}
}

func guardCarveDelete(ctx context.Context, g *Call) error {
	id := g.text("session_id")
	c, err := g.server.Carve(ctx, id)
	if err != nil {
		return err
	}
	g.Preview.Summary = "deletes the collected file " + id
	if c.Host != nil {
		g.Preview.Summary += " of " + c.Host.Name
	}
	g.Done = func(ctx context.Context) (bool, error) {
		_, err := g.server.Carve(ctx, id)
		if backends.KindOf(err) == backends.KindNotFound {
			return true, nil
		}
		return false, err
	}
	return nil
}

// guardLive: without a selection editions up to 3.0 send a query to every
// host, and a query reaches only hosts that are online now (§17.47).
func guardLive(ctx context.Context, g *Call) error {
	if strings.TrimSpace(g.text("query")) == "" {
		return g.invalid("query is missing")
	}
	for _, n := range []string{"nodes", "tags"} {
		if g.has(n) {
			g.args[n] = strings.Join(csvList(g.text(n)), ",") // no blanks
			if g.text(n) == "" {
				delete(g.args, n)
			}
		}
	}
	systems, _ := g.args["os_name"].([]any)
	all := g.text("all_hosts") == "true"
	delete(g.args, "all_hosts")
	if len(systems) == 0 {
		delete(g.args, "os_name")
	}
	nodes, tags := csvList(g.text("nodes")), csvList(g.text("tags"))
	none := len(nodes)+len(tags)+len(systems) == 0
	switch {
	case none && !all:
		e := g.invalid("it names no host: some editions would send it to all of them")
		e.Hint = "name nodes, tags or os_name; all_hosts true means every host that is online"
		return e
	case !none && all:
		return g.invalid("all_hosts cannot be combined with a selection")
	}
	hosts, err := g.directory(ctx)
	if err != nil {
		return err
	}
	var on, offline []string
	known := map[string]bool{}
	var ids []string
	for _, h := range hosts {
		known[h.ID] = true
		if all && h.Online != nil && !*h.Online {
			continue
		}
		picked := all || slices.Contains(nodes, h.ID) || slices.ContainsFunc(h.Tags, func(t string) bool { return slices.Contains(tags, t) }) ||
			h.OS != nil && slices.ContainsFunc(systems, func(s any) bool { return backends.Text(s) == h.OS.Name })
		if !picked {
			continue
		}
		on, ids = append(on, h.Name), append(ids, h.ID)
		if h.Online != nil && !*h.Online {
			offline = append(offline, h.Name)
		}
	}
	if all {
		g.args["nodes"] = strings.Join(ids, ",") // the same to every edition
	}
	for _, n := range nodes {
		if !known[n] {
			return backends.NotFound("host", n)
		}
	}
	if len(on) == 0 {
		return &backends.Error{Kind: backends.KindUnavailable, What: g.What, Why: "no host is selected that could answer", Hint: "ESP keeps no query for later"}
	}
	g.Preview.Summary = "runs the query on " + model.Amount(len(on), "host", "hosts") + ": " + ShortList(on)
	if len(offline) > 0 {
		g.warn("offline now, and ESP keeps no query for later: %s", ShortList(offline))
	}
	g.warn("the answer tells only the query's number; edrctl hunt query shows what the hosts say")
	return nil
}

// onHosts reads the hosts a response action names, and what their agents can.
func (g *Call) onHosts(ctx context.Context, param string, windows bool, does string) error {
	ids := csvList(g.text(param))
	if len(ids) == 0 {
		return g.invalid("%s: %v", param, errNoHost)
	}
	g.args[param] = strings.Join(ids, ",")
	hosts, err := g.directory(ctx)
	if err != nil {
		return err
	}
	byID := map[string]*model.Host{}
	for _, h := range hosts {
		byID[strings.ToLower(h.ID)] = h
	}
	var names, away []string
	for _, id := range ids {
		h := byID[strings.ToLower(id)]
		if h == nil {
			return backends.NotFound("host", id)
		}
		if windows && h.OS != nil && h.OS.Platform != "" && h.OS.Platform != "windows" {
			return &backends.Error{Kind: backends.KindUnsupported, What: g.What, Why: "it works on Windows only, and " + h.Name + " is " + h.OS.Platform}
		}
		names = append(names, h.Name)
		if h.Online != nil && !*h.Online {
			away = append(away, h.Name)
		}
	}
	if _, err := g.read(ctx, "response.status", map[string]any{"host_identifier": byID[strings.ToLower(ids[0])].ID}); backends.KindOf(err) == backends.KindUnsupported {
		return err // an edition without these routes
	}
	g.Preview.Summary = does + " on " + model.Amount(len(names), "host", "hosts") + ": " + ShortList(names)
	if len(away) > 0 {
		g.warn("offline, and the server keeps the command until they are back: %s", ShortList(away))
	}
	return nil
}

func guardHosts(windows bool, does string) guard {
	return func(ctx context.Context, g *Call) error {
		if g.Op.Name == "defender.quarantine.carve" && g.text("path") == "" {
			return g.invalid("path is missing")
		}
		return g.onHosts(ctx, "host_identifier", windows, does)
	}
}

// guardResponse is 106: which arguments belong to which action.
func guardResponse(ctx context.Context, g *Call) error {
	target, windows, does := g.text("action")+" "+g.text("target"), false, ""
	need := func(names ...string) error {
		for _, n := range names {
			if g.text(n) != "" {
				return nil
			}
		}
		return g.invalid("%s needs %s", target, strings.Join(names, " or "))
	}
	var err error
	switch target {
	case "delete file":
		err = need("file_name", "file_hash")
		if n := g.text("file_name"); n != "" && path.Base(strings.ReplaceAll(n, `\`, "/")) == n {
			return g.invalid("file_name: it wants the full path of the file, not %s", oneLine(n))
		}
		if h := g.text("file_hash"); h != "" && (len(h) != 32 || !wire.IsHex(h)) {
			return g.invalid("file_hash: it wants an MD5")
		}
		does = "deletes " + oneLine(wire.FirstOf(g.text("file_name"), g.text("file_hash")))
	case "stop process":
		err = need("process_name", "pid")
		if p := g.text("pid"); p != "" && !wire.IsNumber(p) {
			return g.invalid("pid: %q is not a number", p)
		}
		if g.text("pid") == "" {
			g.warn("without pid every process of the name is stopped")
		}
		does = "stops the process " + strings.TrimSpace(g.text("process_name")+" "+g.text("pid"))
	case "contain ip_connection":
		windows = true
		if err = need("rule_name"); err == nil {
			err = need("direction")
		}
		if err == nil {
			err = need("layer4_protocol")
		}
		if g.text("dst_addr")+g.text("application")+g.text("src_port")+g.text("dst_port") == "" {
			g.warn("without address, port and program the rule cuts the host off")
		}
		does = "adds the firewall rule " + oneLine(g.text("rule_name"))
	case "delete ip_connection":
		windows = true
		err = need("rule_name")
		does = "removes the firewall rule " + oneLine(g.text("rule_name"))
	default:
		e := g.invalid("there is no action %q", target)
		e.Hint = "delete file, stop process, contain ip_connection, delete ip_connection"
		return e
	}
	if err != nil {
		return err
	}
	if g.has("tags") || g.has("os_name") {
		g.warn("tags and os_name add hosts that are not named here")
	}
	return g.onHosts(ctx, "actuator_id", windows, does)
}

func guardScript(ctx context.Context, g *Call) error {
	_, file := g.args["file"].(backends.File)
	switch {
	case g.text("content") == "" && !file:
		return g.invalid("it needs the script: content or file")
	case !wire.IsNumber(g.text("file_type")):
		e := g.invalid("file_type: a number")
		e.Hint = "1 bat, 2 PowerShell, 3 shell"
		return e
	case g.text("save_script") == "true" && g.text("script_name") == "":
		return g.invalid("save_script needs a script_name")
	}
	return g.onHosts(ctx, "host_identifier", false, "runs a script")
}

func guardRecord(_ context.Context, g *Call) error {
	g.Preview.Summary = "deletes the record of action " + g.text("openc2_id") + "; what it did stays done"
	return nil
}

func guardScan(ctx context.Context, g *Call) error {
	kind := map[string]string{"1": "a quick scan", "2": "a full scan", "3": "a scan of " + oneLine(g.text("file_path"))}[g.text("scan_type")]
	switch {
	case kind == "":
		return g.invalid("scan_type: 1 quick, 2 full, 3 of file_path")
	case g.text("scan_type") == "3" && g.text("file_path") == "":
		return g.invalid("scan_type 3 needs file_path")
	}
	if !g.has("file_path") {
		g.args["file_path"] = ""
	}
	return g.onHosts(ctx, "host_identifier", true, "starts "+kind)
}

func guardExclusions(ctx context.Context, g *Call) error {
	var what []string
	for _, n := range []string{"file_type", "path", "process"} {
		if g.text(n) != "" {
			what = append(what, n+" "+oneLine(g.text(n)))
		}
	}
	if len(what) == 0 {
		return g.invalid("it excludes nothing: file_type, path or process is needed")
	}
	if g.text("action") == "add" {
		g.warn("what is excluded is no longer looked at")
	}
	word := map[string]string{"add": "excludes from scans: ", "remove": "no longer excludes from scans: "}[g.text("action")]
	return g.onHosts(ctx, "host_identifier", true, word+strings.Join(what, ", "))
}

var clock = lazyregexp.New(`^([01]?\d|2[0-3]):([0-5]\d)(:[0-5]?\d)?$`)

func guardSchedule(ctx context.Context, g *Call) error {
	at := g.text("time")
	switch day := g.text("scan_day"); {
	case !slices.Contains([]string{"1", "2"}, g.text("scan_type")):
		return g.invalid("scan_type: 1 quick, 2 full")
	case !clock.MatchString(at):
		return g.invalid("time: %q is not a time of a day as 10:30:0", at)
	case g.text("scan_type") == "2" && (day == "" || !wire.IsNumber(day) || len(day) > 1 || day > "8"):
		return g.invalid("scan_day: 0 every day, 1 Sunday to 7 Saturday, 8 never")
	}
	if strings.Count(at, ":") == 1 {
		g.args["time"] = at + ":0" // as the vendor's console writes it
	}
	return g.onHosts(ctx, "host_identifier", true, "schedules a scan at "+at)
}
