package guards

import (
	"context"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/reply"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/model"
)

var settingMembers = []string{"purge_data_duration", "alert_aggregation_duration", "sso_enable", "sso_configuration"}

func (g *Call) settingsNow(ctx context.Context) (map[string]any, error) {
	a, err := g.read(ctx, "settings.get", nil)
	if err != nil {
		return nil, err
	}
	m, err := wire.Members(a.Data)
	if err != nil {
		return nil, reply.Malformed(g.What, err)
	}
	for k, v := range m {
		if _, is := v.(map[string]any); !is {
			m[k] = backends.Text(v) // numbers in 2.x, texts in 3.5.1
		}
	}
	return m, nil
}

func guardSettings(ctx context.Context, g *Call) error {
	var given []string
	for _, n := range settingMembers {
		if g.has(n) {
			given = append(given, n)
		}
	}
	if len(given) == 0 {
		return g.invalid("it names no setting")
	}
	for _, n := range settingMembers[:2] {
		if !g.has(n) {
			continue
		}
		if v, err := strconv.ParseInt(g.text(n), 10, 32); err != nil || v <= 0 {
			return g.invalid("%s: a whole number above zero", n)
		}
	}
	now, err := g.settingsNow(ctx)
	if err != nil {
		return err
	}
	list := changes(given, now, g.args)
	if len(list) == 0 {
		g.Preview.Nothing = "the settings are so already"
	}
	g.Preview.Summary = "changes settings: " + strings.Join(list, "; ")
	if g.has("purge_data_duration") {
		was, err := strconv.Atoi(backends.Text(now["purge_data_duration"]))
		next, _ := strconv.Atoi(g.text("purge_data_duration")) // it was read above
		switch {
		case err != nil:
			g.warn("the server tells no purge duration: stored results older than %d days are permanently deleted", next)
		case next < was:
			g.warn("stored results and alerts between %d and %d days old are permanently deleted at the next purge", next, was)
		}
	}
	want := mapsClone(g.args)
	g.Done = func(ctx context.Context) (bool, error) {
		now, err := g.settingsNow(ctx)
		return err == nil && len(changes(given, now, want)) == 0, err
	}
	return nil
}

func guardPurge(_ context.Context, g *Call) error {
	n, err := strconv.ParseInt(g.text("days_of_data"), 10, 32)
	if err != nil || n <= 0 {
		return g.invalid("days_of_data: a number of days above zero")
	}
	g.Preview.Summary = "permanently deletes every stored result older than " + model.Amount(int(n), "day", "days") + ", of all hosts"
	return nil
}

func (g *Call) enginesNow(ctx context.Context) (map[string]any, error) {
	a, err := g.read(ctx, "virustotal.engines.get", nil)
	if err != nil {
		return nil, err
	}
	m, err := wire.Members(a.Data)
	if err != nil {
		return nil, reply.Malformed(g.What, err)
	}
	return m, nil
}

func guardEngines(ctx context.Context, g *Call) error {
	var given []string
	for _, n := range []string{"min_match_count", "vt_scan_retention_period", "av_engines"} {
		if g.has(n) {
			given = append(given, n)
		}
	}
	if len(given) == 0 {
		return g.invalid("it changes nothing: neither a count, nor a period, nor an engine is given")
	}
	if !g.has("av_engines") {
		g.args["av_engines"] = map[string]any{} // without it 3.5.1 keeps the numbers and fails
	}
	now, err := g.enginesNow(ctx)
	if err != nil {
		return err
	}
	have, _ := now["av_engines"].(map[string]any)
	list := changes(without(given, "av_engines"), now, g.args)
	engines := g.mapArg("av_engines")
	for _, name := range keysOf(engines) {
		e, ok := engines[name].(map[string]any)
		on, isBool := e["status"].(bool)
		if !ok || !isBool {
			er := g.invalid("av_engines: %s is not an object with status", oneLine(name))
			er.Hint = `for example {"Bkav":{"status":true}}`
			return er
		}
		old, is := have[name].(map[string]any)
		if !is {
			er := g.invalid("av_engines: the server knows no engine %s", oneLine(name))
			er.Hint = "edrctl api virustotal.engines.get lists them"
			return er
		}
		if old["status"] != on {
			list = append(list, name+": "+oneLine(old["status"])+" → "+oneLine(on))
		}
	}
	if len(list) == 0 {
		g.Preview.Nothing = "it is so already"
	}
	g.Preview.Summary = "changes what VirusTotal results count: " + strings.Join(list, "; ")
	want := mapsClone(g.args)
	g.Done = func(ctx context.Context) (bool, error) {
		now, err := g.enginesNow(ctx)
		if err != nil || len(changes(without(given, "av_engines"), now, want)) > 0 {
			return false, err
		}
		have, _ := now["av_engines"].(map[string]any)
		for name, e := range engines {
			if canonical(have[name]) != canonical(e) {
				return false, nil
			}
		}
		return true, nil
	}
	return nil
}

// keyPlaces tells where 6 shows what 5 sets.
var keyPlaces = map[string][2]string{
	"vt_key": {"virustotal", "key"}, "IBMxForceKey": {"ibmxforce", "key"}, "IBMxForcePass": {"ibmxforce", "pass"}, "otx_key": {"alienvault", "key"},
}

// keysNow reads the keys in use; they are secrets, and known as such from here.
func (g *Call) keysNow(ctx context.Context) (map[string]string, error) {
	a, err := g.read(ctx, "threatintel.keys.get", nil)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	if a.Data == nil {
		return out, nil
	}
	m, err := wire.Members(a.Data)
	if err != nil {
		return nil, reply.Malformed(g.What, err)
	}
	for name, place := range keyPlaces {
		p, _ := m[place[0]].(map[string]any)
		out[name] = backends.Text(p[place[1]])
		g.server.Redact(out[name])
	}
	return out, nil
}

func guardKeys(ctx context.Context, g *Call) error {
	var given []string
	for _, n := range keysOf(keyPlaces) {
		if g.has(n) {
			if g.text(n) == "" {
				return g.invalid("%s is empty", n)
			}
			given = append(given, n)
		}
	}
	if len(given) == 0 {
		return g.invalid("it names no key")
	}
	if g.has("IBMxForceKey") != g.has("IBMxForcePass") {
		return g.invalid("IBMxForceKey and IBMxForcePass go together only")
	}
	now, err := g.keysNow(ctx)
	if err != nil {
		return err
	}
	var news, replaced []string
	same := true
	for _, n := range given {
		same = same && now[n] == g.text(n)
		if now[n] != "" {
			replaced = append(replaced, n)
		} else {
			news = append(news, n)
		}
	}
	if same {
		g.Preview.Nothing = "these keys are in use already"
	}
	var parts []string
	if len(news) > 0 {
		parts = append(parts, "sets "+strings.Join(news, ", "))
	}
	if len(replaced) > 0 {
		parts = append(parts, "replaces "+strings.Join(replaced, ", "))
	}
	g.Preview.Summary = "threat intelligence: " + strings.Join(parts, "; ")
	g.warn("the server tries the keys online and drops those that are refused: it needs a way to the internet")
	want := map[string]string{}
	for _, n := range given {
		want[n] = g.text(n)
	}
	g.MustVerify = true
	g.Done = func(ctx context.Context) (bool, error) {
		now, err := g.keysNow(ctx)
		if err != nil {
			return false, err
		}
		for n, v := range want {
			if now[n] != v {
				return false, nil
			}
		}
		return true, nil
	}
	return nil
}

var emailMembers = []string{"email", "smtpAddress", "smtpPort", "emailRecipients", "use_ssl", "use_tls"}

// emailNow reads the settings; the password in them is masked from here on.
func (g *Call) emailNow(ctx context.Context) (map[string]any, error) {
	a, err := g.read(ctx, "email.get", nil)
	if err != nil || a.Data == nil {
		return map[string]any{}, err
	}
	m, err := wire.Members(a.Data)
	if err != nil {
		return nil, reply.Malformed(g.What, err)
	}
	if p := backends.Text(m["password"]); p != "" {
		g.server.Redact(p)
		if clear, err := base64.StdEncoding.DecodeString(strings.TrimSpace(p)); err == nil {
			g.server.Redact(string(clear))
		}
	}
	list, err := csvText(m["emailRecipients"])
	if err != nil {
		return nil, reply.Malformed(g.What, err)
	}
	m["emailRecipients"] = list
	if m["smtpPort"] != nil {
		m["smtpPort"] = backends.Text(m["smtpPort"])
	}
	return m, nil
}

// guardEmail: 54 and 56 take everything at once; what is left out is taken
// from what is set. The password cannot be: editions tell it in two ways.
func guardEmail(ctx context.Context, g *Call) error {
	now, err := g.emailNow(ctx)
	if err != nil {
		return err
	}
	for _, n := range emailMembers {
		if v := now[n]; !g.has(n) && v != nil {
			g.args[n] = v
		}
	}
	for _, n := range []string{"use_ssl", "use_tls"} {
		if !g.has(n) {
			g.args[n] = false
		}
	}
	for _, n := range []string{"email", "smtpAddress", "smtpPort", "emailRecipients"} {
		if g.text(n) == "" {
			return g.invalid("%s is missing", n)
		}
	}
	if g.text("password") == "" {
		e := g.invalid("password is missing")
		e.Hint = "the server wants it every time"
		return e
	}
	to := csvList(g.text("emailRecipients"))
	if i := slices.IndexFunc(append(to, g.text("email")), func(s string) bool { return !strings.Contains(s, "@") }); i >= 0 {
		return g.invalid("%s is not an e-mail address", oneLine(append(to, g.text("email"))[i]))
	}
	g.args["emailRecipients"] = strings.Join(to, ",")
	if n, err := strconv.ParseUint(g.text("smtpPort"), 10, 16); err != nil || n == 0 {
		return g.invalid("smtpPort: a port is a number from 1 to 65535")
	}
	if g.text("use_ssl") == "true" && g.text("use_tls") == "true" {
		g.warn("use_ssl and use_tls are both on; servers take one of them")
	}
	if g.Op.Name == "email.test" {
		g.Preview.Summary = "sends a test mail by " + g.text("smtpAddress") + " to " + ShortList(to) + "; keeps nothing"
		return nil
	}
	list := changes(emailMembers, now, g.args)
	g.Preview.Summary = "changes the e-mail settings: " + strings.Join(append(list, "password: replaced"), "; ")
	g.warn("the server sends a test mail to %s first, and keeps nothing when it cannot; a mail server that does not answer takes long", ShortList(to))
	want := mapsClone(g.args)
	g.Done = func(ctx context.Context) (bool, error) {
		now, err := g.emailNow(ctx)
		return err == nil && len(changes(emailMembers, now, want)) == 0, err
	}
	return nil
}
