package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/backends"
)

// inverses are the operations that delete or replace, and that another one of
// the catalogue takes back with what the user gave.
var inverses = map[string]string{
	"esp hosts.remove":        "hosts.enable",
	"esp hosts.tags.remove":   "hosts.tags.add",
	"esp queries.tags.remove": "queries.tags.add",
	"esp packs.tags.remove":   "packs.tags.add",
}

// onEndpoints are the operations that run something on endpoints.
var onEndpoints = []string{
	"carbonblack live.commands.issue", "gene command.send", "esp distributed.add", "esp response.add", "esp response.live", "esp response.script",
	"esp response.restart_agent", "esp defender.scan",
}

// The rule of backends.Operation.Danger, over every catalogue.
func TestDangerFollowsOneRule(t *testing.T) {
	loses := []string{"delete", "remove", "replace", "set", "drain", "reload"}
	adds := []string{"add", "create", "upload", "open", "enable"}
	for _, b := range backends.All() {
		catalog := b.Catalog()
		for _, op := range catalog {
			name := b.Name + " " + op.Name
			last := op.Name[strings.LastIndexByte(op.Name, '.')+1:]
			_, undone := backends.OperationNamed(catalog, inverses[name])
			switch {
			case !op.Mutates:
				if op.Danger != "" {
					t.Errorf("%s reads, and is dangerous: %s", name, op.Danger)
				}
			case slices.Contains(onEndpoints, name):
				if op.Danger == "" {
					t.Errorf("%s runs on endpoints, and is not dangerous", name)
				}
			case inverses[name] != "":
				if !undone || op.Danger != "" {
					t.Errorf("%s: its inverse %s is there: %v; danger: %q", name, inverses[name], undone, op.Danger)
				}
			case op.Method == "DELETE" || slices.Contains(loses, last):
				if op.Danger == "" || len(op.DangerWith) > 0 {
					t.Errorf("%s deletes or replaces, and is not dangerous", name)
				}
			case slices.Contains(adds, last):
				if op.Danger != "" && len(op.DangerWith) == 0 {
					t.Errorf("%s only adds, and is dangerous: %s", name, op.Danger)
				}
			}
			for _, with := range op.DangerWith {
				if op.Danger == "" || !slices.ContainsFunc(op.Params, func(p backends.Param) bool { return p.Name == with }) {
					t.Errorf("%s has no parameter %s, or no danger", name, with)
				}
			}
		}
	}
	for _, name := range onEndpoints {
		backend, op, _ := strings.Cut(name, " ")
		b, err := backends.Lookup(backend)
		if _, there := backends.OperationNamed(b.Catalog(), op); err != nil || !there {
			t.Errorf("%s is in no catalogue", name)
		}
	}
}

// Arguments can make the difference: indicators are merged, or replaced.
func TestDangerOfArguments(t *testing.T) {
	esp, _ := backends.Lookup("esp")
	op, _ := backends.OperationNamed(esp.Catalog(), "iocs.add")
	for _, tc := range []struct {
		args map[string]any
		want bool
	}{
		{map[string]any{"name": "bad", "values": "192.0.2.1"}, false},
		{map[string]any{"name": "bad", "replace": "false"}, false},
		{map[string]any{"data": "{}", "replace": true}, true},
		{map[string]any{"remove": "bad"}, true},
	} {
		if got := (backends.Call{Op: op, Args: tc.args}).Danger() != ""; got != tc.want {
			t.Errorf("%v: dangerous %v, want %v", tc.args, got, tc.want)
		}
	}
}
