package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
)

// pushTables is a table a product of the filters its server evaluates, a row a
// filter of a list; what is sent alike is one row.
func pushTables() string {
	var out strings.Builder
	for _, b := range backends.All() {
		rows := b.Pushes()
		if len(rows) == 0 {
			continue // no server: everything is filtered here
		}
		fmt.Fprintf(&out, "## %s\n\n| List | Filter | Sent | Effect | Witness |\n|---|---|---|---|---|\n", b.Title)
		for i := 0; i < len(rows); {
			p, flags := rows[i], []string(nil)
			for ; i < len(rows) && alike(rows[i], p); i++ {
				flags = append(flags, "`--"+rows[i].Filter+"`")
			}
			effect := "narrows"
			if p.Exact {
				effect = "exact"
			}
			witness := p.Witness
			if p.Loses != "" {
				witness += ": " + p.Loses
			}
			fmt.Fprintf(&out, "| %s | %s | %s | %s | %s |\n", p.List,
				strings.Join(slices.DeleteFunc([]string{strings.Join(flags, " "), p.Form}, func(s string) bool { return s == "" }), ", "), p.Sent, effect, witness)
		}
		out.WriteString("\n")
	}
	return strings.TrimSuffix(out.String(), "\n")
}

func alike(a, b backends.Push) bool {
	return cmp.Or(cmp.Compare(a.List, b.List), cmp.Compare(a.Form, b.Form), cmp.Compare(a.Sent, b.Sent), cmp.Compare(a.Witness, b.Witness), cmp.Compare(a.Loses, b.Loses)) == 0 && a.Exact == b.Exact
}
