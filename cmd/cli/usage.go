package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/suggest"
)

// usage turns the libraries' complaints about flags and arguments into usage
// errors in the words of the program, which name the help to read.
func usage(cmd *cobra.Command, err error) error {
	var already *cmdutil.UsageError
	if errors.As(err, &already) {
		return err
	}
	u := &cmdutil.UsageError{Err: err, Hint: fmt.Sprintf("see %s --help", cmd.CommandPath())}
	var value *pflag.InvalidValueError
	var missing *pflag.ValueRequiredError
	var unknown *pflag.NotExistError
	var syntax *pflag.InvalidSyntaxError
	switch {
	case errors.As(err, &value):
		u.Err = fmt.Errorf("invalid --%s %q: want %s", value.GetFlag().Name, value.GetValue(), wanted(value.GetFlag()))
	case errors.As(err, &missing):
		u.Err = fmt.Errorf("--%s needs a value", missing.GetFlag().Name)
	case errors.As(err, &syntax):
		u.Err = fmt.Errorf("invalid flag %q", syntax.GetSpecifiedFlag())
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "":
		u.Err = fmt.Errorf("unknown flag: -%s", unknown.GetSpecifiedName())
	case errors.As(err, &unknown):
		name := unknown.GetSpecifiedName()
		u.Err = fmt.Errorf("unknown flag: --%s", name)
		var known []string
		for _, fs := range flagSets(cmd) {
			known = append(known, flagNames(fs)...)
		}
		if s := suggest.Nearest(name, known); s != "" {
			u.Hint = fmt.Sprintf("did you mean --%s? see %s --help", s, cmd.CommandPath())
		}
	}
	return u
}

// wanted says what the value of a flag looks like.
func wanted(fl *pflag.Flag) string {
	switch {
	case strings.HasPrefix(fl.Name, "score-"):
		return "a number from 0 to 10"
	case fl.Value.Type() == "bool":
		return "true or false"
	case strings.HasPrefix(fl.Value.Type(), "int"), strings.HasPrefix(fl.Value.Type(), "uint"):
		return "a whole number"
	case strings.HasPrefix(fl.Value.Type(), "float"):
		return "a number"
	case fl.Value.Type() == "stringToString":
		return "NAME=VALUE"
	case fl.Value.Type() == "duration":
		return "a duration like 30s or 5m"
	case strings.HasSuffix(fl.Value.Type(), "Slice"):
		return "values with commas between them, in double quotes where they contain one"
	}
	return "a " + fl.Value.Type()
}

// badArguments says which operand is missing or too many, from the usage line.
func badArguments(cmd *cobra.Command, given []string, err error) error {
	var already *cmdutil.UsageError
	text := err.Error()
	counted := strings.HasPrefix(text, "requires at least") || strings.HasPrefix(text, "accepts ") || strings.HasPrefix(text, "unknown command ")
	if errors.As(err, &already) || !counted {
		return usage(cmd, err)
	}
	u := &cmdutil.UsageError{Hint: fmt.Sprintf("see %s --help", cmd.CommandPath())}
	operands := operandsOf(cmd)
	switch {
	case strings.HasPrefix(text, "unknown command ") || len(operands) == 0:
		u.Err = fmt.Errorf("unexpected argument %q: %s takes none", given[0], cmd.CommandPath())
	case len(given) < len(operands):
		u.Err = fmt.Errorf("missing %s", strings.Trim(operands[len(given)], "[]…"))
	default:
		u.Err = fmt.Errorf("unexpected argument %q: %s takes %s", given[min(len(operands), len(given)-1)], cmd.CommandPath(), strings.Join(operands, " "))
	}
	return u
}

// operandsOf are the words of a usage line after the name that are not flags.
func operandsOf(cmd *cobra.Command) []string {
	var out []string
	words := strings.Fields(cmd.Use)
	for i := 1; i < len(words); i++ {
		if strings.HasPrefix(strings.TrimLeft(words[i], "["), "-") {
			i++ // with its value
			continue
		}
		out = append(out, words[i])
	}
	return out
}

// others are words of other tools for what edrctl calls differently.
var others = map[string]string{"config": "profile", "configure": "profile add", "status": "doctor", "context": "profile use", "contain": "respond isolate", "quarantine": "respond isolate"}

// unknownCommand names the nearest command: of the same noun, or a verb of the
// only noun that has it.
func unknownCommand(cmd *cobra.Command, name string) error {
	var known []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() || c.IsAdditionalHelpTopicCommand() {
			known = append(known, c.Name())
		}
	}
	u := &cmdutil.UsageError{
		Err:  fmt.Errorf("unknown command %q for %q", name, cmd.CommandPath()),
		Hint: fmt.Sprintf("see %s --help", cmd.CommandPath()),
	}
	s := ""
	if cmd.Parent() == nil {
		if s = others[strings.ToLower(name)]; s == "" {
			s = onlyNounWith(cmd, name)
		}
	}
	if s == "" {
		s = suggest.Nearest(name, known)
	}
	if s != "" {
		u.Hint = fmt.Sprintf("did you mean %s %s?", cmd.CommandPath(), s)
	}
	return u
}

// onlyNounWith finds a verb that was written without its noun.
func onlyNounWith(root *cobra.Command, verb string) string {
	var found []string
	for _, noun := range root.Commands() {
		if !noun.IsAvailableCommand() {
			continue
		}
		for _, c := range noun.Commands() {
			if c.IsAvailableCommand() && strings.EqualFold(c.Name(), verb) {
				found = append(found, noun.Name()+" "+c.Name())
			}
		}
	}
	if i := slices.Index(found, "respond "+strings.ToLower(verb)); i >= 0 {
		return found[i]
	}
	if len(found) == 1 {
		return found[0]
	}
	return ""
}

// newHelp is `edrctl help`, which refuses what is neither command nor topic.
func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND|TOPIC]…",
		Short:   "Help about a command or a topic",
		Long:    "Help about a command or a topic. edrctl COMMAND --help shows the same.",
		Example: "$ edrctl help alerts list\n$ edrctl help exit-codes",
		ValidArgsFunction: func(_ *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
			at, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var out []string
			for _, c := range at.Commands() {
				if (c.IsAvailableCommand() || c.IsAdditionalHelpTopicCommand()) && strings.HasPrefix(c.Name(), begun) {
					out = append(out, c.Name()+"\t"+c.Short)
				}
			}
			return out, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			at := root
			for _, word := range args {
				next := named(at, word)
				if next == nil {
					return unknownCommand(at, word)
				}
				at = next
			}
			at.InitDefaultHelpFlag()
			return at.Help()
		},
	}
}

func named(parent *cobra.Command, word string) *cobra.Command {
	for _, c := range parent.Commands() {
		if c.Name() == word || c.HasAlias(word) {
			return c
		}
	}
	return nil
}
