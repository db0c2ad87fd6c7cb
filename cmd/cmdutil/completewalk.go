package cmdutil

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/output"
	"github.com/edrctl/edrctl/internal/shellquote"
)

// Completing tells whether a shell is asking for words.
func Completing(args []string) bool {
	return len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd)
}

// AddCompletions gives the command that a line asks words for, and those above
// it, the completion of their flags, by the flags' names, and of its operands,
// by how its Use line names them, where it has none of its own. args is the
// whole line, with __complete.
//
// Operands: REF (of the noun the command is below), ALERT-REF, ACTION-REF
// …, HOST, PID, TAG, PROFILE, BACKEND, OPERATION, FILE, FOLDER; a|b|c in small
// letters is what it says. What follows -- is somebody else's.
func AddCompletions(root *cobra.Command, f *Factory, args []string) {
	if !Completing(args) || len(args) < 2 {
		return
	}
	// As cobra finds it: the last word is not typed to its end.
	cmd, _, err := root.Find(args[1 : len(args)-1])
	if err != nil || cmd == nil {
		cmd = root
	}
	if cmd.ValidArgsFunction == nil && !cmd.HasSubCommands() {
		cmd.ValidArgs = nil // it does not know which operand it is about
		cmd.ValidArgsFunction = completeOperands(cmd, f)
	}
	for ; cmd != nil; cmd = cmd.Parent() {
		addFlagCompletions(cmd, f)
	}
}

// FreeText are the flags nobody can complete: what is in them is the
// user's own. A test holds that every other flag with a value is completed.
var FreeText = map[string]bool{
	"jq": true, "template": true, "query": true, "search": true, "user": true, "process": true, "path": true, "command-line": true, "hash": true,
	"ip": true, "port": true, "domain": true, "registry": true, "file-name": true, "comment": true, "case": true, "limit": true, "max-hosts": true,
	"exclude": true, "scale": true, "port-base": true, "faults": true, "zip-password": true, "pin": true, "filter": true, "score-max": true,
	"url": true, "rule": true, "action": true, "max": true, "json-field": true, "field": true, "header": true, "proxy": true, "expect": true, "policy": true,
}

// OfVendor tells whether a flag stands for a parameter of a vendor's
// operation, which is completed by its type.
func OfVendor(flag *pflag.Flag) bool {
	_, ok := flag.Value.(*paramFlag)
	return ok
}

func addFlagCompletions(cmd *cobra.Command, f *Factory) {
	cmd.LocalNonPersistentFlags().VisitAll(func(flag *pflag.Flag) { addFlag(cmd, f, flag) })
	cmd.PersistentFlags().VisitAll(func(flag *pflag.Flag) { addFlag(cmd, f, flag) })
}

// addFlag gives one flag its completion, unless it has one.
func addFlag(cmd *cobra.Command, f *Factory, flag *pflag.Flag) {
	if flag.Value.Type() == "bool" {
		return
	}
	if _, has := cmd.GetFlagCompletionFunc(flag.Name); has {
		return
	}
	complete := FlagCompletion(cmd, f, flag.Name)
	if p, ok := flag.Value.(*paramFlag); ok {
		complete = ParamCompletion(f, flag.Name, p.kind)
	}
	if complete == nil {
		complete = CompleteNothing // file names would be wrong for most
	}
	_ = cmd.RegisterFlagCompletionFunc(flag.Name, complete) // only a flag that is not there fails
}

// FlagCompletion is the completion of a flag by its name, nil when there is
// none.
func FlagCompletion(cmd *cobra.Command, f *Factory, name string) CompletionFunc {
	switch name {
	case "severity":
		return CompleteEnumList(names(reversed(model.Severities))...)
	case "severity-min":
		return CompleteEnum(names(reversed(model.Severities))...)
	case "status":
		return CompleteEnumList(names(model.Statuses)...)
	case "kind":
		return CompleteEnum(names(model.Kinds)...)
	case "sort":
		return completeSort
	case "profile":
		return CompleteProfiles(f)
	case "output":
		return completeFormats
	case "columns":
		return completeColumnsOf
	case "color":
		return CompleteEnum("auto\tcolour on a terminal", "always", "never")
	case "tz":
		return CompleteEnum("local\tof this machine", "UTC", "Europe/London", "Europe/Paris", "Europe/Berlin", "America/New_York", "America/Los_Angeles", "Asia/Singapore", "Asia/Tokyo", "Australia/Sydney")
	case "since", "until":
		return CompleteTimes(f)
	case "around":
		return completeAround(f)
	case "window", "interval", "wait", "run-for", "timeout", "look-back":
		return CompleteDurations
	case "host":
		if cmd.Name() == "query" {
			return CompleteHosts(f)
		}
		return CompleteHostNames(f)
	case "where":
		return completeWhere(f)
	case "tag":
		return CompleteTags(f)
	case "process-uid":
		return CompleteProcessUIDs(f)
	case "from-alert":
		return CompleteRefs(f, RefAlert)
	case "ref":
		return CompleteRefs(f, RefAlert)
	case "config", "file", "hosts-file", "checkpoint", "ca-file", "replay", "input", "events", "output-file", "from", "pipeline", "should-match", "should-not":
		if name == "file" && cmd.Flags().Lookup("file").Shorthand == "" {
			return nil // the filter on what a record says of a file
		}
		return CompleteFiles
	case "output-dir":
		return CompleteDirs
	case "backend":
		return CompleteBackends
	case "secret":
		return CompleteSecrets
	case "set":
		if cmd.Flags().Lookup("backend") != nil {
			return CompleteSettings
		}
		return CompleteEnum("group=\tGene: group of the endpoint", "status=\tGene: status of its case", "criticality=\tGene: 0 to 10")
	case "verb":
		return CompleteEnumList(backends.AllVerbs...)
	case "shell":
		return CompleteEnum(shellquote.Names...)
	case "state":
		if cmd.Name() == "watch" {
			return CompleteFiles
		}
		return CompleteEnumList(names(model.ActionStates)...)
	case "phase":
		return CompleteEnumList("intent\twritten before it is sent", "sent", "outcome")
	case "theme":
		return CompleteEnum("auto", "dark", "light")
	case "level":
		return CompleteEnumList(sigmaLevels...)
	case "level-min":
		return CompleteEnum(sigmaLevels...)
	case "product":
		return CompleteEnumList("windows", "linux", "macos")
	case "category":
		return CompleteEnumList("process_creation", "registry_set", "file_event", "image_load", "network_connection", "dns_query", "ps_script", "process_access")
	case "by":
		return CompleteEnum("technique\tof ATT&CK")
	case "to":
		return CompleteEnum("gene", "esp")
	case "schema":
		return CompleteEnum("2\tfrom v1.8.0-beta.2 on", "1\tup to v1.8.0-beta.1")
	case "score-min":
		return CompleteEnum("9\tcritical", "7\thigh and up", "4\tmedium and up", "1\teverything scored")
	}
	return nil
}

// sigmaLevels are the levels of Sigma rules.
var sigmaLevels = []string{"informational", "low", "medium", "high", "critical"}

func completeFormats(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if cmd.Name() == "tree" {
		return CompleteEnum("text\ta drawing", "json\tnested", "yaml", "dot\tGraphviz")(cmd, args, typed)
	}
	help := map[string]string{
		"table": "columns, fitted to the terminal", "wide": "more columns", "json": "one array", "ndjson": "an object a line, as it arrives",
		"csv": "with a header", "ecs": "Elastic Common Schema, a document a line", "ocsf": "OCSF, a document a line", "id": "references, for xargs",
	}
	var words []string
	for _, n := range output.Formats() {
		if h := help[n]; h != "" {
			n += "\t" + h
		}
		words = append(words, n)
	}
	return CompleteEnum(words...)(cmd, args, typed)
}

// completeWhere offers the saved filters, and the fields an expression may
// begin with.
func completeWhere(f *Factory) CompletionFunc {
	return func(_ *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		var words []word
		if c, err := f.Config(); err == nil {
			for _, name := range slices.Sorted(maps.Keys(c.Filters)) {
				words = append(words, word{"@" + name, c.Filters[name]})
			}
		}
		if saved := pick(words, typed, nil); typed != "" && len(saved) > 0 {
			return offer("", saved), inOrder
		}
		for _, field := range filter.ExprNames() {
			words = append(words, word{field + "=", ""})
		}
		return offer("", pick(words, typed, nil)), inOrder | cobra.ShellCompDirectiveNoSpace
	}
}

// completeSort offers the orders, turned round where that is being typed.
func completeSort(_ *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	sign := ""
	if typed != "" && (typed[0] == '-' || typed[0] == '+') {
		sign, typed = typed[:1], typed[1:]
	}
	var out []cobra.Completion
	for _, k := range ops.SortKeys() {
		if hasPrefixFold(k, typed) {
			out = append(out, sign+k)
		}
	}
	return out, inOrder
}

func reversed[T any](list []T) []T {
	out := slices.Clone(list)
	slices.Reverse(out)
	return out
}

// kinds says what commands print, for --columns.
var kinds sync.Map // *cobra.Command → output.Kind

// Prints tells completion what a command prints, where the noun it is
// below does not say it.
func Prints(cmd *cobra.Command, kind output.Kind) *cobra.Command {
	kinds.Store(cmd, kind)
	return cmd
}

func completeColumnsOf(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	kind, ok := KindOf(cmd)
	if !ok {
		return nil, NoFiles
	}
	return CompleteColumns(kind)(cmd, args, typed)
}

// KindOf is what a command prints.
func KindOf(cmd *cobra.Command) (output.Kind, bool) {
	if k, ok := kinds.Load(cmd); ok {
		return k.(output.Kind), true
	}
	if cmd.Flags().Lookup("by") != nil {
		return output.KindCount, true
	}
	nouns := map[string]output.Kind{
		"alerts": output.KindAlert, "events": output.KindEvent, "hosts": output.KindHost, "processes": output.KindProcess,
		"rules": output.KindRule, "carve": output.KindCarve, "respond": KindAction, "hunt": output.KindHit,
	}
	if cmd.Name() == "report" && noun(cmd) == "hosts" {
		return output.KindReport, true
	}
	if cmd.Name() == "tree" {
		return kindTree, true
	}
	if cmd.Flags().Lookup("dry-run") != nil && noun(cmd) != "carve" {
		return KindAction, true
	}
	k, ok := nouns[noun(cmd)]
	return k, ok
}

// noun is the command right below the root.
func noun(cmd *cobra.Command) string {
	for cmd.HasParent() && cmd.Parent().HasParent() {
		cmd = cmd.Parent()
	}
	return cmd.Name()
}

func completeAround(f *Factory) CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		kind := RefAlert
		if noun(cmd) == "events" {
			kind = RefEvent
		}
		out, directive := completeRefs(f, RefAlert, args, typed)
		if kind != RefAlert && len(out) < maxOffered {
			more, d := completeRefs(f, kind, args, typed)
			out, directive = append(out, more...), directive|d
		}
		return out, directive
	}
}

// operand is a word of a Use line.
type operand struct {
	name   string
	repeat bool
}

// operands reads a Use line: "kill HOST PID", "get REF…", "scan HOST
// quick|full|custom [PATH]", "run HOST -- COMMAND…". Flags are left out.
func operands(use string) []operand {
	var out []operand
	words := strings.Fields(use)
	for i := 1; i < len(words); i++ {
		w := strings.Trim(words[i], "[]")
		if w == "--" {
			break
		}
		if strings.HasPrefix(w, "-") {
			i++ // and what it takes
			continue
		}
		base := strings.TrimSuffix(strings.TrimSuffix(w, "|-"), "…")
		base = strings.Trim(base, "[]")
		out = append(out, operand{base, strings.Contains(w, "…")})
	}
	return out
}

// Operands names the operands of a Use line.
func Operands(use string) []string {
	var out []string
	for _, o := range operands(use) {
		out = append(out, o.name)
	}
	return out
}

// completeOperands completes the arguments of a command by its Use line.
func completeOperands(cmd *cobra.Command, f *Factory) CompletionFunc {
	all := operands(cmd.Use)
	return func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		list := all
		for _, flag := range []string{"from-alert", "hosts-file"} {
			// The flag stands in for the host, and the operands after it remain.
			if fl := cmd.Flags().Lookup(flag); fl != nil && fl.Changed && len(list) > 0 && list[0].name == "HOST" {
				list = list[1:]
			}
		}
		// Before it asks, cobra parses the line with a -- at its end.
		if dash := cmd.ArgsLenAtDash(); dash >= 0 && dash < len(args) || len(list) == 0 {
			return nil, NoFiles
		}
		at := len(args)
		if at >= len(list) {
			at = len(list) - 1
			if !list[at].repeat {
				return nil, NoFiles
			}
		}
		complete := OperandCompletion(cmd, f, list[at].name)
		if complete == nil {
			return nil, NoFiles
		}
		return complete(cmd, args, typed)
	}
}

// FreeOperands are the operands nobody can complete.
var FreeOperands = map[string]bool{
	"PATH": true, "COMMAND": true, "ADDRESS[:PORT]|PROGRAM": true, "HASH": true, "ADDRESS": true, "DOMAIN": true, "NAME": true, "METHOD": true,
	"IP": true, "IP|CIDR": true, "VALUE": true, "NAME|PATH": true,
}

// OperandCompletion is the completion of an operand by its name in the Use
// line, nil when there is none.
func OperandCompletion(cmd *cobra.Command, f *Factory, name string) CompletionFunc {
	refs := map[string]string{
		"alerts": RefAlert, "events": RefEvent, "hosts": RefHost, "processes": RefProcess, "rules": RefRule, "carve": RefCarve, "respond": RefAction,
	}
	switch name {
	case "REF":
		kind, ok := refs[noun(cmd)]
		if !ok {
			return nil
		}
		return CompleteRefs(f, kind)
	case "ALERT-REF", "ACTION-REF", "RULE-REF", "CARVE-REF", "EVENT-REF":
		return CompleteRefs(f, strings.ToLower(strings.TrimSuffix(name, "-REF")))
	case "HOST":
		return CompleteHosts(f)
	case "PID":
		return func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return nil, NoFiles
			}
			return CompletePIDs(f, args[0], typed)
		}
	case "TAG":
		return CompleteTags(f)
	case "PROFILE":
		return CompleteProfileNames(f)
	case "BACKEND":
		return CompleteBackends
	case "OPERATION":
		return CompleteOperations(f)
	case "FILE", "FILE|FOLDER", "FOLDER", "RULE":
		return CompleteFiles
	}
	if words := strings.Split(name, "|"); name == strings.ToLower(name) && !slices.Contains(words, "") {
		return CompleteEnum(words...)
	}
	return nil
}
