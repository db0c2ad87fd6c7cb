package model

import "strconv"

// Amount writes a number with its noun: "1 host", "3 hosts". A noun whose plural
// takes more than an s gives it: Amount(2, "process", "processes").
func Amount(n int, one string, many ...string) string {
	switch {
	case n == 1:
		return "1 " + one
	case len(many) > 0:
		return strconv.Itoa(n) + " " + many[0]
	}
	return strconv.Itoa(n) + " " + one + "s"
}
