package fake

import (
	"errors"
	"strings"
)

// splitCommand splits a command line into words as the manager does
// (docs/wire/gene.md 5): a backslash outside single quotes makes the next
// character plain and is itself lost, in double quotes too; # at the
// beginning of a word starts a comment; no shell, no variables.
func splitCommand(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord, quote, escape, comment := false, rune(0), false, false
	for _, r := range line {
		switch {
		case comment:
			comment = r != '\n'
		case escape:
			word.WriteRune(r)
			escape = false
		case quote == '\'':
			if r == '\'' {
				quote = 0
			} else {
				word.WriteRune(r)
			}
		case r == '\\':
			escape, inWord = true, true
		case quote == '"':
			if r == '"' {
				quote = 0
			} else {
				word.WriteRune(r)
			}
		case r == '\'' || r == '"':
			quote, inWord = r, true
		case r == ' ' || r == '\t' || r == '\r' || r == '\n':
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		case r == '#' && !inWord:
			comment = true
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	switch {
	case escape:
		return nil, errors.New("EOF found after escape character")
	case quote != 0:
		return nil, errors.New("EOF found when expecting closing quote")
	case inWord:
		words = append(words, word.String())
	}
	return words, nil
}
