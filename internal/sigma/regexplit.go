package sigma

import (
	"regexp/syntax"
	"unicode"
)

// regexpSize gives about how many steps an expression has, its repetitions
// written out.
func regexpSize(re *syntax.Regexp, depth int) int {
	if depth > maxDepth*5 {
		return maxProgram + 1
	}
	n := 1 + len(re.Rune)
	for _, sub := range re.Sub {
		n = min(n+regexpSize(sub, depth+1), maxProgram+1)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return min(n, maxProgram+1)
}

// literalsOf gives, in lower case, literals of which one is in every text that
// the expression matches; nil when there are none worth looking for.
func literalsOf(re *syntax.Regexp, depth int) []string {
	if depth > 50 {
		return nil
	}
	switch re.Op {
	case syntax.OpLiteral:
		if s := foldable(re); len(s) >= 3 {
			return []string{lower(s)}
		}
	case syntax.OpCapture, syntax.OpPlus:
		return literalsOf(re.Sub[0], depth+1)
	case syntax.OpRepeat:
		if re.Min > 0 {
			return literalsOf(re.Sub[0], depth+1)
		}
	case syntax.OpConcat:
		var best []string
		for _, sub := range re.Sub {
			if l := literalsOf(sub, depth+1); l != nil && (best == nil || shortest(l) > shortest(best)) {
				best = l
			}
		}
		return best
	case syntax.OpAlternate:
		var all []string
		for _, sub := range re.Sub {
			l := literalsOf(sub, depth+1)
			if l == nil || len(all)+len(l) > 64 {
				return nil
			}
			all = append(all, l...)
		}
		return all
	}
	return nil
}

func shortest(lits []string) int {
	n := len(lits[0])
	for _, l := range lits {
		n = min(n, len(l))
	}
	return n
}

// foldable gives the longest part of a literal whose letters, when case does
// not count, have no more than two forms: the others do not all have the same
// lower case.
func foldable(re *syntax.Regexp) string {
	if re.Flags&syntax.FoldCase == 0 {
		return string(re.Rune)
	}
	start, best := 0, ""
	for i := 0; i <= len(re.Rune); i++ {
		if i < len(re.Rune) {
			r := re.Rune[i]
			if unicode.SimpleFold(unicode.SimpleFold(r)) == r {
				continue
			}
		}
		if s := string(re.Rune[start:i]); len(s) > len(best) {
			best = s
		}
		start = i + 1
	}
	return best
}
