package cmdutil

import (
	"strings"

	"github.com/spf13/cobra"
)

// paramIDs says which parameters of the vendors' operations are the id of a
// thing that lists have shown, by the names of their flags.
var paramIDs = map[string]string{
	"host-identifier": RefHost, "host-identifiers": RefHost, "device-id": RefHost, "endpoint-id": RefHost, "sensor-id": RefHost, "node-id": RefHost,
	"alert-id": RefAlert, "incident-id": RefAlert, "threat-id": RefAlert,
	"rule-id": RefRule, "process-guid": RefProcess,
}

// ParamCompletion is the completion of a flag that stands for a parameter of a
// vendor's operation: by its type, or an id from the cache. It is never nil;
// what such a parameter means is the vendor's, whatever a flag of ours of the
// same name takes.
func ParamCompletion(f *Factory, name, kind string) CompletionFunc {
	name = strings.TrimPrefix(name, "param-")
	if ref, ok := paramIDs[name]; ok {
		return CompleteIDs(f, ref)
	}
	switch kind {
	case "file":
		return CompleteFiles
	case "time":
		return CompleteTimes(f)
	case "bool":
		return CompleteEnum("true", "false")
	}
	if name == "host-name" || name == "device-name" || name == "hostname" || name == "host-name-exact" {
		return CompleteHostNames(f)
	}
	return CompleteNothing
}

// CompleteIDs offers the vendor's own ids of a kind, as its API takes them:
// references without the profile. What is typed may be a host's name too.
func CompleteIDs(f *Factory, kind string) CompletionFunc {
	return func(_ *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		lines, directive := completeRefs(f, kind, args, typed)
		seen := map[string]bool{}
		out := lines[:0]
		for _, l := range lines {
			_, id, _ := strings.Cut(l, "/")
			word, _, _ := strings.Cut(id, "\t")
			if SafeWord(word) && !seen[word] {
				seen[word] = true
				out = append(out, id)
			}
			if !strings.HasPrefix(word, typed) {
				directive |= matched
			}
		}
		return out, directive
	}
}

// CompleteItems completes the operands of a command that administers a
// vendor's own things: the first is one that a list of the noun has shown, an
// id of a host or a rule is one wherever it is. New things have no name to
// complete yet.
func CompleteItems(f *Factory) CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		all := operands(cmd.Use)
		at := min(len(args), len(all)-1)
		if at < 0 || len(args) > at && !all[at].repeat {
			return nil, NoFiles
		}
		name := all[at].name
		switch id, known := paramIDs[strings.ToLower(strings.ReplaceAll(name, "_", "-"))]; {
		case name == "HOST":
			return completeHosts(f, args, typed)
		case noun(cmd) == "rules" && (name == "RULE_ID" || name == "NAME") && cmd.Name() != "add":
			return completeRefs(f, RefRule, args, typed)
		case known:
			return CompleteIDs(f, id)(cmd, args, typed)
		case at > 0 && !all[at].repeat || cmd.Name() == "add":
			return nil, NoFiles
		}
		path := strings.Fields(cmd.CommandPath())
		path = path[1 : len(path)-1] // without the program and the verb
		return completeRefs(f, itemKind(strings.TrimSuffix(strings.Join(path, " "), "s")), args, typed)
	}
}
