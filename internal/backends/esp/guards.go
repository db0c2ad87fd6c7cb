package esp

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
)

// guards are what stands before the operations that do more, or less, than
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
		"hosts.delete": guardHost("deletes the host %s and all its data for good", ""), "hosts.remove": guardHost("removes the host %s: it is no longer listed nor served", "hosts.enable takes it back"),
		"hosts.enable":    guardHost("takes the removed host %s back", ""),
		"distributed.add": guardLive,
		"response.add":    guardResponse, "response.script": guardScript, "response.live": guardScript, "response.restart_agent": guardHosts(false, "restarts the agent"),
		"response.delete": guardRecord,
		"defender.scan":   guardScan, "defender.exclusions": guardExclusions, "defender.schedule": guardSchedule,
		"defender.update": guardHosts(true, "updates the signatures of Defender"), "defender.settings": guardHosts(true, "asks for the settings of Defender"),
		"defender.status": guardHosts(true, "asks for the state of Defender"), "defender.quarantine.list": guardHosts(true, "asks for the quarantine of Defender"),
		"defender.refresh": guardHosts(true, "asks for the state of Defender anew"), "defender.quarantine.carve": guardHosts(true, "collects a file from the quarantine of Defender"),
	}
}

// guardRead completes and checks a call that reads. It is folded; extra are
// members the document does not know.
func guardRead(ctx context.Context, s server, what string, c backends.Call) (backends.Call, map[string]any, error) {
	s.Redact(c.Secrets()...)
	c, extra, err := fold(c)
	if err != nil {
		return c, nil, err
	}
	if err := checkArgs(what, c); err != nil {
		return c, nil, err
	}
	if err := hostArgs(ctx, s, what, c); err != nil {
		return c, nil, err
	}
	if g, given := c.Args["conditions"]; given {
		if err := CheckSearch(g, c.Op.Name != "search.run"); err != nil {
			return c, nil, refusal(what, err)
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
			list = csvTexts(list[0])
		}
		for i, h := range list {
			h = strings.TrimPrefix(h, s.Profile()+"/")
			list[i] = h
			known := isGUID(h) || p.Name == "host" && isNumber(h) || h == ""
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
				return backends.Invalid(what, plural(n, "host is", "hosts are")+" called "+h+": name one by its identifier")
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

// members reads a JSON object for editing.
func members(v []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(v))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil || m == nil {
		return nil, fmt.Errorf("the answer carries no object")
	}
	return m, nil
}

// canonical is a value as a text to compare: members in order, no blanks.
func canonical(v any) string {
	if raw, ok := v.(json.RawMessage); ok {
		var parsed any
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		if d.Decode(&parsed) == nil {
			v = parsed
		}
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

// oneLine shows a value in a summary: short, on one line.
func oneLine(v any) string {
	var s string
	switch t := v.(type) {
	case nil:
		return "none"
	case string:
		if s = t; s == "" || strings.ContainsAny(s, " \t\r\n;,") {
			s = fmt.Sprintf("%q", t)
		}
	case map[string]any, []any:
		s = canonical(t)
	default:
		s = backends.Text(t)
	}
	if s == "" {
		return "none"
	}
	if r := []rune(s); len(r) > 80 {
		s = string(r[:80]) + "…"
	}
	return s
}

// changes lists "member: old → new", in the order of names.
func changes(names []string, old, now map[string]any) []string {
	var out []string
	for _, n := range names {
		a, b := old[n], now[n]
		if canonical(a) == canonical(b) || blank(a) && blank(b) {
			continue
		}
		out = append(out, n+": "+oneLine(a)+" → "+oneLine(b))
	}
	return out
}

// blank tells what counts as not set.
func blank(v any) bool {
	switch t := v.(type) {
	case nil:
		return true
	case string:
		return t == ""
	case []any:
		return len(t) == 0
	case map[string]any:
		return len(t) == 0
	}
	return false
}

// csvText joins what an answer gives as a list and the call takes as text.
func csvText(v any) (string, error) {
	switch t := v.(type) {
	case nil:
		return "", nil
	case string:
		return t, nil
	case []any:
		var parts []string
		for _, e := range t {
			s := backends.Text(e)
			if strings.Contains(s, ",") {
				return "", fmt.Errorf("%q holds a comma and cannot be sent in a list with commas: it would become two", s)
			}
			parts = append(parts, s)
		}
		return strings.Join(parts, ","), nil
	}
	return "", fmt.Errorf("it is neither a list nor a text")
}

// csvList splits a text with commas; blanks around them do not count.
func csvList(s string) []string { return csvTexts(s) }

func sameSet(a, b string) bool {
	x, y := csvTexts(a), csvTexts(b)
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(slices.Compact(x), slices.Compact(y))
}

func keysOf[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// some lists names, cut after a few.
func some(names []string) string {
	const show = 12
	if len(names) > show {
		return strings.Join(names[:show], ", ") + fmt.Sprintf(" and %d more", len(names)-show)
	}
	return strings.Join(names, ", ")
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// between is what no guard can rule out.
const between = "the server has no lock: what someone else changes in the moment between the last look and the sending is overwritten"

func guardLogout(_ context.Context, g *guarded) error {
	g.p.Summary = "ends the session of this profile on the server"
	g.after = func(ctx context.Context, _ *model.Action) { g.server.EndSession(ctx) }
	return nil
}

// strongEnough is what editions since 3.5.1 ask of a password (§17.2).
func strongEnough(p string) bool {
	var up, low, digit, other bool
	for _, r := range p {
		switch {
		case r >= 'A' && r <= 'Z':
			up = true
		case r >= 'a' && r <= 'z':
			low = true
		case r >= '0' && r <= '9':
			digit = true
		default:
			other = true
		}
	}
	return len([]rune(p)) >= 8 && up && low && digit && other
}

func guardPassword(ctx context.Context, g *guarded) error {
	old, next := g.text("old_password"), g.text("new_password")
	if !g.has("confirm_new_password") {
		g.args["confirm_new_password"] = next
	}
	switch {
	case old == "" || next == "":
		return g.invalid("it needs the old and the new password")
	case g.text("confirm_new_password") != next:
		return g.invalid("the new password and its repetition differ")
	case next == old:
		return g.invalid("the new password is the old one")
	}
	if !strongEnough(next) {
		g.warn("editions since 3.5 take only passwords of 8 characters or more, with a capital, a small letter, a digit and another character")
	}
	if _, err := g.read(ctx, "auth.password.verify", map[string]any{"password": old}); err != nil && backends.KindOf(err) != backends.KindUnsupported {
		if backends.KindOf(err) == backends.KindOther {
			return &backends.Error{Kind: backends.KindAuth, What: g.what, Why: "the old password is not that of this user", Err: err}
		}
		return err
	}
	g.p.Summary = "changes the password of " + firstOf(g.server.Setting("username"), "this user")
	g.warn("every session of the user ends, also those of the console and of other programs")
	g.after = func(ctx context.Context, _ *model.Action) { g.server.EndSession(ctx) }
	g.landed = func(ctx context.Context) (bool, error) { return g.server.Verify(ctx, next) }
	return nil
}
