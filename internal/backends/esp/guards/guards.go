package guards

import (
	"context"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/catalog"
	"github.com/edrctl/edrctl/internal/backends/esp/rules"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/model"
)

// guards are what is before the operations that do more, or less, than
// they say (docs/wire/esp.md, the notes of §17). They are bound here and nowhere
// else.
var guards map[string]guard

func init() {
	guards = map[string]guard{
		"rules.add": guardRuleAdd, "rules.set": guardRuleSet,
		"queries.add": guardQueryAdd, "queries.set": guardQuerySet, "queries.delete": guardQueryDelete,
		"queries.tags.add": guardTagOn("queries", "query_id", true), "queries.tags.remove": guardTagOn("queries", "query_id", false),
		"packs.add": guardPackAdd, "packs.upload": guardPackUpload, "packs.delete": guardPackDelete,
		"packs.tags.add": guardTagOn("packs", "pack", true), "packs.tags.remove": guardTagOn("packs", "pack", false),
		"hosts.tags.add": guardTagOn("hosts", "host", true), "hosts.tags.remove": guardTagOn("hosts", "host", false),
		"tags.add": guardTagAdd, "tags.delete": guardTagDelete,
		"iocs.add": guardIOCs,
		"yara.add": guardYaraAdd, "yara.delete": guardYaraDelete,
		"configs.add": guardConfigAdd, "configs.set": guardConfigSet, "configs.delete": guardConfigDelete, "configs.assign": guardConfigAssign,
		"settings.set": guardSettings, "virustotal.engines.set": guardEngines, "threatintel.keys.set": guardKeys,
		"email.set": guardEmail, "email.test": guardEmail,
		"auth.password.change": guardPassword, "auth.logout": guardLogout,
		"results.delete": guardPurge, "alerts.resolve": guardResolve, "carves.delete": guardCarveDelete,
		"hosts.delete": guardHost("permanently deletes the host %s and all its data", ""), "hosts.remove": guardHost("removes the host %s: it is no longer listed nor served", "hosts.enable takes it back"),
		"hosts.enable":    guardHost("takes the removed host %s back", ""),
		"distributed.add": guardLive,
		"response.add":    guardResponse, "response.script": guardScript, "response.live": guardScript, "response.restart_agent": guardHosts(false, "restarts the agent"),
		"response.delete": guardRecord,
		"defender.scan":   guardScan, "defender.exclusions": guardExclusions, "defender.schedule": guardSchedule,
		"defender.update": guardHosts(true, "updates the signatures of Defender"), "defender.settings": guardHosts(true, "asks for the settings of Defender"),
		"defender.status": guardHosts(true, "asks for the state of Defender"), "defender.quarantine.list": guardHosts(true, "asks for the quarantine of Defender"),
		"defender.refresh": guardHosts(true, "asks for a new state of Defender"), "defender.quarantine.carve": guardHosts(true, "collects a file from the quarantine of Defender"),
	}
}

// CheckRead completes and checks a call that reads. It is folded; extra are
// members the document does not know.
func CheckRead(ctx context.Context, s server, what string, c backends.Call) (backends.Call, map[string]any, error) {
	s.Redact(c.Secrets()...)
	c, extra, err := catalog.Arguments(c)
	if err != nil {
		return c, nil, err
	}
	if err := catalog.CheckArgs(what, c); err != nil {
		return c, nil, err
	}
	if err := hostArgs(ctx, s, what, c); err != nil {
		return c, nil, err
	}
	if g, given := c.Args["conditions"]; given {
		if err := rules.CheckSearch(g, c.Op.Name != "search.run"); err != nil {
			return c, nil, rules.RefusalError(what, err)
		}
	}
	switch c.Op.Name {
	case "auth.login":
		if _, given := c.Args["username"]; !given && c.Body == nil {
			c.Args["username"] = s.Setting("username")
		}
	case "indicators.search", "indicators.export", "activity.search":
		if _, given := c.Args["date"]; !given && c.Body == nil {
			// The server's default is the day it was started (§7).
			c.Args["date"] = s.Now().UTC().Format("2006-01-02")
		}
	case "hosts.activity", "alerts.alerted_events", "alerts.alerted_events.export", "hosts.search.export":
		for _, name := range []string{"column_name", "column_value", "searchterm", "query_name"} {
			if strings.Contains(backends.Text(c.Args[name]), "'") {
				return c, nil, backends.Invalid(what, name+": the server pastes it into its SQL, a quote breaks out of it")
			}
		}
	case "rules.list":
		if v, given := c.Args["alerts_count"]; given && backends.Text(v) == "false" {
			return c, nil, &backends.Error{Kind: backends.KindInvalid, What: what, Why: "the server fails over alerts_count false", Hint: "leave it out"}
		}
	}
	return c, extra, nil
}

// hostParams are the parameters that name hosts, with whether they take
// several, separated by commas.
var hostParams = map[string]bool{"host": false, "host_identifier": false, "host_identifiers": true, "nodes": true, "actuator_id": true}

// hostArgs takes hosts by reference and by name as well: the server knows them
// by identifier. What is neither stays, and is the server's to judge.
func hostArgs(ctx context.Context, s server, what string, c backends.Call) error {
	for _, p := range c.Op.Params {
		several, is := hostParams[p.Name]
		if !is || c.Args[p.Name] == nil {
			continue
		}
		list := []string{backends.Text(c.Args[p.Name])}
		if several || strings.HasPrefix(c.Op.Name, "response.") || strings.HasPrefix(c.Op.Name, "defender.") {
			list = wire.SplitCSV(list[0])
		}
		for i, h := range list {
			h = strings.TrimPrefix(h, s.Profile()+"/")
			list[i] = h
			known := wire.IsGUID(h) || p.Name == "host" && wire.IsNumber(h) || h == ""
			// 88 counts all hosts when it does not know the one.
			strict := c.Op.Name == "alerts.count" && h != ""
			if known && !strict {
				continue
			}
			// A removed host is named only to have it back, or to be rid of it.
			id, n, err := s.FindHost(ctx, what, h, c.Op.Name == "hosts.enable" || c.Op.Name == "hosts.delete")
			if err != nil {
				return err
			}
			switch {
			case n > 1:
				return backends.Invalid(what, model.Amount(n, "host is", "hosts are")+" called "+h+": name one by its identifier")
			case n == 1:
				list[i] = id
			case strict:
				return backends.NotFound("host", h)
			}
		}
		c.Args[p.Name] = strings.Join(list, ",")
	}
	return nil
}

// between is what no guard can rule out.
const between = "the server has no lock: what someone else changes in the moment between the last look and the sending is overwritten"
