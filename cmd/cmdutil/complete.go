package cmdutil

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/cache"
	"github.com/edrctl/edrctl/internal/config"
	"github.com/edrctl/edrctl/internal/demo"
	"github.com/edrctl/edrctl/internal/output"
	"github.com/edrctl/edrctl/internal/safetext"
)

// CompletionFunc is what cobra asks for words: the words given before, and
// what of the next one is typed.
type CompletionFunc = cobra.CompletionFunc

const (
	// NoFiles ends the list: a shell adds no file names to it.
	NoFiles = cobra.ShellCompDirectiveNoFileComp
	inOrder = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	// matched is a bit of our own, above cobra's: the words fit what was typed
	// otherwise than by beginning with it (a host's name, an alert's title), so
	// that the script must not filter them again.
	matched cobra.ShellCompDirective = 64

	maxOffered = 300 // words: nobody reads more
	maxHelp    = 100 // runes of what a word means
)

// word is one offer. What it means is shown next to it.
type word struct{ text, help string }

// SafeWord tells whether a word can appear on a command line of bash, zsh, fish
// and PowerShell as it is, without quotes: no server can name a thing so that
// completing it runs something. Others are never offered.
func SafeWord(s string) bool {
	if s == "" || len(s) > 256 || strings.ContainsRune("-=%+:,", rune(s[0])) {
		return false
	}
	for _, r := range s {
		switch {
		case r < utf8.RuneSelf && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-/:@+,=%", r)):
		case r >= utf8.RuneSelf && r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r)):
		default:
			return false
		}
	}
	return true
}

// offer makes the answer of a list of words: those that are safe, before each
// what is already in a list with commas.
func offer(before string, words []word) []cobra.Completion {
	var out []cobra.Completion
	for _, w := range words {
		if !SafeWord(w.text) {
			continue
		}
		line := before + w.text
		if h := cleanHelp(w.help); h != "" {
			line += "\t" + h
		}
		out = append(out, line)
	}
	return out
}

// cleanHelp is one short printable line.
func cleanHelp(s string) string {
	if len(s) > 4*maxHelp {
		s = strings.ToValidUTF8(s[:4*maxHelp], "")
	}
	s = strings.TrimSpace(string(safetext.Text(s)))
	if utf8.RuneCountInString(s) > maxHelp {
		s = string([]rune(s)[:maxHelp-1]) + "…"
	}
	return s
}

// list cuts what is typed at the last comma.
func list(typed string) (before, last string, given []string) {
	i := strings.LastIndexByte(typed, ',') + 1
	return typed[:i], typed[i:], strings.Split(typed[:i], ",")
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

func containsFold(s, part string) bool {
	return s != "" && strings.Contains(strings.ToLower(s), strings.ToLower(part))
}

// CompleteNothing offers nothing, and no file names either.
func CompleteNothing(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return nil, NoFiles
}

// CompleteFiles leaves it to the shell: a file.
func CompleteFiles(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

// CompleteDirs leaves it to the shell: a folder.
func CompleteDirs(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// CompleteEnum offers fixed words, in that order. A word may have a help after
// a tab.
func CompleteEnum(values ...string) CompletionFunc {
	return func(_ *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		var out []cobra.Completion
		for _, v := range values {
			if hasPrefixFold(v, typed) {
				out = append(out, v)
			}
		}
		return out, inOrder
	}
}

// CompleteEnumList is CompleteEnum for the last of a list with commas.
func CompleteEnumList(values ...string) CompletionFunc {
	return func(_ *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		before, last, given := list(typed)
		var out []cobra.Completion
		for _, v := range values {
			name, _, _ := strings.Cut(v, "\t")
			if hasPrefixFold(v, last) && !slices.Contains(given, name) {
				out = append(out, before+v)
			}
		}
		return out, inOrder | cobra.ShellCompDirectiveNoSpace
	}
}

// CompleteColumns offers the columns of a kind of record, those a table shows
// first; the last of a list with commas.
func CompleteColumns(kind output.Kind) CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		var words []string
		shown := kind.DefaultColumns(false)
		for _, c := range shown {
			words = append(words, c+"\tin the table")
		}
		for _, c := range kind.ColumnNames() {
			if !slices.Contains(shown, c) {
				words = append(words, c)
			}
		}
		return CompleteEnumList(words...)(cmd, args, typed)
	}
}

// CompleteProfiles offers what -p takes: profiles, @groups, all, the demo's;
// the last of a list with commas.
func CompleteProfiles(f *Factory) CompletionFunc {
	return func(_ *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		before, last, given := list(typed)
		return offer(before, pick(profileWords(f, true), last, given)), inOrder
	}
}

// CompleteProfileNames offers single profiles, as arguments.
func CompleteProfileNames(f *Factory) CompletionFunc {
	return func(_ *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return offer("", pick(profileWords(f, false), typed, args)), inOrder
	}
}

// CompleteOwnProfiles offers the one profile of the configuration an argument
// names.
func CompleteOwnProfiles(f *Factory) CompletionFunc {
	return func(_ *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, NoFiles
		}
		words := slices.DeleteFunc(profileWords(f, false), func(w word) bool { _, made := demo.BackendOf(w.text); return made })
		return offer("", pick(words, typed, nil)), inOrder
	}
}

// CompleteSelections offers profiles, @groups and the demo, as arguments.
func CompleteSelections(f *Factory) CompletionFunc {
	return func(_ *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return offer("", pick(profileWords(f, true), typed, args)), inOrder
	}
}

func pick(words []word, typed string, given []string) []word {
	return slices.DeleteFunc(words, func(w word) bool { return !strings.HasPrefix(w.text, typed) || slices.Contains(given, w.text) })
}

func profileWords(f *Factory, expressions bool) []word {
	c, err := f.Config()
	if err != nil {
		c = &config.Config{} // the command will say what is wrong with it
	}
	var out []word
	for _, name := range c.Order {
		p := c.Profiles[name]
		help := p.Backend + " " + p.URL
		if p.ReadOnly {
			help += " (read-only)"
		}
		out = append(out, word{name, help})
	}
	if expressions {
		for g, members := range c.Groups {
			out = append(out, word{"@" + g, strings.Join(members, " ")})
		}
		slices.SortStableFunc(out[len(c.Order):], func(a, b word) int { return cmp.Compare(a.text, b.text) })
		if len(c.Order) > 1 {
			out = append(out, word{"all", "every profile"})
		}
		out = append(out, word{"demo", "all four products, over made-up data"})
	}
	for _, p := range demo.Profiles() {
		b, _ := demo.BackendOf(p)
		out = append(out, word{p, b + ", over made-up data"})
	}
	return out
}

// CompleteBackends offers the products.
func CompleteBackends(_ *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var words []word
	for _, b := range backends.All() {
		words = append(words, word{b.Name, b.Title})
	}
	return offer("", pick(words, typed, nil)), inOrder
}

// CompleteDurations offers spans of time.
func CompleteDurations(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return CompleteEnum("10s", "30s", "1m", "5m", "10m", "30m", "1h")(cmd, args, typed)
}

// CompleteTimes offers what --since and --until take: spans back from now, and
// today's and yesterday's dates.
func CompleteTimes(f *Factory) CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		zone, err := f.Zone()
		if err != nil {
			zone = time.Local
		}
		now := f.Now().In(zone)
		words := []string{
			"15m\tthe last 15 minutes", "1h\tthe last hour", "4h", "12h", "24h\tthe last day", "2d", "7d\tthe last week", "2w", "30d",
			now.Format(time.DateOnly) + "\ttoday", now.AddDate(0, 0, -1).Format(time.DateOnly) + "\tyesterday",
		}
		return CompleteEnum(words...)(cmd, args, typed)
	}
}

// CompleteOperations offers the operations of the selected profiles' products,
// or of all products; it needs neither cache nor network.
func CompleteOperations(f *Factory) CompletionFunc {
	return func(_ *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, NoFiles
		}
		products := selectedBackends(f)
		var words []word
		for _, b := range backends.All() {
			if len(products) > 0 && !slices.Contains(products, b.Name) {
				continue
			}
			for _, o := range b.Catalog() {
				help := cmp.Or(o.Method, "GET") + " " + o.Path + " · " + o.Summary
				if len(products) != 1 {
					help = b.Name + ": " + help
				}
				if !slices.ContainsFunc(words, func(w word) bool { return w.text == o.Name }) {
					words = append(words, word{o.Name, help})
				}
			}
		}
		return offer("", pick(words, typed, nil)), inOrder
	}
}

// CompleteParams offers the parameters of an operation as NAME=, and after it
// the values of those that have a fixed set.
func CompleteParams(f *Factory, operation, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	products := selectedBackends(f)
	name, value, valued := strings.Cut(typed, "=")
	for _, b := range backends.All() {
		o, ok := backends.OperationNamed(b.Catalog(), operation)
		if !ok || len(products) > 0 && !slices.Contains(products, b.Name) {
			continue
		}
		if p, ok := o.Param(name); ok && valued {
			var words []word
			for _, v := range p.Enum {
				words = append(words, word{text: v})
			}
			return offer(name+"=", pick(words, value, nil)), inOrder
		}
		var words []word
		for _, p := range o.Params {
			help := p.Help
			if p.Required {
				help = "needed: " + help
			}
			words = append(words, word{p.Name + "=", help})
		}
		return offer("", pick(words, typed, nil)), inOrder | cobra.ShellCompDirectiveNoSpace
	}
	return nil, NoFiles
}

// selectedBackends are the products of -p, each once; none when nothing is
// selected.
func selectedBackends(f *Factory) []string {
	c, err := f.Config()
	if err != nil {
		return nil
	}
	selected, err := c.Select(f.Flags.Profile)
	if err != nil {
		return nil
	}
	var out []string
	for _, name := range selected {
		b, _ := demo.BackendOf(name)
		if p := c.Profiles[name]; p != nil {
			b = p.Backend
		}
		if !slices.Contains(out, b) {
			out = append(out, b)
		}
	}
	return out
}

// CompleteSettings offers KEY=VALUE of the backend of --backend, or of all.
func CompleteSettings(cmd *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var only string
	if flag := cmd.Flags().Lookup("backend"); flag != nil {
		only = flag.Value.String()
	}
	key, value, valued := strings.Cut(typed, "=")
	var words []word
	for _, b := range backends.All() {
		if only != "" && b.Name != only {
			continue
		}
		for _, k := range b.Keys {
			switch {
			case valued && k.Name == key:
				for _, v := range k.Enum {
					words = append(words, word{text: v, help: k.Help})
				}
			case !valued:
				words = append(words, word{k.Name + "=", b.Name + ": " + k.Help})
			}
		}
	}
	if valued {
		return offer(key+"=", pick(words, value, nil)), inOrder
	}
	return offer("", pick(words, typed, nil)), inOrder | cobra.ShellCompDirectiveNoSpace
}

// CompleteSecrets offers the names of secrets a profile's backend has: never a
// value.
func CompleteSecrets(_ *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var words []word
	for _, b := range backends.All() {
		for _, s := range b.Secrets {
			words = append(words, word{s.Name, b.Name + ": " + s.Help})
		}
	}
	words = append(words, word{ProxyPassword, "of the user that proxy: names in the profile"})
	words = slices.CompactFunc(words, func(a, b word) bool { return a.text == b.text })
	return offer("", pick(words, typed, nil)), inOrder
}

// describe says of an entry what it is, where and when.
func describe(e *cache.Entry, now time.Time, parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		if p == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(" · ")
		}
		if r := []rune(p); len(r) > 60 {
			p = string(r[:59]) + "…"
		}
		b.WriteString(p)
	}
	if e.Time > 0 {
		if b.Len() > 0 {
			b.WriteString(" · ")
		}
		b.WriteString(string(output.Ago(time.Unix(e.Time, 0), now, time.UTC)))
	}
	return b.String()
}
