package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/suggest"
)

func (c *Config) isVirtual(name string) bool {
	if c.virtual == nil {
		return false
	}
	_, ok := c.virtual(name)
	return ok
}

func (c *Config) groupNames() []string { return slices.Sorted(maps.Keys(c.Groups)) }

// Select gives the profile names that NAME[,NAME…], @GROUP or all stand for,
// each once, in the order asked for (all: in the order of the file). An empty
// expression is the default, or the only profile there is. Names in the
// result are keys of Profiles or virtual.
func (c *Config) Select(expr string) ([]string, error) {
	expr = strings.TrimSpace(expr)
	words := strings.Split(expr, ",")
	if expr == "" {
		switch {
		case len(c.Default) > 0:
			words = c.Default
		case len(c.Order) == 1:
			words = c.Order
		case len(c.Order) == 0:
			return nil, &Error{Msg: ErrNoProfiles.Error(), Err: ErrNoProfiles, Hint: "add one with `edrctl profile add`, or try -p demo"}
		default:
			return nil, &Error{Msg: "several profiles and no default", Hint: fmt.Sprintf("choose with -p: %s, or all", shorten(c.Order))}
		}
	}
	var out []string
	for _, word := range words {
		names, err := c.expand(strings.TrimSpace(word))
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out, nil
}

// didYouMean is the hint for a name that is not a profile. The names of the demo
// are not listed with the others, but are suggested.
func (c *Config) didYouMean(word string) string {
	if s := suggest.Nearest(word, slices.Concat(c.Order, c.virtualNames)); s != "" {
		return "did you mean " + s + "?"
	}
	if hint := did(word, c.Order); hint != "" {
		return hint
	}
	return "`edrctl profile list` shows the profiles"
}

func (c *Config) expand(word string) ([]string, error) {
	if c.Profiles[word] != nil {
		return []string{word}, nil
	}
	if group, ok := strings.CutPrefix(word, "@"); ok {
		members, ok := c.Groups[group]
		if !ok {
			return nil, &Error{Msg: fmt.Sprintf("unknown group %s", quote("@"+group)), Hint: did(group, c.groupNames()), Err: ErrUnknownProfile}
		}
		return c.flatten(members), nil
	}
	if word == "all" {
		if len(c.Order) == 0 {
			return nil, &Error{Msg: ErrNoProfiles.Error(), Err: ErrNoProfiles, Hint: "add one with `edrctl profile add`, or try -p demo"}
		}
		return c.Order, nil
	}
	if c.virtual != nil {
		if names, ok := c.virtual(word); ok {
			return names, nil
		}
	}
	if word == "" {
		return nil, &Error{Msg: "an empty name in the list of profiles", Err: ErrUnknownProfile}
	}
	e := &Error{Msg: fmt.Sprintf("unknown profile %s", quote(word)), Hint: c.didYouMean(word), Err: ErrUnknownProfile}
	if _, isGroup := c.Groups[word]; isGroup {
		e.Hint = fmt.Sprintf("there is a group of that name: @%s", word)
	}
	return nil, e
}

func (c *Config) flatten(members []string) []string {
	var out []string
	for _, m := range members {
		if c.Profiles[m] == nil && c.virtual != nil {
			if names, ok := c.virtual(m); ok {
				out = append(out, names...)
				continue
			}
		}
		out = append(out, m)
	}
	return out
}

func shorten(names []string) string {
	if len(names) > 8 {
		return strings.Join(names[:8], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}
