package catalog

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
)

// EventRows is how many rows one request for events asks for, as the vendor's own export (§5.1).
const EventRows = 10_000

// PageRows is the page size of a call that names none, by operation (§3, §5).
var PageRows = map[string]int{"events.list": EventRows, "processes.list": 5000, "devices.list": 1000}

// RecordsAt is where the records of an answer are; "-" is one object, or an
// array that is the whole answer.
var RecordsAt = map[string]string{
	"events.list": "results", "processes.list": "results", "devices.list": "results", "policies.list": "results", "alerts.get": "-",
}

// checkPolicy holds a new policy to what the server needs (§8.3).
func checkPolicy(info map[string]any) error {
	if s, _ := info["name"].(string); strings.TrimSpace(s) == "" {
		return errors.New("policyInfo.name is missing")
	}
	if s, _ := info["priorityLevel"].(string); !slices.Contains(priorities, s) {
		return fmt.Errorf("policyInfo.priorityLevel is %q: want one of %s", s, strings.Join(priorities, " "))
	}
	if _, ok := info["policy"].(map[string]any); !ok {
		return errors.New("policyInfo.policy is missing: rules, sensorSettings, avSettings …")
	}
	return nil
}

var priorities = []string{"LOW", "MEDIUM", "HIGH", "MISSION_CRITICAL"}

func objectArg(c backends.Call, name string) (map[string]any, error) {
	p, _ := c.Op.Param(name)
	v, err := p.Value(c.Args[name])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	m, _ := v.(map[string]any)
	if m == nil {
		return nil, errors.New(name + " is missing")
	}
	return maps.Clone(m), nil
}

// The words of a rule (§8.3).
var ruleWords = map[string][]string{
	"action": {"TERMINATE", "DENY", "IGNORE", "ALLOW"},
	"operation": {"RUN", "NETWORK", "CODE_INJECTION", "RUN_INMEMORY_CODE", "INVOKE_CMD_INTERPRETER", "INVOKE_SCRIPT",
		"POL_INVOKE_NOT_TRUSTED", "MEMORY_SCRAPE", "RANSOM", "BYPASS_ALL"},
}

func checkRule(info map[string]any) error {
	for _, name := range []string{"action", "operation"} {
		v, _ := info[name].(string)
		if !slices.Contains(ruleWords[name], v) {
			return fmt.Errorf("ruleInfo.%s is %q: want one of %s", name, v, strings.Join(ruleWords[name], " "))
		}
	}
	app, _ := info["application"].(map[string]any)
	kind, _ := app["type"].(string)
	value, _ := app["value"].(string)
	if !slices.Contains([]string{"REPUTATION", "NAME_PATH"}, kind) || value == "" {
		return errors.New("ruleInfo.application wants type (REPUTATION or NAME_PATH) and value")
	}
	return nil
}

// Complete fills in what follows from the rest of a call: ids the body
// repeats, and what a policy's document must say (§8.3, §9).
func Complete(c backends.Call) (backends.Call, error) {
	if c.Body != nil {
		return c, nil
	}
	what := "cannot call " + c.Label()
	c.Args = maps.Clone(c.Args)
	if c.Args == nil {
		c.Args = map[string]any{}
	}
	same := func(name, of string) error {
		v, given := c.Args[name]
		if !given {
			c.Args[name] = c.Args[of]
			return nil
		}
		if backends.Text(v) != backends.Text(c.Args[of]) {
			return backends.Invalid(what, fmt.Sprintf("%s is %s and %s is %s: they must be the same", of, backends.Text(c.Args[of]), name, backends.Text(v)))
		}
		return nil
	}
	switch c.Op.Name {
	case "live.sessions.open":
		return c, same("sensor_id", "deviceId")
	case "live.commands.issue":
		return c, same("session_id", "sessionId")
	case "live.commands.cancel":
		return c, same("cmdid", "commandId")
	case "devices.policy":
		_, byID := c.Args["policyId"]
		if _, byName := c.Args["policyName"]; byID == byName {
			return c, backends.Invalid(what, "want policyId or policyName, one of the two")
		}
	case "policies.create", "policies.replace":
		info, err := objectArg(c, "policyInfo")
		if err != nil {
			return c, backends.Invalid(what, err.Error())
		}
		if v, ok := info["version"]; ok && backends.Text(v) != "2" {
			return c, backends.Invalid(what, "policyInfo.version must be 2: it is the version of the document, not of the policy")
		}
		info["version"] = 2
		if c.Op.Name == "policies.replace" {
			if v, ok := info["id"]; ok && backends.Text(v) != backends.Text(c.Args["policyId"]) {
				return c, backends.Invalid(what, fmt.Sprintf("policyInfo.id is %s: it must be the policy that is replaced", backends.Text(v)))
			}
			id, err := strconv.ParseInt(backends.Text(c.Args["policyId"]), 10, 64)
			if err != nil {
				return c, backends.Invalid(what, "policyId is not a whole number")
			}
			info["id"] = id
		} else if err := checkPolicy(info); err != nil {
			return c, backends.Invalid(what, err.Error())
		}
		c.Args["policyInfo"] = info
	case "policies.rules.add", "policies.rules.replace":
		info, err := objectArg(c, "ruleInfo")
		if err == nil {
			err = checkRule(info)
		}
		if err != nil {
			return c, backends.Invalid(what, err.Error())
		}
	}
	return c, nil
}
