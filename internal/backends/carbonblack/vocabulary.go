package carbonblack

import (
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/backends/carbonblack/wire"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
)

// kindSource is the one event type a kind can come from, and whether every
// event of that type is of this kind (then the server's eventType filter is
// exact; otherwise it only narrows).
type kindSource struct {
	eventType string
	exact     bool
}

// kindSources is docs/formats.md §3.1, read backwards. A kind that is not
// here never comes from this backend, except "other", which an unknown event
// type becomes.
var kindSources = map[model.Kind]kindSource{
	model.KindProcessStart:   {wire.TypeCreateProcess, true},
	model.KindProcessInject:  {wire.TypeInjectCode, true},
	model.KindFileCreate:     {wire.TypeFileCreate, true},
	model.KindNetworkConnect: {wire.TypeNetwork, false},
	model.KindNetworkListen:  {wire.TypeNetwork, false},
	model.KindRegistrySet:    {wire.TypeRegistry, false},
	model.KindRegistryDelete: {wire.TypeRegistry, false},
	model.KindRegistryCreate: {wire.TypeRegistry, false},
	model.KindFileRead:       {wire.TypeDataAccess, false},
	model.KindDeviceAccess:   {wire.TypeDataAccess, false},
	model.KindProcessAccess:  {wire.TypeAPICall, false},
	model.KindHook:           {wire.TypeAPICall, false},
	model.KindAPICall:        {wire.TypeAPICall, false},
}

// Words of the TTP vocabulary (§11.4) and API names that tell the kinds of one
// event type apart.
var (
	accessTTPs   = []string{"MODIFY_PROCESS", "READ_PROCESS_MEMORY", "RAM_SCRAPING", "MODIFY_PROCESS_EXECUTION"}
	hookTTPs     = []string{"MONITOR_USER_INPUT", "KEYLOGGER"}
	deviceTTPs   = []string{"ACCESS_CLIPBOARD", "MONITOR_MICROPHONE", "MONITOR_CAMERA", "MONITOR_SCREEN", "RAW_DISK_ACCESS"}
	listenTTPs   = []string{"ACTIVE_SERVER"}
	accessCalls  = []string{"openprocess", "ntopenprocess", "readprocessmemory", "ntreadvirtualmemory", "writeprocessmemory", "ntwritevirtualmemory", "ntopenthread", "openthread"}
	hookCallHead = "setwindowshook"
)

func anyOf(tags, of []string) bool {
	return slices.ContainsFunc(tags, func(t string) bool { return slices.Contains(of, t) })
}

// kindOf reads the kind of an event. Where one event type covers several
// kinds, TTPs decide first, then the called function, then the server's own
// words in the description (never what is in quotes).
func kindOf(eventType string, ttps []string, text *description) model.Kind {
	switch eventType {
	case wire.TypeCreateProcess:
		return model.KindProcessStart
	case wire.TypeInjectCode:
		return model.KindProcessInject
	case wire.TypeFileCreate:
		return model.KindFileCreate
	case wire.TypeDataAccess:
		if anyOf(ttps, deviceTTPs) {
			return model.KindDeviceAccess
		}
		return model.KindFileRead
	case wire.TypeNetwork:
		said := text.ownWords()
		if strings.Contains(said, "listen") || anyOf(ttps, listenTTPs) && !strings.Contains(said, "connection") {
			return model.KindNetworkListen
		}
		return model.KindNetworkConnect
	case wire.TypeRegistry:
		said := text.ownWords()
		switch {
		case strings.Contains(said, "delete"):
			return model.KindRegistryDelete
		case strings.Contains(said, "create"):
			return model.KindRegistryCreate
		}
		return model.KindRegistrySet
	case wire.TypeAPICall:
		call := strings.ToLower(wire.CalledFunction(text.plain()))
		switch {
		case anyOf(ttps, hookTTPs) || strings.HasPrefix(call, hookCallHead):
			return model.KindHook
		case anyOf(ttps, accessTTPs) || slices.Contains(accessCalls, call):
			return model.KindProcessAccess
		}
		return model.KindAPICall
	}
	return model.KindOther
}

// eventTypeOf finds the one event type that every kind of a term comes from.
// none means that no event of this backend can match; exact that the server's
// filter says the same as the term.
func eventTypeOf(t filter.Term) (eventType string, exact, none bool) {
	exact, none = true, true
	for _, p := range t.Any {
		k := model.Kind(p.Text)
		if k == model.KindOther {
			return "", false, false
		}
		src, ok := kindSources[k]
		if !ok {
			continue // this alternative matches nothing here
		}
		if eventType != "" && eventType != src.eventType {
			return "", false, false
		}
		eventType, none = src.eventType, false
		exact = exact && src.exact
	}
	if none {
		return "", true, true
	}
	// Two kinds of one type, one of them exact, cannot happen: an exact type has one kind.
	return eventType, exact, false
}

// stageTactics puts the kill chain of the vendor (§11.2) on ATT&CK tactics.
var stageTactics = map[string]string{
	"RECONNAISSANCE":      "reconnaissance",
	"WEAPONIZE":           "resource-development",
	"DELIVER_EXPLOIT":     "initial-access",
	"INSTALL_RUN":         "execution",
	"COMMAND_AND_CONTROL": "command-and-control",
	"EXECUTE_GOAL":        "impact",
	"BREACH":              "exfiltration",
}

// attackOf reads the techniques that newer sensors put among the TTPs
// (MITRE_T1003_001_LSASS_MEMORY) and the kill-chain stage. The stage is the
// alert's as a whole: it is by itself, for a technique serves tactics of
// its own (dumping credentials is not an impact because the intrusion got that far).
func attackOf(stage string, ttps []string) []model.Attack {
	tactic := stageTactics[stage]
	var out []model.Attack
	for _, t := range ttps {
		if id, name, ok := techniqueOf(t); ok {
			out = append(out, model.Attack{Technique: model.Named{ID: id, Name: name}})
		}
	}
	if tactic != "" {
		out = append(out, model.Attack{Tactic: tactic})
	}
	return out
}

// techniqueOf reads MITRE_T<4 digits>[_<3 digits>][_<NAME>].
func techniqueOf(ttp string) (id, name string, ok bool) {
	rest, found := strings.CutPrefix(ttp, "MITRE_T")
	if !found || len(rest) < 4 || !isDigits(rest[:4]) {
		return "", "", false
	}
	id, rest = "T"+rest[:4], rest[4:]
	if rest != "" && rest[0] != '_' {
		return "", "", false
	}
	rest = strings.TrimPrefix(rest, "_")
	if len(rest) >= 3 && isDigits(rest[:3]) && (len(rest) == 3 || rest[3] == '_') {
		id += "." + rest[:3]
		rest = strings.TrimPrefix(rest[3:], "_")
	}
	return id, strings.ToLower(strings.ReplaceAll(rest, "_", " ")), true
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// reputationVerdicts is docs/formats.md §4 on the model's four words: what
// OCSF calls safe or leaning safe, and possibly malicious or worse. PUP and
// ADWARE are neither.
var reputationVerdicts = map[string]string{
	"TRUSTED_WHITE_LIST":  "safe",
	"COMPANY_WHITE_LIST":  "safe",
	"LOCAL_WHITE":         "safe",
	"COMMON_WHITE_LIST":   "safe",
	"ADAPTIVE_WHITE_LIST": "safe",
	"HEURISTIC":           "malicious",
	"SUSPECT_MALWARE":     "malicious",
	"KNOWN_MALWARE":       "malicious",
	"COMPANY_BLACK_LIST":  "malicious",
}

func reputationOf(native string) *model.Reputation {
	if native == "" {
		return nil
	}
	verdict := reputationVerdicts[native]
	if verdict == "" {
		verdict = "unknown"
	}
	return &model.Reputation{Verdict: verdict, Native: native}
}

// platformOf gives name and platform of a deviceType.
func platformOf(deviceType string) (name, platform string) {
	switch strings.ToUpper(deviceType) {
	case "WINDOWS":
		return "Windows", "windows"
	case "MAC":
		return "macOS", "darwin"
	case "LINUX":
		return "Linux", "linux"
	}
	return deviceType, ""
}
